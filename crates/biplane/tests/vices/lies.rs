//! Agents that say that all is well: what git shows counts.

use crate::lab::{ALL, Lab, TOLD};

#[test]
fn success_with_nothing_done_is_a_failure() {
    let lab = Lab::new().ordered(&ALL, "say All done; all tests pass.");
    for id in 1..=ALL.len() {
        lab.ended(id, "failed", &["failed"], "the agent finished with nothing to show");
    }
    assert_eq!(lab.worktrees(), 0);
    lab.is_sound();
}

#[test]
fn everything_denied_is_a_failure_that_says_so() {
    let lab = Lab::new().ordered(&TOLD, "deny 3; say All done.");
    for (id, agent) in (1..).zip(TOLD) {
        // Codex does not tell of what it refuses.
        let reason = match agent {
            "claude" => "nothing to show: 3 tool calls were denied (Bash",
            "acp" => "nothing to show: 3 tool calls failed",
            _ => "nothing to show",
        };
        lab.ended(id, "failed", &["failed"], reason);
    }
    assert_eq!(lab.worktrees(), 0);
    lab.is_sound();
}

#[test]
fn what_it_asks_for_and_may_not_have_is_not_done() {
    let orders = "ask curl http://127.0.0.1:1/; ask touch ../../stray.txt; say All done.";
    let lab = Lab::new().ordered(&["claude", "acp"], orders);
    for id in 1..=2 {
        lab.ended(id, "failed", &["failed"], "nothing to show: 2 tool calls were denied");
    }
    assert!(!lab.root().join("stray.txt").exists());
    lab.is_sound();
}

#[test]
fn a_failing_command_is_a_failure_when_nothing_else_was_done() {
    let lab = Lab::new().ordered(&TOLD, "run exit 3; say All done.");
    for id in 1..=TOLD.len() {
        lab.ended(id, "failed", &["failed"], "nothing to show: 1 tool call failed");
    }
    lab.is_sound();
}

#[test]
fn conflict_markers_are_not_landed() {
    // One that knows its earlier attempts gets it back as often as the settings say, then a person has to look.
    let lab = Lab::with("50s", "revisions = 1").ordered(&ALL, "conflict README.md; commit");
    for (id, agent) in (1..).zip(ALL) {
        let (status, runs): (_, &[&str]) =
            if agent == "plain" { ("failed", &["failed"]) } else { ("blocked", &["failed", "failed"]) };
        lab.ended(id, status, runs, "the agent leaves conflict markers in `README.md`");
        assert!(lab.worktree(id).read("README.md").contains("<<<<<<<"), "its work is there");
    }
    lab.is_sound();
}

#[test]
fn what_it_makes_good_when_told_is_landed() {
    let orders = "first conflict README.md; again write README.md all good; commit";
    let lab = Lab::with("50s", "revisions = 1").ordered(&["claude"], orders);
    lab.ended(1, "completed", &["failed", "succeeded"], "");
    assert_eq!(lab.repo.read("README.md"), "all good\n");
    lab.is_sound_but_for_main();
}

#[test]
fn uncommitted_files_are_committed_for_it_and_landed() {
    let lab = Lab::new();
    for agent in ALL {
        lab.order(agent, &format!("write {agent}.txt; say Committed."));
    }
    lab.up().success();
    for (id, agent) in (1..).zip(ALL) {
        lab.ended(id, "completed", &["succeeded"], "");
        assert_eq!(lab.repo.read(format!("{agent}.txt")), "by the fake agent\n");
    }
    let commits = lab.events("worktree.commit");
    assert_eq!(commits.iter().filter(|e| e["data"]["leftovers"] == true).count(), ALL.len(), "{commits:#?}");
    lab.is_sound_but_for_main();
}

#[test]
fn uncommitted_files_are_a_failure_where_nobody_commits_for_it() {
    let lab = Lab::with("50s", "commit_leftovers = false\nrevisions = 0");
    let lab = lab.ordered(&ALL, "write a.txt; commit; write b.txt");
    for (id, agent) in (1..).zip(ALL) {
        let status = if agent == "plain" { "failed" } else { "blocked" };
        lab.ended(id, status, &["failed"], "the agent leaves 1 file uncommitted");
        assert_eq!(lab.worktree(id).read("b.txt"), "by the fake agent\n");
    }
    lab.is_sound();
}
