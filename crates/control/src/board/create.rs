//! Creating tasks.

use biplane_model::{
    AgentName, EventKind, Label, PlanPolicy, ProfileName, RepoName, Task, TaskId, TaskPrefix, TaskStatus,
    Timestamp, WorktreeState, sanitize_line,
};

use super::{changed_as, depend};
use crate::{BoardError, Changes, View};

/// What a new task is to be.
#[derive(Debug, Clone, Default)]
pub struct NewTask {
    /// What to do, in a line.
    pub subject: String,
    /// What to do, at length.
    pub description: String,
    /// The family of ids it gets one of; plain numbers without.
    pub prefix: Option<TaskPrefix>,
    /// The tasks that must be completed first.
    pub after: Vec<TaskId>,
    /// Higher goes first.
    pub priority: i64,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Whose it is from the start.
    pub owner: Option<AgentName>,
    /// The gate its work must pass instead of the settings' one.
    pub gate: Option<String>,
    /// The roles its work goes through; the settings' profile without.
    pub profile: Option<ProfileName>,
    /// Whether a plan has to be approved before its work begins; what the settings say without.
    pub plan: Option<PlanPolicy>,
    /// The repository it is about.
    pub repo: RepoName,
}

/// Creates a task with the next free id.
///
/// # Errors
/// [`BoardError::Invalid`] for texts out of bounds, [`BoardError::NoTask`] for an unknown dependency.
pub fn create(view: &dyn View, new: &NewTask, now: Timestamp) -> Result<(Changes, Task), BoardError> {
    let subject = checked_subject(&new.subject)?;
    checked_description(&new.description)?;
    checked_gate(new.gate.as_deref())?;
    let counter = counter_name(new.prefix.as_ref());
    let mut number = view.counter(&counter)? + 1;
    let numbered = |n| new.prefix.as_ref().map_or_else(|| TaskId::numbered(n), |p| TaskId::prefixed(p, n));
    // An imported id may lie ahead of its counter.
    while view.task(&numbered(number))?.is_some() {
        number += 1;
    }
    let id = numbered(number);
    let after = depend::checked(view, &id, &new.after)?;
    let task = Task {
        id,
        repo: new.repo.clone(),
        subject,
        description: new.description.clone(),
        status: TaskStatus::Pending,
        owner: new.owner.clone(),
        assignee: new.owner.clone(),
        priority: new.priority,
        labels: distinct(&new.labels),
        after,
        worktree: None,
        worktree_state: WorktreeState::Unbound,
        last_worktree: None,
        closeout: None,
        reason: String::new(),
        gate: new.gate.clone(),
        profile: new.profile.clone(),
        plan: new.plan,
        epoch: 0,
        lease_until: None,
        holder: None,
        run: None,
        attempts: 0,
        opened_at: now,
        created_at: now,
        updated_at: now,
        rev: 0,
    };
    let (mut changes, task) = changed_as(task, EventKind::TaskCreated);
    changes.counters.push((counter, number));
    Ok((changes, task))
}

/// The counter that ids with `prefix` come from.
fn counter_name(prefix: Option<&TaskPrefix>) -> String {
    prefix.map_or_else(|| "task".to_owned(), |p| format!("task:{p}"))
}

/// `subject` made a single safe line, if it is within bounds.
pub(super) fn checked_subject(subject: &str) -> Result<String, BoardError> {
    let subject = sanitize_line(subject).trim().to_owned();
    let length = subject.chars().count();
    if subject.is_empty() {
        return Err(BoardError::Invalid("a task needs a subject".to_owned()));
    }
    if length > Task::MAX_SUBJECT {
        let most = Task::MAX_SUBJECT;
        return Err(BoardError::Invalid(format!(
            "a subject has at most {most} characters, this one has {length}; the rest belongs in the description"
        )));
    }
    Ok(subject)
}

/// Refuses a gate that tests nothing: `--gate "$GATE"` where there is no such variable.
///
/// # Errors
/// [`BoardError::Invalid`].
pub fn checked_gate(gate: Option<&str>) -> Result<(), BoardError> {
    match gate {
        Some(gate) if gate.trim().is_empty() => Err(BoardError::Invalid(
            "the gate is empty; leave it out, or say that there is to be none".to_owned(),
        )),
        _ => Ok(()),
    }
}

pub(super) fn checked_description(description: &str) -> Result<(), BoardError> {
    let (length, most) = (description.len(), Task::MAX_DESCRIPTION);
    if length > most {
        return Err(BoardError::Invalid(format!(
            "a description has at most {most} bytes, this one has {length}"
        )));
    }
    Ok(())
}

/// `labels` without repetition, in their order.
pub(super) fn distinct(labels: &[Label]) -> Vec<Label> {
    let mut seen = std::collections::HashSet::new();
    labels.iter().filter(|l| seen.insert(l.as_str())).cloned().collect()
}
