//! Six tasks at once: files written in each way, landed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use biplane_testkit::standin::{Answer, Turn, Usage};
use serde_json::json;

use crate::lab::Lab;

const TASKS: usize = 6;
/// How long one waits for the others.
const ALL_HERE: Duration = Duration::from_secs(60);

/// Holds conversations back until all have begun.
#[derive(Default)]
struct Gathering {
    begun: Mutex<BTreeSet<String>>,
    more: Condvar,
}

impl Gathering {
    /// Whether all came in time.
    fn join(&self, file: &str) -> bool {
        let mut begun = self.begun.lock().unwrap();
        begun.insert(file.to_owned());
        self.more.notify_all();
        let (begun, _) = self.more.wait_timeout_while(begun, ALL_HERE, |b| b.len() < TASKS).unwrap();
        begun.len() == TASKS
    }
}

/// One way of writing a file for each number.
fn write(file: &str) -> Answer {
    let text = format!("by {file}\n");
    match file.bytes().find(u8::is_ascii_digit).unwrap_or_default() % 3 {
        0 => Answer::call("write_file", json!({"path": file, "content": text})),
        1 => Answer::call(
            "apply_patch",
            json!({"patch": format!("--- /dev/null\n+++ b/{file}\n@@ -0,0 +1 @@\n+{text}")}),
        ),
        _ => Answer::call(
            "apply_patch",
            json!({"patch": format!("*** Begin Patch\n*** Add File: {file}\n+{text}*** End Patch")}),
        ),
    }
}

fn six_at_once(protocol: &str, permissions: &str, commits: bool) {
    let gathering = Arc::new(Gathering::default());
    let script = {
        let gathering = Arc::clone(&gathering);
        move |turn: &Turn| {
            let file = turn.word_after("The file: ").unwrap_or("none").to_owned();
            match turn.step {
                0 if !gathering.join(&file) => Answer::refuse(400),
                0 => write(&file).costs(Usage { input: 50, cached: 5, output: 5 }),
                1 if commits => Answer::call(
                    "bash",
                    json!({"command": format!("git add {file} && git commit -qm 'write {file}'")}),
                ),
                _ => Answer::text("It is done."),
            }
        }
    };
    let lab = Lab::new(protocol, permissions, "gate = \"ls *.txt\"", script);
    for n in 1..=TASKS {
        let subject = format!("Write file {n}");
        lab.ok(&["task", "create", &subject, "--description", &format!("The file: work-{n}.txt")]);
    }
    let up = lab.ok(&["up", "--agents", "6"]);
    for n in 1..=TASKS {
        assert_eq!(lab.task(n)["status"], "completed", "{up}");
        let text = lab.repo.git(&["show", &format!("main:work-{n}.txt")]);
        assert_eq!(text, format!("by work-{n}.txt"));
    }
    if commits {
        let subjects = lab.repo.git(&["log", "--format=%s", "main"]);
        assert!((1..=TASKS).all(|n| subjects.contains(&format!("write work-{n}.txt"))), "{subjects}");
    }
    let usage = lab.json(&["usage"]);
    let answers = if commits { 3 } else { 2 };
    let expected = TASKS as u64 * (50 + 100 * (answers - 1));
    assert!(usage.to_string().contains(&format!("\"input_tokens\":{expected}")), "{usage}");
    lab.is_sound();
}

#[test]
fn with_anthropics_messages_that_may_only_edit() {
    six_at_once("anthropic", "edits", true);
}

#[test]
fn with_openais_chat_completions() {
    six_at_once("openai", "all", true);
}

#[test]
fn with_openais_responses_what_is_not_committed_lands_too() {
    six_at_once("responses", "edits", false);
}
