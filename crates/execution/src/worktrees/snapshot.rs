//! Snapshots: a ref that holds everything a worktree has, before anything of it is discarded.
//!
//! A snapshot is a commit whose tree is the files (tracked, untracked, and those ignored ones that can't be made again);
//! its first parent is the worktree's head, its second a commit of the index. Neither files nor index are touched.

use biplane_model::{CommitId, WorktreeName};
use camino::Utf8Path;

use super::Place;
use crate::git::{CheckoutState, GitError, RefUpdate, WithIgnored};

/// Where snapshots are: `<this><name>/<n>`.
pub const SNAPSHOT_REFS: &str = "refs/biplane/snapshots/";

/// The most bytes of untracked and ignored files that a snapshot takes in.
const MAX_LOOSE_BYTES: u64 = 1 << 30;
/// The most entries that are looked at in ignored directories.
const MAX_LOOSE_FILES: u64 = 200_000;
/// How often another number is tried when somebody takes a snapshot of the same name at the same moment.
const NUMBER_TRIES: u32 = 16;

/// Ignored directories and files that a build makes again, by their names.
const REPRODUCIBLE: &[&str] = &[
    "target",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".gradle",
    ".next",
    ".nuxt",
    ".turbo",
    ".cache",
    ".parcel-cache",
    ".DS_Store",
    "Thumbs.db",
];

/// A snapshot that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The ref that holds it.
    pub name: String,
    /// Its commit.
    pub commit: CommitId,
}

/// Why a snapshot can't be taken. Nothing may be discarded then.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A repository lies inside the worktree; its work can't be held by a ref of this one.
    #[error("`{0}` is a repository inside the worktree, whose work a snapshot can't hold")]
    NestedRepository(String),
    /// There is too much.
    #[error("untracked and ignored files come to more than {} MiB or {} files", MAX_LOOSE_BYTES >> 20, MAX_LOOSE_FILES)]
    TooLarge,
    /// A file could not be looked at.
    #[error("`{0}` could not be looked at")]
    Unknown(String),
}

/// Takes a snapshot of the worktree `name` at `place`. `None` when there is nothing that its branch does not hold: no
/// uncommitted work, no ignored file worth keeping, and the head `held` by something else.
///
/// # Errors
/// [`SnapshotError`]; the worktree is as it was.
pub fn snapshot(
    place: &Place,
    name: &WorktreeName,
    why: &str,
    held: Held,
) -> Result<Option<Snapshot>, SnapshotError> {
    let git = place.git();
    if let Some(inside) = git.repository_inside()? {
        return Err(SnapshotError::NestedRepository(biplane_model::sanitize_line(&inside)));
    }
    let state = git.state(WithIgnored::Yes)?;
    let ignored = worth_keeping(&state);
    check_loose(&place.path, &state, &ignored)?;
    if state.is_clean() && ignored.is_empty() && held == Held::ByAnother {
        return Ok(None);
    }
    let identity = git.identity()?;
    let tree = git.tree_of_files(&ignored)?;
    let head = state.head.clone();
    let mut parents: Vec<CommitId> = head.iter().cloned().collect();
    if let Some(index_tree) = git.tree_of_index()? {
        let refs: Vec<&CommitId> = head.iter().collect();
        parents.push(git.commit_tree(
            &index_tree,
            &refs,
            &format!("biplane: index of {name}\n"),
            &identity,
        )?);
    }
    let branch = state.branch.as_deref().unwrap_or("(detached)");
    let message = format!("biplane: snapshot of worktree {name}\n\nWhy: {why}\nBranch: {branch}\n");
    let commit = git.commit_tree(&tree, &parents.iter().collect::<Vec<_>>(), &message, &identity)?;
    let prefix = format!("{SNAPSHOT_REFS}{name}/");
    for _ in 0..NUMBER_TRIES {
        let taken = git.refs_below(&prefix)?;
        let last = taken.iter().filter_map(|(full, _)| full.strip_prefix(&prefix)?.parse::<u64>().ok()).max();
        let full = format!("{prefix}{}", last.unwrap_or(0) + 1);
        let update = RefUpdate { name: &full, old: None, new: Some(&commit), why: "biplane: snapshot" };
        match git.update_ref(&update) {
            Ok(()) => return Ok(Some(Snapshot { name: full, commit })),
            Err(GitError::RefMoved { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(GitError::RefMoved { name: prefix }.into())
}

/// Whether the worktree's commits are reachable from something that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// They are, by the target or by a branch that stays.
    ByAnother,
    /// They would be lost with the branch.
    ByNothing,
}

/// The ignored paths that nothing makes again.
fn worth_keeping(state: &CheckoutState) -> Vec<String> {
    let again = |path: &str| path.split('/').any(|name| REPRODUCIBLE.contains(&name));
    state.ignored.iter().filter(|path| !again(path)).cloned().collect()
}

/// The ignored paths that a snapshot leaves out, because something makes them again.
pub fn left_out(state: &CheckoutState) -> Vec<String> {
    let kept = worth_keeping(state);
    state.ignored.iter().filter(|path| !kept.contains(path)).cloned().collect()
}

/// Refuses what a snapshot can't hold, before anything is written.
fn check_loose(top: &Utf8Path, state: &CheckoutState, ignored: &[String]) -> Result<(), SnapshotError> {
    let mut sum = Loose::default();
    for path in &state.untracked {
        if path.ends_with('/') {
            return Err(SnapshotError::NestedRepository(biplane_model::sanitize_line(path)));
        }
        sum.add(&top.join(path))?;
    }
    for path in ignored {
        sum.walk(&top.join(path))?;
    }
    Ok(())
}

#[derive(Default)]
struct Loose {
    bytes: u64,
    files: u64,
}

impl Loose {
    fn add(&mut self, path: &Utf8Path) -> Result<bool, SnapshotError> {
        let unknown = |_| SnapshotError::Unknown(biplane_model::sanitize_line(path.as_str()));
        let meta = path.as_std_path().symlink_metadata().map_err(unknown)?;
        self.files += 1;
        if meta.is_file() {
            self.bytes += meta.len();
        }
        if self.bytes > MAX_LOOSE_BYTES || self.files > MAX_LOOSE_FILES {
            return Err(SnapshotError::TooLarge);
        }
        Ok(meta.is_dir())
    }

    fn walk(&mut self, path: &Utf8Path) -> Result<(), SnapshotError> {
        let mut open = vec![path.to_owned()];
        while let Some(path) = open.pop() {
            if !self.add(&path)? {
                continue;
            }
            let unknown = |_| SnapshotError::Unknown(biplane_model::sanitize_line(path.as_str()));
            for entry in path.read_dir_utf8().map_err(unknown)? {
                let entry = entry.map_err(unknown)?;
                if entry.file_name() == ".git" {
                    return Err(SnapshotError::NestedRepository(biplane_model::sanitize_line(path.as_str())));
                }
                open.push(entry.into_path());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_makes_again_is_left_out() {
        let ignored = [
            "target/",
            "a/node_modules/",
            ".env",
            "data.sqlite",
            "my-target/",
            "x/__pycache__/",
            "y/__pycache__/z.pyc",
        ];
        let state =
            CheckoutState { ignored: ignored.map(str::to_owned).to_vec(), ..CheckoutState::default() };
        assert_eq!(worth_keeping(&state), [".env", "data.sqlite", "my-target/"]);
    }
}
