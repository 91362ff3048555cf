//! Worktrees as the index has them, held against git; and bindings.

use biplane_coordination::{Access, CreateWorktree, Start};
use biplane_model::TaskStatus;
use serde_json::{Value, json};

use crate::board::{Board, has};

/// What the index says of `name` now.
fn entry(board: &Board, name: &str) -> Value {
    let found = board.index_now().into_iter().find(|w| w["name"] == name);
    found.unwrap_or_else(|| panic!("the index has no {name}"))
}

#[test]
fn only_what_git_has_is_live() {
    let board = Board::new();
    let gone = board.worktree("gone", json!(null));
    board.repo.git(&["worktree", "remove", ".worktrees/gone"]);
    let all_gone =
        json!({"name": "never", "path": "/x", "branch": "wt/never", "task_id": null, "status": "kept"});
    let plain =
        json!({"name": "plain", "path": board.repo.path().join(".worktrees/plain"), "status": "active"});
    board.repo.write(".worktrees/plain/file", "mine");
    // A hostile index: the main checkout, and a worktree of the user's.
    board.repo.git(&["worktree", "add", "-q", "-b", "feature", "../feature"]);
    let main = json!({"name": "main", "path": board.repo.path(), "branch": "main", "status": "active"});
    let feature = json!({"name": "feature", "path": board.repo.path().join("../feature"), "branch": "feature", "status": "active"});
    let bad_name = json!({"name": "../up", "status": "active"});
    let good = board.worktree("good", json!(null));
    let mut twice = good.clone();
    twice["branch"] = json!("wt/other");
    board.index(&[gone, all_gone, plain, main, feature, bad_name, json!(7), good, twice]);
    let report = board.import();
    for words in [
        ["worktree `gone`", "nothing of it is in `.worktrees`; its branch `wt/gone` is still there"],
        ["worktree `never`", "nothing of it is in `.worktrees`, and its branch is gone"],
        ["worktree `plain`", "is no worktree of git's, and is left alone"],
        ["worktree `main`", "nothing of it is in `.worktrees`, and its branch is gone"],
        ["worktree `feature`", "nothing of it is in `.worktrees`"],
        ["entry 6:", "is not a worktree name"],
        ["entry 7:", "it is no object"],
        ["worktree `good`", "the index has it twice; left out"],
    ] {
        has(&report, &words);
    }
    let live: Vec<Value> = board.index_now().into_iter().filter(|w| w["status"] != "removed").collect();
    assert_eq!(live.len(), 1);
    assert_eq!((&live[0]["name"], &live[0]["branch"]), (&json!("good"), &json!("wt/good")));
    assert_eq!(board.repo.read(".worktrees/plain/file"), "mine");
    assert!(board.repo.path().join("../feature/README.md").is_file());
}

#[test]
fn a_half_written_index_loses_no_worktree() {
    let board = Board::new();
    board.worktree("auth", json!(1));
    board.worktree("ui", json!(2));
    board.plain_task(1, "in_progress", &json!({"worktree": "auth"})).plain_task(2, "pending", &json!({}));
    board.repo.write(".worktrees/index.json", r#"{"worktrees": [{"name": "auth", "pa"#);
    let report = board.import();
    has(&report, &["`.worktrees/index.json`", "not JSON", "taken over without it"]);
    has(&report, &["worktree `auth`", "git has it"]);
    assert_eq!(
        (entry(&board, "auth")["task_id"].clone(), entry(&board, "ui")["status"].clone()),
        (json!(1), json!("active"))
    );
}

#[test]
fn a_moved_repository_is_taken_over_once_git_knows() {
    let board = Board::new();
    let ui = board.worktree("ui", json!(1));
    board.plain_task(1, "in_progress", &json!({"worktree": "ui"})).index(&[ui]);
    let moved = board.repo.path().with_file_name("moved");
    fs_err::rename(board.repo.path(), &moved).unwrap();
    let board = Board { repo: board.repo.at(&moved) };
    let said = board.refused();
    assert!(said.contains("git has lost its link to `.worktrees/ui`"), "{said}");
    assert!(said.contains("`git worktree repair .worktrees/ui` mends it"), "{said}");
    board.repo.git(&["worktree", "repair", ".worktrees/ui"]);
    fs_err::remove_dir_all(board.repo.path().join(".git/biplane")).unwrap();
    let report = board.import();
    assert_eq!(report.problems, [""; 0]);
    let ui = entry(&board, "ui");
    assert_eq!(ui["status"], "active");
    assert!(ui["path"].as_str().unwrap().ends_with("/moved/.worktrees/ui"), "{ui}");
}

#[test]
fn the_base_is_where_the_branch_left_the_target() {
    let board = Board::new();
    let fork = board.repo.head();
    let work = board.worktree("work", json!(null));
    let checkout = board.repo.at(".worktrees/work");
    checkout.write("new.txt", "new");
    checkout.commit("work");
    board.repo.write("main.txt", "main");
    board.repo.git(&["add", "main.txt"]);
    board.repo.git(&["commit", "-qm", "main goes on"]);
    // Somebody has left its branch in another one, and its own is still there.
    let other = board.worktree("other", json!(null));
    board.repo.at(".worktrees/other").git(&["switch", "-q", "--detach"]);
    let stray = board.worktree("stray", json!(null));
    board.repo.at(".worktrees/stray").git(&["switch", "-q", "-c", "mine"]);
    board.repo.git(&["branch", "-q", "-D", "wt/stray"]);
    board.index(&[work, other, stray]);
    let report = board.import();
    assert_eq!(
        (&entry(&board, "work")["base"], &entry(&board, "work")["base_ref"]),
        (&json!(fork), &json!("main"))
    );
    has(&report, &["worktree `other`", "it is on no branch, not on its branch `wt/other`"]);
    assert_eq!(entry(&board, "other")["status"], "active");
    has(&report, &["worktree `stray`", "it is on `mine`", "recorded as removed"]);
    has(&report, &["worktree `stray`", "not on a branch of its own; left alone"]);
    let (service, _) = board.open(Access::Write).unwrap();
    let status = service.worktree_status(&"work".parse().unwrap()).unwrap();
    assert_eq!((status.commits, status.unlanded), (1, 1));
}

#[test]
fn bindings_agree_afterwards() {
    let board = Board::new();
    let a = board.worktree("a", json!(1));
    let b = board.worktree("b", json!(1));
    let c = board.worktree("c", json!(4));
    let d = board.worktree("d", json!(77));
    let e = board.worktree("e", json!(null));
    board
        .plain_task(1, "in_progress", &json!({"worktree": "b"}))
        .plain_task(2, "pending", &json!({"worktree": "c"}))
        .plain_task(3, "completed", &json!({"worktree": "e"}))
        .plain_task(4, "pending", &json!({"worktree": "d"}))
        .plain_task(5, "pending", &json!({"worktree": "e"}))
        .plain_task(6, "pending", &json!({"worktree": "nowhere"}))
        .index(&[a, b, c, d, e]);
    let report = board.import();
    for words in [
        ["worktree `a`", "bound to task 1, which is bound to worktree `b`"],
        ["task 2:", "names worktree `c`, which is bound to task 4"],
        ["task 3:", "names worktree `e`, which is bound to task 5"],
        ["task 4:", "names worktree `d`, the index binds it to `c`"],
        ["task 6:", "names worktree `nowhere`, which is not there"],
        ["worktree `d`", "task 77, which is not there"],
    ] {
        has(&report, &words);
    }
    assert_eq!(report.problems.len(), 6, "{:#?}", report.problems);
    let tasks = board.tasks();
    let bound: Vec<_> = tasks.values().map(|t| t.worktree.as_str()).collect();
    assert_eq!(bound, ["b", "", "", "c", "e", ""]);
    for (name, task) in
        [("a", json!(null)), ("b", json!(1)), ("c", json!(4)), ("d", json!(null)), ("e", json!(5))]
    {
        assert_eq!(entry(&board, name)["task_id"], task, "{name}");
    }
    assert_eq!(board.records().report(), [""; 0]);
}

#[test]
fn work_goes_on_after_an_import() {
    let board = Board::new();
    let ui = board.worktree("ui", json!(1));
    board
        .plain_task(1, "pending", &json!({"worktree": "ui"}))
        .plain_task(2, "pending", &json!({}))
        .index(&[ui]);
    board.import();
    let (service, _) = board.open(Access::Write).unwrap();
    let create = |name: &str, task: &str| {
        let (name, task) = (name.parse().unwrap(), Some(task.parse().unwrap()));
        service.worktree_create(&CreateWorktree { name, task, base: None, start: Start::Yes, owner: None })
    };
    assert!(create("ui", "2").is_err());
    create("api", "2").unwrap();
    service.worktree_keep(&"ui".parse().unwrap(), "look").unwrap();
    assert_eq!(board.tasks()["2"].status, TaskStatus::InProgress);
    assert_eq!(entry(&board, "ui")["status"], "kept");
    assert_eq!(board.records().report(), [""; 0]);
}

#[test]
fn a_worktree_outside_needs_the_branch_of_its_name() {
    let board = Board::new();
    let outside = |name: &str, branch: &str| {
        let path = board.repo.path().with_file_name(name);
        board.repo.git(&["worktree", "add", "-q", "-b", branch, path.as_str()]);
        json!({"name": name, "path": path, "branch": branch, "task_id": null, "status": "active"})
    };
    board.index(&[outside("far", "wt/far"), outside("mine", "wt/theirs")]);
    let report = board.import();
    assert_eq!(entry(&board, "far")["path"], json!(board.repo.path().with_file_name("far")));
    assert_eq!(
        (entry(&board, "far")["status"].clone(), entry(&board, "mine")["status"].clone()),
        (json!("active"), json!("removed"))
    );
    has(
        &report,
        &["worktree `mine`", "nothing of it is in `.worktrees`; its branch `wt/theirs` is still there"],
    );
}

#[test]
fn names_that_differ_in_case_only() {
    let board = Board::new();
    let upper = board.worktree("Auth", json!(null));
    // On a file system that tells them apart.
    if board.repo.git_call(&["worktree", "add", "-q", "-b", "wt/auth", ".worktrees/auth"]).run().code != 0 {
        return;
    }
    let mut lower = upper.clone();
    lower["name"] = json!("auth");
    lower["branch"] = json!("wt/auth");
    board.index(&[upper, lower]);
    has(&board.import(), &["worktree `auth`", "differs from it in case only"]);
    assert_eq!(board.index_now().len(), 1);
}

#[test]
fn a_branch_of_another_worktree_is_not_believed() {
    let board = Board::new();
    let (mut a, b) = (board.worktree("a", json!(null)), board.worktree("b", json!(null)));
    a["branch"] = json!("wt/b");
    board.index(&[a, b]);
    has(&board.import(), &["worktree `a`", "it is on `wt/a`, not on `wt/b`"]);
    assert_eq!(entry(&board, "a")["branch"], "wt/a");
}
