//! Tasks: what to do.

use serde::{Deserialize, Serialize};

use crate::{
    AgentName, Label, ProcessIdentity, ProfileName, RepoName, RunId, TaskId, Timestamp, WorktreeName,
    state::state_machine,
};

state_machine! {
    /// A task's state.
    TaskStatus {
        /// Not begun.
        Pending = "pending" => [InProgress, Blocked, Completed, Failed, Cancelled],
        /// Somebody works on it.
        InProgress = "in_progress" => [Pending, InReview, Blocked, Completed, Failed, Cancelled],
        /// Its branch is submitted and waits for the gate or for a person.
        InReview = "in_review" => [Pending, InProgress, Blocked, Completed, Failed, Cancelled],
        /// It waits for a person, for a reason.
        Blocked = "blocked" => [Pending, InReview, Completed, Failed, Cancelled],
        /// Done.
        Completed = "completed" => [],
        /// Given up, for a reason; may be tried again.
        Failed = "failed" => [Pending, Cancelled],
        /// Called off; may be taken up again.
        Cancelled = "cancelled" => [Pending],
    }
}

impl TaskStatus {
    /// Whether nobody is to work on it any more.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// The mark in a list.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Pending => "[ ]",
            Self::InProgress => "[>]",
            Self::InReview => "[?]",
            Self::Blocked => "[!]",
            Self::Completed => "[x]",
            Self::Failed => "[f]",
            Self::Cancelled => "[-]",
        }
    }
}

/// Whether a task has a worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorktreeState {
    /// It never had one, or was unbound from it.
    Unbound,
    /// It has one in which work may go on.
    Active,
    /// It has one that is kept for review.
    Kept,
    /// The one it had was removed.
    Removed,
}

/// How work in a worktree was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseoutAction {
    /// The worktree stays for review.
    Keep,
    /// The worktree was removed.
    Remove,
}

/// The end of work in a worktree: what was done with it, why and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Closeout {
    /// What was done.
    pub action: CloseoutAction,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Whether a plan has to be approved before a task's work begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanPolicy {
    /// It has to.
    Required,
    /// Work begins without one.
    None,
}

impl PlanPolicy {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::Required, Self::None];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::None => "none",
        }
    }
}

impl std::fmt::Display for PlanPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for PlanPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        known.ok_or_else(|| format!("`{}` is none of `required`, `none`", crate::sanitize_line(text)))
    }
}

/// One task of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The repository it is about.
    pub repo: RepoName,
    /// What to do, in a line; at most [`Task::MAX_SUBJECT`] characters.
    pub subject: String,
    /// What to do, at length; at most [`Task::MAX_DESCRIPTION`] bytes.
    pub description: String,
    /// Its state.
    pub status: TaskStatus,
    /// Whose it is.
    pub owner: Option<AgentName>,
    /// Who it is meant for: whose it is whenever nobody has claimed it. `None` for whoever takes it.
    pub assignee: Option<AgentName>,
    /// Higher goes first; 0 unless set.
    pub priority: i64,
    /// Its labels, in the order given.
    pub labels: Vec<Label>,
    /// The tasks that must be completed first.
    pub after: Vec<TaskId>,
    /// The worktree it is bound to. Derived from the worktree's record, which holds the fact.
    pub worktree: Option<WorktreeName>,
    /// The worktree's state as the task sees it.
    pub worktree_state: WorktreeState,
    /// The last worktree it was bound to.
    pub last_worktree: Option<WorktreeName>,
    /// How work in the last worktree ended.
    pub closeout: Option<Closeout>,
    /// Why it is blocked, failed, cancelled or was sent back; empty otherwise.
    pub reason: String,
    /// The gate this task's work must pass instead of the settings' one.
    pub gate: Option<String>,
    /// The roles its work goes through; the settings' profile without.
    pub profile: Option<ProfileName>,
    /// Whether a plan has to be approved before its work begins; what the settings say of profile and agent without.
    pub plan: Option<PlanPolicy>,
    /// Grows with each claim, and when a claim is taken away; a run with an older epoch can no longer change the task.
    pub epoch: u64,
    /// When the claim ends unless it is renewed; `None` for a claim without end, or none.
    pub lease_until: Option<Timestamp>,
    /// The process that keeps the claim alive; when it is dead, the claim is void. `None` for a person's claim.
    pub holder: Option<ProcessIdentity>,
    /// The run that holds the claim.
    pub run: Option<RunId>,
    /// How often its submitted work was sent back since a person last opened it.
    pub attempts: u32,
    /// When it was created, or last reopened by a person: runs, time and cost of earlier ones no longer count against its
    /// limits.
    pub opened_at: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}

impl Task {
    /// The most characters a subject may have.
    pub const MAX_SUBJECT: usize = 500;
    /// The most bytes a description may have.
    pub const MAX_DESCRIPTION: usize = 256 * 1024;
    /// The most dependencies a task may have.
    pub const MAX_DEPENDENCIES: usize = 1000;

    /// Whether the claim has run out at `now`.
    pub fn lease_expired(&self, now: Timestamp) -> bool {
        self.lease_until.is_some_and(|until| until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_table() {
        use TaskStatus::*;
        let legal = [
            (Pending, vec![InProgress, Blocked, Completed, Failed, Cancelled]),
            (InProgress, vec![Pending, InReview, Blocked, Completed, Failed, Cancelled]),
            (InReview, vec![Pending, InProgress, Blocked, Completed, Failed, Cancelled]),
            (Blocked, vec![Pending, InReview, Completed, Failed, Cancelled]),
            (Completed, vec![]),
            (Failed, vec![Pending, Cancelled]),
            (Cancelled, vec![Pending]),
        ];
        assert_eq!(legal.len(), TaskStatus::ALL.len());
        for (from, allowed) in legal {
            for &to in TaskStatus::ALL {
                assert_eq!(from.to(to, "task 1").is_ok(), allowed.contains(&to), "{from} → {to}");
            }
        }
    }

    #[test]
    fn an_illegal_move_names_the_legal_ones() {
        let error = TaskStatus::Failed.to(TaskStatus::Completed, "task 7").unwrap_err();
        assert_eq!(
            error.to_string(),
            "task 7 can't go from `failed` to `completed`; allowed: `pending`, `cancelled`"
        );
        let error = TaskStatus::Completed.to(TaskStatus::Pending, "task 7").unwrap_err();
        assert_eq!(
            error.to_string(),
            "task 7 can't go from `completed` to `pending`; allowed: none, `completed` is final"
        );
    }
}
