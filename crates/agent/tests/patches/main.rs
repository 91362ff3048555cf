//! Patches against real files: what git itself writes, random edits, and what must be refused.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod corpus;
mod envelope;
mod lab;
mod random;
mod refused;
