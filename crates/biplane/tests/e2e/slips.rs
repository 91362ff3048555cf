//! What people do without a thought, and what must not come of it.

use std::fs;

use crate::lab::{DEADLINE, Lab, sh};

const AGENT: &str = "echo work > \"agent-$BIPLANE_TASK_ID.txt\"; git add -A; git commit -qm work";

#[test]
fn what_up_says_may_go_to_a_file_in_the_main_checkout() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let script = format!("exec '{}' up -- sh -c '{}' > up.log 2>&1", crate::lab::BIPLANE, AGENT);
    let up = lab.env.biplane("sh").in_dir(lab.root()).args(["-c", &script]).patience(DEADLINE);
    let said = up.run();
    let log = fs::read_to_string(lab.root().join("up.log")).unwrap();
    assert_eq!(said.code, 0, "{log}");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed", "{log}");
}

#[test]
fn a_program_or_a_target_that_is_not_there_blocks_no_task() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let said = lab.fails(5, &["up", "--", "/no/such/program"]);
    assert!(said.stderr.contains("there is no program `/no/such/program`"), "{said}");
    lab.settings_file("target = \"nope\"\n");
    let said = lab.call(&["up", "--"]).args(sh(AGENT)).run().fails_with(5);
    assert!(said.stderr.contains("there is no branch `nope` to land on"), "{said}");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
    assert_eq!(lab.directories(), [""; 0]);
}

#[test]
fn settings_that_are_a_link_to_nothing_or_no_file_are_not_taken_for_none() {
    let lab = Lab::new();
    let file = lab.root().join("biplane.toml");
    let _ = fs::remove_file(&file);
    std::os::unix::fs::symlink("/nowhere/settings.toml", &file).unwrap();
    let said = lab.call(&["up", "--"]).args(sh(AGENT)).run();
    assert!(said.code != 0 && said.stderr.contains("biplane.toml"), "{said}");
    fs::remove_file(&file).unwrap();
    lab.env.program("mkfifo").args([file.as_str()]).run().success();
    let said = lab.call(&["up", "--"]).args(sh(AGENT)).run();
    assert!(said.code != 0 && said.stderr.contains("is not a regular file"), "{said}");
}

#[test]
fn runs_of_plain_commands_come_back_with_the_ledger() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.call(&["up", "--"]).args(sh(AGENT)).patience(DEADLINE).run().success();
    let before = lab.json(&["log", "--list"]);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", lab.ledger()));
    }
    let said = lab.call(&["doctor", "--rebuild", "--fix"]).run();
    assert!(!said.stdout.contains("run.json"), "{said}");
    let after = lab.json(&["log", "--list"]);
    assert_eq!(before[0]["agent"], after[0]["agent"], "{before} {after}");
    assert_eq!(before[0]["base"], after[0]["base"]);
}

#[test]
fn an_empty_gate_is_not_taken_for_one_that_passes() {
    let lab = Lab::new();
    let tree = lab.create("w");
    tree.write("a.txt", "a\n");
    tree.commit("work");
    for gate in ["", " "] {
        for args in [
            &["merge", "w", "--gate", gate][..],
            &["submit", "w", "--gate", gate],
            &["up", "--gate", gate, "--", "true"],
            &["task", "create", "x", "--gate", gate],
        ] {
            let output = lab.fails(2, args);
            assert!(output.stderr.contains("the gate is empty"), "{output}");
        }
    }
}

#[test]
fn events_of_a_task_that_never_was_are_asked_for_in_vain() {
    let lab = Lab::new();
    let output = lab.fails(5, &["events", "--task", "99"]);
    assert!(output.stderr.contains("there is no task 99"), "{output}");
}
