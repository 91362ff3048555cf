//! One directory, and the files in it: by handle, with no link followed and nothing special opened.
//!
//! **Contract.** Whatever a path names is reached by walking from the directory that was opened in the beginning, step by step; a
//! link, a pipe or a device in the way is refused. What is changed is changed by [`Plan`](crate::plan::Plan)s only.

use std::{
    ffi::{CStr, CString},
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use biplane_execution::dir::Dir;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};

use crate::{bounds, path::RelPath};

/// The directory that everything lies in.
#[derive(Debug)]
pub struct Tree {
    path: Utf8PathBuf,
    root: Dir,
}

/// A file's content and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// Its permission bits, at most `0o777`.
    pub mode: u32,
}

/// Why something in the directory can't be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is nothing.
    #[error("there is no `{0}`")]
    Missing(RelPath),
    /// There is something already.
    #[error("`{0}` exists already")]
    Exists(RelPath),
    /// A link is in the way.
    #[error("`{0}` is a link, and links are not followed")]
    Link(RelPath),
    /// What should be a directory is none.
    #[error("`{0}` is not a directory")]
    NoDirectory(RelPath),
    /// It is a directory, a pipe, a device.
    #[error("`{0}` is not a regular file")]
    NoFile(RelPath),
    /// It is larger than [`bounds::FILE`].
    #[error("`{0}` is larger than {most} bytes", most = bounds::FILE)]
    Large(RelPath),
    /// It is not as it was when it was read.
    #[error("`{0}` was changed by somebody else meanwhile; read it again")]
    Changed(RelPath),
    /// What was begun could not be taken back.
    #[error("`{path}` could not be put back; what it held is in `{kept}`")]
    NotPutBack {
        /// The file.
        path: RelPath,
        /// The name, in the worktree, under which it lies.
        kept: String,
        /// Why.
        source: io::Error,
    },
    /// The system refuses.
    #[error("`{path}`: {source}")]
    Io {
        /// The file.
        path: RelPath,
        /// Why.
        source: io::Error,
    },
}

impl Tree {
    /// The directory at `path`, whose last part is no link.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), root: Dir::open(path)? })
    }

    /// Where it was when it was opened.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The directory itself.
    pub(crate) fn root(&self) -> &Dir {
        &self.root
    }

    /// The directory that `path` lies in; none when that is not there.
    pub(crate) fn dir_of(&self, path: &RelPath) -> Result<Option<Dir>, TreeError> {
        self.walk(path, path.way())
    }

    /// The directory `path`; none when there is nothing.
    pub(crate) fn dir(&self, path: &RelPath) -> Result<Option<Dir>, TreeError> {
        self.walk(path, path.steps())
    }

    fn walk(&self, path: &RelPath, steps: &[CString]) -> Result<Option<Dir>, TreeError> {
        let io = |source| TreeError::Io { path: path.clone(), source };
        let mut at = self.root.child(c".").map_err(io)?;
        let mut so_far: Option<RelPath> = None;
        for step in steps {
            so_far = Some(so_far.map_or_else(|| RelPath::of_name(step), |before| before.join(step)));
            at = match at.child(step) {
                Ok(next) => next,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    let here = so_far.unwrap_or_else(|| path.clone());
                    return Err(match at.look(step).map_err(io)?.map(|stat| kind(&stat)) {
                        Some(FileType::Symlink) => TreeError::Link(here),
                        Some(FileType::Directory) => io(error),
                        _ => TreeError::NoDirectory(here),
                    });
                }
            };
        }
        Ok(Some(at))
    }

    /// The file at `path`; none when there is nothing.
    ///
    /// # Errors
    /// When it is not a regular file of at most [`bounds::FILE`] bytes, or can't be reached without a link.
    pub fn read(&self, path: &RelPath) -> Result<Option<FileState>, TreeError> {
        match self.dir_of(path)? {
            Some(dir) => read_in(&dir, path.name(), path),
            None => Ok(None),
        }
    }

    /// As [`Tree::read`], of one that must be there.
    ///
    /// # Errors
    /// As there, or when there is nothing.
    pub fn need(&self, path: &RelPath) -> Result<FileState, TreeError> {
        self.read(path)?.ok_or_else(|| TreeError::Missing(path.clone()))
    }
}

/// The file `name` in `dir`, which `path` is in messages.
pub(crate) fn read_in(dir: &Dir, name: &CStr, path: &RelPath) -> Result<Option<FileState>, TreeError> {
    let io = |source| TreeError::Io { path: path.clone(), source };
    match dir.look(name).map_err(io)?.map(|stat| kind(&stat)) {
        None => return Ok(None),
        Some(FileType::Symlink) => return Err(TreeError::Link(path.clone())),
        Some(FileType::RegularFile) => {}
        Some(_) => return Err(TreeError::NoFile(path.clone())),
    }
    let file = match dir.open_file(name) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(TreeError::Link(path.clone()));
        }
        Err(error) => return Err(io(error)),
    };
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(TreeError::NoFile(path.clone()));
    }
    let mut bytes = Vec::new();
    let mode = std::os::unix::fs::MetadataExt::mode(&meta) & 0o777;
    file.take(bounds::FILE as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > bounds::FILE {
        return Err(TreeError::Large(path.clone()));
    }
    Ok(Some(FileState { bytes, mode }))
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A name in the worktree's own directory that nobody has.
pub(crate) fn spare_name() -> CString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(".biplane-new-{}-{number}", std::process::id());
    CString::new(name).expect("it has no zero byte")
}
