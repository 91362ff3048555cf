//! Anthropic's messages.

use serde_json::{Value, json};

use super::{
    ToolResult, Usage,
    wire::{Said, Writer, items, named_event, text_of},
};

pub(super) fn said(body: &Value) -> Vec<Said> {
    let mut said = Vec::new();
    for message in items(&body["messages"]) {
        let content = &message["content"];
        if message["role"] == "assistant" {
            said.push(Said::Answer);
            continue;
        }
        if message["role"] != "user" {
            continue;
        }
        let results = items(content).filter(|b| b["type"] == "tool_result").map(|b| {
            Said::Result(ToolResult {
                call: b["tool_use_id"].as_str().unwrap_or_default().to_owned(),
                text: text_of(&b["content"]),
                error: b["is_error"] == true,
            })
        });
        let before = said.len();
        said.extend(results);
        // What stands beside results are reminders of the program.
        if said.len() == before {
            said.push(Said::Prompt(text_of(content)));
        }
    }
    said
}

pub(super) struct Anthropic {
    serial: usize,
    model: String,
    content: Vec<Value>,
}

impl Anthropic {
    pub(super) fn new(serial: usize, model: String) -> Self {
        Self { serial, model, content: Vec::new() }
    }

    fn message(&self, content: &[Value], stop: Option<&str>, usage: Usage) -> Value {
        json!({
            "id": format!("msg_{:08}", self.serial), "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": {
                "input_tokens": usage.input, "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": usage.cached, "output_tokens": usage.output,
            },
        })
    }

    fn stop(&self) -> &'static str {
        if self.content.iter().any(|c| c["type"] == "tool_use") { "tool_use" } else { "end_turn" }
    }

    /// The index of the newest block.
    fn index(&self) -> usize {
        self.content.len().saturating_sub(1)
    }

    fn start(&self) -> String {
        let mut block = self.content[self.index()].clone();
        if block["type"] == "tool_use" {
            block["input"] = json!({});
        }
        named_event(&json!({"type": "content_block_start", "index": self.index(), "content_block": block}))
    }

    fn delta(&self, delta: &Value) -> String {
        named_event(&json!({"type": "content_block_delta", "index": self.index(), "delta": delta}))
    }

    fn stop_block(&self) -> String {
        named_event(&json!({"type": "content_block_stop", "index": self.index()}))
    }
}

impl Writer for Anthropic {
    fn begin(&mut self, usage: Usage) -> String {
        let message = self.message(&[], None, Usage { output: 1, ..usage });
        named_event(&json!({"type": "message_start", "message": message}))
    }

    fn open_text(&mut self) -> String {
        self.content.push(json!({"type": "text", "text": ""}));
        self.start()
    }

    fn more_text(&mut self, text: &str) -> String {
        let index = self.index();
        let so_far = self.content[index]["text"].as_str().unwrap_or_default().to_owned();
        self.content[index]["text"] = Value::from(so_far + text);
        self.delta(&json!({"type": "text_delta", "text": text}))
    }

    fn close_text(&mut self) -> String {
        self.stop_block()
    }

    fn call(&mut self, tool: &str, input: &Value) -> String {
        let id = format!("toolu_{:08}_{}", self.serial, self.content.len());
        self.content.push(json!({"type": "tool_use", "id": id, "name": tool, "input": input}));
        let delta = self.delta(&json!({"type": "input_json_delta", "partial_json": input.to_string()}));
        self.start() + &delta + &self.stop_block()
    }

    fn end(&mut self, usage: Usage) -> String {
        let delta = json!({
            "type": "message_delta", "delta": {"stop_reason": self.stop(), "stop_sequence": null},
            "usage": {"output_tokens": usage.output},
        });
        named_event(&delta) + &named_event(&json!({"type": "message_stop"}))
    }

    fn whole(&self, usage: Usage) -> Value {
        self.message(&self.content, Some(self.stop()), usage)
    }
}
