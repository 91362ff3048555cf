//! Submitting a worktree's branch: the head that is to land is frozen.

use std::time::Duration;

use biplane_control::{Changes, RunFilter, SubmissionFilter, View, board, board::Guard};
use biplane_execution::git::{CheckoutState, RefUpdate, WithIgnored};
use biplane_model::{
    CommitId, EventKind, NewEvent, Role, RunKind, Strategy, Submission, SubmissionId, SubmissionStatus,
    Worktree, WorktreeId, WorktreeName, view::SubmissionView,
};

use super::{Service, along::switch_to, place::record};
use crate::{
    error::{Error, ErrorKind, Result},
    settings, variables,
};

/// Where the refs are that hold submitted heads: `<this><id>`.
pub(crate) const PINS: &str = "refs/biplane/submissions/";

/// How a worktree is to be submitted and landed; what is absent comes from the task, then from the settings.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// The worktree.
    pub name: WorktreeName,
    /// The gate; `Some(None)` lands untested.
    pub gate: Option<Option<String>>,
    /// How the branch is brought onto the target.
    pub strategy: Option<Strategy>,
    /// How long the gate may take.
    pub gate_timeout: Option<Duration>,
    /// Whether the roles of the task's profile must have approved of it.
    pub examined: Examined,
}

/// Whether those that the task's profile has look at the work must have approved of exactly the commit that is submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examined {
    /// They must.
    Required,
    /// A person does without.
    NotAsked,
}

impl MergeRequest {
    /// As the task and the settings say.
    pub fn new(name: WorktreeName) -> Self {
        Self { name, gate: None, strategy: None, gate_timeout: None, examined: Examined::Required }
    }
}

/// A submission that was made, or that was there already with the same head.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The submission.
    pub submission: SubmissionView,
    /// Where the gate comes from, in words.
    pub gate_from: &'static str,
}

impl Service {
    /// Submits a worktree's branch as it is now. Its task is in review from then on.
    ///
    /// # Errors
    /// When there is uncommitted work, nothing to submit, another branch checked out, or the caller's claim was replaced.
    pub fn submit(&self, request: &MergeRequest) -> Result<Submitted> {
        if let Some(there) = self.elsewhere_with(&request.name)? {
            return there.submit(request);
        }
        let worktree = self.need(&request.name)?;
        let guard =
            worktree.task.as_ref().map(|id| self.guard_for(id, None)).transpose()?.unwrap_or_default();
        self.refuse_under_agent(&worktree)?;
        self.submit_as(request, &worktree, guard)
    }

    /// Refuses to freeze a branch on which an agent is at work: what it commits next would be left out. The agent itself
    /// may submit.
    fn refuse_under_agent(&self, worktree: &Worktree) -> Result<()> {
        let filter = RunFilter { open: true, worktree: Some(worktree.id), ..RunFilter::default() };
        let open = self.look(|view| Ok(view.runs(&filter)?))?;
        let own = self.variable(variables::RUN_ID).and_then(|run| run.parse().ok());
        match open.iter().find(|run| run.kind == RunKind::Agent && Some(run.id) != own) {
            None => Ok(()),
            Some(run) => Err(Error::new(
                ErrorKind::Busy,
                format!("an agent is at work in worktree `{}` ({})", worktree.name, run.id),
            )
            .hint("wait for it: its work is submitted when it ends")),
        }
    }

    /// As [`Service::submit`], for whoever holds the claim that `guard` names.
    pub(crate) fn submit_as(
        &self,
        request: &MergeRequest,
        worktree: &Worktree,
        guard: Guard,
    ) -> Result<Submitted> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.submit_as(request, worktree, guard);
        }
        self.require_git()?;
        let target = self.target()?;
        let head = self.submittable(worktree, &target)?;
        let (gate, gate_from) = self.gate_of(request, worktree)?;
        if gate.as_ref().is_some_and(|gate| gate.trim().is_empty()) {
            return Err(Error::usage("the gate is empty, and would pass whatever it is given")
                .hint("give a command, or `--no-gate` to land untested"));
        }
        let strategy = request.strategy.unwrap_or(self.settings().strategy);
        let missing = self.unapproved_by(request, worktree, &head)?;
        let id = self.change(|view, now| {
            let worktree = record(view, worktree.id)?;
            let mut changes = Changes::default();
            if let Some(id) = &worktree.task {
                board::check(view, id, guard)?;
            }
            if let Some(same) = replace_open(view, &worktree, &head, &gate, strategy, &mut changes, now)? {
                return Ok((Changes::default(), same));
            }
            let number = view.counter("submission")? + 1;
            let mut submission = Submission {
                id: SubmissionId(number),
                repo: worktree.repo.clone(),
                worktree: worktree.name.clone(),
                worktree_id: worktree.id,
                task: worktree.task.clone(),
                epoch: 0,
                branch: worktree.branch.clone(),
                head: head.clone(),
                target: target.clone(),
                strategy,
                gate: gate.clone(),
                status: SubmissionStatus::Queued,
                onto: None,
                candidate: None,
                worker: None,
                reason: String::new(),
                created_at: now,
                updated_at: now,
                rev: 0,
            };
            let mut reviewed = None;
            if let Some(id) = &worktree.task {
                let (review, task) = board::review(view, id, guard, now)?;
                submission.epoch = task.epoch;
                reviewed = Some(task);
                changes.tasks.extend(review.tasks);
                changes.events.extend(review.events);
            }
            let mut event =
                NewEvent::new(EventKind::SubmissionQueued).submission(&submission).worktree(&worktree);
            event = event.with_all(missing.map(|role| ("unexamined".to_owned(), role.as_str().into())));
            if let Some(task) = &reviewed {
                event = event.task(task);
            }
            if let Some(epoch) = guard.epoch {
                event = event.with("epoch", epoch);
            }
            changes.events.push(event);
            changes.counters.push(("submission".to_owned(), number));
            changes.submissions.push(submission);
            Ok((changes, SubmissionId(number)))
        })?;
        self.pin(id, &head)?;
        self.unpin_over(worktree.id)?;
        Ok(Submitted { submission: (&self.submission(id)?).into(), gate_from })
    }

    /// The head to submit: clean, on its branch, with something in it, and on the disk.
    fn submittable(&self, worktree: &Worktree, target: &str) -> Result<CommitId> {
        let name = &worktree.name;
        let standing = self.standing(worktree, WithIgnored::No)?;
        refuse_other_branch(worktree, &standing.state)?;
        let dirty = standing.state.dirty_files();
        if dirty > 0 {
            let files = if dirty == 1 { "1 file".to_owned() } else { format!("{dirty} files") };
            return Err(Error::refused(format!("worktree `{name}` has uncommitted work in {files}"))
                .hint("commit it or throw it away first: what is submitted is the branch"));
        }
        let head = standing.state.head.filter(|head| *head != worktree.base).ok_or_else(|| {
            Error::refused(format!(
                "worktree `{name}` has no commits since its base, so there is nothing to submit"
            ))
        })?;
        let git = self.home().git()?;
        git.make_durable(&worktree.base, &head, crate::files::time_of(worktree.created_at.0))?;
        if git.branch_tip(target)?.is_none() {
            return Err(Error::not_found(format!(
                "there is no branch `{}` to land on",
                biplane_model::sanitize_line(target)
            )));
        }
        Ok(head)
    }

    /// The gate, and where it comes from: the request, the task, the settings, or a guess.
    pub(crate) fn gate_of(
        &self,
        request: &MergeRequest,
        worktree: &Worktree,
    ) -> Result<(Option<String>, &'static str)> {
        if let Some(gate) = &request.gate {
            board::checked_gate(gate.as_deref())?;
            return Ok((gate.clone(), "as asked"));
        }
        let task = match &worktree.task {
            Some(id) => self.look(|view| Ok(view.task(id)?))?,
            None => None,
        };
        if let Some(gate) = task.and_then(|t| t.gate) {
            return Ok((Some(gate), "the task's"));
        }
        Ok(self.default_gate())
    }

    /// The gate of tasks that have none of their own: the settings' one, or a guess.
    pub(crate) fn default_gate(&self) -> (Option<String>, &'static str) {
        if let Some(gate) = &self.settings().gate {
            return (Some(gate.clone()), "from biplane.toml");
        }
        match settings::guess_gate(&self.home().root) {
            Some(gate) if !self.settings().from_file => {
                (Some(gate.to_owned()), "guessed; `biplane init` writes it down")
            }
            _ => (None, "none is set"),
        }
    }

    /// A ref that holds the submitted head, so that nothing the agent does to its branch can lose it.
    fn pin(&self, id: SubmissionId, head: &CommitId) -> Result<()> {
        let git = self.home().git()?;
        let name = pin_name(id);
        if git.find_commit(&name)?.is_some() {
            return Ok(());
        }
        Ok(git.update_ref(&RefUpdate {
            name: &name,
            old: None,
            new: Some(head),
            why: "biplane: submitted",
        })?)
    }

    /// Deletes the ref of a submission that is over, unless nothing else holds what was submitted.
    pub(crate) fn unpin(&self, submission: &Submission) -> Result<()> {
        if let Some(there) = self.elsewhere(&submission.repo)? {
            return there.unpin(submission);
        }
        let git = self.home().git()?;
        let name = pin_name(submission.id);
        if git.find_commit(&name)?.is_none() {
            return Ok(());
        }
        let head = &submission.head;
        // Whatever became of the branch: what was submitted stays reachable from something.
        if git.refs_containing(head)?.iter().all(|holder| *holder == name) {
            return Ok(());
        }
        let gone = RefUpdate { name: &name, old: Some(head), new: None, why: "biplane: submission over" };
        match git.update_ref(&gone) {
            // Another process has cleared it up at the same moment.
            Err(_) if git.find_commit(&name)?.is_none() => Ok(()),
            deleted => Ok(deleted?),
        }
    }

    /// Deletes the refs of those submissions from a worktree that are over.
    pub(crate) fn unpin_over(&self, worktree: WorktreeId) -> Result<()> {
        let filter = SubmissionFilter { worktree: Some(worktree), ..SubmissionFilter::default() };
        let all = self.look(|view| Ok(view.submissions(&filter)?))?;
        let Some(first) = all.first() else { return Ok(()) };
        if let Some(there) = self.elsewhere(&first.repo)? {
            return there.unpin_over(worktree);
        }
        let git = self.home().git()?;
        for (name, _) in git.refs_below(PINS)? {
            let Some(id) = name.strip_prefix(PINS).and_then(|id| id.parse().ok()) else { continue };
            let found = self.look(|view| Ok(view.submission(id)?))?;
            if let Some(over) = found.filter(|s| s.worktree_id == worktree && !s.status.is_open()) {
                self.unpin(&over)?;
            }
        }
        Ok(())
    }

    /// The first role of the task's profile that has not approved of this commit, where the request does without it.
    fn unapproved_by(
        &self,
        request: &MergeRequest,
        worktree: &Worktree,
        head: &CommitId,
    ) -> Result<Option<Role>> {
        let Some(id) = &worktree.task else { return Ok(None) };
        let Some(task) = self.look(|view| Ok(view.task(id)?))? else { return Ok(None) };
        let profile = self.settings().profile_of(&task)?;
        for role in [Role::Verify, Role::Review] {
            if self.has_approved(id, role, &profile, head)? {
                continue;
            }
            if request.examined == Examined::NotAsked {
                return Ok(Some(role));
            }
            let (name, head) = (&worktree.name, head.short());
            let done = if role == Role::Verify { "verified" } else { "reviewed" };
            return Err(Error::refused(format!(
                "the profile of its task wants the work in worktree `{name}` {done}, and nobody has approved of {head}"
            ))
            .hint("`biplane up` has it looked at; `--unexamined` does without"));
        }
        Ok(None)
    }

    /// Deletes the refs of all submissions that are over: what a command that was killed has left of them.
    pub(crate) fn unpin_all_over(&self) -> Result<()> {
        for there in self.everywhere_with_git() {
            for (name, _) in there.home().git()?.refs_below(PINS)? {
                let Some(id) = name.strip_prefix(PINS).and_then(|id| id.parse().ok()) else { continue };
                let found = self.look(|view| Ok(view.submission(id)?))?;
                if let Some(over) = found.filter(|s| !s.status.is_open() && s.repo == there.repo()) {
                    there.unpin(&over)?;
                }
            }
        }
        Ok(())
    }

    /// The submissions that wait for their turn, oldest first, at most so many.
    pub(crate) fn waiting_submissions(&self, most: usize) -> Result<Vec<Submission>> {
        let filter = SubmissionFilter { open: true, ..SubmissionFilter::default() };
        self.look(|view| Ok(view.submissions(&filter)?.into_iter().take(most).collect()))
    }

    pub(crate) fn submission(&self, id: SubmissionId) -> Result<Submission> {
        self.look(|view| submission(view, id))
    }

    /// The submissions that wait or are being worked on, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn open_submissions(&self) -> Result<Vec<SubmissionView>> {
        let filter = SubmissionFilter { open: true, ..SubmissionFilter::default() };
        self.look(|view| Ok(view.submissions(&filter)?.iter().map(SubmissionView::from).collect()))
    }
}

/// Refuses a worktree whose head is on anything but its own branch.
pub(crate) fn refuse_other_branch(worktree: &Worktree, state: &CheckoutState) -> Result<()> {
    if state.branch.as_deref() == Some(worktree.branch.as_str()) {
        return Ok(());
    }
    let on = state.branch.as_deref().map_or("no branch".to_owned(), biplane_model::sanitize_line);
    let (name, own) = (&worktree.name, &worktree.branch);
    Err(Error::refused(format!("worktree `{name}` is on {on}, not on its branch `{own}`"))
        .hint(format!("in it: `{}`", switch_to(own))))
}

pub(crate) fn pin_name(id: SubmissionId) -> String {
    format!("{PINS}{id}")
}

pub(crate) fn submission(view: &dyn View, id: SubmissionId) -> Result<Submission> {
    view.submission(id)?.ok_or_else(|| Error::not_found(format!("there is no submission {id}")))
}

/// Withdraws what is open from this worktree with another head; gives the open one when it is the same in everything.
fn replace_open(
    view: &dyn View,
    worktree: &Worktree,
    head: &CommitId,
    gate: &Option<String>,
    strategy: Strategy,
    changes: &mut Changes,
    now: biplane_model::Timestamp,
) -> Result<Option<SubmissionId>> {
    let filter = SubmissionFilter { open: true, worktree: Some(worktree.id), ..SubmissionFilter::default() };
    for mut open in view.submissions(&filter)? {
        if open.head == *head && open.gate == *gate && open.strategy == strategy {
            return Ok(Some(open.id));
        }
        open.status = open.status.to(SubmissionStatus::Withdrawn, open.id)?;
        open.updated_at = now;
        open.reason = "a newer head was submitted".to_owned();
        changes
            .events
            .push(NewEvent::new(EventKind::SubmissionWithdrawn).submission(&open).error(&open.reason));
        changes.submissions.push(open);
    }
    Ok(None)
}

/// Only the holder of the submission's epoch may go on with it.
pub(crate) fn guard_of(submission: &Submission) -> Guard {
    Guard::epoch(submission.epoch)
}
