//! The one error of [`Service`](crate::Service): what kind it is, one sentence, and the next step.

use biplane_control::{BoardError, LedgerError};
use biplane_execution::{
    git::GitError,
    supervise::SuperviseError,
    worktrees::{OwnershipFault, RestoreError, SnapshotError},
};
use biplane_model::TaskStatus;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It was tried and did not work.
    Failed,
    /// It was asked for in a way that can't be meant.
    Usage,
    /// It is refused by a rule or for safety.
    Refused,
    /// It contradicts what somebody else did.
    Conflict,
    /// It names something that is not there.
    NotFound,
    /// Somebody else is at it, or the time was up.
    Busy,
}

/// Why a verb did nothing, or not all of what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// One sentence without a full stop.
    pub message: String,
    /// The next steps, if there are any.
    pub hints: Vec<String>,
    /// What lies behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of a verb.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), source: None }
    }

    /// It was tried and did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// It was asked for in a way that can't be meant.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// It is refused by a rule or for safety.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// It names something that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// With a next step.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), source: Some(Box::new(source)) }
    }

    /// A file that could not be read or written.
    pub fn io(action: &str, path: impl std::fmt::Display, source: std::io::Error) -> Self {
        let path = biplane_model::sanitize_line(&path.to_string());
        if source.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error()) {
            return Self::caused(
                ErrorKind::Failed,
                format!("the disk is full: `{path}` could not be {action}"),
                source,
            );
        }
        Self::caused(ErrorKind::Failed, format!("`{path}` could not be {action}: {}", plain(&source)), source)
    }
}

/// What the system said, without the number behind it.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        let message = error.to_string();
        match &error {
            LedgerError::Busy { .. } => {
                Self::caused(ErrorKind::Busy, message, error).hint("try again in a moment")
            }
            LedgerError::Stale { .. } => {
                Self::caused(ErrorKind::Conflict, message, error).hint("look again and retry")
            }
            LedgerError::NewerSchema { .. } => Self::caused(ErrorKind::Refused, message, error)
                .hint("install the newer biplane that wrote it"),
            LedgerError::Damaged { .. } => Self::caused(ErrorKind::Failed, message, error)
                .hint("`biplane doctor --rebuild` says what the views and git can bring back"),
            LedgerError::Io { source, action, path } => {
                let message = format!("the ledger `{path}` could not be {action}: {}", plain(source));
                Self::caused(ErrorKind::Failed, message, error)
            }
            _ => Self::caused(ErrorKind::Failed, message, error),
        }
    }
}

impl From<BoardError> for Error {
    fn from(error: BoardError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            BoardError::Ledger(_) => {
                let BoardError::Ledger(inner) = error else { unreachable!("matched above") };
                return inner.into();
            }
            BoardError::NoTask(_)
            | BoardError::NothingReady
            | BoardError::NoMember { .. }
            | BoardError::NoRequest(_) => ErrorKind::NotFound,
            BoardError::InboxFull { .. } => ErrorKind::Busy,
            BoardError::Invalid(_) | BoardError::Cycle { .. } => ErrorKind::Usage,
            BoardError::Owned { .. }
            | BoardError::Bound(_)
            | BoardError::StaleEpoch { .. }
            | BoardError::StaleRevision { .. }
            | BoardError::MailMoved { .. }
            | BoardError::PlanUnwanted { .. } => ErrorKind::Conflict,
            BoardError::Illegal(_)
            | BoardError::NotReady { .. }
            | BoardError::NotClaimable { .. }
            | BoardError::NotReturnable { .. }
            | BoardError::NotAddressee { .. }
            | BoardError::Closed { .. } => ErrorKind::Refused,
        };
        let hint = match &error {
            BoardError::NoTask(_) => Some("`biplane task list` shows the tasks".to_owned()),
            BoardError::NothingReady => Some("`biplane task list` shows what each task waits for".to_owned()),
            BoardError::NotClaimable { status, .. } if status.next().contains(&TaskStatus::Pending) => {
                Some("`biplane task release` or `biplane task reopen` makes it pending again".to_owned())
            }
            BoardError::NotReturnable { id, status: TaskStatus::InProgress } => {
                Some(format!("`biplane stop {id}` stops the work on it first"))
            }
            BoardError::NotReturnable { id, status: TaskStatus::Cancelled } => {
                Some(format!("`biplane task reopen {id}` makes it pending again"))
            }
            BoardError::NoMember { known, .. } => Some(match known.as_slice() {
                [] => "the team is who the settings name, owns a task or has sent mail".to_owned(),
                known => format!("there are {}", names(known)),
            }),
            BoardError::NoRequest(_) => {
                Some("`biplane plan list` shows plans, `biplane team` who was asked to shut down".to_owned())
            }
            BoardError::InboxFull { to, .. } => {
                Some(format!("`biplane mail read --as '{to}'` delivers what waits"))
            }
            BoardError::StaleEpoch { .. } => Some("another claim has replaced this one".to_owned()),
            _ => None,
        };
        let error = Self::caused(kind, message, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Some names, in words.
fn names(names: &[biplane_model::AgentName]) -> String {
    let shown: Vec<String> = names.iter().take(10).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(10) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

impl From<biplane_model::IllegalMove> for Error {
    fn from(illegal: biplane_model::IllegalMove) -> Self {
        BoardError::from(illegal).into()
    }
}

impl From<GitError> for Error {
    fn from(error: GitError) -> Self {
        let message = error.to_string();
        let (kind, hint) = match &error {
            GitError::Missing => (ErrorKind::Failed, Some("install git 2.38 or newer")),
            GitError::TooOld { .. } => (ErrorKind::Failed, Some("upgrade git")),
            GitError::NoRepository { .. } => {
                (ErrorKind::Refused, Some("go to a git repository, or make one with `git init`"))
            }
            GitError::NoCommit => {
                (ErrorKind::Refused, Some("make a first commit: `git commit --allow-empty -m start`"))
            }
            GitError::UnknownRevision { .. } => (ErrorKind::NotFound, None),
            GitError::PathTaken { .. } => (
                ErrorKind::Conflict,
                Some("`git worktree list` shows it; choose another name, or bring it back or remove it"),
            ),
            GitError::RefMoved { .. } => (ErrorKind::Conflict, Some("look again and retry")),
            GitError::Process(SuperviseError::TimedOut { .. }) => (ErrorKind::Busy, None),
            GitError::Io { path, action, source } if source.raw_os_error().is_some() => {
                let full = source.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error());
                let message = if full {
                    format!("the disk is full: `{path}` could not be {action}")
                } else {
                    format!("`{path}` could not be {action}: {}", plain(source))
                };
                return Self::caused(ErrorKind::Failed, message, error);
            }
            _ => (ErrorKind::Failed, None),
        };
        let error = Self::caused(kind, message, error);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<OwnershipFault> for Error {
    fn from(fault: OwnershipFault) -> Self {
        let message = fault.to_string();
        let error = Self::caused(ErrorKind::Refused, message, fault);
        error.hint("`biplane doctor` says how the ledger, git and the disk differ")
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        if let SnapshotError::Git(inner) = error {
            return inner.into();
        }
        let message = format!("a snapshot can't be taken: {error}");
        let hint = match &error {
            SnapshotError::TooLarge { .. } => {
                "delete what nobody needs, or raise `max_size` or add a name to `leave_out` in `[snapshots]` of `biplane.toml`"
            }
            SnapshotError::TooMany { .. } => {
                "delete what nobody needs, or add a name to `leave_out` in `[snapshots]` of `biplane.toml`"
            }
            SnapshotError::NestedRepository(_) => {
                "push or copy its work, then delete it or move it out of the worktree"
            }
            _ => "save or move what is named, then try again",
        };
        Self::caused(ErrorKind::Refused, message, error).hint(hint)
    }
}

impl From<RestoreError> for Error {
    fn from(error: RestoreError) -> Self {
        if let RestoreError::Git(inner) = error {
            return inner.into();
        }
        let kind = match &error {
            RestoreError::Malformed(_) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        };
        let message = error.to_string();
        Self::caused(kind, message, error)
    }
}

impl From<SuperviseError> for Error {
    fn from(error: SuperviseError) -> Self {
        let message = error.to_string();
        let kind = match &error {
            SuperviseError::NotFound { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Failed,
        };
        Self::caused(kind, message, error)
    }
}
