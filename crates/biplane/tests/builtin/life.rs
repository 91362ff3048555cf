//! Going on with a conversation, being stopped, and keeping the key.

use biplane_testkit::{
    eventually,
    standin::{Answer, Turn, Usage},
};
use serde_json::json;

use crate::lab::{DEADLINE, KEY, Lab};

#[test]
fn a_bounced_task_goes_on_in_its_conversation() {
    let script = |turn: &Turn| {
        let text = if turn.earlier.is_empty() { "bad\n" } else { "good\n" };
        match turn.step {
            0 => Answer::call("write_file", json!({"path": "a.txt", "content": text})),
            _ => Answer::text("Done."),
        }
    };
    let lab = Lab::new("openai", "edits", "gate = \"grep good a.txt\"", script);
    lab.ok(&["task", "create", "do it"]);
    lab.ok(&["up"]);
    assert_eq!(lab.task(1)["status"], "completed");
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "good");
    let turns = lab.model.turns();
    assert_eq!(turns.last().unwrap().earlier.len(), 1);
    assert_eq!(turns.last().unwrap().number, 3);
    let conversations = lab.env.home().join(".local/state/biplane/conversations");
    assert_eq!(conversations.read_dir_utf8().unwrap().count(), 1);
    lab.is_sound();
}

#[test]
fn what_is_stopped_leaves_nothing_running() {
    let script = |_: &Turn| Answer::call("bash", json!({"command": "touch ../begun; sleep 1000"}));
    let lab = Lab::new("anthropic", "all", "", script);
    lab.ok(&["task", "create", "do it"]);
    let up = lab.call(&["up", "--no-gate"]).spawn();
    eventually(DEADLINE, "the command runs", || lab.repo.path().join(".worktrees/begun").exists());
    lab.ok(&["stop", "1"]);
    let _ = up.wait(DEADLINE);
    assert_eq!(lab.task(1)["status"], "blocked");
    std::fs::remove_file(lab.repo.path().join(".worktrees/begun")).unwrap();
    lab.is_sound();
}

#[test]
fn the_key_is_seen_by_the_server_alone() {
    let script = |turn: &Turn| match turn.step {
        0 => Answer::call("bash", json!({"command": "env; echo x > a.txt"})),
        1 => {
            let told = &turn.results[0].text;
            assert!(told.contains("BIPLANE_TASK_ID=1") && !told.contains("MY_MODEL"), "{told}");
            Answer::call("bash", json!({"command": "tr '\\0' '\\n' < /proc/$PPID/environ | grep MY_"}))
        }
        _ => Answer::text("Done."),
    };
    let lab = Lab::new("anthropic", "all", "", script);
    lab.ok(&["task", "create", "do it"]);
    lab.ok(&["up", "--no-gate"]);
    // It can be had by who may do everything; but it is kept and shown nowhere.
    for args in [&["log", "1"][..], &["log", "1", "--raw"], &["log", "1", "--json"]] {
        let told = lab.ok(args).stdout;
        assert!(!told.contains(KEY), "{told}");
    }
    for entry in lab.repo.path().join(".worktrees/runs/r1").read_dir_utf8().unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY));
    }
    lab.is_sound();
}

/// What was said gets too long in the middle of a run: who the agent is, and what it was told, are said again.
#[test]
fn who_it_is_is_said_again_when_what_was_said_is_put_together() {
    let script = |turn: &Turn| match (turn.prompt.contains("was put together"), turn.step) {
        // The server says that there is hardly any room left.
        (false, 0) => {
            let usage = Usage { input: 5_900, ..Usage::default() };
            Answer::call("write_file", json!({"path": "a.txt", "content": "one\n"})).costs(usage)
        }
        (true, 0) => Answer::call("write_file", json!({"path": "b.txt", "content": "two\n"})),
        _ => Answer::text("Done."),
    };
    let lab = Lab::new("anthropic", "edits", "", script);
    let settings = lab.repo.read("biplane.toml") + "context = 6000\nrole = \"front end\"\n";
    lab.repo.write("biplane.toml", settings);
    lab.repo.commit("a small model");
    lab.ok(&["task", "create", "Paint it", "--description", "In blue."]);
    lab.ok(&["up", "--no-gate"]);
    assert_eq!(lab.repo.git(&["show", "main:b.txt"]), "two");
    let turns = lab.model.turns();
    let again = turns.iter().find(|turn| turn.prompt.contains("was put together")).unwrap();
    let directory = lab.repo.path().join(".worktrees/1-paint-it");
    let identity =
        format!("Your name: builtin\nYour role: front end\nYour task: 1\nYour directory: {directory}\n");
    assert!(again.prompt.starts_with(&identity), "{}", again.prompt);
    let system = again.body["system"].to_string();
    assert!(system.contains("Your role: front end"), "{system}");
    assert!(again.prompt.contains("# Task 1: Paint it\n\nIn blue."), "{}", again.prompt);
    let mine = "You are the agent `builtin` (front end), at work on task 1, in the directory `";
    assert!(again.prompt.contains(mine), "{}", again.prompt);
    assert_eq!(again.number, 0, "nothing else is left of what was said");
    lab.is_sound();
}

#[test]
fn an_agent_without_the_tools_of_the_board_has_its_directory_only() {
    for (more, expected) in [("mcp = true\n", true), ("mcp = false\n", false)] {
        let lab = Lab::new("anthropic", "edits", "", |_: &Turn| Answer::text("I can't."));
        lab.repo.write("biplane.toml", lab.repo.read("biplane.toml") + more);
        lab.repo.commit("settings");
        lab.ok(&["task", "create", "do it"]);
        let _ = lab.call(&["up", "--no-gate"]).run().fails_with(1);
        let turn = lab.model.turns().remove(0);
        assert!(turn.offers("apply_patch") && !turn.offers("worktree_run"), "{:?}", turn.tools);
        for tool in ["read_inbox", "send_message", "plan_submit", "task_update", "shutdown_response"] {
            assert_eq!(turn.offers(tool), expected, "{tool}: {:?}", turn.tools);
        }
        let system = turn.body["system"].to_string();
        assert_eq!(system.contains("You are one of a team."), expected, "{system}");
        lab.is_sound();
    }
}
