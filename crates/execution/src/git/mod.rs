//! Git, always through the `git` program. The only module that runs it.
//!
//! **Contract.** Every call names its directories (`GIT_DIR`, `GIT_COMMON_DIR`, `GIT_WORK_TREE`), so nothing that an agent
//! wrote into a worktree can point git elsewhere; inherited `GIT_*` variables are scrubbed; hooks, fsmonitor, replace
//! refs and automatic maintenance are off; paths are asked for in machine formats (`-z`).
//!
//! **Deliberately absent:** merging, resetting or stashing in a checkout of the user.

mod blob;
mod candidate;
mod clash;
mod create;
mod crew;
mod deviations;
mod discover;
mod durable;
mod ignored;
mod index;
mod list;
mod locks;
mod manner;
mod markers;
mod merge_in;
mod patches;
mod plain;
mod quick;
mod quote;
mod refs;
mod remote;
mod staged;
mod status;
mod submodules;
mod traces;
mod tree;
mod trees;
mod twin;
mod untouched;
mod version;

use std::{ffi::OsString, time::Duration};

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};

use crate::supervise::{self, Capture, Captured, SuperviseError};

pub use candidate::{Candidate, ConflictedFile, MergeOutcome};
pub use clash::{Landed, Scratch, Touched, for_each};
pub use deviations::{Change as Deviation, Deviations, How as Deviated, LookError, Skip};
pub use discover::Repository;
pub use list::ListedWorktree;
pub use manner::{Manner, Variable};
pub use merge_in::MergedIn;
pub use plain::Plain;
pub use quote::{quote, unquote};
pub use refs::RefUpdate;
pub use remote::{Behind, Remote};
pub use staged::{Staged, Workers};
pub use status::{Change, CheckoutState, Seen, WithIgnored};
pub use traces::Logged;
pub use tree::{BroughtAlong, IN_PROGRESS, INDEX_BY};
pub(crate) use twin::fill as fill_from;
pub use version::{GitVersion, MINIMUM_GIT};

/// The longest a single git command may take.
const GIT_TIMEOUT: Duration = Duration::from_secs(600);

/// What every call switches off, and what makes our own objects and refs durable.
const ALWAYS: &[&str] = &[
    "--no-pager",
    "--literal-pathspecs",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.quotePath=false",
    "-c",
    "core.fsync=committed,reference",
    "-c",
    "core.fsyncMethod=batch",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    // Somebody who is just moving the same ref is waited for; git's own patience is a tenth of a second.
    "-c",
    "core.filesRefLockTimeout=3000",
    "-c",
    "core.packedRefsTimeout=3000",
    "-c",
    "commit.gpgSign=false",
    "-c",
    "log.showSignature=false",
    "-c",
    "advice.detachedHead=false",
];

/// Git failed, or could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no `git` program.
    #[error("`git` was not found on PATH")]
    Missing,
    /// Git is older than biplane can work with.
    #[error("git {found} is too old: biplane needs {MINIMUM_GIT} or newer")]
    TooOld {
        /// The version found.
        found: GitVersion,
    },
    /// Git said no.
    #[error("`git {command}` failed: {message}")]
    Failed {
        /// What was run, without its options.
        command: String,
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
        /// The last lines it wrote to standard error, made safe to show.
        message: String,
    },
    /// Git answered something that can't be understood; treated as unknown.
    #[error("`git {command}` gave an answer that can't be understood: {detail}")]
    Answer {
        /// What was run.
        command: String,
        /// What was wrong with the answer.
        detail: String,
    },
    /// There is no repository here.
    #[error("`{place}` is not inside a git repository")]
    NoRepository {
        /// Where was looked.
        place: Utf8PathBuf,
    },
    /// The repository has no commit yet.
    #[error("the repository has no commit yet")]
    NoCommit,
    /// A name that is no commit.
    #[error("`{name}` is not a commit, branch or tag here")]
    UnknownRevision {
        /// What was asked for.
        name: String,
    },
    /// A ref was not where it was thought to be.
    #[error("`{name}` was moved by somebody else meanwhile")]
    RefMoved {
        /// The ref.
        name: String,
    },
    /// Git has an entry for a worktree at the place where one is to be made.
    #[error("git knows a worktree at `{path}` already")]
    PathTaken {
        /// The place.
        path: Utf8PathBuf,
    },
    /// A path that is not UTF-8.
    #[error("the path `{0}` is not UTF-8, which biplane needs")]
    NotUtf8(String),
    /// A file of the repository could not be read or written.
    #[error("`{path}` could not be {action}: {source}")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// `read`, `written`, …
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The process could not be run.
    #[error(transparent)]
    Process(SuperviseError),
}

/// A repository, or one checkout of it, that git can be asked about.
#[derive(Debug, Clone)]
pub struct Git {
    git_dir: Utf8PathBuf,
    common_dir: Utf8PathBuf,
    work_tree: Option<Utf8PathBuf>,
    index: Option<Utf8PathBuf>,
    /// Variables that every call gets.
    env: Vec<(String, String)>,
}

impl Git {
    /// Git on the repository whose shared directory is `common_dir`, without a checkout.
    pub fn bare(common_dir: &Utf8Path) -> Self {
        Self {
            git_dir: common_dir.to_owned(),
            common_dir: common_dir.to_owned(),
            work_tree: None,
            index: None,
            env: Vec::new(),
        }
    }

    /// Git on the checkout at `work_tree`, whose own directory is `git_dir`.
    pub fn checkout(common_dir: &Utf8Path, git_dir: &Utf8Path, work_tree: &Utf8Path) -> Self {
        Self {
            git_dir: git_dir.to_owned(),
            common_dir: common_dir.to_owned(),
            work_tree: Some(work_tree.to_owned()),
            index: None,
            env: Vec::new(),
        }
    }

    /// The same with an index file of its own, so that the checkout's is neither read nor written.
    pub fn with_index(&self, index: &Utf8Path) -> Self {
        Self { index: Some(index.to_owned()), ..self.clone() }
    }

    /// The checkout's directory.
    pub fn work_tree(&self) -> Option<&Utf8Path> {
        self.work_tree.as_deref()
    }

    /// The directory git keeps this checkout's head and index in.
    pub fn git_dir(&self) -> &Utf8Path {
        &self.git_dir
    }

    /// The directory that all checkouts share.
    pub fn common_dir(&self) -> &Utf8Path {
        &self.common_dir
    }

    /// A call of git with these arguments.
    pub fn call<'a>(&'a self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Call<'a> {
        Call {
            git: self,
            args: args.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            env: Vec::new(),
            timeout: GIT_TIMEOUT,
        }
    }

    fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = vec![
            ("GIT_DIR".into(), self.git_dir.as_str().into()),
            ("GIT_COMMON_DIR".into(), self.common_dir.as_str().into()),
        ];
        if let Some(tree) = &self.work_tree {
            env.push(("GIT_WORK_TREE".into(), tree.as_str().into()));
        }
        if let Some(index) = &self.index {
            env.push(("GIT_INDEX_FILE".into(), index.as_str().into()));
        }
        env.extend(self.env.iter().map(|(name, value)| (name.into(), value.into())));
        env
    }
}

/// One call of git, to be run.
#[derive(Debug)]
#[must_use = "a call does nothing until it is run"]
pub struct Call<'a> {
    git: &'a Git,
    args: Vec<OsString>,
    stdin: Vec<u8>,
    env: Vec<(OsString, OsString)>,
    timeout: Duration,
}

impl Call<'_> {
    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Gives it less time than usual.
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs it and gives whatever came of it.
    ///
    /// # Errors
    /// When it could not be run.
    pub fn output(self) -> Result<Captured, GitError> {
        let mut env = self.git.environment();
        env.extend(self.env);
        let cwd = self.git.work_tree.as_ref().unwrap_or(&self.git.git_dir);
        raw_within(self.timeout, self.args, Some(cwd), env, self.stdin)
    }

    /// Runs it and gives its standard output.
    ///
    /// # Errors
    /// When it could not be run, or ended with anything but 0.
    pub fn bytes(self) -> Result<Vec<u8>, GitError> {
        let command = shown(&self.args);
        let output = self.output()?;
        if output.code == Some(0) { Ok(output.stdout) } else { Err(failed(command, &output)) }
    }

    /// As [`Call::bytes`], as text without the last newline.
    ///
    /// # Errors
    /// As [`Call::bytes`], or when the answer is not UTF-8.
    pub fn text(self) -> Result<String, GitError> {
        let command = shown(&self.args);
        let bytes = self.bytes()?;
        let mut text = String::from_utf8(bytes)
            .map_err(|_| GitError::Answer { command, detail: "it is not UTF-8".to_owned() })?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }

    /// Runs it for a yes (exit code 0) or a no (exit code 1).
    ///
    /// # Errors
    /// When it could not be run, or ended with anything else: that is neither yes nor no.
    pub fn ask(self) -> Result<bool, GitError> {
        let command = shown(&self.args);
        let output = self.output()?;
        match output.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(failed(command, &output)),
        }
    }
}

/// Runs `git` with the settings that every call has, in the time that every call has.
fn raw(
    args: Vec<OsString>,
    cwd: Option<&Utf8Path>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
) -> Result<Captured, GitError> {
    raw_within(GIT_TIMEOUT, args, cwd, env, stdin)
}

/// Runs `git` with the settings that every call has.
fn raw_within(
    timeout: Duration,
    args: Vec<OsString>,
    cwd: Option<&Utf8Path>,
    env: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
) -> Result<Captured, GitError> {
    let effect = effect(&args);
    let mut all: Vec<OsString> = ALWAYS.iter().map(Into::into).collect();
    all.extend(args);
    let fixed = [
        ("LC_ALL", "C"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_EDITOR", "true"),
    ];
    let mut spec = Capture::new("git", all);
    spec.timeout = timeout;
    spec.stdin = stdin;
    spec.cwd = cwd.map(Utf8Path::to_owned);
    spec.env.remove = supervise::env::scrubbed_git_variables(std::env::vars_os().map(|(name, _)| name));
    spec.env.set = fixed.into_iter().map(|(name, value)| (name.into(), value.into())).chain(env).collect();
    if let Some(effect) = &effect {
        failpoint::reach(&format!("git {effect} before"));
    }
    let captured = supervise::capture(&spec).map_err(|error| match error {
        SuperviseError::NotFound { .. } => GitError::Missing,
        other => GitError::Process(other),
    });
    if let Some(effect) = &effect {
        failpoint::reach(&format!("git {effect} after"));
    }
    captured
}

/// The subcommands that only look. A test that kills biplane around one learns nothing new.
const LOOKS: &[&str] = &[
    "cat-file",
    "check-attr",
    "check-ignore",
    "check-ref-format",
    "diff",
    "diff-index",
    "diff-tree",
    "for-each-ref",
    "hash-object",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge-base",
    "patch-id",
    "rev-list",
    "rev-parse",
    "show",
    "status",
    "var",
    "version",
    "worktree list",
];

/// What is run, when it has an effect.
fn effect(args: &[OsString]) -> Option<String> {
    let command = shown(args);
    let asks = args.iter().any(|arg| arg == "--quiet") && command == "symbolic-ref";
    if command.is_empty() || asks {
        return None;
    }
    let looks =
        |look: &str| command.strip_prefix(look).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    (!LOOKS.iter().any(|look| looks(look))).then(|| command.split(' ').next().unwrap_or_default().to_owned())
}

/// The subcommand and what follows it up to the first option or path, for messages.
fn shown(args: &[OsString]) -> String {
    let words: Vec<_> = args.iter().map(|a| a.to_string_lossy()).collect();
    let start = words.iter().position(|w| !w.starts_with('-')).unwrap_or(0);
    words[start..]
        .iter()
        .take(2)
        .take_while(|w| !w.starts_with('-') && !w.contains('/'))
        .cloned()
        .collect::<Vec<_>>()
        .join(" ")
}

fn failed(command: String, output: &Captured) -> GitError {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Another git process seems to be running"))
        .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
        .collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    let message = match (last.is_empty(), output.signal) {
        (true, Some(signal)) => format!("signal {signal} ended it"),
        (true, None) => format!("exit code {}", output.code.unwrap_or(-1)),
        (false, _) => biplane_model::clip(&biplane_model::sanitize_line(&last), 1000),
    };
    GitError::Failed { command, code: output.code, message }
}
