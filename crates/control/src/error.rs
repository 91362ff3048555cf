//! What can go wrong in the control plane.

use std::time::Duration;

use biplane_model::{AgentName, IllegalMove, RequestId, TaskId, TaskStatus};

/// The ledger could not be read or written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The ledger was written by a newer biplane.
    #[error("the ledger `{path}` has schema version {found}, and this biplane knows versions up to {known}")]
    NewerSchema {
        /// The ledger's file.
        path: String,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file is no ledger, or a damaged one.
    #[error("the ledger `{path}` is damaged: {detail}")]
    Damaged {
        /// The ledger's file.
        path: String,
        /// What is wrong.
        detail: String,
    },
    /// Another process held the ledger, or another thing behind a gate, for too long.
    #[error("{what} is busy: {holder} has held it for more than {} s", waited.as_secs())]
    Busy {
        /// What: `the ledger`.
        what: &'static str,
        /// Who holds it, as far as it is known.
        holder: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A record was changed by somebody else since it was read.
    #[error("{what} was changed by somebody else meanwhile")]
    Stale {
        /// Which record: `task 7`.
        what: String,
    },
    /// The disk is full.
    #[error("the disk is full: the ledger `{path}` could not be written, nothing was changed")]
    DiskFull {
        /// The ledger's file.
        path: String,
    },
    /// The ledger can't be written here.
    #[error("the ledger `{path}` can't be written: {detail}")]
    ReadOnly {
        /// The ledger's file.
        path: String,
        /// Why.
        detail: String,
    },
    /// A file of the ledger could not be opened, read or written.
    #[error("the ledger `{path}` could not be {action}")]
    Io {
        /// The file.
        path: String,
        /// `opened`, `locked`, `created`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database engine failed.
    #[error("the ledger `{path}` could not be used: {source}")]
    Engine {
        /// The ledger's file.
        path: String,
        /// What the engine said.
        source: rusqlite::Error,
    },
}

/// A rule of the board forbids what was asked, or the ledger failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// There is no such task.
    #[error("there is no task {0}")]
    NoTask(TaskId),
    /// No task is ready for this claim.
    #[error("no task is ready")]
    NothingReady,
    /// The state machine has no such move.
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// The task is somebody else's.
    #[error("task {id} belongs to `{owner}`{lease}")]
    Owned {
        /// The task.
        id: TaskId,
        /// Whose it is.
        owner: String,
        /// When the claim ends, in words, or nothing.
        lease: String,
    },
    /// Only tasks that are pending or in progress are claimed.
    #[error("task {id} is {status}, and only pending tasks are claimed")]
    NotClaimable {
        /// The task.
        id: TaskId,
        /// Its state.
        status: TaskStatus,
    },
    /// Only work that was done, or did not succeed, is sent back.
    #[error("task {id} is {status}, and only tasks in review, blocked or failed are sent back")]
    NotReturnable {
        /// The task.
        id: TaskId,
        /// Its state.
        status: TaskStatus,
    },
    /// A task or a worktree is bound elsewhere.
    #[error("{0}")]
    Bound(String),
    /// Nobody is to work on the task any more.
    #[error("task {id} is {status}, and takes no worktree")]
    Closed {
        /// The task.
        id: TaskId,
        /// Its state.
        status: TaskStatus,
    },
    /// It waits for other tasks.
    #[error("task {id} waits for {}", list(waits_for))]
    NotReady {
        /// The task.
        id: TaskId,
        /// The dependencies that are not completed.
        waits_for: Vec<TaskId>,
    },
    /// The change would make tasks wait for each other in a circle.
    #[error("task {} can't wait for task {}: {} would wait for each other", path[0], path[1], list(path))]
    Cycle {
        /// The circle, beginning with the task that was to be changed.
        path: Vec<TaskId>,
    },
    /// The caller works under a claim that another one has replaced.
    #[error("task {id} is at epoch {current}, and epoch {given} can no longer change it")]
    StaleEpoch {
        /// The task.
        id: TaskId,
        /// The caller's epoch.
        given: u64,
        /// The newest epoch.
        current: u64,
    },
    /// The caller has read an older revision.
    #[error("task {id} is at revision {current}, not {given}")]
    StaleRevision {
        /// The task.
        id: TaskId,
        /// The caller's revision.
        given: u64,
        /// The newest revision.
        current: u64,
    },
    /// Nobody of this name can get mail.
    #[error("there is nobody called `{name}` in the team")]
    NoMember {
        /// The name.
        name: AgentName,
        /// Who there is.
        known: Vec<AgentName>,
    },
    /// Too much mail waits for one recipient.
    #[error("{waiting} messages wait for `{to}`, and that is the most there may be")]
    InboxFull {
        /// The recipient.
        to: AgentName,
        /// How many wait.
        waiting: u64,
    },
    /// Messages that were to be delivered were delivered elsewhere, or are being so.
    #[error("mail of `{to}` was delivered elsewhere meanwhile")]
    MailMoved {
        /// The recipient.
        to: AgentName,
    },
    /// There is no such request.
    #[error("there is no request {0}")]
    NoRequest(RequestId),
    /// Only its addressee answers a request.
    #[error("request {id} is `{to}`'s to answer, not `{by}`'s")]
    NotAddressee {
        /// The request.
        id: RequestId,
        /// Who is to answer.
        to: AgentName,
        /// Who did.
        by: AgentName,
    },
    /// Nothing waits for a plan any more.
    #[error("task {task} does not wait for plan {id} any more: it is {status}")]
    PlanUnwanted {
        /// The plan.
        id: RequestId,
        /// The task.
        task: TaskId,
        /// Its state.
        status: TaskStatus,
    },
    /// A value is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

fn list(ids: &[TaskId]) -> String {
    let shown = ids.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (ids.len(), ids.len().saturating_sub(10)) {
        (1, _) => format!("task {shown}"),
        (_, 0) => format!("tasks {shown}"),
        (_, more) => format!("tasks {shown} and {more} more"),
    }
}
