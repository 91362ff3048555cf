//! The views of the team: what they hold, and that nothing of them gets out of its place.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::lab::Lab;

fn team(lab: &Lab) {
    lab.settings(
        "[agents.bob]\ncommand = [\"true\"]\nrole = \"front end\"\n[agents.\"../../evil/..\"]\ncommand = [\"true\"]\n",
    );
}

fn lines(lab: &Lab, file: &str) -> Vec<Value> {
    lab.repo.read(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_views_have_the_form_that_other_tools_read() {
    let lab = Lab::new();
    team(&lab);
    lab.ok(&["mail", "send", "bob", "hi\nthere"]);
    lab.ok(&["team", "shutdown", "bob", "--reason", "lunch"]);
    let inbox = lines(&lab, ".team/inbox/bob.jsonl");
    assert_eq!(inbox.len(), 2);
    let mut first = inbox[0].clone();
    assert!(first["timestamp"].take().as_f64().unwrap() > 1e9);
    assert_eq!(
        first,
        json!({"id": "m1", "type": "message", "from": "lead", "to": "bob", "content": "hi\nthere", "timestamp": null})
    );
    let of = |line: &Value, fields: &[&str]| Value::from_iter(fields.iter().map(|f| line[f].clone()));
    assert_eq!(of(&inbox[1], &["type", "request_id", "content"]), json!(["shutdown_request", "q1", "lunch"]));
    let answer = &lines(&lab, ".team/inbox/lead.jsonl")[0];
    assert_eq!(of(answer, &["type", "request_id", "approve"]), json!(["shutdown_response", "q1", true]));
    let config: Value = serde_json::from_str(&lab.repo.read(".team/config.json")).unwrap();
    let bob = config["members"].as_array().unwrap().iter().find(|m| m["name"] == "bob").unwrap();
    assert_eq!(of(bob, &["role", "status", "unread"]), json!(["front end", "shutdown", 2]));
    lab.ok(&["mail", "read", "--as", "bob"]);
    assert_eq!(lab.repo.read(".team/inbox/bob.jsonl"), "", "what was delivered waits no more");
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn hostile_names_stay_in_the_directory() {
    let lab = Lab::new();
    team(&lab);
    let names = [
        ("../../evil/..", "%2E.%2F..%2Fevil%2F...jsonl"),
        ("/tmp/x", "%2Ftmp%2Fx.jsonl"),
        ("..", "%2E..jsonl"),
        (".git", "%2Egit.jsonl"),
        ("a\\b", "a%5Cb.jsonl"),
        ("Claude Code", "Claude%20Code.jsonl"),
        ("bösë", "b%C3%B6s%C3%AB.jsonl"),
        ("%2E", "%252E.jsonl"),
        ("$(touch pwned)", "%24%28touch%20pwned%29.jsonl"),
    ];
    for (name, _) in names {
        lab.ok(&["mail", "send", "lead", "hi", "--as", name]);
        lab.ok(&["mail", "send", name, "hi"]);
    }
    let inbox = lab.root().join(".team/inbox").read_dir_utf8().unwrap().flatten();
    let mut found: Vec<String> = inbox.map(|e| e.file_name().to_owned()).collect();
    let mut expected: Vec<&str> = names.iter().map(|(_, file)| *file).collect();
    expected.extend(["bob.jsonl", "lead.jsonl"]);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(lines(&lab, ".team/inbox/%2E.%2F..%2Fevil%2F...jsonl").len(), 1);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    // What could steer a terminal is no name, and what some systems take for the same file is none besides.
    lab.fails(2, &["mail", "send", "lead", "hi", "--as", "a\u{1b}[2J"]);
    let said = lab.fails(2, &["mail", "send", "lead", "hi", "--as", "BOB"]).stderr;
    assert!(said.contains("`BOB` differs from `bob` in nothing but case"), "{said}");
    lab.is_sound();
}

#[test]
fn what_was_written_can_not_steer_a_terminal() {
    let lab = Lab::new();
    team(&lab);
    lab.ok(&[
        "mail",
        "send",
        "lead",
        "a\u{1b}]0;title\u{7}b\u{202e}c\nm9  12:00:00  lead → bob  message",
        "--as",
        "bob",
    ]);
    for args in [&["mail", "list"][..], &["mail", "read", "--dry-run"], &["mail", "read"]] {
        let shown = lab.ok(args);
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
        assert!(!shown.contains("\nm9"), "a message can't look like two: {shown}");
    }
    lab.is_sound();
}

#[test]
fn damaged_views_are_told_and_written_anew() {
    let lab = Lab::new();
    team(&lab);
    lab.ok(&["mail", "send", "bob", "hi"]);
    lab.ok(&["mail", "send", "bob", "again"]);
    let inbox = lab.repo.read(".team/inbox/bob.jsonl");
    let config = lab.repo.read(".team/config.json");
    lab.repo.write(".team/inbox/bob.jsonl", "{\"from\": \"mallory\"}\n");
    lab.repo.write(".team/config.json", "{");
    let report = lab.call(&["doctor", "--json"]).run().json();
    let findings = report["findings"].as_array().unwrap().iter();
    let damaged = findings.filter(|f| f["code"] == "view.damaged").map(|f| f["subject"].as_str().unwrap());
    assert_eq!(damaged.collect::<Vec<_>>(), [".team/inbox/bob.jsonl", ".team/config.json"]);
    let said = lab.call(&["doctor", "--fix"]).run().success();
    assert!(said.stdout.contains(".team/inbox/bob.jsonl"), "{said}");
    assert_eq!(lab.repo.read(".team/inbox/bob.jsonl"), inbox);
    assert_eq!(lab.repo.read(".team/config.json"), config);
    // Any command puts back what was deleted, and says so.
    std::fs::remove_file(lab.root().join(".team/inbox/bob.jsonl")).unwrap();
    let said = lab.call(&["task", "list"]).run().success().stderr;
    assert!(said.contains("changed or deleted it: `.team/inbox/bob.jsonl`"), "{said}");
    assert_eq!(lab.repo.read(".team/inbox/bob.jsonl"), inbox);
    // Who empties it, as other tools do when they read, has delivered nothing.
    lab.repo.write(".team/inbox/bob.jsonl", "");
    assert_eq!(lab.json(&["mail", "read", "--as", "bob"])["mail"][0]["content"], "hi");
    lab.is_sound();
}

#[test]
fn a_link_in_the_place_of_an_inbox_leads_nowhere() {
    let lab = Lab::new();
    team(&lab);
    let outside = lab.env.dir("outside");
    let dir = lab.root().join(".team/inbox");
    std::fs::create_dir_all(dir.parent().unwrap()).unwrap();
    symlink(&outside, &dir).unwrap();
    let said = lab.fails(3, &["mail", "send", "bob", "hi"]).stderr;
    assert!(said.contains("`inbox` is not a directory but a link or a file"), "{said}");
    assert_eq!(outside.read_dir_utf8().unwrap().count(), 0);
    // A link in the place of a file is replaced, not followed.
    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    symlink(outside.join("x"), dir.join("bob.jsonl")).unwrap();
    lab.ok(&["mail", "send", "bob", "hi"]);
    assert_eq!(outside.read_dir_utf8().unwrap().count(), 0);
    assert_eq!(lines(&lab, ".team/inbox/bob.jsonl").len(), 1);
    lab.is_sound();
}
