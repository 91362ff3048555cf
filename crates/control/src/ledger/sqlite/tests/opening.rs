//! What becomes of a file when it is opened.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ledger::sqlite::open::{self, SCHEMA};

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
