//! OpenAI's responses. Nothing is kept by the server.

use biplane_model::Usage;
use serde_json::{Value, json};

use super::{
    Call, Delta, Fault, Message, Part, Protocol, Reader, Reply, Request, Speaker, Stop, count, told,
};

/// The body of a request.
pub(super) fn body(model: &str, request: &Request<'_>) -> Value {
    let input: Vec<Value> = request.messages.iter().flat_map(said).collect();
    let mut body = json!({
        "model": model, "stream": true, "store": false, "instructions": request.system, "input": input,
        "include": ["reasoning.encrypted_content"], "max_output_tokens": request.max_tokens,
    });
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "type": "function", "name": tool.name, "description": tool.description, "parameters": tool.input,
                "strict": false,
            })
        });
        body["tools"] = tools.collect();
    }
    body
}

fn said(message: &Message) -> Vec<Value> {
    let (role, kind) = match message.by {
        Speaker::User => ("user", "input_text"),
        Speaker::Model => ("assistant", "output_text"),
    };
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Text { text } => {
            Some(json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]}))
        }
        Part::Call(call) => Some(json!({
            "type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.input.to_string(),
        })),
        Part::Result { id, text, failed } => {
            let text = if *failed { format!("Failed: {text}") } else { text.clone() };
            Some(json!({"type": "function_call_output", "call_id": id, "output": text}))
        }
        Part::Opaque { protocol: Protocol::Responses, value } => Some(value.clone()),
        Part::Opaque { .. } => None,
    });
    parts.collect()
}

/// An answer that is being written.
#[derive(Default)]
pub(super) struct Stream {
    parts: Vec<Part>,
    usage: Usage,
    stop: Option<Stop>,
}

impl Reader for Stream {
    fn event(&mut self, data: &Value, sink: &mut dyn FnMut(Delta)) -> Result<bool, Fault> {
        match data["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => {
                sink(Delta::Text(data["delta"].as_str().unwrap_or_default().to_owned()));
            }
            "response.output_item.done" => self.item(&data["item"]),
            "response.completed" | "response.incomplete" => {
                let response = &data["response"];
                let usage = &response["usage"];
                let cached = count(&usage["input_tokens_details"], "cached_tokens");
                self.usage.input_tokens = count(usage, "input_tokens").saturating_sub(cached);
                self.usage.cached_tokens = cached;
                self.usage.output_tokens = count(usage, "output_tokens");
                self.stop = Some(match response["incomplete_details"]["reason"].as_str() {
                    Some("content_filter") => Stop::Refused,
                    Some(_) => Stop::Length,
                    None => Stop::Done,
                });
                return Ok(true);
            }
            "response.failed" => return Err(told(&data["response"]["error"])),
            "error" => return Err(told(if data["error"].is_object() { &data["error"] } else { data })),
            _ => {}
        }
        Ok(false)
    }

    fn reply(self: Box<Self>) -> Reply {
        let message = Message { by: Speaker::Model, parts: self.parts };
        Reply { message, usage: self.usage, stop: self.stop.unwrap_or(Stop::Done) }
    }
}

impl Stream {
    fn item(&mut self, item: &Value) {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                for content in item["content"].as_array().into_iter().flatten() {
                    let text = content["text"].as_str().or(content["refusal"].as_str()).unwrap_or_default();
                    if !text.trim().is_empty() {
                        self.parts.push(Part::Text { text: text.to_owned() });
                    }
                }
            }
            "function_call" => {
                let call = Call::written(text("call_id"), text("name"), &text("arguments"));
                self.parts.push(Part::Call(call));
            }
            "reasoning" => {
                let mut value = item.clone();
                // It is not kept, so there is nothing by that name.
                if let Some(value) = value.as_object_mut() {
                    value.remove("id");
                    value.remove("status");
                }
                self.parts.push(Part::Opaque { protocol: Protocol::Responses, value });
            }
            _ => {}
        }
    }
}
