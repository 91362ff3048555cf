//! Changing several files at once: all of them, or none.
//!
//! **Contract.** A [`Plan`] says what each file was and what it is to be. [`Plan::carry_out`] looks whether they still are what they
//! were, writes what is new beside them, and only then gives it their names, one by one; where that fails, what was
//! done is taken back. What a file held is not deleted before all is done. The answer is the [`Plan`] that takes it back,
//! to the byte and the permissions.
//!
//! A file that was replaced never lacks its name where the file system can exchange two names in one step.
//!
//! **Deliberately absent:** links, devices, ownership, extended attributes; durability: a worktree is no ledger.

use std::{collections::BTreeSet, ffi::CString, io, io::Write};

use biplane_execution::dir::Dir;
use biplane_failpoint as failpoint;
use rustix::fs::Mode;

use crate::{
    path::RelPath,
    tree::{FileState, Tree, TreeError, read_in, spare_name},
};

/// What a file is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// Its permissions.
    pub mode: FileMode,
}

/// A file's permissions, when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMode {
    /// Exactly these bits.
    Exact(u32),
    /// As any new file.
    Plain,
    /// As any new program.
    Executable,
}

/// What becomes of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: RelPath,
    /// What is there; nothing when there must be nothing.
    pub before: Option<FileState>,
    /// What is to be there; nothing when it is deleted.
    pub after: Option<Content>,
}

/// Which directories go when their last file does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Prune {
    /// All of them, as git does.
    Empty,
    /// These, if they are empty.
    Only(BTreeSet<RelPath>),
}

/// Changes that are made together. Each path is in one of them only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    changes: Vec<Change>,
    prune: Prune,
    /// Directories to be made first, with their permissions; the upper ones before the lower ones.
    dirs: Vec<(RelPath, u32)>,
}

impl Plan {
    /// A plan; directories without a file left go, too.
    pub fn new(changes: Vec<Change>) -> Self {
        Self { changes, prune: Prune::Empty, dirs: Vec::new() }
    }

    /// The changes.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Makes the changes. Gives the plan that takes them back.
    ///
    /// # Errors
    /// When a file is not what it was, or the system refuses; then nothing is changed, or [`TreeError::NotPutBack`] says
    /// where what is missing lies.
    pub fn carry_out(&self, tree: &Tree) -> Result<Self, TreeError> {
        let gone: BTreeSet<_> =
            self.changes.iter().filter(|change| change.after.is_none()).map(|change| &change.path).collect();
        for Change { path, before, .. } in &self.changes {
            match before {
                None => need_room(tree, path, &gone)?,
                Some(_) if tree.read(path)? == *before => {}
                Some(_) => return Err(TreeError::Changed(path.clone())),
            }
        }
        let mut work = Work { tree, plan: self, done: Vec::new(), fresh: Vec::new() };
        match work.all() {
            Ok(after) => Ok(work.finish(after)),
            Err(error) => Err(work.take_back(error)),
        }
    }
}

/// Looks whether a file can come to `path` once those of `gone` are: nothing else is there, and nothing but directories on
/// the way.
pub(crate) fn need_room(tree: &Tree, path: &RelPath, gone: &BTreeSet<&RelPath>) -> Result<(), TreeError> {
    if gone.iter().any(|gone| path.is_below(gone)) {
        return Ok(());
    }
    match tree.read(path) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(TreeError::Exists(path.clone())),
        // A directory goes with the last of its files.
        Err(TreeError::NoFile(_)) if gone.iter().any(|gone| gone.is_below(path)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A step that was made, for taking it back.
enum Done {
    /// The directory was made.
    Made(RelPath),
    /// The empty directory, with these permissions, was removed.
    Pruned(RelPath, u32),
    /// What was at the path lies under the name.
    MovedAway(RelPath, CString),
    /// What was at the path lies under the name, and the new one has its place.
    Exchanged(RelPath, CString),
    /// There was nothing at the path.
    Placed(RelPath),
}

struct Work<'a> {
    tree: &'a Tree,
    plan: &'a Plan,
    done: Vec<Done>,
    /// The names of what is written and not placed.
    fresh: Vec<CString>,
}

impl Work<'_> {
    /// All steps; gives what each changed path is now.
    fn all(&mut self) -> Result<Vec<Option<FileState>>, TreeError> {
        let plan = self.plan;
        let mut written = Vec::new();
        for change in &plan.changes {
            written.push(match &change.after {
                Some(content) => Some(self.write(change, content)?),
                None => None,
            });
        }
        for change in plan.changes.iter().filter(|change| change.after.is_none()) {
            self.move_away(change)?;
        }
        for change in plan.changes.iter().filter(|change| change.after.is_none()) {
            self.prune(&change.path);
        }
        for (dir, mode) in &plan.dirs {
            self.make_dir(dir, Some(*mode))?;
        }
        for (change, written) in plan.changes.iter().zip(&written) {
            let Some((name, _)) = written else { continue };
            match change.before {
                Some(_) => self.replace(change, name)?,
                None => self.place(change, name)?,
            }
        }
        let after = written.into_iter().zip(&plan.changes).map(|(written, change)| {
            let bytes = change.after.as_ref().map(|content| content.bytes.clone());
            bytes.zip(written).map(|(bytes, (_, mode))| FileState { bytes, mode })
        });
        Ok(after.collect())
    }

    /// Writes the new content under a name of its own; gives that and its permissions.
    fn write(&mut self, change: &Change, content: &Content) -> Result<(CString, u32), TreeError> {
        let io = |source| TreeError::Io { path: change.path.clone(), source };
        let name = spare_name();
        let wish = match content.mode {
            FileMode::Exact(_) => 0o600,
            FileMode::Plain => 0o666,
            FileMode::Executable => 0o777,
        };
        let mut file = self.tree.root().make_file(&name, Mode::from_raw_mode(wish)).map_err(io)?;
        self.fresh.push(name.clone());
        file.write_all(&content.bytes).map_err(io)?;
        if let FileMode::Exact(mode) = content.mode {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777)).map_err(|e| io(e.into()))?;
        }
        failpoint::reach("patch written");
        let meta = file.metadata().map_err(io)?;
        Ok((name, std::os::unix::fs::MetadataExt::mode(&meta) & 0o777))
    }

    fn dir_of(&self, path: &RelPath) -> Result<Dir, TreeError> {
        self.tree.dir_of(path)?.ok_or_else(|| TreeError::Missing(path.clone()))
    }

    fn move_away(&mut self, change: &Change) -> Result<(), TreeError> {
        let path = &change.path;
        let io = |source| TreeError::Io { path: path.clone(), source };
        let kept = spare_name();
        self.dir_of(path)?.rename_to(path.name(), self.tree.root(), &kept).map_err(io)?;
        self.done.push(Done::MovedAway(path.clone(), kept.clone()));
        self.is_as_before(change, &kept)
    }

    /// What lies under `kept` must be what was read, or somebody wrote in between.
    fn is_as_before(&self, change: &Change, kept: &CString) -> Result<(), TreeError> {
        if read_in(self.tree.root(), kept, &change.path)? == change.before {
            Ok(())
        } else {
            Err(TreeError::Changed(change.path.clone()))
        }
    }

    fn replace(&mut self, change: &Change, fresh: &CString) -> Result<(), TreeError> {
        let path = &change.path;
        let dir = self.dir_of(path)?;
        match self.tree.root().exchange(fresh, &dir, path.name()) {
            Ok(()) => {
                self.fresh.retain(|name| name != fresh);
                self.done.push(Done::Exchanged(path.clone(), fresh.clone()));
                self.is_as_before(change, fresh)
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                self.move_away(change)?;
                self.place(change, fresh)
            }
            Err(source) => Err(TreeError::Io { path: path.clone(), source }),
        }
    }

    fn place(&mut self, change: &Change, fresh: &CString) -> Result<(), TreeError> {
        let path = &change.path;
        if let Some(parent) = path.parent() {
            self.make_dir(&parent, None)?;
        }
        let dir = self.dir_of(path)?;
        match self.tree.root().rename_to(fresh, &dir, path.name()) {
            Ok(()) => {
                self.fresh.retain(|name| name != fresh);
                self.done.push(Done::Placed(path.clone()));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(TreeError::Exists(path.clone()))
            }
            Err(source) => Err(TreeError::Io { path: path.clone(), source }),
        }
    }

    /// Makes a directory, and those above it, where they are not there.
    fn make_dir(&mut self, path: &RelPath, mode: Option<u32>) -> Result<(), TreeError> {
        if self.tree.dir(path)?.is_some() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_dir(&parent, None)?;
        }
        let io = |source| TreeError::Io { path: path.clone(), source };
        let dir = self.dir_of(path)?;
        let made = dir.make_new(path.name(), Mode::from_raw_mode(0o777)).map_err(io)?;
        self.done.push(Done::Made(path.clone()));
        match mode {
            Some(mode) => made.set_mode(Mode::from_raw_mode(mode & 0o777)).map_err(io),
            None => Ok(()),
        }
    }

    /// Removes the directories above a deleted file that are empty now and that nothing is to come into.
    fn prune(&mut self, path: &RelPath) {
        let mut next = path.parent();
        while let Some(dir) = next {
            let allowed = match &self.plan.prune {
                Prune::Empty => true,
                Prune::Only(dirs) => dirs.contains(&dir),
            };
            let comes =
                self.plan.changes.iter().any(|change| change.after.is_some() && change.path.is_below(&dir));
            if !allowed || comes || self.remove_empty(&dir).is_none() {
                return;
            }
            next = dir.parent();
        }
    }

    /// None when it is not removed, which is no harm.
    fn remove_empty(&mut self, path: &RelPath) -> Option<()> {
        let dir = self.tree.dir_of(path).ok()??;
        let mode = dir.look(path.name()).ok()??.st_mode & 0o777;
        dir.remove_dir(path.name()).ok()?;
        self.done.push(Done::Pruned(path.clone(), mode));
        Some(())
    }

    /// All is done: what was replaced is deleted. Gives the plan that takes it back.
    fn finish(self, after: Vec<Option<FileState>>) -> Plan {
        let (mut made, mut pruned) = (BTreeSet::new(), Vec::new());
        for step in self.done {
            match step {
                Done::MovedAway(_, kept) | Done::Exchanged(_, kept) => {
                    // One that can't be deleted stays; all that was asked for is done.
                    let _ = self.tree.root().unlink(&kept);
                }
                Done::Made(path) => _ = made.insert(path),
                Done::Pruned(path, mode) => pruned.push((path, mode)),
                Done::Placed(_) => {}
            }
        }
        pruned.sort();
        let changes = self.plan.changes.iter().zip(after).map(|(change, after)| Change {
            path: change.path.clone(),
            before: after,
            after: change
                .before
                .clone()
                .map(|FileState { bytes, mode }| Content { bytes, mode: FileMode::Exact(mode) }),
        });
        Plan { changes: changes.collect(), prune: Prune::Only(made), dirs: pruned }
    }

    /// Takes back what was done, the last first. Gives the error that there was, or the worse one that not all of it could be.
    fn take_back(mut self, error: TreeError) -> TreeError {
        let mut worse = None;
        for step in std::mem::take(&mut self.done).into_iter().rev() {
            if let Err(more) = self.undo(step) {
                worse = worse.or(Some(more));
            }
        }
        for name in &self.fresh {
            // It holds nothing that anybody has written.
            let _ = self.tree.root().unlink(name);
        }
        worse.unwrap_or(error)
    }

    fn undo(&mut self, step: Done) -> Result<(), TreeError> {
        let root = self.tree.root();
        match step {
            Done::Made(path) => {
                // Somebody may have put something into it.
                if let Ok(Some(dir)) = self.tree.dir_of(&path) {
                    let _ = dir.remove_dir(path.name());
                }
                Ok(())
            }
            Done::Pruned(path, mode) => {
                let io = |source| TreeError::Io { path: path.clone(), source };
                let made = self.dir_of(&path)?.make_new(path.name(), Mode::RWXU).map_err(io)?;
                made.set_mode(Mode::from_raw_mode(mode)).map_err(io)
            }
            Done::Placed(path) => {
                let name = spare_name();
                let back = self.dir_of(&path).and_then(|dir| {
                    let io = |source| TreeError::Io { path: path.clone(), source };
                    dir.rename_to(path.name(), root, &name).map_err(io)
                });
                self.fresh.push(name);
                back
            }
            Done::MovedAway(path, kept) => {
                let back = self.dir_of(&path).map_err(io::Error::other);
                let back = back.and_then(|dir| root.rename_to(&kept, &dir, path.name()));
                back.map_err(|source| not_put_back(path, &kept, source))
            }
            Done::Exchanged(path, kept) => {
                let back = self.dir_of(&path).map_err(io::Error::other);
                match back.and_then(|dir| root.exchange(&kept, &dir, path.name())) {
                    Ok(()) => {
                        self.fresh.push(kept);
                        Ok(())
                    }
                    Err(source) => Err(not_put_back(path, &kept, source)),
                }
            }
        }
    }
}

fn not_put_back(path: RelPath, kept: &CString, source: io::Error) -> TreeError {
    TreeError::NotPutBack { path, kept: kept.to_string_lossy().into_owned(), source }
}
