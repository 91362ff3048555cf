//! Landing: candidate, gate, compare-and-swap. One at a time.
//!
//! The target moves only to a commit whose exact tree passed the gate, and never under a dirty checkout: a clean one is
//! brought along, and one with uncommitted work is taken off the branch first (its head detached where it is), so that its
//! next commit can't undo what has landed. Its files and index are not touched.

use biplane_control::{BoardError, Changes, View, board};
use biplane_execution::{
    git::{Candidate, Git, GitError, MergeOutcome, RefUpdate},
    supervise::{How, RunObserver},
    worktrees::{self, AddSpec, Place},
};
use biplane_model::{
    CommitId, EventKind, NewEvent, RunId, RunKind, Submission, SubmissionId, SubmissionStatus, TaskId,
    TaskStatus, Worktree, WorktreeStatus, sanitize, sanitize_line, view::SubmissionView,
};
use camino::Utf8PathBuf;

use super::{
    Happened, Service,
    along::{bring_along, stays_behind},
    place::record,
    reasons::gate_reason,
    run::Job,
    submit::{guard_of, submission},
};
use crate::{
    bounds,
    error::{Error, Result},
    locks,
};

/// Why a submission bounced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceKind {
    /// The two sides contradict each other.
    Conflict,
    /// The gate failed on the merged result.
    Gate,
    /// It has something in it that must not land.
    Forbidden,
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub struct Landing {
    /// The submission.
    pub submission: SubmissionView,
    /// Why it bounced, when it did.
    pub bounced: Option<BounceKind>,
    /// The gate's run, when there was one.
    pub gate: Option<GateReport>,
    /// What became of the checkouts of the target, in sentences.
    pub checkouts: Vec<String>,
    /// The tasks that became ready.
    pub unblocked: Vec<TaskId>,
}

/// A run of the gate.
#[derive(Debug, Clone)]
pub struct GateReport {
    /// The command.
    pub command: String,
    /// Whether it passed.
    pub passed: bool,
    /// Its run, which has the log.
    pub run: RunId,
    /// The last lines of its output, made safe to show.
    pub tail: String,
}

/// Why a submission does not go on.
#[derive(Debug)]
enum Stop {
    /// It goes back.
    Bounce(BounceKind, String),
    /// It goes to a person: its gate did what it must not.
    Block(String),
    /// It waits again: the gate was interrupted.
    Requeue(String),
}

/// What became of the checkouts of a target that moved, and the tasks that became ready.
type Moved = (Vec<String>, Vec<TaskId>);

/// To whom the task of a submission goes that bounces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SentTo {
    /// To an agent again; to a person when that was done often enough.
    Agent,
    /// To a person.
    Person,
}

/// A checkout of the target and what it does when the target moves.
enum Checkout {
    Follows(Git),
    StaysBehind(Git),
}

impl Service {
    /// Makes the candidate of a submission, gates it, and lands or bounces it. Waits for others that are at it.
    ///
    /// # Errors
    /// When it is over already, or git or the ledger fails. A conflict and a red gate are no errors: the landing says
    /// `bounced` and why.
    pub fn land(&self, id: SubmissionId, observer: &mut dyn RunObserver) -> Result<Landing> {
        if let Some(there) = self.elsewhere(&self.submission(id)?.repo)? {
            return there.land(id, observer);
        }
        let _held = locks::merge(self.home(), &format!("landing {id}"), self.wait_notice("landing"))?;
        self.recover_landings()?;
        let mut gate = None;
        for _ in 0..bounds::LAND_TRIES {
            let Some(current) = self.begin_testing(id)? else {
                self.unpin_over(self.submission(id)?.worktree_id)?;
                return self.landing(id, None, Vec::new(), Vec::new());
            };
            match self.try_land(&current, &mut gate, observer) {
                Ok(Some((checkouts, unblocked))) => {
                    self.tend_later(Happened::Target);
                    return self.landing(id, gate, checkouts, unblocked);
                }
                Ok(None) => {
                    self.say(format!("`{}` moved meanwhile; {id} is made and tested anew", current.target));
                }
                Err(Refusal::Stop(Stop::Block(reason))) => {
                    self.bounce(id, &reason, SentTo::Person)?;
                    let landing = self.landing(id, gate, Vec::new(), Vec::new())?;
                    return Ok(Landing { bounced: Some(BounceKind::Forbidden), ..landing });
                }
                Err(Refusal::Stop(Stop::Bounce(kind, reason))) => {
                    self.bounce(id, &reason, SentTo::Agent)?;
                    let landing = self.landing(id, gate, Vec::new(), Vec::new())?;
                    return Ok(Landing { bounced: Some(kind), ..landing });
                }
                Err(Refusal::Stop(Stop::Requeue(reason))) => {
                    self.requeue(id, &reason)?;
                    return self.landing(id, gate, Vec::new(), Vec::new());
                }
                Err(Refusal::Error(error)) => {
                    self.requeue(id, &error.to_string())?;
                    return Err(error);
                }
            }
        }
        let reason = format!("the target moved {} times while the candidate was tested", bounds::LAND_TRIES);
        self.requeue(id, &reason)?;
        Err(Error::new(crate::ErrorKind::Busy, reason).hint("try again when it is quieter"))
    }

    fn landing(
        &self,
        id: SubmissionId,
        gate: Option<GateReport>,
        checkouts: Vec<String>,
        unblocked: Vec<TaskId>,
    ) -> Result<Landing> {
        Ok(Landing { submission: (&self.submission(id)?).into(), bounced: None, gate, checkouts, unblocked })
    }

    /// Marks the submission as being worked on by us. `None` when it is over, or was overtaken by a newer claim.
    fn begin_testing(&self, id: SubmissionId) -> Result<Option<Submission>> {
        let git = self.home().git()?;
        let target = self.submission(id)?.target;
        let tip = git.branch_tip(&target)?.ok_or_else(|| {
            Error::not_found(format!("there is no branch `{}` to land on", sanitize_line(&target)))
        })?;
        self.change(|view, now| {
            let mut current = submission(view, id)?;
            if !current.status.is_open() {
                return Ok((Changes::default(), None));
            }
            if let Some(stale) = superseded(view, &current)? {
                return Ok((withdraw(current, &stale, now)?, None));
            }
            if current.status == SubmissionStatus::Queued {
                current.status = current.status.to(SubmissionStatus::Testing, id)?;
            }
            current.worker = Some(self.me());
            current.onto = Some(tip.clone());
            current.candidate = None;
            current.updated_at = now;
            let event =
                NewEvent::new(EventKind::SubmissionTesting).submission(&current).with("onto", tip.as_str());
            let changes =
                Changes { submissions: vec![current.clone()], events: vec![event], ..Changes::default() };
            current.rev += 1;
            Ok((changes, Some(current)))
        })
    }

    /// One try. `None` when the target moved meanwhile.
    fn try_land(
        &self,
        current: &Submission,
        gate: &mut Option<GateReport>,
        observer: &mut dyn RunObserver,
    ) -> std::result::Result<Option<Moved>, Refusal> {
        let git = self.home().git()?;
        let onto = current.onto.as_ref().ok_or_else(|| Error::failed("the submission has no target tip"))?;
        let message = self.merge_message(current)?;
        let wish = Candidate { onto, head: &current.head, strategy: current.strategy, message: &message };
        let candidate = match git.make_candidate(&wish)? {
            MergeOutcome::Nothing => return Ok(Some((Vec::new(), self.landed(current, onto, &[])?))),
            MergeOutcome::Conflict(files) => {
                let reason = self.conflict_reason(&git, current, onto, &files)?;
                return Err(Stop::Bounce(BounceKind::Conflict, reason).into());
            }
            MergeOutcome::Clean(candidate) => candidate,
        };
        let faults = git.landing_faults(onto, &candidate)?;
        if !faults.is_empty() {
            let named = faults.into_iter().take(10).collect::<Vec<_>>().join("; ");
            return Err(Stop::Bounce(BounceKind::Forbidden, named).into());
        }
        if let Some(command) = &current.gate {
            let ran = self.gate(&git, current, &candidate, command, observer);
            // Whatever the gate says: what it ran is the agent's.
            if let Some(reason) = self.take_back(&git, current) {
                *gate = ran.ok();
                return Err(Stop::Block(reason).into());
            }
            let report = ran?;
            let failed = (!report.passed).then(|| gate_reason(&report));
            *gate = Some(report);
            if let Some(reason) = failed {
                return Err(Stop::Bounce(BounceKind::Gate, reason).into());
            }
        }
        self.passed(current, &candidate)?;
        let checkouts = match self.move_target(&git, current, onto, &candidate) {
            Ok(checkouts) => checkouts,
            Err(error) if error.kind == crate::ErrorKind::Conflict => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let unblocked = self.landed(current, &candidate, &checkouts)?;
        Ok(Some((checkouts, unblocked)))
    }

    fn merge_message(&self, current: &Submission) -> Result<String> {
        let task = match &current.task {
            Some(id) => self.look(|view| Ok(view.task(id)?))?,
            None => None,
        };
        let git = self.home().git()?;
        let subject = match &task {
            Some(task) => task.subject.clone(),
            None => git.subject_of(&current.head)?,
        };
        let id = task.as_ref().map(|t| format!("Task: {}\n", t.id)).unwrap_or_default();
        Ok(format!("{subject}\n\n{id}Worktree: {}\nSubmission: {}\n", current.worktree, current.id))
    }

    /// Runs the gate on the candidate in a scratch worktree, which is gone afterwards.
    fn gate(
        &self,
        git: &Git,
        current: &Submission,
        candidate: &CommitId,
        command: &str,
        observer: &mut dyn RunObserver,
    ) -> std::result::Result<GateReport, Refusal> {
        let place = self.scratch(git, current.id, candidate)?;
        let mut worktree = self.look(|view| record(view, current.worktree_id))?;
        // The ports of the worktree itself may be in use by what its agent tries out.
        worktree.ports = self.lease_for_gate(&place.path)?;
        let ports = worktree.ports.clone();
        let command_line = vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()];
        let ran = self.execute(Job {
            kind: RunKind::Gate,
            task: current.task.clone(),
            epoch: current.epoch,
            timeout: Some(self.settings().gate_timeout),
            base: Some(candidate.clone()),
            ..Job::new(command_line, worktree, place.path.clone(), observer)
        });
        self.return_ports(&ports, None);
        self.drop_scratch(git, &place)?;
        let ran = ran?;
        let passed = ran.how == How::Exited(0);
        let tail = super::tail::tail(&ran.log, bounds::REASON_TAIL);
        let said = match ran.how {
            How::Exited(code) => format!("exit code {code}"),
            How::Signalled(signal) => format!("signal {signal}"),
            How::TimedOut => format!("not done after {} s", self.settings().gate_timeout.as_secs()),
            How::Stopped(_) => return Err(Stop::Requeue("the gate was stopped".to_owned()).into()),
        };
        let tail = if passed { tail } else { format!("{said}\n{tail}") };
        Ok(GateReport { command: command.to_owned(), passed, run: ran.run.id, tail })
    }

    fn scratch(&self, git: &Git, id: SubmissionId, candidate: &CommitId) -> Result<Place> {
        self.ready_worktrees_dir()?;
        let path = self.scratch_path(id);
        let place = {
            let _held =
                locks::git(self.home(), "adding a scratch worktree", self.wait_notice("git's worktrees"))?;
            if worktrees::is_registered(git.common_dir(), &path) {
                // What an earlier try of ours could not delete or fill.
                worktrees::remove_scratch(git, &worktrees::place_at(git.common_dir(), &path))?;
            }
            worktrees::add(git, &AddSpec { path: &path, branch: None, base: candidate })?.place
        };
        place.git().fill().map_err(super::base::unfilled)?;
        Ok(place)
    }

    /// Where the gate of submission `id` runs. No worktree's name starts with a dot.
    pub(crate) fn scratch_path(&self, id: SubmissionId) -> Utf8PathBuf {
        self.home().worktrees_dir().join(format!(".gate-{id}"))
    }

    pub(crate) fn drop_scratch(&self, git: &Git, place: &Place) -> Result<()> {
        let _held = locks::git(self.home(), "removing a scratch worktree", None)?;
        Ok(worktrees::remove_scratch(git, place)?)
    }

    /// Writes down which commit the target is about to move to. From here on a crash is rolled forward if it moved.
    fn passed(&self, current: &Submission, candidate: &CommitId) -> Result<()> {
        self.change(|view, now| {
            let mut current = submission(view, current.id)?;
            if let Some(stale) = superseded(view, &current)? {
                return Err(Error::new(crate::ErrorKind::Conflict, stale));
            }
            if current.status != SubmissionStatus::Testing {
                return Err(Error::new(
                    crate::ErrorKind::Conflict,
                    format!("{} is {}", current.id, current.status),
                ));
            }
            current.candidate = Some(candidate.clone());
            current.updated_at = now;
            let event = NewEvent::new(EventKind::SubmissionPassed).submission(&current);
            let event = event.with("gate", current.gate.clone());
            Ok((Changes { submissions: vec![current], events: vec![event], ..Changes::default() }, ()))
        })
    }

    /// Moves the target from `onto` to `candidate`, and its clean checkouts with it.
    fn move_target(
        &self,
        git: &Git,
        current: &Submission,
        onto: &CommitId,
        candidate: &CommitId,
    ) -> Result<Vec<String>> {
        let checkouts = self.checkouts_of(git, &current.target, onto, candidate)?;
        let name = format!("refs/heads/{}", current.target);
        let mut said = Vec::new();
        for checkout in &checkouts {
            if let Checkout::StaysBehind(checkout) = checkout {
                // Off the branch, where it is: the files and the index stay, and `git status` shows what it showed.
                let why = "biplane: left behind with uncommitted work";
                checkout.update_ref(&RefUpdate { name: "HEAD", old: Some(onto), new: Some(onto), why })?;
                said.push(stays_behind(checkout, &current.target));
            }
        }
        let why = format!("biplane: land {} ({})", current.worktree, current.id);
        let update = RefUpdate { name: &name, old: Some(onto), new: Some(candidate), why: &why };
        if let Err(error) = git.update_ref(&update) {
            for checkout in &checkouts {
                if let Checkout::StaysBehind(checkout) = checkout {
                    checkout.attach(&name)?;
                }
            }
            return Err(error.into());
        }
        let mut followed = false;
        for checkout in checkouts {
            let Checkout::Follows(checkout) = checkout else { continue };
            match bring_along(&checkout, &current.target, onto, candidate)? {
                Some(why) => said.push(why),
                None => followed = true,
            }
        }
        let submodules = if followed { git.moved_submodules(onto, candidate)? } else { Vec::new() };
        if let Some(first) = submodules.first() {
            let first = sanitize_line(first);
            self.say(format!(
                "the submodule `{first}` was moved; `git submodule update --init` brings its files along"
            ));
        }
        for line in &said {
            self.say(line.clone());
        }
        Ok(said)
    }

    /// The checkouts that are on the target.
    fn checkouts_of(&self, git: &Git, target: &str, old: &CommitId, new: &CommitId) -> Result<Vec<Checkout>> {
        let mut list = Vec::new();
        for listed in git.worktrees()?.iter().filter(|w| w.branch.as_deref() == Some(target) && !w.bare) {
            let Some(checkout) = self.checkout_at(&listed.path)? else { continue };
            let follows = checkout.can_follow(old, new)?;
            list.push(if follows { Checkout::Follows(checkout) } else { Checkout::StaysBehind(checkout) });
        }
        Ok(list)
    }

    /// Git on the checkout at `path`: the main one, or a linked one by git's entry for it.
    pub(crate) fn checkout_at(&self, path: &camino::Utf8Path) -> Result<Option<Git>> {
        let repository = self.home().repository()?;
        // Of a git directory that lies elsewhere, as a submodule's does, git lists the directory and not the checkout.
        if (path == repository.root || path == repository.common_dir) && repository.has_checkout {
            return Ok(repository.main_checkout());
        }
        Ok(worktrees::linked_checkout(&repository.common_dir, path))
    }

    /// The result: the submission has landed, its worktree is merged, its task completed.
    /// `checkouts` says what became of those of the target that could not follow.
    pub(crate) fn landed(
        &self,
        current: &Submission,
        candidate: &CommitId,
        checkouts: &[String],
    ) -> Result<Vec<TaskId>> {
        let unblocked = self.change(|view, now| {
            let mut current = submission(view, current.id)?;
            let mut changes = Changes::default();
            current.status = current.status.to(SubmissionStatus::Landed, current.id)?;
            current.candidate = Some(candidate.clone());
            current.worker = None;
            current.updated_at = now;
            let mut worktree = record(view, current.worktree_id)?;
            if matches!(worktree.status, WorktreeStatus::Active | WorktreeStatus::Kept) {
                worktree.status = worktree
                    .status
                    .to(WorktreeStatus::Merged, format_args!("worktree `{}`", worktree.name))?;
                worktree.updated_at = now;
            }
            let event = NewEvent::new(EventKind::SubmissionLanded).submission(&current).worktree(&worktree);
            let event =
                if checkouts.is_empty() { event } else { event.with("checkouts", checkouts.to_vec()) };
            let (event, unblocked) = complete_landed(view, &current, &worktree, event, &mut changes, now)?;
            // The landing comes before what follows from it.
            changes.events.insert(0, event);
            changes.submissions.push(current);
            changes.worktrees.push(worktree);
            Ok((changes, unblocked))
        })?;
        self.unpin(current)?;
        Ok(unblocked)
    }

    /// Sends a submission's task back with the reason.
    pub(crate) fn bounce(&self, id: SubmissionId, reason: &str, to: SentTo) -> Result<()> {
        let over = self.change(|view, now| {
            let mut current = submission(view, id)?;
            let mut changes = Changes::default();
            current.status = current.status.to(SubmissionStatus::Bounced, id)?;
            current.reason = biplane_model::clip(&sanitize(reason), NewEvent::MAX_ERROR);
            current.worker = None;
            current.updated_at = now;
            let worktree = record(view, current.worktree_id)?;
            let event = NewEvent::new(EventKind::SubmissionBounced).submission(&current).worktree(&worktree);
            changes.events.push(event.error(&current.reason));
            if let Some(task) = &current.task {
                let again = to == SentTo::Agent
                    && view.task(task)?.is_some_and(|t| t.attempts < self.settings().revisions);
                let send = if again { board::give_back } else { board::block };
                match send(view, task, &current.reason, guard_of(&current), now) {
                    Ok((back, _)) => {
                        changes.tasks.extend(back.tasks);
                        changes.events.extend(back.events);
                    }
                    // Somebody has moved the task on meanwhile; the bounce stands all the same.
                    Err(BoardError::StaleEpoch { .. } | BoardError::Illegal(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            changes.submissions.push(current.clone());
            Ok((changes, current))
        })?;
        self.unpin(&over)
    }

    /// Puts a submission back in the queue.
    fn requeue(&self, id: SubmissionId, reason: &str) -> Result<()> {
        self.requeue_if(id, reason, |_| true).map(|_| ())
    }

    /// Puts a submission back in the queue if it is being tested and `wanted`, as it is at that moment. Whether it was.
    pub(crate) fn requeue_if(
        &self,
        id: SubmissionId,
        reason: &str,
        wanted: impl Fn(&Submission) -> bool,
    ) -> Result<bool> {
        self.change(|view, now| {
            let mut current = submission(view, id)?;
            if current.status != SubmissionStatus::Testing || !wanted(&current) {
                return Ok((Changes::default(), false));
            }
            current.status = current.status.to(SubmissionStatus::Queued, id)?;
            current.worker = None;
            current.candidate = None;
            current.onto = None;
            current.updated_at = now;
            let event = NewEvent::new(EventKind::SubmissionRequeued).submission(&current).error(reason);
            Ok((Changes { submissions: vec![current], events: vec![event], ..Changes::default() }, true))
        })
    }
}

/// Why a submission stops: by its own fault, or because something failed.
enum Refusal {
    Stop(Stop),
    Error(Error),
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Self {
        Self::Error(error.into())
    }
}

/// Why the submission's claim no longer counts, when it doesn't.
fn superseded(view: &dyn View, current: &Submission) -> Result<Option<String>> {
    let Some(task) = current.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() else {
        return Ok(None);
    };
    if task.epoch != current.epoch {
        return Ok(Some(format!("task {} was claimed anew since {} was submitted", task.id, current.id)));
    }
    let closed = matches!(task.status, TaskStatus::Cancelled | TaskStatus::Failed);
    Ok(closed.then(|| format!("task {} is {}", task.id, task.status)))
}

fn withdraw(mut current: Submission, why: &str, now: biplane_model::Timestamp) -> Result<Changes> {
    current.status = current.status.to(SubmissionStatus::Withdrawn, current.id)?;
    current.reason = why.to_owned();
    current.worker = None;
    current.updated_at = now;
    let event = NewEvent::new(EventKind::SubmissionWithdrawn).submission(&current).error(why);
    Ok(Changes { submissions: vec![current], events: vec![event], ..Changes::default() })
}

/// Completes the task of a landed submission, if that is still its to do.
fn complete_landed(
    view: &dyn View,
    current: &Submission,
    worktree: &Worktree,
    event: NewEvent,
    changes: &mut Changes,
    now: biplane_model::Timestamp,
) -> Result<(NewEvent, Vec<TaskId>)> {
    let Some(id) = &current.task else { return Ok((event, Vec::new())) };
    // The landing is told of the task as it was: its completion is the next event.
    let event = view.task(id)?.map_or(event.clone(), |task| event.task(&task));
    match board::complete(view, id, guard_of(current), now) {
        Ok((completed, mut task, unblocked)) => {
            board::mark_worktree(&mut task, worktree, now);
            changes.events.extend(completed.events);
            changes.tasks.push(task);
            Ok((event, unblocked))
        }
        Err(BoardError::StaleEpoch { .. } | BoardError::Illegal(_)) => Ok((event, Vec::new())),
        Err(error) => Err(error.into()),
    }
}
