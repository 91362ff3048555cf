//! What can't be meant, is not there, or is not allowed: one clear sentence, the right exit code, nothing changed.

use std::fs;

use crate::lab::{Lab, said};

#[test]
fn unknown_names_are_not_found() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let cases: &[&[&str]] = &[
        &["task", "show", "99"],
        &["task", "complete", "auth_009"],
        &["task", "update", "99", "--owner", "ann"],
        &["task", "claim", "99", "--owner", "ann"],
        &["task", "create", "two", "--after", "99"],
        &["wt", "status", "nope"],
        &["wt", "remove", "nope"],
        &["wt", "bind", "nope", "--task", "1"],
        &["wt", "create", "w", "--task", "99"],
        &["wt", "create", "w", "--base", "no-such-branch"],
        &["merge", "nope"],
        &["up", "--agent", "nope"],
    ];
    let before = lab.records().events().len();
    let mut text = String::new();
    for args in cases {
        let output = lab.fails(5, args);
        assert_eq!(output.stdout, "", "{args:?}");
        text.push_str(&format!("{}\n{}\n", args.join(" "), said(&output, &lab)));
    }
    insta::assert_snapshot!(text, @r"
    task show 99
    error: there is no task 99
    hint: `biplane task list` shows the tasks
    task complete auth_009
    error: there is no task auth_009
    hint: `biplane task list` shows the tasks
    task update 99 --owner ann
    error: there is no task 99
    hint: `biplane task list` shows the tasks
    task claim 99 --owner ann
    error: there is no task 99
    hint: `biplane task list` shows the tasks
    task create two --after 99
    error: there is no task 99
    hint: `biplane task list` shows the tasks
    wt status nope
    error: there is no worktree `nope`
    hint: `biplane wt list` shows the worktrees
    wt remove nope
    error: there is no worktree `nope`
    hint: `biplane wt list` shows the worktrees
    wt bind nope --task 1
    error: there is no worktree `nope`
    hint: `biplane wt list` shows the worktrees
    wt create w --task 99
    error: there is no task 99
    hint: `biplane task list` shows the tasks
    wt create w --base no-such-branch
    error: `no-such-branch` is not a commit, branch or tag here
    merge nope
    error: there is no worktree `nope`
    hint: `biplane wt list` shows the worktrees
    up --agent nope
    error: there is no agent `nope` in `biplane.toml`: the known programs are `claude`, `codex`, `gemini`, `qwen`, `opencode`, `copilot`, `builtin`
    ");
    assert_eq!((lab.records().events().len(), lab.directories(), lab.branches()), (before, vec![], vec![]));
    lab.is_sound();
}

#[test]
fn illegal_moves_name_the_allowed_ones() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["task", "create", "two"]);
    lab.ok(&["task", "complete", "2"]);
    let cases: &[&[&str]] = &[
        &["task", "release", "1"],
        &["task", "reopen", "1"],
        &["task", "cancel", "2"],
        &["task", "claim", "2", "--owner", "ann"],
        &["task", "complete", "2"],
    ];
    let before = lab.records().events().len();
    let mut text = String::new();
    for args in cases {
        text.push_str(&format!("{}\n{}\n", args.join(" "), said(&lab.fails(3, args), &lab)));
    }
    insta::assert_snapshot!(text, @r"
    task release 1
    error: task 1 can't go from `pending` to `pending`; allowed: `in_progress`, `blocked`, `completed`, `failed`, `cancelled`
    task reopen 1
    error: task 1 can't go from `pending` to `pending`; allowed: `in_progress`, `blocked`, `completed`, `failed`, `cancelled`
    task cancel 2
    error: task 2 can't go from `completed` to `cancelled`; allowed: none, `completed` is final
    task claim 2 --owner ann
    error: task 2 can't go from `completed` to `in_progress`; allowed: none, `completed` is final
    task complete 2
    error: task 2 can't go from `completed` to `completed`; allowed: none, `completed` is final
    ");
    assert_eq!(lab.records().events().len(), before);
}

#[test]
fn names_that_can_not_be_meant_are_usage_errors() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let long = "x".repeat(300);
    let names = [
        "",
        ".",
        "..",
        "../up",
        "a/b",
        "-x",
        ".hidden",
        "a b",
        "index.json",
        "events.jsonl",
        "runs",
        "HEAD",
        "x.lock",
        "a..b",
        "@",
        "ä",
        "a\nb",
        "a\u{1b}[31m",
        &long,
        "a.",
        "INDEX.JSON",
        "Runs",
        "con~1",
        "a@{b",
    ];
    for name in names {
        let output = lab.call(&["wt", "create"]).arg("--").arg(name).run();
        assert_eq!(output.code, 2, "{name:?} {output}");
        assert!(!output.stderr.contains('\u{1b}'), "{name:?}");
    }
    for id in ["0", "-1", "99999999999999999999999", "a/b", "../1", "1.5", "a\nb"] {
        let output = lab.call(&["task", "show"]).arg("--").arg(id).run();
        assert!(matches!(output.code, 2 | 5), "{id:?} {output}");
    }
    let cases: &[&[&str]] = &[
        &["task", "create", ""],
        &["task", "create", "  \n "],
        &["task", "claim", "1", "--owner", "ann", "--lease", "soon"],
        &["task", "create", "x", "--after", "1,,"],
        &["task", "update", "1", "--after", "1"],
        &["up", "--agents", "0", "--", "true"],
        &["up"],
        &["events", "--limit", "0"],
        &["nonsense"],
        &["task", "list", "--status", "done"],
        &["merge", "w", "--strategy", "octopus"],
        &["run", "w", "--timeout", "-1s", "--", "true"],
    ];
    for args in cases {
        let output = lab.call(args).run();
        assert_eq!(output.code, 2, "{args:?} {output}");
    }
    assert_eq!((lab.branches(), lab.directories()), (vec![], vec![]));
    assert_eq!(lab.records().events().len(), 1);
    lab.is_sound();
}

#[test]
fn names_that_differ_in_case_only_collide() {
    let lab = Lab::new();
    lab.create("Auth");
    let output = lab.fails(4, &["wt", "create", "auth"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `Auth` differs from `auth` in case only
    hint: choose another name, or remove that one
    ");
    lab.fails(4, &["wt", "create", "Auth"]);
    lab.is_sound();
}

#[test]
fn a_branch_or_a_directory_in_the_way_is_left_alone() {
    let lab = Lab::new();
    lab.repo.git(&["branch", "wt/mine"]);
    let tip = lab.repo.git(&["rev-parse", "wt/mine"]);
    let output = lab.fails(4, &["wt", "create", "mine"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: the branch `wt/mine` exists already (at b2ffb23dca)
    hint: choose another name, or delete or rename the branch
    ");
    assert_eq!(lab.repo.git(&["rev-parse", "wt/mine"]), tip);
    fs::create_dir_all(lab.root().join(".worktrees/there")).unwrap();
    fs::write(lab.root().join(".worktrees/there/file"), "mine\n").unwrap();
    lab.fails(4, &["wt", "create", "there"]);
    assert_eq!(lab.repo.read(".worktrees/there/file"), "mine\n");
    lab.is_sound();
}

#[test]
fn a_branch_named_wt_makes_every_worktree_impossible_and_says_so() {
    let lab = Lab::new();
    lab.repo.git(&["branch", "wt"]);
    let output = lab.fails(4, &["wt", "create", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: the branch `wt` stands in the way of `wt/w`
    hint: choose another name, or delete or rename the branch
    ");
    assert_eq!((lab.directories(), lab.linked()), (vec![], 0));
    lab.is_sound();
}

#[test]
fn a_board_of_another_tool_is_not_overwritten() {
    let lab = Lab::new();
    let theirs = "{\"id\": 1, \"subject\": \"theirs\", \"status\": \"pending\"}";
    lab.repo.write(".tasks/task_1.json", theirs);
    let output = lab.fails(3, &["task", "create", "mine"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: there is a board in `.tasks/` and `.worktrees/` that biplane's ledger does not know
    hint: `biplane import` takes it over; move both away to begin a new one
    ");
    assert_eq!(lab.repo.read(".tasks/task_1.json"), theirs);
    assert!(!lab.ledger().exists());
}

#[test]
fn reading_makes_nothing() {
    let lab = Lab::new();
    for args in [&["task", "list"][..], &["wt", "list"], &["events"], &["task", "list", "--json"]] {
        lab.ok(args);
    }
    assert!(!lab.root().join(".git/biplane").exists());
    assert!(!lab.root().join(".tasks").exists() && !lab.root().join(".worktrees").exists());
}
