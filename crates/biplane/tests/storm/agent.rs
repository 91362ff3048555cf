//! One agent of the storm.

use std::{
    fmt,
    fs::OpenOptions,
    io::Write,
    time::{Duration, Instant},
};

use biplane_testkit::{Call, Output};
use camino::Utf8PathBuf;
use rustix::process::Signal;

use crate::world::World;

/// How long a command may take in the storm: it waits for locks, never for ever.
const PATIENCE: Duration = Duration::from_secs(170);

/// What an agent did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) created: u64,
    pub(crate) removed: u64,
    pub(crate) restored: u64,
    pub(crate) committed: u64,
    pub(crate) killed: u64,
    pub(crate) failed: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created, removed, restored, committed, killed, failed } = self;
        write!(
            f,
            "{created} created, {removed} removed, {restored} restored, {committed} commits, {killed} commands killed, \
             {failed} failed"
        )
    }
}

pub(crate) fn sum(counts: &[Count]) -> Count {
    counts.iter().fold(Count::default(), |a, b| Count {
        created: a.created + b.created,
        removed: a.removed + b.removed,
        restored: a.restored + b.restored,
        committed: a.committed + b.committed,
        killed: a.killed + b.killed,
        failed: a.failed + b.failed,
    })
}

/// What the agent knows of its worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// There is none.
    Absent,
    /// It is there: a command that ended well has said so.
    Active,
    /// A command was killed or failed: somebody has to look.
    Unknown,
}

pub(crate) struct Agent<'w> {
    world: &'w World,
    name: String,
    known: Known,
    ever: bool,
    writes: u64,
    dice: u64,
    count: Count,
}

impl<'w> Agent<'w> {
    pub(crate) fn new(world: &'w World, number: u64) -> Self {
        Self {
            world,
            name: format!("a{number}"),
            known: Known::Absent,
            ever: false,
            writes: 0,
            dice: 0x9E37_79B9_7F4A_7C15 ^ (number + 1).wrapping_mul(0xD134_2543_DE82_EF95),
            count: Count::default(),
        }
    }

    /// A number below `sides`, the same ones in every storm.
    fn dice(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    pub(crate) fn live_until(mut self, end: Instant) -> Count {
        while Instant::now() < end {
            let wants_old = self.dice(2) == 0;
            match self.known {
                Known::Unknown => self.look(),
                Known::Absent if self.ever && wants_old => self.restore(),
                Known::Absent => self.create(),
                Known::Active => match self.dice(20) {
                    0..9 => self.write(),
                    9..12 => self.commit(),
                    12..17 => self.remove(),
                    17 => drop(self.command(&["doctor", "--fix"], false)),
                    18 => drop(self.command(&["wt", "status", &self.name.clone()], false)),
                    _ => drop(self.command(&["task", "create", "one more"], true)),
                },
            }
        }
        self.count
    }

    fn create(&mut self) {
        let name = self.name.clone();
        if self.command(&["wt", "create", &name], true).is_some_and(|output| output.code == 0) {
            (self.known, self.ever) = (Known::Active, true);
            self.count.created += 1;
        } else {
            self.known = Known::Unknown;
        }
    }

    fn restore(&mut self) {
        let name = self.name.clone();
        let output = self.command(&["wt", "restore", &name], true);
        self.known = match output.map(|output| output.code) {
            Some(0) => {
                self.count.restored += 1;
                Known::Active
            }
            // There was nothing in it that a snapshot had to hold.
            Some(5) => {
                self.ever = false;
                Known::Absent
            }
            _ => Known::Unknown,
        };
    }

    fn remove(&mut self) {
        let name = self.name.clone();
        let output = self.command(&["wt", "remove", &name, "--force"], true);
        self.known = match output.map(|output| output.code) {
            Some(0) => {
                self.count.removed += 1;
                Known::Absent
            }
            _ => Known::Unknown,
        };
    }

    /// Asks whether the worktree is there, and lets what a killed command had begun be finished first.
    fn look(&mut self) {
        let name = self.name.clone();
        let fixed = self.command(&["doctor", "--fix"], false).is_some_and(|output| output.code < 2);
        let listed = self.command(&["wt", "list", "--json"], false).filter(|output| output.code == 0);
        let Some(listed) = listed.filter(|_| fixed) else {
            // The disk is full, most likely.
            std::thread::sleep(Duration::from_millis(200));
            return;
        };
        let list = listed.json();
        let found = list.as_array().unwrap().iter().find(|w| w["name"] == name.as_str());
        self.known = match found.map(|w| w["status"].as_str().unwrap_or_default().to_owned()).as_deref() {
            None => Known::Absent,
            Some("creating") => Known::Unknown,
            Some(_) => Known::Active,
        };
    }

    /// Writes something that is nowhere else, as an agent does: into a tracked, an untracked or an ignored file.
    fn write(&mut self) {
        for _ in 0..=self.dice(4) {
            self.writes += 1;
            let file = match self.dice(5) {
                0 => "tracked.txt".to_owned(),
                1 => ".env".to_owned(),
                2 => "local.sqlite".to_owned(),
                3 => format!("deep/er/{}.txt", self.dice(9)),
                _ => format!("new {}.txt", self.dice(9)),
            };
            let path = self.directory().join(&file);
            let random = self.dice(u64::MAX);
            let token = format!("<<{} {} {random:x}>>", self.name, self.writes);
            let write = || -> std::io::Result<bool> {
                if file.starts_with("deep") {
                    // One by one: not the worktree itself, where it is gone.
                    for directory in ["deep", "deep/er"] {
                        let _ = std::fs::create_dir(self.directory().join(directory));
                    }
                }
                let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
                let line = format!("{token} {}\n", ".".repeat(200));
                // On a full disk less than all of it is written.
                Ok(file.write(line.as_bytes())? == line.len())
            };
            if write().unwrap_or(false) {
                self.world.wrote(token);
            }
        }
    }

    fn commit(&mut self) {
        let directory = self.directory();
        for args in [&["add", "--all"][..], &["commit", "--quiet", "--message", "work"]] {
            // Not started there: a killed removal may have put it aside.
            let git = self.world.env.program("git").arg("-C").arg(&directory);
            let call = git.args(args).patience(PATIENCE);
            if call.run().code != 0 {
                return;
            }
        }
        self.count.committed += 1;
    }

    fn directory(&self) -> Utf8PathBuf {
        self.world.root.join(".worktrees").join(&self.name)
    }

    /// Runs a command. `None` when it was killed.
    fn command(&mut self, args: &[&str], may_be_killed: bool) -> Option<Output> {
        let call: Call = self.world.biplane(args);
        let mut running = call.spawn();
        if may_be_killed && self.dice(4) == 0 {
            std::thread::sleep(Duration::from_millis(self.dice(400)));
            if running.is_running() {
                self.count.killed += 1;
                if self.dice(2) == 0 {
                    // With the git that it is running.
                    running.signal_group(Signal::KILL);
                }
                drop(running.kill());
                return None;
            }
        }
        let output = running.wait(PATIENCE);
        self.count.failed += u64::from(output.code != 0);
        self.world.hear(&output);
        Some(output)
    }
}
