//! How agents end, or do not: hanging, deaf, with children and daemons, with other exit codes, by signals.

use crate::lab::{ALL, Lab};

#[test]
fn one_that_hangs_is_stopped_for_its_time() {
    let lab = Lab::impatient().ordered(&ALL, "write half.txt; hang");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["timed_out"], "the agent was not done after 1 s and was stopped; it leaves 1 file uncommitted");
        assert_eq!(lab.worktree(id).read("half.txt"), "by the fake agent\n", "what it has done is kept");
    }
    lab.is_sound();
}

#[test]
fn one_that_does_not_listen_is_killed() {
    let lab = Lab::impatient().ordered(&["claude", "plain"], "deaf; child; hang");
    for id in 1..=2 {
        lab.ended(id, "failed", &["timed_out"], "was stopped");
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
    let lab = Lab::all(&ALL, "write {task}.txt; commit; child");
    for id in 1..=ALL.len() {
        lab.ended(id, "completed", &["succeeded"], "");
    }
    lab.is_sound_but_for_main();
}

#[test]
fn a_daemon_does_not_outlive_its_run() {
    let lab = Lab::all(&["claude", "plain"], "daemon beat.log; sleep 0.3; delete beat.log");
    for id in 1..=2 {
        let (status, _, why) = lab.end(id);
        assert_eq!(status, "failed", "{why}");
    }
    lab.is_sound();
}

#[test]
fn a_daemon_far_away_does_not_outlive_its_run() {
    // It stands elsewhere, has another session and no environment: only that it was seen, and whose it became, tells.
    let lab = Lab::all(&["claude", "plain"], "daemon-away beat.log; sleep 1.5");
    for id in 1..=2 {
        lab.ended(id, "failed", &["failed"], "");
    }
    lab.is_sound();
}

#[test]
fn good_work_with_another_exit_code_is_not_landed_and_not_lost() {
    let lab = Lab::all(&["claude", "codex", "plain"], "write a.txt; commit; code 3");
    for id in 1..=3 {
        lab.ended(id, "failed", &["failed"], "the agent ended with exit code 3; its 1 commit may be half of something");
        assert_eq!(lab.worktree(id).read("a.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}

#[test]
fn one_that_breaks_off_has_failed() {
    let lab = Lab::all(&ALL, "write a.txt; commit; exit 7");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "the agent ended with exit code 7");
    }
    lab.is_sound();
}

#[test]
fn one_that_breaks_off_without_a_fault_has_not_said_that_it_is_done() {
    let lab = Lab::all(&["claude", "codex", "acp"], "write a.txt; commit; exit 0");
    for id in 1..=3 {
        let (status, runs, why) = lab.end(id);
        println!("{status} {runs:?} {why}");
    }
    lab.is_sound_but_for_main();
}

#[test]
fn one_that_crashes_has_failed() {
    let lab = Lab::all(&ALL, "write a.txt; commit; signal 6");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "signal 6 ended the agent; its 1 commit may be half of something");
        assert_eq!(lab.worktree(id).read("a.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}

#[test]
fn one_that_is_killed_before_it_has_done_anything_leaves_nothing() {
    let lab = Lab::all(&ALL, "signal 9");
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
