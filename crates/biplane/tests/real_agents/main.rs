//! End to end with the agent programs that people use, against a stand-in for the models' servers on loopback.
//!
//! `bash .ci/agents` installs the programs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails in a test fails the test")]

mod lab;
mod leading;

mod attached;
mod failures;
mod hookup;
mod lead;
mod sessions;
mod six;
