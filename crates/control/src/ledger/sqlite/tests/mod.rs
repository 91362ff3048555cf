//! What holds for this engine beyond the conformance suite.

mod opening;
mod round_trip;

use std::time::Duration;

use biplane_model::{
    PlanStatus, RequestStatus, RunStatus, ShutdownStatus, SubmissionStatus, Task, WorktreeStatus,
};
use camino::Utf8PathBuf;

use super::*;
use crate::{
    Changes, EventFilter, LedgerExt, TaskFilter,
    ledger::conformance::{AT, Store, append, commit, event, task},
};

/// A ledger in a file of its own.
struct InFile {
    dir: tempfile::TempDir,
}

impl InFile {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join("common/biplane/ledger.db")
    }

    fn ledger(&self) -> SqliteLedger {
        SqliteLedger::open(&self.path()).unwrap()
    }

    /// A connection that knows nothing of ledgers.
    fn raw(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl Store for InFile {
    fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.ledger())
    }
}

struct InMemory(Arc<SqliteLedger>);

impl Store for InMemory {
    fn open(&self) -> Arc<dyn Ledger> {
        self.0.clone()
    }
}

mod in_file {
    crate::conformance_tests!(super::InFile::new());
}

mod in_memory {
    crate::conformance_tests!(super::InMemory(super::Arc::new(super::SqliteLedger::in_memory().unwrap())));
}

#[test]
fn many_may_create_it_at_once() {
    let store = InFile::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| append(&store.ledger(), event()).unwrap());
        }
    });
    assert_eq!(store.ledger().look(|v| v.last_seq()).unwrap(), Seq(8));
}

#[test]
fn half_a_transaction_leaves_no_trace() {
    let store = InFile::new();
    let ledger = store.ledger();
    append(&ledger, event()).unwrap();
    let raw = store.raw();
    raw.execute_batch(
        "PRAGMA cache_size = 1; BEGIN IMMEDIATE; INSERT INTO event VALUES (2, 0, 'x', 'x', NULL, NULL, '{}');
         INSERT INTO counter VALUES ('n', 5);",
    )
    .unwrap();
    drop(raw);
    assert_eq!(ledger.look(|v| Ok::<_, LedgerError>((v.last_seq()?, v.counter("n")?))).unwrap(), (Seq(1), 0));
    assert_eq!(append(&ledger, event()).unwrap().seq, Seq(2));
}

#[test]
fn a_full_disk_stores_nothing_and_the_ledger_goes_on() {
    let store = InFile::new();
    let ledger = store.ledger();
    append(&ledger, event()).unwrap();
    // The limit of one connection stands for the limit of the disk; it is the only one in the pool.
    let limit = |pages: i64| {
        let conn = ledger.lend().unwrap();
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    limit(1);
    let big = Changes {
        tasks: vec![Task { description: "x".repeat(200_000), ..task("1") }],
        events: vec![event()],
        ..Changes::default()
    };
    let error = commit(&ledger, &big).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the disk is full: the ledger `{}` could not be written, nothing was changed", store.path())
    );
    assert_eq!(ledger.look(|v| v.last_seq()).unwrap(), Seq(1));
    limit(1 << 30);
    assert_eq!(commit(&ledger, &big).unwrap().seq, Seq(2));
}

#[test]
fn what_can_not_be_written_says_so() {
    let store = InFile::new();
    let ledger = store.ledger();
    ledger.lend().unwrap().pragma_update(None, "query_only", true).unwrap();
    let error = append(&ledger, event()).unwrap_err();
    assert!(matches!(error, LedgerError::ReadOnly { .. }), "{error}");
    assert_eq!(ledger.look(|v| v.last_seq()).unwrap(), Seq(0));
    ledger.lend().unwrap().pragma_update(None, "query_only", false).unwrap();
    assert_eq!(append(&ledger, event()).unwrap().seq, Seq(1));
}

#[test]
fn a_writer_that_waits_too_long_names_the_holder() {
    let store = InFile::new();
    let ledger = store.ledger();
    let mut other = store.ledger();
    other.set_write_wait(Duration::from_millis(50));
    let busy: Result<((), _), LedgerError> = ledger.change(AT, &Actor::new("alice"), |_| {
        let error = append(&other, event()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the ledger is busy: pid {} for alice has held it for more than 0 s", std::process::id())
        );
        // Readers don't wait for the writer.
        assert_eq!(ledger.look(|v| v.last_seq())?, Seq(0));
        Ok((Changes { events: vec![event()], ..Changes::default() }, ()))
    });
    busy.unwrap();
    assert_eq!(append(&other, event()).unwrap().seq, Seq(2));
}

#[test]
fn a_lock_that_is_held_past_the_gate_is_busy() {
    let store = InFile::new();
    let ledger = store.ledger();
    let raw = store.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    ledger.lend().unwrap().busy_timeout(Duration::from_millis(20)).unwrap();
    let error = append(&ledger, event()).unwrap_err();
    assert!(matches!(&error, LedgerError::Busy { holder, .. } if holder == "another program"), "{error}");
    raw.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append(&ledger, event()).unwrap().seq, Seq(1));
}

#[test]
fn a_ledger_that_was_removed_takes_nothing_more() {
    let store = InFile::new();
    let ledger = store.ledger();
    append(&ledger, event()).unwrap();
    std::fs::rename(store.path(), store.path().with_extension("away")).unwrap();
    let error = append(&ledger, event()).unwrap_err().to_string();
    assert!(error.ends_with("it was removed or replaced while it was in use"), "{error}");
    std::fs::copy(store.path().with_extension("away"), store.path()).unwrap();
    assert!(ledger.read(&mut |_| Ok(())).is_err());
}

#[test]
fn a_word_that_is_none_is_damage() {
    let store = InFile::new();
    let ledger = store.ledger();
    commit(&ledger, &Changes { tasks: vec![task("1")], ..Changes::default() }).unwrap();
    store.raw().execute_batch("UPDATE task SET status = 'odd'").unwrap();
    let error = ledger.look(|v| v.tasks(&TaskFilter::default())).unwrap_err();
    assert!(error.to_string().contains("is damaged: `odd` is none of `pending`"), "{error}");
}

#[test]
fn the_conditions_of_the_indexes_agree_with_the_state_machines() {
    fn among<'a>(words: impl Iterator<Item = &'a str>) -> String {
        format!("status IN ({})", words.map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", "))
    }
    let live: Vec<_> = WorktreeStatus::ALL.iter().filter(|s| !s.is_live()).map(|s| s.as_str()).collect();
    assert_eq!(format!("status <> '{}'", live.join("")), read::LIVE_WORKTREE);
    let open = RunStatus::ALL.iter().filter(|s| !s.is_over()).map(|s| s.as_str());
    assert_eq!(among(open), read::OPEN_RUN);
    let open = SubmissionStatus::ALL.iter().filter(|s| s.is_open()).map(|s| s.as_str());
    assert_eq!(among(open), read::OPEN_SUBMISSION);
    // A request that waits for its answer counts, and one that was approved.
    let mut live: Vec<_> = RequestStatus::all().filter(|s| s.is_open()).map(RequestStatus::as_str).collect();
    live.push(ShutdownStatus::Approved.as_str());
    assert_eq!(among(live.into_iter()), read::LIVE_REQUEST);
    assert_eq!(ShutdownStatus::Approved.as_str(), PlanStatus::Approved.as_str());
}

#[test]
fn filters_use_the_indexes() {
    let store = InFile::new();
    drop(store.ledger());
    let raw = store.raw();
    let plan = |sql: &str| {
        let mut statement = raw.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
        let lines =
            statement.query_map(rusqlite::params_from_iter(nulls), |r| r.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    };
    for (sql, index) in [
        (format!("SELECT * FROM task WHERE {}", read::by_priority()), "task_ready"),
        (
            format!("SELECT * FROM worktree WHERE {} AND name = ? COLLATE NOCASE", read::LIVE_WORKTREE),
            "worktree_live_name",
        ),
        (format!("SELECT * FROM worktree WHERE {} AND task = ?", read::LIVE_WORKTREE), "worktree_"),
        (format!("SELECT * FROM run WHERE {} ORDER BY ord", read::OPEN_RUN), "run_open"),
        (format!("SELECT * FROM run WHERE {} ORDER BY ord", read::AGENT_RUN_SINCE), "run_started"),
        (format!("SELECT * FROM submission WHERE {} ORDER BY ord", read::OPEN_SUBMISSION), "submission_open"),
        (
            format!("SELECT * FROM mail WHERE recipient = ? AND {} ORDER BY ord LIMIT ?", read::WAITING_MAIL),
            "mail_waiting",
        ),
        ("SELECT * FROM mail WHERE recipient = ? ORDER BY ord DESC LIMIT ?".to_owned(), "mail_recipient"),
        ("SELECT * FROM mail WHERE run = ? ORDER BY ord".to_owned(), "mail_run"),
        (
            format!("SELECT * FROM request WHERE kind = ? AND {} ORDER BY ord", read::LIVE_REQUEST),
            "request_counts",
        ),
        ("SELECT * FROM event WHERE seq > ? AND task_id = ? ORDER BY seq LIMIT ?".to_owned(), "event_task"),
        (
            "SELECT * FROM event WHERE seq > ? AND worktree = ? ORDER BY seq DESC LIMIT ?".to_owned(),
            "event_worktree",
        ),
        ("SELECT id, rev FROM task".to_owned(), "COVERING INDEX task_brief"),
    ] {
        let plan = plan(&sql);
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn nothing_of_an_empty_log_is_shown() {
    let ledger = SqliteLedger::in_memory().unwrap();
    assert!(ledger.look(|v| v.newest_events(&EventFilter::default(), 9)).unwrap().is_empty());
}

#[test]
fn what_is_not_whole_is_found() {
    let store = InFile::new();
    let ledger = store.ledger();
    let faults = || ledger.check().unwrap();
    assert_eq!(faults(), Vec::<String>::new());
    let mut second = task("2");
    second.after = vec!["1".parse().unwrap()];
    let tasks = vec![task("1"), second];
    commit(&ledger, &Changes { tasks, events: vec![event(), event(), event()], ..Changes::default() })
        .unwrap();
    assert_eq!(faults(), Vec::<String>::new());
    store.raw().execute("DELETE FROM event WHERE seq = 2", []).unwrap();
    assert_eq!(faults(), ["events are missing between the first and the newest: 1"]);
    store.raw().execute("DELETE FROM dependency", []).unwrap();
    store.raw().execute("INSERT INTO dependency (task, on_task) VALUES ('1', '2')", []).unwrap();
    assert_eq!(faults().len(), 3);
}
