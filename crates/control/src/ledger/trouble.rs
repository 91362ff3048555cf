//! What the system and the engine report, as the errors a caller can act on.

use std::io;

use camino::Utf8Path;
use rusqlite::{ErrorCode, ffi};

use super::limits::ENGINE_WAIT;
use crate::LedgerError;

impl LedgerError {
    /// The failure of an operation on a file of the ledger; `action` is a participle: `opened`, `locked`.
    pub(crate) fn of_file(path: &Utf8Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_string();
        match source.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path, detail: source.to_string() }
            }
            _ => Self::Io { path, action, source },
        }
    }

    /// The failure of a statement on the ledger at `path`.
    pub(crate) fn of_engine(path: &str, source: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let path = path.to_owned();
        match &source {
            E::FromSqlConversionFailure(_, _, why) => Self::Damaged { path, detail: why.to_string() },
            E::InvalidColumnType(..) | E::IntegralValueOutOfRange(..) | E::Utf8Error(..) => {
                Self::Damaged { path, detail: source.to_string() }
            }
            _ => match source.sqlite_error() {
                Some(error) => Self::of_code(path, error.code, error.extended_code, source),
                None => Self::Engine { path, source },
            },
        }
    }

    fn of_code(path: String, code: ErrorCode, extended: i32, source: rusqlite::Error) -> Self {
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                // Whoever holds this lock did not come through the gate and left no name.
                Self::Busy { holder: "another program".to_owned(), waited: ENGINE_WAIT }
            }
            ErrorCode::DiskFull => Self::DiskFull { path },
            // The shared index of the log could not grow, which SQLite does not report as a full disk.
            _ if extended == ffi::SQLITE_IOERR_SHMSIZE => Self::DiskFull { path },
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                Self::ReadOnly { path, detail: source.to_string() }
            }
            ErrorCode::CannotOpen => {
                Self::ReadOnly { path, detail: "the file or its directory does not allow it".to_owned() }
            }
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                Self::Damaged { path, detail: source.to_string() }
            }
            _ if extended == ffi::SQLITE_IOERR_CORRUPTFS => {
                Self::Damaged { path, detail: source.to_string() }
            }
            _ => Self::Engine { path, source },
        }
    }
}

/// Whether a statement failed because a record with the same key is there, and the engine's words for it.
pub(super) fn conflict(error: &rusqlite::Error) -> Option<&str> {
    match error {
        rusqlite::Error::SqliteFailure(code, Some(words))
            if matches!(
                code.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            ) =>
        {
            Some(words)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extended: i32) -> LedgerError {
        LedgerError::of_engine("l.db", rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None))
    }

    #[test]
    fn engine_codes() {
        assert!(matches!(of(ffi::SQLITE_FULL), LedgerError::DiskFull { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_SHMSIZE), LedgerError::DiskFull { .. }));
        assert!(matches!(of(ffi::SQLITE_READONLY_DIRECTORY), LedgerError::ReadOnly { .. }));
        assert!(matches!(of(ffi::SQLITE_CANTOPEN), LedgerError::ReadOnly { .. }));
        assert!(matches!(of(ffi::SQLITE_CORRUPT), LedgerError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_NOTADB), LedgerError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_BUSY_SNAPSHOT), LedgerError::Busy { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_READ), LedgerError::Engine { .. }));
    }

    #[test]
    fn system_errors() {
        let of = |kind: io::ErrorKind| LedgerError::of_file(Utf8Path::new("l.db"), "opened", kind.into());
        assert!(matches!(of(io::ErrorKind::StorageFull), LedgerError::DiskFull { .. }));
        assert!(matches!(of(io::ErrorKind::PermissionDenied), LedgerError::ReadOnly { .. }));
        assert!(matches!(of(io::ErrorKind::NotADirectory), LedgerError::Io { action: "opened", .. }));
    }
}
