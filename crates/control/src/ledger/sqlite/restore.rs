//! Filling a new ledger with the past of another one: records at the revisions they had, events with their own numbers,
//! times and actors.

use biplane_failpoint as failpoint;
use biplane_model::Seq;
use rusqlite::{TransactionBehavior, params};

use super::{Session, SqliteLedger, rows::Record};
use crate::{
    LedgerError,
    ledger::{Past, View},
};

impl SqliteLedger {
    /// Stores `past` in one transaction. The ledger must be new.
    ///
    /// # Errors
    /// [`LedgerError::Stale`] when the ledger is not new, when two records take the same place, or when the events are not
    /// numbered 1, 2, 3, …; what the engine says. Nothing is stored then.
    pub fn restore(&self, past: &Past) -> Result<(), LedgerError> {
        let _pass = self.gate.as_ref().map(|gate| gate.enter("rebuild")).transpose()?;
        let conn = self.lend()?;
        let tx = self.begin(&conn, TransactionBehavior::Immediate)?;
        let session = self.session(&tx);
        if session.last_seq()? != Seq(0) || !session.task_revisions()?.is_empty() {
            return Err(LedgerError::Stale { what: "the ledger".to_owned() });
        }
        for task in &past.tasks {
            session.put_dependencies_of_new(task)?;
        }
        session.insert_all(&past.tasks)?;
        session.insert_all(&past.worktrees)?;
        session.insert_all(&past.runs)?;
        session.insert_all(&past.submissions)?;
        session.insert_all(&past.members)?;
        session.insert_all(&past.mail)?;
        session.insert_all(&past.requests)?;
        for (name, value) in &past.counters {
            session.set_counter(name, *value)?;
        }
        for (number, event) in (1..).zip(&past.events) {
            if event.seq != Seq(number) {
                return Err(LedgerError::Stale { what: format!("event {}", event.seq) });
            }
            session.append_one(event.seq, event.at, &event.actor, &event.fact)?;
        }
        failpoint::reach("ledger commit before");
        tx.commit().map_err(|e| self.place.fail(e))?;
        failpoint::reach("ledger commit after");
        Ok(())
    }
}

impl Session<'_> {
    fn insert_all<R: Record>(&self, records: &[R]) -> Result<(), LedgerError> {
        records.iter().try_for_each(|record| self.insert(record))
    }

    fn put_dependencies_of_new(&self, task: &biplane_model::Task) -> Result<(), LedgerError> {
        for on in &task.after {
            let sql = "INSERT OR IGNORE INTO dependency (task, on_task) VALUES (?, ?)";
            self.execute(sql, params![task.id.as_str(), on.as_str()])?;
        }
        Ok(())
    }
}
