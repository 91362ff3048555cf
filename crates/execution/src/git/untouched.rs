//! The quick look: whether a checkout holds nothing but unchanged tracked files, without a process.
//!
//! It is what `git status` asks, by the same data: git's index has, for each file, what `lstat` said when git knew its
//! content; a file of which `lstat` says the same is unchanged. The directories are walked by several threads, and every
//! name in them must be in the index, and every name of the index in them. It says *yes* or nothing: whatever is out of the
//! ordinary (another file, an ignored one too, a flag, a link to another repository, a kind of index it does not read)
//! is left to git.
//!
//! Format: git's `Documentation/gitformat-index.txt`. A file that is not older than the index may have been changed in the
//! same moment ("racily clean", `Documentation/technical/racy-git.txt`), and is compared by its content.

use std::{
    ffi::CString,
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use biplane_model::CommitId;
use camino::Utf8Path;
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};

use super::{CheckoutState, Git};

/// The most files that are compared by their content.
const MOST_RACY: usize = 2000;
/// The most threads that walk.
const THREADS: usize = 8;
/// The largest index that is read.
const MOST_BYTES: u64 = 1 << 30;

impl Git {
    /// The state of the checkout when it is surely untouched. None says nothing.
    pub(super) fn untouched(&self) -> Option<CheckoutState> {
        let top = self.work_tree().filter(|_| self.index.is_none())?;
        if self.git_dir().join("modules").as_std_path().symlink_metadata().is_ok() {
            return None;
        }
        let (branch, head) = self.head_in_files()?;
        let path = self.git_dir().join("index");
        let meta =
            path.as_std_path().symlink_metadata().ok().filter(|m| m.is_file() && m.len() < MOST_BYTES)?;
        let bytes = std::fs::read(&path).ok()?;
        let index = Index::parse(&bytes, head.as_str().len() / 2)?;
        let racy = walk(top, &index.entries, Stamp::modified(&meta))?;
        let known = Known::of(&meta, &head);
        let last = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() || *last() != known {
            // The index is that of the head.
            if self.tree_of(&head).ok()? != index.tree || !self.have_content(&index.entries, &racy)? {
                return None;
            }
            *last() = known;
        }
        Some(CheckoutState { head: Some(head), branch, is_untouched: true, ..CheckoutState::default() })
    }

    /// Whether the files hold what the index says, byte for byte.
    fn have_content(&self, entries: &[Entry<'_>], racy: &[usize]) -> Option<bool> {
        if racy.is_empty() {
            return Some(true);
        }
        let files: Vec<&Entry<'_>> = racy.iter().map(|n| &entries[*n]).collect();
        // A link is not a file of its own, and a name with a newline can't be handed over.
        if racy.len() > MOST_RACY || files.iter().any(|e| e.mode == LINK || e.path.contains(&b'\n')) {
            return None;
        }
        let mut names = Vec::new();
        for entry in &files {
            names.extend_from_slice(entry.path);
            names.push(b'\n');
        }
        let ids = self.call(["hash-object", "--no-filters", "--stdin-paths"]).stdin(names).text().ok()?;
        let same = ids.lines().zip(&files).filter(|(id, entry)| *id == hex(entry.id)).count();
        Some(same == files.len())
    }
}

/// The index that was last found to be that of its head, with the files compared that were written in the same moment as
/// it. It was not so young then that a file which is changed later could still bear that moment: in a second look, `lstat`
/// tells.
static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// From this age on, nothing more is written in the same moment as an index.
const SETTLED: Duration = Duration::from_secs(2);

/// An index file by what it is, and the head it was compared with.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    file: [i64; 6],
    head: CommitId,
}

impl Known {
    /// None for one that is too young to be known.
    #[allow(clippy::cast_possible_wrap, reason = "only their being equal matters")]
    fn of(meta: &std::fs::Metadata, head: &CommitId) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let is_settled = meta.modified().ok()?.elapsed().ok()? >= SETTLED;
        let (device, inode) = (meta.dev() as i64, meta.ino() as i64);
        let file = [device, inode, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
        is_settled.then(|| Self { file, head: head.clone() })
    }
}

const LINK: u32 = 0o120_000;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;

/// Seconds and nanoseconds, as the index keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp(u32, u32);

impl Stamp {
    fn modified(meta: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(low(meta.mtime()), low(meta.mtime_nsec()))
    }
}

/// The low 32 bits: what the index keeps of each number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is the format")]
fn low(number: i64) -> u32 {
    number as u32
}

/// A file by the index: what `lstat` said, and what it held.
struct Entry<'a> {
    path: &'a [u8],
    id: &'a [u8],
    mode: u32,
    changed: Stamp,
    modified: Stamp,
    inode: u32,
    user: u32,
    group: u32,
    size: u32,
}

struct Index<'a> {
    entries: Vec<Entry<'a>>,
    /// The tree that it is, in hexadecimal.
    tree: String,
}

impl<'a> Index<'a> {
    /// Reads an index with ids of `id` bytes. None for whatever is not plain.
    fn parse(bytes: &'a [u8], id: usize) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.get(..4)? != b"DIRC" || !matches!(number(4)?, 2 | 3) {
            return None;
        }
        let count = usize::try_from(number(8)?).ok()?;
        let mut entries = Vec::with_capacity(count.min(bytes.len() / 64));
        let mut at = 12;
        for _ in 0..count {
            let flags = u16::from_be_bytes(bytes.get(at + 40 + id..at + 42 + id)?.try_into().ok()?);
            // Assumed unchanged, in conflict, or with flags of its own: sparse, or only meant to be added.
            if flags & 0xf000 != 0 {
                return None;
            }
            let start = at + 42 + id;
            let length = bytes.get(start..)?.iter().position(|b| *b == 0)?;
            let mode = number(at + 24)?;
            if !matches!(mode, FILE | PROGRAM | LINK) || length == 0 {
                return None;
            }
            entries.push(Entry {
                path: &bytes[start..start + length],
                id: &bytes[at + 40..at + 40 + id],
                mode,
                changed: Stamp(number(at)?, number(at + 4)?),
                modified: Stamp(number(at + 8)?, number(at + 12)?),
                inode: number(at + 20)?,
                user: number(at + 28)?,
                group: number(at + 32)?,
                size: number(at + 36)?,
            });
            // Entries are filled up with 1 to 8 zeroes to a multiple of eight.
            at += (42 + id + length + 8) / 8 * 8;
        }
        if !entries.is_sorted_by(|a, b| a.path < b.path) {
            return None;
        }
        let end = bytes.len().checked_sub(id)?;
        let mut tree = None;
        while at + 8 <= end {
            let (name, size) = (bytes.get(at..at + 4)?, usize::try_from(number(at + 4)?).ok()?);
            let body = bytes.get(at + 8..at + 8 + size)?;
            match name {
                b"TREE" => tree = root_tree(body, count, id),
                // What is not in capitals changes the meaning of the rest.
                _ if !name[0].is_ascii_uppercase() => return None,
                _ => {}
            }
            at += 8 + size;
        }
        Some(Self { entries, tree: tree? })
    }
}

/// The tree of the whole index by its extension `TREE`, when that is valid for all `count` entries.
fn root_tree(body: &[u8], count: usize, id: usize) -> Option<String> {
    // An empty path, then `<entries> <subtrees>\n`, then the id.
    let rest = body.strip_prefix(b"\0")?;
    let line = rest.iter().position(|b| *b == b'\n')?;
    let (entries, _) = std::str::from_utf8(&rest[..line]).ok()?.split_once(' ')?;
    (entries.parse() == Ok(count)).then(|| rest.get(line + 1..line + 1 + id).map(hex))?
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A directory to be walked: its path, ending in `/` but for the top, and its part of the index.
struct Job {
    dir: Vec<u8>,
    from: usize,
    to: usize,
}

/// What the threads share.
struct Walk<'a> {
    entries: &'a [Entry<'a>],
    top: std::os::fd::OwnedFd,
    index_written: Stamp,
    /// The open jobs, and how many threads are at work on one.
    jobs: Mutex<(Vec<Job>, usize)>,
    more: Condvar,
    failed: AtomicBool,
    met: AtomicUsize,
    racy: Mutex<Vec<usize>>,
}

/// Compares all files below `top` with the index. Gives those to be compared by their content; none when something differs.
fn walk(top: &Utf8Path, entries: &[Entry<'_>], index_written: Stamp) -> Option<Vec<usize>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = fs::open(top.as_std_path(), flags, Mode::empty()).ok()?;
    let job = Job { dir: Vec::new(), from: 0, to: entries.len() };
    let walk = Walk {
        entries,
        top,
        index_written,
        jobs: Mutex::new((vec![job], 0)),
        more: Condvar::new(),
        failed: AtomicBool::new(false),
        met: AtomicUsize::new(0),
        racy: Mutex::new(Vec::new()),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    std::thread::scope(|scope| {
        // A small tree is done before a thread has started.
        if entries.len() > 500 {
            for _ in 1..threads {
                // Without room for another thread, this one does it.
                let _ = std::thread::Builder::new().spawn_scoped(scope, || walk.work());
            }
        }
        walk.work();
    });
    let whole = !walk.failed.load(Relaxed) && walk.met.load(Relaxed) == entries.len();
    whole.then(|| walk.racy.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Walk<'_> {
    fn work(&self) {
        while let Some(job) = self.next() {
            let below = self.directory(&job);
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.1 -= 1;
            match below {
                Some(below) => jobs.0.extend(below),
                None => self.failed.store(true, Relaxed),
            }
            self.more.notify_all();
        }
    }

    /// The next directory; none when all are done, or something differed.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.failed.load(Relaxed) {
                return None;
            }
            if let Some(job) = jobs.0.pop() {
                jobs.1 += 1;
                return Some(job);
            }
            if jobs.1 == 0 {
                return None;
            }
            jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Compares what lies in one directory; gives the directories below. None when something differs.
    fn directory(&self, job: &Job) -> Option<Vec<Job>> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = if job.dir.is_empty() { b".".as_slice() } else { &job.dir[..job.dir.len() - 1] };
        let dir = fs::openat(&self.top, CString::new(path).ok()?, flags, Mode::empty()).ok()?;
        let (mut below, mut met, mut racy) = (Vec::new(), 0, Vec::new());
        let part = &self.entries[job.from..job.to];
        let mut full = job.dir.clone();
        for entry in Dir::read_from(&dir).ok()? {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let bytes = name.to_bytes();
            // Git's link file, at the top alone.
            if matches!(bytes, b"." | b"..") || (bytes == b".git" && job.dir.is_empty()) {
                continue;
            }
            full.truncate(job.dir.len());
            full.extend_from_slice(bytes);
            if entry.file_type() == FileType::Directory {
                full.push(b'/');
                let from = part.partition_point(|e| e.path < full.as_slice());
                let count = part[from..].partition_point(|e| e.path.starts_with(&full));
                if count == 0 {
                    return None;
                }
                let from = job.from + from;
                below.push(Job { dir: full.clone(), from, to: from + count });
                continue;
            }
            let at = part.binary_search_by(|e| e.path.cmp(&full)).ok()?;
            let stat = fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            if !part[at].is_as(&stat) {
                return None;
            }
            met += 1;
            if part[at].modified >= self.index_written {
                racy.push(job.from + at);
            }
        }
        self.met.fetch_add(met, Relaxed);
        if !racy.is_empty() {
            self.racy.lock().unwrap_or_else(PoisonError::into_inner).extend(racy);
        }
        Some(below)
    }
}

impl Entry<'_> {
    /// Whether the file is as git has seen it.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        reason = "the widths differ between systems"
    )]
    fn is_as(&self, stat: &fs::Stat) -> bool {
        let mode = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => LINK,
            FileType::RegularFile if stat.st_mode & 0o100 != 0 => PROGRAM,
            FileType::RegularFile => FILE,
            _ => return false,
        };
        self.mode == mode
            && self.modified == Stamp(low(stat.st_mtime as i64), low(stat.st_mtime_nsec as i64))
            && self.changed == Stamp(low(stat.st_ctime as i64), low(stat.st_ctime_nsec as i64))
            && self.inode == low(stat.st_ino as i64)
            && (self.user, self.group) == (stat.st_uid, stat.st_gid)
            && self.size == low(stat.st_size as i64)
    }
}

#[cfg(test)]
mod tests;
