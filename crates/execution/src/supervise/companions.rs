//! The runs that this process supervises at the same time: an orphan without any mark may be each of theirs.
//!
//! It goes with the last of them. So a run says that it begins before its command is started, and the last one does not end
//! before it has looked as the last one: of two that end at the same moment one is told to look again.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose orphans a look takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Orphans {
    /// Those that are surely the run's.
    Own,
    /// All that may be the run's: there is no other one.
    All,
}

/// The runs at this moment.
#[derive(Debug)]
struct Together {
    /// How many there are.
    count: usize,
    /// When the command of the first of those was started whose orphans may not all have been taken.
    first: u64,
}

static TOGETHER: Mutex<Together> = Mutex::new(Together::NONE);

/// One of the runs, until it leaves or is dropped.
#[derive(Debug)]
pub(super) struct Companion {
    is_in: bool,
}

impl Companion {
    /// A run begins; its command is started after this.
    pub(super) fn join() -> Self {
        together().count += 1;
        Self { is_in: true }
    }

    /// Its command was started at that time.
    pub(super) fn began(&self, start_time: u64) {
        together().began(start_time);
    }

    /// The earliest time at which an orphan may have been started that can be nobody's but this run's, or that of one which
    /// has ended. None while there are others.
    pub(super) fn alone_since(&self) -> Option<u64> {
        together().alone_since().filter(|_| self.is_in)
    }

    /// The run ends, and its last look took these. Refused when it is the last one and has not looked as such.
    pub(super) fn leave(&mut self, looked: Orphans) -> bool {
        self.is_in = self.is_in && !together().leave(looked);
        !self.is_in
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // One that never began, or that can't be watched any more: what it leaves is for the next.
        if self.is_in {
            together().count -= 1;
        }
    }
}

impl Together {
    const NONE: Self = Self { count: 0, first: u64::MAX };

    fn began(&mut self, start_time: u64) {
        self.first = self.first.min(start_time);
    }

    fn alone_since(&self) -> Option<u64> {
        (self.count == 1).then_some(self.first)
    }

    fn leave(&mut self, looked: Orphans) -> bool {
        if self.count == 1 {
            if looked != Orphans::All {
                return false;
            }
            self.first = u64::MAX;
        }
        self.count -= 1;
        true
    }
}

fn together() -> MutexGuard<'static, Together> {
    TOGETHER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_goes_with_the_last_that_it_may_have_come_from() {
        let mut together = Together::NONE;
        together.count += 1;
        together.began(100);
        assert_eq!(together.alone_since(), Some(100));
        // Another one has said that it begins: its command may be at work already.
        together.count += 1;
        assert_eq!(together.alone_since(), None);
        together.began(150);
        assert!(together.leave(Orphans::Own), "there is another one to take them");
        assert_eq!(together.alone_since(), Some(100), "those of the first one too");
        assert!(!together.leave(Orphans::Own), "its last look was not that of the last one");
        assert!(together.leave(Orphans::All));
        assert_eq!(together.alone_since(), None);
        // What is left from before is not taken by a later one.
        together.count += 1;
        together.began(200);
        assert_eq!(together.alone_since(), Some(200));
    }
}
