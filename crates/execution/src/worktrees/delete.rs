//! Deleting a tree by directory handles: whatever somebody does to it meanwhile, nothing outside of it is touched.
//!
//! Each directory is opened from the one above without following a link, and must lie on the same mount as the top. Only
//! what lies in a directory that was opened so is deleted, by its name in that directory. A directory that is swapped
//! for a link between two steps fails to open, and the link itself is deleted. No recursion, and a bounded number of
//! open directories, however deep the tree is.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, OwnedFd},
};

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode},
    io::Errno,
};

use super::{
    handle::{self, Seat},
    owned::mount_in,
};
use crate::git::GitError;

/// How many directories above the one at work stay open; those above are opened again from below.
const KEPT_OPEN: usize = 64;
/// How often a directory is read again that something else keeps writing into.
const READ_AGAIN: u32 = 8;
/// The most characters of a path that an error shows.
const SHOWN: usize = 400;

/// A directory that is being emptied.
struct Level {
    /// None while too many below it are open.
    dir: Option<OwnedFd>,
    seat: Seat,
    /// What it is called in the directory above.
    name: CString,
    /// The directories in it that are still there.
    below: Vec<CString>,
    read: u32,
}

/// What went wrong, at which name in the directory at work.
type Fault = (CString, io::Error);

/// Deletes the tree at `path`. Nothing when there is none. Links are deleted, never followed; mounts are never entered.
/// It stops at the first thing that can't be deleted.
///
/// # Errors
/// When `path` is no directory, something is mounted in it, or the system refuses.
pub(super) fn delete_tree(path: &Utf8Path) -> Result<(), GitError> {
    let io = |source| GitError::Io { path: path.to_owned(), action: "deleted", source };
    let parent = match handle::open_parent(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(io)?,
    };
    if let Some(mount) = mount_in(path).map_err(|why| io(io::Error::other(why)))? {
        return Err(io(io::Error::other(format!("something is mounted on `{mount}`"))));
    }
    failpoint::reach("delete tree before");
    let mut levels = Vec::new();
    let result = empty(&parent, &mut levels);
    if let Err((name, source)) = result {
        return Err(GitError::Io { path: shown(path, &levels, &name), action: "deleted", source });
    }
    failpoint::reach("delete tree after");
    Ok(())
}

fn empty((parent, name): &(OwnedFd, CString), levels: &mut Vec<Level>) -> Result<(), Fault> {
    let here = |e: io::Error| (CString::default(), e);
    let Some(dir) = open(parent, name, None).map_err(here)? else { return Ok(()) };
    let top = handle::seat_of(&dir).map_err(here)?;
    levels.push(Level { dir: Some(dir), seat: top, name: name.clone(), below: Vec::new(), read: 0 });
    read(levels)?;
    failpoint::reach("delete tree middle");
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if let Some(name) = level.below.pop() {
            descend(levels, name, top)?;
        } else if depth > 1 {
            ascend(levels)?;
        } else {
            match fs::unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::NOTEMPTY | Errno::EXIST) if level.read < READ_AGAIN => read(levels)?,
                Err(error) => return Err(here(error.into())),
            }
        }
    }
}

/// Opens the directory `name`, made readable when it is not; none when it is gone.
fn open(at: impl AsFd, name: &CStr, top: Option<Seat>) -> io::Result<Option<OwnedFd>> {
    let opened = match handle::open_dir(&at, name) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            // What another file system holds stays as it is.
            let stat = fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW)?;
            #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
            if top.is_some_and(|top| !top.id.is_on(stat.st_dev as u64)) {
                return Err(e);
            }
            handle::unlock_dir(&at, name)?;
            handle::open_dir(&at, name)
        }
        opened => opened,
    };
    match opened {
        Ok(dir) => Ok(Some(dir)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Goes into the directory `name` of the last level, and deletes what is no directory there.
fn descend(levels: &mut Vec<Level>, name: CString, top: Seat) -> Result<(), Fault> {
    let Some(dir) = levels.last().and_then(|level| level.dir.as_ref()) else { return Ok(()) };
    let opened = match open(dir, &name, Some(top)) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Ok(()),
        // It is none any more: what is there now goes by its name, and is not followed.
        Err(e) if matches!(Errno::from_io_error(&e), Some(Errno::NOTDIR | Errno::LOOP | Errno::MLINK)) => {
            return unlink(dir, &name).map(|_| ()).map_err(|e| (name, e));
        }
        Err(e) => return Err((name, e)),
    };
    let seat = handle::seat_of(&opened).map_err(|e| (name.clone(), e))?;
    if !seat.shares_mount(top) {
        return Err((name, io::Error::other("something is mounted on it")));
    }
    levels.push(Level { dir: Some(opened), seat, name, below: Vec::new(), read: 0 });
    if let Some(far) = levels.len().checked_sub(KEPT_OPEN + 1) {
        // The top stays open: nothing above it is ever opened.
        if far > 0 {
            levels[far].dir = None;
        }
    }
    read(levels)
}

/// Leaves the last level, which is empty, and deletes it.
fn ascend(levels: &mut Vec<Level>) -> Result<(), Fault> {
    let Some(mut done) = levels.pop() else { return Ok(()) };
    let Some(above) = levels.last_mut() else { return Ok(()) };
    if above.dir.is_none() {
        let elsewhere = || io::Error::other("it was moved while it was being deleted");
        let opened = done.dir.take().ok_or_else(elsewhere).and_then(handle::open_above);
        let opened = opened.map_err(|e| (done.name.clone(), e))?;
        if !handle::seat_of(&opened).is_ok_and(|seat| seat == above.seat) {
            return Err((done.name, elsewhere()));
        }
        above.dir = Some(opened);
    }
    let Some(dir) = &above.dir else { return Ok(()) };
    failpoint::reach("delete tree directory before");
    match writable(dir, || fs::unlinkat(dir, done.name.as_c_str(), AtFlags::REMOVEDIR)) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTDIR) => unlink(dir, &done.name).map(|_| ()).map_err(|e| (done.name, e)),
        Err(Errno::NOTEMPTY | Errno::EXIST) if above.read < READ_AGAIN => {
            // Something was written into it meanwhile: from the beginning.
            above.read += 1;
            above.below.push(done.name);
            Ok(())
        }
        Err(error) => Err((done.name, error.into())),
    }
}

/// Reads the last level: what is no directory is deleted, the others are noted.
fn read(levels: &mut [Level]) -> Result<(), Fault> {
    let Some(level) = levels.last_mut() else { return Ok(()) };
    let Some(dir) = &level.dir else { return Ok(()) };
    level.read += 1;
    let mut found = Vec::new();
    for entry in Dir::read_from(dir).map_err(|e| (CString::default(), e.into()))? {
        let entry = entry.map_err(|e| (CString::default(), e.into()))?;
        if ![c".", c".."].contains(&entry.file_name()) {
            found.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    for (name, kind) in found {
        let is_dir = kind == FileType::Directory || !unlink(dir, &name).map_err(|e| (name.clone(), e))?;
        if is_dir {
            level.below.push(name);
        }
    }
    Ok(())
}

/// Deletes what is called `name`, unless it is a directory: false then.
fn unlink(dir: &OwnedFd, name: &CStr) -> io::Result<bool> {
    failpoint::reach("delete tree file before");
    match writable(dir, || fs::unlinkat(dir, name, AtFlags::empty())) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        // What some systems say of a directory, and all of what is marked against deletion.
        Err(error @ Errno::PERM) => match fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(false),
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Tries it again with leave to write, when `dir` lacks that.
fn writable(dir: &OwnedFd, mut change: impl FnMut() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    match change() {
        Err(Errno::ACCESS) => {
            fs::fchmod(dir, Mode::RWXU)?;
            change()
        }
        done => done,
    }
}

/// The path of `name` in the last level, to be shown.
fn shown(path: &Utf8Path, levels: &[Level], name: &CStr) -> Utf8PathBuf {
    let below = levels.iter().skip(1).map(|level| level.name.as_c_str()).chain([name]);
    let mut text = path.to_string();
    for part in below.filter(|part| !part.is_empty()) {
        text.push('/');
        text.push_str(&part.to_string_lossy());
    }
    biplane_model::clip(&biplane_model::sanitize_line(&text), SHOWN).into()
}

#[cfg(test)]
mod tests;
