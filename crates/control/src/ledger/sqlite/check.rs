//! Checking: whether the file is whole, and what the schema can't enforce.

use super::Session;
use crate::{LedgerError, ledger::limits::FAULTS};

/// Facts that every commit keeps, each as a query that counts what contradicts it, and how to say it.
const CONTRADICTIONS: [(&str, &str); 3] = [
    (
        "SELECT max(seq) - count(*) FROM event HAVING count(*) > 0",
        "events are missing between the first and the newest",
    ),
    (
        "SELECT count(*) FROM dependency d WHERE NOT EXISTS (
            SELECT 1 FROM task t, json_each(t.after_ids) a WHERE t.id = d.task AND a.value = d.on_task)",
        "dependencies are stored that no task's own list has",
    ),
    (
        "SELECT count(*) FROM task t, json_each(t.after_ids) a WHERE NOT EXISTS (
            SELECT 1 FROM dependency d WHERE d.task = t.id AND d.on_task = a.value)",
        "dependencies on tasks' own lists are not stored as such",
    ),
];

impl Session<'_> {
    /// What is wrong, in sentences.
    pub(super) fn faults(&self) -> Result<Vec<String>, LedgerError> {
        let mut faults = self.damage().map_err(|e| self.fail(e))?;
        if !faults.is_empty() {
            // What a damaged file answers to further questions means nothing.
            return Ok(faults);
        }
        for (sql, words) in CONTRADICTIONS {
            let count: Option<i64> = self
                .conn
                .query_row(sql, [], |row| row.get(0))
                .or_else(|e| if e == rusqlite::Error::QueryReturnedNoRows { Ok(None) } else { Err(e) })
                .map_err(|e| self.fail(e))?;
            match count.unwrap_or_default() {
                0 => {}
                count => faults.push(format!("{words}: {count}")),
            }
        }
        Ok(faults)
    }

    /// What the engine itself finds.
    fn damage(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.conn.prepare(&format!("PRAGMA integrity_check({FAULTS})"))?;
        let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
        let lines = lines.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(lines.iter().filter(|l| *l != "ok").map(|l| biplane_model::sanitize_line(l)).collect())
    }
}
