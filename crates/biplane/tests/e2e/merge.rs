//! Landing: what reaches the target, and what is sent back.

use crate::lab::{Lab, lines, said};

#[test]
fn a_clean_branch_lands_and_completes_its_task() {
    let lab = Lab::new();
    lab.settings("gate = \"test -f a.txt\"\n");
    lab.ok(&["task", "create", "add a"]);
    lab.ok(&["task", "create", "then b", "--after", "1"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    let output = lab.call(&["merge", "w"]).run().success();
    assert!(output.stdout.contains("task 1 is completed") && output.stdout.contains('2'), "{output}");
    assert_eq!(lab.repo.read("a.txt"), "a\n", "the clean main checkout is brought along");
    assert_eq!(lab.repo.git(&["status", "--porcelain", "--branch"]), "## main");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    lab.is_sound();
}

#[test]
fn a_conflict_names_files_and_sides_and_changes_nothing() {
    let lab = Lab::new();
    lab.repo.write("b.txt", "b\n");
    lab.repo.commit("b");
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("README.md", "theirs\n");
    tree.git(&["rm", "-q", "b.txt"]);
    tree.commit("theirs");
    lab.repo.write("README.md", "ours\n");
    lab.repo.write("b.txt", "b2\n");
    let before = lab.repo.commit("ours");
    let output = lab.fails(4, &["merge", "w", "--gate", "true"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    biplane: s1: gate `true` (as asked)
    biplane: conflict with `main`: `README.md` changed on both sides, `b.txt` changed on the target, deleted on the branch
    ");
    assert_eq!((lab.repo.head(), lab.repo.read("README.md")), (before, "ours\n".to_owned()));
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "pending");
    assert!(task["reason"].as_str().unwrap().contains("README.md"), "{task:#}");
    assert_eq!(tree.read("README.md"), "theirs\n");
    lab.is_sound();
}

#[test]
fn a_red_gate_sends_the_task_back_with_the_reason() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    let before = lab.repo.head();
    let output = lab.fails(1, &["merge", "w", "--gate", "echo 'a.txt is wrong'; exit 9"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    biplane: s1: gate `echo 'a.txt is wrong'; exit 9` (as asked)
    biplane: the gate `echo 'a.txt is wrong'; exit 9` failed on the merged result: exit code 9
    a.txt is wrong
    biplane: `biplane log r1` shows the gate's whole output
    ");
    assert_eq!(lab.repo.head(), before);
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "pending");
    assert!(task["reason"].as_str().unwrap().contains("a.txt is wrong"), "{task:#}");
    assert_eq!(lab.directories(), ["w"], "the scratch worktree is gone");
    // The same head again, with a gate that passes.
    lab.ok(&["merge", "w", "--gate", "true"]);
    lab.is_sound();
}

#[test]
fn the_gate_sees_the_merged_result_and_not_the_branch() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.repo.write("b.txt", "b\n");
    lab.repo.commit("b");
    lab.ok(&["merge", "w", "--gate", "test -f a.txt && test -f b.txt && test $(ls .git | wc -l) = 1"]);
}

#[test]
fn strategies_make_the_history_they_say() {
    let history = |strategy: &str| {
        let lab = Lab::new();
        let tree = lab.work("w", "a.txt", "a\n");
        tree.write("b.txt", "b\n");
        tree.commit("w: b.txt");
        lab.repo.write("c.txt", "c\n");
        lab.repo.commit("meanwhile");
        lab.ok(&["merge", "w", "--strategy", strategy, "--gate", "test -f b.txt && test -f c.txt"]);
        let log = lab.repo.git(&["log", "--first-parent", "--format=%s %p", "main"]);
        let parents = |l: &str| {
            l.split(' ')
                .rev()
                .take_while(|w| w.len() >= 7 && w.chars().all(|c| c.is_ascii_hexdigit()))
                .count()
        };
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
        lab.ok(&["wt", "remove", "w"]);
        lab.is_sound();
        (
            lab.repo.git(&["rev-list", "--count", "main"]),
            parents(log.lines().next().unwrap()),
            lines(&log).len(),
        )
    };
    assert_eq!(history("merge"), ("5".to_owned(), 2, 3));
    assert_eq!(history("squash"), ("3".to_owned(), 1, 3));
    assert_eq!(history("rebase"), ("4".to_owned(), 1, 4));
}

#[test]
fn submit_refuses_uncommitted_work_no_work_and_another_branch() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let output = lab.fails(3, &["submit", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @"error: worktree `w` has no commits since its base, so there is nothing to submit");
    tree.write("a.txt", "a\n");
    let output = lab.fails(3, &["submit", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `w` has uncommitted work in 1 file
    hint: commit it or throw it away first: what is submitted is the branch
    ");
    tree.commit("a");
    tree.git(&["switch", "-q", "-c", "mine"]);
    let output = lab.fails(3, &["submit", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `w` is on mine, not on its branch `wt/w`
    hint: in it: `git switch --no-overwrite-ignore wt/w`
    ");
    tree.git(&["switch", "-q", "wt/w"]);
    tree.git(&["config", "status.showUntrackedFiles", "no"]);
    tree.write("untracked.txt", "x\n");
    lab.fails(3, &["submit", "w"]);
    lab.is_sound();
}

#[test]
fn what_was_submitted_lands_and_not_what_came_after() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    lab.ok(&["submit", "w", "--no-gate"]);
    tree.write("late.txt", "late\n");
    tree.commit("late");
    lab.call(&["up", "--", "true"]).run().success();
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!(files.contains("a.txt") && !files.contains("late.txt"), "{files}");
    assert_eq!(tree.read("late.txt"), "late\n", "later work is not removed");
    assert_eq!(lab.branches(), ["wt/w"]);
    lab.is_sound();
}

#[test]
fn a_submitted_head_survives_the_deletion_of_its_branch() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    lab.ok(&["submit", "w", "--no-gate"]);
    tree.git(&["checkout", "-q", "--detach", "main"]);
    lab.repo.git(&["branch", "-q", "-D", "wt/w"]);
    lab.repo.git(&[
        "-c",
        "gc.reflogExpire=now",
        "-c",
        "gc.reflogExpireUnreachable=now",
        "gc",
        "-q",
        "--prune=now",
    ]);
    lab.call(&["up", "--", "true"]).run().success();
    assert!(lab.repo.git(&["ls-tree", "--name-only", "main"]).contains("a.txt"));
    lab.is_sound();
}

#[test]
fn a_candidate_with_a_gitlink_or_an_escaping_link_is_refused() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let commit = tree.head();
    tree.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor")]);
    tree.git(&["commit", "-q", "-m", "gitlink"]);
    let before = lab.repo.head();
    tree.git(&["status", "--porcelain"]);
    std::fs::create_dir_all(tree.path().join("vendor")).unwrap();
    let output = lab.fails(3, &["merge", "w", "--no-gate"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    biplane: s1: gate none (as asked): it will land untested
    biplane: `vendor` is a nested repository, whose files would not land
    ");
    for (name, to) in [("out", "../../../../etc/passwd"), ("abs", "/etc/passwd")] {
        let tree = lab.create(name);
        std::os::unix::fs::symlink(to, tree.path().join("link")).unwrap();
        tree.commit("link");
        let output = lab.fails(3, &["merge", name, "--no-gate"]);
        assert!(output.stderr.contains("link"), "{output}");
    }
    assert_eq!(lab.repo.head(), before);
    let tree = lab.create("inside");
    std::os::unix::fs::symlink("README.md", tree.path().join("link")).unwrap();
    tree.commit("link");
    lab.ok(&["merge", "inside", "--no-gate"]);
    lab.is_sound();
}
