//! Anthropic's messages.

use biplane_model::Usage;
use serde_json::{Value, json};

use super::{
    Call, Delta, Fault, Message, Part, Protocol, Reader, Reply, Request, Speaker, Stop, count, told,
};

/// The body of a request.
pub(super) fn body(model: &str, request: &Request<'_>) -> Value {
    let mut messages: Vec<Value> = request.messages.iter().map(message).collect();
    // What was said until here is the same the next time.
    let cached = json!({"type": "ephemeral"});
    if let Some(last) =
        messages.last_mut().and_then(|m| m["content"].as_array_mut()).and_then(|c| c.last_mut())
    {
        last["cache_control"] = cached.clone();
    }
    let tools = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input}));
    let mut body = json!({
        "model": model, "max_tokens": request.max_tokens, "stream": true, "messages": messages,
        "system": [{"type": "text", "text": request.system, "cache_control": cached}],
    });
    if !request.tools.is_empty() {
        body["tools"] = tools.collect();
    }
    body
}

fn message(message: &Message) -> Value {
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text } if text.trim().is_empty() => None,
        Part::Text { text } => Some(json!({"type": "text", "text": text})),
        Part::Call(call) => {
            Some(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}))
        }
        Part::Result { id, text, failed } => {
            Some(json!({"type": "tool_result", "tool_use_id": id, "content": text, "is_error": failed}))
        }
        Part::Opaque { protocol: Protocol::Anthropic, value } => Some(value.clone()),
        Part::Opaque { .. } => None,
    });
    let role = match message.by {
        Speaker::User => "user",
        Speaker::Model => "assistant",
    };
    json!({"role": role, "content": parts.collect::<Vec<_>>()})
}

/// An answer that is being written.
#[derive(Default)]
pub(super) struct Stream {
    blocks: Vec<Block>,
    usage: Usage,
    stop: Option<Stop>,
}

enum Block {
    Text(String),
    Call { id: String, name: String, input: String },
    Opaque(Value),
}

impl Reader for Stream {
    fn event(&mut self, data: &Value, sink: &mut dyn FnMut(Delta)) -> Result<bool, Fault> {
        match data["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let usage = &data["message"]["usage"];
                self.usage.input_tokens =
                    count(usage, "input_tokens").saturating_add(count(usage, "cache_creation_input_tokens"));
                self.usage.cached_tokens = count(usage, "cache_read_input_tokens");
                self.usage.output_tokens = count(usage, "output_tokens");
            }
            "content_block_start" => self.blocks.push(block(&data["content_block"])),
            "content_block_delta" => self.delta(&data["delta"], sink),
            "message_delta" => {
                self.usage.output_tokens =
                    self.usage.output_tokens.max(count(&data["usage"], "output_tokens"));
                self.stop = Some(match data["delta"]["stop_reason"].as_str() {
                    Some("max_tokens" | "model_context_window_exceeded") => Stop::Length,
                    Some("refusal") => Stop::Refused,
                    _ => Stop::Done,
                });
            }
            "message_stop" => return Ok(true),
            "error" => return Err(told(&data["error"])),
            _ => {}
        }
        Ok(false)
    }

    fn reply(self: Box<Self>) -> Reply {
        let parts = self.blocks.into_iter().filter_map(|block| match block {
            Block::Text(text) if text.trim().is_empty() => None,
            Block::Text(text) => Some(Part::Text { text }),
            Block::Call { id, name, input } => Some(Part::Call(Call::written(id, name, &input))),
            Block::Opaque(value) => Some(Part::Opaque { protocol: Protocol::Anthropic, value }),
        });
        let message = Message { by: Speaker::Model, parts: parts.collect() };
        Reply { message, usage: self.usage, stop: self.stop.unwrap_or(Stop::Done) }
    }
}

fn block(block: &Value) -> Block {
    let text = |key: &str| block[key].as_str().unwrap_or_default().to_owned();
    match block["type"].as_str() {
        Some("text") => Block::Text(text("text")),
        Some("tool_use") => Block::Call { id: text("id"), name: text("name"), input: String::new() },
        _ => Block::Opaque(block.clone()),
    }
}

impl Stream {
    fn delta(&mut self, delta: &Value, sink: &mut dyn FnMut(Delta)) {
        let text = |key: &str| delta[key].as_str().unwrap_or_default();
        match (self.blocks.last_mut(), delta["type"].as_str().unwrap_or_default()) {
            (Some(Block::Text(so_far)), "text_delta") => {
                so_far.push_str(text("text"));
                sink(Delta::Text(text("text").to_owned()));
            }
            (Some(Block::Call { input, .. }), "input_json_delta") => input.push_str(text("partial_json")),
            (Some(Block::Opaque(value)), "thinking_delta") => append(value, "thinking", text("thinking")),
            (Some(Block::Opaque(value)), "signature_delta") => append(value, "signature", text("signature")),
            _ => {}
        }
    }
}

fn append(value: &mut Value, key: &str, more: &str) {
    let so_far = value[key].as_str().unwrap_or_default().to_owned();
    value[key] = Value::from(so_far + more);
}
