//! The intent of a run, before anything is started.

use biplane_control::{
    Changes, RunFilter, View,
    board::{self, Guard},
};
use biplane_model::{CommitId, EventKind, NewEvent, Run, RunId, RunKind, RunStatus, Timestamp, Usage};

use super::{Job, Service, place::record};
use crate::error::{Error, Result};

impl Service {
    /// Records that a run is about to be started, and the delivery of the mail that stands in its prompt.
    pub(super) fn intend_run(&self, job: &Job<'_>) -> Result<Run> {
        let command = self.masks(&job.env).text(&job.command.join(" ")).into_owned();
        let preview = biplane_model::clip(&biplane_model::sanitize_line(&command), 200);
        let base = self.began_at(job)?;
        self.change(|view, now| {
            let number = view.counter("run")? + 1;
            let run = self.new_run(job, (RunId(number), &preview, base.clone()), now);
            let mut changes = Changes { counters: vec![("run".to_owned(), number)], ..Changes::default() };
            let mut event =
                NewEvent::new(EventKind::WorktreeRunBefore).run(&run).with("kind", job.kind.as_str());
            if job.kind != RunKind::Gate {
                let mut worktree = record(view, job.worktree.id)?;
                if !worktree.status.is_live() || worktree.operation.is_some() {
                    return Err(Error::new(
                        crate::ErrorKind::Busy,
                        format!("worktree `{}` is being created or removed", worktree.name),
                    ));
                }
                worktree.last_command_at = Some(now);
                worktree.last_command_preview.clone_from(&preview);
                event = event.worktree(&worktree);
                changes.worktrees.push(worktree);
            } else {
                event = event.worktree(&job.worktree);
            }
            if let Some(role) = job.role {
                event = event.with("role", role.as_str());
            }
            if job.kind == RunKind::Agent {
                event = event.with("epoch", job.epoch);
                alone(view, job)?;
            }
            if let Some(mut task) = job.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                if job.renew {
                    task.run = Some(run.id);
                    changes.tasks.push(task.clone());
                }
                event = event.task(&task);
            }
            changes.events.push(event);
            changes.runs.push(run.clone());
            if let Some(mail) = &job.mail {
                changes.and(board::deliver_in_run(view, &mail.to, &mail.ids, run.id, now)?);
            }
            Ok((changes, run))
        })
        .map(|run| Run { rev: run.rev + 1, ..run })
    }

    /// The record of a run that is about to be started.
    fn new_run(
        &self,
        job: &Job<'_>,
        (id, preview, base): (RunId, &str, Option<CommitId>),
        now: Timestamp,
    ) -> Run {
        Run {
            id,
            repo: job.worktree.repo.clone(),
            worktree: job.worktree.name.clone(),
            worktree_id: job.worktree.id,
            task: job.task.clone(),
            epoch: job.epoch,
            kind: job.kind,
            agent: job.agent.clone(),
            role: job.role,
            base,
            session: None,
            usage: Usage::default(),
            stop_by: None,
            command: preview.to_owned(),
            status: RunStatus::Starting,
            supervisor: self.me(),
            child: None,
            started_at: now,
            ended_at: None,
            exit_code: None,
            signal: None,
            error: String::new(),
            rate_limited: false,
            evidence: None,
            rev: 0,
        }
    }
}

/// Refuses a run of an agent under a claim that was replaced, or beside another one on the same task.
fn alone(view: &dyn View, job: &Job<'_>) -> Result<()> {
    let Some(id) = &job.task else { return Ok(()) };
    board::check(view, id, Guard::epoch(job.epoch))?;
    let open = view.runs(&RunFilter { open: true, task: Some(id.clone()), ..RunFilter::default() })?;
    match open.iter().find(|run| run.kind == RunKind::Agent) {
        None => Ok(()),
        Some(run) => {
            Err(Error::new(crate::ErrorKind::Busy, format!("an agent is at work on task {id} ({})", run.id)))
        }
    }
}
