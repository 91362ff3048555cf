//! Supervisors and agents that are killed or stopped, and clocks that are set: at most one agent is at work on a task at any
//! moment, nothing is lost, and no process is left.

use std::time::{Duration, Instant};

use biplane_testkit::{Call, Running, Signal, eventually};
use camino::Utf8PathBuf;
use rustix::process::{Pid, kill_process};

use crate::lab::{DEADLINE, Lab, sh};

/// The lease of these tests, and how long nothing must happen where nothing may: a lease, its margin, and a look.
const LEASE: &str = "2s";
const WINDOW: Duration = Duration::from_secs(5);

/// Waits for a file `go`, then does its task. Before that it looks whether another one is at work on it: one that has ended
/// and that its stopped supervisor has not collected is none.
const AGENT: &str = "
for other in $(cat \"$LAB/pids.$BIPLANE_TASK_ID\" 2>/dev/null); do
    grep -qs ') [^Z] ' /proc/$other/stat && echo \"$other beside $$\" >> \"$LAB/doubles\"
done
echo $$ >> \"$LAB/pids.$BIPLANE_TASK_ID\"
echo begun > begun_$BIPLANE_TASK_ID.txt
while ! [ -e \"$LAB/go.$BIPLANE_TASK_ID\" ]; do sleep 0.05; done
echo done > done_$BIPLANE_TASK_ID.txt
git add -A
git commit -q -m \"task $BIPLANE_TASK_ID\"
";

/// A home with a short lease.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    dir: Utf8PathBuf,
}

impl Bench {
    pub(crate) fn new(tasks: usize) -> Self {
        Self::with(tasks, "", "")
    }

    /// With more settings for `[up]` and of whole tables.
    pub(crate) fn with(tasks: usize, up: &str, tables: &str) -> Self {
        let lab = Lab::new();
        let text = format!(
            "target = \"main\"\ngate = \"test -f README.md\"\n[up]\nmax_load = 0\nlease = \"{LEASE}\"\n{up}\n{tables}"
        );
        lab.settings(&text);
        for n in 1..=tasks {
            lab.ok(&["task", "create", &format!("task {n}")]);
        }
        let dir = lab.env.dir("agents");
        Self { lab, dir }
    }

    pub(crate) fn up_with(&self, agents: usize, script: &str) -> Call {
        let args = ["up", "--agents", &agents.to_string(), "--"].map(str::to_owned);
        self.lab.call(&[]).args(args).args(sh(script)).env("LAB", &self.dir).patience(DEADLINE * 2)
    }

    pub(crate) fn up(&self, agents: usize) -> Running {
        self.up_with(agents, AGENT).spawn()
    }

    /// The processes that were agents on a task, the newest last.
    pub(crate) fn agents(&self, task: u32) -> Vec<i32> {
        let text = fs_read(&self.dir.join(format!("pids.{task}")));
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    #[track_caller]
    pub(crate) fn until_agents(&self, task: u32, count: usize) {
        eventually(DEADLINE, &format!("agent {count} is at work on task {task}"), || {
            self.agents(task).len() >= count
        });
    }

    pub(crate) fn go(&self, task: u32) {
        std::fs::write(self.dir.join(format!("go.{task}")), "").unwrap();
    }

    pub(crate) fn task(&self, task: u32) -> serde_json::Value {
        self.lab.json(&["task", "show", &task.to_string()])
    }

    pub(crate) fn count(&self, event: &str) -> usize {
        self.lab.event_words().iter().filter(|word| *word == event).count()
    }

    /// Stops a process while it holds none of the locks that others need: whoever held one would be waited for, whatever its
    /// lease.
    #[track_caller]
    pub(crate) fn stop_process(&self, running: &mut Running) {
        eventually(DEADLINE, "it is stopped and holds no lock", || {
            running.signal(Signal::STOP);
            let state = || fs_read(&format!("/proc/{}/stat", running.pid()).into());
            eventually(DEADLINE, "it has stopped", || state().contains(") T "));
            let locks = ["ledger.db.lock", "views.lock", "git.lock", "merge.lock"];
            let is_free = |name: &&str| {
                let path = self.lab.root().join(".git/biplane").join(name);
                std::fs::File::open(path).is_ok_and(|file| file.try_lock().is_ok())
            };
            let free = locks
                .iter()
                .filter(|name| self.lab.root().join(".git/biplane").join(name).exists())
                .all(is_free);
            if !free {
                running.signal(Signal::CONT);
            }
            free
        });
    }

    /// All is landed once, by agents of which no two were at work on one task.
    #[track_caller]
    pub(crate) fn is_done(&self, tasks: u32) {
        self.was_never_doubled();
        for task in 1..=tasks {
            assert_eq!(
                self.task(task)["status"],
                "completed",
                "{}",
                self.lab.ok(&["events", "--limit", "80"])
            );
            assert_eq!(self.lab.repo.git(&["show", &format!("main:done_{task}.txt")]), "done");
        }
        assert_eq!(self.count("submission.landed"), tasks as usize);
        self.lab.is_sound();
    }

    #[track_caller]
    pub(crate) fn was_never_doubled(&self) {
        assert_eq!(fs_read(&self.dir.join("doubles")), "");
        assert_eq!(self.lab.records().broken(), [""; 0]);
        eventually(DEADLINE, "no process is left", || self.lab.processes().is_empty());
    }
}

fn fs_read(path: &Utf8PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn kill(pid: i32) {
    // It may have ended by itself.
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

#[test]
fn a_killed_up_is_noticed_by_another_one_at_once() {
    let bench = Bench::new(2);
    let first = bench.up(1);
    bench.until_agents(1, 1);
    let second = bench.up(2);
    bench.until_agents(2, 1);
    first.kill().fails_with(137);
    bench.until_agents(1, 2);
    assert_eq!(bench.count("worktree.run.lost"), 1);
    (1..=2).for_each(|task| bench.go(task));
    second.wait(DEADLINE).success();
    bench.is_done(2);
}

#[test]
fn a_killed_agent_is_no_reason_to_start_another_beside_it() {
    let bench = Bench::new(1);
    let up = bench.up(2);
    bench.until_agents(1, 1);
    kill(bench.agents(1)[0]);
    up.wait(DEADLINE).fails_with(1);
    let task = bench.task(1);
    assert_eq!((task["status"].as_str(), task["used"]["attempts"].as_u64()), (Some("failed"), Some(1)));
    bench.lab.ok(&["task", "retry", "1"]);
    bench.go(1);
    bench.up(1).wait(DEADLINE).success();
    bench.is_done(1);
}

#[test]
fn both_killed_at_once_lose_nothing() {
    let bench = Bench::new(1);
    let mut up = bench.up(1);
    bench.until_agents(1, 1);
    up.signal(Signal::KILL);
    kill(bench.agents(1)[0]);
    up.wait(DEADLINE).fails_with(137);
    bench.go(1);
    let said = bench.up(1).wait(DEADLINE).success().stderr;
    assert!(said.contains("recovered: run r1 in `1-task-1` was lost with its supervisor"), "{said}");
    bench.is_done(1);
    let refs = bench.lab.repo.git(&["for-each-ref", "--format=%(refname)", "refs/biplane/snapshots/"]);
    let held = refs
        .lines()
        .any(|name| bench.lab.repo.git(&["ls-tree", "--name-only", name]).contains("begun_1.txt"));
    assert!(held, "what the lost agent had not committed is in a snapshot: {refs}");
}

/// Stops an `up` for longer than its lease while another one takes its task over; `meanwhile` happens while it is stopped.
fn stopped_and_taken_over(clock: Option<&str>, meanwhile: impl FnOnce(&Bench)) {
    let bench = Bench::new(1);
    let mut call = bench.up_with(1, AGENT);
    if let Some(offset) = clock {
        let file = bench.lab.env.root().join("clock");
        std::fs::write(&file, offset).unwrap();
        call = call.env("FAILPOINT_CLOCK", file);
    }
    let mut first = call.spawn();
    bench.until_agents(1, 1);
    bench.stop_process(&mut first);
    meanwhile(&bench);
    // Nothing else is ready: it must be there for something.
    bench.lab.ok(&["task", "create", "task 2"]);
    let second = bench.up(2);
    bench.until_agents(1, 2);
    assert_eq!((bench.count("task.fenced"), bench.count("worktree.run.lost")), (1, 1));
    first.signal(Signal::CONT);
    let said = first.wait(DEADLINE);
    assert_eq!(said.code, 0, "{said}");
    assert!(!said.stderr.contains("could not be moved on"), "{said}");
    assert!(bench.agents(1).len() == 2, "the first one starts nothing anew");
    assert_eq!(bench.task(1)["status"], "in_progress", "{said}");
    (1..=2).for_each(|task| bench.go(task));
    second.wait(DEADLINE).success();
    bench.is_done(2);
}

#[test]
fn a_stopped_up_loses_its_task_and_does_nothing_when_it_wakes() {
    stopped_and_taken_over(None, |_| {});
}

#[test]
fn an_agent_that_ends_while_its_supervisor_is_stopped_is_not_submitted_by_it() {
    stopped_and_taken_over(None, |bench| {
        bench.go(1);
        let done = bench.lab.root().join(".worktrees/1-task-1/done_1.txt");
        eventually(DEADLINE, "the agent is done", || done.exists());
        // The next one waits again.
        std::fs::remove_file(bench.dir.join("go.1")).unwrap();
    });
}

#[test]
fn a_clock_that_is_ahead_keeps_no_stopped_up_alive() {
    stopped_and_taken_over(Some("86400"), |_| {});
}

/// An `up` whose clock is set by `offset` in the middle of its work keeps it, whatever others see of its lease.
fn clock_set(offset: &str) {
    let bench = Bench::new(2);
    let file = bench.lab.env.root().join("clock");
    let first = bench.up_with(1, AGENT).env("FAILPOINT_CLOCK", &file).spawn();
    bench.until_agents(1, 1);
    let second = bench.up(2);
    bench.until_agents(2, 1);
    std::fs::write(&file, offset).unwrap();
    let before = bench.task(1)["lease_until"].as_f64().unwrap();
    eventually(DEADLINE, "its lease is renewed by the new clock", || {
        (bench.task(1)["lease_until"].as_f64().unwrap() - before).abs() > 3000.0
    });
    let refused = bench.lab.fails(4, &["task", "claim", "1", "--owner", "bob"]);
    assert!(refused.stderr.contains("belongs to `command`"), "{refused}");
    let until = Instant::now() + WINDOW;
    eventually(WINDOW * 2, "the window is over", || {
        assert_eq!((bench.count("task.fenced"), bench.count("worktree.run.lost")), (0, 0));
        Instant::now() >= until
    });
    (1..=2).for_each(|task| bench.go(task));
    first.wait(DEADLINE).success();
    second.wait(DEADLINE).success();
    assert_eq!((bench.agents(1).len(), bench.agents(2).len()), (1, 1));
    bench.is_done(2);
}

#[test]
fn a_clock_set_back_fences_nobody() {
    clock_set("-3600");
}

#[test]
fn a_clock_set_forward_fences_nobody() {
    clock_set("3600");
}

#[test]
fn two_ups_share_a_board() {
    let bench = Bench::new(8);
    (1..=8).for_each(|task| bench.go(task));
    let both = [bench.up(3), bench.up(3)];
    for up in both {
        up.wait(DEADLINE * 2).success();
    }
    assert_eq!(bench.count("worktree.run.before"), 16, "an agent and a gate for each");
    bench.is_done(8);
}

#[test]
fn a_task_whose_runs_are_lost_again_and_again_waits_for_a_person() {
    let bench = Bench::new(1);
    for attempt in 1..=3 {
        let up = bench.up(1);
        bench.until_agents(1, attempt);
        up.kill().fails_with(137);
    }
    let said = bench.up(1).wait(DEADLINE).fails_with(1);
    let task = bench.task(1);
    let reason = task["reason"].as_str().unwrap();
    assert_eq!(task["status"], "blocked", "{said}");
    assert!(
        reason.starts_with(
            "its run was lost 3 times without an end of its own; the last time: the process that held it died"
        ),
        "{reason}"
    );
    assert_eq!(bench.agents(1).len(), 3);
    // A person's word begins the count anew.
    bench.lab.ok(&["task", "retry", "1"]);
    let up = bench.up(1);
    bench.until_agents(1, 4);
    up.kill().fails_with(137);
    bench.go(1);
    bench.up(1).wait(DEADLINE).success();
    bench.is_done(1);
}

#[test]
fn a_claim_of_a_dead_process_can_be_taken_by_hand() {
    let bench = Bench::new(1);
    let up = bench.up(1);
    bench.until_agents(1, 1);
    bench.lab.fails(4, &["task", "claim", "1", "--owner", "bob"]);
    up.kill().fails_with(137);
    let claimed = bench.lab.json(&["task", "claim", "1", "--owner", "bob"]);
    assert_eq!((claimed["owner"].as_str(), claimed["run"].is_null()), (Some("bob"), true));
    bench.was_never_doubled();
    bench.lab.is_sound();
}

#[test]
fn a_claim_that_a_person_takes_away_ends_the_run_before_another_begins() {
    let bench = Bench::new(1);
    let up = bench.up(2);
    bench.until_agents(1, 1);
    bench.lab.ok(&["task", "release", "1"]);
    bench.until_agents(1, 2);
    bench.go(1);
    up.wait(DEADLINE).success();
    let first =
        &bench.lab.records().events().iter().rfind(|e| e["run"]["id"] == "r1").unwrap()["run"]["status"]
            .clone();
    assert_eq!(*first, "cancelled");
    bench.is_done(1);
}

#[test]
fn limits_of_a_task_stop_its_attempts() {
    let bench = Bench::with(1, "revisions = 50", "[limits]\ntask_attempts = 2\n");
    bench.go(1);
    let red = "echo f >> f.txt; git add -A; git commit -q -m f";
    let said = bench.lab.call(&["up", "--gate", "false", "--"]).args(sh(red)).run().fails_with(1);
    let task = bench.task(1);
    assert_eq!(task["status"], "blocked", "{said}");
    assert_eq!(task["reason"], "2 attempts were made, and that is the limit (`task_attempts`)");
    assert_eq!(task["used"]["attempts"], 2);
    assert!(task["used"]["time_s"].as_f64().unwrap() > 0.0);
    let shown = bench.lab.ok(&["task", "show", "1"]);
    assert!(shown.contains("used        2 attempts, "), "{shown}");
    bench.lab.ok(&["task", "reopen", "1"]);
    assert_eq!(bench.task(1)["used"]["attempts"], 0);
    bench.lab.is_sound();
}
