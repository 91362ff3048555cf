//! A program that ends well although nothing came of it has failed.

use biplane_testkit::standin::{Answer, Turn};
use camino::Utf8Path;
use serde_json::Value;

use crate::lab::{Lab, Program};

const ALL: [Program; 3] = [Program::Claude, Program::Codex, Program::Qwen];

/// A task whose model runs `command` and then says that all is well.
fn claims_success_after(program: Program, permissions: &str, command: &'static str) -> (Lab, Value) {
    let script = move |turn: &Turn, _: &Utf8Path| match turn.step {
        0 => program.run(command),
        _ => Answer::text("All is done, and all tests pass."),
    };
    let lab = Lab::new(program, permissions, "", script);
    lab.ok(&["task", "create", "do it"]);
    let _ = lab.call(&["up", "--no-gate"]).run().fails_with(1);
    assert_eq!(lab.model.turns().last().unwrap().step, 1, "{program:?} went on after the tool");
    let task = lab.task(1);
    (lab, task)
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn denied_tools_are_a_failure() {
    for program in ALL {
        // Outside of the worktree: nobody who may only edit may write there.
        let (lab, task) = claims_success_after(program, "edits", "touch /not-for-agents");
        assert!(!Utf8Path::new("/not-for-agents").exists());
        assert_eq!(task["status"], "failed", "{program:?}: {task:#}");
        let reason = task["reason"].as_str().unwrap();
        assert!(reason.contains("denied") || reason.contains("nothing to show"), "{program:?}: {reason}");
        lab.is_sound();
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn failing_commands_are_a_failure() {
    for program in ALL {
        let (lab, task) = claims_success_after(program, "all", "echo trying; exit 3");
        let result = lab.model.turns().pop().unwrap().results.pop().unwrap();
        assert!(result.text.contains("trying") && result.text.contains('3'), "{program:?}: {result:?}");
        assert_eq!(task["status"], "failed", "{program:?}: {task:#}");
        assert!(task["reason"].as_str().unwrap().contains("nothing to show"), "{program:?}: {task:#}");
        lab.is_sound();
    }
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn a_server_that_refuses_for_good_is_told() {
    for program in [Program::Claude, Program::Codex] {
        let lab = Lab::new(program, "edits", "", |_: &Turn, _: &Utf8Path| Answer::refuse(401));
        lab.ok(&["task", "create", "do it"]);
        let up = lab.call(&["up", "--no-gate"]).run().fails_with(1);
        assert_eq!(lab.task(1)["status"], "failed", "{program:?}: {up}");
        lab.is_sound();
    }
}
