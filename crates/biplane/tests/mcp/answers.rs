//! What the tools answer, and what they leave on the disk.

use biplane_testkit::eventually;
use serde_json::{Value, json};

use crate::{
    client::{Client, NEWEST},
    lab::{DEADLINE, Lab},
};

/// The five sentences that a person types to a lead, as the calls that a model makes of them.
#[test]
fn the_work_of_a_lead() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    client.ok("task_create", json!({ "subject": "Backend auth" }));
    client.ok("task_create", json!({ "subject": "Frontend login page", "after": [1] }));
    let tasks = client.ok("task_list", json!({}))["tasks"].clone();
    assert_eq!(tasks[1]["blockedBy"], json!([1]));

    let made = client.ok("worktree_create", json!({ "name": "auth-refactor", "task_id": 1 }));
    assert_eq!((made["branch"].as_str(), made["task_id"].as_u64()), (Some("wt/auth-refactor"), Some(1)));
    client.ok("worktree_create", json!({ "name": "ui-login" }));
    client.ok("task_bind_worktree", json!({ "task_id": "2", "worktree": "ui-login" }));
    assert_eq!(client.ok("task_get", json!({ "task_id": 2 }))["worktree"], "ui-login");

    let ran = client.ok(
        "worktree_run",
        json!({ "name": "auth-refactor", "command": "echo x > new.txt; git status --short; exit 3" }),
    );
    assert_eq!((ran["output"].as_str(), ran["exit_code"].as_i64()), (Some("?? new.txt\n"), Some(3)));
    assert_eq!(client.ok("run_output", json!({ "run": "auth-refactor" }))["output"], "?? new.txt\n");

    assert_eq!(client.ok("worktree_keep", json!({ "name": "ui-login" }))["status"], "kept");
    let refused = client.fails("refused", "worktree_remove", json!({ "name": "auth-refactor" }));
    assert!(refused.contains("hint:"), "{refused}");
    let arguments = json!({ "name": "auth-refactor", "complete_task": true, "discard_changes": true });
    let removed = client.ok("worktree_remove", arguments);
    assert_eq!(removed["unblocked"], json!([2]));
    assert!(removed["snapshot"].is_string());
    assert!(!lab.root().join(".worktrees/auth-refactor").exists());
    assert_eq!(client.ok("task_get", json!({ "task_id": 1 }))["status"], "completed");

    let words: Vec<Value> = client.ok("worktree_events", json!({ "limit": 200 }))["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].clone())
        .collect();
    for word in [
        "worktree.create.before",
        "worktree.create.after",
        "worktree.keep",
        "task.completed",
        "worktree.remove.after",
    ] {
        assert!(words.contains(&json!(word)), "{word}: {words:?}");
    }
    client.ok("worktree_restore", json!({ "name": "auth-refactor" }));
    assert_eq!(lab.repo.at(lab.root().join(".worktrees/auth-refactor")).read("new.txt"), "x\n");
    client.end().success();
}

#[test]
fn work_is_submitted_and_landed() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    let command = "echo a > a.txt && git add . && git commit -qm a";
    client.ok("worktree_run", json!({ "name": "auth", "command": command }));
    let submitted = client.ok("submit", json!({ "name": "auth" }));
    assert_eq!(client.ok("queue", json!({}))["submissions"][0]["id"], submitted["id"]);
    lab.repo.write("biplane.toml", "gate = \"test -f a.txt\"\n");
    let landed = client.ok("merge", json!({ "name": "auth" }));
    assert_eq!((landed["status"].as_str(), landed["bounced"].is_null()), (Some("landed"), true), "{landed}");
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "a");
}

#[test]
fn answers_have_the_forms_of_the_command_line() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    for (tool, arguments, command) in [
        ("worktree_enter", json!({ "name": "auth" }), vec!["wt", "path", "auth"]),
        ("worktree_diff", json!({ "name": "auth" }), vec!["wt", "diff", "auth"]),
        ("worktree_status", json!({ "name": "auth" }), vec!["wt", "status", "auth"]),
        ("task_get", json!({ "task_id": 1 }), vec!["task", "show", "1"]),
        ("task_prompt", json!({ "task_id": 1 }), vec!["task", "prompt", "1"]),
    ] {
        let told = client.ok(tool, arguments);
        for (field, value) in lab.json(&command).as_object().unwrap() {
            assert_eq!(told[field], *value, "{tool}: {field}");
        }
    }
    assert_eq!(client.ok("task_list", json!({}))["tasks"], lab.json(&["task", "list"]));
    assert_eq!(client.ok("worktree_list", json!({}))["worktrees"], lab.json(&["wt", "list"]));
    assert_eq!(client.ok("list_teammates", json!({}))["team"], lab.json(&["team"]));
}

#[test]
fn lists_come_in_pages() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    for n in 1..=5 {
        client.ok("task_create", json!({ "subject": format!("task {n}") }));
    }
    let (mut ids, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = client.ok("task_list", json!({ "limit": 2, "cursor": cursor }));
        ids.extend(page["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()));
        match page.get("next_cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    let text = client.fails("usage", "task_list", json!({ "cursor": "bm8" }));
    assert!(text.contains("leave out `cursor`"), "{text}");
    client.fails("usage", "task_list", json!({ "limit": 0 }));
    let answer = client.ask("tools/list", json!({ "cursor": "bm8" }));
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn long_output_is_cut_and_read_in_parts() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    let command = "seq 1 30000; printf '\\033[31mred\\033[0m\\n'";
    let ran = client.ok("worktree_run", json!({ "name": "auth", "command": command }));
    assert_eq!(ran["output_cut"], true);
    let text = ran["output"].as_str().unwrap();
    assert!(
        text.len() < 60_000 && text.starts_with("1\n2\n") && text.ends_with("30000\nred\n"),
        "{}",
        text.len()
    );
    let (mut whole, mut cursor) = (String::new(), Value::Null);
    loop {
        let page = client.ok("run_output", json!({ "run": ran["id"], "from_start": true, "cursor": cursor }));
        whole.push_str(page["output"].as_str().unwrap());
        match page.get("next_cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    let expected: String = (1..=30000).map(|n| format!("{n}\n")).collect();
    assert_eq!(whole, expected + "red\n");
}

#[test]
fn what_is_wrong_is_said_with_the_next_step() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    for (tool, arguments) in [
        ("no_such_tool", json!({})),
        ("task_create", json!({})),
        ("task_create", json!({ "subject": 7 })),
        ("task_create", json!({ "subject": "x", "colour": "red" })),
        ("worktree_create", json!({ "name": "../x" })),
        ("task_get", json!({ "task_id": -1 })),
        ("worktree_closeout", json!({ "name": "x", "action": "burn" })),
    ] {
        let answer = client.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(answer["error"]["code"], -32602, "{tool}: {answer}");
    }
    let answer = client
        .ask("tools/call", json!({ "name": "task_create", "arguments": { "subject": "x", "colour": 1 } }));
    assert!(answer["error"]["message"].as_str().unwrap().contains("`colour`"), "{answer}");
    let text = client.fails("not_found", "task_get", json!({ "task_id": 9 }));
    assert_eq!(text, "error (not_found): there is no task 9\nhint: `task_list` shows the tasks");
    client.fails("usage", "task_create", json!({ "subject": "" }));
    assert_eq!(client.ask("no/such/method", json!({}))["error"]["code"], -32601);
}

#[test]
fn resources_and_prompts() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    client.ok("worktree_run", json!({ "name": "auth", "command": "echo hello" }));
    let listed = client.ask("resources/list", json!({}))["result"]["resources"].clone();
    let uris: Vec<&str> = listed.as_array().unwrap().iter().map(|r| r["uri"].as_str().unwrap()).collect();
    assert_eq!(
        uris,
        [
            "biplane://events",
            "biplane://task/1",
            "biplane://task/2",
            "biplane://worktree/auth",
            "biplane://worktree/ui",
            "biplane://run/r1/log"
        ]
    );
    for uri in &uris {
        let read = client.ask("resources/read", json!({ "uri": uri }))["result"]["contents"][0].clone();
        assert_eq!(read["uri"], *uri);
        match read["mimeType"].as_str() {
            Some("text/plain") => assert_eq!(read["text"], "hello\n"),
            _ => assert!(serde_json::from_str::<Value>(read["text"].as_str().unwrap()).unwrap().is_object()),
        }
    }
    let templates = client.ask("resources/templates/list", json!({}));
    assert_eq!(templates["result"]["resourceTemplates"].as_array().unwrap().len(), 3);
    for uri in ["biplane://task/9", "file:///etc/passwd", "biplane://run/r9/log"] {
        assert_eq!(client.ask("resources/read", json!({ "uri": uri }))["error"]["code"], -32002, "{uri}");
    }

    let prompts = client.ask("prompts/list", json!({}))["result"]["prompts"].clone();
    assert_eq!(prompts[1]["arguments"][0]["name"], "task_id");
    let text =
        |answer: Value| answer["result"]["messages"][0]["content"]["text"].as_str().unwrap().to_owned();
    assert!(text(client.ask("prompts/get", json!({ "name": "lead" }))).contains("task_create"));
    let work =
        text(client.ask("prompts/get", json!({ "name": "work_on_task", "arguments": { "task_id": "1" } })));
    assert!(work.contains("Add login"), "{work}");
    for params in [json!({ "name": "nope" }), json!({ "name": "work_on_task" })] {
        assert_eq!(client.ask("prompts/get", params)["error"]["code"], -32602);
    }
}

#[test]
fn hostile_texts_come_harmless() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    let text = "x\u{1b}[2J\u{202e}y";
    client.ok("task_create", json!({ "subject": "plain", "description": text }));
    let told = client.ok("task_get", json!({ "task_id": 1 }))["description"].as_str().unwrap().to_owned();
    assert_eq!(biplane_testkit::steers(&told), None, "{told:?}");
}

#[test]
fn mail_goes_both_ways() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    client.ok("send_message", json!({ "to": "bob", "content": "one" }));
    client.ok("send_message", json!({ "to": "bob", "content": "two" }));
    client.ok("send_message", json!({ "to": "lead", "content": "done", "from": "bob" }));
    let read = client.ok("read_inbox", json!({ "of": "bob" }));
    let said: Vec<&str> =
        read["mail"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["one", "two"]);
    assert_eq!(client.ok("read_inbox", json!({ "of": "bob" }))["mail"], json!([]));
    assert_eq!(client.ok("read_inbox", json!({}))["mail"][0]["content"], "done");
}

/// In the newest revision; the older ones don't say that they have it.
#[test]
fn who_listens_to_resources_is_told_when_they_change() {
    let lab = Lab::with_two_tasks();
    assert!(Client::new(lab.call(&["mcp"])).server["capabilities"]["resources"]["subscribe"].is_null());
    let mut client = Client::with(lab.call(&["mcp"]), NEWEST);
    assert_eq!(client.server["capabilities"]["resources"]["subscribe"], true);
    let uris = json!(["biplane://task/1", "biplane://worktree/ui", "file:///etc/passwd"]);
    let id =
        client.send("subscriptions/listen", json!({ "notifications": { "resourceSubscriptions": uris } }));
    let accepted = client.notice("notifications/subscriptions/acknowledged");
    let taken = json!(["biplane://task/1", "biplane://worktree/ui"]);
    assert_eq!(accepted["params"]["notifications"]["resourceSubscriptions"], taken, "{accepted}");
    // It listens from some moment on; task 2 is nothing to it.
    eventually(DEADLINE, "a change is told", || {
        lab.ok(&["task", "update", "2", "--priority", "1"]);
        lab.ok(&["task", "update", "1", "--priority", "1"]);
        client.talk().try_hear(|line| line.contains("notifications/resources/updated")).is_some()
    });
    let told = client.talk().heard().iter().find(|line| line.contains("resources/updated")).unwrap().clone();
    assert!(told.contains("biplane://task/1"), "{told}");
    client.tell("notifications/cancelled", json!({ "requestId": id }));
    client.end().success();
}

#[test]
fn schemas_have_only_words_of_json_schema() {
    let lab = Lab::new();
    let tools = Client::new(lab.call(&["mcp"])).tools();
    let text = Value::from(tools).to_string();
    assert!(!text.contains("\"uint") && text.contains("\"minimum\":0"), "{text}");
}
