//! A live copy of a child's stream to ours of the same name.
//!
//! Our stream may be a pipe that nobody reads, or a terminal that is held: then the copy waits, and so does the child,
//! but not the supervisor. It asks whether a write would block, and writes no more than can't.

use std::{
    io::{Stderr, Stdout},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
};

use super::{bounds, pipes};

#[derive(Debug)]
enum Ours {
    Stdout(Stdout),
    Stderr(Stderr),
}

impl AsFd for Ours {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdout(stream) => stream.as_fd(),
            Self::Stderr(stream) => stream.as_fd(),
        }
    }
}

/// A copy to one of our streams, and what is still to be written.
#[derive(Debug, Default)]
pub(super) struct Copy {
    to: Option<Ours>,
    rest: Vec<u8>,
    at: usize,
}

impl Copy {
    /// A copy to standard output.
    pub(super) fn to_stdout() -> Self {
        Self { to: Some(Ours::Stdout(std::io::stdout())), ..Self::default() }
    }

    /// A copy to standard error.
    pub(super) fn to_stderr() -> Self {
        Self { to: Some(Ours::Stderr(std::io::stderr())), ..Self::default() }
    }

    /// Whether something is still to be written.
    pub(super) fn is_waiting(&self) -> bool {
        self.at < self.rest.len()
    }

    /// Copies `bytes`. To be called only when nothing waits.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.to.is_some() {
            self.rest.clear();
            self.rest.extend_from_slice(bytes);
            self.at = 0;
            self.write();
        }
    }

    /// Writes what can be written without blocking.
    pub(super) fn write(&mut self) {
        while self.is_waiting() {
            let Some(to) = &self.to else { return self.abandon() };
            let mut fds = [PollFd::new(to, PollFlags::OUT)];
            if pipes::wait(&mut fds, Duration::ZERO).is_err() || fds[0].revents().is_empty() {
                return;
            }
            let end = self.rest.len().min(self.at + bounds::ECHO_CHUNK);
            match rustix::io::write(to, &self.rest[self.at..end]) {
                Ok(count) => self.at += count,
                Err(Errno::AGAIN | Errno::INTR) => return,
                // Nobody reads any more: the run and its log go on without.
                Err(_) => self.abandon(),
            }
        }
    }

    /// Copies nothing from now on.
    pub(super) fn abandon(&mut self) {
        *self = Self::default();
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        self.to.as_ref().filter(|_| self.is_waiting()).map(|to| PollFd::new(to, PollFlags::OUT))
    }
}
