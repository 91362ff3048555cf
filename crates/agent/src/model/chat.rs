//! OpenAI's chat completions.

use std::collections::BTreeMap;

use biplane_model::Usage;
use serde_json::{Value, json};

use super::{
    Call, Delta, Endpoint, Fault, Message, Part, Reader, Reply, Request, Speaker, Stop, count, told,
};

/// The body of a request.
pub(super) fn body(endpoint: &Endpoint, request: &Request<'_>) -> Value {
    let mut messages = vec![json!({"role": "system", "content": request.system})];
    messages.extend(request.messages.iter().flat_map(said));
    // The older word is what other servers know.
    let bound = if endpoint.is_openai() { "max_completion_tokens" } else { "max_tokens" };
    let mut body = json!({
        "model": endpoint.model, "stream": true, "stream_options": {"include_usage": true}, "messages": messages,
        bound: request.max_tokens,
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function =
                json!({"name": tool.name, "description": tool.description, "parameters": tool.input});
            json!({"type": "function", "function": function})
        });
        body["tools"] = tools.collect();
    }
    body
}

/// A message of ours is one of theirs, but each result of a tool is one of its own.
fn said(message: &Message) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for part in &message.parts {
        if let Part::Result { id, text, failed } = part {
            // The protocol has no mark for it.
            let text = if *failed { format!("Failed: {text}") } else { text.clone() };
            out.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
        }
    }
    let text = message.text();
    match message.by {
        Speaker::User if !text.is_empty() => out.push(json!({"role": "user", "content": text})),
        Speaker::User => {}
        Speaker::Model => {
            let calls: Vec<_> = message
                .calls()
                .map(|call| {
                    let function = json!({"name": call.name, "arguments": call.input.to_string()});
                    json!({"id": call.id, "type": "function", "function": function})
                })
                .collect();
            let mut said = json!({"role": "assistant", "content": text});
            if !calls.is_empty() {
                said["tool_calls"] = Value::from(calls);
            }
            out.push(said);
        }
    }
    out
}

/// An answer that is being written.
#[derive(Default)]
pub(super) struct Stream {
    text: String,
    calls: BTreeMap<u64, Written>,
    usage: Usage,
    stop: Option<Stop>,
}

#[derive(Default)]
struct Written {
    id: String,
    name: String,
    input: String,
}

impl Reader for Stream {
    fn event(&mut self, data: &Value, sink: &mut dyn FnMut(Delta)) -> Result<bool, Fault> {
        if data["error"].is_object() {
            return Err(told(&data["error"]));
        }
        if data["usage"].is_object() {
            let (usage, cached) =
                (&data["usage"], count(&data["usage"]["prompt_tokens_details"], "cached_tokens"));
            self.usage.input_tokens = count(usage, "prompt_tokens").saturating_sub(cached);
            self.usage.cached_tokens = cached;
            self.usage.output_tokens = count(usage, "completion_tokens");
        }
        let choice = &data["choices"][0];
        let delta = &choice["delta"];
        if let Some(text) = delta["content"].as_str().filter(|text| !text.is_empty()) {
            self.text.push_str(text);
            sink(Delta::Text(text.to_owned()));
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            // Some servers give no index, and each call whole.
            let index = call["index"].as_u64().unwrap_or(self.calls.len() as u64);
            let written = self.calls.entry(index).or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if written.id.is_empty() {
                written.id = text(&call["id"]);
            }
            written.name.push_str(&text(&call["function"]["name"]));
            written.input.push_str(&text(&call["function"]["arguments"]));
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.stop = Some(match reason {
                "length" => Stop::Length,
                "content_filter" => Stop::Refused,
                _ => Stop::Done,
            });
        }
        Ok(false)
    }

    fn reply(self: Box<Self>) -> Reply {
        let mut parts = Vec::new();
        if !self.text.trim().is_empty() {
            parts.push(Part::Text { text: self.text });
        }
        parts.extend(self.calls.into_iter().map(|(index, Written { id, name, input })| {
            let id = if id.is_empty() { format!("call_{index}") } else { id };
            Part::Call(Call::written(id, name, &input))
        }));
        let message = Message { by: Speaker::Model, parts };
        Reply { message, usage: self.usage, stop: self.stop.unwrap_or(Stop::Done) }
    }
}

impl Stream {
    /// Whether the answer has come to its end, which some servers say by no more than that.
    pub(super) fn is_whole(&self) -> bool {
        self.stop.is_some()
    }
}
