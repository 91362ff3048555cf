//! One attempt at one task: worktree, agent, commit, submission. And one landing.

use biplane_control::{Changes, RunFilter, SubmissionFilter, WorktreeFilter, board, board::Guard};
use biplane_execution::{
    git::WithIgnored,
    supervise::{Echo, How, Input, RunObserver, StopReason, Tick},
    worktrees,
};
use biplane_model::{
    Ended, EventKind, NewEvent, Outcome, Run, RunId, RunKind, RunStatus, SubmissionId, SubmissionStatus,
    Task, TaskId, TaskStatus, Worktree, WorktreeName, WorktreeStatus,
};

use super::{
    Phase, Progress, Shared, StopFlag, Watcher,
    prompt::{in_argument, prompt},
};
use crate::{
    error::{Error, ErrorKind, Result},
    service::{
        Before, Closing, CreateWorktree, Job, MergeRequest, RemoveRequest, Start, ended, refuse_other_branch,
    },
    settings::PromptBy,
    variables,
};

/// How often another name is tried for a task's worktree when the first is taken.
const NAME_TRIES: u32 = 20;

/// Why an attempt came to nothing.
pub(super) enum Nothing {
    /// The agent failed, or had nothing to show: the task failed.
    Failed(String),
    /// It was asked to stop: the task goes back.
    Stopped,
    /// The claim was replaced: the task is somebody else's now.
    Fenced,
    /// Something else went wrong: a person has to look.
    Error(Error),
}

impl From<Error> for Nothing {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Shared<'_> {
    /// Makes one attempt at a task that was just claimed. Gives the submission when there is something to land.
    pub(super) fn attempt(&self, task: Task) -> Option<SubmissionId> {
        let attempt = task.attempts + 1;
        self.tell(&Progress::Began { task: task.id.clone(), subject: task.subject.clone(), attempt });
        let mut run = None;
        match self.try_attempt(&task, &mut run) {
            Ok(submission) => {
                self.phase(&task.id, None, Phase::Queued);
                Some(submission)
            }
            Err(nothing) => {
                // Whatever went wrong: a task that is somebody else's by now is not ours to move.
                let is_fenced = self.service.is_fenced(&task).unwrap_or(false);
                self.give_up(&task, if is_fenced { Nothing::Fenced } else { nothing }, run);
                None
            }
        }
    }

    fn try_attempt(
        &self,
        task: &Task,
        run: &mut Option<RunId>,
    ) -> std::result::Result<SubmissionId, Nothing> {
        if let Some(reason) = self.service.over_limit(task)? {
            return Err(Error::refused(reason).into());
        }
        self.phase(&task.id, None, Phase::Creating);
        self.service.end_superseded(&task.id, task.epoch)?;
        let (worktree, resumed) = self.worktree_for(task)?;
        if self.is_stopping() {
            return Err(Nothing::Stopped);
        }
        if !resumed.is_done {
            self.make_ready(task, &worktree)?;
            self.phase(&task.id, Some(&worktree.name), Phase::Running);
            let outside = self.look_outside(&worktree);
            let (id, how) = self.run_agent(task, &worktree, resumed.has_work)?;
            *run = Some(id);
            let refused = self.refuse_outside(outside.as_ref(), &worktree, id);
            if how == How::Stopped(StopReason::Fenced) {
                return Err(Nothing::Fenced);
            }
            refused?;
            match how {
                // A ^C may reach an agent that has only just been started; that it ended is not its failure.
                _ if how != How::Exited(0) && self.is_stopping() => return Err(Nothing::Stopped),
                How::Stopped(_) => return Err(Nothing::Stopped),
                _ => {}
            }
            if how == How::Exited(0) && self.service.settings().commit_leftovers {
                self.commit_leftovers(task, &worktree)?;
            }
            if let Some(ended) = ended(how, self.agent.timeout) {
                self.judge(id, ended, &worktree)?;
            }
        } else if self.service.settings().commit_leftovers {
            self.commit_leftovers(task, &worktree)?;
        }
        self.phase(&task.id, Some(&worktree.name), Phase::Submitting);
        let request = MergeRequest { gate: self.gate.clone(), ..MergeRequest::new(worktree.name.clone()) };
        let submitted = self.service.submit_as(&request, &worktree, Guard::epoch(task.epoch))?;
        Ok(submitted.submission.id)
    }

    /// What lies outside of the worktree before its agent starts; nothing where that can't be told, which is said.
    fn look_outside(&self, worktree: &Worktree) -> Option<Before> {
        let look = self.service.look_outside(worktree);
        look.inspect_err(|error| {
            let name = &worktree.name;
            self.service.say(format!(
                "whether the agent in `{name}` works outside of its worktree will not be known: {error}"
            ));
        })
        .ok()
    }

    /// Ends an attempt that worked outside of its worktree.
    fn refuse_outside(
        &self,
        before: Option<&Before>,
        worktree: &Worktree,
        run: RunId,
    ) -> std::result::Result<(), Nothing> {
        let Some(before) = before else { return Ok(()) };
        match self.service.changed_outside(before, worktree, run)? {
            Some(reason) => Err(Nothing::Error(Error::refused(reason))),
            None => Ok(()),
        }
    }

    /// Ends an attempt that has nothing to submit, by what git shows.
    fn judge(&self, run: RunId, ended: Ended, worktree: &Worktree) -> std::result::Result<(), Nothing> {
        let told = self.service.told_in(worktree);
        match self.service.outcome_of(run, ended, worktree, &told)? {
            Outcome::Work => Ok(()),
            Outcome::Nothing(why) | Outcome::Unfit(why) => Err(Nothing::Failed(why)),
        }
    }

    /// The worktree to work in: the task's own, or a new one at the target's tip.
    fn worktree_for(&self, task: &Task) -> Result<(Worktree, Resumed)> {
        let filter = WorktreeFilter { live: true, task: Some(task.id.clone()), name: None };
        let bound = self.service.look(|view| Ok(view.worktrees(&filter)?.into_iter().next()))?;
        let Some(worktree) = bound else { return Ok((self.new_worktree(task)?, Resumed::default())) };
        if self.is_done(task, &worktree)? {
            return Ok((worktree, Resumed { has_work: true, is_done: true }));
        }
        let has_work = self.service.has_work(&worktree)?;
        let was_tried = self.was_tried(&worktree)?;
        if !self.agent.resume && was_tried {
            self.service.refuse_fenced(task)?;
            // A program that knows nothing of earlier attempts gets what it knows: a clean start.
            self.service.start_over(&worktree, "a new attempt begins")?;
            return Ok((self.new_worktree(task)?, Resumed::default()));
        }
        Ok((worktree, Resumed { has_work, is_done: false }))
    }

    /// Whether an agent was started in the worktree before.
    fn was_tried(&self, worktree: &Worktree) -> Result<bool> {
        let filter = RunFilter { worktree: Some(worktree.id), ..RunFilter::default() };
        self.service.look(|view| Ok(view.runs(&filter)?.iter().any(|run| run.kind == RunKind::Agent)))
    }

    /// Whether an agent has done the work already, and only submitting it was interrupted.
    fn is_done(&self, task: &Task, worktree: &Worktree) -> Result<bool> {
        self.service.look(|view| {
            let runs = view.runs(&RunFilter { worktree: Some(worktree.id), ..RunFilter::default() })?;
            let is_last = |run: &&Run| run.kind == RunKind::Agent && run.task.as_ref() == Some(&task.id);
            let Some(last) = runs.iter().rev().find(is_last) else { return Ok(false) };
            let filter = SubmissionFilter { worktree: Some(worktree.id), ..SubmissionFilter::default() };
            let submitted = view.submissions(&filter)?.iter().any(|s| s.epoch >= last.epoch);
            Ok(last.status == RunStatus::Succeeded && !submitted)
        })
    }

    fn new_worktree(&self, task: &Task) -> Result<Worktree> {
        let target = self.service.in_repo(&task.repo)?.target()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let wish = CreateWorktree {
                name: name_for(task, tries),
                task: Some(task.id.clone()),
                base: Some(format!("refs/heads/{target}")),
                start: Start::No,
                owner: None,
            };
            match self.service.worktree_create(&wish) {
                Ok(_) => return self.service.need_anywhere(&wish.name),
                Err(error) if error.kind == ErrorKind::Conflict && tries < NAME_TRIES => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn run_agent(&self, task: &Task, worktree: &Worktree, resumed: bool) -> Result<(RunId, How)> {
        let place = worktrees::prove(&self.service.place(worktree)?)?.place;
        let prompt = prompt(task, worktree, resumed);
        let by_argument = self.agent.prompt == PromptBy::Argument;
        let fill = |word: &String| {
            if by_argument { word.replace("{prompt}", in_argument(&prompt)) } else { word.clone() }
        };
        let input = match self.agent.prompt {
            PromptBy::Stdin => Input::Bytes(prompt.clone().into_bytes()),
            PromptBy::Argument | PromptBy::File => Input::Null,
        };
        let mut env = self.agent.env.clone();
        env.insert(variables::ATTEMPT.to_owned(), (task.attempts + 1).to_string());
        let mut observer = AgentWatch { task: &task.id, stop: self.stop, watcher: self.watcher };
        let report = self.service.execute(Job {
            kind: RunKind::Agent,
            worktree: worktree.clone(),
            task: Some(task.id.clone()),
            epoch: task.epoch,
            agent: Some(self.name.clone()),
            command: self.agent.command.iter().map(fill).collect(),
            cwd: place.path,
            env,
            timeout: Some(self.agent.timeout),
            input,
            echo: Echo::default(),
            foreground: false,
            interactive: false,
            renew: true,
            prompt: Some(prompt),
            observer: &mut observer,
        })?;
        Ok((report.run.id, report.how))
    }

    /// Commits what the agent left uncommitted, if there is anything.
    fn commit_leftovers(&self, task: &Task, worktree: &Worktree) -> Result<()> {
        let place = worktrees::prove(&self.service.place(worktree)?)?.place;
        // A commit goes to whatever the agent has checked out, which may be the target itself.
        refuse_other_branch(worktree, &place.git().state(WithIgnored::No)?)?;
        let message = format!("{}\n\nTask: {}\nLeft uncommitted by: {}\n", task.subject, task.id, self.name);
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

    /// Moves the task to where it belongs after an attempt that came to nothing.
    fn give_up(&self, task: &Task, nothing: Nothing, run: Option<RunId>) {
        let guard = Guard::epoch(task.epoch);
        let reason = match &nothing {
            Nothing::Failed(reason) => reason.clone(),
            Nothing::Stopped => "stopped before it was done".to_owned(),
            Nothing::Fenced => self.taken_words(&task.id),
            Nothing::Error(error) => error.to_string(),
        };
        let moved = self.service.change(|view, now| {
            let moved = match &nothing {
                Nothing::Failed(_) => board::fail(view, &task.id, &reason, guard, now),
                Nothing::Stopped => board::give_back(view, &task.id, &reason, guard, now),
                Nothing::Error(_) => board::block(view, &task.id, &reason, guard, now),
                Nothing::Fenced => return Ok((Changes::default(), None)),
            };
            match moved {
                Ok((changes, task)) => Ok((changes, Some(task.status))),
                Err(error) => Err(Error::from(error)),
            }
        });
        let status = match moved {
            Ok(Some(status)) => status,
            // Somebody else has moved it, and has looked after its work.
            Ok(None) => {
                let status = self.service.task_view(&task.id).map_or(task.status, |now| now.status);
                return self.tell(&Progress::Gone { task: task.id.clone(), status, reason, run });
            }
            Err(error) => {
                self.service.say(format!("task {} could not be moved on: {error}", task.id));
                task.status
            }
        };
        match status {
            TaskStatus::Failed => self.clear_failed(task),
            // Its worktree stays for a person, who may not be the only one at it.
            TaskStatus::Blocked => self.service.hold_work_of(&task.id, "its attempt came to nothing"),
            _ => {}
        }
        self.tell(&Progress::Gone { task: task.id.clone(), status, reason, run });
    }

    /// Why a task is somebody else's, as far as it says.
    fn taken_words(&self, id: &TaskId) -> String {
        let reason = self.service.task_view(id).map(|task| task.reason).unwrap_or_default();
        if reason.is_empty() { "its claim was replaced by another".to_owned() } else { reason }
    }

    /// A failed task's worktree goes when there is nothing in it, and is kept for a look otherwise.
    fn clear_failed(&self, task: &Task) {
        let filter = WorktreeFilter { live: true, task: Some(task.id.clone()), name: None };
        let clear = || -> Result<()> {
            let Some(worktree) = self.service.look(|view| Ok(view.worktrees(&filter)?.into_iter().next()))?
            else {
                return Ok(());
            };
            if self.service.has_work(&worktree)? {
                self.service.hold_work_of(&task.id, "its agent failed");
                return self.service.worktree_keep(&worktree.name, "its task failed").map(|_| ());
            }
            self.remove(&worktree.name, "its task failed with nothing to show")
        };
        if let Err(error) = clear() {
            self.service.say(format!("the worktree of task {} stays: {error}", task.id));
        }
    }

    fn remove(&self, name: &WorktreeName, reason: &str) -> Result<()> {
        let request = RemoveRequest {
            name: name.clone(),
            force: false,
            processes: crate::service::Processes::Refuse,
            closing: Closing::LeaveTask,
            reason: reason.to_owned(),
            dry_run: false,
        };
        self.service.worktree_remove(&request).map(|_| ())
    }

    /// Lands one submission, and clears up behind it. `None` when that failed.
    pub(super) fn land(&self, id: SubmissionId) -> Option<SubmissionStatus> {
        let submission = self.service.submission(id).ok()?;
        if self.is_stopping() {
            return Some(submission.status);
        }
        let none: TaskId = TaskId::numbered(0);
        let task = submission.task.as_ref().unwrap_or(&none);
        self.phase(task, Some(&submission.worktree), Phase::Gating);
        let mut observer = AgentWatch { task, stop: self.stop, watcher: self.watcher };
        match self.service.land(id, &mut observer) {
            Ok(landing) => {
                let settled = landing.submission;
                match settled.status {
                    SubmissionStatus::Landed => {
                        let commit =
                            settled.candidate.as_ref().map(|c| c.short().to_owned()).unwrap_or_default();
                        let (task, worktree) = (settled.task_id, settled.worktree.clone());
                        self.tell(&Progress::Landed { task, worktree, commit, unblocked: landing.unblocked });
                        self.clear_landed(&settled.worktree);
                    }
                    SubmissionStatus::Bounced => {
                        let again = self.is_tried_again(settled.task_id.as_ref());
                        let (task, reason) = (settled.task_id, settled.reason);
                        self.tell(&Progress::Bounced { task, submission: id, reason, again });
                    }
                    _ => {}
                }
                Some(settled.status)
            }
            Err(error) => {
                self.service.say(format!("{id} could not be landed: {error}"));
                None
            }
        }
    }

    /// Whether the task went back to an agent, who may be at it already, and not to a person.
    fn is_tried_again(&self, task: Option<&TaskId>) -> bool {
        let status = task.and_then(|id| self.service.task_view(id).ok()).map(|task| task.status);
        status.is_some_and(|status| status != TaskStatus::Blocked && !status.is_closed())
    }

    /// Clears up what an earlier `up` had landed and could not clear up any more.
    pub(super) fn clear_left(&self) -> Result<()> {
        let filter = WorktreeFilter { live: true, ..WorktreeFilter::default() };
        let live = self.service.look(|view| Ok(view.worktrees(&filter)?))?;
        for worktree in live.iter().filter(|w| w.status == WorktreeStatus::Merged) {
            // What a person has worked in and landed is the person's to remove.
            if self.was_tried(worktree)? {
                self.clear_landed(&worktree.name);
            }
        }
        Ok(())
    }

    fn clear_landed(&self, name: &WorktreeName) {
        if !self.service.settings().remove_landed {
            return;
        }
        let is_ours =
            self.service.live(name).ok().flatten().is_some_and(|w| w.status == WorktreeStatus::Merged);
        if is_ours && let Err(error) = self.remove(name, "landed") {
            self.service.say(format!("worktree `{name}` stays although its work has landed: {error}"));
        }
    }

    fn tell(&self, progress: &Progress) {
        self.watcher.progress(progress);
    }

    fn phase(&self, task: &TaskId, worktree: Option<&WorktreeName>, phase: Phase) {
        self.tell(&Progress::Phase { task: task.clone(), worktree: worktree.cloned(), phase });
    }
}

/// What a worktree that was there already holds.
#[derive(Debug, Clone, Copy, Default)]
struct Resumed {
    has_work: bool,
    is_done: bool,
}

/// Passes an agent's lines on, and the wish to stop down.
pub(super) struct AgentWatch<'a> {
    pub(super) task: &'a TaskId,
    pub(super) stop: Option<&'a StopFlag>,
    pub(super) watcher: &'a dyn Watcher,
}

impl RunObserver for AgentWatch<'_> {
    fn tick(&mut self) -> Tick {
        match self.stop.map_or((None, 0), |stop| (stop.requested(), stop.count())) {
            (None, _) => Tick::Continue,
            (Some(_), 0 | 1) => Tick::Stop(StopReason::Cancelled),
            (Some(_), _) => Tick::Kill(StopReason::Cancelled),
        }
    }

    fn line(&mut self, line: &str) {
        self.watcher.progress(&Progress::Line { task: self.task.clone(), line: line.to_owned() });
    }
}

/// A worktree name for a task: its id and its subject's words; with a number when that is taken.
fn name_for(task: &Task, tries: u32) -> WorktreeName {
    let mut slug = String::new();
    for c in task.subject.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let id: String = task.id.as_str().chars().take(24).collect();
    let slug: String = slug.chars().take(32).collect();
    let slug = slug.trim_end_matches('-');
    let mut name = if slug.is_empty() { format!("task-{id}") } else { format!("{id}-{slug}") };
    if tries > 1 {
        name = format!("{name}-{tries}");
    }
    name.parse().unwrap_or_else(|_| format!("task-{id}-{tries}").parse().expect("ids are legal in names"))
}
