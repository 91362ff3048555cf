//! Binding: a task and a worktree name each other. The worktree's record holds the fact; the task's side is written in
//! the same transaction, so that neither view can be without the other.

use biplane_model::{
    AgentName, Closeout, CloseoutAction, EventKind, NewEvent, Task, TaskId, TaskStatus, Timestamp, Worktree,
    WorktreeState, WorktreeStatus,
};

use super::{Guard, guarded, readiness, shift};
use crate::{BoardError, Changes, View, WorktreeFilter};

/// Binds `worktree` (as it is to be written) to the task `id`, which `owner` gets when it has none.
/// Gives the changed task; the caller writes both.
///
/// # Errors
/// [`BoardError::Bound`] when either is bound elsewhere, [`BoardError::Closed`] when the task is.
pub fn bind(
    view: &dyn View,
    worktree: &mut Worktree,
    id: &TaskId,
    owner: Option<&AgentName>,
    now: Timestamp,
) -> Result<(Task, NewEvent), BoardError> {
    let mut task = guarded(view, id, Guard::default())?;
    if let Some(other) = worktree.task.as_ref().filter(|other| *other != id) {
        let name = &worktree.name;
        return Err(BoardError::Bound(format!("worktree `{name}` is bound to task {other} already")));
    }
    let bound =
        view.worktrees(&WorktreeFilter { live: true, task: Some(id.clone()), ..WorktreeFilter::default() })?;
    if let Some(other) = bound.iter().find(|w| w.id != worktree.id) {
        return Err(BoardError::Bound(format!("task {id} is bound to worktree `{}` already", other.name)));
    }
    if task.repo != worktree.repo {
        let (name, its, theirs) = (&worktree.name, &worktree.repo, &task.repo);
        return Err(BoardError::Bound(format!(
            "worktree `{name}` is one of repository `{its}`, and task {id} is about `{theirs}`"
        )));
    }
    if task.status.is_closed() {
        return Err(BoardError::Closed { id: id.clone(), status: task.status });
    }
    worktree.task = Some(id.clone());
    worktree.updated_at = now;
    task.worktree = Some(worktree.name.clone());
    task.worktree_state = state_of(worktree);
    task.last_worktree = Some(worktree.name.clone());
    task.closeout = None;
    if let Some(owner) = owner {
        if task.owner.as_ref().is_some_and(|o| o != owner) {
            let holder = task.owner.as_ref().map_or_else(String::new, ToString::to_string);
            return Err(BoardError::Owned { id: id.clone(), owner: holder, lease: String::new() });
        }
        task.owner = Some(owner.clone());
    }
    task.updated_at = now;
    let event = NewEvent::new(EventKind::WorktreeBind).task(&task).worktree(worktree);
    Ok((task, event))
}

/// Moves a bound task (as it is to be written) from pending to in progress, if it waits for nothing.
///
/// # Errors
/// When the ledger can't be read.
pub fn begin(view: &dyn View, task: &mut Task, now: Timestamp) -> Result<Option<NewEvent>, BoardError> {
    if task.status != TaskStatus::Pending || !readiness(view, task)?.is_ready() {
        return Ok(None);
    }
    shift(task, TaskStatus::InProgress, now)?;
    Ok(Some(NewEvent::new(EventKind::TaskStarted).task(task)))
}

/// Unbinds `worktree` (as it is to be written) from its task. Nothing when it has none.
///
/// # Errors
/// When the ledger can't be read.
pub fn unbind(view: &dyn View, worktree: &mut Worktree, now: Timestamp) -> Result<Changes, BoardError> {
    let Some(id) = worktree.task.take() else { return Ok(Changes::default()) };
    worktree.updated_at = now;
    let Some(mut task) = view.task(&id)? else { return Ok(Changes::default()) };
    task.worktree = None;
    task.worktree_state = WorktreeState::Unbound;
    task.updated_at = now;
    let event = NewEvent::new(EventKind::WorktreeUnbind).task(&task).worktree(worktree);
    Ok(Changes { tasks: vec![task], events: vec![event], ..Changes::default() })
}

/// Writes into `task` what became of its `worktree`.
pub fn mark_worktree(task: &mut Task, worktree: &Worktree, now: Timestamp) {
    task.worktree_state = state_of(worktree);
    task.last_worktree = Some(worktree.name.clone());
    task.updated_at = now;
    let action = match worktree.status {
        WorktreeStatus::Removed => {
            task.worktree = None;
            CloseoutAction::Remove
        }
        WorktreeStatus::Kept => CloseoutAction::Keep,
        _ => return,
    };
    task.closeout = Some(Closeout { action, reason: worktree.reason.clone(), at: now });
}

fn state_of(worktree: &Worktree) -> WorktreeState {
    match worktree.status {
        WorktreeStatus::Removed => WorktreeState::Removed,
        WorktreeStatus::Kept => WorktreeState::Kept,
        _ => WorktreeState::Active,
    }
}
