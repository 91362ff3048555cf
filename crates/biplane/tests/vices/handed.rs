//! The tools that agents are handed: what they do with them, and that nothing of it is left.

use biplane_testkit::eventually;
use serde_json::Value;

use crate::lab::{ALL, DEADLINE, Lab, TOLD};

/// The results of the tools that a run has told of.
fn results(lab: &Lab, run: &str) -> Vec<Value> {
    let told = lab.call(&["log", run, "--json"]).run().success().json_lines();
    told.into_iter()
        .map(|line| line["event"].clone())
        .filter(|event| event["type"] == "tool_result")
        .collect()
}

/// A task of somebody else's, and for each protocol one whose agent reads it, changes it, and changes its own.
const ORDERS: &str = r#"tool task_get {"task_id": 1}; tool task_update {"task_id": 1, "status": "blocked"}; tool worktree_remove {"name": "x"}; tool send_message {"to": "lead", "content": "hello"}"#;

#[test]
fn agents_use_the_tools_that_they_were_handed() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "Another's"]);
    lab.ok(&["task", "block", "1", "--reason", "waits"]);
    for agent in ALL {
        lab.order(agent, &format!("{ORDERS}; write {agent}.txt; commit"));
    }
    // It waits for a person still.
    let up = lab.up().fails_with(1);
    for one in lab.json(&["log", "--list"]).as_array().unwrap() {
        let (run, agent) = (one["id"].as_str().unwrap(), one["agent"].as_str().unwrap());
        let prompt = lab.repo.read(format!(".worktrees/runs/{run}/prompt.md"));
        assert_eq!(prompt.contains("The tools of the server `biplane`"), TOLD.contains(&agent), "{prompt}");
        if !TOLD.contains(&agent) {
            continue;
        }
        let results = results(&lab, run);
        let said = |at: usize| results[at]["text"].as_str().unwrap();
        assert!(
            said(0).contains("Another's") && said(1).contains("task 1 is not the caller's own"),
            "{agent}: {results:#?}"
        );
        assert!(said(2).contains("is for whoever leads"), "{agent}: {results:#?}");
    }
    let mail = lab.json(&["mail", "list"]);
    let mut from: Vec<&str> =
        mail.as_array().unwrap().iter().map(|mail| mail["from"].as_str().unwrap()).collect();
    from.sort_unstable();
    assert_eq!(from, ["acp", "claude", "codex"]);
    assert_eq!((lab.task(1)["status"].as_str(), lab.reason(1)), (Some("blocked"), "waits".to_owned()));
    for id in 2..=5 {
        lab.ended(id, "completed", &["succeeded"], "");
    }
    assert!(!up.stderr.contains("left behind") && !up.stderr.contains("outside of its worktree"), "{up}");
    lab.is_sound_but_for_main();
}

#[test]
fn the_server_ends_with_an_agent_that_is_stopped() {
    let lab = Lab::impatient().ordered(&TOLD, "tool task_list; hang");
    for id in 1..=TOLD.len() {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s and was stopped");
    }
    eventually(DEADLINE, "no server is left", || lab.env.processes().is_empty());
    lab.is_sound();
}

#[test]
fn who_is_to_have_no_tools_gets_none() {
    let lab = Lab::new();
    let settings = lab.repo.read("biplane.toml").replace("timeout =", "mcp = false\ntimeout =");
    lab.repo.write(
        "biplane.toml",
        settings.replace("[agents.plain]\ndriver = \"command\"\n", "[agents.plain]\n"),
    );
    for agent in TOLD {
        lab.order(agent, &format!("tool task_list; write {agent}.txt; commit"));
    }
    let _ = lab.up().success();
    for run in lab.json(&["log", "--list"]).as_array().unwrap() {
        let results = results(&lab, run["id"].as_str().unwrap());
        assert!(results[0]["text"].as_str().unwrap().ends_with("no server was handed to it"), "{results:#?}");
        assert!(
            !lab.repo
                .read(format!(".worktrees/runs/{}/prompt.md", run["id"].as_str().unwrap()))
                .contains("the server `biplane`")
        );
    }
    lab.repo.write("biplane.toml", "[agents.plain]\ncommand = [\"true\"]\nmcp = true\n");
    let said = lab.call(&["task", "list"]).run().fails_with(2).stderr;
    assert!(said.contains("a plain command can't be handed tools"), "{said}");
}
