//! Tasks whose holder died, or whose claim ran out.

use biplane_control::{RunFilter, TaskFilter, View, board, board::Guard};
use biplane_model::{Run, RunKind, Task, TaskId, TaskStatus};

use super::{Mode, Recovery, is_dead};
use crate::{error::Result, service::Service};

/// A claim that nobody keeps alive any more.
struct Void {
    why: String,
    /// Runs under older claims, whose supervisors may be alive and must not be waited for.
    superseded: Vec<Run>,
}

impl Service {
    /// Tasks whose holder is dead, or whose lease has run out, with no run left.
    pub(super) fn recover_claims(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let filter = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
        let tasks = self.look(|view| Ok(view.tasks(&filter)?))?;
        for task in &tasks {
            let Some(void) = self.void_claim(task)? else { continue };
            let what = format!("task {} is given back: {}", task.id, void.why);
            let ended = match (&task.holder, mode) {
                (Some(holder), Mode::Fix) if is_dead(holder) => found.end_helpers(holder),
                _ => Ok(()),
            };
            let result = match mode {
                Mode::Dry => Ok(true),
                Mode::Fix => ended.and_then(|()| {
                    void.superseded
                        .iter()
                        .try_for_each(|run| self.end_lost(run, "its claim was taken away").map(|_| ()))?;
                    let guard = Guard { epoch: Some(task.epoch), rev: Some(task.rev) };
                    self.give_back_lost(&task.id, &void.why, guard).map(|()| true)
                }),
            };
            found.note_if_ours(what, result, || self.is_settled(&task.id));
        }
        Ok(())
    }

    /// Whether there is no claim on the task any more that nobody keeps alive.
    fn is_settled(&self, id: &TaskId) -> Result<bool> {
        let now = self.look(|view| Ok(view.task(id)?))?.filter(|now| now.status == TaskStatus::InProgress);
        now.map_or(Ok(true), |now| Ok(self.void_claim(&now)?.is_none()))
    }

    fn void_claim(&self, task: &Task) -> Result<Option<Void>> {
        let why = match &task.holder {
            Some(holder) if is_dead(holder) => format!("the process that held it died ({holder})"),
            Some(_) => return Ok(None),
            None if task.lease_expired(self.now()) => "its claim ran out".to_owned(),
            None => return Ok(None),
        };
        let (superseded, current): (Vec<Run>, Vec<Run>) =
            self.open_attempts(&task.id)?.into_iter().partition(|run| run.epoch < task.epoch);
        Ok(current.is_empty().then_some(Void { why, superseded }))
    }

    /// The open runs of attempts at a task: of its agents, and of what makes their worktree ready.
    pub(crate) fn open_attempts(&self, id: &TaskId) -> Result<Vec<Run>> {
        let filter = RunFilter { open: true, task: Some(id.clone()), ..RunFilter::default() };
        let mut runs = self.look(|view| Ok(view.runs(&filter)?))?;
        runs.retain(|run| matches!(run.kind, RunKind::Agent | RunKind::Setup));
        Ok(runs)
    }

    /// Gives back a task whose run was lost or whose holder died; to a person, when that happened often enough.
    pub(crate) fn give_back_lost(&self, id: &TaskId, why: &str, guard: Guard) -> Result<()> {
        let recoveries = self.settings().up.recoveries;
        self.change(|view: &dyn View, now| {
            let (changes, _) = board::give_back_lost(view, id, why, recoveries, guard, now)?;
            Ok((changes, ()))
        })
    }
}
