//! A task's row.

use biplane_model::{
    AgentName, Closeout, CloseoutAction, Label, PlanPolicy, ProfileName, RunId, Task, TaskId, WorktreeName,
    WorktreeState,
};
use rusqlite::types::ToSqlOutput;

use super::{Fields, Record, count, int, list, maybe, process, text, time, word};

const WORKTREE_STATES: [(WorktreeState, &str); 4] = [
    (WorktreeState::Unbound, "unbound"),
    (WorktreeState::Active, "active"),
    (WorktreeState::Kept, "kept"),
    (WorktreeState::Removed, "removed"),
];

const CLOSEOUTS: [(CloseoutAction, &str); 2] =
    [(CloseoutAction::Keep, "keep"), (CloseoutAction::Remove, "remove")];

const PLANS: [(PlanPolicy, &str); 2] = [(PlanPolicy::Required, "required"), (PlanPolicy::None, "none")];

impl Record for Task {
    const TABLE: &'static str = "task";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "repo",
        "subject",
        "description",
        "status",
        "owner",
        "assignee",
        "priority",
        "labels",
        "after_ids",
        "worktree",
        "worktree_state",
        "last_worktree",
        "closeout_action",
        "closeout_reason",
        "closeout_at",
        "reason",
        "gate",
        "profile",
        "plan",
        "epoch",
        "lease_until",
        "holder",
        "run",
        "attempts",
        "opened_at",
        "created_at",
        "updated_at",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: f.parsed()?,
            repo: f.parsed()?,
            subject: f.text()?,
            description: f.text()?,
            status: f.parsed()?,
            owner: f.maybe_parsed()?,
            assignee: f.maybe_parsed()?,
            priority: f.int()?,
            labels: f.list()?,
            after: f.list()?,
            worktree: f.maybe_parsed()?,
            worktree_state: f.word(&WORKTREE_STATES)?,
            last_worktree: f.maybe_parsed()?,
            closeout: closeout(f)?,
            reason: f.text()?,
            gate: f.maybe_text()?,
            profile: f.maybe_parsed()?,
            plan: f.maybe_word(&PLANS)?,
            epoch: f.count()?,
            lease_until: f.maybe_time()?,
            holder: f.maybe_process()?,
            run: f.maybe_count()?.map(RunId),
            attempts: {
                let attempts = f.maybe_narrow()?;
                f.present(attempts)?
            },
            opened_at: f.time()?,
            created_at: f.time()?,
            updated_at: f.time()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        let closeout = self.closeout.as_ref();
        vec![
            text(self.id.as_str()),
            text(self.repo.as_str()),
            text(&self.subject),
            text(&self.description),
            text(self.status.as_str()),
            maybe(self.owner.as_ref().map(AgentName::as_str), text),
            maybe(self.assignee.as_ref().map(AgentName::as_str), text),
            int(self.priority),
            list(self.labels.iter().map(Label::as_str)),
            list(self.after.iter().map(TaskId::as_str)),
            maybe(self.worktree.as_ref().map(WorktreeName::as_str), text),
            word(&WORKTREE_STATES, self.worktree_state),
            maybe(self.last_worktree.as_ref().map(WorktreeName::as_str), text),
            maybe(closeout.map(|c| c.action), |action| word(&CLOSEOUTS, action)),
            maybe(closeout.map(|c| c.reason.as_str()), text),
            maybe(closeout.map(|c| c.at), time),
            text(&self.reason),
            maybe(self.gate.as_deref(), text),
            maybe(self.profile.as_ref().map(ProfileName::as_str), text),
            maybe(self.plan, |plan| word(&PLANS, plan)),
            count(self.epoch),
            maybe(self.lease_until, time),
            maybe(self.holder.as_ref(), process),
            maybe(self.run, |run| count(run.0)),
            int(self.attempts.into()),
            time(self.opened_at),
            time(self.created_at),
            time(self.updated_at),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("task {}", self.id)
    }
}

fn closeout(f: &mut Fields<'_>) -> rusqlite::Result<Option<Closeout>> {
    let (action, reason, at) = (f.maybe_word(&CLOSEOUTS)?, f.maybe_text()?, f.maybe_time()?);
    let Some(action) = action else { return Ok(None) };
    Ok(Some(Closeout { action, reason: f.present(reason)?, at: f.present(at)? }))
}
