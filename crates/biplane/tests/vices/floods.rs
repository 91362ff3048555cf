//! Agents that say too much, or what is no text: it is bounded, harmless, and the agent ends.

use crate::lab::{ALL, LOG, Lab};

/// No text that a person gets to see steers a terminal.
#[track_caller]
fn is_safe(text: &str) {
    let steers = |c: &char| (c.is_control() && !"\n\t".contains(*c)) || *c == '\u{202e}';
    assert_eq!(text.chars().find(steers), None);
}

#[test]
fn messages_without_end_are_bounded_and_stopped() {
    let lab = Lab::impatient().ordered(&ALL, "flood");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s");
    }
    assert!(lab.logs().iter().any(|(_, bytes)| *bytes > LOG / 2), "it was a flood: {:?}", lab.logs());
    lab.is_sound();
}

#[test]
fn a_line_without_end_is_bounded_and_stopped() {
    let lab = Lab::impatient().ordered(&ALL, "flood-line");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s");
    }
    lab.is_sound();
}

#[test]
fn what_is_no_text_harms_nobody() {
    let lab = Lab::new();
    for agent in ALL {
        lab.order(agent, &format!("garbage; write {agent}.txt; commit; garbage"));
    }
    let up = lab.up().success();
    is_safe(&up.stdout);
    is_safe(&up.stderr);
    for id in 1..=ALL.len() {
        lab.ended(id, "completed", &["succeeded"], "");
        is_safe(&lab.ok(&["log", &id.to_string()]));
        is_safe(&lab.ok(&["log", &format!("r{id}")]));
    }
    lab.is_sound_but_for_main();
}

#[test]
fn what_steers_terminals_is_no_reason_and_no_subject() {
    let lab = Lab::all(&["claude", "plain"], "say \u{1b}[2J\u{1b}]0;owned\u{7}; run printf '\\033[2J'; exit 3");
    for id in 1..=2 {
        let (status, _, why) = lab.end(id);
        assert_eq!(status, "failed");
        is_safe(&why);
        is_safe(&lab.ok(&["task", "show", &id.to_string()]));
        is_safe(&lab.ok(&["log", &id.to_string()]));
    }
    is_safe(&lab.ok(&["status"]));
    lab.is_sound();
}

#[test]
fn secrets_that_it_is_given_are_in_nothing_that_is_kept() {
    const SECRET: &str = "s3cr3t-value-0123456789";
    let lab = Lab::new();
    for agent in ALL {
        lab.order(agent, &format!("say $MY_API_KEY; run echo $MY_API_KEY; write {agent}.txt; commit; exit 3"));
    }
    let up = lab.call(&["up", "--no-gate"]).env("MY_API_KEY", SECRET).run();
    for text in [&up.stdout, &up.stderr] {
        assert!(!text.contains(SECRET), "{up}");
    }
    assert_eq!(lab.holding(SECRET), [""; 0]);
    lab.is_sound();
}
