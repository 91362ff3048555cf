//! The words of biplane: ids, records, state machines and events.
//!
//! **Contract.** Pure data and pure functions. A record is one row of the ledger; a state machine is one enum with one
//! function that says which moves are legal.
//!
//! **Deliberately absent:** I/O, clocks, randomness, git, processes, SQL, terminal output.

mod id;
mod name;
mod process;
mod schema;
mod state;
mod text;
mod time;

mod agent;
mod event;
mod mail;
mod outcome;
mod request;
mod run;
mod submission;
mod task;
mod told;
mod worktree;

pub mod view;

pub use agent::{AgentEvent, Findings, Role, Usage};
pub use event::{Actor, Event, EventKind, NewEvent, RunRef, Seconds, SubmissionRef, TaskRef, WorktreeRef};
pub use id::{
    CommitId, InvalidId, MailId, RequestId, RunId, Seq, SubmissionId, TaskId, TaskPrefix, WorktreeId,
};
pub use mail::{Mail, MailKind, Member, MemberState};
pub use name::{
    AgentName, HOME_REPO, InvalidName, Label, ProfileName, RESERVED_NAMES, RepoName, WORKTREE_BRANCH_PREFIX,
    WorktreeName,
};
pub use outcome::{Earlier, Ended, Outcome, Shown, outcome};
pub use process::ProcessIdentity;
pub use request::{Answer, PlanStatus, Request, RequestKind, RequestStatus, ShutdownStatus};
pub use run::{Run, RunEvidence, RunKind, RunStatus};
pub use state::IllegalMove;
pub use submission::{Strategy, Submission, SubmissionStatus};
pub use task::{Closeout, CloseoutAction, PlanPolicy, Task, TaskStatus, WorktreeState};
pub use text::{clip, sanitize, sanitize_line, without_escapes};
pub use time::Timestamp;
pub use told::{Calls, Claim, Told};
pub use worktree::{Operation, OperationKind, Worktree, WorktreeStatus};
