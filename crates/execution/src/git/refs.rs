//! Names and what they stand for; moving them only by compare-and-swap.

use std::{collections::HashSet, time::Duration};

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::Utf8Path;

use super::{Git, GitError};

/// Where the refs are that only biplane and the agents in its worktrees move.
const OWN_REFS: [&str; 2] = ["refs/heads/wt/", "refs/biplane/"];

/// From this age on the lock of such a ref is nobody's: git holds one for milliseconds.
const STALE_LOCK: Duration = Duration::from_millis(2500);

/// A move of one ref.
#[derive(Debug, Clone)]
pub struct RefUpdate<'a> {
    /// The ref's full name.
    pub name: &'a str,
    /// Where it must be now; `None`: it must not exist.
    pub old: Option<&'a CommitId>,
    /// Where it goes; `None`: it is deleted.
    pub new: Option<&'a CommitId>,
    /// What the reflog says.
    pub why: &'a str,
}

impl Git {
    /// The commit that `name` stands for.
    ///
    /// # Errors
    /// [`GitError::UnknownRevision`]; [`GitError::NoCommit`] for `HEAD` of a repository without one.
    pub fn commit_of(&self, name: &str) -> Result<CommitId, GitError> {
        let unknown = || GitError::UnknownRevision { name: biplane_model::sanitize_line(name) };
        match self.find_commit(name) {
            Ok(Some(id)) => Ok(id),
            Ok(None) if name == "HEAD" => Err(GitError::NoCommit),
            Ok(None) => Err(unknown()),
            // What somebody typed may be no revision at all.
            Err(GitError::Failed { code: Some(128), message, .. }) if !message.contains("repository") => {
                Err(unknown())
            }
            Err(error) => Err(error),
        }
    }

    /// The commit that the head is at. Read from git's files in the plain case.
    ///
    /// # Errors
    /// As [`Git::commit_of`].
    pub fn head(&self) -> Result<CommitId, GitError> {
        self.head_in_files().map_or_else(|| self.commit_of("HEAD"), |(_, commit)| Ok(commit))
    }

    /// The names of the branches in the directory `dir`, and of a branch of that very name. Read from git's files in the
    /// plain case.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn branches_in(&self, dir: &str) -> Result<Vec<String>, GitError> {
        if let Some(names) = self.branches_in_files(dir) {
            return Ok(names);
        }
        let refs = self.refs_below(&format!("refs/heads/{dir}"))?;
        Ok(refs
            .into_iter()
            .map(|(full, _)| full.strip_prefix("refs/heads/").unwrap_or(&full).to_owned())
            .collect())
    }

    /// The commit that `name` stands for, if it stands for one.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn find_commit(&self, name: &str) -> Result<Option<CommitId>, GitError> {
        let spec = format!("{name}^{{commit}}");
        let output = self.call(["rev-parse", "--verify", "--quiet", "--end-of-options", &spec]).output()?;
        match output.code {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok()),
            Some(1) => Ok(None),
            _ => Err(super::failed("rev-parse".to_owned(), &output)),
        }
    }

    /// The branch that is checked out, without `refs/heads/`; `None` when the head is detached.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn current_branch(&self) -> Result<Option<String>, GitError> {
        // Where refs are plain files, the head's file says it.
        let head = crate::files::text(self.git_dir().join("HEAD")).unwrap_or_default();
        let named = head.strip_suffix('\n').and_then(|head| head.strip_prefix("ref: refs/heads/"));
        if let Some(name) = named.filter(|name| *name != ".invalid" && !name.contains(char::is_whitespace)) {
            return Ok(Some(name.to_owned()));
        }
        let output = self.call(["symbolic-ref", "--quiet", "HEAD"]).output()?;
        match output.code {
            Some(0) => {
                let name = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
                Ok(name.strip_prefix("refs/heads/").map(str::to_owned))
            }
            Some(1) => Ok(None),
            _ => Err(super::failed("symbolic-ref".to_owned(), &output)),
        }
    }

    /// The tip of the branch `name`, if it exists.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn branch_tip(&self, name: &str) -> Result<Option<CommitId>, GitError> {
        self.find_commit(&format!("refs/heads/{name}"))
    }

    /// The full names of the refs below `prefix` with the objects they name.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<(String, CommitId)>, GitError> {
        let text = self.call(["for-each-ref", "--format=%(objectname) %(refname)", prefix]).text()?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(id, name)| Some((name.to_owned(), id.parse().ok()?)))
            .collect())
    }

    /// The refs with these full names, or below them, or that match where they contain `*`, with the commits they name: in
    /// one question.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn refs_named(&self, names: &[&str]) -> Result<Vec<(String, CommitId)>, GitError> {
        let text =
            self.call(["for-each-ref", "--format=%(objectname) %(tree) %(refname)"]).args(names).text()?;
        let read = |line: &str| {
            let (id, rest) = line.split_once(' ')?;
            let (tree, name) = rest.split_once(' ')?;
            let id = id.parse().ok()?;
            // A tag has none.
            if !tree.is_empty() {
                super::trees::note(&id, tree);
            }
            Some((name.to_owned(), id))
        };
        Ok(text.lines().filter_map(read).collect())
    }

    /// The full names of the refs below `prefix` whose commits are in the history of `target`.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn refs_merged(&self, target: &CommitId, prefix: &str) -> Result<HashSet<String>, GitError> {
        let merged = format!("--merged={target}");
        let text = self.call(["for-each-ref", "--format=%(refname)", &merged, prefix]).text()?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Whether some checkout is on `branch`, or in the middle of rebasing it. Read from git's own files, as git does; what
    /// can't be read may be.
    pub fn is_checked_out(&self, branch: &str) -> bool {
        let full = format!("refs/heads/{branch}");
        let is_on = |dir: &Utf8Path| {
            let said = |file: &str| crate::files::text(dir.join(file));
            let head = match said("HEAD") {
                Ok(head) => head,
                // An entry that goes just now.
                Err(e) => return e.kind() != std::io::ErrorKind::NotFound,
            };
            let rebased = ["rebase-merge/head-name", "rebase-apply/head-name"];
            // Where refs are not files, the head's file says nothing.
            head.trim_end() == format!("ref: {full}")
                || head.trim_end() == "ref: refs/heads/.invalid"
                || rebased.iter().any(|file| said(file).is_ok_and(|name| name.trim_end() == full))
        };
        let entries = self.common_dir().join("worktrees");
        is_on(self.common_dir())
            || match entries.read_dir_utf8() {
                Ok(entries) => entries.into_iter().any(|e| e.map_or(true, |e| is_on(e.path()))),
                Err(e) => e.kind() != std::io::ErrorKind::NotFound,
            }
    }

    /// The full names of the refs from which `commit` is reachable.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn refs_containing(&self, commit: &CommitId) -> Result<Vec<String>, GitError> {
        let contains = format!("--contains={commit}");
        let text = self.call(["for-each-ref", "--format=%(refname)", &contains]).text()?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Moves a ref if it still is where it was.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] when it is not; nothing is changed then.
    pub fn update_ref(&self, update: &RefUpdate<'_>) -> Result<(), GitError> {
        let zero = "0".repeat(update.old.or(update.new).map_or(40, |id| id.as_str().len()));
        let old = update.old.map_or(zero.as_str(), CommitId::as_str);
        let mut args = vec!["update-ref", "--no-deref", "-m", update.why];
        match update.new {
            Some(new) => args.extend([update.name, new.as_str(), old]),
            None => args.extend(["-d", update.name, old]),
        }
        let mut output = self.call(&args).output()?;
        if output.code != Some(0) && self.drop_stale_lock(update.name) {
            output = self.call(&args).output()?;
        }
        if output.code == Some(0) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let moved = text.contains("but expected")
            || text.contains("reference already exists")
            || text.contains("unable to resolve reference");
        if moved {
            return Err(GitError::RefMoved { name: update.name.to_owned() });
        }
        Err(super::failed("update-ref".to_owned(), &output))
    }

    /// Deletes the lock of one of biplane's own refs that a killed git has left: it is older than anybody holds one, and
    /// git has just waited for it in vain. The locks of other refs are their owners' business.
    fn drop_stale_lock(&self, name: &str) -> bool {
        if !is_own(name) {
            return false;
        }
        let lock = self.common_dir().join(format!("{name}.lock"));
        let age =
            lock.as_std_path().symlink_metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed());
        let is_stale = matches!(age, Ok(Ok(age)) if age >= STALE_LOCK);
        is_stale && failpoint::around("stale lock deleted", || std::fs::remove_file(&lock)).is_ok()
    }

    /// Puts the checkout's head back on the branch with the full name `branch`. Its files and index stay.
    ///
    /// # Errors
    /// When git can't.
    pub fn attach(&self, branch: &str) -> Result<(), GitError> {
        self.call(["symbolic-ref", "-m", "biplane: back on the branch", "HEAD", branch]).bytes()?;
        Ok(())
    }

    /// Whether `ancestor` is reachable from `descendant`.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn is_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> Result<bool, GitError> {
        self.call(["merge-base", "--is-ancestor", ancestor.as_str(), descendant.as_str()]).ask()
    }

    /// The best common ancestor of two commits.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn merge_base(&self, a: &CommitId, b: &CommitId) -> Result<Option<CommitId>, GitError> {
        let output = self.call(["merge-base", a.as_str(), b.as_str()]).output()?;
        match output.code {
            Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok()),
            Some(1) => Ok(None),
            _ => Err(super::failed("merge-base".to_owned(), &output)),
        }
    }

    /// How many commits `head` has that `base` has not.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn commits_between(&self, base: &CommitId, head: &CommitId) -> Result<u64, GitError> {
        let range = format!("{base}..{head}");
        let text = self.call(["rev-list", "--count", &range]).text()?;
        text.trim().parse().map_err(|_| GitError::Answer { command: "rev-list".to_owned(), detail: text })
    }

    /// How many commits `head` has that none of `others` has.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn commits_beyond<'a>(
        &self,
        head: &CommitId,
        others: impl IntoIterator<Item = &'a CommitId>,
    ) -> Result<u64, GitError> {
        self.count_beyond(&["rev-list", "--count"], head, others)
    }

    /// The same without merges.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn work_beyond<'a>(
        &self,
        head: &CommitId,
        others: impl IntoIterator<Item = &'a CommitId>,
    ) -> Result<u64, GitError> {
        self.count_beyond(&["rev-list", "--count", "--no-merges"], head, others)
    }

    fn count_beyond<'a>(
        &self,
        command: &[&str],
        head: &CommitId,
        others: impl IntoIterator<Item = &'a CommitId>,
    ) -> Result<u64, GitError> {
        let others = others.into_iter().map(|other| format!("^{other}"));
        let text = self.call(command.iter().copied()).args([head.as_str()]).args(others).text()?;
        text.trim().parse().map_err(|_| GitError::Answer { command: "rev-list".to_owned(), detail: text })
    }

    /// The subject of a commit.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn subject_of(&self, commit: &CommitId) -> Result<String, GitError> {
        let bytes = self.call(["show", "-s", "--format=%s", commit.as_str()]).bytes()?;
        Ok(biplane_model::sanitize_line(String::from_utf8_lossy(&bytes).trim()))
    }
}

/// Whether only biplane and the agents in its worktrees move the ref `name`.
pub(super) fn is_own(name: &str) -> bool {
    OWN_REFS.iter().any(|own| name.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_old_lock_of_our_own_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::bare(Utf8Path::from_path(dir.path()).unwrap());
        let old = std::time::SystemTime::now() - Duration::from_secs(60);
        for (name, aged, dropped) in [
            ("refs/heads/wt/a", true, true),
            ("refs/heads/wt/b", false, false),
            ("refs/heads/main", true, false),
            ("refs/biplane/snapshots/a/1", true, true),
        ] {
            let lock = dir.path().join(format!("{name}.lock"));
            std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
            let file = std::fs::File::create(&lock).unwrap();
            if aged {
                file.set_modified(old).unwrap();
            }
            assert_eq!(git.drop_stale_lock(name), dropped, "{name}");
            assert_eq!(lock.exists(), !dropped, "{name}");
        }
    }
}
