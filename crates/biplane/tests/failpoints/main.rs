//! Every operation, killed at every one of its places: nothing is lost, and recovery brings everything back into order.
//!
//! The program of a debug build tells the places it comes through, and dies at the one it is told to (`biplane-failpoint`).
//! Each operation is done once to learn them. Then, from the same state each time, it is killed at each of them; a recovery
//! follows, every other time one that is killed as well; and then everything is looked at, by git and by the bytes on the
//! disk rather than by the program's own word.

#![expect(clippy::print_stdout, reason = "how many places were covered is worth reading")]

mod bed;
mod enumerate;
mod git_killed;
mod operations;
mod races;
mod several;
mod work;
