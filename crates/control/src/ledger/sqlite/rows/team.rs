//! The rows of members, mail and requests.

use biplane_model::{
    Answer, Mail, MailId, MailKind, Member, Request, RequestId, RequestKind, RequestStatus, RunId, TaskId,
};
use rusqlite::types::{ToSqlOutput, Type};

use super::{Fields, Record, count, fault, maybe, text, time, word};

const KINDS: [(MailKind, &str); 6] = [
    (MailKind::Message, "message"),
    (MailKind::Broadcast, "broadcast"),
    (MailKind::ShutdownRequest, "shutdown_request"),
    (MailKind::ShutdownResponse, "shutdown_response"),
    (MailKind::PlanApprovalRequest, "plan_approval_request"),
    (MailKind::PlanApprovalResponse, "plan_approval_response"),
];

const ANSWERS: [(Answer, &str); 2] = [(Answer::Approve, "approve"), (Answer::Reject, "reject")];

const REQUESTS: [(RequestKind, &str); 2] = [(RequestKind::Shutdown, "shutdown"), (RequestKind::Plan, "plan")];

impl Record for Member {
    const TABLE: &'static str = "member";
    const COLUMNS: &'static [&'static str] = &["id", "role", "waiting", "joined_at", "updated_at", "rev"];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            name: f.parsed()?,
            role: f.text()?,
            waiting: f.count()?,
            joined_at: f.time()?,
            updated_at: f.time()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        vec![
            text(self.name.as_str()),
            text(&self.role),
            count(self.waiting),
            time(self.joined_at),
            time(self.updated_at),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("member {}", self.name)
    }
}

impl Record for Mail {
    const TABLE: &'static str = "mail";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "sender",
        "recipient",
        "request",
        "answer",
        "task",
        "sent_at",
        "delivered_at",
        "run",
        "content",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: MailId(f.count()?),
            kind: f.word(&KINDS)?,
            from: f.parsed()?,
            to: f.parsed()?,
            request: f.maybe_count()?.map(RequestId),
            answer: f.maybe_word(&ANSWERS)?,
            task: f.maybe_parsed()?,
            sent_at: f.time()?,
            delivered_at: f.maybe_time()?,
            run: f.maybe_count()?.map(RunId),
            content: f.text()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        vec![
            count(self.id.0),
            word(&KINDS, self.kind),
            text(self.from.as_str()),
            text(self.to.as_str()),
            maybe(self.request.map(|id| id.0), count),
            maybe(self.answer, |answer| word(&ANSWERS, answer)),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            time(self.sent_at),
            maybe(self.delivered_at, time),
            maybe(self.run.map(|id| id.0), count),
            text(&self.content),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("message {}", self.id)
    }
}

impl Record for Request {
    const TABLE: &'static str = "request";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "status",
        "sender",
        "recipient",
        "task",
        "epoch",
        "run",
        "content",
        "feedback",
        "created_at",
        "decided_at",
        "rev",
    ];

    fn read(f: &mut Fields<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: RequestId(f.count()?),
            status: status(f)?,
            from: f.parsed()?,
            to: f.parsed()?,
            task: f.maybe_parsed()?,
            epoch: f.count()?,
            run: f.maybe_count()?.map(RunId),
            content: f.text()?,
            feedback: f.text()?,
            created_at: f.time()?,
            decided_at: f.maybe_time()?,
            rev: f.count()?,
        })
    }

    fn values(&self) -> Vec<ToSqlOutput<'_>> {
        vec![
            count(self.id.0),
            word(&REQUESTS, self.kind()),
            text(self.status.as_str()),
            text(self.from.as_str()),
            text(self.to.as_str()),
            maybe(self.task.as_ref().map(TaskId::as_str), text),
            count(self.epoch),
            maybe(self.run.map(|id| id.0), count),
            text(&self.content),
            text(&self.feedback),
            time(self.created_at),
            maybe(self.decided_at, time),
        ]
    }

    fn rev(&self) -> u64 {
        self.rev
    }

    fn label(&self) -> String {
        format!("request {}", self.id)
    }
}

/// A state is a word of the machine of its kind.
fn status(f: &mut Fields<'_>) -> rusqlite::Result<RequestStatus> {
    let (kind, text) = (f.word(&REQUESTS)?, f.text()?);
    let known = RequestStatus::all().find(|status| status.kind() == kind && status.as_str() == text);
    known.ok_or_else(|| fault(f.next - 1, Type::Text, format!("`{text}` is no state of a {kind} request")))
}
