//! Tasks whose holder died, or whose claim ran out.

use biplane_control::{RunFilter, TaskFilter, View, board, board::Guard};
use biplane_model::{RunKind, Task, TaskStatus};

use super::{Mode, Recovery, is_dead};
use crate::{error::Result, service::Service};

impl Service {
    /// Tasks whose holder is dead, or whose lease has run out, with no run left.
    pub(super) fn recover_claims(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let filter = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
        let tasks = self.look(|view| Ok(view.tasks(&filter)?))?;
        for task in &tasks {
            let Some(why) = self.void_claim(task)? else { continue };
            let what = format!("task {} is pending again: {why}", task.id);
            let ended = match (&task.holder, mode) {
                (Some(holder), Mode::Fix) if is_dead(holder) => found.end_helpers(holder),
                _ => Ok(()),
            };
            let result = match mode {
                Mode::Dry => Ok(()),
                Mode::Fix => ended.and_then(|()| self.void(task, &why)),
            };
            found.note(what, result);
        }
        Ok(())
    }

    fn void_claim(&self, task: &Task) -> Result<Option<String>> {
        let runs = self.look(|view| {
            Ok(view.runs(&RunFilter { open: true, task: Some(task.id.clone()), ..RunFilter::default() })?)
        })?;
        if runs.iter().any(|run| run.kind == RunKind::Agent) {
            return Ok(None);
        }
        Ok(match &task.holder {
            Some(holder) if is_dead(holder) => Some(format!("the process that held it died ({holder})")),
            Some(_) => None,
            None => task.lease_expired(self.now()).then(|| "its claim ran out".to_owned()),
        })
    }

    fn void(&self, task: &Task, why: &str) -> Result<()> {
        self.change(|view: &dyn View, now| {
            let guard = Guard { epoch: Some(task.epoch), rev: Some(task.rev) };
            let (changes, _) = board::give_back(view, &task.id, why, guard, now)?;
            Ok((changes, ()))
        })
    }
}
