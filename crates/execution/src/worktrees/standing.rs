//! Where a worktree's work stands: committed, landed, or neither.

use biplane_model::CommitId;

use super::Place;
use crate::git::{CheckoutState, Git, GitError, WithIgnored};

/// Commits that the target lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlanded {
    /// `wt/<name>`, or `HEAD` when the worktree is on something else.
    pub at: String,
    /// How many there are since the base.
    pub commits: u64,
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
}

/// Looks at the worktree at `place`, made at `base` on `branch`. Without a `target` every commit counts as unlanded.
///
/// # Errors
/// When git can't tell; the standing is unknown then.
pub fn standing(
    place: &Place,
    branch: &str,
    base: &CommitId,
    target: Option<&CommitId>,
    with_ignored: WithIgnored,
) -> Result<Standing, GitError> {
    let git = place.git();
    let state = git.state(with_ignored)?;
    let tip = git.branch_tip(branch)?;
    let head = state.head.clone();
    let commits = head.as_ref().map_or(Ok(0), |head| git.commits_between(base, head))?;
    let mut unlanded = Vec::new();
    let mut looked_at: Vec<&CommitId> = Vec::new();
    for (at, commit) in [(branch, &tip), ("HEAD", &head)] {
        let Some(commit) = commit else { continue };
        if looked_at.contains(&commit) {
            continue;
        }
        looked_at.push(commit);
        if !is_landed(&git, base, commit, target)? {
            unlanded.push(Unlanded { at: at.to_owned(), commits: git.commits_between(base, commit)? });
        }
    }
    Ok(Standing { state, tip, commits, unlanded })
}

/// Whether `target` would gain nothing from `commit`: it is an ancestor, has no commits of its own, or merging it
/// changes nothing (which is how a squashed branch is seen).
fn is_landed(
    git: &Git,
    base: &CommitId,
    commit: &CommitId,
    target: Option<&CommitId>,
) -> Result<bool, GitError> {
    if commit == base {
        return Ok(true);
    }
    target.map_or(Ok(false), |target| git.adds_nothing(target, commit))
}
