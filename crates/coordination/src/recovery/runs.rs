//! Runs whose supervisor died.

use biplane_control::{Changes, RunFilter};
use biplane_execution::{supervise, worktrees};
use biplane_model::{EventKind, NewEvent, Run, RunKind, RunStatus};

use super::{Mode, Recovery, is_dead};
use crate::{
    error::{Error, Result},
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
                Mode::Dry => Ok(()),
                Mode::Fix => found.end_helpers(&run.supervisor).and_then(|()| self.end_lost(run)),
            };
            found.note(what, result);
        }
        Ok(())
    }

    /// Ends what is left of a run, saves what it has done, and gives its task back.
    fn end_lost(&self, run: &Run) -> Result<()> {
        let marker = crate::service::marker(self.mark(run.id));
        let strays = supervise::reap(&marker, run.child.as_ref(), supervise::bounds::GRACE);
        if let Some(alive) = strays.iter().find(|s| !s.gone) {
            return Err(Error::failed(format!("process {} ({}) does not end", alive.pid, alive.command)));
        }
        if run.kind == RunKind::Agent {
            self.save_lost(run)?;
        }
        self.change(|view, now| {
            let mut changes = Changes::default();
            let Some(mut run) = view.run(run.id)?.filter(|r| !r.status.is_over()) else {
                return Ok((changes, ()));
            };
            run.status = run.status.to(RunStatus::Lost, format_args!("run {}", run.id))?;
            run.ended_at = Some(now);
            "its supervisor died".clone_into(&mut run.error);
            let worktree = record(view, run.worktree_id)?;
            let mut event =
                NewEvent::new(EventKind::WorktreeRunLost).run(&run).worktree(&worktree).error(&run.error);
            event = event.with("processes_ended", strays.len());
            changes.events.push(event);
            changes.runs.push(run);
            Ok((changes, ()))
        })
    }

    fn save_lost(&self, run: &Run) -> Result<()> {
        let worktree = self.look(|view| record(view, run.worktree_id))?;
        if worktree.status.is_live() && worktrees::prove(&self.place(&worktree)?).is_ok() {
            self.hold_uncommitted(&worktree, "its run was lost")?;
        }
        Ok(())
    }
}
