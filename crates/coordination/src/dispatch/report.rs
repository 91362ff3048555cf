//! What `up` has done, and why it did not do the rest.

use std::{collections::HashSet, time::Instant};

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
    /// Submissions that still wait to land, or that another process is landing.
    pub open: Vec<SubmissionId>,
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
            let (away, now) = (board::away(view)?, Instant::now());
            for task in view.tasks(&TaskFilter::default())? {
                let closed = matches!(task.status, TaskStatus::Completed | TaskStatus::Cancelled);
                if closed {
                    continue;
                }
                let waits = board::readiness(view, &task)?;
                let profile = self.settings().profile_of(&task).unwrap_or_default();
                let takes = |away| !matches!(crew.taker(&task, &profile, away, now), Err(Unwanted::Never));
                let taken = match (takes(&away), takes(&HashSet::new())) {
                    (true, _) => Taken::Yes,
                    (false, true) => Taken::Later,
                    (false, false) => Taken::Never,
                };
                let out_of_reach =
                    (task.status == TaskStatus::Pending).then(|| reach.why_not(&task.repo)).flatten();
                let why = out_of_reach.unwrap_or_else(|| why(&task, &waits, taken));
                list.push(Waiting { id: task.id, status: task.status, subject: task.subject, why });
            }
            Ok(list)
        })
    }
}

/// Whether an agent of this `up` takes a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    /// When it is called back.
    Later,
    Never,
}

fn why(task: &Task, waits: &board::Readiness, taken: Taken) -> String {
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
            _ if taken == Taken::Later => {
                "the agents that take it are shut down; `biplane team recall NAME` calls one back".to_owned()
            }
            Some(owner) if taken == Taken::Never => format!("belongs to `{owner}`"),
            None if taken == Taken::Never => {
                "no agent here takes tasks with its labels or profile".to_owned()
            }
            _ => "ready".to_owned(),
        },
        TaskStatus::InProgress | TaskStatus::InReview => match &task.owner {
            Some(owner) => format!("with `{owner}`"),
            None => "with nobody in particular".to_owned(),
        },
        _ => first_line(&task.reason),
    }
}
