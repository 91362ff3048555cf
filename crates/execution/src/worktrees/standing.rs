//! Where a worktree's work stands: committed, landed, or neither.

use biplane_model::CommitId;

use super::{Merged, Place, merged};
use crate::git::{CheckoutState, GitError, WithIgnored};

/// Commits that the target lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlanded {
    /// `wt/<name>`, or `HEAD` when the worktree is on something else.
    pub at: String,
    /// How many there are since the base.
    pub commits: u64,
}

/// What a worktree's work is compared with.
#[derive(Debug, Clone, Default)]
pub struct Against {
    /// The tip of the worktree's branch, if it still exists.
    pub tip: Option<CommitId>,
    /// The target's tip. Without one every commit counts as unlanded.
    pub target: Option<CommitId>,
    /// The target as it was last seen on its remote, with the ref's name without `refs/remotes/`.
    pub remote: Option<(String, CommitId)>,
}

/// What is in a worktree, and what of it the target has.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The checkout.
    pub state: CheckoutState,
    /// The tip of the worktree's branch, if it still exists.
    pub tip: Option<CommitId>,
    /// Commits since the base, on the head that is checked out.
    pub commits: u64,
    /// What the target lacks; empty when there is nothing to lose.
    pub unlanded: Vec<Unlanded>,
    /// How the target has the head that is checked out. Without a commit of its own, a worktree with uncommitted work is
    /// not merged.
    pub merged: Merged,
    /// The remote's branch that has it, when the target itself has not.
    pub only_in: Option<String>,
}

impl Standing {
    /// Whether the history of the target has everything that is committed here: nothing has to hold it.
    pub fn in_history(&self) -> bool {
        let is_at = self.tip.is_none() || self.tip == self.state.head;
        is_at && self.only_in.is_none() && matches!(self.merged, Merged::SameCommit | Merged::Ancestor)
    }
}

/// Looks at the worktree at `place`, made at `base` on `branch`.
///
/// # Errors
/// When git can't tell; the standing is unknown then.
pub fn standing(
    place: &Place,
    branch: &str,
    base: &CommitId,
    against: &Against,
    with_ignored: WithIgnored,
) -> Result<Standing, GitError> {
    let git = place.git();
    let state = git.state(with_ignored)?;
    let head = state.head.clone();
    let mut commits = 0;
    let mut unlanded = Vec::new();
    let mut answer = (Merged::No, None);
    for (at, commit) in [("HEAD", &head), (branch, &against.tip)] {
        let Some(commit) = commit else { continue };
        if at != "HEAD" && head.as_ref() == Some(commit) {
            continue;
        }
        let since = if commit == base { 0 } else { git.commits_between(base, commit)? };
        let found = landed(place, base, commit, against)?;
        if !found.0.is_merged() {
            let is_tip = against.tip.as_ref() == Some(commit);
            let at = if is_tip { branch } else { at };
            unlanded.push(Unlanded { at: at.to_owned(), commits: since });
        }
        if at == "HEAD" {
            (commits, answer) = (since, found);
        }
    }
    if commits == 0 && !state.is_clean() {
        answer.0 = Merged::No;
    }
    let (merged, only_in) = answer;
    Ok(Standing { state, tip: against.tip.clone(), commits, unlanded, merged, only_in })
}

/// How the target has `commit`, or else its remote. The base itself is nothing of the worktree's.
fn landed(
    place: &Place,
    base: &CommitId,
    commit: &CommitId,
    against: &Against,
) -> Result<(Merged, Option<String>), GitError> {
    let git = place.git();
    let none = if commit == base { Merged::NothingOfItsOwn } else { Merged::No };
    let here = against.target.as_ref().map_or(Ok(none), |target| merged(&git, base, commit, target))?;
    if let Some((name, tip)) = &against.remote
        && !here.is_merged()
    {
        let there = merged(&git, base, commit, tip)?;
        if there.is_merged() {
            return Ok((there, Some(name.clone())));
        }
    }
    Ok((here, None))
}
