//! Importing boards of older tools into a real repository.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what is wrong here fails the test")]

mod board;
mod broken;
mod generations;
mod worktrees;
