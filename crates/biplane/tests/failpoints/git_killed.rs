//! A git that is killed together with the program leaves locks and halves of its own.

use std::{fs::File, time::SystemTime};

use camino::Utf8Path;

use crate::{
    bed::Bed,
    enumerate::{Enumeration, Operation},
    operations,
};

/// Makes every lock and every entry of git's an hour old: nobody takes a young one for one that was left.
fn grow_old(dir: &Utf8Path) {
    let then = SystemTime::now() - std::time::Duration::from_secs(3600);
    for entry in dir.read_dir_utf8().expect("the bed is ours").flatten() {
        let path = entry.path();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_ledgers = dir.ends_with(".git") && entry.file_name() == "biplane";
        if is_dir && entry.file_name() != "objects" && !is_ledgers {
            grow_old(path);
        }
        if path.extension() == Some("lock") || dir.ends_with("worktrees") {
            File::open(path).and_then(|file| file.set_modified(then)).expect("the bed is ours");
        }
    }
}

/// Does what the operation does until git is to do something, kills both, and recovers.
fn kill(prepare: fn(&Bed), args: &'static [&'static str], done: fn(&Bed) -> bool, at: &str, leaves: &str) {
    let operation = Operation { name: "a killed git", prepare, args, code: 0, done };
    let mut all = Enumeration::begin(&operation);
    all.bed.kill_with_git(args, at, leaves);
    grow_old(&all.bed.path(".git"));
    all.is_recovered(format!("killed with git at `{at}`"));
}

fn is_there(bed: &Bed) -> bool {
    bed.status_of_worktree() == "active" && bed.path(".worktrees/x/kept.txt").exists()
}

#[test]
fn while_it_adds_a_worktree() {
    let begun = "ROOT=${GIT_DIR%/.git}; mkdir -p \"$ROOT/.worktrees/x\" \"$GIT_DIR/worktrees/x\"; echo initializing > \"$GIT_DIR/worktrees/x/locked\"";
    kill(operations::nothing, &["wt", "create", "x"], is_there, " worktree add ", begun);
    let linked = format!("{begun}; echo \"$ROOT/.worktrees/x/.git\" > \"$GIT_DIR/worktrees/x/gitdir\"");
    kill(operations::nothing, &["wt", "create", "x"], is_there, " worktree add ", &linked);
}

#[test]
fn while_it_fills_a_worktree() {
    let leaves = "echo half > half.txt; : > \"$GIT_DIR/index.lock\"";
    kill(operations::nothing, &["wt", "create", "x"], is_there, " read-tree --reset -u ", leaves);
}

#[test]
fn while_it_writes_a_snapshot() {
    let leaves = "mkdir -p \"$GIT_COMMON_DIR/refs/biplane/snapshots/x\"; : > \"$GIT_COMMON_DIR/refs/biplane/snapshots/x/1.lock\"";
    let args = &["wt", "remove", "x", "--force"];
    kill(operations::all_work, args, operations::is_removed, " biplane: snapshot ", leaves);
}

#[test]
fn while_it_deletes_a_branch() {
    let leaves = "mkdir -p \"$GIT_COMMON_DIR/refs/heads/wt\"; : > \"$GIT_COMMON_DIR/refs/heads/wt/x.lock\"";
    let args = &["wt", "remove", "x", "--force"];
    kill(operations::all_work, args, operations::is_removed, " biplane: worktree removed ", leaves);
}

#[test]
fn while_it_moves_the_target() {
    let leaves = "echo \"$NEW\" > \"$GIT_COMMON_DIR/refs/heads/main.lock\"";
    kill(operations::to_land, &["merge", "x"], operations::is_landed, " biplane: land ", leaves);
}

#[test]
fn of_a_lock_that_may_be_anybodys_a_person_is_told() {
    let bed = Bed::new();
    operations::to_land(&bed);
    let lock = bed.path(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").expect("the bed is ours");
    grow_old(&bed.path(".git"));
    let said = bed.call(&["doctor", "--fix"]).run().fails_with(1).stdout;
    assert!(said.contains("nothing can land until it is gone"), "{said}");
    assert!(said.contains("`rm ") && lock.exists(), "{said}");
}
