//! Agents that write where they have no business: nothing of it goes unnoticed, nothing lands.

use serde_json::Value;

use crate::lab::{ALL, Lab};

/// One agent after the other, so that it is certain whose doing it is.
fn one(agent: &str, orders: &str) -> Lab {
    Lab::new().ordered(&[agent], orders)
}

/// What was told of it.
#[track_caller]
fn told(lab: &Lab) -> String {
    let all = lab.records();
    let of = |e: &&Value| e["event"] == "worktree.run.outside";
    let events: Vec<_> = all.events().iter().filter(of).collect();
    assert_eq!(events.len(), 1, "{events:#?}");
    events[0]["data"]["outside"].to_string()
}

#[test]
fn a_file_in_the_main_checkout_is_found() {
    for agent in ALL {
        let lab = one(agent, "write a.txt; commit; outside main stray.txt");
        lab.ended(1, "blocked", &["succeeded"], "worked outside its worktree: `stray.txt` in the main checkout was added");
        assert!(told(&lab).contains("stray.txt"));
        assert_eq!(lab.worktree(1).read("a.txt"), "by the fake agent\n", "its work is there");
        std::fs::remove_file(lab.root().join("stray.txt")).unwrap();
        lab.is_sound();
    }
}

#[test]
fn a_file_written_through_a_link_is_found() {
    let lab = one("plain", "outside link stray.txt; delete way-out; write a.txt; commit");
    lab.ended(1, "blocked", &["succeeded"], "worked outside its worktree: `stray.txt` in the main checkout was added");
    std::fs::remove_file(lab.root().join("stray.txt")).unwrap();
    lab.is_sound();
}

#[test]
fn a_file_in_another_worktree_is_found() {
    let lab = Lab::new();
    lab.ok(&["wt", "create", "mine"]);
    lab.ok(&["wt", "keep", "mine"]);
    let lab = lab.ordered(&["claude"], "outside sibling stray.txt; write a.txt; commit");
    lab.ended(1, "blocked", &["succeeded"], "worked outside its worktree");
    assert!(told(&lab).contains("stray.txt"));
    assert_eq!(lab.repo.at(".worktrees/mine").read("stray.txt"), "from outside\n", "and nobody has touched it");
    lab.is_sound();
}

#[test]
fn a_commit_on_main_past_everything_is_found() {
    for (agent, orders) in [("plain", "on-main a.txt"), ("codex", "write a.txt; commit; move-main")] {
        let lab = Lab::new();
        let main = lab.repo.head();
        let lab = lab.ordered(&[agent], orders);
        let (status, _, why) = lab.end(1);
        assert_eq!(status, "blocked", "{orders}: {why}");
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
fn the_others_land_beside_one_that_works_outside() {
    let lab = Lab::new();
    lab.order("plain", "outside main stray.txt; write a.txt; commit");
    for (agent, file) in [("claude", "b.txt"), ("codex", "c.txt"), ("acp", "d.txt")] {
        lab.order(agent, &format!("write {file}; commit"));
    }
    let _ = lab.up();
    let (status, _, why) = lab.end(1);
    assert_eq!(status, "blocked", "{why}");
    assert!(lab.root().join("stray.txt").exists());
    let ends: Vec<_> = (2..=4).map(|id| lab.end(id)).collect();
    assert!(ends.iter().all(|(status, ..)| status == "completed" || status == "blocked"), "{ends:?}");
    println!("{ends:?}");
    lab.is_sound_but_for_main();
}
