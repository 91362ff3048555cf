//! Removing worktrees that were proved to be ours.

use std::{ffi::CStr, os::fd::OwnedFd};

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Owned, Place,
    delete::delete_tree,
    handle::{self, DirId},
    owned::{names_entry, read_link_file},
};
use crate::git::{Git, GitError};

/// A worktree's directory that was put aside.
#[derive(Debug, Clone)]
pub struct Aside {
    /// Where it is now.
    pub path: Utf8PathBuf,
    /// Where it was.
    from: Utf8PathBuf,
    id: DirId,
}

impl Aside {
    /// Whether it still is the directory that was put aside. Gone is as good.
    ///
    /// # Errors
    /// [`GitError::Io`] when something else is there.
    pub fn check(&self) -> Result<(), GitError> {
        match handle::open_path(&self.path).and_then(handle::id_of) {
            Ok(id) if id == self.id => return Ok(()),
            // Another process that recovers has deleted it.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            _ => {}
        }
        Err(refused(&self.path, "deleted", "it is not what was put aside"))
    }

    /// Puts it back to where it was.
    ///
    /// # Errors
    /// When something else is there by now, or the system refuses.
    pub fn put_back(&self) -> Result<(), GitError> {
        self.check()?;
        let io = |source| GitError::Io { path: self.path.clone(), action: "moved back", source };
        let (aside, name) = handle::open_parent(&self.path).map_err(io)?;
        let (parent, old) = handle::open_parent(&self.from).map_err(io)?;
        failpoint::reach("put back before");
        handle::rename((&aside, &name), (&parent, &old)).map_err(io)?;
        failpoint::reach("put back after");
        Ok(())
    }
}

/// Renames the worktree's directory to `aside`, on the same file system: one step, nothing half-deleted is ever seen
/// under its name. What was moved is looked at again: it is the directory that was proved to be ours, or it goes back.
///
/// # Errors
/// When another directory has come to its place, something is at `aside`, or the system refuses.
pub fn move_aside(owned: &Owned, aside: &Utf8Path) -> Result<Aside, GitError> {
    let path = &owned.place.path;
    let io = |path: &Utf8Path, action, source| GitError::Io { path: path.to_owned(), action, source };
    if let Some(parent) = aside.parent().filter(|dir| !dir.is_dir()) {
        failpoint::around("worktrees directory made", || fs_err::create_dir_all(parent))
            .map_err(|e| io(parent, "created", e))?;
    }
    let (parent, name) = handle::open_parent(path).map_err(|e| io(path, "opened", e))?;
    let (to, to_name) = handle::open_parent(aside).map_err(|e| io(aside, "opened", e))?;
    let is_ours = |dir: &OwnedFd, name: &CStr| {
        handle::open_dir(dir, name).and_then(handle::id_of).is_ok_and(|id| id == owned.id)
    };
    if !is_ours(&parent, &name) {
        return Err(refused(path, "moved", "it was replaced just now"));
    }
    failpoint::reach("move aside before");
    handle::rename((&parent, &name), (&to, &to_name)).map_err(|e| io(path, "moved", e))?;
    failpoint::reach("move aside after");
    if !is_ours(&to, &to_name) {
        failpoint::around("move aside undone", || handle::rename((&to, &to_name), (&parent, &name)))
            .map_err(|e| io(aside, "moved back", e))?;
        return Err(refused(path, "moved", "it was replaced just now"));
    }
    Ok(Aside { path: aside.to_owned(), from: path.clone(), id: owned.id })
}

/// The worktree of `place` that was put aside, when git's entry still names its place and the directory that entry: then
/// nothing of it was given up yet.
pub fn found_aside(place: &Place, aside: &Utf8Path) -> Option<Aside> {
    let dir = handle::open_path(aside).ok()?;
    let entry = place.entry_dir();
    let back = read_link_file(&entry.join("gitdir"), None).ok()?;
    let named = resolved(back.parent()?) == resolved(&place.path);
    let is_whole = !place.git_entry.is_empty() && named && names_entry(&dir, aside, &entry).ok()?;
    let id = handle::id_of(&dir).ok()?;
    is_whole.then(|| Aside { path: aside.to_owned(), from: place.path.clone(), id })
}

fn refused(path: &Utf8Path, action: &'static str, why: &str) -> GitError {
    GitError::Io { path: path.to_owned(), action, source: std::io::Error::other(why.to_owned()) }
}

/// Gives what was put aside the name of something that this process deletes: from then on its directories' times say nothing
/// any more. None when it is gone.
///
/// # Errors
/// When the system refuses.
pub fn doom(aside: &Utf8Path) -> Result<Option<Utf8PathBuf>, GitError> {
    let doomed = scratch_aside(aside);
    match failpoint::around("aside doomed", || std::fs::rename(aside, &doomed)) {
        Ok(()) => Ok(Some(doomed)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(GitError::Io { path: aside.to_owned(), action: "moved", source }),
    }
}

/// Deletes what [`move_aside`] has put aside, or something else of ours. Links and mounts are not followed. Nothing when
/// it is gone already.
///
/// # Errors
/// When something in it can't be deleted: the error names it, and the rest stays.
pub fn delete_aside(aside: &Utf8Path) -> Result<(), GitError> {
    delete_tree(aside)
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
            delete_tree(&put_entry_aside(git, entry.path())?)?;
        }
    }
    // Git does the same with the last one.
    let _ = failpoint::around("git's last entry deleted", || std::fs::remove_dir(&entries));
    Ok(())
}

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

/// What the names of git's entries begin with, in biplane's directory in the git directory, that a process is about to
/// delete; its number follows.
pub const ENTRY_BY: &str = "entry-by-";

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
