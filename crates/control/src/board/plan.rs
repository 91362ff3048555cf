//! Plans: a task whose work needs one waits until the lead or a person has approved it.

use biplane_model::{
    AgentName, Answer, EventKind, Mail, MailKind, NewEvent, PlanStatus, Request, RequestId, RequestKind,
    RequestStatus, RunId, Task, TaskId, TaskStatus, Timestamp, clip, sanitize,
};

use super::{
    Guard, block, changed, guarded,
    mail::{Draft, Post, Roster, checked_text},
    shift,
    shutdown::addressed,
    unclaim,
};
use crate::{BoardError, Changes, RequestFilter, View};

/// The most characters of feedback that stand in a task's reason.
const REASON: usize = 4000;

const REJECTED: &str = " was rejected: ";

/// Whether a task's reason is that its plan was rejected.
pub fn is_rejected_plan(reason: &str) -> bool {
    let id = reason.strip_prefix("plan ").and_then(|rest| rest.split_once(REJECTED)).map(|(id, _)| id);
    id.is_some_and(|id| id.parse::<RequestId>().is_ok())
}

/// A plan that is to be submitted.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// The task.
    pub task: TaskId,
    /// Who made it.
    pub from: AgentName,
    /// Who is to approve it.
    pub to: AgentName,
    /// The plan.
    pub text: String,
    /// The run that it came from.
    pub run: Option<RunId>,
}

/// Why a task waits that was set aside for the plan `id`, for people.
fn plan_awaited(id: RequestId) -> String {
    format!(
        "plan {id} waits for approval: `biplane plan show {id}`, then `biplane plan approve {id}` or `biplane plan reject {id} --feedback …`"
    )
}

/// Whether `task` was set aside for `plan`, and for nothing since: setting it aside takes one epoch.
fn is_set_aside(task: &Task, plan: &Request) -> bool {
    task.status == TaskStatus::Blocked && task.epoch == plan.epoch + 1
}

/// The newest plan for a task since it was last opened that was not withdrawn.
///
/// # Errors
/// When the ledger can't be read.
pub fn plan_of(view: &dyn View, task: &Task) -> Result<Option<Request>, BoardError> {
    let filter = RequestFilter {
        kind: Some(RequestKind::Plan),
        task: Some(task.id.clone()),
        ..RequestFilter::default()
    };
    // Of a task that was never reopened all count, whatever a clock that was set back says of their time.
    let is_of_this_life =
        |request: &Request| task.opened_at == task.created_at || request.created_at >= task.opened_at;
    let counts = |request: &Request| {
        is_of_this_life(request) && request.status != RequestStatus::Plan(PlanStatus::Withdrawn)
    };
    Ok(view.requests(&filter)?.into_iter().rev().find(counts))
}

/// Submits a plan for approval. One that waited for the same task is withdrawn, which whoever made it is told; when the task was set
/// aside for that one, it waits for the new one instead. The task stays as it is otherwise.
///
/// # Errors
/// [`BoardError::NoTask`], the guard, [`BoardError::Owned`] when the task is another agent's, or [`BoardError::Invalid`] for a
/// closed task and a text out of bounds.
pub fn submit_plan(
    view: &dyn View,
    roster: &Roster,
    new: &NewPlan,
    guard: Guard,
    now: Timestamp,
) -> Result<(Changes, Request), BoardError> {
    let mut task = guarded(view, &new.task, guard)?;
    if task.status.is_closed() {
        let words = format!("task {} is {}, and takes no plan", task.id, task.status);
        return Err(BoardError::Invalid(words));
    }
    // The plan of whoever does the work would be withdrawn without a word; a person may do that.
    if let Some(owner) = task.owner.as_ref().filter(|owner| **owner != new.from && new.from != new.to) {
        let (id, owner) = (task.id, owner.to_string());
        return Err(BoardError::Owned { id, owner, lease: String::new() });
    }
    checked_text("a plan", &new.text)?;
    let mut post = Post::open(view, roster, now)?;
    post.join(&new.from)?;
    let filter = RequestFilter {
        kind: Some(RequestKind::Plan),
        live: true,
        task: Some(task.id.clone()),
        ..RequestFilter::default()
    };
    let status = RequestStatus::Plan(PlanStatus::Submitted);
    let id = post.new_request(status)?;
    let mut epoch = task.epoch;
    let mut changes = Changes::default();
    for mut old in view.requests(&filter)?.into_iter().filter(|request| request.status.is_open()) {
        old.status = old.status.withdrawn(format_args!("plan {}", old.id))?;
        old.decided_at = Some(now);
        post.keep(&old, NewEvent::new(EventKind::PlanWithdrawn).with("replaced_by", id.to_string()))?;
        if old.from != new.from {
            let words =
                format!("your plan {} was withdrawn: plan {id} of `{}` takes its place", old.id, new.from);
            let draft = Draft::new(MailKind::Message, &new.from, &words).about(&old, None);
            full_is_fine(post.send(&draft, &old.from))?;
        }
        if is_set_aside(&task, &old) {
            epoch = old.epoch;
            task.reason = plan_awaited(id);
            task.updated_at = now;
            let event = NewEvent::new(EventKind::TaskUpdated).with("fields", vec!["reason"]);
            changes = changed(task.clone(), event).0;
        }
    }
    let request = Request {
        id,
        status,
        from: new.from.clone(),
        to: new.to.clone(),
        task: Some(task.id),
        epoch,
        run: new.run,
        content: new.text.clone(),
        feedback: String::new(),
        created_at: now,
        decided_at: None,
        rev: 0,
    };
    let draft = Draft::new(MailKind::PlanApprovalRequest, &new.from, &new.text).about(&request, None);
    // The plan itself is kept, and is listed.
    full_is_fine(post.send(&draft, &new.to))?;
    post.keep(&request, NewEvent::new(EventKind::PlanSubmitted).with("agent", new.from.as_str()))?;
    let mut said = post.close();
    said.and(changes);
    Ok((said, request))
}

/// Approves a plan, or rejects it with feedback. Only its addressee does, once. The task that was set aside for it is pending
/// again; an agent that holds its task itself only gets the answer.
///
/// # Errors
/// [`BoardError::NoRequest`], [`BoardError::NotAddressee`], an illegal move when it is answered already,
/// [`BoardError::PlanUnwanted`] when its task does not wait for it any more, or [`BoardError::Invalid`] for a rejection without
/// feedback and a text out of bounds.
pub fn decide_plan(
    view: &dyn View,
    roster: &Roster,
    id: RequestId,
    by: &AgentName,
    (answer, feedback): (Answer, &str),
    now: Timestamp,
) -> Result<(Changes, Request), BoardError> {
    let mut request = addressed(view, id, RequestKind::Plan, by)?;
    if answer == Answer::Reject || !feedback.trim().is_empty() {
        checked_text("feedback", feedback)?;
    }
    request.status = request.status.answered(answer, format_args!("plan {id}"))?;
    feedback.clone_into(&mut request.feedback);
    request.decided_at = Some(now);
    let task = request.task.as_ref().map(|task| view.task(task)).transpose()?.flatten();
    let task = task.ok_or(BoardError::NoRequest(id))?;
    let mut changes = answer_task(task, &request, answer, now)?;
    let mut post = Post::open(view, roster, now)?;
    let words = if feedback.trim().is_empty() { "approved" } else { feedback };
    let draft = Draft::new(MailKind::PlanApprovalResponse, by, words).about(&request, Some(answer));
    full_is_fine(post.send(&draft, &request.from))?;
    let kind = match answer {
        Answer::Approve => EventKind::PlanApproved,
        Answer::Reject => EventKind::PlanRejected,
    };
    post.keep(&request, NewEvent::new(kind).with("agent", request.from.as_str()).error(feedback))?;
    let mut said = post.close();
    said.and(std::mem::take(&mut changes));
    Ok((said, request))
}

/// Somebody whose inbox is full finds what was sent at the request.
fn full_is_fine(sent: Result<Mail, BoardError>) -> Result<(), BoardError> {
    match sent {
        Ok(_) | Err(BoardError::InboxFull { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the answer means for the task.
fn answer_task(task: Task, request: &Request, answer: Answer, now: Timestamp) -> Result<Changes, BoardError> {
    let is_held = task.status == TaskStatus::InProgress && task.epoch == request.epoch;
    if is_held {
        return Ok(Changes::default());
    }
    if !is_set_aside(&task, request) {
        return Err(BoardError::PlanUnwanted { id: request.id, task: task.id, status: task.status });
    }
    Ok(go_on(task, request, answer, now)?.0)
}

/// Has a task go on whose plan was decided on: it is pending again, with the reason when the plan was rejected.
fn go_on(
    mut task: Task,
    request: &Request,
    answer: Answer,
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    shift(&mut task, TaskStatus::Pending, now)?;
    unclaim(&mut task);
    let event = match answer {
        Answer::Approve => {
            task.reason = String::new();
            NewEvent::new(EventKind::TaskReopened)
        }
        Answer::Reject => {
            let said = clip(sanitize(&request.feedback).trim(), REASON);
            task.reason = format!("plan {}{REJECTED}{said}", request.id);
            NewEvent::new(EventKind::TaskReturned).error(&task.reason)
        }
    };
    Ok(changed(task, event.with("plan", request.id.to_string())))
}

/// Sets a task aside whose agent has ended with `plan`, until that is decided on. When it was decided on while the agent was still at
/// work, the task goes on at once.
///
/// # Errors
/// An illegal move, or the guard.
pub fn set_aside_for(
    view: &dyn View,
    plan: &Request,
    (id, guard): (&TaskId, Guard),
    now: Timestamp,
) -> Result<(Changes, Task), BoardError> {
    let answer = match plan.status {
        RequestStatus::Plan(PlanStatus::Approved) => Answer::Approve,
        RequestStatus::Plan(PlanStatus::Rejected) => Answer::Reject,
        _ => return block(view, id, &plan_awaited(plan.id), guard, now),
    };
    go_on(guarded(view, id, guard)?, plan, answer, now)
}

/// Withdraws a plan that nothing waits for any more.
///
/// # Errors
/// [`BoardError::NoRequest`], or an illegal move.
pub fn withdraw_plan(
    view: &dyn View,
    roster: &Roster,
    id: RequestId,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    let request = view.request(id)?.filter(|request| request.kind() == RequestKind::Plan);
    let mut request = request.ok_or(BoardError::NoRequest(id))?;
    request.status = request.status.withdrawn(format_args!("plan {id}"))?;
    request.decided_at = Some(now);
    let mut post = Post::open(view, roster, now)?;
    post.keep(&request, NewEvent::new(EventKind::PlanWithdrawn))?;
    Ok(post.close())
}
