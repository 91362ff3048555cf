//! The tools of the board for the built-in agent: those of the MCP server, without a server.
//!
//! **Contract.** A tool is listed when the caller's scope has any room for it, and each call is judged as one over the wire is. A
//! call that is cancelled ends what it has at work, as soon as that can be ended.

use std::sync::Arc;

use biplane_agent::{
    cancel::Cancel,
    tools::{Answer, Spec, Tool, Wish},
};
use biplane_coordination::Error;
use biplane_mcp::{Direct, DirectTool, Setting, Watch};
use biplane_model::{clip, sanitize_line};
use serde_json::Value;

use crate::bounds;

/// Is told how far a call is, a line at a time. It must not block.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The tools of the board for the caller that `setting` says; while a call is at work, `told` hears of it.
///
/// # Errors
/// When the home can't be opened, or the caller's scope can't be told.
pub fn tools(setting: &Arc<Setting>, told: &Tell) -> Result<Vec<BoardTool>, Error> {
    let direct = Arc::new(Direct::new(Arc::clone(setting))?);
    let tool = |tool| BoardTool { direct: Arc::clone(&direct), tool, told: Arc::clone(told) };
    Ok(direct.tools().into_iter().map(tool).collect())
}

/// One tool of the board.
pub struct BoardTool {
    direct: Arc<Direct>,
    tool: DirectTool,
    told: Tell,
}

impl std::fmt::Debug for BoardTool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BoardTool").field(&self.tool.name).finish()
    }
}

impl BoardTool {
    /// What it is.
    pub fn fact(&self) -> &DirectTool {
        &self.tool
    }
}

impl Tool for BoardTool {
    fn spec(&self) -> Spec {
        Spec {
            name: self.tool.name.to_owned(),
            description: self.tool.about.clone(),
            input: self.tool.input.clone(),
        }
    }

    fn wish(&self, _: &Value) -> Wish {
        Wish::Other
    }

    fn summary(&self, input: &Value) -> String {
        summary(&self.tool.input, input)
    }

    fn call(&mut self, input: &Value, cancel: &Cancel) -> Answer {
        let (cancel, told) = (cancel.clone(), Arc::clone(&self.told));
        let watch = Watch::new(move || cancel.is_cancelled(), move |line| told(&line));
        let arguments = input.as_object().cloned().unwrap_or_default();
        match self.direct.call(self.tool.name, arguments, watch) {
            Ok(text) => Answer::done(text),
            Err(text) => Answer::failed(text),
        }
    }
}

/// The arguments of a call in a line: what has to be given first, as it is, the rest by name.
pub(crate) fn summary(schema: &Value, input: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(input) = input.as_object() else { return String::new() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let first = required.first().and_then(|name| input.get(*name)).map(text);
    let rest = input.iter().filter(|(name, _)| required.first() != Some(&name.as_str()));
    let rest = rest.map(|(name, value)| format!("{}={value}", sanitize_line(name)));
    let words: Vec<String> = first.into_iter().chain(rest).collect();
    clip(&sanitize_line(&words.join(" ")), bounds::LINE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_in_a_line() {
        let schema = json!({"required": ["name", "command"]});
        let table = [
            (json!({"name": "w", "command": "git status"}), "w command=\"git status\""),
            (json!({"complete_task": true, "name": "w"}), "w complete_task=true"),
            (json!({"limit": 3}), "limit=3"),
            (json!({}), ""),
            (json!({"name": "a\u{1b}[2Jb\nc"}), "a\u{fffd}[2Jb c"),
            (json!("no object"), ""),
        ];
        for (input, line) in table {
            assert_eq!(summary(&schema, &input), line);
        }
        let long = summary(&schema, &json!({"name": "x".repeat(1000)}));
        assert_eq!(long.chars().count(), bounds::LINE);
    }
}
