//! End to end with the built-in agent, against a stand-in for the models' servers on loopback.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod failures;
mod lab;
mod life;
mod settings;
mod six;
mod team;
