//! The team: mail, plans, shutdowns.

use biplane_coordination::{
    Access, Error, MailQuery, MailRequest, MailShare, PlanQuery, PlanText, RunObserver, Scope, Tick,
};
use biplane_model::{
    AgentName, Answer, RequestId, TaskId,
    view::{MailView, MemberView, RequestView},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BOARD, LEAD, Nothing, WORK, within};
use crate::{
    answer, bounds,
    call::Call,
    permit::{Concern, Concerns, Right},
    tool::{Again, Effect, Sort, Tool},
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn tools() -> Vec<Tool> {
    let speaks = Sort { right: Right::Speak, ..WORK };
    let hears = Sort { right: Right::Speak, access: Access::Read, effect: Effect::Reads, ..BOARD };
    let again = Sort { again: Again::Nothing, ..LEAD };
    vec![
        Tool::new(
            "send_message",
            speaks,
            (
                "Send a message",
                "Send a message to the lead (`lead`) or to an agent. It is delivered once, in order.",
            ),
            send,
        ),
        Tool::new(
            "broadcast",
            speaks,
            ("Send to everybody", "Send a message to all of the team but oneself."),
            broadcast,
        ),
        Tool::new(
            "read_inbox",
            speaks,
            (
                "Read the inbox",
                "Deliver the messages that wait, in the order in which they were sent. Each is delivered once.",
            ),
            read,
        ),
        Tool::new(
            "mail_list",
            hears,
            ("List mail", "List messages, delivered or not; delivers none. Within a run: only one's own."),
            list,
        ),
        Tool::new(
            "list_teammates",
            BOARD,
            ("List the team", "List the team: who works on what, and how much mail waits."),
            team,
        ),
        Tool::new(
            "plan_submit",
            Sort { right: Right::Plan, ..WORK },
            (
                "Submit a plan",
                "Submit a plan for a task to the lead, who approves or rejects it. One that waited is withdrawn.",
            ),
            submit,
        ),
        Tool::new(
            "plan_list",
            BOARD,
            ("List plans", "List the plans that wait for approval, or all."),
            plans,
        ),
        Tool::new(
            "plan_approval",
            LEAD,
            ("Decide a plan", "Approve a plan, or reject it with feedback; its task goes on then."),
            decide,
        ),
        Tool::new(
            "shutdown_request",
            again,
            (
                "Ask to shut down",
                "Ask an agent to shut down: its work goes on to its end, and it gets no further task. It may reject that.",
            ),
            shutdown,
        ),
        Tool::new(
            "shutdown_response",
            speaks,
            ("Answer a shutdown", "Answer a request to shut down. Only the agent that was asked does, once."),
            respond,
        ),
        Tool::new(
            "teammate_recall",
            again,
            ("Call an agent back", "Have an agent take tasks again that was asked to shut down."),
            recall,
        ),
    ]
}

/// The name that the caller speaks under: `None` leaves it to its run, or to the lead's where it belongs to nothing.
fn speaker(call: &Call, wish: Option<AgentName>) -> Result<Option<AgentName>, Error> {
    let Scope::Own(own) = &call.scope else { return Ok(wish) };
    if own.agent.is_some() {
        return Ok(None);
    }
    let owner = match &own.task {
        Some(id) => call.service.task_show(id)?.0.task.owner.parse().ok(),
        None => None,
    };
    owner.map(Some).ok_or_else(|| {
        Error::refused("the caller has no name to speak under").hint(
            "an agent that works on a task speaks under the name of the task's owner: `claim_task` makes one",
        )
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    /// Who it is to: `lead`, or an agent.
    to: AgentName,
    /// What it says.
    content: String,
    /// Who sends it; the caller unless given.
    from: Option<AgentName>,
}

/// What is for the lead alone in what one speaks.
fn spoken(from: Option<&AgentName>) -> Concern {
    Concern { beyond: from.map(|_| "from").into_iter().collect(), ..Concern::default() }
}

impl Concerns for Send {
    fn concern(&self) -> Concern {
        spoken(self.from.as_ref())
    }
}

fn send(call: &Call, input: Send) -> Result<MailView, Error> {
    let from = speaker(call, input.from)?;
    call.service.mail_send(&MailRequest { from, to: input.to, content: input.content })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ToAll {
    /// What it says.
    content: String,
    /// Who sends it; the caller unless given.
    from: Option<AgentName>,
}

impl Concerns for ToAll {
    fn concern(&self) -> Concern {
        spoken(self.from.as_ref())
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct SentToAll {
    /// The messages, one for each who gets it.
    mail: Vec<MailView>,
    /// Who does not get it, because too much waits for them.
    skipped: Vec<AgentName>,
}

fn broadcast(call: &Call, input: ToAll) -> Result<SentToAll, Error> {
    let sent = call.service.mail_broadcast(speaker(call, input.from)?.as_ref(), &input.content)?;
    Ok(SentToAll { mail: sent.mail, skipped: sent.skipped })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// At most so many: 1 to 500; never more than 50 at once. `left` says how many still wait.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// Whose inbox; the caller's unless given.
    of: Option<AgentName>,
}

impl Concerns for Read {
    fn concern(&self) -> Concern {
        Concern { beyond: self.of.iter().map(|_| "of").collect(), ..Concern::default() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct Inbox {
    /// Whose it is.
    of: AgentName,
    /// The messages, in the order in which they were sent.
    mail: Vec<MailView>,
    /// How many still wait.
    left: u64,
}

fn read(call: &Call, input: Read) -> Result<Inbox, Error> {
    let mut inbox = None;
    let mut watch = call.watch.clone();
    // More than fits into an answer would be marked as delivered and not be seen.
    let count = Some(input.limit.unwrap_or(bounds::MAIL).min(bounds::MAIL));
    let mut share = MailShare { count, bytes: bounds::MAIL_BYTES };
    let of = speaker(call, input.of)?;
    loop {
        let mut fits = None;
        let read = call.service.mail_read(of.as_ref(), share, |read| {
            // Nobody is told what a call has found that was cancelled.
            if watch.tick() != Tick::Continue {
                return Err(Error::failed("the call was cancelled"));
            }
            let count = fitting(&read.mail);
            if count < read.mail.len() {
                fits = Some(count);
                return Err(Error::failed("not all of it fits into an answer"));
            }
            inbox = Some(Inbox { of: read.of.clone(), mail: read.mail.clone(), left: read.left });
            Ok(())
        });
        // Fewer each time, and one alone fits.
        match fits {
            Some(count) => share.count = Some(count),
            None => break read.map(|_| ())?,
        }
    }
    inbox.ok_or_else(|| Error::failed("the inbox was not shown"))
}

/// How many of these messages fit into an answer in whole, as JSON; the first one always counts.
fn fitting(mail: &[MailView]) -> usize {
    let mut bytes = 0;
    let fits = mail.iter().enumerate().take_while(|(at, mail)| {
        let mut value = serde_json::to_value(mail).unwrap_or_default();
        answer::clean(&mut value);
        bytes += value.to_string().len();
        *at == 0 || bytes <= bounds::MAIL_JSON
    });
    fits.count()
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Only to this recipient; within a run always to the caller.
    to: Option<AgentName>,
    /// Only from this sender.
    from: Option<AgentName>,
    /// Only those that wait to be delivered.
    #[serde(default)]
    unread: bool,
    /// Only about this request.
    request_id: Option<RequestId>,
    /// The newest so many: 1 to 500; 50 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

impl Concerns for List {
    fn concern(&self) -> Concern {
        Concern { beyond: self.to.iter().map(|_| "to").collect(), ..Concern::default() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
struct MailList {
    /// The messages, the newest last.
    mail: Vec<MailView>,
}

fn list(call: &Call, input: List) -> Result<MailList, Error> {
    let to = match &call.scope {
        Scope::Home => input.to,
        Scope::Own(_) => speaker(call, None)?,
    };
    let query = MailQuery {
        to,
        from: input.from,
        waiting: input.unread,
        request: input.request_id,
        limit: input.limit,
    };
    Ok(MailList { mail: call.service.mail_list(&query)? })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Team {
    /// The members.
    team: Vec<MemberView>,
}

fn team(call: &Call, _: Nothing) -> Result<Team, Error> {
    Ok(Team { team: call.service.team()? })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Submit {
    /// The task it is for.
    task_id: TaskId,
    /// The plan.
    plan: String,
}

impl Concerns for Submit {
    fn concern(&self) -> Concern {
        Concern { tasks: vec![self.task_id.clone()], ..Concern::default() }
    }
}

fn submit(call: &Call, input: Submit) -> Result<RequestView, Error> {
    let from = speaker(call, None)?;
    call.service.plan_submit(&PlanText { task: input.task_id, from, text: input.plan })
}

#[derive(Debug, Serialize, JsonSchema)]
struct PlanEntry {
    /// The plan.
    #[serde(flatten)]
    plan: RequestView,
    /// Whether its task waits for it.
    awaited: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Plans {
    /// The plans, the newest last.
    plans: Vec<PlanEntry>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlansOf {
    /// Only this plan.
    request_id: Option<RequestId>,
    /// Only for this task.
    task_id: Option<TaskId>,
    /// Also those that were decided or that nothing waits for any more.
    #[serde(default)]
    all: bool,
    /// The newest so many: 1 to 500; 50 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
}

impl Concerns for PlansOf {}

fn plans(call: &Call, input: PlansOf) -> Result<Plans, Error> {
    let limit = input.limit.map(|limit| within("limit", limit, bounds::MOST_PAGE)).transpose()?;
    let listed = match input.request_id {
        Some(id) => vec![call.service.plan_show(id)?],
        None => call.service.plan_list(&PlanQuery { task: input.task_id, all: input.all, limit })?,
    };
    let plans = listed.into_iter().map(|one| PlanEntry { plan: one.request, awaited: one.is_awaited });
    Ok(Plans { plans: plans.collect() })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Decide {
    /// The plan, such as `q2`.
    request_id: RequestId,
    /// Whether it is approved.
    approve: bool,
    /// What is to be different; a rejection needs it.
    #[serde(default)]
    feedback: String,
}

impl Concerns for Decide {}

fn decision(approve: bool) -> Answer {
    if approve { Answer::Approve } else { Answer::Reject }
}

fn decide(call: &Call, input: Decide) -> Result<RequestView, Error> {
    call.service.plan_decide(input.request_id, decision(input.approve), &input.feedback)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shutdown {
    /// The agent.
    teammate: AgentName,
    /// Why.
    #[serde(default)]
    reason: String,
}

impl Concerns for Shutdown {}

fn shutdown(call: &Call, input: Shutdown) -> Result<RequestView, Error> {
    call.service.shutdown_request(None, &input.teammate, &input.reason)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Respond {
    /// The request, such as `q1`.
    request_id: RequestId,
    /// Whether one shuts down.
    approve: bool,
    /// Why, or why not.
    #[serde(default)]
    reason: String,
    /// Who answers; the caller unless given.
    from: Option<AgentName>,
}

impl Concerns for Respond {
    fn concern(&self) -> Concern {
        spoken(self.from.as_ref())
    }
}

fn respond(call: &Call, input: Respond) -> Result<RequestView, Error> {
    let by = speaker(call, input.from)?;
    call.service.shutdown_respond(by.as_ref(), input.request_id, decision(input.approve), &input.reason)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Recall {
    /// The agent.
    teammate: AgentName,
}

impl Concerns for Recall {}

#[derive(Debug, Serialize, JsonSchema)]
struct Recalled {
    /// The request that was taken back; null when it takes tasks anyway.
    request: Option<RequestView>,
}

fn recall(call: &Call, input: Recall) -> Result<Recalled, Error> {
    Ok(Recalled { request: call.service.shutdown_recall(None, &input.teammate)? })
}
