//! The walk through a checkout, beside its index.

use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use camino::Utf8Path;
use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::{
    super::{
        crew,
        index::{Entry, Stamp},
    },
    At, LookError, MOST_PATHS, Skip, Stat,
};

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Tracked files that `lstat` does not know again, or that are not there.
    pub(super) differing: BTreeMap<Vec<u8>, Option<Stat>>,
    /// Tracked files that it knows, but that may have been changed in the same moment as the index.
    pub(super) racy: BTreeMap<Vec<u8>, Stat>,
    /// All others.
    pub(super) others: BTreeMap<Vec<u8>, At>,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A repository inside the checkout, which is known by its being there.
pub(super) const REPOSITORY: Stat = Stat { mode: 0, size: 0, inode: 0, modified: (0, 0), changed: (0, 0) };

/// A directory to be walked: its path, ending in `/` but for the top, and its part of the index.
struct Job {
    dir: Vec<u8>,
    from: usize,
    to: usize,
}

/// What the threads share.
struct Walk<'a> {
    top: OwnedFd,
    entries: &'a [Entry<'a>],
    index_written: Stamp,
    skip: &'a Skip,
    met: Vec<AtomicBool>,
    found: Mutex<Walked>,
}

/// Walks through all of the checkout at `top`.
pub(super) fn walk(
    top: &Utf8Path,
    entries: &[Entry<'_>],
    index_written: Stamp,
    skip: &Skip,
) -> Result<Walked, LookError> {
    let job = Job { dir: Vec::new(), from: 0, to: entries.len() };
    let met = std::iter::repeat_with(|| AtomicBool::new(false)).take(entries.len()).collect();
    run(Walk { top: open(top)?, entries, index_written, skip, met, found: Mutex::default() }, job)
}

/// Walks through a directory that nothing is tracked in.
pub(super) fn walk_below(top: &Utf8Path, dir: &str, skip: &Skip) -> Result<Walked, LookError> {
    let top_dir = open(top)?;
    if has_git(&top_dir, dir.as_bytes()) {
        let stat = REPOSITORY;
        let others = [(dir.as_bytes().to_vec(), At { stat: Some(stat), tracked: false })].into();
        return Ok(Walked { others, ..Walked::default() });
    }
    let job = Job { dir: format!("{dir}/").into_bytes(), from: 0, to: 0 };
    let (entries, met) = (&[][..], Vec::new());
    run(Walk { top: top_dir, entries, index_written: Stamp(0, 0), skip, met, found: Mutex::default() }, job)
}

fn open(top: &Utf8Path) -> Result<OwnedFd, LookError> {
    fs::open(top.as_std_path(), DIRECTORY, Mode::empty()).map_err(|e| super::io(top, e.into()))
}

fn run(walk: Walk<'_>, job: Job) -> Result<Walked, LookError> {
    // A small tree is done before a thread has started.
    let threads = if walk.entries.len() > 500 { crew::threads() } else { 1 };
    if !crew::work(vec![job], threads, |job| walk.directory(&job)) {
        return Err(LookError::TooMany);
    }
    let Walk { entries, met, skip, found, .. } = walk;
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing = entries.iter().zip(met).filter(|(_, met)| !met.load(Relaxed)).map(|(entry, _)| entry.path);
    found.differing.extend(missing.filter(|path| !is_below(path, skip)).map(|path| (path.to_vec(), None)));
    Ok(found)
}

impl Walk<'_> {
    /// Looks at what lies in one directory; gives the directories below. None when there is more than is kept.
    fn directory(&self, job: &Job) -> Option<Vec<Job>> {
        let path = if job.dir.is_empty() { b".".as_slice() } else { &job.dir[..job.dir.len() - 1] };
        let mut here = Walked::default();
        let below = match self.contents(path, job, &mut here) {
            Ok(below) => below,
            // It went meanwhile: what was in it is missing.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Vec::new(),
            // What can't be read is known by its directory.
            Err(_) => {
                let stat = fs::statat(&self.top, path_c(path), AtFlags::SYMLINK_NOFOLLOW).ok();
                here.others
                    .insert(path.to_vec(), At { stat: stat.map(|stat| Stat::of(&stat)), tracked: false });
                self.entries[job.from..job.to].iter().enumerate().for_each(|(n, _)| self.meet(job.from + n));
                Vec::new()
            }
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.differing.append(&mut here.differing);
        found.racy.append(&mut here.racy);
        found.others.append(&mut here.others);
        (found.others.len() <= MOST_PATHS).then_some(below)
    }

    fn meet(&self, entry: usize) {
        self.met[entry].store(true, Relaxed);
    }

    fn contents(&self, path: &[u8], job: &Job, found: &mut Walked) -> Result<Vec<Job>, Errno> {
        let mut dir = Dir::new(fs::openat(&self.top, path_c(path), DIRECTORY, Mode::empty())?)?;
        let part = &self.entries[job.from..job.to];
        let mut below = Vec::new();
        let mut full = job.dir.clone();
        while let Some(entry) = dir.read() {
            let (entry, dir) = (entry?, dir.fd()?);
            let name = entry.file_name().to_bytes();
            // Git's own, at the top alone.
            if matches!(name, b"." | b"..") || (name == b".git" && job.dir.is_empty()) {
                continue;
            }
            full.truncate(job.dir.len());
            full.extend_from_slice(name);
            if self.skip.paths.iter().any(|path| path.as_bytes() == full) {
                continue;
            }
            let is_named = || self.skip.names.iter().any(|skipped| skipped.as_bytes() == name);
            let stat = || fs::statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            let is_dir = match entry.file_type() {
                FileType::Unknown => {
                    stat().is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
                }
                kind => kind == FileType::Directory,
            };
            if is_dir {
                full.push(b'/');
                let from = part.partition_point(|e| e.path < full.as_slice());
                let count = part[from..].partition_point(|e| e.path.starts_with(&full));
                let from = job.from + from;
                if count > 0 {
                    below.push(Job { dir: full.clone(), from, to: from + count });
                } else if is_named() {
                } else if has_git(dir, name) {
                    full.pop();
                    let stat = Some(REPOSITORY);
                    found.others.insert(full.clone(), At { stat, tracked: false });
                } else {
                    below.push(Job { dir: full.clone(), from, to: from });
                }
                continue;
            }
            // It went meanwhile.
            let Ok(stat) = stat() else { continue };
            match part.binary_search_by(|e| e.path.cmp(full.as_slice())) {
                Ok(at) => {
                    self.meet(job.from + at);
                    if !part[at].is_as(&stat) {
                        found.differing.insert(full.clone(), Some(Stat::of(&stat)));
                    } else if part[at].modified >= self.index_written {
                        found.racy.insert(full.clone(), Stat::of(&stat));
                    }
                }
                Err(_) if is_named() => {}
                Err(_) => {
                    let stat = Some(Stat::of(&stat));
                    found.others.insert(full.clone(), At { stat, tracked: false });
                }
            }
        }
        Ok(below)
    }
}

impl Stat {
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the widths differ between systems")]
    fn of(stat: &fs::Stat) -> Self {
        Self {
            mode: stat.st_mode as u32,
            size: stat.st_size as u64,
            inode: stat.st_ino as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// What is at `path` below `top`, by its name alone: no link is followed at its end.
pub(super) fn stat_at(top: &Utf8Path, path: &[u8]) -> Option<Stat> {
    let path = top.as_std_path().join(OsStr::from_bytes(path));
    fs::lstat(&path).ok().map(|stat| Stat::of(&stat))
}

/// Whether a path that nothing is tracked in is not looked at.
pub(super) fn is_skipped(path: &[u8], skip: &Skip) -> bool {
    let is_named = |part: &[u8]| skip.names.iter().any(|name| name.as_bytes() == part);
    path.split(|b| *b == b'/').any(is_named) || is_below(path, skip)
}

/// Whether it is one of the paths that are not looked at, or lies below one.
fn is_below(path: &[u8], skip: &Skip) -> bool {
    skip.paths.iter().any(|skipped| {
        path.strip_prefix(skipped.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

fn has_git(dir: impl AsFd, name: &[u8]) -> bool {
    let inside = [name, b"/.git"].concat();
    fs::statat(dir, path_c(&inside), AtFlags::SYMLINK_NOFOLLOW).is_ok()
}

fn path_c(path: &[u8]) -> CString {
    CString::new(path).expect("what a directory names has no zero in it")
}
