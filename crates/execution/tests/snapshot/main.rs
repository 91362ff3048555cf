//! Snapshots: whatever state a worktree is in, it comes back exactly; taking one touches and runs nothing.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod lab;
mod random;
mod refused;
mod states;
