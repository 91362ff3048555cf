//! The team: who is of it, what waits for each, and the requests that count; from `.team/` and the events.
//!
//! What was delivered is in no view: it is not brought back. A plan whose text nobody can tell any more is not brought back either,
//! so that another one is asked for.

use std::collections::{BTreeMap, HashSet};

use biplane_model::{
    AgentName, Event, EventKind, Mail, MailId, MailKind, Member, PlanStatus, Request, RequestId,
    RequestStatus, ShutdownStatus, Task, Timestamp, clip, sanitize_line,
    view::{MailView, MemberView, TeamConfig},
};

use super::seen::Seen;
use crate::{
    bounds,
    error::Result,
    home::Home,
    import::{
        notes::Notes,
        read::{self, Found},
    },
    service::lead,
    views,
};

/// Reads the views of the team.
pub(super) fn read(home: &Home, seen: &mut Seen, notes: &mut Notes) -> Result<()> {
    let place = "`.team/config.json`";
    match read::file(&home.team_dir().join("config.json"), bounds::IMPORT_INDEX_BYTES) {
        Found::Nothing => {}
        Found::Unread(why) => notes.problem(place, why),
        Found::File(bytes) => match serde_json::from_slice::<TeamConfig>(&bytes) {
            Ok(config) => seen.members = config.members.into_iter().take(Member::MOST).collect(),
            Err(why) => notes.problem(place, format_args!("it is damaged: {why}")),
        },
    }
    let names: Vec<AgentName> = seen.members.iter().map(|member| member.name.clone()).collect();
    for name in names {
        let file = views::inbox_file(&name);
        let bytes = match read::file(&home.root.join(&file), bounds::IMPORT_EVENTS_BYTES) {
            Found::Nothing => continue,
            Found::Unread(why) => {
                notes.problem(format_args!("`{file}`"), why);
                continue;
            }
            Found::File(bytes) => bytes,
        };
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        for (at, line) in (1..).zip(lines).take(Mail::MAX_WAITING as usize) {
            match serde_json::from_slice::<MailView>(line) {
                Ok(mail) if mail.to == name && mail.content.len() <= Mail::MAX_CONTENT => {
                    seen.mail.push(mail);
                }
                Ok(_) => notes.problem(format_args!("`{file}` line {at}"), "it is not this one's mail"),
                Err(why) => notes.problem(format_args!("`{file}` line {at}"), why),
            }
        }
    }
    Ok(())
}

/// The members, the mail that waits, and the requests that count.
pub(super) fn of(
    seen: &Seen,
    tasks: &[Task],
    now: Timestamp,
    notes: &mut Notes,
) -> (Vec<Member>, Vec<Mail>, Vec<Request>) {
    let mut ids = HashSet::new();
    let mut mail: Vec<Mail> =
        seen.mail.iter().filter(|mail| mail.id != MailId(0) && ids.insert(mail.id)).map(waiting).collect();
    mail.sort_by_key(|mail| mail.id);
    let mut names = HashSet::new();
    let known = seen.members.iter().filter(|member| names.insert(member.name.clone()));
    let members = known.map(|member| member_of(member, &mail, now)).collect();
    let requests = requests(seen, &mail, tasks, notes);
    (members, mail, requests)
}

fn member_of(view: &MemberView, mail: &[Mail], now: Timestamp) -> Member {
    Member {
        name: view.name.clone(),
        role: clip(&sanitize_line(&view.role), Member::MAX_ROLE),
        waiting: mail.iter().filter(|mail| mail.to == view.name).count() as u64,
        joined_at: now,
        updated_at: now,
        rev: view.rev.min(u64::from(u32::MAX)),
    }
}

fn waiting(view: &MailView) -> Mail {
    Mail {
        id: view.id,
        kind: view.kind,
        from: view.from.clone(),
        to: view.to.clone(),
        content: view.content.clone(),
        request: view.request_id,
        answer: view
            .approve
            .map(|yes| if yes { biplane_model::Answer::Approve } else { biplane_model::Answer::Reject }),
        task: view.task_id.clone(),
        sent_at: view.timestamp,
        delivered_at: None,
        run: None,
        rev: 0,
    }
}

/// Each request as its last event says, with the text that its own mail has.
fn requests(seen: &Seen, mail: &[Mail], tasks: &[Task], notes: &mut Notes) -> Vec<Request> {
    let mut requests: BTreeMap<RequestId, Request> = BTreeMap::new();
    for event in &seen.events {
        let Some((id, status)) = said(event) else { continue };
        let made = requests.entry(id).or_insert_with(|| begun(id, status, event));
        made.status = status;
        if !status.is_open() {
            made.decided_at = Some(event.at);
            made.feedback = event.fact.error.clone().unwrap_or_default();
        }
    }
    let asks = |mail: &&Mail| matches!(mail.kind, MailKind::ShutdownRequest | MailKind::PlanApprovalRequest);
    for one in mail.iter().filter(asks) {
        if let Some(request) = one.request.and_then(|id| requests.get_mut(&id)) {
            request.content.clone_from(&one.content);
        }
    }
    requests.retain(|id, request| {
        let RequestStatus::Plan(status) = request.status else { return true };
        let is_known = request.task.as_ref().is_some_and(|id| tasks.iter().any(|task| task.id == *id));
        let counts = matches!(status, PlanStatus::Submitted | PlanStatus::Approved);
        if is_known && counts && request.content.is_empty() {
            notes.problem(format_args!("plan {id}"), "its text is in no view; another plan is asked for");
        }
        is_known && !request.content.is_empty()
    });
    requests.into_values().collect()
}

/// The request that an event is about, and how far that is.
fn said(event: &Event) -> Option<(RequestId, RequestStatus)> {
    let status = match event.fact.event {
        EventKind::ShutdownRequested => RequestStatus::Shutdown(ShutdownStatus::Requested),
        EventKind::ShutdownApproved => RequestStatus::Shutdown(ShutdownStatus::Approved),
        EventKind::ShutdownRejected => RequestStatus::Shutdown(ShutdownStatus::Rejected),
        EventKind::ShutdownWithdrawn => RequestStatus::Shutdown(ShutdownStatus::Withdrawn),
        EventKind::PlanSubmitted => RequestStatus::Plan(PlanStatus::Submitted),
        EventKind::PlanApproved => RequestStatus::Plan(PlanStatus::Approved),
        EventKind::PlanRejected => RequestStatus::Plan(PlanStatus::Rejected),
        EventKind::PlanWithdrawn => RequestStatus::Plan(PlanStatus::Withdrawn),
        _ => return None,
    };
    Some((event.fact.data.get("request")?.as_str()?.parse().ok()?, status))
}

fn begun(id: RequestId, status: RequestStatus, event: &Event) -> Request {
    let agent = event.fact.data.get("agent").and_then(|name| name.as_str()?.parse().ok());
    let agent: AgentName = agent.unwrap_or_else(lead);
    let is_plan = matches!(status, RequestStatus::Plan(_));
    let (from, to) = if is_plan { (agent, lead()) } else { (lead(), agent) };
    Request {
        id,
        status,
        from,
        to,
        task: event.fact.task.as_ref().map(|task| task.id.clone()).filter(|_| is_plan),
        // Every epoch grows by one when a ledger is rebuilt.
        epoch: event.fact.task.as_ref().map_or(0, |task| task.epoch.saturating_add(1)),
        run: None,
        content: String::new(),
        feedback: String::new(),
        created_at: event.at,
        decided_at: None,
        rev: 0,
    }
}
