//! The two sides of a binding. The worktree's record holds the fact.

use biplane_control::{Changes, View, WorktreeFilter};
use biplane_model::{
    EventKind, NewEvent, Task, TaskId, Timestamp, Worktree, WorktreeId, WorktreeName, WorktreeState,
    WorktreeStatus,
};

use crate::{
    error::{Error, Result},
    service::record,
};

/// How a task's side differs from the worktree's record.
pub(super) struct Mismatch {
    /// In a sentence.
    pub(super) words: String,
    /// Whether they name each other, and only the state differs.
    pub(super) is_about_state: bool,
}

/// How `task` differs from the live worktree that is `bound` to it.
pub(super) fn mismatch(task: &Task, bound: Option<&Worktree>) -> Option<Mismatch> {
    let name =
        |name: Option<&WorktreeName>| name.map_or("no worktree".to_owned(), |n| format!("worktree `{n}`"));
    if bound.is_some_and(|w| w.status == WorktreeStatus::Creating) {
        // The task's side is written when there is something to be bound to.
        return None;
    }
    let bound_name = bound.map(|w| &w.name);
    if task.worktree.as_ref() != bound_name {
        let words =
            format!("it names {}, but {} is bound to it", name(task.worktree.as_ref()), name(bound_name));
        return Some(Mismatch { words, is_about_state: false });
    }
    let state = state_of(task, bound);
    (task.worktree_state != state).then(|| Mismatch {
        words: format!("it sees {} in another state than it is in", name(bound_name)),
        is_about_state: true,
    })
}

/// What the task should say of its worktree's state.
fn state_of(task: &Task, bound: Option<&Worktree>) -> WorktreeState {
    match bound.map(|w| w.status) {
        Some(WorktreeStatus::Kept) => WorktreeState::Kept,
        Some(_) => WorktreeState::Active,
        None if task.worktree_state == WorktreeState::Removed => WorktreeState::Removed,
        None => WorktreeState::Unbound,
    }
}

/// The changes that write the side of task `id` from the worktree's record.
pub(super) fn rewrite(view: &dyn View, id: &TaskId, now: Timestamp) -> Result<(Changes, ())> {
    let mut task = view.task(id)?.ok_or_else(|| Error::not_found(format!("there is no task {id}")))?;
    let filter = WorktreeFilter { live: true, task: Some(id.clone()), ..WorktreeFilter::default() };
    let bound = view.worktrees(&filter)?.into_iter().next();
    if mismatch(&task, bound.as_ref()).is_none() {
        return Ok((Changes::default(), ()));
    }
    task.worktree_state = state_of(&task, bound.as_ref());
    task.worktree = bound.as_ref().map(|w| w.name.clone());
    if task.worktree.is_some() {
        task.last_worktree.clone_from(&task.worktree);
    }
    task.updated_at = now;
    let mut event = NewEvent::new(EventKind::Recovered).task(&task);
    if let Some(worktree) = &bound {
        event = event.worktree(worktree);
    }
    let event =
        event.with("done", vec![format!("task {id}: its worktree was read from the worktree's record")]);
    Ok((Changes { tasks: vec![task], events: vec![event], ..Changes::default() }, ()))
}

/// The changes that unbind a worktree from a task that does not exist.
pub(super) fn unbind_from_nothing(view: &dyn View, id: WorktreeId, now: Timestamp) -> Result<(Changes, ())> {
    let mut worktree = record(view, id)?;
    match worktree.task.take() {
        Some(task) if view.task(&task)?.is_none() => {}
        _ => return Err(Error::failed("it changed meanwhile")),
    }
    worktree.updated_at = now;
    let done = vec![format!("worktree `{}`: unbound from a task that does not exist", worktree.name)];
    let event = NewEvent::new(EventKind::Recovered).worktree(&worktree).with("done", done);
    Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ()))
}
