//! The ledger: the one truth. Records and events, changed together or not at all.
//!
//! [`Ledger`] is what an engine must offer. An engine keeps no rules: those are in [`crate::board`] and above, as
//! functions from a [`View`] to [`Changes`].
//!
//! **Invariants, held by every engine and checked by its conformance suite:** event numbers are 1, 2, 3, … without a gap;
//! a record's `rev` grows by one with every change; a change that names an old `rev` is refused; after `transact` has
//! returned `Ok` its effects survive a crash of the process and of the machine; a [`View`] shows one moment.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod gate;
mod limits;
mod sqlite;
mod trouble;

use std::time::Duration;

use biplane_model::{
    Actor, AgentName, CommitId, Event, Mail, Member, NewEvent, Request, RequestId, RequestKind, Run, RunId,
    RunKind, Seq, Submission, SubmissionId, Task, TaskId, TaskStatus, Timestamp, Worktree, WorktreeId,
    WorktreeName,
};

pub use self::sqlite::SqliteLedger;
use crate::LedgerError;

/// One consistent moment of the ledger.
pub trait View {
    /// The task `id`. Its worktree fields are as stored on the task's record.
    fn task(&self, id: &TaskId) -> Result<Option<Task>, LedgerError>;
    /// The tasks that `filter` lets through, in the order of their creation.
    fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, LedgerError>;
    /// The id and revision of every task, in no particular order; cheap.
    fn task_revisions(&self) -> Result<Vec<(TaskId, u64)>, LedgerError>;
    /// Pending tasks whose dependencies are all completed, in this order, older ones first where it says nothing.
    /// At most `limit` of them.
    fn ready(&self, order: ReadyOrder, limit: usize) -> Result<Vec<Task>, LedgerError>;
    /// The tasks that wait for `id`, whatever their state.
    fn dependents(&self, id: &TaskId) -> Result<Vec<TaskId>, LedgerError>;
    /// The worktree record `id`.
    fn worktree(&self, id: WorktreeId) -> Result<Option<Worktree>, LedgerError>;
    /// The worktrees that `filter` lets through, in the order of their creation.
    fn worktrees(&self, filter: &WorktreeFilter) -> Result<Vec<Worktree>, LedgerError>;
    /// The run `id`.
    fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError>;
    /// The runs that `filter` lets through, in the order of their creation.
    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, LedgerError>;
    /// The submission `id`.
    fn submission(&self, id: SubmissionId) -> Result<Option<Submission>, LedgerError>;
    /// The submissions that `filter` lets through, in the order of their creation.
    fn submissions(&self, filter: &SubmissionFilter) -> Result<Vec<Submission>, LedgerError>;
    /// The member `name`.
    fn member(&self, name: &AgentName) -> Result<Option<Member>, LedgerError>;
    /// The members, in the order in which they joined.
    fn members(&self) -> Result<Vec<Member>, LedgerError>;
    /// The messages that `filter` lets through, in the order in which they were sent.
    fn mail(&self, filter: &MailFilter) -> Result<Vec<Mail>, LedgerError>;
    /// The request `id`.
    fn request(&self, id: RequestId) -> Result<Option<Request>, LedgerError>;
    /// The requests that `filter` lets through, in the order of their creation.
    fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>, LedgerError>;
    /// The counter `name`; 0 when it was never set.
    fn counter(&self, name: &str) -> Result<u64, LedgerError>;
    /// The number of the newest event; 0 when there is none.
    fn last_seq(&self) -> Result<Seq, LedgerError>;
    /// Events after `since` in their order, at most `limit` of them.
    fn events(&self, since: Seq, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, LedgerError>;
    /// The newest `limit` events that `filter` lets through, oldest of them first.
    fn newest_events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, LedgerError>;
}

/// In which order ready tasks are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyOrder {
    /// Those with the highest priority first.
    Priority,
    /// The same, where a task gains one in priority for each such time since it was created, so that none waits for ever.
    Aged(Duration),
}

/// Which tasks.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only in this state.
    pub status: Option<TaskStatus>,
    /// Only with this owner.
    pub owner: Option<String>,
    /// Only with this label.
    pub label: Option<String>,
}

/// Which worktrees.
#[derive(Debug, Clone, Default)]
pub struct WorktreeFilter {
    /// Only those that are not removed.
    pub live: bool,
    /// Only those that are.
    pub removed: bool,
    /// Only with this name, regardless of case when `live` (names differ in more than case then).
    pub name: Option<WorktreeName>,
    /// Only bound to this task.
    pub task: Option<TaskId>,
    /// Only the newest so many of those.
    pub newest: Option<usize>,
}

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only those that are not over.
    pub open: bool,
    /// Only for this task.
    pub task: Option<TaskId>,
    /// Only in this worktree.
    pub worktree: Option<WorktreeId>,
    /// Only of this kind.
    pub kind: Option<RunKind>,
    /// Only those that were started at this time or later.
    pub since: Option<Timestamp>,
    /// Only the newest so many of those.
    pub newest: Option<usize>,
}

/// Which submissions.
#[derive(Debug, Clone, Default)]
pub struct SubmissionFilter {
    /// Only queued or testing.
    pub open: bool,
    /// Only from this worktree.
    pub worktree: Option<WorktreeId>,
    /// Only for this task.
    pub task: Option<TaskId>,
    /// Only that whose candidate is this commit.
    pub candidate: Option<CommitId>,
}

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    /// Only to this recipient.
    pub to: Option<AgentName>,
    /// Only from this sender.
    pub from: Option<AgentName>,
    /// Only those that were not delivered.
    pub waiting: bool,
    /// Only those that were delivered in this run's prompt.
    pub run: Option<RunId>,
    /// Only about this request.
    pub request: Option<RequestId>,
    /// Only the oldest so many of those.
    pub oldest: Option<usize>,
    /// Only the newest so many of those.
    pub newest: Option<usize>,
}

/// Which requests.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Only of this kind.
    pub kind: Option<RequestKind>,
    /// Only those that wait for an answer, or were approved and not taken back.
    pub live: bool,
    /// Only about this task.
    pub task: Option<TaskId>,
    /// Only the newest so many of those.
    pub newest: Option<usize>,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only about this task.
    pub task: Option<TaskId>,
    /// Only about the worktree with this name.
    pub worktree: Option<WorktreeName>,
}

/// What a transaction asks for. Each record carries the `rev` it was read at (0: new); the engine stores it with the
/// next one.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Tasks to write.
    pub tasks: Vec<Task>,
    /// Worktrees to write.
    pub worktrees: Vec<Worktree>,
    /// Runs to write.
    pub runs: Vec<Run>,
    /// Submissions to write.
    pub submissions: Vec<Submission>,
    /// Members to write.
    pub members: Vec<Member>,
    /// Messages to write.
    pub mail: Vec<Mail>,
    /// Requests to write.
    pub requests: Vec<Request>,
    /// Counters to set.
    pub counters: Vec<(String, u64)>,
    /// Events to append, in this order.
    pub events: Vec<NewEvent>,
}

impl Changes {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
            && self.worktrees.is_empty()
            && self.runs.is_empty()
            && self.submissions.is_empty()
            && self.members.is_empty()
            && self.mail.is_empty()
            && self.requests.is_empty()
            && self.counters.is_empty()
            && self.events.is_empty()
    }

    /// Adds what `other` asks for, behind what is asked for already. No record may be in both.
    pub fn and(&mut self, other: Self) {
        self.tasks.extend(other.tasks);
        self.worktrees.extend(other.worktrees);
        self.runs.extend(other.runs);
        self.submissions.extend(other.submissions);
        self.members.extend(other.members);
        self.mail.extend(other.mail);
        self.requests.extend(other.requests);
        self.counters.extend(other.counters);
        self.events.extend(other.events);
    }
}

/// All that a ledger knew, to be stored in a new one. Each record carries the revision it had.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The tasks, in the order of their creation.
    pub tasks: Vec<Task>,
    /// The worktrees.
    pub worktrees: Vec<Worktree>,
    /// The runs.
    pub runs: Vec<Run>,
    /// The submissions.
    pub submissions: Vec<Submission>,
    /// The members.
    pub members: Vec<Member>,
    /// The messages.
    pub mail: Vec<Mail>,
    /// The requests.
    pub requests: Vec<Request>,
    /// The counters.
    pub counters: Vec<(String, u64)>,
    /// The events, from number 1 on without a gap.
    pub events: Vec<Event>,
}

/// What a transaction did.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The tasks it wrote.
    pub tasks: Vec<TaskId>,
    /// The members it wrote.
    pub members: Vec<AgentName>,
    /// The newest event after it.
    pub seq: Seq,
}

/// What a transaction's function gives back: the changes, or why there are none.
pub type Decision<'a> = dyn FnMut(&dyn View) -> Result<Changes, LedgerError> + 'a;

/// A ledger engine.
pub trait Ledger: Send + Sync {
    /// Shows `look` one moment of the ledger.
    ///
    /// # Errors
    /// What `look` fails with, or the engine.
    fn read(&self, look: &mut dyn FnMut(&dyn View) -> Result<(), LedgerError>) -> Result<(), LedgerError>;

    /// Shows `decide` the newest moment and stores what it asks for, while nobody else can write. The events get the
    /// time `at` and `actor`. Nothing is stored when `decide` fails; empty changes write nothing.
    ///
    /// # Errors
    /// What `decide` fails with; [`LedgerError::Busy`] after a bounded wait; [`LedgerError::Stale`] when a record's `rev` is
    /// not the stored one.
    fn transact(
        &self,
        at: Timestamp,
        actor: &Actor,
        decide: &mut Decision<'_>,
    ) -> Result<Committed, LedgerError>;

    /// Waits until there is an event after `seq`, for at most `timeout`. Gives the newest event's number.
    ///
    /// # Errors
    /// What the engine fails with.
    fn wait(&self, seq: Seq, timeout: Duration) -> Result<Seq, LedgerError>;

    /// What is wrong with the ledger as it is stored, in sentences; empty when it is whole. Reads all of it, and changes
    /// nothing.
    ///
    /// # Errors
    /// When it can't be read: whether it is whole is unknown then.
    fn check(&self) -> Result<Vec<String>, LedgerError>;
}

/// Conveniences over every [`Ledger`].
pub trait LedgerExt: Ledger {
    /// As [`Ledger::read`], with a result and the caller's own error.
    ///
    /// # Errors
    /// What `look` or the engine fails with.
    fn look<T, E: From<LedgerError>>(&self, mut look: impl FnMut(&dyn View) -> Result<T, E>) -> Result<T, E> {
        let mut answer = None;
        self.read(&mut |view| {
            answer = Some(look(view));
            Ok(())
        })?;
        answer.expect("read calls its function once when it succeeds")
    }

    /// As [`Ledger::transact`], with a result and the caller's own error.
    ///
    /// # Errors
    /// What `decide` or the engine fails with; nothing is stored then.
    fn change<T, E: From<LedgerError>>(
        &self,
        at: Timestamp,
        actor: &Actor,
        mut decide: impl FnMut(&dyn View) -> Result<(Changes, T), E>,
    ) -> Result<(T, Committed), E> {
        let mut answer = None;
        let committed = self.transact(at, actor, &mut |view| {
            Ok(match decide(view) {
                Ok((changes, value)) => {
                    answer = Some(Ok(value));
                    changes
                }
                Err(error) => {
                    answer = Some(Err(error));
                    Changes::default()
                }
            })
        });
        match answer {
            Some(Err(error)) => Err(error),
            Some(Ok(value)) => Ok((value, committed?)),
            None => Err(committed.err().map_or_else(|| unreachable!("transact calls its function"), E::from)),
        }
    }
}

impl<L: Ledger + ?Sized> LedgerExt for L {}
