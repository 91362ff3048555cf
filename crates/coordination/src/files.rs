//! Writing files so that nobody ever sees half of one.

use std::{
    fs::File,
    io::Write,
    time::{Duration, SystemTime},
};

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use crate::error::{Error, Result};

/// What the names of files begin with that are to replace others; the number of the process that writes it follows.
pub(crate) const NEW_BY: &str = ".new-by-";

/// Replaces the file at `path` by one with these bytes, in one step. Makes the directory when it is missing.
///
/// # Errors
/// When the directory or the file can't be written; the old file is as it was.
pub(crate) fn replace(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    let dir = parent(path)?;
    let io = |e| Error::io("written", path, e);
    let prefix = format!("{NEW_BY}{}-", std::process::id());
    let mut temporary = tempfile::Builder::new().prefix(&prefix).tempfile_in(dir).map_err(io)?;
    temporary.write_all(bytes).map_err(io)?;
    readable(temporary.as_file()).map_err(io)?;
    failpoint::around("file replaced", || temporary.persist(path)).map_err(|e| io(e.error))?;
    Ok(())
}

/// As [`replace`]; when it returns the file survives a power cut.
///
/// # Errors
/// As [`replace`].
pub(crate) fn replace_durably(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    replace(path, bytes)?;
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    let sync = |place: &Utf8Path| File::open(place).and_then(|file| file.sync_all());
    sync(path).and_then(|()| sync(dir)).map_err(|e| Error::io("written to the disk", path, e))
}

/// As [`replace`], with a time of modification, for a file that is only written under a lock.
///
/// The new file has always the same name: what a crash leaves of it is gone with the next writing.
///
/// # Errors
/// As [`replace`].
pub(crate) fn replace_stamped(path: &Utf8Path, bytes: &[u8], modified: SystemTime) -> Result<()> {
    parent(path)?;
    let fresh = fresh(path);
    let write = || -> std::io::Result<()> {
        match std::fs::remove_file(&fresh) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // Not through a link that somebody has put there.
        let mut file = File::create_new(&fresh)?;
        file.write_all(bytes)?;
        readable(&file)?;
        file.set_modified(modified)?;
        failpoint::around("view replaced", || std::fs::rename(&fresh, path))
    };
    write().map_err(|e| {
        let _ = std::fs::remove_file(&fresh);
        Error::io("written", path, e)
    })
}

/// Whether somebody writes the file at `path` with [`replace_stamped`] at this moment, or was killed at it.
pub(crate) fn is_half_written(path: &Utf8Path) -> bool {
    fresh(path).as_std_path().symlink_metadata().is_ok()
}

/// Where the file is that is to replace the one at `path`.
fn fresh(path: &Utf8Path) -> Utf8PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default()))
}

/// The directory of `path`, made when it is missing.
fn parent(path: &Utf8Path) -> Result<&Utf8Path> {
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    make_dir(dir)?;
    Ok(dir)
}

/// Makes the directory and those above it, where they are missing.
///
/// # Errors
/// When it can't be made.
pub(crate) fn make_dir(dir: &Utf8Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let made = failpoint::around("directory made", || std::fs::create_dir_all(dir));
    made.map_err(|e| Error::io("created", dir, e))
}

/// A temporary file is for its owner only; a view is for everybody who may read the directory.
pub(crate) fn readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// A time of `micros` microseconds since the Unix epoch.
pub(crate) fn time_of(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
