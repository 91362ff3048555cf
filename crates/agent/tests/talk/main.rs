//! The loop, its tools and its client against a stand-in for the models' servers.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod failures;
mod lab;
mod program;
mod tools;
mod turns;
