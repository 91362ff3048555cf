//! Waiting for something, never for a time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a poll rests at first, and at most.
const RESTS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Asks `done` until it says yes. Panics with `what` when it does not before `deadline` has passed.
#[track_caller]
pub fn eventually(deadline: Duration, what: &str, done: impl FnMut() -> bool) {
    assert!(poll(deadline, done), "waited {deadline:?} in vain until {what}");
}

/// Asks `done` until it says yes or `deadline` has passed, and at least once.
pub(crate) fn poll(deadline: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + deadline;
    let (mut rest, longest) = RESTS;
    loop {
        // The time is read first, so that a slow machine asks once more after the deadline rather than never.
        let late = Instant::now() >= until;
        if done() {
            return true;
        }
        if late {
            return false;
        }
        thread::sleep(rest);
        rest = (rest * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_until_yes() {
        let mut asked = 0;
        eventually(Duration::from_secs(20), "asked thrice", || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "in vain until pigs fly")]
    fn it_gives_up_and_says_what_for() {
        eventually(Duration::from_millis(5), "pigs fly", || false);
    }
}
