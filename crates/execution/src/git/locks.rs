//! Git's lock files: one that a killed git has left keeps everybody else out.

use biplane_failpoint as failpoint;
use biplane_model::CommitId;

use super::{Git, GitError};

impl Git {
    /// Deletes the lock of the ref `name` when it was to move to `new`: it is the lock of the git that a dead process had
    /// told to do that, and that has ended. Whether there was one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn drop_lock_with(&self, name: &str, new: &CommitId) -> Result<bool, GitError> {
        let path = self.common_dir().join(format!("{name}.lock"));
        let text = crate::files::text(&path).unwrap_or_default();
        if text.trim() != new.as_str() {
            return Ok(false);
        }
        match failpoint::around("stale lock deleted", || std::fs::remove_file(&path)) {
            Ok(()) => Ok(true),
            // Another one was quicker.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(GitError::Io { path, action: "deleted", source }),
        }
    }
}
