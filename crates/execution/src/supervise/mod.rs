//! Starting, watching and ending processes; the only place in biplane that does.
//!
//! **Contract.** [`capture()`] runs a short helper command and returns its output. [`run()`] supervises a command, an
//! agent or a gate: it logs and echoes without secrets, times out, and ends the command *with every process it started*, whatever process
//! group or session those moved to. [`interactive()`] does the same for a shell that owns the terminal. [`reap`] does
//! the last step for a run whose supervisor died, [`reap_helpers`] for its helper commands. [`detach()`] starts this very program
//! in the background. [`lineage()`] and [`inherited`] tell what this process descends from. [`inside`] finds the processes that stand in a directory or use files in it, [`end_residents`] ends them.
//! [`identity`] says who a process is and whether it is dead for certain.
//!
//! How a run's processes are known, each by itself enough: descent from the run's command; its process group and the
//! groups and sessions its processes made; the run's [`Marker`] in their environment; and, for orphans that wiped their
//! environment, having been handed to this process (a child subreaper on Linux) with a directory inside the run's own. One that
//! stands elsewhere is ended with the last of the runs that it may have come from, where having been handed to us proves that it
//! came from one of them (see the module `orphans`).
//!
//! **Invariant:** no signal goes to a process without one of these proofs, and none by number alone where the system
//! can do better: the identity is compared on a handle to the process (pidfd) before the signal is sent.
//! **Invariant:** only known processes are waited for, never "any child": runs in parallel threads don't disturb each
//! other.
//!
//! **Deliberately absent:** settings, the ledger, git, any knowledge of what an exit code means.
//!
//! Sources: `proc(5)`, `pidfd_open(2)`, `prctl(2)` (`PR_SET_CHILD_SUBREAPER`), `credentials(7)`.

pub mod bounds;
pub mod env;
mod error;
pub mod identity;
pub mod signals;

mod capture;
mod detach;
mod interactive;
mod reap;
mod run;
mod spec;

mod companions;
mod echo;
mod ending;
mod family;
mod in_use;
mod inside;
mod lineage;
mod lines;
mod log;
mod orphans;
mod output;
mod pipes;
mod proctable;
mod root;
mod terminal;

pub use capture::{Capture, Captured, capture};
pub use detach::{
    Detached, allow_background, background_program, be_quiet, become_program, detach, leave_terminal,
};
pub use error::SuperviseError;
pub use in_use::{InUse, dir_in_use, lock_in_use};
pub use inside::{Inside, Presence, Resident, end_residents, inside};
pub use interactive::interactive;
pub use lineage::{inherited, lineage};
pub use reap::{reap, reap_helpers, with_marker};
pub use run::run;
pub use signals::StopFlag;
pub use spec::{
    Echo, EnvChanges, How, Input, LogSpec, Marker, Reply, RunExit, RunObserver, RunSpec, StopReason, Stray,
    StreamName, Tick,
};
