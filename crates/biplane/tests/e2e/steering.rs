//! Stopping one, pausing, resuming, draining, trying again, and sending work back.

use std::time::{Duration, Instant};

use biplane_testkit::{Signal, eventually};

use crate::{
    lab::{DEADLINE, Lab},
    leases::Bench,
};

/// How long nothing must happen where nothing may: an `up` looks several times a second.
const WINDOW: Duration = Duration::from_secs(2);

fn runs(stopped: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    stopped["runs"].as_array().unwrap().iter().map(|run| (text(&run["id"]), text(&run["status"]))).collect()
}

fn one(id: &str, status: &str) -> Vec<(String, String)> {
    vec![(id.to_owned(), status.to_owned())]
}

#[test]
fn stop_ends_what_is_at_work_on_a_task_and_leaves_it_to_a_person() {
    let bench = Bench::new(2);
    let up = bench.up(2);
    (1..=2).for_each(|task| bench.until_agents(task, 1));
    let stop = ["stop", "1", "--reason", "wrong way", "--json"];
    let stopped = bench.lab.call(&stop).env("BIPLANE_ACTOR", "ann").run().success().json();
    let run = stopped["runs"][0].clone();
    assert_eq!((run["status"].as_str(), run["stop_by"].as_str()), (Some("cancelled"), Some("ann")));
    assert_eq!(stopped["task"]["status"], "blocked");
    assert_eq!(stopped["task"]["reason"], "stopped by ann: wrong way");
    let work = bench.lab.root().join(".worktrees/1-task-1/begun_1.txt");
    assert!(work.exists(), "what it has done stays");
    let again = bench.lab.fails(5, &["stop", "1"]);
    assert!(again.stderr.contains("nothing is at work on task 1, which is blocked"), "{again}");
    assert!(
        again.stderr.contains("hint: at work: r") && again.stderr.contains("(agent of task 2)"),
        "{again}"
    );
    let over = bench.lab.fails(5, &["stop", run["id"].as_str().unwrap()]);
    assert!(over.stderr.contains("is not at work: it is cancelled"), "{over}");
    bench.go(2);
    let said = up.wait(DEADLINE).fails_with(1);
    assert!(said.stdout.contains("blocked: stopped by ann: wrong way"), "{said}");
    assert!(!said.stderr.contains("could not be moved on"), "{said}");
    assert_eq!((bench.agents(1).len(), bench.count("run.stop")), (1, 1));
    // Stopped by somebody, it is no attempt.
    assert_eq!(bench.task(1)["used"]["attempts"], 0);
    bench.lab.ok(&["task", "retry", "1"]);
    bench.go(1);
    bench.up(1).wait(DEADLINE).success();
    bench.is_done(2);
}

#[test]
fn stop_works_while_the_supervisor_does_not() {
    let bench = Bench::new(1);
    let mut up = bench.up(1);
    bench.until_agents(1, 1);
    bench.stop_process(&mut up);
    let stopped = bench.lab.json(&["stop", "r1"]);
    assert_eq!(
        (runs(&stopped), stopped["task"]["status"].as_str()),
        (one("r1", "cancelled"), Some("blocked"))
    );
    assert_eq!(bench.count("worktree.snapshot"), 1, "what its agent had not committed is held");
    let events = bench.lab.records().events().len();
    up.signal(Signal::CONT);
    up.wait(DEADLINE).fails_with(1);
    assert_eq!(bench.lab.records().events().len(), events, "it has nothing to add");
    bench.was_never_doubled();
    bench.lab.is_sound();
}

#[test]
fn stop_works_when_the_supervisor_is_dead() {
    let bench = Bench::new(1);
    let up = bench.up(1);
    bench.until_agents(1, 1);
    up.kill().fails_with(137);
    let stopped = bench.lab.json(&["stop", "1"]);
    assert_eq!(
        (runs(&stopped), stopped["task"]["status"].as_str()),
        (one("r1", "cancelled"), Some("blocked"))
    );
    bench.was_never_doubled();
    bench.up(1).wait(DEADLINE).fails_with(1);
    assert_eq!(bench.agents(1).len(), 1);
    bench.lab.is_sound();
}

#[test]
fn stop_ends_an_agent_that_does_not_want_to() {
    let bench = Bench::new(1);
    let stubborn = "trap '' TERM INT; echo $$ >> \"$LAB/pids.1\"; while :; do sleep 0.05; done";
    let up = bench.up_with(1, stubborn).spawn();
    bench.until_agents(1, 1);
    let both = ["1", "r1"].map(|what| bench.lab.call(&["stop", what, "--json"]).spawn());
    for stop in both {
        let stopped = stop.wait(DEADLINE).success().json();
        assert_eq!(runs(&stopped), one("r1", "cancelled"));
    }
    assert_eq!(bench.count("run.stop"), 1, "asked twice, it is one wish");
    up.wait(DEADLINE).fails_with(1);
    bench.was_never_doubled();
    bench.lab.is_sound();
}

#[test]
fn stop_ends_a_gate_and_withdraws_what_it_tested() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    let before = lab.repo.head();
    let flag = lab.env.root().join("gate.started");
    let gate = format!("touch '{flag}'; sleep 600");
    let merge = lab.call(&["merge", "w", "--gate", &gate]).spawn();
    eventually(DEADLINE, "the gate runs", || flag.exists());
    let stopped = lab.json(&["stop", "1"]);
    assert_eq!(
        (runs(&stopped), stopped["task"]["status"].as_str()),
        (one("r1", "cancelled"), Some("blocked"))
    );
    merge.wait(DEADLINE).fails_with(4);
    assert_eq!(lab.repo.git(&["rev-parse", "main"]), before);
    assert!(lab.event_words().contains(&"submission.withdrawn".to_owned()));
    assert_eq!(lab.processes(), [""; 0]);
    lab.is_sound();
    lab.ok(&["task", "retry", "1"]);
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.is_sound();
}

#[test]
fn stop_ends_a_command_and_leaves_its_task_alone() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let mut running = lab.call(&["run", "w", "--", "sh", "-c", "echo up; sleep 600"]).spawn();
    eventually(DEADLINE, "the command is up", || running.stdout() == "up\n");
    assert!(lab.fails(5, &["stop", "1"]).stderr.contains("at work: r1 (command of task 1)"));
    assert!(running.is_running());
    let stopped = lab.json(&["stop", "r1"]);
    assert_eq!(
        (runs(&stopped), stopped["task"]["status"].as_str()),
        (one("r1", "cancelled"), Some("in_progress"))
    );
    running.wait(DEADLINE).fails_with(1);
    assert_eq!(lab.processes(), [""; 0]);
    lab.fails(5, &["stop", "r7"]);
    lab.fails(5, &["stop", "7"]);
    lab.fails(2, &["stop", "-x"]);
    lab.is_sound();
}

#[test]
fn pause_starts_nothing_until_resumed() {
    let bench = Bench::new(2);
    let mut up = bench.up(1);
    bench.until_agents(1, 1);
    let paused = bench.lab.json(&["pause"]);
    assert_eq!(
        (paused["state"].as_str(), paused["changed"].as_bool(), paused["at_work"].as_bool()),
        (Some("paused"), Some(true), Some(true))
    );
    assert_eq!(bench.lab.json(&["pause"])["changed"], false);
    bench.go(1);
    eventually(DEADLINE, "what was at work lands", || bench.count("submission.landed") == 1);
    let until = Instant::now() + WINDOW;
    eventually(WINDOW * 2, "the window is over", || {
        assert!(up.is_running() && bench.agents(2).is_empty());
        Instant::now() >= until
    });
    assert_eq!(bench.lab.ok(&["resume"]), "agents are started\n");
    bench.go(2);
    up.wait(DEADLINE).success();
    assert_eq!((bench.count("up.paused"), bench.count("up.resumed")), (1, 1));
    bench.is_done(2);
}

#[test]
fn a_paused_up_can_be_stopped() {
    let bench = Bench::new(1);
    assert!(bench.lab.ok(&["pause"]).contains("`biplane resume` ends the pause"));
    let mut up = bench.up(1);
    eventually(DEADLINE, "it is at work", || bench.lab.json(&["pause"])["at_work"] == true);
    up.signal(Signal::INT);
    up.wait(DEADLINE).fails_with(130);
    assert_eq!(bench.lab.ok(&["resume"]), "agents are started, as soon as there is an `up`\n");
    bench.go(1);
    bench.up(1).wait(DEADLINE).success();
    bench.is_done(1);
}

#[test]
fn drain_ends_every_up_and_is_over_then() {
    let bench = Bench::new(4);
    let both = [1, 2].map(|task| {
        let up = bench.up(1);
        bench.until_agents(task, 1);
        up
    });
    assert!(bench.lab.ok(&["drain"]).contains("every `up` ends when what is at work is done"));
    let refused = bench.up(1).wait(DEADLINE).fails_with(6);
    assert!(
        refused.stderr.contains("another `up` drains") && refused.stderr.contains("`biplane resume`"),
        "{refused}"
    );
    (1..=4).for_each(|task| bench.go(task));
    let said: Vec<String> = both.map(|up| up.wait(DEADLINE).success().stderr).into();
    assert_eq!(said.concat().matches("drained: no agent is at work any more").count(), 1, "{said:?}");
    assert_eq!((bench.count("up.draining"), bench.count("up.resumed")), (1, 1));
    assert_eq!(
        (bench.task(1)["status"].as_str(), bench.task(3)["status"].as_str()),
        (Some("completed"), Some("pending"))
    );
    assert_eq!(bench.lab.ok(&["drain"]), "no `up` is at work: there is nothing to drain\n");
    bench.up(2).wait(DEADLINE).success();
    bench.is_done(4);
}

#[test]
fn a_drain_whose_last_up_was_killed_is_over_with_the_next_one() {
    let bench = Bench::new(1);
    let up = bench.up(1);
    bench.until_agents(1, 1);
    bench.lab.ok(&["drain"]);
    up.kill().fails_with(137);
    bench.go(1);
    let said = bench.up(1).wait(DEADLINE).success().stderr;
    assert!(said.contains("the drain is over: agents are started again"), "{said}");
    bench.is_done(1);
}

#[test]
fn comments_send_work_back_from_review() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    assert!(
        lab.fails(3, &["task", "return", "1", "--reason", "no"]).stderr.contains("`biplane stop 1` stops")
    );
    lab.ok(&["submit", "w", "--no-gate"]);
    assert!(lab.fails(3, &["task", "retry", "1"]).stderr.contains("`biplane task return 1"));
    lab.fails(2, &["task", "return", "1", "--reason", "  "]);
    lab.fails(2, &["task", "return", "1"]);
    let task = lab.json(&["task", "return", "1", "--reason", "name it b.txt\nplease"]);
    assert_eq!((task["status"].as_str(), task["attempts"].as_u64()), (Some("pending"), Some(1)));
    assert_eq!(
        (task["reason"].as_str(), task["worktree"].as_str()),
        (Some("name it b.txt\nplease"), Some("w"))
    );
    assert!(lab.event_words().contains(&"submission.withdrawn".to_owned()));
    assert_eq!(lab.repo.git(&["for-each-ref", "refs/biplane/submissions/"]), "");
    // What was withdrawn does not land any more, and what is submitted anew does.
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    assert!(
        lab.fails(3, &["task", "return", "1", "--reason", "late"]).stderr.contains("task 1 is completed")
    );
    lab.is_sound();
}

#[test]
fn comments_end_a_gate_that_is_at_work() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    let flag = lab.env.root().join("gate.started");
    let merge = lab.call(&["merge", "w", "--gate", &format!("touch '{flag}'; sleep 600")]).spawn();
    eventually(DEADLINE, "the gate runs", || flag.exists());
    let task = lab.json(&["task", "return", "1", "--reason", "not yet"]);
    assert_eq!(task["status"], "pending");
    merge.wait(DEADLINE).fails_with(4);
    assert_eq!(
        (lab.processes(), lab.json(&["task", "show", "1"])["status"].as_str()),
        (vec![], Some("pending"))
    );
    lab.is_sound();
}

#[test]
fn blocked_and_failed_work_is_tried_again_or_sent_back() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let state = |args: &[&str]| lab.json(args)["status"].as_str().unwrap().to_owned();
    assert_eq!(state(&["task", "retry", "1"]), "pending", "pending is what is wanted");
    let events = lab.records().events().len();
    lab.ok(&["task", "retry", "1"]);
    assert_eq!(lab.records().events().len(), events);
    for end in ["block", "fail", "cancel"] {
        lab.ok(&["task", end, "1", "--reason", "so"]);
        assert_eq!(state(&["task", "retry", "1"]), "pending", "{end}");
    }
    for (attempts, end) in [(1, "block"), (2, "fail")] {
        lab.ok(&["task", end, "1"]);
        let task = lab.json(&["task", "return", "1", "--reason", "again"]);
        assert_eq!((task["status"].as_str(), task["attempts"].as_u64()), (Some("pending"), Some(attempts)));
    }
    lab.ok(&["task", "cancel", "1"]);
    assert!(
        lab.fails(3, &["task", "return", "1", "--reason", "no"]).stderr.contains("`biplane task reopen 1`")
    );
    lab.ok(&["task", "retry", "1"]);
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    assert!(lab.fails(3, &["task", "retry", "1"]).stderr.contains("`biplane stop 1` stops"));
    lab.ok(&["task", "complete", "1"]);
    lab.fails(3, &["task", "retry", "1"]);
    lab.is_sound();
}

#[test]
fn no_agent_is_started_while_much_waits_to_land() {
    let lab = Lab::new();
    let tasks = 16;
    for n in 1..=tasks {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    let gate = "n=0; until test -e \"$BIPLANE_ROOT/.worktrees/go\" || test $n -gt 600; do sleep 0.1; n=$((n+1)); done";
    let work = "echo $BIPLANE_TASK_ID > $BIPLANE_TASK_ID.txt; git add .; git commit -qm work";
    let args = ["up", "--agents", "2", "--gate", gate, "--", "sh", "-c", work];
    let up = lab.call(&args).spawn();
    let count = |status: &str| lab.json(&["task", "list", "--status", status]).as_array().map_or(0, Vec::len);
    eventually(DEADLINE, "as many wait as may", || count("in_review") >= 8 && count("in_progress") == 0);
    let began = Instant::now();
    while began.elapsed() < WINDOW {
        assert!(count("in_review") <= 9 && count("pending") >= tasks - 9, "no more is begun");
    }
    lab.repo.write(".worktrees/go", "");
    up.wait(DEADLINE).success();
    assert_eq!(count("completed"), tasks);
}
