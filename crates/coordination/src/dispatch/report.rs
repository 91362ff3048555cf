//! What `up` has done, and why it did not do the rest.

use biplane_control::{TaskFilter, board};
use biplane_model::{SubmissionId, Task, TaskId, TaskStatus};

use super::crew::{Crew, Unwanted};
use crate::{error::Result, service::Service};

/// What `up` has done.
#[derive(Debug, Clone, Default)]
pub struct UpReport {
    /// Attempts begun.
    pub started: usize,
    /// Submissions landed.
    pub landed: usize,
    /// Submissions bounced.
    pub bounced: usize,
    /// Tasks of attempts that came to nothing.
    pub unlanded: Vec<TaskId>,
    /// Submissions that could not be landed, and wait.
    pub stuck: Vec<SubmissionId>,
    /// Whether it was asked to stop.
    pub stopped: bool,
    /// The tasks that are not done, and why.
    pub waiting: Vec<Waiting>,
}

/// A task that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The task.
    pub id: TaskId,
    /// Its state.
    pub status: TaskStatus,
    /// What it is about.
    pub subject: String,
    /// Why it is not done.
    pub why: String,
}

impl Service {
    /// The tasks that are not done, and why.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(super) fn waiting(&self, crew: &Crew) -> Result<Vec<Waiting>> {
        let reach = self.reach_now();
        self.look(|view| {
            let mut list = Vec::new();
            for task in view.tasks(&TaskFilter::default())? {
                let closed = matches!(task.status, TaskStatus::Completed | TaskStatus::Cancelled);
                if closed {
                    continue;
                }
                let waits = board::readiness(view, &task)?;
                let profile = self.settings().profile_of(&task).unwrap_or_default();
                let is_taken =
                    !matches!(crew.taker(&task, &profile, std::time::Instant::now()), Err(Unwanted::Never));
                let out_of_reach =
                    (task.status == TaskStatus::Pending).then(|| reach.why_not(&task.repo)).flatten();
                let why = out_of_reach.unwrap_or_else(|| why(&task, &waits, is_taken));
                list.push(Waiting { id: task.id, status: task.status, subject: task.subject, why });
            }
            Ok(list)
        })
    }
}

fn why(task: &Task, waits: &board::Readiness, is_taken: bool) -> String {
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match task.status {
        TaskStatus::Pending if !waits.dead.is_empty() => {
            let dead = waits
                .dead
                .iter()
                .map(|(id, status)| format!("{id} ({status})"))
                .collect::<Vec<_>>()
                .join(", ");
            format!("waits for {dead}, which will not be completed")
        }
        TaskStatus::Pending if !waits.open.is_empty() => {
            let open = waits.open.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("waits for {open}")
        }
        TaskStatus::Pending => match &task.owner {
            Some(owner) if !is_taken => format!("belongs to `{owner}`"),
            None if !is_taken => "no agent here takes tasks with its labels or profile".to_owned(),
            _ => "ready".to_owned(),
        },
        TaskStatus::InProgress | TaskStatus::InReview => match &task.owner {
            Some(owner) => format!("with `{owner}`"),
            None => "with nobody in particular".to_owned(),
        },
        _ => first_line(&task.reason),
    }
}
