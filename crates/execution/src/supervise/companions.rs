//! The runs that this process supervises at the same time: an orphan without any mark may be each of theirs.

use std::sync::{Mutex, PoisonError};

/// How many there are, and when the first of those began that overlap without a gap.
static TOGETHER: Mutex<(usize, u64)> = Mutex::new((0, 0));

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Companion(());

impl Companion {
    /// A run begins whose command started at that time.
    pub(super) fn join(start_time: u64) -> Self {
        let mut together = TOGETHER.lock().unwrap_or_else(PoisonError::into_inner);
        let first = if together.0 == 0 { start_time } else { together.1.min(start_time) };
        *together = (together.0 + 1, first);
        Self(())
    }

    /// Whether a process that started at that time can be nobody's but this run's, or that of one which has ended.
    pub(super) fn is_alone_since(&self, start_time: u64) -> bool {
        let (count, first) = *TOGETHER.lock().unwrap_or_else(PoisonError::into_inner);
        count == 1 && start_time >= first
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        TOGETHER.lock().unwrap_or_else(PoisonError::into_inner).0 -= 1;
    }
}
