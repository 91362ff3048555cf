//! The MCP server: the verbs of biplane for programs that speak the Model Context Protocol.
//!
//! **Contract.** [`stdio()`] serves one client on standard input and output until it goes or a signal comes; [`http`] serves
//! any number on a port. A tool is a row of `tools::all`: its input is a type, its answer is the form that `--json`
//! prints, and what it may do for a caller that belongs to a run is said by its right and judged in `permit` alone. Every call opens the
//! home anew: nothing is kept between two calls, so that any server may answer any of them.
//!
//! **Invariant:** standard output carries nothing but the protocol. **Invariant:** every answer is bounded.
//!
//! **Deliberately absent:** the process's environment, directory and clock, which the program hands in; rules of the board,
//! which the verbs have.

mod answer;
pub mod bounds;
mod call;
mod direct;
pub mod http;
mod lines;
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

pub use answer::failure;
pub use call::Watch;
pub use direct::{Direct, DirectTool};
pub use http::{Bound, Exposure, HttpOptions};
pub use parity::{Faced, LEFT_OUT_OPTIONS, PARITY};
pub use permit::own_words;
pub use prompts::LEAD;
pub use stdio::{Ended, stdio};
pub use tool::Effect;

/// Takes what a verb says while it is at work.
pub type Narrate = Arc<dyn Fn(Notice) + Send + Sync>;

/// Gives what a service needs, anew for each call.
pub type MakeOutside = Box<dyn Fn(Narrate) -> Outside + Send + Sync>;

/// What the server needs from the program that has it.
pub struct Setting {
    /// What a service needs.
    pub outside: MakeOutside,
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

/// A tool, for the reference.
#[derive(Debug, Clone)]
pub struct ToolFact {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: String,
    /// Its arguments, and whether each has to be given.
    pub arguments: Vec<(String, bool)>,
    /// What a caller that belongs to a run may do with it.
    pub within_a_run: &'static str,
}

/// Every tool, in the order in which they are listed.
pub fn tool_facts() -> Vec<ToolFact> {
    let fact = |tool: &tool::Tool| {
        let schema = tool.listed.schema_as_json_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let argument = |name: String| (name.clone(), required.contains(&name.into()));
        ToolFact {
            name: tool.name,
            about: tool.listed.description.clone().unwrap_or_default().into_owned(),
            arguments: properties.into_iter().map(|(name, _)| argument(name)).collect(),
            within_a_run: tool.sort.right.within_a_run(),
        }
    };
    tools::all().iter().map(fact).collect()
}
