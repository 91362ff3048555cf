//! `biplane chat` against a model that does what a script says.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod docs;
mod failures;
mod hostile;
mod lab;
mod sentences;
mod team;
mod terminal;
