//! Filling a checkout with the files of others.
//!
//! To write a file that lies elsewhere already costs a third of what git needs for it. Where it lies is not trusted: what is
//! written has the id that git's index names, byte for byte, and the index that comes out says of each file what `lstat` said
//! when it was written. What can't be found this way is left to git.
//!
//! **Contract.** Only for files that are written as they are in the commit: no filter, no line ends. Links are read, never
//! followed, in no part of a path.

use std::{
    ffi::{CStr, CString},
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};

use super::{
    Workers, blob, crew,
    index::{Entry, Index, LINK, PROGRAM},
};

/// The largest file that is copied, in bytes; it is held in memory.
const MOST_BYTES: u32 = 32 << 20;
/// The longest link.
const LONGEST_LINK: usize = 4096;

const DIRECTORY: OFlags =
    OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::RDONLY).union(OFlags::CLOEXEC);

/// What came of it.
pub(crate) struct Twin {
    /// The index, with what `lstat` says of the files now.
    pub(crate) index: Vec<u8>,
    /// How many files were copied.
    pub(crate) copied: usize,
    /// How many there are.
    pub(crate) of: usize,
}

/// Fills `top`, in which nothing lies that is tracked, with the files of the index `index`, whose ids have `id` bytes, from
/// wherever in `sources` they are found. None when the index is no plain one.
///
/// # Errors
/// When the system refuses to write, or can't open paths without following links.
pub(crate) fn fill(
    (index, id): (&[u8], usize),
    top: &Utf8Path,
    sources: &[Utf8PathBuf],
    workers: Workers,
) -> io::Result<Option<Twin>> {
    let Some(parsed) = Index::parse(index, id) else { return Ok(None) };
    let entries = &parsed.entries;
    let open = |path: &Utf8PathBuf| fs::open(path.as_std_path(), DIRECTORY, Mode::empty()).ok();
    let copy = Copy {
        entries,
        top: fs::open(top.as_std_path(), DIRECTORY, Mode::empty())?,
        sources: sources.iter().filter_map(open).collect(),
        stats: Mutex::new(vec![None; entries.len()]),
        latest: AtomicUsize::new(0),
        failure: Mutex::new(None),
    };
    make_directories(&copy.top, entries)?;
    crew::work(copy.jobs(), workers.of(entries.len()), |job| {
        copy.directory(job).map(|()| Vec::new()).map_err(|error| copy.fail(error)).ok()
    });
    if let Some(error) = copy.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let stats = copy.stats.into_inner().unwrap_or_else(PoisonError::into_inner);
    let copied = stats.iter().flatten().count();
    Ok(parsed.told(index, &stats).map(|index| Twin { index, copied, of: stats.len() }))
}

/// Opens the directory `path` below `top`, in which no part is a link.
#[cfg(target_os = "linux")]
fn below(top: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let path = if path.is_empty() { b".".as_slice() } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(fs::openat2(top, CString::new(path)?, DIRECTORY, Mode::empty(), resolve)?)
}

#[cfg(not(target_os = "linux"))]
fn below(top: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    let first = fs::openat(top, c".", DIRECTORY, Mode::empty())?;
    path.split(|b| *b == b'/')
        .filter(|part| !part.is_empty())
        .try_fold(first, |dir, part| Ok(fs::openat(dir, CString::new(part)?, DIRECTORY, Mode::empty())?))
}

/// The directory of a path and its last part.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn make_directories(top: &OwnedFd, entries: &[Entry<'_>]) -> io::Result<()> {
    let mut made: &[u8] = b"";
    for entry in entries {
        let (dir, _) = split(entry.path);
        let mut end = 0;
        while end < dir.len() {
            let slash = dir[end + 1..].iter().position(|b| *b == b'/').map_or(dir.len(), |n| end + 1 + n);
            let part = &dir[..slash];
            let is_made = made == part || (made.starts_with(part) && made[slash..].starts_with(b"/"));
            if !is_made {
                let (above, name) = split(part);
                // It may be there from a path before the last one.
                match fs::mkdirat(below(top, above)?, CString::new(name)?, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            end = slash;
        }
        made = dir;
    }
    Ok(())
}

/// What the threads share.
struct Copy<'a> {
    entries: &'a [Entry<'a>],
    top: OwnedFd,
    sources: Vec<OwnedFd>,
    stats: Mutex<Vec<Option<Stat>>>,
    /// Where the last one was found.
    latest: AtomicUsize,
    failure: Mutex<Option<io::Error>>,
}

impl Copy<'_> {
    /// Runs of entries that lie in the same directory.
    fn jobs(&self) -> Vec<std::ops::Range<usize>> {
        let mut jobs = Vec::new();
        let mut from = 0;
        for at in 1..=self.entries.len() {
            let dir = |n: usize| self.entries.get(n).map(|entry| split(entry.path).0);
            if dir(at) != dir(from) {
                jobs.push(from..at);
                from = at;
            }
        }
        jobs
    }

    fn fail(&self, error: io::Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn directory(&self, job: std::ops::Range<usize>) -> io::Result<()> {
        let (dir, _) = split(self.entries[job.start].path);
        let target = below(&self.top, dir)?;
        let mut sources: Vec<Option<Option<OwnedFd>>> = self.sources.iter().map(|_| None).collect();
        let mut done = Vec::with_capacity(job.len());
        for at in job {
            let entry = &self.entries[at];
            let name = CString::new(split(entry.path).1)?;
            let (latest, count) = (self.latest.load(Relaxed), sources.len());
            for number in (0..count).map(|n| (latest + n) % count) {
                let source =
                    sources[number].get_or_insert_with(|| below(&self.sources[number], dir).ok()).as_ref();
                let Some(content) = source.and_then(|source| content(source, &name, entry)) else { continue };
                done.push((at, write(&target, &name, entry.mode, &content)?));
                self.latest.store(number, Relaxed);
                break;
            }
        }
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        done.into_iter().for_each(|(at, stat)| stats[at] = Some(stat));
        Ok(())
    }
}

/// What the file `name` holds, if that is what the index says; none for everything else.
fn content(dir: &OwnedFd, name: &CStr, entry: &Entry<'_>) -> Option<Vec<u8>> {
    let content = if entry.mode == LINK {
        let target = fs::readlinkat(dir, name, Vec::new()).ok()?;
        target.into_bytes()
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(fs::openat(dir, name, flags, Mode::empty()).ok()?);
        let stat = fs::fstat(&file).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || entry.size > MOST_BYTES || u64::try_from(stat.st_size) != Ok(u64::from(entry.size)) {
            return None;
        }
        let size = usize::try_from(entry.size).ok()?;
        let mut content = Vec::with_capacity(size + 1);
        Read::by_ref(&mut file).take(u64::from(entry.size) + 1).read_to_end(&mut content).ok()?;
        content
    };
    (blob::id(&content, entry.id.len())? == entry.id).then_some(content)
}

/// Writes a new file; gives what `lstat` says of it.
fn write(dir: &OwnedFd, name: &CStr, mode: u32, content: &[u8]) -> io::Result<Stat> {
    if mode == LINK {
        if content.len() > LONGEST_LINK {
            return Err(ErrorKind::InvalidInput.into());
        }
        fs::symlinkat(CString::new(content)?, dir, name)?;
        return Ok(fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?);
    }
    let mode = Mode::from_raw_mode(if mode == PROGRAM { 0o777 } else { 0o666 });
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(fs::openat(dir, name, flags, mode)?);
    file.write_all(content)?;
    Ok(fs::fstat(&file)?)
}
