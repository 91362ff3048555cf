//! A target that was moved by the run of a gate: to the candidate, before it passed.
//!
//! **Contract.** Nobody but the gate's run knows the candidate, which no ref names, so a target that has it is that run's doing,
//! whatever the gate says. The target goes back by compare-and-swap, and the checkouts that were moved with it: one that can't
//! follow is taken off it. What stands on top of the candidate by then keeps a branch. The candidate is read from the gate's
//! run in the ledger, so a recovery finds it too.
//!
//! **Deliberately absent:** a target that was moved to anything else. That may be anybody's doing, and the candidate is made anew.

use biplane_control::{Changes, RunFilter};
use biplane_execution::git::{Git, RefUpdate};
use biplane_model::{
    CommitId, EventKind, NewEvent, Run, RunKind, Submission, SubmissionStatus, sanitize_line,
};

use super::{Service, along::bring_along};
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
};

/// The target is not where it should be.
struct Moved {
    /// The gate's run.
    run: Run,
    /// Where the target was, and where it is.
    onto: CommitId,
    tip: CommitId,
    /// Whether something stands on top of the candidate.
    on_top: bool,
}

impl Moved {
    /// What has happened, in words.
    fn what(&self, target: &str) -> String {
        format!(
            "its gate (run {}) moved `{}` from {} to {}, which had not passed",
            self.run.id,
            sanitize_line(target),
            self.onto.short(),
            self.tip.short()
        )
    }
}

impl Service {
    /// Whether the run of the gate has moved the target to the candidate.
    fn moved_by_gate(&self, git: &Git, current: &Submission) -> Result<Option<Moved>> {
        let Some(onto) = current.onto.clone() else { return Ok(None) };
        let Some(tip) = git.branch_tip(&current.target)?.filter(|tip| *tip != onto) else { return Ok(None) };
        let filter = RunFilter {
            worktree: Some(current.worktree_id),
            kind: Some(RunKind::Gate),
            newest: Some(1),
            ..RunFilter::default()
        };
        // A gate of another process belongs to another try, which may have landed.
        let is_of_this_try = |run: &Run| current.worker.as_ref() == Some(&run.supervisor);
        let last = self.look(|view| Ok(view.runs(&filter)?))?.pop().filter(is_of_this_try);
        let Some((run, candidate)) = last.and_then(|run| run.base.clone().map(|base| (run, base))) else {
            return Ok(None);
        };
        // What has landed before, or what the branch has, others may have moved the target to.
        let is_known = git.is_ancestor(&candidate, &onto)? || git.is_ancestor(&candidate, &current.head)?;
        if is_known || !git.is_ancestor(&candidate, &tip)? {
            return Ok(None);
        }
        Ok(Some(Moved { run, onto, on_top: tip != candidate, tip }))
    }

    /// Puts a target back that the run of the gate has moved, and says why the submission does not go on: it would be found
    /// landed, were it tested again on such a target. `None` when the target was not moved so.
    pub(crate) fn take_back(&self, git: &Git, current: &Submission) -> Option<String> {
        let mut noted = None;
        for _ in 0..bounds::LAND_TRIES {
            let moved = match self.moved_by_gate(git, current) {
                Ok(Some(moved)) => moved,
                Ok(None) => return noted.map(|what: String| what + "; somebody has moved it back"),
                Err(error) => return Some(not_told(current, &error)),
            };
            let what = moved.what(&current.target);
            let done = if noted.is_some() { Ok(()) } else { self.note_moved(current, &moved, &what) };
            match done.and_then(|()| self.put_back(git, current, &moved)) {
                Ok(how) => return Some(what + &how),
                // Something was committed on top at that moment, or somebody has moved it.
                Err(error) if error.kind == ErrorKind::Conflict => noted = Some(what),
                Err(error) => return Some(format!("{what}; it could not be moved back: {error}")),
            }
        }
        Some(format!("its gate moved `{}`, which does not rest", sanitize_line(&current.target)))
    }

    /// What [`Service::take_back`] would do, in its words.
    pub(crate) fn would_take_back(&self, git: &Git, current: &Submission) -> Option<String> {
        match self.moved_by_gate(git, current) {
            Ok(moved) => Some(moved?.what(&current.target) + "; moved back"),
            Err(error) => Some(not_told(current, &error)),
        }
    }

    fn note_moved(&self, current: &Submission, moved: &Moved, what: &str) -> Result<()> {
        self.say(format!("{}: {what}", current.id));
        self.change(|view, _| {
            let worktree = super::place::record(view, current.worktree_id)?;
            let event = NewEvent::new(EventKind::WorktreeRunOutside).run(&moved.run).worktree(&worktree);
            let event = event.submission(current).with("outside", vec![what.to_owned()]);
            let event = event.with("count", 1_u64).with("certain", true);
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })
    }

    fn put_back(&self, git: &Git, current: &Submission, moved: &Moved) -> Result<String> {
        let Moved { onto, tip, on_top, .. } = moved;
        let mut how = "; it was moved back".to_owned();
        if *on_top {
            let kept = format!("taken-back-{}-{}", current.id, tip.short());
            if git.branch_tip(&kept)?.is_none() {
                let (name, why) = (format!("refs/heads/{kept}"), "biplane: on top of what had not passed");
                git.update_ref(&RefUpdate { name: &name, old: None, new: Some(tip), why })?;
                self.say(format!("{}: what was committed on top of that is on `{kept}`", current.id));
            }
            how.push_str(&format!(", and what was committed on top is on `{kept}`"));
        }
        let checkouts = self.with_its_files(git, &current.target, moved)?;
        let name = format!("refs/heads/{}", current.target);
        let why = format!("biplane: take back what the gate of {} moved", current.id);
        git.update_ref(&RefUpdate { name: &name, old: Some(tip), new: Some(onto), why: &why })?;
        for checkout in &checkouts {
            match bring_along(checkout, &current.target, tip, onto) {
                Ok(None) => {}
                Ok(Some(said)) => how.push_str(&format!("; {said}")),
                Err(error) => how.push_str(&format!("; a checkout could not be brought back: {error}")),
            }
        }
        Ok(how)
    }

    /// The checkouts of the target that were moved with it. Of any other, files and index are as they were, and fit again
    /// when it is back. One of which that can't be told counts: on the target, its next commit could bring back what failed.
    fn with_its_files(&self, git: &Git, target: &str, moved: &Moved) -> Result<Vec<Git>> {
        let Moved { onto, tip, .. } = moved;
        let mut list = Vec::new();
        for listed in git.worktrees()?.iter().filter(|w| w.branch.as_deref() == Some(target) && !w.bare) {
            let Some(checkout) = self.checkout_at(&listed.path)? else { continue };
            // An index says nothing of submodules here, and a clean checkout has those of the tip.
            let is_moved = checkout.can_follow(tip, onto).unwrap_or(false);
            if is_moved || !checkout.index_is(onto).unwrap_or(false) {
                list.push(checkout);
            }
        }
        Ok(list)
    }

    /// Whether a submission is still as its dead worker has left it.
    pub(crate) fn is_still(&self, left: &Submission) -> Result<bool> {
        let now = self.submission(left.id)?;
        Ok(now.status == SubmissionStatus::Testing && now.worker == left.worker && now.onto == left.onto)
    }
}

fn not_told(current: &Submission, error: &Error) -> String {
    format!("whether its gate moved `{}` can't be told: {error}", sanitize_line(&current.target))
}
