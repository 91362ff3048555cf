//! Directories by handle: no step of a path is ever followed through a symbolic link.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io,
    os::fd::OwnedFd,
};

use biplane_failpoint as failpoint;
use camino::Utf8Path;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_OMIT},
    io::Errno,
};

/// The name under which something lies until it is whole. The set-up has it ignored.
pub const UNFINISHED: &str = ".biplane-new";

/// An open directory.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Dir {
    pub(super) fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path.as_std_path(), DIRECTORY, Mode::empty())?))
    }

    pub(super) fn child(&self, name: &CStr) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty())?))
    }

    /// The directory `name` in this one, made with this mode when it is not there.
    pub(super) fn make(&self, name: &CStr, mode: Mode) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) => {
                let made = self.child(name)?;
                rustix::fs::fchmod(&made.0, mode)?;
                Ok(made)
            }
            Err(Errno::EXIST) => self.child(name),
            Err(error) => Err(error.into()),
        }
    }

    /// What `name` itself is; `None` when nothing is there.
    pub(super) fn look(&self, name: &CStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn names(&self) -> io::Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    pub(super) fn open_file(&self, name: &CStr) -> io::Result<File> {
        // A pipe that was put in its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    pub(super) fn create_file(&self, name: &CStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?))
    }

    pub(super) fn link_target(&self, name: &CStr) -> io::Result<CString> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?)
    }

    pub(super) fn make_link(&self, target: &CStr, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, name)?)
    }

    /// Gives `name` its name, unless there is something of that name already: then it is not touched.
    pub(super) fn rename(&self, from: &CStr, to: &CStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.0, from, &self.0, to, RenameFlags::NOREPLACE) {
            // A file system that knows no such renaming.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if self.look(to)?.is_some() {
                    return Err(Errno::EXIST.into());
                }
                Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
            }
            other => Ok(other?),
        }
    }

    /// Deletes `name` with all that is in it. Nothing when it is not there.
    pub(super) fn delete(&self, name: &CStr) -> io::Result<()> {
        let Some(stat) = self.look(name)? else { return Ok(()) };
        failpoint::reach("half copy deleted before");
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?);
        }
        let below = self.child(name)?;
        for inner in below.names()? {
            below.delete(&inner)?;
        }
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Gives the directory itself the mode and the time of `stat`.
    pub(super) fn dress(&self, stat: &Stat) -> io::Result<()> {
        rustix::fs::fchmod(&self.0, mode_of(stat))?;
        Ok(rustix::fs::futimens(&self.0, &times_of(stat))?)
    }

    /// Gives the link `name` the time of `stat`.
    pub(super) fn dress_link(&self, name: &CStr, stat: &Stat) -> io::Result<()> {
        Ok(rustix::fs::utimensat(&self.0, name, &times_of(stat), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    #[cfg(target_vendor = "apple")]
    pub(super) fn clone_file(&self, source: &File, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::fclonefileat(source, &self.0, name, rustix::fs::CloneFlags::empty())?)
    }
}

/// The permissions; what would give somebody else's rights is not taken along.
pub(super) fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
}

pub(super) fn times_of(stat: &Stat) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
    let modified = Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ };
    Timestamps { last_access: omit, last_modification: modified }
}
