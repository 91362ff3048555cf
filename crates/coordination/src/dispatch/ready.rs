//! Making the worktree of an attempt ready to build, before its agent starts.

use std::time::Instant;

use biplane_execution::supervise::{How, RunObserver, StopReason, Tick};
use biplane_model::{Task, Worktree, sanitize_line};

use super::{Shared, attempt::Nothing, role::Watching};
use crate::{
    error::{Error, ErrorKind},
    service::{Service, SetupEnd, SetupFailure, SetupState},
};

impl Shared<'_> {
    /// Makes the worktree ready, unless it is. A set-up that fails is not the agent's fault: a person has to look.
    pub(super) fn make_ready(&self, task: &Task, worktree: &Worktree) -> Result<(), Nothing> {
        if self.no_setup || self.service.setup_state(worktree)? != SetupState::Incomplete {
            return Ok(());
        }
        let inner = Watching { shared: self, task: &task.id, shows_lines: true };
        let mut watch = Renewing::new(self.service, task, inner);
        let report = self.service.worktree_setup(&worktree.name, &mut watch);
        if watch.fenced {
            return Err(Nothing::Fenced);
        }
        if self.is_stopping() {
            return Err(Nothing::Stopped);
        }
        let report = report?;
        for note in &report.notes {
            self.service.say(format!("set-up of `{}`: {note}", worktree.name));
        }
        match report.end {
            SetupEnd::Nothing | SetupEnd::Done => Ok(()),
            // The approval was taken back since `up` began.
            SetupEnd::Unapproved => Ok(self.service.refuse_unapproved()?),
            SetupEnd::Failed(SetupFailure { how: How::Stopped(StopReason::Fenced), .. }) => {
                Err(Nothing::Fenced)
            }
            SetupEnd::Failed(failure) => Err(Nothing::Error(Error::failed(format!(
                "the set-up of worktree `{}` failed: `{}`: {} ({})\n{}",
                worktree.name,
                sanitize_line(&failure.command),
                failure.ending(),
                failure.run,
                failure.tail
            )))),
        }
    }
}

/// Keeps the task's claim alive while something else than an agent takes its time.
pub(super) struct Renewing<'a> {
    service: &'a Service,
    task: &'a Task,
    renewed: Instant,
    fenced: bool,
    inner: Watching<'a>,
}

impl<'a> Renewing<'a> {
    pub(super) fn new(service: &'a Service, task: &'a Task, inner: Watching<'a>) -> Self {
        Self { service, task, renewed: Instant::now(), fenced: false, inner }
    }
}

impl RunObserver for Renewing<'_> {
    fn tick(&mut self) -> Tick {
        if self.renewed.elapsed() >= self.service.renew_every() {
            match self.service.renew(&self.task.id, self.task.epoch) {
                Ok(()) => self.renewed = Instant::now(),
                Err(error) if error.kind == ErrorKind::Conflict => {
                    self.fenced = true;
                    return Tick::Stop(StopReason::Fenced);
                }
                // A ledger that is busy now may not be at the next tick; the claim still holds.
                Err(_) => {}
            }
        }
        self.inner.tick()
    }

    fn line(&mut self, line: &str) {
        self.inner.line(line);
    }
}
