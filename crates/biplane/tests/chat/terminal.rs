//! A person at a terminal, which `script` makes.

use biplane_testkit::{
    Conversation, Output, eventually,
    standin::{Answer, Part, Turn},
};
use serde_json::json;

use crate::{
    lab::{BIPLANE, DEADLINE, Lab},
    sentences::{SENTENCES, all_is_done, lead},
};

/// The program on a terminal of 100 columns; its process id is in `.git/pid`.
fn on_terminal(lab: &Lab, args: &str) -> Conversation {
    let inner = format!("stty cols 100; echo $$ > .git/pid; exec '{BIPLANE}' chat {args}");
    let call = lab.env.program("script").in_dir(lab.repo.path()).env("TERM", "xterm").env("SHELL", "/bin/sh");
    call.args(["-qec", &inner, "/dev/null"]).converse()
}

/// Waits for a line that has this text.
#[track_caller]
fn hear(chat: &mut Conversation, text: &str) {
    chat.hear(DEADLINE, text, |line| line.contains(text));
}

/// `^D`, again while the line is not there yet.
fn leave(mut chat: Conversation) -> Output {
    eventually(DEADLINE, "it ends", || {
        chat.send(b"\x04");
        !chat.running().is_running()
    });
    chat.end(DEADLINE).success()
}

#[test]
#[ignore = "needs the program script"]
fn five_sentences_typed_and_permitted() {
    let lab = Lab::of("openai", "", lead);
    let mut chat = on_terminal(&lab, "");
    hear(&mut chat, "The lead is stand-in.");
    for (sentence, end) in SENTENCES.iter().zip([
        "Frontend login page: pending",
        "task 2 has `ui-login`",
        "Nothing is changed there.",
        "The last event is",
        "task 1 is completed",
    ]) {
        chat.say(sentence);
        if sentence.starts_with("Run") {
            hear(&mut chat, "The lead wants to run a command in worktree `auth-refactor`:");
            hear(&mut chat, "$ git status --short");
            chat.say("y");
        }
        if sentence.starts_with("Remove") {
            hear(&mut chat, "The lead wants to remove worktree `auth-refactor`:");
            hear(&mut chat, "complete_task: true");
            chat.say("y");
        }
        hear(&mut chat, end);
    }
    chat.say("/board");
    hear(&mut chat, "[>] 2  Frontend login page  (in_progress, worktree ui-login)");
    let output = leave(chat);
    assert!(
        output.stdout.contains(
            "worktree_run       auth-refactor command=\"git status --short\" → r1, succeeded, exit 0"
        ),
        "{output}"
    );
    all_is_done(&lab);
}

#[test]
#[ignore = "needs the program script"]
fn what_a_person_does_not_permit_is_not_done() {
    let lab = Lab::new(|turn: &Turn| match turn.step {
        0 => Answer::call("worktree_run", json!({"name": "w", "command": "touch one"})),
        1 => Answer::call("worktree_run", json!({"name": "w", "command": "touch two"})),
        2 => Answer::call("worktree_run", json!({"name": "w", "command": "touch three"})),
        _ => Answer::text("That is all."),
    });
    lab.ok(&["wt", "create", "w"]);
    let mut chat = on_terminal(&lab, "");
    chat.say("Do it.");
    hear(&mut chat, "$ touch one");
    chat.say("n");
    hear(&mut chat, "not permitted");
    hear(&mut chat, "$ touch two");
    chat.say("always");
    hear(&mut chat, "That is all.");
    chat.say("/quit");
    let output = chat.end(DEADLINE).success();
    assert!(!output.stdout.contains("$ touch three"), "it is not asked about: {output}");
    let tree = lab.repo.path().join(".worktrees/w");
    assert_eq!(["one", "two", "three"].map(|name| tree.join(name).exists()), [false, true, true]);
    lab.is_sound();
}

#[test]
#[ignore = "needs the program script"]
fn told_to_end_it_does_not_wait_for_an_answer() {
    let lab = Lab::new(|_: &Turn| Answer::call("worktree_run", json!({"name": "w", "command": "touch one"})));
    lab.ok(&["wt", "create", "w"]);
    let mut chat = on_terminal(&lab, "");
    chat.say("Do it.");
    hear(&mut chat, "$ touch one");
    lab.env.program("sh").in_dir(lab.repo.path()).args(["-c", "kill -TERM $(cat .git/pid)"]).run().success();
    chat.end(DEADLINE).fails_with(128 + 15);
    assert!(!lab.repo.path().join(".worktrees/w/one").exists());
    std::fs::remove_file(lab.repo.path().join(".git/pid")).unwrap();
    lab.is_sound();
}

#[test]
#[ignore = "needs the program script"]
fn interrupts_end_a_turn_and_not_the_conversation() {
    let lab = Lab::new(|turn: &Turn| match turn.prompt.contains("Wait") {
        true => Answer::text("I think\n").and(Part::Hang),
        false => Answer::text("I am here."),
    });
    let mut chat = on_terminal(&lab, "");
    hear(&mut chat, "The lead is");
    chat.say("Wait.");
    hear(&mut chat, "I think");
    chat.send(b"\x03");
    hear(&mut chat, "cancelled");
    chat.say("Hello.");
    hear(&mut chat, "I am here.");
    chat.send(b"half a line");
    // One that comes before the line is there is let go by.
    eventually(DEADLINE, "it says how to leave", || {
        chat.send(b"\x03");
        chat.try_hear(|line| line.contains("^D or /quit leaves")).is_some()
    });
    // What is typed right behind an interrupt goes with it.
    eventually(DEADLINE, "it knows what it does not know", || {
        chat.say("/nonsense");
        chat.try_hear(|line| line.contains("there is no command `/nonsense`; /help shows them")).is_some()
    });
    chat.say("one \\");
    chat.say("two");
    hear(&mut chat, "I am here.");
    assert!(lab.model.turns().last().unwrap().prompt.ends_with("one \ntwo"));
    leave(chat);
    let dir = lab.repo.path().join(".git/biplane/chat");
    assert!(std::fs::read_to_string(dir.join("history")).unwrap().contains("Hello."));
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(dir.join("history")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o077, 0);
}
