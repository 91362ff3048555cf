//! The tools, called directly.

use std::{os::unix::fs::symlink, time::Duration};

use biplane_agent::{
    cancel::Cancel,
    model::Protocol,
    tools::{Answer, Wish},
};
use biplane_testkit::standin::steps;
use serde_json::{Value, json};

use crate::lab::Lab;

fn lab() -> Lab {
    Lab::new(Protocol::Anthropic, steps([]))
}

#[expect(clippy::needless_pass_by_value, reason = "an input is written in place")]
fn call(lab: &Lab, tool: &str, input: Value) -> Answer {
    lab.tools().get(tool).unwrap().call(&input, &Cancel::new())
}

#[track_caller]
fn fails(lab: &Lab, tool: &str, input: Value, with: &str) {
    let answer = call(lab, tool, input);
    assert!(answer.failed && answer.text.contains(with), "{}", answer.text);
}

#[test]
fn files_are_read_in_pieces() {
    let lab = lab();
    lab.repo.write("a.txt", (1..=5000).map(|n| format!("{n}\n")).collect::<String>());
    let answer = call(&lab, "read_file", json!({"path": "a.txt", "offset": 10, "limit": 2}));
    assert_eq!(answer, Answer::done("10\n11\n[lines 10 to 11 of 5000]"));
    let answer = call(&lab, "read_file", json!({"path": "./a.txt"}));
    assert!(answer.text.ends_with("2000\n[lines 1 to 2000 of 5000]"), "{}", answer.text.len());
    fails(&lab, "read_file", json!({"path": "a.txt", "offset": 5001}), "has 5000 lines");
    fails(&lab, "read_file", json!({"path": "a.txt", "limit": "x"}), "no");
    lab.repo.write("wide.txt", "x".repeat(200_000));
    assert!(call(&lab, "read_file", json!({"path": "wide.txt"})).text.contains("characters left out"));
    lab.repo.write("zero", b"a\0b");
    fails(&lab, "read_file", json!({"path": "zero"}), "is no text");
    lab.repo.write("none", "");
    assert_eq!(call(&lab, "read_file", json!({"path": "none"})), Answer::done("[`none` is empty]"));
    fails(&lab, "read_file", json!({"path": "missing"}), "there is no `missing`");
}

#[test]
fn nothing_leads_outside() {
    let lab = lab();
    let outside = lab.env.dir("outside");
    std::fs::write(outside.join("secret.txt"), "needle").unwrap();
    symlink(&outside, lab.repo.path().join("away")).unwrap();
    symlink(outside.join("secret.txt"), lab.repo.path().join("link")).unwrap();
    for path in [
        "../outside/secret.txt",
        outside.join("secret.txt").as_str(),
        "away/secret.txt",
        "link",
        ".git/config",
    ] {
        for (tool, input) in [
            ("read_file", json!({"path": path})),
            ("write_file", json!({"path": path, "content": "x"})),
            ("edit_file", json!({"path": path, "old_text": "needle", "new_text": "x"})),
            ("search", json!({"path": path, "pattern": "needle|core"})),
        ] {
            let answer = call(&lab, tool, input);
            assert!(answer.failed || answer.text == "[nothing found]", "{tool} {path}: {}", answer.text);
        }
    }
    assert_eq!(call(&lab, "search", json!({"pattern": "needle"})).text, "[nothing found]");
    assert_eq!(std::fs::read_to_string(outside.join("secret.txt")).unwrap(), "needle");
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 1);
}

#[test]
fn a_piece_is_replaced_where_it_stands_once() {
    let lab = lab();
    lab.repo.write("a.txt", "one\ntwo\ntwo\naaa\n");
    let edit = |old: &str, new: &str| json!({"path": "a.txt", "old_text": old, "new_text": new});
    assert_eq!(call(&lab, "edit_file", edit("one\n", "1\n")).text, "edited `a.txt` at line 1");
    fails(&lab, "edit_file", edit("two", "2"), "stands in `a.txt` 2 times");
    fails(&lab, "edit_file", edit("aa", "b"), "2 times");
    fails(&lab, "edit_file", edit("three", "3"), "is not in `a.txt`");
    fails(&lab, "edit_file", edit("", "3"), "is empty");
    fails(&lab, "edit_file", edit("1", "1"), "the same");
    lab.repo.write("a.txt", "one\r\ntwo\r\n");
    fails(&lab, "edit_file", edit("one\ntwo", "x"), "end with \\r\\n");
    lab.repo.write("run.sh", "#!/bin/sh\n");
    let file = lab.repo.path().join("run.sh");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o751)).unwrap();
    call(&lab, "edit_file", json!({"path": "run.sh", "old_text": "sh\n", "new_text": "bash\n"}));
    call(&lab, "write_file", json!({"path": "run.sh", "content": "#!/bin/bash\n"}));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o751);
}

#[test]
fn patches_are_applied_and_the_last_ones_taken_back() {
    let lab = lab();
    lab.repo.write("a.txt", "one\n");
    let mut tools = lab.tools();
    let tool = tools.get("apply_patch").unwrap();
    let patch = |old: &str, new: &str| {
        let text = format!("--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-{old}\n+{new}\n");
        json!({"patch": text})
    };
    assert_eq!(tool.wish(&patch("one", "two")), Wish::Edit(vec!["a.txt".to_owned()]));
    assert_eq!(tool.call(&patch("one", "two"), &Cancel::new()), Answer::done("M a.txt"));
    let stale = tool.call(&patch("one", "three"), &Cancel::new());
    assert!(
        stale.failed
            && stale.text.contains("expects line 1 to be `one`, and it is `two`; nothing was changed")
    );
    tool.call(&patch("two", "three"), &Cancel::new());
    let revert = json!({"revert": true});
    assert_eq!(tool.wish(&revert), Wish::Edit(vec!["a.txt".to_owned()]));
    assert!(!tool.call(&revert, &Cancel::new()).failed);
    assert_eq!(lab.repo.read("a.txt"), "two\n");
    assert!(!tool.call(&revert, &Cancel::new()).failed);
    assert_eq!(lab.repo.read("a.txt"), "one\n");
    assert!(tool.call(&revert, &Cancel::new()).failed);
}

#[test]
fn a_search_sees_what_git_sees() {
    let lab = lab();
    for path in ["src/a.rs", "src/deep/b.rs", "target/c.rs", "src/kept/d.log", "e.txt", "src/f.log"] {
        lab.repo.write(path, format!("needle in {path}\nhay\n"));
    }
    lab.repo.write(".gitignore", "/target\n*.log\n");
    lab.repo.write("src/.gitignore", "!kept/*.log\n");
    lab.repo.write("zero", b"needle\0");
    let found = call(&lab, "search", json!({"pattern": "^needle"})).text;
    let lines: Vec<_> = found.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["e.txt", "src/a.rs", "src/deep/b.rs", "src/kept/d.log"]);
    assert!(found.starts_with("e.txt:1:needle in e.txt\n"));
    let list = |input: Value| call(&lab, "search", input).text;
    assert_eq!(list(json!({"glob": "*.rs"})), "src/a.rs\nsrc/deep/b.rs");
    assert_eq!(list(json!({"glob": "src/*.rs"})), "src/a.rs");
    assert_eq!(list(json!({"path": "src/deep"})), "src/deep/b.rs");
    assert_eq!(list(json!({"path": "src/a.rs", "pattern": "hay"})), "src/a.rs:2:hay");
    fails(&lab, "search", json!({"pattern": "("}), "unclosed");
    fails(&lab, "search", json!({"pattern": "(a{1000}){1000}"}), "size limit");
    fails(&lab, "search", json!({"path": "none"}), "there is no `none`");
    lab.repo.write("many.txt", "x\n".repeat(500));
    let many = list(json!({"pattern": "x", "path": "many.txt"}));
    assert_eq!(many.lines().count(), 201);
    assert!(many.ends_with("look for something narrower]"));
}

#[test]
fn commands_are_bounded_and_leave_nothing_running() {
    let lab = lab();
    let bash = |line: &str| call(&lab, "bash", json!({"command": line}));
    assert_eq!(bash("pwd").text.trim(), lab.repo.path());
    assert_eq!(bash("true"), Answer::done("[no output]"));
    assert_eq!(bash("echo a; echo b >&2; exit 3"), Answer::failed("a\nb\n[exit code 3]"));
    assert!(bash("kill -9 $$").text.contains("ended by signal 9"));
    let long = bash("head -c 1000000 /dev/zero | tr '\\0' x; echo end");
    assert!(long.text.len() < 60_000 && long.text.contains("bytes left out") && long.text.contains("end"));
    assert_eq!(bash("printf '\\033[31mred\\033[0m'").text, "red");
    let late = call(&lab, "bash", json!({"command": "sleep 100", "timeout_s": 1}));
    assert_eq!(late, Answer::failed("[ended after 1 s]"));
    let left = bash("sleep 1000 & disown; echo $!");
    let pid = left.text.lines().next().unwrap().to_owned();
    let gone = || !std::path::Path::new(&format!("/proc/{pid}")).exists();
    biplane_testkit::eventually(Duration::from_secs(10), "what was left is gone", gone);
}
