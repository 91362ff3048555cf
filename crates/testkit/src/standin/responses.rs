//! OpenAI's responses.

use serde_json::{Value, json};

use super::{
    ToolResult, Usage,
    wire::{Said, Writer, items, named_event, text_of},
};

pub(super) fn said(body: &Value) -> Vec<Said> {
    let mut said = Vec::new();
    if let Value::String(text) = &body["input"] {
        said.push(Said::Prompt(text.clone()));
    }
    for item in items(&body["input"]) {
        let kind = item["type"].as_str().unwrap_or("message");
        let next = match kind {
            "message" if item["role"] == "user" => Said::Prompt(text_of(&item["content"])),
            "message" if item["role"] == "assistant" => Said::Answer,
            "message" => continue,
            _ if kind.ends_with("_output") => Said::Result(ToolResult {
                call: item["call_id"].as_str().unwrap_or_default().to_owned(),
                text: text_of(&item["output"]),
                error: false,
            }),
            "reasoning" => Said::Answer,
            _ if kind.ends_with("_call") => Said::Answer,
            _ => continue,
        };
        // An answer has as many items as it has texts and calls.
        if next != Said::Answer || said.last() != Some(&Said::Answer) {
            said.push(next);
        }
    }
    said
}

/// The tools, which may also stand among what was said, and in groups.
pub(super) fn tools(body: &Value) -> impl Iterator<Item = &Value> {
    let among = items(&body["input"]).filter(|i| i["type"] == "additional_tools");
    let all = items(&body["tools"]).chain(among.flat_map(|i| items(&i["tools"])));
    all.flat_map(|tool| match tool["type"] == "namespace" {
        true => items(&tool["tools"]).collect(),
        false => vec![tool],
    })
}

pub(super) struct Responses {
    serial: usize,
    model: String,
    output: Vec<Value>,
    text: String,
    sequence: usize,
}

impl Responses {
    pub(super) fn new(serial: usize, model: String) -> Self {
        Self { serial, model, output: Vec::new(), text: String::new(), sequence: 0 }
    }

    fn event(&mut self, mut value: Value) -> String {
        value["sequence_number"] = Value::from(self.sequence);
        self.sequence += 1;
        named_event(&value)
    }

    fn item_id(&self, kind: &str) -> String {
        format!("{kind}_{:08}_{}", self.serial, self.output.len())
    }

    fn message(&self, status: &str, content: &Value) -> Value {
        json!({"id": self.item_id("msg"), "type": "message", "role": "assistant", "status": status, "content": content})
    }

    fn response(&self, status: &str, usage: Option<Usage>) -> Value {
        let tokens = usage.map(|usage| {
            json!({
                "input_tokens": usage.input + usage.cached, "output_tokens": usage.output,
                "input_tokens_details": {"cached_tokens": usage.cached},
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.input + usage.cached + usage.output,
            })
        });
        json!({
            "id": format!("resp_{:08}", self.serial), "object": "response", "created_at": 1_767_225_600,
            "status": status, "model": self.model, "output": self.output, "usage": tokens,
        })
    }
}

impl Writer for Responses {
    fn begin(&mut self, _: Usage) -> String {
        let response = self.response("in_progress", None);
        self.event(json!({"type": "response.created", "response": response}))
    }

    fn open_text(&mut self) -> String {
        self.text.clear();
        let (index, item) = (self.output.len(), self.message("in_progress", &json!([])));
        let part = json!({"type": "output_text", "text": "", "annotations": []});
        let added = json!({"type": "response.output_item.added", "output_index": index, "item": item});
        let begun = json!({
            "type": "response.content_part.added", "output_index": index, "content_index": 0,
            "item_id": self.item_id("msg"), "part": part,
        });
        self.event(added) + &self.event(begun)
    }

    fn more_text(&mut self, text: &str) -> String {
        self.text += text;
        let delta = json!({
            "type": "response.output_text.delta", "output_index": self.output.len(), "content_index": 0,
            "item_id": self.item_id("msg"), "delta": text,
        });
        self.event(delta)
    }

    fn close_text(&mut self) -> String {
        let content = json!([{"type": "output_text", "text": self.text, "annotations": []}]);
        let item = self.message("completed", &content);
        let done =
            json!({"type": "response.output_item.done", "output_index": self.output.len(), "item": item});
        self.output.push(item);
        self.event(done)
    }

    fn call(&mut self, tool: &str, input: &Value) -> String {
        let index = self.output.len();
        let call = format!("call_{:08}_{index}", self.serial);
        let item = match input {
            Value::String(text) => json!({
                "id": self.item_id("ctc"), "type": "custom_tool_call", "status": "completed",
                "call_id": call, "name": tool, "input": text,
            }),
            _ => {
                let mut item = json!({
                    "id": self.item_id("fc"), "type": "function_call", "status": "completed",
                    "call_id": call, "name": tool, "arguments": input.to_string(),
                });
                // One of a group: `GROUP.NAME`.
                if let Some((group, name)) = tool.split_once('.') {
                    (item["namespace"], item["name"]) = (group.into(), name.into());
                }
                item
            }
        };
        let added = json!({"type": "response.output_item.added", "output_index": index, "item": item});
        let done = json!({"type": "response.output_item.done", "output_index": index, "item": item});
        self.output.push(item);
        self.event(added) + &self.event(done)
    }

    fn end(&mut self, usage: Usage) -> String {
        let response = self.response("completed", Some(usage));
        self.event(json!({"type": "response.completed", "response": response}))
    }

    fn whole(&self, usage: Usage) -> Value {
        self.response("completed", Some(usage))
    }
}
