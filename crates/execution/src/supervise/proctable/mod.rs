//! The system's table of processes.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "ps.rs"]
mod system;

mod table;

use rustix::process::Pid;

pub(super) use system::{
    boot_id, command_line, is_within, lacks, marks, named_pipe, openers, presences, process, processes,
};
pub(super) use table::Table;

/// A process as the system lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub(super) pid: u32,
    /// Its parent's.
    pub(super) parent: u32,
    /// Its process group's.
    pub(super) group: u32,
    /// Its session's.
    pub(super) session: u32,
    /// When it started.
    pub(super) start_time: u64,
    /// Whether it ended and only waits to be collected.
    pub(super) ended: bool,
    /// Whether it is on its way to that: it does nothing any more, and its locks may be free already.
    pub(super) leaves: bool,
}

/// `pid` as the system calls want it; none when it can't be one.
pub(super) fn pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Whether there is surely no process `number`: not merely none that we may see.
fn is_surely_absent(number: u32) -> bool {
    pid(number).is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
