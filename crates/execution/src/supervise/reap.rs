//! Ending what a dead supervisor left behind.

use std::time::{Duration, Instant};

use biplane_model::ProcessIdentity;
use rustix::process::Signal;

use super::{
    Marker, Stray, bounds,
    capture::helper_of,
    ending::Ending,
    family::Family,
    identity::{self, Liveness},
};

/// Ends every process that carries `marker`, and `child` with its descendants and group when it is still the same
/// process; returns what had to be ended. Blocks for at most `grace` and [`GIVE_UP`](super::bounds::GIVE_UP), and no
/// longer than it takes. Doing it again is harmless. We ourselves, what we descend from, and our own live children are
/// spared, whatever they carry.
pub fn reap(marker: &Marker, child: Option<&ProcessIdentity>, grace: Duration) -> Vec<Stray> {
    let child = child.filter(|child| identity::liveness(child) == Liveness::Alive);
    let mut family = Family::left_behind(marker.clone(), child);
    let mut ending = Ending::new(Signal::TERM, grace, None);
    while !ending.step(&mut family) {
        std::thread::sleep(super::pipes::until(ending.next()));
    }
    ending.into_strays()
}

/// Waits for the end of the helper commands that the dead `process` has left at work, such as a git that would still
/// move a ref; ends those that are not done after `patience`. As [`reap`] otherwise.
pub fn reap_helpers(process: &ProcessIdentity, patience: Duration, grace: Duration) -> Vec<Stray> {
    let marker = helper_of(process);
    let until = Instant::now() + patience;
    while !with_marker(&marker).is_empty() {
        if Instant::now() >= until {
            return reap(&marker, None, grace);
        }
        std::thread::sleep(bounds::HELPER_LOOK);
    }
    Vec::new()
}

/// The processes that carry `marker`, and what descends from them; nothing is done to them.
pub fn with_marker(marker: &Marker) -> Vec<Stray> {
    let found = Family::left_behind(marker.clone(), None).scan();
    let stray = |pid| Stray { pid, command: identity::describe(pid), gone: false };
    found.into_iter().map(|process| stray(process.pid)).collect()
}
