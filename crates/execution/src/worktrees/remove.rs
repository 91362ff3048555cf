//! Removing worktrees that were proved to be ours.

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Owned, Place, owned::read_link_file};
use crate::git::{Git, GitError};

/// Renames the worktree's directory to `aside`, on the same file system: one step, nothing half-deleted is ever seen
/// under its name.
///
/// # Errors
/// When the system refuses.
pub fn move_aside(owned: &Owned, aside: &Utf8Path) -> Result<(), GitError> {
    let io = |path: &Utf8Path, action, source| GitError::Io { path: path.to_owned(), action, source };
    if let Some(parent) = aside.parent().filter(|dir| !dir.is_dir()) {
        failpoint::around("worktrees directory made", || fs_err::create_dir_all(parent))
            .map_err(|e| io(parent, "created", e))?;
    }
    failpoint::around("worktree put aside", || std::fs::rename(&owned.place.path, aside))
        .map_err(|e| io(&owned.place.path, "moved", e))
}

/// Deletes what [`move_aside`] has put aside. Links are not followed. Nothing when it is gone already.
///
/// # Errors
/// When the system refuses.
pub fn delete_aside(aside: &Utf8Path) -> Result<(), GitError> {
    match failpoint::around("directory deleted", || std::fs::remove_dir_all(aside)) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(GitError::Io { path: aside.to_owned(), action: "deleted", source }),
    }
}

/// Makes git forget the worktree at `path`, whose directory is gone. Only this one: `git worktree prune` would forget
/// every worktree that is moved or unmounted for the moment. The caller holds the lock for adding.
///
/// Not by `git worktree remove` either: it goes by the path, and one that outlives a killed biplane would delete the next
/// worktree of that name, with the work in it.
///
/// # Errors
/// When the system refuses; [`GitError::Failed`] when the directory is there.
pub fn delete_entry(git: &Git, path: &Utf8Path) -> Result<(), GitError> {
    if path.as_std_path().symlink_metadata().is_ok() {
        let message = format!("`{path}` is still there");
        return Err(GitError::Failed { command: "worktree remove".to_owned(), code: None, message });
    }
    forget(git, path)
}

/// Deletes git's entries for `path`, whatever lies there.
pub(super) fn forget(git: &Git, path: &Utf8Path) -> Result<(), GitError> {
    let entries = git.common_dir().join("worktrees");
    let path = resolved(path);
    for entry in entries.read_dir_utf8().into_iter().flatten().flatten() {
        let back = read_link_file(&entry.path().join("gitdir"), None).ok();
        if back.as_deref().and_then(Utf8Path::parent).is_some_and(|dir| resolved(dir) == path) {
            delete_aside(&put_entry_aside(git, entry.path())?)?;
        }
    }
    // Git does the same with the last one.
    let _ = failpoint::around("git's last entry deleted", || std::fs::remove_dir(&entries));
    Ok(())
}

/// What the names begin with of git's entries that a process has put aside to delete them, in biplane's directory in the
/// git directory; its number follows.
pub const ENTRY_BY: &str = "entry-by-";

/// Renames one of git's entries: in one step, since of half an entry git makes what it likes.
fn put_entry_aside(git: &Git, entry: &Utf8Path) -> Result<Utf8PathBuf, GitError> {
    let io = |path: &Utf8Path, action, source| GitError::Io { path: path.to_owned(), action, source };
    let state = git.common_dir().join("biplane");
    if !state.is_dir() {
        failpoint::around("state directory made", || fs_err::create_dir_all(&state))
            .map_err(|e| io(&state, "created", e))?;
    }
    let name = entry.file_name().unwrap_or_default();
    let aside = state.join(format!("{ENTRY_BY}{}-{name}", std::process::id()));
    failpoint::around("git's entry put aside", || std::fs::rename(entry, &aside))
        .map_err(|e| io(entry, "moved", e))?;
    Ok(aside)
}

/// The path with the directory it lies in resolved; the last part may be gone.
fn resolved(path: &Utf8Path) -> Utf8PathBuf {
    let dir = path.parent().and_then(|dir| dir.canonicalize_utf8().ok());
    dir.zip(path.file_name()).map_or_else(|| path.to_owned(), |(dir, name)| dir.join(name))
}

/// What the names of directories begin with that a process has put aside to delete them; its number follows.
pub const ASIDE_BY: &str = ".removed-by-";

/// Where this process puts the directory at `path` aside. No worktree's name starts with a dot.
fn scratch_aside(path: &Utf8Path) -> Utf8PathBuf {
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().unwrap_or(Utf8Path::new("/"));
    parent.join(format!("{ASIDE_BY}{}-{name}", std::process::id()))
}

/// Removes a scratch worktree that biplane made for itself and nobody works in.
///
/// # Errors
/// When it can't be proved to be ours, or the system refuses.
pub fn remove_scratch(git: &Git, place: &Place) -> Result<(), GitError> {
    let aside = scratch_aside(&place.path);
    // What ran in it may have changed or deleted its `.git` file; git's entry still says that it is ours.
    if let Ok(owned) = super::prove(place).or_else(|_| super::owned::prove_by_entry(place)) {
        move_aside(&owned, &aside)?;
    }
    if place.path.as_std_path().symlink_metadata().is_err() {
        delete_entry(git, &place.path)?;
    }
    delete_aside(&aside)
}
