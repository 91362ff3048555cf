//! What a script sees and says.

use std::time::Duration;

use serde_json::Value;

use super::Protocol;

/// A point in a conversation at which the model is to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// How it was asked.
    pub protocol: Protocol,
    /// The model that was asked for.
    pub model: String,
    /// What was said by the user last: the newest message that is more than results of tools, as one text. Programs put
    /// reminders of their own around what they were told, so look for words in it.
    pub prompt: String,
    /// What the user said before that, the oldest first.
    pub earlier: Vec<String>,
    /// How many answers the model has given since the prompt.
    pub step: usize,
    /// How many answers it has given in all, also before a conversation was resumed.
    pub number: usize,
    /// What the tools said that the last answer called.
    pub results: Vec<ToolResult>,
    /// The names of the tools that are offered.
    pub tools: Vec<String>,
    /// How often this turn was asked for before: 0 at first.
    pub attempt: usize,
    /// The whole request.
    pub body: Value,
}

impl Turn {
    /// Whether a tool is offered.
    pub fn offers(&self, tool: &str) -> bool {
        self.tools.iter().any(|t| t == tool)
    }

    /// The word that stands behind `key` in the prompt, such as `a.txt` behind `write ` in `write a.txt now`.
    pub fn word_after(&self, key: &str) -> Option<&str> {
        let (_, rest) = self.prompt.split_once(key)?;
        rest.split_whitespace().next()
    }
}

/// What a tool said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// The call that it answers.
    pub call: String,
    /// Its text.
    pub text: String,
    /// Whether the program marked it as an error. OpenAI's protocols have no such mark.
    pub error: bool,
}

/// What the model says.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub(super) parts: Vec<Part>,
    pub(super) usage: Usage,
    pub(super) refusal: Option<Refusal>,
}

/// An answer that is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// It says a text.
    Text(String),
    /// It calls a tool. A text as input makes it a call of a free-form tool, where the protocol has such.
    Call {
        /// The tool's name.
        tool: String,
        /// What it is given.
        input: Value,
    },
    /// Nothing for a while.
    Pause(Duration),
    /// The text again and again, until the program goes away.
    Endless(String),
    /// Nothing more, and the connection stays open.
    Hang,
    /// The connection is closed in the middle.
    Cut,
}

/// What it says to have cost, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Read, without what was cached.
    pub input: u64,
    /// Read from the cache.
    pub cached: u64,
    /// Written.
    pub output: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input: 100, cached: 0, output: 10 }
    }
}

impl Answer {
    /// It says `text` and is done.
    pub fn text(text: impl Into<String>) -> Self {
        Self::empty().and(Part::Text(text.into()))
    }

    /// It calls a tool, and waits for the result.
    pub fn call(tool: impl Into<String>, input: Value) -> Self {
        Self::empty().and_call(tool, input)
    }

    /// It says nothing at all.
    pub fn empty() -> Self {
        Self { parts: Vec::new(), usage: Usage::default(), refusal: None }
    }

    /// The server refuses: 429 for too many requests, 529 for an overload, others as they are.
    pub fn refuse(status: u16) -> Self {
        Self { refusal: Some(Refusal { status, retry_after: None }), ..Self::empty() }
    }

    /// How long to wait before another request, told with a refusal, in whole seconds.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let Some(refusal) = &mut self.refusal {
            refusal.retry_after = Some(wait);
        }
        self
    }

    /// And another part.
    pub fn and(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// And another call, at the same time.
    pub fn and_call(self, tool: impl Into<String>, input: Value) -> Self {
        self.and(Part::Call { tool: tool.into(), input })
    }

    /// Waits before it says anything.
    pub fn after(mut self, wait: Duration) -> Self {
        self.parts.insert(0, Part::Pause(wait));
        self
    }

    /// What it says to have cost.
    pub fn costs(mut self, usage: Usage) -> Self {
        self.usage = usage;
        self
    }
}

/// The script that gives these answers to each prompt, one after the other, and then says `Done.`
pub fn steps(answers: impl IntoIterator<Item = Answer>) -> impl Fn(&Turn) -> Answer + Send + Sync + 'static {
    let answers: Vec<_> = answers.into_iter().collect();
    move |turn| answers.get(turn.step).cloned().unwrap_or_else(|| Answer::text("Done."))
}
