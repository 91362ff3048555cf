//! The same tools for a caller in this very process, without a wire in between.
//!
//! **Contract.** A call is understood, judged, done and answered by what does so for the server; only the form of the answer is
//! another: a text. A caller sees those tools that its scope has any room for.

use std::sync::Arc;

use biplane_coordination::{Error, Scope};
use serde_json::{Map, Value};

use crate::{
    Effect, Setting, Watch,
    answer::{failure, middle_cut},
    bounds,
    call::Call,
    permit, tools,
};

/// A tool, as it is told to a model.
#[derive(Debug, Clone)]
pub struct DirectTool {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: String,
    /// The JSON schema of its arguments, an object.
    pub input: Value,
    /// What a call does to the home.
    pub effect: Effect,
}

/// The tools, for one caller.
pub struct Direct {
    setting: Arc<Setting>,
    scope: Scope,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Direct").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Direct {
    /// The tools for the caller that `setting` says.
    ///
    /// # Errors
    /// When the home can't be opened, or the caller's scope can't be told.
    pub fn new(setting: Arc<Setting>) -> Result<Self, Error> {
        let scope = setting.scope()?;
        Ok(Self { setting, scope })
    }

    /// How far the caller may reach, as it was at the beginning. Each call is judged anew.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The tools that the caller may do something with, in the order in which they are listed.
    pub fn tools(&self) -> Vec<DirectTool> {
        let useful = tools::all().iter().filter(|tool| permit::has_use(&self.scope, tool.sort.right));
        useful
            .map(|tool| DirectTool {
                name: tool.name,
                about: tool.listed.description.clone().unwrap_or_default().into_owned(),
                input: tool.listed.schema_as_json_value(),
                effect: tool.sort.effect,
            })
            .collect()
    }

    /// Calls the tool `name`, and waits for it. The answer is JSON, or that with its middle left out where it is longer than
    /// [`bounds::DIRECT`] bytes.
    ///
    /// # Errors
    /// What was wrong and what to do next, as a text for the model.
    pub fn call(&self, name: &str, arguments: Map<String, Value>, watch: Watch) -> Result<String, String> {
        let (tool, prepared) =
            tools::understand(name, arguments).map_err(|fault| format!("error: {fault}"))?;
        let value = Call::open(&self.setting, tool.sort.access, watch)
            .and_then(|call| call.carry_out(tool, prepared))
            .map_err(|error| failure(&error))?;
        Ok(middle_cut(&value.to_string(), bounds::DIRECT).0)
    }
}
