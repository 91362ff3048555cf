//! What becomes of a checkout of the target when the target moves.

use biplane_execution::git::{BroughtAlong, Git, GitError, RefUpdate};
use biplane_model::{CommitId, sanitize_line};

use crate::error::Result;

fn shown_place(checkout: &Git) -> String {
    checkout.work_tree().map(|p| sanitize_line(p.as_str())).unwrap_or_default()
}

/// The command that takes a checkout to a branch. Without the option git overwrites ignored files.
pub(crate) fn switch_to(branch: &str) -> String {
    format!("git switch --no-overwrite-ignore {branch}")
}

pub(super) fn stays_behind(checkout: &Git, target: &str) -> String {
    let (place, way) = (shown_place(checkout), switch_to(&sanitize_line(target)));
    format!(
        "`{place}` has uncommitted work, or files in the way, and was left as it is, off the branch; `{way}` in it brings it along"
    )
}

/// Takes the files and the index of a clean checkout of the target from `onto` to `candidate`. One that is not clean any more, or
/// where that fails, is taken off the branch, as if it had not been before: on it, its next commit would undo what has landed. Says so.
pub(crate) fn bring_along(
    checkout: &Git,
    target: &str,
    onto: &CommitId,
    candidate: &CommitId,
) -> Result<Option<String>> {
    let failure = match checkout.follow(onto, candidate) {
        Ok(BroughtAlong::Updated) => return Ok(None),
        Ok(BroughtAlong::LeftAlone) => None,
        Err(error) => Some(error),
    };
    let why = "biplane: left behind with uncommitted work";
    match checkout.update_ref(&RefUpdate { name: "HEAD", old: Some(candidate), new: Some(onto), why }) {
        Ok(()) => Ok(Some(match failure {
            None => stays_behind(checkout, target),
            Some(error) => format!("{}; it failed: {error}", stays_behind(checkout, target)),
        })),
        // Somebody has committed or switched at that moment.
        Err(GitError::RefMoved { .. }) => Ok(Some(not_brought_along(checkout, onto, candidate))),
        Err(error) => Err(error.into()),
    }
}

fn not_brought_along(checkout: &Git, old: &CommitId, new: &CommitId) -> String {
    let place = shown_place(checkout);
    format!(
        "`{place}` changed at that moment and still shows the files of {}; `git diff-tree -p --binary {old} {new} | git apply --index` in it brings it along",
        old.short()
    )
}
