//! As Codex 0.169 with `exec --json`.

use std::{io, time::Duration};

use serde_json::{Value, json};

use super::{Tool, Voice, What, error_line, line, prompt_of};
use crate::{act::Done, arguments::Arguments, files::Came, orders::Prompt, session};

pub(super) struct Codex {
    session: String,
    resume: bool,
    lost: bool,
    prompt: Option<io::Result<String>>,
    all_allowed: bool,
    items: usize,
    failure: Option<String>,
}

impl Codex {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            session: arguments.resume.clone().unwrap_or_else(session::new_name),
            resume: arguments.resume.is_some(),
            lost: false,
            prompt: Some(prompt_of(arguments)),
            all_allowed: arguments.all_allowed,
            items: 0,
            failure: None,
        }
    }

    fn item(&mut self, state: &str, mut item: Value) -> io::Result<()> {
        let id = item["id"].take();
        item["id"] = if id.is_null() { Value::from(format!("item_{}", self.items)) } else { id };
        self.items += 1;
        line(&json!({"type": state, "item": item}))
    }
}

/// A tool as an item.
fn item_of(tool: &Tool, status: &str, came: Option<&Came>) -> Value {
    match &tool.what {
        What::Edit { path, .. } => json!({
            "id": tool.id, "type": "file_change", "changes": [{"path": path, "kind": "add"}], "status": status,
        }),
        What::Command { command } => json!({
            "id": tool.id, "type": "command_execution", "command": format!("/bin/bash -lc '{command}'"),
            "aggregated_output": came.map_or("", |c| &c.text), "exit_code": came.map(|c| c.code), "status": status,
        }),
    }
}

impl Voice for Codex {
    fn next(&mut self) -> io::Result<Option<Prompt>> {
        let Some(text) = self.prompt.take().transpose()? else { return Ok(None) };
        let remembered = session::recall(&self.session);
        if self.resume && remembered.is_none() {
            let id = &self.session;
            error_line(&format!("Error: thread/resume: no rollout found for thread id {id} (code -32600)"))?;
            self.lost = true;
            return Ok(None);
        }
        session::remember(&self.session, &text)?;
        Ok(Some(Prompt { text, resumed: self.resume, remembered }))
    }

    fn begin(&mut self) -> io::Result<()> {
        line(&json!({"type": "thread.started", "thread_id": self.session}))?;
        line(&json!({"type": "turn.started"}))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.item("item.completed", json!({"type": "agent_message", "text": text}))
    }

    fn call(&mut self, tool: &Tool) -> io::Result<()> {
        self.item("item.started", item_of(tool, "in_progress", None))
    }

    fn ask(&mut self, _: &Tool) -> io::Result<bool> {
        Ok(self.all_allowed)
    }

    fn denied(&mut self, _: &Tool) -> io::Result<()> {
        error_line("ERROR codex_core::tools::router: error=approval policy is Never; reject command")
    }

    fn result(&mut self, tool: &Tool, came: &Came) -> io::Result<()> {
        let status = if came.code == 0 { "completed" } else { "failed" };
        self.item("item.completed", item_of(tool, status, Some(came)))
    }

    fn limit(&mut self, _: Duration) -> io::Result<()> {
        let message = "exceeded retry limit, last status: 429 Too Many Requests";
        line(&json!({"type": "error", "message": format!("Reconnecting... 1/1 ({message})")}))?;
        line(&json!({"type": "error", "message": message}))?;
        self.failure = Some(message.to_owned());
        Ok(())
    }

    fn end(&mut self, done: &Done) -> io::Result<()> {
        if let Some(message) = &self.failure {
            return line(&json!({"type": "turn.failed", "error": {"message": message}}));
        }
        let (input, output, _) = done.usage;
        line(&json!({
            "type": "turn.completed",
            "usage": {"input_tokens": input, "cached_input_tokens": 0, "output_tokens": output},
        }))
    }

    fn exit_code(&self, code: u8) -> u8 {
        if self.lost || self.failure.is_some() { 1 } else { code }
    }
}
