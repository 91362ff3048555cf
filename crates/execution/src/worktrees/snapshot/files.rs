//! The walk through a worktree: what lies there, with modes, links not followed, nothing opened.

use std::{
    fs::Metadata,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, PermissionsExt},
    },
};

use super::{Rules, SnapshotError, below, is_in_main, look::Look, names_git, shown};
use crate::worktrees::Place;

/// The most untracked and ignored files that a snapshot takes in.
const MAX_LOOSE_FILES: u64 = 200_000;
/// How many of the largest paths a refusal names.
const LARGEST_NAMED: usize = 5;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// With its length in bytes.
    Regular(u64),
    Link,
}

#[derive(Debug)]
pub(super) struct File {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    /// The permissions: the lower twelve bits.
    pub(super) mode: u32,
}

/// What lies in a worktree.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) files: Vec<File>,
    /// Directories that a tree can't hold as they are: empty, or of another mode than usual. With their modes.
    pub(super) dirs: Vec<(Vec<u8>, u32)>,
    /// What can't be held and holds nothing: sockets, pipes, devices. With what each is.
    pub(super) skipped: Vec<(&'static str, Vec<u8>)>,
    /// Ignored paths that are made again by a build.
    pub(super) left_out: Vec<Vec<u8>>,
    pub(super) loose: Loose,
}

/// The untracked and ignored files.
#[derive(Debug, Default)]
pub(super) struct Loose {
    pub(super) bytes: u64,
    pub(super) files: u64,
    largest: Vec<(u64, Vec<u8>)>,
}

/// The mode of a directory that needs no word.
pub(in crate::worktrees) const USUAL_DIR: u32 = 0o755;

/// The mode of a file that needs no word, by whether its owner may execute it.
pub(in crate::worktrees) fn usual_file(executable: bool) -> u32 {
    if executable { 0o755 } else { 0o644 }
}

/// Whether a path is left out by one of its names, when it is ignored.
pub(super) fn is_left_out(path: &[u8], rules: &Rules) -> bool {
    path.split(|b| *b == b'/').any(|part| rules.leave_out.iter().any(|name| name.as_bytes() == part))
}

/// Walks through a worktree.
pub(super) fn walk(worktree: &Place, look: &Look, rules: &Rules) -> Result<Files, SnapshotError> {
    let top = worktree.path.as_path();
    let mut found = Files::default();
    let mut open = vec![(Vec::new(), false)];
    while let Some((dir, ignored)) = open.pop() {
        let place = below(top, &dir);
        let meta = place.symlink_metadata().map_err(|_| unknown(&dir))?;
        let mut held = 0;
        for entry in place.read_dir().map_err(|_| unknown(&dir))? {
            let entry = entry.map_err(|_| unknown(&dir))?;
            let name = entry.file_name();
            if dir.is_empty() && name == ".git" {
                continue;
            }
            let path = if dir.is_empty() {
                name.as_bytes().to_vec()
            } else {
                [&dir, &b"/"[..], name.as_bytes()].concat()
            };
            if names_git(&path, "") {
                return Err(SnapshotError::NestedRepository(shown(if dir.is_empty() {
                    &path
                } else {
                    &dir
                })));
            }
            let meta = entry.metadata().map_err(|_| unknown(&path))?;
            held += u64::from(found.take(path, &meta, ignored, (worktree, look, rules), &mut open)?);
        }
        let mode = meta.permissions().mode() & 0o7777;
        // The worktree's own directory is there anyway.
        if mode != USUAL_DIR || (held == 0 && !dir.is_empty()) {
            found.dirs.push((dir, mode));
        }
    }
    // The same state gives the same snapshot, whatever order the file system lists it in.
    found.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    found.dirs.sort_unstable();
    found.skipped.sort_unstable();
    found.left_out.sort_unstable();
    found.loose.check(rules)?;
    Ok(found)
}

impl Files {
    /// Takes in what lies at `path`; whether it is held.
    fn take(
        &mut self,
        path: Vec<u8>,
        meta: &Metadata,
        in_ignored: bool,
        (worktree, look, rules): (&Place, &Look, &Rules),
        open: &mut Vec<(Vec<u8>, bool)>,
    ) -> Result<bool, SnapshotError> {
        let is_dir = meta.is_dir();
        let as_listed = if is_dir { [&path, &b"/"[..]].concat() } else { path.clone() };
        let tracked = look.index.contains_key(&path) || (is_dir && look.tracks_below(&path));
        let ignored = !tracked && (in_ignored || look.ignored.contains(&as_listed));
        // A whole directory that a set-up brought and nobody has changed can be brought again.
        let is_brought = || is_dir && look.ignored.contains(&as_listed) && is_in_main(worktree, &path);
        if ignored && (is_left_out(&path, rules) || is_brought()) {
            self.left_out.push(as_listed);
            return Ok(false);
        }
        if is_dir {
            open.push((path, ignored));
            return Ok(true);
        }
        let kind = match meta.file_type() {
            t if t.is_symlink() => Kind::Link,
            t if t.is_file() => Kind::Regular(meta.len()),
            t => {
                self.skipped.push((special(t), path));
                return Ok(false);
            }
        };
        if !tracked {
            self.loose.add(&path, kind)?;
        }
        self.files.push(File { path, kind, mode: meta.permissions().mode() & 0o7777 });
        Ok(true)
    }
}

fn special(kind: std::fs::FileType) -> &'static str {
    if kind.is_fifo() {
        "pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

impl Loose {
    fn add(&mut self, path: &[u8], kind: Kind) -> Result<(), SnapshotError> {
        self.files += 1;
        if self.files > MAX_LOOSE_FILES {
            return Err(SnapshotError::TooMany { most: MAX_LOOSE_FILES });
        }
        if let Kind::Regular(bytes) = kind {
            self.bytes += bytes;
            self.largest.push((bytes, path.to_vec()));
            if self.largest.len() > 4 * LARGEST_NAMED {
                self.keep_largest();
            }
        }
        Ok(())
    }

    fn keep_largest(&mut self) {
        self.largest.sort_unstable_by(|a, b| b.cmp(a));
        self.largest.truncate(LARGEST_NAMED);
    }

    fn check(&mut self, rules: &Rules) -> Result<(), SnapshotError> {
        self.keep_largest();
        if self.bytes <= rules.max_bytes {
            return Ok(());
        }
        let largest =
            self.largest.iter().map(|(bytes, path)| format!("`{}` ({})", shown(path), super::size(*bytes)));
        Err(SnapshotError::TooLarge {
            bytes: self.bytes,
            most: rules.max_bytes,
            largest: largest.collect::<Vec<_>>().join(", "),
        })
    }
}

pub(super) fn unknown(path: &[u8]) -> SnapshotError {
    SnapshotError::Unknown(shown(path))
}
