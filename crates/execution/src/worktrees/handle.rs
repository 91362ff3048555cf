//! Directories by handle: opened without following a link, and known by what they are instead of by their name.

use std::{
    ffi::{CStr, CString},
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
};

use camino::Utf8Path;
use rustix::{
    fs::{self, AtFlags, Mode, OFlags},
    io::Errno,
};

/// Which directory it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DirId {
    device: u64,
    inode: u64,
}

impl DirId {
    /// The one that was looked at.
    pub(super) fn of(meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: meta.dev(), inode: meta.ino() }
    }

    /// Whether it lies on the file system with this number.
    pub(super) fn is_on(self, device: u64) -> bool {
        self.device == device
    }
}

/// A directory and the mount it is seen through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) id: DirId,
    /// None where the system doesn't tell.
    mount: Option<u64>,
}

impl Seat {
    /// Whether both lie on the same file system, seen through the same mount.
    pub(super) fn shares_mount(self, other: Self) -> bool {
        self.id.device == other.id.device && self.mount == other.mount
    }
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// Opens the directory `name` in `at`; a link is not followed.
pub(super) fn open_dir(at: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    Ok(fs::openat(at, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Opens the directory that `path` lies in, and gives its last part.
pub(super) fn open_parent(path: &Utf8Path) -> io::Result<(OwnedFd, CString)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = path.parent().filter(|p| !p.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let dir = fs::open(parent.as_std_path(), DIRECTORY, Mode::empty())?;
    Ok((dir, CString::new(name)?))
}

/// Opens the directory at `path`, whose last part is no link.
pub(super) fn open_path(path: &Utf8Path) -> io::Result<OwnedFd> {
    let (parent, name) = open_parent(path)?;
    open_dir(parent, &name)
}

/// The directory above an open one.
pub(super) fn open_above(dir: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fs::openat(dir, c"..", DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Which directory it is.
pub(super) fn id_of(dir: impl AsFd) -> io::Result<DirId> {
    let stat = fs::fstat(dir)?;
    #[allow(clippy::unnecessary_cast, reason = "the widths differ between systems")]
    Ok(DirId { device: stat.st_dev as u64, inode: stat.st_ino as u64 })
}

/// Which directory it is, and through which mount we see it.
pub(super) fn seat_of(dir: impl AsFd) -> io::Result<Seat> {
    Ok(Seat { id: id_of(&dir)?, mount: mount_of(&dir) })
}

#[cfg(target_os = "linux")]
fn mount_of(dir: impl AsFd) -> Option<u64> {
    let wanted = fs::StatxFlags::MNT_ID;
    let told = fs::statx(dir, c"", AtFlags::EMPTY_PATH, wanted).ok()?;
    (told.stx_mask & wanted.bits() != 0).then_some(told.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
fn mount_of(_dir: impl AsFd) -> Option<u64> {
    None
}

/// The text of a small file in `dir`; a link is not followed, and nothing but a file is read.
pub(super) fn read_small(dir: impl AsFd, name: &CStr, most: u64) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(fs::openat(dir, name, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() || meta.len() > most {
        return Err(io::Error::other("it is not a small file"));
    }
    let mut text = String::new();
    file.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// Renames, and never over something that is there.
pub(super) fn rename(from: (&OwnedFd, &CStr), to: (&OwnedFd, &CStr)) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match fs::renameat_with(from.0, from.1, to.0, to.1, fs::RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(()),
        // A file system that can't do it in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        Err(error) => return Err(error.into()),
    }
    match fs::statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(fs::renameat(from.0, from.1, to.0, to.1)?),
        Ok(_) => Err(Errno::EXIST.into()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the directory `name` in `at` one that we may read and change; a link is not followed.
#[cfg(target_os = "linux")]
pub(super) fn unlock_dir(at: impl AsFd, name: &CStr) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let handle = fs::openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | DIRECTORY, Mode::empty())?;
    // A handle that was opened for its place alone can be changed through its name in /proc only.
    Ok(fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)?)
}

/// Makes the directory `name` in `at` one that we may read and change; a link is not followed.
#[cfg(not(target_os = "linux"))]
pub(super) fn unlock_dir(at: impl AsFd, name: &CStr) -> io::Result<()> {
    Ok(fs::chmodat(at, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)?)
}
