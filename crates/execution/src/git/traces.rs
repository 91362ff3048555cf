//! What all checkouts share, and who has moved it: refs, git's settings and hooks, and the logs of heads and refs.
//!
//! **Contract.** Read from git's files where they are plain, and asked of git where not. Nothing is written, no link is
//! followed, and everything is bounded: whoever works in a worktree may have written any of it.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Seek, SeekFrom},
};

use camino::Utf8Path;
use rustix::fs::{Mode, OFlags};

use super::{Git, GitError};

/// Refs that are no worktree's business: biplane's own, and what a fetch brings.
const NOT_COUNTED: [&str; 2] = ["refs/biplane/", "refs/remotes/"];
/// Refs that each checkout has for itself.
const OF_ONE_CHECKOUT: [&str; 3] = ["refs/bisect/", "refs/worktree/", "refs/rewritten/"];
/// Files in the shared directory that decide what git does, in every checkout.
const SHARED: [&str; 4] = ["config", "config.worktree", "commondir", "objects/info/alternates"];
/// Directories of such files.
const SHARED_DIRS: [&str; 2] = ["hooks", "info"];
/// Such files in git's entry of a worktree.
const OF_ENTRY: [&str; 2] = ["commondir", "config.worktree"];
/// The most of such a file that is read, in bytes.
const MOST_BYTES: u64 = 4 << 20;
/// The most of them, and the most refs in files.
const MOST_FILES: usize = 20_000;
/// How deep their directories are looked into.
const MOST_DEPTH: usize = 8;
/// The most of a log's end that is read, in bytes.
const LOG_TAIL: u64 = 256 << 10;

/// A move of a ref or a head, as git has logged it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Logged {
    /// The object before; zeroes when there was none.
    pub old: String,
    /// The object after.
    pub new: String,
    /// Who, when and what: the rest of the line.
    pub rest: String,
}

impl Logged {
    /// What git wrote down of it: `commit: Add login`. Not made safe to show.
    pub fn message(&self) -> &str {
        self.rest.split_once('\t').map_or("", |(_, message)| message)
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let (old, new, rest) = (words.next()?, words.next()?, words.next()?);
        Some(Self { old: old.to_owned(), new: new.to_owned(), rest: rest.to_owned() })
    }
}

impl Git {
    /// The refs that all checkouts share, but biplane's own and those of remotes, with what they name.
    ///
    /// # Errors
    /// When they can't be told.
    pub fn shared_refs(&self) -> Result<BTreeMap<String, String>, GitError> {
        let mut refs = match self.all_refs_in_files() {
            Some(refs) => refs,
            None => {
                let text = self.call(["for-each-ref", "--format=%(refname) %(objectname)"]).text()?;
                text.lines()
                    .filter_map(|line| line.split_once(' '))
                    .map(|(name, id)| (name.to_owned(), id.to_owned()))
                    .collect()
            }
        };
        let is_counted =
            |name: &str| !NOT_COUNTED.iter().chain(&OF_ONE_CHECKOUT).any(|prefix| name.starts_with(prefix));
        refs.retain(|name, _| is_counted(name));
        Ok(refs)
    }

    /// Git's settings, hooks and the like that all checkouts share, by their paths in the shared directory, and a digest of
    /// each; so too of the few files in git's entries of worktrees that lead elsewhere.
    pub fn shared_files(&self) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        let top = self.common_dir();
        let mut add = |name: String| {
            if let Some(digest) = digest(&top.join(&name)) {
                found.insert(name, digest);
            }
        };
        SHARED.iter().for_each(|name| add((*name).to_owned()));
        for dir in SHARED_DIRS {
            // Made anew by `git update-server-info`, and read by nobody here.
            files_below(top, dir).into_iter().filter(|name| name != "info/refs").for_each(&mut add);
        }
        for entry in self.entries() {
            OF_ENTRY.iter().for_each(|file| add(format!("worktrees/{entry}/{file}")));
        }
        found
    }

    /// The names of git's entries for worktrees.
    pub fn entries(&self) -> Vec<String> {
        let entries = self.common_dir().join("worktrees").read_dir_utf8();
        let names = entries.into_iter().flatten().flatten().take(MOST_FILES);
        names.map(|entry| entry.file_name().to_owned()).collect()
    }

    /// Those of the newest moves of the head of a checkout that are `wanted`, by its directory in git's; oldest first. None where
    /// nothing is logged.
    pub fn head_log(&self, entry: Option<&str>, wanted: impl Fn(&Logged) -> bool) -> Vec<Logged> {
        let dir = match entry {
            Some(entry) => self.common_dir().join("worktrees").join(entry),
            None => self.common_dir().to_owned(),
        };
        let mut moves = Vec::new();
        tail_of(&dir.join("logs/HEAD"), |one| {
            if wanted(&one) {
                moves.push(one);
            }
        });
        moves
    }

    /// The moves of a ref since it was at `old`, oldest first, as far as they are logged.
    pub fn ref_log_since(&self, name: &str, old: &str) -> Vec<Logged> {
        if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Vec::new();
        }
        let mut moves = Vec::new();
        tail_of(&self.common_dir().join("logs").join(name), |one| {
            if one.new == old {
                moves.clear();
            } else {
                moves.push(one);
            }
        });
        moves
    }

    /// Whether a branch of a remote has what the ref names: a fetch has brought it.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn is_fetched(&self, object: &str) -> Result<bool, GitError> {
        let Ok(commit) = self.commit_of(object) else { return Ok(false) };
        Ok(self.refs_containing(&commit)?.iter().any(|name| name.starts_with("refs/remotes/")))
    }

    /// All refs, where they are in plain files.
    fn all_refs_in_files(&self) -> Option<BTreeMap<String, String>> {
        self.has_refs_in_files()?;
        let top = self.common_dir();
        // The loose ones first: one that is packed meanwhile is found there.
        let mut loose = BTreeMap::new();
        let names = files_below(top, "refs");
        if names.len() >= MOST_FILES {
            return None;
        }
        for name in names.into_iter().filter(|name| !name.ends_with(".lock")) {
            if NOT_COUNTED.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            if let Some(text) = super::quick::small(&top.join(&name)) {
                loose.insert(name, text.trim_end().to_owned());
            }
        }
        let mut refs: BTreeMap<String, String> =
            self.packed_refs()?.into_iter().map(|(id, name)| (name, id)).collect();
        refs.extend(loose);
        Some(refs)
    }
}

/// The files below `dir` in `top`, by their paths from `top`; no link is followed. The most of them are [`MOST_FILES`].
fn files_below(top: &Utf8Path, dir: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(dir.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        for entry in top.join(&dir).read_dir_utf8().into_iter().flatten().flatten() {
            let name = format!("{dir}/{}", entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < MOST_DEPTH => open.push((name, depth + 1)),
                Ok(kind) if !kind.is_dir() => found.push(name),
                _ => {}
            }
            if found.len() >= MOST_FILES {
                return found;
            }
        }
    }
    found
}

/// A digest of what is at `path`: its kind, its rights and its content; of a link where it leads.
fn digest(path: &Utf8Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let meta = path.as_std_path().symlink_metadata().ok()?;
    let mut hasher = DefaultHasher::new();
    meta.mode().hash(&mut hasher);
    if meta.is_symlink() {
        fs::read_link(path).ok()?.hash(&mut hasher);
    } else if meta.is_file() {
        meta.len().hash(&mut hasher);
        let mut bytes = Vec::new();
        open(path)?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
        bytes.hash(&mut hasher);
    }
    Some(hasher.finish())
}

fn open(path: &Utf8Path) -> Option<fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Some(rustix::fs::open(path.as_std_path(), flags, Mode::empty()).ok()?.into())
}

/// The moves at the end of one of git's logs, one after the other: in a long run they are many.
fn tail_of(path: &Utf8Path, each: impl FnMut(Logged)) {
    let read = || {
        let mut file = open(path)?;
        let length = file.metadata().ok().filter(fs::Metadata::is_file)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL))).ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(length.min(LOG_TAIL)).unwrap_or_default() + 1);
        file.take(LOG_TAIL).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    };
    let bytes = read().unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().filter_map(Logged::read).for_each(each);
}

#[cfg(test)]
mod tests {
    use biplane_testkit::TestEnv;

    use super::*;

    #[test]
    fn refs_settings_and_moves_are_seen() {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let git = Git::bare(&repo.path().join(".git"));
        let first = repo.head();
        repo.git(&["branch", "other"]);
        repo.git(&["tag", "v1"]);
        repo.git(&["update-ref", "refs/biplane/x", "HEAD"]);
        repo.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        let names = |git: &Git| git.shared_refs().unwrap().into_keys().collect::<Vec<_>>();
        assert_eq!(names(&git), ["refs/heads/main", "refs/heads/other", "refs/tags/v1"]);
        repo.git(&["pack-refs", "--all"]);
        assert_eq!(names(&git), ["refs/heads/main", "refs/heads/other", "refs/tags/v1"]);
        let before = git.shared_files();
        assert!(before.contains_key("config") && before.contains_key("info/exclude"), "{before:?}");
        repo.git(&["config", "alias.x", "!true"]);
        repo.write(".git/hooks/pre-commit", "#!/bin/sh\n");
        let after = git.shared_files();
        let differ: Vec<_> =
            after.iter().filter(|(name, digest)| before.get(*name) != Some(digest)).collect();
        assert_eq!(
            differ.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["config", "hooks/pre-commit"]
        );

        repo.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
        let side = repo.at("../side");
        side.git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
        side.write("a", "a\n");
        let moved = side.commit("stolen");
        let steps = git.ref_log_since("refs/heads/other", &first);
        assert_eq!(steps.iter().map(|one| one.new.as_str()).collect::<Vec<_>>(), [moved.as_str()]);
        assert_eq!(steps[0].message(), "commit: stolen");
        assert!(
            git.head_log(Some("side"), |_| true).contains(&steps[0]),
            "the head of the worktree has moved with it"
        );
        assert!(!git.head_log(None, |_| true).contains(&steps[0]));
    }

    #[test]
    fn refs_that_are_no_files_are_asked_of_git() {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.git(&["tag", "v1"]);
        let git = Git::bare(&repo.path().join(".git"));
        let plain = git.shared_refs().unwrap();
        let config = repo.read(".git/config");
        repo.write(".git/config", format!("{config}[include]\n\tpath = nowhere\n"));
        assert_eq!(git.all_refs_in_files(), None);
        assert_eq!(git.shared_refs().unwrap(), plain);
    }
}
