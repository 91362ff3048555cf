//! What is asked of a run, and what it answers.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use biplane_model::ProcessIdentity;
use camino::Utf8PathBuf;

use super::bounds;
use crate::mask::Masks;

/// How a child's environment differs from ours: first the removals, then the settings.
#[derive(Debug, Clone, Default)]
pub struct EnvChanges {
    /// Names to remove.
    pub remove: Vec<OsString>,
    /// Names to set, with their values.
    pub set: Vec<(OsString, OsString)>,
}

/// A variable that a run's processes carry and no other run's do: the proof that a process belongs to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The variable's name.
    pub name: String,
    /// The value; unique to the run on this machine.
    pub value: String,
}

impl Marker {
    /// A marker.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What a command reads from its standard input.
#[derive(Debug, Clone, Default)]
pub enum Input {
    /// Nothing.
    #[default]
    Null,
    /// What we would read.
    Inherit,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// These bytes, then what the observer has to say, until it closes it.
    Open(Vec<u8>),
}

/// Which of a command's streams are copied, as they come, to ours of the same name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Echo {
    /// Copy standard output.
    pub stdout: bool,
    /// Copy standard error.
    pub stderr: bool,
}

/// Where a command's output is kept: both streams, in the order of arrival.
#[derive(Debug, Clone)]
pub struct LogSpec {
    /// The file; appended to, created when missing.
    pub path: Utf8PathBuf,
    /// The most it may hold, in bytes. Of what comes beyond, the last [`bounds::LOG_TAIL`] bytes are appended at the
    /// end of the run, after a line that says how much was left out.
    pub bound: u64,
}

/// A command to supervise. Start from [`RunSpec::new`].
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The program: a path, or a name looked up on `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where it runs; here when absent.
    pub cwd: Option<Utf8PathBuf>,
    /// How its environment differs from ours.
    pub env: EnvChanges,
    /// Set in its environment on top of that.
    pub marker: Marker,
    /// What it reads.
    pub input: Input,
    /// Which streams are copied to ours.
    pub echo: Echo,
    /// Where its output is kept.
    pub log: Option<LogSpec>,
    /// What is masked in the log, in the copies and in the lines that the observer is shown. Its
    /// [`output`](RunObserver::output) gets everything as it comes.
    pub masks: Masks,
    /// When it is stopped; never when absent.
    pub timeout: Option<Duration>,
    /// From asking to killing when it is stopped or timed out.
    pub grace: Duration,
    /// How often the observer is asked.
    pub tick: Duration,
    /// Hand it the terminal, when our standard input is one and we hold it.
    pub foreground: bool,
}

impl RunSpec {
    /// `program`, with no arguments, input, echo, log or timeout, under `marker`.
    pub fn new(program: impl Into<OsString>, marker: Marker) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            cwd: None,
            env: EnvChanges::default(),
            marker,
            input: Input::default(),
            echo: Echo::default(),
            log: None,
            masks: Masks::default(),
            timeout: None,
            grace: bounds::GRACE,
            tick: bounds::TICK,
            foreground: false,
        }
    }
}

/// Why a run was stopped by its observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody asked.
    Cancelled,
    /// The supervisor got this signal; it is the first one passed on.
    Signal(i32),
    /// The supervisor may not go on: its lease is lost.
    Fenced,
    /// It has said all that it was started for, and does not end.
    Finished,
}

/// What an observer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Go on.
    Continue,
    /// Ask the run's processes to end, and kill them after the grace.
    Stop(StopReason),
    /// Kill them now.
    Kill(StopReason),
}

/// Which of a command's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamName {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// What an observer answers to output; for runs with [`Input::Open`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Bytes for the command's standard input.
    pub input: Vec<u8>,
    /// Close its standard input behind them.
    pub close: bool,
}

/// Who watches a run. Its methods are called from the supervising thread and should not take long.
pub trait RunObserver {
    /// The command was started.
    fn started(&mut self, child: &ProcessIdentity) {
        _ = child;
    }

    /// Called about every [`RunSpec::tick`], until the very end.
    fn tick(&mut self) -> Tick {
        Tick::Continue
    }

    /// A piece of output, as it comes: lines may be cut anywhere, and hold anything, secrets too.
    fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Reply {
        _ = (stream, bytes);
        Reply::default()
    }

    /// The last full line of output, fit to be shown, at most [`bounds::LINE`] characters, at most once every
    /// [`bounds::LINE_EVERY`].
    fn line(&mut self, line: &str) {
        _ = line;
    }
}

/// Watches nothing.
impl RunObserver for () {}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The command ended with this code.
    Exited(i32),
    /// The command was ended by this signal, which did not come from us.
    Signalled(i32),
    /// Its time was up.
    TimedOut,
    /// Its observer stopped it.
    Stopped(StopReason),
}

/// A process other than the command itself that had to be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its number.
    pub pid: u32,
    /// Its command line, fit to be shown, at most [`bounds::DESCRIPTION`] characters.
    pub command: String,
    /// Whether it is gone; false when it hung in the kernel and was given up.
    pub gone: bool,
}

/// What became of a run.
#[derive(Debug, Clone)]
pub struct RunExit {
    /// How it ended.
    pub how: How,
    /// When it started, on this machine's monotonic clock.
    pub started: Instant,
    /// From the start until its last process was gone.
    pub elapsed: Duration,
    /// The processes besides the command that had to be ended, at most [`bounds::STRAYS`].
    pub strays: Vec<Stray>,
    /// Bytes of output that the log holds.
    pub log_bytes: u64,
    /// Bytes of output that it does not.
    pub log_dropped: u64,
    /// Why the log is incomplete, when it could not be written.
    pub log_error: Option<String>,
}
