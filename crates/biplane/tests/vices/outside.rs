//! Agents that write where they have no business: nothing of it goes unnoticed, nothing lands.

use std::fs;

use crate::lab::{ALL, Lab};

/// What was told of it.
#[track_caller]
fn told(lab: &Lab) -> String {
    let events = lab.events("worktree.run.outside");
    assert_eq!(events.len(), 1, "{events:#?}");
    events[0]["data"]["outside"].to_string()
}

#[test]
fn a_file_in_the_main_checkout_is_found() {
    // One after the other, so that it is certain whose doing it is.
    for agent in ALL {
        let lab = Lab::new().ordered(&[agent], "write a.txt; commit; outside main stray.txt");
        let why = "worked outside its worktree: `stray.txt` in the main checkout was added";
        lab.ended(1, "blocked", &["succeeded"], why);
        assert!(told(&lab).contains("stray.txt"));
        assert_eq!(lab.worktree(1).read("a.txt"), "by the fake agent\n", "its work is there");
        fs::remove_file(lab.root().join("stray.txt")).unwrap();
        lab.is_sound();
    }
}

#[test]
fn a_file_written_through_a_link_is_found() {
    let orders = "outside link stray.txt; delete way-out; write a.txt; commit";
    let lab = Lab::new().ordered(&["plain"], orders);
    let why = "worked outside its worktree: `stray.txt` in the main checkout was added";
    lab.ended(1, "blocked", &["succeeded"], why);
    fs::remove_file(lab.root().join("stray.txt")).unwrap();
    lab.is_sound();
}

#[test]
fn a_file_in_another_worktree_is_found() {
    let lab = Lab::new();
    lab.ok(&["wt", "create", "mine"]);
    lab.ok(&["wt", "keep", "mine"]);
    let lab = lab.ordered(&["claude"], "outside sibling stray.txt; write a.txt; commit");
    lab.ended(
        1,
        "blocked",
        &["succeeded"],
        "worked outside its worktree: `stray.txt` in worktree `mine` was added",
    );
    assert!(told(&lab).contains("stray.txt"));
    assert_eq!(
        lab.repo.at(".worktrees/mine").read("stray.txt"),
        "from outside\n",
        "and nobody has touched it"
    );
    lab.is_sound();
}

#[test]
fn a_hook_for_everybody_is_found() {
    let lab = Lab::new();
    let hook = lab.root().join(".git/hooks/pre-commit");
    let lab = lab.ordered(&["codex"], &format!("outside at {hook}; write a.txt; commit"));
    lab.ended(
        1,
        "blocked",
        &["succeeded"],
        "worked outside its worktree: git's `hooks/pre-commit` was added",
    );
    fs::remove_file(hook).unwrap();
    lab.is_sound();
}

#[test]
fn a_view_that_it_overwrites_is_written_anew() {
    let lab = Lab::new();
    let views = [".tasks/task_1.json", ".worktrees/index.json", ".worktrees/events.jsonl"];
    let orders = views.map(|view| format!("outside at {}; ", lab.root().join(view))).concat();
    let lab = lab.ordered(&["acp"], &format!("{orders}write a.txt; commit"));
    lab.ended(1, "completed", &["succeeded"], "");
    for view in views {
        assert!(!lab.repo.read(view).contains("from outside"), "{view}");
    }
    // The records are read from the views.
    lab.is_sound_but_for_main();
}

#[test]
fn a_commit_on_main_past_everything_is_found() {
    for (agent, orders) in [("plain", "on-main a.txt"), ("codex", "write a.txt; commit; move-main")] {
        let lab = Lab::new();
        let main = lab.repo.head();
        let lab = lab.ordered(&[agent], orders);
        let why = lab.reason(1);
        assert_eq!(lab.task(1)["status"], "blocked", "{orders}: {why}");
        assert!(why.contains("`refs/heads/main` was moved"), "{orders}: {why}");
        assert!(told(&lab).contains("refs/heads/main"));
        // What it says takes it back.
        for command in why.split('`').filter(|text| text.starts_with("git update-ref ")) {
            lab.env.program("sh").args(["-c", command]).in_dir(lab.root()).run().success();
        }
        assert_eq!(lab.repo.git(&["rev-parse", "main"]), main, "{orders}: {why}");
        lab.is_sound();
    }
}

#[test]
fn beside_one_that_works_outside_nobody_lands_it_and_nobody_loses_work() {
    let lab = Lab::new();
    lab.order("plain", "outside main stray.txt; write a.txt; commit");
    let others = [("claude", "b.txt"), ("codex", "c.txt"), ("acp", "d.txt")];
    for (agent, file) in others {
        lab.order(agent, &format!("write {file}; commit"));
    }
    let _ = lab.up();
    lab.ended(1, "blocked", &["succeeded"], "`stray.txt` in the main checkout was added");
    assert!(lab.root().join("stray.txt").exists());
    assert_eq!(lab.repo.git(&["ls-files", "stray.txt", "a.txt"]), "");
    for (id, (_, file)) in (2..).zip(others) {
        // Nothing tells that it was none of those which were at work at that time.
        if lab.task(id)["status"] == "completed" {
            assert_eq!(lab.repo.git(&["show", &format!("main:{file}")]), "by the fake agent");
        } else {
            lab.ended(id, "blocked", &["succeeded"], "It was at work at that time");
            assert_eq!(lab.worktree(id).read(file), "by the fake agent\n");
        }
    }
    fs::remove_file(lab.root().join("stray.txt")).unwrap();
    lab.is_sound_but_for_main();
}
