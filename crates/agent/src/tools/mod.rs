//! Tools that a model may call.
//!
//! **Contract.** A [`Tool`] says how it is called ([`Spec`]), what a call wants ([`Wish`]), and answers. The loop asks for permission by
//! the wish before it calls. An answer is bounded; a failure is an answer too, in words that help the model on. [`in_directory`] gives
//! the tools that work in one directory; others, such as a board's, are added with [`Toolbox::add`].
//!
//! **Deliberately absent:** any judgement of what is permitted.

mod bash;
mod files;
mod patch;
mod search;

use std::sync::Arc;

use biplane_execution::supervise::EnvChanges;
use biplane_model::{clip, sanitize_line};
use serde_json::{Value, json};

use crate::{bounds, cancel::Cancel, tree::Tree};

/// How a tool is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// What it is for, for the model.
    pub description: String,
    /// The JSON schema of its input, an object.
    pub input: Value,
}

/// What a call would do, for whoever permits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Read these files; none when it is not said which, in the directory.
    Read(Vec<String>),
    /// Make, change or delete these files.
    Edit(Vec<String>),
    /// Run this line in a shell.
    Run(String),
    /// Something else.
    Other,
}

/// What a tool says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For the model, at most about [`bounds::ANSWER`] characters.
    pub text: String,
    /// Whether it failed.
    pub failed: bool,
}

impl Answer {
    /// It did what was asked.
    pub fn done(text: impl Into<String>) -> Self {
        Self { text: bounded(text.into()), failed: false }
    }

    /// It did not.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { text: bounded(text.into()), failed: true }
    }
}

/// The text, with its middle taken out where it is too long.
fn bounded(text: String) -> String {
    let length = text.chars().count();
    if length <= bounds::ANSWER {
        return text;
    }
    let half = bounds::ANSWER / 2;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(length - half).collect();
    format!("{start}\n[{} characters left out]\n{end}", length - 2 * half)
}

/// A tool.
pub trait Tool: Send {
    /// How it is called.
    fn spec(&self) -> Spec;
    /// What a call with this input would do.
    fn wish(&self, input: &Value) -> Wish;
    /// What a call is for, in a line, for people.
    fn summary(&self, input: &Value) -> String {
        let text = match self.wish(input) {
            Wish::Run(line) => line,
            Wish::Read(paths) | Wish::Edit(paths) if !paths.is_empty() => paths.join(" "),
            _ => input
                .as_object()
                .into_iter()
                .flat_map(|o| o.values())
                .find_map(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        };
        clip(&sanitize_line(&text), bounds::SHOWN)
    }
    /// Does it.
    fn call(&mut self, input: &Value, cancel: &Cancel) -> Answer;
}

/// The tools of one agent.
#[derive(Default)]
pub struct Toolbox(Vec<Box<dyn Tool>>);

impl Toolbox {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more. It takes the place of one with the same name.
    pub fn add(&mut self, tool: Box<dyn Tool>) {
        let name = tool.spec().name;
        self.0.retain(|other| other.spec().name != name);
        self.0.push(tool);
    }

    /// Those of `others` too, but for such whose name is taken.
    pub fn join(&mut self, others: Self) {
        for other in others.0 {
            if self.get(&other.spec().name).is_none() {
                self.0.push(other);
            }
        }
    }

    /// How all of them are called, in the order in which they were added.
    pub fn specs(&self) -> Vec<Spec> {
        self.0.iter().map(|tool| tool.spec()).collect()
    }

    /// The one with this name.
    pub fn get(&mut self, name: &str) -> Option<&mut dyn Tool> {
        self.0.iter_mut().find(|tool| tool.spec().name == name).map(|tool| &mut **tool as &mut dyn Tool)
    }
}

impl std::fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.specs().iter().map(|spec| &spec.name)).finish()
    }
}

/// How commands are run.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    /// How their environment differs from ours.
    pub env: EnvChanges,
}

/// Our environment without this variable.
pub fn without_variable(name: &str) -> EnvChanges {
    EnvChanges { remove: vec![name.into()], ..EnvChanges::default() }
}

/// The tools that work in one directory: `bash`, `read_file`, `write_file`, `edit_file`, `apply_patch`, `search`.
pub fn in_directory(tree: &Arc<Tree>, shell: Shell) -> Toolbox {
    let tree = || Arc::clone(tree);
    let mut tools = Toolbox::new();
    tools.add(Box::new(bash::Bash { tree: tree(), shell }));
    tools.add(Box::new(files::ReadFile { tree: tree() }));
    tools.add(Box::new(files::WriteFile { tree: tree() }));
    tools.add(Box::new(files::EditFile { tree: tree() }));
    tools.add(Box::new(patch::ApplyPatch { tree: tree(), done: Vec::new() }));
    tools.add(Box::new(search::Search { tree: tree(), but: Vec::new() }));
    tools
}

/// Those of them that only read: `read_file` and `search`, which leaves out the directories `but` at the top.
pub fn reading(tree: &Arc<Tree>, but: &[&str]) -> Toolbox {
    let but = but.iter().map(|name| (*name).to_owned()).collect();
    let mut tools = Toolbox::new();
    tools.add(Box::new(files::ReadFile { tree: Arc::clone(tree) }));
    tools.add(Box::new(search::Search { tree: Arc::clone(tree), but }));
    tools
}

/// The schema of an object with these properties, of which the first `required` are.
fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

/// A text in the input; a failure that says what is missing.
fn text<'a>(input: &'a Value, key: &str) -> Result<&'a str, Answer> {
    input[key].as_str().ok_or_else(|| Answer::failed(format!("`{key}` is missing, or is not a string")))
}

/// A number in the input, when there is one.
fn number(input: &Value, key: &str) -> Result<Option<usize>, Answer> {
    match &input[key] {
        Value::Null => Ok(None),
        value => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
            Some(n) => Ok(Some(n)),
            None => Err(Answer::failed(format!("`{key}` is not a whole number"))),
        },
    }
}

/// The path that a call names, as it names it.
fn named(input: &Value) -> Vec<String> {
    input["path"].as_str().map(str::to_owned).into_iter().collect()
}
