//! Agents at work: what they tell, what they use, the roles they play.
//!
//! An [`AgentEvent`] is what an agent program says in its own protocol, in our words. It is a claim, never a proof: what
//! became of a run is computed from git and the gate.

use serde::{Deserialize, Serialize};

/// Something an agent program told while it was at work. Texts are the program's own: hostile, unbounded by type, and to be
/// bounded by who makes the event and made safe by who shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AgentEvent {
    /// It is ready to work.
    Started {
        /// Its own name for the conversation, by which it can be gone on with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// The model it uses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
    },
    /// It said something.
    Message {
        /// What.
        text: String,
    },
    /// It uses a tool.
    ToolCall {
        /// The call's id in the conversation.
        id: String,
        /// The tool.
        tool: String,
        /// What for, in a line: the command, the file.
        summary: String,
        /// The files it names, as it names them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paths: Vec<String>,
    },
    /// A tool answered.
    ToolResult {
        /// The call's id.
        id: String,
        /// Whether it failed.
        failed: bool,
        /// The answer, or its beginning.
        text: String,
    },
    /// It asked whether it may do something.
    PermissionAsked {
        /// The call's id.
        id: String,
        /// The tool.
        tool: String,
        /// What for, in a line.
        summary: String,
    },
    /// It was refused something.
    PermissionDenied {
        /// The tool.
        tool: String,
        /// What for, in a line.
        summary: String,
    },
    /// What it has used since the last such event.
    Usage {
        /// How much.
        usage: Usage,
    },
    /// Its provider asks it to slow down.
    RateLimited {
        /// After how many seconds it may go on, when it was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
        /// In the provider's words.
        text: String,
    },
    /// It says that it is done. Its word, not the outcome.
    Finished {
        /// Whether it says that it succeeded.
        success: bool,
        /// In its words.
        text: String,
    },
    /// A line of its output that means nothing to its driver.
    Raw {
        /// The line.
        line: String,
    },
}

/// What runs have used, as far as the agents told. Sums saturate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Usage {
    /// Tokens read, cached ones not among them.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Cost, in millionths of a US dollar. 0 where the agent does not tell.
    pub cost_microusd: u64,
}

impl Usage {
    /// Whether nothing was told.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cost_microusd = self.cost_microusd.saturating_add(other.cost_microusd);
    }
}

/// What a run does for its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It says how it would do the work, and changes nothing.
    Plan,
    /// It does the work.
    Implement,
    /// It tests the work, and changes nothing.
    Verify,
    /// It reads the work and writes down what is wrong with it, and changes nothing.
    Review,
}

impl Role {
    /// Every role, in the order of a pipeline.
    pub const ALL: [Self; 4] = [Self::Plan, Self::Implement, Self::Verify, Self::Review];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Implement => "implement",
            Self::Verify => "verify",
            Self::Review => "review",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many findings a review has, by how bad they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Findings {
    /// Must not land.
    pub critical: u64,
    /// Should be mended.
    pub major: u64,
    /// Worth a word.
    pub minor: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_from_json() {
        let call = AgentEvent::ToolCall {
            id: "1".to_owned(),
            tool: "Bash".to_owned(),
            summary: "ls".to_owned(),
            paths: vec![],
        };
        let text = serde_json::to_string(&call).unwrap();
        assert_eq!(text, r#"{"type":"tool_call","id":"1","tool":"Bash","summary":"ls"}"#);
        assert_eq!(serde_json::from_str::<AgentEvent>(&text).unwrap(), call);
    }

    #[test]
    fn sums_saturate() {
        let mut sum = Usage { input_tokens: u64::MAX, ..Usage::default() };
        sum += Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() };
        assert_eq!((sum.input_tokens, sum.output_tokens), (u64::MAX, 2));
    }
}
