//! Removing worktrees that were proved to be ours.

use camino::{Utf8Path, Utf8PathBuf};

use super::{Owned, Place};
use crate::git::{Git, GitError};

/// Renames the worktree's directory to `aside`, on the same file system: one step, nothing half-deleted is ever seen
/// under its name.
///
/// # Errors
/// When the system refuses.
pub fn move_aside(owned: &Owned, aside: &Utf8Path) -> Result<(), GitError> {
    let io = |path: &Utf8Path, action, source| GitError::Io { path: path.to_owned(), action, source };
    if let Some(parent) = aside.parent() {
        fs_err::create_dir_all(parent).map_err(|e| io(parent, "created", e))?;
    }
    std::fs::rename(&owned.place.path, aside).map_err(|e| io(&owned.place.path, "moved", e))
}

/// Deletes what [`move_aside`] has put aside. Links are not followed. Nothing when it is gone already.
///
/// # Errors
/// When the system refuses.
pub fn delete_aside(aside: &Utf8Path) -> Result<(), GitError> {
    match std::fs::remove_dir_all(aside) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(GitError::Io { path: aside.to_owned(), action: "deleted", source }),
    }
}

/// Makes git forget the worktree at `path`, whose directory is gone. Only this one: `git worktree prune` would forget
/// every worktree that is moved or unmounted for the moment. The caller holds the lock for adding.
///
/// # Errors
/// When git can't.
pub fn delete_entry(git: &Git, path: &Utf8Path) -> Result<(), GitError> {
    if !git.worktrees()?.iter().any(|w| w.path == path) {
        return Ok(());
    }
    git.call(["worktree", "remove", "--force", "--", path.as_str()]).bytes()?;
    Ok(())
}

/// Removes a scratch worktree that biplane made for itself and nobody works in.
///
/// # Errors
/// When it can't be proved to be ours, or the system refuses.
pub fn remove_scratch(git: &Git, place: &Place) -> Result<(), GitError> {
    let aside: Utf8PathBuf = format!("{}.removed", place.path).into();
    // What ran in it may have changed or deleted its `.git` file; git's entry still says that it is ours.
    if let Ok(owned) = super::prove(place).or_else(|_| super::owned::prove_by_entry(place)) {
        move_aside(&owned, &aside)?;
    }
    if place.path.as_std_path().symlink_metadata().is_err() {
        delete_entry(git, &place.path)?;
    }
    delete_aside(&aside)
}
