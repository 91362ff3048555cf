//! The ways in which work on a task ends, for now or for good.

use biplane_model::{EventKind, NewEvent, Task, TaskId, TaskStatus, Timestamp, clip, sanitize};

use super::{Guard, changed, changed_as, fence, guarded, readiness, shift, unclaim};
use crate::{BoardError, Changes, View};

/// The fact in an event that says that work was sent back to be done again.
pub const REVISION: &str = "revision";

/// The most characters of a reason that are kept.
const MAX_REASON: usize = 4000;

/// Completes a task. Also gives the tasks that became ready by it.
///
/// # Errors
/// An illegal move, or the guard.
pub fn complete(
    view: &dyn View,
    id: &TaskId,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task, Vec<TaskId>), BoardError> {
    let mut task = guarded(view, id, guard)?;
    shift(&mut task, TaskStatus::Completed, now)?;
    task.lease_until = None;
    task.holder = None;
    task.run = None;
    task.reason = String::new();
    let mut unblocked = Vec::new();
    for dependent in view.dependents(id)? {
        let Some(waiting) = view.task(&dependent)? else { continue };
        let waits_for = readiness(view, &waiting)?.all();
        if waiting.status == TaskStatus::Pending && waits_for.iter().all(|on| on == id) {
            unblocked.push(dependent);
        }
    }
    let mut event = NewEvent::new(EventKind::TaskCompleted);
    if !unblocked.is_empty() {
        let ids = unblocked.iter().filter_map(|id| serde_json::to_value(id).ok()).collect::<Vec<_>>();
        event = event.with("unblocked", ids);
    }
    let (changes, task) = changed(task, event);
    Ok((changes, task, unblocked))
}

/// Marks a task's work as submitted.
///
/// # Errors
/// An illegal move, or the guard.
pub fn review(
    view: &dyn View,
    id: &TaskId,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    if task.status == TaskStatus::InReview {
        return Ok((Changes::default(), task));
    }
    let mut events = Vec::new();
    if task.status == TaskStatus::Pending {
        // Somebody worked on it without saying so; both steps are in the log.
        shift(&mut task, TaskStatus::InProgress, now)?;
        events.push(NewEvent::new(EventKind::TaskStarted).task(&task));
    }
    shift(&mut task, TaskStatus::InReview, now)?;
    task.lease_until = None;
    task.holder = None;
    task.run = None;
    task.reason = String::new();
    let (mut changes, task) = changed_as(task, EventKind::TaskInReview);
    changes.events.splice(0..0, events);
    Ok((changes, task))
}

/// Sends a task back to be worked on again: pending, its assignee's or nobody's, with the reason. From review it counts as an attempt.
///
/// # Errors
/// An illegal move, or the guard.
pub fn give_back(
    view: &dyn View,
    id: &TaskId,
    reason: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    let is_revision = task.status == TaskStatus::InReview;
    task.attempts += u32::from(is_revision);
    shift(&mut task, TaskStatus::Pending, now)?;
    unclaim(&mut task);
    let back = with_reason(task, reason, EventKind::TaskReturned);
    Ok(if is_revision { as_revision(back) } else { back })
}

/// Sends a task in review, blocked or failed back to be worked on again with a person's comments, which must not be empty.
/// Counts as an attempt; what was used until now counts on.
///
/// # Errors
/// [`BoardError::NotReturnable`], [`BoardError::Invalid`], or the guard.
pub fn send_back(
    view: &dyn View,
    id: &TaskId,
    comments: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    if !matches!(task.status, TaskStatus::InReview | TaskStatus::Blocked | TaskStatus::Failed) {
        return Err(BoardError::NotReturnable { id: task.id, status: task.status });
    }
    if sanitize(comments).trim().is_empty() {
        return Err(BoardError::Invalid("comments must not be empty".to_owned()));
    }
    task.attempts += 1;
    shift(&mut task, TaskStatus::Pending, now)?;
    unclaim(&mut task);
    Ok(as_revision(with_reason(task, comments, EventKind::TaskReturned)))
}

/// Sends a task back because its work did not do: pending, its assignee's or nobody's, with the reason; to a person when that was done `most` times.
/// Counts as an attempt.
///
/// # Errors
/// An illegal move, or the guard.
pub fn revise(
    view: &dyn View,
    id: &TaskId,
    reason: &str,
    most: u32,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    let is_last = task.attempts >= most;
    let (to, kind) = if is_last {
        (TaskStatus::Blocked, EventKind::TaskBlocked)
    } else {
        (TaskStatus::Pending, EventKind::TaskReturned)
    };
    task.attempts += 1;
    shift(&mut task, to, now)?;
    if is_last {
        fence(&mut task);
    } else {
        unclaim(&mut task);
    }
    Ok(as_revision(with_reason(task, reason, kind)))
}

/// Says in the event that the work did not do, and is to be done again: the how manieth time that was.
fn as_revision((mut changes, task): (Changes, Task)) -> (Changes, Task) {
    if let Some(event) = changes.events.last_mut() {
        event.data.insert(REVISION.to_owned(), task.attempts.into());
    }
    (changes, task)
}

/// Sets a task aside for a person, with the reason.
///
/// # Errors
/// An illegal move, or the guard.
pub fn block(
    view: &dyn View,
    id: &TaskId,
    reason: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    end(view, id, (TaskStatus::Blocked, EventKind::TaskBlocked), reason, guard, now)
}

/// Gives a task up, with the reason.
///
/// # Errors
/// An illegal move, or the guard.
pub fn fail(
    view: &dyn View,
    id: &TaskId,
    reason: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    end(view, id, (TaskStatus::Failed, EventKind::TaskFailed), reason, guard, now)
}

/// Calls a task off.
///
/// # Errors
/// An illegal move, or the guard.
pub fn cancel(
    view: &dyn View,
    id: &TaskId,
    reason: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    end(view, id, (TaskStatus::Cancelled, EventKind::TaskCancelled), reason, guard, now)
}

/// Makes a blocked, failed or cancelled task pending again; attempts, time and cost are counted anew.
///
/// # Errors
/// An illegal move, or the guard.
pub fn reopen(
    view: &dyn View,
    id: &TaskId,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    shift(&mut task, TaskStatus::Pending, now)?;
    unclaim(&mut task);
    task.attempts = 0;
    task.opened_at = now;
    Ok(changed_as(task, EventKind::TaskReopened))
}

/// Moves a task to a state that ends the claim on it, and says so with the reason.
fn end(
    view: &dyn View,
    id: &TaskId,
    (to, kind): (TaskStatus, EventKind),
    reason: &str,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let mut task = guarded(view, id, guard)?;
    shift(&mut task, to, now)?;
    fence(&mut task);
    Ok(with_reason(task, reason, kind))
}

fn with_reason(mut task: Task, reason: &str, kind: EventKind) -> (Changes, Task) {
    task.reason = clip(sanitize(reason).trim(), MAX_REASON);
    let event = NewEvent::new(kind).error(&task.reason);
    changed(task, event)
}
