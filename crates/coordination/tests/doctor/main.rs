//! What `doctor` finds and repairs, each fault made on purpose in a real repository.
//!
//! Every fault is looked at dry first, which must change nothing; then repaired; then looked at again, which must find
//! nothing that a repair would put right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

mod board;
mod home;
mod refs;
mod worktrees;
