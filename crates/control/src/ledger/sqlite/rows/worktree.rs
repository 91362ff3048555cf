//! A worktree's row.

use biplane_model::{Operation, OperationKind, TaskId, Worktree, WorktreeId};
use rusqlite::types::ToSqlOutput;

use super::{Fields, Record, count, list, maybe, process, text, time, word};

const OPERATIONS: [(OperationKind, &str); 3] = [
    (OperationKind::Create, "create"),
    (OperationKind::Remove, "remove"),
    (OperationKind::RemoveAndComplete, "remove_and_complete"),
];

impl Record for Worktree {
    const TABLE: &'static str = "worktree";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "repo",
        "name",
        "branch",
        "base",
        "base_ref",
        "path",
        "git_entry",
        "ports",
        "status",
        "task",
        "operation",
        "operation_by",
        "reason",
        "created_at",
        "updated_at",
        "kept_at",
        "removed_at",
        "looked_at",
        "last_entered_at",
        "last_command_at",
        "last_command_preview",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: WorktreeId(f.count()?),
            repo: f.parsed()?,
            name: f.parsed()?,
            branch: f.text()?,
            base: f.parsed()?,
            base_ref: f.text()?,
            path: f.text()?,
            git_entry: f.text()?,
            ports: f.list()?,
            status: f.parsed()?,
            task: f.maybe_parsed()?,
            operation: operation(f)?,
            reason: f.text()?,
            created_at: f.time()?,
            updated_at: f.time()?,
            kept_at: f.maybe_time()?,
            removed_at: f.maybe_time()?,
            looked_at: f.maybe_time()?,
            last_entered_at: f.maybe_time()?,
            last_command_at: f.maybe_time()?,
            last_command_preview: f.text()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        vec![
            count(self.id.0),
            text(self.repo.as_str()),
            text(self.name.as_str()),
            text(&self.branch),
            text(self.base.as_str()),
            text(&self.base_ref),
            text(&self.path),
            text(&self.git_entry),
            list(ports.iter().map(String::as_str)),
            text(self.status.as_str()),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            maybe(self.operation.as_ref(), |o| word(&OPERATIONS, o.kind)),
            maybe(self.operation.as_ref(), |o| process(&o.by)),
            text(&self.reason),
            time(self.created_at),
            time(self.updated_at),
            maybe(self.kept_at, time),
            maybe(self.removed_at, time),
            maybe(self.looked_at, time),
            maybe(self.last_entered_at, time),
            maybe(self.last_command_at, time),
            text(&self.last_command_preview),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("worktree {}", self.name)
    }

    fn taken(&self, words: &str) -> Option<String> {
        let task = self.task.as_ref().filter(|_| words.contains("worktree.task"))?;
        Some(format!("task {task}"))
    }
}

fn operation(f: &mut Fields<'_>) -> rusqlite::Result<Option<Operation>> {
    let (kind, by) = (f.maybe_word(&OPERATIONS)?, f.maybe_process()?);
    let Some(kind) = kind else { return Ok(None) };
    Ok(Some(Operation { kind, by: f.present(by)? }))
}
