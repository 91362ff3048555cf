//! Git's lock files: those that a killed git has left keep everybody else out.

use std::time::{Duration, SystemTime};

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError, refs::is_own};
use crate::supervise;

/// The most files that are looked at below `refs/`.
const MAX_REFS: usize = 100_000;

/// Whose a lock is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockOn {
    /// A ref, by its full name.
    Ref(String),
    /// The head or the index of a linked checkout, by the name of git's entry for it.
    Entry(String),
    /// Something that all share, or the main checkout's: the packed refs, the settings, its head, its index.
    Shared,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// The file.
    pub path: Utf8PathBuf,
    /// What it locks.
    pub on: LockOn,
    /// When it was written last.
    pub at: SystemTime,
}

impl LockFile {
    /// Whether it locks a ref that only biplane and the agents in its worktrees move.
    pub fn is_on_own_ref(&self) -> bool {
        matches!(&self.on, LockOn::Ref(name) if is_own(name))
    }

    /// How long it has been as it is.
    pub fn age(&self) -> Duration {
        self.at.elapsed().unwrap_or_default()
    }
}

impl Git {
    /// The lock files in the repository. A directory that can't be read has none.
    pub fn lock_files(&self) -> Vec<LockFile> {
        let common = self.common_dir();
        let mut found: Vec<LockFile> = locks_in(common, |_| LockOn::Shared).collect();
        for entry in listed(&common.join("worktrees")) {
            let name = entry.file_name().unwrap_or_default().to_owned();
            found.extend(locks_in(&entry, |_| LockOn::Entry(name.clone())));
        }
        let mut open = vec![common.join("refs")];
        let mut seen = 0;
        while let Some(dir) = open.pop() {
            found.extend(locks_in(&dir, |path| {
                let name = path.strip_prefix(common).unwrap_or(path).as_str();
                LockOn::Ref(name.trim_end_matches(".lock").to_owned())
            }));
            let below = listed(&dir);
            seen += below.len();
            if seen > MAX_REFS {
                break;
            }
            let is_dir = |path: &Utf8PathBuf| path.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
            open.extend(below.into_iter().filter(is_dir));
        }
        found
    }

    /// Deletes a lock file that is as it was when it was found, while surely no git is at work in `directories`.
    ///
    /// # Errors
    /// When it changed, when a git is or may be at work, or when the system refuses.
    pub fn drop_lock(&self, lock: &LockFile, directories: &[&Utf8Path]) -> Result<(), GitError> {
        let refused = |why: &str| GitError::Io {
            path: lock.path.clone(),
            action: "deleted",
            source: std::io::Error::other(why.to_owned()),
        };
        let places: Vec<&std::path::Path> =
            directories.iter().copied().chain([self.common_dir()]).map(Utf8Path::as_std_path).collect();
        if !supervise::none_within("git", &places) {
            return Err(refused("a git is at work in the repository, or may be"));
        }
        if modified(&lock.path) != Some(lock.at) {
            return Err(refused("it changed meanwhile"));
        }
        failpoint::around("stale lock deleted", || std::fs::remove_file(&lock.path))
            .map_err(|source| GitError::Io { path: lock.path.clone(), action: "deleted", source })
    }

    /// Deletes the lock of the ref `name` when it was to move to `new`: it is the lock of the git that a dead process had
    /// told to do that, and that has ended. Whether there was one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn drop_lock_with(&self, name: &str, new: &CommitId) -> Result<bool, GitError> {
        let path = self.common_dir().join(format!("{name}.lock"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.trim() != new.as_str() {
            return Ok(false);
        }
        failpoint::around("stale lock deleted", || std::fs::remove_file(&path))
            .map(|()| true)
            .map_err(|source| GitError::Io { path, action: "deleted", source })
    }
}

fn modified(path: &Utf8Path) -> Option<SystemTime> {
    path.as_std_path().symlink_metadata().ok().filter(std::fs::Metadata::is_file)?.modified().ok()
}

fn listed(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
    entries.map(camino::Utf8DirEntry::into_path).collect()
}

fn locks_in(dir: &Utf8Path, on: impl Fn(&Utf8Path) -> LockOn) -> impl Iterator<Item = LockFile> {
    let locks = listed(dir).into_iter().filter(|path| path.extension() == Some("lock"));
    locks.filter_map(move |path| {
        let at = modified(&path)?;
        Some(LockFile { on: on(&path), path, at })
    })
}
