//! A run's row.

use biplane_model::{AgentName, RepoName, Run, RunEvidence, RunId, RunKind, TaskId, WorktreeId};
use rusqlite::types::ToSqlOutput;

use super::{Fields, Record, count, int, maybe, process, text, time, word};

const KINDS: [(RunKind, &str); 4] = [
    (RunKind::Command, "command"),
    (RunKind::Agent, "agent"),
    (RunKind::Gate, "gate"),
    (RunKind::Setup, "setup"),
];

impl Record for Run {
    const TABLE: &'static str = "run";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "repo",
        "worktree",
        "worktree_id",
        "task",
        "epoch",
        "kind",
        "agent",
        "command",
        "status",
        "supervisor",
        "child",
        "started_at",
        "ended_at",
        "exit_code",
        "signal",
        "error",
        "evidence_head",
        "evidence_commits",
        "evidence_dirty_files",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RunId(f.count()?),
            repo: RepoName(f.text()?),
            worktree: f.parsed()?,
            worktree_id: WorktreeId(f.count()?),
            task: f.maybe_parsed()?,
            epoch: f.count()?,
            kind: f.word(&KINDS)?,
            agent: f.maybe_parsed()?,
            command: f.text()?,
            status: f.parsed()?,
            supervisor: {
                let supervisor = f.maybe_process()?;
                f.present(supervisor)?
            },
            child: f.maybe_process()?,
            started_at: f.time()?,
            ended_at: f.maybe_time()?,
            exit_code: f.maybe_narrow()?,
            signal: f.maybe_narrow()?,
            error: f.text()?,
            evidence: evidence(f)?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        let evidence = self.evidence.as_ref();
        vec![
            count(self.id.0),
            text(&self.repo.0),
            text(self.worktree.as_str()),
            count(self.worktree_id.0),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            count(self.epoch),
            word(&KINDS, self.kind),
            maybe(self.agent.as_ref().map(AgentName::as_str), text),
            text(&self.command),
            text(self.status.as_str()),
            process(&self.supervisor),
            maybe(self.child.as_ref(), process),
            time(self.started_at),
            maybe(self.ended_at, time),
            maybe(self.exit_code, |n| int(n.into())),
            maybe(self.signal, |n| int(n.into())),
            text(&self.error),
            maybe(evidence.map(|e| e.head.as_str()), text),
            maybe(evidence.map(|e| e.commits), count),
            maybe(evidence.map(|e| e.dirty_files), count),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("run {}", self.id)
    }
}

fn evidence(f: &mut Fields<'_>) -> rusqlite::Result<Option<RunEvidence>> {
    let (head, commits, dirty_files) = (f.maybe_parsed()?, f.maybe_count()?, f.maybe_count()?);
    let Some(head) = head else { return Ok(None) };
    Ok(Some(RunEvidence { head, commits: f.present(commits)?, dirty_files: f.present(dirty_files)? }))
}
