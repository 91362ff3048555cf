//! Requests that are answered once: to shut an agent down, to approve a plan.

use serde::{Deserialize, Serialize};

use crate::{AgentName, IllegalMove, RequestId, RunId, TaskId, Timestamp, state::state_machine};

state_machine! {
    /// The state of a request to shut an agent down.
    ShutdownStatus {
        /// The agent was asked: it gets no further task, and may reject that until its work is done.
        Requested = "requested" => [Approved, Rejected, Withdrawn],
        /// It takes no more tasks.
        Approved = "approved" => [Withdrawn],
        /// It goes on.
        Rejected = "rejected" => [],
        /// It was called back, or never had to go.
        Withdrawn = "withdrawn" => [],
    }
}

state_machine! {
    /// The state of a plan.
    PlanStatus {
        /// It waits for approval.
        Submitted = "submitted" => [Approved, Rejected, Withdrawn],
        /// The work may begin.
        Approved = "approved" => [],
        /// Another plan is wanted.
        Rejected = "rejected" => [],
        /// Another one has replaced it, or its task is not worked on any more.
        Withdrawn = "withdrawn" => [],
    }
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

impl Answer {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestKind {
    /// That an agent takes no more tasks.
    Shutdown,
    /// That a plan is approved.
    Plan,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Shutdown, Self::Plan];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Plan => "plan",
        }
    }
}

impl std::fmt::Display for RequestKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is asked for, and how far that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestStatus {
    /// That an agent takes no more tasks.
    Shutdown(ShutdownStatus),
    /// That a plan is approved.
    Plan(PlanStatus),
}

impl RequestStatus {
    /// Every state of every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        let plans = PlanStatus::ALL.iter().copied().map(Self::Plan);
        ShutdownStatus::ALL.iter().copied().map(Self::Shutdown).chain(plans)
    }

    /// What is asked for.
    pub fn kind(self) -> RequestKind {
        match self {
            Self::Shutdown(_) => RequestKind::Shutdown,
            Self::Plan(_) => RequestKind::Plan,
        }
    }

    /// The word for the state.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown(status) => status.as_str(),
            Self::Plan(status) => status.as_str(),
        }
    }

    /// Whether it waits for an answer.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Shutdown(ShutdownStatus::Requested) | Self::Plan(PlanStatus::Submitted))
    }

    /// The state after an answer. `what` names the request for the message.
    ///
    /// # Errors
    /// When it waits for none.
    pub fn answered(self, answer: Answer, what: impl std::fmt::Display) -> Result<Self, IllegalMove> {
        Ok(match (self, answer) {
            (Self::Shutdown(now), Answer::Approve) => Self::Shutdown(now.to(ShutdownStatus::Approved, what)?),
            (Self::Shutdown(now), Answer::Reject) => Self::Shutdown(now.to(ShutdownStatus::Rejected, what)?),
            (Self::Plan(now), Answer::Approve) => Self::Plan(now.to(PlanStatus::Approved, what)?),
            (Self::Plan(now), Answer::Reject) => Self::Plan(now.to(PlanStatus::Rejected, what)?),
        })
    }

    /// The state after it was taken back.
    ///
    /// # Errors
    /// When it can't be any more.
    pub fn withdrawn(self, what: impl std::fmt::Display) -> Result<Self, IllegalMove> {
        Ok(match self {
            Self::Shutdown(now) => Self::Shutdown(now.to(ShutdownStatus::Withdrawn, what)?),
            Self::Plan(now) => Self::Plan(now.to(PlanStatus::Withdrawn, what)?),
        })
    }
}

impl std::fmt::Display for RequestStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A request. It is answered by its addressee, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its id, by which mail about it is recognised.
    pub id: RequestId,
    /// What is asked for, and how far that is.
    pub status: RequestStatus,
    /// Who asks.
    pub from: AgentName,
    /// Who is to answer.
    pub to: AgentName,
    /// The task a plan is for.
    pub task: Option<TaskId>,
    /// That task's epoch when the plan was submitted.
    pub epoch: u64,
    /// The run that a plan came from.
    pub run: Option<RunId>,
    /// The plan, or why an agent is to shut down; at most [`Mail::MAX_CONTENT`](crate::Mail::MAX_CONTENT) bytes. Hostile.
    pub content: String,
    /// What was said with the answer; as long at most. Hostile.
    pub feedback: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was answered or withdrawn.
    pub decided_at: Option<Timestamp>,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}

impl Request {
    /// What is asked for.
    pub fn kind(&self) -> RequestKind {
        self.status.kind()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_transition_table() {
        use ShutdownStatus::*;
        let legal = [
            (Requested, vec![Approved, Rejected, Withdrawn]),
            (Approved, vec![Withdrawn]),
            (Rejected, vec![]),
            (Withdrawn, vec![]),
        ];
        assert_eq!(legal.len(), ShutdownStatus::ALL.len());
        for (from, allowed) in legal {
            for &to in ShutdownStatus::ALL {
                assert_eq!(from.to(to, "q1").is_ok(), allowed.contains(&to), "{from} → {to}");
            }
        }
    }

    #[test]
    fn plan_transition_table() {
        use PlanStatus::*;
        for &from in PlanStatus::ALL {
            for &to in PlanStatus::ALL {
                assert_eq!(from.to(to, "q1").is_ok(), from == Submitted && to != Submitted, "{from} → {to}");
            }
        }
    }

    #[test]
    fn a_request_is_answered_once() {
        for open in RequestStatus::all().filter(|status| status.is_open()) {
            for answer in [Answer::Approve, Answer::Reject] {
                let answered = open.answered(answer, "request q1").unwrap();
                assert_eq!(answered.kind(), open.kind());
                assert!(!answered.is_open() && answered.answered(answer, "request q1").is_err());
            }
        }
        let approved = RequestStatus::Shutdown(ShutdownStatus::Approved);
        assert_eq!(
            approved.answered(Answer::Reject, "request q4").unwrap_err().to_string(),
            "request q4 can't go from `approved` to `rejected`; allowed: `withdrawn`"
        );
        let rejected = RequestStatus::Plan(PlanStatus::Rejected);
        assert_eq!(
            rejected.answered(Answer::Approve, "request q4").unwrap_err().to_string(),
            "request q4 can't go from `rejected` to `approved`; allowed: none, `rejected` is final"
        );
    }
}
