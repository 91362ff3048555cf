//! Submissions: finished branches on their way to the target.

use serde::{Deserialize, Serialize};

use crate::{
    CommitId, ProcessIdentity, RepoName, SubmissionId, TaskId, Timestamp, WorktreeId, WorktreeName,
    state::state_machine,
};

state_machine! {
    /// A submission's state.
    SubmissionStatus {
        /// It waits for its turn.
        Queued = "queued" => [Testing, Bounced, Withdrawn],
        /// Its candidate is being made, tested or landed.
        Testing = "testing" => [Queued, Landed, Bounced, Withdrawn],
        /// The target contains it.
        Landed = "landed" => [],
        /// It conflicts, or its candidate failed the gate.
        Bounced = "bounced" => [],
        /// It was taken back, or replaced by a newer one.
        Withdrawn = "withdrawn" => [],
    }
}

impl SubmissionStatus {
    /// Whether it still waits or is being worked on.
    pub fn is_open(self) -> bool {
        !self.next().is_empty()
    }
}

/// How a branch is brought onto the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A merge commit with both histories.
    #[default]
    Merge,
    /// One commit with the whole change.
    Squash,
    /// The branch's commits on top of the target, which then moves fast-forward.
    Rebase,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

impl std::str::FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("`{}` is none of `merge`, `squash`, `rebase`", crate::sanitize_line(text)))
    }
}

/// One submission. It names a commit, not a branch: what is pushed to the branch afterwards is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Its id.
    pub id: SubmissionId,
    /// The repository.
    pub repo: RepoName,
    /// The worktree it came from.
    pub worktree: WorktreeName,
    /// That worktree's record.
    pub worktree_id: WorktreeId,
    /// The task.
    pub task: Option<TaskId>,
    /// The task's epoch when it was submitted.
    pub epoch: u64,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The commit that was submitted.
    pub head: CommitId,
    /// The branch it is to land on, without `refs/heads/`.
    pub target: String,
    /// How.
    pub strategy: Strategy,
    /// The gate, a shell command; `None` lands untested.
    pub gate: Option<String>,
    /// Its state.
    pub status: SubmissionStatus,
    /// The target's tip the candidate was made on.
    pub onto: Option<CommitId>,
    /// The candidate, written down before the target is moved to it.
    pub candidate: Option<CommitId>,
    /// The process that works on it.
    pub worker: Option<ProcessIdentity>,
    /// Why it bounced or was withdrawn; empty otherwise.
    pub reason: String,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}
