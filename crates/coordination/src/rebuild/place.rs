//! Putting the new ledger in its place: alone, beside the old one first, then by renames.

use std::{fs::File, time::Duration};

use biplane_control::{
    Ledger, LedgerError, Past, SqliteLedger,
    gate::{Gate, Pass},
};
use biplane_execution::supervise::{InUse, dir_in_use};
use biplane_failpoint as failpoint;
use biplane_model::Timestamp;
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    error::{Error, ErrorKind, Result},
    home::Home,
    recovery::Mode,
};

/// What the engine keeps beside its file.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// How long is waited for each lock: whoever has one is at work.
const PATIENCE: Duration = Duration::from_millis(500);

/// The locks of everybody who could be at work, in the order in which they are taken.
const LOCKS: [(&str, &str); 4] = [
    ("merge.lock", "landing"),
    ("git.lock", "git's list of worktrees"),
    ("views.lock", "the view files"),
    ("ledger.db.lock", "the ledger"),
];

/// Makes sure that no other biplane is at work on the home, and, before anything is done, keeps others out.
///
/// # Errors
/// Busy when one is; refused where that can't be told.
pub(super) fn alone(home: &Home, mode: Mode) -> Result<Vec<Pass>> {
    let dir = home.state_dir();
    // Also those whose files were deleted under them.
    match dir_in_use(dir.as_std_path()) {
        InUse::No => {}
        InUse::By(pid, command) => {
            let message = format!("process {pid} ({command}) is at work on the ledger");
            return Err(Error::new(ErrorKind::Busy, message).hint("wait for it or stop it, then try again"));
        }
        InUse::Unknown if cfg!(target_os = "linux") => {
            return Err(Error::refused(
                "whether another biplane is at work can't be told: a process can't be looked at",
            ));
        }
        // Where open files can't be listed, the locks alone tell.
        InUse::Unknown => {}
    }
    if mode == Mode::Dry {
        return Ok(Vec::new());
    }
    failpoint::around("state directory made", || std::fs::create_dir_all(&dir))
        .map_err(|e| Error::io("created", &dir, e))?;
    let hold = |(name, what): &(&str, &'static str)| {
        Ok(Gate::at(dir.join(name), what, PATIENCE).enter("rebuilding the ledger")?)
    };
    LOCKS.iter().map(hold).collect()
}

/// Whether an error of opening says that the file is no ledger, or a damaged one.
pub(crate) fn is_damage(error: &Error) -> bool {
    let ledger = error.source.as_ref().and_then(|source| source.downcast_ref::<LedgerError>());
    matches!(ledger, Some(LedgerError::Damaged { .. })) || ledger.is_none()
}

/// Builds the ledger and puts it in its place. Gives where the damaged one was moved, when there was one.
///
/// # Errors
/// When it can't be written; the old one stays where it is, or is found beside under its new name.
pub(super) fn put(home: &Home, past: &Past, now: Timestamp) -> Result<Option<Utf8PathBuf>> {
    let path = home.ledger_path();
    let fresh = home.state_dir().join("ledger.db.rebuilt");
    discard(&fresh)?;
    failpoint::reach("ledger rebuilt before");
    {
        let ledger = SqliteLedger::open(&fresh)?;
        ledger.restore(past)?;
        let faults = ledger.check()?;
        if let Some(fault) = faults.first() {
            return Err(Error::failed(format!("the new ledger would not be whole: {fault}")));
        }
    }
    // The engine takes its log into the file when the last connection closes.
    let log = beside(&fresh, "-wal");
    if log.metadata().is_ok_and(|meta| meta.len() > 0) {
        return Err(Error::failed(format!("`{log}` is still in use")));
    }
    failpoint::reach("ledger rebuilt after");
    let aside = move_aside(&path, now)?;
    failpoint::reach("new ledger put in place before");
    std::fs::rename(&fresh, &path).map_err(|e| Error::io("moved", &fresh, e))?;
    sync(&home.state_dir())?;
    failpoint::reach("new ledger put in place after");
    discard(&fresh)?;
    Ok(aside)
}

/// Moves what lies in the ledger's place aside, the engine's log with it: a new ledger must not take over an old log.
fn move_aside(path: &Utf8Path, now: Timestamp) -> Result<Option<Utf8PathBuf>> {
    let mut aside = None;
    for suffix in std::iter::once("").chain(BESIDE) {
        let from = beside(path, suffix);
        if from.as_std_path().symlink_metadata().is_err() {
            continue;
        }
        let to = free(path, suffix, now);
        failpoint::reach("damaged ledger moved before");
        std::fs::rename(&from, &to).map_err(|e| Error::io("moved", &from, e))?;
        failpoint::reach("damaged ledger moved after");
        aside.get_or_insert(to);
    }
    Ok(aside)
}

/// A name that nothing has yet.
fn free(path: &Utf8Path, suffix: &str, now: Timestamp) -> Utf8PathBuf {
    let mut at = now.seconds();
    loop {
        let to = Utf8PathBuf::from(format!("{path}.damaged-{at}{suffix}"));
        if to.as_std_path().symlink_metadata().is_err() {
            return to;
        }
        at += 1;
    }
}

/// Deletes what an earlier rebuilding has left of the file that it was building.
fn discard(fresh: &Utf8Path) -> Result<()> {
    for suffix in ["", ".lock"].into_iter().chain(BESIDE) {
        let file = beside(fresh, suffix);
        if file.as_std_path().symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            continue;
        }
        match failpoint::around("left file deleted", || std::fs::remove_file(&file)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("deleted", &file, e)),
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Utf8Path, suffix: &str) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}{suffix}"))
}

fn sync(dir: &Utf8Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("written to the disk", dir, e))
}
