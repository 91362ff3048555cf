//! By the Agent Client Protocol, version 1: JSON-RPC, one message a line.

use std::{
    io::{self, BufRead},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Tool, Voice, What, line};
use crate::{act::Done, arguments::Arguments, files::Came, handed, orders::Prompt, session};

pub(super) struct Acp {
    session: String,
    resumed: bool,
    /// The id of the prompt that is being answered.
    prompt: Value,
    all_allowed: bool,
    asked: u64,
    limited: bool,
    cancelled: bool,
}

impl Acp {
    pub(super) fn new(arguments: &Arguments) -> Self {
        Self {
            session: String::new(),
            resumed: false,
            prompt: Value::Null,
            all_allowed: arguments.all_allowed,
            asked: 0,
            limited: false,
            cancelled: false,
        }
    }

    fn update(&self, update: &Value) -> io::Result<()> {
        let params = json!({"sessionId": self.session, "update": update});
        line(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
    }

    /// Answers a request that is no prompt; the text of one that is.
    fn serve(&mut self, request: &Value) -> io::Result<Option<String>> {
        let (id, params) = (&request["id"], &request["params"]);
        let result = match request["method"].as_str().unwrap_or_default() {
            "initialize" => json!({
                "protocolVersion": 1, "agentInfo": {"name": "fake-agent", "version": "9.9.9"}, "authMethods": [],
                "agentCapabilities": {"loadSession": true},
            }),
            "session/new" => {
                handed::note(params["mcpServers"].get(0));
                self.session = session::new_name();
                self.resumed = false;
                json!({"sessionId": self.session})
            }
            "session/load" => {
                handed::note(params["mcpServers"].get(0));
                let name = params["sessionId"].as_str().unwrap_or_default();
                let Some(first) = session::recall(name) else {
                    return fault(id, -32602, "no such session").map(|()| None);
                };
                name.clone_into(&mut self.session);
                self.resumed = true;
                let content = json!({"type": "text", "text": first});
                self.update(&json!({"sessionUpdate": "user_message_chunk", "content": content}))?;
                json!({})
            }
            "session/prompt" => {
                self.prompt = id.clone();
                let blocks = params["prompt"].as_array().into_iter().flatten();
                let texts: Vec<_> = blocks.filter_map(|b| b["text"].as_str()).collect();
                return Ok(Some(texts.join("\n")));
            }
            "session/cancel" => {
                self.cancelled = true;
                return Ok(None);
            }
            "session/set_mode" | "authenticate" => json!({}),
            _ if id.is_null() => return Ok(None),
            _ => return fault(id, -32601, "method not found").map(|()| None),
        };
        line(&json!({"jsonrpc": "2.0", "id": id, "result": result}))?;
        Ok(None)
    }
}

fn fault(id: &Value, code: i32, message: &str) -> io::Result<()> {
    line(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}))
}

/// The next message; nothing at the end.
fn read() -> io::Result<Option<Value>> {
    let mut text = String::new();
    while io::stdin().lock().read_line(&mut text)? > 0 {
        if let Ok(value) = serde_json::from_str(&text) {
            return Ok(Some(value));
        }
        text.clear();
    }
    Ok(None)
}

/// A tool as it is told.
fn as_called(tool: &Tool) -> Value {
    match &tool.what {
        What::Edit { path, text } => json!({
            "toolCallId": tool.id, "title": format!("Writing to {path}"), "kind": "edit",
            "locations": [{"path": path}], "rawInput": {"file_path": path, "content": text},
        }),
        What::Command { command } => json!({
            "toolCallId": tool.id, "title": command, "kind": "execute", "locations": [],
            "rawInput": {"command": command},
        }),
    }
}

impl Voice for Acp {
    fn next(&mut self) -> io::Result<Option<Prompt>> {
        while let Some(request) = read()? {
            let Some(text) = self.serve(&request)? else { continue };
            let remembered = session::recall(&self.session);
            session::remember(&self.session, &text)?;
            (self.limited, self.cancelled) = (false, false);
            return Ok(Some(Prompt { text, resumed: self.resumed, remembered }));
        }
        Ok(None)
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        let content = json!({"type": "text", "text": text});
        self.update(&json!({"sessionUpdate": "agent_message_chunk", "content": content}))
    }

    fn call(&mut self, tool: &Tool) -> io::Result<()> {
        let mut update = as_called(tool);
        update["sessionUpdate"] = Value::from("tool_call");
        update["status"] = Value::from("pending");
        self.update(&update)
    }

    fn ask(&mut self, tool: &Tool) -> io::Result<bool> {
        if self.all_allowed {
            return Ok(true);
        }
        let id = self.asked;
        self.asked += 1;
        let options = json!([
            {"optionId": "once", "name": "Allow", "kind": "allow_once"},
            {"optionId": "never", "name": "Reject", "kind": "reject_once"},
        ]);
        let params = json!({"sessionId": self.session, "options": options, "toolCall": as_called(tool)});
        line(&json!({"jsonrpc": "2.0", "id": id, "method": "session/request_permission", "params": params}))?;
        while let Some(message) = read()? {
            if message["method"].is_null() && message["id"] == id {
                return Ok(message["result"]["outcome"]["optionId"] == "once");
            }
            self.serve(&message)?;
        }
        Ok(false)
    }

    fn denied(&mut self, tool: &Tool) -> io::Result<()> {
        self.result(tool, &Came { text: "permission denied".to_owned(), code: 1 })
    }

    fn result(&mut self, tool: &Tool, came: &Came) -> io::Result<()> {
        let status = if came.code == 0 { "completed" } else { "failed" };
        let content = json!([{"type": "content", "content": {"type": "text", "text": came.text}}]);
        self.update(&json!({
            "sessionUpdate": "tool_call_update", "toolCallId": tool.id, "status": status, "content": content,
        }))
    }

    fn limit(&mut self, _: Duration) -> io::Result<()> {
        self.limited = true;
        Ok(())
    }

    fn end(&mut self, done: &Done) -> io::Result<()> {
        if self.limited {
            return fault(&self.prompt, -32603, "429 Too Many Requests");
        }
        let (input, output, _) = done.usage;
        let content = json!({"type": "text", "text": ""});
        let usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output});
        self.update(&json!({
            "sessionUpdate": "agent_message_chunk", "content": content, "_meta": {"usage": usage},
        }))?;
        let reason = if self.cancelled { "cancelled" } else { "end_turn" };
        line(&json!({"jsonrpc": "2.0", "id": self.prompt, "result": {"stopReason": reason}}))
    }
}
