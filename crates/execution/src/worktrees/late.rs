//! Whether something was written into a worktree that was put aside, after it was looked at.
//!
//! Processes that stand in it go on writing to it, wherever it is. Told by the times of change, which nothing but the
//! system sets. Whoever deletes it gives it another name first, so that the times of directories tell too: what is moved in
//! keeps those of its files. Only directories are opened, and what a link names is not looked at.

use std::{collections::HashMap, io, os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use biplane_model::Timestamp;
use camino::Utf8Path;

/// Now, by the clock that files get their times from; rounded down. None where that one can't be read.
#[cfg(target_os = "linux")]
pub fn file_time() -> Option<Timestamp> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    Some(Timestamp(now.tv_sec.checked_mul(1_000_000)?.checked_add(now.tv_nsec / 1000)?))
}

/// Now, by the clock that files get their times from; here it can't be read.
#[cfg(not(target_os = "linux"))]
pub fn file_time() -> Option<Timestamp> {
    None
}

/// The first thing found below `dir` that was changed at `since`, a time since the epoch, or after it; none when there is none. Files
/// get their times by a clock that lags by some milliseconds: the caller takes `since` from that one ([`file_time`]), or misses
/// what was written in those.
///
/// Of a file with several names the time changes when another one is deleted; it counts when all of its names are here.
///
/// # Errors
/// When the system refuses a look: it is not known then.
pub fn written_since(dir: &Utf8Path, since: Duration) -> io::Result<Option<PathBuf>> {
    let mut named: HashMap<(u64, u64), u64> = HashMap::new();
    let top = dir.as_std_path();
    let mut open = vec![top.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match std::fs::read_dir(&dir) {
            // It is so since before, as its time says: nobody has reached what is in it.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && dir != top => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let meta = match entry.metadata() {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if is_changed(&meta, since) {
                let names = named.entry((meta.dev(), meta.ino())).or_default();
                *names += 1;
                if meta.is_dir() || *names >= meta.nlink() {
                    return Ok(Some(entry.path()));
                }
            }
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(None)
}

fn is_changed(meta: &std::fs::Metadata, since: Duration) -> bool {
    let seconds = u64::try_from(meta.ctime()).unwrap_or_default();
    Duration::new(seconds, u32::try_from(meta.ctime_nsec()).unwrap_or_default()) >= since
}
