//! Events: facts in the order in which they became true.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    AgentName, CommitId, RepoName, Run, RunId, RunStatus, Seq, Submission, SubmissionId, SubmissionStatus,
    Task, TaskId, TaskStatus, Timestamp, Worktree, WorktreeName, WorktreeStatus,
};

/// Who did something: a person's or an agent's name, as far as it is known. Not a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Actor(String);

impl Actor {
    /// An actor called `name`; made safe to show and cut to 64 characters. `unknown` when nothing is left.
    pub fn new(name: &str) -> Self {
        let name = crate::clip(crate::sanitize_line(name).trim(), 64);
        Self(if name.is_empty() { "unknown".to_owned() } else { name })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! event_kinds {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $word:literal $(as $label:literal)? ),+ $(,)?) => {
        /// What happened. The words are stable; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind { $( $(#[doc = $doc])+ #[serde(rename = $word)] $variant ),+ }

        impl EventKind {
            /// Every kind, in the order of a usual life.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in the log.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The short label of the diagrams (`CREATED`, `BOUND`, …), for the kinds that have one.
            pub fn label(self) -> Option<&'static str> {
                match self { $( $(Self::$variant => Some($label),)? )+ #[allow(unreachable_patterns)] _ => None }
            }

            /// What it says, for the reference.
            pub fn meaning(self) -> String {
                let lines: &[&str] = match self { $( Self::$variant => &[$($doc),+] ),+ };
                lines.iter().map(|l| l.trim()).collect::<Vec<_>>().join(" ")
            }
        }
    };
}

event_kinds! {
    /// A task was created.
    TaskCreated = "task.created",
    /// Something of a task changed but its state.
    TaskUpdated = "task.updated",
    /// An agent or a person became the owner; the epoch grew.
    TaskClaimed = "task.claimed",
    /// Work on a task began without a claim.
    TaskStarted = "task.started",
    /// A claim was given back; the task is pending again.
    TaskReleased = "task.released",
    /// A claim was taken away from a process that did not renew it; the epoch grew. What is left of its run is ended next.
    TaskFenced = "task.fenced",
    /// A task's branch was submitted.
    TaskInReview = "task.in_review",
    /// A task was sent back to be worked on again; `error` says why.
    TaskReturned = "task.returned",
    /// A task waits for a person; `error` says why.
    TaskBlocked = "task.blocked",
    /// A blocked, failed or cancelled task is pending again.
    TaskReopened = "task.reopened",
    /// A task was given up; `error` says why.
    TaskFailed = "task.failed",
    /// A task was called off.
    TaskCancelled = "task.cancelled",
    /// A task is done.
    TaskCompleted = "task.completed" as "COMPLETE",
    /// A worktree is about to be created.
    WorktreeCreateBefore = "worktree.create.before",
    /// A worktree was created.
    WorktreeCreateAfter = "worktree.create.after" as "CREATED",
    /// A worktree could not be created; `error` says why. Nothing of it is left.
    WorktreeCreateFailed = "worktree.create.failed",
    /// A worktree and a task were bound to each other.
    WorktreeBind = "worktree.bind" as "BOUND",
    /// A worktree and a task were unbound.
    WorktreeUnbind = "worktree.unbind",
    /// Somebody opened a shell in a worktree.
    WorktreeEnter = "worktree.enter",
    /// A command or an agent is about to be started in a worktree.
    WorktreeRunBefore = "worktree.run.before" as "STARTED",
    /// A command or an agent ended, whatever its exit code.
    WorktreeRunAfter = "worktree.run.after",
    /// A command or an agent was stopped because its time was up.
    WorktreeRunTimeout = "worktree.run.timeout",
    /// A run's supervisor died; what was left of the run was stopped.
    WorktreeRunLost = "worktree.run.lost",
    /// Somebody asked for a run to be stopped.
    RunStop = "run.stop",
    /// A run has changed something outside of its worktree; `outside` names it.
    WorktreeRunOutside = "worktree.run.outside",
    /// The target was merged into a worktree, for the next attempt; `conflicts` names the files that are left to resolve.
    WorktreeRefresh = "worktree.refresh",
    /// An agent's provider asked to slow down; `until` says when the agent is started again.
    AgentLimited = "agent.limited",
    /// No agents are started until `up.resumed`.
    UpPaused = "up.paused",
    /// Agents are started again.
    UpResumed = "up.resumed",
    /// No agents are started any more: every `up` ends when what is at work is done.
    UpDraining = "up.draining",
    /// Changes in a worktree were committed to its branch.
    WorktreeCommit = "worktree.commit" as "COMMIT",
    /// A worktree's whole state was written to a snapshot ref.
    WorktreeSnapshot = "worktree.snapshot",
    /// A worktree was brought back as a snapshot holds it.
    WorktreeRestore = "worktree.restore",
    /// A worktree that something else had made was taken over.
    WorktreeAdopt = "worktree.adopt",
    /// A worktree is kept for review.
    WorktreeKeep = "worktree.keep",
    /// A worktree is about to be removed.
    WorktreeRemoveBefore = "worktree.remove.before",
    /// A worktree was removed.
    WorktreeRemoveAfter = "worktree.remove.after" as "REMOVED",
    /// A worktree could not be removed; `error` says why.
    WorktreeRemoveFailed = "worktree.remove.failed",
    /// A worktree was closed by keeping it.
    WorktreeCloseoutKeep = "worktree.closeout.keep",
    /// A worktree was closed by removing it.
    WorktreeCloseoutRemove = "worktree.closeout.remove",
    /// A branch head was submitted.
    SubmissionQueued = "submission.queued",
    /// A submission's candidate is being made and tested.
    SubmissionTesting = "submission.testing",
    /// The gate passed on a candidate; the target is about to be moved to it.
    SubmissionPassed = "submission.passed",
    /// The target contains a submission.
    SubmissionLanded = "submission.landed",
    /// A submission conflicts or failed the gate; `error` says why.
    SubmissionBounced = "submission.bounced",
    /// A submission was interrupted and waits again.
    SubmissionRequeued = "submission.requeued",
    /// A submission was taken back.
    SubmissionWithdrawn = "submission.withdrawn",
    /// Snapshots that nobody needs any more were deleted; `refs` names them.
    SnapshotPruned = "snapshot.pruned",
    /// A person has approved the repository's set-up commands; `hash` says which text. Or took that back; `revoked` names the hashes.
    SetupApproved = "setup.approved",
    /// A message was sent; `mail` names it, or a broadcast's messages, and `to` who they are to.
    MailSent = "mail.sent",
    /// Messages were delivered to `to`; `mail` names them in their order, `run` the run in whose prompt they stand, when they do.
    MailDelivered = "mail.delivered",
    /// Messages wait again, because the run in whose prompt they stood never came to its end by itself; `mail` names them.
    MailReturned = "mail.returned",
    /// An agent was asked to take no more tasks; `request` names the request, `agent` the agent.
    ShutdownRequested = "shutdown.requested",
    /// An agent takes no more tasks; `automatic` when it was idle and was not asked.
    ShutdownApproved = "shutdown.approved",
    /// An agent goes on in spite of the wish to shut it down; `error` says why.
    ShutdownRejected = "shutdown.rejected",
    /// An agent takes tasks again, or the wish to shut it down was taken back.
    ShutdownWithdrawn = "shutdown.withdrawn",
    /// A plan for a task was submitted, and waits for approval; `request` names it.
    PlanSubmitted = "plan.submitted",
    /// A plan was approved: the work may begin.
    PlanApproved = "plan.approved",
    /// A plan was rejected; `error` says why.
    PlanRejected = "plan.rejected",
    /// A plan counts no more: another one has replaced it, or its task is not worked on any more.
    PlanWithdrawn = "plan.withdrawn",
    /// The ledger was lost, and was made anew from views and git.
    LedgerRebuilt = "ledger.rebuilt",
    /// A board written by another tool was taken over.
    ImportDone = "import.done",
    /// Something that a crash had left was finished, undone or repaired.
    Recovered = "recovery.done",
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| format!("unknown event `{text}`"))
    }
}

/// What an event says of a task: how it stood after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskRef {
    /// Its id.
    pub id: TaskId,
    /// Its subject, cut to 120 characters.
    #[serde(default)]
    pub subject: String,
    /// Its state.
    pub status: TaskStatus,
    /// Its owner, `""` when it has none.
    #[serde(default)]
    pub owner: String,
    /// Its epoch.
    #[serde(default)]
    pub epoch: u64,
    /// Its repository, when it is not the home's own.
    #[serde(default, skip_serializing_if = "RepoName::is_default")]
    pub repo: RepoName,
}

impl From<&Task> for TaskRef {
    fn from(task: &Task) -> Self {
        Self {
            id: task.id.clone(),
            subject: crate::clip(&task.subject, 120),
            status: task.status,
            owner: task.owner.as_ref().map(AgentName::to_string).unwrap_or_default(),
            epoch: task.epoch,
            repo: task.repo.clone(),
        }
    }
}

/// What an event says of a worktree: how it stood after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WorktreeRef {
    /// Its name.
    pub name: WorktreeName,
    /// Its branch.
    #[serde(default)]
    pub branch: String,
    /// Its state.
    pub status: WorktreeStatus,
    /// The commit it was created at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CommitId>,
    /// The task it is bound to.
    #[serde(default)]
    pub task_id: Option<TaskId>,
    /// Its repository, when it is not the home's own.
    #[serde(default, skip_serializing_if = "RepoName::is_default")]
    pub repo: RepoName,
}

impl From<&Worktree> for WorktreeRef {
    fn from(worktree: &Worktree) -> Self {
        Self {
            name: worktree.name.clone(),
            branch: worktree.branch.clone(),
            status: worktree.status,
            base: Some(worktree.base.clone()),
            task_id: worktree.task.clone(),
            repo: worktree.repo.clone(),
        }
    }
}

/// What an event says of a run: how it stood after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunRef {
    /// Its id.
    pub id: RunId,
    /// Its state.
    pub status: RunStatus,
    /// The start of the command line.
    #[serde(default)]
    pub command: String,
    /// The exit code, when it ended with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Seconds from start to end, when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Seconds>,
}

/// A duration in microseconds, serialised as seconds with a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self((f64::deserialize(deserializer)? * 1e6).round() as i64))
    }
}

impl From<&Run> for RunRef {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id,
            status: run.status,
            command: crate::clip(&run.command, 120),
            exit_code: run.exit_code,
            duration: run.ended_at.map(|end| Seconds(end.0 - run.started_at.0)),
        }
    }
}

/// What an event says of a submission: how it stood after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SubmissionRef {
    /// Its id.
    pub id: SubmissionId,
    /// Its state.
    pub status: SubmissionStatus,
    /// The submitted commit.
    pub head: CommitId,
    /// The branch it is to land on.
    pub target: String,
    /// The commit that was tested and landed, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<CommitId>,
}

impl From<&Submission> for SubmissionRef {
    fn from(submission: &Submission) -> Self {
        Self {
            id: submission.id,
            status: submission.status,
            head: submission.head.clone(),
            target: submission.target.clone(),
            candidate: submission.candidate.clone(),
        }
    }
}

/// An event before the ledger has given it its place, time and actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// What happened.
    pub event: EventKind,
    /// The task it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskRef>,
    /// The worktree it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<WorktreeRef>,
    /// The run it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRef>,
    /// The submission it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<SubmissionRef>,
    /// Why it failed, was sent back, was blocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whatever else belongs to the fact.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl NewEvent {
    /// The most characters an `error` may have; the rest is cut.
    pub const MAX_ERROR: usize = 4000;

    /// An event about nothing in particular.
    pub fn new(event: EventKind) -> Self {
        Self { event, task: None, worktree: None, run: None, submission: None, error: None, data: Map::new() }
    }

    /// About `task` as it stands now.
    pub fn task(mut self, task: &Task) -> Self {
        self.task = Some(task.into());
        self
    }

    /// About `worktree` as it stands now.
    pub fn worktree(mut self, worktree: &Worktree) -> Self {
        self.worktree = Some(worktree.into());
        self
    }

    /// About `run` as it stands now.
    pub fn run(mut self, run: &Run) -> Self {
        self.run = Some(run.into());
        self
    }

    /// About `submission` as it stands now.
    pub fn submission(mut self, submission: &Submission) -> Self {
        self.submission = Some(submission.into());
        self
    }

    /// With the reason of a failure; an empty one is none.
    pub fn error(mut self, error: impl AsRef<str>) -> Self {
        let text = crate::clip(&crate::sanitize(error.as_ref()), Self::MAX_ERROR);
        self.error = (!text.is_empty()).then_some(text);
        self
    }

    /// With these facts too.
    pub fn with_all(mut self, facts: impl IntoIterator<Item = (String, Value)>) -> Self {
        self.data.extend(facts);
        self
    }

    /// With one more fact.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place: 1, 2, 3, … without a gap.
    pub seq: Seq,
    /// When it was committed.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What happened.
    pub fact: NewEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_parse() {
        let mut seen = std::collections::HashSet::new();
        for &kind in EventKind::ALL {
            assert!(seen.insert(kind.as_str()), "{kind}");
            assert_eq!(kind.as_str().parse::<EventKind>().unwrap(), kind);
            assert!(kind.meaning().ends_with('.'), "{kind}: {}", kind.meaning());
        }
    }

    #[test]
    fn actors_are_safe_to_show() {
        assert_eq!(Actor::new(" \x1b[2J\n").as_str(), "\u{fffd}[2J");
        assert_eq!(Actor::new("  ").as_str(), "unknown");
    }
}
