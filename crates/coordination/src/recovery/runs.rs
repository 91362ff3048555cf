//! Runs whose supervisor died, or whose claim was taken away.

use std::time::Instant;

use biplane_control::{Changes, RunFilter, board};
use biplane_execution::{supervise, worktrees};
use biplane_model::{EventKind, NewEvent, Run, RunId, RunKind, RunStatus, TaskId, Usage};

use super::{Mode, Recovery, is_dead};
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    logs::{self, RunDir},
    service::{Service, record},
};

impl Service {
    pub(super) fn recover_runs(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let open = self.look(|view| Ok(view.runs(&RunFilter { open: true, ..RunFilter::default() })?))?;
        for run in open.iter().filter(|run| is_dead(&run.supervisor)) {
            let what = format!(
                "run {} in `{}` was lost with its supervisor ({})",
                run.id, run.worktree, run.supervisor
            );
            let result = match mode {
                Mode::Dry => Ok(true),
                Mode::Fix => found
                    .end_helpers(&run.supervisor)
                    .and_then(|()| self.end_lost(run, "its supervisor died")),
            };
            found.note_if_ours(what, result, || self.is_over_by(run.id, Instant::now()));
        }
        Ok(())
    }

    /// Ends what is left of a run, saves what it has done, and notes that it is lost. Its supervisor may be alive: it finds
    /// its run over when it looks. False when it is over already: then others may be at work where it was.
    pub(crate) fn end_lost(&self, run: &Run, why: &str) -> Result<bool> {
        if self.is_over_by(run.id, Instant::now())? {
            return Ok(false);
        }
        let ended = self.end_processes(run)?;
        let mut used = Usage::default();
        if run.kind == RunKind::Agent {
            self.save_lost(run)?;
            used = self.used_by_lost(run.id);
        }
        self.change(|view, now| {
            let mut changes = Changes::default();
            let Some(mut run) = view.run(run.id)?.filter(|r| !r.status.is_over()) else {
                return Ok((changes, false));
            };
            run.status = run.status.to(RunStatus::Lost, format_args!("run {}", run.id))?;
            run.ended_at = Some(now);
            run.usage = used;
            why.clone_into(&mut run.error);
            let worktree = record(view, run.worktree_id)?;
            let mut event =
                NewEvent::new(EventKind::WorktreeRunLost).run(&run).worktree(&worktree).error(&run.error);
            event = event.with("processes_ended", ended);
            if !used.is_nothing()
                && let Ok(usage) = serde_json::to_value(used)
            {
                event = event.with("usage", usage);
            }
            changes.events.push(event);
            // Whether it was read is not known, and what its reader knew is lost: the next one gets it.
            changes.and(board::return_mail(view, run.id, now)?);
            changes.runs.push(run);
            Ok((changes, true))
        })
    }

    /// What the agent of a run said to have used, whose supervisor can't note it any more; nothing where that can't be read.
    fn used_by_lost(&self, run: RunId) -> Usage {
        let most = self.settings().log_bytes.saturating_add(2 * bounds::TRANSCRIPT_TAIL as u64);
        let used = RunDir::open(self.home(), run).and_then(|dir| match dir {
            Some(dir) => logs::used(&dir, most),
            None => Ok(Usage::default()),
        });
        used.unwrap_or_else(|error| {
            self.say(format!("what run {run} has used is not known: {error}"));
            Usage::default()
        })
    }

    /// Ends every process of a run, whoever supervises it. Gives how many there were.
    ///
    /// # Errors
    /// When one of them does not end.
    pub(crate) fn end_processes(&self, run: &Run) -> Result<usize> {
        let marker = crate::service::marker(self.mark(run.id));
        let strays = supervise::reap(&marker, run.child.as_ref(), supervise::bounds::GRACE);
        match strays.iter().find(|s| !s.gone) {
            None => Ok(strays.len()),
            Some(alive) => {
                Err(Error::failed(format!("process {} ({}) does not end", alive.pid, alive.command)))
            }
        }
    }

    /// Sees the runs of a task end whose claims were replaced by the one of `epoch`: two agents never work on one task. Their
    /// supervisors notice by themselves; one that does not in time is not waited for.
    ///
    /// # Errors
    /// When one does not end.
    pub(crate) fn end_superseded(&self, id: &TaskId, epoch: u64) -> Result<()> {
        let until = Instant::now() + bounds::SUPERSEDED_WAIT;
        for run in self.open_attempts(id)?.iter().filter(|run| run.epoch < epoch) {
            if !is_dead(&run.supervisor) && self.is_over_by(run.id, until)? {
                continue;
            }
            if run.supervisor == self.me() {
                let message = format!("run {} of task {id} does not end", run.id);
                return Err(Error::new(ErrorKind::Busy, message));
            }
            self.end_lost(run, "its claim was taken away")?;
        }
        Ok(())
    }

    /// Whether a run is over, or is so at the latest at `until`.
    pub(crate) fn is_over_by(&self, id: RunId, until: Instant) -> Result<bool> {
        loop {
            let is_over = |run: Option<Run>| run.is_none_or(|run| run.status.is_over());
            if is_over(self.look(|view| Ok(view.run(id)?))?) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            std::thread::sleep(bounds::RUN_OVER_LOOK);
        }
    }

    pub(crate) fn save_lost(&self, run: &Run) -> Result<()> {
        let worktree = self.look(|view| record(view, run.worktree_id))?;
        if worktree.status.is_live() && worktrees::prove(&self.place(&worktree)?).is_ok() {
            self.hold_uncommitted(&worktree, "its run was lost")?;
        }
        Ok(())
    }
}
