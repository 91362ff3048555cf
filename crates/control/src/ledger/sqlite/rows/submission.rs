//! A submission's row.

use biplane_model::{CommitId, Submission, SubmissionId, TaskId, WorktreeId};
use rusqlite::types::ToSqlOutput;

use super::{Fields, Record, count, maybe, process, text, time};

impl Record for Submission {
    const TABLE: &'static str = "submission";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "repo",
        "worktree",
        "worktree_id",
        "task",
        "epoch",
        "branch",
        "head",
        "target",
        "strategy",
        "gate",
        "status",
        "onto",
        "candidate",
        "worker",
        "reason",
        "created_at",
        "updated_at",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: SubmissionId(f.count()?),
            repo: f.parsed()?,
            worktree: f.parsed()?,
            worktree_id: WorktreeId(f.count()?),
            task: f.maybe_parsed()?,
            epoch: f.count()?,
            branch: f.text()?,
            head: f.parsed()?,
            target: f.text()?,
            strategy: f.parsed()?,
            gate: f.maybe_text()?,
            status: f.parsed()?,
            onto: f.maybe_parsed()?,
            candidate: f.maybe_parsed()?,
            worker: f.maybe_process()?,
            reason: f.text()?,
            created_at: f.time()?,
            updated_at: f.time()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        vec![
            count(self.id.0),
            text(self.repo.as_str()),
            text(self.worktree.as_str()),
            count(self.worktree_id.0),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            count(self.epoch),
            text(&self.branch),
            text(self.head.as_str()),
            text(&self.target),
            text(self.strategy.as_str()),
            maybe(self.gate.as_deref(), text),
            text(self.status.as_str()),
            maybe(self.onto.as_ref().map(CommitId::as_str), text),
            maybe(self.candidate.as_ref().map(CommitId::as_str), text),
            maybe(self.worker.as_ref(), process),
            text(&self.reason),
            time(self.created_at),
            time(self.updated_at),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("submission {}", self.id)
    }
}
