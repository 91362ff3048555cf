//! Servers that fail, models that err, and what becomes of their tasks.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use biplane_testkit::{
    Signal, eventually,
    standin::{Answer, Part, Turn},
};
use serde_json::{Value, json};

use crate::lab::{DEADLINE, Lab};

fn write(path: &str) -> Answer {
    Answer::call("write_file", json!({"path": path, "content": "x\n"}))
}

/// A task that is done at once, without an attempt in vain.
fn done_by(script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> Lab {
    let lab = Lab::new("anthropic", "edits", "", script);
    lab.repo.write("a.txt", "one\ntwo\nthree\n");
    lab.repo.commit("a.txt");
    lab.ok(&["task", "create", "do it"]);
    let up = lab.ok(&["up", "--no-gate"]);
    let task = lab.task(1);
    assert_eq!((&task["status"], &task["attempts"]), (&json!("completed"), &json!(0)), "{up}");
    lab.is_sound();
    lab
}

/// A task that comes to nothing; why.
fn failed_by(script: impl Fn(&Turn) -> Answer + Send + Sync + 'static) -> (Lab, Value) {
    let lab = Lab::new("anthropic", "edits", "", script);
    lab.ok(&["task", "create", "do it"]);
    let _ = lab.call(&["up", "--no-gate"]).run().fails_with(1);
    let task = lab.task(1);
    assert_eq!(task["status"], "failed", "{task:#}");
    lab.is_sound();
    (lab, task)
}

#[test]
fn a_server_that_is_busy_for_a_while_and_a_stream_that_is_cut() {
    let lab = done_by(|turn: &Turn| match (turn.step, turn.attempt) {
        (0, 0) => Answer::refuse(429).retry_after(Duration::from_secs(1)),
        (0, 1) => Answer::refuse(529),
        (0, 2) => write("half.txt").and(Part::Cut),
        (0, _) => write("b.txt"),
        _ => Answer::text("Done."),
    });
    assert_eq!(lab.repo.git(&["ls-tree", "--name-only", "main"]), "README.md\na.txt\nb.txt\nbiplane.toml");
    let told = lab.ok(&["log", "1"]).stdout;
    assert!(told.contains("Too many requests, says the stand-in."), "{told}");
}

/// A provider that turns the agent away for longer than that waits uses up no attempts, however few there are.
#[test]
fn runs_that_are_turned_away_are_no_attempts() {
    const TURNED_AWAY: usize = 3;
    let asked = AtomicUsize::new(0);
    let script = move |turn: &Turn| match turn.step {
        0 if asked.fetch_add(1, Ordering::SeqCst) < TURNED_AWAY => {
            let status = if turn.attempt.is_multiple_of(2) { 429 } else { 529 };
            Answer::refuse(status).retry_after(Duration::from_secs(600))
        }
        0 => write("a.txt"),
        _ => Answer::text("Done."),
    };
    let lab = Lab::new("anthropic", "edits", "[limits]\ntask_attempts = 1", script);
    lab.ok(&["task", "create", "do it", "--owner", "builtin"]);
    lab.ok(&["mail", "send", "builtin", "use tabs"]);
    for n in 1..=TURNED_AWAY {
        let mut up = lab.call(&["up", "--no-gate"]).spawn();
        eventually(DEADLINE, "it was turned away", || lab.events("task.returned").len() == n);
        up.signal(Signal::INT);
        let _ = up.wait(DEADLINE).fails_with(130);
        let task = lab.task(1);
        let facts = json!([task["status"], task["owner"], task["attempts"], task["used"]["attempts"]]);
        assert_eq!(facts, json!(["pending", "builtin", 0, 0]), "{task:#}");
    }
    lab.ok(&["up", "--no-gate"]);
    let (task, runs) = (lab.task(1), lab.json(&["log", "--list"]));
    assert_eq!(json!([task["status"], task["used"]["attempts"]]), json!(["completed", 1]), "{task:#}");
    let limited: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["rate_limited"].clone()).collect();
    assert_eq!(limited, [true, true, true, false], "{runs:#}");
    // Who did nothing has read nothing: its mail went to the one that came through.
    assert_eq!(lab.json(&["mail", "list"])[0]["run"], "r4");
    lab.is_sound();
}

#[test]
fn a_stale_patch_is_mended_by_what_the_model_is_told() {
    let patch = |old: &str| json!({"patch": format!("--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n one\n-{old}\n+2\n")});
    let lab = done_by(move |turn: &Turn| match turn.step {
        0 => Answer::call("apply_patch", patch("zwei")),
        1 => {
            let told = &turn.results[0];
            assert!(
                told.error && told.text.contains("expects line 2 to be `zwei`, and it is `two`"),
                "{told:?}"
            );
            Answer::call("apply_patch", patch("two"))
        }
        _ => Answer::text("Done."),
    });
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "one\n2\nthree");
}

#[test]
fn what_leads_outside_is_refused_and_the_task_fails() {
    let (lab, task) = failed_by(|turn: &Turn| match turn.step {
        0 => write("../../outside.txt")
            .and_call("bash", json!({"command": "touch ../../outside.txt"}))
            .and_call(
                "apply_patch",
                json!({"patch": "--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n"}),
            ),
        1 => {
            assert!(turn.results.iter().all(|result| result.error), "{:?}", turn.results);
            Answer::text("All is done.")
        }
        _ => Answer::refuse(400),
    });
    assert!(!lab.repo.path().join("outside.txt").exists());
    assert!(task["reason"].as_str().unwrap().contains("denied"), "{task:#}");
}

#[test]
fn an_endless_answer_ends_and_is_told() {
    let (lab, task) = failed_by(|_: &Turn| Answer::empty().and(Part::Endless("x".repeat(256 << 10))));
    let told = lab.ok(&["log", "1"]).stdout;
    assert!(told.contains("the model's answer has more than"), "{told}\n{task:#}");
}

#[test]
fn a_server_that_refuses_for_good_is_told() {
    let (lab, _) = failed_by(|_: &Turn| Answer::refuse(401));
    let told = lab.ok(&["log", "1"]).stdout;
    assert!(told.contains("the model's server refuses the request (401): No entry"), "{told}");
}
