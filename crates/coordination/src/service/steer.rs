//! Pausing, resuming and draining every `up` on this home.
//!
//! **Contract.** The state is in the ledger, as the counter `up.state`. Draining is over when the last `up` has ended; who is
//! one is known by a lock that each holds together with the others, and that the system drops with the process.

use std::{
    fs::{File, OpenOptions, TryLockError},
    time::Instant,
};

use biplane_control::Changes;
use biplane_failpoint as failpoint;
use biplane_model::{EventKind, NewEvent};

use super::Service;
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    files,
};

/// Where the state is kept.
const COUNTER: &str = "up.state";

/// Whether `up` starts agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpState {
    /// It does.
    Running,
    /// It starts none until it is resumed, and waits.
    Paused,
    /// It starts none, and ends when what is at work is done.
    Draining,
}

impl UpState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Draining => "draining",
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Running => 0,
            Self::Paused => 1,
            Self::Draining => 2,
        }
    }

    /// What a number of the ledger means. One that is none of ours starts nothing.
    fn of(number: u64) -> Self {
        match number {
            0 => Self::Running,
            2 => Self::Draining,
            _ => Self::Paused,
        }
    }

    fn event(self) -> EventKind {
        match self {
            Self::Running => EventKind::UpResumed,
            Self::Paused => EventKind::UpPaused,
            Self::Draining => EventKind::UpDraining,
        }
    }
}

/// What a wish to steer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steered {
    /// The state now.
    pub state: UpState,
    /// Whether it was another one before.
    pub changed: bool,
    /// Whether an `up` is at work.
    pub at_work: bool,
}

/// The sign that an `up` is at work; it goes with the process.
#[derive(Debug)]
pub(crate) struct UpSign {
    file: File,
}

impl Service {
    /// Whether `up` may start agents.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn up_state(&self) -> Result<UpState> {
        self.look(|view| Ok(UpState::of(view.counter(COUNTER)?)))
    }

    /// Pauses, resumes or drains every `up` on this home. Where none is at work there is nothing to drain.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn steer(&self, wish: UpState) -> Result<Steered> {
        let at_work = self.is_up()?;
        if wish == UpState::Draining && !at_work {
            return Ok(Steered { state: self.up_state()?, changed: false, at_work });
        }
        let changed = self.set_up_state(wish, None)?;
        Ok(Steered { state: wish, changed, at_work })
    }

    /// Sets the state, when it is another one and, where that is asked, still `from`. Whether it did.
    fn set_up_state(&self, to: UpState, from: Option<UpState>) -> Result<bool> {
        self.change(|view, _| {
            let now = UpState::of(view.counter(COUNTER)?);
            if now == to || from.is_some_and(|from| from != now) {
                return Ok((Changes::default(), false));
            }
            let event = NewEvent::new(to.event()).with("was", now.as_str());
            let counters = vec![(COUNTER.to_owned(), to.number())];
            Ok((Changes { counters, events: vec![event], ..Changes::default() }, true))
        })
    }

    /// Whether an `up` is at work.
    pub(crate) fn is_up(&self) -> Result<bool> {
        // Nobody has ever been one where there is no lock.
        let path = self.home().board().state_dir().join("up.lock");
        match OpenOptions::new().read(true).open(&path) {
            Ok(file) => Ok(!self.is_alone(&file)?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io("opened", &path, e)),
        }
    }

    /// Whether nobody holds the lock of `file`, which holds none of ours.
    fn is_alone(&self, file: &File) -> Result<bool> {
        match file.try_lock() {
            Ok(()) => file.unlock().map(|()| true).map_err(|e| Error::io("unlocked", "up.lock", e)),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(Error::io("locked", "up.lock", e)),
        }
    }

    /// Begins an `up`. The first one after the last that drained starts agents again.
    ///
    /// # Errors
    /// Busy while others drain.
    pub(crate) fn begin_up(&self) -> Result<UpSign> {
        let dir = self.home().board().state_dir();
        files::make_dir(&dir)?;
        let path = dir.join("up.lock");
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = failpoint::around("up.lock", open).map_err(|e| Error::io("opened", &path, e))?;
        if self.up_state()? == UpState::Draining {
            if !self.is_alone(&file)? {
                return Err(Error::new(
                    ErrorKind::Busy,
                    "another `up` drains: it ends when what is at work is done",
                )
                .hint("wait for it, or `biplane resume` has it go on"));
            }
            // The last one was killed before it could say so.
            if self.set_up_state(UpState::Running, Some(UpState::Draining))? {
                self.say("the drain is over: agents are started again");
            }
        }
        let until = Instant::now() + bounds::UP_LOCK_WAIT;
        loop {
            match file.try_lock_shared() {
                Ok(()) => return Ok(UpSign { file }),
                // Somebody looks whether anybody is at work.
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(bounds::RUN_OVER_LOOK);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::new(ErrorKind::Busy, "`up.lock` is held by another process"));
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("locked", &path, e)),
            }
        }
    }

    /// Ends an `up`. When it was the last of those that drain, the drain is over.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub(crate) fn end_up(&self, sign: UpSign) -> Result<()> {
        sign.file.unlock().map_err(|e| Error::io("unlocked", "up.lock", e))?;
        if self.up_state()? == UpState::Draining
            && self.is_alone(&sign.file)?
            && self.set_up_state(UpState::Running, Some(UpState::Draining))?
        {
            self.say("drained: no agent is at work any more; the next `up` starts agents again");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_states_belong_together() {
        for state in [UpState::Running, UpState::Paused, UpState::Draining] {
            assert_eq!(UpState::of(state.number()), state);
        }
        assert_eq!(UpState::of(7), UpState::Paused);
    }
}
