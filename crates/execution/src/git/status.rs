//! What has changed in a checkout. Overrides the user's settings, so that nothing is hidden.

use biplane_model::{CommitId, Timestamp};

use super::{Git, GitError};

/// A path with a change, and git's two letters for it (index, work tree).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Git's letters, `.` for unchanged: `M.`, `.D`, `UU`.
    pub letters: String,
    /// The path from the checkout's top. Not made safe to show.
    pub path: String,
    /// Whether it is a submodule's.
    pub submodule: bool,
}

/// The state of a checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckoutState {
    /// The commit its head is at; `None` before the first one.
    pub head: Option<CommitId>,
    /// The branch that is checked out, without `refs/heads/`; `None` when the head is detached.
    pub branch: Option<String>,
    /// Tracked paths that differ from the head, conflicts among them.
    pub changed: Vec<Change>,
    /// Paths in conflict.
    pub unmerged: Vec<String>,
    /// Untracked files; a nested repository stands as one path with `/` behind it.
    pub untracked: Vec<String>,
    /// Ignored files and directories, when they were asked for; a directory has `/` behind it.
    pub ignored: Vec<String>,
    /// Whether it is known to hold nothing but unchanged tracked files: no other file, no directory of another
    /// repository.
    pub is_untouched: bool,
    /// How to tell later whether it still is untouched, where that can be told.
    pub seen: Option<Seen>,
}

/// An untouched checkout, as it was seen: by git's files. What was changed in the checkout itself since then bears a time of
/// change from `since` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the look began, by the clock that files get their times from.
    pub since: Timestamp,
    /// The index by what it is.
    pub(super) index: [i64; 6],
    /// The branch and the commit of the head.
    pub(super) head: (Option<String>, CommitId),
}

impl CheckoutState {
    /// Whether there is nothing that a commit would have to hold.
    pub fn is_clean(&self) -> bool {
        self.changed.is_empty() && self.untracked.is_empty()
    }

    /// How many paths have uncommitted changes, untracked ones included.
    pub fn dirty_files(&self) -> u64 {
        (self.changed.len() + self.untracked.len()) as u64
    }
}

impl Git {
    /// The state of the checkout.
    ///
    /// # Errors
    /// When git can't tell: the state is unknown then, not clean.
    pub fn state(&self, with_ignored: WithIgnored) -> Result<CheckoutState, GitError> {
        if let Some(state) = self.untouched() {
            return Ok(state);
        }
        let ignored = match with_ignored {
            // A directory that is ignored as a whole is one path, and is not walked through.
            WithIgnored::Yes => "--ignored=matching",
            WithIgnored::No => "--ignored=no",
        };
        let status = ["status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all"];
        let args = [&status[..], &[ignored, "--ignore-submodules=dirty"]].concat();
        let bytes = match with_ignored {
            WithIgnored::Yes => self.unhidden_status(&args)?,
            WithIgnored::No => self.call(&args).bytes()?,
        };
        let mut state = parse(&bytes)?;
        // Git itself would look into submodules by settings that are not ours.
        for path in self.dirty_submodules(&self.filled_gitlinks()?)? {
            if !state.changed.iter().any(|change| change.path == path) {
                state.changed.push(Change { letters: ".M".to_owned(), path, submodule: true });
            }
        }
        Ok(state)
    }
}

/// Whether ignored files are looked for, which costs a walk through build output that is not ignored by its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithIgnored {
    /// List them.
    Yes,
    /// Leave them out.
    No,
}

fn parse(bytes: &[u8]) -> Result<CheckoutState, GitError> {
    let mut state = CheckoutState::default();
    for field in bytes.split(|b| *b == 0).filter(|f| !f.is_empty()).map(String::from_utf8_lossy) {
        let (kind, rest) = field.split_once(' ').unwrap_or((field.as_ref(), ""));
        match kind {
            "#" => {
                if let Some(id) = rest.strip_prefix("branch.oid ") {
                    state.head = id.parse().ok();
                } else if let Some(name) = rest.strip_prefix("branch.head ") {
                    state.branch = (name != "(detached)").then(|| name.to_owned());
                }
            }
            // Fixed numbers of fields stand before the path, which may contain spaces.
            "1" => state.changed.push(change(rest, 8).ok_or_else(|| unknown(&field))?),
            "u" => {
                let change = change(rest, 10).ok_or_else(|| unknown(&field))?;
                state.unmerged.push(change.path.clone());
                state.changed.push(change);
            }
            "?" => state.untracked.push(rest.to_owned()),
            "!" => state.ignored.push(rest.to_owned()),
            _ => return Err(unknown(&field)),
        }
    }
    Ok(state)
}

fn change(rest: &str, fields: usize) -> Option<Change> {
    let mut parts = rest.splitn(fields, ' ');
    let letters = parts.next()?.to_owned();
    let submodule = parts.next()?.starts_with('S');
    let path = parts.nth(fields - 3)?.to_owned();
    Some(Change { letters, path, submodule })
}

fn unknown(field: &str) -> GitError {
    GitError::Answer {
        command: "status".to_owned(),
        detail: biplane_model::clip(&biplane_model::sanitize_line(field), 80),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;
    use crate::git::Repository;

    #[test]
    fn every_kind_of_line() {
        let id = "b".repeat(40);
        let text = format!(
            "# branch.oid {id}\0# branch.head wt/x\0\
             1 M. N... 100644 100644 100644 {id} {id} a b.txt\0\
             u UU N... 100644 100644 100644 100644 {id} {id} {id} c\nd\0? new file\0? sub/\0! target/\0"
        );
        let state = parse(text.as_bytes()).unwrap();
        assert_eq!(state.head.as_ref().unwrap().as_str(), id);
        assert_eq!(state.branch.as_deref(), Some("wt/x"));
        assert_eq!(
            state.changed[0],
            Change { letters: "M.".into(), path: "a b.txt".into(), submodule: false }
        );
        assert_eq!(state.unmerged, ["c\nd"]);
        assert_eq!(state.untracked, ["new file", "sub/"]);
        assert_eq!(state.ignored, ["target/"]);
        assert_eq!(state.dirty_files(), 4);
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        assert!(parse(b"9 what\0").is_err());
    }

    #[test]
    fn an_ignored_directory_is_one_path() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let repository = Repository::create(&dir, "main", ("Somebody", "somebody@example.com")).unwrap();
        for (path, text) in [(".gitignore", "target/\n*.log\n"), ("target/debug/a", "a"), ("b.log", "b")] {
            fs_err::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs_err::write(dir.join(path), text).unwrap();
        }
        let state = repository.main_checkout().unwrap().state(WithIgnored::Yes).unwrap();
        assert_eq!(
            (state.untracked, state.ignored),
            (strings(&[".gitignore"]), strings(&["b.log", "target/"]))
        );
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }
}
