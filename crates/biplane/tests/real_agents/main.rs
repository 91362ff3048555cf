//! End to end with the agent programs that people use, against a stand-in for the models' servers on loopback.
//!
//! `bash .ci/agents` installs the programs.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod lab;
mod leading;

mod failures;
mod hookup;
mod sessions;
mod six;
