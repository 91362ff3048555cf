//! Reading files that somebody else may have replaced.
//!
//! **Invariant:** nothing here waits. Whoever may write to a repository can put a named pipe where git keeps a file, and
//! an ordinary opening of it lasts for ever; see `fifo(7)`.

use std::{fs::File, io, io::Read, path::Path};

use rustix::fs::{Mode, OFlags};

/// The most that is read of a file that says a line or two, such as `HEAD`.
pub const SMALL: u64 = 1 << 20;
/// The most that is read of a file that may be large, such as an index.
pub const LARGE: u64 = 1 << 30;

/// Opens a regular file.
///
/// # Errors
/// When the system refuses, or when it is anything else, such as a named pipe.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path.as_ref(), flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// Opens the lock file at `path`, which is made when it is not there. No link is followed.
///
/// # Errors
/// As [`open`].
pub fn open_lock(path: impl AsRef<Path>) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let file = File::from(rustix::fs::open(path.as_ref(), flags, mode)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file)
}

/// The bytes of a regular file.
///
/// # Errors
/// As [`open`], or when there are more than `most`.
pub fn read(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len().min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// The text of a small regular file.
///
/// # Errors
/// As [`read`], or when it is not UTF-8.
pub fn text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path, SMALL)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The call is not on every system.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_of_the_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, file) = (dir.path().join("pipe"), dir.path().join("file"));
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        fs_err::write(&file, "text").unwrap();
        assert_eq!(text(&file).unwrap(), "text");
        assert_eq!(read(&file, 4).unwrap(), b"text");
        assert!(read(&file, 3).unwrap_err().to_string().contains("larger than 3 bytes"));
        for other in [&pipe, &dir.path().to_owned()] {
            assert!(text(other).unwrap_err().to_string().contains("is not a regular file"));
        }
        assert_eq!(text(dir.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
