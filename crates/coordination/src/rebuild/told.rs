//! What rebuilding changed, as events: whoever reads the log sees each record as it stands now.

use std::collections::HashMap;

use biplane_control::Past;
use biplane_model::{EventKind, NewEvent, RunStatus, SubmissionStatus, WorktreeId};

use super::seen::Seen;

/// The events that follow the one of the rebuilding itself.
pub(super) fn of(past: &Past, seen: &Seen) -> Vec<NewEvent> {
    let mut runs = HashMap::new();
    let mut submissions = HashMap::new();
    let mut tasks = HashMap::new();
    for fact in seen.events.iter().map(|e| &e.fact) {
        runs.extend(fact.run.iter().map(|r| (r.id, r.status)));
        submissions.extend(fact.submission.iter().map(|s| (s.id, s.status)));
        tasks.extend(fact.task.iter().map(|t| (&t.id, t.clone())));
    }
    let about = |event: NewEvent, id: WorktreeId| match past.worktrees.iter().find(|w| w.id == id) {
        Some(worktree) => event.worktree(worktree),
        None => event,
    };
    let mut events = Vec::new();
    for run in past.runs.iter().filter(|r| r.status == RunStatus::Lost) {
        if runs.get(&run.id).is_some_and(|status| !status.is_over()) {
            let event = NewEvent::new(EventKind::WorktreeRunLost).run(run).error(&run.error);
            events.push(about(event, run.worktree_id));
        }
    }
    for submission in past.submissions.iter().filter(|s| submissions.get(&s.id) != Some(&s.status)) {
        let kind = match submission.status {
            SubmissionStatus::Queued => EventKind::SubmissionRequeued,
            SubmissionStatus::Withdrawn => EventKind::SubmissionWithdrawn,
            _ => continue,
        };
        let event = NewEvent::new(kind).submission(submission).error(&submission.reason);
        events.push(about(event, submission.worktree_id));
    }
    for task in &past.tasks {
        if tasks.get(&task.id) != Some(&task.into()) {
            events.push(NewEvent::new(EventKind::TaskUpdated).task(task).with("rebuilt", true));
        }
    }
    events
}
