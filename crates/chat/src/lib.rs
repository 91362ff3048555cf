//! The lead: somebody whom a person tells what is wished, and who has the tools of the board to have it done.
//!
//! **Contract.** [`board`] makes the verbs of biplane tools of the built-in agent, for any caller.

pub mod board;
