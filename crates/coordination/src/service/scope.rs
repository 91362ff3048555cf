//! How far the caller of a face may reach: the whole home, or only what it works on.
//!
//! **Contract.** Where a caller belongs is told by what it can't put off: the runs that its process descends from, known by their marks
//! and by their first processes. Only without those the variables of a run and the directory count, which are taken for what they say: somebody who
//! is in no run has nothing to widen. Whatever is said, it narrows; what does not agree, and a run that the ledger does
//! not know, leaves nothing of one's own.
//!
//! It is no confinement: whoever may write to the repository may do what biplane does, without asking it. A process that has cut itself off from its
//! run and wiped its environment, standing elsewhere, is not known either. That is what lanes are for.
//!
//! **Deliberately absent:** what is allowed within a scope; the face that has the operations says that.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt, sync::Arc, thread, time::Instant};

use biplane_control::RunFilter;
use biplane_execution::supervise;
use biplane_model::{Actor, AgentName, Role, Run, RunId, RunKind, TaskId, WorktreeName};
use camino::{Utf8Path, Utf8PathBuf};

use super::Service;
use crate::{
    bounds,
    error::{Error, Result},
    variables,
};

/// The facts about a process that decide its scope, as they were when it began.
#[derive(Debug, Clone)]
pub struct Stand {
    /// The marks of the runs it descends from.
    marks: BTreeSet<String>,
    /// Where it stands and stood.
    dirs: BTreeSet<Utf8PathBuf>,
    /// The task it was asked to keep to.
    task: Option<TaskId>,
}

/// How far a caller may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything of the home.
    Home,
    /// What it works on.
    Own(Own),
}

/// What a caller works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The task, when it has one.
    pub task: Option<TaskId>,
    /// The worktree, when it has one.
    pub worktree: Option<WorktreeName>,
    /// The run it is part of.
    pub run: Option<RunId>,
    /// The agent of that run.
    pub agent: Option<AgentName>,
    /// The epoch of the claim it works under.
    pub epoch: Option<u64>,
    /// What it may do to what is its own.
    pub hand: Hand,
    /// How that is known, in words: `run r17`.
    pub known_by: String,
}

/// What a caller may do to what it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// It does the work.
    Works,
    /// It plans the work, and does none of it yet.
    Plans,
    /// It judges the work: a gate, a verifier, a reviewer.
    Judges,
}

impl Own {
    /// Nothing at all.
    fn nothing(known_by: String) -> Self {
        Self { task: None, worktree: None, run: None, agent: None, epoch: None, hand: Hand::Judges, known_by }
    }

    fn of_run(run: Run) -> Self {
        let hand = match (run.kind, run.role) {
            (RunKind::Gate, _) => Hand::Judges,
            (_, None | Some(Role::Implement)) => Hand::Works,
            (_, Some(Role::Plan)) => Hand::Plans,
            (_, Some(Role::Verify | Role::Review)) => Hand::Judges,
        };
        Self {
            epoch: run.task.is_some().then_some(run.epoch),
            task: run.task,
            worktree: Some(run.worktree),
            run: Some(run.id),
            agent: run.agent,
            hand,
            known_by: format!("run {}", run.id),
        }
    }

    /// What is in both.
    fn and(self, other: Self) -> Self {
        let task = self.task.filter(|task| other.task.as_ref() == Some(task));
        let worktree = self.worktree.filter(|name| other.worktree.as_ref() == Some(name));
        // A command that an agent runs is part of the agent's run.
        let (first, second) = if other.agent.is_some() && self.agent.is_none() {
            ((other.run, other.agent, other.epoch), (self.run, self.agent, self.epoch))
        } else {
            ((self.run, self.agent, self.epoch), (other.run, other.agent, other.epoch))
        };
        let hand = if self.hand == other.hand { self.hand } else { Hand::Judges };
        Self {
            epoch: first.2.or(second.2).filter(|_| task.is_some()),
            task,
            worktree,
            run: first.0.or(second.0),
            agent: first.1.or(second.1),
            hand,
            known_by: format!("{}, {}", self.known_by, other.known_by),
        }
    }
}

impl Service {
    /// The facts about this process: `started_in` is its own directory, `task` what it was asked to keep to.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn stand(&self, started_in: &Utf8Path, task: Option<TaskId>) -> Result<Stand> {
        let mut marks = supervise::inherited(variables::RUN_MARK);
        marks.extend(self.variable(variables::RUN_MARK).map(str::to_owned));
        marks.extend(self.marks_above()?);
        let dirs = BTreeSet::from([started_in.to_owned(), self.standing_in().to_owned()]);
        Ok(Stand { marks, dirs, task })
    }

    /// The marks of the runs whose first process is among those that this one descends from: it may have wiped its environment.
    ///
    /// A run whose first process is not known yet, though its supervisor is above, is waited for; it counts when that goes on.
    fn marks_above(&self) -> Result<Vec<String>> {
        let line = supervise::lineage();
        let until = Instant::now() + bounds::FIRST_PROCESS_WAIT;
        loop {
            let open = self.look(|view| Ok(view.runs(&RunFilter { open: true, ..RunFilter::default() })?))?;
            let is_above = |run: &&Run| run.child.as_ref().is_some_and(|child| line.contains(child));
            let is_unknown = |run: &&Run| run.child.is_none() && line.contains(&run.supervisor);
            let is_over = Instant::now() >= until;
            if is_over || !open.iter().any(|run| is_unknown(&run)) {
                let above = open.iter().filter(|run| is_above(run) || is_unknown(run));
                return Ok(above.map(|run| self.mark(run.id)).collect());
            }
            thread::sleep(bounds::RUN_OVER_LOOK);
        }
    }

    /// How far the process that `stand` describes may reach in this home, now.
    ///
    /// # Errors
    /// When it was asked to keep to a task that there is not, or that is not its own; or the ledger can't be read.
    pub fn scope(&self, stand: &Stand) -> Result<Scope> {
        let mut claims = Vec::new();
        for mark in &stand.marks {
            claims.extend(self.claim_of_mark(mark)?);
        }
        if claims.is_empty() {
            claims.extend(self.claim_of_variables()?);
            for dir in &stand.dirs {
                claims.extend(self.claim_of_directory(dir)?);
            }
        }
        let found = claims.into_iter().reduce(Own::and);
        let Some(id) = &stand.task else { return Ok(found.map_or(Scope::Home, Scope::Own)) };
        let worktree = self.look(|view| super::board::task(view, id))?.worktree;
        match found {
            Some(own) if own.task.as_ref() == Some(id) => Ok(Scope::Own(own)),
            Some(own) => Err(Error::refused(format!(
                "task {id} is not the caller's own: it is known by {}",
                own.known_by
            ))
            .hint("leave out `--task`: within a run or a worktree the task is known")),
            None => Ok(Scope::Own(Own {
                task: Some(id.clone()),
                worktree,
                hand: Hand::Works,
                ..Own::nothing(format!("`--task {id}`"))
            })),
        }
    }

    /// The same service for a caller of this scope: it acts under the claim and the name of its run, whatever its
    /// environment says.
    #[must_use]
    pub fn under(self, scope: &Scope) -> Self {
        let Scope::Own(own) = scope else { return self };
        let mut surroundings = (*self.surroundings).clone();
        let mut set = |name: &str, value: Option<String>| match value {
            Some(value) => _ = surroundings.env.insert(name.to_owned(), value),
            None => _ = surroundings.env.remove(name),
        };
        set(variables::TASK_ID, own.task.as_ref().map(ToString::to_string));
        set(variables::EPOCH, own.epoch.map(|epoch| epoch.to_string()));
        set(variables::WORKTREE, own.worktree.as_ref().map(ToString::to_string));
        set(variables::RUN_ID, own.run.map(|run| run.to_string()));
        let actor = own.agent.as_ref().map_or_else(|| self.actor.clone(), |agent| Actor::new(agent.as_str()));
        Self { surroundings: Arc::new(surroundings), actor, ..self }
    }

    /// What a mark says; nothing when it is one of another home.
    fn claim_of_mark(&self, mark: &str) -> Result<Option<Own>> {
        let (dir, run) = mark.rsplit_once(':').unwrap_or((mark, ""));
        if is_another(Utf8Path::new(dir), &self.home().board().state_dir()) {
            return Ok(None);
        }
        let id: Option<RunId> = run.parse().ok();
        let run = id.map(|id| self.look(|view| Ok(view.run(id)?))).transpose()?.flatten();
        let unknown = || Own::nothing("a run that the ledger does not know".to_owned());
        Ok(Some(run.map_or_else(unknown, Own::of_run)))
    }

    /// What the variables of a run say, when there is any of them.
    fn claim_of_variables(&self) -> Result<Option<Own>> {
        let [task, worktree, run, epoch] =
            [variables::TASK_ID, variables::WORKTREE, variables::RUN_ID, variables::EPOCH]
                .map(|name| self.variable(name));
        let Some(name) = [task, worktree, run, epoch].iter().position(Option::is_some) else {
            return Ok(None);
        };
        let name = [variables::TASK_ID, variables::WORKTREE, variables::RUN_ID, variables::EPOCH][name];
        let task: Option<TaskId> = task.and_then(|id| id.parse().ok());
        let worktree: Option<WorktreeName> = worktree.and_then(|name| name.parse().ok());
        let (task, worktree) = match (task, worktree) {
            (Some(id), None) => {
                let bound = self.look(|view| Ok(view.task(&id)?.and_then(|task| task.worktree)))?;
                (Some(id), bound)
            }
            (None, Some(name)) => {
                let bound = self.live(&name)?.and_then(|worktree| worktree.task);
                (bound, Some(name))
            }
            both => both,
        };
        Ok(Some(Own {
            task,
            worktree,
            run: run.and_then(|id| id.parse().ok()),
            // One that can't be told is no claim.
            epoch: epoch.map(|epoch| epoch.parse().unwrap_or(u64::MAX)),
            hand: Hand::Works,
            ..Own::nothing(format!("the variable `{name}`"))
        }))
    }

    /// The worktree that `dir` is in.
    fn claim_of_directory(&self, dir: &Utf8Path) -> Result<Option<Own>> {
        let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
        let dir = real(dir);
        for worktree in self.worktree_list(false)? {
            if dir.starts_with(real(Utf8Path::new(&worktree.path))) {
                let known_by = format!("worktree `{}`", worktree.name);
                return Ok(Some(Own {
                    task: worktree.task_id,
                    worktree: Some(worktree.name),
                    hand: Hand::Works,
                    ..Own::nothing(known_by)
                }));
            }
        }
        Ok(None)
    }
}

/// Whether `dir` is surely not the directory `ours`, whatever name either goes by.
fn is_another(dir: &Utf8Path, ours: &Utf8Path) -> bool {
    let place = |dir: &Utf8Path| std::fs::metadata(dir).map(|meta| (meta.dev(), meta.ino())).ok();
    match (place(dir), place(ours)) {
        (Some(there), Some(here)) => there != here,
        _ => false,
    }
}
