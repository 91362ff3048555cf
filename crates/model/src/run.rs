//! Runs: executions of a command or an agent in a worktree.

use serde::{Deserialize, Serialize};

use crate::{
    Actor, AgentName, CommitId, Findings, ProcessIdentity, RepoName, Role, RunId, TaskId, Timestamp, Usage,
    WorktreeId, WorktreeName, state::state_machine,
};

state_machine! {
    /// A run's state.
    RunStatus {
        /// Intended; the process may or may not exist.
        Starting = "starting" => [Running, Failed, Cancelled, Lost],
        /// The process was started.
        Running = "running" => [Succeeded, Failed, TimedOut, Cancelled, Lost],
        /// It ended with exit code 0.
        Succeeded = "succeeded" => [],
        /// It could not start, or ended with another exit code or by a signal.
        Failed = "failed" => [],
        /// It was stopped because its time was up.
        TimedOut = "timed_out" => [],
        /// It was stopped because somebody asked.
        Cancelled = "cancelled" => [],
        /// Its supervisor died; how it ended is not known.
        Lost = "lost" => [],
    }
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_over(self) -> bool {
        self.next().is_empty()
    }
}

/// What was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A command somebody gave.
    Command,
    /// An agent on a task.
    Agent,
    /// The gate on a candidate.
    Gate,
    /// A command that makes a new worktree ready to build.
    Setup,
}

impl RunKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Agent => "agent",
            Self::Gate => "gate",
            Self::Setup => "setup",
        }
    }
}

/// What git shows of a run's work, whatever the command says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunEvidence {
    /// The branch's head after the run.
    pub head: CommitId,
    /// Commits on the branch since the worktree's base.
    pub commits: u64,
    /// Files with uncommitted changes, untracked ones included.
    pub dirty_files: u64,
    /// Commits on the branch since the run began.
    #[serde(default)]
    pub new_commits: u64,
    /// What the agent was not permitted to do, as often as it tried.
    #[serde(default)]
    pub denied: u64,
    /// Tool calls of the agent that failed.
    #[serde(default)]
    pub failed_calls: u64,
    /// The SHA-256 of all that the run wrote, in hexadecimal digits; of runs that verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_hash: Option<String>,
    /// What a review found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The repository it ran in.
    pub repo: RepoName,
    /// The worktree's name; for a gate, the submitted one's.
    pub worktree: WorktreeName,
    /// The worktree's record.
    pub worktree_id: WorktreeId,
    /// The task it was for.
    pub task: Option<TaskId>,
    /// The task's epoch when it started.
    pub epoch: u64,
    /// What was run.
    pub kind: RunKind,
    /// The agent, when it was one.
    pub agent: Option<AgentName>,
    /// What it does for its task.
    pub role: Option<Role>,
    /// The branch's head before it began; of a gate, the candidate that it tests.
    pub base: Option<CommitId>,
    /// The agent's own name for its conversation, by which it can be gone on with.
    pub session: Option<String>,
    /// What the agent has used, as far as it told.
    pub usage: Usage,
    /// Who asked for it to be stopped.
    pub stop_by: Option<Actor>,
    /// The start of the command line, for people.
    pub command: String,
    /// Its state.
    pub status: RunStatus,
    /// The process that supervises it.
    pub supervisor: ProcessIdentity,
    /// The process that was started.
    pub child: Option<ProcessIdentity>,
    /// When it was intended.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The exit code, when it ended with one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Why it failed, in a sentence; empty otherwise.
    pub error: String,
    /// Whether it came to nothing because its agent's provider asked to slow down.
    pub rate_limited: bool,
    /// What git shows afterwards.
    pub evidence: Option<RunEvidence>,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}

impl Run {
    /// The most bytes of a session's name that are kept; a longer one is none.
    pub const MAX_SESSION: usize = 256;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_over_is_final() {
        use RunStatus::*;
        for &status in RunStatus::ALL {
            assert_eq!(status.is_over(), !matches!(status, Starting | Running), "{status}");
        }
        assert!(Starting.to(Succeeded, "run r1").is_err() && Running.to(TimedOut, "run r1").is_ok());
    }
}
