//! What git shows of a run's work.

use biplane_execution::{git::WithIgnored, worktrees};
use biplane_model::{RunEvidence, Worktree};

use super::Service;
use crate::error::{Error, Result};

impl Service {
    /// What is in the worktree now: commits since its base, uncommitted files.
    pub(crate) fn evidence(&self, worktree: &Worktree) -> Result<RunEvidence> {
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let git = place.git();
        let state = git.state(WithIgnored::No)?;
        let head = state.head.clone().ok_or_else(|| Error::failed("the worktree has no commit"))?;
        let commits = git.commits_between(&worktree.base, &head)?;
        Ok(RunEvidence {
            head,
            commits,
            dirty_files: state.dirty_files(),
            new_commits: 0,
            denied: 0,
            failed_calls: 0,
            output_hash: None,
            findings: None,
        })
    }
}
