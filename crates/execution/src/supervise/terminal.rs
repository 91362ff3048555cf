//! Handing the terminal to a child, and taking it back.

use std::io::{IsTerminal, stdin};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::{
    process::{Pid, getpgrp},
    termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp},
};

/// A terminal that was handed over; dropping it takes the terminal back.
pub(super) struct Handover {
    ours: Pid,
    modes: Option<Termios>,
}

impl Handover {
    /// Makes `group` the foreground group of the terminal on standard input; nothing when there is none, or when it is
    /// not ours to give (we run in the background).
    pub(super) fn to(group: Pid) -> Option<Self> {
        let terminal = stdin();
        let ours = getpgrp();
        if !terminal.is_terminal() || tcgetpgrp(&terminal) != Ok(ours) {
            return None;
        }
        let modes = tcgetattr(&terminal).ok();
        tcsetpgrp(&terminal, group).ok()?;
        Some(Self { ours, modes })
    }

    /// Puts the terminal back into the modes it had: for a child that did not end by itself.
    pub(super) fn restore_modes(&self) {
        if let Some(modes) = &self.modes {
            undisturbed(|| _ = tcsetattr(stdin(), OptionalActions::Drain, modes));
        }
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        undisturbed(|| _ = tcsetpgrp(stdin(), self.ours));
    }
}

/// Does `what` although we are in the background: with SIGTTOU blocked in this thread the system lets us (`tcsetpgrp(3)`).
fn undisturbed(what: impl FnOnce()) {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTTOU);
    let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    if let Ok(before) = before {
        what();
        _ = before.thread_set_mask();
    }
}
