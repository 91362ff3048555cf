//! The execution plane: processes, and what they leave behind.
//!
//! **Contract.** [`supervise`] is the only place that starts, watches and ends processes.

pub mod supervise;
