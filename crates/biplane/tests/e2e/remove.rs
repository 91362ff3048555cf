//! Removing worktrees: refused while there is something to lose, and with `--force` nothing is lost.

use crate::lab::{Lab, said};

#[test]
fn uncommitted_and_unlanded_work_is_refused() {
    let lab = Lab::new();
    let tree = lab.create("w");
    tree.write("a.txt", "a\n");
    let output = lab.fails(3, &["wt", "remove", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `w` has uncommitted work in 1 file
    hint: commit it, or use `--force`: a snapshot will hold it
    ");
    tree.commit("a");
    let output = lab.fails(3, &["wt", "remove", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `w` has 1 commit that the target lacks
    hint: `biplane merge w` lands it; with `--force` a snapshot will hold it
    ");
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.ok(&["wt", "remove", "w"]);
    assert_eq!((lab.directories(), lab.branches(), lab.linked()), (vec![], vec![], 0));
    lab.is_sound();
}

#[test]
fn untracked_files_count_whatever_the_users_settings_say() {
    let lab = Lab::new();
    lab.repo.git(&["config", "status.showUntrackedFiles", "no"]);
    lab.repo.git(&["config", "core.fsmonitor", "false"]);
    let tree = lab.create("w");
    tree.write("new/untracked.txt", "work\n");
    lab.fails(3, &["wt", "remove", "w"]);
    tree.git(&["config", "core.excludesFile", lab.env.root().join("none").as_str()]);
    lab.fails(3, &["wt", "remove", "w"]);
    assert_eq!(tree.read("new/untracked.txt"), "work\n");
}

#[test]
fn changes_hidden_from_git_status_are_seen_or_saved() {
    let lab = Lab::new();
    let tree = lab.create("w");
    tree.git(&["update-index", "--assume-unchanged", "README.md"]);
    tree.write("README.md", "hidden work\n");
    let output = lab.call(&["wt", "remove", "w", "--json"]).run();
    if output.code == 0 {
        let snapshot = output.json()["snapshot"].as_str().expect("a snapshot holds it").to_owned();
        assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:README.md")]), "hidden work");
    } else {
        assert_eq!(tree.read("README.md"), "hidden work\n");
    }
}

#[test]
fn force_takes_a_snapshot_of_tracked_untracked_and_ignored_files() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", ".env\n*.db\ntarget/\n");
    lab.repo.write("tracked.txt", "old\n");
    lab.repo.commit("files");
    let tree = lab.create("w");
    tree.write("committed.txt", "committed\n");
    tree.commit("unlanded");
    tree.write("tracked.txt", "new\n");
    tree.write("staged.txt", "staged\n");
    tree.git(&["add", "staged.txt"]);
    tree.write("staged.txt", "staged, then changed\n");
    tree.write("deep/untracked.txt", "untracked\n");
    tree.write(".env", "SECRET=1\n");
    tree.write("data/local.db", "rows\n");
    tree.write("target/debug/huge", "made again by a build\n");
    tree.write("-dash \"quote\"\nline", "odd name\n");
    std::os::unix::fs::symlink("nowhere", tree.path().join("dangling")).unwrap();
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    let show = |path: &str| lab.repo.git(&["show", &format!("{snapshot}:{path}")]);
    for (path, text) in [
        ("committed.txt", "committed"),
        ("tracked.txt", "new"),
        ("staged.txt", "staged, then changed"),
        ("deep/untracked.txt", "untracked"),
        (".env", "SECRET=1"),
        ("data/local.db", "rows"),
        ("-dash \"quote\"\nline", "odd name"),
        ("dangling", "nowhere"),
    ] {
        assert_eq!(show(path), text, "{path}");
    }
    assert_eq!(lab.repo.git(&["show", &format!("{snapshot}^2:staged.txt")]), "staged", "the index too");
    assert!(!lab.repo.git(&["ls-tree", "-r", "--name-only", snapshot]).contains("target/"));
    assert_eq!((lab.directories(), lab.branches(), lab.linked()), (vec![], vec![], 0));
    // Still there after a clean-up of the repository.
    lab.repo.git(&[
        "-c",
        "gc.reflogExpireUnreachable=now",
        "-c",
        "gc.reflogExpire=now",
        "gc",
        "-q",
        "--prune=now",
    ]);
    assert_eq!(show(".env"), "SECRET=1");
    lab.is_sound();
}

#[test]
fn an_ignored_file_is_saved_even_when_nothing_has_to_be_forced() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", ".env\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    tree.write(".env", "SECRET=1\n");
    let removed = lab.json(&["wt", "remove", "w"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:.env")]), "SECRET=1");
}

#[test]
fn a_merge_in_progress_and_a_detached_head_are_saved() {
    let lab = Lab::new();
    let tree = lab.work("w", "README.md", "theirs\n");
    let branch = tree.head();
    lab.repo.write("README.md", "ours\n");
    lab.repo.commit("ours");
    tree.git_call(&["merge", "-q", "main"]).run().fails_with(1);
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    assert!(lab.repo.git(&["show", &format!("{snapshot}:README.md")]).contains("<<<<<<<"));
    assert!(lab.repo.git(&["rev-list", snapshot]).contains(&branch));
    let tree = lab.create("w");
    tree.git(&["checkout", "-q", "--detach"]);
    tree.write("detached.txt", "on no branch\n");
    let detached = tree.commit("on no branch");
    lab.fails(3, &["wt", "remove", "w"]);
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    assert!(lab.repo.git(&["rev-list", snapshot]).contains(&detached));
    lab.is_sound();
}

#[test]
fn a_name_can_be_used_again_and_its_snapshots_do_not_collide() {
    let lab = Lab::new();
    for n in 1..=3 {
        let tree = lab.create("w");
        tree.write("a.txt", format!("{n}\n"));
        lab.ok(&["wt", "remove", "w", "--force"]);
    }
    let contents: Vec<_> =
        (1..=3).map(|n| lab.repo.git(&["show", &format!("refs/biplane/snapshots/w/{n}:a.txt")])).collect();
    assert_eq!(contents, ["1", "2", "3"]);
    lab.is_sound();
}

#[test]
fn completing_the_task_comes_between_the_events_of_the_removal() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["task", "create", "two", "--after", "1"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let out = lab.ok(&["wt", "remove", "w", "--complete-task"]);
    assert!(out.contains('2'), "it says what became ready: {out}");
    let words = lab.event_words();
    assert_eq!(
        words[words.len() - 3..],
        ["worktree.remove.before", "task.completed", "worktree.remove.after"]
    );
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!((task["status"].as_str(), task["worktree"].as_str()), (Some("completed"), Some("")));
    assert_eq!(task["last_worktree"], "w");
    lab.is_sound();
}

#[test]
fn a_task_that_can_not_be_completed_keeps_its_worktree() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.ok(&["task", "cancel", "1"]);
    lab.fails(3, &["wt", "remove", "w", "--complete-task"]);
    assert_eq!(lab.directories(), ["w"]);
    lab.ok(&["wt", "remove", "w"]);
    lab.is_sound();
}

#[test]
fn a_dry_run_changes_nothing() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    tree.write("b.txt", "b\n");
    tree.git(&["status"]);
    let look =
        || (lab.photograph(".worktrees"), lab.repo.git(&["for-each-ref"]), lab.records().events().len());
    let before = look();
    let output = lab.call(&["wt", "remove", "w", "--force", "--dry-run"]).run().success();
    // What other users run on the machine is no part of it.
    let answer: Vec<&str> = output.stdout.lines().filter(|l| !l.contains("could not be looked at")).collect();
    insta::assert_snapshot!(answer.join("\n"), @r"
    removing worktree w would:
    - take a snapshot of 1 uncommitted and 0 ignored paths and 1 unlanded commits
    - delete `.worktrees/w` (19 bytes)
    - delete the branch `wt/w`
    ");
    lab.fails(3, &["wt", "remove", "w", "--dry-run"]);
    assert_eq!(look(), before);
}

#[test]
fn a_worktree_with_a_command_at_work_in_it_is_not_removed() {
    let lab = Lab::new();
    lab.create("w");
    let running = lab.call(&["run", "w", "--", "sh", "-c", "echo up; sleep 600"]).spawn();
    biplane_testkit::eventually(crate::lab::DEADLINE, "it is up", || running.stdout() == "up\n");
    let output = lab.fails(6, &["wt", "remove", "w", "--force"]);
    assert!(output.stderr.contains("is at work in worktree `w`"), "{output}");
    drop(running);
    assert_eq!(lab.directories(), ["w"]);
}

#[test]
fn what_git_keeps_beside_an_untouched_checkout_is_in_the_snapshot() {
    let lab = Lab::new();
    let tree = lab.create("w");
    tree.write("two.txt", "two\n");
    tree.commit("two");
    lab.repo.git(&["merge", "--quiet", "--ff-only", "wt/w"]);
    // In the middle of a rebase, which has put an edit aside.
    tree.write("README.md", "precious\n");
    tree.git_call(&["rebase", "--autostash", "-i", "HEAD~1"])
        .env("GIT_SEQUENCE_EDITOR", "sed -i '1i break'")
        .run()
        .success();
    assert_ne!(tree.read("README.md"), "precious\n");
    let output = lab.call(&["wt", "remove", "w", "--force"]).run().success();
    let snapshot = lab.repo.git(&["for-each-ref", "--format=%(refname)", "refs/biplane/snapshots"]);
    assert!(!snapshot.is_empty(), "{output}");
    lab.repo.git(&["gc", "--quiet", "--prune=now"]);
    lab.ok(&["wt", "restore", "w"]);
    tree.git(&["rebase", "--continue"]);
    assert_eq!(tree.read("README.md"), "precious\n");
    // A ref of its own.
    let tree = lab.create("v");
    tree.write("three.txt", "three\n");
    tree.commit("three");
    tree.git(&["update-ref", "refs/worktree/keep", "HEAD"]);
    let kept = tree.head();
    tree.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    lab.ok(&["wt", "remove", "v"]);
    lab.repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    lab.repo.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(lab.repo.git(&["cat-file", "-t", &kept]), "commit");
    lab.is_sound();
}
