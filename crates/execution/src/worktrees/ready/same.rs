//! Whether an ignored path of a worktree is what the main checkout has too: then nothing is lost with it.

use std::{
    fs::File,
    io::{self, Read},
};

use camino::Utf8Path;
use rustix::fs::{FileType, Stat};

use super::{
    copier::size,
    way::{c_string, link_target, parent_of},
};
use crate::{dir::Dir, worktrees::Place};

/// The most bytes that are compared; what has more counts as different.
const BYTES: u64 = 256 << 20;
/// The most files, links and directories.
const ENTRIES: u64 = 20_000;

/// Whether the main checkout has the same at `path`, byte by byte, or `path` is a link to what the main checkout has
/// there. What can't be looked at is not the same.
pub fn is_in_main_too(place: &Place, path: &str) -> bool {
    let main = place.common_dir.parent().filter(|_| place.common_dir.file_name() == Some(".git"));
    let Some(main) = main.filter(|main| *main != place.path) else { return false };
    is_same(main, &place.path, path.trim_end_matches('/')).unwrap_or(false)
}

fn is_same(main: &Utf8Path, worktree: &Utf8Path, path: &str) -> io::Result<bool> {
    let (here, there) = (Dir::open(worktree)?, Dir::open(main)?);
    let (Some((here, name)), Some((there, _))) = (parent_of(&here, path)?, parent_of(&there, path)?) else {
        return Ok(false);
    };
    let (Some(ours), Some(theirs)) = (here.look(&name)?, there.look(&name)?) else { return Ok(false) };
    if kind(&ours) == FileType::Symlink && kind(&theirs) == FileType::Directory {
        let target = c_string(link_target(main, worktree, path).as_str());
        return Ok(here.link_target(&name)? == target);
    }
    let mut left = Left { bytes: BYTES, entries: ENTRIES };
    left.compare(&here, &there, &name)
}

/// What may still be compared.
struct Left {
    bytes: u64,
    entries: u64,
}

impl Left {
    fn compare(&mut self, here: &Dir, there: &Dir, name: &std::ffi::CStr) -> io::Result<bool> {
        let (Some(ours), Some(theirs)) = (here.look(name)?, there.look(name)?) else { return Ok(false) };
        if kind(&ours) != kind(&theirs) || self.entries == 0 || size(&ours) > self.bytes {
            return Ok(false);
        }
        self.entries -= 1;
        match kind(&ours) {
            FileType::RegularFile => {
                if size(&ours) != size(&theirs) {
                    return Ok(false);
                }
                self.bytes -= size(&ours);
                same_bytes(here.open_file(name)?, there.open_file(name)?)
            }
            FileType::Symlink => Ok(here.link_target(name)? == there.link_target(name)?),
            FileType::Directory => {
                let (here, there) = (here.child(name)?, there.child(name)?);
                for inner in here.names()? {
                    if !self.compare(&here, &there, &inner)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

fn same_bytes(a: File, b: File) -> io::Result<bool> {
    let (mut a, mut b) = (io::BufReader::new(a).bytes(), io::BufReader::new(b).bytes());
    loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => return Ok(true),
            (x, y) if x != y => return Ok(false),
            _ => {}
        }
    }
}
