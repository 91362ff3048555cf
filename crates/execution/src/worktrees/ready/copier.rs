//! Copying files and trees: sharing their blocks where the file system can, else byte by byte. Never a hard link: what is
//! changed in one worktree would change in the other.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, ErrorKind},
};

use rustix::fs::{FileType, Stat};

use super::{Brought, ReadyError};
use crate::dir::{Dir, mode_of, times_of};

/// How deep a tree may be that is cloned.
const DEPTH: usize = 200;

/// The most that is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// Files, links and directories.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Why a copy ended early.
pub(super) enum Halt {
    /// There is more than the bound allows.
    TooMuch,
    /// Whoever asked wants no more of it.
    Stopped,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Copies, and counts what it copies.
pub(super) struct Copier<'a> {
    pub(super) bound: Bound,
    pub(super) brought: Brought,
    pub(super) keep_going: &'a mut dyn FnMut() -> bool,
    /// Whether sharing of blocks is worth another try.
    shares: bool,
}

impl<'a> Copier<'a> {
    pub(super) fn new(bound: Bound, keep_going: &'a mut dyn FnMut() -> bool) -> Self {
        Self { bound, brought: Brought::default(), keep_going, shares: true }
    }

    /// Counts an entry of this size that is about to be copied.
    pub(super) fn admit(&mut self, bytes: u64) -> Result<(), Halt> {
        if self.brought.entries + 1 > self.bound.entries || self.brought.bytes + bytes > self.bound.bytes {
            return Err(Halt::TooMuch);
        }
        if !(self.keep_going)() {
            return Err(Halt::Stopped);
        }
        self.brought.entries += 1;
        self.brought.bytes += bytes;
        Ok(())
    }

    /// Copies the file `name` to `new`, with its mode and time of modification.
    pub(super) fn file(&mut self, from: &Dir, name: &CStr, to: &Dir, new: &CStr) -> io::Result<()> {
        let source = from.open_file(name)?;
        let stat = rustix::fs::fstat(&source)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ErrorKind::InvalidInput.into());
        }
        #[cfg(target_vendor = "apple")]
        if self.shares {
            match to.clone_file(&source, new) {
                Ok(()) => {
                    self.brought.shared += 1;
                    return Ok(());
                }
                Err(_) => self.shares = false,
            }
        }
        let target = to.create_file(new)?;
        if !self.share_blocks(&source, &target) {
            io::copy(&mut &source, &mut &target)?;
        }
        rustix::fs::fchmod(&target, mode_of(&stat))?;
        Ok(rustix::fs::futimens(&target, &times_of(&stat))?)
    }

    /// Has `target` share the blocks of `source`, where the file system can.
    fn share_blocks(&mut self, source: &File, target: &File) -> bool {
        #[cfg(target_os = "linux")]
        if self.shares {
            match rustix::fs::ioctl_ficlone(target, source) {
                Ok(()) => {
                    self.brought.shared += 1;
                    return true;
                }
                Err(_) => self.shares = false,
            }
        }
        let _ = (source, target);
        false
    }

    /// Copies all that is in `from`, links as they are. What vanishes meanwhile is left out: somebody may be building there.
    pub(super) fn tree(&mut self, from: &Dir, to: &Dir, below: &str, depth: usize) -> Result<(), Halt> {
        if depth > DEPTH {
            return Err(Halt::TooMuch);
        }
        for name in from.names()? {
            let shown = format!("{below}/{}", name.to_string_lossy());
            if name.to_bytes() == b".git" {
                self.brought.note(&shown, "is a repository's; left out");
                continue;
            }
            let Some(stat) = from.look(&name)? else { continue };
            match self.entry(from, &name, to, &stat, &shown, depth) {
                Err(Halt::Io(e)) if e.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &Dir,
        name: &CStr,
        to: &Dir,
        stat: &Stat,
        shown: &str,
        depth: usize,
    ) -> Result<(), Halt> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.admit(0)?;
                let source = from.child(name)?;
                let target = to.make(name, rustix::fs::Mode::RWXU)?;
                self.tree(&source, &target, shown, depth + 1)?;
                Ok(target.dress(stat)?)
            }
            FileType::RegularFile => {
                self.admit(size(stat))?;
                Ok(self.file(from, name, to, name)?)
            }
            FileType::Symlink => {
                self.admit(0)?;
                to.make_link(&from.link_target(name)?, name)?;
                Ok(to.dress_link(name, stat)?)
            }
            _ => {
                self.brought.note(shown, "is no file, directory or link; left out");
                Ok(())
            }
        }
    }
}

pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// An error about a path.
pub(super) fn refused(path: &str, action: &'static str, source: io::Error) -> ReadyError {
    ReadyError::Git(crate::git::GitError::Io { path: path.into(), action, source })
}
