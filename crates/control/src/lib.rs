//! The control plane: what is to be done.
//!
//! **Contract.** [`ledger`] keeps the records and the events, changed together in one transaction. [`board`] holds the
//! rules (claims, leases, dependencies, transitions) as functions from a consistent [`View`] to the [`Changes`] they ask
//! for; they never write.
//!
//! **Deliberately absent:** git, worktree directories, processes, settings files, terminal output, a clock.

pub mod board;
mod error;
pub mod ledger;

pub use error::{BoardError, LedgerError};
pub use ledger::gate;
pub use ledger::{
    Changes, Committed, EventFilter, Ledger, LedgerExt, MailFilter, Past, ReadyOrder, RequestFilter,
    RunFilter, SqliteLedger, SubmissionFilter, TaskFilter, View, WorktreeFilter,
};
