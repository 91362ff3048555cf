//! OpenAI's chat completions.

use serde_json::{Value, json};

use super::{
    ToolResult, Usage,
    wire::{Said, Writer, event, items, text_of},
};

pub(super) fn said(body: &Value) -> Vec<Said> {
    let said = items(&body["messages"]).filter_map(|message| match message["role"].as_str()? {
        "user" => Some(Said::Prompt(text_of(&message["content"]))),
        "assistant" => Some(Said::Answer),
        "tool" => Some(Said::Result(ToolResult {
            call: message["tool_call_id"].as_str().unwrap_or_default().to_owned(),
            text: text_of(&message["content"]),
            error: false,
        })),
        _ => None,
    });
    said.collect()
}

pub(super) struct Chat {
    serial: usize,
    model: String,
    text: String,
    calls: Vec<Value>,
}

impl Chat {
    pub(super) fn new(serial: usize, model: String) -> Self {
        Self { serial, model, text: String::new(), calls: Vec::new() }
    }

    fn chunk(&self, choices: &Value, usage: Option<Usage>) -> String {
        event(&json!({
            "id": format!("chatcmpl-{:08}", self.serial), "object": "chat.completion.chunk", "created": 1_767_225_600,
            "model": self.model, "choices": choices, "usage": usage.map(tokens),
        }))
    }

    fn delta(&self, delta: &Value) -> String {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": null}]), None)
    }

    fn finish(&self) -> &'static str {
        if self.calls.is_empty() { "stop" } else { "tool_calls" }
    }
}

fn tokens(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input + usage.cached, "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.cached + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}

impl Writer for Chat {
    fn begin(&mut self, _: Usage) -> String {
        self.delta(&json!({"role": "assistant", "content": ""}))
    }

    fn open_text(&mut self) -> String {
        String::new()
    }

    fn more_text(&mut self, text: &str) -> String {
        self.text += text;
        self.delta(&json!({"content": text}))
    }

    fn close_text(&mut self) -> String {
        String::new()
    }

    fn call(&mut self, tool: &str, input: &Value) -> String {
        let index = self.calls.len();
        let call = json!({
            "id": format!("call_{:08}_{index}", self.serial), "type": "function",
            "function": {"name": tool, "arguments": input.to_string()},
        });
        let mut delta = call.clone();
        delta["index"] = Value::from(index);
        self.calls.push(call);
        self.delta(&json!({"tool_calls": [delta]}))
    }

    fn end(&mut self, usage: Usage) -> String {
        let last = json!([{"index": 0, "delta": {}, "finish_reason": self.finish()}]);
        self.chunk(&last, None) + &self.chunk(&json!([]), Some(usage)) + "data: [DONE]\n\n"
    }

    fn whole(&self, usage: Usage) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.calls.is_empty() {
            message["tool_calls"] = Value::from(self.calls.clone());
        }
        json!({
            "id": format!("chatcmpl-{:08}", self.serial), "object": "chat.completion", "created": 1_767_225_600,
            "model": self.model, "usage": tokens(usage),
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish()}],
        })
    }
}
