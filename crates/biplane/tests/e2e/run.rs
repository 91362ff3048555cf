//! `biplane run`: as if one stood in the worktree.

use std::time::Duration;

use biplane_testkit::eventually;

use crate::lab::{DEADLINE, Lab};

#[test]
fn exit_code_streams_directory_and_input_are_the_commands() {
    let lab = Lab::new();
    lab.create("w");
    let script = "pwd; cat; echo to stderr >&2; exit 42";
    let output = lab.call(&["run", "w", "--", "sh", "-c", script]).stdin("read me\n").run().fails_with(42);
    assert_eq!(output.stdout, format!("{}/.worktrees/w\nread me\n", lab.root()));
    assert_eq!(output.stderr, "to stderr\n");
    lab.fails(1, &["run", "w", "--", "false"]);
    lab.fails(137, &["run", "w", "--", "sh", "-c", "kill -9 $$"]);
    lab.is_sound();
}

#[test]
fn arguments_arrive_as_they_are() {
    let lab = Lab::new();
    lab.create("w");
    let out = lab.ok(&["run", "w", "--", "printf", "[%s]", "a b", "$HOME", "-x", "--", "*", "", "ä\n"]);
    assert_eq!(out, "[a b][$HOME][-x][--][*][][ä\n]");
}

#[test]
fn json_has_standard_output_for_itself() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let script = "echo out; echo err >&2; exit 3";
    let output = lab.call(&["--json", "run", "w", "--", "sh", "-c", script]).run().fails_with(3);
    let run = output.json();
    assert_eq!((run["exit_code"].as_i64(), run["status"].as_str()), (Some(3), Some("failed")), "{run:#}");
    let log = std::fs::read_to_string(run["log"].as_str().unwrap()).unwrap();
    assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
}

#[test]
fn the_environment_names_task_epoch_and_run_and_no_git_variable() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let output = lab.call(&["run", "w", "--", "env"]).env("GIT_DIR", "/nowhere").run().success();
    let has = |line: &str| output.stdout.lines().any(|l| l == line);
    assert!(has("BIPLANE_TASK_ID=1") && has("BIPLANE_EPOCH=1") && has("BIPLANE_WORKTREE=w"), "{output}");
    assert!(has(&format!("BIPLANE_ROOT={}", lab.root())) && !output.stdout.contains("GIT_DIR="), "{output}");
}

#[test]
fn a_command_that_takes_too_long_is_stopped_with_all_it_has_started() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let script = "setsid sh -c 'while :; do echo x >> beat; sleep 0.02; done' & (sleep 600 &) ; sleep 600";
    let output = lab.fails(6, &["run", "w", "--timeout", "1s", "--", "sh", "-c", script]);
    assert!(output.stderr.contains("was not done in time and was stopped"), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    let beat = || std::fs::metadata(tree.path().join("beat")).map(|m| m.len()).unwrap_or_default();
    let (length, since) = (beat(), std::time::Instant::now());
    assert!(length > 0);
    let window = Duration::from_millis(150);
    eventually(DEADLINE, "a window has passed", || since.elapsed() > window);
    assert_eq!(beat(), length, "the daemon writes no more");
    assert!(lab.event_words().contains(&"worktree.run.timeout".to_owned()));
    lab.is_sound();
}

#[test]
fn processes_that_a_command_leaves_behind_are_stopped_and_told_of() {
    let lab = Lab::new();
    lab.create("w");
    let output = lab.call(&["run", "w", "--", "sh", "-c", "setsid sleep 600 & echo done"]).run().success();
    assert_eq!(output.stdout, "done\n");
    assert!(output.stderr.contains("left behind"), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    lab.is_sound();
}

#[test]
fn output_is_all_passed_on_and_the_log_is_bounded() {
    let lab = Lab::new();
    lab.settings("[limits]\nlog = \"64K\"\n");
    lab.create("w");
    let script = "i=0; while [ $i -lt 20000 ]; do echo \"line $i of the output\"; i=$((i+1)); done";
    let output = lab.ok(&["run", "w", "--", "sh", "-c", script]);
    assert_eq!(output.lines().count(), 20_000);
    let log = std::fs::read_to_string(lab.root().join(".worktrees/runs/r1/output.log")).unwrap();
    // The end is kept beside what the bound lets through.
    assert!(log.len() < (64 + 64 + 1) * 1024, "{}", log.len());
    assert!(log.contains("line 0 of") && log.contains("line 19999 of"), "the start and the end are kept");
}

#[test]
fn a_program_that_is_not_there_and_a_worktree_that_is_not_there_are_told_apart() {
    let lab = Lab::new();
    lab.create("w");
    assert!(lab.fails(5, &["run", "w", "--", "no-such-program"]).stderr.contains("`no-such-program`"));
    assert!(lab.fails(5, &["run", "v", "--", "true"]).stderr.contains("no worktree `v`"));
    lab.fails(2, &["run", "w"]);
    lab.is_sound();
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let lab = Lab::new();
    for n in 0..50 {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    let script = format!("'{}' task list | head -n 1; echo ok", crate::lab::BIPLANE);
    let output = lab.env.program("sh").in_dir(lab.root()).args(["-c", &script]).run().success();
    assert!(output.stdout.ends_with("ok\n") && output.stderr.is_empty(), "{output}");
}
