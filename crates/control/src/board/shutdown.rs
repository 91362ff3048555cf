//! Requests to shut an agent down: it is given no further task, and may reject that until its work is done.

use std::collections::HashSet;

use biplane_model::{
    AgentName, Answer, EventKind, MailKind, NewEvent, Request, RequestId, RequestKind, RequestStatus,
    RunKind, ShutdownStatus, TaskStatus, Timestamp, sanitize,
};

use super::mail::{Draft, Post, Roster, checked_text};
use crate::{BoardError, Changes, RequestFilter, RunFilter, TaskFilter, View};

/// What a message about a shutdown says when nothing else was said.
const ASK: &str = "please take no more tasks when your work is done";
const IDLE: &str = "it was idle, and takes no more tasks";

/// Whether `name` owns a task in progress, or has a run that is not over.
///
/// # Errors
/// When the ledger can't be read.
pub fn is_working(view: &dyn View, name: &AgentName) -> Result<bool, BoardError> {
    let owned = TaskFilter {
        status: Some(TaskStatus::InProgress),
        owner: Some(name.to_string()),
        ..TaskFilter::default()
    };
    let open = RunFilter { open: true, kind: Some(RunKind::Agent), ..RunFilter::default() };
    Ok(!view.tasks(&owned)?.is_empty()
        || view.runs(&open)?.iter().any(|run| run.agent.as_ref() == Some(name)))
}

/// The requests to shut down that count: those that wait, and those that were approved and not taken back.
fn live(view: &dyn View) -> Result<Vec<Request>, BoardError> {
    let filter = RequestFilter { kind: Some(RequestKind::Shutdown), live: true, ..RequestFilter::default() };
    Ok(view.requests(&filter)?)
}

/// The request to shut down `name` that counts, when there is one.
///
/// # Errors
/// When the ledger can't be read.
pub fn shutdown_of(view: &dyn View, name: &AgentName) -> Result<Option<Request>, BoardError> {
    Ok(live(view)?.into_iter().rev().find(|request| request.to == *name))
}

/// Who is given no further task.
///
/// # Errors
/// When the ledger can't be read.
pub fn away(view: &dyn View) -> Result<HashSet<AgentName>, BoardError> {
    Ok(live(view)?.into_iter().map(|request| request.to).collect())
}

/// Asks an agent to shut down. One that is idle is shut down at once. Asking again gives the request that there is.
///
/// # Errors
/// [`BoardError::NoMember`], [`BoardError::InboxFull`], or [`BoardError::Invalid`] for a text out of bounds and for who asks
/// for its own shutdown.
pub fn ask_to_shut_down(
    view: &dyn View,
    roster: &Roster,
    (from, to): (&AgentName, &AgentName),
    reason: &str,
    now: Timestamp,
) -> Result<(Changes, Request), BoardError> {
    if let Some(there_is) = shutdown_of(view, to)? {
        return Ok((Changes::default(), there_is));
    }
    if from == to {
        return Err(BoardError::Invalid(format!("`{to}` can't ask itself to shut down")));
    }
    let content = if reason.trim().is_empty() { ASK } else { reason };
    checked_text("a reason", content)?;
    let mut post = Post::open(view, roster, now)?;
    post.join(from)?;
    let status = RequestStatus::Shutdown(ShutdownStatus::Requested);
    let request = Request {
        id: post.new_request(status)?,
        status,
        from: from.clone(),
        to: to.clone(),
        task: None,
        epoch: 0,
        run: None,
        content: content.to_owned(),
        feedback: String::new(),
        created_at: now,
        decided_at: None,
        rev: 0,
    };
    post.send(&Draft::new(MailKind::ShutdownRequest, from, content).about(&request, None), to)?;
    post.keep(&request, said(EventKind::ShutdownRequested, &request).error(reason))?;
    let request =
        if is_working(view, to)? { request } else { approve_automatically(&mut post, request, now)? };
    Ok((post.close(), request))
}

fn said(kind: EventKind, request: &Request) -> NewEvent {
    NewEvent::new(kind).with("agent", request.to.as_str())
}

/// Approves in the name of an agent that has nothing to do.
fn approve_automatically(
    post: &mut Post<'_>,
    request: Request,
    now: Timestamp,
) -> Result<Request, BoardError> {
    let request = answered(request, Answer::Approve, IDLE, now)?;
    let event = said(EventKind::ShutdownApproved, &request).with("automatic", true);
    tell(post, &request, Answer::Approve, IDLE)?;
    post.keep(&request, event)?;
    Ok(request)
}

fn answered(
    mut request: Request,
    answer: Answer,
    words: &str,
    now: Timestamp,
) -> Result<Request, BoardError> {
    request.status = request.status.answered(answer, format_args!("request {}", request.id))?;
    words.clone_into(&mut request.feedback);
    request.decided_at = Some(now);
    Ok(request)
}

/// Tells who asked. Whose inbox is full finds the answer at the request.
fn tell(post: &mut Post<'_>, request: &Request, answer: Answer, words: &str) -> Result<(), BoardError> {
    let words = if words.trim().is_empty() { answer.as_str() } else { words };
    let draft = Draft::new(MailKind::ShutdownResponse, &request.to, words).about(request, Some(answer));
    match post.send(&draft, &request.from) {
        Ok(_) | Err(BoardError::InboxFull { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The answer of an agent that was asked to shut down, which only that agent gives, once.
///
/// # Errors
/// [`BoardError::NoRequest`], [`BoardError::NotAddressee`], an illegal move when it is answered already, or
/// [`BoardError::Invalid`] for a text out of bounds.
pub fn answer_shutdown(
    view: &dyn View,
    roster: &Roster,
    id: RequestId,
    by: &AgentName,
    (answer, words): (Answer, &str),
    now: Timestamp,
) -> Result<(Changes, Request), BoardError> {
    let request = addressed(view, id, RequestKind::Shutdown, by)?;
    if !words.trim().is_empty() {
        checked_text("an answer", words)?;
    }
    let request = answered(request, answer, words, now)?;
    let mut post = Post::open(view, roster, now)?;
    tell(&mut post, &request, answer, words)?;
    let kind = match answer {
        Answer::Approve => EventKind::ShutdownApproved,
        Answer::Reject => EventKind::ShutdownRejected,
    };
    post.keep(&request, said(kind, &request).error(words))?;
    Ok((post.close(), request))
}

/// The request `id` of this kind, if `by` is to answer it.
pub(super) fn addressed(
    view: &dyn View,
    id: RequestId,
    kind: RequestKind,
    by: &AgentName,
) -> Result<Request, BoardError> {
    let request = view.request(id)?.filter(|request| request.kind() == kind);
    let request = request.ok_or(BoardError::NoRequest(id))?;
    if request.to != *by {
        return Err(BoardError::NotAddressee { id, to: request.to, by: by.clone() });
    }
    Ok(request)
}

/// Shuts down who was asked to, did not answer, and has nothing to do any more.
///
/// # Errors
/// When the ledger can't be read.
pub fn approve_idle(
    view: &dyn View,
    roster: &Roster,
    now: Timestamp,
) -> Result<(Changes, Vec<Request>), BoardError> {
    let mut idle = Vec::new();
    for request in live(view)?.into_iter().filter(|request| request.status.is_open()) {
        if !is_working(view, &request.to)? {
            idle.push(request);
        }
    }
    if idle.is_empty() {
        return Ok(Default::default());
    }
    let mut post = Post::open(view, roster, now)?;
    let mut approved = Vec::new();
    for request in idle {
        approved.push(approve_automatically(&mut post, request, now)?);
    }
    Ok((post.close(), approved))
}

/// Has an agent take tasks again. Nothing changes for one that does.
///
/// # Errors
/// When the ledger can't be read.
pub fn recall(
    view: &dyn View,
    roster: &Roster,
    (from, to): (&AgentName, &AgentName),
    now: Timestamp,
) -> Result<(Changes, Option<Request>), BoardError> {
    let Some(mut request) = shutdown_of(view, to)? else { return Ok((Changes::default(), None)) };
    request.status = request.status.withdrawn(format_args!("request {}", request.id))?;
    request.decided_at = Some(now);
    let mut post = Post::open(view, roster, now)?;
    post.join(from)?;
    let words = format!("the request to shut down ({}) is withdrawn: you are given tasks again", request.id);
    match post.send(&Draft::new(MailKind::Message, from, &sanitize(&words)).about(&request, None), to) {
        Ok(_) | Err(BoardError::InboxFull { .. }) => {}
        Err(error) => return Err(error),
    }
    post.keep(&request, said(EventKind::ShutdownWithdrawn, &request))?;
    Ok((post.close(), Some(request)))
}
