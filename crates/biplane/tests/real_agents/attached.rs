//! Agents that `up` has started use the tools that they were handed.

use std::fs;

use biplane_testkit::standin::{Answer, Turn};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

use crate::lab::{Lab, Program};

/// Puts an entry of the same name into what a worktree brings along, for programs that trust it. It leaves a trace when it is started.
fn trap(lab: &Lab) -> Utf8PathBuf {
    let trace = lab.env.root().join("trapped");
    let servers = json!({"mcpServers": {"biplane": {"command": "touch", "args": [trace]}}}).to_string();
    lab.repo.write(".mcp.json", &servers);
    lab.repo.write(".claude/settings.json", json!({"enableAllProjectMcpServers": true}).to_string());
    lab.repo.write(".qwen/settings.json", &servers);
    let table = format!("[mcp_servers.biplane]\ncommand = \"touch\"\nargs = [\"{trace}\"]\n");
    lab.repo.write(".codex/config.toml", table);
    lab.repo.commit("a trap");
    let trusted = format!("[projects.\"{}\"]\ntrust_level = \"trusted\"\n", lab.repo.path());
    fs::write(lab.env.home().join("codex/config.toml"), trusted).unwrap();
    trace
}

/// Two tasks, of which only the first one is an agent's. It reads its task, writes to the lead, meddles with the other one, and does
/// its work.
fn uses_its_tools(program: Program, permissions: &str) {
    let script = move |turn: &Turn, cwd: &Utf8Path| match turn.step {
        0 => program.tool("task_get", json!({"task_id": 1})),
        1 => program.tool("send_message", json!({"to": "lead", "content": "I have begun."})),
        2 => program.tool("task_update", json!({"task_id": 2, "status": "blocked"})),
        3 => program.write(cwd, "a.txt", "a"),
        _ => Answer::text("It is done."),
    };
    let lab = Lab::new(program, permissions, "", script);
    let trace = trap(&lab);
    lab.ok(&["task", "create", "Write a.txt"]);
    lab.ok(&["task", "create", "Another's", "--after", "1"]);
    lab.ok(&["task", "block", "2", "--reason", "waits"]);
    let before = lab.task(2);
    let up = lab.call(&["up", "--no-gate"]).run();
    let turns = lab.model.turns();
    assert_eq!(lab.task(1)["status"], "completed", "{program:?}: {up}\n{turns:#?}");
    let first = &turns[0];
    assert!(first.prompt.contains("The tools of the server `biplane`"), "{}", first.prompt);
    // Qwen tells of them in words, and has them looked up.
    let told = first.body.to_string();
    let offers = |tool: &str| {
        first.tools.iter().any(|offered| offered.ends_with(tool))
            || told.contains(&format!("mcp__biplane__{tool}"))
    };
    assert!(offers("task_get") && offers("conflicts"), "{program:?}: {:?}", first.tools);
    assert!(!offers("worktree_remove") && !offers("task_create"), "{program:?}: {:?}", first.tools);
    let said = |step: usize| turns.iter().find(|turn| turn.step == step).unwrap().results[0].text.clone();
    assert!(said(1).contains("Write a.txt"), "{program:?}: {}", said(1));
    let mail = lab.json(&["mail", "list"]);
    let mail: Vec<(&Value, &Value)> =
        mail.as_array().unwrap().iter().map(|mail| (&mail["from"], &mail["content"])).collect();
    if program == Program::Qwen && permissions == "edits" {
        // It asks before it uses a tool that may change something, and does not say which one.
        assert!(
            said(2).contains("canceled") && said(3).contains("canceled") && mail.is_empty(),
            "{turns:#?}"
        );
    } else {
        assert_eq!(mail, [(&json!(program.name()), &json!("I have begun."))], "{program:?}");
        assert!(said(3).contains("task 2 is not the caller's own"), "{program:?}: {}", said(3));
    }
    let after = lab.task(2);
    assert_eq!((&after["status"], &after["reason"]), (&before["status"], &before["reason"]), "{after:#}");
    // Qwen starts it before it is told of ours, and has no use for it then.
    assert_eq!(trace.exists(), program == Program::Qwen, "{program:?} started the worktree's own entry");
    assert!(!up.stderr.contains("left behind") && !up.stderr.contains("outside"), "{up}");
    lab.is_sound();
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_uses_its_tools() {
    uses_its_tools(Program::Claude, "edits");
    uses_its_tools(Program::Claude, "all");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_uses_its_tools() {
    uses_its_tools(Program::Codex, "edits");
    uses_its_tools(Program::Codex, "all");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn an_agent_of_the_client_protocol_uses_its_tools() {
    uses_its_tools(Program::Qwen, "edits");
    uses_its_tools(Program::Qwen, "all");
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn an_agent_that_is_to_have_no_tools_has_none() {
    for program in [Program::Claude, Program::Codex, Program::Qwen] {
        let script = move |turn: &Turn, cwd: &Utf8Path| match turn.step {
            0 => program.write(cwd, "a.txt", "a"),
            _ => Answer::text("It is done."),
        };
        let lab = Lab::new(program, "edits", "", script);
        let trace = trap(&lab);
        let settings = lab.repo.read("biplane.toml");
        lab.repo.write("biplane.toml", settings + "mcp = false\n");
        lab.ok(&["task", "create", "Write a.txt"]);
        lab.ok(&["up", "--no-gate"]);
        let first = &lab.model.turns()[0];
        assert!(!first.tools.iter().any(|tool| tool.ends_with("task_get")), "{program:?}: {:?}", first.tools);
        assert!(!first.prompt.contains("server `biplane`"), "{}", first.prompt);
        assert!(trace.exists(), "{program:?}: the trap is one");
        lab.is_sound();
    }
}
