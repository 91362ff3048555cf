//! `^C`: to the process group, as a terminal does it, and to the process alone.

use biplane_testkit::{Running, Signal, eventually};

use crate::{
    crash::{board, is_done_once, up},
    lab::{DEADLINE, Lab},
};

fn stop(running: &mut Running, group: bool) {
    if group { running.signal_group(Signal::INT) } else { running.signal(Signal::INT) }
}

fn up_stops_and_goes_on(group: bool) {
    let lab = board(6);
    let mut running = up(&lab).spawn();
    eventually(DEADLINE, "an agent is at work", || {
        lab.event_words().iter().any(|w| w == "worktree.run.before")
    });
    stop(&mut running, group);
    let output = running.wait(DEADLINE).fails_with(130);
    assert!(output.stdout.contains("stopped; `biplane up` goes on"), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    assert_eq!(lab.records().broken(), [""; 0]);
    let left = lab.json(&["task", "list"]);
    let running: Vec<_> = left
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["status"] == "in_progress")
        .map(|t| t["id"].clone())
        .collect();
    assert_eq!(running, [0; 0], "what was at work is given back");
    up(&lab).run().success();
    is_done_once(&lab, 6);
}

#[test]
fn up_stopped_by_a_terminal_goes_on_later() {
    up_stops_and_goes_on(true);
}

#[test]
fn up_stopped_alone_goes_on_later() {
    up_stops_and_goes_on(false);
}

#[test]
fn up_stops_an_agent_that_ignores_it() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let flag = lab.env.root().join("started");
    let agent = format!("trap '' INT TERM; touch '{flag}'; while :; do sleep 0.05; done");
    let mut running = lab.call(&["up", "--no-gate", "--", "sh", "-c", &agent]).spawn();
    eventually(DEADLINE, "the agent is at work", || flag.exists());
    running.signal_group(Signal::INT);
    eventually(DEADLINE, "the first is seen", || {
        // The second one means: at once.
        running.signal_group(Signal::INT);
        !running.is_running()
    });
    running.wait(DEADLINE).fails_with(130);
    assert_eq!(lab.processes(), [""; 0]);
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
    lab.is_sound();
}

#[test]
fn up_that_is_terminated_stops_cleanly_too() {
    let lab = board(4);
    let mut running = up(&lab).spawn();
    eventually(DEADLINE, "an agent is at work", || {
        lab.event_words().iter().any(|w| w == "worktree.run.before")
    });
    running.signal(Signal::TERM);
    let output = running.wait(DEADLINE);
    assert!(matches!(output.code, 130 | 143), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    up(&lab).run().success();
    is_done_once(&lab, 4);
}

fn merge_stops(group: bool) {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let before = lab.repo.head();
    let flag = lab.env.root().join("gate.started");
    let gate = format!("touch '{flag}'; sleep 600");
    let mut running = lab.call(&["merge", "w", "--gate", &gate]).spawn();
    eventually(DEADLINE, "the gate runs", || flag.exists());
    stop(&mut running, group);
    let output = running.wait(DEADLINE).fails_with(130);
    assert!(output.stderr.contains("stopped"), "{output}");
    assert_eq!(lab.repo.git(&["rev-parse", "main"]), before);
    assert_eq!((lab.processes(), lab.directories()), (vec![], vec!["w".to_owned()]));
    assert_eq!(lab.records().broken(), [""; 0]);
    lab.ok(&["merge", "w", "--gate", "test -f a.txt"]);
    lab.is_sound();
}

#[test]
fn merge_stopped_by_a_terminal_during_the_gate_lands_nothing() {
    merge_stops(true);
}

#[test]
fn merge_stopped_alone_during_the_gate_lands_nothing() {
    merge_stops(false);
}

fn run_stops(group: bool) {
    let lab = Lab::new();
    lab.create("w");
    let mut running = lab.call(&["run", "w", "--", "sh", "-c", "sleep 600 & echo up; wait"]).spawn();
    eventually(DEADLINE, "the command is up", || running.stdout() == "up\n");
    stop(&mut running, group);
    running.wait(DEADLINE).fails_with(130);
    assert_eq!(lab.processes(), [""; 0]);
    let last = lab.json(&["wt", "status", "w"]);
    assert_eq!(last["clean"], true);
    lab.is_sound();
}

#[test]
fn run_stopped_by_a_terminal_leaves_nothing_behind() {
    run_stops(true);
}

#[test]
fn run_stopped_alone_leaves_nothing_behind() {
    run_stops(false);
}

#[test]
fn a_command_that_handles_the_signal_says_its_own_exit_code() {
    let lab = Lab::new();
    lab.create("w");
    let script = "trap 'echo bye; exit 7' INT; echo up; while :; do sleep 0.02; done";
    let mut running = lab.call(&["run", "w", "--", "sh", "-c", script]).spawn();
    eventually(DEADLINE, "the command is up", || running.stdout() == "up\n");
    running.signal(Signal::INT);
    let output = running.wait(DEADLINE);
    assert_eq!(output.stdout, "up\nbye\n");
    assert!(matches!(output.code, 7 | 130), "{output}");
    lab.is_sound();
}
