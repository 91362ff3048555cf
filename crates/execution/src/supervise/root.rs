//! The one place that starts processes, and the children it started.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use camino::Utf8Path;
use rustix::{
    event::{PollFd, PollFlags},
    process::{Pid, Signal, WaitId, WaitIdOptions},
};

use super::{EnvChanges, SuperviseError, bounds, capture::HELPER, pipes};

/// What is to be started.
pub(super) struct Launch<'a> {
    pub(super) program: &'a OsString,
    pub(super) args: &'a [OsString],
    pub(super) cwd: Option<&'a Utf8Path>,
    pub(super) env: &'a EnvChanges,
    /// Set on top of `env`.
    pub(super) variable: (&'a str, &'a str),
    pub(super) stdin: Stdio,
    pub(super) stdout: Stdio,
    pub(super) stderr: Stdio,
}

/// A child of ours that leads its own process group. Until it is collected its number, which is also its group's, can't
/// mean anything else. Dropped before that, it is killed with its group.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) child: Child,
    handle: Option<OwnedFd>,
    collected: bool,
}

static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static STARTS: Mutex<Starts> = Mutex::new(Starts { next: 0, open: BTreeSet::new() });
static START_OVER: Condvar = Condvar::new();

/// What is being started at this moment, by numbers that grow.
struct Starts {
    next: u64,
    open: BTreeSet<u64>,
}

/// The children that were started here and are not yet collected.
#[derive(Debug)]
pub(super) struct Children {
    pub(super) pids: BTreeSet<u32>,
    /// Whether those are among them that were being started. Then a process that was there before the call, whose parent we
    /// are and that is not among them, was handed to us, came with us, or is gone.
    pub(super) are_all: bool,
}

/// Our children. Waits for those that are being started at this moment, at most [`bounds::START`].
pub(super) fn children() -> Children {
    let starts = starts();
    let next = starts.next;
    let is_open = |starts: &mut Starts| starts.open.first().is_some_and(|first| *first < next);
    let (starts, waited) =
        START_OVER.wait_timeout_while(starts, bounds::START, is_open).unwrap_or_else(PoisonError::into_inner);
    drop(starts);
    let pids = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Children { pids, are_all: !waited.timed_out() }
}

/// A process that is being started, until it is told from an orphan.
pub(super) struct Starting(u64);

/// Begins to start a process.
pub(super) fn starting() -> Starting {
    let mut starts = starts();
    let number = starts.next;
    starts.next += 1;
    starts.open.insert(number);
    Starting(number)
}

impl Drop for Starting {
    fn drop(&mut self) {
        starts().open.remove(&self.0);
        START_OVER.notify_all();
    }
}

fn starts() -> MutexGuard<'static, Starts> {
    STARTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a process in a group of its own.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
pub(super) fn spawn(launch: Launch<'_>) -> Result<Root, SuperviseError> {
    let mut command = Command::new(launch.program);
    command
        .args(launch.args)
        .stdin(launch.stdin)
        .stdout(launch.stdout)
        .stderr(launch.stderr)
        .process_group(0);
    if let Some(cwd) = launch.cwd {
        command.current_dir(cwd);
    }
    for name in &launch.env.remove {
        command.env_remove(name);
    }
    // We may have been started in the background ourselves; what we start is known by its own mark.
    command.env_remove(HELPER);
    command.envs(launch.env.set.iter().map(|(name, value)| (name, value)));
    command.env(launch.variable.0, launch.variable.1);

    let starting = starting();
    let spawned = command.spawn();
    if let Ok(child) = &spawned {
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).insert(child.id());
    }
    drop(starting);
    let child = spawned.map_err(|source| why(launch.program, launch.cwd, source))?;
    let handle = handle(&child);
    Ok(Root { child, handle, collected: false })
}

fn why(program: &OsString, cwd: Option<&Utf8Path>, source: io::Error) -> SuperviseError {
    let program = program.to_string_lossy().into_owned();
    if let Some(path) = cwd
        && !path.is_dir()
    {
        return SuperviseError::NoDirectory { program, path: path.to_owned() };
    }
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => SuperviseError::NotFound { program },
        _ => SuperviseError::Spawn { program, source },
    }
}

#[cfg(target_os = "linux")]
fn handle(child: &Child) -> Option<OwnedFd> {
    rustix::process::pidfd_open(Pid::from_child(child), rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn handle(_child: &Child) -> Option<OwnedFd> {
    None
}

impl Root {
    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// A handle that becomes readable when it ends; none where the system has no such thing.
    pub(super) fn handle(&self) -> Option<BorrowedFd<'_>> {
        self.handle.as_ref().map(AsFd::as_fd)
    }

    /// Whether it has ended. Doesn't collect it.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(self.pid()), options) {
            Ok(status) => status.is_some(),
            Err(error) => error != rustix::io::Errno::INTR,
        }
    }

    /// Continues its group when it was stopped since this was last asked.
    pub(super) fn continue_if_stopped(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        if let Ok(Some(_)) = rustix::process::waitid(WaitId::Pid(self.pid()), options) {
            _ = rustix::process::kill_process_group(self.pid(), Signal::CONT);
        }
    }

    /// Asks its process group to end, so that it takes its locks along, and gives it [`bounds::CAPTURE_GRACE`] for that.
    pub(super) fn ask_to_end(&self) {
        if !self.collected {
            _ = rustix::process::kill_process_group(self.pid(), Signal::TERM);
            self.await_end(bounds::CAPTURE_GRACE);
        }
    }

    fn await_end(&self, most: Duration) {
        let give_up = Instant::now() + most;
        while !self.has_ended() && Instant::now() < give_up {
            let mut fds: Vec<_> =
                self.handle.iter().map(|handle| PollFd::new(handle, PollFlags::IN)).collect();
            let look = if fds.is_empty() { bounds::LOOK } else { most };
            _ = pipes::wait(&mut fds, pipes::until(give_up).min(look));
        }
    }

    /// Kills its process group. Its number is still its own, as it is not collected.
    pub(super) fn kill_group(&self) {
        if !self.collected {
            _ = rustix::process::kill_process_group(self.pid(), Signal::KILL);
        }
    }

    /// Waits for it to end and collects it: from now on its number means nothing.
    pub(super) fn collect(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait();
        self.collected = true;
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.child.id());
        status
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if self.collected {
            return;
        }
        self.kill_group();
        self.await_end(bounds::GIVE_UP);
        // One that hangs in the kernel is left to the system: waiting for it, so would we.
        if self.has_ended() {
            _ = self.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use biplane_testkit::eventually;

    use super::*;

    #[test]
    fn children_are_all_when_none_is_being_started() {
        let open = starting();
        assert!(!children().are_all);
        drop(open);
        eventually(Duration::from_secs(20), "other tests have started theirs", || children().are_all);
    }
}
