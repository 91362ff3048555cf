//! The Agent Client Protocol.

use biplane_execution::{
    agents::{DriverName, Permissions},
    supervise::Input,
};
use serde_json::{Value, json};

use super::{Heard, PromptBy, Scene, usage};

fn hear(permissions: Permissions, lines: &[Value]) -> Heard {
    say(&Scene::new(permissions), lines)
}

fn say(scene: &Scene, lines: &[Value]) -> Heard {
    let output: String = lines.iter().map(|line| format!("{line}\n")).collect();
    scene.hear(DriverName::Acp, output.as_bytes(), b"")
}

fn result(id: u64, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn hello() -> Value {
    let capabilities = json!({"loadSession": true});
    let methods = json!([{"id": "oauth-personal", "name": "Log in"}, {"id": "some-api-key", "name": "Key"}]);
    result(1, json!({"protocolVersion": 1, "agentCapabilities": capabilities, "authMethods": methods}))
}

fn opened() -> Value {
    result(2, json!({"sessionId": "s1"}))
}

fn update(update: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s1", "update": update}})
}

fn chunk(text: &str) -> Value {
    update(json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}))
}

/// A request for permission, with every kind of option.
fn asks(call: Value, kinds: &[&str]) -> Value {
    let options: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({"optionId": format!("o-{kind}"), "name": kind, "kind": kind}))
        .collect();
    let params = json!({"sessionId": "s1", "toolCall": call, "options": options});
    json!({"jsonrpc": "2.0", "id": "p1", "method": "session/request_permission", "params": params})
}

const ALL_KINDS: [&str; 4] = ["allow_always", "allow_once", "reject_once", "reject_always"];

#[test]
fn it_is_handed_a_server() {
    let fresh = Scene::new(Permissions::Edits).with_server();
    let resumed = Scene::new(Permissions::Edits).with_server().resumed("s0", usage(0, 0, 0, 0));
    for (scene, method) in [(fresh, "session/new"), (resumed, "session/load")] {
        let heard = say(&scene, &[hello()]);
        let asked = heard.replies.iter().find(|reply| reply["method"] == method).unwrap();
        let server = scene.brief.server.as_ref().unwrap();
        let wanted = json!([{
            "name": "biplane",
            "command": server.command[0],
            "args": server.command[1..],
            "env": [{"name": "A", "value": "b=\"c\" d"}]
        }]);
        assert_eq!(asked["params"]["mcpServers"], wanted, "{asked}");
    }
}

#[test]
fn it_is_greeted_and_offered_nothing() {
    let scene = Scene::new(Permissions::Edits);
    let launch = DriverName::Acp.driver(PromptBy::Stdin).launch(&scene.brief);
    assert_eq!(launch.command, ["agent", "--of-the-user"]);
    let Input::Open(bytes) = launch.input else { panic!("it is spoken with") };
    let hello: Value = serde_json::from_slice(&bytes).expect("a line of JSON");
    assert_eq!((&hello["id"], &hello["method"]), (&json!(1), &json!("initialize")));
    let capabilities = &hello["params"]["clientCapabilities"];
    assert_ne!(capabilities["fs"]["writeTextFile"], json!(true));
    assert_ne!(capabilities["fs"]["readTextFile"], json!(true));
    assert_ne!(capabilities["terminal"], json!(true));
}

#[test]
fn work_is_told() {
    let scene = Scene::new(Permissions::Edits);
    let recording = scene.recording("acp-work.jsonl");
    let heard = scene.hear(DriverName::Acp, recording.as_bytes(), b"");
    let root = &scene.brief.cwd;
    let expected: Vec<String> = [
        "started known known".to_owned(),
        "usage 70 20 30 0".to_owned(),
        "message I will write.".to_owned(),
        format!("call edit: Writing to {root}/hello.txt"),
        "asked edit".to_owned(),
        "ok".to_owned(),
        "usage 70 20 30 0".to_owned(),
        "call execute: git status && exit 3".to_owned(),
        "asked execute".to_owned(),
        "denied execute: git status && exit 3".to_owned(),
        "usage 70 20 30 0".to_owned(),
        "call execute: touch x".to_owned(),
        "asked execute".to_owned(),
        "ok".to_owned(),
        "call read: /etc/hostname".to_owned(),
        "asked read".to_owned(),
        "denied read: /etc/hostname".to_owned(),
        "usage 70 20 30 0".to_owned(),
        "message All done.".to_owned(),
        "finished true All done.".to_owned(),
    ]
    .into();
    assert_eq!(heard.short(), expected);
    assert_eq!(heard.tally.usage, usage(280, 80, 120, 0));
    assert!(heard.closed);
    let methods: Vec<&str> = heard.replies.iter().filter_map(|reply| reply["method"].as_str()).collect();
    assert_eq!(methods, ["session/new", "session/prompt"]);
    assert_eq!(heard.replies[0]["params"]["cwd"], root.as_str());
    assert_eq!(heard.replies[1]["params"]["prompt"][0]["text"], "Do it.\nAll of it.");
    let chosen: Vec<&str> =
        heard.replies.iter().filter_map(|reply| reply["result"]["outcome"]["optionId"].as_str()).collect();
    assert_eq!(chosen, ["proceed_once", "cancel", "proceed_once", "cancel"]);
}

#[test]
fn a_command_that_failed_is_told_from_its_text() {
    let scene = Scene::new(Permissions::All);
    let recording = scene.recording("acp-work.jsonl");
    let heard = scene.hear(DriverName::Acp, recording.as_bytes(), b"");
    assert_eq!((heard.tally.calls, heard.told.failed.count, heard.told.denied.count), (4, 1, 0));
}

#[test]
fn messages_are_put_together() {
    let call =
        update(json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "Look", "kind": "read",
        "locations": [{"path": "a.txt"}]}));
    let failed = update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "failed"}));
    let thought =
        update(json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}}));
    let new = update(json!({"sessionUpdate": "something_new"}));
    let lines = [
        hello(),
        opened(),
        chunk("Let me"),
        thought,
        new,
        chunk(" look."),
        call,
        failed.clone(),
        failed,
        chunk("Odd."),
    ];
    let heard = hear(Permissions::Edits, &lines);
    assert_eq!(
        heard.short(),
        ["started known unknown", "message Let me look.", "call read: Look", "failed", "message Odd."]
    );
    assert!(!heard.tally.finished && !heard.closed, "it was cut off");
}

#[test]
fn the_right_option_is_chosen() {
    let inside = json!({"toolCallId": "c", "kind": "edit", "title": "t", "locations": [{"path": "a.txt"}]});
    let outside =
        json!({"toolCallId": "c", "kind": "edit", "title": "t", "locations": [{"path": "../a.txt"}]});
    let none = json!({"toolCallId": "c", "kind": "edit", "title": "t"});
    let both = json!({"toolCallId": "c", "kind": "edit", "title": "t", "locations": [{"path": "a.txt"}],
        "content": [{"type": "diff", "path": "/etc/a", "newText": ""}]});
    let run = |command: Value| json!({"toolCallId": "c", "kind": "execute", "title": "t", "rawInput": {"command": command}});
    let elsewhere = json!({"toolCallId": "c", "kind": "execute", "title": "t", "rawInput": {"command": "ls", "cwd": "/"}});
    let fetch = json!({"toolCallId": "c", "kind": "fetch", "title": "t"});
    let search = |pattern: &str| json!({"toolCallId": "c", "kind": "search", "title": "t", "rawInput": {"pattern": pattern}});
    let (edits, all, read) = (Permissions::Edits, Permissions::All, Permissions::Read);
    let only_always = ["allow_always", "reject_once"].as_slice();
    let table: &[(Permissions, &Value, &[&str], Option<&str>)] = &[
        (edits, &inside, &ALL_KINDS, Some("o-allow_once")),
        (edits, &inside, only_always, Some("o-reject_once")),
        (all, &inside, only_always, Some("o-allow_always")),
        (read, &inside, &ALL_KINDS, Some("o-reject_once")),
        (edits, &outside, &ALL_KINDS, Some("o-reject_once")),
        (edits, &outside, &["allow_once", "reject_always"], Some("o-reject_always")),
        (edits, &outside, &["allow_once"], None),
        (edits, &none, &ALL_KINDS, Some("o-reject_once")),
        (edits, &both, &ALL_KINDS, Some("o-reject_once")),
        (all, &outside, &ALL_KINDS, Some("o-allow_once")),
        (edits, &run(json!("git add -A")), &ALL_KINDS, Some("o-allow_once")),
        (read, &run(json!("git add -A")), &ALL_KINDS, Some("o-reject_once")),
        (edits, &run(json!(["/bin/bash", "-lc", "ls"])), &ALL_KINDS, Some("o-allow_once")),
        (edits, &run(json!(["ls"])), &ALL_KINDS, Some("o-reject_once")),
        (edits, &elsewhere, &ALL_KINDS, Some("o-reject_once")),
        (edits, &fetch, &ALL_KINDS, Some("o-reject_once")),
        (all, &fetch, &ALL_KINDS, Some("o-allow_once")),
        (edits, &search("fn main"), &ALL_KINDS, Some("o-allow_once")),
        (edits, &search("/etc/*"), &ALL_KINDS, Some("o-reject_once")),
    ];
    for (permissions, call, kinds, expected) in table {
        let heard = hear(*permissions, &[hello(), opened(), asks((*call).clone(), kinds)]);
        let answer = heard.replies.last().expect("an answer");
        assert_eq!(answer["id"], "p1");
        let outcome = &answer["result"]["outcome"];
        assert_eq!(outcome["optionId"].as_str(), *expected, "{permissions:?} {call} {kinds:?}");
        assert_eq!(outcome["outcome"], if expected.is_some() { "selected" } else { "cancelled" });
        let allowed = expected.is_some_and(|option| option.contains("allow"));
        assert_eq!(heard.told.denied.count, u64::from(!allowed));
    }
}

#[test]
fn an_agent_that_breaks_off_at_a_refusal_is_told_to_go_on() {
    let call = |id: &str| asks(json!({"toolCallId": id, "kind": "fetch", "title": "t"}), &ALL_KINDS);
    let end = |id| result(id, json!({"stopReason": "end_turn"}));
    // It says nothing, or only that.
    let lines = [
        hello(),
        opened(),
        call("a"),
        end(3),
        call("b"),
        chunk("Info: cancelled"),
        end(4),
        chunk("Fine."),
        end(5),
    ];
    let heard = hear(Permissions::Edits, &lines);
    let prompts: Vec<&str> =
        heard.replies.iter().filter_map(|reply| reply["params"]["prompt"][0]["text"].as_str()).collect();
    assert_eq!(prompts.len(), 3);
    assert!(prompts[1].starts_with("What you asked for was not permitted") && prompts[1] == prompts[2]);
    assert_eq!((heard.told.denied.count, heard.success()), (2, Some(true)));
    assert_eq!(heard.tally.last_text, "Fine.");
    // It goes on by itself.
    let heard = hear(Permissions::Edits, &[hello(), opened(), call("a"), chunk("Fine."), end(3)]);
    assert!(heard.closed && heard.tally.finished);
    // Not for ever.
    let mut lines = vec![hello(), opened()];
    for n in 0..20_u64 {
        lines.extend([call(&n.to_string()), end(3 + n)]);
    }
    let heard = hear(Permissions::Edits, &lines);
    assert_eq!((heard.tally.finished, heard.success()), (true, Some(true)));
    assert!(heard.replies.len() < 30, "{}", heard.replies.len());
}

#[test]
fn codes_and_usage_are_found_where_each_agent_puts_them() {
    let run = |output: Value| {
        update(
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "kind": "execute", "status": "completed", "title": "ls",
            "rawOutput": output}),
        )
    };
    let table = [
        (json!({"metadata": {"exit": 3}}), "failed"),
        (json!({"metadata": {"exit": 0}}), "ok"),
        (json!({"contents": [{"type": "shell_exit", "exitCode": 3}]}), "failed"),
        (json!({"contents": [{"type": "shell_exit", "exitCode": 0}]}), "ok"),
        (json!("text"), "ok"),
    ];
    for (output, expected) in table {
        let heard = hear(Permissions::Edits, &[hello(), opened(), run(output.clone())]);
        assert_eq!(heard.short()[1..], ["call execute: ls", expected], "{output}");
    }
    let table = [
        (
            json!({"usage": {"inputTokens": 135, "outputTokens": 20, "cachedReadTokens": 30}}),
            usage(105, 20, 30, 0),
        ),
        (
            json!({"_meta": {"quota": {"token_count": {"input_tokens": 50, "output_tokens": 5}}}}),
            usage(50, 5, 0, 0),
        ),
        (json!({}), usage(0, 0, 0, 0)),
    ];
    for (answer, expected) in table {
        let mut answer = answer;
        answer["stopReason"] = json!("end_turn");
        let heard = hear(Permissions::Edits, &[hello(), opened(), result(3, answer)]);
        assert_eq!(heard.tally.usage, expected);
    }
}

#[test]
fn a_call_is_told_when_it_is_known_what_for() {
    let pending = update(
        json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "bash", "kind": "execute", "status": "pending",
        "rawInput": {"cwd": "/"}, "locations": [{"path": "/"}]}),
    );
    let known = update(
        json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "in_progress", "title": "ls",
        "rawInput": {"command": "ls", "cwd": "/"}}),
    );
    let done = update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed"}));
    let heard = hear(Permissions::Edits, &[hello(), opened(), pending, known.clone(), known, done]);
    assert_eq!(heard.short()[1..], ["call execute: ls", "ok"]);
}

#[test]
fn every_request_is_answered() {
    let asked = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {}});
    let lines = [
        hello(),
        opened(),
        asked(7, "fs/write_text_file"),
        asked(8, "session/request_permission"),
        asked(9, "x/y"),
    ];
    let heard = hear(Permissions::All, &lines);
    let errors: Vec<(&Value, &Value)> =
        heard.replies[2..].iter().map(|reply| (&reply["id"], &reply["error"]["code"])).collect();
    assert_eq!(
        errors,
        [(&json!(7), &json!(-32601)), (&json!(8), &json!(-32602)), (&json!(9), &json!(-32601))]
    );
}

#[test]
fn a_session_is_loaded_where_the_agent_can() {
    let scene = || Scene::new(Permissions::Edits).resumed("old", usage(10, 10, 0, 500));
    let history =
        update(json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": "old"}}));
    let cost = update(
        json!({"sessionUpdate": "usage_update", "used": 1, "size": 9, "cost": {"amount": 0.002, "currency": "USD"}}),
    );
    let done = result(3, json!({"stopReason": "end_turn"}));
    let heard = say(
        &scene(),
        &[hello(), history, chunk("history"), result(2, Value::Null), cost, chunk("new"), done],
    );
    assert_eq!(heard.replies[0]["method"], "session/load");
    assert_eq!(heard.replies[0]["params"]["sessionId"], "old");
    assert_eq!(heard.replies[1]["params"]["sessionId"], "old");
    assert_eq!(
        heard.short(),
        ["started known unknown", "usage 0 0 0 1500", "message new", "finished true new"]
    );

    let error = json!({"jsonrpc": "2.0", "id": 2, "error": {"code": -32603, "message": "not found"}});
    let heard = say(&scene(), &[hello(), error]);
    assert!(heard.tally.lost_session && heard.closed);
    assert_eq!(heard.short(), ["finished false it could not load its session: not found"]);

    let heard = say(&scene(), &[result(1, json!({"protocolVersion": 1}))]);
    assert_eq!(heard.replies[0]["method"], "session/new");
}

#[test]
fn it_logs_in_when_it_must_and_nobody_is_needed() {
    let locked = |id| json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": "Authentication required"}});
    let heard = hear(
        Permissions::Edits,
        &[hello(), locked(2), result(3, json!({})), result(4, json!({"sessionId": "s1"}))],
    );
    let methods: Vec<&str> = heard.replies.iter().filter_map(|reply| reply["method"].as_str()).collect();
    assert_eq!(methods, ["session/new", "authenticate", "session/new", "session/prompt"]);
    assert_eq!(heard.replies[1]["params"]["methodId"], "some-api-key");

    // Not for ever.
    let heard = hear(Permissions::Edits, &[hello(), locked(2), result(3, json!({})), locked(4)]);
    assert_eq!(heard.success(), Some(false));

    let methods = json!([{"id": "oauth-personal", "name": "Log in"}]);
    let person = result(1, json!({"protocolVersion": 1, "authMethods": methods}));
    let heard = hear(Permissions::Edits, &[person, locked(2)]);
    assert_eq!(
        heard.short(),
        ["finished false it must be logged in by a person first: Authentication required"]
    );
}

#[test]
fn an_end_without_success_is_none() {
    let error = |message: &str| json!({"jsonrpc": "2.0", "id": 3, "error": {"code": -32603, "message": "Internal error", "data": message}});
    let table = [
        (result(3, json!({"stopReason": "refusal"})), ["finished false it stopped: refusal"].as_slice()),
        (result(3, json!({"stopReason": "max_tokens"})), &["finished false it stopped: max_tokens"]),
        (
            result(3, json!({"stopReason": "new_reason"})),
            &[
                "finished false it stopped without a reason: unknown variant `new_reason`, expected one of `end_turn`, `max_tokens`, `max_turn_requests`, `refusal`, `cancelled`",
            ],
        ),
        (error("boom"), &["finished false Internal error: boom"]),
        (
            error("429 Too Many Requests, retry after 7s"),
            &[
                "limited Some(7) Internal error: 429 Too Many Requests, retry after 7s",
                "finished false Internal error: 429 Too Many Requests, retry after 7s",
            ],
        ),
    ];
    for (line, expected) in table {
        let heard = hear(Permissions::Edits, &[hello(), opened(), line.clone()]);
        let expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(heard.short()[1..], expected, "{line}");
        assert!(heard.closed);
    }
    let heard = hear(Permissions::Edits, &[result(1, json!({"protocolVersion": 2}))]);
    assert_eq!(heard.short(), ["finished false it speaks version 2 of the protocol, not 1"]);
}

#[test]
fn a_request_that_is_too_long_is_refused() {
    let mut line = br#"{"jsonrpc":"2.0","id":12,"method":"session/request_permission","params":""#.to_vec();
    line.resize(super::LINE + 10, b'x');
    line.extend_from_slice(b"\"}\n");
    let heard = Scene::new(Permissions::All).hear(DriverName::Acp, &line, b"");
    assert_eq!(heard.replies[0]["id"], 12);
    assert!(heard.replies[0]["error"]["code"].is_i64());
}
