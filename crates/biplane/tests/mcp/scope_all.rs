//! Every tool, called from within a run of task 1 about what is another's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    client::Client,
    lab::{BIPLANE, Lab},
};

/// What a tool must say to one that works on task 1 in worktree `auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    /// It reads the board, whoever's it is.
    Answer,
    /// It refuses what is another's, and does the same with one's own: the second arguments.
    KeepToOwn,
    /// It is for whoever leads, and refuses one's own too.
    Refuse,
    /// It speaks under the caller's name, and refuses another one.
    Speak,
}

use Must::{Answer, KeepToOwn, Refuse, Speak};

/// Every tool: what it must do, arguments about another's, and about one's own.
#[expect(clippy::too_many_lines, clippy::redundant_clone, reason = "it is a table")]
fn table() -> BTreeMap<&'static str, (Must, Value, Value)> {
    let (other, own) = (json!({ "task_id": 2 }), json!({ "task_id": 1 }));
    let (tree, own_tree) = (json!({ "name": "ui" }), json!({ "name": "auth" }));
    let none = json!({});
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let keep = |action: &str| json!({ "action": action });
    BTreeMap::from([
        ("task_create", (Refuse, json!({ "subject": "x" }), json!({ "subject": "x" }))),
        ("task_list", (Answer, none.clone(), none.clone())),
        ("task_get", (Answer, other.clone(), own.clone())),
        ("task_prompt", (Answer, other.clone(), own.clone())),
        (
            "task_update",
            (
                KeepToOwn,
                with(&other, json!({ "status": "blocked" })),
                with(&own, json!({ "status": "in_progress" })),
            ),
        ),
        ("claim_task", (Refuse, other.clone(), none.clone())),
        ("release_task", (Refuse, other.clone(), own.clone())),
        ("complete_task", (KeepToOwn, other.clone(), Value::Null)),
        ("task_retry", (Refuse, other.clone(), own.clone())),
        (
            "task_return",
            (Refuse, with(&other, json!({ "reason": "x" })), with(&own, json!({ "reason": "x" }))),
        ),
        ("stop", (Refuse, json!({ "target": "2" }), json!({ "target": "1" }))),
        (
            "worktree_create",
            (Refuse, json!({ "name": "new", "task_id": 2 }), json!({ "name": "new", "task_id": 1 })),
        ),
        (
            "task_bind_worktree",
            (Refuse, with(&other, json!({ "worktree": "auth" })), with(&own, json!({ "worktree": "auth" }))),
        ),
        ("worktree_unbind", (Refuse, tree.clone(), own_tree.clone())),
        ("worktree_list", (Answer, none.clone(), none.clone())),
        ("worktree_status", (Answer, tree.clone(), own_tree.clone())),
        ("worktree_diff", (KeepToOwn, tree.clone(), own_tree.clone())),
        ("worktree_setup", (Refuse, tree.clone(), own_tree.clone())),
        ("worktree_enter", (KeepToOwn, tree.clone(), own_tree.clone())),
        ("worktree_keep", (Refuse, tree.clone(), own_tree.clone())),
        ("worktree_remove", (Refuse, with(&tree, json!({ "force": true })), own_tree.clone())),
        ("worktree_closeout", (Refuse, with(&tree, keep("remove")), with(&own_tree, keep("keep")))),
        ("worktree_restore", (Refuse, tree.clone(), own_tree.clone())),
        ("worktree_snapshots", (Answer, tree.clone(), none.clone())),
        (
            "worktree_run",
            (
                Refuse,
                with(&tree, json!({ "command": "touch x" })),
                with(&own_tree, json!({ "command": "touch x" })),
            ),
        ),
        ("conflicts", (Answer, json!({ "names": ["ui"] }), none.clone())),
        ("submit", (KeepToOwn, tree.clone(), Value::Null)),
        ("merge", (Refuse, tree.clone(), own_tree.clone())),
        ("queue", (Answer, none.clone(), none.clone())),
        ("run_list", (Answer, other.clone(), none.clone())),
        ("run_output", (KeepToOwn, json!({ "run": "ui" }), json!({ "run": "auth" }))),
        ("worktree_events", (Answer, other.clone(), none.clone())),
        ("up_state", (Refuse, json!({ "state": "paused" }), none.clone())),
        (
            "send_message",
            (
                Speak,
                json!({ "to": "lead", "content": "x", "from": "lead" }),
                json!({ "to": "lead", "content": "x" }),
            ),
        ),
        ("broadcast", (Speak, json!({ "content": "x", "from": "lead" }), json!({ "content": "x" }))),
        ("read_inbox", (Speak, json!({ "of": "lead" }), none.clone())),
        ("mail_list", (Speak, json!({ "to": "lead" }), none.clone())),
        (
            "shutdown_response",
            (Speak, json!({ "request_id": "q1", "approve": false, "from": "lead" }), Value::Null),
        ),
        ("list_teammates", (Answer, none.clone(), none.clone())),
        (
            "plan_submit",
            (KeepToOwn, with(&other, json!({ "plan": "x" })), with(&own, json!({ "plan": "x" }))),
        ),
        ("plan_list", (Answer, other.clone(), none.clone())),
        (
            "plan_approval",
            (
                Refuse,
                json!({ "request_id": "q1", "approve": true }),
                json!({ "request_id": "q1", "approve": true }),
            ),
        ),
        ("shutdown_request", (Refuse, json!({ "teammate": "bob" }), json!({ "teammate": "bob" }))),
        ("teammate_recall", (Refuse, json!({ "teammate": "bob" }), json!({ "teammate": "bob" }))),
    ])
}

#[test]
fn every_tool_keeps_a_run_to_what_is_its_own() {
    let lab = Lab::with_two_tasks();
    // A run of the other worktree, to be read.
    lab.ok(&["run", "ui", "--", "echo", "secret"]);
    let mut client = Client::new(lab.call(&["run", "auth", "--", BIPLANE, "mcp"]));
    let mut table = table();
    let listed = client.tools();
    // Those that are for the lead alone are not listed to it; they are refused when they are called all the same.
    for tool in Client::new(lab.call(&["mcp"])).tools() {
        let name = tool["name"].as_str().unwrap();
        let (must, others, own) = table.remove(name).unwrap_or_else(|| panic!("say what `{name}` must do"));
        assert_eq!(listed.contains(&tool), must != Refuse, "whether it is told of `{name}`");
        let before = lab.last_event();
        let result = client.call(name, others);
        let text = result["content"][0]["text"].as_str().unwrap();
        if must == Answer {
            assert_ne!(result["isError"], true, "{name}: {text}");
            assert_eq!(tool["annotations"]["readOnlyHint"], true, "{name}");
        } else {
            assert_eq!(result["_meta"]["biplane/error"]["code"], "refused", "{name}: {text}");
            assert!(text.contains("this caller works on task 1 in worktree `auth`"), "{name}: {text}");
        }
        assert_eq!(lab.last_event(), before, "{name} did something");
        if must == Refuse {
            client.fails("refused", name, own);
            assert_eq!(lab.last_event(), before, "{name} did something");
        } else if own != Value::Null {
            client.ok(name, own);
        }
    }
    assert!(table.is_empty(), "no tools any more: {table:?}");
    // What is judged about the task itself is another matter than whose it is.
    for argument in ["subject", "description", "gate", "profile", "owner"] {
        let text = client.fails("refused", "task_update", json!({ "task_id": 1, argument: "x" }));
        assert!(text.contains(&format!("the argument `{argument}`")), "{text}");
    }
    client.fails("refused", "task_update", json!({ "task_id": 1, "status": "cancelled" }));
    client.fails("refused", "submit", json!({ "name": "auth", "strategy": "squash" }));
    let answer = client.ask("resources/read", json!({ "uri": "biplane://run/r1/log" }));
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("is no run of the caller's own"),
        "{answer}"
    );
    client.end();
}
