//! Who a process is, beyond a number that the system hands out again.

use serde::{Deserialize, Serialize};

/// A process that can't be mistaken for another: after a reboot, or when its number is reused, this differs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The kernel's id of this boot; empty where the system has none.
    pub boot_id: String,
    /// The process number.
    pub pid: u32,
    /// When the process started, in the kernel's ticks since boot (or what the system counts instead).
    pub start_time: u64,
}

impl std::fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)
    }
}
