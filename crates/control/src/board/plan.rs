//! Plans: a task whose work needs one waits until the lead or a person has approved it.

use biplane_model::{
    AgentName, Answer, EventKind, MailKind, NewEvent, PlanStatus, Request, RequestId, RequestKind,
    RequestStatus, RunId, Task, TaskId, TaskStatus, Timestamp, clip, sanitize,
};

use super::{
    Guard, changed, fence, guarded,
    mail::{Draft, Post, Roster, checked_text},
    shift,
    shutdown::addressed,
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

/// Submits a plan for approval. One that waited for the same task is withdrawn. The task stays as it is.
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
    let task = guarded(view, &new.task, guard)?;
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
    for mut old in view.requests(&filter)?.into_iter().filter(|request| request.status.is_open()) {
        old.status = old.status.withdrawn(format_args!("plan {}", old.id))?;
        old.decided_at = Some(now);
        post.keep(&old, NewEvent::new(EventKind::PlanWithdrawn))?;
    }
    let status = RequestStatus::Plan(PlanStatus::Submitted);
    let request = Request {
        id: post.new_request(status)?,
        status,
        from: new.from.clone(),
        to: new.to.clone(),
        task: Some(task.id.clone()),
        epoch: task.epoch,
        run: new.run,
        content: new.text.clone(),
        feedback: String::new(),
        created_at: now,
        decided_at: None,
        rev: 0,
    };
    let draft = Draft::new(MailKind::PlanApprovalRequest, &new.from, &new.text).about(&request, None);
    match post.send(&draft, &new.to) {
        // The plan itself is kept, and is listed.
        Ok(_) | Err(BoardError::InboxFull { .. }) => {}
        Err(error) => return Err(error),
    }
    post.keep(&request, NewEvent::new(EventKind::PlanSubmitted).with("agent", new.from.as_str()))?;
    Ok((post.close(), request))
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
    match post.send(&draft, &request.from) {
        Ok(_) | Err(BoardError::InboxFull { .. }) => {}
        Err(error) => return Err(error),
    }
    let kind = match answer {
        Answer::Approve => EventKind::PlanApproved,
        Answer::Reject => EventKind::PlanRejected,
    };
    post.keep(&request, NewEvent::new(kind).with("agent", request.from.as_str()).error(feedback))?;
    let mut said = post.close();
    said.and(std::mem::take(&mut changes));
    Ok((said, request))
}

/// What the answer means for the task.
fn answer_task(
    mut task: Task,
    request: &Request,
    answer: Answer,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    // Setting a task aside takes one epoch; whatever else happened to it since took more.
    let is_set_aside = task.status == TaskStatus::Blocked && task.epoch == request.epoch + 1;
    let is_held = task.status == TaskStatus::InProgress && task.epoch == request.epoch;
    if is_held {
        return Ok(Changes::default());
    }
    if !is_set_aside {
        return Err(BoardError::PlanUnwanted { id: request.id, task: task.id, status: task.status });
    }
    shift(&mut task, TaskStatus::Pending, now)?;
    fence(&mut task);
    task.owner = None;
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
    Ok(changed(task, event.with("plan", request.id.to_string())).0)
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
