//! The MCP server: the verbs of biplane for programs that speak the Model Context Protocol.
//!
//! **Contract.** [`stdio()`] serves one client on standard input and output until it goes or a signal comes; [`http`] serves
//! any number on a port. A tool is a row of [`tools::all`]: its input is a type, its answer is the form that `--json`
//! prints, and what it may do for a caller that belongs to a run is said by its right and judged in [`permit`] alone. Every call opens the
//! home anew: nothing is kept between two calls, so that any server may answer any of them.
//!
//! **Invariant:** standard output carries nothing but the protocol. **Invariant:** every answer is bounded.
//!
//! **Deliberately absent:** the process's environment, directory and clock, which the program hands in; rules of the board,
//! which the verbs have.

mod answer;
pub mod bounds;
mod call;
pub mod http;
mod page;
mod parity;
mod permit;
mod prompts;
mod resources;
mod server;
mod stdio;
mod tool;
mod tools;

use std::sync::Arc;

use biplane_coordination::{Access, Error, Notice, Outside, Scope, Service, Stand};

pub use http::{Bound, Exposure, HttpOptions};
pub use parity::{Faced, LEFT_OUT_OPTIONS, PARITY};
pub use permit::own_words;
pub use stdio::{Ended, stdio};

/// What the server needs from the program that has it.
pub struct Setting {
    /// What a service needs, anew for each call: with this taker of notices.
    pub outside: Box<dyn Fn(Arc<dyn Fn(Notice) + Send + Sync>) -> Outside + Send + Sync>,
    /// Where the caller belongs.
    pub stand: Stand,
}

impl Setting {
    /// How far the caller may reach.
    ///
    /// # Errors
    /// When the home can't be opened, or the scope can't be told.
    pub fn scope(&self) -> Result<Scope, Error> {
        let service = Service::open((self.outside)(Arc::new(|_| {})), Access::Read)?;
        service.scope(&self.stand)
    }
}

/// The names of all tools, in the order in which they are listed.
pub fn tool_names() -> Vec<&'static str> {
    tools::all().iter().map(|tool| tool.name).collect()
}
