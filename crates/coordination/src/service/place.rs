//! Creating worktrees: intent, effect, result.

use super::{Happened, Service};
use crate::{
    error::{Error, ErrorKind, Result},
    locks, views,
};
use biplane_control::{Changes, LedgerExt, View, WorktreeFilter, board};
use biplane_execution::{
    git::Git,
    worktrees::{self, AddSpec, BranchFault, Place},
};
use biplane_model::{
    AgentName, CommitId, EventKind, NewEvent, Operation, OperationKind, TaskId, Timestamp, Worktree,
    WorktreeId, WorktreeName, WorktreeStatus, view::WorktreeView,
};

/// Whether creating or binding a worktree moves its task to in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// It does.
    #[default]
    Yes,
    /// The task stays as it is, so that somebody may still claim it.
    No,
}

/// What worktree to create.
#[derive(Debug, Clone)]
pub struct CreateWorktree {
    /// Its name.
    pub name: WorktreeName,
    /// The task to bind it to.
    pub task: Option<TaskId>,
    /// The branch, tag or commit to start at; `HEAD` when absent.
    pub base: Option<String>,
    /// Whether the task starts by it.
    pub start: Start,
    /// The owner the task gets when it has none.
    pub owner: Option<AgentName>,
}

impl Service {
    /// Creates a worktree on a branch of its own: in its task's repository, or else in the one at hand. When this fails
    /// nothing of it is left.
    ///
    /// # Errors
    /// When the name or the branch is taken, the base is no commit, the task can't be bound, or git fails.
    pub fn worktree_create(&self, wish: &CreateWorktree) -> Result<WorktreeView> {
        if let Some(id) = &wish.task
            && let Some(there) = self.elsewhere(&self.repo_meant(Some(id), None)?)?
        {
            return there.worktree_create(wish);
        }
        self.require_git()?;
        let git = self.home().git()?;
        let base_ref = wish.base.clone().unwrap_or_else(|| "HEAD".to_owned());
        let base = if base_ref == "HEAD" { git.head()? } else { git.commit_of(&base_ref)? };
        self.ready_worktrees_dir()?;
        let worktree = self.intend_create(wish, &base_ref, &base)?;
        match self.make(&git, &worktree) {
            Ok(place) => {
                if let Err(error) = self.created(wish, worktree.id, &place) {
                    // Its task may have been cancelled, or bound elsewhere, meanwhile.
                    self.unmake(&git, &place, &worktree)?;
                    self.not_created(worktree.id, &error)?;
                    return Err(error);
                }
                self.tend_later(Happened::Worktrees);
                self.worktree_view(worktree.id)
            }
            Err(error) => {
                self.not_created(worktree.id, &error)?;
                Err(error)
            }
        }
    }

    /// Refuses a git that is too old.
    pub(crate) fn require_git(&self) -> Result<()> {
        Ok(Git::require_version(&self.home().state_dir().join("git-program"))?)
    }

    pub(super) fn intend_create(
        &self,
        wish: &CreateWorktree,
        base_ref: &str,
        base: &CommitId,
    ) -> Result<Worktree> {
        let path = self.home().worktrees_dir().join(wish.name.as_str());
        let recorded = self.home().recorded(&path);
        if path.as_std_path().symlink_metadata().is_ok() && self.live(&wish.name)?.is_none() {
            let shown = biplane_model::sanitize_line(&recorded);
            return Err(Error::new(ErrorKind::Conflict, format!("`{shown}` exists already"))
                .hint("move it away, or choose another name"));
        }
        let office = self.port_office()?;
        self.change(|view, now| {
            refuse_taken_name(view, &wish.name)?;
            let number = view.counter("worktree")? + 1;
            let mut worktree = Worktree {
                id: WorktreeId(number),
                repo: self.repo(),
                name: wish.name.clone(),
                branch: wish.name.branch(),
                base: base.clone(),
                base_ref: base_ref.to_owned(),
                path: recorded.clone(),
                git_entry: String::new(),
                ports: Vec::new(),
                status: WorktreeStatus::Creating,
                task: None,
                operation: Some(Operation { kind: OperationKind::Create, by: self.me() }),
                reason: String::new(),
                created_at: now,
                updated_at: now,
                kept_at: None,
                removed_at: None,
                looked_at: None,
                last_entered_at: None,
                last_command_at: None,
                last_command_preview: String::new(),
                rev: 0,
            };
            let mut event = NewEvent::new(EventKind::WorktreeCreateBefore);
            if let Some(id) = &wish.task {
                // Whether they can be bound is found out now; they are bound when there is something to bind.
                let (task, _) = board::bind(view, &mut worktree.clone(), id, wish.owner.as_ref(), now)?;
                event = event.task(&task);
                worktree.task = Some(id.clone());
            }
            if let Some(office) = &office {
                worktree.ports = office.lease(view, Some(worktree.id), &path)?;
            }
            let event = event.worktree(&worktree).with("base_ref", base_ref);
            let changes = Changes {
                worktrees: vec![worktree.clone()],
                counters: vec![("worktree".to_owned(), number)],
                events: vec![event],
                ..Changes::default()
            };
            Ok((changes, worktree))
        })
    }

    /// The effect: the entry under the lock, the files outside it. Takes back what it made when it fails.
    fn make(&self, git: &Git, worktree: &Worktree) -> Result<Place> {
        let path = self.home().absolute(&worktree.path);
        let spec = AddSpec { path: &path, branch: Some(&worktree.branch), base: &worktree.base };
        let place = {
            let what = format!("adding worktree {}", worktree.name);
            let _held = locks::git(self.home(), &what, self.wait_notice("git's worktrees"))?;
            worktrees::check_branch(git, &worktree.branch)?.map_err(branch_taken)?;
            worktrees::add(git, &spec)?.place
        };
        if let Err(error) = self.furnish(&place, worktree) {
            self.unmake(git, &place, worktree)?;
            return Err(error);
        }
        Ok(place)
    }

    /// Makes the directory of the worktrees, and says what there is to know of it.
    pub(crate) fn ready_worktrees_dir(&self) -> Result<()> {
        if let Some(said) = self.home().ready_worktrees_dir()? {
            self.say(said);
        }
        Ok(())
    }

    /// Takes back a worktree that nobody has worked in yet.
    pub(crate) fn unmake(&self, git: &Git, place: &Place, worktree: &Worktree) -> Result<()> {
        let _held = locks::git(self.home(), "taking back a worktree", None)?;
        worktrees::remove_scratch(git, place)?;
        worktrees::undo_add(git, &place.path, Some((&worktree.branch, &worktree.base)))?;
        self.drop_restored_branch(git, worktree)
    }

    fn created(&self, wish: &CreateWorktree, id: WorktreeId, place: &Place) -> Result<()> {
        self.change(|view, now| {
            let mut worktree = record(view, id)?;
            worktree.git_entry.clone_from(&place.git_entry);
            finish_create(view, worktree, wish.owner.as_ref(), wish.start, now)
        })
    }

    pub(crate) fn not_created(&self, id: WorktreeId, why: &Error) -> Result<()> {
        self.change(|view, now| {
            let mut worktree = record(view, id)?;
            worktree.status =
                worktree.status.to(WorktreeStatus::Removed, format_args!("worktree {}", worktree.name))?;
            worktree.operation = None;
            worktree.removed_at = Some(now);
            worktree.updated_at = now;
            worktree.task = None;
            let event =
                NewEvent::new(EventKind::WorktreeCreateFailed).worktree(&worktree).error(why.to_string());
            let ports = worktree.ports.clone();
            Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ports))
        })
        .map(|ports| self.return_ports(&ports, Some(id)))
    }

    /// The live worktree called `name`.
    pub(crate) fn live(&self, name: &WorktreeName) -> Result<Option<Worktree>> {
        self.look(|view| Ok(live_in(view, name)?.filter(|w| w.name == *name)))
    }

    /// The live worktree called `name` of the repository at hand, or an error that says so.
    pub(crate) fn need(&self, name: &WorktreeName) -> Result<Worktree> {
        let worktree = self.need_anywhere(name)?;
        if worktree.repo != self.repo() {
            self.refuse_unknown(&worktree.repo)?;
            return Err(Error::failed(format!("worktree `{name}` is one of repository `{}`", worktree.repo)));
        }
        Ok(worktree)
    }

    /// The live worktree called `name` of any repository, for verbs that change the ledger alone.
    pub(crate) fn need_anywhere(&self, name: &WorktreeName) -> Result<Worktree> {
        self.live(name)?.ok_or_else(|| no_worktree(name))
    }

    /// Where `worktree` is.
    pub(crate) fn place(&self, worktree: &Worktree) -> Result<Place> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.place(worktree);
        }
        Ok(Place {
            common_dir: self.home().repository()?.common_dir.clone(),
            path: self.home().absolute(&worktree.path),
            git_entry: worktree.git_entry.clone(),
        })
    }

    pub(crate) fn worktree_view(&self, id: WorktreeId) -> Result<WorktreeView> {
        self.ledger().look(|view| views::worktree_view(self.home(), view, &record(view, id)?))
    }
}

/// The changes that end a creation: the worktree is active, bound, and its task has started.
pub(crate) fn finish_create(
    view: &dyn View,
    mut worktree: Worktree,
    owner: Option<&AgentName>,
    start: Start,
    now: Timestamp,
) -> Result<(Changes, ())> {
    let what = format!("worktree {}", worktree.name);
    worktree.status = worktree.status.to(WorktreeStatus::Active, what)?;
    worktree.operation = None;
    worktree.updated_at = now;
    let mut changes = Changes::default();
    let mut after = NewEvent::new(EventKind::WorktreeCreateAfter);
    match worktree.task.take() {
        None => changes.events.push(after.worktree(&worktree)),
        Some(id) => {
            let (mut task, bound) = board::bind(view, &mut worktree, &id, owner, now)?;
            let begun = if start == Start::Yes { board::begin(view, &mut task, now)? } else { None };
            after = after.task(&task);
            changes.events.extend([after.worktree(&worktree), bound]);
            changes.events.extend(begun);
            changes.tasks.push(task);
        }
    }
    changes.worktrees.push(worktree);
    Ok((changes, ()))
}

/// The record `id`, which must exist.
pub(crate) fn record(view: &dyn View, id: WorktreeId) -> Result<Worktree> {
    view.worktree(id)?.ok_or_else(|| Error::not_found(format!("there is no worktree record {id}")))
}

pub(crate) fn no_worktree(name: &WorktreeName) -> Error {
    Error::not_found(format!("there is no worktree `{name}`")).hint("`biplane wt list` shows the worktrees")
}

/// The live worktree whose name is `name`, or differs from it in case only.
fn live_in(view: &dyn View, name: &WorktreeName) -> Result<Option<Worktree>> {
    let filter = WorktreeFilter { live: true, name: Some(name.clone()), ..WorktreeFilter::default() };
    Ok(view.worktrees(&filter)?.into_iter().next())
}

pub(super) fn refuse_taken_name(view: &dyn View, name: &WorktreeName) -> Result<()> {
    let Some(other) = live_in(view, name)? else { return Ok(()) };
    let message = if other.name == *name {
        format!("worktree `{name}` exists already ({})", other.status)
    } else {
        format!("worktree `{}` differs from `{name}` in case only", other.name)
    };
    Err(Error::new(ErrorKind::Conflict, message).hint("choose another name, or remove that one"))
}

pub(super) fn branch_taken(fault: BranchFault) -> Error {
    Error::new(ErrorKind::Conflict, fault.to_string())
        .hint("choose another name, or delete or rename the branch")
}

pub(crate) use crate::trees::ensure_dir;
