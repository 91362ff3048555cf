//! What is refused leaves no trace.

use std::panic::{AssertUnwindSafe, catch_unwind};

use biplane_model::{Actor, Run, Seq, Submission, Task, Worktree, WorktreeStatus};

use super::{
    AT, Store, append, commit,
    samples::{event, run, submission, task, worktree},
    stale,
};
use crate::{Changes, LedgerError, LedgerExt, TaskFilter};

/// A new record whose id is there already is refused.
pub fn new_twice_is_stale(store: &impl Store) {
    let ledger = store.open();
    let tasks = Changes { tasks: vec![task("7")], ..Changes::default() };
    let worktrees = Changes { worktrees: vec![worktree(3, "a")], ..Changes::default() };
    let runs = Changes { runs: vec![run(17, 3)], ..Changes::default() };
    let submissions = Changes { submissions: vec![submission(4, 3)], ..Changes::default() };
    for (changes, what) in
        [(tasks, "task 7"), (worktrees, "worktree a"), (runs, "run r17"), (submissions, "submission s4")]
    {
        commit(&*ledger, &changes).unwrap();
        assert_eq!(stale(commit(&*ledger, &changes)), what);
    }
}

/// A change to another revision than the stored one, or of a record that is not there, is refused as a whole.
pub fn old_revisions_are_stale(store: &impl Store) {
    let ledger = store.open();
    let all = |rev| Changes {
        tasks: vec![Task { rev, ..task("7") }],
        worktrees: vec![Worktree { rev, ..worktree(3, "a") }],
        runs: vec![Run { rev, ..run(17, 3) }],
        submissions: vec![Submission { rev, ..submission(4, 3) }],
        events: vec![event()],
        ..Changes::default()
    };
    assert_eq!(stale(commit(&*ledger, &all(1))), "task 7");
    commit(&*ledger, &all(0)).unwrap();
    commit(&*ledger, &all(1)).unwrap();
    for rev in [1, 3, u64::MAX] {
        let Changes { tasks, worktrees, runs, submissions, events, .. } = all(rev);
        let one = |changes: Changes| stale(commit(&*ledger, &Changes { events: events.clone(), ..changes }));
        assert_eq!(one(Changes { tasks, ..Changes::default() }), "task 7");
        assert_eq!(one(Changes { worktrees, ..Changes::default() }), "worktree a");
        assert_eq!(one(Changes { runs, ..Changes::default() }), "run r17");
        assert_eq!(one(Changes { submissions, ..Changes::default() }), "submission s4");
    }
    // One stale record among good ones takes the good ones with it.
    let mut mixed = all(2);
    mixed.submissions[0].rev = 1;
    assert_eq!(stale(commit(&*ledger, &mixed)), "submission s4");
    assert_eq!(append(&*ledger, event()).unwrap().seq, Seq(3));
    commit(&*ledger, &all(2)).unwrap();
}

/// What fails in the caller's function stores nothing, and the ledger goes on.
pub fn an_error_stores_nothing(store: &impl Store) {
    let ledger = store.open();
    let refused: Result<((), _), LedgerError> = ledger.change(AT, &Actor::new("x"), |view| {
        assert_eq!(view.last_seq()?, Seq(0));
        Err(LedgerError::Stale { what: "my own".to_owned() })
    });
    assert_eq!(stale(refused.map(|(_, committed)| committed)), "my own");
    assert_eq!(append(&*ledger, event()).unwrap().seq, Seq(1));
}

/// A panic in the caller's function is like an error.
pub fn a_panic_stores_nothing(store: &impl Store) {
    let ledger = store.open();
    for _ in 0..3 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _ = ledger.transact(AT, &Actor::new("x"), &mut |_| std::panic::resume_unwind(Box::new(())));
        }));
        assert!(panicked.is_err());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _ = ledger.read(&mut |view| {
                view.last_seq()?;
                std::panic::resume_unwind(Box::new(()))
            });
        }));
        assert!(panicked.is_err());
    }
    assert_eq!(append(&*store.open(), event()).unwrap().seq, Seq(1));
    assert_eq!(append(&*ledger, event()).unwrap().seq, Seq(2));
}

/// Empty changes leave everything as it is, and tell the newest event.
pub fn empty_changes_write_nothing(store: &impl Store) {
    let ledger = store.open();
    assert_eq!(commit(&*ledger, &Changes::default()).unwrap().seq, Seq(0));
    append(&*ledger, event()).unwrap();
    let committed = commit(&*ledger, &Changes::default()).unwrap();
    assert_eq!((committed.seq, committed.tasks.len()), (Seq(1), 0));
}

/// Two live worktrees never have one name, whatever its case.
pub fn a_live_name_is_unique(store: &impl Store) {
    let ledger = store.open();
    let put = |w: Worktree| commit(&*ledger, &Changes { worktrees: vec![w], ..Changes::default() });
    put(worktree(1, "Auth")).unwrap();
    assert_eq!(stale(put(worktree(2, "auth"))), "worktree auth");
    put(worktree(2, "other")).unwrap();
    assert_eq!(stale(put(Worktree { rev: 1, ..worktree(2, "AUTH") })), "worktree AUTH");
    put(Worktree { rev: 1, status: WorktreeStatus::Removed, ..worktree(1, "Auth") }).unwrap();
    put(worktree(3, "auth")).unwrap();
}

/// Two live worktrees are never bound to one task.
pub fn a_task_has_one_live_worktree(store: &impl Store) {
    let ledger = store.open();
    let put = |w: Worktree| commit(&*ledger, &Changes { worktrees: vec![w], ..Changes::default() });
    let bound = |id, name| Worktree { task: Some("7".parse().unwrap()), ..worktree(id, name) };
    put(bound(1, "a")).unwrap();
    assert_eq!(stale(put(bound(2, "b"))), "task 7");
    put(Worktree { rev: 1, status: WorktreeStatus::Removed, ..bound(1, "a") }).unwrap();
    put(bound(2, "b")).unwrap();
    put(worktree(3, "c")).unwrap();
    put(worktree(4, "d")).unwrap();
}

/// One transaction may hand a name and a task on from one worktree to another, in any order.
pub fn names_are_handed_on(store: &impl Store) {
    let ledger = store.open();
    let bound = |id, name, task: &str| Worktree { task: Some(task.parse().unwrap()), ..worktree(id, name) };
    let put = |worktrees: Vec<Worktree>| commit(&*ledger, &Changes { worktrees, ..Changes::default() });
    put(vec![bound(1, "a", "1"), bound(2, "b", "2")]).unwrap();
    put(vec![Worktree { rev: 1, ..bound(1, "b", "2") }, Worktree { rev: 1, ..bound(2, "a", "1") }]).unwrap();
    let removed = Worktree { rev: 2, status: WorktreeStatus::Removed, ..bound(2, "a", "1") };
    put(vec![bound(3, "a", "1"), removed]).unwrap();
    assert_eq!(stale(put(vec![bound(4, "c", "3"), bound(5, "C", "4")])), "worktree C");
    assert_eq!(stale(put(vec![Worktree { rev: 1, ..worktree(1, "b") }, worktree(6, "f")])), "worktree b");
}

/// What one opening has stored, the next one finds.
pub fn reopening(store: &impl Store) {
    for n in 1..=5 {
        let ledger = store.open();
        let changes =
            Changes { tasks: vec![task(&n.to_string())], events: vec![event()], ..Changes::default() };
        assert_eq!(commit(&*ledger, &changes).unwrap().seq, Seq(n));
        let tasks = ledger.look(|v| -> Result<_, LedgerError> { v.tasks(&TaskFilter::default()) }).unwrap();
        assert_eq!(tasks.len() as u64, n);
    }
}
