//! All that the new ledger is to know, and its worktrees: from the index, and from the events where the index is lost,
//! held against git and the disk.

use std::collections::{BTreeMap, HashSet};

use biplane_control::Past;
use biplane_execution::worktrees;
use biplane_model::{
    EventKind, Operation, OperationKind, RepoName, TaskId, TaskStatus, Timestamp, Worktree, WorktreeId,
    WorktreeRef, WorktreeStatus, clip, sanitize, sanitize_line, view::WorktreeView,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{board, numbers::Numbers, queue, runs, seen::Seen, team};
use crate::{error::Result, home::Home, import::notes::Notes, service::Service};

/// What a lost ledger knew of when a removed worktree was looked at: since the beginning of time, so that what lies aside of
/// one stays.
const UNKNOWN: Option<Timestamp> = Some(Timestamp(0));

/// Everything that was seen, as records that fit together.
///
/// # Errors
/// When git or the disk can't be asked.
pub(super) fn of(service: &Service, seen: &Seen, now: Timestamp, notes: &mut Notes) -> Result<Past> {
    let services = everywhere(service)?;
    let homes: Vec<&Home> = services.iter().map(Service::home).collect();
    let mut numbers = Numbers::of(&homes, seen)?;
    let mut tasks = board::of(seen, now, notes);
    let ids: HashSet<TaskId> = tasks.iter().map(|t| t.id.clone()).collect();
    let worktrees = worktrees_of(&homes, seen, &mut numbers, &ids, notes)?;
    board::lease(&mut tasks, seen, now);
    board::bind(&mut tasks, &worktrees);
    let runs = runs::of(seen, &numbers, now, notes);
    let submissions = queue::of(&services, seen, &numbers, &worktrees, &mut tasks, now, notes)?;
    for task in tasks.iter().filter(|t| t.status == TaskStatus::InReview) {
        if !submissions.iter().any(|s| s.status.is_open() && s.task.as_ref() == Some(&task.id)) {
            notes.problem(
                format_args!("task {}", task.id),
                "it is in review, and nothing of it waits to land; submit its worktree anew",
            );
        }
    }
    let counters = numbers.counters();
    let events = seen.events.clone();
    let (members, mail, requests) = team::of(seen, &tasks, now, notes);
    Ok(Past { tasks, worktrees, runs, submissions, members, mail, requests, counters, events })
}

/// The service of each repository. What is in one that can't be looked at could not be told from what is gone.
fn everywhere(service: &Service) -> Result<Vec<Service>> {
    let (services, out_of_reach) = service.everywhere();
    match out_of_reach.into_values().next() {
        None => Ok(services),
        Some(error) => {
            Err(error
                .hint("or take its `[[repo]]` out: then its records are brought back as they were written"))
        }
    }
}

/// The repository `name`; one that the settings don't list is not looked at.
fn home_of(homes: &[&Home], name: &RepoName) -> Home {
    let listed = homes.iter().find(|home| home.name() == *name);
    listed.map_or_else(|| homes[0].unseen(name), |home| (*home).clone())
}

fn worktrees_of(
    homes: &[&Home],
    seen: &Seen,
    numbers: &mut Numbers,
    tasks: &HashSet<TaskId>,
    notes: &mut Notes,
) -> Result<Vec<Worktree>> {
    let mut records = Vec::new();
    for view in &seen.worktrees {
        let id = numbers.worktree(&view.name, u64::MAX);
        records.push(from_view(&home_of(homes, &view.repo), view, id));
    }
    let known: HashSet<String> = records.iter().map(|w| w.name.as_str().to_ascii_lowercase()).collect();
    let mut said: BTreeMap<String, (&WorktreeRef, Timestamp, Timestamp)> = BTreeMap::new();
    for event in &seen.events {
        let Some(worktree) = &event.fact.worktree else { continue };
        let name = worktree.name.as_str().to_ascii_lowercase();
        said.entry(name)
            .and_modify(|e| (e.0, e.2) = (worktree, event.at))
            .or_insert((worktree, event.at, event.at));
    }
    for record in &mut records {
        let name = record.name.as_str().to_ascii_lowercase();
        if let Some((last, _, at)) = said.get(&name).filter(|(_, _, at)| *at > record.updated_at) {
            catch_up(record, last, *at, notes);
        }
    }
    for (name, (last, first_at, last_at)) in said {
        if known.contains(&name) || !last.status.is_live() {
            continue;
        }
        notes.problem(
            format_args!("worktree `{}`", last.name),
            "the index has it not; it is brought back as its last event says",
        );
        let mut record = from_event(
            &home_of(homes, &last.repo),
            last,
            (first_at, last_at),
            numbers.worktree(&last.name, u64::MAX),
        );
        if let (Some(record), Some(path)) = (&mut record, adopted_at(seen, last)) {
            record.path = path;
        }
        records.extend(record);
    }
    let mut records = without_twins(records, notes);
    for record in &mut records {
        if record.id == WorktreeId(0) {
            record.id = numbers.fresh_worktree();
        }
        prove(&home_of(homes, &record.repo), record, notes)?;
        let is_lost = |id: &TaskId| !tasks.contains(id);
        if let Some(lost) = record.task.take_if(|id| is_lost(id)) {
            notes.problem(
                format_args!("worktree `{}`", record.name),
                format_args!("it was bound to task {lost}, which is lost; unbound"),
            );
        }
    }
    records.sort_by_key(|w| w.id);
    Ok(records)
}

/// An entry of the index that was not written any more before the ledger was lost.
fn catch_up(record: &mut Worktree, last: &WorktreeRef, at: Timestamp, notes: &mut Notes) {
    if (last.status, &last.task_id, &last.branch) == (record.status, &record.task, &record.branch) {
        return;
    }
    notes.problem(
        format_args!("worktree `{}`", record.name),
        format_args!(
            "its entry in the index is older than its last event; it is {} as that says",
            last.status
        ),
    );
    record.status = last.status;
    record.task.clone_from(&last.task_id);
    record.branch.clone_from(&last.branch);
    record.operation.take_if(|_| last.status != WorktreeStatus::Creating);
    record.updated_at = at;
    if !last.status.is_live() {
        record.removed_at = Some(at);
    }
}

/// Where a worktree was when it was taken over.
fn adopted_at(seen: &Seen, last: &WorktreeRef) -> Option<String> {
    let facts = seen.events.iter().rev().map(|e| &e.fact);
    let mut of_it = facts.filter(|f| f.worktree.as_ref().is_some_and(|w| w.name == last.name));
    let fact =
        of_it.find(|f| matches!(f.event, EventKind::WorktreeAdopt | EventKind::WorktreeCreateBefore))?;
    fact.data.get("path").and_then(|p| p.as_str()).map(str::to_owned)
}

/// Leaves out what the ledger could not take: two live ones of a name, two that are bound to a task, two with a number.
fn without_twins(records: Vec<Worktree>, notes: &mut Notes) -> Vec<Worktree> {
    let (mut names, mut bound, mut ids) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut kept = Vec::with_capacity(records.len());
    for mut record in records {
        let place = format!("worktree `{}`", record.name);
        let is_live = record.status.is_live();
        if is_live && !names.insert(record.name.as_str().to_ascii_lowercase()) {
            notes.problem(place, "it is in the index twice; left out once");
            continue;
        }
        if is_live && record.task.as_ref().is_some_and(|id| !bound.insert(id.clone())) {
            notes.problem(place, "its task has another worktree; unbound");
            record.task = None;
        }
        if !is_live {
            record.task = None;
        }
        if record.id != WorktreeId(0) && !ids.insert(record.id) {
            record.id = WorktreeId(0);
        }
        kept.push(record);
    }
    kept
}

fn from_view(home: &Home, view: &WorktreeView, id: Option<WorktreeId>) -> Worktree {
    let written = Utf8PathBuf::from(&view.path);
    let usual = home.worktrees_dir().join(view.name.as_str());
    // The index has whole paths: those of a repository that was moved are not there any more.
    let path = if !written.is_absolute() || (!written.exists() && usual.exists()) { usual } else { written };
    let is_creating = view.status == WorktreeStatus::Creating;
    Worktree {
        id: id.unwrap_or(WorktreeId(0)),
        repo: view.repo.clone(),
        name: view.name.clone(),
        branch: clip(&sanitize_line(&view.branch), 255),
        base: view.base.clone(),
        base_ref: clip(&sanitize_line(&view.base_ref), 255),
        path: home.recorded(&path),
        git_entry: String::new(),
        ports: view.ports.clone(),
        status: view.status,
        task: view.task_id.clone(),
        // Recovery takes it back: nobody has worked in it yet.
        operation: is_creating.then(|| Operation { kind: OperationKind::Create, by: runs::nobody() }),
        reason: clip(&sanitize(&view.reason), 1000),
        created_at: view.created_at,
        updated_at: view.updated_at,
        kept_at: view.kept_at,
        removed_at: view.removed_at,
        looked_at: UNKNOWN,
        last_entered_at: view.last_entered_at,
        last_command_at: view.last_command_at,
        last_command_preview: clip(&sanitize_line(&view.last_command_preview), 200),
        rev: view.rev.min(u64::from(u32::MAX)),
    }
}

/// None when the event says too little: a worktree without a base is none.
fn from_event(
    home: &Home,
    said: &WorktreeRef,
    (created_at, updated_at): (Timestamp, Timestamp),
    id: Option<WorktreeId>,
) -> Option<Worktree> {
    let is_creating = said.status == WorktreeStatus::Creating;
    Some(Worktree {
        id: id.unwrap_or(WorktreeId(0)),
        repo: said.repo.clone(),
        name: said.name.clone(),
        branch: said.branch.clone(),
        base: said.base.clone()?,
        base_ref: String::new(),
        path: home.recorded(&home.worktrees_dir().join(said.name.as_str())),
        git_entry: String::new(),
        ports: Vec::new(),
        status: said.status,
        task: said.task_id.clone(),
        operation: is_creating.then(|| Operation { kind: OperationKind::Create, by: runs::nobody() }),
        reason: String::new(),
        created_at,
        updated_at,
        kept_at: None,
        removed_at: None,
        looked_at: UNKNOWN,
        last_entered_at: None,
        last_command_at: None,
        last_command_preview: String::new(),
        rev: 0,
    })
}

/// Finds git's entry for a live worktree. One that can't be proved stays in the ledger as it was, and is told of: `doctor`
/// says what is to be done about it.
fn prove(home: &Home, record: &mut Worktree, notes: &mut Notes) -> Result<()> {
    if !record.status.is_live() {
        return Ok(());
    }
    let Some(repository) = &home.repository else {
        if !record.repo.is_default() {
            let why =
                format!("its repository `{}` is none of the settings, and was not looked at", record.repo);
            notes.problem(format_args!("worktree `{}`", record.name), why);
        }
        return Ok(());
    };
    let path = home.absolute(&record.path);
    let place = worktrees::place_at(&repository.common_dir, &path);
    record.git_entry = if place.git_entry.is_empty() {
        entry_for(&repository.common_dir, &path)?.unwrap_or_default()
    } else {
        place.git_entry.clone()
    };
    if record.status == WorktreeStatus::Creating {
        return Ok(());
    }
    let whose = format!("worktree `{}`", record.name);
    match worktrees::prove(&place) {
        Err(fault) => notes.problem(
            whose,
            format_args!("{fault}; its record is brought back, and nothing is taken for gone"),
        ),
        Ok(_) if repository.git().branch_tip(&record.branch)?.is_none() => {
            notes.problem(whose, format_args!("its branch `{}` is gone", record.branch));
        }
        Ok(_) => {}
    }
    Ok(())
}

/// The name of git's entry that names `path`, or that has its name where the repository was moved.
fn entry_for(common_dir: &Utf8Path, path: &Utf8Path) -> Result<Option<String>> {
    let mut by_name = None;
    for name in crate::doctor::names_in(&common_dir.join("worktrees"))? {
        let place = worktrees::Place {
            common_dir: common_dir.to_owned(),
            path: path.to_owned(),
            git_entry: name.clone(),
        };
        let Some(named) = worktrees::named_by_entry(&place) else { continue };
        if named == *path {
            return Ok(Some(name));
        }
        if named.file_name() == path.file_name() && !named.exists() {
            by_name = Some(name);
        }
    }
    Ok(by_name)
}
