//! The lead: somebody whom a person tells what is wished, and who has the tools of the board to have it done.
//!
//! **Contract.** [`board`] makes the verbs of biplane tools of the built-in agent, for any caller. [`lead`] is a conversation with a model
//! that has them, [`converse`](mod@converse) the same at a terminal. What a model says, and what its tools answer, is made harmless before
//! it is told to anybody.
//!
//! **Deliberately absent:** arguments, settings, exit codes: they are the program's. Rules of the board, which the verbs have.

pub mod board;
pub mod bounds;
pub mod consent;
pub mod converse;
pub mod editor;
pub mod events;
pub mod interrupt;
pub mod lead;
pub mod screen;

mod outcome;
mod own;
mod stage;
mod words;
