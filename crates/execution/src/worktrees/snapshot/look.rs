//! What git knows of a worktree before a snapshot: its index, what has changed, what is ignored. In bytes, since a file's
//! name need not be UTF-8.

use std::collections::{BTreeMap, HashSet};

use biplane_model::CommitId;

use crate::{
    git::{Git, GitError},
    worktrees::snapshot::names_git,
};

/// An entry of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: String,
    pub(super) id: String,
    pub(super) stage: u8,
}

/// What git knows of a worktree.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The commit its head is at; `None` before the first one.
    pub(super) head: Option<CommitId>,
    /// The branch that is checked out, without `refs/heads/`.
    pub(super) branch: Option<String>,
    /// The index; several stages of a path in conflict.
    pub(super) index: BTreeMap<Vec<u8>, Vec<Entry>>,
    /// Tracked paths that differ from the index or the head.
    pub(super) changed: HashSet<Vec<u8>>,
    /// Whether there are untracked files.
    pub(super) untracked: bool,
    /// Ignored paths; a directory is one path with `/` behind it.
    pub(super) ignored: HashSet<Vec<u8>>,
    /// Whether something is set that may make a file's bytes differ from its object's.
    pub(super) converts: bool,
}

impl Look {
    /// Looks at the worktree of `git`. Runs no filter.
    pub(super) fn at(git: &Git) -> Result<Self, GitError> {
        let (git, has_filters) = git.without_filters()?;
        let listed = git.call(["ls-files", "--stage", "-v", "-z"]).bytes()?;
        let mut look = Self { converts: has_filters, ..Self::default() };
        let hidden = look.read_index(&git, &listed)?;
        let status = ["status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all"];
        let args = [&status[..], &["--ignored=matching", "--ignore-submodules=dirty"]].concat();
        look.read_status(&git.status_despite(&hidden, &args)?)?;
        Ok(look)
    }

    /// Reads the index; gives the paths whose changes git was told not to look for.
    fn read_index(&mut self, git: &Git, listed: &[u8]) -> Result<Vec<u8>, GitError> {
        let top = git.work_tree().unwrap_or(git.git_dir());
        let mut hidden = Vec::new();
        for field in listed.split(|b| *b == 0).filter(|f| !f.is_empty()) {
            let (tag, entry, path) = index_line(field).ok_or_else(|| unknown("ls-files", field))?;
            // What a sparse checkout leaves out is not there, and not deleted.
            let is_hidden = tag.is_ascii_lowercase()
                || (tag == b'S' && super::below(top, &path).symlink_metadata().is_ok());
            if is_hidden {
                hidden.extend_from_slice(&path);
                hidden.push(0);
            }
            self.converts |= names_git(&path, "attributes");
            self.index.entry(path).or_default().push(entry);
        }
        Ok(hidden)
    }

    fn read_status(&mut self, bytes: &[u8]) -> Result<(), GitError> {
        for field in bytes.split(|b| *b == 0).filter(|f| !f.is_empty()) {
            let text = || String::from_utf8_lossy(field);
            // Fixed numbers of fields stand before the path, which may contain spaces.
            match field {
                [b'#', b' ', ..] => {
                    if let Some(id) = text().strip_prefix("# branch.oid ") {
                        self.head = id.parse().ok();
                    } else if let Some(name) = field.strip_prefix(b"# branch.head ")
                        && name != b"(detached)"
                    {
                        let name = String::from_utf8(name.to_vec());
                        self.branch = Some(name.map_err(|e| GitError::NotUtf8(e.to_string()))?);
                    }
                }
                [b'1', b' ', ..] => self.change(field, 8)?,
                [b'u', b' ', ..] => self.change(field, 10)?,
                [b'?', b' ', path @ ..] => {
                    self.untracked = true;
                    self.converts |= names_git(path, "attributes");
                }
                [b'!', b' ', path @ ..] => {
                    self.ignored.insert(path.to_vec());
                }
                _ => return Err(unknown("status", field)),
            }
        }
        Ok(())
    }

    fn change(&mut self, field: &[u8], before: usize) -> Result<(), GitError> {
        let path = field.splitn(before + 1, |b| *b == b' ').nth(before);
        self.changed.insert(path.ok_or_else(|| unknown("status", field))?.to_vec());
        Ok(())
    }

    /// Whether there is nothing that a commit would have to hold.
    pub(super) fn is_clean(&self) -> bool {
        self.changed.is_empty() && !self.untracked
    }

    /// Whether a tracked path lies below the directory `dir`.
    pub(super) fn tracks_below(&self, dir: &[u8]) -> bool {
        let start = [dir, b"/"].concat();
        let first = self.index.range(start.clone()..).next();
        first.is_some_and(|(path, _)| path.starts_with(&start))
    }
}

/// `H 100644 <id> 0\t<path>`.
fn index_line(field: &[u8]) -> Option<(u8, Entry, Vec<u8>)> {
    let tab = field.iter().position(|b| *b == b'\t')?;
    let mut words = std::str::from_utf8(&field[..tab]).ok()?.split(' ');
    let tag = *words.next()?.as_bytes().first()?;
    let mode = words.next()?.to_owned();
    let id = words.next()?.to_owned();
    let stage = words.next()?.parse().ok()?;
    Some((tag, Entry { mode, id, stage }, field[tab + 1..].to_vec()))
}

fn unknown(command: &str, field: &[u8]) -> GitError {
    let detail = biplane_model::sanitize_line(&String::from_utf8_lossy(field));
    GitError::Answer { command: command.to_owned(), detail: biplane_model::clip(&detail, 80) }
}
