//! Mail: sent to members of the team, delivered to each of them once and in order.
//!
//! **Invariant:** what waits for a recipient is delivered from its oldest message on. Whoever hands it out lets no other reader of the
//! same recipient in meanwhile, and marks it once it was shown; so each message is handed out once, in the order in which it was sent.

use biplane_model::{
    AgentName, Answer, EventKind, Mail, MailId, MailKind, Member, NewEvent, Request, RequestId,
    RequestStatus, RunId, Task, TaskId, Timestamp, clip, sanitize_line,
};

use crate::{BoardError, Changes, MailFilter, TaskFilter, View};

/// The counter of messages.
const MAIL: &str = "mail";
/// The counter of requests.
const REQUESTS: &str = "request";

/// Who is of the team by the settings: names, each with what it is there for.
pub type Roster = [(AgentName, String)];

/// A message that is to be sent to one.
#[derive(Debug, Clone)]
pub struct NewMail {
    /// Who sends it.
    pub from: AgentName,
    /// Who it is to.
    pub to: AgentName,
    /// What it says; 1 to [`Mail::MAX_CONTENT`] bytes.
    pub content: String,
    /// The task it is about.
    pub task: Option<TaskId>,
}

/// How much is delivered at once.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// The most messages.
    pub count: usize,
    /// The most bytes of content; the oldest message is delivered whatever its size.
    pub bytes: usize,
}

impl Waiting {
    /// The oldest of what waits for `to`, as much as is delivered at once.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn of(self, view: &dyn View, to: &AgentName) -> Result<Vec<Mail>, BoardError> {
        let filter = MailFilter {
            to: Some(to.clone()),
            waiting: true,
            oldest: Some(self.count),
            ..MailFilter::default()
        };
        let mut left = self.bytes;
        let mut fits = |(at, mail): &(usize, Mail)| {
            let fits = *at == 0 || mail.content.len() <= left;
            left = left.saturating_sub(mail.content.len());
            fits
        };
        let waiting = view.mail(&filter)?.into_iter().enumerate();
        Ok(waiting.take_while(|mail| fits(mail)).map(|(_, mail)| mail).collect())
    }
}

/// Sends a message to one.
///
/// # Errors
/// [`BoardError::NoMember`], [`BoardError::InboxFull`], or [`BoardError::Invalid`] for a text out of bounds.
pub fn send(
    view: &dyn View,
    roster: &Roster,
    new: &NewMail,
    now: Timestamp,
) -> Result<(Changes, Mail), BoardError> {
    let mut post = Post::open(view, roster, now)?;
    post.join(&new.from)?;
    let draft = Draft { task: new.task.clone(), ..Draft::new(MailKind::Message, &new.from, &new.content) };
    let mail = post.send(&draft, &new.to)?;
    Ok((post.close(), mail))
}

/// Sends a message to everybody but its sender. Also gives those who have too much mail waiting and don't get it.
///
/// # Errors
/// [`BoardError::Invalid`] for a text out of bounds, or when there is nobody else.
pub fn broadcast(
    view: &dyn View,
    roster: &Roster,
    from: &AgentName,
    content: &str,
    now: Timestamp,
) -> Result<(Changes, Vec<Mail>, Vec<AgentName>), BoardError> {
    let mut post = Post::open(view, roster, now)?;
    post.join(from)?;
    let others: Vec<Member> = post.members.iter().filter(|m| m.name != *from).cloned().collect();
    if others.is_empty() {
        return Err(BoardError::Invalid("there is nobody else in the team".to_owned()));
    }
    let (full, room): (Vec<_>, Vec<_>) = others.into_iter().partition(|m| m.waiting >= Mail::MAX_WAITING);
    let to: Vec<AgentName> = room.into_iter().map(|m| m.name).collect();
    let sent = post.send_all(&Draft::new(MailKind::Broadcast, from, content), &to)?;
    Ok((post.close(), sent, full.into_iter().map(|m| m.name).collect()))
}

/// Marks those of the messages `ids` that still wait for `to` as delivered: they were shown, in `run` when that is in one.
///
/// # Errors
/// When the ledger can't be read.
pub fn deliver_shown(
    view: &dyn View,
    to: &AgentName,
    ids: &[MailId],
    run: Option<RunId>,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    // They are the oldest, unless older ones came back meanwhile.
    let oldest = Waiting { count: ids.len(), bytes: usize::MAX }.of(view, to)?;
    let mut mail = if oldest.iter().map(|mail| mail.id).eq(ids.iter().copied()) {
        oldest
    } else {
        view.mail(&MailFilter { to: Some(to.clone()), waiting: true, ..MailFilter::default() })?
    };
    mail.retain(|one| ids.contains(&one.id));
    deliver_these(view, to, mail, run, now)
}

/// Marks exactly the messages `ids` as delivered in the prompt of `run`.
///
/// # Errors
/// [`BoardError::MailMoved`] when they are not the oldest of what waits for `to` any more.
pub fn deliver_in_run(
    view: &dyn View,
    to: &AgentName,
    ids: &[MailId],
    run: RunId,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    if ids.is_empty() {
        return Ok(Changes::default());
    }
    let waiting = Waiting { count: ids.len(), bytes: usize::MAX }.of(view, to)?;
    if !waiting.iter().map(|mail| mail.id).eq(ids.iter().copied()) {
        return Err(BoardError::MailMoved { to: to.clone() });
    }
    deliver_these(view, to, waiting, Some(run), now)
}

fn deliver_these(
    view: &dyn View,
    to: &AgentName,
    mut mail: Vec<Mail>,
    run: Option<RunId>,
    now: Timestamp,
) -> Result<Changes, BoardError> {
    let Some(mut member) = view.member(to)?.filter(|_| !mail.is_empty()) else {
        return Ok(Changes::default());
    };
    for one in &mut mail {
        one.delivered_at = Some(now);
        one.run = run;
    }
    member.waiting = member.waiting.saturating_sub(mail.len() as u64);
    member.updated_at = now;
    let mut event = NewEvent::new(EventKind::MailDelivered).with("to", to.as_str()).with("mail", ids(&mail));
    if let Some(run) = run {
        event = event.with("run", run.to_string());
    }
    Ok(Changes { mail, members: vec![member], events: vec![event], ..Changes::default() })
}

/// Has the messages of a run's prompt wait again: the run was never started, or was lost.
///
/// # Errors
/// When the ledger can't be read.
pub fn return_mail(view: &dyn View, run: RunId, now: Timestamp) -> Result<Changes, BoardError> {
    let mut mail = view.mail(&MailFilter { run: Some(run), ..MailFilter::default() })?;
    let Some(to) = mail.first().map(|first| first.to.clone()) else { return Ok(Changes::default()) };
    mail.retain(|one| one.to == to);
    for one in &mut mail {
        one.delivered_at = None;
        one.run = None;
    }
    let mut members = Vec::new();
    if let Some(mut member) = view.member(&to)? {
        member.waiting += mail.len() as u64;
        member.updated_at = now;
        members.push(member);
    }
    let event = NewEvent::new(EventKind::MailReturned)
        .with("to", to.as_str())
        .with("mail", ids(&mail))
        .with("run", run.to_string());
    Ok(Changes { mail, members, events: vec![event], ..Changes::default() })
}

fn ids(mail: &[Mail]) -> Vec<String> {
    mail.iter().map(|mail| mail.id.to_string()).collect()
}

/// A message but for its recipient.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    pub(super) kind: MailKind,
    pub(super) from: &'a AgentName,
    pub(super) content: &'a str,
    pub(super) request: Option<RequestId>,
    pub(super) answer: Option<Answer>,
    pub(super) task: Option<TaskId>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(kind: MailKind, from: &'a AgentName, content: &'a str) -> Self {
        Self { kind, from, content, request: None, answer: None, task: None }
    }

    /// About a request, and perhaps an answer to it.
    pub(super) fn about(self, request: &Request, answer: Option<Answer>) -> Self {
        Self { request: Some(request.id), answer, task: request.task.clone(), ..self }
    }
}

/// What is written to the team in one transaction.
pub(super) struct Post<'v> {
    view: &'v dyn View,
    now: Timestamp,
    members: Vec<Member>,
    last: u64,
    changes: Changes,
}

impl<'v> Post<'v> {
    /// With all of the roster as members.
    pub(super) fn open(view: &'v dyn View, roster: &Roster, now: Timestamp) -> Result<Self, BoardError> {
        let (members, last) = (view.members()?, view.counter(MAIL)?);
        let mut post = Self { view, now, members, last, changes: Changes::default() };
        for (name, role) in roster {
            let role = clip(sanitize_line(role).trim(), Member::MAX_ROLE);
            match post.members.iter_mut().find(|m| m.name == *name) {
                Some(member) if member.role == role => {}
                Some(member) => {
                    member.role = role;
                    post.touch(name);
                }
                None => post.add(name, role)?,
            }
        }
        Ok(post)
    }

    /// Makes `name` a member, unless it is one.
    pub(super) fn join(&mut self, name: &AgentName) -> Result<(), BoardError> {
        let is_member = self.members.iter().any(|m| m.name == *name);
        if is_member { Ok(()) } else { self.add(name, String::new()) }
    }

    fn add(&mut self, name: &AgentName, role: String) -> Result<(), BoardError> {
        if self.members.len() >= Member::MOST {
            return Err(BoardError::Invalid(format!("a team has at most {} members", Member::MOST)));
        }
        // The files of such twins are one file on some systems.
        let is_twin = |m: &&Member| m.name.as_str().to_lowercase() == name.as_str().to_lowercase();
        if let Some(twin) = self.members.iter().find(is_twin) {
            let words = format!("`{name}` differs from `{}` in nothing but case", twin.name);
            return Err(BoardError::Invalid(words));
        }
        let (role, now) = (role, self.now);
        self.members.push(Member {
            name: name.clone(),
            role,
            waiting: 0,
            joined_at: now,
            updated_at: now,
            rev: 0,
        });
        self.touch(name);
        Ok(())
    }

    /// Makes sure that `to` can get mail: a member, or the owner of a task.
    pub(super) fn reach(&mut self, to: &AgentName) -> Result<(), BoardError> {
        if self.members.iter().any(|m| m.name == *to) {
            return Ok(());
        }
        let owned = TaskFilter { owner: Some(to.to_string()), ..TaskFilter::default() };
        if !self.view.tasks(&owned)?.is_empty() {
            return self.join(to);
        }
        let known = self.members.iter().map(|m| m.name.clone()).collect();
        Err(BoardError::NoMember { name: to.clone(), known })
    }

    /// Sends to one, who must be in reach.
    pub(super) fn send(&mut self, draft: &Draft<'_>, to: &AgentName) -> Result<Mail, BoardError> {
        self.reach(to)?;
        let waiting = self.members.iter().find(|m| m.name == *to).map_or(0, |m| m.waiting);
        if waiting >= Mail::MAX_WAITING {
            return Err(BoardError::InboxFull { to: to.clone(), waiting });
        }
        let sent = self.send_all(draft, std::slice::from_ref(to))?;
        Ok(sent.into_iter().next().expect("one was sent to"))
    }

    fn send_all(&mut self, draft: &Draft<'_>, to: &[AgentName]) -> Result<Vec<Mail>, BoardError> {
        checked_text("a message", draft.content)?;
        let mut sent = Vec::with_capacity(to.len());
        for name in to {
            self.last += 1;
            sent.push(Mail {
                id: MailId(self.last),
                kind: draft.kind,
                from: draft.from.clone(),
                to: name.clone(),
                content: draft.content.to_owned(),
                request: draft.request,
                answer: draft.answer,
                task: draft.task.clone(),
                sent_at: self.now,
                delivered_at: None,
                run: None,
                rev: 0,
            });
            if let Some(member) = self.members.iter_mut().find(|m| m.name == *name) {
                member.waiting += 1;
            }
            self.touch(name);
        }
        let names: Vec<&str> = to.iter().map(AgentName::as_str).collect();
        let mut event = NewEvent::new(EventKind::MailSent)
            .with("type", draft.kind.as_str())
            .with("from", draft.from.as_str())
            .with("to", names)
            .with("mail", ids(&sent));
        if let Some(request) = draft.request {
            event = event.with("request", request.to_string());
        }
        if let Some(task) = self.task(draft.task.as_ref())? {
            event = event.task(&task);
        }
        self.changes.events.push(event);
        self.changes.mail.extend(sent.iter().cloned());
        Ok(sent)
    }

    fn touch(&mut self, name: &AgentName) {
        let Some(member) = self.members.iter_mut().find(|m| m.name == *name) else { return };
        member.updated_at = self.now;
        self.changes.members.retain(|m| m.name != *name);
        self.changes.members.push(member.clone());
    }

    /// A new request, which is not kept yet.
    pub(super) fn new_request(&mut self, status: RequestStatus) -> Result<RequestId, BoardError> {
        let id = self.view.counter(REQUESTS)? + 1;
        debug_assert!(status.is_open());
        self.changes.counters.push((REQUESTS.to_owned(), id));
        Ok(RequestId(id))
    }

    /// Keeps a request as it is now, with the event that says so.
    pub(super) fn keep(&mut self, request: &Request, event: NewEvent) -> Result<(), BoardError> {
        let mut event = event.with("request", request.id.to_string());
        if let Some(task) = self.task(request.task.as_ref())? {
            event = event.task(&task);
        }
        self.changes.events.push(event);
        self.changes.requests.retain(|r| r.id != request.id);
        self.changes.requests.push(request.clone());
        Ok(())
    }

    fn task(&self, id: Option<&TaskId>) -> Result<Option<Task>, BoardError> {
        Ok(id.map(|id| self.view.task(id)).transpose()?.flatten())
    }

    /// All that was written.
    pub(super) fn close(mut self) -> Changes {
        if !self.changes.mail.is_empty() {
            self.changes.counters.push((MAIL.to_owned(), self.last));
        }
        self.changes
    }
}

/// Refuses a text that says nothing, or too much.
pub(super) fn checked_text(what: &str, text: &str) -> Result<(), BoardError> {
    let (length, most) = (text.len(), Mail::MAX_CONTENT);
    if text.trim().is_empty() {
        return Err(BoardError::Invalid(format!("{what} must not be empty")));
    }
    if length > most {
        return Err(BoardError::Invalid(format!("{what} has at most {most} bytes, this one has {length}")));
    }
    Ok(())
}
