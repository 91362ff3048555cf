//! The forms in which records leave biplane: the view files, `--json` answers. Supersets of the formats that the
//! tutorial's tools read, so that those keep working.
//!
//! Strings stand empty rather than null where those tools expect a string.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod team;

pub use team::{MailView, MemberView, RequestView, TeamConfig};

use crate::{
    Actor, Closeout, CommitId, Event, Label, NewEvent, PlanPolicy, ProfileName, RepoName, Role, Run,
    RunEvidence, RunId, RunStatus, Seq, Strategy, Submission, SubmissionId, SubmissionStatus, Task, TaskId,
    TaskStatus, Timestamp, Usage, Worktree, WorktreeName, WorktreeState, WorktreeStatus,
};

/// A task as it leaves biplane: `.tasks/task_<id>.json` and `biplane task … --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    /// The id: an integer, or a string such as `"auth_001"`.
    pub id: TaskId,
    /// What to do, in a line.
    pub subject: String,
    /// What to do, at length.
    pub description: String,
    /// The state.
    pub status: TaskStatus,
    /// The owner, `""` when it has none.
    pub owner: String,
    /// Who it is meant for, and goes back to whenever nobody has claimed it; `""` when it is for whoever takes it.
    #[serde(default)]
    pub assignee: String,
    /// The worktree it is bound to, `""` when it is unbound.
    pub worktree: String,
    /// Whether it has a worktree.
    pub worktree_state: WorktreeState,
    /// The last worktree it was bound to, `""` when there was none.
    pub last_worktree: String,
    /// How work in the last worktree ended.
    pub closeout: Option<Closeout>,
    /// The tasks that must be completed first.
    #[serde(rename = "blockedBy")]
    pub blocked_by: Vec<TaskId>,
    /// Higher goes first.
    pub priority: i64,
    /// The labels.
    pub labels: Vec<Label>,
    /// Why it is blocked, failed, cancelled or was sent back.
    pub reason: String,
    /// The gate of this task alone, when it has one.
    pub gate: Option<String>,
    /// The roles its work goes through, when they are not those of the settings.
    #[serde(default)]
    pub profile: Option<ProfileName>,
    /// Whether a plan has to be approved before its work begins, when that is not left to the settings.
    #[serde(default)]
    pub plan: Option<PlanPolicy>,
    /// The commit its worktree was created at, `""` when it is unbound.
    pub base: String,
    /// Grows with each claim, and when a claim is taken away.
    pub epoch: u64,
    /// When the claim ends unless renewed, in unix seconds.
    pub lease_until: Option<Timestamp>,
    /// The run that holds the claim.
    pub run: Option<RunId>,
    /// How often its submitted work was sent back.
    pub attempts: u32,
    /// The repository it is about.
    pub repo: RepoName,
    /// Since when runs, time and cost count against its limits, in unix seconds.
    #[serde(default)]
    pub opened_at: Timestamp,
    /// Unix seconds.
    pub created_at: Timestamp,
    /// Unix seconds.
    pub updated_at: Timestamp,
    /// Grows by one with every change.
    pub rev: u64,
}

impl TaskView {
    /// The view of `task`, whose worktree (if it is bound) was created at `base`.
    pub fn new(task: &Task, base: Option<&CommitId>) -> Self {
        let name = |n: &Option<WorktreeName>| n.as_ref().map(WorktreeName::to_string).unwrap_or_default();
        Self {
            id: task.id.clone(),
            subject: task.subject.clone(),
            description: task.description.clone(),
            status: task.status,
            owner: task.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
            assignee: task.assignee.as_ref().map(ToString::to_string).unwrap_or_default(),
            worktree: name(&task.worktree),
            worktree_state: task.worktree_state,
            last_worktree: name(&task.last_worktree),
            closeout: task.closeout.clone(),
            blocked_by: task.after.clone(),
            priority: task.priority,
            labels: task.labels.clone(),
            reason: task.reason.clone(),
            gate: task.gate.clone(),
            profile: task.profile.clone(),
            plan: task.plan,
            base: base.map(ToString::to_string).unwrap_or_default(),
            epoch: task.epoch,
            lease_until: task.lease_until,
            run: task.run,
            attempts: task.attempts,
            repo: task.repo.clone(),
            opened_at: task.opened_at,
            created_at: task.created_at,
            updated_at: task.updated_at,
            rev: task.rev,
        }
    }
}

/// A worktree as it leaves biplane: an element of `.worktrees/index.json` and `biplane wt … --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorktreeView {
    /// The name.
    pub name: WorktreeName,
    /// The directory, absolute.
    pub path: String,
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The task it is bound to.
    pub task_id: Option<TaskId>,
    /// The state.
    pub status: WorktreeStatus,
    /// The commit it was created at.
    pub base: CommitId,
    /// What was asked for as base.
    pub base_ref: String,
    /// The epoch of the task it is bound to; 0 when it is unbound.
    pub epoch: u64,
    /// The ports leased to it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub ports: Vec<u16>,
    /// Why it was kept, abandoned or removed.
    pub reason: String,
    /// The repository it is a worktree of.
    pub repo: RepoName,
    /// Unix seconds.
    pub created_at: Timestamp,
    /// Unix seconds.
    pub updated_at: Timestamp,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_at: Option<Timestamp>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_entered_at: Option<Timestamp>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_command_at: Option<Timestamp>,
    /// The start of the last command.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub last_command_preview: String,
    /// Grows by one with every change.
    pub rev: u64,
}

impl WorktreeView {
    /// The view of `worktree`, which lies at the absolute `path` and whose task (if any) is at `epoch`.
    pub fn new(worktree: &Worktree, path: String, epoch: u64) -> Self {
        Self {
            name: worktree.name.clone(),
            path,
            branch: worktree.branch.clone(),
            task_id: worktree.task.clone(),
            status: worktree.status,
            base: worktree.base.clone(),
            base_ref: worktree.base_ref.clone(),
            epoch,
            ports: worktree.ports.clone(),
            reason: worktree.reason.clone(),
            repo: worktree.repo.clone(),
            created_at: worktree.created_at,
            updated_at: worktree.updated_at,
            kept_at: worktree.kept_at,
            removed_at: worktree.removed_at,
            last_entered_at: worktree.last_entered_at,
            last_command_at: worktree.last_command_at,
            last_command_preview: worktree.last_command_preview.clone(),
            rev: worktree.rev,
        }
    }
}

/// The whole of `.worktrees/index.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorktreeIndex {
    /// The newest record of each name: all live ones, and the latest removed ones.
    pub worktrees: Vec<WorktreeView>,
}

/// An event as it leaves biplane: a line of `.worktrees/events.jsonl` and of `biplane events --json`.
///
/// `task` and `worktree` are always objects, empty when the event is about none.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EventView<'a> {
    /// The place in the log: 1, 2, 3, … without a gap.
    pub seq: Seq,
    /// What happened.
    pub event: &'a str,
    /// Unix seconds.
    pub ts: Timestamp,
    /// Who did it.
    pub actor: &'a str,
    /// The task as it stood after the event.
    #[schemars(with = "crate::TaskRef")]
    pub task: serde_json::Value,
    /// The worktree as it stood after the event.
    #[schemars(with = "crate::WorktreeRef")]
    pub worktree: serde_json::Value,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<&'a crate::RunRef>,
    /// The submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission: Option<&'a crate::SubmissionRef>,
    /// Why it failed, was sent back, was blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Whatever else belongs to the fact.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub data: &'a serde_json::Map<String, serde_json::Value>,
}

impl<'a> EventView<'a> {
    /// The view of `event`.
    pub fn new(event: &'a Event) -> Self {
        let NewEvent { event: kind, task, worktree, run, submission, error, data } = &event.fact;
        let object = |v: Option<serde_json::Value>| v.unwrap_or_else(|| serde_json::json!({}));
        Self {
            seq: event.seq,
            event: kind.as_str(),
            ts: event.at,
            actor: event.actor.as_str(),
            task: object(task.as_ref().and_then(|t| serde_json::to_value(t).ok())),
            worktree: object(worktree.as_ref().and_then(|w| serde_json::to_value(w).ok())),
            run: run.as_ref(),
            submission: submission.as_ref(),
            error: error.as_deref(),
            data,
        }
    }
}

/// A run as it leaves biplane: `.worktrees/runs/<run id>/run.json` and `--json` answers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RunView {
    /// The id.
    pub id: RunId,
    /// `command`, `agent` or `gate`.
    pub kind: &'static str,
    /// The repository it was in.
    pub repo: RepoName,
    /// The worktree's name.
    pub worktree: WorktreeName,
    /// The task it was for.
    pub task_id: Option<TaskId>,
    /// The task's epoch when it started.
    pub epoch: u64,
    /// The agent, `""` when it was none.
    pub agent: String,
    /// What it did for its task.
    pub role: Option<Role>,
    /// The branch's head before it began; of a gate, the candidate that it tests.
    pub base: Option<CommitId>,
    /// The agent's own name for its conversation.
    pub session: Option<String>,
    /// What the agent has used, as far as it told.
    pub usage: Option<Usage>,
    /// Who asked for it to be stopped.
    pub stop_by: Option<Actor>,
    /// The start of the command line.
    pub command: String,
    /// The state.
    pub status: RunStatus,
    /// The exit code, when it ended with one.
    pub exit_code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Why it failed, in a sentence.
    pub error: String,
    /// Whether it came to nothing because its agent's provider asked to slow down; it is no attempt then.
    pub rate_limited: bool,
    /// What git shows afterwards.
    pub evidence: Option<RunEvidence>,
    /// Unix seconds.
    pub started_at: Timestamp,
    /// Unix seconds.
    pub ended_at: Option<Timestamp>,
    /// Grows by one with every change.
    pub rev: u64,
}

impl From<&Run> for RunView {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id,
            kind: run.kind.as_str(),
            repo: run.repo.clone(),
            worktree: run.worktree.clone(),
            task_id: run.task.clone(),
            epoch: run.epoch,
            agent: run.agent.as_ref().map(ToString::to_string).unwrap_or_default(),
            role: run.role,
            base: run.base.clone(),
            session: run.session.clone(),
            usage: (!run.usage.is_nothing()).then_some(run.usage),
            stop_by: run.stop_by.clone(),
            command: run.command.clone(),
            status: run.status,
            exit_code: run.exit_code,
            signal: run.signal,
            error: run.error.clone(),
            rate_limited: run.rate_limited,
            evidence: run.evidence.clone(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            rev: run.rev,
        }
    }
}

/// A submission as it leaves biplane: `biplane submit|merge --json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubmissionView {
    /// The id.
    pub id: SubmissionId,
    /// The repository it is to land in.
    pub repo: RepoName,
    /// The worktree's name.
    pub worktree: WorktreeName,
    /// The task.
    pub task_id: Option<TaskId>,
    /// The task's epoch when it was submitted.
    pub epoch: u64,
    /// The branch.
    pub branch: String,
    /// The submitted commit.
    pub head: CommitId,
    /// The branch it is to land on.
    pub target: String,
    /// How.
    pub strategy: Strategy,
    /// The gate; null lands untested.
    pub gate: Option<String>,
    /// The state.
    pub status: SubmissionStatus,
    /// The target's tip the candidate was made on.
    pub onto: Option<CommitId>,
    /// The commit that was tested and landed.
    pub candidate: Option<CommitId>,
    /// Why it bounced or was withdrawn.
    pub reason: String,
    /// Unix seconds.
    pub created_at: Timestamp,
    /// Unix seconds.
    pub updated_at: Timestamp,
    /// Grows by one with every change.
    pub rev: u64,
}

impl From<&Submission> for SubmissionView {
    fn from(s: &Submission) -> Self {
        Self {
            id: s.id,
            repo: s.repo.clone(),
            worktree: s.worktree.clone(),
            task_id: s.task.clone(),
            epoch: s.epoch,
            branch: s.branch.clone(),
            head: s.head.clone(),
            target: s.target.clone(),
            strategy: s.strategy,
            gate: s.gate.clone(),
            status: s.status,
            onto: s.onto.clone(),
            candidate: s.candidate.clone(),
            reason: s.reason.clone(),
            created_at: s.created_at,
            updated_at: s.updated_at,
            rev: s.rev,
        }
    }
}
