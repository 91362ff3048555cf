//! The rules of the board, as functions from a [`View`] to the [`Changes`] they ask for.
//!
//! Each takes the moment `now` from outside and writes nothing. The ledger calls them inside its transaction, so what
//! they read can't change before it is written.

mod binding;
mod claim;
mod create;
mod depend;
mod finish;
mod lease;
mod limits;
mod mail;
mod plan;
mod shutdown;
mod update;

use biplane_model::{EventKind, NewEvent, Task, TaskId, TaskStatus, Timestamp};

pub use binding::{begin, bind, mark_worktree, unbind};
pub use claim::{Claim, claim, next_ready, release, renew, start};
pub use create::{NewTask, checked_gate, create};
pub use depend::{Readiness, readiness, waits_for};
pub use finish::{REVISION, block, cancel, complete, fail, give_back, reopen, review, revise, send_back};
pub use lease::{Lease, check, fence_expired, give_back_lost};
pub use limits::{TaskLimits, Used, rate_limited_in_a_row, used};
pub use mail::{NewMail, Roster, Waiting, broadcast, deliver_in_run, deliver_shown, return_mail, send};
pub use plan::{NewPlan, decide_plan, is_rejected_plan, plan_of, set_aside_for, submit_plan, withdraw_plan};
pub use shutdown::{answer_shutdown, approve_idle, ask_to_shut_down, away, is_working, recall, shutdown_of};
pub use update::{TaskUpdate, update};

use crate::{BoardError, Changes, View};

/// What the caller has seen of a task, checked before anything is changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// The epoch of the caller's claim.
    pub epoch: Option<u64>,
    /// The revision the caller has read.
    pub rev: Option<u64>,
}

impl Guard {
    /// Only the holder of the claim with this epoch.
    pub fn epoch(epoch: u64) -> Self {
        Self { epoch: Some(epoch), rev: None }
    }
}

/// The task `id`, if the guard lets the caller change it.
fn guarded(view: &dyn View, id: &TaskId, guard: Guard) -> Result<Task, BoardError> {
    let task = view.task(id)?.ok_or_else(|| BoardError::NoTask(id.clone()))?;
    match guard {
        Guard { epoch: Some(given), .. } if given != task.epoch => {
            Err(BoardError::StaleEpoch { id: id.clone(), given, current: task.epoch })
        }
        Guard { rev: Some(given), .. } if given != task.rev => {
            Err(BoardError::StaleRevision { id: id.clone(), given, current: task.rev })
        }
        _ => Ok(task),
    }
}

/// Moves `task` to `to` if the state machine has the move.
fn shift(task: &mut Task, to: TaskStatus, now: Timestamp) -> Result<(), BoardError> {
    task.status = task.status.to(to, format_args!("task {}", task.id))?;
    task.updated_at = now;
    Ok(())
}

/// Takes the claim away from whoever holds it: later writes of that run are refused.
fn fence(task: &mut Task) {
    task.epoch += 1;
    task.lease_until = None;
    task.holder = None;
    task.run = None;
}

/// As [`fence`], and the task is its assignee's again, or nobody's.
fn unclaim(task: &mut Task) {
    fence(task);
    task.owner.clone_from(&task.assignee);
}

/// One changed task and the event that says so.
fn changed(task: Task, event: NewEvent) -> (Changes, Task) {
    let changes =
        Changes { tasks: vec![task.clone()], events: vec![event.task(&task)], ..Changes::default() };
    (changes, task)
}

/// One changed task and an event of this kind.
fn changed_as(task: Task, kind: EventKind) -> (Changes, Task) {
    changed(task, NewEvent::new(kind))
}
