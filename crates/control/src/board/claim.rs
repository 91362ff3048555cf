//! Claims: one owner at a time, for a time.

use biplane_model::{AgentName, EventKind, NewEvent, ProcessIdentity, Task, TaskId, TaskStatus, Timestamp};

use super::{Guard, changed, changed_as, fence, guarded, readiness, shift, unclaim};
use crate::{BoardError, Changes, ReadyOrder, View};

/// How many ready tasks are looked at before all of them are.
const READY_WINDOW: usize = 64;

/// A wish to own a task.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The task; without one, the next ready task that is nobody else's.
    pub id: Option<TaskId>,
    /// Who claims.
    pub owner: AgentName,
    /// How long the claim holds unless it is renewed, in seconds; `None` for without end.
    pub lease_s: Option<u64>,
    /// The process that keeps the claim alive; `None` for a person's claim, which only ends by its lease.
    pub holder: Option<ProcessIdentity>,
    /// What the caller has seen.
    pub guard: Guard,
}

/// Makes `claim.owner` the owner and grows the epoch.
///
/// Claimable is a task that is pending and ready, one in progress that nobody holds, and one whose claim has run out.
///
/// # Errors
/// [`BoardError::Owned`], [`BoardError::NotReady`], [`BoardError::NothingReady`], or an illegal move.
pub fn claim(view: &dyn View, claim: &Claim, now: Timestamp) -> Result<(Changes, Task), BoardError> {
    let mut task = match &claim.id {
        Some(id) => guarded(view, id, claim.guard)?,
        None => {
            let free = |task: &Task| task.owner.as_ref().is_none_or(|o| *o == claim.owner).then_some(());
            next_ready(view, ReadyOrder::Priority, free)?.ok_or(BoardError::NothingReady)?.0
        }
    };
    let previous = task.owner.clone();
    match task.status {
        TaskStatus::Pending => {
            if task.owner.as_ref().is_some_and(|o| *o != claim.owner) {
                return Err(owned(&task, now));
            }
            let waits = readiness(view, &task)?;
            if !waits.is_ready() {
                return Err(BoardError::NotReady { id: task.id, waits_for: waits.all() });
            }
            shift(&mut task, TaskStatus::InProgress, now)?;
        }
        TaskStatus::InProgress if is_free(&task, &claim.owner, now) => task.updated_at = now,
        TaskStatus::InProgress => return Err(owned(&task, now)),
        status @ TaskStatus::InReview => return Err(BoardError::NotClaimable { id: task.id, status }),
        _ => shift(&mut task, TaskStatus::InProgress, now)?,
    }
    fence(&mut task);
    task.owner = Some(claim.owner.clone());
    task.lease_until = claim.lease_s.map(|s| now.plus_seconds(s));
    task.holder.clone_from(&claim.holder);
    let mut event = NewEvent::new(EventKind::TaskClaimed);
    if let Some(before) = previous.filter(|p| *p != claim.owner) {
        event = event.with("taken_from", before.to_string());
    }
    Ok(changed(task, event))
}

/// Whether a task in progress may be claimed by `owner`: nobody holds it, or its claim has run out, or it is theirs
/// without a lease. A claim that a process keeps alive is not judged by the clock here, which may have been set: it is
/// free when it was taken away ([`fence_expired`](super::fence_expired)) or its holder is known to be dead.
fn is_free(task: &Task, owner: &AgentName, now: Timestamp) -> bool {
    match (&task.owner, task.lease_until) {
        _ if task.holder.is_some() => false,
        (None, _) => true,
        (Some(_), Some(_)) => task.lease_expired(now),
        (Some(holder), None) => holder == owner && task.run.is_none(),
    }
}

/// The first task in `order` that is ready and for which `wanted` has an answer, and that answer.
///
/// # Errors
/// When the ledger can't be read.
pub fn next_ready<T>(
    view: &dyn View,
    order: ReadyOrder,
    mut wanted: impl FnMut(&Task) -> Option<T>,
) -> Result<Option<(Task, T)>, BoardError> {
    for limit in [READY_WINDOW, usize::MAX] {
        let ready = view.ready(order, limit)?;
        let all_seen = ready.len() < limit;
        let seen = if limit == READY_WINDOW { 0 } else { READY_WINDOW };
        for task in ready.into_iter().skip(seen) {
            if let Some(answer) = wanted(&task) {
                return Ok(Some((task, answer)));
            }
        }
        if all_seen {
            break;
        }
    }
    Ok(None)
}

fn owned(task: &Task, now: Timestamp) -> BoardError {
    let lease = task.lease_until.map_or(String::new(), |until| {
        let minutes = (until.seconds() - now.seconds()).max(0) / 60;
        if minutes >= 120 {
            format!(" for another {} h", minutes / 60)
        } else {
            format!(" for another {minutes} min")
        }
    });
    let owner = task.owner.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    BoardError::Owned { id: task.id.clone(), owner, lease }
}

/// Lets the claim of `epoch` hold until `lease_s` seconds from `now`. No event: a renewal is no news. Where the work is not
/// in progress any more, as when an agent has submitted it itself, there is nothing to renew.
///
/// # Errors
/// [`BoardError::StaleEpoch`] when another claim has replaced it.
pub fn renew(
    view: &dyn View,
    id: &TaskId,
    epoch: u64,
    lease_s: u64,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    let mut task = guarded(view, id, Guard::epoch(epoch))?;
    if task.status != TaskStatus::InProgress {
        return Ok(Changes::default());
    }
    task.lease_until = Some(now.plus_seconds(lease_s));
    Ok(Changes { tasks: vec![task], ..Changes::default() })
}

/// Gives a claim back: the task is pending again, its assignee's or nobody's, and the former holder can't change it any more. A
/// pending task that nobody has claimed is nobody's then.
///
/// # Errors
/// An illegal move, or the guard.
pub fn release(
    view: &dyn View,
    id: &TaskId,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    if task.status == TaskStatus::Pending && task.owner.is_some() {
        task.updated_at = now;
        task.assignee = None;
    } else {
        shift(&mut task, TaskStatus::Pending, now)?;
    }
    unclaim(&mut task);
    Ok(changed_as(task, EventKind::TaskReleased))
}

/// Moves a pending task to in progress without a claim. A task already in progress stays as it is.
///
/// # Errors
/// An illegal move, or [`BoardError::NotReady`].
pub fn start(
    view: &dyn View,
    id: &TaskId,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    if task.status == TaskStatus::InProgress {
        return Ok((Changes::default(), task));
    }
    let waits = readiness(view, &task)?;
    if !waits.is_ready() {
        return Err(BoardError::NotReady { id: task.id, waits_for: waits.all() });
    }
    shift(&mut task, TaskStatus::InProgress, now)?;
    Ok(changed_as(task, EventKind::TaskStarted))
}
