//! Trees and checkouts: filling one, bringing one along, reading one without touching it.

use std::collections::HashSet;

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError, WithIgnored, Workers};

/// Files in a checkout's git directory that say somebody is in the middle of something.
pub const IN_PROGRESS: &[&str] = &[
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "rebase-merge",
    "rebase-apply",
    "BISECT_LOG",
    "sequencer",
];

/// What the names of our copies of an index begin with, in biplane's directory in the git directory; the number of the
/// process that made it follows.
pub const INDEX_BY: &str = "index-by-";

/// What became of a checkout whose branch was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BroughtAlong {
    /// Its files and index are at the new commit.
    Updated,
    /// It has uncommitted work, and stays as it is.
    LeftAlone,
}

impl Git {
    /// Fills a checkout that has no index yet with the files of its head. Says with how many processes.
    ///
    /// # Errors
    /// When git can't.
    pub fn fill(&self) -> Result<Workers, GitError> {
        let workers = Workers::now();
        // As `reset --hard` does it, which would write refs, logs and `ORIG_HEAD` too.
        self.call(["read-tree", "--reset", "-u", "--no-recurse-submodules", "HEAD"])
            .parallel(workers)
            .bytes()?;
        Ok(workers)
    }

    /// Whether the checkout has no uncommitted work and nobody is in the middle of a merge or the like, and whether its
    /// untracked files leave room for going from `old` to `new`.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn can_follow(&self, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        if IN_PROGRESS.iter().any(|name| self.git_dir.join(name).as_std_path().symlink_metadata().is_ok()) {
            return Ok(false);
        }
        let state = self.state(WithIgnored::No)?;
        if state.head.as_ref() != Some(old) {
            return Ok(false);
        }
        // What is in a submodule is its own: going to another commit touches none of it.
        if !state.changed.iter().all(|change| change.letters == ".M" && change.submodule) {
            return Ok(false);
        }
        if self.in_the_way(old, new)? {
            return Ok(false);
        }
        self.call(["update-index", "-q", "--refresh"]).output()?;
        let dry = self.call(["read-tree", "-m", "-u", "-n", old.as_str(), new.as_str()]).output()?;
        Ok(dry.code == Some(0))
    }

    /// Whether something untracked lies where going from `old` to `new` adds a file. Git itself would overwrite ignored
    /// files.
    fn in_the_way(&self, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        let Some(top) = self.work_tree() else { return Ok(false) };
        let diff = |filter: &str| -> Result<HashSet<String>, GitError> {
            let bytes = self
                .call(["diff-tree", "-r", "-z", "--name-only", "--no-renames", filter])
                .args([old.as_str(), new.as_str()])
                .bytes()?;
            Ok(String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect())
        };
        let (added, deleted) = (diff("--diff-filter=A")?, diff("--diff-filter=D")?);
        let foreign = |path: &Utf8Path| !deleted.contains(path.as_str());
        Ok(added.iter().map(Utf8Path::new).any(|path| {
            let file_above = path.ancestors().skip(1).find(|dir| {
                let meta = top.join(dir).as_std_path().symlink_metadata();
                !dir.as_str().is_empty() && meta.is_ok_and(|m| !m.is_dir())
            });
            file_above.is_some_and(foreign) || holds(top, path, &foreign)
        }))
    }

    /// Takes the files and the index of a clean checkout from `old` to `new`. Changed files are never overwritten: git
    /// refuses then, and the checkout is left alone.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn follow(&self, old: &CommitId, new: &CommitId) -> Result<BroughtAlong, GitError> {
        if self.in_the_way(old, new)? {
            return Ok(BroughtAlong::LeftAlone);
        }
        self.call(["update-index", "-q", "--refresh"]).output()?;
        let output = self.call(["read-tree", "-m", "-u", old.as_str(), new.as_str()]).output()?;
        match output.code {
            Some(0) => Ok(BroughtAlong::Updated),
            Some(_) => Ok(BroughtAlong::LeftAlone),
            None => Err(super::failed("read-tree".to_owned(), &output)),
        }
    }

    /// Whether the checkout's index holds exactly the tree of `commit`.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn index_is(&self, commit: &CommitId) -> Result<bool, GitError> {
        self.call(["diff-index", "--cached", "--quiet", "--ignore-submodules=all", commit.as_str()]).ask()
    }

    /// The tree of what lies in the checkout, tracked and untracked, as a commit of it all would have it. Neither the
    /// checkout nor its index is touched.
    ///
    /// # Errors
    /// When git can't; [`GitError::Io`] when there is no room for a copy of the index.
    pub fn tree_of_files(&self) -> Result<String, GitError> {
        let (_guard, copy) = self.index_copy()?;
        let git = self.with_index(&copy);
        git.unhide(&git.hidden()?)?;
        git.add_all()?;
        git.call(["write-tree"]).text()
    }

    /// Takes everything that lies in the checkout into the index; new files outside of a sparse checkout too. What a sparse
    /// checkout leaves out stays in the index as it is.
    fn add_all(&self) -> Result<(), GitError> {
        let submodules = self.add_submodules()?;
        let added = self.call(["add", "--all", "--sparse", "--", "."]).bytes();
        self.mark_submodules(&submodules, "--no-assume-unchanged")?;
        added.map(|_| ())
    }

    /// Tracked paths whose changes git was told not to look for (`update-index --assume-unchanged` and `--skip-worktree`).
    ///
    /// # Errors
    /// When git can't tell.
    fn hidden(&self) -> Result<Vec<u8>, GitError> {
        let listed = self.call(["ls-files", "-v", "-z"]).bytes()?;
        let top = self.work_tree().unwrap_or(self.git_dir());
        // A path that a sparse checkout leaves out is not there, and not deleted.
        let is_there = |path: &[u8]| {
            let path = String::from_utf8_lossy(path);
            top.join(path.as_ref()).as_std_path().symlink_metadata().is_ok()
        };
        let is_hidden = |field: &&[u8]| match field.first() {
            Some(b'S') => field.get(2..).is_some_and(is_there),
            tag => tag.is_some_and(u8::is_ascii_lowercase),
        };
        let paths = listed.split(|b| *b == 0).filter(is_hidden).filter_map(|field| field.get(2..));
        Ok(paths.flat_map(|path| [path, b"\0"].concat()).collect())
    }

    /// Makes git look for changes of these paths again.
    fn unhide(&self, paths: &[u8]) -> Result<(), GitError> {
        if !paths.is_empty() {
            for flag in ["--no-assume-unchanged", "--no-skip-worktree"] {
                self.call(["update-index", flag, "-z", "--stdin"]).stdin(paths).bytes()?;
            }
        }
        Ok(())
    }

    /// As [`Git::state`], with the changes that git was told not to look for.
    pub(super) fn unhidden_status(&self, args: &[&str]) -> Result<Vec<u8>, GitError> {
        self.status_despite(&self.hidden()?, args)
    }

    /// The status with changes in the `hidden` paths, each with a NUL behind it.
    pub(crate) fn status_despite(&self, hidden: &[u8], args: &[&str]) -> Result<Vec<u8>, GitError> {
        if hidden.is_empty() {
            return self.call(args).bytes();
        }
        let (_guard, copy) = self.index_copy()?;
        let git = self.with_index(&copy);
        git.unhide(hidden)?;
        git.call(args).bytes()
    }

    fn index_copy(&self) -> Result<(tempfile::TempDir, Utf8PathBuf), GitError> {
        let io = |path: &Utf8Path, source| GitError::Io { path: path.to_owned(), action: "copied", source };
        let (dir, path) = self.own_dir()?;
        let copy = path.join("index");
        let index = self.git_dir.join("index");
        let copied = failpoint::around("index copied", || {
            std::io::copy(&mut crate::files::open(&index)?, &mut std::fs::File::create_new(&copy)?)
        });
        match copied {
            Ok(_) => {
                // A file that is not older than the index is compared by its contents. A younger copy would let git
                // take one for unchanged that was written in the same moment with the same length.
                let keep = |file: std::fs::File| file.set_modified(index.metadata()?.modified()?);
                std::fs::File::options().write(true).open(&copy).and_then(keep).map_err(|e| io(&copy, e))?;
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io(&index, e)),
        }
        Ok((dir, copy))
    }

    /// The checkout's index, byte by byte and whole, though git may have split it in two. `None` when there is none.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn index_bytes(&self) -> Result<Option<Vec<u8>>, GitError> {
        let (_guard, copy) = self.index_copy()?;
        let is_part = |name: &str| name.starts_with("sharedindex.");
        let mut entries = self.git_dir.read_dir_utf8().into_iter().flatten().flatten();
        if entries.any(|entry| is_part(entry.file_name())) {
            self.with_index(&copy).call(["update-index", "--no-split-index"]).bytes()?;
        }
        match crate::files::read(&copy, crate::files::LARGE) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(GitError::Io { path: copy, action: "read", source }),
        }
    }

    /// Commits everything in the checkout to its branch, hooks off. `None` when there is nothing to commit.
    ///
    /// # Errors
    /// When git can't.
    pub fn commit_all(&self, message: &str) -> Result<Option<CommitId>, GitError> {
        self.add_all()?;
        let mut call = self.call(["commit", "--quiet", "--no-verify", "--file=-"]).stdin(message.as_bytes());
        for (name, value) in self.identity()? {
            call = call.env(name, value);
        }
        // A merge that changes nothing is to be committed all the same: else it would stay open.
        let is_merging = self.is_merging();
        if !is_merging && self.call(["diff", "--cached", "--quiet", "--ignore-submodules=none"]).ask()? {
            return Ok(None);
        }
        call.bytes()?;
        self.commit_of("HEAD").map(Some)
    }
}

/// Whether something `foreign` lies at `path`, or, when that is a directory, anywhere below it.
fn holds(top: &Utf8Path, path: &Utf8Path, foreign: &impl Fn(&Utf8Path) -> bool) -> bool {
    let place = top.join(path);
    match place.as_std_path().symlink_metadata() {
        Err(_) => false,
        Ok(meta) if !meta.is_dir() => foreign(path),
        // What can't be looked at is in the way.
        Ok(_) => place.read_dir_utf8().map_or(true, |entries| {
            entries.into_iter().any(|e| e.map_or(true, |e| holds(top, &path.join(e.file_name()), foreign)))
        }),
    }
}
