//! Any task comes back as it was stored.

use biplane_model::{Closeout, CloseoutAction, Task, TaskStatus, Timestamp, WorktreeState};
use proptest::prelude::*;

use crate::{Changes, LedgerExt, SqliteLedger, ledger::conformance::commit};

prop_compose! {
    fn any_name()(text in "[a-zA-Z0-9][a-zA-Z0-9_-]{0,20}x") -> String { text }
}

prop_compose! {
    fn any_task()(
        id in any_name(),
        texts in ("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", any::<String>(), any::<String>(), any::<String>()),
        owner in proptest::option::of("[a-zA-Zäß][ -~]{0,20}[a-z]"),
        lists in (proptest::collection::vec("[a-z\"\\\\äß ]{0,9}[a-z]", 0..4), proptest::collection::vec(any_name(), 0..4)),
        words in (0..TaskStatus::ALL.len(), 0..4usize),
        names in (proptest::option::of(any_name()), proptest::option::of(any_name())),
        closeout in proptest::option::of((any::<bool>(), any::<String>(), any::<i64>())),
        gate in proptest::option::of(any::<String>()),
        numbers in (any::<i64>(), any::<u64>(), any::<u32>(), any::<i64>(), any::<i64>()),
        maybe in (proptest::option::of(any::<i64>()), proptest::option::of(any::<u64>())),
    ) -> Task {
        let states =
            [WorktreeState::Unbound, WorktreeState::Active, WorktreeState::Kept, WorktreeState::Removed];
        Task {
            id: id.parse().unwrap(),
            repo: texts.0.parse().unwrap(),
            subject: texts.1,
            description: texts.2,
            status: TaskStatus::ALL[words.0],
            owner: owner.map(|o| o.parse().unwrap()),
            assignee: None,
            priority: numbers.0,
            labels: lists.0.iter().filter_map(|l| l.parse().ok()).collect(),
            after: lists.1.iter().map(|a| a.parse().unwrap()).collect(),
            worktree: names.0.and_then(|n| n.parse().ok()),
            worktree_state: states[words.1],
            last_worktree: names.1.and_then(|n| n.parse().ok()),
            closeout: closeout.map(|(keep, reason, at)| Closeout {
                action: if keep { CloseoutAction::Keep } else { CloseoutAction::Remove },
                reason,
                at: Timestamp(at),
            }),
            reason: texts.3,
            gate,
            profile: None,
            plan: None,
            epoch: numbers.1,
            lease_until: maybe.0.map(Timestamp),
            holder: None,
            run: maybe.1.map(biplane_model::RunId),
            attempts: numbers.2,
            opened_at: Timestamp(numbers.4),
            created_at: Timestamp(numbers.3),
            updated_at: Timestamp(numbers.4),
            rev: 0,
        }
    }
}

proptest! {
    #[test]
    fn any_task_comes_back(first in any_task(), second in any_task()) {
        let ledger = SqliteLedger::in_memory().unwrap();
        let put = |task: &Task| commit(&ledger, &Changes { tasks: vec![task.clone()], ..Changes::default() });
        let back = || ledger.look(|v| v.task(&first.id)).unwrap();
        put(&first).unwrap();
        prop_assert_eq!(back(), Some(Task { rev: 1, ..first.clone() }));
        let second = Task { id: first.id.clone(), rev: 1, ..second };
        put(&second).unwrap();
        prop_assert_eq!(back(), Some(Task { rev: 2, ..second }));
    }
}
