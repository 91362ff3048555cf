//! Tasks: from their views, and from the events where a view is lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use biplane_model::{
    AgentName, Task, TaskId, TaskRef, TaskStatus, Timestamp, Worktree, WorktreeName, WorktreeState,
    WorktreeStatus, clip, sanitize, sanitize_line,
};

use super::seen::{Seen, SeenTask};
use crate::{bounds, import::notes::Notes};

/// The most labels of a task.
const MOST_LABELS: usize = 100;

/// The tasks in the order of their creation, with their epochs as they were.
pub(super) fn of(seen: &Seen, now: Timestamp, notes: &mut Notes) -> Vec<Task> {
    let mut tasks: Vec<Task> = seen.tasks.iter().map(|t| task(t, notes)).collect();
    let known: HashSet<TaskId> = tasks.iter().map(|t| t.id.clone()).collect();
    let mut said: BTreeMap<&TaskId, (&TaskRef, Timestamp, Timestamp)> = BTreeMap::new();
    for event in &seen.events {
        let Some(task) = &event.fact.task else { continue };
        said.entry(&task.id)
            .and_modify(|e| (e.0, e.2) = (task, event.at))
            .or_insert((task, event.at, event.at));
    }
    for (id, (last, first_at, last_at)) in said.iter().filter(|(id, _)| !known.contains(**id)) {
        notes.problem(
            format_args!("task {id}"),
            "its view is lost; its subject, state and owner are those of its last event",
        );
        tasks.push(from_event(last, *first_at, *last_at));
    }
    let epochs = epochs(seen);
    let ids: HashSet<TaskId> = tasks.iter().map(|t| t.id.clone()).collect();
    for task in &mut tasks {
        if let Some((last, _, at)) = said.get(&task.id).filter(|(_, _, at)| *at > task.updated_at) {
            catch_up(task, last, *at, notes);
        }
        task.epoch = task.epoch.max(epochs.get(&task.id).copied().unwrap_or(0));
        for missing in task.after.iter().filter(|id| !ids.contains(id)) {
            notes.problem(
                format_args!("task {}", task.id),
                format_args!("it waits for task {missing}, which is lost"),
            );
        }
        if task.updated_at == Timestamp(0) {
            task.updated_at = now;
        }
    }
    tasks.sort_by_cached_key(|t| (t.created_at, t.id.counter().map(|(_, n)| n), t.id.clone()));
    tasks
}

/// A view that was not written any more before the ledger was lost: the events know better who has the task.
fn catch_up(task: &mut Task, last: &TaskRef, at: Timestamp, notes: &mut Notes) {
    let owner = last.owner.parse::<AgentName>().ok();
    if (last.status, &owner) == (task.status, &task.owner) {
        return;
    }
    notes.problem(
        format_args!("task {}", task.id),
        format_args!("its view is older than its last event; it is {} as that says", last.status),
    );
    (task.status, task.owner, task.updated_at) = (last.status, owner, at);
    if task.status == TaskStatus::Pending {
        task.assignee.clone_from(&task.owner);
    }
}

/// The highest epoch of each task that anything names.
fn epochs(seen: &Seen) -> HashMap<TaskId, u64> {
    let mut epochs: HashMap<TaskId, u64> = HashMap::new();
    let events = seen.events.iter().filter_map(|e| e.fact.task.as_ref()).map(|t| (t.id.clone(), t.epoch));
    let index = seen.worktrees.iter().filter_map(|w| Some((w.task_id.clone()?, w.epoch)));
    for (id, epoch) in events.chain(index) {
        let highest = epochs.entry(id).or_insert(0);
        *highest = epoch.max(*highest);
    }
    epochs
}

/// Everything counts as leased: whoever works on a task has it for one more lease, and whatever ran under an older epoch
/// is fenced off.
pub(super) fn lease(tasks: &mut [Task], seen: &Seen, now: Timestamp) {
    let by_run: HashSet<&TaskId> =
        seen.tasks.iter().filter(|t| t.view.run.is_some()).map(|t| &t.view.id).collect();
    for task in tasks {
        task.epoch += 1;
        task.run = None;
        task.holder = None;
        let is_held = task.status == TaskStatus::InProgress && task.owner.is_some();
        let seconds =
            if by_run.contains(&task.id) { bounds::RUN_LEASE.as_secs() } else { bounds::PERSON_LEASE_S };
        task.lease_until = is_held.then(|| now.plus_seconds(seconds));
    }
}

/// The tasks' side of the bindings, from the worktrees' records.
pub(super) fn bind(tasks: &mut [Task], worktrees: &[Worktree]) {
    let live = worktrees.iter().filter(|w| w.status.is_live() && w.status != WorktreeStatus::Creating);
    let bound: HashMap<&TaskId, &Worktree> = live.filter_map(|w| Some((w.task.as_ref()?, w))).collect();
    for task in tasks {
        let worktree = bound.get(&task.id);
        task.worktree = worktree.map(|w| w.name.clone());
        task.worktree_state = match worktree.map(|w| w.status) {
            Some(WorktreeStatus::Kept) => WorktreeState::Kept,
            Some(_) => WorktreeState::Active,
            None if task.worktree_state == WorktreeState::Removed => WorktreeState::Removed,
            None => WorktreeState::Unbound,
        };
        if task.worktree.is_some() {
            task.last_worktree.clone_from(&task.worktree);
        }
    }
}

fn task(seen: &SeenTask, notes: &mut Notes) -> Task {
    let view = &seen.view;
    let place = format!("task {}", view.id);
    // A gate is a command. A file that was changed since we wrote it gives none.
    let gate = view.gate.clone().filter(|gate| {
        let is_ours = seen.is_stamped && !gate.trim().is_empty();
        if !is_ours {
            notes.problem(
                &place,
                "its view was changed by something else, and its own gate is not taken from it",
            );
        }
        is_ours
    });
    let name = |text: &str| text.parse::<WorktreeName>().ok();
    let owner = view.owner.parse::<AgentName>().ok();
    let mut description = sanitize(&view.description);
    description.truncate(description.floor_char_boundary(Task::MAX_DESCRIPTION));
    Task {
        id: view.id.clone(),
        repo: view.repo.clone(),
        subject: subject(&view.subject),
        description,
        status: view.status,
        assignee: view.assignee.parse().ok().or_else(|| assignee(view.status, owner.as_ref())),
        owner,
        priority: view.priority,
        labels: view.labels.iter().take(MOST_LABELS).cloned().collect(),
        after: view.blocked_by.iter().take(Task::MAX_DEPENDENCIES).cloned().collect(),
        worktree: name(&view.worktree),
        worktree_state: view.worktree_state,
        last_worktree: name(&view.last_worktree),
        closeout: view.closeout.clone().map(|mut closeout| {
            closeout.reason = clip(&sanitize(&closeout.reason), 1000);
            closeout
        }),
        reason: clip(&sanitize(&view.reason), 4000),
        gate,
        profile: view.profile.clone(),
        plan: view.plan,
        epoch: view.epoch.min(u64::from(u32::MAX)),
        lease_until: None,
        holder: None,
        run: None,
        attempts: view.attempts,
        opened_at: view.opened_at.max(view.created_at),
        created_at: view.created_at,
        updated_at: view.updated_at,
        rev: view.rev.min(u64::from(u32::MAX)),
    }
}

fn subject(text: &str) -> String {
    let subject = clip(sanitize_line(text).trim(), Task::MAX_SUBJECT);
    if subject.is_empty() { "(no subject)".to_owned() } else { subject }
}

/// Who a task was meant for that nobody has claimed: whose it is. Events don't say it, and views of older versions neither.
fn assignee(status: TaskStatus, owner: Option<&AgentName>) -> Option<AgentName> {
    owner.filter(|_| status == TaskStatus::Pending).cloned()
}

fn from_event(said: &TaskRef, created_at: Timestamp, updated_at: Timestamp) -> Task {
    let owner = said.owner.parse::<AgentName>().ok();
    Task {
        id: said.id.clone(),
        repo: said.repo.clone(),
        subject: subject(&said.subject),
        description: String::new(),
        status: said.status,
        assignee: assignee(said.status, owner.as_ref()),
        owner,
        priority: 0,
        labels: Vec::new(),
        after: Vec::new(),
        worktree: None,
        worktree_state: WorktreeState::Unbound,
        last_worktree: None,
        closeout: None,
        reason: String::new(),
        gate: None,
        profile: None,
        plan: None,
        epoch: said.epoch,
        lease_until: None,
        holder: None,
        run: None,
        attempts: 0,
        opened_at: created_at,
        created_at,
        updated_at,
        rev: 0,
    }
}
