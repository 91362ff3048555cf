//! Real programs as the lead, over the server that `biplane init --agent` has told them of.

use std::time::Duration;

use biplane_testkit::{
    Records, eventually, real_agent,
    standin::{Answer, StandIn, Turn},
};
use serde_json::{Value, json};

use crate::{hookup::Told, lab::Program};

/// What the model of the lead calls, one after the other.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("task_create", json!({"subject": "Backend auth"})),
        ("task_create", json!({"subject": "Login page"})),
        ("worktree_create", json!({"name": "auth-refactor", "task_id": 1})),
        ("worktree_create", json!({"name": "ui-login"})),
        ("task_bind_worktree", json!({"task_id": 2, "worktree": "ui-login"})),
        (
            "worktree_run",
            json!({"name": "auth-refactor", "command": "echo work > auth.txt; git status --short"}),
        ),
        ("worktree_keep", json!({"name": "ui-login"})),
        // It has work that nobody has saved, so the first time it is refused.
        ("worktree_remove", json!({"name": "auth-refactor", "complete_task": true})),
        (
            "worktree_remove",
            json!({"name": "auth-refactor", "complete_task": true, "force": true, "reason": "a try"}),
        ),
        ("task_list", json!({})),
        ("worktree_list", json!({})),
        ("worktree_events", json!({"limit": 50})),
    ]
}

/// The program is asked once, in the main checkout, and its model does all of it.
fn leads(program: Program, args: &[&str], trust: impl Fn(&Told)) {
    let told = Told::new();
    trust(&told);
    let calls = calls();
    let count = calls.len();
    let script = move |turn: &Turn| match calls.get(turn.step) {
        Some((tool, input)) => program.tool(tool, input.clone()),
        None => Answer::text("All of it is done."),
    };
    let model = StandIn::start(script);
    let mut call = told.on_path(told.env.program(real_agent(program.name())));
    for (name, value) in program.variables(&model.url(), &told.env.home()) {
        call = call.env(name, value);
    }
    for name in ["DISABLE_TELEMETRY", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] {
        call = call.env(name, "1");
    }
    let own = program.arguments(&model.url());
    let said = call.args(args).args(own).arg("Lead the work on the login.").stdin("").run().success();
    let turns = model.turns();
    let result =
        |step: usize| turns.iter().find(|turn| turn.step == step).map(|turn| turn.results[0].text.clone());
    let result = |step: usize| result(step).unwrap_or_else(|| panic!("no step {step}: {said}\n{turns:#?}"));
    assert!(result(1).contains("Backend auth"), "{}", result(1));
    assert!(result(6).contains("?? auth.txt"), "the command's output: {}", result(6));
    assert!(result(8).contains("refused") && result(8).contains("force"), "{}", result(8));
    assert!(result(count).contains("worktree.remove.after"), "{}", result(count));

    // On the disk.
    let root = told.repo.path();
    let file = |path: &str| -> Value { serde_json::from_str(&told.repo.read(path)).unwrap() };
    let (first, second) = (file(".tasks/task_1.json"), file(".tasks/task_2.json"));
    assert_eq!((&first["status"], &first["worktree"]), (&json!("completed"), &json!("")), "{first:#}");
    assert_eq!(
        (&second["status"], &second["worktree"]),
        (&json!("in_progress"), &json!("ui-login")),
        "{second:#}"
    );
    assert!(
        root.join(".worktrees/ui-login/.git").is_file() && !root.join(".worktrees/auth-refactor").exists()
    );
    let index = file(".worktrees/index.json");
    let status: Vec<(&Value, &Value)> =
        index["worktrees"].as_array().unwrap().iter().map(|w| (&w["name"], &w["status"])).collect();
    assert_eq!(
        status,
        [(&json!("auth-refactor"), &json!("removed")), (&json!("ui-login"), &json!("kept"))],
        "{index:#}"
    );
    let records = Records::read(root);
    let words: Vec<&str> = records.events().iter().filter_map(|event| event["event"].as_str()).collect();
    let place =
        |word: &str| words.iter().position(|at| *at == word).unwrap_or_else(|| panic!("{word}: {words:?}"));
    let order = [
        "task.created",
        "worktree.create.after",
        "worktree.run.before",
        "worktree.run.after",
        "worktree.keep",
        "worktree.remove.before",
        "task.completed",
        "worktree.remove.after",
    ];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{words:?}");
    assert!(!told.repo.git(&["branch", "--list", "wt/*"]).contains("auth-refactor"));

    // And as it is told.
    let json = |args: &[&str]| told.biplane(args).arg("--json").run().success().json();
    assert_eq!(json(&["task", "show", "1"])["status"], "completed");
    assert_eq!(json(&["wt", "list"])[0]["name"], "ui-login");
    told.biplane(&["wt", "restore", "auth-refactor"]).run().success();
    assert_eq!(told.repo.read(".worktrees/auth-refactor/auth.txt"), "work\n");
    assert_eq!(records.report(), [""; 0]);
    eventually(Duration::from_secs(60), "the background has ended", || told.env.processes().is_empty());
    assert_eq!(model.strange(), [""; 0]);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_leads() {
    let args = ["-p", "--allowedTools", "mcp__biplane", "--output-format", "json"];
    leads(Program::Claude, &args, |told| {
        // As a person who was asked whether the project's server may be used, and has said yes.
        told.repo
            .write(".claude/settings.local.json", json!({"enabledMcpjsonServers": ["biplane"]}).to_string());
    });
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_leads() {
    let args = ["exec", "--json", "-s", "danger-full-access", "-c", "approval_policy=\"never\""];
    leads(Program::Codex, &args, |told| {
        let trusted = format!("[projects.\"{}\"]\ntrust_level = \"trusted\"\n", told.repo.path());
        told.write_home("codex/config.toml", &trusted);
    });
}
