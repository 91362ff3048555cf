//! Whole boards, one of each generation.

use biplane_coordination::{Access, ErrorKind, EventQuery, Generation, ImportMode, ImportRequest, NewTask};
use biplane_model::{EventKind, Seq, TaskStatus, WorktreeState};
use serde_json::json;

use crate::board::{Board, NOW, has};

#[test]
fn the_first_generation() {
    let board = Board::new();
    let auth = board.worktree("auth", json!(1));
    // Created first and bound later: the index side stayed empty.
    let ui = board.worktree("ui", json!(null));
    let old = json!({"name": "old", "path": "/gone/.worktrees/old", "branch": "wt/old", "task_id": 3,
        "status": "removed", "created_at": 1_760_000_050.0, "removed_at": 1_760_000_060.0});
    board
        .plain_task(1, "in_progress", &json!({"owner": "alice", "worktree": "auth"}))
        .plain_task(2, "pending", &json!({"worktree": "ui", "blockedBy": [1]}))
        .plain_task(3, "completed", &json!({}))
        .task("auth_004", &json!({"id": "auth_004", "subject": "Named", "status": "pending"}))
        .index(&[auth, ui, old])
        .events(&[
            json!({"event": "worktree.create.before", "ts": 1_760_000_100.0, "task": {"id": 1}, "worktree": {"name": "auth", "base_ref": "HEAD"}}),
            json!({"event": "worktree.create.after", "ts": 1_760_000_101.0, "task": {"id": 1, "status": "in_progress"}, "worktree": {"name": "auth", "status": "active"}}),
            json!({"event": "worktree.remove.before", "ts": 1_760_000_102.0, "task": {"id": 3}, "worktree": {"name": "old"}}),
            json!({"event": "task.completed", "ts": 1_760_000_103.0, "task": {"id": 3}, "worktree": {"name": "old"}}),
            json!({"event": "worktree.remove.failed", "ts": 1_760_000_104.0, "task": {}, "worktree": {"name": "old"}, "error": "busy \u{1b}[31m"}),
        ]);
    let report = board.import();
    assert_eq!((report.tasks, report.worktrees, report.events), (4, 3, 5));
    assert_eq!((report.generation, report.team), (Generation::First, false));
    assert_eq!(report.problems, [""; 0]);

    let tasks = board.tasks();
    assert_eq!(tasks.keys().collect::<Vec<_>>(), ["1", "2", "3", "auth_004"]);
    let one = &tasks["1"];
    assert_eq!(
        (one.status, one.owner.as_str(), one.worktree.as_str()),
        (TaskStatus::InProgress, "alice", "auth")
    );
    assert_eq!((one.lease_until, one.worktree_state), (None, WorktreeState::Active));
    assert_eq!(one.created_at.as_seconds_f64(), 1_760_000_001.25);
    assert_eq!(one.base, board.repo.head());
    assert_eq!((tasks["2"].worktree.as_str(), tasks["2"].blocked_by.len()), ("ui", 1));

    let index = board.index_now();
    let said = |at: usize, key: &str| index[at][key].clone();
    assert_eq!([said(0, "name"), said(1, "name"), said(2, "name")], ["old", "auth", "ui"]);
    assert_eq!(
        [said(0, "task_id"), said(1, "task_id"), said(2, "task_id")],
        [json!(null), json!(1), json!(2)]
    );
    assert_eq!([said(0, "status"), said(2, "status")], ["removed", "active"]);
    assert_eq!((said(1, "base_ref"), said(1, "base")), (json!("main"), json!(board.repo.head())));

    assert_eq!(board.records().report(), [""; 0]);
    let (service, _) = board.open(Access::Read).unwrap();
    let all = service.events(&EventQuery { since: Some(Seq(0)), ..EventQuery::default() }).unwrap();
    assert_eq!(all.len(), 6);
    assert_eq!(all[0].at.seconds(), NOW);
    assert_eq!(all[0].fact.data["imported_ts"], 1_760_000_100.0);
    assert_eq!(all[0].fact.data["imported"]["worktree"]["base_ref"], "HEAD");
    assert_eq!(all[2].fact.task.as_ref().unwrap().status, TaskStatus::Pending);
    assert_eq!(all[3].fact.task.as_ref().unwrap().status, TaskStatus::Completed);
    assert_eq!(all[4].fact.error.as_deref(), Some("busy \u{fffd}[31m"));
    assert_eq!(all[5].fact.event, EventKind::ImportDone);
    assert_eq!((&all[5].fact.data["tasks"], &all[5].fact.data["generation"]), (&json!(4), &json!("first")));
}

#[test]
fn the_second_generation() {
    let board = Board::new();
    let mut ui = board.worktree("ui", json!(1));
    ui["status"] = json!("kept");
    ui["kept_at"] = json!(1_760_000_300.0);
    ui["last_entered_at"] = json!(1_760_000_200.0);
    ui["last_command_at"] = json!(1_760_000_250.0);
    ui["last_command_preview"] = json!("npm test\n\u{1b}[2J");
    let event = |word: &str| json!({"event": word, "ts": 1.5, "task": {"id": 1}, "worktree": {"name": "ui"}});
    let words = [
        "worktree.enter",
        "worktree.run.before",
        "worktree.run.after",
        "worktree.run.timeout",
        "worktree.closeout.keep",
        "worktree.closeout.remove",
        "worktree.invented",
    ];
    board.plain_task(1, "pending", &json!({"worktree": "ui"})).index(&[ui]).events(&words.map(event));
    let report = board.import();
    assert_eq!((report.events, report.generation), (6, Generation::Second));
    has(&report, &["events.jsonl` line 7", "worktree.invented"]);
    assert_eq!(report.problems.len(), 1);
    let ui = &board.index_now()[0];
    assert_eq!((&ui["status"], &ui["kept_at"]), (&json!("kept"), &json!(1_760_000_300.0)));
    assert_eq!(
        (&ui["last_entered_at"], &ui["last_command_at"]),
        (&json!(1_760_000_200.0), &json!(1_760_000_250.0))
    );
    assert_eq!(ui["last_command_preview"], "npm test \u{fffd}[2J");
    assert_eq!(board.tasks()["1"].worktree_state, WorktreeState::Kept);
    assert_eq!(board.records().report(), [""; 0]);
}

#[test]
fn the_third_generation() {
    let board = Board::new();
    let closeout = json!({"action": "remove", "reason": "merged", "at": 1_760_000_400.0});
    board
        .plain_task(
            1,
            "completed",
            &json!({"worktree_state": "removed", "last_worktree": "old", "closeout": closeout}),
        )
        .plain_task(
            2,
            "deleted",
            &json!({"worktree_state": "unbound", "last_worktree": "", "closeout": null}),
        )
        .plain_task(3, "pending", &json!({"blocks": [1, 2], "blockedBy": []}));
    board.repo.write(".team/config.json", r#"{"members":[{"name":"bob","role":"coder","status":"idle"}]}"#);
    let report = board.import();
    assert_eq!((report.tasks, report.generation, report.team), (3, Generation::Third, true));
    assert_eq!(report.problems, [""; 0]);
    let tasks = board.tasks();
    assert_eq!(
        (tasks["1"].worktree_state, tasks["1"].last_worktree.as_str()),
        (WorktreeState::Removed, "old")
    );
    assert_eq!(tasks["1"].closeout.as_ref().unwrap().reason, "merged");
    assert_eq!(tasks["2"].status, TaskStatus::Cancelled);
    assert_eq!(tasks["2"].reason, "deleted in the imported board");
    assert!(board.repo.read(".team/config.json").contains("bob"));
}

#[test]
fn new_ids_go_on_after_the_old_ones() {
    let board = Board::new();
    board
        .plain_task(7, "pending", &json!({}))
        .task("auth_012", &json!({"id": "auth_012", "subject": "s", "status": "pending"}))
        .task("18446744073709551615", &json!({"id": u64::MAX, "subject": "s", "status": "pending"}));
    // What can't be read keeps its id too: a new task must not be written over it.
    board.repo.write(".tasks/task_20.json", "{");
    board.import();
    let (service, _) = board.open(Access::Write).unwrap();
    let create = |prefix: Option<&str>| {
        let prefix = prefix.map(|p| p.parse().unwrap());
        service.task_create(&NewTask { subject: "new".to_owned(), prefix, ..NewTask::default() }).unwrap().id
    };
    assert_eq!(create(None).as_str(), "21");
    assert_eq!(create(Some("auth")).as_str(), "auth_013");
    assert_eq!(create(Some("other")).as_str(), "other_001");
    assert_eq!(board.repo.read(".tasks/task_20.json"), "{");
}

#[test]
fn views_of_a_lost_ledger() {
    let board = Board::new();
    let ui = board.worktree("ui", json!(1));
    board.plain_task(1, "in_progress", &json!({"owner": "bob"})).index(&[ui]);
    board.import();
    let before = board.tasks();
    fs_err::remove_dir_all(board.repo.path().join(".git/biplane")).unwrap();
    let report = board.import();
    assert_eq!(
        (report.generation, report.tasks, report.worktrees, report.events),
        (Generation::Biplane, 1, 1, 1)
    );
    assert_eq!(report.problems, [""; 0]);
    let after = board.tasks();
    assert_eq!((&before["1"].subject, before["1"].status), (&after["1"].subject, after["1"].status));
    assert_eq!((after["1"].owner.as_str(), after["1"].worktree.as_str()), ("bob", "ui"));
}

#[test]
fn a_board_is_imported_once() {
    let board = Board::new();
    board.plain_task(1, "pending", &json!({})).import();
    let before = board.bytes();
    let error = board.try_import().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(error.to_string(), "the ledger knows 1 tasks and 0 worktrees already");
    assert_eq!(before, board.bytes());
}

#[test]
fn nothing_to_import_is_said() {
    let board = Board::new();
    let error = board.try_import().unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.to_string(), "there is no board in `.tasks/` and `.worktrees/` to import");
}

#[test]
fn a_ledger_in_memory_takes_nothing_over() {
    let board = Board::new();
    board.plain_task(1, "pending", &json!({}));
    let before = board.bytes();
    let (service, _) = board.open(Access::Read).unwrap();
    assert!(service.import(&ImportRequest { mode: ImportMode::Take }).is_err());
    assert_eq!(before, board.bytes());
}

#[test]
fn tasks_without_a_repository() {
    let env = biplane_testkit::TestEnv::new();
    let board = Board { repo: env.repo("app").at("../plain") };
    env.dir("plain");
    board.plain_task(1, "pending", &json!({}));
    board.index(&[
        json!({"name": "ui", "path": "/x/ui", "branch": "wt/ui", "task_id": 1, "status": "active"}),
    ]);
    let report = board.try_import().unwrap();
    has(&report, &["worktree `ui`", "no git repository"]);
    assert_eq!((report.tasks, report.worktrees), (1, 1));
    assert_eq!(board.tasks()["1"].worktree, "");
    assert_eq!(board.index_now()[0]["status"], "removed");
}
