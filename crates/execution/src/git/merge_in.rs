//! Bringing another commit into a worktree's branch, conflicts and all: for the next attempt of an agent.
//!
//! This is the one merge in a checkout, and the checkout is never the user's: it is the agent's own worktree, where conflicts are
//! wanted, so that the agent can resolve them.

use biplane_model::CommitId;

use super::{Git, GitError, failed};

/// What became of a merge into a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergedIn {
    /// The branch has it already.
    Nothing,
    /// It is merged and committed.
    Clean(CommitId),
    /// It is merged but for these files, in which the conflicts are marked; the merge waits to be committed.
    Conflicts(Vec<String>),
}

impl Git {
    /// Merges `commit` into the branch that is checked out here. The checkout must be clean. No hook is run.
    ///
    /// # Errors
    /// When git can't; nothing is changed then.
    pub fn merge_in(&self, commit: &CommitId, message: &str) -> Result<MergedIn, GitError> {
        let before = self.head()?;
        let quiet =
            [("rerere.enabled", "false"), ("merge.autoStash", "false"), ("merge.verifySignatures", "false")];
        let merge =
            ["merge", "--no-ff", "--no-verify", "--no-stat", "--quiet", "-m", message, commit.as_str()];
        let mut call = self.call(merge).env("GIT_CONFIG_COUNT", quiet.len().to_string());
        for (n, (key, value)) in quiet.into_iter().enumerate() {
            call = call.env(&format!("GIT_CONFIG_KEY_{n}"), key).env(&format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        for (name, value) in self.identity()? {
            call = call.env(name, value);
        }
        let output = call.output()?;
        if output.success() {
            let after = self.head()?;
            return Ok(if after == before { MergedIn::Nothing } else { MergedIn::Clean(after) });
        }
        // Another exit code is not "conflict" by itself.
        let files = if self.is_merging() { self.unmerged()? } else { Vec::new() };
        if files.is_empty() {
            Err(failed("merge".to_owned(), &output))
        } else {
            Ok(MergedIn::Conflicts(files))
        }
    }

    /// Whether a merge was begun in this checkout and is not committed.
    pub fn is_merging(&self) -> bool {
        self.git_dir().join("MERGE_HEAD").as_std_path().symlink_metadata().is_ok()
    }

    /// The files that a merge has left to be resolved.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn unmerged(&self) -> Result<Vec<String>, GitError> {
        let listed = self.call(["diff", "--name-only", "--no-ext-diff", "--diff-filter=U", "-z"]).bytes()?;
        let names = listed.split(|b| *b == 0).filter(|name| !name.is_empty());
        Ok(names.map(|name| String::from_utf8_lossy(name).into_owned()).collect())
    }

    /// The paths that differ between two commits, at most `most` of them, and how many there are.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn paths_between(&self, old: &str, new: &str, most: usize) -> Result<(Vec<String>, usize), GitError> {
        let bytes = self.call(["diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new]).bytes()?;
        let names = bytes.split(|b| *b == 0).filter(|name| !name.is_empty());
        let shown = names.clone().take(most).map(|name| String::from_utf8_lossy(name).into_owned());
        Ok((shown.collect(), names.count()))
    }

    /// The commits that `new` has and `old` has not, on the line of first parents, that change one of `paths`; newest first, at
    /// most `most`.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn commits_touching(
        &self,
        old: &CommitId,
        new: &CommitId,
        paths: &[&str],
        most: usize,
    ) -> Result<Vec<CommitId>, GitError> {
        let range = format!("{old}..{new}");
        let most = format!("--max-count={most}");
        let call = self.call(["--literal-pathspecs", "rev-list", "--first-parent", &most, &range, "--"]);
        let listed = call.args(paths.iter().copied()).text()?;
        Ok(listed.lines().filter_map(|line| line.parse().ok()).collect())
    }
}
