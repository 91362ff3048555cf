//! The verbs of the control plane.

use std::collections::HashMap;

use biplane_control::{
    BoardError, Changes, ReadyOrder, TaskFilter, View, WorktreeFilter,
    board::{self, Claim, Guard, NewTask, Readiness, TaskUpdate},
};
use biplane_model::{AgentName, CommitId, Task, TaskId, TaskStatus, view::TaskView};

use super::Service;
use crate::{
    bounds,
    error::{Error, Result},
};

/// A task in a list, with what it waits for.
#[derive(Debug, Clone)]
pub struct ListedTask {
    /// The task.
    pub task: TaskView,
    /// What it still waits for; only looked up for pending tasks.
    pub waits_for: Readiness,
    /// Why nobody can begin it now although it waits for no task: its repository can't be worked with.
    pub out_of_reach: Option<String>,
}

/// A task after a change.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The task.
    pub task: TaskView,
    /// The tasks that became ready by it.
    pub unblocked: Vec<TaskId>,
}

/// A change of a task's state.
#[derive(Debug, Clone)]
pub enum TaskChange {
    /// Give the claim back.
    Release,
    /// It is done.
    Complete,
    /// Give it up.
    Fail {
        /// Why.
        reason: String,
    },
    /// Call it off.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Set it aside for a person.
    Block {
        /// Why.
        reason: String,
    },
    /// Take it up again.
    Reopen,
}

/// A wish to own a task.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The task; without one, the next ready one.
    pub id: Option<TaskId>,
    /// Who claims.
    pub owner: AgentName,
    /// How long the claim holds, in seconds; a day when absent.
    pub lease_s: Option<u64>,
}

impl Service {
    /// Creates a task.
    ///
    /// # Errors
    /// Texts out of bounds, unknown dependencies, or the ledger.
    pub fn task_create(&self, new: &NewTask) -> Result<TaskView> {
        self.refuse_repo(&new.repo)?;
        let task = self.change(|view, now| Ok(board::create(view, new, now)?))?;
        self.task_view(&task.id)
    }

    /// The tasks that `filter` lets through.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn task_list(&self, filter: &TaskFilter) -> Result<Vec<ListedTask>> {
        let reach = self.reach_now();
        self.look(|view| {
            let bases = bases(view)?;
            let tasks = view.tasks(filter)?;
            let known: HashMap<&TaskId, TaskStatus> = tasks.iter().map(|t| (&t.id, t.status)).collect();
            let status_of = |id: &TaskId| match known.get(id) {
                Some(status) => Ok(Some(*status)),
                None => view.task(id).map(|found| found.map(|t| t.status)),
            };
            let mut listed = Vec::with_capacity(tasks.len());
            for task in &tasks {
                let pending = task.status == TaskStatus::Pending;
                let waits_for =
                    if pending { board::waits_for(task, status_of)? } else { Readiness::default() };
                let out_of_reach = pending.then(|| reach.why_not(&task.repo)).flatten();
                listed.push(ListedTask {
                    task: TaskView::new(task, bases.get(&task.id)),
                    waits_for,
                    out_of_reach,
                });
            }
            Ok(listed)
        })
    }

    /// The tasks that are ready, in the order in which they would be dispatched.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn task_ready(&self) -> Result<Vec<ListedTask>> {
        let reach = self.reach_now();
        self.look(|view| {
            let bases = bases(view)?;
            let ready = view.ready(ReadyOrder::Priority, usize::MAX)?.into_iter();
            let listed = ready.filter(|task| reach.why_not(&task.repo).is_none()).map(|task| ListedTask {
                task: TaskView::new(&task, bases.get(&task.id)),
                waits_for: Readiness::default(),
                out_of_reach: None,
            });
            Ok(listed.collect())
        })
    }

    /// One task, what it waits for, and what waits for it.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn task_show(&self, id: &TaskId) -> Result<(ListedTask, Vec<TaskId>)> {
        let reach = self.reach_now();
        self.look(|view| {
            let task = task(view, id)?;
            let waits_for = board::readiness(view, &task)?;
            let pending = task.status == TaskStatus::Pending;
            let out_of_reach = pending.then(|| reach.why_not(&task.repo)).flatten();
            let listed = ListedTask { task: shown(view, &task)?, waits_for, out_of_reach };
            Ok((listed, view.dependents(id)?))
        })
    }

    /// Claims a task.
    ///
    /// # Errors
    /// When it is somebody else's, not ready, or nothing is ready.
    pub fn task_claim(&self, request: &ClaimRequest) -> Result<TaskView> {
        let claim = Claim {
            id: request.id.clone(),
            owner: request.owner.clone(),
            lease_s: Some(request.lease_s.unwrap_or(bounds::PERSON_LEASE_S)),
            holder: None,
            guard: Guard::default(),
        };
        let reach = self.reach_now();
        let attempt = || {
            self.change(|view, now| {
                let id = match &claim.id {
                    Some(id) => id.clone(),
                    None => reach
                        .next_ready(view, ReadyOrder::Priority, &claim.owner)?
                        .ok_or(BoardError::NothingReady)?,
                };
                if let Some(why) = view.task(&id)?.and_then(|task| reach.why_not(&task.repo)) {
                    return Err(Error::refused(format!("task {id} is not ready: {why}")));
                }
                refuse_shut_down(view, &claim.owner)?;
                Ok(board::claim(view, &Claim { id: Some(id), ..claim.clone() }, now)?)
            })
        };
        let claimed = match (attempt(), &request.id) {
            // Whose process is dead, holds nothing: what it has left is put right first.
            (Err(_), Some(id)) if self.is_left(id)? => {
                self.recover_first()?;
                attempt()
            }
            (claimed, _) => claimed,
        };
        self.task_view(&claimed?.id)
    }

    /// Whether a task is held by a process that is dead.
    fn is_left(&self, id: &TaskId) -> Result<bool> {
        let holder = self.look(|view| Ok(view.task(id)?.and_then(|task| task.holder)))?;
        Ok(holder.is_some_and(|holder| crate::recovery::is_dead(&holder)))
    }

    /// Changes what a task says, and its state by name.
    ///
    /// # Errors
    /// Whatever the rules of the board forbid.
    pub fn task_update(&self, id: &TaskId, update: &TaskUpdate, rev: Option<u64>) -> Result<Finished> {
        let guard = self.guard_for(id, rev)?;
        let unblocked = self.change(|view, now| {
            if update.status == Some(TaskStatus::Completed) {
                self.refuse_own_word(view, id)?;
            }
            let (changes, _, unblocked) = board::update(view, id, update, guard, now)?;
            Ok((changes, unblocked))
        })?;
        if update.status == Some(TaskStatus::Cancelled) {
            self.hold_work_of(id, "its task was cancelled");
        }
        Ok(Finished { task: self.task_view(id)?, unblocked })
    }

    /// Changes a task's state.
    ///
    /// # Errors
    /// When the state machine has no such move, or the caller's claim was replaced.
    pub fn task_change(&self, id: &TaskId, change: &TaskChange) -> Result<Finished> {
        let guard = self.guard_for(id, None)?;
        let unblocked = self.change(|view, now| {
            let (changes, _): (Changes, Task) = match change {
                TaskChange::Complete => {
                    self.refuse_own_word(view, id)?;
                    let (changes, _, unblocked) = board::complete(view, id, guard, now)?;
                    return Ok((changes, unblocked));
                }
                TaskChange::Release => board::release(view, id, guard, now)?,
                TaskChange::Fail { reason } => board::fail(view, id, reason, guard, now)?,
                TaskChange::Cancel { reason } => board::cancel(view, id, reason, guard, now)?,
                TaskChange::Block { reason } => board::block(view, id, reason, guard, now)?,
                TaskChange::Reopen => board::reopen(view, id, guard, now)?,
            };
            Ok((changes, Vec::new()))
        })?;
        if matches!(change, TaskChange::Cancel { .. }) {
            self.hold_work_of(id, "its task was cancelled");
        }
        Ok(Finished { task: self.task_view(id)?, unblocked })
    }

    /// One task as it is now.
    pub(crate) fn task_view(&self, id: &TaskId) -> Result<TaskView> {
        self.look(|view| {
            let task = task(view, id)?;
            shown(view, &task)
        })
    }
}

/// Refuses a further task to who was asked to shut down.
fn refuse_shut_down(view: &dyn View, owner: &AgentName) -> Result<()> {
    match board::shutdown_of(view, owner)? {
        None => Ok(()),
        Some(request) => Err(Error::refused(format!(
            "`{owner}` is to shut down, and gets no further task ({})",
            request.id
        ))
        .hint("`biplane team recall NAME` has an agent take tasks again")),
    }
}

pub(super) fn task(view: &dyn View, id: &TaskId) -> Result<Task> {
    Ok(view.task(id)?.ok_or_else(|| BoardError::NoTask(id.clone()))?)
}

fn shown(view: &dyn View, task: &Task) -> Result<TaskView> {
    let bound = view.worktrees(&WorktreeFilter {
        live: true,
        task: Some(task.id.clone()),
        ..WorktreeFilter::default()
    })?;
    Ok(TaskView::new(task, bound.first().map(|w| &w.base)))
}

/// The base of each bound task's worktree.
fn bases(view: &dyn View) -> Result<HashMap<TaskId, CommitId>> {
    let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
    Ok(live.into_iter().filter_map(|w| Some((w.task?, w.base))).collect())
}
