//! Taking everything out of a directory that is not a file of a commit, by the directory's own handle: what somebody
//! left there may be a link, and may become one while we look.
//!
//! **Invariant:** nothing outside of the directory is opened, changed or deleted. A name is looked at without following
//! it; a directory is entered by a handle that can be of a directory only; what has to go is renamed into a directory of
//! ours, by handles on both sides.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use biplane_failpoint as failpoint;
use camino::Utf8Path;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RawMode, Stat};

use crate::git::Staged;

/// How deep directories that are kept may be nested.
const DEPTH: usize = 200;

/// What belongs in the directory.
pub(super) struct Wanted<'a> {
    files: HashMap<&'a [u8], &'a str>,
    dirs: HashSet<&'a [u8]>,
    keep: &'a [String],
}

impl<'a> Wanted<'a> {
    pub(super) fn new(entries: &'a [Staged], keep: &'a [String]) -> Self {
        let mut wanted = Self { files: HashMap::new(), dirs: HashSet::new(), keep };
        for entry in entries {
            wanted.files.insert(&entry.path, &entry.mode);
            let slashes = entry.path.iter().enumerate().filter(|(_, b)| **b == b'/');
            wanted.dirs.extend(slashes.map(|(at, _)| &entry.path[..at]));
        }
        wanted
    }
}

/// What is left.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// Files of the commit by their kind; what is in them is not known yet.
    pub(super) files: Vec<Vec<u8>>,
    /// Directories that are kept if they are ignored.
    pub(super) kept: Vec<Vec<u8>>,
}

/// A walk through one directory.
pub(super) struct Sweep<'a> {
    wanted: &'a Wanted<'a>,
    trash: OwnedFd,
    thrown: u64,
    /// A new directory beside it: whose it is, where, and which mode it has. A new file's is part of that.
    fresh: Stat,
    now: u64,
    swept: Swept,
}

impl<'a> Sweep<'a> {
    /// Goes through `tree`; what has to go is moved into `trash`, a new directory beside it.
    ///
    /// # Errors
    /// When the system refuses, or something is mounted there: the directory is of no use then.
    pub(super) fn go(tree: &Utf8Path, trash: &Utf8Path, wanted: &'a Wanted<'a>) -> io::Result<Swept> {
        failpoint::around("recycle trash made", || std::fs::create_dir(trash))?;
        let trash = open_dir(rustix::fs::CWD, &name(trash.as_str().as_bytes())?)?;
        let fresh = rustix::fs::fstat(&trash)?;
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        let mut sweep = Self {
            wanted,
            trash,
            thrown: 0,
            fresh,
            now: now.map_or(0, |d| d.as_secs()),
            swept: Swept::default(),
        };
        let tree_name = name(tree.as_str().as_bytes())?;
        let top = sweep.enter(rustix::fs::CWD, &tree_name)?;
        sweep.directory(top.as_fd(), &[])?;
        Ok(sweep.swept)
    }

    fn directory(&mut self, dir: BorrowedFd<'_>, path: &[u8]) -> io::Result<()> {
        for entry in names_in(dir)? {
            let stat = rustix::fs::statat(dir, &entry, AtFlags::SYMLINK_NOFOLLOW)?;
            let below = join(path, entry.as_bytes());
            if stat.st_dev != self.fresh.st_dev {
                return Err(io::Error::other("another file system is mounted in it"));
            }
            match self.verdict(&entry, &below, &stat) {
                Verdict::Enter => {
                    let inner = self.enter(dir, &entry)?;
                    self.directory(inner.as_fd(), &below)?;
                }
                Verdict::File => self.swept.files.push(below),
                Verdict::Link => {}
                Verdict::Keep => self.swept.kept.push(below),
                Verdict::Away => self.throw(dir, &entry, &stat)?,
            }
        }
        Ok(())
    }

    fn verdict(&self, entry: &CString, path: &[u8], stat: &Stat) -> Verdict {
        let name = entry.as_bytes();
        if stat.st_uid != self.fresh.st_uid || name.eq_ignore_ascii_case(b".git") {
            return Verdict::Away;
        }
        let wanted = self.wanted.files.get(path).copied();
        let (mode, fresh) = (stat.st_mode & 0o7777, self.fresh.st_mode & 0o777);
        match (FileType::from_raw_mode(stat.st_mode), wanted) {
            (FileType::Directory, None) if self.wanted.dirs.contains(path) => Verdict::Enter,
            (FileType::Directory, None) if self.wanted.keep.iter().any(|kept| kept.as_bytes() == name) => {
                Verdict::Keep
            }
            (FileType::Symlink, Some("120000")) if stat.st_nlink == 1 => Verdict::Link,
            // A time to come would have git look into the file for ever.
            (FileType::RegularFile, Some(_))
                if stat.st_nlink != 1 || u64::try_from(stat.st_mtime).is_ok_and(|at| at > self.now) =>
            {
                Verdict::Away
            }
            (FileType::RegularFile, Some("100644")) if mode == fresh & 0o666 => Verdict::File,
            (FileType::RegularFile, Some("100755")) if mode == fresh => Verdict::File,
            _ => Verdict::Away,
        }
    }

    /// Opens a directory of ours and gives it the mode of a new one.
    fn enter(&self, dir: BorrowedFd<'_>, entry: &CString) -> io::Result<OwnedFd> {
        let stat = rustix::fs::statat(dir, entry, AtFlags::SYMLINK_NOFOLLOW)?;
        if stat.st_uid != self.fresh.st_uid {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let mode = self.fresh.st_mode & 0o7777;
        if stat.st_mode & 0o7777 != mode {
            set_mode(dir, entry, mode)?;
        }
        open_dir(dir, entry)
    }

    /// Moves something to where it is deleted later.
    fn throw(&mut self, dir: BorrowedFd<'_>, entry: &CString, stat: &Stat) -> io::Result<()> {
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_uid == self.fresh.st_uid {
            // A directory that may not be written to can't change its parent, nor be emptied.
            set_mode(dir, entry, 0o700)?;
        }
        self.thrown += 1;
        let new = name(self.thrown.to_string().as_bytes())?;
        failpoint::reach("recycle thrown before");
        Ok(rustix::fs::renameat(dir, entry, &self.trash, &new)?)
    }
}

enum Verdict {
    Enter,
    File,
    Link,
    Keep,
    Away,
}

/// Moves what lies at `path` below `tree` to `trash` under `new`, without following anything.
pub(super) fn throw_below(tree: &Utf8Path, path: &[u8], trash: &Utf8Path, new: &str) -> io::Result<()> {
    let mut dir = open_dir(rustix::fs::CWD, &name(tree.as_str().as_bytes())?)?;
    let mut parts = path.split(|b| *b == b'/').peekable();
    while let Some(part) = parts.next() {
        let part = name(part)?;
        if parts.peek().is_none() {
            let to = open_dir(rustix::fs::CWD, &name(trash.as_str().as_bytes())?)?;
            failpoint::reach("recycle thrown before");
            return Ok(rustix::fs::renameat(&dir, &part, &to, &name(new.as_bytes())?)?);
        }
        dir = open_dir(dir.as_fd(), &part)?;
    }
    Ok(())
}

/// What a directory below `tree` takes on the disk, in bytes.
pub(super) fn bytes_below(tree: &Utf8Path, path: &[u8]) -> io::Result<u64> {
    let mut dir = open_dir(rustix::fs::CWD, &name(tree.as_str().as_bytes())?)?;
    for part in path.split(|b| *b == b'/') {
        dir = open_dir(dir.as_fd(), &name(part)?)?;
    }
    bytes_in(dir.as_fd(), DEPTH)
}

fn bytes_in(dir: BorrowedFd<'_>, depth: usize) -> io::Result<u64> {
    if depth == 0 {
        return Err(io::Error::other("its directories are nested too deep"));
    }
    let mut sum = 0_u64;
    for entry in names_in(dir)? {
        let stat = rustix::fs::statat(dir, &entry, AtFlags::SYMLINK_NOFOLLOW)?;
        sum = sum.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512));
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            sum = sum.saturating_add(bytes_in(open_dir(dir, &entry)?.as_fd(), depth - 1)?);
        }
    }
    Ok(sum)
}

fn names_in(dir: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn open_dir(dir: BorrowedFd<'_>, entry: &CString) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, entry, flags, Mode::empty())?)
}

/// Sets the mode of a directory itself, never of what a link names.
#[cfg(target_os = "linux")]
fn set_mode(dir: BorrowedFd<'_>, entry: &CString, mode: RawMode) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(dir, entry, flags, Mode::empty())?;
    // Such a handle can be named, but not used, to change the mode.
    let named = format!("/proc/self/fd/{}", handle.as_raw_fd());
    Ok(rustix::fs::chmod(named, Mode::from_raw_mode(mode))?)
}

#[cfg(not(target_os = "linux"))]
fn set_mode(dir: BorrowedFd<'_>, entry: &CString, mode: RawMode) -> io::Result<()> {
    let mode = Mode::from_raw_mode(mode);
    Ok(rustix::fs::chmodat(dir, entry, mode, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn join(path: &[u8], entry: &[u8]) -> Vec<u8> {
    if path.is_empty() { entry.to_vec() } else { [path, b"/", entry].concat() }
}

fn name(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}
