//! The worktree of an attempt: the task's own, or a new one at the target's tip.

use biplane_control::{EventFilter, RunFilter, SubmissionFilter, WorktreeFilter, board};
use biplane_model::{Role, Run, RunKind, RunStatus, Task, Worktree, WorktreeName};

use super::{Shared, crew::Member};
use crate::{
    bounds,
    error::{ErrorKind, Result},
    service::{CreateWorktree, Start},
};

/// How often another name is tried for a task's worktree when the first is taken.
const NAME_TRIES: u32 = 20;

/// What a worktree that was there already holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Resumed {
    /// An earlier attempt was made in it.
    pub(super) was_tried: bool,
    /// There is work in it.
    pub(super) has_work: bool,
    /// An agent has done the work already, and only what comes behind was interrupted.
    pub(super) is_done: bool,
    /// The agent's own name for the conversation that it can go on with.
    pub(super) session: Option<String>,
}

impl Shared<'_> {
    /// The worktree to work in.
    pub(super) fn worktree_for(&self, task: &Task, member: &Member) -> Result<(Worktree, Resumed)> {
        let filter = WorktreeFilter { live: true, task: Some(task.id.clone()), ..WorktreeFilter::default() };
        let bound = self.service.look(|view| Ok(view.worktrees(&filter)?.into_iter().next()))?;
        let Some(worktree) = bound else { return Ok((self.new_worktree(task)?, Resumed::default())) };
        let last = self.last_run(task, &worktree)?;
        if let Some(run) = last.as_ref().filter(|run| run.status == RunStatus::Succeeded)
            && !self.was_submitted(&worktree, run)?
            && !self.was_sent_back(task, run)?
        {
            let done = Resumed { was_tried: true, has_work: true, is_done: true, session: None };
            return Ok((worktree, done));
        }
        let has_work = self.service.has_work(&worktree)?;
        if !member.agent.resume && last.is_some() {
            // A program that knows nothing of earlier attempts gets what it knows: a clean start.
            self.service.refuse_fenced(task)?;
            self.service.start_over(&worktree, "a new attempt begins")?;
            return Ok((self.new_worktree(task)?, Resumed::default()));
        }
        // A conversation that failed is not gone on with.
        let session = last
            .as_ref()
            .filter(|run| run.agent.as_ref() == Some(&member.name) && run.status != RunStatus::Failed)
            .and_then(|run| run.session.clone());
        Ok((worktree, Resumed { was_tried: last.is_some(), has_work, is_done: false, session }))
    }

    /// The last run of an agent that did the task's work in the worktree.
    fn last_run(&self, task: &Task, worktree: &Worktree) -> Result<Option<Run>> {
        let filter = RunFilter { worktree: Some(worktree.id), ..RunFilter::default() };
        let runs = self.service.look(|view| Ok(view.runs(&filter)?))?;
        let is_last = |run: &Run| {
            run.kind == RunKind::Agent
                && run.task.as_ref() == Some(&task.id)
                && run.role.is_none_or(|role| role == Role::Implement)
        };
        Ok(runs.into_iter().rev().find(is_last))
    }

    /// Whether what the run has done was submitted.
    fn was_submitted(&self, worktree: &Worktree, run: &Run) -> Result<bool> {
        let filter = SubmissionFilter { worktree: Some(worktree.id), ..SubmissionFilter::default() };
        self.service.look(|view| Ok(view.submissions(&filter)?.iter().any(|s| s.epoch >= run.epoch)))
    }

    /// Whether what the run has done was sent back to be done again.
    fn was_sent_back(&self, task: &Task, run: &Run) -> Result<bool> {
        let filter = EventFilter { task: Some(task.id.clone()), worktree: None };
        let events = self.service.look(|view| Ok(view.newest_events(&filter, bounds::EVENTS_LOOKED_AT)?))?;
        Ok(events.iter().any(|event| {
            run.ended_at.is_none_or(|end| event.at >= end) && event.fact.data.contains_key(board::REVISION)
        }))
    }

    /// Whether an agent was started in the worktree before.
    pub(super) fn was_tried(&self, worktree: &Worktree) -> Result<bool> {
        let filter = RunFilter { worktree: Some(worktree.id), ..RunFilter::default() };
        self.service.look(|view| Ok(view.runs(&filter)?.iter().any(|run| run.kind == RunKind::Agent)))
    }

    fn new_worktree(&self, task: &Task) -> Result<Worktree> {
        let target = self.service.in_repo(&task.repo)?.target()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let wish = CreateWorktree {
                name: name_for(task, tries),
                task: Some(task.id.clone()),
                base: Some(format!("refs/heads/{target}")),
                start: Start::No,
                owner: None,
            };
            match self.service.worktree_create(&wish) {
                Ok(_) => return self.service.need_anywhere(&wish.name),
                Err(error) if error.kind == ErrorKind::Conflict && tries < NAME_TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A worktree name for a task: its id and its subject's words; with a number when that is taken.
pub(super) fn name_for(task: &Task, tries: u32) -> WorktreeName {
    let mut slug = String::new();
    for c in task.subject.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let id: String = task.id.as_str().chars().take(24).collect();
    let slug: String = slug.chars().take(32).collect();
    let slug = slug.trim_end_matches('-');
    let mut name = if slug.is_empty() { format!("task-{id}") } else { format!("{id}-{slug}") };
    if tries > 1 {
        name = format!("{name}-{tries}");
    }
    name.parse().unwrap_or_else(|_| format!("task-{id}-{tries}").parse().expect("ids are legal in names"))
}
