//! What goes wrong, and what is refused.

use biplane_testkit::{
    Signal, eventually,
    standin::{Answer, Part, Turn},
};
use serde_json::json;

use crate::lab::{BIPLANE, DEADLINE, Lab};

fn remove(turn: &Turn) -> Answer {
    match turn.step {
        0 => Answer::call("worktree_remove", json!({"name": "w"})),
        _ => Answer::text(turn.results[0].text.clone()),
    }
}

#[test]
fn what_nobody_permits_is_not_done() {
    let lab = Lab::new(remove);
    lab.ok(&["wt", "create", "w"]);
    let output = lab.call(&["chat", "-p", "Remove w."]).run().fails_with(3);
    assert!(
        output.stderr.contains("! worktree_remove    w → not permitted: nobody was there to ask"),
        "{output}"
    );
    assert!(output.stdout.contains("nobody is there to give it"), "{output}");
    assert!(lab.repo.path().join(".worktrees/w").exists());
    lab.ok(&["chat", "-p", "Remove w.", "--yes"]);
    assert!(!lab.repo.path().join(".worktrees/w").exists());
    lab.is_sound();
}

#[test]
fn commands_agents_and_landing_are_asked_about_too() {
    let lab = Lab::new(|turn: &Turn| match turn.step {
        0 => Answer::call("worktree_run", json!({"name": "w", "command": "touch x"}))
            .and_call("merge", json!({"name": "w"}))
            .and_call("up", json!({}))
            .and_call("stop", json!({"target": "1"}))
            .and_call("task_create", json!({"subject": "s", "gate": "touch x"}))
            .and_call("task_update", json!({"task_id": "1", "gate": "touch x"}))
            .and_call("worktree_closeout", json!({"name": "w", "action": "keep"})),
        _ => {
            let denied: Vec<bool> = turn.results.iter().map(|r| r.text.contains("permission")).collect();
            assert_eq!(denied, [true, true, true, true, true, true, false]);
            Answer::text("Done.")
        }
    });
    lab.ok(&["wt", "create", "w"]);
    let output = lab.call(&["chat", "-p", "Do it."]).run().fails_with(3);
    assert_eq!(output.stderr.matches("not permitted").count(), 6, "{output}");
    assert!(output.stderr.contains("  worktree_closeout  w action=\"keep\" → `w`, kept"), "{output}");
    lab.is_sound();
}

#[test]
fn an_interrupt_ends_a_turn_and_what_it_has_at_work() {
    let lab = Lab::new(|turn: &Turn| match turn.prompt.contains("Wait") {
        true => Answer::text("I think").and(Part::Hang),
        false => Answer::call("worktree_run", json!({"name": "w", "command": "touch begun; sleep 1000"})),
    });
    lab.ok(&["wt", "create", "w"]);
    let mut waits = lab.call(&["chat", "-p", "Wait."]).spawn();
    eventually(DEADLINE, "it answers", || waits.stdout().contains("I think"));
    waits.signal_group(Signal::INT);
    let output = waits.wait(DEADLINE).fails_with(130);
    assert!(output.stderr.contains("cancelled"), "{output}");
    let mut runs = lab.call(&["chat", "-p", "Run.", "--yes"]).spawn();
    eventually(DEADLINE, "the command runs", || lab.repo.path().join(".worktrees/w/begun").exists());
    runs.signal_group(Signal::INT);
    runs.wait(DEADLINE).fails_with(130);
    // What was broken off does not keep anybody from going on.
    let output = lab.call(&["chat", "-p", "Wait.", "-c"]).spawn();
    eventually(DEADLINE, "it answers again", || output.stdout().contains("I think"));
    drop(output);
    lab.is_sound();
}

#[test]
fn without_a_model_it_says_how_to_name_one() {
    let lab = Lab::new(|_: &Turn| Answer::text("Hello."));
    lab.repo.write("biplane.toml", "");
    let output = lab.call(&["chat", "-p", "Hello."]).run().fails_with(2);
    assert!(
        output.stderr.contains("error: no model is named for the lead\nhint: `biplane chat --model NAME`"),
        "{output}"
    );
    assert!(output.stderr.contains("[agents.builtin]"), "{output}");
    let output = lab.call(&["chat", "-p", "Hello.", "--model", "m"]).run().fails_with(2);
    assert!(output.stderr.contains("error: the variable `ANTHROPIC_API_KEY` holds no key"), "{output}");
    let url = lab.model.url();
    let output =
        lab.ok(&["chat", "-p", "Hello.", "--model", "m", "--endpoint", &url, "--protocol", "openai"]);
    assert_eq!(output.stdout, "Hello.\n");
    // One that is typed goes before the settings; the rest of those holds.
    lab.repo.write(
        "biplane.toml",
        format!("[agents.x]\ndriver = \"builtin\"\nmodel = \"a\"\nendpoint = \"{url}\"\n"),
    );
    lab.ok(&["chat", "-p", "Hello.", "--model", "b"]);
    assert_eq!(lab.model.turns().last().unwrap().model, "b");
    lab.is_sound();
}

#[test]
fn what_can_not_be_meant_is_refused() {
    let lab = Lab::new(|_: &Turn| Answer::text("Hello."));
    for (args, code, said) in [
        (&["chat", "-p", " "][..], 2, "there is nothing to tell the lead"),
        (&["chat"], 2, "a conversation needs a terminal"),
        (&["chat", "-p", "x", "--resume", "../x"], 5, "there is no conversation `../x`"),
        (&["chat", "-p", "x", "--continue"], 5, "there is no conversation to go on with"),
        (&["chat", "-p", "x", "--agent", "gemini"], 3, "`gemini` can't be started as the lead"),
        (&["chat", "-p", "x", "--agent", "nobody"], 5, "nobody"),
        (&["chat", "-p", "x", "--agent", "claude", "--json"], 2, "are for the built-in lead"),
        (&["chat", "-p", "x", "--agent", "codex", "--resume=--yolo"], 2, "begins with `-`"),
    ] {
        let output = lab.call(args).run().fails_with(code);
        assert!(output.stderr.contains(said), "{output}");
    }
    assert!(lab.model.turns().is_empty());
}

#[test]
fn an_answer_that_can_not_be_written_is_a_failure() {
    let lab = Lab::new(|_: &Turn| Answer::text("Hello."));
    for args in ["", "--json"] {
        let line = format!("{{ '{BIPLANE}' chat -p Hello. {args}; echo \"code $?\" >&2; }}");
        let call =
            |to: &str| lab.env.program("sh").in_dir(lab.repo.path()).args(["-c", &format!("{line} {to}")]);
        let output = call("> /dev/full").run().success();
        assert!(output.stderr.contains("code 1"), "{output}");
        assert!(output.stderr.contains("the answer could not be written to standard output"), "{output}");
        // Whoever has gone away has seen enough.
        let output = call("| true").run().success();
        assert!(output.stderr.contains("code 0"), "{output}");
    }
    lab.is_sound();
}

#[test]
fn a_server_that_refuses_is_told() {
    let lab = Lab::new(|_: &Turn| Answer::refuse(401));
    let output = lab.call(&["chat", "-p", "Hello."]).run().fails_with(1);
    assert!(output.stderr.contains("error: the model's server refuses the request (401)"), "{output}");
    assert_eq!(output.stdout, "");
}

#[test]
fn within_a_worktree_the_lead_changes_nothing_else() {
    let lab = Lab::new(|turn: &Turn| {
        assert!(
            !turn.offers("task_create") && !turn.offers("up") && turn.offers("task_list"),
            "{:?}",
            turn.tools
        );
        match turn.step {
            0 => Answer::call("worktree_keep", json!({"name": "other"})),
            _ => Answer::text(turn.results[0].text.clone()),
        }
    });
    lab.ok(&["wt", "create", "w"]);
    lab.ok(&["wt", "create", "other"]);
    let call = lab.call(&["chat", "-p", "Keep other.", "--yes"]).in_dir(lab.repo.path().join(".worktrees/w"));
    let output = call.run().success();
    assert!(output.stdout.contains("there is no tool") || output.stdout.contains("refused"), "{output}");
    assert_eq!(lab.json(&["wt", "status", "other"])["status"], "active");
    lab.is_sound();
}

#[test]
fn two_do_not_go_on_with_one_conversation_at_once() {
    let lab = Lab::new(|_: &Turn| Answer::text("I think").and(Part::Hang));
    let waits = lab.call(&["chat", "-p", "Wait."]).spawn();
    eventually(DEADLINE, "it answers", || waits.stdout().contains("I think"));
    let output = lab.call(&["chat", "-p", "Go on.", "--continue"]).run().fails_with(6);
    assert!(output.stderr.contains("is under way in another process"), "{output}");
}
