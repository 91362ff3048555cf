//! Dependencies: which task waits for which.

use std::collections::HashMap;

use biplane_model::{Task, TaskId, TaskStatus};

use crate::{BoardError, View};

/// What a pending task still waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Dependencies that are not completed, but may be.
    pub open: Vec<TaskId>,
    /// Dependencies that will not be completed unless somebody reopens them.
    pub dead: Vec<(TaskId, TaskStatus)>,
}

impl Readiness {
    /// Whether nothing is waited for.
    pub fn is_ready(&self) -> bool {
        self.open.is_empty() && self.dead.is_empty()
    }

    /// All the tasks waited for.
    pub fn all(&self) -> Vec<TaskId> {
        self.open.iter().chain(self.dead.iter().map(|(id, _)| id)).cloned().collect()
    }
}

/// What `task` still waits for, by the states that `status_of` gives; `None` there is a task that is gone.
///
/// # Errors
/// What `status_of` fails with.
pub fn waits_for<E>(
    task: &Task,
    mut status_of: impl FnMut(&TaskId) -> Result<Option<TaskStatus>, E>,
) -> Result<Readiness, E> {
    let mut readiness = Readiness::default();
    for id in &task.after {
        match status_of(id)? {
            Some(TaskStatus::Completed) => {}
            Some(status @ (TaskStatus::Failed | TaskStatus::Cancelled)) => {
                readiness.dead.push((id.clone(), status));
            }
            _ => readiness.open.push(id.clone()),
        }
    }
    Ok(readiness)
}

/// What `task` still waits for.
///
/// # Errors
/// When the ledger can't be read.
pub fn readiness(view: &dyn View, task: &Task) -> Result<Readiness, BoardError> {
    waits_for(task, |id| Ok(view.task(id)?.map(|t| t.status)))
}

/// `after` without repetition, if every task in it exists and none of them waits for `id`.
pub(super) fn checked(view: &dyn View, id: &TaskId, after: &[TaskId]) -> Result<Vec<TaskId>, BoardError> {
    let mut list: Vec<TaskId> = Vec::new();
    for on in after {
        if !list.contains(on) {
            list.push(on.clone());
        }
    }
    if list.len() > Task::MAX_DEPENDENCIES {
        let most = Task::MAX_DEPENDENCIES;
        return Err(BoardError::Invalid(format!(
            "a task waits for at most {most} others, this one for {}",
            list.len()
        )));
    }
    for on in &list {
        if on == id {
            return Err(BoardError::Cycle { path: vec![id.clone(), id.clone()] });
        }
        if view.task(on)?.is_none() {
            return Err(BoardError::NoTask(on.clone()));
        }
    }
    match path_to(view, id, &list)? {
        Some(path) => Err(BoardError::Cycle { path }),
        None => Ok(list),
    }
}

/// A way from one of `from` back to `id` along dependencies, `id` first; `None` when there is none.
fn path_to(view: &dyn View, id: &TaskId, from: &[TaskId]) -> Result<Option<Vec<TaskId>>, BoardError> {
    let mut came_from: HashMap<TaskId, TaskId> = from.iter().map(|on| (on.clone(), id.clone())).collect();
    let mut open: Vec<TaskId> = from.to_vec();
    while let Some(at) = open.pop() {
        let Some(task) = view.task(&at)? else { continue };
        for on in task.after {
            if on == *id {
                let mut path = vec![at.clone()];
                let mut step = &at;
                while let Some(before) = came_from.get(step) {
                    path.push(before.clone());
                    if before == id {
                        break;
                    }
                    step = before;
                }
                path.reverse();
                return Ok(Some(path));
            }
            if !came_from.contains_key(&on) {
                came_from.insert(on.clone(), at.clone());
                open.push(on);
            }
        }
    }
    Ok(None)
}
