//! The trees of a few commits, as git has said them in passing: a commit's tree never changes, and asking for it costs a
//! process.

use std::sync::{Mutex, PoisonError};

use biplane_model::CommitId;

/// How many are remembered; the oldest goes first.
const MOST: usize = 16;

static TREES: Mutex<Vec<(CommitId, String)>> = Mutex::new(Vec::new());

/// Remembers the tree of a commit.
pub(super) fn note(commit: &CommitId, tree: &str) {
    let mut trees = TREES.lock().unwrap_or_else(PoisonError::into_inner);
    if trees.iter().any(|(known, _)| known == commit) {
        return;
    }
    if trees.len() == MOST {
        trees.remove(0);
    }
    trees.push((commit.clone(), tree.to_owned()));
}

/// The tree of a commit, if git has said it.
pub(super) fn known(commit: &CommitId) -> Option<String> {
    let trees = TREES.lock().unwrap_or_else(PoisonError::into_inner);
    trees.iter().find(|(known, _)| known == commit).map(|(_, tree)| tree.clone())
}
