//! The worktrees that git knows.

use biplane_model::CommitId;
use camino::Utf8PathBuf;

use super::{Git, GitError};

/// How often a listing is tried again: git stumbles over entries that are being made (measured: 4 of 660).
const LIST_TRIES: u32 = 5;

/// A worktree as git lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedWorktree {
    /// The directory.
    pub path: Utf8PathBuf,
    /// The commit its head is at.
    pub head: Option<CommitId>,
    /// The branch that is checked out, without `refs/heads/`.
    pub branch: Option<String>,
    /// Whether it is the entry of a repository without a checkout.
    pub bare: bool,
    /// Whether it is locked against removal.
    pub locked: bool,
    /// Whether git finds nothing at its path.
    pub prunable: bool,
}

impl Git {
    /// All worktrees, the main one first.
    ///
    /// # Errors
    /// When git can't list them, after a few tries.
    pub fn worktrees(&self) -> Result<Vec<ListedWorktree>, GitError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.call(["worktree", "list", "--porcelain", "-z"]).bytes() {
                Ok(bytes) => return Ok(parse(&bytes)),
                Err(error @ GitError::Failed { .. }) if tries == LIST_TRIES => return Err(error),
                Err(GitError::Failed { .. }) => {
                    std::thread::sleep(std::time::Duration::from_millis(20 << tries));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Vec<ListedWorktree> {
    let mut list: Vec<ListedWorktree> = Vec::new();
    for field in bytes.split(|b| *b == 0).map(String::from_utf8_lossy) {
        if let Some(path) = field.strip_prefix("worktree ") {
            list.push(ListedWorktree { path: path.into(), ..ListedWorktree::default() });
        }
        let Some(entry) = list.last_mut() else { continue };
        let (key, value) = field.split_once(' ').unwrap_or((field.as_ref(), ""));
        match key {
            "HEAD" => entry.head = value.parse().ok(),
            "branch" => entry.branch = Some(value.strip_prefix("refs/heads/").unwrap_or(value).to_owned()),
            "bare" => entry.bare = true,
            "locked" => entry.locked = true,
            "prunable" => entry.prunable = true,
            _ => {}
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_in_a_path_forges_no_entry() {
        let id = "a".repeat(40);
        let text = format!(
            "worktree /r\0HEAD {id}\0branch refs/heads/main\0\0worktree /r/x\nbare\0HEAD {id}\0detached\0locked why\0\0"
        );
        let list = parse(text.as_bytes());
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].branch.as_deref(), Some("main"));
        assert_eq!(list[1].path, "/r/x\nbare");
        assert!(!list[1].bare && list[1].locked && list[1].branch.is_none());
    }
}
