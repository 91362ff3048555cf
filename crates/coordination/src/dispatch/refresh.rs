//! Bringing the target into a worktree before the next attempt in it, so that an agent sees what the others have landed, and
//! resolves what contradicts it.

use biplane_control::Changes;
use biplane_execution::{
    git::{MergedIn, WithIgnored},
    worktrees,
};
use biplane_model::{EventKind, NewEvent, Task, Worktree, sanitize_line};

use super::Shared;
use crate::{
    bounds,
    error::Result,
    service::{Service, refuse_other_branch},
};

impl Shared<'_> {
    /// Merges the target into the worktree, if the settings want it and there is something new. Gives the files whose
    /// conflicts are left to the agent.
    pub(super) fn refresh(&self, task: &Task, worktree: &Worktree) -> Result<Vec<String>> {
        if !self.service.settings().up.merge_target {
            return Ok(Vec::new());
        }
        self.service.merge_target_in(task, worktree)
    }
}

impl Service {
    fn merge_target_in(&self, task: &Task, worktree: &Worktree) -> Result<Vec<String>> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.merge_target_in(task, worktree);
        }
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let git = place.git();
        let state = git.state(WithIgnored::No)?;
        refuse_other_branch(worktree, &state)?;
        if git.is_merging() {
            // An attempt before has left it so.
            return git.unmerged().map_err(Into::into);
        }
        if !state.is_clean() {
            return Ok(Vec::new());
        }
        let target = self.target()?;
        let Some(tip) = git.branch_tip(&target)? else { return Ok(Vec::new()) };
        let shown = sanitize_line(&target);
        let message = format!("Merge `{shown}` into `{}`\n\nTask: {}\n", worktree.branch, task.id);
        // The worktree may be another run's by now.
        self.refuse_fenced(task)?;
        let (merged, conflicts) = match git.merge_in(&tip, &message)? {
            MergedIn::Nothing => return Ok(Vec::new()),
            MergedIn::Clean(commit) => (Some(commit), Vec::new()),
            MergedIn::Conflicts(files) => (None, files),
        };
        self.change(|_, _| {
            let event = NewEvent::new(EventKind::WorktreeRefresh).worktree(worktree).task(task);
            let mut event =
                event.with("target", target.as_str()).with("tip", tip.as_str()).with("epoch", task.epoch);
            if let Some(commit) = &merged {
                event = event.with("commit", commit.as_str());
            }
            if !conflicts.is_empty() {
                let named = conflicts.iter().take(bounds::CONFLICTS_NAMED).map(|file| sanitize_line(file));
                event = event.with("conflicts", named.collect::<Vec<_>>());
            }
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })?;
        Ok(conflicts)
    }
}
