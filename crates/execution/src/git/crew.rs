//! Work that grows while it is done, such as a walk through directories, shared among threads.

use std::sync::{
    Condvar, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// The most threads.
const THREADS: usize = 8;

/// How many threads there may be, this one among them.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// Does the jobs in `open`, and those that come of them, by `each`, with `threads` threads. A job that gives none ends it
/// all; whether none did is the answer.
pub(super) fn work<J: Send>(open: Vec<J>, threads: usize, each: impl Fn(J) -> Option<Vec<J>> + Sync) -> bool {
    let crew = Crew {
        jobs: Mutex::new(Jobs { open, busy: 0, waiting: 0 }),
        more: Condvar::new(),
        failed: AtomicBool::new(false),
        each: &each,
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without room for another thread, this one does it.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || crew.work());
        }
        crew.work();
    });
    !crew.failed.load(Relaxed)
}

struct Jobs<J> {
    open: Vec<J>,
    /// How many threads are at work on one.
    busy: usize,
    /// How many threads wait for one.
    waiting: usize,
}

struct Crew<'a, J, F> {
    jobs: Mutex<Jobs<J>>,
    more: Condvar,
    failed: AtomicBool,
    each: &'a F,
}

impl<J, F: Fn(J) -> Option<Vec<J>>> Crew<'_, J, F> {
    fn work(&self) {
        while let Some(job) = self.next() {
            let below = (self.each)(job);
            let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.busy -= 1;
            match below {
                Some(below) => jobs.open.extend(below),
                None => self.failed.store(true, Relaxed),
            }
            // Telling is a call of the system's, also when nobody listens.
            if jobs.waiting > 0 {
                self.more.notify_all();
            }
        }
    }

    /// The next job; none when all are done, or one has ended it.
    fn next(&self) -> Option<J> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.failed.load(Relaxed) {
                return None;
            }
            if let Some(job) = jobs.open.pop() {
                jobs.busy += 1;
                return Some(job);
            }
            if jobs.busy == 0 {
                return None;
            }
            jobs.waiting += 1;
            jobs = self.more.wait(jobs).unwrap_or_else(PoisonError::into_inner);
            jobs.waiting -= 1;
        }
    }
}
