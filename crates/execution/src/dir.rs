//! Directories by handle: no step of a path is ever followed through a symbolic link.
//!
//! **Contract.** A [`Dir`] is an open directory, and a name is one step from it. What a name stands for may change at any moment;
//! whoever has opened something looks at what was opened.

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

/// An open directory.
#[derive(Debug)]
pub struct Dir(OwnedFd);

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Dir {
    /// The directory at `path`, whose last part is no link.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path.as_std_path(), DIRECTORY, Mode::empty())?))
    }

    /// The directory `name` in this one; a link is not followed.
    ///
    /// # Errors
    /// When it is none, or the system refuses.
    pub fn child(&self, name: &CStr) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty())?))
    }

    /// The directory `name` in this one, made with this mode when it is not there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self, name: &CStr, mode: Mode) -> io::Result<Self> {
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
    ///
    /// # Errors
    /// When the system refuses.
    pub fn look(&self, name: &CStr) -> io::Result<Option<Stat>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What is in it, in no order.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn names(&self) -> io::Result<Vec<CString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    /// What is in it, in no order, with what each was when it was listed.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn entries(&self) -> io::Result<Vec<(CString, FileType)>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every file system tells.
                FileType::Unknown => match self.look(name)? {
                    Some(stat) => FileType::from_raw_mode(stat.st_mode),
                    None => continue,
                },
                kind => kind,
            };
            entries.push((name.to_owned(), kind));
        }
        Ok(entries)
    }

    /// Opens `name` for reading. It may be anything but a link: look at what was opened.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn open_file(&self, name: &CStr) -> io::Result<File> {
        // A pipe that was put in its place must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, Mode::empty())?))
    }

    /// Makes the directory `name` with `mode`, less what the process takes from every new one.
    ///
    /// # Errors
    /// When there is something, or the system refuses.
    pub fn make_new(&self, name: &CStr, mode: Mode) -> io::Result<Self> {
        failpoint::reach("directory made before");
        rustix::fs::mkdirat(&self.0, name, mode)?;
        self.child(name)
    }

    /// Makes the file `name` with `mode`, less what the process takes from every new one, and opens it for writing.
    ///
    /// # Errors
    /// When there is something, or the system refuses.
    pub fn make_file(&self, name: &CStr, mode: Mode) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        failpoint::reach("file made before");
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, mode)?))
    }

    /// Gives the directory itself this mode.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_mode(&self, mode: Mode) -> io::Result<()> {
        Ok(rustix::fs::fchmod(&self.0, mode)?)
    }

    /// Makes the file `name`, for its owner alone, and opens it for writing.
    ///
    /// # Errors
    /// When there is something, or the system refuses.
    pub fn create_file(&self, name: &CStr) -> io::Result<File> {
        self.make_file(name, Mode::RUSR | Mode::WUSR)
    }

    /// Where the link `name` leads.
    ///
    /// # Errors
    /// When it is none, or the system refuses.
    pub fn link_target(&self, name: &CStr) -> io::Result<CString> {
        Ok(rustix::fs::readlinkat(&self.0, name, Vec::new())?)
    }

    /// Makes the link `name`.
    ///
    /// # Errors
    /// When there is something, or the system refuses.
    pub fn make_link(&self, target: &CStr, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::symlinkat(target, &self.0, name)?)
    }

    /// Gives `name` its name, unless there is something of that name already: then it is not touched.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn rename(&self, from: &CStr, to: &CStr) -> io::Result<()> {
        self.rename_into(from, self, to)
    }

    fn rename_into(&self, from: &CStr, dir: &Self, to: &CStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.0, from, &dir.0, to, RenameFlags::NOREPLACE) {
            // A file system that knows no such renaming.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if dir.look(to)?.is_some() {
                    return Err(Errno::EXIST.into());
                }
                Ok(rustix::fs::renameat(&self.0, from, &dir.0, to)?)
            }
            other => Ok(other?),
        }
    }

    /// Lets `one` and `other`, which are both there, change their names in one step.
    ///
    /// # Errors
    /// When the system refuses; [`io::ErrorKind::Unsupported`] where it knows no such step.
    pub fn exchange(&self, one: &CStr, other_dir: &Self, other: &CStr) -> io::Result<()> {
        failpoint::reach("exchange before");
        match rustix::fs::renameat_with(&self.0, one, &other_dir.0, other, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            other => Ok(other?),
        }
    }

    /// Gives `name` another name in `to`, unless there is something of that name: then nothing is touched.
    ///
    /// # Errors
    /// When there is something, or the system refuses.
    pub fn rename_to(&self, name: &CStr, to: &Self, new: &CStr) -> io::Result<()> {
        failpoint::reach("move before");
        self.rename_into(name, to, new)
    }

    /// Deletes the file or link `name`.
    ///
    /// # Errors
    /// When it is a directory, or the system refuses.
    pub fn unlink(&self, name: &CStr) -> io::Result<()> {
        failpoint::reach("unlink before");
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Deletes the directory `name`, which is empty.
    ///
    /// # Errors
    /// When it is not, or the system refuses.
    pub fn remove_dir(&self, name: &CStr) -> io::Result<()> {
        failpoint::reach("directory removed before");
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Deletes `name` with all that is in it. Nothing when it is not there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn delete(&self, name: &CStr) -> io::Result<()> {
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
    ///
    /// # Errors
    /// When the system refuses.
    pub fn dress(&self, stat: &Stat) -> io::Result<()> {
        rustix::fs::fchmod(&self.0, mode_of(stat))?;
        Ok(rustix::fs::futimens(&self.0, &times_of(stat))?)
    }

    /// Gives the link `name` the time of `stat`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn dress_link(&self, name: &CStr, stat: &Stat) -> io::Result<()> {
        Ok(rustix::fs::utimensat(&self.0, name, &times_of(stat), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Makes `name` a clone of `source`.
    ///
    /// # Errors
    /// When the system refuses.
    #[cfg(target_vendor = "apple")]
    pub fn clone_file(&self, source: &File, name: &CStr) -> io::Result<()> {
        Ok(rustix::fs::fclonefileat(source, &self.0, name, rustix::fs::CloneFlags::empty())?)
    }
}

/// The permissions; what would give somebody else's rights is not taken along.
pub fn mode_of(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode) & (Mode::RWXU | Mode::RWXG | Mode::RWXO)
}

/// The time of the last change; that of the last access is left alone.
pub fn times_of(stat: &Stat) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };
    let modified = Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ };
    Timestamps { last_access: omit, last_modification: modified }
}
