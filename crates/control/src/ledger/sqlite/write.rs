//! Writing: what a transaction asked for, inside the transaction.

use biplane_model::{Actor, NewEvent, Seq, Task, TaskId, Timestamp, Worktree};
use rusqlite::{params, params_from_iter, types::ToSqlOutput};

use super::{
    Session,
    rows::{Record, list},
};
use crate::{
    LedgerError,
    ledger::{Changes, Committed, View, trouble::conflict},
};

/// Stores `changes`. The caller commits, or takes everything back when this fails.
pub(super) fn store(
    session: &Session<'_>,
    at: Timestamp,
    actor: &Actor,
    changes: &Changes,
) -> Result<Committed, LedgerError> {
    for task in &changes.tasks {
        session.put_dependencies(task)?;
        session.put(task)?;
    }
    session.put_worktrees(&changes.worktrees)?;
    for run in &changes.runs {
        session.put(run)?;
    }
    for submission in &changes.submissions {
        session.put(submission)?;
    }
    for member in &changes.members {
        session.put(member)?;
    }
    for mail in &changes.mail {
        session.put(mail)?;
    }
    for request in &changes.requests {
        session.put(request)?;
    }
    for (name, value) in &changes.counters {
        session.set_counter(name, *value)?;
    }
    let seq = session.append(at, actor, &changes.events)?;
    Ok(Committed {
        tasks: changes.tasks.iter().map(|t| t.id.clone()).collect(),
        members: changes.members.iter().map(|m| m.name.clone()).collect(),
        seq,
    })
}

fn stale(what: String) -> LedgerError {
    LedgerError::Stale { what }
}

impl Session<'_> {
    pub(super) fn set_counter(&self, name: &str, value: u64) -> Result<(), LedgerError> {
        let sql = "INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.execute(sql, params![name, value.cast_signed()]).map(|_| ())
    }

    pub(super) fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize, LedgerError> {
        self.conn.prepare_cached(sql).and_then(|mut s| s.execute(values)).map_err(|e| self.fail(e))
    }

    /// Stores `record` with the next revision, if the stored one is the one it was read at.
    fn put<R: Record>(&self, record: &R) -> Result<(), LedgerError> {
        let rev = record.rev().cast_signed();
        if rev == 0 {
            return self.insert(record);
        }
        // The values stand in the order of the columns, so that `?1` is the id.
        let mut values = record.values();
        values.extend([ToSqlOutput::from(rev + 1), ToSqlOutput::from(rev)]);
        let sets: Vec<_> = (1..).zip(R::COLUMNS).skip(1).map(|(n, c)| format!("{c} = ?{n}")).collect();
        let old = R::COLUMNS.len() + 1;
        let sql = format!("UPDATE {} SET {} WHERE id = ?1 AND rev = ?{old}", R::TABLE, sets.join(", "));
        self.store_one(record, &sql, values)
    }

    /// Stores `record` as a new one, with the revision after its own.
    pub(super) fn insert<R: Record>(&self, record: &R) -> Result<(), LedgerError> {
        let mut values = record.values();
        values.push(ToSqlOutput::from(record.rev().cast_signed() + 1));
        let marks = vec!["?"; R::COLUMNS.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({marks})", R::TABLE, R::COLUMNS.join(", "));
        self.store_one(record, &sql, values)
    }

    fn store_one<R: Record>(
        &self,
        record: &R,
        sql: &str,
        values: Vec<ToSqlOutput<'_>>,
    ) -> Result<(), LedgerError> {
        let done = self.conn.prepare_cached(sql).and_then(|mut s| s.execute(params_from_iter(values)));
        match done {
            Ok(1) => Ok(()),
            Ok(_) => Err(stale(record.label())),
            Err(error) if conflict(&error).is_some() => {
                let words = conflict(&error).unwrap_or_default();
                Err(stale(record.taken(words).unwrap_or_else(|| record.label())))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Keeps the table of dependencies in step with the task's list; most changes of a task leave the list alone.
    fn put_dependencies(&self, task: &Task) -> Result<(), LedgerError> {
        if task.rev > 0 {
            let sql = "SELECT 1 FROM task WHERE id = ? AND after_ids = ?";
            let values = params![task.id.as_str(), list(task.after.iter().map(TaskId::as_str))];
            let same = self.conn.prepare_cached(sql).and_then(|mut s| s.exists(values));
            if same.map_err(|e| self.fail(e))? {
                return Ok(());
            }
            self.execute("DELETE FROM dependency WHERE task = ?", params![task.id.as_str()])?;
        }
        for on in &task.after {
            let sql = "INSERT OR IGNORE INTO dependency (task, on_task) VALUES (?, ?)";
            self.execute(sql, params![task.id.as_str(), on.as_str()])?;
        }
        Ok(())
    }

    fn put_worktrees(&self, worktrees: &[Worktree]) -> Result<(), LedgerError> {
        if worktrees.is_empty() {
            return Ok(());
        }
        // Several of them may pass a name or a task on among themselves, in any order: each first lets go of its own.
        for known in worktrees.iter().filter(|w| w.rev > 0 && worktrees.len() > 1) {
            let sql = "UPDATE worktree SET status = 'removed', task = NULL WHERE id = ? AND rev = ?";
            self.execute(sql, params![known.id.0.cast_signed(), known.rev.cast_signed()])?;
        }
        for worktree in worktrees {
            self.put(worktree)?;
        }
        Ok(())
    }

    /// Appends `events` after the newest one. No gap can arise: nobody else writes, and all are taken back together.
    fn append(&self, at: Timestamp, actor: &Actor, events: &[NewEvent]) -> Result<Seq, LedgerError> {
        let mut seq = self.last_seq()?;
        for event in events {
            seq = Seq(seq.0 + 1);
            self.append_one(seq, at, actor, event)?;
        }
        Ok(seq)
    }

    pub(super) fn append_one(
        &self,
        seq: Seq,
        at: Timestamp,
        actor: &Actor,
        event: &NewEvent,
    ) -> Result<(), LedgerError> {
        let body = serde_json::to_string(event)
            .map_err(|e| self.fail(rusqlite::Error::ToSqlConversionFailure(e.into())))?;
        let sql =
            "INSERT INTO event (seq, at, actor, kind, task_id, worktree, body) VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.execute(
            sql,
            params![
                seq.0.cast_signed(),
                at.0,
                actor.as_str(),
                event.event.as_str(),
                event.task.as_ref().map(|t| t.id.as_str()),
                event.worktree.as_ref().map(|w| w.name.as_str()),
                body
            ],
        )
        .map(|_| ())
    }
}
