//! Ending a run's processes: asking, then killing, until none is left.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    Stray, bounds,
    family::{self, Family},
    identity,
    proctable::Process,
};

/// A run being ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// What each process gets, and when.
    ladder: Vec<(Instant, Signal)>,
    give_up: Instant,
    next: Instant,
    /// How many steps of the ladder each process has seen, by number and start time.
    seen: BTreeMap<(u32, u64), usize>,
    strays: BTreeMap<(u32, u64), Stray>,
    root: Option<u32>,
}

impl Ending {
    /// Ends everything: `first` now, SIGKILL after `grace`. `root` is not counted as a stray.
    pub(super) fn new(first: Signal, grace: Duration, root: Option<u32>) -> Self {
        let now = Instant::now();
        let mut ladder = vec![(now, first)];
        if first != Signal::TERM && first != Signal::KILL {
            // What a terminal sends is often ignored on purpose, by what a shell put into the background.
            ladder.push((now + grace / 2, Signal::TERM));
        }
        ladder.push((now + grace, Signal::KILL));
        let give_up = now + grace + bounds::GIVE_UP;
        Self { ladder, give_up, next: now, seen: BTreeMap::new(), strays: BTreeMap::new(), root }
    }

    /// Kills now, whatever grace was left.
    pub(super) fn hurry(&mut self) {
        let now = Instant::now();
        if let Some(kill) = self.ladder.last_mut()
            && kill.0 > now
        {
            kill.0 = now;
            self.give_up = now + bounds::GIVE_UP;
            self.next = now;
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Looks, when it is time to, and sends what is due. Returns whether all are gone, or given up.
    pub(super) fn step(&mut self, family: &mut Family) -> bool {
        let now = Instant::now();
        if now < self.next {
            return false;
        }
        // A process can start another and end between our reading of the two places; so "none" is asked twice.
        let mut members = family.scan();
        if members.is_empty() {
            members = family.scan();
        }
        if members.is_empty() {
            if !family.leave() {
                // It has become the last one: what others left is its to end.
                if now < self.give_up {
                    return false;
                }
                family.give_up();
            }
            self.strays.values_mut().for_each(|stray| stray.gone = true);
            return true;
        }
        for process in &members {
            self.press(process, now);
        }
        if now >= self.give_up {
            family.give_up();
            let left: Vec<_> = members.iter().map(|p| (p.pid, p.start_time)).collect();
            self.strays.iter_mut().for_each(|(key, stray)| stray.gone = !left.contains(key));
            return true;
        }
        self.next = now + bounds::ENDING_SCAN;
        false
    }

    /// The processes that had to be ended.
    pub(super) fn into_strays(self) -> Vec<Stray> {
        self.strays.into_values().collect()
    }

    fn press(&mut self, process: &Process, now: Instant) {
        let key = (process.pid, process.start_time);
        if Some(process.pid) != self.root && self.strays.len() < bounds::STRAYS {
            self.strays.entry(key).or_insert_with(|| Stray {
                pid: process.pid,
                command: identity::describe(process.pid),
                gone: false,
            });
        }
        let due = self.ladder.iter().rposition(|(at, _)| *at <= now).map_or(0, |last| last + 1);
        let seen = self.seen.entry(key).or_default();
        if *seen < due {
            let signal = self.ladder[due - 1].1;
            family::send(process, signal);
            if signal != Signal::KILL {
                // One that was stopped can't act on it otherwise.
                family::send(process, Signal::CONT);
            }
            *seen = due;
        }
    }
}
