//! Breaking off from outside, at any moment.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

/// A wish that what is under way ends. Clones are the same wish.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

type HangUp = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    cancelled: bool,
    /// What ends a wait for somebody else.
    hang_up: Option<HangUp>,
}

impl Cancel {
    /// Nobody wishes it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// It is wished from now on. A conversation with a server is cut.
    pub fn cancel(&self) {
        let hang_up = {
            let mut state = self.state();
            state.cancelled = true;
            state.hang_up.take()
        };
        self.0.changed.notify_all();
        if let Some(hang_up) = hang_up {
            hang_up();
        }
    }

    /// Whether it is wished.
    pub fn is_cancelled(&self) -> bool {
        self.state().cancelled
    }

    /// Waits; whether it was wished meanwhile.
    pub fn wait(&self, time: Duration) -> bool {
        let state = self.state();
        let waited = self.0.changed.wait_timeout_while(state, time, |state| !state.cancelled);
        waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0.cancelled
    }

    /// Has `hang_up` called when it is wished, at once where it is already. Until the answer is dropped.
    pub(crate) fn during(&self, hang_up: impl FnOnce() + Send + 'static) -> During<'_> {
        let mut state = self.state();
        if state.cancelled {
            drop(state);
            hang_up();
        } else {
            state.hang_up = Some(Box::new(hang_up));
        }
        During(self)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// As long as it lives, the wish hangs up.
pub(crate) struct During<'a>(&'a Cancel);

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.state().hang_up = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_wait_ends_and_what_is_held_is_hung_up() {
        let cancel = Cancel::new();
        assert!(!cancel.wait(Duration::from_millis(1)));
        let calls = Arc::new(AtomicUsize::new(0));
        let count = |calls: &Arc<AtomicUsize>| {
            let calls = Arc::clone(calls);
            move || _ = calls.fetch_add(1, Ordering::SeqCst)
        };
        drop(cancel.during(count(&calls)));
        let during = cancel.during(count(&calls));
        let other = cancel.clone();
        let thread = std::thread::spawn(move || other.cancel());
        assert!(cancel.wait(Duration::from_secs(60)));
        thread.join().unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(during);
        drop(cancel.during(count(&calls)));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
