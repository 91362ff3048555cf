//! Reading: the queries of a [`View`].

use biplane_model::{
    AgentName, Event, Mail, Member, Request, RequestId, RequestKind, Run, RunId, RunKind, Seq, Submission,
    SubmissionId, Task, TaskId, TaskStatus, Worktree, WorktreeId,
};
use rusqlite::{OptionalExtension, Row, ToSql, params, params_from_iter, types::Value};

use super::{
    Session,
    rows::{EVENT_COLUMNS, Fields, Record, event},
};
use crate::{
    LedgerError,
    ledger::{
        EventFilter, MailFilter, ReadyOrder, RequestFilter, RunFilter, SubmissionFilter, TaskFilter, View,
        WorktreeFilter,
    },
};

/// Conditions that the partial indexes of the schema have word for word; a test compares them with the state machines.
pub(super) const LIVE_WORKTREE: &str = "status <> 'removed'";
/// All of those, found by the index: few of all that there ever were.
const ALL_LIVE_WORKTREES: &str = "ord IN (SELECT ord FROM worktree WHERE status <> 'removed')";
pub(super) const OPEN_RUN: &str = "status IN ('starting', 'running')";
/// Few of all runs: found by their time, not by going through all of them in their order.
pub(super) const AGENT_RUN_SINCE: &str =
    "ord IN (SELECT ord FROM run WHERE kind = 'agent' AND started_at >= ?)";
pub(super) const OPEN_SUBMISSION: &str = "status IN ('queued', 'testing')";
pub(super) const WAITING_MAIL: &str = "delivered_at IS NULL";
pub(super) const LIVE_REQUEST: &str = "status IN ('requested', 'submitted', 'approved')";

/// What is ready; the order and a limit come behind it.
const IS_READY: &str = "status = 'pending' AND NOT EXISTS (
    SELECT 1 FROM dependency d WHERE d.task = task.id AND NOT EXISTS (
        SELECT 1 FROM task other WHERE other.id = d.on_task AND other.status = 'completed'))";

/// What is ready, by priority.
pub(super) fn by_priority() -> String {
    format!("{IS_READY} ORDER BY priority DESC, ord LIMIT ?")
}

/// Conditions that must all hold, and their values.
#[derive(Default)]
struct Where {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Where {
    fn and(mut self, condition: &'static str) -> Self {
        self.conditions.push(condition);
        self
    }

    fn when(self, wanted: bool, condition: &'static str) -> Self {
        if wanted { self.and(condition) } else { self }
    }

    /// `condition` has one `?`, for `value`.
    fn with<V: Into<Value>>(mut self, condition: &'static str, value: Option<V>) -> Self {
        let Some(value) = value else { return self };
        self.values.push(value.into());
        self.and(condition)
    }

    fn sql(&self) -> String {
        if self.conditions.is_empty() { "1".to_owned() } else { self.conditions.join(" AND ") }
    }
}

fn id_text(id: Option<&TaskId>) -> Option<String> {
    id.map(ToString::to_string)
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Session<'_> {
    fn rows<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut all = Vec::new();
        let mut fill = |all: &mut Vec<T>| {
            let mut statement = self.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                all.push(read(row)?);
            }
            Ok(())
        };
        fill(&mut all).map_err(|e| self.fail(e))?;
        Ok(all)
    }

    /// The records for which `rest` holds; it comes after `WHERE` and may order and limit them.
    fn records<R: Record>(&self, rest: &str, values: &[Value]) -> Result<Vec<R>, LedgerError> {
        let sql = format!("SELECT {} FROM {} WHERE {rest}", R::COLUMNS.join(", "), R::TABLE);
        self.rows(&sql, values, |row| R::read(&mut Fields::new(row)))
    }

    fn listed<R: Record>(&self, filter: &Where) -> Result<Vec<R>, LedgerError> {
        self.records(&format!("{} ORDER BY ord", filter.sql()), &filter.values)
    }

    /// The newest so many of them, if a number is asked for; oldest first.
    fn newest<R: Record>(&self, mut filter: Where, newest: Option<usize>) -> Result<Vec<R>, LedgerError> {
        let Some(newest) = newest else { return self.listed(&filter) };
        filter.values.push(bound(newest).into());
        let mut found =
            self.records(&format!("{} ORDER BY ord DESC LIMIT ?", filter.sql()), &filter.values)?;
        found.reverse();
        Ok(found)
    }

    fn record<R: Record>(&self, id: impl Into<Value>) -> Result<Option<R>, LedgerError> {
        self.records("id = ?", &[id.into()]).map(|mut found| found.pop())
    }

    fn number(&self, sql: &str, value: &[&dyn ToSql]) -> Result<Option<i64>, LedgerError> {
        let found =
            self.conn.prepare_cached(sql).and_then(|mut s| s.query_row(value, |r| r.get(0)).optional());
        Ok(found.map_err(|e| self.fail(e))?.flatten())
    }

    /// Differs from the last answer when another connection has committed since.
    pub(super) fn data_version(&self) -> Result<i64, LedgerError> {
        Ok(self.number("PRAGMA data_version", params![])?.unwrap_or_default())
    }

    fn events_where(&self, filter: &EventFilter, since: Seq, order: &str) -> (String, Vec<Value>) {
        let filter = Where::default()
            .with("seq > ?", Some(i64::try_from(since.0).unwrap_or(i64::MAX)))
            .with("task_id = ?", id_text(filter.task.as_ref()))
            .with("worktree = ?", filter.worktree.as_ref().map(ToString::to_string));
        let sql = filter.sql();
        (format!("SELECT {EVENT_COLUMNS} FROM event WHERE {sql} ORDER BY seq {order} LIMIT ?"), filter.values)
    }

    fn list_events(
        &self,
        sql: &str,
        mut values: Vec<Value>,
        limit: usize,
    ) -> Result<Vec<Event>, LedgerError> {
        values.push(bound(limit).into());
        self.rows(sql, &values, |row| event(&mut Fields::new(row)))
    }
}

impl View for Session<'_> {
    fn task(&self, id: &TaskId) -> Result<Option<Task>, LedgerError> {
        self.record(id.to_string())
    }

    fn tasks(&self, filter: &TaskFilter) -> Result<Vec<Task>, LedgerError> {
        // The label as it stands in the list, quotes included. It can't match across two of them: no label has a comma.
        // (`json_each` takes five times as long.)
        let label = filter.label.as_deref().map(|label| serde_json::Value::from(label).to_string());
        let filter = Where::default()
            .with("status = ?", filter.status.map(|s: TaskStatus| s.as_str().to_owned()))
            .with("owner = ?", filter.owner.clone())
            .with("instr(labels, ?) > 0", label);
        self.listed(&filter)
    }

    fn task_revisions(&self) -> Result<Vec<(TaskId, u64)>, LedgerError> {
        self.rows("SELECT id, rev FROM task", &[], |row| Fields::new(row).revision())
    }

    fn ready(&self, order: ReadyOrder, limit: usize) -> Result<Vec<Task>, LedgerError> {
        let limit: Value = bound(limit).into();
        match order {
            ReadyOrder::Priority => self.records(&by_priority(), &[limit]),
            ReadyOrder::Aged(step) => {
                // The order at any moment: the age that all have gained since is the same.
                let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
                let order = format!("{IS_READY} ORDER BY priority * ? - created_at DESC, ord LIMIT ?");
                self.records(&order, &[step.into(), limit])
            }
        }
    }

    fn dependents(&self, id: &TaskId) -> Result<Vec<TaskId>, LedgerError> {
        let sql =
            "SELECT d.task FROM dependency d JOIN task t ON t.id = d.task WHERE d.on_task = ? ORDER BY t.ord";
        self.rows(sql, &[id.to_string().into()], |row| Fields::new(row).id())
    }

    fn worktree(&self, id: WorktreeId) -> Result<Option<Worktree>, LedgerError> {
        self.record(id.0.cast_signed())
    }

    fn worktrees(&self, filter: &WorktreeFilter) -> Result<Vec<Worktree>, LedgerError> {
        let name = if filter.live { "name = ? COLLATE NOCASE" } else { "name = ?" };
        let is_one = filter.name.is_some() || filter.task.is_some();
        let wanted = Where::default()
            .when(filter.live, if is_one { LIVE_WORKTREE } else { ALL_LIVE_WORKTREES })
            .when(filter.removed, "status = 'removed'")
            .with(name, filter.name.as_ref().map(ToString::to_string))
            .with("task = ?", id_text(filter.task.as_ref()));
        self.newest(wanted, filter.newest)
    }

    fn run(&self, id: RunId) -> Result<Option<Run>, LedgerError> {
        self.record(id.0.cast_signed())
    }

    fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, LedgerError> {
        let by_index = filter.kind == Some(RunKind::Agent) && filter.since.is_some();
        let since = if by_index { AGENT_RUN_SINCE } else { "started_at >= ?" };
        let kind = filter.kind.filter(|_| !by_index);
        let wanted = Where::default()
            .when(filter.open, OPEN_RUN)
            .with("kind = ?", kind.map(|kind| kind.as_str().to_owned()))
            .with("task = ?", id_text(filter.task.as_ref()))
            .with("worktree_id = ?", filter.worktree.map(|w| w.0.cast_signed()))
            .with(since, filter.since.map(|at| at.0));
        self.newest(wanted, filter.newest)
    }

    fn submission(&self, id: SubmissionId) -> Result<Option<Submission>, LedgerError> {
        self.record(id.0.cast_signed())
    }

    fn submissions(&self, filter: &SubmissionFilter) -> Result<Vec<Submission>, LedgerError> {
        let filter = Where::default()
            .when(filter.open, OPEN_SUBMISSION)
            .with("worktree_id = ?", filter.worktree.map(|w| w.0.cast_signed()))
            .with("task = ?", id_text(filter.task.as_ref()))
            .with("candidate = ?", filter.candidate.as_ref().map(ToString::to_string));
        self.listed(&filter)
    }

    fn member(&self, name: &AgentName) -> Result<Option<Member>, LedgerError> {
        self.record(name.to_string())
    }

    fn members(&self) -> Result<Vec<Member>, LedgerError> {
        self.listed(&Where::default())
    }

    fn mail(&self, filter: &MailFilter) -> Result<Vec<Mail>, LedgerError> {
        let mut wanted = Where::default()
            .with("recipient = ?", filter.to.as_ref().map(ToString::to_string))
            .when(filter.waiting, WAITING_MAIL)
            .with("sender = ?", filter.from.as_ref().map(ToString::to_string))
            .with("run = ?", filter.run.map(|id| id.0.cast_signed()))
            .with("request = ?", filter.request.map(|id| id.0.cast_signed()));
        if let Some(oldest) = filter.oldest {
            wanted.values.push(bound(oldest).into());
            return self.records(&format!("{} ORDER BY ord LIMIT ?", wanted.sql()), &wanted.values);
        }
        self.newest(wanted, filter.newest)
    }

    fn request(&self, id: RequestId) -> Result<Option<Request>, LedgerError> {
        self.record(id.0.cast_signed())
    }

    fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>, LedgerError> {
        let wanted = Where::default()
            .with("kind = ?", filter.kind.map(|kind: RequestKind| kind.as_str().to_owned()))
            .when(filter.live, LIVE_REQUEST)
            .with("task = ?", id_text(filter.task.as_ref()));
        self.newest(wanted, filter.newest)
    }

    fn counter(&self, name: &str) -> Result<u64, LedgerError> {
        let value = self.number("SELECT value FROM counter WHERE name = ?", params![name])?;
        Ok(value.unwrap_or_default().cast_unsigned())
    }

    fn last_seq(&self) -> Result<Seq, LedgerError> {
        let value = self.number("SELECT max(seq) FROM event", params![])?;
        Ok(Seq(value.unwrap_or_default().cast_unsigned()))
    }

    fn events(&self, since: Seq, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, LedgerError> {
        let (sql, values) = self.events_where(filter, since, "ASC");
        self.list_events(&sql, values, limit)
    }

    fn newest_events(&self, filter: &EventFilter, limit: usize) -> Result<Vec<Event>, LedgerError> {
        let (sql, values) = self.events_where(filter, Seq(0), "DESC");
        let mut events = self.list_events(&sql, values, limit)?;
        events.reverse();
        Ok(events)
    }
}
