//! Gemini's `generateContent`.

use serde_json::{Value, json};

use super::{
    ToolResult, Usage,
    wire::{Said, Writer, event, items, text_of},
};

pub(super) fn said(body: &Value) -> Vec<Said> {
    let mut said = Vec::new();
    for content in items(&body["contents"]) {
        if content["role"] == "model" {
            said.push(Said::Answer);
            continue;
        }
        let before = said.len();
        said.extend(items(&content["parts"]).filter(|p| p["functionResponse"].is_object()).map(|part| {
            let response = &part["functionResponse"];
            let answer = &response["response"];
            let text = answer["output"].as_str().or(answer["error"].as_str()).map(str::to_owned);
            Said::Result(ToolResult {
                call: response["id"].as_str().unwrap_or_default().to_owned(),
                text: text.unwrap_or_else(|| answer.to_string()),
                error: answer["error"].is_string(),
            })
        }));
        if said.len() == before {
            said.push(Said::Prompt(text_of(&content["parts"])));
        }
    }
    said
}

pub(super) struct Gemini {
    serial: usize,
    model: String,
    parts: Vec<Value>,
}

impl Gemini {
    pub(super) fn new(serial: usize, model: String) -> Self {
        Self { serial, model, parts: Vec::new() }
    }

    fn response(&self, parts: &[Value], finish: Option<&str>, usage: Option<Usage>) -> Value {
        let tokens = usage.map(|usage| {
            json!({
                "promptTokenCount": usage.input + usage.cached, "cachedContentTokenCount": usage.cached,
                "candidatesTokenCount": usage.output, "totalTokenCount": usage.input + usage.cached + usage.output,
            })
        });
        let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": parts}});
        if let Some(finish) = finish {
            candidate["finishReason"] = Value::from(finish);
        }
        let mut response = json!({
            "responseId": format!("response-{:08}", self.serial), "modelVersion": self.model,
            "candidates": [candidate],
        });
        if let Some(tokens) = tokens {
            response["usageMetadata"] = tokens;
        }
        response
    }
}

impl Writer for Gemini {
    fn begin(&mut self, _: Usage) -> String {
        String::new()
    }

    fn open_text(&mut self) -> String {
        self.parts.push(json!({"text": ""}));
        String::new()
    }

    fn more_text(&mut self, text: &str) -> String {
        if let Some(part) = self.parts.last_mut() {
            part["text"] = Value::from(part["text"].as_str().unwrap_or_default().to_owned() + text);
        }
        event(&self.response(&[json!({"text": text})], None, None))
    }

    fn close_text(&mut self) -> String {
        String::new()
    }

    fn call(&mut self, tool: &str, input: &Value) -> String {
        let id = format!("call_{:08}_{}", self.serial, self.parts.len());
        self.parts.push(json!({"functionCall": {"id": id, "name": tool, "args": input}}));
        event(&self.response(&self.parts[self.parts.len() - 1..], None, None))
    }

    fn end(&mut self, usage: Usage) -> String {
        event(&self.response(&[json!({"text": ""})], Some("STOP"), Some(usage)))
    }

    fn whole(&self, usage: Usage) -> Value {
        self.response(&self.parts, Some("STOP"), Some(usage))
    }
}
