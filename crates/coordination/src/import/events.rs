//! `.worktrees/events.jsonl`: old events become events of ours.
//!
//! The ledger gives them their place and its own time; `data.imported_ts` keeps the time they had, and `data.imported`
//! everything that their line said besides.

use std::collections::HashMap;

use biplane_model::{
    EventKind, NewEvent, TaskId, TaskRef, TaskStatus, Timestamp, WorktreeName, WorktreeRef, WorktreeStatus,
    clip, sanitize, sanitize_line,
};
use serde_json::{Map, Value};

use super::{
    Generation,
    index::unread,
    notes::Notes,
    read::{self, Found},
};
use crate::{bounds, error::Result, home::Home};

/// The file, for messages.
const FILE: &str = ".worktrees/events.jsonl";
/// The most characters of a text in `data.imported`.
const MOST_TEXT: usize = 4000;

/// Reads the log. A line that can't be read is a problem.
///
/// # Errors
/// When it is a link, too big, or can't be read.
pub(super) fn read(home: &Home, notes: &mut Notes) -> Result<Vec<NewEvent>> {
    let bytes = match read::file(&home.views_dir().join("events.jsonl"), bounds::IMPORT_EVENTS_BYTES) {
        Found::Nothing => return Ok(Vec::new()),
        Found::Unread(why) => return Err(unread(FILE, &why)),
        Found::File(bytes) => bytes,
    };
    let mut log = Log::default();
    for (number, line) in (1_usize..).zip(bytes.split_inclusive(|b| *b == b'\n')) {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if number > bounds::IMPORT_EVENTS {
            return Err(unread(FILE, &format!("it has more than {} lines", bounds::IMPORT_EVENTS)));
        }
        match parse(text) {
            Ok((kind, line)) => log.add(kind, &line, notes),
            Err(why) => {
                let is_torn = !line.ends_with(b"\n");
                let why = if is_torn { "the last line is torn, as by a crash".to_owned() } else { why };
                notes.problem(format_args!("`{FILE}` line {number}"), format_args!("{why}; left out"));
            }
        }
    }
    Ok(log.events)
}

fn parse(line: &[u8]) -> std::result::Result<(EventKind, Map<String, Value>), String> {
    if line.len() > bounds::IMPORT_LINE_BYTES {
        return Err(format!("it has more than {} bytes", bounds::IMPORT_LINE_BYTES));
    }
    let line = read::object(line)?;
    let word = line.get("event").and_then(Value::as_str).ok_or("it has no `event`")?;
    Ok((word.parse()?, line))
}

/// The events so far, and what they said last.
#[derive(Default)]
struct Log {
    events: Vec<NewEvent>,
    tasks: HashMap<TaskId, TaskRef>,
    worktrees: HashMap<WorktreeName, WorktreeRef>,
}

impl Log {
    fn add(&mut self, kind: EventKind, line: &Map<String, Value>, notes: &mut Notes) {
        let is_later = matches!(
            kind,
            EventKind::WorktreeEnter
                | EventKind::WorktreeRunBefore
                | EventKind::WorktreeRunAfter
                | EventKind::WorktreeRunTimeout
                | EventKind::WorktreeCloseoutKeep
                | EventKind::WorktreeCloseoutRemove
        );
        if is_later {
            notes.mark(Generation::Second);
        }
        if line.contains_key("seq") {
            notes.mark(Generation::Biplane);
        }
        let mut event = NewEvent::new(kind);
        event.task = line.get("task").and_then(|task| self.task(kind, task));
        event.worktree = line.get("worktree").and_then(|worktree| self.worktree(kind, worktree));
        if let Some(error) = line.get("error").and_then(Value::as_str) {
            event = event.error(error);
        }
        let ts = line.get("ts").and_then(Value::as_f64).and_then(Timestamp::from_seconds_f64);
        if let Some(ts) = ts {
            event = event.with("imported_ts", ts.as_seconds_f64());
        }
        let rest = line.iter().filter(|(key, _)| !matches!(key.as_str(), "event" | "ts" | "error"));
        let rest: Map<String, Value> = rest.map(|(key, value)| (safe_key(key), safe(value))).collect();
        self.events.push(event.with("imported", rest));
    }

    /// The task of an event. Most lines give no more than its id: the rest is what an earlier line said.
    fn task(&mut self, kind: EventKind, json: &Value) -> Option<TaskRef> {
        let id = read::task_id(json.get("id")?).ok()?;
        let stated = match json.get("status").and_then(Value::as_str) {
            Some("deleted") => Some(TaskStatus::Cancelled),
            word => word.and_then(|word| word.parse().ok()),
        };
        let known = self.tasks.entry(id.clone()).or_insert_with(|| TaskRef {
            id,
            subject: String::new(),
            status: TaskStatus::Pending,
            owner: String::new(),
            epoch: 0,
            repo: read::repo(json.get("repo")),
        });
        known.status = match kind {
            EventKind::TaskCompleted => TaskStatus::Completed,
            _ => stated.unwrap_or(known.status),
        };
        if let Some(subject) = json.get("subject").and_then(Value::as_str) {
            known.subject = clip(&sanitize_line(subject), 120);
        }
        if let Some(owner) = json.get("owner").and_then(Value::as_str) {
            known.owner = clip(&sanitize_line(owner), 64);
        }
        Some(known.clone())
    }

    fn worktree(&mut self, kind: EventKind, json: &Value) -> Option<WorktreeRef> {
        let name: WorktreeName = json.get("name")?.as_str()?.parse().ok()?;
        let stated = json.get("status").and_then(Value::as_str).and_then(|word| word.parse().ok());
        let known = self.worktrees.entry(name.clone()).or_insert_with(|| WorktreeRef {
            branch: name.branch(),
            name,
            status: WorktreeStatus::Active,
            base: None,
            task_id: None,
            repo: read::repo(json.get("repo")),
        });
        known.status = stated.or_else(|| implied(kind)).unwrap_or(known.status);
        if let Some(branch) = json.get("branch").and_then(Value::as_str) {
            known.branch = clip(&sanitize_line(branch), 255);
        }
        if let Some(task) = json.get("task_id") {
            known.task_id = read::task_id(task).ok();
        }
        Some(known.clone())
    }
}

/// The state that a worktree has after an event of this kind, where the kind says it.
fn implied(kind: EventKind) -> Option<WorktreeStatus> {
    Some(match kind {
        EventKind::WorktreeCreateBefore => WorktreeStatus::Creating,
        EventKind::WorktreeCreateAfter => WorktreeStatus::Active,
        EventKind::WorktreeKeep | EventKind::WorktreeCloseoutKeep => WorktreeStatus::Kept,
        EventKind::WorktreeCreateFailed
        | EventKind::WorktreeRemoveAfter
        | EventKind::WorktreeCloseoutRemove => WorktreeStatus::Removed,
        _ => return None,
    })
}

fn safe_key(key: &str) -> String {
    clip(&sanitize_line(key), 64)
}

/// `value` with every text made safe to show. Its depth is bounded by that of the parser.
pub(crate) fn safe(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(clip(&sanitize(text), MOST_TEXT)),
        Value::Array(list) => Value::Array(list.iter().map(safe).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, value)| (safe_key(key), safe(value))).collect())
        }
        plain => plain.clone(),
    }
}
