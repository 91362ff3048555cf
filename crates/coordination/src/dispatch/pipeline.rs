//! The roles of a profile that look at the work before it is submitted.
//!
//! What they found is recorded with their run, together with the commit that they looked at. Work is submitted when each of
//! them has approved of exactly the commit that is submitted.

use std::time::{Duration, Instant};

use biplane_control::RunFilter;
use biplane_execution::{
    git::WithIgnored,
    supervise::{How, RunObserver, StopReason, Tick},
    worktrees,
};
use biplane_model::{
    AgentName, CommitId, Role, Run, RunId, RunStatus, Task, TaskId, Worktree, clip, sanitize,
};

use super::{
    Phase, Shared,
    attempt::Nothing,
    prompt::Progress,
    ready::Renewing,
    role::{Part, Ran, Watching},
    verdict::{self, Verdict},
};
use crate::{
    bounds,
    error::{Error, Result},
    service::{Ended, Judged, Service, tail},
    settings::{Profile, Severity, VerifyBy},
};

/// How often an agent that has to wait for a place looks for one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Shared<'_> {
    /// Has the other roles of the profile look at the work. Those that have approved of this very commit are not asked again.
    pub(super) fn examine(
        &self,
        task: &Task,
        worktree: &Worktree,
        profile: &Profile,
        head: &CommitId,
        run: &mut Option<RunId>,
    ) -> std::result::Result<(), Nothing> {
        for role in [Role::Verify, Role::Review] {
            if self.service.has_approved(&task.id, role, profile, head)? {
                continue;
            }
            self.phase(&task.id, Some(&worktree.name), Phase::Examining(role));
            let ran = match role {
                Role::Verify => self.verify(task, worktree, profile)?,
                _ => self.review(task, worktree, profile)?,
            };
            let Some(ran) = ran else { continue };
            *run = Some(ran.run);
            self.refuse_stopped(&ran)?;
            self.refuse_outside(&ran)?;
            self.refuse_changed(worktree, head, role, ran.run)?;
            if let Some(fault) = ran.fault.clone().or_else(|| ended_badly(role, ran.how)) {
                // Who was turned away has judged nothing, and the work is not sent back for it.
                if let Some(limit) = &ran.told.rate_limited {
                    return Err(Nothing::limited(limit));
                }
                return Err(Nothing::Returned(fault));
            }
        }
        Ok(())
    }

    fn verify(&self, task: &Task, worktree: &Worktree, profile: &Profile) -> Result<Option<Ran>> {
        let Some(verify) = &profile.verify else { return Ok(None) };
        match &verify.by {
            VerifyBy::Command(command) => {
                let mut judge = |ended: &Ended<'_>| {
                    let tail = tail::tail(ended.log, bounds::REASON_TAIL);
                    let fault = match ended.how {
                        How::Exited(0) => None,
                        how => Some(format!(
                            "`{}` failed on the work: {}\n{tail}",
                            sanitize(command),
                            how_words(how)
                        )),
                    };
                    Ok(Judged { fault, findings: None })
                };
                let mut part = Part { task, worktree, role: Role::Verify, judge: &mut judge };
                self.run_command(&mut part, command, verify.timeout).map(Some)
            }
            VerifyBy::Agent(name) => {
                let mut judge = |ended: &Ended<'_>| {
                    let fault = match verdict::last_json::<Verdict>(&last_words(ended)) {
                        Some(verdict) if verdict.passed => None,
                        Some(verdict) => {
                            let summary = clip(sanitize(&verdict.summary).trim(), bounds::REASON_TAIL);
                            Some(format!("`{name}` has tested the work, and it failed: {summary}"))
                        }
                        None => Some(format!("`{name}` was to test the work and gave no verdict")),
                    };
                    Ok(Judged { fault, findings: None })
                };
                self.ask(task, worktree, Role::Verify, name, &mut judge).map(Some)
            }
        }
    }

    fn review(&self, task: &Task, worktree: &Worktree, profile: &Profile) -> Result<Option<Ran>> {
        let Some(review) = &profile.review else { return Ok(None) };
        let name = &review.agent;
        let mut judge = |ended: &Ended<'_>| match verdict::last_json::<verdict::Review>(&last_words(ended)) {
            None => Ok(Judged {
                fault: Some(format!("`{name}` was to review the work and gave no findings")),
                findings: None,
            }),
            Some(said) => {
                let findings = said.count();
                let is_bad = review.block_on.is_in(&findings);
                let fault = is_bad.then(|| format!("`{name}` has reviewed the work:\n{}", said.words()));
                Ok(Judged { fault, findings: Some(findings) })
            }
        };
        self.ask(task, worktree, Role::Review, name, &mut judge).map(Some)
    }

    /// Runs the agent `name` in a role, when it has a place. When its provider asks to slow down, it rests.
    fn ask(
        &self,
        task: &Task,
        worktree: &Worktree,
        role: Role,
        name: &AgentName,
        judge: crate::service::Judge<'_>,
    ) -> Result<Ran> {
        let agent = self.crew().member(name).map(|member| member.agent.clone());
        let agent = agent
            .or_else(|| self.service.settings().agent(name))
            .ok_or_else(|| Error::not_found(self.service.settings().no_agent(name)))?;
        self.wait_for_place(task, name)?;
        let mut part = Part { task, worktree, role, judge };
        let ran = self.run_agent(&mut part, (name, &agent), &Progress::default(), None);
        self.crew().leave(name);
        let ran = ran?;
        let ended_well = ended_badly(role, ran.how).is_none();
        match &ran.told.rate_limited {
            Some(limit) if ran.fault.is_some() || !ended_well => self.slow_down(name, limit),
            None if ended_well => self.crew().went_well(name),
            _ => {}
        }
        Ok(ran)
    }

    /// Waits until one more of the agent may be at work, and keeps the task's claim alive meanwhile.
    fn wait_for_place(&self, task: &Task, name: &AgentName) -> Result<()> {
        let inner = Watching { shared: self, task: &task.id, shows_lines: false };
        let mut renewing = Renewing::new(self.service, task, inner);
        while !self.crew().enter(name, Instant::now()) {
            if renewing.tick() != Tick::Continue {
                return Err(Error::failed(format!("stopped while `{name}` was waited for")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Refuses work that was changed by who was only to look at it.
    fn refuse_changed(
        &self,
        worktree: &Worktree,
        head: &CommitId,
        role: Role,
        run: RunId,
    ) -> std::result::Result<(), Nothing> {
        let place = worktrees::prove(&self.service.place(worktree).map_err(Nothing::Error)?)
            .map_err(|error| Nothing::Error(error.into()))?
            .place;
        let state = place.git().state(WithIgnored::No).map_err(|error| Nothing::Error(error.into()))?;
        if state.is_clean() && state.head.as_ref() == Some(head) {
            return Ok(());
        }
        Err(Nothing::Blocked(format!(
            "the run that was to {role} the work has changed it ({run}): what it left in worktree `{}` was seen by nobody",
            worktree.name
        )))
    }
}

impl Service {
    /// Whether the role has approved of exactly this commit, or the profile does without it.
    pub(crate) fn has_approved(
        &self,
        task: &TaskId,
        role: Role,
        profile: &Profile,
        head: &CommitId,
    ) -> Result<bool> {
        let block_on = match role {
            Role::Plan | Role::Implement => return Ok(true),
            Role::Verify if profile.verify.is_none() => return Ok(true),
            Role::Verify => Severity::Critical,
            Role::Review => match &profile.review {
                None => return Ok(true),
                Some(review) => review.block_on,
            },
        };
        let filter = RunFilter { task: Some(task.clone()), ..RunFilter::default() };
        let runs = self.look(|view| Ok(view.runs(&filter)?))?;
        let approves = |run: &Run| {
            let evidence = run.evidence.as_ref().filter(|seen| seen.head == *head);
            let findings = evidence.and_then(|seen| seen.findings).unwrap_or_default();
            run.status == RunStatus::Succeeded && evidence.is_some() && !block_on.is_in(&findings)
        };
        // The last word of the role counts.
        let of_head = |run: &&Run| {
            run.role == Some(role) && run.evidence.as_ref().is_some_and(|seen| seen.head == *head)
        };
        Ok(runs.iter().rev().find(of_head).is_some_and(approves))
    }
}

/// What an agent said last; the end of its output where its words are not told apart from the rest.
pub(super) fn last_words(ended: &Ended<'_>) -> String {
    // Of a program without a protocol, all that it writes are its words.
    if ended.told.finished {
        ended.told.last_text.clone()
    } else {
        tail::tail(ended.log, bounds::VERDICT_BYTES)
    }
}

pub(super) fn ended_badly(role: Role, how: How) -> Option<String> {
    (how != How::Exited(0) && how != How::Stopped(StopReason::Finished))
        .then(|| format!("the run that was to {role} the work did not end well: {}", how_words(how)))
}

fn how_words(how: How) -> String {
    match how {
        How::Exited(code) => format!("exit code {code}"),
        How::Signalled(signal) => format!("signal {signal}"),
        How::TimedOut => "its time was up".to_owned(),
        How::Stopped(_) => "it was stopped".to_owned(),
    }
}
