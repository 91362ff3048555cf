//! The form of a transcript on the disk: JSON, a line for each event, `{"v": 1, "at": …, "event": {"type": …}}`.
//!
//! Apart from [`AgentEvent`], so that one can change while old transcripts are still read. A line of a newer version is one
//! that can't be read; it says so, and the others can.

use biplane_execution::mask::Masks;
use biplane_model::{AgentEvent, Timestamp, Usage};
use serde::{Deserialize, Serialize};

/// The version that is written.
pub(super) const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) v: u32,
    /// When, in seconds since 1970; nothing where it is not known.
    pub(super) at: Option<Timestamp>,
    pub(super) event: Wire,
}

/// The version of a line, whatever else there is.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) v: u32,
}

/// What a line says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Wire {
    Started {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    Message {
        text: String,
    },
    ToolCall {
        id: String,
        tool: String,
        summary: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
    },
    ToolResult {
        id: String,
        failed: bool,
        text: String,
    },
    PermissionAsked {
        id: String,
        tool: String,
        summary: String,
    },
    PermissionDenied {
        tool: String,
        summary: String,
    },
    Usage {
        input_tokens: u64,
        output_tokens: u64,
        cached_tokens: u64,
        cost_microusd: u64,
    },
    RateLimited {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
        text: String,
    },
    Finished {
        success: bool,
        text: String,
    },
    Raw {
        line: String,
    },
    /// Here were more lines than there was room for.
    LeftOut {
        lines: u64,
        bytes: u64,
    },
}

impl Wire {
    /// An event, each of its texts passed through `fit`.
    pub(super) fn of(event: &AgentEvent, fit: impl Fn(&str) -> String) -> Self {
        use AgentEvent as E;
        match event {
            E::Started { session, model } => {
                Self::Started { session: session.as_deref().map(&fit), model: model.as_deref().map(&fit) }
            }
            E::Message { text } => Self::Message { text: fit(text) },
            E::ToolCall { id, tool, summary, paths } => Self::ToolCall {
                id: fit(id),
                tool: fit(tool),
                summary: fit(summary),
                paths: paths.iter().take(PATHS).map(|path| fit(path)).collect(),
            },
            E::ToolResult { id, failed, text } => {
                Self::ToolResult { id: fit(id), failed: *failed, text: fit(text) }
            }
            E::PermissionAsked { id, tool, summary } => {
                Self::PermissionAsked { id: fit(id), tool: fit(tool), summary: fit(summary) }
            }
            E::PermissionDenied { tool, summary } => {
                Self::PermissionDenied { tool: fit(tool), summary: fit(summary) }
            }
            E::Usage { usage } => Self::Usage {
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cached_tokens: usage.cached_tokens,
                cost_microusd: usage.cost_microusd,
            },
            E::RateLimited { retry_after_s, text } => {
                Self::RateLimited { retry_after_s: *retry_after_s, text: fit(text) }
            }
            E::Finished { success, text } => Self::Finished { success: *success, text: fit(text) },
            E::Raw { line } => Self::Raw { line: fit(line) },
        }
    }

    /// The event; the count of lines and bytes where some were left out.
    pub(super) fn into_event(self) -> Result<AgentEvent, (u64, u64)> {
        use AgentEvent as E;
        Ok(match self {
            Self::Started { session, model } => E::Started { session, model },
            Self::Message { text } => E::Message { text },
            Self::ToolCall { id, tool, summary, paths } => E::ToolCall { id, tool, summary, paths },
            Self::ToolResult { id, failed, text } => E::ToolResult { id, failed, text },
            Self::PermissionAsked { id, tool, summary } => E::PermissionAsked { id, tool, summary },
            Self::PermissionDenied { tool, summary } => E::PermissionDenied { tool, summary },
            Self::Usage { input_tokens, output_tokens, cached_tokens, cost_microusd } => {
                E::Usage { usage: Usage { input_tokens, output_tokens, cached_tokens, cost_microusd } }
            }
            Self::RateLimited { retry_after_s, text } => E::RateLimited { retry_after_s, text },
            Self::Finished { success, text } => E::Finished { success, text },
            Self::Raw { line } => E::Raw { line },
            Self::LeftOut { lines, bytes } => return Err((lines, bytes)),
        })
    }
}

/// An event as it may be quoted and shown. Paths are as they were: they are compared with the disk, and not shown.
pub(crate) fn without_secrets(event: &AgentEvent, masks: &Masks) -> AgentEvent {
    let masked = Wire::of(event, |text| masks.text(text).into_owned()).into_event();
    match (masked.expect("what is made of an event is none of a gap"), event) {
        (AgentEvent::ToolCall { id, tool, summary, .. }, AgentEvent::ToolCall { paths, .. }) => {
            AgentEvent::ToolCall { id, tool, summary, paths: paths.clone() }
        }
        (masked, _) => masked,
    }
}

/// The most paths of a tool call.
const PATHS: usize = biplane_execution::agents::bounds::PATHS;
