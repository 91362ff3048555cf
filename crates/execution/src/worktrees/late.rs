//! Whether something was written into a worktree that was put aside, after it was removed.
//!
//! Processes that stand in it go on writing to it, wherever it is. Told by the time of change of files, which nothing but the
//! system sets; that of directories says nothing, because deleting changes it too. Only
//! directories are opened, and what a link names is not looked at.

use std::{io, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use camino::Utf8Path;

/// The first file found below `dir` that was changed at `since`, a time since the epoch, or after it; none when there is none. Files
/// get their times by a clock that lags by some milliseconds: the caller takes `since` from that one, or misses what was
/// written in those.
///
/// # Errors
/// When the system refuses a look: it is not known then.
pub fn written_since(dir: &Utf8Path, since: Duration) -> io::Result<Option<PathBuf>> {
    let mut open = vec![dir.as_std_path().to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if meta.is_dir() {
                open.push(entry.path());
                continue;
            }
            let seconds = u64::try_from(meta.ctime()).unwrap_or_default();
            let changed = Duration::new(seconds, u32::try_from(meta.ctime_nsec()).unwrap_or_default());
            // Of a file with several names it changes when another one is deleted.
            if changed >= since && meta.nlink() == 1 {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}
