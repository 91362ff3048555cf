//! `biplane mcp` as a program that speaks the protocol meets it: over pipes and over HTTP, in every revision, and within a run.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod answers;
mod client;
mod ending;
mod http;
mod lab;
mod official;
mod revisions;
mod scope;
mod scope_all;
