//! Stopping one run, or what is at work on one task; and sending work back with comments.
//!
//! **Contract.** The wish is in the ledger first, so that the supervisor knows it for one whatever becomes of the processes;
//! then they are ended, here, by the run's mark. A supervisor that is dead or stopped is not needed for it.

use std::time::Instant;

use biplane_control::{Changes, RunFilter, SubmissionFilter, View, board, board::Guard};
use biplane_execution::supervise::identity::{self, Liveness};
use biplane_model::{
    EventKind, NewEvent, Run, RunId, RunKind, RunStatus, SubmissionStatus, TaskId, TaskStatus, Timestamp,
    WorktreeId, clip, sanitize, sanitize_line,
    view::{RunView, TaskView},
};

use super::{Service, board::task, place::record, run::run_record};
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
};

/// What is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopTarget {
    /// One run, of whatever kind.
    Run(RunId),
    /// What is at work on a task: its agent, its set-up, its gate.
    Task(TaskId),
}

impl std::str::FromStr for StopTarget {
    type Err = String;

    /// `r17` is a run; everything else that can be a task's id is one.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.strip_prefix('r').and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Self::Run(RunId(number))),
            None => text.parse().map(Self::Task).map_err(|e: biplane_model::InvalidId| e.to_string()),
        }
    }
}

/// A wish to stop something.
#[derive(Debug, Clone)]
pub struct StopRequest {
    /// What.
    pub target: StopTarget,
    /// Why; may be empty.
    pub reason: String,
}

/// What was stopped.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The runs, as they are now.
    pub runs: Vec<RunView>,
    /// The task, as it is now.
    pub task: Option<TaskView>,
}

impl Service {
    /// Stops a run, or what is at work on a task; the task is blocked then, so that no `up` takes it again at once. Doing it
    /// again while it ends is harmless.
    ///
    /// # Errors
    /// Not found when nothing of it is at work; failed when a process does not end.
    pub fn stop(&self, request: &StopRequest) -> Result<Stopped> {
        let (runs, task) = self.change(|view, now| {
            let (runs, task) = at_work(view, &request.target)?;
            let mut changes = Changes::default();
            let why = self.stop_words(&request.reason);
            for run in &runs {
                self.ask_to_stop(view, run, &why, &mut changes)?;
            }
            let is_attempt = runs.iter().all(|run| run.kind != RunKind::Command);
            if let Some(id) = task.as_ref().filter(|_| is_attempt) {
                block(view, id, &why, &mut changes, now)?;
            }
            Ok((changes, (runs, task)))
        })?;
        for run in &runs {
            self.see_end(run)?;
        }
        let runs = runs.iter().map(|run| self.look(|view| Ok((&run_record(view, run.id)?).into())));
        Ok(Stopped {
            runs: runs.collect::<Result<_>>()?,
            task: task.map(|id| self.task_view(&id)).transpose()?,
        })
    }

    fn stop_words(&self, reason: &str) -> String {
        let reason = clip(sanitize(reason).trim(), 2000);
        let who = self.actor().as_str();
        if reason.is_empty() { format!("stopped by {who}") } else { format!("stopped by {who}: {reason}") }
    }

    /// Marks a run as to be stopped, unless it is marked already.
    fn ask_to_stop(&self, view: &dyn View, run: &Run, why: &str, changes: &mut Changes) -> Result<()> {
        if run.stop_by.is_some() {
            return Ok(());
        }
        let run = Run { stop_by: Some(self.actor().clone()), ..run.clone() };
        let mut event = NewEvent::new(EventKind::RunStop).run(&run).error(why);
        event = event.worktree(&record(view, run.worktree_id)?);
        if let Some(task) = run.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
            event = event.task(&task);
        }
        changes.events.push(event);
        changes.runs.push(run);
        Ok(())
    }

    /// Ends a run's processes and sees its end noted: by its supervisor, or by us when that does not.
    fn see_end(&self, run: &Run) -> Result<()> {
        self.end_processes(run)?;
        if self.is_over_by(run.id, Instant::now() + bounds::STOP_WAIT)? {
            return Ok(());
        }
        if identity::liveness(&run.supervisor) == Liveness::Unknown {
            self.say(format!("{} is asked to stop; its supervisor can't be seen from here", run.id));
            return Ok(());
        }
        // What it has started since we looked.
        self.end_processes(run)?;
        if run.kind == RunKind::Agent {
            self.save_lost(run)?;
        }
        self.change(|view, now| {
            let mut run = run_record(view, run.id)?;
            if run.status.is_over() {
                return Ok((Changes::default(), ()));
            }
            run.status = run.status.to(RunStatus::Cancelled, format_args!("run {}", run.id))?;
            run.ended_at = Some(now);
            "stopped while its supervisor was not at work".clone_into(&mut run.error);
            let mut event = NewEvent::new(EventKind::WorktreeRunAfter).run(&run).error(&run.error);
            event = event.worktree(&record(view, run.worktree_id)?);
            if let Some(task) = run.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                event = event.task(&task);
            }
            let mut changes = Changes { events: vec![event], ..Changes::default() };
            // Nobody is there any more who could say whether it was read.
            changes.and(board::return_mail(view, run.id, now)?);
            changes.runs.push(run);
            Ok((changes, ()))
        })
    }

    /// Sends the work on a task back with comments, to be worked on again in its worktree: from review, or when it is blocked
    /// or has failed. What was submitted of it is withdrawn. It counts as a revision.
    ///
    /// # Errors
    /// When there is nothing to send back, no comment, or it is being landed at this moment.
    pub fn task_return(&self, id: &TaskId, comments: &str) -> Result<TaskView> {
        let guard = self.guard_for(id, None)?;
        let worktrees = self.change(|view, now| {
            let (back, _) = board::send_back(view, id, comments, guard, now)?;
            let mut changes = Changes::default();
            // The gate's verdict is not wanted any more.
            let open =
                view.runs(&RunFilter { open: true, task: Some(id.clone()), ..RunFilter::default() })?;
            for run in open.iter().filter(|run| run.kind == RunKind::Gate) {
                self.ask_to_stop(view, run, "its submission is withdrawn", &mut changes)?;
            }
            changes.tasks.extend(back.tasks);
            changes.events.extend(back.events);
            let withdrawn = withdraw(view, id, "its task was sent back", &mut changes, now)?;
            Ok((changes, withdrawn))
        })?;
        for worktree in worktrees {
            self.unpin_over(worktree)?;
        }
        self.task_view(id)
    }

    /// Has a blocked, failed or cancelled task tried again; one that is pending is left as it is.
    ///
    /// # Errors
    /// When it is completed, or somebody is at work on it.
    pub fn task_retry(&self, id: &TaskId) -> Result<TaskView> {
        let guard = self.guard_for(id, None)?;
        self.change(|view, now| {
            let known = task(view, id)?;
            let refuse =
                |hint: String| Err(Error::refused(format!("task {id} is {}", known.status)).hint(hint));
            match known.status {
                TaskStatus::Pending => Ok((Changes::default(), ())),
                TaskStatus::InProgress => refuse(format!("`biplane stop {id}` stops the work on it first")),
                TaskStatus::InReview => {
                    refuse(format!("`biplane task return {id} --reason …` sends its work back"))
                }
                _ => Ok((board::reopen(view, id, guard, now)?.0, ())),
            }
        })?;
        self.task_view(id)
    }
}

/// The open runs that are meant, and the task they are for.
fn at_work(view: &dyn View, target: &StopTarget) -> Result<(Vec<Run>, Option<TaskId>)> {
    match target {
        StopTarget::Run(id) => {
            let run = run_record(view, *id)?;
            if run.status.is_over() {
                let message = format!("run {id} is not at work: it is {}", run.status);
                return Err(Error::not_found(message).hint(what_is(view)?));
            }
            let task = run.task.clone();
            Ok((vec![run], task))
        }
        StopTarget::Task(id) => {
            let known = task(view, id)?;
            let mut runs =
                view.runs(&RunFilter { open: true, task: Some(id.clone()), ..RunFilter::default() })?;
            runs.retain(|run| run.kind != RunKind::Command);
            // Between two runs of an attempt there is none.
            let is_held = known.status == TaskStatus::InProgress && known.holder.is_some();
            if runs.is_empty() && !is_held {
                let message = format!("nothing is at work on task {id}, which is {}", known.status);
                return Err(Error::not_found(message).hint(what_is(view)?));
            }
            Ok((runs, Some(id.clone())))
        }
    }
}

/// What is at work, in a sentence.
fn what_is(view: &dyn View) -> Result<String> {
    let open = view.runs(&RunFilter { open: true, ..RunFilter::default() })?;
    let one = |run: &Run| match &run.task {
        Some(task) => format!("{} ({} of task {task})", run.id, run.kind.as_str()),
        None => format!("{} ({} in `{}`)", run.id, run.kind.as_str(), sanitize_line(run.worktree.as_str())),
    };
    let named: Vec<String> = open.iter().take(bounds::RUNS_NAMED).map(one).collect();
    let more = open.len().saturating_sub(named.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    Ok(if named.is_empty() {
        "nothing is at work".to_owned()
    } else {
        format!("at work: {}{more}", named.join(", "))
    })
}

/// Sets the task of what was stopped aside, unless nobody was to work on it anyway.
fn block(view: &dyn View, id: &TaskId, why: &str, changes: &mut Changes, now: Timestamp) -> Result<()> {
    let known = task(view, id)?;
    if known.status.is_closed() || known.status == TaskStatus::Blocked {
        return Ok(());
    }
    let (blocked, _) = board::block(view, id, why, Guard::default(), now)?;
    changes.tasks.extend(blocked.tasks);
    changes.events.extend(blocked.events);
    withdraw(view, id, why, changes, now).map(|_| ())
}

/// Withdraws what is open of a task's submissions. Gives their worktrees.
fn withdraw(
    view: &dyn View,
    id: &TaskId,
    why: &str,
    changes: &mut Changes,
    now: Timestamp,
) -> Result<Vec<WorktreeId>> {
    let filter = SubmissionFilter { open: true, task: Some(id.clone()), ..SubmissionFilter::default() };
    let mut worktrees = Vec::new();
    for mut open in view.submissions(&filter)? {
        if open.candidate.is_some() && open.status == SubmissionStatus::Testing {
            return Err(Error::new(ErrorKind::Busy, format!("{} of task {id} is being landed", open.id))
                .hint("look again in a moment"));
        }
        open.status = open.status.to(SubmissionStatus::Withdrawn, open.id)?;
        open.reason = why.to_owned();
        open.worker = None;
        open.updated_at = now;
        worktrees.push(open.worktree_id);
        changes.events.push(NewEvent::new(EventKind::SubmissionWithdrawn).submission(&open).error(why));
        changes.submissions.push(open);
    }
    Ok(worktrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_or_a_task() {
        assert_eq!("r17".parse(), Ok(StopTarget::Run(RunId(17))));
        assert_eq!("7".parse(), Ok(StopTarget::Task(TaskId::numbered(7))));
        for id in ["auth_001", "run", "r_1", "r1x"] {
            assert_eq!(id.parse(), Ok(StopTarget::Task(id.parse().unwrap())), "{id}");
        }
        assert!("".parse::<StopTarget>().is_err() && "-x".parse::<StopTarget>().is_err());
    }
}
