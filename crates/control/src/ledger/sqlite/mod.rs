//! The ledger in one SQLite file.
//!
//! **Contract.** Any number of processes and threads may have the file open. A reader never waits for a writer.
//! Writers pass a [gate](super::gate) one after another, and each commit is on the disk before `transact` returns.
//!
//! **Invariant:** nothing in the process opens the ledger's file but SQLite. POSIX drops all locks that a process has
//! on a file when any of its descriptors for that file is closed, so that a copy made by hand would break them.
//!
//! Of the columns, [`rows`] knows the meaning, [`open`] the schema; [`read`] and [`write`] speak SQL.

mod check;
mod open;
mod read;
mod restore;
mod rows;
#[cfg(test)]
mod tests;
mod write;

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use biplane_failpoint as failpoint;
use biplane_model::{Actor, Seq, Timestamp};
use camino::Utf8Path;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::open::Place;
use super::{
    Committed, Decision, Ledger, View,
    gate::Gate,
    limits::{IDLE_CONNECTIONS, POLL},
};
use crate::LedgerError;

/// A ledger in a SQLite file.
pub struct SqliteLedger {
    place: Place,
    /// `None` in memory, where the engine's own lock is enough.
    gate: Option<Gate>,
    /// Connections that nobody uses. They are lent out, so that no lock is held while a caller's function runs.
    idle: Mutex<Vec<Connection>>,
}

impl SqliteLedger {
    /// Opens the ledger at the absolute `path`. Makes its directory, the file and the tables where they are missing,
    /// all of them for the user alone, and brings an older schema up to date.
    ///
    /// # Errors
    /// [`LedgerError::NewerSchema`], [`LedgerError::Damaged`] for a file that is no ledger (it is left as it is), and what the
    /// system says.
    pub fn open(path: &Utf8Path) -> Result<Self, LedgerError> {
        let gate = Gate::new(path);
        let (place, first) = open::create(path, &gate)?;
        Ok(Self { place, gate: Some(gate), idle: Mutex::new(vec![first]) })
    }

    /// As [`SqliteLedger::open`], but `None` where there is no file.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub fn open_existing(path: &Utf8Path) -> Result<Option<Self>, LedgerError> {
        match path.try_exists() {
            Ok(true) => Self::open(path).map(Some),
            Ok(false) => Ok(None),
            Err(source) => Err(LedgerError::of_file(path, "opened", source)),
        }
    }

    /// Whether somebody has begun to make the ledger at `path` and has not ended: an empty file is none that was emptied then.
    pub fn is_begun(path: &Utf8Path) -> bool {
        open::is_begun(path)
    }

    /// An empty ledger that ends with this value: for a reader where there is no ledger yet, and for tests.
    ///
    /// # Errors
    /// What the engine says.
    pub fn in_memory() -> Result<Self, LedgerError> {
        let (place, first) = open::in_memory()?;
        Ok(Self { place, gate: None, idle: Mutex::new(vec![first]) })
    }

    /// Has `waiting` called with the holder's name whenever a write has waited for a second.
    pub fn set_on_wait(&mut self, waiting: impl Fn(&str) + Send + Sync + 'static) {
        if let Some(gate) = &mut self.gate {
            gate.on_wait = Some(Arc::new(waiting));
        }
    }

    /// Sets how long a write waits for its turn before it fails with [`LedgerError::Busy`]; 30 s unless set.
    pub fn set_write_wait(&mut self, longest: Duration) {
        if let Some(gate) = &mut self.gate {
            gate.patience = longest;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A list of connections is whole after every statement that changes it.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for the caller alone.
    fn lend(&self) -> Result<Lent<'_>, LedgerError> {
        self.place.still_there()?;
        let idle = self.idle().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.place.connect().map_err(|e| self.place.fail(e))?,
        };
        Ok(Lent { ledger: self, conn: Some(conn) })
    }

    fn begin<'c>(
        &self,
        conn: &'c Connection,
        behavior: TransactionBehavior,
    ) -> Result<Transaction<'c>, LedgerError> {
        let tx = Transaction::new_unchecked(conn, behavior).map_err(|e| self.place.fail(e))?;
        self.place.check_schema(&tx)?;
        Ok(tx)
    }

    fn session<'s>(&'s self, conn: &'s Connection) -> Session<'s> {
        Session { conn, path: self.place.shown() }
    }
}

impl Ledger for SqliteLedger {
    fn read(&self, look: &mut dyn FnMut(&dyn View) -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        let conn = self.lend()?;
        let tx = self.begin(&conn, TransactionBehavior::Deferred)?;
        look(&self.session(&tx))
    }

    fn transact(
        &self,
        at: Timestamp,
        actor: &Actor,
        decide: &mut Decision<'_>,
    ) -> Result<Committed, LedgerError> {
        let _pass = self.gate.as_ref().map(|gate| gate.enter(actor.as_str())).transpose()?;
        let conn = self.lend()?;
        // Dropping the transaction on any way out but the last line takes everything back.
        let tx = self.begin(&conn, TransactionBehavior::Immediate)?;
        let session = self.session(&tx);
        let changes = decide(&session)?;
        if changes.is_empty() {
            return Ok(Committed { seq: session.last_seq()?, ..Committed::default() });
        }
        let committed = write::store(&session, at, actor, &changes)?;
        failpoint::reach("ledger commit before");
        tx.commit().map_err(|e| self.place.fail(e))?;
        failpoint::reach("ledger commit after");
        Ok(committed)
    }

    fn wait(&self, seq: Seq, timeout: Duration) -> Result<Seq, LedgerError> {
        let began = Instant::now();
        let conn = self.lend()?;
        let session = self.session(&conn);
        let mut version = session.data_version()?;
        let mut newest = session.last_seq()?;
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            if newest > seq || left.is_zero() {
                return Ok(newest);
            }
            thread::sleep(POLL.min(left));
            self.place.still_there()?;
            let now = session.data_version()?;
            if now != version {
                version = now;
                newest = session.last_seq()?;
            }
        }
    }

    fn check(&self) -> Result<Vec<String>, LedgerError> {
        let conn = self.lend()?;
        let tx = self.begin(&conn, TransactionBehavior::Deferred)?;
        self.session(&tx).faults()
    }
}

/// One connection inside one transaction, or outside any.
struct Session<'c> {
    conn: &'c Connection,
    path: &'c str,
}

impl Session<'_> {
    fn fail(&self, error: rusqlite::Error) -> LedgerError {
        LedgerError::of_engine(self.path, error)
    }
}

/// A connection that goes back to its ledger.
struct Lent<'l> {
    ledger: &'l SqliteLedger,
    conn: Option<Connection>,
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("it is taken in drop only")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        let mut idle = self.ledger.idle();
        // One that could not end its transaction is closed, which ends it.
        if idle.len() < IDLE_CONNECTIONS && conn.is_autocommit() {
            idle.push(conn);
        }
    }
}
