//! How agents end, or do not: hanging, deaf, with children and daemons, with other exit codes, by signals.

use std::fs;

use crate::lab::{ALL, Lab, TOLD};

#[test]
fn one_that_hangs_is_stopped_for_its_time() {
    let lab = Lab::impatient().ordered(&ALL, "write half.txt; hang");
    for id in 1..=ALL.len() {
        let why = "the agent was not done after 1 s and was stopped; it leaves 1 file uncommitted";
        lab.ended(id, "failed", &["timed_out"], why);
        assert_eq!(lab.worktree(id).read("half.txt"), "by the fake agent\n", "what it has done is kept");
    }
    lab.is_sound();
}

#[test]
fn one_that_does_not_listen_is_killed() {
    let lab = Lab::impatient().ordered(&["claude", "plain"], "deaf; child; hang");
    for id in 1..=2 {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s and was stopped");
    }
    assert_eq!(lab.worktrees(), 0, "there is nothing in them");
    lab.is_sound();
}

#[test]
fn one_that_hangs_after_good_work_has_not_finished() {
    let lab = Lab::impatient().ordered(&["plain"], "write a.txt; commit; hang");
    lab.ended(1, "failed", &["timed_out"], "its 1 commit may be half of something");
    assert_eq!(lab.worktree(1).read("a.txt"), "by the fake agent\n");
    lab.is_sound();
}

#[test]
fn one_that_will_not_go_away_after_its_answer_has_finished() {
    // Its turn is over, and it holds on to its streams.
    let lab = Lab::new();
    for agent in ALL {
        lab.order(agent, &format!("write {agent}.txt; commit; child"));
    }
    lab.up().success();
    for (id, agent) in (1..).zip(ALL) {
        lab.ended(id, "completed", &["succeeded"], "");
        assert_eq!(lab.repo.read(format!("{agent}.txt")), "by the fake agent\n");
    }
    lab.is_sound_but_for_main();
}

/// Two agents that leave a daemon each, which was at work when they ended.
fn leave_daemons(kind: &str) {
    let lab = Lab::new();
    let agents = ["claude", "plain"];
    // It is known to nobody that they write there.
    let beat = |agent: &str| lab.env.root().join(format!("beat-{agent}"));
    for agent in agents {
        let beat = beat(agent);
        lab.order(agent, &format!("{kind} {beat}; await {beat}; write {agent}.txt; commit"));
    }
    lab.up().success();
    lab.nothing_is_left();
    for (id, agent) in (1..).zip(agents) {
        lab.ended(id, "completed", &["succeeded"], "");
        assert_ne!(fs::read_to_string(beat(agent)).unwrap(), "", "it was there");
    }
    lab.is_sound_but_for_main();
}

#[test]
fn a_daemon_does_not_outlive_its_run() {
    leave_daemons("daemon");
}

#[test]
fn a_daemon_far_away_goes_with_the_last_run() {
    // It stands elsewhere, has another session and no environment: only whose it became tells.
    leave_daemons("daemon-away");
}

#[test]
fn good_work_with_another_exit_code_is_not_landed_and_not_lost() {
    let agents = ["claude", "codex", "plain"];
    let lab = Lab::new().ordered(&agents, "write a.txt; commit; code 3");
    for id in 1..=agents.len() {
        let why =
            "the agent ended with exit code 3; its 1 commit may be half of something, and is not landed";
        lab.ended(id, "failed", &["failed"], why);
        assert_eq!(lab.worktree(id).read("a.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}

#[test]
fn one_that_breaks_off_has_failed() {
    let lab = Lab::new().ordered(&ALL, "write a.txt; commit; exit 7");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "the agent ended with exit code 7");
        assert_eq!(lab.worktree(id).read("a.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}

#[test]
fn one_that_breaks_off_without_a_fault_is_judged_by_its_work() {
    // It never says that it is done, which says nothing against what is committed and clean.
    let lab = Lab::new();
    for agent in TOLD {
        lab.order(agent, &format!("write {agent}.txt; commit; exit 0"));
    }
    lab.order("claude", "say I have done it all; exit 0");
    let _ = lab.up();
    for (id, agent) in (1..).zip(TOLD) {
        lab.ended(id, "completed", &["succeeded"], "");
        assert_eq!(lab.repo.read(format!("{agent}.txt")), "by the fake agent\n");
    }
    lab.ended(4, "failed", &["failed"], "nothing to show");
    lab.is_sound_but_for_main();
}

#[test]
fn one_that_crashes_has_failed() {
    let lab = Lab::new().ordered(&ALL, "write a.txt; commit; signal 6");
    for id in 1..=ALL.len() {
        let why = "signal 6 ended the agent; its 1 commit may be half of something";
        lab.ended(id, "failed", &["failed"], why);
        assert_eq!(lab.worktree(id).read("a.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}

#[test]
fn one_that_is_killed_before_it_has_done_anything_leaves_nothing() {
    let lab = Lab::new().ordered(&ALL, "signal 9");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "signal 9 ended the agent");
    }
    assert_eq!(lab.worktrees(), 0);
    lab.is_sound();
}

#[test]
fn one_that_stops_itself_is_stopped_for_its_time() {
    let lab = Lab::impatient().ordered(&["acp", "plain"], "signal 19");
    for id in 1..=2 {
        lab.ended(id, "failed", &["timed_out"], "was not done after 1 s");
    }
    lab.is_sound();
}
