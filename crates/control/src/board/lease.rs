//! Leases of runs: whose it is to renew, what is done when one runs out, and when a task whose runs get lost is left to a
//! person.

use biplane_model::{
    EventKind, NewEvent, ProcessIdentity, Run, RunId, RunKind, RunStatus, Task, TaskId, TaskStatus, Timestamp,
};

use super::{Guard, block, changed, give_back, guarded};
use crate::{BoardError, Changes, RunFilter, View};

/// A claim that a process keeps alive, as it was seen at a moment. It has been renewed when it differs later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub id: TaskId,
    /// The epoch of the claim.
    pub epoch: u64,
    /// When it ends unless it is renewed, on the clock of whoever renewed it last.
    pub until: Option<Timestamp>,
    /// The run that works under it, once there is one.
    pub run: Option<RunId>,
    /// The process that keeps it alive.
    pub holder: ProcessIdentity,
}

impl Lease {
    /// The lease on `task`, when a process holds one.
    pub fn of(task: &Task) -> Option<Self> {
        let holder = task.holder.clone().filter(|_| task.status == TaskStatus::InProgress)?;
        Some(Self { id: task.id.clone(), epoch: task.epoch, until: task.lease_until, run: task.run, holder })
    }
}

/// The task, when the caller's claim still is the one on it.
///
/// # Errors
/// [`BoardError::StaleEpoch`] when another claim has replaced it, or that there is no such task.
pub fn check(view: &dyn View, id: &TaskId, guard: Guard) -> Result<Task, BoardError> {
    guarded(view, id, guard)
}

/// Takes a claim away from the process that has not renewed it, if it still is as it was `seen`. The task stays in progress,
/// held by `keeper` for `lease_s` seconds: what is left of its run must have ended before anybody takes it up again.
///
/// # Errors
/// When the ledger can't be read.
pub fn fence_expired(
    view: &dyn View,
    seen: &Lease,
    keeper: &ProcessIdentity,
    lease_s: u64,
    now: Timestamp,
) -> Result<Option<(Changes, Task)>, BoardError> {
    let Some(mut task) = view.task(&seen.id)?.filter(|task| Lease::of(task).as_ref() == Some(seen)) else {
        return Ok(None);
    };
    super::fence(&mut task);
    task.lease_until = Some(now.plus_seconds(lease_s));
    task.holder = Some(keeper.clone());
    task.updated_at = now;
    let event =
        NewEvent::new(EventKind::TaskFenced).error(format!("{} did not renew its lease", seen.holder));
    Ok(Some(changed(task, event)))
}

/// Sends back a task whose run was lost, or whose holder died. When that was the last of `recoveries` such losses since a
/// person opened it, it waits for a person. The losses are counted from the runs, so no transition forgets them.
///
/// # Errors
/// An illegal move, or the guard.
pub fn give_back_lost(
    view: &dyn View,
    id: &TaskId,
    why: &str,
    recoveries: u32,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let task = guarded(view, id, guard)?;
    let runs = view.runs(&RunFilter { task: Some(id.clone()), ..RunFilter::default() })?;
    let lost = runs.iter().filter(|run| run.status == RunStatus::Lost && counts(&task, run)).count();
    if u32::try_from(lost).unwrap_or(u32::MAX) >= recoveries {
        let times = if lost == 1 { "once".to_owned() } else { format!("{lost} times") };
        let reason = format!("its run was lost {times} without an end of its own; the last time: {why}");
        return block(view, id, &reason, guard, now);
    }
    give_back(view, id, why, guard, now)
}

/// Whether `run` is one of an agent on the task since a person last opened that.
///
/// A task that was never reopened counts all of them, whatever a clock that was set back says of their time.
pub(super) fn counts(task: &Task, run: &Run) -> bool {
    run.kind == RunKind::Agent && (task.opened_at == task.created_at || run.started_at >= task.opened_at)
}
