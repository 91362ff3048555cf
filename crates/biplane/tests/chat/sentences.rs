//! The five sentences that every lead must understand, with a model that calls the tools that a model would call.

use biplane_testkit::standin::{Answer, Turn};
use serde_json::{Value, json};

use crate::lab::{Lab, said};

pub(crate) const SENTENCES: [&str; 5] = [
    "Create tasks for backend auth and frontend login page, then list tasks.",
    "Create worktree \"auth-refactor\" for task 1, then bind task 2 to a new worktree \"ui-login\".",
    "Run \"git status --short\" in worktree \"auth-refactor\".",
    "Keep worktree \"ui-login\", then list worktrees and inspect events.",
    "Remove worktree \"auth-refactor\" with complete_task=true, then list tasks, worktrees and events.",
];

/// The answers of a tool, as far as they are JSON.
fn answers(turn: &Turn) -> Vec<Value> {
    turn.results.iter().map(|result| serde_json::from_str(&result.text).unwrap_or_default()).collect()
}

/// A list in an answer, as lines.
fn lines(answer: &Value, list: &str, line: impl Fn(&Value) -> String) -> String {
    answer[list].as_array().unwrap().iter().map(|one| format!("- {}\n", line(one))).collect()
}

fn tasks(answer: &Value) -> String {
    lines(answer, "tasks", |task| {
        format!("{} {}: {}", task["id"], task["subject"].as_str().unwrap(), task["status"].as_str().unwrap())
    })
}

fn worktrees(answer: &Value) -> String {
    lines(answer, "worktrees", |one| {
        format!("{}: {}", one["name"].as_str().unwrap(), one["status"].as_str().unwrap())
    })
}

/// A model that does what the sentences ask for, and tells what the tools answered.
pub(crate) fn lead(turn: &Turn) -> Answer {
    let create = |subject: &str| json!({"subject": subject});
    let events = || Answer::call("worktree_events", json!({"limit": 20}));
    let sentence = SENTENCES.iter().position(|sentence| *sentence == said(turn));
    match (sentence.map(|at| at + 1), turn.step) {
        (Some(1), 0) => Answer::call("task_create", create("Backend auth"))
            .and_call("task_create", create("Frontend login page")),
        (Some(1), 1) => Answer::call("task_list", json!({})),
        (Some(1), _) => Answer::text(format!("Two tasks are on the board:\n{}", tasks(&answers(turn)[0]))),
        (Some(2), 0) => Answer::call("worktree_create", json!({"name": "auth-refactor", "task_id": 1})),
        (Some(2), 1) => Answer::call("worktree_create", json!({"name": "ui-login"})),
        (Some(2), 2) => Answer::call("task_bind_worktree", json!({"task_id": 2, "worktree": "ui-login"})),
        (Some(2), _) => Answer::text("Task 1 has `auth-refactor`, task 2 has `ui-login`."),
        (Some(3), 0) => {
            Answer::call("worktree_run", json!({"name": "auth-refactor", "command": "git status --short"}))
        }
        (Some(3), _) => {
            let ran = &answers(turn)[0];
            Answer::text(match (&ran["exit_code"], ran["output"].as_str()) {
                (code, Some("")) if code == 0 => "Nothing is changed there.".to_owned(),
                (code, output) => format!("It ended with {code}: {output:?}"),
            })
        }
        (Some(4), 0) => Answer::call("worktree_keep", json!({"name": "ui-login"})),
        (Some(4), 1) => Answer::call("worktree_list", json!({})).and_call("worktree_events", json!({})),
        (Some(4), _) => {
            let answers = answers(turn);
            let last = answers[1]["events"].as_array().unwrap().last().unwrap()["event"].clone();
            Answer::text(format!("The worktrees:\n{}The last event is {last}.", worktrees(&answers[0])))
        }
        (Some(5), 0) => {
            Answer::call("worktree_remove", json!({"name": "auth-refactor", "complete_task": true}))
        }
        (Some(5), 1) => Answer::call("task_list", json!({})).and_call("worktree_list", json!({})),
        (Some(5), 2) => events(),
        (Some(5), _) => Answer::text("It is removed, and task 1 is completed."),
        _ => Answer::refuse(400),
    }
}

/// What is on the disk when all five were done.
#[track_caller]
pub(crate) fn all_is_done(lab: &Lab) {
    let (first, second) = (lab.view(".tasks/task_1.json"), lab.view(".tasks/task_2.json"));
    assert_eq!(
        (&first["subject"], &second["subject"]),
        (&json!("Backend auth"), &json!("Frontend login page"))
    );
    assert_eq!((&first["status"], &first["worktree"]), (&json!("completed"), &json!("")));
    assert_eq!((&second["status"], &second["worktree"]), (&json!("in_progress"), &json!("ui-login")));
    let trees = lab.repo.path().join(".worktrees");
    assert!(!trees.join("auth-refactor").exists() && trees.join("ui-login/README.md").exists());
    let index = lab.view(".worktrees/index.json");
    let standing = |name: &str| {
        let all = index["worktrees"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).map(|one| one["status"].clone())
    };
    assert_eq!(standing("auth-refactor"), Some(json!("removed")));
    assert_eq!(standing("ui-login"), Some(json!("kept")));
    let events = lab.events();
    let at = |word: &str| events.iter().position(|event| event == word);
    let order = [
        "task.created",
        "worktree.create.before",
        "worktree.create.after",
        "worktree.run.before",
        "worktree.run.after",
        "worktree.keep",
        "worktree.remove.before",
        "task.completed",
        "worktree.remove.after",
    ];
    let places = order.map(at);
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{events:?}");
    lab.is_sound();
}

fn five_sentences(protocol: &str) {
    let lab = Lab::of(protocol, "", lead);
    let mut transcript = String::new();
    for (at, sentence) in SENTENCES.iter().enumerate() {
        let mut args = vec!["chat", "-p", sentence, "--yes"];
        args.extend((at > 0).then_some("--continue"));
        let output = lab.ok(&args);
        transcript.push_str(&format!("> {sentence}\n{}{}\n", output.stderr, output.stdout));
    }
    all_is_done(&lab);
    // The last turn has all that was said before.
    assert_eq!(lab.model.turns().last().unwrap().earlier.len(), 4);
    insta::with_settings!({filters => vec![(r" \(\d+ s\)", "")]}, {
        insta::assert_snapshot!("five_sentences", transcript);
    });
}

#[test]
fn five_sentences_with_the_style_of_anthropic() {
    five_sentences("anthropic");
}

#[test]
fn five_sentences_with_the_style_of_openai() {
    five_sentences("openai");
}

#[test]
fn five_sentences_with_responses() {
    five_sentences("responses");
}
