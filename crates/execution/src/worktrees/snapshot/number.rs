//! A snapshot's ref: the next number of its name, or the newest one when that holds the same.

use biplane_model::{CommitId, WorktreeName};

use super::{SNAPSHOT_REFS, SnapshotError};
use crate::git::{Git, GitError, RefUpdate};

/// How often another number is tried when somebody takes a snapshot of the same name at the same moment.
const NUMBER_TRIES: u32 = 16;

/// Gives the snapshot its ref, unless the newest one of that name holds the same.
pub(super) fn name_it(
    git: &Git,
    name: &WorktreeName,
    commit: CommitId,
    parents: usize,
) -> Result<(String, CommitId, bool), SnapshotError> {
    let prefix = format!("{SNAPSHOT_REFS}{name}/");
    for _ in 0..NUMBER_TRIES {
        let taken = git.refs_below(&prefix)?;
        let numbered = taken
            .iter()
            .filter_map(|(full, at)| Some((full.strip_prefix(&prefix)?.parse::<u64>().ok()?, at)));
        let last = numbered.max_by_key(|(number, _)| *number);
        if let Some((number, at)) = last
            && is_same(git, at, &commit, parents)?
        {
            return Ok((format!("{prefix}{number}"), at.clone(), false));
        }
        let full = format!("{prefix}{}", last.map_or(0, |(number, _)| number) + 1);
        let update = RefUpdate { name: &full, old: None, new: Some(&commit), why: "biplane: snapshot" };
        match git.update_ref(&update) {
            Ok(()) => return Ok((full, commit, true)),
            Err(GitError::RefMoved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(GitError::RefMoved { name: prefix }.into())
}

/// Whether two snapshots hold the same: files, head, index, and what trees can't hold.
fn is_same(git: &Git, a: &CommitId, b: &CommitId, parents: usize) -> Result<bool, GitError> {
    let parts = |commit: &CommitId| {
        let mut parts = vec![format!("{commit}^{{tree}}")];
        if parents == 3 {
            parts.push(format!("{commit}^1"));
        }
        parts.extend([parents - 1, parents].map(|n| format!("{commit}^{n}^{{tree}}")));
        parts
    };
    let output = git.call(["rev-parse"]).args(parts(a)).args(parts(b)).output()?;
    // An older snapshot may have fewer parts.
    if output.code != Some(0) {
        return Ok(false);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let ids: Vec<&str> = text.lines().collect();
    let (one, other) = ids.split_at(ids.len() / 2);
    Ok(one.len() == parts(a).len() && one == other)
}
