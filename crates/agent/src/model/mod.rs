//! Models: what is said to them, what they answer, and how they are reached.
//!
//! **Contract.** A [`Client`] asks one endpoint, in one of three protocols. An answer comes as it is written; one that breaks off in
//! the middle, and a server that is busy or out of reach, is asked again, with growing pauses, as often as [`Patience`] says, and as the server
//! wishes (`Retry-After`). What a server says is bounded. [`Cancel`](crate::cancel::Cancel) ends a conversation at any moment.
//!
//! **Deliberately absent:** proxies but those of the environment, redirects, pictures, more than one answer at once.

mod anthropic;
mod chat;
mod client;
mod endpoint;
mod responses;
mod sse;

use biplane_model::Usage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tools::Spec;

pub use client::{Client, Patience};
pub use endpoint::{Endpoint, Key, Protocol};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Whoever uses the model, and the tools.
    User,
    /// The model.
    Model,
}

/// Something that was said in one go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// By whom.
    pub by: Speaker,
    /// What.
    pub parts: Vec<Part>,
}

impl Message {
    /// A text for the model.
    pub fn prompt(text: impl Into<String>) -> Self {
        Self { by: Speaker::User, parts: vec![Part::Text { text: text.into() }] }
    }

    /// The calls in it.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.parts.iter().filter_map(|part| match part {
            Part::Call(call) => Some(call),
            _ => None,
        })
    }

    /// Its texts, as one.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// About how many tokens it has: one for four bytes.
    pub fn tokens(&self) -> u64 {
        let bytes: usize = self.parts.iter().map(Part::bytes).sum();
        bytes as u64 / 4 + 4
    }
}

/// A part of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// A text.
    Text {
        /// What.
        text: String,
    },
    /// The model calls a tool.
    Call(Call),
    /// A tool's answer.
    Result {
        /// The call's id.
        id: String,
        /// What it says.
        text: String,
        /// Whether it failed.
        failed: bool,
    },
    /// Something that is for the server alone, and goes back to it as it came.
    Opaque {
        /// The protocol that has such.
        protocol: Protocol,
        /// It.
        value: Value,
    },
}

impl Part {
    fn bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Call(call) => call.name.len() + call.input.to_string().len(),
            Self::Result { text, .. } => text.len(),
            Self::Opaque { value, .. } => value.to_string().len(),
        }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// By which its answer is known.
    pub id: String,
    /// The tool.
    pub name: String,
    /// An object.
    pub input: Value,
    /// Why the input makes no sense, when it makes none; it is empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl Call {
    /// A call whose input is written in `text`.
    fn written(id: String, name: String, text: &str) -> Self {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let (input, fault) = match serde_json::from_str::<Value>(text) {
            Ok(input) if input.is_object() => (input, None),
            Ok(_) => (Value::Object(Default::default()), Some("the input is no JSON object".to_owned())),
            Err(fault) => (
                Value::Object(Default::default()),
                Some(format!("the input is no JSON, or was cut off: {fault}")),
            ),
        };
        Self { id, name, input, fault }
    }
}

/// What a model is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What it is, and what it is to heed.
    pub system: &'a str,
    /// What was said so far; it begins with a prompt.
    pub messages: &'a [Message],
    /// What it may call.
    pub tools: &'a [Spec],
    /// How many tokens it may write at most.
    pub max_tokens: u64,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// What it says.
    pub message: Message,
    /// What it has used.
    pub usage: Usage,
    /// Why it stopped.
    pub stop: Stop,
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It has said all, or waits for its calls.
    Done,
    /// It has written as much as it may.
    Length,
    /// It, or its provider, does not want to say more.
    Refused,
}

/// What happens while a model answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Delta {
    /// It says more.
    Text(String),
    /// What it said in this answer is void: it is asked again.
    Again {
        /// Why.
        why: String,
        /// After how long, in milliseconds.
        wait_ms: u64,
        /// Whether the server asked for it.
        busy: bool,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The endpoint can't be used as it is described.
    #[error("{0}")]
    Endpoint(String),
    /// The server refuses the request; asking again would not help.
    #[error("the model's server refuses the request ({status}): {text}")]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// In the server's words.
        text: String,
    },
    /// The server is busy, or broken, and was asked as often as it may be.
    #[error("the model's server is busy ({status}): {text}")]
    Busy {
        /// The status of HTTP.
        status: u16,
        /// In the server's words.
        text: String,
        /// After how many seconds it may be asked again, when it said.
        retry_after_s: Option<u64>,
    },
    /// There is no connection, or it breaks off, as often as it was tried.
    #[error("no whole answer from the model's server: {0}")]
    Broken(String),
    /// It answers in a form that is none.
    #[error("the model's server answers in another form than it should: {0}")]
    Form(String),
    /// It wrote more than is taken.
    #[error("the model's answer has more than {0} bytes")]
    Endless(usize),
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Puts an answer together from the events of a stream.
trait Reader {
    /// An event. Texts go to `sink`. Whether it was the last one.
    fn event(&mut self, data: &Value, sink: &mut dyn FnMut(Delta)) -> Result<bool, Fault>;
    /// The answer, when the last event was there.
    fn reply(self: Box<Self>) -> Reply;
}

/// What is wrong with one try.
#[derive(Debug)]
enum Fault {
    /// It may go better the next time.
    Passing {
        status: u16,
        text: String,
        retry_after_ms: Option<u64>,
    },
    Broken(String),
    /// It won't.
    Final(ModelError),
}

/// An error that a server tells within a stream.
fn told(error: &Value) -> Fault {
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    let (kind, code, message) = (text("type"), text("code"), text("message"));
    let words = client::shown(if message.is_empty() { kind } else { message });
    let is = |word: &str| kind.contains(word) || code.contains(word);
    if is("rate_limit") {
        Fault::Passing { status: 429, text: words, retry_after_ms: None }
    } else if is("overloaded") || is("server_error") || is("api_error") || is("timeout") {
        Fault::Passing { status: 529, text: words, retry_after_ms: None }
    } else {
        Fault::Final(ModelError::Refused { status: 200, text: words })
    }
}

/// A count in what a server says.
fn count(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}
