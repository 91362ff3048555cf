//! As Claude Code 2.1 with `--output-format stream-json`.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Tool, Voice, What, error_line, line, prompt_of};
use crate::{act::Done, arguments::Arguments, files::Came, orders::Prompt, session};

pub(super) struct Claude {
    session: String,
    resume: bool,
    taken: bool,
    /// Whether it has ended without an answer.
    failed: bool,
    /// One prompt, when they do not come as lines.
    prompt: Option<io::Result<String>>,
    reads: bool,
    all_allowed: bool,
    may_ask: bool,
    said: usize,
    turns: usize,
    cents: u64,
}

impl Claude {
    pub(super) fn new(arguments: &Arguments) -> Self {
        let session = arguments.resume.clone().or_else(|| arguments.session.clone());
        Self {
            session: session.unwrap_or_else(session::new_name),
            resume: arguments.resume.is_some(),
            taken: arguments.session.as_deref().is_some_and(|name| session::recall(name).is_some()),
            failed: false,
            prompt: (!arguments.reads_json).then(|| prompt_of(arguments)),
            reads: arguments.reads_json,
            all_allowed: arguments.all_allowed,
            may_ask: arguments.may_ask,
            said: 0,
            turns: 0,
            cents: 0,
        }
    }

    fn tell(&self, mut value: Value) -> io::Result<()> {
        value["session_id"] = Value::from(self.session.as_str());
        line(&value)
    }

    /// A message with this content, of the model or to it.
    fn message(&mut self, kind: &str, content: &Value) -> io::Result<()> {
        self.said += 1;
        let mut message = json!({"role": kind, "content": [content]});
        if kind == "assistant" {
            message["id"] = Value::from(format!("msg_{}", self.said));
            message["model"] = Value::from("fake");
            message["usage"] = json!({"input_tokens": 100, "output_tokens": 1});
        }
        self.tell(json!({"type": kind, "message": message, "parent_tool_use_id": null}))
    }

    /// The next line that is a JSON value.
    fn read(&mut self) -> io::Result<Option<Value>> {
        let mut text = String::new();
        while io::stdin().lock().read_line(&mut text)? > 0 {
            if let Ok(value) = serde_json::from_str(&text) {
                return Ok(Some(value));
            }
            text.clear();
        }
        self.reads = false;
        Ok(None)
    }

    fn next_text(&mut self) -> io::Result<Option<String>> {
        if let Some(prompt) = self.prompt.take() {
            return prompt.map(Some);
        }
        while self.reads {
            let Some(value) = self.read()? else { break };
            if value["type"] == "user" {
                let content = &value["message"]["content"];
                let texts = content.as_array().into_iter().flatten().filter_map(|b| b["text"].as_str());
                let blocks = texts.collect::<Vec<_>>().join("\n");
                return Ok(Some(content.as_str().map_or(blocks, str::to_owned)));
            }
        }
        Ok(None)
    }
}

/// A tool as it is called there, and what it is given.
fn as_called(tool: &Tool) -> (&'static str, Value) {
    match &tool.what {
        What::Edit { path, text } => ("Write", json!({"file_path": path, "content": text})),
        What::Command { command } => ("Bash", json!({"command": command, "description": "as ordered"})),
    }
}

impl Voice for Claude {
    fn next(&mut self) -> io::Result<Option<Prompt>> {
        if self.taken {
            error_line(&format!("Error: Session ID {} is already in use.", self.session))?;
            self.failed = true;
            return Ok(None);
        }
        let remembered = session::recall(&self.session);
        if self.resume && remembered.is_none() {
            let why = format!("No conversation found with session ID: {}", self.session);
            error_line(&why)?;
            self.tell(json!({
                "type": "result", "subtype": "error_during_execution", "is_error": true, "num_turns": 0,
                "permission_denials": [], "errors": [why],
            }))?;
            self.failed = true;
            return Ok(None);
        }
        let Some(text) = self.next_text()? else { return Ok(None) };
        session::remember(&self.session, &text)?;
        Ok(Some(Prompt { text, resumed: self.resume, remembered }))
    }

    fn begin(&mut self) -> io::Result<()> {
        self.tell(json!({
            "type": "system", "subtype": "init", "cwd": std::env::current_dir()?, "model": "fake",
            "tools": ["Bash", "Write"], "claude_code_version": "9.9.9", "permissionMode": "default",
        }))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.message("assistant", &json!({"type": "text", "text": text}))
    }

    fn call(&mut self, tool: &Tool) -> io::Result<()> {
        let (name, input) = as_called(tool);
        self.message("assistant", &json!({"type": "tool_use", "id": tool.id, "name": name, "input": input}))
    }

    fn ask(&mut self, tool: &Tool) -> io::Result<bool> {
        if self.all_allowed || !self.may_ask {
            return Ok(self.all_allowed);
        }
        let (name, input) = as_called(tool);
        let id = format!("ask-{}", tool.id);
        line(&json!({
            "type": "control_request", "request_id": id,
            "request": {"subtype": "can_use_tool", "tool_name": name, "input": input, "tool_use_id": tool.id},
        }))?;
        while let Some(value) = self.read()? {
            let response = &value["response"];
            if value["type"] == "control_response" && response["request_id"] == id.as_str() {
                return Ok(response["response"]["behavior"] == "allow");
            }
        }
        Ok(false)
    }

    fn denied(&mut self, tool: &Tool) -> io::Result<()> {
        let content = json!({
            "type": "tool_result", "tool_use_id": tool.id, "is_error": true, "content": "This requires approval.",
        });
        self.message("user", &content)
    }

    fn result(&mut self, tool: &Tool, came: &Came) -> io::Result<()> {
        let failed = came.code != 0;
        let text = if failed { format!("Exit code {}\n{}", came.code, came.text) } else { came.text.clone() };
        let content =
            json!({"type": "tool_result", "tool_use_id": tool.id, "is_error": failed, "content": text});
        self.message("user", &content)
    }

    fn limit(&mut self, wait: Duration) -> io::Result<()> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.tell(json!({
            "type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 1, "retry_delay_ms": wait_ms,
            "error_status": 429, "error": "rate_limit",
        }))
    }

    fn end(&mut self, done: &Done) -> io::Result<()> {
        self.turns += 1;
        let (input, output, cents) = done.usage;
        // The cost is that of the whole process, the tokens are those of this prompt.
        self.cents += cents;
        let denials: Vec<_> = done.denied.iter().map(|tool| (tool, as_called(tool))).collect();
        let denials = denials.iter().map(
            |(tool, (name, input))| json!({"tool_name": name, "tool_use_id": tool.id, "tool_input": input}),
        );
        let limited = done.limited.is_some();
        self.failed = limited;
        let result = if limited { "API Error: Request rejected (429)" } else { &done.said };
        self.tell(json!({
            "type": "result", "subtype": "success", "is_error": limited,
            "api_error_status": limited.then_some(429), "num_turns": done.calls + 1, "result": result,
            "total_cost_usd": Value::from(f64::from(u32::try_from(self.cents).unwrap_or(u32::MAX)) / 100.0),
            "usage": {
                "input_tokens": input, "output_tokens": output,
                "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            },
            "permission_denials": denials.collect::<Vec<_>>(),
        }))
    }

    fn exit_code(&self, code: u8) -> u8 {
        if self.failed { 1 } else { code }
    }
}
