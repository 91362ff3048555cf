//! What git shows of a run's work, and what came of it.

use biplane_control::SubmissionFilter;
use biplane_execution::{
    git::{Git, WithIgnored},
    supervise::{How, StopReason},
    worktrees,
};
use biplane_model::{
    CommitId, Earlier, Ended, Outcome, RunEvidence, RunId, RunKind, Shown, SubmissionStatus, Told, Worktree,
    outcome, sanitize_line,
};

use super::{Service, run::Job};
use crate::error::{Error, Result};

impl Service {
    /// What is in the worktree now: commits since its base, uncommitted files.
    pub(crate) fn evidence(&self, worktree: &Worktree) -> Result<RunEvidence> {
        self.evidence_since(worktree, None)
    }

    /// The same, and the commits since `base`, where a run began. What the target has by now is not counted: a branch that was
    /// only brought up to date shows no work.
    pub(crate) fn evidence_since(&self, worktree: &Worktree, base: Option<&CommitId>) -> Result<RunEvidence> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.evidence_since(worktree, base);
        }
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let git = place.git();
        let state = git.state(WithIgnored::No)?;
        let head = state.head.clone().ok_or_else(|| Error::failed("the worktree has no commit"))?;
        let commits = git.commits_between(&worktree.base, &head)?;
        let new_commits = match base {
            Some(base) if *base != head => {
                let target = self.target().ok().map(|target| git.branch_tip(&target)).transpose()?.flatten();
                git.commits_beyond(&head, std::iter::once(base).chain(&target))?
            }
            _ => 0,
        };
        Ok(RunEvidence {
            head,
            commits,
            dirty_files: state.dirty_files(),
            new_commits,
            denied: 0,
            failed_calls: 0,
            output_hash: None,
            findings: None,
        })
    }

    /// The head that a run begins at. That of an agent must be known, or nothing could be told of what it has done.
    pub(super) fn began_at(&self, job: &Job<'_>) -> Result<Option<CommitId>> {
        let head =
            || -> Result<CommitId> { Ok(worktrees::prove(&self.place(&job.worktree)?)?.place.git().head()?) };
        match job.kind {
            RunKind::Agent => head().map(Some),
            RunKind::Command => Ok(head().ok()),
            RunKind::Gate => Ok(job.base.clone()),
            RunKind::Setup => Ok(None),
        }
    }

    /// What came of an agent's run in `worktree`: as git shows it now, after what was left uncommitted is committed where the
    /// settings want that.
    ///
    /// # Errors
    /// When git can't tell: what came of it is unknown then, and no success.
    pub(crate) fn outcome_of(
        &self,
        run: RunId,
        how: Ended,
        worktree: &Worktree,
        told: &Told,
    ) -> Result<Outcome> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.outcome_of(run, how, worktree, told);
        }
        let base = self.look(|view| Ok(view.run(run)?.and_then(|run| run.base)))?.ok_or_else(|| {
            Error::failed(format!("it is not recorded where run {run} began, so its work can't be told"))
        })?;
        let evidence = self.evidence_since(worktree, Some(&base))?;
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let git = place.git();
        // Of the whole branch, not of this run alone: what an earlier attempt has left must not land either.
        let tip = git.branch_tip(&self.target()?)?;
        let fork = tip.map(|tip| git.merge_base(&tip, &evidence.head)).transpose()?.flatten();
        let fork = fork.unwrap_or_else(|| worktree.base.clone());
        let markers = git.conflict_markers(&fork, &evidence.head, &git.state(WithIgnored::No)?)?;
        let markers: Vec<String> = markers.iter().map(|path| sanitize_line(path)).collect();
        let earlier = self.earlier(&git, worktree, &base)?;
        let shown = Shown { ended: how, evidence: &evidence, earlier, markers: &markers, told };
        Ok(outcome(&shown))
    }

    /// What lay on the branch at `base`, when a run began there.
    fn earlier(&self, git: &Git, worktree: &Worktree, base: &CommitId) -> Result<Earlier> {
        if *base == worktree.base {
            return Ok(Earlier::Nothing);
        }
        let filter = SubmissionFilter { worktree: Some(worktree.id), ..SubmissionFilter::default() };
        let submitted = self.look(|view| Ok(view.submissions(&filter)?))?;
        let came_back = |status| matches!(status, SubmissionStatus::Bounced | SubmissionStatus::Withdrawn);
        let target = git.branch_tip(&self.target()?)?;
        for returned in submitted.iter().filter(|s| came_back(s.status)) {
            // Merging the target in since then was no work of an agent's.
            let seen = std::iter::once(&returned.head).chain(&target);
            if git.is_ancestor(&returned.head, base)? && git.work_beyond(base, seen)? == 0 {
                return Ok(Earlier::Returned);
            }
        }
        Ok(Earlier::Unjudged)
    }
}

/// How an agent's process ended, for the outcome; none when it was stopped by somebody, which is no outcome.
pub(crate) fn ended(how: How, timeout: std::time::Duration) -> Option<Ended> {
    match how {
        How::Exited(code) => Some(Ended::Exited(code)),
        How::Stopped(StopReason::Finished) => Some(Ended::Exited(0)),
        How::Signalled(signal) => Some(Ended::Signalled(signal)),
        How::TimedOut => Some(Ended::TimedOut(timeout.as_secs())),
        How::Stopped(_) => None,
    }
}
