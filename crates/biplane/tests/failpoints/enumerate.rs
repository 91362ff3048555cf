//! Killing an operation at each of its places, recovering, and killing the recovery too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use biplane_testkit::{Output, Records};

use crate::{
    bed::{Bed, lines},
    work::{Work, checkouts},
};

/// The exit code of a program that `SIGKILL` ended.
const KILLED: i32 = 137;

/// Operations that differ from another one in a single call: every third of their places is enough.
const LIKE_ANOTHER: [&str; 3] = ["merge_squashed", "merge_rebased", "up_with_mail"];

/// Something a person does, and what it is done to.
pub(crate) struct Operation {
    /// What it is called in the output.
    pub(crate) name: &'static str,
    /// Makes the state before it.
    pub(crate) prepare: fn(&Bed),
    /// The command.
    pub(crate) args: &'static [&'static str],
    /// Its exit code when nothing disturbs it.
    pub(crate) code: i32,
    /// Whether it is done, by what is on the disk.
    pub(crate) done: fn(&Bed) -> bool,
}

/// What the operation begins with, and what is known of the places so far.
pub(crate) struct Enumeration<'o> {
    operation: &'o Operation,
    pub(crate) bed: Bed,
    work: Work,
    /// The target's tip, and what git says of the main checkout.
    tip: String,
    status: String,
    kills: usize,
    /// The places at which a recovery was killed, with how often.
    in_recovery: BTreeMap<String, usize>,
    /// The most places of a recovery.
    longest: usize,
}

/// How a case is brought back into order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// `doctor --fix`.
    Doctor,
    /// `doctor --fix`, killed on its way, and then again.
    KilledDoctor,
    /// The same command once more, as a person would.
    Again,
}

/// Kills the operation at each of its places.
pub(crate) fn enumerate(operation: &Operation) {
    let mut all = Enumeration::begin(operation);
    let places = all.undisturbed();
    let step = if LIKE_ANOTHER.contains(&operation.name) { 3 } else { 1 };
    for place in (1..=places.len()).step_by(step) {
        // Beside a board that is not biplane's yet, nothing but taking it over may come first.
        let is_import = operation.args == ["import"];
        let by = [By::KilledDoctor, By::Doctor, By::KilledDoctor, By::Again][place % 4];
        let by = if is_import { By::Again } else { by };
        all.case(place, &places[place - 1], by);
    }
    let named: BTreeSet<&String> = places.iter().collect();
    let recovered: usize = all.in_recovery.values().sum();
    println!(
        "{}: {} places ({} names), {} kills; {recovered} kills in recovery, at {} of its names",
        operation.name,
        places.len(),
        named.len(),
        all.kills,
        all.in_recovery.len()
    );
    assert!(all.kills > 0, "{}: no place was reached", operation.name);
}

impl<'o> Enumeration<'o> {
    /// Makes the state before the operation, and remembers it.
    pub(crate) fn begin(operation: &'o Operation) -> Self {
        let bed = Bed::new();
        (operation.prepare)(&bed);
        bed.remember();
        Self {
            operation,
            work: Work::of(&bed),
            tip: bed.repo.git(&["rev-parse", "main"]),
            status: status(&bed),
            bed,
            kills: 0,
            in_recovery: BTreeMap::new(),
            longest: 1,
        }
    }

    /// Does it without a kill, and gives the places it came through.
    fn undisturbed(&mut self) -> Vec<String> {
        let (output, places) = self.logged(self.operation.args, None);
        assert_eq!(output.code, self.operation.code, "{output}");
        assert!((self.operation.done)(&self.bed), "{}: it is not done", self.operation.name);
        let found = self.unsettled(false);
        assert_eq!(found, [""; 0], "{}, undisturbed", self.operation.name);
        places
    }

    /// Runs a command, killed at its place `fatal` when there is one, and gives the places it came through.
    fn logged(&self, args: &[&str], fatal: Option<usize>) -> (Output, Vec<String>) {
        let log = self.bed.log();
        let _ = fs::remove_file(&log);
        let mut call = self.bed.call(args).env("FAILPOINT_LOG", &log);
        if let Some(fatal) = fatal {
            call = call.env("FAILPOINT", fatal.to_string());
        }
        let output = call.run();
        (output, lines(&fs::read_to_string(&log).unwrap_or_default()))
    }

    fn case(&mut self, place: usize, name: &str, by: By) {
        self.bed.put_back();
        let (killed, _) = self.logged(self.operation.args, Some(place));
        let mut story = format!("{} killed at {place} (`{name}`), {by:?}\n{killed}", self.operation.name);
        self.kills += usize::from(killed.code == KILLED);
        self.expect(&story, self.untested());
        if by == By::KilledDoctor {
            // Over the cases each place of a recovery comes up.
            let at = 1 + (place / 2) % self.longest;
            let (output, places) = self.logged(&["doctor", "--fix"], Some(at));
            if output.code == KILLED {
                self.kills += 1;
                *self.in_recovery.entry(places.last().cloned().unwrap_or_default()).or_default() += 1;
            }
            story.push_str(&format!("\nthe recovery killed at {at} (`{:?}`)\n{output}", places.last()));
        }
        if by == By::Again {
            let (output, _) = self.logged(self.operation.args, None);
            story.push_str(&format!("\nagain\n{output}"));
        }
        self.is_recovered(story);
    }

    /// Recovers, looks at everything, does the operation again unless it is done, and looks again.
    pub(crate) fn is_recovered(&mut self, mut story: String) {
        let (output, places) = self.logged(&["doctor", "--fix", "--json"], None);
        story.push_str(&format!("\nrecovered\n{output}"));
        self.longest = self.longest.max(places.len());
        self.expect(&story, problems(&output));
        self.expect(&story, self.unsettled(true));
        if !(self.operation.done)(&self.bed) {
            let (output, _) = self.logged(self.operation.args, None);
            story.push_str(&format!("\ndone again\n{output}"));
            assert_eq!(output.code, self.operation.code, "{story}");
        }
        assert!((self.operation.done)(&self.bed), "it is not done\n{story}");
        self.expect(&story, self.unsettled(false));
    }

    #[track_caller]
    fn expect(&self, story: &str, found: Vec<String>) {
        assert!(found.is_empty(), "{}\n{story}\n{}", found.join("\n"), self.told());
    }

    /// The lifecycle log, for messages.
    fn told(&self) -> String {
        self.bed.call(&["events", "--limit", "100"]).run().stdout
    }

    /// What is not as it must be in a home at rest.
    fn unsettled(&self, after_recovery: bool) -> Vec<String> {
        let bed = &self.bed;
        let mut found = self.work.missing(bed);
        found.extend(self.untested());
        found.extend(leftovers(bed));
        let status = status(bed);
        if status != self.status {
            found.push(format!("the main checkout shows `{status}`, and showed `{}`", self.status));
        }
        let known: BTreeSet<String> = bed
            .json(&["wt", "list"])
            .as_array()
            .into_iter()
            .flatten()
            .filter(|w| w["status"] != "removed")
            .filter_map(|w| w["path"].as_str().map(str::to_owned))
            .collect();
        let listed: BTreeSet<String> = checkouts(bed).into_iter().skip(1).map(|p| p.into_string()).collect();
        if known != listed {
            found.push(format!("the ledger knows {known:?}, git {listed:?}"));
        }
        let report = Records::read(bed.repo.path()).report();
        // What was queued and requeued waits for the operation to be done again.
        found.extend(
            report.into_iter().filter(|l| !(l.starts_with("submission") && l.ends_with("has no end"))),
        );
        if after_recovery {
            let before = state(bed);
            let output = bed.call(&["doctor", "--fix", "--json"]).run();
            found.extend(problems(&output));
            let after = state(bed);
            if before != after {
                found.push(format!("a second repair changed {before:#?}\nto {after:#?}\n{output}"));
            }
        } else {
            let output = bed.repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run();
            if output.code != 0 || !output.stdout.is_empty() {
                found.push(output.to_string());
            }
        }
        found
    }

    /// The target is where it was, or at a commit on which the gate was run.
    fn untested(&self) -> Vec<String> {
        let tip = self.bed.repo.git(&["rev-parse", "main"]);
        let is_tested = tip == self.tip || self.bed.tested().contains(&tip);
        if is_tested { Vec::new() } else { vec![format!("main is at {tip}, which was not tested")] }
    }
}

/// What git says of the main checkout, without a board that other tools have put there.
fn status(bed: &Bed) -> String {
    let status = bed.repo.git(&["status", "--porcelain", "--untracked-files=all"]);
    let of_board = |line: &&str| [" .tasks/", " .team/", " .worktrees/"].iter().any(|dir| line.contains(dir));
    status.lines().filter(|line| !of_board(line)).collect::<Vec<_>>().join("\n")
}

/// What `doctor --fix` found and did not put right.
fn problems(doctor: &Output) -> Vec<String> {
    let said = serde_json::from_str::<serde_json::Value>(&doctor.stdout).unwrap_or_default();
    let Some(findings) = said["findings"].as_array() else { return vec![format!("doctor said {doctor}")] };
    let is_open = |f: &&serde_json::Value| f["severity"] == "problem" && f["fixed"] != true;
    findings.iter().filter(is_open).map(|f| format!("doctor: {f}")).collect()
}

/// What a repair that has nothing to do leaves as it is.
fn state(bed: &Bed) -> (usize, String, BTreeSet<String>) {
    let events = fs::read_to_string(bed.path(".worktrees/events.jsonl")).unwrap_or_default();
    let refs = bed.repo.git(&["for-each-ref", "--format=%(objectname) %(refname)"]);
    // The ref of a submission that is over is deleted when some time has passed.
    let refs: Vec<_> = refs.lines().filter(|l| !l.contains("refs/biplane/submissions/")).collect();
    let dirs = [".worktrees", ".git/worktrees", ".git/biplane"].into_iter().flat_map(|dir| {
        let entries = bed.path(dir).read_dir_utf8().into_iter().flatten().flatten();
        entries.map(|e| e.path().to_string()).collect::<Vec<_>>()
    });
    (events.lines().count(), refs.join("\n"), dirs.collect())
}

/// What nobody uses any more: half of a file, a directory put aside, a lock of git's.
fn leftovers(bed: &Bed) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![bed.repo.path().to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_own_lock = path.parent().is_some_and(|dir| dir.ends_with(".git/biplane"));
            let is_left =
                [".removed-", ".gate-", ".new-", "index-by-", "doctor-by-", "entry-by-", ".git-link-"]
                    .iter()
                    .any(|start| name.starts_with(start))
                    || (name.starts_with('.') && name.ends_with(".new"))
                    || (name.ends_with(".lock") && !is_own_lock);
            if is_left {
                found.push(format!("`{path}` was left behind"));
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) && name != "objects" {
                open.push(path.to_owned());
            }
        }
    }
    found
}
