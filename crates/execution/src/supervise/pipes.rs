//! Pipes to and from a child, none of which ever blocks us.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};

use super::bounds;

/// Waits until one of `fds` is ready, a signal came, or `timeout` passed.
pub(super) fn wait(fds: &mut [PollFd<'_>], timeout: Duration) -> Result<(), Errno> {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    match rustix::event::poll(fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// From now until `moment`, rounded up so that a wait doesn't end just before it.
pub(super) fn until(moment: Instant) -> Duration {
    moment.saturating_duration_since(Instant::now()) + Duration::from_micros(10)
}

/// What reading gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// So many bytes.
    Data(usize),
    /// Nothing now.
    Later,
    /// Nothing any more.
    End,
}

/// The reading end of a child's output.
#[derive(Debug)]
pub(super) struct Source(Option<OwnedFd>);

impl Source {
    /// Reads from `fd`; from nothing when absent.
    pub(super) fn new(fd: Option<impl Into<OwnedFd>>) -> Result<Self, Errno> {
        let fd = fd.map(Into::into);
        if let Some(fd) = &fd {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self(fd))
    }

    /// Reads what is there into `buffer`.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Read {
        let Some(fd) = &self.0 else { return Read::End };
        match rustix::io::read(fd, buffer) {
            Ok(0) => self.0 = None,
            Ok(count) => return Read::Data(count),
            Err(Errno::AGAIN | Errno::INTR) => return Read::Later,
            Err(_) => self.0 = None,
        }
        Read::End
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        self.0.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN))
    }
}

/// The writing end of a child's input, and what it is still to get.
#[derive(Debug)]
pub(super) struct Sink {
    fd: Option<OwnedFd>,
    rest: VecDeque<u8>,
    /// Whether it stays open when all is written.
    stays_open: bool,
}

impl Sink {
    /// Writes `bytes` to `fd`, then closes it unless it `stays_open`.
    pub(super) fn new(fd: Option<impl Into<OwnedFd>>, bytes: &[u8], stays_open: bool) -> Result<Self, Errno> {
        let fd = fd.map(Into::into);
        if let Some(fd) = &fd {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        let mut sink = Self { fd, rest: bytes.iter().copied().collect(), stays_open };
        sink.write();
        Ok(sink)
    }

    /// Adds to what is written. A child that lets more than [`bounds::INPUT_WAITING`] wait is told nothing more.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.fd.is_some() && self.stays_open {
            if self.rest.len() + bytes.len() > bounds::INPUT_WAITING {
                return self.close();
            }
            self.rest.extend(bytes);
            self.write();
        }
    }

    /// Closes it when all is written.
    pub(super) fn close(&mut self) {
        self.stays_open = false;
        self.write();
    }

    /// Writes what fits. A child that doesn't read to the end is no failure.
    pub(super) fn write(&mut self) {
        while let Some(fd) = &self.fd {
            if self.rest.is_empty() {
                if !self.stays_open {
                    self.fd = None;
                }
                return;
            }
            let (next, _) = self.rest.as_slices();
            match rustix::io::write(fd, &next[..next.len().min(bounds::CHUNK)]) {
                Ok(count) => _ = self.rest.drain(..count),
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(_) => self.fd = None,
            }
        }
    }

    /// What to wait for.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        self.fd.as_ref().filter(|_| !self.rest.is_empty()).map(|fd| PollFd::new(fd, PollFlags::OUT))
    }
}
