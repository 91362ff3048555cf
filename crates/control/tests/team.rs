//! The rules of mail, shutdowns and plans, on a ledger in memory.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, VecDeque};

use biplane_control::{
    BoardError, Changes, Ledger, LedgerExt, MailFilter, SqliteLedger, View,
    board::{self, Claim, Guard, NewMail, NewPlan, NewTask, Waiting},
};
use biplane_model::{
    Actor, AgentName, Answer, EventKind, Mail, MailId, MailKind, Request, RequestId, RunId, Seq, Task,
    TaskId, TaskStatus, Timestamp,
};
use proptest::prelude::*;

struct Team {
    ledger: SqliteLedger,
    roster: Vec<(AgentName, String)>,
    now: std::cell::Cell<i64>,
}

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

const MOST: Waiting = Waiting { count: 50, bytes: 1000 };

impl Team {
    fn new() -> Self {
        let roster = ["lead", "ann", "bob"].map(|member| (name(member), format!("is {member}"))).to_vec();
        Self { ledger: SqliteLedger::in_memory().unwrap(), roster, now: std::cell::Cell::new(1) }
    }

    fn change<T>(
        &self,
        mut rule: impl FnMut(&dyn View, Timestamp) -> Result<(Changes, T), BoardError>,
    ) -> Result<T, BoardError> {
        self.now.set(self.now.get() + 1);
        let now = Timestamp(self.now.get());
        self.ledger.change(now, &Actor::new("test"), |view| rule(view, now)).map(|(value, _)| value)
    }

    fn look<T>(&self, look: impl Fn(&dyn View) -> T) -> T {
        self.ledger.look::<_, BoardError>(|view| Ok(look(view))).unwrap()
    }

    fn send(&self, from: &str, to: &str, content: &str) -> Result<Mail, BoardError> {
        let new = NewMail { from: name(from), to: name(to), content: content.to_owned(), task: None };
        self.change(|view, now| board::send(view, &self.roster, &new, now))
    }

    fn broadcast(&self, from: &str, content: &str) -> Result<(Vec<Mail>, Vec<AgentName>), BoardError> {
        self.change(|view, now| {
            let (changes, sent, full) = board::broadcast(view, &self.roster, &name(from), content, now)?;
            Ok((changes, (sent, full)))
        })
    }

    fn read(&self, to: &str) -> Vec<(String, String)> {
        let mail = self.waiting(to);
        let ids: Vec<MailId> = mail.iter().map(|m| m.id).collect();
        self.change(|view, now| Ok((board::deliver_shown(view, &name(to), &ids, None, now)?, ()))).unwrap();
        mail.into_iter().map(|m| (m.from.to_string(), m.content)).collect()
    }

    fn waiting(&self, to: &str) -> Vec<Mail> {
        self.look(|view| MOST.of(view, &name(to)).unwrap())
    }

    fn ask(&self, to: &str, reason: &str) -> Result<Request, BoardError> {
        let pair = (name("lead"), name(to));
        self.change(|view, now| board::ask_to_shut_down(view, &self.roster, (&pair.0, &pair.1), reason, now))
    }

    fn answer(&self, id: RequestId, by: &str, answer: Answer) -> Result<Request, BoardError> {
        self.change(|view, now| {
            board::answer_shutdown(view, &self.roster, id, &name(by), (answer, "because"), now)
        })
    }

    fn away(&self) -> Vec<String> {
        let mut away: Vec<_> =
            self.look(|view| board::away(view).unwrap()).iter().map(ToString::to_string).collect();
        away.sort();
        away
    }

    /// A task in progress whose owner is `owner`.
    fn claimed(&self, owner: &str) -> Task {
        let new = NewTask { subject: "x".to_owned(), ..NewTask::default() };
        let task = self.change(|view, now| board::create(view, &new, now)).unwrap();
        self.claim(&task.id, owner)
    }

    fn claim(&self, id: &TaskId, owner: &str) -> Task {
        let claim = Claim {
            id: Some(id.clone()),
            owner: name(owner),
            lease_s: None,
            holder: None,
            guard: Guard::default(),
        };
        self.change(|view, now| board::claim(view, &claim, now)).unwrap()
    }

    fn plan(&self, task: &Task, from: &str, text: &str) -> Result<Request, BoardError> {
        let new = NewPlan {
            task: task.id.clone(),
            from: name(from),
            to: name("lead"),
            text: text.to_owned(),
            run: Some(RunId(1)),
        };
        let guard = Guard::epoch(task.epoch);
        self.change(|view, now| board::submit_plan(view, &self.roster, &new, guard, now))
    }

    /// Submits a plan and sets its task aside, as an attempt does.
    fn planned(&self, task: &Task, text: &str) -> Request {
        let plan = self.plan(task, "bob", text).unwrap();
        let guard = Guard::epoch(task.epoch);
        self.change(|view, now| board::block(view, &task.id, "waits", guard, now)).unwrap();
        plan
    }

    fn decide(&self, id: RequestId, by: &str, answer: Answer, words: &str) -> Result<Request, BoardError> {
        self.change(|view, now| board::decide_plan(view, &self.roster, id, &name(by), (answer, words), now))
    }

    fn task(&self, id: &TaskId) -> Task {
        self.look(|view| view.task(id).unwrap().unwrap())
    }

    fn plan_of(&self, id: &TaskId) -> Option<RequestId> {
        let task = self.task(id);
        self.look(|view| board::plan_of(view, &task).unwrap()).map(|plan| plan.id)
    }

    fn events(&self) -> Vec<EventKind> {
        let all = biplane_control::EventFilter::default();
        let events = self.look(|view| view.events(Seq(0), &all, usize::MAX).unwrap());
        events.into_iter().map(|e| e.fact.event).collect()
    }
}

#[test]
fn mail_is_read_once_and_in_its_order() {
    let team = Team::new();
    let first = team.send("ann", "bob", "one").unwrap();
    assert_eq!((first.id, first.kind, first.delivered_at), (MailId(1), MailKind::Message, None));
    team.send("lead", "bob", "two").unwrap();
    team.send("ann", "lead", "to another").unwrap();
    let pair = |from: &str, text: &str| (from.to_owned(), text.to_owned());
    assert_eq!(team.read("bob"), [pair("ann", "one"), pair("lead", "two")]);
    assert_eq!(team.read("bob"), []);
    assert_eq!(team.read("nobody"), []);
    team.send("bob", "bob", "to myself").unwrap();
    assert_eq!(team.read("bob"), [pair("bob", "to myself")]);
    use EventKind::{MailDelivered as Delivered, MailSent as Sent};
    assert_eq!(team.events(), [Sent, Sent, Sent, Delivered, Sent, Delivered]);
}

#[test]
fn who_is_not_known_gets_no_mail() {
    let team = Team::new();
    let error = team.send("ann", "carl", "hi").unwrap_err();
    assert_eq!(error.to_string(), "there is nobody called `carl` in the team");
    assert!(
        matches!(error, BoardError::NoMember { known, .. } if known == [name("lead"), name("ann"), name("bob")])
    );
    assert_eq!(team.look(|view| view.members().unwrap().len()), 0, "nothing is stored by a failure");
    // Who has sent something, and who owns a task, can be answered.
    team.send("carl", "ann", "hi").unwrap();
    team.send("ann", "carl", "hi").unwrap();
    team.claimed("dora");
    team.send("ann", "dora", "hi").unwrap();
    let error = team.send("Carl", "ann", "hi").unwrap_err();
    assert_eq!(error.to_string(), "`Carl` differs from `carl` in nothing but case");
}

#[test]
fn texts_have_bounds() {
    let team = Team::new();
    assert_eq!(team.send("ann", "bob", " \n").unwrap_err().to_string(), "a message must not be empty");
    let long = "x".repeat(Mail::MAX_CONTENT + 1);
    assert_eq!(
        team.send("ann", "bob", &long).unwrap_err().to_string(),
        "a message has at most 32768 bytes, this one has 32769"
    );
    team.send("ann", "bob", &long[1..]).unwrap();
    // A message that is larger than what is delivered at once comes alone.
    team.send("ann", "bob", "small").unwrap();
    assert_eq!(team.read("bob").len(), 1);
    assert_eq!(team.read("bob")[0].1, "small");
}

#[test]
fn a_broadcast_goes_to_everybody_else() {
    let team = Team::new();
    team.send("carl", "ann", "hi").unwrap();
    let (sent, full) = team.broadcast("ann", "all stop").unwrap();
    assert_eq!(sent.iter().map(|m| m.to.as_str()).collect::<Vec<_>>(), ["lead", "bob", "carl"]);
    assert!(full.is_empty() && sent.iter().all(|m| m.kind == MailKind::Broadcast));
    assert_eq!(team.read("ann").len(), 1);
    assert_eq!(team.read("bob"), [("ann".to_owned(), "all stop".to_owned())]);
}

#[test]
fn an_inbox_that_is_full_takes_no_more() {
    let team = Team::new();
    for _ in 0..Mail::MAX_WAITING {
        team.send("ann", "bob", "again").unwrap();
    }
    let error = team.send("ann", "bob", "once more").unwrap_err();
    assert_eq!(error.to_string(), "1000 messages wait for `bob`, and that is the most there may be");
    let (sent, full) = team.broadcast("ann", "all stop").unwrap();
    assert_eq!((sent.len(), full), (1, vec![name("bob")]));
    // Requests are made and answered all the same where their record says it.
    let task = team.claimed("bob");
    for _ in 0..Mail::MAX_WAITING - 1 {
        team.send("ann", "lead", "again").unwrap();
    }
    let plan = team.planned(&task, "x");
    team.decide(plan.id, "lead", Answer::Approve, "").unwrap();
    assert_eq!(team.read("bob").len(), 50);
    team.send("ann", "bob", "once more").unwrap();
}

#[test]
fn what_stands_in_a_prompt_is_delivered_with_its_run_or_not_at_all() {
    let team = Team::new();
    for text in ["one", "two", "three"] {
        team.send("ann", "bob", text).unwrap();
    }
    let ids: Vec<MailId> = team.waiting("bob").iter().map(|m| m.id).collect();
    let in_run = |ids: &[MailId], run: u64| {
        team.change(|view, now| Ok((board::deliver_in_run(view, &name("bob"), ids, RunId(run), now)?, ())))
    };
    let back =
        |run: u64| team.change(|view, now| Ok((board::return_mail(view, RunId(run), now)?, ()))).unwrap();
    in_run(&ids[..2], 7).unwrap();
    let error = in_run(&ids[..2], 8).unwrap_err();
    assert_eq!(error.to_string(), "mail of `bob` was delivered elsewhere meanwhile");
    assert!(in_run(&ids[1..], 8).is_err());
    // The run was lost: its messages wait again, before what came after them.
    back(7);
    back(7);
    assert_eq!(team.waiting("bob").iter().map(|m| m.id).collect::<Vec<_>>(), ids);
    assert_eq!(team.look(|view| view.member(&name("bob")).unwrap().unwrap().waiting), 3);
    in_run(&ids, 9).unwrap();
    back(8);
    assert!(team.waiting("bob").is_empty());
    in_run(&[], 10).unwrap();
    use EventKind::{MailDelivered as Delivered, MailReturned as Returned, MailSent as Sent};
    assert_eq!(team.events(), [Sent, Sent, Sent, Delivered, Returned, Delivered]);
}

#[test]
fn an_agent_at_work_is_asked_and_an_idle_one_is_shut_down_at_once() {
    let team = Team::new();
    let idle = team.ask("ann", "").unwrap();
    assert_eq!(idle.status.as_str(), "approved");
    let task = team.claimed("bob");
    let asked = team.ask("bob", "lunch").unwrap();
    assert_eq!((asked.status.as_str(), team.away()), ("requested", vec!["ann".to_owned(), "bob".to_owned()]));
    assert_eq!(team.ask("bob", "again").unwrap(), Request { rev: 1, ..asked.clone() });
    assert_eq!(team.read("bob")[0].1, "lunch");
    let settle = || team.change(|view, now| board::approve_idle(view, &team.roster, now)).unwrap().len();
    assert_eq!(settle(), 0, "it is at work");
    team.change(|view, now| board::release(view, &task.id, Guard::default(), now)).unwrap();
    assert_eq!((settle(), settle()), (1, 0));
    let answers: Vec<_> = team.waiting("lead").iter().map(|m| (m.kind, m.request, m.answer)).collect();
    let yes = |request| (MailKind::ShutdownResponse, Some(request), Some(Answer::Approve));
    assert_eq!(answers, [yes(idle.id), yes(asked.id)]);
    let pair = (name("lead"), name("bob"));
    let recall =
        || team.change(|view, now| board::recall(view, &team.roster, (&pair.0, &pair.1), now)).unwrap();
    assert_eq!(recall().unwrap().status.as_str(), "withdrawn");
    assert_eq!((recall(), team.away()), (None, vec!["ann".to_owned()]));
}

#[test]
fn only_the_addressee_answers_and_only_once() {
    let team = Team::new();
    team.claimed("bob");
    let asked = team.ask("bob", "").unwrap();
    let error = team.answer(asked.id, "ann", Answer::Approve).unwrap_err();
    assert_eq!(error.to_string(), "request q1 is `bob`'s to answer, not `ann`'s");
    assert_eq!(team.answer(asked.id, "bob", Answer::Reject).unwrap().status.as_str(), "rejected");
    assert!(team.away().is_empty());
    let error = team.answer(asked.id, "bob", Answer::Approve).unwrap_err();
    assert_eq!(
        error.to_string(),
        "request q1 can't go from `rejected` to `approved`; allowed: none, `rejected` is final"
    );
    let error = team.answer(RequestId(9), "bob", Answer::Approve).unwrap_err();
    assert_eq!(error.to_string(), "there is no request q9");
    // A plan's number is no shutdown's.
    assert!(matches!(team.decide(asked.id, "bob", Answer::Approve, ""), Err(BoardError::NoRequest(_))));
    let error = team.change(|view, now| {
        board::ask_to_shut_down(view, &team.roster, (&name("ann"), &name("ann")), "", now)
    });
    assert!(error.is_err());
    // Asked anew after a rejection, there is a new request.
    assert_eq!(team.ask("bob", "").unwrap().id, RequestId(2));
}

#[test]
fn a_plan_is_rejected_with_feedback_and_then_approved() {
    let team = Team::new();
    let task = team.claimed("bob");
    let first = team.planned(&task, "rewrite all");
    assert_eq!(team.task(&task.id).status, TaskStatus::Blocked);
    assert!(matches!(
        team.decide(first.id, "bob", Answer::Approve, ""),
        Err(BoardError::NotAddressee { .. })
    ));
    assert!(matches!(team.decide(first.id, "lead", Answer::Reject, " "), Err(BoardError::Invalid(_))));
    team.decide(first.id, "lead", Answer::Reject, "smaller").unwrap();
    let back = team.task(&task.id);
    assert_eq!((back.status, back.owner.clone(), back.attempts), (TaskStatus::Pending, None, 0));
    assert_eq!(back.reason, "plan q1 was rejected: smaller");
    assert!(team.decide(first.id, "lead", Answer::Approve, "").is_err());
    let again = team.claim(&task.id, "bob");
    let second = team.planned(&again, "one line");
    assert_eq!(team.decide(second.id, "lead", Answer::Approve, "").unwrap().status.as_str(), "approved");
    let ready = team.task(&task.id);
    assert_eq!(
        (ready.status, ready.reason.as_str(), ready.opened_at),
        (TaskStatus::Pending, "", task.opened_at)
    );
    assert_eq!(team.plan_of(&task.id), Some(second.id));
    let mail: Vec<_> = team.waiting("bob").iter().map(|m| (m.request, m.answer, m.content.clone())).collect();
    assert_eq!(
        mail,
        [
            (Some(first.id), Some(Answer::Reject), "smaller".to_owned()),
            (Some(second.id), Some(Answer::Approve), "approved".to_owned())
        ]
    );
    assert_eq!(
        team.waiting("lead").iter().map(|m| m.content.as_str()).collect::<Vec<_>>(),
        ["rewrite all", "one line"]
    );
}

#[test]
fn a_plan_that_nothing_waits_for_moves_no_task() {
    let team = Team::new();
    let task = team.claimed("bob");
    let plan = team.planned(&task, "x");
    // A person takes it up again: the plan is for an earlier life of the task.
    team.change(|view, now| board::reopen(view, &task.id, Guard::default(), now)).unwrap();
    let error = team.decide(plan.id, "lead", Answer::Approve, "").unwrap_err();
    assert_eq!(error.to_string(), "task 1 does not wait for plan q1 any more: it is pending");
    assert_eq!(team.plan_of(&task.id), None);
    // Who holds its task itself only gets the answer.
    let task = team.claim(&task.id, "bob");
    let old = team.plan(&task, "bob", "first").unwrap();
    assert!(matches!(team.plan(&task, "eve", "mine"), Err(BoardError::Owned { .. })));
    let new = team.plan(&task, "bob", "second").unwrap();
    assert!(team.decide(old.id, "lead", Answer::Approve, "").is_err(), "another one has replaced it");
    team.decide(new.id, "lead", Answer::Approve, "").unwrap();
    assert_eq!(team.task(&task.id), Task { rev: task.rev + 1, ..task.clone() });
    // A claim that was replaced submits nothing.
    team.change(|view, now| board::release(view, &task.id, Guard::default(), now)).unwrap();
    assert!(matches!(team.plan(&task, "bob", "late"), Err(BoardError::StaleEpoch { .. })));
    team.change(|view, now| board::cancel(view, &task.id, "", Guard::default(), now)).unwrap();
    let closed = team.task(&task.id);
    assert_eq!(
        team.plan(&closed, "bob", "late").unwrap_err().to_string(),
        "task 1 is cancelled, and takes no plan"
    );
}

/// The lead is quicker than the agent that has submitted its plan and not ended yet.
#[test]
fn a_plan_that_is_decided_on_while_its_agent_is_at_work_is_not_waited_for() {
    for (answer, reason) in [(Answer::Approve, ""), (Answer::Reject, "plan q1 was rejected: smaller")] {
        let team = Team::new();
        let task = team.claimed("bob");
        let plan = team.plan(&task, "bob", "rewrite all").unwrap();
        let plan = team.decide(plan.id, "lead", answer, "smaller").unwrap();
        assert_eq!(team.task(&task.id).status, TaskStatus::InProgress, "its agent goes on to its end");
        let guard = Guard::epoch(task.epoch);
        let aside = |view: &dyn View, now| board::set_aside_for(view, &plan, (&task.id, guard), now);
        team.change(aside).unwrap();
        let after = team.task(&task.id);
        assert_eq!((after.status, after.owner, after.reason.as_str()), (TaskStatus::Pending, None, reason));
        assert!(matches!(team.change(aside), Err(BoardError::StaleEpoch { .. })));
    }
}

/// A plan takes the place of the one that its task waits for.
#[test]
fn a_plan_that_replaces_another_one_is_waited_for_and_its_author_is_told() {
    for (answer, status, reason) in [
        (Answer::Approve, TaskStatus::Pending, ""),
        (Answer::Reject, TaskStatus::Pending, "plan q2 was rejected: smaller"),
    ] {
        let team = Team::new();
        let task = team.claimed("bob");
        let old = team.planned(&task, "rewrite all");
        let aside = team.task(&task.id);
        assert!(matches!(team.plan(&aside, "ann", "mine"), Err(BoardError::Owned { .. })));
        let new = team.plan(&aside, "lead", "one line").unwrap();
        let waits = team.task(&task.id);
        assert_eq!((waits.status, waits.epoch), (TaskStatus::Blocked, aside.epoch));
        assert!(waits.reason.starts_with("plan q2 waits for approval: "), "{}", waits.reason);
        let told: Vec<_> = team.waiting("bob").into_iter().map(|m| (m.request, m.content)).collect();
        let words = "your plan q1 was withdrawn: plan q2 of `lead` takes its place";
        assert_eq!(told, [(Some(old.id), words.to_owned())]);
        assert!(team.decide(old.id, "lead", Answer::Approve, "").is_err(), "it is withdrawn");
        team.decide(new.id, "lead", answer, "smaller").unwrap();
        let after = team.task(&task.id);
        assert_eq!((after.status, after.reason.as_str()), (status, reason));
    }
    // Of a task that was set aside for something else, a plan moves nothing.
    let team = Team::new();
    let task = team.claimed("bob");
    team.change(|view, now| board::block(view, &task.id, "broken", Guard::default(), now)).unwrap();
    let blocked = team.task(&task.id);
    let plan = team.plan(&blocked, "bob", "x").unwrap();
    assert!(matches!(
        team.decide(plan.id, "lead", Answer::Approve, ""),
        Err(BoardError::PlanUnwanted { .. })
    ));
    assert_eq!(team.task(&task.id), blocked);
}

/// A move somebody makes.
#[derive(Debug, Clone)]
enum Move {
    Send { from: usize, to: usize },
    Broadcast { from: usize },
    Read { who: usize, most: usize },
    Prompt { who: usize, most: usize },
    Lose,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let who = 0..3usize;
    let one = prop_oneof![
        (who.clone(), who.clone()).prop_map(|(from, to)| Move::Send { from, to }),
        who.clone().prop_map(|from| Move::Broadcast { from }),
        (who.clone(), 1..4usize).prop_map(|(who, most)| Move::Read { who, most }),
        (who, 1..4usize).prop_map(|(who, most)| Move::Prompt { who, most }),
        Just(Move::Lose),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn every_message_is_handed_out_once_and_in_order(moves in moves()) {
        let team = Team::new();
        let names = ["lead", "ann", "bob"];
        let mut model: BTreeMap<&str, VecDeque<u64>> = names.iter().map(|n| (*n, VecDeque::new())).collect();
        let (mut run, mut last): (u64, Option<(&str, Vec<u64>)>) = (0, None);
        for step in moves {
            match step {
                Move::Send { from, to } => {
                    let mail = team.send(names[from], names[to], "x").unwrap();
                    model.get_mut(names[to]).unwrap().push_back(mail.id.0);
                }
                Move::Broadcast { from } => {
                    for mail in team.broadcast(names[from], "x").unwrap().0 {
                        model.get_mut(mail.to.as_str()).unwrap().push_back(mail.id.0);
                    }
                }
                Move::Read { who, most } => {
                    let most = Waiting { count: most, bytes: usize::MAX };
                    let shown: Vec<MailId> =
                        team.look(|v| most.of(v, &name(names[who])).unwrap()).iter().map(|m| m.id).collect();
                    team.change(|v, now| {
                        Ok((board::deliver_shown(v, &name(names[who]), &shown, None, now)?, ()))
                    }).unwrap();
                    let waiting = model.get_mut(names[who]).unwrap();
                    for id in shown {
                        prop_assert_eq!(Some(id.0), waiting.pop_front());
                    }
                }
                Move::Prompt { who, most } => {
                    let most = Waiting { count: most, bytes: usize::MAX };
                    let ids: Vec<MailId> =
                        team.look(|v| most.of(v, &name(names[who])).unwrap()).iter().map(|m| m.id).collect();
                    run += 1;
                    team.change(|v, now| {
                        Ok((board::deliver_in_run(v, &name(names[who]), &ids, RunId(run), now)?, ()))
                    }).unwrap();
                    let waiting = model.get_mut(names[who]).unwrap();
                    let taken: Vec<u64> = waiting.drain(..ids.len()).collect();
                    prop_assert_eq!(ids.iter().map(|id| id.0).collect::<Vec<_>>(), taken.clone());
                    last = Some((names[who], taken));
                }
                Move::Lose => {
                    team.change(|v, now| Ok((board::return_mail(v, RunId(run), now)?, ()))).unwrap();
                    if let Some((who, taken)) = last.take() {
                        let waiting = model.get_mut(who).unwrap();
                        waiting.extend(taken);
                        waiting.make_contiguous().sort_unstable();
                    }
                }
            }
        }
        for who in names {
            let filter = MailFilter { to: Some(name(who)), waiting: true, ..MailFilter::default() };
            let left: Vec<u64> = team.look(|v| v.mail(&filter).unwrap()).iter().map(|m| m.id.0).collect();
            prop_assert_eq!(&left, &Vec::from(model[who].clone()));
            let counted = team.look(|v| v.member(&name(who)).unwrap().map_or(0, |m| m.waiting));
            prop_assert_eq!(counted, left.len() as u64);
        }
        prop_assert!(team.ledger.check().unwrap().is_empty());
    }
}
