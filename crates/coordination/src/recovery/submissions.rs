//! Submissions whose worker died.

use biplane_control::SubmissionFilter;
use biplane_execution::git::Git;
use biplane_model::{Submission, SubmissionStatus};

use super::{Mode, Recovery, is_dead};
use crate::{
    error::{Error, Result},
    service::{SentTo, Service, bring_along},
};

impl Service {
    /// As [`Service::recover`], for submissions alone and by whoever holds the lock around landing: a landing that a dead
    /// process did not finish is finished before another one begins on top of it.
    pub(crate) fn recover_landings(&self) -> Result<()> {
        let filter = SubmissionFilter { open: true, ..SubmissionFilter::default() };
        let open = self.look(|view| Ok(view.submissions(&filter)?))?;
        let mut found = Recovery::default();
        if open.iter().any(|one| one.repo == self.repo() && one.worker.as_ref().is_some_and(is_dead)) {
            // What is left of the run of its gate ends first: it could still do something.
            self.recover_runs(Mode::Fix, &mut found)?;
            for line in std::mem::take(&mut found.open) {
                self.say(format!("not recovered: {line}"));
            }
        }
        self.recover_submissions(Mode::Fix, &mut found)?;
        for line in found.done {
            self.say(format!("recovered: {line}"));
        }
        found.open.into_iter().next().map_or(Ok(()), |line| Err(Error::failed(line)))
    }

    pub(super) fn recover_submissions(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let open = self.look(|view| {
            Ok(view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?)
        })?;
        let is_left =
            |s: &&Submission| s.status == SubmissionStatus::Testing && s.worker.as_ref().is_none_or(is_dead);
        for current in open.iter().filter(|s| s.repo == self.repo()).filter(is_left) {
            let ended = match (&current.worker, mode) {
                (Some(worker), Mode::Fix) => found.end_helpers(worker),
                _ => Ok(()),
            };
            let is_settled = || Ok(!self.is_still(current)?);
            if let Err(error) = ended {
                found.note_if_ours(format!("{} was being tested", current.id), Err(error), is_settled);
                continue;
            }
            let git = self.home().git()?;
            let landed = match &current.candidate {
                Some(candidate) => {
                    let tip = git.branch_tip(&current.target)?;
                    tip.as_ref().map_or(Ok(false), |tip| git.is_ancestor(candidate, tip))?
                }
                None => false,
            };
            if current.candidate.is_none() && self.is_still(current)? {
                // It never passed, and the run of its gate may have moved the target to it.
                let reason = match mode {
                    Mode::Dry => self.would_take_back(&git, current),
                    Mode::Fix => self.take_back(&git, current),
                };
                if let Some(reason) = reason {
                    let what = format!("{} was being tested, and {reason}", current.id);
                    let result = match mode {
                        Mode::Dry => Ok(()),
                        Mode::Fix => self.bounce(current.id, &reason, SentTo::Person),
                    };
                    // What was done to the target is told, also when another process has sent the work back meanwhile.
                    let is_settled = result.is_err() && is_settled().unwrap_or(false);
                    found.note(what, if is_settled { Ok(()) } else { result });
                    continue;
                }
            }
            let what = if landed {
                format!("{} had landed; noted", current.id)
            } else {
                format!("{} was being tested; queued again", current.id)
            };
            if mode == Mode::Fix && !landed {
                self.unlock_target(&git, current, found);
            }
            let result = match (mode, landed) {
                (Mode::Dry, _) => Ok(true),
                (Mode::Fix, true) => self.finish_landing(&git, current),
                (Mode::Fix, false) => self.requeue_left(current),
            };
            found.note_if_ours(what, result, is_settled);
        }
        Ok(())
    }

    /// Deletes the lock on the target that the dead worker's git has left: the helpers have ended, and nobody else has a
    /// reason to move the target to this very candidate.
    fn unlock_target(&self, git: &Git, left: &Submission, found: &mut Recovery) {
        let Some(candidate) = &left.candidate else { return };
        let name = format!("refs/heads/{}", left.target);
        let what = format!("`{name}.lock` was left by the git that was to land {}; deleted", left.id);
        match git.drop_lock_with(&name, candidate) {
            Ok(false) => {}
            Ok(true) => found.done.push(what),
            Err(error) => found.note(what, Err(error.into())),
        }
    }

    /// Queues a submission again that its worker has left. False when somebody else is at it by now.
    fn requeue_left(&self, left: &Submission) -> Result<bool> {
        let is_same = |now: &Submission| now.status == left.status && now.worker == left.worker;
        self.requeue_if(left.id, "its worker died", is_same)
    }

    /// The target has moved, but nobody noted it: the checkouts that were clean are brought along, then it is noted. False when
    /// somebody else has noted it by then.
    fn finish_landing(&self, git: &Git, current: &Submission) -> Result<bool> {
        let mut said = Vec::new();
        if let (Some(onto), Some(tip)) = (&current.onto, git.branch_tip(&current.target)?) {
            for listed in
                git.worktrees()?.iter().filter(|w| w.branch.as_ref() == Some(&current.target) && !w.bare)
            {
                let Some(checkout) = self.checkout_at(&listed.path)? else { continue };
                // Untouched since before the landing: the index is that of the old tip. Git keeps changed files safe.
                if checkout.index_is(onto)? {
                    said.extend(bring_along(&checkout, &current.target, onto, &tip)?);
                }
            }
        }
        let candidate = current.candidate.clone().ok_or_else(|| Error::failed("there is no candidate"))?;
        if !self.submission(current.id)?.status.is_open() {
            // Another process has recovered it at the same moment.
            return Ok(false);
        }
        for line in &said {
            self.say(line.clone());
        }
        self.landed(current, &candidate, &said).map(|_| true)
    }
}
