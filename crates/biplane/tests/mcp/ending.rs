//! Calls that are cancelled, and servers that end.

use std::time::Duration;

use biplane_testkit::{Signal, eventually};
use serde_json::{Value, json};

use crate::{
    client::{Client, NEWEST},
    lab::{DEADLINE, Lab},
};

/// A command that goes on for as long as nobody ends it.
const LONG: &str = "echo begun; exec sleep 600";

fn begin(client: &mut Client) -> u64 {
    let call = json!({ "name": "worktree_run", "arguments": { "name": "auth", "command": LONG }, "_meta": { "progressToken": 7 } });
    let id = client.send("tools/call", call);
    let told = client.notice("notifications/progress");
    assert_eq!(
        (told["params"]["progressToken"].as_u64(), told["params"]["message"].as_str()),
        (Some(7), Some("begun"))
    );
    id
}

fn is_over(lab: &Lab) -> bool {
    lab.json(&["log", "--list"])[0]["status"] == "cancelled"
}

#[test]
fn long_calls_tell_how_far_they_are_and_can_be_cancelled() {
    for revision in ["2024-11-05", NEWEST] {
        let lab = Lab::with_two_tasks();
        let mut client = Client::with(lab.call(&["mcp"]), revision);
        let id = begin(&mut client);
        let on = client.notice("notifications/progress");
        assert!(on["params"]["message"].as_str().unwrap().starts_with("at work for "), "{on}");
        client.tell("notifications/cancelled", json!({ "requestId": id, "reason": "enough" }));
        // The server is at once free for others.
        client.ok("task_list", json!({}));
        eventually(DEADLINE, "the run is cancelled", || is_over(&lab));
        client.end().success();
    }
}

#[test]
fn a_client_that_goes_takes_its_calls_along() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    begin(&mut client);
    client.end().success();
    assert!(is_over(&lab), "its end was recorded before the server ended");
}

#[test]
fn a_signal_ends_a_server_and_what_it_does() {
    // SIGTERM is an orderly end, as whoever manages servers asks for it.
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 0)] {
        let lab = Lab::with_two_tasks();
        let mut client = Client::new(lab.call(&["mcp"]));
        begin(&mut client);
        client.talk().running().signal(signal);
        eventually(DEADLINE, "the server has ended", || !client.talk().running().is_running());
        let output = client.end();
        assert_eq!((output.code, output.stderr.as_str()), (code, ""));
        assert!(is_over(&lab));
    }
}

#[test]
fn an_idle_server_ends_at_once() {
    let lab = Lab::new();
    let mut client = Client::new(lab.call(&["mcp"]));
    client.talk().running().signal(Signal::INT);
    let began = std::time::Instant::now();
    eventually(DEADLINE, "the server has ended", || !client.talk().running().is_running());
    assert!(began.elapsed() < Duration::from_secs(10));
    // Nobody ever said a word.
    assert_eq!(lab.call(&["mcp"]).run().success().stdout, "");
}

#[test]
fn calls_go_on_beside_each_other() {
    let lab = Lab::with_two_tasks();
    let mut client = Client::new(lab.call(&["mcp"]));
    let ids: Vec<u64> = ["auth", "ui"]
        .iter()
        .map(|name| {
            // Each waits for what the other one writes.
            let command = "touch ../$BIPLANE_WORKTREE.there; until [ -e ../auth.there ] && [ -e ../ui.there ]; do sleep 0.05; done; echo met";
            client.send("tools/call", json!({ "name": "worktree_run", "arguments": { "name": name, "command": command } }))
        })
        .collect();
    let mut told = Vec::new();
    for _ in &ids {
        let line = client.talk().hear(DEADLINE, "an answer", |line| line.contains("structuredContent"));
        told.push(line);
    }
    assert!(told.iter().all(|line| line.contains("met")));
}

#[test]
fn what_is_no_protocol_is_answered() {
    let lab = Lab::new();
    let output = lab.call(&["mcp"]).stdin("GET / HTTP/1.1\r\n\r\n").run().success();
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
    let mut client = Client::new(lab.call(&["mcp"]));
    let long = format!("\"{}\"", "x".repeat(4 << 20));
    for (line, id, code) in [
        ("this is no JSON", json!(null), -32700),
        ("{\"jsonrpc\": \"2.0\", \"id\": 77, ", json!(null), -32700),
        (&long, json!(null), -32700),
        ("[]", json!(null), -32600),
        ("{\"jsonrpc\": \"2.0\", \"id\": 77}", json!(77), -32600),
    ] {
        client.say(line);
        let answer = client.talk().hear(DEADLINE, "an answer", |line| line.contains("\"error\""));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let answer = answer.as_object().unwrap();
        assert_eq!((answer.get("id"), &answer["error"]["code"]), (Some(&id), &json!(code)), "{answer:?}");
        client.ok("task_list", json!({}));
    }
    client.end().success();
}
