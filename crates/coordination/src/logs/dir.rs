//! A run's directory, by its handle: whoever swaps it or a file in it for a link leads us nowhere else.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, SystemTime},
};

use biplane_failpoint as failpoint;
use biplane_model::RunId;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, openat, renameat, statat, unlinkat},
    io::Errno,
};

use crate::home::Home;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directory of one run.
#[derive(Debug)]
pub(crate) struct RunDir(OwnedFd);

/// A file in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Its length, in bytes.
    pub(crate) length: u64,
    /// What it takes on the disk, in bytes.
    pub(crate) on_disk: u64,
    /// When it was last written.
    pub(crate) modified: SystemTime,
}

/// The numbers of the runs that have a directory, in order.
pub(crate) fn run_numbers(home: &Home) -> Vec<RunId> {
    let entries = home.board().views_dir().join("runs").read_dir_utf8().into_iter().flatten().flatten();
    let name = |entry: camino::Utf8DirEntry| entry.file_name().to_owned();
    let ids =
        entries.map(name).filter_map(|name| name.parse::<RunId>().ok().filter(|id| id.to_string() == name));
    let mut ids: Vec<RunId> = ids.collect();
    ids.sort_unstable();
    ids
}

impl RunDir {
    /// The directory of `run`; `None` when there is none.
    ///
    /// # Errors
    /// When a part of its path is no directory, or can't be opened.
    pub(crate) fn open(home: &Home, run: RunId) -> io::Result<Option<Self>> {
        let views = home.board().views_dir();
        let open = || -> Result<OwnedFd, Errno> {
            let views = openat(rustix::fs::CWD, views.as_str(), DIRECTORY, Mode::empty())?;
            let runs = openat(&views, "runs", DIRECTORY, Mode::empty())?;
            openat(&runs, run.to_string(), DIRECTORY, Mode::empty())
        };
        found(open().map(Self))
    }

    /// The directory at `path`, the last step of which is no link.
    #[cfg(test)]
    pub(super) fn at(path: &camino::Utf8Path) -> io::Result<Option<Self>> {
        found(openat(rustix::fs::CWD, path.as_str(), DIRECTORY, Mode::empty()).map(Self))
    }

    /// Opens a file to read it; `None` when there is none, or something that is no file.
    ///
    /// # Errors
    /// When it is a link, or can't be opened.
    pub(crate) fn file(&self, name: &str) -> io::Result<Option<File>> {
        // Without NONBLOCK, opening a pipe would wait for somebody to write into it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Some(file) = found(openat(&self.0, name, flags, Mode::empty()))?.map(File::from) else {
            return Ok(None);
        };
        Ok(file.metadata()?.is_file().then_some(file))
    }

    /// How large a file is; `None` when there is none.
    pub(crate) fn size(&self, name: &str) -> Option<Size> {
        let stat = statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
        Some(Size {
            length: u64::try_from(stat.st_size).unwrap_or(0),
            on_disk: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        })
    }

    /// Makes a file that replaces `name` with `fill`'s content, in one step. It is on the disk before the step.
    ///
    /// # Errors
    /// When it can't be made, or `fill` fails; what was there is as it was.
    pub(crate) fn replace(&self, name: &str, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let fresh = format!("{}{}-{name}", crate::files::NEW_BY, std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.remove(&fresh)?;
        let file = File::from(openat(&self.0, &fresh, flags, Mode::from_raw_mode(0o644))?);
        let done = failpoint::around("log written anew", || fill(&file).and_then(|()| file.sync_all()))
            .and_then(|()| {
                failpoint::around("log replaced", || Ok(renameat(&self.0, &fresh, &self.0, name)?))
            });
        if done.is_err() {
            let _ = self.remove(&fresh);
        }
        done
    }

    /// Deletes a file. None is there is no error.
    ///
    /// # Errors
    /// When it can't be deleted.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let removed = failpoint::around("log deleted", || unlinkat(self.0.as_fd(), name, AtFlags::empty()));
        found(removed).map(|_| ())
    }
}

fn found<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
