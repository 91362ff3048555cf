//! Opening: where the file is, whether it is a ledger, and its schema.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    sync::atomic::{AtomicU64, Ordering},
};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{
    LedgerError,
    ledger::{
        gate::Gate,
        limits::{CACHE_KIB, CACHED_STATEMENTS, ENGINE_WAIT},
    },
};

/// Marks the file as ours: `BiPl`.
pub(super) const APPLICATION_ID: i64 = 0x4269_506c;

/// The step that leads to each version of the schema. A step that was released never changes.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
];

/// The newest version known here.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// Where a ledger is.
pub(super) enum Place {
    /// In a file.
    File {
        /// Its path.
        path: Utf8PathBuf,
        /// The device and inode it had when it was opened.
        identity: (u64, u64),
    },
    /// In memory that the connections of one ledger share.
    Memory {
        /// The engine's name for it.
        uri: String,
    },
}

impl Place {
    /// What messages call it.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::File { path, .. } => path.as_str(),
            Self::Memory { uri } => uri,
        }
    }

    /// The failure of a statement, as the ledger's error.
    pub(super) fn fail(&self, error: rusqlite::Error) -> LedgerError {
        LedgerError::of_engine(self.shown(), error)
    }

    /// One more connection to what is there; creates nothing.
    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        match self {
            Self::File { path, .. } => connect(path.as_str(), OpenFlags::empty()),
            Self::Memory { uri } => connect(uri, OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI),
        }
    }

    /// Whether the file is still the one that was opened: what is written to one that was removed is lost.
    pub(super) fn still_there(&self) -> Result<(), LedgerError> {
        let Self::File { path, identity: opened } = self else { return Ok(()) };
        if identity(path).is_ok_and(|now| now == *opened) {
            return Ok(());
        }
        let detail = "it was removed or replaced while it was in use".to_owned();
        Err(LedgerError::Damaged { path: path.to_string(), detail })
    }

    /// Whether the schema is the one known here: a newer biplane may have changed it since the ledger was opened.
    pub(super) fn check_schema(&self, conn: &Connection) -> Result<(), LedgerError> {
        let found = number(conn, "PRAGMA user_version").map_err(|e| self.fail(e))?;
        if found == SCHEMA { Ok(()) } else { Err(unknown_schema(self.shown(), found)) }
    }
}

/// Opens the file at `path`, and makes what is missing.
pub(super) fn create(path: &Utf8Path, gate: &Gate) -> Result<(Place, Connection), LedgerError> {
    let fail = |e| LedgerError::of_engine(path.as_str(), e);
    let damaged = |detail: &str| LedgerError::Damaged { path: path.to_string(), detail: detail.to_owned() };
    let is_new = match fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(damaged("it is a directory")),
        // Shorter than the shortest database: the engine would take it for an empty one and write over it.
        Ok(found) if (1..512).contains(&found.len()) => return Err(damaged("file is not a database")),
        Ok(_) => is_begun(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(source) => return Err(LedgerError::of_file(path, "opened", source)),
    };
    let directory = path.parent().unwrap_or(Utf8Path::new("/"));
    if is_new {
        biplane_failpoint::around("state directory made", || {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)
        })
        .map_err(|source| LedgerError::of_file(directory, "created", source))?;
    }
    let begun = begun(path);
    if is_new {
        // Until the schema is in it the file is empty, and says of itself neither that it is new nor that it was emptied.
        let made = biplane_failpoint::around("ledger begun", || fs::write(&begun, ""));
        made.map_err(|source| LedgerError::of_file(&begun, "created", source))?;
    }
    let conn = connect(path.as_str(), OpenFlags::SQLITE_OPEN_CREATE).map_err(fail)?;
    if is_new {
        // By name, not through a descriptor: see the invariant of the module above. The engine gives its other files
        // the mode of this one.
        biplane_failpoint::around("ledger made private", || {
            fs::set_permissions(path, Permissions::from_mode(0o600))
        })
        .map_err(|source| LedgerError::of_file(path, "created", source))?;
    }
    prepare(&conn, path.as_str(), Some(gate))?;
    if is_new {
        // The names must survive a power cut as well as what they name.
        for dir in [Some(directory), directory.parent()].into_iter().flatten() {
            let synced = File::open(dir).and_then(|d| d.sync_all());
            synced.map_err(|source| LedgerError::of_file(dir, "created", source))?;
        }
    }
    if is_new {
        match biplane_failpoint::around("ledger made", || fs::remove_file(&begun)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(LedgerError::of_file(&begun, "deleted", e));
            }
            _ => {}
        }
    }
    let identity = identity(path).map_err(|source| LedgerError::of_file(path, "opened", source))?;
    Ok((Place::File { path: path.to_owned(), identity }, conn))
}

/// The file that is there while the ledger at `path` is being made.
fn begun(path: &Utf8Path) -> Utf8PathBuf {
    format!("{path}.begun").into()
}

/// Whether somebody has begun to make the ledger at `path`, and has not ended.
pub(super) fn is_begun(path: &Utf8Path) -> bool {
    begun(path).is_file()
}

/// A new ledger in memory.
pub(super) fn in_memory() -> Result<(Place, Connection), LedgerError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // A name that begins with a slash is shared by the connections of this process.
    let uri = format!("file:/biplane-{}?vfs=memdb", NEXT.fetch_add(1, Ordering::Relaxed));
    let place = Place::Memory { uri };
    let conn = place.connect().map_err(|e| place.fail(e))?;
    prepare(&conn, place.shown(), None)?;
    Ok((place, conn))
}

fn identity(path: &Utf8Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(path).map(|m| (m.dev(), m.ino()))
}

fn connect(name: &str, more: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let conn = Connection::open_with_flags(name, flags)?;
    conn.busy_timeout(ENGINE_WAIT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // `fullfsync` is for macOS, whose plain `fsync` does not reach the disk; elsewhere it changes nothing.
    conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
         PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -{CACHE_KIB};"
    ))?;
    Ok(conn)
}

/// Makes sure that the file is a ledger of the newest schema. Takes no lock that others would notice when it is one.
fn prepare(conn: &Connection, path: &str, gate: Option<&Gate>) -> Result<(), LedgerError> {
    let fail = |e| LedgerError::of_engine(path, e);
    let version = {
        let tx = Transaction::new_unchecked(conn, TransactionBehavior::Deferred).map_err(fail)?;
        standing(&tx, path)?
    };
    if version < SCHEMA {
        migrate(conn, path, gate)?;
    }
    Ok(())
}

fn migrate(conn: &Connection, path: &str, gate: Option<&Gate>) -> Result<(), LedgerError> {
    let fail = |e| LedgerError::of_engine(path, e);
    let _pass = gate.map(|gate| gate.enter("set-up")).transpose()?;
    if gate.is_some() {
        // Stays with the file. Where the file system can't do it the engine keeps its older journal, which is as safe.
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(fail)?;
    }
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate).map_err(fail)?;
    // Another process may have been here first.
    let version = standing(&tx, path)?;
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or_default()) {
        tx.execute_batch(step).map_err(fail)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    tx.pragma_update(None, "user_version", SCHEMA).map_err(fail)?;
    tx.commit().map_err(fail)
}

/// The version of the ledger's schema, 0 for an empty file.
fn standing(tx: &Transaction<'_>, path: &str) -> Result<i64, LedgerError> {
    let ask = |sql| number(tx, sql).map_err(|e| LedgerError::of_engine(path, e));
    let (application, version) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    if application == APPLICATION_ID {
        return if (1..=SCHEMA).contains(&version) {
            Ok(version)
        } else {
            Err(unknown_schema(path, version))
        };
    }
    if application == 0 && version == 0 && ask("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(0);
    }
    let detail = format!("it is a database, but not one of biplane's (application id {application})");
    Err(LedgerError::Damaged { path: path.to_owned(), detail })
}

fn unknown_schema(path: &str, found: i64) -> LedgerError {
    let path = path.to_owned();
    if found > SCHEMA {
        return LedgerError::NewerSchema { path, found, known: SCHEMA };
    }
    LedgerError::Damaged { path, detail: format!("it has the schema version {found}, which never was") }
}

fn number(conn: &Connection, sql: &str) -> rusqlite::Result<i64> {
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
}
