//! What holds of members, mail and requests.

use std::{sync::Mutex, thread};

use biplane_model::{
    Actor, AgentName, Mail, MailId, Member, PlanStatus, Request, RequestId, RequestKind, RequestStatus,
    RunId, Seq, ShutdownStatus, Timestamp,
};

use super::{
    AT, Store, append, commit,
    samples::{event, mail, member, request},
    stale,
};
use crate::{
    BoardError, Changes, Ledger, LedgerExt, MailFilter, RequestFilter, View,
    board::{self, NewMail, Waiting},
};

fn name(text: &str) -> AgentName {
    text.parse().unwrap()
}

fn numbers(ledger: &dyn Ledger, filter: &MailFilter) -> Vec<u64> {
    ledger.look(|v| v.mail(filter)).unwrap().iter().map(|m| m.id.0).collect()
}

/// Mail by recipient, sender, delivery, run and request, in the order in which it was sent.
pub fn mail_by_filter(store: &impl Store) {
    let ledger = store.open();
    let sent = vec![
        mail(1, "bob"),
        Mail { delivered_at: Some(AT), run: Some(RunId(3)), ..mail(2, "bob") },
        mail(3, "ann"),
        Mail { from: name("ann"), request: Some(RequestId(7)), ..mail(4, "bob") },
        mail(5, "Bob"),
        mail(6, "bob"),
    ];
    commit(&*ledger, &Changes { mail: sent, ..Changes::default() }).unwrap();
    let all = MailFilter::default;
    let bob = || MailFilter { to: Some(name("bob")), ..all() };
    let found = |filter: MailFilter| numbers(&*ledger, &filter);
    assert_eq!(found(all()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(bob()), [1, 2, 4, 6]);
    assert_eq!(found(MailFilter { waiting: true, ..bob() }), [1, 4, 6]);
    assert_eq!(found(MailFilter { waiting: true, oldest: Some(2), ..bob() }), [1, 4]);
    assert_eq!(found(MailFilter { newest: Some(2), ..bob() }), [4, 6]);
    assert_eq!(found(MailFilter { from: Some(name("ann")), ..all() }), [4]);
    assert_eq!(found(MailFilter { run: Some(RunId(3)), ..all() }), [2]);
    assert_eq!(found(MailFilter { request: Some(RequestId(7)), ..all() }), [4]);
    assert_eq!(found(MailFilter { to: Some(name("nobody")), ..all() }), [0u64; 0]);
}

/// Requests by kind, life and task, in the order of their creation.
pub fn requests_by_filter(store: &impl Store) {
    let ledger = store.open();
    let plan = |id, status| Request { status: RequestStatus::Plan(status), ..request(id, "lead") };
    let requests = vec![
        request(1, "bob"),
        Request { task: Some("7".parse().unwrap()), ..plan(2, PlanStatus::Submitted) },
        Request { task: Some("7".parse().unwrap()), ..plan(3, PlanStatus::Rejected) },
        Request { status: RequestStatus::Shutdown(ShutdownStatus::Approved), ..request(4, "ann") },
        Request { status: RequestStatus::Shutdown(ShutdownStatus::Withdrawn), ..request(5, "ann") },
        plan(6, PlanStatus::Approved),
    ];
    commit(&*ledger, &Changes { requests, ..Changes::default() }).unwrap();
    let all = RequestFilter::default;
    let found = |filter: RequestFilter| -> Vec<u64> {
        ledger.look(|v| v.requests(&filter)).unwrap().iter().map(|r| r.id.0).collect()
    };
    assert_eq!(found(all()), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(RequestFilter { kind: Some(RequestKind::Plan), ..all() }), [2, 3, 6]);
    assert_eq!(found(RequestFilter { live: true, ..all() }), [1, 2, 4, 6]);
    let shutdowns = RequestFilter { kind: Some(RequestKind::Shutdown), live: true, ..all() };
    assert_eq!(found(shutdowns), [1, 4]);
    assert_eq!(found(RequestFilter { task: Some("7".parse().unwrap()), ..all() }), [2, 3]);
    assert_eq!(found(RequestFilter { newest: Some(2), ..all() }), [5, 6]);
}

/// A record that is there already, and one that was read at another revision, take all that was written with them.
pub fn the_team_is_written_as_a_whole(store: &impl Store) {
    let ledger = store.open();
    let all = |rev| Changes {
        members: vec![Member { rev, ..member("bob") }],
        mail: vec![Mail { rev, ..mail(3, "bob") }],
        requests: vec![Request { rev, ..request(4, "bob") }],
        events: vec![event()],
        ..Changes::default()
    };
    assert_eq!(stale(commit(&*ledger, &all(1))), "member bob");
    commit(&*ledger, &all(0)).unwrap();
    for rev in [0, 2] {
        let Changes { members, mail, requests, events, .. } = all(rev);
        let one = |changes: Changes| stale(commit(&*ledger, &Changes { events: events.clone(), ..changes }));
        assert_eq!(one(Changes { members, ..Changes::default() }), "member bob");
        assert_eq!(one(Changes { mail, ..Changes::default() }), "message m3");
        assert_eq!(one(Changes { requests, ..Changes::default() }), "request q4");
    }
    let mut mixed = all(1);
    mixed.requests[0].rev = 0;
    assert_eq!(stale(commit(&*ledger, &mixed)), "request q4");
    assert_eq!(ledger.look(|v| v.member(&name("bob"))).unwrap().unwrap().rev, 1);
    assert_eq!(append(&*ledger, event()).unwrap().seq, Seq(2));
}

const SENDERS: u64 = 4;
const EACH: u64 = 25;

/// While many send, several read the same inbox: each message is handed out once, and those of one sender in their order.
pub fn mail_is_handed_out_once(store: &impl Store) {
    let bob = name("bob");
    let roster = [(bob.clone(), String::new())];
    let at = Timestamp(AT.0 + 1);
    let taken: Mutex<Vec<MailId>> = Mutex::default();
    let tester = Actor::new("tester");
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (bob, roster, tester) = (&bob, &roster, &tester);
            scope.spawn(move || {
                let ledger = store.open();
                for n in 0..EACH {
                    let new = NewMail {
                        from: name(&format!("s{sender}")),
                        to: bob.clone(),
                        content: format!("{sender} {n}"),
                        task: None,
                    };
                    ledger.change(at, tester, |view| board::send(view, roster, &new, at)).unwrap();
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                let ledger = store.open();
                let most = Waiting { count: 3, bytes: 1000 };
                while (taken.lock().unwrap().len() as u64) < SENDERS * EACH {
                    // The answers are noted under the lock of the list, so that it has the order of the deliveries.
                    let mut list = taken.lock().unwrap();
                    let deliver = |view: &dyn View| -> Result<_, BoardError> {
                        let ids: Vec<MailId> = most.of(view, &bob)?.iter().map(|mail| mail.id).collect();
                        Ok((board::deliver_shown(view, &bob, &ids, None, at)?, ids))
                    };
                    let (ids, _) = ledger.change(at, &tester, deliver).unwrap();
                    list.extend(ids);
                    drop(list);
                    thread::yield_now();
                }
            });
        }
    });
    let taken = taken.into_inner().unwrap();
    assert_eq!(taken, (1..=SENDERS * EACH).map(MailId).collect::<Vec<_>>());
    let sent = store.open().look(|v| v.mail(&MailFilter::default())).unwrap();
    for sender in 0..SENDERS {
        let of = |m: &&Mail| m.from == name(&format!("s{sender}"));
        let said: Vec<_> = sent.iter().filter(of).map(|m| m.content.clone()).collect();
        assert_eq!(said, (0..EACH).map(|n| format!("{sender} {n}")).collect::<Vec<_>>());
    }
    let member = store.open().look(|v| v.member(&bob)).unwrap().unwrap();
    assert_eq!(member.waiting, 0);
    assert!(
        member.rev > SENDERS * EACH,
        "a message that is sent and one that is delivered each change the member"
    );
}
