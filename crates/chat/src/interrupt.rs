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
    /// How often it was interrupted since it is under way.
    count: usize,
    /// Whether an interrupt is let go by while nothing is under way.
    stays: bool,
    /// How the terminal was.
    found: Option<Termios>,
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

    /// Until the answer is dropped, an interrupt wishes `cancel`. The third one, and being told to end twice, ends the process at once:
    /// what it has at work is found by the next command, as after a crash.
    pub fn during(&self, cancel: &Cancel) -> During<'_> {
        let mut state = self.state();
        state.under_way = Some(cancel.clone());
        state.count = 0;
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

    fn hear(&self, signal: i32) {
        let mut state = self.state();
        if signal != SIGINT {
            state.ends = Some(signal);
        }
        state.count += 1;
        let patience = if signal == SIGINT { 2 } else { 1 };
        if let Some(cancel) = state.under_way.clone().filter(|_| state.count <= patience) {
            drop(state);
            cancel.cancel();
            return;
        }
        if signal == SIGINT && state.stays && state.under_way.is_none() {
            return;
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
