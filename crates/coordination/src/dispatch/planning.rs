//! A plan before the work: the agent says how it would do a task, changes nothing, and the task waits until the plan is approved.
//!
//! **Contract.** A run that is to plan may read only, where its program can be told so. What it changes all the same is not work: a
//! worktree that held none before is removed, and what was changed is in a snapshot; the work begins in a new one, at the target's
//! tip. Where there was work before, the worktree stays, and a person looks when it was changed. The plan, the mail to the lead and
//! the waiting of the task are one transaction.

use biplane_control::{Changes, View, board};
use biplane_execution::supervise::{How, StopReason};
use biplane_model::{
    CommitId, Mail, PlanPolicy, PlanStatus, Request, RequestStatus, Role, RunId, Task, TaskStatus, Timestamp,
    Worktree,
};

use super::{
    Phase, Shared,
    attempt::Nothing,
    crew::Member,
    pipeline::{ended_badly, last_words},
    prompt::Progress,
    role::Part,
};
use crate::{
    error::Result,
    service::{Ended, Judged, Service, lead},
    settings::Profile,
};

/// A plan that an agent has ended with.
#[derive(Debug)]
pub(super) struct Planned {
    /// What it said; nothing when it has submitted its plan itself.
    text: String,
    run: RunId,
}

impl Shared<'_> {
    /// Whether a plan has to be made for the task before its work begins.
    pub(super) fn needs_plan(&self, task: &Task, profile: &Profile, member: &Member) -> Result<bool> {
        let required = Some(PlanPolicy::Required);
        let is_required = match task.plan {
            None => profile.plan == required || member.agent.plan == required,
            plan => plan == required,
        };
        if !is_required {
            return Ok(false);
        }
        let plan = self.service.look(|view| Ok(board::plan_of(view, task)?))?;
        Ok(plan.is_none_or(|plan| plan.status != RequestStatus::Plan(PlanStatus::Approved)))
    }

    /// Has the agent plan the work.
    pub(super) fn plan(
        &self,
        task: &Task,
        member: &Member,
        worktree: &Worktree,
        run: &mut Option<RunId>,
    ) -> std::result::Result<Nothing, Nothing> {
        self.phase(&task.id, Some(&worktree.name), Phase::Examining(Role::Plan));
        let had_work = self.service.has_work(worktree)?;
        let before = had_work.then(|| self.state_of(worktree)).transpose()?;
        let name = &member.name;
        let mut text = String::new();
        let mut judge = |ended: &Ended<'_>| {
            let is_good = matches!(ended.how, How::Exited(0) | How::Stopped(StopReason::Finished));
            text = plan_in(&last_words(ended));
            let is_submitted = || self.service.look(|view| Ok(submitted_in(view, task)?.is_some()));
            let is_missing = is_good && text.is_empty() && !is_submitted()?;
            let fault = is_missing.then(|| format!("`{name}` was to plan the work and gave no plan"));
            Ok(Judged { fault, findings: None })
        };
        let mut part = Part { task, worktree, role: Role::Plan, judge: &mut judge };
        let progress = Progress { has_work: had_work, ..Progress::default() };
        let ran = self.run_agent(&mut part, (name, &member.agent), &progress, None)?;
        *run = Some(ran.run);
        self.refuse_stopped(&ran)?;
        self.refuse_outside(&ran)?;
        if let Some(limit) = &ran.told.rate_limited {
            self.slow_down(name, limit);
            return Ok(Nothing::limited(limit));
        }
        if ended_badly(Role::Plan, ran.how).is_none() {
            self.crew().went_well(name);
        }
        if before.is_some_and(|before| self.state_of(worktree).map_or(true, |now| now != before)) {
            return Ok(Nothing::Blocked(format!(
                "`{name}` was to plan the work and has changed it ({}): look at what it left in worktree `{}`",
                ran.run, worktree.name
            )));
        }
        if let Some(fault) = ran.fault.clone().or_else(|| ended_badly(Role::Plan, ran.how)) {
            return Ok(Nothing::Failed(fault));
        }
        if !had_work {
            // The work begins at the target's tip when the plan is approved. What was changed meanwhile is in a snapshot.
            self.service.refuse_fenced(task)?;
            self.service.start_over(worktree, "its plan waits for approval")?;
        }
        Ok(Nothing::Planned(Planned { text, run: ran.run }))
    }

    /// The head of a worktree that holds work, and the snapshot of what is not committed: it is another one when anything was
    /// changed.
    fn state_of(&self, worktree: &Worktree) -> Result<(CommitId, Option<CommitId>)> {
        let held = self.service.hold_uncommitted(worktree, "its task is planned")?;
        Ok((self.service.evidence(worktree)?.head, held.map(|snapshot| snapshot.commit)))
    }
}

impl Service {
    /// Submits a plan, unless its agent has done that itself, and sets the task aside until it is decided on; when that was done while the
    /// agent was still at work, the task goes on.
    pub(super) fn await_plan(
        &self,
        view: &dyn View,
        task: &Task,
        planned: &Planned,
        now: Timestamp,
    ) -> Result<(Changes, Task, String)> {
        let guard = board::Guard::epoch(task.epoch);
        let (mut changes, request) = match submitted_in(view, task)? {
            Some(request) => (Changes::default(), request),
            None => {
                let new = board::NewPlan {
                    task: task.id.clone(),
                    from: task.owner.clone().unwrap_or_else(lead),
                    to: lead(),
                    text: planned.text.clone(),
                    run: Some(planned.run),
                };
                board::submit_plan(view, &self.roster(), &new, guard, now)?
            }
        };
        let (moved, task) = board::set_aside_for(view, &request, (&task.id, guard), now)?;
        changes.and(moved);
        let reason = match task.status {
            TaskStatus::Pending if task.reason.is_empty() => format!("plan {} is approved", request.id),
            _ => task.reason.clone(),
        };
        Ok((changes, task, reason))
    }
}

/// The plan that was submitted for the task under its present claim; it may have been decided on already.
fn submitted_in(
    view: &dyn View,
    task: &Task,
) -> std::result::Result<Option<Request>, biplane_control::BoardError> {
    let plan = board::plan_of(view, task)?;
    Ok(plan.filter(|plan| plan.epoch == task.epoch))
}

/// The plan in an agent's last words: what stands in the last block that is marked as one, otherwise all of them; cut where it is
/// longer than a plan may be.
fn plan_in(words: &str) -> String {
    let blocks = words.split("```").skip(1).step_by(2);
    let marked =
        blocks.filter_map(|block| block.strip_prefix("plan")).filter(|text| text.starts_with(['\n', '\r']));
    let text = marked.last().unwrap_or(words).trim();
    let note = "\n[cut here: it was longer]";
    if text.len() <= Mail::MAX_CONTENT {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(Mail::MAX_CONTENT - note.len());
    format!("{}{note}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_marked_block_is_the_plan() {
        let table = [
            ("just do it\n", "just do it"),
            ("I read.\n```plan\n1. a\n2. b\n```\n", "1. a\n2. b"),
            ("```plan\nold\n```\nno:\n```plan\r\nnew\n```", "new"),
            ("```sh\nls\n```\n```plan\nx\n```\nbye", "x"),
            ("```planner\nx\n```", "```planner\nx\n```"),
            ("```plan\nnever closed", "never closed"),
            ("", ""),
        ];
        for (words, plan) in table {
            assert_eq!(plan_in(words), plan, "{words:?}");
        }
        let long = plan_in(&"ä".repeat(Mail::MAX_CONTENT));
        assert!(long.len() <= Mail::MAX_CONTENT && long.ends_with("[cut here: it was longer]"));
    }
}
