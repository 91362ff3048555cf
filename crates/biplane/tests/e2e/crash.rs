//! `kill -9` of `up` at any moment, again and again; in the end everything is done exactly once.

use std::{collections::BTreeMap, time::Duration};

use biplane_testkit::Call;

use crate::lab::{Lab, sh};

/// A task a file, and a line in a file that all of them write.
const AGENT: &str = "set -e
test -n \"$BIPLANE_TASK_ID\"
echo $BIPLANE_TASK_ID > task_$BIPLANE_TASK_ID.txt
echo $BIPLANE_TASK_ID >> shared.txt
sleep 0.05
git add -A
git commit -q -m \"task $BIPLANE_TASK_ID\"
sleep 0.02";

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Tasks that wait for each other, and an agent's second chances for the file they all write.
pub(crate) fn board(tasks: usize) -> Lab {
    let lab = Lab::new();
    lab.settings("target = \"main\"\ngate = \"test -f README.md\"\n[up]\nmax_load = 0\nagents = 4\nrevisions = 50\nrecoveries = 100\n\
         [limits]\ntask_attempts = 1000\n");
    for n in 1..=tasks {
        let mut call = lab.call(&["task", "create", &format!("task {n}")]);
        if n > 4 {
            call = call.args(["--after", &(n - 4).to_string()]);
        }
        if n % 5 == 0 {
            call = call.args(["--after", &(n / 5).to_string()]);
        }
        call.run().success();
    }
    lab
}

pub(crate) fn up(lab: &Lab) -> Call {
    lab.call(&["up", "--"]).args(sh(AGENT)).patience(Duration::from_secs(120))
}

/// Everything is done once, and nothing is left over.
#[track_caller]
pub(crate) fn is_done_once(lab: &Lab, tasks: usize) {
    let listed = lab.json(&["task", "list"]);
    for task in listed.as_array().unwrap() {
        assert_eq!(task["status"], "completed", "{task:#}\n{}", lab.ok(&["events", "--limit", "60"]));
    }
    let mut landed: BTreeMap<String, usize> = BTreeMap::new();
    for event in lab.records().events().iter().filter(|e| e["event"] == "submission.landed") {
        *landed.entry(event["task"]["id"].to_string()).or_default() += 1;
    }
    assert_eq!(landed.len(), tasks, "{landed:?}");
    assert!(landed.values().all(|n| *n == 1), "{landed:?}");
    let mut shared: Vec<usize> =
        lab.repo.git(&["show", "main:shared.txt"]).lines().map(|l| l.parse().unwrap()).collect();
    shared.sort_unstable();
    assert_eq!(shared, (1..=tasks).collect::<Vec<_>>(), "each effect is on main once");
    for n in 1..=tasks {
        assert_eq!(lab.repo.git(&["show", &format!("main:task_{n}.txt")]), n.to_string());
    }
    assert_eq!(lab.processes(), [""; 0]);
    let events = || lab.ok(&["events", "--limit", "100"]);
    assert_eq!(lab.directories(), [""; 0], "{}{}", lab.ok(&["wt", "list"]), events());
    assert_eq!((lab.linked(), lab.branches().len()), (0, 0));
    for dir in [".tasks", ".worktrees"] {
        let half = lab
            .photograph(dir)
            .into_iter()
            .map(|f| f.0)
            .filter(|n| n.contains(".new") && !n.starts_with("runs/"));
        assert_eq!(half.collect::<Vec<_>>(), [""; 0], "no half-written file");
    }
    let pins = lab.repo.git(&["for-each-ref", "--format=%(refname)", "refs/biplane/"]);
    let left: Vec<_> = pins.lines().filter(|r| !r.starts_with("refs/biplane/snapshots/")).collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "", "the main checkout follows");
    lab.is_sound();
}

#[test]
fn up_finishes_a_board_with_dependencies_and_collisions() {
    let lab = board(12);
    up(&lab).run().success();
    is_done_once(&lab, 12);
}

#[test]
fn up_killed_8_times_loses_nothing_and_does_nothing_twice() {
    kill_up(8, 12, 0x5eed_0001);
}

#[test]
#[ignore = "needs minutes"]
fn up_killed_50_times_loses_nothing_and_does_nothing_twice() {
    kill_up(50, 12, 0x5eed_0002);
}

#[test]
#[ignore = "needs minutes"]
fn up_killed_at_its_start_again_and_again_loses_nothing() {
    let lab = board(12);
    let mut dice = Dice(0x5eed_0003);
    for _ in 0..30 {
        kill_after(&lab, Duration::from_millis(20 + dice.roll(250)));
    }
    up(&lab).run().success();
    is_done_once(&lab, 12);
}

fn kill_up(times: usize, tasks: usize, seed: u64) {
    let mut dice = Dice(seed);
    let mut lab = board(tasks);
    let mut left = times;
    while left > 0 {
        kill_after(&lab, Duration::from_millis(20 + dice.roll(1480)));
        assert_eq!(lab.records().broken(), [""; 0], "{left} to go");
        left -= 1;
        let open = lab.json(&["task", "list"]);
        if open.as_array().unwrap().iter().all(|t| t["status"] == "completed") {
            up(&lab).run().success();
            is_done_once(&lab, tasks);
            lab = board(tasks);
        }
    }
    up(&lab).run().success();
    is_done_once(&lab, tasks);
}

/// Starts `up` and kills it, and nothing but it, after a time; or lets it end when it is done before.
fn kill_after(lab: &Lab, time: Duration) {
    let mut running = up(lab).spawn();
    let started = std::time::Instant::now();
    let done = || started.elapsed() >= time || !running.is_running();
    biplane_testkit::eventually(Duration::from_secs(60), "it is time to kill it", done);
    if running.is_running() {
        running.kill().fails_with(137);
    } else {
        running.wait(time).success();
    }
}

#[test]
fn a_gate_that_was_orphaned_is_stopped_and_run_again() {
    let lab = Lab::new();
    let flag = lab.env.root().join("gate.started");
    lab.ok(&["task", "create", "one"]);
    let gate = format!("touch '{flag}'; test -f '{flag}.go' || sleep 600");
    let first = lab.call(&["up", "--gate", &gate, "--", "sh", "-c", "echo a > a.txt"]).spawn();
    biplane_testkit::eventually(crate::lab::DEADLINE, "the gate runs", || flag.exists());
    first.kill().fails_with(137);
    assert_ne!(lab.processes(), [""; 0], "the gate outlives it");
    std::fs::write(format!("{flag}.go"), "").unwrap();
    let second = lab.call(&["up", "--gate", &gate, "--", "sh", "-c", "echo a > a.txt"]).run().success();
    assert!(second.stderr.contains("recovered"), "{second}");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    assert_eq!((lab.processes(), lab.directories()), (vec![], vec![]));
    assert_eq!(lab.repo.git(&["rev-list", "--count", "main"]), "3", "first, the work, its merge");
    lab.is_sound();
}

#[test]
fn what_an_earlier_up_has_landed_is_cleared_up_by_the_next() {
    let lab = Lab::new();
    lab.settings("[up]\nremove_landed = false\n");
    lab.ok(&["task", "create", "one"]);
    let up = || lab.call(&["up", "--no-gate", "--", "sh", "-c", "echo a > a.txt"]).run().success();
    up();
    lab.work("mine", "b.txt", "b\n");
    lab.ok(&["merge", "mine", "--no-gate"]);
    assert_eq!(lab.directories(), ["1-one", "mine"]);
    lab.settings("");
    up();
    assert_eq!(lab.directories(), ["mine"], "a person's worktree is the person's to remove");
    lab.is_sound();
}

/// `up` is killed when work has landed, right before it deletes the ref that held what was submitted.
#[test]
fn the_ref_of_what_a_killed_up_has_landed_is_deleted_by_the_next() {
    let pins = |lab: &Lab| lab.repo.git(&["for-each-ref", "refs/biplane/submissions/"]);
    for number in 1.. {
        assert!(number < 20, "no kill came between the landing and the deletion");
        let lab = Lab::new();
        lab.ok(&["task", "create", "one"]);
        let up = || lab.call(&["up", "--no-gate", "--", "sh", "-c", "echo a > a.txt"]);
        up().env("FAILPOINT", format!("git update-ref before@{number}")).run().fails_with(137);
        let log = std::fs::read_to_string(lab.root().join(".worktrees/events.jsonl")).unwrap_or_default();
        if !log.contains("submission.landed") || pins(&lab).is_empty() {
            continue;
        }
        up().run().success();
        assert_eq!(pins(&lab), "");
        lab.is_sound();
        return;
    }
}

#[test]
fn the_ref_of_a_submission_that_is_over_is_cleared_up() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    // As a kill between the landing and the deletion leaves it.
    let pin = "refs/biplane/submissions/s1";
    lab.repo.git(&["update-ref", pin, &tree.head()]);
    lab.ok(&["wt", "remove", "w"]);
    lab.repo.git_call(&["rev-parse", "--verify", "--quiet", pin]).run().fails_with(1);
    lab.is_sound();
}
