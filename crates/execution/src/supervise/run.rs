//! Supervising a run: one thread, one `poll(2)`, until the last of its processes is gone.
//!
//! In each turn: wait for a pipe, the command's end, or the next thing due; move bytes; ask the observer; and look
//! whether the run is to be ended or has been. Nothing in it blocks, so a timeout, a lease and ^C are in time whatever
//! the command does with its output and whoever holds its pipes open.

use std::{
    os::unix::process::ExitStatusExt,
    process::Stdio,
    time::{Duration, Instant},
};

use biplane_model::ProcessIdentity;
use rustix::{
    event::{PollFd, PollFlags},
    process::Signal,
};

use super::{
    How, Input, RunExit, RunObserver, RunSpec, StopReason, Stray, SuperviseError, Tick, bounds,
    companions::Companion,
    ending::Ending,
    family::Family,
    identity,
    log::Log,
    orphans,
    output::Output,
    pipes::{self, Sink},
    root::{self, Launch, Root},
    terminal::Handover,
};

/// Runs `spec` until it and every process it started are gone.
///
/// # Errors
/// When it can't be started or waited for; how it ended, and a log that can't be written, are no errors.
pub fn run(spec: &RunSpec, observer: &mut dyn RunObserver) -> Result<RunExit, SuperviseError> {
    supervise(spec, observer, Streams::Piped)
}

/// Where a run's streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    /// As the specification says.
    Piped,
    /// All to ours.
    Ours,
}

/// As [`run`], with the given streams.
pub(super) fn supervise(
    spec: &RunSpec,
    observer: &mut dyn RunObserver,
    streams: Streams,
) -> Result<RunExit, SuperviseError> {
    orphans::adopt();
    let log = Log::open(spec.log.as_ref().filter(|_| streams == Streams::Piped));
    let companion = Companion::join();
    let mut root = root::spawn(launch(spec, streams))?;
    let started = Instant::now();
    let lost = |source: rustix::io::Errno| lost(spec, source.into());
    let foreground = spec.foreground || streams == Streams::Ours;
    let terminal = if foreground { Handover::to(root.pid()) } else { None };
    let pid = root.child.id();
    let identity =
        identity::of(pid).unwrap_or_else(|| ProcessIdentity { pid, start_time: 0, ..identity::current() });
    observer.started(&identity);
    let (input, stays_open): (&[u8], _) = match &spec.input {
        Input::Bytes(bytes) => (bytes, false),
        Input::Open(bytes) => (bytes, true),
        Input::Null | Input::Inherit => (&[], false),
    };
    let sink = Sink::new(root.child.stdin.take(), input, stays_open).map_err(lost)?;
    let output = Output::new(spec, &mut root.child, log).map_err(lost)?;
    let directory = spec.cwd.as_ref().and_then(|cwd| fs_err::canonicalize(cwd).ok());
    let run = Supervision {
        spec,
        observer,
        family: Family::of_child(&identity, spec.marker.clone(), directory, companion),
        root,
        terminal,
        sink,
        output,
        started,
        // At once: the observer may have learnt from the start that it must not be.
        next_tick: started,
        next_scan: started + bounds::SCAN,
        ended: false,
        how: None,
        ending: None,
    };
    run.complete()
}

fn launch(spec: &RunSpec, streams: Streams) -> Launch<'_> {
    let (stdin, output): (_, fn() -> Stdio) = match (streams, &spec.input) {
        (Streams::Ours, _) => (Stdio::inherit(), Stdio::inherit),
        (Streams::Piped, Input::Null) => (Stdio::null(), Stdio::piped),
        (Streams::Piped, Input::Inherit) => (Stdio::inherit(), Stdio::piped),
        (Streams::Piped, Input::Bytes(_) | Input::Open(_)) => (Stdio::piped(), Stdio::piped),
    };
    Launch {
        program: &spec.program,
        args: &spec.args,
        cwd: spec.cwd.as_deref(),
        env: &spec.env,
        variable: (&spec.marker.name, &spec.marker.value),
        stdin,
        stdout: output(),
        stderr: output(),
    }
}

struct Supervision<'a> {
    spec: &'a RunSpec,
    observer: &'a mut dyn RunObserver,
    root: Root,
    family: Family,
    terminal: Option<Handover>,
    sink: Sink,
    output: Output,
    started: Instant,
    next_tick: Instant,
    next_scan: Instant,
    /// Whether the command itself has ended.
    ended: bool,
    /// Why the run is being ended; for [`How::Exited`] and [`How::Signalled`] it is told at the end.
    how: Option<How>,
    ending: Option<Ending>,
}

impl Supervision<'_> {
    fn complete(mut self) -> Result<RunExit, SuperviseError> {
        loop {
            self.wait()?;
            self.sink.write();
            self.output.pump(self.observer, &mut self.sink);
            let now = Instant::now();
            self.output.show(now, self.observer);
            self.look_at_command();
            self.ask_observer(now);
            self.look_at_time(now);
            if let Some(ending) = &mut self.ending
                && ending.step(&mut self.family)
            {
                return self.finish();
            }
        }
    }

    fn wait(&self) -> Result<(), SuperviseError> {
        let mut fds: Vec<PollFd<'_>> =
            self.sink.interest().into_iter().chain(self.output.interests()).collect();
        let mut next = self.next_tick.min(self.next_scan);
        if let Some(ending) = &self.ending {
            next = next.min(ending.next());
        } else if let Some(deadline) = self.deadline() {
            next = next.min(deadline);
        }
        let mut timeout = pipes::until(next);
        let handle = self.root.handle();
        match &handle {
            _ if self.ended => {}
            Some(handle) => fds.push(PollFd::new(handle, PollFlags::IN)),
            None => timeout = timeout.min(bounds::LOOK),
        }
        if self.terminal.is_some() && self.started.elapsed() < Duration::from_secs(1) {
            timeout = timeout.min(bounds::STOP_CHECK);
        }
        pipes::wait(&mut fds, timeout).map_err(|source| lost(self.spec, source.into()))
    }

    fn look_at_command(&mut self) {
        if self.ended {
            return;
        }
        self.ended = self.root.has_ended();
        if self.ended {
            self.ending.get_or_insert_with(|| {
                Ending::new(Signal::TERM, bounds::STRAY_GRACE, Some(self.root.child.id()))
            });
            return;
        }
        if self.terminal.is_some() {
            // Nothing could continue a command that ^Z stopped: the shell that would is waiting for us.
            self.root.continue_if_stopped();
        }
    }

    fn ask_observer(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + self.spec.tick;
        let tick = self.observer.tick();
        if let Tick::Stop(reason) | Tick::Kill(reason) = tick {
            let first = match reason {
                StopReason::Signal(number) => Signal::from_named_raw(number).unwrap_or(Signal::TERM),
                StopReason::Cancelled | StopReason::Fenced | StopReason::Finished => Signal::TERM,
            };
            self.end(How::Stopped(reason), first);
        }
        if let (Tick::Kill(_), Some(ending)) = (tick, &mut self.ending) {
            ending.hurry();
        }
    }

    fn look_at_time(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.end(How::TimedOut, Signal::TERM);
        }
        if now >= self.next_scan {
            self.next_scan = now + bounds::SCAN;
            if self.ending.is_none() {
                self.family.get_to_know();
            }
        }
    }

    /// Begins to end the run, unless that has begun.
    fn end(&mut self, how: How, first: Signal) {
        if self.ending.is_none() {
            self.how = Some(how);
            self.ending = Some(Ending::new(first, self.spec.grace, Some(self.root.child.id())));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.started.checked_add(self.spec.timeout?)
    }

    /// Collects the command, and what is still in the pipes. All its processes are gone, or given up.
    fn finish(mut self) -> Result<RunExit, SuperviseError> {
        let mut strays = self.ending.take().map(Ending::into_strays).unwrap_or_default();
        let itself = if self.root.has_ended() {
            let status = self.root.collect().map_err(|source| lost(self.spec, source))?;
            status.code().map_or_else(|| How::Signalled(status.signal().unwrap_or(0)), How::Exited)
        } else {
            // It hangs in the kernel; so would we, waiting for it. That can only be once it was to be ended.
            let pid = self.root.child.id();
            strays.push(Stray { pid, command: identity::describe(pid), gone: false });
            How::Stopped(StopReason::Cancelled)
        };
        let how = self.how.unwrap_or(itself);
        if let Some(terminal) = self.terminal.take()
            && !matches!(how, How::Exited(_))
        {
            terminal.restore_modes();
        }
        self.drain()?;
        let log = self.output.finish();
        Ok(RunExit {
            how,
            started: self.started,
            elapsed: self.started.elapsed(),
            strays,
            log_bytes: log.bytes,
            log_dropped: log.dropped,
            log_error: log.error,
        })
    }

    /// Moves what is still in the pipes. As in a pipeline, a run that ended by itself waits for whoever reads our
    /// output; one that was ended does not wait long.
    fn drain(&mut self) -> Result<(), SuperviseError> {
        let mut left = 2 * bounds::DRAIN;
        let patience = self.how.map(|_| Instant::now() + bounds::ECHO_WAIT);
        while left > 0 {
            let read = self.output.pump(self.observer, &mut self.sink);
            left = left.saturating_sub(read);
            if self.output.is_done() {
                if self.output.release() {
                    continue;
                }
                break;
            }
            if read > 0 {
                continue;
            }
            let mut fds: Vec<PollFd<'_>> = self.output.waiting_copies().collect();
            let next = patience.map_or(self.next_tick, |end| end.min(self.next_tick));
            pipes::wait(&mut fds, pipes::until(next)).map_err(|source| lost(self.spec, source.into()))?;
            let now = Instant::now();
            let mut abandon = patience.is_some_and(|end| now >= end);
            if now >= self.next_tick {
                self.next_tick = now + self.spec.tick;
                abandon |= self.observer.tick() != Tick::Continue;
            }
            if abandon {
                self.output.abandon_copies();
            }
        }
        Ok(())
    }
}

fn lost(spec: &RunSpec, source: std::io::Error) -> SuperviseError {
    SuperviseError::Wait { program: spec.program.to_string_lossy().into_owned(), source }
}
