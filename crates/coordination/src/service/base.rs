//! What a worktree starts at: fetching it on request, and what there is to know of it.

use biplane_execution::git::GitError;
use biplane_model::{sanitize_line, view::WorktreeView};
use camino::Utf8Path;

use super::Service;
use crate::error::{Error, Result};

impl Service {
    /// Fetches the branch of a remote that `base` is, or that it follows; `HEAD` when absent.
    ///
    /// # Errors
    /// When it has to do with no remote, or git can't fetch it: the network is down, or a password is asked for.
    pub fn fetch_base(&self, base: Option<&str>) -> Result<()> {
        self.require_git()?;
        // From the main checkout: that is what a remote's relative path is relative to.
        let git = self.home().repository()?.main_checkout().map_or_else(|| self.home().git(), Ok)?;
        let name = base.unwrap_or("HEAD");
        let Some(remote) = git.remote_of(name)? else {
            let shown = sanitize_line(name);
            return Err(Error::usage(format!("`{shown}` is no branch of a remote and follows none"))
                .hint("leave out `--fetch`, or name a branch such as `origin/main`"));
        };
        git.fetch(&remote).map_err(|error| {
            Error::from(error).hint("without `--fetch` it starts at what was fetched before")
        })
    }

    /// Says when a base lacks commits that the branch it follows has, as far as was fetched. What can't be told is not worth
    /// a word.
    pub fn say_behind(&self, base: Option<&str>) {
        let Ok(git) = self.home().git() else { return };
        if let Ok(Some(behind)) = git.behind(base.unwrap_or("HEAD")) {
            let (branch, upstream) = (sanitize_line(&behind.branch), sanitize_line(&behind.upstream));
            let commits = match behind.commits {
                1 => "1 commit".to_owned(),
                n => format!("{n} commits"),
            };
            self.say(format!("`{branch}` is {commits} behind `{upstream}` (as of the last fetch)"));
        }
    }

    /// Says when submodules are empty in a new worktree.
    pub fn say_submodules(&self, made: &WorktreeView) {
        let (name, top) = (&made.name, Utf8Path::new(&made.path));
        if top.join(".gitmodules").as_std_path().symlink_metadata().is_ok() {
            self.say(format!(
                "its submodules are empty; `biplane run {name} -- git submodule update --init` fills them"
            ));
        }
    }
}

/// Why the files of a new worktree could not be written, with what to do about it.
pub(crate) fn unfilled(error: GitError) -> Error {
    let text = error.to_string();
    let hint = if text.contains("promisor remote") {
        Some("some files of a partial clone are not here yet: try again when its remote can be reached")
    } else if text.contains("git-lfs") || text.contains("filter lfs") || text.contains("filter 'lfs") {
        Some(
            "install git-lfs; where it is installed, `GIT_LFS_SKIP_SMUDGE=1` leaves the pointer files as they are",
        )
    } else if text.contains("smudge filter") || text.contains("external filter") {
        Some(
            "a filter that `.gitattributes` asks for has failed: install its program, or see `git config --get-regexp ^filter`",
        )
    } else {
        None
    };
    let error = Error::from(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
