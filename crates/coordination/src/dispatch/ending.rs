//! What becomes of a task whose attempt came to nothing.

use biplane_control::{Changes, WorktreeFilter, board, board::Guard};
use biplane_model::{RunId, Task, TaskId, TaskStatus};

use super::{Progress, Shared, attempt::Nothing};
use crate::error::{Error, Result};

impl Shared<'_> {
    /// Moves the task to where it belongs after an attempt that came to nothing.
    pub(super) fn give_up(&self, task: &Task, nothing: Nothing, run: Option<RunId>) {
        let guard = Guard::epoch(task.epoch);
        let revisions = self.service.settings().revisions;
        let mut reason = match &nothing {
            Nothing::Failed(reason)
            | Nothing::Returned(reason)
            | Nothing::Blocked(reason)
            | Nothing::Limited(reason) => reason.clone(),
            Nothing::Planned(_) => String::new(),
            Nothing::Stopped => "stopped before it was done".to_owned(),
            Nothing::Fenced => self.taken_words(&task.id),
            Nothing::Error(error) => error.to_string(),
        };
        let moved = self.service.change(|view, now| {
            let moved = match &nothing {
                Nothing::Planned(planned) => {
                    let (changes, task, why) = self.service.await_plan(view, task, planned, now)?;
                    reason = why;
                    return Ok((changes, Some(task.status)));
                }
                Nothing::Failed(_) => board::fail(view, &task.id, &reason, guard, now),
                Nothing::Returned(_) => board::revise(view, &task.id, &reason, revisions, guard, now),
                Nothing::Stopped | Nothing::Limited(_) => {
                    board::give_back(view, &task.id, &reason, guard, now)
                }
                Nothing::Blocked(_) | Nothing::Error(_) => board::block(view, &task.id, &reason, guard, now),
                Nothing::Fenced => return Ok((Changes::default(), None)),
            };
            match moved {
                Ok((changes, task)) => Ok((changes, Some(task.status))),
                Err(error) => Err(Error::from(error)),
            }
        });
        let status = match moved {
            Ok(Some(status)) => status,
            // Somebody else has moved it, and has looked after its work.
            Ok(None) => {
                let status = self.service.task_view(&task.id).map_or(task.status, |now| now.status);
                return self.tell(&Progress::Gone { task: task.id.clone(), status, reason, run });
            }
            Err(error) => {
                self.service.say(format!("task {} could not be moved on: {error}", task.id));
                task.status
            }
        };
        match status {
            TaskStatus::Failed => self.clear_failed(task),
            // Its worktree stays for a person, who may not be the only one at it.
            TaskStatus::Blocked => self.service.hold_work_of(&task.id, "its attempt came to nothing"),
            _ => {}
        }
        self.tell(&Progress::Gone { task: task.id.clone(), status, reason, run });
    }

    /// Why a task is somebody else's, as far as it says.
    fn taken_words(&self, id: &TaskId) -> String {
        let reason = self.service.task_view(id).map(|task| task.reason).unwrap_or_default();
        if reason.is_empty() { "its claim was replaced by another".to_owned() } else { reason }
    }

    /// A failed task's worktree goes when there is nothing in it, and is kept for a look otherwise.
    fn clear_failed(&self, task: &Task) {
        let filter = WorktreeFilter { live: true, task: Some(task.id.clone()), ..WorktreeFilter::default() };
        let clear = || -> Result<()> {
            let Some(worktree) = self.service.look(|view| Ok(view.worktrees(&filter)?.into_iter().next()))?
            else {
                return Ok(());
            };
            if self.service.has_work(&worktree)? {
                self.service.hold_work_of(&task.id, "its agent failed");
                return self.service.worktree_keep(&worktree.name, "its task failed").map(|_| ());
            }
            self.remove(&worktree.name, "its task failed with nothing to show")
        };
        if let Err(error) = clear() {
            self.service.say(format!("the worktree of task {} stays: {error}", task.id));
        }
    }
}
