//! What the protocols have in common: a request becomes a [`Turn`], and an answer bits of a stream or one value.

use serde_json::Value;

use super::{
    ToolResult, Turn, Usage, anthropic::Anthropic, chat::Chat, gemini::Gemini, responses::Responses,
};

/// How a program asks a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Anthropic's `POST /v1/messages`.
    Anthropic,
    /// OpenAI's `POST /v1/responses`.
    Responses,
    /// OpenAI's `POST /v1/chat/completions`.
    Chat,
    /// Gemini's `POST /v1beta/models/…:generateContent` and `:streamGenerateContent`.
    Gemini,
}

impl Protocol {
    /// The one that is spoken at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        match path {
            _ if path.ends_with("/messages") => Some(Self::Anthropic),
            _ if path.ends_with("/responses") => Some(Self::Responses),
            _ if path.ends_with("/chat/completions") => Some(Self::Chat),
            _ if path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent") => {
                Some(Self::Gemini)
            }
            _ => None,
        }
    }

    /// Whether the answer is to come bit by bit.
    pub(super) fn streams(self, path: &str, body: &Value) -> bool {
        match self {
            Self::Gemini => path.contains(":streamGenerateContent"),
            _ => body["stream"] == true,
        }
    }

    /// What was said until now, the oldest first.
    pub(super) fn said(self, body: &Value) -> Vec<Said> {
        match self {
            Self::Anthropic => super::anthropic::said(body),
            Self::Responses => super::responses::said(body),
            Self::Chat => super::chat::said(body),
            Self::Gemini => super::gemini::said(body),
        }
    }

    /// The names of the tools that are offered.
    fn tools(self, body: &Value) -> Vec<String> {
        let name = |tool: &Value| Some(tool["name"].as_str().or(tool["type"].as_str())?.to_owned());
        match self {
            Self::Anthropic => items(&body["tools"]).filter_map(name).collect(),
            Self::Responses => super::responses::tools(body).filter_map(name).collect(),
            Self::Chat => items(&body["tools"]).filter_map(|t| name(&t["function"])).collect(),
            Self::Gemini => items(&body["tools"])
                .flat_map(|t| items(&t["functionDeclarations"]))
                .filter_map(name)
                .collect(),
        }
    }

    /// The turn that a request asks for; its attempt is not known here.
    pub(super) fn turn(self, path: &str, body: Value) -> Turn {
        let (mut prompts, mut results) = (Vec::new(), Vec::new());
        let (mut step, mut number) = (0, 0);
        for said in self.said(&body) {
            match said {
                Said::Prompt(text) => {
                    prompts.push(text);
                    step = 0;
                }
                Said::Result(result) => results.push(result),
                Said::Answer => {
                    results.clear();
                    step += 1;
                    number += 1;
                }
            }
        }
        let model = match self {
            Self::Gemini => path.split(['/', ':']).rev().nth(1).unwrap_or_default().to_owned(),
            _ => body["model"].as_str().unwrap_or_default().to_owned(),
        };
        let prompt = prompts.pop().unwrap_or_default();
        let tools = self.tools(&body);
        Turn {
            protocol: self,
            model,
            prompt,
            earlier: prompts,
            step,
            number,
            results,
            tools,
            attempt: 0,
            body,
        }
    }

    /// What writes an answer; `serial` makes its ids unique.
    pub(super) fn writer(self, serial: usize, model: &str) -> Box<dyn Writer> {
        let model = model.to_owned();
        match self {
            Self::Anthropic => Box::new(Anthropic::new(serial, model)),
            Self::Responses => Box::new(Responses::new(serial, model)),
            Self::Chat => Box::new(Chat::new(serial, model)),
            Self::Gemini => Box::new(Gemini::new(serial, model)),
        }
    }

    /// The body of a refusal.
    pub(super) fn refusal(self, status: u16) -> Value {
        let (kind, message) = match status {
            429 => ("rate_limit", "Too many requests, says the stand-in."),
            529 | 503 => ("overloaded", "Overloaded, says the stand-in."),
            401 | 403 => ("authentication", "No entry, says the stand-in."),
            _ => ("api", "Refused by the stand-in."),
        };
        match self {
            Self::Anthropic => serde_json::json!({
                "type": "error",
                "error": {"type": format!("{kind}_error"), "message": message},
            }),
            Self::Responses | Self::Chat => serde_json::json!({
                "error": {"type": format!("{kind}_error"), "code": format!("{kind}_error"), "message": message},
            }),
            Self::Gemini => serde_json::json!({
                "error": {"code": status, "status": "RESOURCE_EXHAUSTED", "message": message},
            }),
        }
    }
}

/// What was said in a conversation.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// By the user.
    Prompt(String),
    /// By a tool.
    Result(ToolResult),
    /// By the model, in one go.
    Answer,
}

/// Writes one answer. A stream is made of `begin`, then texts (`open_text`, `more_text`, `close_text`) and calls, then `end`;
/// each gives the bits to send. After `end`, `whole` is the same answer as one value.
pub(super) trait Writer {
    fn begin(&mut self, usage: Usage) -> String;
    fn open_text(&mut self) -> String;
    fn more_text(&mut self, text: &str) -> String;
    fn close_text(&mut self) -> String;
    fn call(&mut self, tool: &str, input: &Value) -> String;
    fn end(&mut self, usage: Usage) -> String;
    fn whole(&self, usage: Usage) -> Value;
}

/// An event of a stream that has a name.
pub(super) fn named_event(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default())
}

/// An event of a stream.
pub(super) fn event(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// The items of a list; none when it is no list.
pub(super) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text that is a string, or a list of blocks that have one.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter_map(|b| b["text"].as_str().or(b.as_str()));
            texts.collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
