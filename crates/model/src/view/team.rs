//! The forms in which mail, requests and the team leave biplane.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    AgentName, Answer, Mail, MailId, MailKind, MemberState, Request, RequestId, RequestKind, RunId, TaskId,
    Timestamp,
};

/// A message as it leaves biplane: a line of `.team/inbox/<agent>.jsonl` and `biplane mail … --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MailView {
    /// The id.
    pub id: MailId,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MailKind,
    /// Who sent it.
    pub from: AgentName,
    /// Who it is to.
    pub to: AgentName,
    /// What it says, as the sender wrote it.
    pub content: String,
    /// When it was sent, in unix seconds.
    pub timestamp: Timestamp,
    /// The request that it makes or answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The answer, when it is one: whether it says yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approve: Option<bool>,
    /// What is said with the answer to a plan, which is `content` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// The task it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// When it was delivered, in unix seconds; absent while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// The run that got it: in its prompt, or by reading it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
}

impl From<&Mail> for MailView {
    fn from(mail: &Mail) -> Self {
        let is_verdict = mail.kind == MailKind::PlanApprovalResponse;
        Self {
            id: mail.id,
            kind: mail.kind,
            from: mail.from.clone(),
            to: mail.to.clone(),
            content: mail.content.clone(),
            timestamp: mail.sent_at,
            request_id: mail.request,
            approve: mail.answer.map(|answer| answer == Answer::Approve),
            feedback: is_verdict.then(|| mail.content.clone()),
            task_id: mail.task.clone(),
            delivered_at: mail.delivered_at,
            run: mail.run,
        }
    }
}

/// One of the team as it leaves biplane: `biplane team --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// The name.
    pub name: AgentName,
    /// What it is there for.
    #[serde(default)]
    pub role: String,
    /// What it does at the moment.
    pub status: MemberState,
    /// The tasks that it owns and that are in progress.
    #[serde(default)]
    pub tasks: Vec<TaskId>,
    /// How many messages wait for it.
    #[serde(default)]
    pub unread: u64,
    /// The request to shut down that it has been sent, while that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<RequestId>,
    /// Grows by one with every change, also with every message that is sent or delivered to it; 0 while it has never had any.
    #[serde(default)]
    pub rev: u64,
}

/// The whole of `.team/config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TeamConfig {
    /// Always `default`: a home has one team.
    pub team_name: String,
    /// The members, in the order in which they joined.
    pub members: Vec<MemberView>,
}

/// A request as it leaves biplane: `biplane plan … --json`, `biplane team shutdown --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestView {
    /// The id.
    pub request_id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// How far it is: `requested` or `submitted`, `approved`, `rejected`, `withdrawn`.
    pub status: String,
    /// Who asks.
    pub from: AgentName,
    /// Who is to answer.
    pub to: AgentName,
    /// The task a plan is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// That task's epoch when the plan was submitted.
    pub epoch: u64,
    /// The run that a plan came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The plan, or why an agent is to shut down.
    pub content: String,
    /// What was said with the answer.
    pub feedback: String,
    /// Unix seconds.
    pub created_at: Timestamp,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Grows by one with every change.
    pub rev: u64,
}

impl From<&Request> for RequestView {
    fn from(request: &Request) -> Self {
        Self {
            request_id: request.id,
            kind: request.kind(),
            status: request.status.as_str().to_owned(),
            from: request.from.clone(),
            to: request.to.clone(),
            task_id: request.task.clone(),
            epoch: request.epoch,
            run: request.run,
            content: request.content.clone(),
            feedback: request.feedback.clone(),
            created_at: request.created_at,
            decided_at: request.decided_at,
            rev: request.rev,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_inbox_has_the_fields_that_its_readers_know() {
        let mail = Mail {
            id: MailId(3),
            kind: MailKind::PlanApprovalResponse,
            from: "lead".parse().unwrap(),
            to: "bob".parse().unwrap(),
            content: "too big".to_owned(),
            request: Some(RequestId(2)),
            answer: Some(Answer::Reject),
            task: None,
            sent_at: Timestamp(1_500_000),
            delivered_at: None,
            run: None,
            rev: 1,
        };
        let line = serde_json::to_string(&MailView::from(&mail)).unwrap();
        let expected = r#"{"id":"m3","type":"plan_approval_response","from":"lead","to":"bob","content":"too big","timestamp":1.5,"request_id":"q2","approve":false,"feedback":"too big"}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::from_str::<MailView>(&line).unwrap(), MailView::from(&mail));
    }
}
