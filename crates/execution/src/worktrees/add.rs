//! Adding a worktree in two phases: the entry under a lock, the files outside it.
//!
//! Measured: parallel `git worktree add` fails 33–55 % of the time at 12–16 at once when a remote branch is the base, and
//! now and then otherwise, and leaves its branch behind. Under a lock around `worktree add --no-track --no-checkout`
//! none of 60 failed, in half the time of holding the lock while the files are written.

use std::time::Duration;

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Place,
    owned::{read_link_file, same_dir},
};
use crate::git::{Git, GitError, RefUpdate};

/// How often adding is tried: a git outside of biplane may add a worktree at the same moment.
const ADD_TRIES: u32 = 6;

/// What to add.
#[derive(Debug, Clone)]
pub struct AddSpec<'a> {
    /// The directory to make; must not exist.
    pub path: &'a Utf8Path,
    /// The branch to make, without `refs/heads/`; none leaves the head detached.
    pub branch: Option<&'a str>,
    /// The commit it starts at.
    pub base: &'a CommitId,
}

/// What was added. Its files are not there yet: [`Git::fill`] writes them.
#[derive(Debug, Clone)]
pub struct Added {
    /// Where it is.
    pub place: Place,
}

/// Why a branch can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BranchFault {
    /// It exists.
    #[error("the branch `{branch}` exists already (at {})", at.short())]
    Exists {
        /// The branch.
        branch: String,
        /// Its tip.
        at: CommitId,
    },
    /// A branch stands where it needs a directory: `wt` and `wt/x` can't both be.
    #[error("the branch `{other}` stands in the way of `{branch}`")]
    InTheWay {
        /// The branch.
        branch: String,
        /// The other one.
        other: String,
    },
    /// Another branch differs from it in case only: on some file systems they are one.
    #[error("the branch `{other}` differs from `{branch}` in case only")]
    CaseTwin {
        /// The branch.
        branch: String,
        /// The other one.
        other: String,
    },
}

/// Whether the branch `name` can be made.
///
/// # Errors
/// When git can't be asked; the inner result says what stands in the way.
pub fn check_branch(git: &Git, name: &str) -> Result<Result<(), BranchFault>, GitError> {
    // The branches of biplane's own have a directory.
    let dir = name.split_once('/').map_or(name, |(dir, _)| dir);
    for other in git.branches_in(dir)? {
        if name.strip_prefix(&other).is_some_and(|rest| rest.starts_with('/')) {
            return Ok(Err(BranchFault::InTheWay { branch: name.to_owned(), other }));
        }
        if other == name {
            // What is gone by now is not in the way.
            let Some(at) = git.branch_tip(&other)? else { continue };
            return Ok(Err(BranchFault::Exists { branch: other, at }));
        }
        if other.eq_ignore_ascii_case(name) {
            return Ok(Err(BranchFault::CaseTwin { branch: name.to_owned(), other }));
        }
    }
    Ok(Ok(()))
}

/// Adds the worktree's entry and branch, and its empty directory. The caller holds the lock for adding.
///
/// # Errors
/// When git can't; nothing is left behind then.
pub fn add(git: &Git, spec: &AddSpec<'_>) -> Result<Added, GitError> {
    // What git knows at this place already is somebody's, though it be moved or unmounted; taking back a failure would
    // take that.
    if is_registered(git.common_dir(), spec.path) {
        return Err(GitError::PathTaken { path: spec.path.to_owned() });
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match try_add(git, spec) {
            Ok(entry) => {
                let place = Place {
                    common_dir: git.common_dir().to_owned(),
                    path: spec.path.to_owned(),
                    git_entry: entry,
                };
                return Ok(Added { place });
            }
            Err(error) => {
                undo_add(git, spec.path, spec.branch.map(|b| (b, spec.base)))?;
                if tries == ADD_TRIES || !is_race(&error) {
                    return Err(error);
                }
                std::thread::sleep(Duration::from_millis(10 << tries));
            }
        }
    }
}

/// Whether one of git's entries names `path`, there or not. Read from the entries themselves, which is quicker than asking git.
pub fn is_registered(common_dir: &Utf8Path, path: &Utf8Path) -> bool {
    let entries = common_dir.join("worktrees").read_dir_utf8().into_iter().flatten().flatten();
    let mut named = entries.filter_map(|entry| read_link_file(&entry.path().join("gitdir"), None).ok());
    named.any(|file| file.parent() == Some(path))
}

/// The places that git's entries name whose own names have `part` in them, there or not.
pub fn registered_with(common_dir: &Utf8Path, part: &str) -> Vec<Utf8PathBuf> {
    let entries = common_dir.join("worktrees").read_dir_utf8().into_iter().flatten().flatten();
    let files = entries
        .filter(|entry| entry.file_name().contains(part))
        .filter_map(|entry| read_link_file(&entry.path().join("gitdir"), None).ok());
    files.filter_map(|file| file.parent().map(Utf8Path::to_owned)).collect()
}

fn try_add(git: &Git, spec: &AddSpec<'_>) -> Result<String, GitError> {
    let mut args = vec!["worktree", "add", "--quiet", "--no-checkout"];
    match spec.branch {
        // Tracking would be written into the shared configuration, whose lock is what fails under load.
        Some(branch) => args.extend(["--no-track", "-b", branch]),
        None => args.push("--detach"),
    }
    args.extend(["--", spec.path.as_str(), spec.base.as_str()]);
    git.call(args).bytes()?;
    entry_of(spec.path)
}

/// The name of git's entry, from the `.git` file that git has just written.
fn entry_of(path: &Utf8Path) -> Result<String, GitError> {
    let file = path.join(".git");
    let text =
        crate::files::text(&file).map_err(|source| GitError::Io { path: file, action: "read", source })?;
    let dir = text.strip_prefix("gitdir: ").map(|t| Utf8PathBuf::from(t.strip_suffix('\n').unwrap_or(t)));
    dir.as_ref().and_then(|d| d.file_name()).map(str::to_owned).ok_or_else(|| GitError::Answer {
        command: "worktree add".to_owned(),
        detail: "its `.git` file names no directory".to_owned(),
    })
}

/// What git says when two of them add at once.
fn is_race(error: &GitError) -> bool {
    matches!(error, GitError::Failed { message, .. }
        if ["commondir", "could not lock config", "File exists", "unable to create", "Unable to create"].iter().any(|m| message.contains(m)))
}

/// Takes back a half-made worktree: git's entry for it, its directory when it is empty or holds nothing but git's own
/// link, and its branch when that still is where it was made.
///
/// # Errors
/// When git can't be asked.
pub fn undo_add(git: &Git, path: &Utf8Path, branch: Option<(&str, &CommitId)>) -> Result<(), GitError> {
    let is_dir = path.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir());
    let link = path.join(".git");
    let entries = git.common_dir().join("worktrees");
    let is_gits = |named: Utf8PathBuf| named.parent().is_some_and(|dir| same_dir(dir, &entries));
    // A git that was killed before it wrote the name has left it empty.
    let is_empty = || link.as_std_path().symlink_metadata().is_ok_and(|m| m.is_file() && m.len() == 0);
    let is_ours = || read_link_file(&link, Some("gitdir: ")).is_ok_and(is_gits) || is_empty();
    if is_dir && is_ours() && holds_nothing_but(path, ".git") {
        let _ = failpoint::around("worktree's link deleted", || fs_err::remove_file(&link));
    }
    if !is_dir || holds_nothing_but(path, "") {
        super::remove::forget(git, path)?;
    }
    if is_dir {
        // Only an empty directory goes: whatever is in it was not put there by us.
        let _ = failpoint::around("worktree's directory deleted", || fs_err::remove_dir(path));
    }
    let Some((branch, base)) = branch else { return Ok(()) };
    let name = format!("refs/heads/{branch}");
    let update = RefUpdate { name: &name, old: Some(base), new: None, why: "biplane: worktree not created" };
    match git.update_ref(&update) {
        Ok(()) | Err(GitError::RefMoved { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether the directory is empty but for `name`.
fn holds_nothing_but(dir: &Utf8Path, name: &str) -> bool {
    dir.read_dir_utf8()
        .is_ok_and(|entries| entries.into_iter().all(|e| e.is_ok_and(|e| e.file_name() == name)))
}
