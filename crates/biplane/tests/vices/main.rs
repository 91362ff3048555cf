//! Every vice of the fake agent, through the real program: each ends in the right state, in bounded time, with no process left
//! and nothing outside its worktree changed unnoticed.
//!
//! One test binary, one module for each kind of vice. One `up` has an agent for each protocol that it makes a difference in.

mod endings;
mod endurance;
mod floods;
mod lab;
mod lies;
mod limits;
mod outside;
