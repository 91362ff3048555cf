//! Short helper commands, such as git, whose whole output is wanted.
//!
//! One thread, one `poll(2)` over the pipes and the child's handle: no waiting beyond the child's own time. The child
//! has its own process group, so that ^C on the terminal doesn't kill git halfway. What it leaves behind (git's own
//! background maintenance) goes on, unless it ran out of time or wrote too much.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use biplane_model::ProcessIdentity;
use camino::Utf8PathBuf;
use rustix::event::{PollFd, PollFlags};

use super::{
    EnvChanges, Marker, SuperviseError, bounds, identity, pipes,
    pipes::{Read, Sink, Source},
    proctable,
    root::{self, Launch, Root},
    signals,
};

/// Set in the environment of captured commands, so that what they leave behind is not taken for a run's. Its value is
/// the process that started them.
pub(super) const HELPER: &str = "BIPLANE_HELPER";

/// The marker of the helper commands of `process`.
pub(super) fn helper_of(process: &ProcessIdentity) -> Marker {
    let ProcessIdentity { boot_id, pid, start_time } = process;
    Marker::new(HELPER, format!("{boot_id}:{pid}:{start_time}"))
}

/// A command whose output is wanted. Start from [`Capture::new`].
#[derive(Debug, Clone)]
pub struct Capture {
    /// The program: a path, or a name looked up on `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Where it runs; here when absent.
    pub cwd: Option<Utf8PathBuf>,
    /// How its environment differs from ours.
    pub env: EnvChanges,
    /// What it reads; nothing when empty.
    pub stdin: Vec<u8>,
    /// The most it may write to standard output, in bytes.
    pub stdout_bound: usize,
    /// How long it may take.
    pub timeout: Duration,
}

impl Capture {
    /// `program` with `args`, within [`bounds::CAPTURE_STDOUT`] and [`bounds::CAPTURE_TIMEOUT`].
    pub fn new<A: Into<OsString>>(program: impl Into<OsString>, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            cwd: None,
            env: EnvChanges::default(),
            stdin: Vec::new(),
            stdout_bound: bounds::CAPTURE_STDOUT,
            timeout: bounds::CAPTURE_TIMEOUT,
        }
    }
}

/// How a captured command ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit code, when it ended with one.
    pub code: Option<i32>,
    /// The signal that ended it, when one did.
    pub signal: Option<i32>,
    /// Its whole standard output.
    pub stdout: Vec<u8>,
    /// The last [`bounds::CAPTURE_STDERR`] bytes of its standard error.
    pub stderr: Vec<u8>,
}

impl Captured {
    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// Runs a helper command to its end.
///
/// # Errors
/// When it can't be started, takes too long, writes too much, waits for a named pipe, or was at work when everything was to
/// stop at once; then it was killed with its group.
/// An exit code other than 0 is no error here.
pub fn capture(spec: &Capture) -> Result<Captured, SuperviseError> {
    let helper = helper_of(&identity::current());
    let mut root = root::spawn(Launch {
        program: &spec.program,
        args: &spec.args,
        cwd: spec.cwd.as_deref(),
        env: &spec.env,
        variable: (HELPER, &helper.value),
        stdin: if spec.stdin.is_empty() { Stdio::null() } else { Stdio::piped() },
        stdout: Stdio::piped(),
        stderr: Stdio::piped(),
    })?;
    // An error drops `root`, which kills the group.
    let read = read_to_end(spec, &mut root);
    if matches!(read, Err(SuperviseError::NamedPipe { .. } | SuperviseError::Stopped { .. })) {
        root.ask_to_end();
    }
    let (stdout, stderr) = read?;
    let status: ExitStatus = root.collect().map_err(|source| lost(spec, source))?;
    Ok(Captured { code: status.code(), signal: status.signal(), stdout, stderr: stderr.into() })
}

fn read_to_end(spec: &Capture, root: &mut Root) -> Result<(Vec<u8>, VecDeque<u8>), SuperviseError> {
    let lost = |source: rustix::io::Errno| lost(spec, source.into());
    let begin = Instant::now();
    let deadline = begin + spec.timeout;
    let mut next_look = begin + bounds::CAPTURE_PATIENCE;
    let mut waited = false;
    let mut sink = Sink::new(root.child.stdin.take(), &spec.stdin, false).map_err(lost)?;
    let mut stdout = Source::new(root.child.stdout.take()).map_err(lost)?;
    let mut stderr = Source::new(root.child.stderr.take()).map_err(lost)?;
    let (mut wanted, mut told) = (Vec::new(), VecDeque::new());
    let mut buffer = vec![0; bounds::CHUNK];
    loop {
        let handle = root.handle();
        let mut fds: Vec<PollFd<'_>> =
            [sink.interest(), stdout.interest(), stderr.interest()].into_iter().flatten().collect();
        if let Some(handle) = &handle {
            fds.push(PollFd::new(handle, PollFlags::IN));
        }
        let mut timeout = pipes::until(deadline);
        if handle.is_none() {
            timeout = timeout.min(bounds::LOOK);
        }
        timeout = timeout.min(bounds::TICK);
        pipes::wait(&mut fds, timeout).map_err(lost)?;
        // Asked before reading: what it wrote is in the pipes by then, whoever else holds them open.
        let ended = root.has_ended();
        sink.write();
        while let Read::Data(count) = stdout.read(&mut buffer) {
            if wanted.len() + count > spec.stdout_bound {
                return Err(SuperviseError::TooMuchOutput { program: name(spec), most: spec.stdout_bound });
            }
            wanted.extend_from_slice(&buffer[..count]);
        }
        while let Read::Data(count) = stderr.read(&mut buffer) {
            keep_end(&mut told, &buffer[..count], bounds::CAPTURE_STDERR);
            if Instant::now() >= deadline {
                break;
            }
        }
        if ended {
            return Ok((wanted, told));
        }
        if Instant::now() >= deadline {
            return Err(SuperviseError::TimedOut { program: name(spec), after: spec.timeout });
        }
        if is_to_end(begin) {
            return Err(SuperviseError::Stopped { program: name(spec) });
        }
        if Instant::now() >= next_look {
            next_look = Instant::now() + bounds::CAPTURE_LOOK;
            let pipe = proctable::named_pipe(root.child.id());
            match pipe {
                Some(path) if waited => return Err(SuperviseError::NamedPipe { program: name(spec), path }),
                pipe => waited = pipe.is_some(),
            }
        }
    }
}

/// Whether a command that began then has had its time, as this process was asked to end at once.
fn is_to_end(begin: Instant) -> bool {
    signals::at_once().is_some_and(|asked| {
        let is_late = asked.elapsed() >= bounds::CAPTURE_STOPPED;
        begin.elapsed() >= if is_late { bounds::CAPTURE_STOPPED_LATE } else { bounds::CAPTURE_STOPPED }
    })
}

/// Appends `bytes` to `kept` and drops from its beginning what exceeds `most`.
pub(super) fn keep_end(kept: &mut VecDeque<u8>, bytes: &[u8], most: usize) {
    let bytes = &bytes[bytes.len().saturating_sub(most)..];
    kept.drain(..(kept.len() + bytes.len()).saturating_sub(most));
    kept.extend(bytes);
}

fn name(spec: &Capture) -> String {
    spec.program.to_string_lossy().into_owned()
}

fn lost(spec: &Capture, source: io::Error) -> SuperviseError {
    SuperviseError::Wait { program: name(spec), source }
}
