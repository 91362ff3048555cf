//! What holds for this engine beyond the conformance suite.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use biplane_model::{
    Closeout, CloseoutAction, RunStatus, SubmissionStatus, Task, TaskStatus, WorktreeState, WorktreeStatus,
};
use camino::Utf8PathBuf;
use proptest::prelude::*;

use super::{open::SCHEMA, *};
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

fn open_error(store: &InFile) -> LedgerError {
    SqliteLedger::open(&store.path()).err().expect("it must be refused")
}

#[test]
fn files_are_for_the_user_alone() {
    let store = InFile::new();
    assert!(SqliteLedger::open_existing(&store.path()).unwrap().is_none());
    assert!(!store.path().parent().unwrap().exists());
    let ledger = store.ledger();
    append(&ledger, event()).unwrap();
    let mode = |p: &Utf8Path| p.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.path().parent().unwrap()), 0o700);
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"] {
        assert_eq!(mode(&store.path().with_file_name(file)), 0o600, "{file}");
    }
    assert!(SqliteLedger::open_existing(&store.path()).unwrap().is_some());
}

#[test]
fn a_file_is_set_up_for_safety() {
    let store = InFile::new();
    let ledger = store.ledger();
    let conn = ledger.lend().unwrap();
    let ask = |what: &str| {
        conn.query_row(&format!("PRAGMA {what}"), [], |r| r.get::<_, rusqlite::types::Value>(0)).unwrap()
    };
    assert_eq!(ask("journal_mode"), "wal".to_owned().into());
    assert_eq!(ask("synchronous"), 2.into());
    assert_eq!(ask("user_version"), SCHEMA.into());
    assert_eq!(ask("application_id"), open::APPLICATION_ID.into());
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let store = InFile::new();
    let ledger = store.ledger();
    store.raw().pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    let error = open_error(&store);
    assert_eq!(
        error.to_string(),
        format!(
            "the ledger `{}` has schema version {}, and this biplane knows versions up to {SCHEMA}",
            store.path(),
            SCHEMA + 1
        )
    );
    // One that was open before the change notices it too.
    assert!(matches!(append(&ledger, event()), Err(LedgerError::NewerSchema { .. })));
    assert!(matches!(ledger.read(&mut |_| Ok(())), Err(LedgerError::NewerSchema { .. })));
    let version: i64 = store.raw().query_row("PRAGMA user_version", [], |r| r.get(0)).unwrap();
    assert_eq!(version, SCHEMA + 1);
}

#[test]
fn what_is_no_ledger_is_refused_and_left_alone() {
    for bytes in ["x", "this is not a database\n", &"no database ".repeat(1000)] {
        let store = InFile::new();
        std::fs::create_dir_all(store.path().parent().unwrap()).unwrap();
        std::fs::write(store.path(), bytes).unwrap();
        let error = open_error(&store);
        assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(store.path()).unwrap(), bytes);
    }
    let store = InFile::new();
    std::fs::create_dir_all(store.path().parent().unwrap()).unwrap();
    store.raw().execute_batch("CREATE TABLE mine (x)").unwrap();
    assert_eq!(
        open_error(&store).to_string(),
        format!(
            "the ledger `{}` is damaged: it is a database, but not one of biplane's (application id 0)",
            store.path()
        )
    );
    store.raw().pragma_update(None, "application_id", 7).unwrap();
    assert!(open_error(&store).to_string().ends_with("(application id 7)"));
    let store = InFile::new();
    std::fs::create_dir_all(store.path()).unwrap();
    assert!(open_error(&store).to_string().ends_with("is damaged: it is a directory"));
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let store = InFile::new();
    std::fs::create_dir_all(store.path().parent().unwrap()).unwrap();
    std::fs::write(store.path(), "").unwrap();
    assert_eq!(append(&store.ledger(), event()).unwrap().seq, Seq(1));
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
        (format!("SELECT * FROM task WHERE {}", read::READY), "task_ready"),
        (
            format!("SELECT * FROM worktree WHERE {} AND name = ? COLLATE NOCASE", read::LIVE_WORKTREE),
            "worktree_live_name",
        ),
        (format!("SELECT * FROM worktree WHERE {} AND task = ?", read::LIVE_WORKTREE), "worktree_"),
        (format!("SELECT * FROM run WHERE {} ORDER BY ord", read::OPEN_RUN), "run_open"),
        (format!("SELECT * FROM submission WHERE {} ORDER BY ord", read::OPEN_SUBMISSION), "submission_open"),
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

prop_compose! {
    fn any_name()(text in "[a-zA-Z0-9][a-zA-Z0-9_-]{0,20}x") -> String { text }
}

prop_compose! {
    fn any_task()(
        id in any_name(),
        texts in (any::<String>(), any::<String>(), any::<String>(), any::<String>()),
        owner in proptest::option::of("[a-zA-Zäß][ -~]{0,20}[a-z]"),
        lists in (proptest::collection::vec("[a-z\"\\\\äß ]{0,9}[a-z]", 0..4), proptest::collection::vec(any_name(), 0..4)),
        words in (0..TaskStatus::ALL.len(), 0..4usize),
        names in (proptest::option::of(any_name()), proptest::option::of(any_name())),
        closeout in proptest::option::of((any::<bool>(), any::<String>(), any::<i64>())),
        gate in proptest::option::of(any::<String>()),
        numbers in (any::<i64>(), any::<u64>(), any::<u32>(), any::<i64>(), any::<i64>()),
        maybe in (proptest::option::of(any::<i64>()), proptest::option::of(any::<u64>())),
    ) -> Task {
        let states =
            [WorktreeState::Unbound, WorktreeState::Active, WorktreeState::Kept, WorktreeState::Removed];
        Task {
            id: id.parse().unwrap(),
            repo: biplane_model::RepoName(texts.0),
            subject: texts.1,
            description: texts.2,
            status: TaskStatus::ALL[words.0],
            owner: owner.map(|o| o.parse().unwrap()),
            priority: numbers.0,
            labels: lists.0.iter().filter_map(|l| l.parse().ok()).collect(),
            after: lists.1.iter().map(|a| a.parse().unwrap()).collect(),
            worktree: names.0.and_then(|n| n.parse().ok()),
            worktree_state: states[words.1],
            last_worktree: names.1.and_then(|n| n.parse().ok()),
            closeout: closeout.map(|(keep, reason, at)| Closeout {
                action: if keep { CloseoutAction::Keep } else { CloseoutAction::Remove },
                reason,
                at: Timestamp(at),
            }),
            reason: texts.3,
            gate,
            epoch: numbers.1,
            lease_until: maybe.0.map(Timestamp),
            run: maybe.1.map(biplane_model::RunId),
            attempts: numbers.2,
            created_at: Timestamp(numbers.3),
            updated_at: Timestamp(numbers.4),
            rev: 0,
        }
    }
}

proptest! {
    #[test]
    fn any_task_comes_back(first in any_task(), second in any_task()) {
        let ledger = SqliteLedger::in_memory().unwrap();
        let put = |task: &Task| commit(&ledger, &Changes { tasks: vec![task.clone()], ..Changes::default() });
        let back = || ledger.look(|v| v.task(&first.id)).unwrap();
        put(&first).unwrap();
        prop_assert_eq!(back(), Some(Task { rev: 1, ..first.clone() }));
        let second = Task { id: first.id.clone(), rev: 1, ..second };
        put(&second).unwrap();
        prop_assert_eq!(back(), Some(Task { rev: 2, ..second }));
    }
}
