//! In what a checkout deviates from its index and its head, to be compared with the same look at another time.
//!
//! **Contract.** The look writes nothing and follows no link. In the plain case no process is started: git's index is read, and
//! the directories are walked; a file of which `lstat` says what it said when git knew its content is left out, and of all
//! others (changed, untracked, ignored) is kept what `lstat` says. A change of content, size, kind, place or rights shows in
//! that: the time of change of an inode can't be set back. Where the index is out of the ordinary, `git status` is asked
//! instead.
//!
//! **Deliberately absent:** contents; empty directories; what lies in a repository inside the checkout.

mod compare;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::ffi::OsStrExt,
};

use biplane_model::CommitId;
use camino::Utf8Path;

use super::{
    Git, GitError, WithIgnored,
    index::{Index, Stamp},
};
pub use compare::{Change, How};
use walk::Walked;

/// The most paths that are kept of one checkout.
const MOST_PATHS: usize = 200_000;
/// Up to how many paths git is asked about one by one; beyond it is asked about all.
const MOST_ASKED: usize = 500;
/// The largest index that is read.
const MOST_BYTES: u64 = 1 << 30;

/// What is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Skip {
    /// Names of directories and files that nothing is tracked in: build output.
    pub names: Vec<String>,
    /// Paths from the top, without `/` at the end.
    pub paths: Vec<String>,
}

/// A path as `lstat` sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    mode: u32,
    size: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// A path that deviates. Its stat is none when it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    stat: Option<Stat>,
    tracked: bool,
}

/// A look at a checkout.
#[derive(Debug, Clone)]
pub struct Deviations {
    /// What the head's file says: `ref: refs/heads/main`, or a commit.
    pub head: String,
    /// The commit the head is at; none before the first one.
    pub commit: Option<CommitId>,
    index: Option<Mark>,
    /// Paths that deviate from the index.
    paths: BTreeMap<Vec<u8>, At>,
    /// Tracked paths that may, by what `lstat` says, and most likely do not.
    unsure: BTreeMap<Vec<u8>, Stat>,
}

/// An index by what it holds.
#[derive(Debug, Clone)]
struct Mark {
    digest: u64,
    /// The tree that it is, when it says so.
    tree: Option<String>,
    /// What differs from the head, where there is no tree to compare with.
    staged: BTreeSet<Vec<u8>>,
}

/// A checkout that could not be looked at, or not to its end. Nothing is known of it then.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Git could not tell.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be read.
    #[error("`{path}` could not be looked at: {source}")]
    Io {
        /// The path.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is more than is kept.
    #[error("there are more than {MOST_PATHS} untracked, ignored and changed files")]
    TooMany,
}

impl Git {
    /// A look at the checkout.
    ///
    /// # Errors
    /// When it can't be looked at: nothing is known of it then.
    pub fn deviations(&self, skip: &Skip) -> Result<Deviations, LookError> {
        let top = self.work_tree().unwrap_or(self.git_dir());
        let head_file = self.git_dir().join("HEAD");
        let head = crate::files::text(&head_file).map_err(|e| io(&head_file, e))?.trim_end().to_owned();
        let commit = match self.head_in_files() {
            Some((_, commit)) => Some(commit),
            None => self.find_commit("HEAD")?,
        };
        let path = self.git_dir().join("index");
        let (bytes, written) = match read_index(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (Vec::new(), Stamp(0, 0)),
            read => read.map_err(|e| io(&path, e))?,
        };
        let none = Index::default();
        let width = commit.as_ref().map_or(20, |id| id.as_str().len() / 2);
        let index = if bytes.is_empty() { Some(none) } else { Index::parse(&bytes, width) };
        let mut seen =
            Deviations { head, commit, index: None, paths: BTreeMap::new(), unsure: BTreeMap::new() };
        match index {
            Some(index) => {
                let walked = walk::walk(top, &index.entries, written, skip)?;
                self.sort(walked, &mut seen)?;
                seen.index = Some(self.mark(&index, seen.commit.as_ref())?);
            }
            None => self.by_status(top, skip, &mut seen)?,
        }
        Ok(seen)
    }

    /// Which of the tracked files that `lstat` does not know again are changed: git compares their contents.
    fn sort(&self, walked: Walked, seen: &mut Deviations) -> Result<(), LookError> {
        seen.unsure = walked.racy;
        seen.paths = walked.others;
        let dirty = self.dirty_among(&walked.differing.keys().cloned().collect::<Vec<_>>())?;
        for (path, stat) in walked.differing {
            match stat {
                Some(stat) if !dirty.contains(&path) => drop(seen.unsure.insert(path, stat)),
                stat => drop(seen.paths.insert(path, At { stat, tracked: true })),
            }
        }
        Ok(())
    }

    /// Those of `paths`, which are tracked, whose content in the checkout is not that of the index.
    fn dirty_among(&self, paths: &[Vec<u8>]) -> Result<BTreeSet<Vec<u8>>, GitError> {
        if paths.is_empty() {
            return Ok(BTreeSet::new());
        }
        let args = ["status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=no"];
        let mut call = self.call(args).args(["--ignore-submodules=all"]);
        if paths.len() <= MOST_ASKED {
            call = call.args(["--"]).args(paths.iter().map(|path| std::ffi::OsStr::from_bytes(path)));
        }
        let bytes = call.bytes()?;
        let lines = bytes.split(|b| *b == 0).filter(|line| !line.is_empty());
        let path = |line: &[u8]| {
            let fields = match line.first()? {
                b'1' => 8,
                b'u' => 10,
                _ => return None,
            };
            // The second letter is that of the files; the first one that of the index, which is not asked about here.
            let is_dirty = line.get(3) != Some(&b'.');
            is_dirty.then(|| line.splitn(fields + 1, |b| *b == b' ').nth(fields).map(<[u8]>::to_vec))?
        };
        Ok(lines.filter_map(path).collect())
    }

    fn mark(&self, index: &Index<'_>, commit: Option<&CommitId>) -> Result<Mark, GitError> {
        let mut hasher = DefaultHasher::new();
        for entry in &index.entries {
            (entry.path, entry.id, entry.mode).hash(&mut hasher);
        }
        let staged = match commit {
            Some(commit) if index.tree.is_none() => self.staged_beyond(commit.as_str())?,
            Some(_) => BTreeSet::new(),
            None => index.entries.iter().map(|entry| entry.path.to_vec()).collect(),
        };
        Ok(Mark { digest: hasher.finish(), tree: index.tree.clone(), staged })
    }

    /// The paths in which the index differs from `tree`.
    fn staged_beyond(&self, tree: &str) -> Result<BTreeSet<Vec<u8>>, GitError> {
        let args = ["diff-index", "--cached", "--name-only", "-z", "--no-renames", "--ignore-submodules=all"];
        Ok(names(&self.call(args).args([tree]).bytes()?))
    }

    /// The paths in which two trees differ.
    fn between(&self, old: &str, new: &str) -> Result<BTreeSet<Vec<u8>>, GitError> {
        let args = ["diff-tree", "-r", "--name-only", "-z", "--no-renames", old, new];
        Ok(names(&self.call(args).bytes()?))
    }

    /// The same look by `git status`.
    fn by_status(&self, top: &Utf8Path, skip: &Skip, seen: &mut Deviations) -> Result<(), LookError> {
        let state = self.state(WithIgnored::Yes)?;
        for change in &state.changed {
            let stat = walk::stat_at(top, change.path.as_bytes());
            seen.paths.insert(change.path.clone().into_bytes(), At { stat, tracked: true });
        }
        for path in state.untracked.iter().chain(&state.ignored) {
            let plain = path.trim_end_matches('/');
            if walk::is_skipped(plain.as_bytes(), skip) {
                continue;
            }
            if plain == path {
                let stat = walk::stat_at(top, path.as_bytes());
                seen.paths.insert(path.clone().into_bytes(), At { stat, tracked: false });
            } else {
                seen.paths.extend(walk::walk_below(top, plain, skip)?.others);
            }
        }
        Ok(())
    }
}

fn names(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    bytes.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

fn read_index(path: &Utf8Path) -> std::io::Result<(Vec<u8>, Stamp)> {
    let meta = path.as_std_path().symlink_metadata()?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return Err(std::io::Error::other("it is no index"));
    }
    Ok((crate::files::read(path, MOST_BYTES)?, Stamp::modified(&meta)))
}

fn io(path: &Utf8Path, source: std::io::Error) -> LookError {
    LookError::Io { path: biplane_model::sanitize_line(path.as_str()), source }
}

#[cfg(test)]
mod tests;
