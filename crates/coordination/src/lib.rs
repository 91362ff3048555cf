//! Where the two planes meet.
//!
//! **Contract.** [`Service`] is the verbs that every face calls; a face uses nothing else but this crate's types and the
//! model. Every verb that changes something records its intent, has its effect, records its result; `recovery` pairs
//! them after a crash.
//!
//! **Deliberately absent:** terminal, arguments, colours, reading the process's environment or current directory.

pub mod answers;
mod approvals;
mod belongs;
pub mod bounds;
pub mod demo;
pub mod dispatch;
pub mod doctor;
mod error;
mod files;
mod further;
mod home;
mod hookup;
mod import;
mod locks;
pub mod logs;
mod rebuild;
mod recovery;
mod service;
pub mod settings;
mod trees;
pub mod variables;
mod views;

pub use biplane_control::{
    TaskFilter,
    board::{NewTask, Readiness, TaskLimits, TaskUpdate, Used},
};
pub use biplane_execution::{
    git::CheckoutState,
    supervise::{
        Echo, How, Input, RunObserver, StopFlag, StopReason, Tick, allow_background, leave_terminal,
    },
    worktrees::Merged,
};
pub use error::{Error, ErrorKind, Result};
pub use home::{Home, Surroundings};
pub use hookup::programs::HookupProgram;
pub use import::{Generation, ImportMode, ImportReport, ImportRequest};
pub use rebuild::RebuildReport;
pub use recovery::{Mode, Recovery};
pub use service::{
    Access, AccessToken, AdoptRequest, BounceKind, Broadcast, ClaimRequest, Closing, CreateWorktree, Diff,
    EventQuery, Examined, Finished, GateReport, Hand, Hookup, HookupChange, HookupEffect, HookupPart,
    HookupPlan, HookupRequest, InitReport, LEAD, Landing, LeadAt, LeadBy, LeadConversation, LeadFree,
    LeadRequest, Leases, ListedPlan, ListedSnapshot, ListedTask, MailBox, MailQuery, MailRequest, MailShare,
    MergeRequest, Notice, Outside, Own, PlanQuery, PlanText, Processes, Pruned, Removal, RemovalPlan,
    RemoveRequest, Restoration, RestoreRequest, RunLife, RunQuery, RunReport, RunRequest, Scope, Service,
    SetupEnd, SetupFailure, SetupReport, SetupState, SetupText, Stand, Start, Steered, StopRequest,
    StopTarget, Stopped, Submitted, TaskChange, Tended, UpStart, UpState, UsageBy, UsageReport, UsageRequest,
    UsageRow, WorktreeStatusReport, checked_token, read_token,
};
