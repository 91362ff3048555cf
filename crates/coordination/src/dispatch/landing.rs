//! One landing, and clearing up behind it.

use biplane_control::WorktreeFilter;
use biplane_model::{SubmissionId, SubmissionStatus, TaskId, TaskStatus, WorktreeName, WorktreeStatus};

use super::{Phase, Progress, Shared, role::Watching};
use crate::{
    error::Result,
    service::{Closing, Processes, RemoveRequest},
};

impl Shared<'_> {
    /// Lands one submission, and clears up behind it. `None` when that failed.
    pub(super) fn land(&self, id: SubmissionId) -> Option<SubmissionStatus> {
        let submission = self.service.submission(id).ok()?;
        if self.is_stopping() {
            return Some(submission.status);
        }
        let none: TaskId = TaskId::numbered(0);
        let task = submission.task.as_ref().unwrap_or(&none);
        self.phase(task, Some(&submission.worktree), Phase::Gating);
        let mut observer = Watching { shared: self, task, shows_lines: true };
        match self.service.land(id, &mut observer) {
            Ok(landing) => {
                let settled = landing.submission;
                match settled.status {
                    SubmissionStatus::Landed => {
                        let commit =
                            settled.candidate.as_ref().map(|c| c.short().to_owned()).unwrap_or_default();
                        let (task, worktree) = (settled.task_id, settled.worktree.clone());
                        self.tell(&Progress::Landed { task, worktree, commit, unblocked: landing.unblocked });
                        self.clear_landed(&settled.worktree);
                    }
                    SubmissionStatus::Bounced => {
                        let again = self.is_tried_again(settled.task_id.as_ref());
                        let (task, reason) = (settled.task_id, settled.reason);
                        self.tell(&Progress::Bounced { task, submission: id, reason, again });
                    }
                    _ => {}
                }
                Some(settled.status)
            }
            Err(error) => {
                self.service.say(format!("{id} could not be landed: {error}"));
                None
            }
        }
    }

    /// Whether the task went back to an agent, who may be at it already, and not to a person.
    fn is_tried_again(&self, task: Option<&TaskId>) -> bool {
        let status = task.and_then(|id| self.service.task_view(id).ok()).map(|task| task.status);
        status.is_some_and(|status| status != TaskStatus::Blocked && !status.is_closed())
    }

    /// Clears up what an `up` had landed and could not clear up then.
    pub(super) fn clear_left(&self) -> Result<()> {
        self.service.unpin_all_over()?;
        let filter = WorktreeFilter { live: true, ..WorktreeFilter::default() };
        let live = self.service.look(|view| Ok(view.worktrees(&filter)?))?;
        for worktree in live.iter().filter(|w| w.status == WorktreeStatus::Merged) {
            // What a person has worked in and landed is the person's to remove.
            if self.was_tried(worktree)? {
                self.clear_landed(&worktree.name);
            }
        }
        Ok(())
    }

    fn clear_landed(&self, name: &WorktreeName) {
        if !self.service.settings().remove_landed {
            return;
        }
        let is_ours =
            self.service.live(name).ok().flatten().is_some_and(|w| w.status == WorktreeStatus::Merged);
        if is_ours && let Err(error) = self.remove(name, "landed") {
            self.service.say(format!("worktree `{name}` stays although its work has landed: {error}"));
        }
    }

    pub(super) fn remove(&self, name: &WorktreeName, reason: &str) -> Result<()> {
        let request = RemoveRequest {
            name: name.clone(),
            force: false,
            processes: Processes::Refuse,
            closing: Closing::LeaveTask,
            reason: reason.to_owned(),
            dry_run: false,
        };
        self.service.worktree_remove(&request).map(|_| ())
    }
}
