//! The rules of the board, on a ledger in memory.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use biplane_control::{
    BoardError, Changes, Ledger, LedgerExt, SqliteLedger, TaskFilter, View,
    board::{self, Claim, Guard, NewTask, TaskUpdate},
};
use biplane_model::{Actor, EventKind, Seq, Task, TaskId, TaskStatus, Timestamp};

/// A board with a clock that stands still until it is moved.
struct Board {
    ledger: SqliteLedger,
    now: std::cell::Cell<i64>,
}

impl Board {
    fn new() -> Self {
        Self { ledger: SqliteLedger::in_memory().unwrap(), now: std::cell::Cell::new(1_000) }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.get() * 1_000_000)
    }

    fn pass(&self, seconds: i64) {
        self.now.set(self.now.get() + seconds);
    }

    fn change<T>(
        &self,
        mut rule: impl FnMut(&dyn View, Timestamp) -> Result<(Changes, T), BoardError>,
    ) -> Result<T, BoardError> {
        let now = self.now();
        self.ledger.change(now, &Actor::new("test"), |view| rule(view, now)).map(|(value, _)| value)
    }

    fn create(&self, subject: &str, after: &[&str]) -> String {
        let after = after.iter().map(|id| id.parse().unwrap()).collect();
        let new = NewTask { subject: subject.to_owned(), after, ..NewTask::default() };
        self.change(|view, now| board::create(view, &new, now)).unwrap().id.to_string()
    }

    fn claim(&self, id: Option<&str>, owner: &str, lease_s: u64) -> Result<Task, BoardError> {
        let claim = Claim {
            id: id.map(|id| id.parse().unwrap()),
            owner: owner.parse().unwrap(),
            lease_s: Some(lease_s),
            holder: None,
            guard: Guard::default(),
        };
        self.change(|view, now| board::claim(view, &claim, now))
    }

    fn complete(&self, id: &str, guard: Guard) -> Result<Vec<TaskId>, BoardError> {
        let id: TaskId = id.parse().unwrap();
        self.change(|view, now| {
            board::complete(view, &id, guard, now).map(|(changes, _, unblocked)| (changes, unblocked))
        })
    }

    fn update(&self, id: &str, update: &TaskUpdate, guard: Guard) -> Result<Task, BoardError> {
        let id: TaskId = id.parse().unwrap();
        self.change(|view, now| {
            board::update(view, &id, update, guard, now).map(|(changes, task, _)| (changes, task))
        })
    }

    fn task(&self, id: &str) -> Task {
        self.ledger.look(|view| view.task(&id.parse().unwrap())).unwrap().unwrap()
    }

    fn events(&self) -> Vec<EventKind> {
        let events = self.ledger.look(|view| view.events(Seq(0), &Default::default(), 1000)).unwrap();
        events.iter().map(|e| e.fact.event).collect()
    }
}

fn ids(list: &[TaskId]) -> Vec<&str> {
    list.iter().map(TaskId::as_str).collect()
}

#[test]
fn ids_are_numbers_or_prefixed_and_never_used_twice() {
    let board = Board::new();
    assert_eq!((board.create("a", &[]), board.create("b", &[])), ("1".into(), "2".into()));
    let auth = NewTask { subject: "c".into(), prefix: Some("auth".parse().unwrap()), ..NewTask::default() };
    for expected in ["auth_001", "auth_002"] {
        assert_eq!(board.change(|v, now| board::create(v, &auth, now)).unwrap().id.as_str(), expected);
    }
    assert_eq!(board.create("d", &[]), "3");
}

#[test]
fn an_id_that_is_taken_is_passed_over() {
    let board = Board::new();
    board.create("a", &[]);
    let taken = Task { id: "2".parse().unwrap(), rev: 0, ..board.task("1") };
    let changes = Changes { tasks: vec![taken], ..Changes::default() };
    board.ledger.transact(board.now(), &Actor::new("x"), &mut |_| Ok(changes.clone())).unwrap();
    assert_eq!(board.create("b", &[]), "3");
}

#[test]
fn subjects_are_one_safe_line_within_bounds() {
    let board = Board::new();
    let id = board.create(" two\nlines \x1b[31m ", &[]);
    assert_eq!(board.task(&id).subject, "two lines \u{fffd}[31m");
    for subject in ["", "  \n ", &"x".repeat(501)] {
        let new = NewTask { subject: subject.to_owned(), ..NewTask::default() };
        let error = board.change(|v, now| board::create(v, &new, now)).unwrap_err();
        assert!(matches!(error, BoardError::Invalid(_)), "{error}");
    }
}

#[test]
fn unknown_and_circular_dependencies_are_refused() {
    let board = Board::new();
    for (subject, after) in [("a", vec![]), ("b", vec!["1"]), ("c", vec!["2", "2"])] {
        board.create(subject, &after);
    }
    assert_eq!(ids(&board.task("3").after), ["2"]);
    let update =
        |after: &str| TaskUpdate { after: Some(vec![after.parse().unwrap()]), ..TaskUpdate::default() };
    let error = board.update("1", &update("3"), Guard::default()).unwrap_err();
    assert_eq!(error.to_string(), "task 1 can't wait for task 3: tasks 1, 3, 2 would wait for each other");
    assert!(matches!(board.update("1", &update("1"), Guard::default()), Err(BoardError::Cycle { .. })));
    assert!(matches!(board.update("1", &update("9"), Guard::default()), Err(BoardError::NoTask(_))));
    assert!(board.task("1").after.is_empty());
}

#[test]
fn only_ready_tasks_are_claimed_and_in_order() {
    let board = Board::new();
    board.create("a", &[]);
    board.create("b", &["1"]);
    let urgent = NewTask { subject: "c".into(), priority: 5, ..NewTask::default() };
    board.change(|v, now| board::create(v, &urgent, now)).unwrap();
    assert!(matches!(board.claim(Some("2"), "al", 60), Err(BoardError::NotReady { .. })));
    assert_eq!(board.claim(None, "al", 60).unwrap().id.as_str(), "3");
    assert_eq!(board.claim(None, "al", 60).unwrap().id.as_str(), "1");
    assert!(matches!(board.claim(None, "al", 60), Err(BoardError::NothingReady)));
    assert_eq!(ids(&board.complete("1", Guard::default()).unwrap()), ["2"]);
    assert_eq!(board.claim(None, "bo", 60).unwrap().id.as_str(), "2");
}

#[test]
fn a_task_of_another_owner_is_passed_over_and_refused() {
    let board = Board::new();
    let mine = NewTask { subject: "a".into(), owner: Some("bo".parse().unwrap()), ..NewTask::default() };
    board.change(|v, now| board::create(v, &mine, now)).unwrap();
    assert!(matches!(board.claim(None, "al", 60), Err(BoardError::NothingReady)));
    assert!(matches!(board.claim(Some("1"), "al", 60), Err(BoardError::Owned { .. })));
    assert_eq!(board.claim(None, "bo", 60).unwrap().epoch, 1);
}

#[test]
fn a_live_claim_is_exclusive_even_for_its_own_name() {
    let board = Board::new();
    board.create("a", &[]);
    board.claim(Some("1"), "al", 120 * 60).unwrap();
    for owner in ["al", "bo"] {
        let error = board.claim(Some("1"), owner, 60).unwrap_err();
        assert_eq!(error.to_string(), "task 1 belongs to `al` for another 2 h");
    }
}

#[test]
fn an_expired_claim_is_replaced_and_its_epoch_fenced_off() {
    let board = Board::new();
    board.create("a", &[]);
    let first = board.claim(Some("1"), "al", 60).unwrap();
    board.pass(60);
    let second = board.claim(Some("1"), "bo", 60).unwrap();
    assert_eq!((first.epoch, second.epoch), (1, 2));
    let stale = Guard::epoch(first.epoch);
    assert!(matches!(board.complete("1", stale), Err(BoardError::StaleEpoch { given: 1, current: 2, .. })));
    let renewal = |epoch| {
        board.change(|v, now| board::renew(v, &"1".parse().unwrap(), epoch, 60, now).map(|c| (c, ())))
    };
    assert!(matches!(renewal(1), Err(BoardError::StaleEpoch { .. })));
    board.pass(30);
    renewal(2).unwrap();
    assert_eq!(board.task("1").lease_until.unwrap().seconds(), 1_000 + 60 + 30 + 60);
    board.complete("1", Guard::epoch(2)).unwrap();
    assert_eq!(board.task("1").lease_until, None);
}

#[test]
fn a_released_claim_is_fenced_off_too() {
    let board = Board::new();
    board.create("a", &[]);
    let claimed = board.claim(Some("1"), "al", 60).unwrap();
    board.change(|v, now| board::release(v, &"1".parse().unwrap(), Guard::default(), now)).unwrap();
    let task = board.task("1");
    assert_eq!((task.status, task.owner), (TaskStatus::Pending, None));
    assert!(matches!(board.complete("1", Guard::epoch(claimed.epoch)), Err(BoardError::StaleEpoch { .. })));
}

#[test]
fn going_back_from_review_counts_and_keeps_the_reason() {
    let board = Board::new();
    board.create("a", &[]);
    let id: TaskId = "1".parse().unwrap();
    for n in 1..=2 {
        board.claim(Some("1"), "al", 60).unwrap();
        board.change(|v, now| board::review(v, &id, Guard::default(), now)).unwrap();
        board.change(|v, now| board::give_back(v, &id, "red\x07 gate", Guard::default(), now)).unwrap();
        let task = board.task("1");
        assert_eq!((task.attempts, task.reason.as_str()), (n, "red\u{fffd} gate"));
    }
    board.change(|v, now| board::block(v, &id, "look", Guard::default(), now)).unwrap();
    board.change(|v, now| board::reopen(v, &id, Guard::default(), now)).unwrap();
    assert_eq!(board.task("1").attempts, 0);
}

#[test]
fn update_changes_fields_and_state_in_one_go() {
    let board = Board::new();
    board.create("a", &[]);
    let update = TaskUpdate {
        status: Some(TaskStatus::InProgress),
        owner: Some(Some("al".parse().unwrap())),
        subject: Some("b".into()),
        ..TaskUpdate::default()
    };
    let task = board.update("1", &update, Guard { rev: Some(1), epoch: None }).unwrap();
    assert_eq!((task.status, task.subject.as_str()), (TaskStatus::InProgress, "b"));
    let stored = board.task("1");
    assert_eq!((stored.rev, stored.status, stored.subject.as_str()), (2, TaskStatus::InProgress, "b"));
    assert_eq!(stored.owner.unwrap().as_str(), "al");
    assert_eq!(board.events(), [EventKind::TaskCreated, EventKind::TaskUpdated, EventKind::TaskStarted]);
    let stale = board.update("1", &TaskUpdate::default(), Guard { rev: Some(1), epoch: None });
    assert!(matches!(stale, Err(BoardError::StaleRevision { given: 1, current: 2, .. })));
}

#[test]
fn an_update_that_changes_nothing_writes_nothing() {
    let board = Board::new();
    board.create("a", &[]);
    let same =
        TaskUpdate { subject: Some("a".into()), status: Some(TaskStatus::Pending), ..TaskUpdate::default() };
    board.update("1", &same, Guard::default()).unwrap();
    assert_eq!((board.task("1").rev, board.events().len()), (1, 1));
}

#[test]
fn a_refused_update_changes_nothing() {
    let board = Board::new();
    board.create("a", &[]);
    board.complete("1", Guard::default()).unwrap();
    let update =
        TaskUpdate { status: Some(TaskStatus::Pending), subject: Some("b".into()), ..TaskUpdate::default() };
    let error = board.update("1", &update, Guard::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task 1 can't go from `completed` to `pending`; allowed: none, `completed` is final"
    );
    assert_eq!(board.task("1").subject, "a");
}

#[test]
fn what_a_task_waits_for_tells_open_from_dead() {
    let board = Board::new();
    board.create("a", &[]);
    board.create("b", &[]);
    board.create("c", &["1", "2"]);
    let cancel = |id: &str| {
        board.change(|v, now| board::cancel(v, &id.parse().unwrap(), "", Guard::default(), now)).unwrap()
    };
    cancel("2");
    let task = board.task("3");
    let waits = board.ledger.look(|view| board::readiness(view, &task)).unwrap();
    assert_eq!(ids(&waits.open), ["1"]);
    assert_eq!(waits.dead[0].1, TaskStatus::Cancelled);
    assert!(board.complete("1", Guard::default()).unwrap().is_empty(), "2 will not be completed");
    let ready = board.ledger.look(|view| view.tasks(&TaskFilter::default())).unwrap();
    assert_eq!(ready.len(), 3);
}

#[test]
fn a_task_in_review_is_not_claimed() {
    let board = Board::new();
    board.create("a", &[]);
    board.claim(Some("1"), "al", 60).unwrap();
    board.change(|v, now| board::review(v, &"1".parse().unwrap(), Guard::default(), now)).unwrap();
    for owner in ["al", "bo"] {
        assert!(matches!(board.claim(Some("1"), owner, 60), Err(BoardError::NotClaimable { .. })));
    }
}

#[test]
fn another_owner_fences_the_former_one_off() {
    let board = Board::new();
    board.create("a", &[]);
    let first = board.claim(Some("1"), "al", 60).unwrap();
    let update = TaskUpdate { owner: Some(Some("bo".parse().unwrap())), ..TaskUpdate::default() };
    board.update("1", &update, Guard::default()).unwrap();
    assert!(matches!(board.complete("1", Guard::epoch(first.epoch)), Err(BoardError::StaleEpoch { .. })));
}

#[test]
fn a_task_that_is_meant_for_somebody_goes_back_to_them() {
    type Way = fn(&dyn View, &TaskId, Timestamp) -> Result<(Changes, Task), BoardError>;
    let any = Guard::default();
    let ways: [(&str, Way); 4] = [
        ("given back", |v, id, now| board::give_back(v, id, "lost", Guard::default(), now)),
        ("revised", |v, id, now| board::revise(v, id, "red", 9, Guard::default(), now)),
        ("released", |v, id, now| board::release(v, id, Guard::default(), now)),
        ("updated", |v, id, now| {
            let update = TaskUpdate { status: Some(TaskStatus::Pending), ..TaskUpdate::default() };
            board::update(v, id, &update, Guard::default(), now).map(|(changes, task, _)| (changes, task))
        }),
    ];
    let board = Board::new();
    let bo = Some("bo".parse().unwrap());
    let mine = NewTask { subject: "a".into(), owner: bo.clone(), ..NewTask::default() };
    let id = board.change(|v, now| board::create(v, &mine, now)).unwrap().id;
    let is_theirs = |what: &str| {
        let task = board.task("1");
        assert_eq!((task.status, &task.owner), (TaskStatus::Pending, &bo), "{what}");
        assert!(matches!(board.claim(Some("1"), "al", 60), Err(BoardError::Owned { .. })), "{what}");
    };
    for (what, way) in ways {
        board.claim(Some("1"), "bo", 60).unwrap();
        board.change(|v, now| way(v, &id, now)).unwrap();
        is_theirs(what);
    }
    board.claim(Some("1"), "bo", 60).unwrap();
    board.change(|v, now| board::fail(v, &id, "red", any, now)).unwrap();
    board.change(|v, now| board::reopen(v, &id, any, now)).unwrap();
    is_theirs("failed and reopened");
    board.claim(Some("1"), "bo", 60).unwrap();
    board.change(|v, now| board::block(v, &id, "odd", any, now)).unwrap();
    board.change(|v, now| board::send_back(v, &id, "look again", any, now)).unwrap();
    is_theirs("blocked and sent back");
    // Who takes it up in the same breath claims it, and is not given it.
    let owner = |name: Option<&str>, status| TaskUpdate {
        owner: Some(name.map(|name| name.parse().unwrap())),
        status,
        ..TaskUpdate::default()
    };
    board.update("1", &owner(Some("al"), Some(TaskStatus::InProgress)), any).unwrap();
    board.change(|v, now| board::give_back(v, &id, "lost", any, now)).unwrap();
    is_theirs("taken up by another and lost");
    // Given to another, or to nobody.
    let task = board.update("1", &owner(Some("al"), None), any).unwrap();
    assert_eq!(
        (task.owner.as_ref(), task.owner.as_ref()),
        (task.assignee.as_ref(), Some(&"al".parse().unwrap()))
    );
    board.change(|v, now| board::release(v, &id, any, now)).unwrap();
    let task = board.task("1");
    assert_eq!((task.owner, task.assignee), (None, None), "what nobody has claimed is given to nobody");
    board.update("1", &owner(Some("bo"), None), any).unwrap();
    board.update("1", &owner(None, None), any).unwrap();
    board.claim(Some("1"), "al", 60).unwrap();
    board.change(|v, now| board::give_back(v, &id, "lost", any, now)).unwrap();
    assert_eq!(board.task("1").owner, None, "it was meant for whoever takes it");
}
