//! A run's row.

use biplane_model::{
    Actor, AgentName, CommitId, Findings, Role, Run, RunEvidence, RunId, RunKind, TaskId, Usage, WorktreeId,
};
use rusqlite::types::ToSqlOutput;

use super::{Fields, Record, count, int, maybe, process, text, time, word};

const KINDS: [(RunKind, &str); 4] = [
    (RunKind::Command, "command"),
    (RunKind::Agent, "agent"),
    (RunKind::Gate, "gate"),
    (RunKind::Setup, "setup"),
];

const ROLES: [(Role, &str); 4] = [
    (Role::Plan, "plan"),
    (Role::Implement, "implement"),
    (Role::Verify, "verify"),
    (Role::Review, "review"),
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
        "role",
        "base",
        "session",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cost_microusd",
        "stop_by",
        "command",
        "status",
        "supervisor",
        "child",
        "started_at",
        "ended_at",
        "exit_code",
        "signal",
        "error",
        "rate_limited",
        "evidence_head",
        "evidence_commits",
        "evidence_dirty_files",
        "evidence_new_commits",
        "evidence_denied",
        "evidence_failed_calls",
        "evidence_output_hash",
        "findings_critical",
        "findings_major",
        "findings_minor",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RunId(f.count()?),
            repo: f.parsed()?,
            worktree: f.parsed()?,
            worktree_id: WorktreeId(f.count()?),
            task: f.maybe_parsed()?,
            epoch: f.count()?,
            kind: f.word(&KINDS)?,
            agent: f.maybe_parsed()?,
            role: f.maybe_word(&ROLES)?,
            base: f.maybe_parsed()?,
            session: f.maybe_text()?,
            usage: Usage {
                input_tokens: f.count()?,
                output_tokens: f.count()?,
                cached_tokens: f.count()?,
                cost_microusd: f.count()?,
            },
            stop_by: f.maybe_text()?.map(|name| Actor::new(&name)),
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
            rate_limited: f.count()? != 0,
            evidence: evidence(f)?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        let evidence = self.evidence.as_ref();
        let findings = evidence.and_then(|e| e.findings);
        vec![
            count(self.id.0),
            text(self.repo.as_str()),
            text(self.worktree.as_str()),
            count(self.worktree_id.0),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            count(self.epoch),
            word(&KINDS, self.kind),
            maybe(self.agent.as_ref().map(AgentName::as_str), text),
            maybe(self.role, |role| word(&ROLES, role)),
            maybe(self.base.as_ref().map(CommitId::as_str), text),
            maybe(self.session.as_deref(), text),
            count(self.usage.input_tokens),
            count(self.usage.output_tokens),
            count(self.usage.cached_tokens),
            count(self.usage.cost_microusd),
            maybe(self.stop_by.as_ref().map(Actor::as_str), text),
            text(&self.command),
            text(self.status.as_str()),
            process(&self.supervisor),
            maybe(self.child.as_ref(), process),
            time(self.started_at),
            maybe(self.ended_at, time),
            maybe(self.exit_code, |n| int(n.into())),
            maybe(self.signal, |n| int(n.into())),
            text(&self.error),
            count(self.rate_limited.into()),
            maybe(evidence.map(|e| e.head.as_str()), text),
            maybe(evidence.map(|e| e.commits), count),
            maybe(evidence.map(|e| e.dirty_files), count),
            count(evidence.map_or(0, |e| e.new_commits)),
            count(evidence.map_or(0, |e| e.denied)),
            count(evidence.map_or(0, |e| e.failed_calls)),
            maybe(evidence.and_then(|e| e.output_hash.as_deref()), text),
            maybe(findings.map(|f| f.critical), count),
            maybe(findings.map(|f| f.major), count),
            maybe(findings.map(|f| f.minor), count),
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
    let (new_commits, denied, failed_calls) = (f.count()?, f.count()?, f.count()?);
    let output_hash = f.maybe_text()?;
    let (critical, major, minor) = (f.maybe_count()?, f.maybe_count()?, f.maybe_count()?);
    let Some(head) = head else { return Ok(None) };
    let findings = match critical {
        Some(critical) => Some(Findings { critical, major: f.present(major)?, minor: f.present(minor)? }),
        None => None,
    };
    Ok(Some(RunEvidence {
        head,
        commits: f.present(commits)?,
        dirty_files: f.present(dirty_files)?,
        new_commits,
        denied,
        failed_calls,
        output_hash,
        findings,
    }))
}
