//! Branches of remotes: what a base follows, how far it is behind, and fetching that one branch.
//!
//! **Deliberately absent:** pushing; fetching unless a person asked for it.

use std::time::Duration;

use super::{Git, GitError};

/// The longest that fetching one branch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(120);

/// A branch of a remote, and the ref that remembers it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The remote's name.
    pub name: String,
    /// The full name of the branch there.
    pub branch: String,
    /// The full name of the ref that remembers it here.
    pub tracking: String,
}

/// A branch that lacks commits which the branch that it follows has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// What it follows: `origin/main`.
    pub upstream: String,
    /// How many commits it lacks, as far as was fetched.
    pub commits: u64,
}

impl Git {
    /// How far the branch that `name` stands for is behind the one it follows, as far as was fetched. `None` when it is not
    /// behind, follows none, or `name` is no branch.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn behind(&self, name: &str) -> Result<Option<Behind>, GitError> {
        if !self.has_remotes() {
            return Ok(None);
        }
        let Some(branch) = self.local_branch(name)? else { return Ok(None) };
        let format = "--format=%(upstream:short)%00%(upstream:track,nobracket)";
        let text = self.call(["for-each-ref", format, &format!("refs/heads/{branch}")]).text()?;
        let Some((upstream, track)) = text.lines().next().and_then(|line| line.split_once('\0')) else {
            return Ok(None);
        };
        let commits = track.split(", ").find_map(|part| part.strip_prefix("behind ")?.parse().ok());
        let behind = |commits| Behind { branch: branch.clone(), upstream: upstream.to_owned(), commits };
        Ok(commits.map(behind))
    }

    /// The branch of a remote that `name` is, or follows. `None` when it has to do with none.
    ///
    /// # Errors
    /// When git can't be asked.
    pub fn remote_of(&self, name: &str) -> Result<Option<Remote>, GitError> {
        if let Some(branch) = self.local_branch(name)? {
            let format = "--format=%(upstream:remotename)%00%(upstream:remoteref)%00%(upstream)";
            let text = self.call(["for-each-ref", format, &format!("refs/heads/{branch}")]).text()?;
            let mut parts = text.lines().next().unwrap_or_default().split('\0').map(str::to_owned);
            let (Some(name), Some(branch), Some(tracking)) = (parts.next(), parts.next(), parts.next())
            else {
                return Ok(None);
            };
            // A branch that follows one of the same repository has the remote `.`.
            let is_elsewhere = !matches!(name.as_str(), "" | ".") && tracking.starts_with("refs/remotes/");
            return Ok(is_elsewhere.then_some(Remote { name, branch, tracking }));
        }
        // It may never have been fetched, so it is told by its words.
        let full = self.full_name(name)?;
        let words = full.as_deref().unwrap_or(name);
        let words = words.strip_prefix("refs/remotes/").or(words.strip_prefix("remotes/")).unwrap_or(words);
        let remotes = self.call(["remote"]).text()?;
        let named = |remote: &str| Some((remote.to_owned(), words.strip_prefix(remote)?.strip_prefix('/')?));
        let longest = remotes.lines().filter_map(named).max_by_key(|(remote, _)| remote.len());
        let Some((remote, branch)) = longest.filter(|(_, branch)| !branch.is_empty()) else {
            return Ok(None);
        };
        let (branch, tracking) = (format!("refs/heads/{branch}"), format!("refs/remotes/{remote}/{branch}"));
        for name in [&branch, &tracking] {
            // Such as `origin/main~3`, or what could be taken for an option or a pattern.
            if !self.call(["check-ref-format", name]).ask()? {
                return Ok(None);
            }
        }
        Ok(Some(Remote { name: remote, branch, tracking }))
    }

    /// Fetches one branch of a remote, and nothing else. Nobody is asked for a password.
    ///
    /// # Errors
    /// When git can't, or it takes too long.
    pub fn fetch(&self, remote: &Remote) -> Result<(), GitError> {
        let refspec = format!("+{}:{}", remote.branch, remote.tracking);
        let flags = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--refmap="];
        let mut call = self.call(["fetch", "--no-auto-maintenance"]).args(flags).within(FETCH_TIMEOUT);
        let is_own = std::env::var_os("GIT_SSH_COMMAND").is_some() || std::env::var_os("GIT_SSH").is_some();
        if !is_own && !self.call(["config", "--get", "core.sshCommand"]).ask()? {
            call = call.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
        }
        call.args(["--", &remote.name, &refspec]).bytes().map(|_| ())
    }

    /// The branch of this repository that `name` stands for, without `refs/heads/`.
    fn local_branch(&self, name: &str) -> Result<Option<String>, GitError> {
        if name == "HEAD" || name == "@" {
            return self.current_branch();
        }
        let full = self.full_name(name)?;
        Ok(full.and_then(|full| full.strip_prefix("refs/heads/").map(str::to_owned)))
    }

    fn full_name(&self, name: &str) -> Result<Option<String>, GitError> {
        let args = ["rev-parse", "--verify", "--quiet", "--symbolic-full-name", "--end-of-options", name];
        let output = self.call(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned();
        Ok((output.code == Some(0) && text.starts_with("refs/")).then_some(text))
    }

    /// Whether the shared configuration says anything of remotes; quicker than asking git.
    fn has_remotes(&self) -> bool {
        let text = crate::files::text(self.common_dir.join("config")).unwrap_or_default();
        text.lines()
            .any(|line| line.trim_start().starts_with("[remote") || line.trim_start().starts_with("[include"))
    }
}
