//! Agents that say too much, or what is no text: it is bounded, harmless, and the agent ends.

use biplane_testkit::steers;

use crate::lab::{ALL, LOG, Lab};

#[track_caller]
fn is_safe(text: &str) {
    assert_eq!(steers(text), None, "{text:?}");
}

#[test]
fn messages_without_end_are_bounded_and_stopped() {
    let lab = Lab::impatient().ordered(&ALL, "flood");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s");
    }
    let (logs, full) = (lab.logs(), LOG * 3 / 4);
    assert_eq!(
        logs.iter().filter(|(name, bytes)| name.ends_with("output.log") && *bytes > full).count(),
        4,
        "{logs:?}"
    );
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
    for (id, agent) in (1..).zip(ALL) {
        lab.ended(id, "completed", &["succeeded"], "");
        assert_eq!(lab.repo.read(format!("{agent}.txt")), "by the fake agent\n");
        is_safe(&lab.ok(&["log", &id.to_string()]));
        is_safe(&lab.ok(&["log", &format!("r{id}")]));
    }
    lab.is_sound_but_for_main();
}

#[test]
fn what_steers_terminals_is_no_reason_and_no_subject() {
    let orders = "say \u{1b}[2J\u{1b}]0;owned\u{7}; run printf '\\033[2J'; exit 3";
    let lab = Lab::new().ordered(&["claude", "plain"], orders);
    for id in 1..=2 {
        lab.ended(id, "failed", &["failed"], "the agent ended with exit code 3");
        is_safe(&lab.reason(id));
        is_safe(&lab.ok(&["task", "show", &id.to_string()]));
        let log = lab.ok(&["log", &id.to_string()]);
        assert!(log.contains("owned"), "{log}");
        is_safe(&log);
    }
    is_safe(&lab.ok(&["task", "list"]));
    is_safe(&lab.ok(&["events"]));
    lab.is_sound();
}

#[test]
fn secrets_that_it_is_given_are_in_nothing_that_is_kept() {
    const SECRET: &str = "s3cr3t-value-0123456789";
    let lab = Lab::new();
    for agent in ALL {
        lab.order(agent, &format!("run echo it is $MY_API_KEY; write {agent}.txt; commit; exit 3"));
    }
    let up = lab.call(&["up", "--no-gate"]).env("MY_API_KEY", SECRET).run().fails_with(1);
    for text in [&up.stdout, &up.stderr] {
        assert!(!text.contains(SECRET), "{up}");
    }
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "the agent ended with exit code 3");
        // It was said, and is not shown.
        let log = lab.ok(&["log", &format!("r{id}"), "--raw"]);
        assert!(log.contains("it is "), "{log}");
    }
    assert_eq!(lab.holding(SECRET), [""; 0]);
    lab.is_sound();
}
