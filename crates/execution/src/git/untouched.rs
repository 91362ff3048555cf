//! The quick look: whether a checkout holds nothing but unchanged tracked files, without a process.
//!
//! It is what `git status` asks, by the same data: git's index has, for each file, what `lstat` said when git knew its
//! content; a file of which `lstat` says the same is unchanged. The directories are walked by several threads, and every
//! name in them must be in the index, and every name of the index in them. It says *yes* or nothing: whatever is out of the
//! ordinary (another file, an ignored one too, a flag, a link to another repository, a kind of index it does not read)
//! is left to git.
//!
//! A file that is not older than the index may have been changed in the same moment ("racily clean",
//! `Documentation/technical/racy-git.txt`), and is compared by its content.

use std::{
    ffi::CString,
    fs::Metadata,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};

use super::{
    CheckoutState, Git, Seen, blob, crew,
    index::{Entry, Index, LINK, Stamp},
};

/// The most files that are compared by their content.
const MOST_RACY: usize = 2000;
/// The most bytes that are read for it.
const MOST_RACY_BYTES: u64 = 64 << 20;
/// The largest index that is read.
const MOST_BYTES: u64 = 1 << 30;

impl Git {
    /// The state of the checkout when it is surely untouched. None says nothing.
    pub(super) fn untouched(&self) -> Option<CheckoutState> {
        let top = self.work_tree().filter(|_| self.index.is_none())?;
        if !self.is_at_rest()? {
            return None;
        }
        let since = crate::worktrees::file_time();
        let (branch, head) = self.head_in_files()?;
        let meta = self.index_meta()?;
        let bytes = crate::files::read(self.index_path(), MOST_BYTES).ok()?;
        let index = Index::parse(&bytes, head.as_str().len() / 2)?;
        let tree = index.tree?;
        let racy = walk(top, &index.entries, Stamp::modified(&meta))?;
        let known = Known::of(&meta, &head);
        let last = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() || *last() != known {
            // The index is that of the head.
            if self.tree_of(&head).ok()? != tree || !have_content(top, &index.entries, &racy)? {
                return None;
            }
            *last() = known;
        }
        let index = stamps(&meta);
        // A file system that keeps whole seconds alone can't tell.
        let tells = index[5] != 0;
        let seen =
            since.filter(|_| tells).map(|since| Seen { since, index, head: (branch.clone(), head.clone()) });
        Some(CheckoutState { head: Some(head), branch, is_untouched: true, seen, ..CheckoutState::default() })
    }

    /// Whether the head and the index are as they were seen. Of the checkout's files it says nothing.
    pub fn is_as(&self, seen: &Seen) -> bool {
        let index = self.index_meta().map(|meta| stamps(&meta));
        index == Some(seen.index)
            && self.head_in_files().as_ref() == Some(&seen.head)
            && self.is_at_rest() == Some(true)
    }

    /// Whether nothing is kept in git's directory of the checkout but what a checkout at rest has: nobody is in the middle of
    /// something, no ref is its own. None when it can't be told.
    fn is_at_rest(&self) -> Option<bool> {
        let there = |name: &str| self.git_dir().join(name).as_std_path().symlink_metadata().is_ok();
        if self.git_dir() == self.common_dir() {
            let is_busy = super::IN_PROGRESS.iter().any(|name| there(name)) || there("MERGE_AUTOSTASH");
            return Some(!is_busy && !there("modules"));
        }
        for entry in self.git_dir().read_dir_utf8().ok()? {
            let entry = entry.ok()?;
            let is_usual = match entry.file_name() {
                "refs" => holds_no_file(entry.path())?,
                name => USUAL.contains(&name),
            };
            if !is_usual {
                return Some(false);
            }
        }
        Some(true)
    }

    fn index_path(&self) -> Utf8PathBuf {
        self.git_dir().join("index")
    }

    fn index_meta(&self) -> Option<Metadata> {
        let meta = self.index_path().as_std_path().symlink_metadata().ok()?;
        (meta.is_file() && meta.len() < MOST_BYTES).then_some(meta)
    }
}

/// What git's directory of a linked worktree has in it when nobody is in the middle of something.
const USUAL: [&str; 9] =
    ["COMMIT_EDITMSG", "FETCH_HEAD", "HEAD", "ORIG_HEAD", "commondir", "gitdir", "index", "logs", "locked"];

/// Whether there are but directories in it.
fn holds_no_file(dir: &Utf8Path) -> Option<bool> {
    for entry in dir.read_dir_utf8().ok()? {
        let entry = entry.ok()?;
        if !entry.file_type().ok()?.is_dir() || !holds_no_file(entry.path())? {
            return Some(false);
        }
    }
    Some(true)
}

/// What a file is by its status: another one, or one that was written to, has other numbers. The last are its times of change.
#[allow(clippy::cast_possible_wrap, reason = "only their being equal matters")]
fn stamps(meta: &Metadata) -> [i64; 6] {
    use std::os::unix::fs::MetadataExt;
    let (device, inode) = (meta.dev() as i64, meta.ino() as i64);
    [device, inode, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]
}

/// Whether the files hold what the index says, byte for byte. None when there are too many to be read here, or one of them
/// is no plain file.
fn have_content(top: &Utf8Path, entries: &[Entry<'_>], racy: &[usize]) -> Option<bool> {
    let files = || racy.iter().map(|n| &entries[*n]);
    let bytes: u64 = files().map(|entry| u64::from(entry.size)).sum();
    if racy.len() > MOST_RACY || bytes > MOST_RACY_BYTES || files().any(|entry| entry.mode == LINK) {
        return None;
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = fs::open(top.as_std_path(), flags, Mode::empty()).ok()?;
    files().try_fold(true, |so_far, entry| Some(so_far && blob::is_of(&top, entry.path, entry.id)?))
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
    fn of(meta: &Metadata, head: &CommitId) -> Option<Self> {
        let is_settled = meta.modified().ok()?.elapsed().ok()? >= SETTLED;
        is_settled.then(|| Self { file: stamps(meta), head: head.clone() })
    }
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
    met: AtomicUsize,
    racy: Mutex<Vec<usize>>,
}

/// Compares all files below `top` with the index. Gives those to be compared by their content; none when something differs.
fn walk(top: &Utf8Path, entries: &[Entry<'_>], index_written: Stamp) -> Option<Vec<usize>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = fs::open(top.as_std_path(), flags, Mode::empty()).ok()?;
    let job = Job { dir: Vec::new(), from: 0, to: entries.len() };
    let walk = Walk { entries, top, index_written, met: AtomicUsize::new(0), racy: Mutex::new(Vec::new()) };
    // A small tree is done before a thread has started.
    let threads = if entries.len() > 500 { crew::threads() } else { 1 };
    let whole = crew::work(vec![job], threads, |job| walk.directory(&job));
    let whole = whole && walk.met.load(Relaxed) == entries.len();
    whole.then(|| walk.racy.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Walk<'_> {
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

#[cfg(test)]
mod tests;
