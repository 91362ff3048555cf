//! Submodules: which gitlinks are declared, and which a landing moves.

use std::collections::HashSet;

use biplane_model::CommitId;

use super::{Git, GitError};

impl Git {
    /// The paths that `.gitmodules` of `commit` declares. None where it can't be read: what is not declared is no submodule.
    ///
    /// # Errors
    /// When git can't be run.
    pub(super) fn declared_submodules(&self, commit: &CommitId) -> Result<HashSet<String>, GitError> {
        let blob = format!("--blob={commit}:.gitmodules");
        let output = self.call(["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.path$"]).output()?;
        if output.code != Some(0) {
            return Ok(HashSet::new());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let path =
            |entry: &str| entry.split_once('\n').map(|(_, path)| path.trim_end_matches('/').to_owned());
        Ok(text.split_terminator('\0').filter_map(path).collect())
    }

    /// The submodules that are at another commit in `new` than in `old`, or that only `new` has.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn moved_submodules(&self, old: &CommitId, new: &CommitId) -> Result<Vec<String>, GitError> {
        let bytes =
            self.call(["diff-tree", "-r", "-z", "--no-renames", old.as_str(), new.as_str()]).bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut fields = text.split('\0');
        let mut moved = Vec::new();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            if meta.split(' ').nth(1) == Some("160000") {
                moved.push(path.to_owned());
            }
        }
        Ok(moved)
    }
}
