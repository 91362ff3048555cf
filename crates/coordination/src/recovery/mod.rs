//! After a crash: every intent without a result is found, finished or undone. Doing it twice changes nothing.
//!
//! Only what a dead process had begun is touched. A process that can't be looked at is not dead, and what it began is
//! left alone and told of. What another process has recovered at the same moment is done: nothing is said of it here.

mod claims;
mod reach;
mod runs;
mod scratch;
mod submissions;
mod worktrees;

use biplane_control::Changes;
use biplane_execution::supervise::{self, identity};
use biplane_model::{EventKind, NewEvent, ProcessIdentity};

use crate::{
    error::{Error, Result},
    service::Service,
};

/// What recovery found and did, in sentences; empty when there was nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What was finished, undone or repaired.
    pub done: Vec<String>,
    /// What could not be, and why.
    pub open: Vec<String>,
    /// The dead processes whose helper commands have been ended.
    ended: Vec<ProcessIdentity>,
}

/// Whether recovery acts or only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It says what it would do.
    Dry,
    /// It does it.
    Fix,
}

impl Recovery {
    fn note(&mut self, what: String, result: Result<()>) {
        match result {
            Ok(()) => self.done.push(what),
            Err(error) => self.open.push(format!("{what}: {error}")),
        }
    }

    /// As `note`, of what several processes may find at once. Nothing when it was not this one that did it, or when it failed at what is
    /// `settled` by now.
    fn note_if_ours(&mut self, what: String, result: Result<bool>, settled: impl FnOnce() -> Result<bool>) {
        match result {
            Ok(false) => {}
            // Where that can't be told, the failure counts.
            Err(_) if settled().unwrap_or(false) => {}
            result => self.note(what, result.map(|_| ())),
        }
    }

    /// Sees the helper commands end that a dead process has left: a git that still is at work would have its effect after
    /// what it belongs to was taken back.
    fn end_helpers(&mut self, dead: &ProcessIdentity) -> Result<()> {
        if self.ended.contains(dead) {
            return Ok(());
        }
        let strays =
            supervise::reap_helpers(dead, supervise::bounds::HELPER_PATIENCE, supervise::bounds::GRACE);
        if let Some(alive) = strays.iter().find(|s| !s.gone) {
            return Err(Error::failed(format!("process {} ({}) does not end", alive.pid, alive.command)));
        }
        self.ended.push(dead.clone());
        Ok(())
    }
}
impl Service {
    /// Finishes or undoes what dead processes have left.
    ///
    /// # Errors
    /// When the ledger can't be read. What could not be recovered is in the answer.
    pub fn recover(&self, mode: Mode) -> Result<Recovery> {
        let mut found = Recovery::default();
        self.recover_runs(mode, &mut found)?;
        let (services, out_of_reach) = self.everywhere();
        for there in services.iter().filter(|there| there.home().repository.is_some()) {
            there.recover_worktrees(mode, &mut found)?;
            there.recover_submissions(mode, &mut found)?;
            there.recover_scratch(mode, &mut found)?;
        }
        self.tell_out_of_reach(&out_of_reach, &mut found)?;
        self.recover_claims(mode, &mut found)?;
        if mode == Mode::Fix && !found.done.is_empty() {
            let what = found.done.clone();
            self.change(|_, _| {
                let event = NewEvent::new(EventKind::Recovered).with("done", what.clone());
                Ok((Changes { events: vec![event], ..Changes::default() }, ()))
            })?;
        }
        Ok(found)
    }

    /// As [`Service::recover`], saying what was done; for verbs that need a clear field first.
    pub(crate) fn recover_first(&self) -> Result<()> {
        let found = self.recover(Mode::Fix)?;
        for line in found.done {
            self.say(format!("recovered: {line}"));
        }
        for line in found.open {
            self.say(format!("not recovered: {line}"));
        }
        Ok(())
    }
}

/// Whether no process has this number now.
pub(crate) fn is_gone(pid: u32) -> bool {
    identity::of(pid).is_none()
}

pub(crate) fn is_dead(process: &ProcessIdentity) -> bool {
    identity::liveness(process) == identity::Liveness::Dead
}
