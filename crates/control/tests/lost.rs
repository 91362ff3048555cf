//! Lost runs, and what a task's runs have used, on a ledger in memory.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use biplane_control::{
    Changes, LedgerExt, RunFilter, SqliteLedger,
    board::{self, Claim, Guard, NewTask},
};
use biplane_model::{
    Actor, ProcessIdentity, RepoName, Run, RunId, RunKind, RunStatus, Task, TaskId, TaskStatus, Timestamp,
    Usage, WorktreeId,
};

struct Bench {
    ledger: SqliteLedger,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { ledger: SqliteLedger::in_memory().unwrap(), now: Timestamp(1_000_000_000_000) };
        let new = NewTask { subject: "x".into(), ..NewTask::default() };
        bench.change(|view, now| board::create(view, &new, now).map(|(c, _)| c));
        bench
    }

    fn change(
        &self,
        mut decide: impl FnMut(
            &dyn biplane_control::View,
            Timestamp,
        ) -> Result<Changes, biplane_control::BoardError>,
    ) {
        self.ledger
            .change(self.now, &Actor::new("t"), |view| decide(view, self.now).map(|c| (c, ())))
            .unwrap();
    }

    fn task(&self) -> Task {
        self.ledger.look(|view| view.task(&TaskId::numbered(1))).unwrap().unwrap()
    }

    /// An attempt: a claim and a run of 10 s that ends so.
    fn attempt(&mut self, kind: RunKind, status: RunStatus, cost_microusd: u64) {
        self.change(|view, now| {
            let owner = "a".parse().unwrap();
            let claim = Claim { id: None, owner, lease_s: None, holder: None, guard: Guard::default() };
            board::claim(view, &claim, now).map(|(c, _)| c)
        });
        let began = self.now;
        self.now = self.now.plus_seconds(10);
        let (task, now) = (self.task(), self.now);
        self.change(|view, _| {
            let number = view.counter("run")? + 1;
            let run = Run {
                id: RunId(number),
                repo: RepoName::default(),
                worktree: "w".parse().unwrap(),
                worktree_id: WorktreeId(1),
                task: Some(task.id.clone()),
                epoch: task.epoch,
                kind,
                agent: None,
                role: None,
                base: None,
                session: None,
                usage: Usage { cost_microusd, ..Usage::default() },
                stop_by: None,
                command: String::new(),
                status,
                supervisor: ProcessIdentity { boot_id: String::new(), pid: 1, start_time: 1 },
                child: None,
                started_at: began,
                ended_at: Some(now),
                exit_code: None,
                signal: None,
                error: String::new(),
                rate_limited: false,
                evidence: None,
                rev: 0,
            };
            Ok(Changes { runs: vec![run], counters: vec![("run".to_owned(), number)], ..Changes::default() })
        });
    }

    fn give_back_lost(&self) -> Task {
        let id = TaskId::numbered(1);
        self.change(|view, now| {
            board::give_back_lost(view, &id, "it died", 3, Guard::default(), now).map(|(c, _)| c)
        });
        self.task()
    }
}

#[test]
fn the_third_loss_leaves_a_task_to_a_person_whatever_came_between() {
    let mut bench = Bench::new();
    bench.attempt(RunKind::Agent, RunStatus::Lost, 0);
    assert_eq!(bench.give_back_lost().status, TaskStatus::Pending);
    // A lost gate is nobody's attempt; a bounce and a failure in between forget nothing.
    bench.attempt(RunKind::Gate, RunStatus::Lost, 0);
    let id = TaskId::numbered(1);
    bench.change(|view, now| board::review(view, &id, Guard::default(), now).map(|(c, _)| c));
    bench.change(|view, now| board::give_back(view, &id, "red", Guard::default(), now).map(|(c, _)| c));
    bench.attempt(RunKind::Agent, RunStatus::Lost, 0);
    assert_eq!(bench.give_back_lost().status, TaskStatus::Pending);
    bench.attempt(RunKind::Agent, RunStatus::Lost, 0);
    let task = bench.give_back_lost();
    assert_eq!(task.status, TaskStatus::Blocked);
    assert_eq!(task.reason, "its run was lost 3 times without an end of its own; the last time: it died");
    // A person's comments are no new beginning, and taking it up again is one.
    bench.change(|view, now| board::send_back(view, &id, "again", Guard::default(), now).map(|(c, _)| c));
    bench.attempt(RunKind::Agent, RunStatus::Succeeded, 0);
    assert_eq!(bench.give_back_lost().status, TaskStatus::Blocked);
    bench.change(|view, now| board::reopen(view, &id, Guard::default(), now).map(|(c, _)| c));
    bench.attempt(RunKind::Agent, RunStatus::Lost, 0);
    assert_eq!(bench.give_back_lost().status, TaskStatus::Pending);
}

#[test]
fn what_was_used_is_summed_since_the_task_was_opened() {
    let mut bench = Bench::new();
    let used = |bench: &Bench| {
        let runs = bench.ledger.look(|view| view.runs(&RunFilter::default())).unwrap();
        board::used(&bench.task(), &runs, bench.now)
    };
    let id = TaskId::numbered(1);
    let release = |bench: &Bench| {
        bench.change(|view, now| board::release(view, &id, Guard::default(), now).map(|(c, _)| c));
    };
    for (kind, status) in [
        (RunKind::Agent, RunStatus::Failed),
        (RunKind::Agent, RunStatus::Cancelled),
        (RunKind::Gate, RunStatus::Failed),
        (RunKind::Agent, RunStatus::Lost),
    ] {
        bench.attempt(kind, status, 100);
        release(&bench);
    }
    let sum = used(&bench);
    assert_eq!((sum.attempts, sum.cost_microusd, sum.time), (2, 300, Duration::from_secs(30)));
    // The clock is set back: what comes then counts all the same.
    bench.now = Timestamp(bench.now.0 - 7_200_000_000);
    bench.attempt(RunKind::Agent, RunStatus::Failed, 100);
    release(&bench);
    assert_eq!(used(&bench).attempts, 3);
    bench.now = Timestamp(bench.now.0 + 14_400_000_000);
    bench.change(|view, now| board::cancel(view, &id, "", Guard::default(), now).map(|(c, _)| c));
    bench.change(|view, now| board::reopen(view, &id, Guard::default(), now).map(|(c, _)| c));
    assert_eq!(used(&bench), board::Used::default());
    bench.attempt(RunKind::Agent, RunStatus::Failed, 100);
    assert_eq!((used(&bench).attempts, used(&bench).cost_microusd), (1, 100));
}
