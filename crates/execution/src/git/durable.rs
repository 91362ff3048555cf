//! A barrier: objects that somebody else wrote are on the disk before a record names them.
//!
//! `git commit` syncs nothing by default, so an agent's commit may be gone after a power cut.

use std::{collections::BTreeSet, fs::File, time::SystemTime};

use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError};

impl Git {
    /// Syncs every object that `head` has and `base` has not, and the directories that name them.
    ///
    /// Packs count from `since` on: older ones were there before the work began.
    ///
    /// # Errors
    /// When git can't list the objects, or the system can't sync them.
    pub fn make_durable(&self, base: &CommitId, head: &CommitId, since: SystemTime) -> Result<(), GitError> {
        let excluded = format!("^{base}");
        let ids =
            self.call(["rev-list", "--objects", "--no-object-names", head.as_str(), &excluded]).text()?;
        let objects = self.common_dir.join("objects");
        let mut directories: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        for id in ids.lines().filter(|id| id.len() >= 40) {
            let directory = objects.join(&id[..2]);
            if sync(&directory.join(&id[2..]))? {
                directories.insert(directory);
            }
        }
        let packs = objects.join("pack");
        for entry in packs.read_dir_utf8().into_iter().flatten().flatten() {
            let young = entry.metadata().and_then(|m| m.modified()).is_ok_and(|t| t >= since);
            if young && sync(entry.path())? {
                directories.insert(packs.clone());
            }
        }
        for directory in directories {
            sync(&directory)?;
        }
        Ok(())
    }
}

/// Syncs a file or directory; false when it is not there.
fn sync(path: &Utf8Path) -> Result<bool, GitError> {
    let io = |action, source| GitError::Io { path: path.to_owned(), action, source };
    match File::open(path) {
        Ok(file) => file.sync_all().map(|()| true).map_err(|e| io("written to the disk", e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io("opened", e)),
    }
}
