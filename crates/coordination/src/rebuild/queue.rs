//! Submissions: no view has them, so that they are put together from the events, and held against git's refs.

use std::collections::BTreeMap;

use biplane_execution::git::Git;
use biplane_model::{
    CommitId, Event, RepoName, Submission, SubmissionStatus, Task, TaskStatus, Timestamp, Worktree,
    WorktreeId,
};

use super::{numbers::Numbers, seen::Seen};
use crate::{
    error::Result,
    import::notes::Notes,
    service::{Service, pin_name},
};

/// The submissions, in the order of their numbers. `tasks` have their new epochs already: what waits for one of them goes
/// on under it.
pub(super) fn of(
    services: &[Service],
    seen: &Seen,
    numbers: &Numbers,
    worktrees: &[Worktree],
    tasks: &mut [Task],
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<Submission>> {
    let mut all: BTreeMap<u64, Submission> = BTreeMap::new();
    for event in &seen.events {
        let Some(said) = &event.fact.submission else { continue };
        if let std::collections::btree_map::Entry::Vacant(entry) = all.entry(said.id.0) {
            match queued(services, event, numbers) {
                Some(submission) => entry.insert(submission),
                None => continue,
            };
        }
        let Some(submission) = all.get_mut(&said.id.0) else { continue };
        submission.status = said.status;
        submission.candidate = said.candidate.clone().or(submission.candidate.take());
        if let Some(onto) = event.fact.data.get("onto").and_then(|o| o.as_str()) {
            submission.onto = onto.parse::<CommitId>().ok();
        }
        submission.reason = event.fact.error.clone().unwrap_or_default();
        submission.updated_at = event.at;
        submission.rev += 1;
    }
    let mut list: Vec<Submission> = all.into_values().collect();
    for submission in list.iter_mut().filter(|s| s.status.is_open()) {
        let is_live = worktrees.iter().any(|w| w.id == submission.worktree_id && w.status.is_live());
        let service = of_repo(services, &submission.repo);
        let git = service.and_then(|service| service.home().repository.as_ref()).map(|r| r.git());
        let held = match &git {
            Some(git) if is_live => holds(git, submission)?,
            _ => false,
        };
        match service.filter(|_| held) {
            Some(service) => requeue(service, git.as_ref(), submission, tasks, notes)?,
            None => give_up(submission, tasks, now, notes),
        }
    }
    Ok(list)
}

/// The service of the repository `name`; none when the settings don't list it.
fn of_repo<'s>(services: &'s [Service], name: &RepoName) -> Option<&'s Service> {
    services.iter().find(|service| service.repo() == *name)
}

fn queued(services: &[Service], event: &Event, numbers: &Numbers) -> Option<Submission> {
    let (said, worktree) = (event.fact.submission.as_ref()?, event.fact.worktree.as_ref()?);
    let task = event.fact.task.as_ref();
    Some(Submission {
        id: said.id,
        repo: worktree.repo.clone(),
        worktree: worktree.name.clone(),
        worktree_id: numbers.worktree(&worktree.name, event.seq.0).unwrap_or(WorktreeId(0)),
        task: task.map(|t| t.id.clone()),
        epoch: task.map_or(0, |t| t.epoch),
        branch: worktree.branch.clone(),
        head: said.head.clone(),
        target: said.target.clone(),
        strategy: of_repo(services, &worktree.repo).or(services.first())?.settings().strategy,
        gate: None,
        status: said.status,
        onto: None,
        candidate: None,
        worker: None,
        reason: String::new(),
        created_at: event.at,
        updated_at: event.at,
        rev: 0,
    })
}

/// Whether its ref holds the very commit that was submitted.
fn holds(git: &Git, submission: &Submission) -> Result<bool> {
    Ok(git.find_commit(&pin_name(submission.id))?.as_ref() == Some(&submission.head))
}

/// It waits again: under its task's new epoch, and for the gate that holds now. One that has landed already stays as it is, for recovery to
/// note that.
fn requeue(
    service: &Service,
    git: Option<&Git>,
    submission: &mut Submission,
    tasks: &[Task],
    notes: &mut Notes,
) -> Result<()> {
    let task = submission.task.as_ref().and_then(|id| tasks.iter().find(|t| t.id == *id));
    if let Some(task) = task.filter(|t| t.epoch == submission.epoch + 1) {
        submission.epoch = task.epoch;
    }
    submission.gate = task.and_then(|t| t.gate.clone()).or_else(|| service.default_gate().0);
    let gate = submission.gate.as_ref().map_or("none".to_owned(), |gate| format!("`{gate}`"));
    let what = format!(
        "it waits for the gate that holds now ({gate}), and is to land by `{}`",
        submission.strategy.as_str()
    );
    notes.problem(submission.id, what);
    let has_landed = match (git, &submission.candidate) {
        (Some(git), Some(candidate)) if git.find_commit(candidate.as_str())?.is_some() => {
            let tip = git.branch_tip(&submission.target)?;
            tip.map_or(Ok(false), |tip| git.is_ancestor(candidate, &tip))?
        }
        _ => false,
    };
    if !has_landed {
        submission.status = SubmissionStatus::Queued;
        (submission.candidate, submission.onto) = (None, None);
    }
    Ok(())
}

fn give_up(submission: &mut Submission, tasks: &mut [Task], now: Timestamp, notes: &mut Notes) {
    let why = "no ref held its commit, or its worktree was gone, when the ledger was rebuilt";
    notes.problem(submission.id, format_args!("withdrawn: {why}"));
    submission.status = SubmissionStatus::Withdrawn;
    why.clone_into(&mut submission.reason);
    submission.updated_at = now;
    let task = submission.task.as_ref().and_then(|id| tasks.iter_mut().find(|t| t.id == *id));
    if let Some(task) = task.filter(|t| t.status == TaskStatus::InReview) {
        task.status = TaskStatus::Pending;
        why.clone_into(&mut task.reason);
    }
}
