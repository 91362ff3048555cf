//! Changing what a task says, and its state by name.

use biplane_model::{
    AgentName, EventKind, Label, NewEvent, PlanPolicy, ProfileName, Task, TaskId, TaskStatus, Timestamp,
};

use super::{Guard, changed, claim, create, depend, fence, finish, guarded};
use crate::{BoardError, Changes, View};

/// What to change; `None` leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct TaskUpdate {
    /// The state to go to, with everything the move entails.
    pub status: Option<TaskStatus>,
    /// The owner, to whom it also goes back later unless it is taken up at once; `Some(None)` for nobody.
    pub owner: Option<Option<AgentName>>,
    /// The subject.
    pub subject: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The priority.
    pub priority: Option<i64>,
    /// The labels, all of them.
    pub labels: Option<Vec<Label>>,
    /// The dependencies, all of them.
    pub after: Option<Vec<TaskId>>,
    /// The gate of this task alone; `Some(None)` for the settings' one.
    pub gate: Option<Option<String>>,
    /// The profile of this task alone; `Some(None)` for the settings' one.
    pub profile: Option<Option<ProfileName>>,
    /// Whether a plan has to be approved before its work begins; `Some(None)` for what the settings say.
    pub plan: Option<Option<PlanPolicy>>,
    /// Why, for the moves that have a reason.
    pub reason: String,
}

/// Changes a task: first its fields, then its state. Also gives the tasks that became ready by it.
///
/// # Errors
/// Texts out of bounds, unknown or circular dependencies, illegal moves, or the guard.
pub fn update(
    view: &dyn View,
    id: &TaskId,
    update: &TaskUpdate,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Task, Vec<TaskId>), BoardError> {
    let before = guarded(view, id, guard)?;
    let mut task = before.clone();
    let fields = set_fields(view, &mut task, update)?;
    let overlay = Overlay { view, task: &task };
    let (mut changes, mut task, unblocked) = match update.status.filter(|to| *to != before.status) {
        Some(to) => move_to(&overlay, id, to, &update.reason, now)?,
        None => (Changes::default(), task.clone(), Vec::new()),
    };
    if !fields.is_empty() {
        task.updated_at = now;
        let event = NewEvent::new(EventKind::TaskUpdated).with("fields", fields);
        let (said, _) = changed(task.clone(), event);
        changes.tasks = said.tasks;
        changes.events.splice(0..0, said.events);
    }
    Ok((changes, task, unblocked))
}

/// Sets what `update` says and gives the names of the fields that differ now.
fn set_fields(
    view: &dyn View,
    task: &mut Task,
    update: &TaskUpdate,
) -> Result<Vec<&'static str>, BoardError> {
    let before = task.clone();
    if let Some(subject) = &update.subject {
        task.subject = create::checked_subject(subject)?;
    }
    if let Some(description) = &update.description {
        create::checked_description(description)?;
        task.description.clone_from(description);
    }
    create::checked_gate(update.gate.as_ref().and_then(Option::as_deref))?;
    if let Some(after) = &update.after {
        task.after = depend::checked(view, &task.id, after)?;
    }
    if let Some(labels) = &update.labels {
        task.labels = create::distinct(labels);
    }
    if let Some(owner) = &update.owner {
        task.owner.clone_from(owner);
        // Who takes it up in the same breath claims it; otherwise it is given to somebody.
        if update.status != Some(TaskStatus::InProgress) {
            task.assignee.clone_from(owner);
        }
    }
    if before.owner.is_some() && task.owner != before.owner {
        // Who held it holds it no more.
        fence(task);
    }
    task.priority = update.priority.unwrap_or(task.priority);
    task.gate = update.gate.clone().unwrap_or(task.gate.take());
    task.profile = update.profile.clone().unwrap_or(task.profile.take());
    task.plan = update.plan.unwrap_or(task.plan);
    let fields = [
        ("subject", task.subject != before.subject),
        ("description", task.description != before.description),
        ("owner", task.owner != before.owner),
        ("assignee", task.assignee != before.assignee && task.owner == before.owner),
        ("priority", task.priority != before.priority),
        ("labels", task.labels != before.labels),
        ("blockedBy", task.after != before.after),
        ("gate", task.gate != before.gate),
        ("profile", task.profile != before.profile),
        ("plan", task.plan != before.plan),
    ];
    Ok(fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect())
}

fn move_to(
    view: &dyn View,
    id: &TaskId,
    to: TaskStatus,
    reason: &str,
    now: Timestamp,
) -> Result<(Changes, Task, Vec<TaskId>), BoardError> {
    let any = Guard::default();
    let from = view.task(id)?.map(|t| t.status);
    let (changes, task) = match to {
        TaskStatus::Completed => return finish::complete(view, id, any, now),
        TaskStatus::InProgress => claim::start(view, id, any, now)?,
        TaskStatus::InReview => finish::review(view, id, any, now)?,
        TaskStatus::Blocked => finish::block(view, id, reason, any, now)?,
        TaskStatus::Failed => finish::fail(view, id, reason, any, now)?,
        TaskStatus::Cancelled => finish::cancel(view, id, reason, any, now)?,
        TaskStatus::Pending if matches!(from, Some(TaskStatus::InProgress | TaskStatus::InReview)) => {
            claim::release(view, id, any, now)?
        }
        TaskStatus::Pending => finish::reopen(view, id, any, now)?,
    };
    Ok((changes, task, Vec::new()))
}

/// A view in which one task already has its new fields.
struct Overlay<'a> {
    view: &'a dyn View,
    task: &'a Task,
}

/// Passes every question on to the view below but those about the one task.
macro_rules! pass_on {
    ($( fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $answer:ty; )+) => {
        $( fn $name(&self $(, $arg: $type)*) -> Result<$answer, crate::LedgerError> { self.view.$name($($arg),*) } )+
    };
}

impl View for Overlay<'_> {
    fn task(&self, id: &TaskId) -> Result<Option<Task>, crate::LedgerError> {
        if *id == self.task.id { Ok(Some(self.task.clone())) } else { self.view.task(id) }
    }

    pass_on! {
        fn tasks(&self, filter: &crate::TaskFilter) -> Vec<Task>;
        fn task_revisions(&self) -> Vec<(TaskId, u64)>;
        fn ready(&self, order: crate::ReadyOrder, limit: usize) -> Vec<Task>;
        fn dependents(&self, id: &TaskId) -> Vec<TaskId>;
        fn worktree(&self, id: biplane_model::WorktreeId) -> Option<biplane_model::Worktree>;
        fn worktrees(&self, filter: &crate::WorktreeFilter) -> Vec<biplane_model::Worktree>;
        fn run(&self, id: biplane_model::RunId) -> Option<biplane_model::Run>;
        fn runs(&self, filter: &crate::RunFilter) -> Vec<biplane_model::Run>;
        fn submission(&self, id: biplane_model::SubmissionId) -> Option<biplane_model::Submission>;
        fn submissions(&self, filter: &crate::SubmissionFilter) -> Vec<biplane_model::Submission>;
        fn member(&self, name: &AgentName) -> Option<biplane_model::Member>;
        fn members(&self) -> Vec<biplane_model::Member>;
        fn mail(&self, filter: &crate::MailFilter) -> Vec<biplane_model::Mail>;
        fn request(&self, id: biplane_model::RequestId) -> Option<biplane_model::Request>;
        fn requests(&self, filter: &crate::RequestFilter) -> Vec<biplane_model::Request>;
        fn counter(&self, name: &str) -> u64;
        fn last_seq(&self) -> biplane_model::Seq;
        fn events(&self, since: biplane_model::Seq, filter: &crate::EventFilter, limit: usize)
            -> Vec<biplane_model::Event>;
        fn newest_events(&self, filter: &crate::EventFilter, limit: usize) -> Vec<biplane_model::Event>;
    }
}
