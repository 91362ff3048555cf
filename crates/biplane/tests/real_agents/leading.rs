//! Real programs as the lead of `biplane chat`, with biplane's MCP server attached.

use std::time::Duration;

use biplane_testkit::{
    Records,
    standin::{Answer, Turn},
};
use camino::Utf8Path;
use serde_json::{Value, json};

use crate::lab::{Lab, Program};

/// What the lead does, one call after the other; the tools by their names on the board.
fn steps() -> Vec<(&'static str, Value)> {
    vec![
        ("task_create", json!({"subject": "Backend auth"})),
        ("task_create", json!({"subject": "Frontend login page"})),
        ("worktree_create", json!({"name": "auth-refactor", "task_id": 1})),
        ("worktree_create", json!({"name": "ui-login", "task_id": 2})),
        ("worktree_run", json!({"name": "auth-refactor", "command": "git status --short"})),
        ("worktree_keep", json!({"name": "ui-login"})),
        ("worktree_remove", json!({"name": "auth-refactor", "complete_task": true})),
        ("worktree_events", json!({})),
    ]
}

fn leads(program: Program) {
    let lab = Lab::new(program, "all", "", move |turn: &Turn, _: &Utf8Path| match steps().get(turn.step) {
        Some((tool, input)) => program.tool(tool, input.clone()),
        None => Answer::text("All is done."),
    });
    let call = lab.call(&["chat", "--agent", program.name(), "-p", "Do it all.", "--yes"]);
    let output = call.env("BIPLANE_BACKGROUND", "0").patience(Duration::from_secs(120)).run().success();
    assert!(output.stdout.contains("All is done."), "{output}");
    let (first, second) = (lab.task(1), lab.task(2));
    assert_eq!((&first["status"], &first["worktree"]), (&json!("completed"), &json!("")), "{output}");
    assert_eq!((&second["status"], &second["worktree"]), (&json!("in_progress"), &json!("ui-login")));
    let trees = lab.repo.path().join(".worktrees");
    assert!(!trees.join("auth-refactor").exists() && trees.join("ui-login/README.md").exists());
    assert_eq!(Records::read(lab.repo.path()).report(), [""; 0]);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_leads() {
    leads(Program::Claude);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_leads() {
    leads(Program::Codex);
}

fn asks_before_it_removes(program: Program) {
    let lab = Lab::new(program, "all", "", move |turn: &Turn, _: &Utf8Path| match turn.step {
        0 => program.tool("worktree_create", json!({"name": "w"})),
        1 => program.tool("worktree_remove", json!({"name": "w"})),
        _ => Answer::text("That is all."),
    });
    let call = lab.call(&["chat", "--agent", program.name(), "-p", "Make w and remove it."]);
    let output = call.env("BIPLANE_BACKGROUND", "0").run().success();
    assert!(lab.repo.path().join(".worktrees/w").exists(), "{output}");
    assert!(lab.model.turns().len() > 2, "it was asked again: {output}");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn what_nobody_permits_claude_code_does_not_do() {
    asks_before_it_removes(Program::Claude);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn what_nobody_permits_codex_does_not_do() {
    asks_before_it_removes(Program::Codex);
}
