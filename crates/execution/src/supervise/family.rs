//! The processes of one run, wherever they moved to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use biplane_model::ProcessIdentity;
use rustix::process::{Signal, WaitOptions};

use super::{
    Marker, bounds,
    capture::HELPER,
    companions::{Companion, Orphans},
    orphans,
    proctable::{self, Process, Table},
    root,
};

/// A run's processes. See the [module's documentation](super) for what proves that one belongs to the run.
#[derive(Debug)]
pub(super) struct Family {
    marker: Marker,
    /// Our own child at the head, when we are the run's supervisor.
    root: Option<u32>,
    /// Nothing that started before this belongs to the run.
    since: u64,
    /// Where an orphan without an environment must stand to be taken for the run's.
    directory: Option<PathBuf>,
    /// Our place among the runs that this process supervises, where what has come to us must be one of theirs.
    companion: Option<Companion>,
    /// Whose orphans the last look took.
    looked: Orphans,
    /// Members seen, by number, with their start time. Those that are gone stay while their group or session lives on.
    known: BTreeMap<u32, u64>,
}

impl Family {
    /// The family of `root`, an uncollected child of ours. Orphans that wiped their environment belong to it when they
    /// stand in `directory`.
    pub(super) fn of_child(
        root: &ProcessIdentity,
        marker: Marker,
        directory: Option<PathBuf>,
        companion: Companion,
    ) -> Self {
        companion.began(root.start_time);
        Self {
            marker,
            root: Some(root.pid),
            since: if cfg!(target_os = "linux") { root.start_time } else { 0 },
            companion: orphans::are_ours().then_some(companion),
            looked: Orphans::Own,
            directory,
            known: BTreeMap::from([(root.pid, root.start_time)]),
        }
    }

    /// The family that a supervisor left behind, with its `child` when that is still the same process.
    pub(super) fn left_behind(marker: Marker, child: Option<&ProcessIdentity>) -> Self {
        let known = child.map(|child| (child.pid, child.start_time)).into_iter().collect();
        Self { marker, root: None, since: 0, directory: None, companion: None, looked: Orphans::Own, known }
    }

    /// Looks for members: those that run now. Members that ended and came to us are collected.
    pub(super) fn scan(&mut self) -> Vec<Process> {
        self.scan_in(&Table::now(&self.marker.name, self.since))
    }

    /// Looks for members on the way, in a look that the runs of this process share and that may be a part of a second old.
    pub(super) fn get_to_know(&mut self) {
        if self.root.is_some() {
            self.scan_in(&Table::lately(&self.marker.name, bounds::SHARED_LOOK));
        }
    }

    fn scan_in(&mut self, table: &Table) -> Vec<Process> {
        // Both after the table: a child of ours that is in it is among these by now, or gone; and while we are alone, no other
        // run had begun when the table was made.
        let children = root::children();
        let alone_since =
            self.companion.as_ref().and_then(Companion::alone_since).filter(|_| children.are_all);
        self.looked = if alone_since.is_some() { Orphans::All } else { Orphans::Own };
        let us = std::process::id();
        let others = children.pids.into_iter().filter(|&pid| Some(pid) != self.root).collect();
        let mut spared = descendants(others, &table.processes);
        spared.extend(ancestors(us, &table.processes));

        self.forget_reused(&table.processes);
        let candidates: Vec<Process> =
            table.processes.iter().filter(|p| !spared.contains(&p.pid)).copied().collect();
        let is_marked = |p: &Process| p.start_time >= self.since && table.carries(p.pid, &self.marker.value);
        let mut members: BTreeMap<u32, Process> = candidates
            .iter()
            .filter(|p| {
                self.known.get(&p.pid) == Some(&p.start_time)
                    || is_marked(p)
                    || children.are_all && p.parent == us && self.is_adopted(p, alone_since)
            })
            .map(|p| (p.pid, *p))
            .collect();
        loop {
            self.known.extend(members.values().map(|p| (p.pid, p.start_time)));
            let found: Vec<Process> = candidates
                .iter()
                .filter(|p| !members.contains_key(&p.pid) && p.start_time >= self.since)
                .filter(|p| {
                    members.contains_key(&p.parent)
                        || self.known.contains_key(&p.group)
                        || self.known.contains_key(&p.session)
                })
                .copied()
                .collect();
            if found.is_empty() {
                break;
            }
            members.extend(found.into_iter().map(|p| (p.pid, p)));
        }
        members.into_values().filter(|p| !self.collect(p, us)).filter(|p| !p.ended).collect()
    }

    /// Drops numbers that mean another process by now, and those that mean nothing any more.
    fn forget_reused(&mut self, table: &[Process]) {
        let now: BTreeMap<u32, u64> = table.iter().map(|p| (p.pid, p.start_time)).collect();
        let in_use: BTreeSet<u32> = table.iter().flat_map(|p| [p.group, p.session]).collect();
        // A number is not handed out again while a group or session bears it, so a leader that is gone still vouches
        // for the rest.
        let root = self.root;
        self.known.retain(|pid, start_time| {
            // The root is not collected: its number can't mean anything else.
            Some(*pid) == root || now.get(pid).map_or(in_use.contains(pid), |start| start == start_time)
        });
    }

    /// Whether a process that was handed to us is the run's: it stands in its directory, or nobody else's it can be.
    fn is_adopted(&self, process: &Process, alone_since: Option<u64>) -> bool {
        let stands = || self.directory.as_ref().is_some_and(|dir| proctable::is_within(process.pid, dir));
        let is_ours = alone_since.is_some_and(|first| process.start_time >= first)
            || (process.start_time >= self.since && stands());
        !process.ended
            && is_ours
            && [&self.marker.name, HELPER].iter().all(|name| proctable::lacks(process.pid, name))
            // What was just read was its own, not that of another which has its number now.
            && is_same(process)
    }

    /// Ends the looking, after a look that found none. Refused when the run has become the last one since: it has to look once
    /// more.
    pub(super) fn leave(&mut self) -> bool {
        self.companion.as_mut().is_none_or(|companion| companion.leave(self.looked))
    }

    /// Ends the looking, whoever is still there.
    pub(super) fn give_up(&mut self) {
        if let Some(companion) = &mut self.companion {
            companion.leave(Orphans::All);
        }
    }

    /// Collects a member that ended and is a child of ours, but for the head of the family.
    fn collect(&self, process: &Process, us: u32) -> bool {
        if !process.ended || process.parent != us || Some(process.pid) == self.root {
            return false;
        }
        let pid = proctable::pid(process.pid).filter(|_| is_same(process));
        pid.is_some_and(|pid| matches!(rustix::process::waitpid(Some(pid), WaitOptions::NOHANG), Ok(Some(_))))
    }
}

/// Sends `signal` to the process if it is still the same one.
pub(super) fn send(process: &Process, signal: Signal) {
    let Some(pid) = proctable::pid(process.pid) else { return };
    #[cfg(target_os = "linux")]
    if let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        if is_same(process) {
            _ = rustix::process::pidfd_send_signal(&handle, signal);
        }
        return;
    }
    if is_same(process) {
        _ = rustix::process::kill_process(pid, signal);
    }
}

/// Whether it still is the same process.
pub(super) fn is_same(process: &Process) -> bool {
    matches!(proctable::process(process.pid), Ok(Some(now)) if now.start_time == process.start_time)
}

/// `pid` and the processes it descends from.
pub(super) fn ancestors(pid: u32, table: &[Process]) -> BTreeSet<u32> {
    let mut line = BTreeSet::new();
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|&pid| pid != 0 && line.insert(pid)) {
        next = table.iter().find(|p| p.pid == pid).map(|p| p.parent);
    }
    line
}

/// The processes `heads` and those that descend from them.
fn descendants(heads: BTreeSet<u32>, table: &[Process]) -> BTreeSet<u32> {
    let mut all = heads;
    loop {
        let before = all.len();
        let children: Vec<u32> = table.iter().filter(|p| all.contains(&p.parent)).map(|p| p.pid).collect();
        all.extend(children);
        if all.len() == before {
            return all;
        }
    }
}
