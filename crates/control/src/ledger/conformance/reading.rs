//! What a view shows.

use std::time::Duration;

use biplane_model::{
    EventKind, NewEvent, Run, RunKind, RunStatus, Seq, Submission, SubmissionStatus, Task, TaskId,
    TaskStatus, Timestamp, Worktree, WorktreeId, WorktreeStatus,
};

use super::{
    AT, Store, append, commit,
    samples::{event, run, submission, task, worktree},
};
use crate::{
    Changes, EventFilter, Ledger, LedgerError, LedgerExt, ReadyOrder, RunFilter, SubmissionFilter,
    TaskFilter, View, WorktreeFilter,
};

fn id(text: &str) -> TaskId {
    text.parse().unwrap()
}

/// What `look` gives.
fn see<T>(ledger: &dyn Ledger, look: impl FnMut(&dyn View) -> Result<T, LedgerError>) -> T {
    ledger.look(look).unwrap()
}

fn task_ids(tasks: Vec<Task>) -> Vec<String> {
    tasks.into_iter().map(|t| t.id.to_string()).collect()
}

/// Tasks by state, owner and label, in the order of their creation.
pub fn tasks_by_filter(store: &impl Store) {
    let ledger = store.open();
    let tasks = vec![
        Task { labels: vec!["ui".parse().unwrap(), "a".parse().unwrap()], ..task("9") },
        Task { owner: Some("alice".parse().unwrap()), status: TaskStatus::InProgress, ..task("auth_001") },
        Task { labels: vec!["ui2".parse().unwrap()], ..task("1") },
        Task { owner: Some("alice".parse().unwrap()), labels: vec!["ui".parse().unwrap()], ..task("b") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    let found = |filter: TaskFilter| task_ids(see(&*ledger, |v| v.tasks(&filter)));
    let all = TaskFilter::default;
    assert_eq!(found(all()), ["9", "auth_001", "1", "b"]);
    assert_eq!(found(TaskFilter { status: Some(TaskStatus::Pending), ..all() }), ["9", "1", "b"]);
    assert_eq!(found(TaskFilter { owner: Some("alice".into()), ..all() }), ["auth_001", "b"]);
    assert_eq!(found(TaskFilter { owner: Some("Alice".into()), ..all() }), [""; 0]);
    assert_eq!(found(TaskFilter { label: Some("ui".into()), ..all() }), ["9", "b"]);
    let every = TaskFilter {
        status: Some(TaskStatus::Pending),
        owner: Some("alice".into()),
        label: Some("ui".into()),
    };
    assert_eq!(found(every), ["b"]);
    assert!(see(&*ledger, |v| v.task(&id("nobody"))).is_none());
}

/// Every task's id and revision.
pub fn task_revisions(store: &impl Store) {
    let ledger = store.open();
    commit(&*ledger, &Changes { tasks: vec![task("2"), task("1")], ..Changes::default() }).unwrap();
    let second = Changes { tasks: vec![Task { rev: 1, ..task("2") }], ..Changes::default() };
    commit(&*ledger, &second).unwrap();
    let mut revisions = see(&*ledger, |v| v.task_revisions());
    revisions.sort();
    assert_eq!(revisions, [(id("1"), 1), (id("2"), 2)]);
}

/// What may be begun: pending, all dependencies completed; by priority, then by age. An unknown dependency is open.
pub fn ready_order(store: &impl Store) {
    let ledger = store.open();
    let after = |ids: &[&str]| ids.iter().map(|i| id(i)).collect::<Vec<_>>();
    let tasks = vec![
        Task { status: TaskStatus::Completed, ..task("done") },
        Task { after: after(&["done"]), ..task("old") },
        Task { priority: 5, after: after(&["done", "open"]), ..task("waits") },
        Task { priority: 5, after: after(&["nowhere"]), ..task("lost") },
        Task { priority: 5, status: TaskStatus::InProgress, ..task("open") },
        Task { priority: -1, ..task("low") },
        Task { priority: 9, ..task("high") },
        task("young"),
        Task { priority: 9, ..task("high2") },
        Task { status: TaskStatus::Cancelled, ..task("off") },
        Task { after: after(&["off"]), ..task("waits2") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    let ready = |limit| task_ids(see(&*ledger, |v| v.ready(ReadyOrder::Priority, limit)));
    assert_eq!(ready(usize::MAX), ["high", "high2", "old", "young", "low"]);
    assert_eq!(ready(2), ["high", "high2"]);
    assert_eq!(ready(0), [""; 0]);
    // A dependency that is completed, and one that is dropped, let their tasks go.
    let tasks = vec![
        Task { rev: 1, status: TaskStatus::Completed, ..task("open") },
        Task { rev: 1, priority: 5, ..task("lost") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    assert_eq!(ready(4), ["high", "high2", "waits", "lost"]);
}

/// With ageing, who waits long goes before who is urgent and new, and of equals the older goes first.
pub fn ready_order_with_age(store: &impl Store) {
    let ledger = store.open();
    let minute = |n: i64| Timestamp(AT.0 + n * 60_000_000);
    let tasks = vec![
        Task { created_at: minute(0), ..task("old") },
        Task { created_at: minute(9), priority: 1, ..task("urgent") },
        Task { created_at: minute(11), priority: 1, ..task("late") },
        Task { created_at: minute(11), ..task("young") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    let ready = |step| {
        let order = ReadyOrder::Aged(Duration::from_secs(step));
        task_ids(see(&*ledger, |v| v.ready(order, usize::MAX)))
    };
    assert_eq!(ready(600), ["urgent", "old", "late", "young"]);
    assert_eq!(ready(60), ["old", "urgent", "late", "young"]);
    assert_eq!(ready(100_000), ["urgent", "late", "old", "young"]);
}

/// The tasks that wait for one, as their lists stand now.
pub fn dependents(store: &impl Store) {
    let ledger = store.open();
    let after = |ids: &[&str]| ids.iter().map(|i| id(i)).collect::<Vec<_>>();
    let tasks = vec![
        task("1"),
        Task { after: after(&["1", "1"]), status: TaskStatus::Failed, ..task("3") },
        Task { after: after(&["3", "1"]), ..task("2") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    let of = |of: &str| {
        see(&*ledger, |v| v.dependents(&id(of))).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!((of("1"), of("3"), of("2")), (vec!["3".into(), "2".into()], vec!["2".into()], vec![]));
    let tasks = vec![
        Task { after: after(&["2"]), rev: 1, ..task("3") },
        Task { after: after(&["1", "3"]), rev: 1, ..task("2") },
    ];
    commit(&*ledger, &Changes { tasks, ..Changes::default() }).unwrap();
    assert_eq!((of("1"), of("3"), of("2")), (vec!["2".to_owned()], vec!["2".into()], vec!["3".into()]));
    let back = see(&*ledger, |v| v.task(&id("2"))).unwrap();
    assert_eq!(back.after, after(&["1", "3"]));
}

/// Worktrees by life, name and task, and the newest of them.
pub fn worktrees_by_filter(store: &impl Store) {
    let ledger = store.open();
    let worktrees = vec![
        Worktree { status: WorktreeStatus::Removed, task: Some(id("7")), ..worktree(9, "auth") },
        Worktree { task: Some(id("7")), ..worktree(2, "Auth") },
        Worktree { status: WorktreeStatus::Kept, ..worktree(5, "ui") },
    ];
    commit(&*ledger, &Changes { worktrees, ..Changes::default() }).unwrap();
    let found = |live, name: &str, task: &str| {
        let filter = WorktreeFilter {
            live,
            name: name.parse().ok(),
            task: task.parse().ok(),
            ..WorktreeFilter::default()
        };
        see(&*ledger, |v| v.worktrees(&filter)).iter().map(|w| w.id.0).collect::<Vec<_>>()
    };
    assert_eq!(found(false, "", ""), [9, 2, 5]);
    assert_eq!(found(true, "", ""), [2, 5]);
    assert_eq!(found(true, "AUTH", ""), [2]);
    assert_eq!(found(false, "auth", ""), [9]);
    assert_eq!(found(false, "", "7"), [9, 2]);
    assert_eq!(found(true, "auth", "7"), [2]);
    assert_eq!(found(true, "ui", "7"), [0; 0]);
    let newest = |live, removed, newest| {
        let filter = WorktreeFilter { live, removed, newest: Some(newest), ..WorktreeFilter::default() };
        see(&*ledger, |v| v.worktrees(&filter)).iter().map(|w| w.id.0).collect::<Vec<_>>()
    };
    assert_eq!(newest(false, false, 2), [2, 5]);
    assert_eq!(newest(true, false, 1), [5]);
    assert_eq!(newest(false, true, 9), [9]);
    assert_eq!(newest(false, true, 0), [0; 0]);
}

/// Runs by life, task, worktree, kind, time, and the newest of them.
pub fn runs_by_filter(store: &impl Store) {
    let ledger = store.open();
    let minute = |n: u64| Timestamp(AT.0 + n.cast_signed() * 60_000_000);
    let kind = |n: u64| if n.is_multiple_of(3) { RunKind::Gate } else { RunKind::Agent };
    let mut runs: Vec<Run> = (1..)
        .zip(RunStatus::ALL)
        .map(|(n, &status)| Run {
            status,
            task: Some(id(&(n % 2).to_string())),
            kind: kind(n),
            started_at: minute(n),
            ..run(n, n % 3)
        })
        .collect();
    runs.reverse();
    commit(&*ledger, &Changes { runs: runs.clone(), ..Changes::default() }).unwrap();
    let choices = [
        (false, None, None),
        (true, None, Some(minute(2))),
        (false, Some(RunKind::Agent), None),
        (false, Some(RunKind::Agent), Some(minute(3))),
        (false, Some(RunKind::Gate), None),
        (false, Some(RunKind::Gate), Some(minute(3))),
    ];
    for (open, kind, since) in choices {
        for task in [None, Some(id("1"))] {
            for (worktree, newest) in [
                (None, None),
                (Some(WorktreeId(0)), Some(1)),
                (Some(WorktreeId(1)), None),
                (None, Some(2)),
                (None, Some(9)),
            ] {
                let filter = RunFilter { open, task: task.clone(), worktree, kind, since, newest };
                let found = see(&*ledger, |v| v.runs(&filter));
                let expected = runs.iter().filter(|r| {
                    (!open || !r.status.is_over())
                        && kind.is_none_or(|kind| r.kind == kind)
                        && since.is_none_or(|since| r.started_at >= since)
                        && (task.is_none() || r.task == task)
                        && worktree.is_none_or(|w| r.worktree_id == w)
                });
                let mut expected: Vec<_> = expected.map(|r| r.id).collect();
                expected.drain(..expected.len().saturating_sub(newest.unwrap_or(usize::MAX)));
                let ids = found.iter().map(|r| r.id).collect::<Vec<_>>();
                assert_eq!(ids, expected, "{filter:?}");
            }
        }
    }
}

/// Submissions by life, worktree and task.
pub fn submissions_by_filter(store: &impl Store) {
    let ledger = store.open();
    let mut submissions: Vec<Submission> = (1..)
        .zip(SubmissionStatus::ALL)
        .map(|(n, &status)| Submission {
            status,
            task: Some(id(&(n % 2).to_string())),
            ..submission(n, n % 3)
        })
        .collect();
    submissions.reverse();
    let candidate: biplane_model::CommitId = "c".repeat(40).parse().unwrap();
    submissions[1].candidate = Some(candidate.clone());
    commit(&*ledger, &Changes { submissions: submissions.clone(), ..Changes::default() }).unwrap();
    let by_candidate = SubmissionFilter { candidate: Some(candidate), ..SubmissionFilter::default() };
    let found = see(&*ledger, |v| v.submissions(&by_candidate));
    assert_eq!(found.iter().map(|s| s.id).collect::<Vec<_>>(), [submissions[1].id]);
    for open in [false, true] {
        for task in [None, Some(id("1"))] {
            for worktree in [None, Some(WorktreeId(1))] {
                let filter =
                    SubmissionFilter { open, task: task.clone(), worktree, ..SubmissionFilter::default() };
                let found = see(&*ledger, |v| v.submissions(&filter));
                let expected = submissions.iter().filter(|s| {
                    (!open || s.status.is_open())
                        && (task.is_none() || s.task == task)
                        && worktree.is_none_or(|w| s.worktree_id == w)
                });
                let ids = found.iter().map(|s| s.id).collect::<Vec<_>>();
                assert_eq!(ids, expected.map(|s| s.id).collect::<Vec<_>>(), "{filter:?}");
            }
        }
    }
}

/// Counters are 0 until they are set.
pub fn counters(store: &impl Store) {
    let ledger = store.open();
    let set = |name: &str, value| Changes { counters: vec![(name.to_owned(), value)], ..Changes::default() };
    assert_eq!(see(&*ledger, |v| v.counter("task")), 0);
    commit(&*ledger, &set("task", 7)).unwrap();
    commit(&*ledger, &set("", 2)).unwrap();
    commit(&*ledger, &set("task", 8)).unwrap();
    assert_eq!(see(&*ledger, |v| Ok((v.counter("task")?, v.counter("")?, v.counter("Task")?))), (8, 2, 0));
}

/// Events from a place on, and the newest ones, by task and by worktree.
pub fn events_by_filter(store: &impl Store) {
    let ledger = store.open();
    let (t, w) = (task("7"), worktree(3, "auth"));
    let facts = [
        NewEvent::new(EventKind::TaskCreated).task(&t),
        NewEvent::new(EventKind::WorktreeCreateAfter).worktree(&w),
        NewEvent::new(EventKind::WorktreeBind).task(&t).worktree(&w),
        event(),
        NewEvent::new(EventKind::TaskClaimed).task(&t),
    ];
    for fact in facts {
        append(&*ledger, fact).unwrap();
    }
    let all = EventFilter::default();
    let of_task = EventFilter { task: Some(t.id), worktree: None };
    let of_worktree = EventFilter { task: None, worktree: Some(w.name) };
    let of_both = EventFilter { task: of_task.task.clone(), worktree: of_worktree.worktree.clone() };
    let seqs = |events: Vec<biplane_model::Event>| events.iter().map(|e| e.seq.0).collect::<Vec<_>>();
    let since = |n, filter: &EventFilter, limit| seqs(see(&*ledger, |v| v.events(Seq(n), filter, limit)));
    assert_eq!(since(0, &all, usize::MAX), [1, 2, 3, 4, 5]);
    assert_eq!(since(1, &all, 2), [2, 3]);
    assert_eq!(since(5, &all, 9), [0; 0]);
    assert_eq!(since(1 << 63, &all, 9), [0; 0]);
    assert_eq!(since(1, &of_task, 9), [3, 5]);
    assert_eq!(since(0, &of_worktree, 9), [2, 3]);
    assert_eq!(since(0, &of_both, 9), [3]);
    let newest = |filter: &EventFilter, limit| seqs(see(&*ledger, |v| v.newest_events(filter, limit)));
    assert_eq!(newest(&all, 2), [4, 5]);
    assert_eq!(newest(&all, usize::MAX), [1, 2, 3, 4, 5]);
    assert_eq!(newest(&of_task, 2), [3, 5]);
    assert_eq!(newest(&of_worktree, 1), [3]);
    assert_eq!(newest(&all, 0), [0; 0]);
    assert_eq!(see(&*ledger, |v| v.last_seq()), Seq(5));
}

/// A view goes on showing the moment at which it first looked, whatever is committed meanwhile.
pub fn view_is_one_moment(store: &impl Store) {
    let ledger = store.open();
    append(&*ledger, event()).unwrap();
    let (begun, began) = std::sync::mpsc::channel();
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            began.recv().unwrap();
            let done = append(&*store.open(), event());
            // Where an engine makes the writer wait for the reader, the reader must not wait for the writer.
            let _ = ended.send(());
            done
        });
        ledger
            .read(&mut |view| {
                assert_eq!(view.last_seq()?, Seq(1));
                begun.send(()).unwrap();
                let _ = end.recv_timeout(Duration::from_millis(500));
                assert_eq!(view.last_seq()?, Seq(1));
                assert_eq!(view.events(Seq(0), &EventFilter::default(), 9)?.len(), 1);
                Ok(())
            })
            .unwrap();
        assert_eq!(writer.join().unwrap().unwrap().seq, Seq(2));
    });
    assert_eq!(see(&*ledger, |v| v.last_seq()), Seq(2));
}
