//! Six tasks at once: files written, committed, landed.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use biplane_testkit::standin::{Answer, Turn, Usage};
use camino::Utf8Path;

use crate::lab::{Lab, Program};

/// How many tasks.
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

/// Tasks that each have a file written, all at the same time.
fn six_at_once(program: Program, permissions: &str, commits: bool) {
    let gathering = Arc::new(Gathering::default());
    let script = {
        let gathering = Arc::clone(&gathering);
        move |turn: &Turn, cwd: &Utf8Path| {
            let file = turn.word_after("The file: ").unwrap_or("none").to_owned();
            match turn.step {
                0 if !gathering.join(&file) => Answer::refuse(400),
                0 => program.write(cwd, &file, &format!("by {file}\n")).costs(Usage {
                    input: 50,
                    cached: 5,
                    output: 5,
                }),
                1 if commits => program.run(&format!("git add {file} && git commit -qm 'write {file}'")),
                _ => Answer::text("It is done."),
            }
        }
    };
    let lab = Lab::new(program, permissions, "gate = \"ls *.txt\"", script);
    for n in 1..=TASKS {
        let subject = format!("Write file {n}");
        lab.ok(&["task", "create", &subject, "--description", &format!("The file: work-{n}.txt")]);
    }
    let up = lab.call(&["up", "--agents", "6"]).run().success();
    for n in 1..=TASKS {
        assert_eq!(lab.task(n)["status"], "completed", "{up}");
        let text = lab.repo.git(&["show", &format!("main:work-{n}.txt")]);
        assert_eq!(text, format!("by work-{n}.txt"));
    }
    if commits {
        let subjects = lab.repo.git(&["log", "--format=%s", "main"]);
        assert!((1..=TASKS).all(|n| subjects.contains(&format!("write work-{n}.txt"))), "{subjects}");
    }
    lab.is_sound();
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_works_on_six_tasks_at_once() {
    six_at_once(Program::Claude, "all", true);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn claude_code_that_may_only_edit_has_its_edits_landed() {
    six_at_once(Program::Claude, "edits", false);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn codex_works_on_six_tasks_at_once() {
    six_at_once(Program::Codex, "all", true);
}

#[test]
#[ignore = "needs the pinned agent programs"]
fn an_agent_of_the_client_protocol_works_on_six_tasks_at_once() {
    six_at_once(Program::Qwen, "all", true);
}
