//! Mail: what a lead and agents tell each other, and who they are.

use serde::{Deserialize, Serialize};

use crate::{AgentName, Answer, MailId, RequestId, RunId, TaskId, Timestamp};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// A message to one.
    Message,
    /// A message to everybody.
    Broadcast,
    /// The wish that an agent takes no more tasks.
    ShutdownRequest,
    /// The answer to that.
    ShutdownResponse,
    /// A plan that waits for approval.
    PlanApprovalRequest,
    /// The answer to that.
    PlanApprovalResponse,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Message,
        Self::Broadcast,
        Self::ShutdownRequest,
        Self::ShutdownResponse,
        Self::PlanApprovalRequest,
        Self::PlanApprovalResponse,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Broadcast => "broadcast",
            Self::ShutdownRequest => "shutdown_request",
            Self::ShutdownResponse => "shutdown_response",
            Self::PlanApprovalRequest => "plan_approval_request",
            Self::PlanApprovalResponse => "plan_approval_response",
        }
    }
}

impl std::fmt::Display for MailKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for MailKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| {
            format!("`{}` is no kind of message", crate::clip(&crate::sanitize_line(text), 40))
        })
    }
}

/// One message to one recipient. What a message says never changes; only its delivery is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Its id. Of two messages the later one has the higher id.
    pub id: MailId,
    /// What it is.
    pub kind: MailKind,
    /// Who sent it.
    pub from: AgentName,
    /// Who it is to.
    pub to: AgentName,
    /// What it says; at most [`Mail::MAX_CONTENT`] bytes. The sender's own text: hostile, to be made safe by who shows it.
    pub content: String,
    /// The request that it makes or answers.
    pub request: Option<RequestId>,
    /// The answer, when it is one.
    pub answer: Option<Answer>,
    /// The task it is about.
    pub task: Option<TaskId>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was delivered; `None` while it waits.
    pub delivered_at: Option<Timestamp>,
    /// The run that got it: in its prompt, or by reading it.
    pub run: Option<RunId>,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}

impl Mail {
    /// The most bytes a message may have.
    pub const MAX_CONTENT: usize = 32 * 1024;
    /// The most messages that may wait for one recipient.
    pub const MAX_WAITING: u64 = 1000;
}

/// One of the team: whoever can get mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name.
    pub name: AgentName,
    /// What it is there for, in a line; may be empty. At most [`Member::MAX_ROLE`] characters.
    pub role: String,
    /// How many messages wait for it.
    pub waiting: u64,
    /// When it became a member.
    pub joined_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change, also with every message that is sent or delivered to it; 0 before it is stored.
    pub rev: u64,
}

impl Member {
    /// The most characters a role may have.
    pub const MAX_ROLE: usize = 200;
    /// The most members of one team.
    pub const MOST: usize = 1000;
}

/// What a member does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// It owns a task that is in progress.
    Working,
    /// It does not.
    Idle,
    /// It was asked to shut down, and still has a task.
    ShuttingDown,
    /// It takes no more tasks.
    Shutdown,
}

impl MemberState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::ShuttingDown => "shutting_down",
            Self::Shutdown => "shutdown",
        }
    }
}

impl std::fmt::Display for MemberState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json() {
        for kind in MailKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for status in
            [MemberState::Working, MemberState::Idle, MemberState::ShuttingDown, MemberState::Shutdown]
        {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        let error = "post\u{1b}card".parse::<MailKind>().unwrap_err();
        assert_eq!(error, "`post\u{fffd}card` is no kind of message");
    }
}
