//! What an index holds, and filling a directory from it.

use super::{Git, GitError};

/// From how many files on git writes them with several workers. With fewer, what the workers cost is more than what they
/// win: with 1,000 files half as much processor time again.
const PARALLEL_FROM: usize = 5_000;
/// The same while there are no more threads at work than processors, this one among them: nobody has to wait for it.
const PARALLEL_FROM_IDLE: usize = 500;
/// The most workers.
const MOST_WORKERS: usize = 16;

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// `100644`, `100755`, `120000` or `160000`.
    pub mode: String,
    /// The object.
    pub id: String,
    /// The path from the top, in bytes.
    pub path: Vec<u8>,
}

impl Git {
    /// What the index holds.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn staged(&self) -> Result<Vec<Staged>, GitError> {
        let bytes = self.call(["ls-files", "--stage", "-z"]).bytes()?;
        let fields = bytes.split(|b| *b == 0).filter(|field| !field.is_empty());
        fields.map(|field| parse(field).ok_or_else(not_understood)).collect()
    }

    /// Makes an index that holds `commit`. No file is touched.
    ///
    /// # Errors
    /// When git can't.
    pub fn stage(&self, commit: &str) -> Result<(), GitError> {
        self.apart(["read-tree", "--no-recurse-submodules", commit]).bytes().map(drop)
    }

    /// Brings the files and the index to `commit`, whatever is there.
    ///
    /// # Errors
    /// When git can't.
    pub fn restore_to(&self, commit: &str) -> Result<(), GitError> {
        self.apart(["read-tree", "--no-recurse-submodules", "-u", "--reset", commit]).bytes().map(drop)
    }

    /// Brings the files and the index from `old` to `new`; the files must be those of `old`.
    ///
    /// # Errors
    /// When git can't, or a file was changed.
    pub fn advance(&self, old: &str, new: &str) -> Result<(), GitError> {
        self.apart(["read-tree", "--no-recurse-submodules", "-m", "-u", old, new]).bytes().map(drop)
    }

    /// How many files differ between two commits.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn files_between(&self, old: &str, new: &str) -> Result<usize, GitError> {
        let bytes = self.call(["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new]).bytes()?;
        Ok(bytes.iter().filter(|b| **b == 0).count())
    }

    /// Whether files with attributes differ between two commits: a file that is the same in both may be checked out
    /// otherwise then.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn attributes_differ(&self, old: &str, new: &str) -> Result<bool, GitError> {
        let bytes = self.call(["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new]).bytes()?;
        Ok(bytes.split(|b| *b == 0).any(|path| path.rsplit(|b| *b == b'/').next() == Some(b".gitattributes")))
    }

    /// The texts of blobs, one after the other.
    ///
    /// # Errors
    /// When git can't read one.
    pub fn texts(&self, ids: &[&str]) -> Result<String, GitError> {
        let mut text = String::new();
        for id in ids {
            text.push_str(&String::from_utf8_lossy(&self.call(["cat-file", "blob", id]).bytes()?));
            text.push('\n');
        }
        Ok(text)
    }

    /// What the files of `commit` take on the disk, in bytes, about.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn bytes_of(&self, commit: &str) -> Result<u64, GitError> {
        let bytes = self.call(["ls-tree", "-r", "-l", "-z", commit]).bytes()?;
        let size = |field: &[u8]| -> Option<u64> {
            let head = field.split(|b| *b == b'\t').next()?;
            String::from_utf8_lossy(head).split_ascii_whitespace().nth(3)?.parse().ok()
        };
        let sizes = bytes.split(|b| *b == 0).filter_map(size);
        Ok(sizes.map(|size| size.div_ceil(4096) * 4096).sum())
    }

    /// A call with an index that stays in one file and is about one place only, so that both may be moved.
    fn apart<'a>(&'a self, args: impl IntoIterator<Item = &'a str>) -> super::Call<'a> {
        self.call(args).settings(&[("core.splitIndex", "false"), ("core.untrackedCache", "false")])
    }
}

impl super::Call<'_> {
    /// Has git write the files with several processes where there are so many.
    pub(super) fn parallel(self, crew: Workers) -> Self {
        let (most, from) = (crew.most.to_string(), crew.from.to_string());
        self.settings(&[("checkout.workers", &most), ("checkout.thresholdForParallelism", &from)])
    }

    /// Sets settings for this call alone.
    fn settings(mut self, settings: &[(&str, &str)]) -> Self {
        const COUNT: &str = "GIT_CONFIG_COUNT";
        let mut number =
            self.env.iter().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_CONFIG_KEY_")).count();
        self.env.retain(|(name, _)| name != COUNT);
        for (key, value) in settings {
            self = self.env(&format!("GIT_CONFIG_KEY_{number}"), *key);
            self = self.env(&format!("GIT_CONFIG_VALUE_{number}"), *value);
            number += 1;
        }
        self.env(COUNT, number.to_string())
    }
}

/// With how many processes git writes files.
#[derive(Debug, Clone, Copy)]
pub struct Workers {
    most: usize,
    from: usize,
}

impl Workers {
    /// As many as the machine has processors, if there are enough files. That depends on what else it does right now.
    pub(crate) fn now() -> Self {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_WORKERS);
        match crate::machine::running() {
            Some(running) if running <= most => Self { most, from: PARALLEL_FROM_IDLE },
            // Everybody waits for everybody: what costs the least is done the soonest.
            Some(running) if running > 2 * most => Self { most: 1, from: PARALLEL_FROM },
            _ => Self { most, from: PARALLEL_FROM },
        }
    }

    /// How many write so many files.
    pub fn of(self, files: usize) -> usize {
        if files < self.from { 1 } else { self.most }
    }
}

fn parse(field: &[u8]) -> Option<Staged> {
    let tab = field.iter().position(|b| *b == b'\t')?;
    let head = String::from_utf8_lossy(&field[..tab]).into_owned();
    let mut words = head.split(' ');
    let (mode, id) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Staged { mode, id, path: field[tab + 1..].to_vec() })
}

fn not_understood() -> GitError {
    GitError::Answer { command: "ls-files".to_owned(), detail: "an entry has no path".to_owned() }
}
