//! The intent of a run, before anything is started.

use biplane_control::{
    BoardError, Changes, RunFilter, View,
    board::{self, Guard},
    gate::Pass,
};
use biplane_failpoint as failpoint;
use biplane_model::{CommitId, EventKind, NewEvent, Run, RunId, RunKind, RunStatus, Timestamp, Usage};

use super::{InPrompt, Job, Service, place::record};
use crate::{
    error::{Error, Result},
    locks,
};

impl Service {
    /// Records that a run is about to be started, and the delivery of the mail that stands in its prompt.
    ///
    /// # Errors
    /// [`BoardError::MailMoved`] when that mail was delivered elsewhere since the prompt was made, or somebody is being shown it.
    pub(super) fn intend_run(&self, job: &Job<'_>) -> Result<Run> {
        let command = self.masks(&job.env).text(&job.command.join(" ")).into_owned();
        let preview = biplane_model::clip(&biplane_model::sanitize_line(&command), 200);
        let base = self.began_at(job)?;
        let _pass = job.mail.as_ref().map(|mail| self.open_for_prompt(mail)).transpose()?;
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

    /// The right to mark what stands in a prompt. Who is being shown the same marks it, or it waits on: whether the prompt is right is
    /// known only then, and a run does not wait for that.
    fn open_for_prompt(&self, mail: &InPrompt) -> Result<Pass> {
        failpoint::reach("mail in prompt before");
        let who = format!("starting an agent with the mail of `{}`", mail.to);
        let pass = locks::inbox_if_free(self.home().board(), &mail.to, &who)?;
        pass.ok_or_else(|| BoardError::MailMoved { to: mail.to.clone() }.into())
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
