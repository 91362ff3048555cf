//! A lead that has others do the work.

use biplane_testkit::{
    eventually,
    standin::{Answer, ToolResult, Turn},
};
use serde_json::{Value, json};

use crate::lab::{DEADLINE, Lab, said};

/// Settings of a team whose agent is a plain command.
const TEAM: &str = "agent = \"worker\"\ngate = \"test -e a.txt\"\n\
    [agents.worker]\ncommand = [\"sh\", \"-c\", \"cat > /dev/null; echo x > a.txt\"]\nprompt = \"stdin\"";

#[test]
fn agents_are_started_and_waited_for() {
    let lab = Lab::of("anthropic", TEAM, |turn: &Turn| {
        let last: Value = turn.results.last().map_or(Value::Null, |result| {
            serde_json::from_str(&result.text).unwrap_or_else(|_| panic!("{}", result.text))
        });
        match turn.step {
            0 => Answer::call("task_create", json!({"subject": "make a.txt"})),
            1 => Answer::call("up", json!({"agents": 1})),
            2 => {
                assert_eq!(last["started"], true, "{last}");
                Answer::call("wait", json!({"since": 0, "seconds": 60}))
            }
            _ => {
                let events = last["events"].as_array().unwrap();
                if events.iter().any(|event| event["event"] == "task.completed") {
                    Answer::text("It has landed.")
                } else {
                    Answer::call("wait", json!({"since": last["last_seq"], "seconds": 60}))
                }
            }
        }
    });
    let output =
        lab.call(&["chat", "-p", "Have a.txt made.", "--yes"]).env("BIPLANE_BACKGROUND", "1").run().success();
    assert_eq!(output.stdout, "It has landed.\n", "{output}");
    assert!(output.stderr.contains("  up                 agents=1 → started"), "{output}");
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "x");
    eventually(DEADLINE, "the agents are done", || lab.env.processes().is_empty());
    lab.is_sound();
}

#[test]
fn agents_go_on_when_the_conversation_has_ended() {
    // The agent waits for a file that is only there when the conversation is over.
    let team = TEAM.replace("cat > /dev/null;", "while ! [ -e ../over ]; do sleep 0.05; done;");
    let lab = Lab::of("anthropic", &team, |turn: &Turn| match turn.step {
        0 => Answer::call("up", json!({})),
        1 => Answer::call("up", json!({})),
        _ => {
            assert!(turn.results[0].text.contains("at work already"), "{:?}", turn.results);
            Answer::text("They are at work.")
        }
    });
    lab.ok(&["task", "create", "make a.txt"]);
    let call = lab.call(&["chat", "-p", "Start them.", "--yes"]).env("BIPLANE_BACKGROUND", "1");
    call.run().success();
    eventually(DEADLINE, "the agent is at work", || {
        lab.json(&["task", "show", "1"])["status"] == "in_progress"
    });
    std::fs::write(lab.repo.path().join(".worktrees/over"), "").unwrap();
    eventually(DEADLINE, "it has landed", || lab.json(&["task", "show", "1"])["status"] == "completed");
    eventually(DEADLINE, "the agents are done", || lab.env.processes().is_empty());
    std::fs::remove_file(lab.repo.path().join(".worktrees/over")).unwrap();
    lab.is_sound();
}

#[test]
fn no_task_is_taken_from_an_agent_at_work_unasked() {
    let team = TEAM.replace("cat > /dev/null;", "while ! [ -e ../over ]; do sleep 0.05; done;");
    let lab = Lab::of("anthropic", &team, |turn: &Turn| match (said(turn), turn.step) {
        ("Start.", 0) => Answer::call("up", json!({})),
        ("Take it.", 0) => Answer::call("task_update", json!({"task_id": 1, "status": "cancelled"}))
            .and_call("task_update", json!({"task_id": "1", "owner": "eve"}))
            .and_call("release_task", json!({"task_id": 1}))
            .and_call("complete_task", json!({"task_id": 1})),
        _ => Answer::text("Done."),
    });
    lab.ok(&["task", "create", "make a.txt"]);
    lab.call(&["chat", "-p", "Start.", "--yes"]).env("BIPLANE_BACKGROUND", "1").run().success();
    eventually(DEADLINE, "the agent is at work", || {
        lab.events().iter().any(|event| event == "worktree.run.before")
    });
    let worktree = lab.json(&["wt", "list"])[0]["name"].as_str().unwrap().to_owned();
    // More runs than a list of them shows.
    for _ in 0..55 {
        lab.ok(&["run", &worktree, "--", "true"]);
    }
    let output = lab.call(&["chat", "-p", "Take it."]).run().fails_with(3);
    assert_eq!(output.stderr.matches("not permitted").count(), 4, "{output}");
    std::fs::write(lab.repo.path().join(".worktrees/over"), "").unwrap();
    eventually(DEADLINE, "it has landed", || lab.json(&["task", "show", "1"])["status"] == "completed");
    eventually(DEADLINE, "the agents are done", || lab.env.processes().is_empty());
    std::fs::remove_file(lab.repo.path().join(".worktrees/over")).unwrap();
    lab.ok(&["task", "create", "another"]);
    let output = lab.call(&["chat", "-p", "Take it."]).run().success();
    assert_eq!(output.stderr.matches("not permitted").count(), 0, "nobody is at work: {output}");
    lab.is_sound();
}

#[test]
fn what_can_not_be_started_is_told() {
    let lab = Lab::of("anthropic", TEAM, |turn: &Turn| match turn.step {
        0 => Answer::call("up", json!({})),
        1 => {
            assert!(turn.results[0].text.contains("nothing is ready to be worked on"), "{:?}", turn.results);
            Answer::call("task_create", json!({"subject": "x"}))
        }
        2 => Answer::call("up", json!({"names": ["nobody"]})),
        3 => {
            assert!(turn.results[0].text.contains("error (not_found)"), "{:?}", turn.results);
            Answer::call("up", json!({}))
        }
        _ => Answer::text(turn.results[0].text.clone()),
    });
    // Here nothing may be started in the background.
    let output = lab.ok(&["chat", "-p", "Start them.", "--yes"]);
    assert!(output.stdout.contains("nothing may be started in the background here"), "{output}");
    lab.is_sound();
}

#[test]
fn mail_for_the_lead_is_told_of_and_answered() {
    let lab = Lab::of("openai", TEAM, |turn: &Turn| match (turn.earlier.len(), turn.step) {
        (0, _) => {
            assert!(turn.prompt.contains("> 1 message waits for the lead"), "{}", turn.prompt);
            Answer::text("I see.")
        }
        (_, 0) => Answer::call("read_inbox", json!({})),
        (_, 1) => {
            assert!(turn.results[0].text.contains("which port?"), "{:?}", turn.results);
            Answer::call("send_message", json!({"to": "worker", "content": "8080"}))
        }
        _ => Answer::text("Answered."),
    });
    lab.ok(&["mail", "send", "lead", "which port?", "--as", "worker"]);
    lab.ok(&["chat", "-p", "Hello."]);
    lab.ok(&["chat", "-p", "Answer it.", "-c"]);
    let mail = lab.json(&["mail", "list"]);
    let last = mail.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["from"], &last["to"], &last["content"]),
        (&json!("lead"), &json!("worker"), &json!("8080"))
    );
}

/// Quotes and line ends take twice their room in an answer.
#[test]
fn no_message_is_cut_that_is_delivered_with_others() {
    let lab = Lab::new(|turn: &Turn| {
        let ends = |result: &ToolResult| result.text.matches(" is its end").count().to_string();
        match (turn.step, turn.results.first().map(ends)) {
            (0, _) => Answer::call("read_inbox", json!({})),
            (1, Some(ends)) => Answer::text(ends).and_call("read_inbox", json!({})),
            (_, ends) => Answer::text(ends.unwrap_or_default()),
        }
    });
    for number in 0..3 {
        let text = format!("{}message {number} is its end{}", "\"\n".repeat(2020), "\"\n".repeat(2020));
        lab.ok(&["mail", "send", "lead", &text]);
    }
    assert_eq!(lab.ok(&["chat", "-p", "Read."]).stdout, "2\n1\n");
    lab.is_sound();
}
