//! The built-in agent: tools in one directory, patches, a client for models, and the loop between them.
//!
//! **Contract.** A library without a program of its own: who uses it gives the directory, the tools, the endpoint, and a place for
//! events. Everything that a model says is hostile: it is bounded, checked, and reaches nothing outside of the directory by a path.
//!
//! **Deliberately absent:** tasks, the ledger, settings files, terminals, git.

pub mod bounds;
pub mod cancel;
pub mod model;
pub mod patch;
pub mod path;
pub mod plan;
pub mod program;
pub mod session;
pub mod tools;
pub mod transcript;
pub mod tree;
