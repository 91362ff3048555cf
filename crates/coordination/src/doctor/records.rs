//! Whether the ledger's records agree with each other.

use std::collections::{HashMap, HashSet};

use biplane_control::{Changes, SubmissionFilter, TaskFilter, View, WorktreeFilter};
use biplane_model::{
    EventKind, NewEvent, Submission, SubmissionStatus, Task, TaskId, Timestamp, Worktree, WorktreeStatus,
};

use super::{Code, Examination, Finding, binding};
use crate::error::{Error, Result};

/// One moment of the ledger, as far as it is compared.
struct Moment {
    tasks: Vec<Task>,
    live: Vec<Worktree>,
    open: Vec<Submission>,
}

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let moment = examination.service.look(|view| {
        Ok(Moment {
            tasks: view.tasks(&TaskFilter::default())?,
            live: view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?,
            open: view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?,
        })
    })?;
    bindings(examination, &moment);
    dependencies(examination, &moment);
    submissions(examination, &moment);
    Ok(())
}

/// The worktree's record is the fact; the task's side is written from it.
fn bindings(examination: &mut Examination<'_>, moment: &Moment) {
    let ids: HashSet<&TaskId> = moment.tasks.iter().map(|t| &t.id).collect();
    let bound: HashMap<&TaskId, &Worktree> =
        moment.live.iter().filter_map(|w| Some((w.task.as_ref()?, w))).collect();
    for worktree in &moment.live {
        let Some(task) = worktree.task.as_ref().filter(|id| !ids.contains(id)) else { continue };
        let verdict = format!("it is bound to task {task}, which does not exist");
        let finding = Finding::problem(Code::BindingDangling, worktree.name.as_str(), verdict)
            .remedy("`biplane doctor --fix` unbinds it; nothing of its work changes");
        examination.amend(finding, |service| {
            service.change(|view, now| binding::unbind_from_nothing(view, worktree.id, now))
        });
    }
    for task in &moment.tasks {
        let Some(mismatch) = binding::mismatch(task, bound.get(&task.id).copied()) else { continue };
        let subject = format!("task {}", task.id);
        let finding = if mismatch.is_about_state {
            Finding::note(Code::BindingMismatch, subject, mismatch.words)
        } else {
            Finding::problem(Code::BindingMismatch, subject, mismatch.words)
        };
        let finding =
            finding.remedy("`biplane doctor --fix` rewrites the task's side from the worktree's record");
        examination
            .amend(finding, |service| service.change(|view, now| binding::rewrite(view, &task.id, now)));
    }
}

fn dependencies(examination: &mut Examination<'_>, moment: &Moment) {
    let ids: HashSet<&TaskId> = moment.tasks.iter().map(|t| &t.id).collect();
    for task in moment.tasks.iter().filter(|t| !t.status.is_closed()) {
        for missing in task.after.iter().filter(|id| !ids.contains(id)) {
            let verdict =
                format!("it waits for task {missing}, which does not exist, and will never be ready");
            examination.add(
                Finding::problem(Code::DependencyMissing, format!("task {}", task.id), verdict).remedy(
                    format!(
                        "take task {missing} off its dependencies with `biplane task update {}`",
                        task.id
                    ),
                ),
            );
        }
    }
}

fn submissions(examination: &mut Examination<'_>, moment: &Moment) {
    let live: HashSet<u64> = moment.live.iter().map(|w| w.id.0).collect();
    for submission in moment.open.iter().filter(|s| !live.contains(&s.worktree_id.0)) {
        let verdict = format!("it waits, but its worktree `{}` is removed", submission.worktree);
        let finding = Finding::problem(Code::SubmissionOrphan, submission.id.to_string(), verdict)
            .remedy("`biplane doctor --fix` withdraws it; its commit stays");
        examination.amend(finding, |service| service.change(|view, now| withdraw(view, submission, now)));
    }
}

fn withdraw(view: &dyn View, found: &Submission, now: Timestamp) -> Result<(Changes, ())> {
    let is_live = view.worktree(found.worktree_id)?.is_some_and(|w| w.status != WorktreeStatus::Removed);
    let Some(mut submission) = view.submission(found.id)?.filter(|s| s.rev == found.rev && !is_live) else {
        return Err(Error::failed("it changed meanwhile"));
    };
    submission.status = submission.status.to(SubmissionStatus::Withdrawn, submission.id)?;
    "its worktree is removed".clone_into(&mut submission.reason);
    submission.worker = None;
    submission.updated_at = now;
    let event =
        NewEvent::new(EventKind::SubmissionWithdrawn).submission(&submission).error(&submission.reason);
    Ok((Changes { submissions: vec![submission], events: vec![event], ..Changes::default() }, ()))
}
