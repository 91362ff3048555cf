//! Worktrees on the disk: making, proving, saving and removing them.
//!
//! **Contract.** Adding is serialised by a lock that the caller holds, because git's own adding races; filling is not.
//! Nothing is deleted unless the directory, git's entry and our record name each other, and unless a ref holds what
//! would be lost. A look that failed is an error, never "clean" and never "gone".
//!
//! **Deliberately absent:** tasks, the ledger, settings.

mod add;
mod astray;
mod delete;
mod handle;
mod late;
mod merged;
pub mod outside;
mod owned;
pub mod pool;
pub mod ready;
mod remove;
mod restore;
mod snapshot;
mod standing;

use camino::Utf8PathBuf;

pub use add::{AddSpec, Added, BranchFault, add, check_branch, is_registered, registered_with, undo_add};
pub use astray::{Astray, astray, named_by_entry, relink};
pub use handle::DirId;
pub use late::{file_time, written_since};
pub use merged::{Merged, merged};
pub use owned::{Owned, OwnershipFault, linked_checkout, place_at, prove};
pub use remove::{
    ASIDE_BY, Aside, ENTRY_BY, delete_aside, delete_entry, doom, found_aside, move_aside, remove_scratch,
};
pub use restore::{Contents, RestoreError, contents, put_back, put_back_head};
pub use snapshot::{
    Held, Note, Rules, SNAPSHOT_REFS, Snapshot, SnapshotError, SnapshotRequest, left_out,
    refuse_repositories, snapshot,
};
pub use standing::{Against, Standing, Unlanded, standing};

use crate::git::{Git, GitError};

/// Where one worktree is, by our record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory shared by all checkouts.
    pub common_dir: Utf8PathBuf,
    /// The worktree's directory, absolute.
    pub path: Utf8PathBuf,
    /// The name of git's entry below `<common dir>/worktrees/`.
    pub git_entry: String,
}

impl Place {
    /// The directory git keeps the worktree's head and index in.
    pub fn entry_dir(&self) -> Utf8PathBuf {
        self.common_dir.join("worktrees").join(&self.git_entry)
    }

    /// Whether git has it locked against removal.
    ///
    /// # Errors
    /// When that can't be told.
    pub fn is_locked(&self) -> Result<bool, GitError> {
        let lock = self.entry_dir().join("locked");
        match lock.as_std_path().symlink_metadata() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(GitError::Io { path: lock, action: "looked at", source }),
        }
    }

    /// Git on this worktree, by its recorded directories.
    pub fn git(&self) -> Git {
        Git::checkout(&self.common_dir, &self.entry_dir(), &self.path)
    }
}
