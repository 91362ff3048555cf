//! One attempt at one task: worktree, agent, evidence, the other roles of its profile, submission.

use std::time::Duration;

use biplane_control::{Changes, board::Guard};
use biplane_execution::{
    agents::RateLimit,
    git::WithIgnored,
    supervise::{How, StopReason},
    worktrees,
};
use biplane_model::{
    AgentName, EventKind, NewEvent, Outcome, Role, RunId, SubmissionId, Task, TaskId, Worktree, WorktreeName,
    clip, sanitize_line,
};

use super::{
    Phase, Progress, Shared,
    crew::Member,
    planning::Planned,
    prompt,
    role::{Part, Ran},
    worktree::Resumed,
};
use crate::{
    bounds,
    error::{Error, Result},
    service::{Ended, Judged, MergeRequest, ended, refuse_other_branch},
};

/// Why an attempt came to nothing.
pub(super) enum Nothing {
    /// The agent failed, or had nothing to show: the task failed.
    Failed(String),
    /// What it did is not fit to be submitted: the task goes back to it, so often.
    Returned(String),
    /// A person has to look.
    Blocked(String),
    /// It was to plan the work: the task waits until its plan is approved.
    Planned(Planned),
    /// Its provider asked to slow down: the task goes back as it was.
    Limited(String),
    /// It was asked to stop: the task goes back.
    Stopped,
    /// The claim was replaced: the task is somebody else's now.
    Fenced,
    /// Something else went wrong: a person has to look.
    Error(Error),
}

impl Nothing {
    /// A provider's wish, in its words.
    pub(super) fn limited(limit: &RateLimit) -> Self {
        let said = clip(&sanitize_line(&limit.text), bounds::LINE_SHOWN);
        Self::Limited(format!("its agent's provider asked to slow down: {said}"))
    }
}

impl From<Error> for Nothing {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Shared<'_> {
    /// Makes one attempt at a task that was just claimed. Gives the submission when there is something to land.
    pub(super) fn attempt(&self, task: Task, member: &Member) -> Option<SubmissionId> {
        let attempt = task.attempts + 1;
        self.tell(&Progress::Began {
            task: task.id.clone(),
            subject: task.subject.clone(),
            agent: member.name.clone(),
            attempt,
        });
        let mut run = None;
        match self.try_attempt(&task, member, &mut run) {
            Ok(submission) => {
                self.phase(&task.id, None, Phase::Queued);
                Some(submission)
            }
            Err(nothing) => {
                // Whatever went wrong: a task that is somebody else's by now is not ours to move.
                let is_fenced = self.service.is_fenced(&task).unwrap_or(false);
                let nothing = match nothing {
                    _ if is_fenced => Nothing::Fenced,
                    // A ^C reaches git too where it has only just been started.
                    Nothing::Error(_) if self.is_stopping() => Nothing::Stopped,
                    nothing => nothing,
                };
                self.give_up(&task, nothing, run);
                None
            }
        }
    }

    fn try_attempt(
        &self,
        task: &Task,
        member: &Member,
        run: &mut Option<RunId>,
    ) -> std::result::Result<SubmissionId, Nothing> {
        if let Some(reason) = self.service.over_limit(task)? {
            return Err(Nothing::Blocked(reason));
        }
        let profile = self.service.settings().profile_of(task)?;
        self.phase(&task.id, None, Phase::Creating);
        self.service.end_superseded(&task.id, task.epoch)?;
        let (worktree, resumed) = self.worktree_for(task, member)?;
        if self.is_stopping() {
            return Err(Nothing::Stopped);
        }
        if resumed.is_done {
            self.commit_leftovers(task, member, &worktree)?;
        } else {
            if self.needs_plan(task, &profile, member)? {
                return Err(self.plan(task, member, &worktree, run)?);
            }
            self.make_ready(task, &worktree)?;
            self.phase(&task.id, Some(&worktree.name), Phase::Running(member.name.clone()));
            self.implement(task, member, &worktree, &resumed, run)?;
        }
        let head = self.service.evidence(&worktree)?.head;
        self.examine(task, &worktree, &profile, &head, run)?;
        self.phase(&task.id, Some(&worktree.name), Phase::Submitting);
        let request = MergeRequest { gate: self.gate.clone(), ..MergeRequest::new(worktree.name.clone()) };
        let submitted = self.service.submit_as(&request, &worktree, Guard::epoch(task.epoch))?;
        Ok(submitted.submission.id)
    }

    /// Has the agent do the work.
    fn implement(
        &self,
        task: &Task,
        member: &Member,
        worktree: &Worktree,
        resumed: &Resumed,
        run: &mut Option<RunId>,
    ) -> std::result::Result<(), Nothing> {
        let conflicts = if resumed.was_tried { self.refresh(task, worktree)? } else { Vec::new() };
        let progress = prompt::Progress { has_work: resumed.has_work, conflicts };
        let timeout = member.agent.timeout;
        let (mut came_to, mut failure) = (None, None);
        let outcome = |end: &Ended<'_>| -> Result<Option<Outcome>> {
            if end.how == How::Exited(0) || end.how == How::Stopped(StopReason::Finished) {
                self.commit_leftovers(task, member, worktree)?;
            }
            let Some(ended) = ended(end.how, timeout) else { return Ok(None) };
            let told = self.service.told_in(worktree);
            self.service.outcome_of(end.run, ended, worktree, &told).map(Some)
        };
        // What is not known now waits until it is known whether the agent kept to its worktree: that may be why.
        let mut judge = |end: &Ended<'_>| {
            let fault = match outcome(end) {
                Ok(outcome) => {
                    let fault = match &outcome {
                        Some(Outcome::Nothing(why) | Outcome::Unfit(why)) => Some(why.clone()),
                        Some(Outcome::Work) | None => None,
                    };
                    came_to = outcome;
                    fault
                }
                Err(error) => {
                    let why = error.to_string();
                    failure = Some(error);
                    Some(why)
                }
            };
            Ok(Judged { fault, findings: None })
        };
        let mut part = Part { task, worktree, role: Role::Implement, judge: &mut judge };
        let who = (&member.name, &member.agent);
        let mut ran = self.run_agent(&mut part, who, &progress, resumed.session.clone())?;
        if ran.told.lost_session && matches!(ran.how, How::Exited(_)) && !self.is_stopping() {
            // The program does not know the conversation any more: the prompt says all that there is to know.
            ran = self.run_agent(&mut part, who, &progress, None)?;
        }
        *run = Some(ran.run);
        self.refuse_stopped(&ran)?;
        self.refuse_outside(&ran)?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        self.after_work(member, &ran, came_to)
    }

    /// What came of the agent's work means for the attempt.
    fn after_work(
        &self,
        member: &Member,
        ran: &Ran,
        came_to: Option<Outcome>,
    ) -> std::result::Result<(), Nothing> {
        match (came_to, &ran.told.rate_limited) {
            (Some(Outcome::Work), limit) => {
                if limit.is_none() {
                    self.crew().went_well(&member.name);
                }
                Ok(())
            }
            (_, Some(limit)) => {
                self.slow_down(&member.name, limit);
                Err(Nothing::limited(limit))
            }
            (Some(Outcome::Nothing(why)), None) => Err(Nothing::Failed(why)),
            // What is half done or does not fit is not lost: whoever can go on with it gets it again.
            (Some(Outcome::Unfit(why)), None) if member.agent.resume && ran.how == How::Exited(0) => {
                Err(Nothing::Returned(why))
            }
            (Some(Outcome::Unfit(why)), None) => Err(Nothing::Failed(why)),
            (None, None) => Err(Nothing::Stopped),
        }
    }

    /// Ends an attempt that worked outside of its worktree.
    pub(super) fn refuse_outside(&self, ran: &Ran) -> std::result::Result<(), Nothing> {
        match &ran.outside {
            Some(reason) => Err(Nothing::Blocked(reason.clone())),
            None => Ok(()),
        }
    }

    /// Whether the run ended because somebody wanted it to.
    pub(super) fn refuse_stopped(&self, ran: &Ran) -> std::result::Result<(), Nothing> {
        match ran.how {
            How::Stopped(StopReason::Fenced) => Err(Nothing::Fenced),
            How::Exited(0) | How::Stopped(StopReason::Finished) => Ok(()),
            // A ^C may reach an agent that has only just been started; that it ended is not its failure.
            _ if self.is_stopping() => Err(Nothing::Stopped),
            How::Stopped(_) => Err(Nothing::Stopped),
            _ => Ok(()),
        }
    }

    /// Has no more of an agent started until its provider has had its rest.
    pub(super) fn slow_down(&self, name: &AgentName, limit: &RateLimit) {
        let asked = limit.retry_after_s.map(Duration::from_secs);
        let rest = self.crew().slow_down(name, asked, std::time::Instant::now());
        self.service.say(format!("`{name}` is asked to slow down; none is started for {} s", rest.as_secs()));
        let noted = self.service.change(|_, now| {
            let event = NewEvent::new(EventKind::AgentLimited).error(&limit.text);
            let event = event.with("agent", name.as_str());
            let event = event.with("until", now.plus_seconds(rest.as_secs()).as_seconds_f64());
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        });
        if let Err(error) = noted {
            self.service.say(error.to_string());
        }
    }

    /// Commits what the agent left uncommitted, if the settings want that and there is anything.
    fn commit_leftovers(&self, task: &Task, member: &Member, worktree: &Worktree) -> Result<()> {
        if !self.service.settings().commit_leftovers {
            return Ok(());
        }
        let place = worktrees::prove(&self.service.place(worktree)?)?.place;
        // A commit goes to whatever the agent has checked out, which may be the target itself.
        refuse_other_branch(worktree, &place.git().state(WithIgnored::No)?)?;
        let message =
            format!("{}\n\nTask: {}\nLeft uncommitted by: {}\n", task.subject, task.id, member.name);
        // The worktree may be another run's by now.
        self.service.refuse_fenced(task)?;
        let Some(commit) = place.git().commit_all(&message)? else { return Ok(()) };
        self.service.change(|_, _| {
            let event = NewEvent::new(EventKind::WorktreeCommit).worktree(worktree).task(task);
            let event =
                event.with("commit", commit.as_str()).with("leftovers", true).with("epoch", task.epoch);
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })
    }

    pub(super) fn phase(&self, task: &TaskId, worktree: Option<&WorktreeName>, phase: Phase) {
        self.tell(&Progress::Phase { task: task.clone(), worktree: worktree.cloned(), phase });
    }
}
