//! Restoring: a worktree is made again as a snapshot holds it. Intent, effect, result; the snapshot stays.
//!
//! It is a creation like any other, which recovery takes back when it is interrupted. The record names the snapshot as
//! what it was created at, and git's entry as soon as there is one, so that a half-restored worktree is known for one
//! even when its head is elsewhere already.

use biplane_control::{Changes, TaskFilter, WorktreeFilter};
use biplane_execution::{
    git::{Git, GitError, ListedWorktree, RefUpdate},
    worktrees::{self, AddSpec, Contents, Place, SNAPSHOT_REFS},
};
use biplane_failpoint as failpoint;
use biplane_model::{
    CommitId, EventKind, NewEvent, RepoName, TaskId, Worktree, WorktreeId, WorktreeName, view::WorktreeView,
};

use super::{
    Closing, CreateWorktree, Processes, RemoveRequest, Service, Start,
    place::{branch_taken, ensure_dir, finish_create, record},
};
use crate::{
    error::{Error, ErrorKind, Result},
    locks,
};

/// What to restore, and how.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The name whose snapshot is meant.
    pub name: WorktreeName,
    /// The snapshot's number; the newest one when absent.
    pub number: Option<u64>,
    /// The name of the worktree to be; the old one when absent.
    pub new_name: Option<WorktreeName>,
    /// Replace a worktree of that name; a snapshot holds it first.
    pub force: bool,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The worktree; none after a dry run.
    pub worktree: Option<WorktreeView>,
    /// The snapshot's ref.
    pub snapshot: String,
    /// Its commit.
    pub commit: CommitId,
    /// The snapshot of the worktree that was replaced, when that had something to hold.
    pub replaced: Option<String>,
    /// What a dry run would do, in sentences.
    pub would: Vec<String>,
}

/// A snapshot that was chosen.
struct Chosen {
    full: String,
    commit: CommitId,
    contents: Contents,
    base: CommitId,
}

impl Service {
    /// Makes a worktree again as a snapshot holds it: commits, index, files with their modes, and whatever was in
    /// progress. When this fails nothing of it is left, and the snapshot stays.
    ///
    /// Its task is bound again when that is still open, names the worktree as its last one, and is bound to no other.
    ///
    /// # Errors
    /// When there is no such snapshot, when the name or a branch is taken, or git fails.
    pub fn worktree_restore(&self, request: &RestoreRequest) -> Result<Restoration> {
        if let Some(there) = self.elsewhere(&self.repo_of_snapshot(request)?)? {
            return there.worktree_restore(request);
        }
        self.require_git()?;
        let git = self.home().git()?;
        let chosen = self.choose(&git, request)?;
        let name = request.new_name.clone().unwrap_or_else(|| request.name.clone());
        let live = self.live(&name)?;
        if live.is_some() && !request.force {
            return Err(Error::new(ErrorKind::Conflict, format!("worktree `{name}` is there"))
                .hint("`--as NAME` restores beside it; `--force` replaces it, with a snapshot of it first"));
        }
        let replaces = live.as_ref();
        self.refuse_other_checkout(&git, &name, &chosen, replaces)?;
        if request.dry_run {
            return Ok(would(&name, chosen, replaces));
        }
        let mut replaced = None;
        if let Some(worktree) = replaces {
            replaced = self.worktree_remove(&replacing(worktree, &chosen))?.snapshot;
        }
        let wish = CreateWorktree {
            task: self.task_of(&request.name, &name)?,
            name,
            base: None,
            start: Start::No,
            owner: None,
        };
        let worktree = self.intend_create(&wish, &chosen.full, &chosen.base)?;
        let made = self.remake(&git, &worktree, &chosen);
        let made = made.and_then(|place| {
            self.restored(worktree.id, &chosen).inspect_err(|_| {
                // What can't be noted is taken back; recovery does it when this fails too.
                let _ = self.unmake(&git, &place, &worktree);
            })
        });
        if let Err(error) = made {
            self.not_created(worktree.id, &error)?;
            return Err(error);
        }
        let worktree = Some(self.worktree_view(worktree.id)?);
        Ok(Restoration {
            worktree,
            snapshot: chosen.full,
            commit: chosen.commit,
            replaced,
            would: Vec::new(),
        })
    }

    /// The repository whose snapshot is meant: that of the newest worktree of the name, if it has one; else any that has.
    fn repo_of_snapshot(&self, request: &RestoreRequest) -> Result<RepoName> {
        if self.repo_names().len() == 1 {
            return Ok(self.repo());
        }
        let filter = WorktreeFilter { name: Some(request.name.clone()), ..WorktreeFilter::default() };
        let newest = self.look(|view| Ok(view.worktrees(&filter)?))?.pop().map(|worktree| worktree.repo);
        let (services, _) = self.everywhere();
        let has_one = |there: &&Self| there.home().git().and_then(|git| there.choose(&git, request)).is_ok();
        let mut having: Vec<RepoName> = services.iter().filter(has_one).map(Self::repo).collect();
        having.sort_by_key(|repo| Some(repo) != newest.as_ref());
        Ok(having.into_iter().next().or(newest).unwrap_or_else(|| self.repo()))
    }

    fn choose(&self, git: &Git, request: &RestoreRequest) -> Result<Chosen> {
        let name = &request.name;
        let prefix = format!("{SNAPSHOT_REFS}{name}/");
        let refs = git.refs_below(&prefix)?;
        let numbered = refs.into_iter().filter_map(|(full, commit)| {
            Some((full.strip_prefix(&prefix)?.parse::<u64>().ok()?, full, commit))
        });
        let found = match request.number {
            Some(wanted) => numbered.into_iter().find(|(number, ..)| *number == wanted),
            None => numbered.max_by_key(|(number, ..)| *number),
        };
        let Some((_, full, commit)) = found else {
            let which = request.number.map(|n| format!(" {n}")).unwrap_or_default();
            return Err(Error::not_found(format!("there is no snapshot{which} of `{name}`"))
                .hint("`biplane wt snapshots` shows them"));
        };
        let contents = worktrees::contents(git, &commit)?;
        let base = self.base_of(git, &contents)?;
        Ok(Chosen { full, commit, contents, base })
    }

    /// Where the worktree had begun: what the snapshot says, or where its history leaves the target's.
    fn base_of(&self, git: &Git, contents: &Contents) -> Result<CommitId> {
        if let Some(base) = contents.note.as_ref().and_then(|note| note.base.clone()) {
            return Ok(base);
        }
        let head = contents.head.clone().ok_or_else(|| Error::refused("the snapshot has no head"))?;
        let target = self.target().ok().map(|target| git.branch_tip(&target)).transpose()?.flatten();
        let shared = target.map(|target| git.merge_base(&target, &head)).transpose()?.flatten();
        Ok(shared.unwrap_or(head))
    }

    /// Refuses when the branch that was checked out is checked out elsewhere, or has moved on.
    fn refuse_other_checkout(
        &self,
        git: &Git,
        name: &WorktreeName,
        chosen: &Chosen,
        replaces: Option<&Worktree>,
    ) -> Result<()> {
        let branch = name.branch();
        let note = chosen.contents.note.as_ref();
        let on = note.and_then(|note| note.on.as_deref().filter(|on| *on != note.branch));
        let conflict = |branch: &str, what: &str| {
            let shown = biplane_model::sanitize_line(branch);
            Err(Error::new(ErrorKind::Conflict, format!("the branch `{shown}` {what}")))
        };
        let hint = "rename or delete that branch, or restore with `--as NAME`";
        if replaces.is_none_or(|worktree| worktree.branch != branch)
            && let Some(at) = git.branch_tip(&branch)?
            && (chosen.tip() != Some(&at) || checked_out(git, &branch)?)
        {
            return conflict(&branch, &format!("is there, at {}", at.short()))
                .map_err(|e: Error| e.hint(hint));
        }
        let Some(on) = on else { return Ok(()) };
        let replaced = replaces.map(|worktree| self.home().place_of(worktree));
        let is_elsewhere =
            |w: &ListedWorktree| w.branch.as_deref() == Some(on) && Some(&w.path) != replaced.as_ref();
        if git.worktrees()?.iter().any(is_elsewhere) {
            return conflict(on, "was checked out in it, and is checked out elsewhere by now");
        }
        match (git.branch_tip(on)?, &chosen.contents.head) {
            (Some(at), Some(head)) if at != *head => {
                let what =
                    format!("was checked out in it at {}, and is at {} by now", head.short(), at.short());
                conflict(on, &what).map_err(|e: Error| {
                    e.hint(format!("`git branch NAME {head}` keeps the old one; rename the other first"))
                })
            }
            (None, Some(head)) => conflict(on, "was checked out in it, and is gone").map_err(|e: Error| {
                e.hint(format!("`git branch {} {head}` makes it again", biplane_model::sanitize_line(on)))
            }),
            _ => Ok(()),
        }
    }

    /// The open task that names the worktree as its last one and has no other by now.
    fn task_of(&self, old: &WorktreeName, name: &WorktreeName) -> Result<Option<TaskId>> {
        if old != name {
            return Ok(None);
        }
        let tasks = self.look(|view| Ok(view.tasks(&TaskFilter::default())?))?;
        let is_its = |task: &&biplane_model::Task| {
            task.last_worktree.as_ref() == Some(name)
                && task.worktree.is_none()
                && !task.status.is_closed()
                && task.repo == self.repo()
        };
        Ok(tasks.iter().rev().find(is_its).map(|task| task.id.clone()))
    }

    /// The effect. Takes back what it made when it fails.
    fn remake(&self, git: &Git, worktree: &Worktree, chosen: &Chosen) -> Result<Place> {
        let path = self.home().absolute(&worktree.path);
        let spec = AddSpec { path: &path, branch: Some(&worktree.branch), base: &worktree.base };
        let place = {
            let what = format!("restoring worktree {}", worktree.name);
            let _held = locks::git(self.home(), &what, self.wait_notice("git's worktrees"))?;
            self.drop_left_branch(git, worktree, chosen)?;
            worktrees::check_branch(git, &worktree.branch)?.map_err(branch_taken)?;
            ensure_dir(&self.home().worktrees_dir())?;
            worktrees::add(git, &spec)?.place
        };
        let filled = || -> Result<()> {
            self.change(|view, _| {
                let mut worktree = record(view, worktree.id)?;
                worktree.git_entry.clone_from(&place.git_entry);
                Ok((Changes { worktrees: vec![worktree], ..Changes::default() }, ()))
            })?;
            failpoint::reach("restore before");
            worktrees::put_back(&place, &chosen.contents, &worktree.branch)?;
            worktrees::put_back_head(&place, &chosen.contents, &worktree.branch, &worktree.base)?;
            failpoint::reach("restore after");
            Ok(())
        };
        if let Err(error) = filled() {
            self.unmake(git, &place, worktree)?;
            return Err(error);
        }
        Ok(place)
    }

    /// A branch that a removal left where the snapshot has it, and that nobody has checked out, is made anew.
    fn drop_left_branch(&self, git: &Git, worktree: &Worktree, chosen: &Chosen) -> Result<()> {
        let Some(at) = git.branch_tip(&worktree.branch)? else { return Ok(()) };
        if chosen.tip() != Some(&at) || checked_out(git, &worktree.branch)? {
            return Ok(());
        }
        let name = format!("refs/heads/{}", worktree.branch);
        let why = "biplane: restored from its snapshot";
        Ok(git.update_ref(&RefUpdate { name: &name, old: Some(&at), new: None, why })?)
    }

    fn restored(&self, id: WorktreeId, chosen: &Chosen) -> Result<()> {
        self.change(|view, now| {
            let mut worktree = record(view, id)?;
            // Its task may have been closed or bound elsewhere meanwhile; the work is wanted back all the same.
            if let Some(task) = worktree.task.clone()
                && biplane_control::board::bind(view, &mut worktree.clone(), &task, None, now).is_err()
            {
                worktree.task = None;
            }
            let (mut changes, ()) = finish_create(view, worktree, None, Start::No, now)?;
            let made = changes.worktrees.first();
            let event = made.map_or_else(
                || NewEvent::new(EventKind::WorktreeRestore),
                |worktree| NewEvent::new(EventKind::WorktreeRestore).worktree(worktree),
            );
            let event = event.with("ref", chosen.full.as_str()).with("commit", chosen.commit.as_str());
            changes.events.push(event);
            Ok((changes, ()))
        })
    }

    /// Deletes the branch of a half-restored worktree when the snapshot that it was made from holds its tip.
    pub(crate) fn drop_restored_branch(&self, git: &Git, worktree: &Worktree) -> Result<()> {
        if !worktree.base_ref.starts_with(SNAPSHOT_REFS) {
            return Ok(());
        }
        let (Some(tip), Some(snapshot)) =
            (git.branch_tip(&worktree.branch)?, git.find_commit(&worktree.base_ref)?)
        else {
            return Ok(());
        };
        if !git.is_ancestor(&tip, &snapshot)? || checked_out(git, &worktree.branch)? {
            return Ok(());
        }
        let name = format!("refs/heads/{}", worktree.branch);
        let why = "biplane: worktree not restored";
        match git.update_ref(&RefUpdate { name: &name, old: Some(&tip), new: None, why }) {
            Ok(()) | Err(GitError::RefMoved { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Chosen {
    /// Where the snapshot has the worktree's branch.
    fn tip(&self) -> Option<&CommitId> {
        match &self.contents.note {
            Some(note) => note.tip.as_ref(),
            None => self.contents.head.as_ref(),
        }
    }
}

fn checked_out(git: &Git, branch: &str) -> Result<bool> {
    Ok(git.worktrees()?.iter().any(|worktree| worktree.branch.as_deref() == Some(branch)))
}

fn replacing(worktree: &Worktree, chosen: &Chosen) -> RemoveRequest {
    RemoveRequest {
        name: worktree.name.clone(),
        force: true,
        processes: Processes::Refuse,
        closing: Closing::LeaveTask,
        reason: format!("replaced by {}", chosen.full),
        dry_run: false,
    }
}

fn would(name: &WorktreeName, chosen: Chosen, replaces: Option<&Worktree>) -> Restoration {
    let mut would: Vec<String> = replaces
        .iter()
        .map(|worktree| format!("take a snapshot of `{}` as it is, and remove it", worktree.path))
        .collect();
    would.push(format!("create the worktree `{name}` from {}", chosen.full));
    let tip = chosen.tip().map_or_else(|| "no commit".to_owned(), |tip| tip.short().to_owned());
    would.push(format!("put the branch `{}` at {tip}", name.branch()));
    Restoration { worktree: None, snapshot: chosen.full, commit: chosen.commit, replaced: None, would }
}
