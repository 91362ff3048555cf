//! How it speaks: a voice for each protocol.

mod acp;
mod claude;
mod codex;
mod plain;

use std::{
    fmt::Display,
    io::{self, Read, Write},
    time::Duration,
};

use crate::{
    act::Done,
    arguments::{Arguments, Speech},
    files::Came,
    orders::Prompt,
};

/// A tool that it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) id: String,
    pub(crate) what: What,
}

/// What a tool does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Edit { path: String, text: String },
    Command { command: String },
}

impl Tool {
    pub(crate) fn edit(path: &str, text: &str) -> Self {
        Self { id: String::new(), what: What::Edit { path: path.to_owned(), text: text.to_owned() } }
    }

    pub(crate) fn command(command: &str) -> Self {
        Self { id: String::new(), what: What::Command { command: command.to_owned() } }
    }
}

/// A way to speak.
pub(crate) trait Voice {
    /// The next prompt; nothing when there is none to come.
    fn next(&mut self) -> io::Result<Option<Prompt>>;
    /// It begins to work.
    fn begin(&mut self) -> io::Result<()>;
    fn say(&mut self, text: &str) -> io::Result<()>;
    fn call(&mut self, tool: &Tool) -> io::Result<()>;
    /// Whether it may use the tool.
    fn ask(&mut self, tool: &Tool) -> io::Result<bool>;
    fn denied(&mut self, tool: &Tool) -> io::Result<()>;
    fn result(&mut self, tool: &Tool, came: &Came) -> io::Result<()>;
    /// The model's server refuses.
    fn limit(&mut self, wait: Duration) -> io::Result<()>;
    fn end(&mut self, done: &Done) -> io::Result<()>;
    /// The exit code, when its orders led to this one.
    fn exit_code(&self, code: u8) -> u8 {
        code
    }
}

/// The voice that the arguments ask for.
pub(crate) fn of(arguments: &Arguments) -> Box<dyn Voice> {
    match arguments.speech {
        Speech::Plain => Box::new(plain::Plain::new(arguments)),
        Speech::Claude => Box::new(claude::Claude::new(arguments)),
        Speech::Codex => Box::new(codex::Codex::new(arguments)),
        Speech::Acp => Box::new(acp::Acp::new(arguments)),
    }
}

/// Writes a line at once.
pub(crate) fn line(text: &impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Writes a line to where errors go.
fn error_line(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

/// The prompt that was typed, or else what is to be read.
fn prompt_of(arguments: &Arguments) -> io::Result<String> {
    if let Some(prompt) = &arguments.prompt {
        return Ok(prompt.clone());
    }
    let mut read = Vec::new();
    io::stdin().lock().read_to_end(&mut read)?;
    let read = String::from_utf8_lossy(&read).into_owned();
    match std::env::var_os("BIPLANE_PROMPT_FILE") {
        Some(file) if read.trim().is_empty() => std::fs::read_to_string(file),
        _ => Ok(read),
    }
}
