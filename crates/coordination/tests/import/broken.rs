//! Boards that are damaged, contradictory or hostile.

use biplane_coordination::{Access, EventQuery};
use biplane_model::{Seq, TaskStatus};
use serde_json::json;

use crate::board::{Board, has};

#[test]
fn damaged_and_hostile_task_files() {
    let board = Board::new();
    board.plain_task(1, "pending", &json!({"subject": "red \u{1b}[31m\u{202e}\nline", "owner": "--all"}));
    board.plain_task(2, "paused", &json!({}));
    board.plain_task(3, "in_progress", &json!({"created_at": "yesterday", "blockedBy": "1", "gate": "true"}));
    board.repo.write(".tasks/task_4.json", "{\"id\": 4, \"subj");
    board.repo.write(".tasks/task_5.json", "[1, 2]");
    board.repo.write(".tasks/task_6.json", vec![b' '; (1 << 20) + 1]);
    board.task("x y", &json!({"id": "../x", "subject": "s", "status": "pending"}));
    board.task("8", &json!({"subject": "no id", "status": "pending"}));
    board.task("9", &json!({"id": 9}));
    std::os::unix::fs::symlink("/etc/passwd", board.repo.path().join(".tasks/task_10.json")).unwrap();
    fs_err::create_dir(board.repo.path().join(".tasks/task_11.json")).unwrap();
    let deep = format!("{{\"id\": 12, \"x\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    board.repo.write(".tasks/task_12.json", deep);
    let before = board.bytes();
    let report = board.import();
    let tasks = board.tasks();
    assert_eq!(tasks.keys().collect::<Vec<_>>(), ["1", "3", "8", "9"]);
    assert_eq!(tasks["1"].subject, "red \u{fffd}[31m\u{fffd} line");
    assert_eq!((tasks["1"].owner.as_str(), tasks["3"].status), ("", TaskStatus::InProgress));
    assert_eq!((tasks["3"].gate.as_deref(), tasks["3"].blocked_by.len()), (None, 0));
    assert_eq!((tasks["9"].subject.as_str(), tasks["9"].status), ("(no subject)", TaskStatus::Pending));
    for words in [
        ["task_1.json`", "`owner` is left out"],
        ["task_2.json`", "its status `paused` is none of"],
        ["task_3.json`", "`created_at` is no time"],
        ["task_3.json`", "`blockedBy` is no list"],
        ["task_3.json`", "its own gate"],
        ["task_4.json`", "not JSON"],
        ["task_5.json`", "no JSON object"],
        ["task_6.json`", "more than 1048576 bytes"],
        ["task_x y.json`", "is not a task id"],
        ["task_9.json`", "no status"],
        ["task_9.json`", "no subject"],
        ["task_10.json`", "symbolic link"],
        ["task_11.json`", "not a file"],
        ["task_12.json`", "not JSON"],
    ] {
        has(&report, &words);
    }
    assert_eq!(report.problems.len(), 14, "{:#?}", report.problems);
    assert!(report.problems.iter().all(|p| biplane_model::sanitize_line(p) == *p));
    // What was not taken over is as it was.
    let after = board.bytes();
    for name in ["2", "4", "5", "6", "12", "x y"] {
        let path = camino::Utf8PathBuf::from(format!(".tasks/task_{name}.json"));
        assert_eq!(before[&path], after[&path], "{path}");
    }
}

#[test]
fn one_id_in_several_files() {
    let board = Board::new();
    board.plain_task(5, "pending", &json!({"subject": "right"}));
    board.task("3", &json!({"id": 5, "subject": "wrong", "status": "pending"}));
    board.task("006", &json!({"id": 6, "subject": "padded", "status": "pending"}));
    board.task("a", &json!({"id": 8, "subject": "first", "status": "pending"}));
    board.task("b", &json!({"id": "8", "subject": "second", "status": "pending"}));
    // Each in the other's file: both are there, both are taken over.
    board.task("21", &json!({"id": 22, "subject": "x", "status": "pending"}));
    board.task("22", &json!({"id": 21, "subject": "y", "status": "pending"}));
    let report = board.import();
    has(&report, &["task_3.json`", "holds task 5, as another file does"]);
    has(&report, &["task_006.json`", "holds task 6, which is written to `task_6.json`"]);
    has(&report, &["task_b.json`", "holds task 8, as another"]);
    let tasks = board.tasks();
    let subjects: Vec<_> = tasks.values().map(|t| t.subject.as_str()).collect();
    assert_eq!(subjects, ["y", "x", "right", "padded", "first"]);
}

#[test]
fn dependencies_that_can_not_be() {
    let board = Board::new();
    board
        .plain_task(1, "pending", &json!({"blockedBy": [3, "3", 99]}))
        .plain_task(2, "pending", &json!({"blockedBy": [1, 2, -4]}))
        .plain_task(3, "pending", &json!({"blockedBy": [2]}));
    let report = board.import();
    has(&report, &["task 1:", "task 99, which is not there"]);
    has(&report, &["task 2:", "waits for task 2"]);
    has(&report, &["task_2.json`", "an id in `blockedBy` is left out"]);
    has(&report, &["task 2:", "waits for task 1, which waits for it in turn"]);
    let tasks = board.tasks();
    let after = |id: &str| tasks[id].blocked_by.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((after("1"), after("2"), after("3")), (vec!["3".to_owned()], vec![], vec!["2".to_owned()]));
}

#[test]
fn a_log_with_damage_and_a_torn_tail() {
    let board = Board::new();
    board.plain_task(1, "pending", &json!({}));
    let good =
        r#"{"event":"worktree.keep","ts":"soon","task":null,"worktree":{"name":"../x","note":"\u001b[2J"}}"#;
    let text = format!("{good}\nnot json\n\n[1]\n{{\"ts\": 1}}\n{good}\n{{\"event\":\"worktree.ke");
    board.repo.write(".worktrees/events.jsonl", text);
    let report = board.import();
    assert_eq!(report.events, 2);
    for words in [
        ["line 2:", "not JSON"],
        ["line 4:", "no JSON object"],
        ["line 5:", "no `event`"],
        ["line 7:", "torn"],
    ] {
        has(&report, &words);
    }
    assert_eq!(report.problems.len(), 4);
    let (service, _) = board.open(Access::Read).unwrap();
    let events = service.events(&EventQuery { since: Some(Seq(0)), ..EventQuery::default() }).unwrap();
    assert_eq!(events.len(), 3);
    let fact = &events[0].fact;
    assert!(fact.worktree.is_none() && fact.task.is_none() && !fact.data.contains_key("imported_ts"));
    assert_eq!(fact.data["imported"]["worktree"]["note"], "\u{fffd}[2J");
    assert_eq!(board.records().report(), [""; 0]);
}

#[test]
fn many_problems_are_counted() {
    let board = Board::new();
    board.repo.write(".worktrees/events.jsonl", "x\n".repeat(1500));
    let report = board.import();
    assert_eq!((report.problems.len(), report.problems[1000].as_str()), (1001, "and 500 more"));
}

#[test]
fn what_is_refused_changes_nothing() {
    let link = |name: &str, to: &str| {
        let board = Board::new();
        board.plain_task(1, "pending", &json!({}));
        fs_err::create_dir_all(board.repo.path().join(".worktrees")).unwrap();
        std::os::unix::fs::symlink(to, board.repo.path().join(".worktrees").join(name)).unwrap();
        board.refused()
    };
    let said = link("index.json", "/etc/passwd");
    assert!(said.contains("`.worktrees/index.json` is not read: it is a symbolic link"), "{said}");
    let said = link("events.jsonl", "/nowhere");
    assert!(said.contains("`.worktrees/events.jsonl` is not read: it is a symbolic link"), "{said}");
    let huge = |file: &str, bytes: u64| {
        let board = Board::new();
        board.plain_task(1, "pending", &json!({})).repo.write(file, "");
        fs_err::File::options()
            .write(true)
            .open(board.repo.path().join(file))
            .unwrap()
            .set_len(bytes)
            .unwrap();
        board.refused()
    };
    assert!(huge(".worktrees/index.json", (16 << 20) + 1).contains("it has more than 16777216 bytes"));
    assert!(huge(".worktrees/events.jsonl", (64 << 20) + 1).contains("it has more than 67108864 bytes"));
}

#[test]
fn a_linked_board_is_refused() {
    let board = Board::new();
    let elsewhere = board.repo.path().join("../elsewhere");
    fs_err::create_dir(&elsewhere).unwrap();
    fs_err::write(elsewhere.join("task_1.json"), "{}").unwrap();
    std::os::unix::fs::symlink(&elsewhere, board.repo.path().join(".tasks")).unwrap();
    let error = board.try_import().unwrap_err();
    assert_eq!(error.to_string(), "`.tasks` is not a directory but a link or a file");
}
