//! Worktrees whose record, entry and directory lost each other, and what is not ours.

use biplane_coordination::{Mode, doctor::Severity};

use crate::home::{Home, same, worktree_path};

#[test]
fn a_moved_repository_is_linked_again() {
    let mut home = Home::new();
    let path = home.worktree("x");
    home.worktree("y");
    home.repo.at(&path).write("new.txt", "uncommitted\n");
    let moved = home.env.root().join("moved");
    fs_err::rename(&home.root, &moved).unwrap();
    home.root = moved;
    home.repaired("x", "moved or copied");
    let checkout = home.env.program("git").args(["status", "--short", "--branch"]);
    let shown = checkout.in_dir(home.root.join(".worktrees/x")).run().success().stdout;
    assert_eq!(shown, "## wt/x\n?? new.txt\n");
}

#[test]
fn a_copy_leaves_the_original_alone() {
    let mut home = Home::new();
    home.worktree("x");
    home.worktree("y");
    let before = home.state();
    home.env.program("cp").args(["-R", "app", "copy"]).run().success();
    let original = std::mem::replace(&mut home.root, home.env.root().join("copy"));
    home.repaired("y", "moved or copied");
    home.root = original;
    same(&before, &home.state(), "something changed");
    assert!(home.doctor(Mode::Dry).healthy());
}

#[test]
fn a_deleted_worktree_is_noted_and_its_branch_stays() {
    let home = Home::new();
    let path = home.worktree("x");
    let checkout = home.repo.at(&path);
    checkout.write("a.txt", "a\n");
    let tip = checkout.commit("work");
    home.repo.git(&["worktree", "remove", "--force", ".worktrees/x"]);
    home.repaired("x", "gone");
    assert_eq!(home.repo.git(&["rev-parse", "wt/x"]), tip);
    assert!(home.open().worktree_list(false).unwrap().is_empty());
    home.told(Severity::Note, "wt/x", "1 of its commits are not in `main`");
}

#[test]
fn a_deleted_directory_is_not_pruned() {
    let home = Home::new();
    let path = home.worktree("x");
    fs_err::remove_dir_all(&path).unwrap();
    let finding = home.told(Severity::Problem, "x", "is not there");
    assert!(finding.remedy.unwrap().contains("git worktree remove --force .worktrees/x"));
    assert!(home.root.join(".git/worktrees/x").is_dir());
    // The remedy ends it.
    home.repo.git(&["worktree", "remove", "--force", ".worktrees/x"]);
    home.repaired("x", "gone");
}

#[test]
fn a_worktree_moved_by_hand_is_found_again() {
    let home = Home::new();
    let path = home.worktree("x");
    let elsewhere = home.env.root().join("elsewhere");
    fs_err::rename(&path, &elsewhere).unwrap();
    home.told(Severity::Problem, "x", "is not there");
    assert!(home.root.join(".git/worktrees/x").is_dir(), "it was pruned");
    home.repo.git(&["worktree", "repair", elsewhere.as_str()]);
    home.repaired("x", "moved to");
    assert_eq!(worktree_path(&home, "x"), elsewhere);
    home.open().worktree_status(&"x".parse().unwrap()).unwrap();
}

#[test]
fn a_deleted_entry_is_left_to_a_person() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).write("a.txt", "uncommitted\n");
    fs_err::remove_dir_all(home.root.join(".git/worktrees/x")).unwrap();
    let finding = home.told(Severity::Problem, "x", "git has no entry for it");
    assert!(finding.remedy.unwrap().contains("git worktree add .worktrees/x wt/x"));
    // The remedy, typed.
    let aside = home.env.root().join("aside");
    fs_err::rename(&path, &aside).unwrap();
    home.repo.git(&["worktree", "add", "-q", ".worktrees/x", "wt/x"]);
    fs_err::copy(aside.join("a.txt"), path.join("a.txt")).unwrap();
    assert!(home.doctor(Mode::Dry).healthy());
}

#[test]
fn a_deleted_branch_is_put_back() {
    let home = Home::new();
    let path = home.worktree("x");
    let checkout = home.repo.at(&path);
    checkout.write("a.txt", "a\n");
    let tip = checkout.commit("work");
    home.repo.git(&["update-ref", "-d", "refs/heads/wt/x"]);
    home.repaired("x", "its branch `wt/x` is gone");
    assert_eq!(home.repo.git(&["rev-parse", "wt/x"]), tip);
    assert_eq!(checkout.git(&["status", "--short"]), "");
}

#[test]
fn a_worktree_on_another_branch_or_locked_is_told_of() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).git(&["switch", "-q", "-c", "side"]);
    home.told(Severity::Note, "x", "it is on `side`");
    home.repo.at(&path).git(&["switch", "-q", "wt/x"]);
    home.repo.git(&["worktree", "lock", ".worktrees/x"]);
    home.told(Severity::Note, "x", "locked");
}

#[test]
fn strangers_are_told_of_and_left_alone() {
    let home = Home::new();
    home.worktree("x");
    home.repo.git(&["worktree", "add", "-q", "-b", "theirs", ".worktrees/theirs"]);
    home.repo.git(&["worktree", "add", "-q", "-b", "outside", "../outside"]);
    fs_err::create_dir(home.root.join(".worktrees/unknown")).unwrap();
    home.told(Severity::Note, ".worktrees/theirs", "the ledger does not know");
    home.told(Severity::Note, ".worktrees/unknown", "neither the ledger nor git");
    fs_err::remove_dir_all(home.env.root().join("outside")).unwrap();
    home.told(Severity::Note, "outside", "finds nothing");
    assert!(home.root.join(".git/worktrees/outside").is_dir());
}
