//! Claims, leases and fencing under any sequence of moves, on a ledger in memory.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::HashMap;

use biplane_control::{
    BoardError, Changes, LedgerExt, SqliteLedger, View,
    board::{self, Claim, Guard, Lease},
};
use biplane_model::{Actor, EventKind, ProcessIdentity, Seq, Task, TaskId, TaskStatus, Timestamp};
use proptest::prelude::*;

/// A move somebody tries.
#[derive(Debug, Clone)]
enum Move {
    Create {
        after_last: bool,
    },
    Claim {
        task: u64,
        who: u8,
    },
    ClaimNext {
        who: u8,
    },
    /// As an `up` claims it: a process keeps it alive.
    Hold {
        task: u64,
        who: u8,
    },
    Renew {
        task: u64,
        epoch: u64,
    },
    /// Takes the claim away that was seen; a moment ago, or at an older epoch.
    Fence {
        task: u64,
        is_stale: bool,
    },
    Release {
        task: u64,
    },
    Complete {
        task: u64,
        epoch: Option<u64>,
    },
    Review {
        task: u64,
        epoch: Option<u64>,
    },
    GiveBack {
        task: u64,
    },
    Reopen {
        task: u64,
    },
    Fail {
        task: u64,
    },
    Wait {
        seconds: i64,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let task = 1..6u64;
    let epoch = proptest::option::of(0..4u64);
    let one = prop_oneof![
        any::<bool>().prop_map(|after_last| Move::Create { after_last }),
        (task.clone(), 0..3u8).prop_map(|(task, who)| Move::Claim { task, who }),
        (0..3u8).prop_map(|who| Move::ClaimNext { who }),
        (task.clone(), 0..3u8).prop_map(|(task, who)| Move::Hold { task, who }),
        (task.clone(), 0..4u64).prop_map(|(task, epoch)| Move::Renew { task, epoch }),
        (task.clone(), any::<bool>()).prop_map(|(task, is_stale)| Move::Fence { task, is_stale }),
        task.clone().prop_map(|task| Move::Release { task }),
        (task.clone(), epoch.clone()).prop_map(|(task, epoch)| Move::Complete { task, epoch }),
        (task.clone(), epoch).prop_map(|(task, epoch)| Move::Review { task, epoch }),
        task.clone().prop_map(|task| Move::GiveBack { task }),
        task.clone().prop_map(|task| Move::Reopen { task }),
        task.prop_map(|task| Move::Fail { task }),
        (1..50i64).prop_map(|seconds| Move::Wait { seconds }),
    ];
    proptest::collection::vec(one, 1..60)
}

const LEASE_S: u64 = 30;
const KEEPER: u32 = 99;

fn process(pid: u32) -> ProcessIdentity {
    ProcessIdentity { boot_id: "boot".into(), pid, start_time: 1 }
}

fn apply(view: &dyn View, a: &Move, now: Timestamp) -> Result<Changes, BoardError> {
    let id = |n: u64| TaskId::numbered(n);
    let guard = |epoch: Option<u64>| Guard { epoch, rev: None };
    let any = Guard::default();
    let claim_as = |id: Option<TaskId>, who: u8, holder: Option<ProcessIdentity>| {
        let owner = format!("agent-{who}").parse().unwrap();
        let claim = Claim { id, owner, lease_s: Some(LEASE_S), holder, guard: any };
        board::claim(view, &claim, now).map(|(c, _)| c)
    };
    let claim = |id: Option<TaskId>, who: u8| claim_as(id, who, None);
    match a {
        Move::Create { after_last } => {
            let last = view.counter("task")?;
            let after = if *after_last && last > 0 { vec![id(last)] } else { Vec::new() };
            let new = board::NewTask { subject: "x".into(), after, ..Default::default() };
            board::create(view, &new, now).map(|(c, _)| c)
        }
        Move::Claim { task, who } => claim(Some(id(*task)), *who),
        Move::ClaimNext { who } => claim(None, *who),
        Move::Hold { task, who } => claim_as(Some(id(*task)), *who, Some(process(u32::from(*who)))),
        Move::Renew { task, epoch } => board::renew(view, &id(*task), *epoch, LEASE_S, now),
        Move::Fence { task, is_stale } => {
            let Some(mut seen) = view.task(&id(*task))?.as_ref().and_then(Lease::of) else {
                return Ok(Changes::default());
            };
            seen.epoch -= u64::from(*is_stale);
            let fenced = board::fence_expired(view, &seen, &process(KEEPER), LEASE_S, now)?;
            Ok(fenced.map(|(c, _)| c).unwrap_or_default())
        }
        Move::Release { task } => board::release(view, &id(*task), any, now).map(|(c, _)| c),
        Move::Complete { task, epoch } => {
            board::complete(view, &id(*task), guard(*epoch), now).map(|(c, ..)| c)
        }
        Move::Review { task, epoch } => board::review(view, &id(*task), guard(*epoch), now).map(|(c, _)| c),
        Move::GiveBack { task } => board::give_back(view, &id(*task), "again", any, now).map(|(c, _)| c),
        Move::Reopen { task } => board::reopen(view, &id(*task), any, now).map(|(c, _)| c),
        Move::Fail { task } => board::fail(view, &id(*task), "no", any, now).map(|(c, _)| c),
        Move::Wait { .. } => Ok(Changes::default()),
    }
}

/// What must hold between a task before and after any move.
fn check(before: Option<&Task>, after: &Task, done: &Move, now: Timestamp) {
    let Some(before) = before else { return };
    assert!(after.epoch >= before.epoch, "an epoch never goes back: {done:?}");
    if before.status == TaskStatus::Completed {
        assert_eq!(after, before, "a completed task never changes: {done:?}");
    }
    let claimed = matches!(done, Move::Claim { .. } | Move::ClaimNext { .. } | Move::Hold { .. })
        && after.rev != before.rev;
    if claimed {
        assert_eq!(after.epoch, before.epoch + 1, "each claim has an epoch of its own");
        let held = before.status == TaskStatus::InProgress && before.owner.is_some();
        assert!(!held || before.lease_expired(now), "a live claim was taken: {before:?}");
        assert!(!held || before.holder.is_none(), "the clock took a claim from a process: {before:?}");
    }
    if let Move::Fence { is_stale, .. } = done
        && after.rev != before.rev
    {
        assert!(!is_stale, "a claim was taken away that was not the one seen");
        assert_eq!((after.epoch, after.status), (before.epoch + 1, TaskStatus::InProgress));
        assert_eq!((&after.owner, after.run), (&before.owner, None), "nobody may take it up yet");
        assert_eq!(after.holder, Some(process(KEEPER)));
    }
    if let Move::Renew { epoch, .. } = done
        && after.rev != before.rev
    {
        assert_eq!(*epoch, before.epoch, "a stale epoch renewed a claim");
    }
    if let Move::Complete { epoch: Some(given), .. } | Move::Review { epoch: Some(given), .. } = done
        && after.rev != before.rev
        && before.status != after.status
    {
        assert_eq!(*given, before.epoch, "a stale epoch got through: {done:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_sequence_of_moves_breaks_a_claim(moves in moves()) {
        let ledger = SqliteLedger::in_memory().unwrap();
        let mut now = Timestamp(1_000_000_000);
        for a in moves {
            if let Move::Wait { seconds } = a {
                now = Timestamp(now.0 + seconds * 1_000_000);
            }
            let all = || -> HashMap<TaskId, Task> {
                let tasks = ledger.look(|v| v.tasks(&Default::default())).unwrap();
                tasks.into_iter().map(|t| (t.id.clone(), t)).collect()
            };
            let before = all();
            let tried = ledger.change(now, &Actor::new("t"), |v| apply(v, &a, now).map(|c| (c, ())));
            let after = all();
            if tried.is_err() {
                prop_assert_eq!(&before, &after, "a refused move changed something: {:?}", a);
            }
            for (id, task) in &after {
                check(before.get(id), task, &a, now);
            }
        }
        let events = ledger.look(|v| v.events(Seq(0), &Default::default(), 10_000)).unwrap();
        for (n, event) in events.iter().enumerate() {
            prop_assert_eq!(event.seq, Seq(n as u64 + 1));
        }
        let mut epochs: HashMap<TaskId, u64> = HashMap::new();
        for event in events.iter().filter(|e| e.fact.event == EventKind::TaskClaimed) {
            let task = event.fact.task.as_ref().unwrap();
            let last = epochs.insert(task.id.clone(), task.epoch);
            prop_assert!(last.is_none_or(|last| task.epoch > last));
        }
    }
}
