//! What happens in a conversation, in a form of its own: for people, who are shown it, and for programs, as lines of JSON.
//!
//! **Contract.** The names are stable; new kinds and new fields may come. Every text in an event is bounded and fit to be shown.

use serde::Serialize;
use serde_json::Value;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told {
    /// A conversation began, or goes on.
    Conversation {
        /// Its name, for `--resume`.
        id: String,
        /// The model.
        model: String,
        /// Whether something was said in it before.
        resumed: bool,
    },
    /// The lead says more of a text.
    Text {
        /// What.
        text: String,
    },
    /// What it said since its last message or call is void: the model is asked again.
    Again {
        /// Why.
        why: String,
        /// After how long, in milliseconds.
        wait_ms: u64,
    },
    /// It has said a whole text.
    Message {
        /// All of it.
        text: String,
    },
    /// It calls a tool.
    Call {
        /// By which its result is known.
        id: String,
        /// The tool.
        tool: String,
        /// What it is given; null when that is too long.
        arguments: Value,
        /// The same in a line.
        summary: String,
    },
    /// A call goes on, and has this to tell.
    Progress {
        /// The call.
        id: String,
        /// How far it is, in a line.
        text: String,
    },
    /// A call was not permitted.
    Refused {
        /// The call.
        id: String,
        /// The tool.
        tool: String,
        /// By whom: `person`, or `nobody` when there was none to ask.
        by: &'static str,
    },
    /// A tool has answered.
    Result {
        /// The call.
        id: String,
        /// The tool.
        tool: String,
        /// Whether it failed.
        failed: bool,
        /// What came of it, in a line.
        outcome: String,
        /// The answer, as the lead gets it.
        text: String,
    },
    /// The model has used this, since the last such event.
    Usage {
        /// Tokens read.
        input_tokens: u64,
        /// Tokens read from a cache.
        cached_tokens: u64,
        /// Tokens written.
        output_tokens: u64,
    },
    /// What was said was put together, to make room.
    Compacted,
    /// The turn is over.
    End {
        /// How it ended.
        outcome: How,
        /// What the lead said last, or what was wrong.
        text: String,
    },
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The lead has said all.
    Done,
    /// The model, or its provider, does not want to go on.
    Declined,
    /// It came to a limit.
    Limit,
    /// It was cancelled.
    Cancelled,
    /// The model could not be asked.
    Failed,
}

/// Whoever is told what happens. It must not block for long.
pub trait Voice: Send {
    /// Something happened.
    fn tell(&mut self, told: &Told);
    /// Time has passed, and nothing happened.
    fn tick(&mut self) {}
    /// A person is about to be asked: what is only there for a moment is taken away.
    fn asks(&mut self) {}
    /// The person has answered.
    fn asked(&mut self) {}
}

/// Each event as a line of JSON.
pub struct JsonLines<W>(pub W);

impl<W: std::io::Write + Send> Voice for JsonLines<W> {
    fn tell(&mut self, told: &Told) {
        let Ok(mut line) = serde_json::to_vec(told) else { return };
        line.push(b'\n');
        // Whoever does not read any more misses nothing.
        let _ = self.0.write_all(&line).and_then(|()| self.0.flush());
    }
}
