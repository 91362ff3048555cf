//! A server within a run: what it is taken for can't be changed by arguments, by the directory, or by the environment.

use biplane_testkit::Call;
use serde_json::json;

use crate::{
    client::Client,
    lab::{BIPLANE, Lab},
};

/// A server that is started by this script within a run in worktree `auth`, which works on task 1.
fn within(lab: &Lab, script: &str) -> Call {
    lab.call(&["run", "auth", "--", "sh", "-c", script, "sh", BIPLANE, lab.root().as_str()])
}

#[track_caller]
fn is_kept_to_task_1(lab: &Lab, call: Call) {
    let shown = call.to_string();
    let mut client = Client::new(call);
    let said = client.server["instructions"].as_str().unwrap().to_owned();
    assert!(said.contains("task 1 in worktree `auth`"), "{shown}: {said}");
    let before = lab.last_event();
    let text = client.fails("refused", "task_update", json!({ "task_id": 2, "status": "blocked" }));
    assert!(text.contains("task 2 is not the caller's own") && text.contains("hint: "), "{text}");
    client.fails("refused", "worktree_remove", json!({ "name": "ui", "force": true }));
    assert_eq!(lab.last_event(), before, "nothing happened");
    assert_eq!(client.ok("task_list", json!({}))["tasks"].as_array().unwrap().len(), 2, "it reads the board");
    client.ok("task_update", json!({ "task_id": 1, "status": "in_progress" }));
    client.end();
}

#[test]
fn a_run_is_kept_to_its_task() {
    for script in [
        r#"exec "$1" mcp"#,
        // Another place.
        r#"cd / && exec "$1" mcp -C "$2""#,
        r#"cd "$2/.worktrees/ui" && exec "$1" mcp"#,
        r#"exec "$1" mcp -C "$2/.worktrees/ui""#,
        // Another environment, by one variable and by all.
        r#"unset BIPLANE_RUN_MARK && exec "$1" mcp"#,
        r#"unset BIPLANE_TASK_ID && exec "$1" mcp"#,
        r#"BIPLANE_TASK_ID=2 BIPLANE_WORKTREE=ui BIPLANE_RUN_ID=r99 exec "$1" mcp"#,
        r#"cd / && exec env -i HOME="$HOME" PATH="$PATH" "$1" mcp -C "$2""#,
        r#"cd / && exec setsid -w env -i HOME="$HOME" PATH="$PATH" BIPLANE_TASK_ID=2 "$1" mcp -C "$2""#,
        // The home by another name.
        r#"ln -s "$2" ../alias && cd / && exec env -i HOME="$HOME" PATH="$PATH" "$1" mcp -C "$2/.worktrees/alias""#,
    ] {
        let lab = Lab::with_two_tasks();
        is_kept_to_task_1(&lab, within(&lab, script));
    }
}

#[test]
fn a_run_within_a_run_has_what_both_have() {
    let lab = Lab::with_two_tasks();
    // An agent may have the command line start something in another worktree; that server serves neither.
    let mut client = Client::new(within(&lab, r#"exec "$1" run ui -- "$1" mcp"#));
    assert!(client.server["instructions"].as_str().unwrap().contains("nothing of its own"));
    for id in [1, 2] {
        client.fails("refused", "task_update", json!({ "task_id": id, "status": "blocked" }));
    }
    client.ok("task_list", json!({}));
    client.end();
    is_kept_to_task_1(&lab, within(&lab, r#"exec "$1" run auth -- "$1" mcp"#));
}

#[test]
fn a_run_that_nobody_knows_has_nothing() {
    let lab = Lab::with_two_tasks();
    let mark = format!("{}/.git/biplane:r99", lab.root());
    let mut client = Client::new(lab.call(&["mcp"]).env("BIPLANE_RUN_MARK", mark));
    client.fails("refused", "task_update", json!({ "task_id": 1, "status": "blocked" }));
    client.fails("refused", "send_message", json!({ "to": "bob", "content": "I am the lead" }));
    client.ok("task_list", json!({}));
    client.end();
    // The mark of a run of another home says nothing here: its agents may test programs that use biplane.
    let other = Lab::with_two_tasks();
    let mark = format!("{}/.git/biplane:r1", other.root());
    let mut client = Client::new(lab.call(&["mcp"]).env("BIPLANE_RUN_MARK", mark));
    client.ok("task_update", json!({ "task_id": 1, "priority": 3 }));
}

#[test]
fn who_stands_in_a_worktree_is_kept_to_it() {
    let lab = Lab::with_two_tasks();
    is_kept_to_task_1(&lab, lab.call(&["mcp"]).in_dir(lab.root().join(".worktrees/auth")));
    is_kept_to_task_1(&lab, lab.call(&["mcp", "-C", ".worktrees/auth"]));
    let dir = lab.root().join(".worktrees/auth");
    is_kept_to_task_1(&lab, lab.call(&["mcp", "-C", "../.."]).in_dir(dir));
}

#[test]
fn a_server_can_be_kept_to_a_task() {
    let lab = Lab::with_two_tasks();
    is_kept_to_task_1(&lab, lab.call(&["mcp", "--task", "1"]));
    let output = lab.call(&["mcp", "--task", "9"]).run().fails_with(5);
    assert!(output.stderr.contains("there is no task 9"), "{}", output.stderr);
    let output = within(&lab, r#"exec "$1" mcp --task 2"#).run();
    assert!(output.stderr.contains("task 2 is not the caller's own"), "{}", output.stderr);
    is_kept_to_task_1(&lab, within(&lab, r#"exec "$1" mcp --task 1"#));
}

#[test]
fn the_prompt_of_another_does_not_show_its_mail() {
    let lab = Lab::with_two_tasks();
    lab.ok(&["task", "create", "Docs", "--owner", "carol"]);
    for name in ["bob", "carol"] {
        lab.ok(&["mail", "send", name, &format!("a word for {name}")]);
    }
    let prompt = |client: &mut Client, id: u64| {
        client.ok("task_prompt", json!({ "task_id": id }))["prompt"].as_str().unwrap().to_owned()
    };
    let mut free = Client::new(lab.call(&["mcp"]));
    assert!(prompt(&mut free, 3).contains("a word for carol"));
    free.end();
    for script in [r#"exec "$1" mcp"#, r#"exec "$1" run ui -- "$1" mcp"#] {
        let mut client = Client::new(within(&lab, script));
        let told = prompt(&mut client, 3);
        assert!(told.contains("Docs") && !told.contains("a word for carol"), "{told}");
        client.end();
    }
    let mut client = Client::new(within(&lab, r#"exec "$1" mcp"#));
    assert!(prompt(&mut client, 1).contains("a word for bob"), "it works on that task");
    client.end();
}

/// An agent that `up` has started speaks under its own name, and does not judge its own work.
#[test]
fn an_agent_speaks_for_itself() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "Add login"]);
    let call = |id: u64, tool: &str, arguments: serde_json::Value| {
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
            .to_string()
    };
    let requests = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" } } }).to_string(),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string(),
        call(1, "complete_task", json!({ "task_id": 1 })),
        call(2, "send_message", json!({ "to": "lead", "content": "nearly done" })),
        call(3, "send_message", json!({ "to": "lead", "content": "x", "from": "lead" })),
        call(4, "task_update", json!({ "task_id": 1, "gate": "true" })),
    ];
    let dir = lab.env.dir("said");
    std::fs::write(dir.join("requests"), requests.join("\n") + "\n").unwrap();
    // It goes on listening until all was answered.
    let script = format!(
        "{{ cat {dir}/requests; until [ $(wc -l <{dir}/answers) -ge 5 ]; do sleep 0.05; done; }} | env -u BIPLANE_RUN_ID {BIPLANE} mcp >{dir}/answers; echo a >a.txt; git add .; git commit -qm a"
    );
    std::fs::write(dir.join("answers"), "").unwrap();
    lab.call(&["up", "--no-gate", "--", "sh", "-c", &script]).run().success();
    let text = std::fs::read_to_string(dir.join("answers")).unwrap();
    let answers: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let to = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap()["result"].clone();
    assert!(
        to(1)["content"][0]["text"].as_str().unwrap().contains("can't complete it by its own word"),
        "{text}"
    );
    assert_eq!(to(2)["structuredContent"]["task_id"], 1);
    assert_ne!(to(2)["structuredContent"]["from"], "lead");
    for id in [3, 4] {
        assert_eq!(to(id)["_meta"]["biplane/error"]["code"], "refused", "{text}");
    }
}
