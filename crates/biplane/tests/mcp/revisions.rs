//! Every revision of the protocol: the same tools, the same answers.

use serde_json::{Value, json};

use crate::{
    client::{Client, NEWEST, SHAKEN},
    lab::Lab,
};

#[test]
fn every_revision_is_served_over_pipes() {
    let lab = Lab::new();
    let mut all = Vec::new();
    for revision in SHAKEN.into_iter().chain([NEWEST]) {
        let mut client = Client::with(lab.call(&["mcp"]), revision);
        match revision {
            NEWEST => {
                assert!(client.server["supportedVersions"].as_array().unwrap().contains(&json!(NEWEST)));
            }
            _ => assert_eq!(client.server["protocolVersion"], revision),
        }
        let names: Vec<Value> = client.tools().iter().map(|tool| tool["name"].clone()).collect();
        let task = client.ok("task_create", json!({ "subject": format!("as of {revision}") }));
        assert_eq!(client.ok("task_get", json!({ "task_id": task["id"] }))["subject"], task["subject"]);
        client.fails("not_found", "task_get", json!({ "task_id": "nine" }));
        let output = client.end().success();
        let lines = output.stdout.lines();
        assert!(
            lines.into_iter().all(|line| serde_json::from_str::<Value>(line).is_ok()),
            "only the protocol"
        );
        assert_eq!(output.stderr, "");
        all.push(names);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]) && all[0].len() > 40);
}

#[test]
fn a_revision_that_nobody_knows_is_answered_with_one_that_is() {
    let client = Client::with(Lab::new().call(&["mcp"]), "1999-01-01");
    assert_eq!(client.server["protocolVersion"], SHAKEN[3]);
}

#[test]
fn tools_say_what_they_are() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    for tool in client.tools() {
        let name = tool["name"].as_str().unwrap();
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        for text in [&tool["title"], &tool["description"], &tool["annotations"]["title"]] {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        for (argument, schema) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}: `{argument}` says nothing");
        }
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(tool["annotations"][hint].is_boolean(), "{name} {hint}");
        }
    }
    let hints = |client: &mut Client, name: &str| {
        client.tools().into_iter().find(|tool| tool["name"] == name).unwrap()["annotations"].clone()
    };
    assert_eq!(hints(&mut client, "task_list")["readOnlyHint"], true);
    assert_eq!(hints(&mut client, "worktree_remove")["destructiveHint"], true);
    assert_eq!(hints(&mut client, "worktree_run")["openWorldHint"], true);
}

/// Names and inputs as agents that were written for the tutorial's tools know them.
#[test]
fn the_tools_have_the_names_and_inputs_that_are_known() {
    let known: [(&str, &[&str], &[&str]); 17] = [
        ("task_create", &["subject"], &["description"]),
        ("task_list", &[], &[]),
        ("task_get", &["task_id"], &[]),
        ("task_update", &["task_id"], &["status", "owner"]),
        ("task_bind_worktree", &["task_id", "worktree"], &["owner"]),
        ("worktree_create", &["name"], &["task_id", "base_ref"]),
        ("worktree_list", &[], &[]),
        ("worktree_status", &["name"], &[]),
        ("worktree_run", &["name", "command"], &[]),
        ("worktree_keep", &["name"], &[]),
        ("worktree_remove", &["name"], &["force", "complete_task", "reason", "discard_changes"]),
        ("worktree_events", &[], &["limit"]),
        ("worktree_enter", &["name"], &[]),
        ("worktree_closeout", &["name", "action"], &["reason", "force", "complete_task"]),
        ("claim_task", &[], &["task_id"]),
        ("complete_task", &["task_id"], &[]),
        ("send_message", &["to", "content"], &[]),
    ];
    let tools = Client::new(Lab::new().call(&["mcp"])).tools();
    for (name, required, more) in known {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no `{name}`"));
        let schema = &tool["inputSchema"];
        let needed: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        assert_eq!(needed, required, "{name}");
        assert!(more.iter().all(|argument| schema["properties"][argument].is_object()), "{name}");
    }
}
