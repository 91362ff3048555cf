//! Signals: `^C` ends what is under way and nothing else; being told to end does so, with the terminal as it was found.

use std::{
    io,
    os::fd::AsFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use biplane_agent::cancel::Cancel;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

/// Who hears of signals.
#[derive(Clone)]
pub struct Interrupts(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What is under way.
    under_way: Option<Cancel>,
    /// The signal that asked to end, when one did.
    ends: Option<i32>,
    /// How often `^C` came since it is under way.
    interrupts: usize,
    /// Whether a person is being asked: nothing is at work meanwhile.
    asks: bool,
    /// Whether an interrupt is let go by while nothing is under way.
    stays: bool,
    /// How the terminal was.
    found: Option<Termios>,
}

/// What is done about a signal.
#[derive(Debug)]
enum Deed {
    /// What is under way is to end.
    Cancel(Cancel),
    /// Nothing.
    LetGo,
    /// The process ends at once.
    End,
}

impl State {
    fn hear(&mut self, signal: i32) -> Deed {
        let at_once = if signal == SIGINT {
            self.interrupts += 1;
            self.interrupts > 2
        } else {
            self.ends.replace(signal).is_some() || self.asks
        };
        match &self.under_way {
            Some(cancel) if !at_once => Deed::Cancel(cancel.clone()),
            None if signal == SIGINT && self.stays => Deed::LetGo,
            _ => Deed::End,
        }
    }
}

impl Interrupts {
    /// Takes over the signals, for as long as the process lives.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn install() -> io::Result<Self> {
        let found = tcgetattr(io::stdin().as_fd()).ok();
        let this = Self(Arc::new(Mutex::new(State { found, ..State::default() })));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let heard = this.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                heard.hear(signal);
            }
        })?;
        Ok(this)
    }

    /// Until the answer is dropped, an interrupt wishes `cancel`, and so does being told to end. The third interrupt, and being told to end twice, ends the
    /// process at once: what it has at work is found by the next command, as after a crash.
    pub fn during(&self, cancel: &Cancel) -> During<'_> {
        let mut state = self.state();
        state.under_way = Some(cancel.clone());
        state.interrupts = 0;
        During(self)
    }

    /// From now on an interrupt is let go by while nothing is under way: it came a moment too late for a turn, or too early for a line.
    pub fn stay(&self) {
        self.state().stays = true;
    }

    /// The signal that asked to end, when one did.
    pub fn ends(&self) -> Option<i32> {
        self.state().ends
    }

    /// Until the answer is dropped a person is asked, and being told to end is done at once: a terminal is not waited for.
    pub(crate) fn asking(&self) -> Asking<'_> {
        self.state().asks = true;
        Asking(self)
    }

    fn hear(&self, signal: i32) {
        let mut state = self.state();
        match state.hear(signal) {
            Deed::Cancel(cancel) => {
                drop(state);
                cancel.cancel();
                return;
            }
            Deed::LetGo => return,
            Deed::End => {}
        }
        // An editor that has the terminal has left it in a manner of its own.
        if let Some(found) = &state.found {
            let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, found);
        }
        // It fails for signals that there are not.
        let _ = emulate_default_handler(signal);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupts").finish_non_exhaustive()
    }
}

/// As long as it lives, an interrupt is about what is under way.
#[derive(Debug)]
pub struct During<'a>(&'a Interrupts);

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.state().under_way = None;
    }
}

/// As long as it lives, a person is asked.
#[derive(Debug)]
pub(crate) struct Asking<'a>(&'a Interrupts);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.state().asks = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done about these signals in a turn, a letter each.
    fn deeds(asks: bool, signals: &[i32]) -> String {
        let mut state = State { under_way: Some(Cancel::new()), asks, stays: true, ..State::default() };
        let letter = |deed| match deed {
            Deed::Cancel(_) => 'c',
            Deed::LetGo => '-',
            Deed::End => 'e',
        };
        signals.iter().map(|&signal| letter(state.hear(signal))).collect()
    }

    #[test]
    fn signals_are_counted_by_what_they_mean() {
        assert_eq!(deeds(false, &[SIGINT, SIGINT, SIGINT]), "cce");
        assert_eq!(deeds(false, &[SIGTERM, SIGTERM]), "ce");
        assert_eq!(deeds(false, &[SIGINT, SIGTERM, SIGINT, SIGHUP]), "ccce");
        assert_eq!(deeds(true, &[SIGINT, SIGTERM]), "ce");
        let mut waits = State { stays: true, ..State::default() };
        assert!(matches!(waits.hear(SIGINT), Deed::LetGo));
        assert!(matches!(waits.hear(SIGTERM), Deed::End));
    }
}
