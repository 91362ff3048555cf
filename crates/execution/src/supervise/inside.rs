//! The processes that stand in a directory or use files in it: before it is taken away from under them.
//!
//! Asked are the working directory, the root, the program and the open files of every process that we may look at.
//! Files that are mapped but not open any more are not seen. A process of our own user that refuses to be looked at is
//! *unknown*; those of other users are counted.

use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Signal;

use super::{
    Stray, bounds,
    capture::HELPER,
    family, identity,
    proctable::{self, Process},
};

/// How long helper commands, such as a git that only looks, may take to leave.
const HELPERS_LEAVE: Duration = Duration::from_secs(1);

/// What a process has to do with a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It stands in it, or below.
    Stands,
    /// It takes it for the root of all files.
    Root,
    /// Its program lies in it.
    Runs,
    /// It has this file open, by its path in the directory.
    Holds {
        /// The path. Not made safe to show.
        path: String,
        /// Whether it may write to it.
        writes: bool,
    },
}

/// A process that is in a directory in one way or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Its number.
    pub pid: u32,
    /// Its command line, fit to be shown.
    pub command: String,
    /// How it is there: a file that it may write to counts most.
    pub presence: Presence,
    process: Process,
}

/// Who is in a directory.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// Processes that have nothing to do with us.
    pub others: Vec<Resident>,
    /// Processes that we descend from, such as the shell that we were started in.
    pub above: Vec<Resident>,
    /// Processes of our own user that could not be looked at.
    pub unknown: Vec<u32>,
    /// How many processes of other users could not be looked at.
    pub foreign: u64,
    /// Whether the system has no way to tell.
    pub blind: bool,
}

/// Looks who is in `directory`. Waits a moment for biplane's own helper commands, and other biplanes that only look, to leave.
pub fn inside(directory: &Utf8Path) -> Inside {
    let until = Instant::now() + HELPERS_LEAVE;
    loop {
        let found = look(directory);
        let leaves = |r: &Resident| !proctable::lacks(r.pid, HELPER) || is_biplane_that_looks(r);
        let only_helpers = !found.others.is_empty() && found.others.iter().all(leaves);
        if !only_helpers || Instant::now() >= until {
            return found;
        }
        std::thread::sleep(bounds::HELPER_LOOK);
    }
}

/// Whether it is a biplane that has something open only to read it.
fn is_biplane_that_looks(resident: &Resident) -> bool {
    let reads = matches!(resident.presence, Presence::Holds { writes: false, .. });
    let program = || std::fs::read_link(format!("/proc/{}/exe", resident.pid));
    reads && std::env::current_exe().is_ok_and(|ours| program().is_ok_and(|its| its == ours))
}

fn look(directory: &Utf8Path) -> Inside {
    let mut found = Inside::default();
    let Some(told) = proctable::presences(directory) else {
        found.blind = true;
        return found;
    };
    let us = std::process::id();
    // The table is only read when somebody is there.
    let above = if told.residents.is_empty() { Default::default() } else { line_above(us) };
    for (pid, presence) in told.residents {
        if pid == us {
            continue;
        }
        let Ok(Some(process)) = proctable::process(pid) else { continue };
        // One that is about to end has done its last; where it stands is let go of a moment later.
        if process.ended || process.leaves {
            continue;
        }
        let resident = Resident { pid, command: identity::describe(pid), presence, process };
        if above.contains(&pid) { &mut found.above } else { &mut found.others }.push(resident);
    }
    found.unknown = told.unknown;
    found.foreign = told.foreign;
    found
}

fn line_above(us: u32) -> Vec<u32> {
    let mut line = Vec::new();
    let mut next = us;
    while let Ok(Some(process)) = proctable::process(next) {
        if process.parent == 0 || line.contains(&process.parent) {
            break;
        }
        line.push(process.parent);
        next = process.parent;
    }
    line
}

/// Ends these processes: asks them, and kills those that are not gone after `grace`. Each is known by its number and
/// start time. Blocks for at most `grace` and [`bounds::GIVE_UP`].
pub fn end_residents(residents: &[Resident], grace: Duration) -> Vec<Stray> {
    let is_there = |resident: &&Resident| {
        family::is_same(&resident.process)
            && matches!(proctable::process(resident.pid), Ok(Some(now)) if !now.ended)
    };
    let mut left: Vec<&Resident> = residents.iter().collect();
    for (signal, patience) in [(Signal::TERM, grace), (Signal::KILL, bounds::GIVE_UP)] {
        left.retain(is_there);
        for resident in &left {
            family::send(&resident.process, signal);
            if signal != Signal::KILL {
                // One that was stopped can't act on it otherwise.
                family::send(&resident.process, Signal::CONT);
            }
        }
        let until = Instant::now() + patience;
        while !left.is_empty() && Instant::now() < until {
            std::thread::sleep(bounds::ENDING_SCAN);
            left.retain(is_there);
        }
    }
    let gone = |resident: &Resident| !left.iter().any(|l| l.pid == resident.pid);
    residents.iter().map(|r| Stray { pid: r.pid, command: r.command.clone(), gone: gone(r) }).collect()
}

/// What the system tells of who is in a directory.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) residents: Vec<(u32, Presence)>,
    pub(super) unknown: Vec<u32>,
    pub(super) foreign: u64,
}

/// `path` as seen from `directory`; none when it does not lie in it.
pub(super) fn part_below(path: &std::path::Path, directory: &Utf8Path) -> Option<String> {
    path.strip_prefix(directory).ok().map(|rest| rest.to_string_lossy().into_owned())
}

/// Where a directory is, without links: as the system shows it.
pub(super) fn real(directory: &Utf8Path) -> Utf8PathBuf {
    directory.canonicalize_utf8().unwrap_or_else(|_| directory.to_owned())
}

#[cfg(test)]
mod tests {
    use biplane_testkit::{TestEnv, eventually};

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn who_stands_there_and_who_holds_a_file_is_seen_and_ended() {
        let env = TestEnv::new();
        let dir = env.dir("w");
        fs_err::write(dir.join("file"), "x\n").unwrap();
        fs_err::create_dir_all(dir.join("below")).unwrap();
        // Its name begins with the directory's, and it is another one.
        let beside = env.dir("w-beside");
        let sleeper = |at: &Utf8Path, script: &str| env.program("sh").args(["-c", script]).in_dir(at).spawn();
        let stands = sleeper(&dir.join("below"), "echo up; sleep 600");
        let holds = sleeper(env.root(), "exec 7>>w/file; echo up; sleep 600");
        let stubborn = sleeper(&dir, "trap '' TERM; echo up; while :; do sleep 0.1; done");
        let outside = sleeper(&beside, "echo up; sleep 600");
        for one in [&stands, &holds, &stubborn, &outside] {
            eventually(SOON, "it is up", || one.stdout().starts_with("up"));
        }
        let found = inside(&dir);
        assert!(!found.blind && found.above.is_empty(), "{found:?}");
        let writes = Presence::Holds { path: "file".to_owned(), writes: true };
        assert!(found.others.iter().any(|r| r.presence == writes), "{found:?}");
        assert!(found.others.iter().any(|r| r.presence == Presence::Stands), "{found:?}");
        let ended = end_residents(&found.others, Duration::from_millis(300));
        assert!(ended.len() >= 3 && ended.iter().all(|s| s.gone), "{ended:?}");
        eventually(SOON, "nobody is there", || inside(&dir).others.is_empty());
        assert_eq!(inside(&beside).others.len(), 2, "the shell beside it and its sleep");
    }

    #[test]
    fn a_number_that_means_another_process_by_now_is_not_ended() {
        let env = TestEnv::new();
        let dir = env.dir("w");
        let sleeper = env.program("sleep").args(["600"]).in_dir(&dir).spawn();
        eventually(SOON, "it is there", || !inside(&dir).others.is_empty());
        let mut found = inside(&dir).others;
        found[0].process.start_time -= 1;
        let said = end_residents(&found, Duration::ZERO);
        assert!(said[0].gone, "the one that was meant is gone");
        assert_eq!(inside(&dir).others.len(), 1, "the one that is there lives");
        drop(sleeper);
    }
}
