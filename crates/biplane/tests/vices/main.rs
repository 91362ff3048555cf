//! Every vice of the fake agent, through the real program: each ends in the right state, in bounded time, with no process left
//! and nothing outside its worktree changed unnoticed.
//!
//! One test binary, one module for each kind of vice. An `up` has an agent for each protocol that it makes a difference in.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod bystanders;
mod endings;
mod floods;
mod handed;
mod lab;
mod lies;
mod limits;
mod outside;
