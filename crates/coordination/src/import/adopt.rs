//! Worktrees: what the index says, held against what git has.
//!
//! A worktree is live only when git lists it, git's entry and the directory name each other, and it is on a branch of
//! the family that worktrees have. Whatever else lies where one should be is left alone and told of.

use std::collections::{HashMap, HashSet};

use biplane_execution::{
    git::{Git, GitError, ListedWorktree, MINIMUM_GIT},
    worktrees,
};
use biplane_model::{
    CommitId, Timestamp, WORKTREE_BRANCH_PREFIX, Worktree, WorktreeId, WorktreeName, WorktreeStatus,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{index::OldWorktree, notes::Notes};
use crate::{
    error::{Error, Result},
    home::Home,
};

/// The most directories that a refusal names.
const NAMED: usize = 10;
/// What is said of a worktree that the ledger could not tell from another.
const TWIN: &str = "another one differs from it in case only; left alone";

/// A worktree that git has, with the proof that it is one.
struct Checkout {
    listed: ListedWorktree,
    git_entry: String,
    /// Its name, when it lies directly in `.worktrees/`, or where the settings have worktrees made.
    name: Option<WorktreeName>,
}

/// What git has.
struct Ground<'a> {
    home: &'a Home,
    /// None outside of a repository.
    git: Option<Git>,
    checkouts: Vec<Checkout>,
    /// The branches of the family that worktrees have, and their tips.
    branches: HashMap<String, CommitId>,
    /// The branch that work lands on, and its tip.
    target: String,
    tip: Option<CommitId>,
}

/// What is at hand for one worktree of the index.
enum Standing {
    /// The checkout with this number, on this branch.
    Live(usize, String),
    /// Nothing that can be taken over, and why.
    Gone(String),
    /// What an earlier entry of the index has already.
    Known,
    /// A directory that says it is a worktree, and that git does not link to.
    Broken,
}

/// The records of the worktrees in the index, and of those that only git has. A record's `task` is what the index says.
///
/// # Errors
/// When git can't be asked, or a worktree's link to git is broken: it is neither there nor gone.
pub(super) fn records(
    home: &Home,
    target: Option<&str>,
    old: Vec<OldWorktree>,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<Worktree>> {
    let ground = Ground::look(home, target)?;
    let mut used = HashSet::new();
    let mut broken = Vec::new();
    let mut records = Vec::with_capacity(old.len());
    for old in old {
        let mut record = old.record(home, &ground.target, now);
        if old.status != WorktreeStatus::Removed {
            let place = format!("worktree `{}`", old.name);
            match ground.stand(&old, &used, &place, notes)? {
                Standing::Live(at, branch) => {
                    used.insert(at);
                    if has_twin(&records, &old.name) {
                        notes.problem(place, TWIN);
                        continue;
                    }
                    ground.enliven(&mut record, at, branch, old.status)?;
                }
                Standing::Gone(why) => {
                    "gone when the board was imported".clone_into(&mut record.reason);
                    notes.problem(place, format_args!("{why}; recorded as removed"));
                }
                Standing::Known => {
                    notes.problem(place, "the index has it twice; left out");
                    continue;
                }
                Standing::Broken => broken.push(old.name),
            }
        }
        records.push(record);
    }
    if !broken.is_empty() {
        return Err(not_linked(&broken));
    }
    ground.add_unlisted(&mut records, &used, now, notes)?;
    // Of one name the newest record counts: that of what is there.
    records.sort_by_key(|record| record.status.is_live());
    for (number, record) in (1..).zip(&mut records) {
        record.id = WorktreeId(number);
    }
    Ok(records)
}

impl<'a> Ground<'a> {
    fn look(home: &'a Home, target: Option<&str>) -> Result<Self> {
        let (checkouts, branches) = (Vec::new(), HashMap::new());
        let mut ground = Self { home, git: None, checkouts, branches, target: "HEAD".to_owned(), tip: None };
        let Some(repository) = &home.repository else { return Ok(ground) };
        // Asked without the memo that other verbs keep: a dry run writes nothing.
        let found = Git::version()?;
        if found < MINIMUM_GIT {
            return Err(GitError::TooOld { found }.into());
        }
        let git = repository.git();
        let branch = match target {
            Some(branch) => Some(branch.to_owned()),
            None => git.current_branch()?,
        };
        ground.tip = match &branch {
            Some(branch) => git.branch_tip(branch)?,
            None => git.find_commit("HEAD")?,
        };
        ground.target = branch.unwrap_or(ground.target);
        for (name, tip) in git.refs_below(&format!("refs/heads/{WORKTREE_BRANCH_PREFIX}"))? {
            ground.branches.extend(name.strip_prefix("refs/heads/").map(|branch| (branch.to_owned(), tip)));
        }
        let places = [resolved(&home.root).join(".worktrees"), resolved(&home.worktrees_dir())];
        for listed in git.worktrees()?.into_iter().filter(|w| !w.prunable && !w.bare) {
            let checkout = worktrees::linked_checkout(&repository.common_dir, &listed.path);
            let Some(git_entry) = checkout.as_ref().and_then(|c| c.git_dir().file_name()) else { continue };
            let path = resolved(&listed.path);
            let name = places.iter().find_map(|place| path.strip_prefix(place).ok()?.as_str().parse().ok());
            let git_entry = git_entry.to_owned();
            ground.checkouts.push(Checkout { listed, git_entry, name });
        }
        ground.git = Some(git);
        Ok(ground)
    }

    fn stand(
        &self,
        old: &OldWorktree,
        used: &HashSet<usize>,
        place: &str,
        notes: &mut Notes,
    ) -> Result<Standing> {
        if self.git.is_none() {
            return Ok(Standing::Gone("there is no git repository here".to_owned()));
        }
        let ours = self.checkouts.iter().position(|c| c.name.as_ref() == Some(&old.name));
        // Elsewhere only what has the very branch that the name gives: an index may name any worktree of the user's.
        let is_there = |c: &Checkout| c.listed.path == old.path && c.listed.branch == Some(old.name.branch());
        let Some(at) = ours.or_else(|| self.checkouts.iter().position(is_there)) else {
            return self.missing(old);
        };
        if used.contains(&at) {
            return Ok(Standing::Known);
        }
        let on = self.checkouts[at].listed.branch.as_deref();
        let (own, said) = (old.name.branch(), &old.branch);
        let shown = on.map_or("no branch".to_owned(), |b| format!("`{b}`"));
        match on.filter(|branch| self.branches.contains_key(*branch)) {
            Some(branch) if branch == said => Ok(Standing::Live(at, branch.to_owned())),
            // Another branch than its own, which is still there: what it has of work may be on either.
            other if other != Some(&own) && *said == own && self.branches.contains_key(&own) => {
                notes.problem(place, format_args!("it is on {shown}, not on its branch `{own}`"));
                Ok(Standing::Live(at, own))
            }
            Some(branch) => {
                notes.problem(place, format_args!("it is on {shown}, not on `{said}`"));
                Ok(Standing::Live(at, branch.to_owned()))
            }
            None => Ok(Standing::Gone(format!(
                "it is on {shown}, and `{said}` is no branch for it; its directory is left alone"
            ))),
        }
    }

    /// Why git has no such worktree.
    fn missing(&self, old: &OldWorktree) -> Result<Standing> {
        let path = self.home.worktrees_dir().join(old.name.as_str());
        let there = |path: &Utf8Path| match path.as_std_path().symlink_metadata() {
            Ok(meta) => Ok(Some(meta)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("looked at", path, e)),
        };
        Ok(match there(&path)? {
            Some(meta) if meta.is_dir() => match there(&path.join(".git"))? {
                Some(link) if link.is_file() => Standing::Broken,
                _ => Standing::Gone("its directory is no worktree of git's, and is left alone".to_owned()),
            },
            Some(_) => Standing::Gone("what is in its place is no directory, and is left alone".to_owned()),
            None if self.branches.contains_key(&old.branch) => Standing::Gone(format!(
                "nothing of it is in `.worktrees`; its branch `{}` is still there",
                old.branch
            )),
            None => Standing::Gone("nothing of it is in `.worktrees`, and its branch is gone".to_owned()),
        })
    }

    /// Makes `record` one of the live checkout `at`.
    fn enliven(
        &self,
        record: &mut Worktree,
        at: usize,
        branch: String,
        status: WorktreeStatus,
    ) -> Result<()> {
        let checkout = &self.checkouts[at];
        record.path = self.home.recorded(&resolved(&checkout.listed.path));
        let head = self.branches.get(&branch);
        let fork = match (&self.git, head, &self.tip) {
            (Some(git), Some(head), Some(tip)) => git.merge_base(head, tip)?,
            _ => None,
        };
        record.base = fork.or(head.cloned()).unwrap_or_else(|| record.base.clone());
        record.git_entry.clone_from(&checkout.git_entry);
        record.branch = branch;
        record.status = status;
        record.removed_at = None;
        Ok(())
    }

    /// Adds the worktrees in `.worktrees/` that git has and the index has not: two writers at once lost such entries.
    fn add_unlisted(
        &self,
        records: &mut Vec<Worktree>,
        used: &HashSet<usize>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<()> {
        for (at, checkout) in self.checkouts.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
            let Some(name) = &checkout.name else { continue };
            let place = format!("worktree `{name}`");
            let branch = checkout.listed.branch.clone().filter(|b| self.branches.contains_key(b));
            let Some(branch) = branch else {
                notes.problem(place, "git has it, but not on a branch of its own; left alone");
                continue;
            };
            if has_twin(records, name) {
                notes.problem(place, TWIN);
                continue;
            }
            notes.problem(place, "git has it, the index has it not, or as removed; taken over as active");
            let old = OldWorktree::unlisted(name.clone(), branch.clone());
            let mut record = old.record(self.home, &self.target, now);
            self.enliven(&mut record, at, branch, WorktreeStatus::Active)?;
            records.push(record);
        }
        Ok(())
    }
}

/// Whether a live record has the name, in whatever case: the ledger takes one of them only.
fn has_twin(records: &[Worktree], name: &WorktreeName) -> bool {
    records.iter().any(|r| r.status.is_live() && r.name.is_case_twin(name))
}

fn resolved(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

fn not_linked(names: &[WorktreeName]) -> Error {
    let paths: Vec<String> = names.iter().take(NAMED).map(|n| format!(".worktrees/{n}")).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let shown = paths.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ");
    Error::refused(format!("git has lost its link to {shown}{more}, as when a repository is moved"))
        .hint(format!("`git worktree repair {}` mends it", paths.join(" ")))
        .hint("or move the directories away, then try again")
}
