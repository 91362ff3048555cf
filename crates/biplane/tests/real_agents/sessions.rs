//! The next attempt goes on with the conversation of the one before.

use std::time::Duration;

use biplane_testkit::{
    Records,
    standin::{Answer, Turn},
};
use camino::Utf8Path;

use crate::lab::{Lab, Program};

/// A first attempt forgets half of the work, the gate sends it back, and the second one does the rest in the same
/// conversation.
fn goes_on(program: Program) {
    let script = move |turn: &Turn, cwd: &Utf8Path| {
        let again =
            turn.number > turn.step && turn.earlier.iter().any(|said| said.contains("do both halves"));
        match (again, turn.step) {
            (false, 0) => program.write(cwd, "first.txt", "first"),
            (true, 0) => program.write(cwd, "second.txt", "second"),
            _ => Answer::text("It is done."),
        }
    };
    let lab = Lab::new(
        program,
        "all",
        "gate = \"test -e second.txt || { echo a half is missing; false; }\"",
        script,
    );
    lab.ok(&["task", "create", "do both halves"]);
    let up = lab.call(&["up"]).run().success();
    assert_eq!(lab.task(1)["status"], "completed", "{up}");
    assert_eq!(lab.repo.git(&["show", "main:first.txt"]), "first");
    assert_eq!(lab.repo.git(&["show", "main:second.txt"]), "second");
    let last = lab.model.turns().pop().unwrap();
    assert!(last.prompt.contains("a half is missing"), "it is told what the gate said: {}", last.prompt);
    lab.is_sound();
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_goes_on_with_its_session() {
    goes_on(Program::Claude);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_goes_on_with_its_session() {
    goes_on(Program::Codex);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn an_agent_of_the_client_protocol_goes_on_with_its_session() {
    goes_on(Program::Qwen);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn a_server_that_is_busy_for_a_moment_costs_no_attempt() {
    for program in [Program::Claude, Program::Codex] {
        let script = move |turn: &Turn, cwd: &Utf8Path| match (turn.step, turn.attempt) {
            (0, 0) => Answer::refuse(429).retry_after(Duration::from_secs(1)),
            (0, _) => program.write(cwd, "a.txt", "a"),
            _ => Answer::text("It is done."),
        };
        let lab = Lab::new(program, "all", "", script);
        lab.ok(&["task", "create", "do it"]);
        let up = lab.call(&["up", "--no-gate"]).run().success();
        assert_eq!(lab.task(1)["status"], "completed", "{program:?}: {up}");
        let records = Records::read(lab.repo.path());
        let runs = records.events().iter().filter(|e| e["event"] == "worktree.run.before").count();
        assert_eq!(runs, 1, "{program:?}: {up}");
        lab.is_sound();
    }
}
