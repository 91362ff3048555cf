//! What the ledger knows of the time in which a run was at work, in its own repository.

use std::collections::{BTreeMap, BTreeSet};

use biplane_control::{EventFilter, RunFilter, SubmissionFilter, View, WorktreeFilter};
use biplane_model::{
    EventKind, Run, RunId, Seq, Submission, SubmissionId, SubmissionStatus, TaskStatus, Worktree,
    WorktreeName, WorktreeStatus,
};

use serde_json::Value;

use super::judge::{Known, Landed};
use crate::{
    bounds,
    error::{Error, Result},
    service::IN_RUN,
};

/// One moment of the ledger, before a run.
pub(super) struct Moment {
    pub(super) seq: Seq,
    /// The worktrees that somebody is at work in.
    pub(super) at_work: BTreeSet<WorktreeName>,
    /// Those that nobody should be at work in, the newest first.
    pub(super) idle: Vec<Worktree>,
    /// Whether a landing is about to move its target and the checkouts on it.
    pub(super) moving: bool,
}

/// The moment, as the worktree `own` sees it.
pub(super) fn moment(view: &dyn View, own: &Worktree) -> Result<Moment> {
    let at_work = at_work(view, own)?;
    let mut idle = Vec::new();
    for worktree in view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })? {
        let is_beside = worktree.id != own.id && worktree.repo == own.repo;
        if is_beside && !at_work.contains(&worktree.name) && is_idle(view, &worktree)? {
            idle.push(worktree);
        }
    }
    idle.sort_by_key(|worktree| std::cmp::Reverse(worktree.updated_at));
    idle.truncate(bounds::OUTSIDE_SIBLINGS);
    let open = view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?;
    Ok(Moment {
        seq: view.last_seq()?,
        at_work,
        idle,
        moving: open.iter().any(|s| s.repo == own.repo && is_moving(s)),
    })
}

/// What is known of the time since `before`, of all that names nothing on the disk. What was said from within the run `judged`
/// explains nothing, such as that another worktree is kept or that another task is claimed.
pub(super) fn known(
    view: &dyn View,
    before: &Moment,
    own: &Worktree,
    judged: Option<RunId>,
) -> Result<Known> {
    let mut busy = before.at_work.clone();
    let mut begun_by_it = BTreeSet::new();
    let judged = judged.map(|run| Value::from(run.to_string()));
    let mut branches = BTreeSet::new();
    let (mut submissions, mut claimed) = (BTreeSet::new(), BTreeSet::new());
    let mut since = before.seq;
    loop {
        let events = view.events(since, &EventFilter::default(), bounds::OUTSIDE_EVENTS)?;
        let Some(last) = events.last() else { break };
        since = last.seq;
        if since.0 - before.seq.0 > bounds::OUTSIDE_ALL_EVENTS {
            return Err(Error::failed("too much has happened meanwhile"));
        }
        for event in events {
            submissions.extend(event.fact.submission.as_ref().map(|submission| submission.id));
            let is_its = judged.is_some() && event.fact.data.get(IN_RUN) == judged.as_ref();
            if is_its && !is_witnessed(event.fact.event) {
                if event.fact.event == EventKind::WorktreeRunBefore {
                    begun_by_it.extend(event.fact.run.map(|run| run.id));
                }
                continue;
            }
            if let Some(worktree) = event.fact.worktree.filter(|worktree| worktree.repo == own.repo) {
                branches.insert(worktree.branch);
                busy.insert(worktree.name);
            }
            // From its claim on somebody is at work in its worktree; what he does first has no event of its own yet.
            if event.fact.event == EventKind::TaskClaimed {
                claimed.extend(event.fact.task.map(|task| task.id));
            }
        }
    }
    busy.extend(at_work_but(view, own, &begun_by_it)?);
    let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
    let is_claimed = |worktree: &&Worktree| {
        worktree.repo == own.repo && worktree.task.as_ref().is_some_and(|id| claimed.contains(id))
    };
    busy.extend(live.iter().filter(is_claimed).map(|worktree| worktree.name.clone()));
    busy.remove(&own.name);
    branches.remove(&own.branch);
    let mut entries = BTreeMap::new();
    for worktree in live {
        if busy.contains(&worktree.name) && worktree.repo == own.repo {
            branches.insert(worktree.branch);
            entries.insert(worktree.name.to_string(), worktree.git_entry);
        }
    }
    // Those that are gone have no entry any more.
    for name in busy {
        entries.entry(name.to_string()).or_default();
    }
    Ok(Known {
        branch: own.branch.clone(),
        entry: own.git_entry.clone(),
        busy: entries,
        busy_branches: branches,
        landed: landed(view, submissions, own)?,
        ..Known::default()
    })
}

/// Whether a landing is about to move its target and the checkouts on it.
pub(super) fn is_moving(submission: &Submission) -> bool {
    submission.status == SubmissionStatus::Testing && submission.candidate.is_some()
}

fn landed(view: &dyn View, mut ids: BTreeSet<SubmissionId>, own: &Worktree) -> Result<Vec<Landed>> {
    let open = view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?;
    ids.extend(open.iter().map(|submission| submission.id));
    let mut landed = Vec::new();
    for id in ids {
        let Some(submission) = view.submission(id)?.filter(|s| s.repo == own.repo) else { continue };
        if let (Some(onto), Some(candidate)) = (submission.onto, submission.candidate) {
            let target = format!("refs/heads/{}", submission.target);
            landed.push(Landed { target, onto: onto.to_string(), candidate: candidate.to_string() });
        }
    }
    Ok(landed)
}

/// Whether whatever differs then is biplane's own doing: a worktree was made, or is gone. In neither is there anything of anybody
/// else's to change.
fn is_witnessed(kind: EventKind) -> bool {
    use EventKind::{WorktreeCreateAfter, WorktreeRemoveAfter, WorktreeRestore};
    matches!(kind, WorktreeCreateAfter | WorktreeRemoveAfter | WorktreeRestore)
}

fn at_work(view: &dyn View, own: &Worktree) -> Result<BTreeSet<WorktreeName>> {
    at_work_but(view, own, &BTreeSet::new())
}

/// The worktrees that somebody is at work in, without those runs.
fn at_work_but(view: &dyn View, own: &Worktree, without: &BTreeSet<RunId>) -> Result<BTreeSet<WorktreeName>> {
    let open = view.runs(&RunFilter { open: true, ..RunFilter::default() })?;
    let counts = |run: &Run| run.repo == own.repo && !without.contains(&run.id);
    Ok(open.into_iter().filter(counts).map(|run| run.worktree).collect())
}

/// Whether nobody should be at work in a worktree: it is kept, merged or given up, or its task is in nobody's hands.
fn is_idle(view: &dyn View, worktree: &Worktree) -> Result<bool> {
    if worktree.operation.is_some() || worktree.git_entry.is_empty() {
        return Ok(false);
    }
    Ok(match worktree.status {
        WorktreeStatus::Kept | WorktreeStatus::Merged | WorktreeStatus::Abandoned => true,
        WorktreeStatus::Active => match worktree.task.as_ref().map(|id| view.task(id)).transpose()?.flatten()
        {
            // A worktree without a task is a person's.
            None => false,
            Some(task) => task.status != TaskStatus::InProgress,
        },
        WorktreeStatus::Creating | WorktreeStatus::Removed => false,
    })
}
