//! How long the ledger takes. Prints the median, and the longest where writers queue.
//!
//! `cargo bench -p biplane-control --features conformance`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use biplane_control::{
    Changes, Ledger, LedgerError, LedgerExt, ReadyOrder, SqliteLedger, TaskFilter,
    ledger::conformance::{AT, append, commit, event, task},
};
use biplane_model::{Actor, EventKind, NewEvent, Seq, Task, TaskStatus};
use camino::{Utf8Path, Utf8PathBuf};

const TASKS: usize = 10_000;

/// What `run` gives is dropped after the clock was read.
fn median<T>(what: &str, times: usize, mut run: impl FnMut() -> T) {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let began = Instant::now();
            let result = run();
            let took = began.elapsed();
            drop(black_box(result));
            took
        })
        .collect();
    took.sort();
    println!("{what:<62} {:>10.1} µs", took[times / 2].as_secs_f64() * 1e6);
}

/// Ten thousand pending tasks with a description of 500 bytes; all but the first wait for the first.
fn fill(ledger: &SqliteLedger) {
    let after = |n: usize| if n == 0 { Vec::new() } else { vec!["t0".parse().unwrap()] };
    let tasks: Vec<Task> = (0..TASKS)
        .map(|n| Task {
            after: after(n),
            description: "d".repeat(500),
            labels: vec!["ui".parse().unwrap()],
            priority: (n % 5) as i64,
            ..task(&format!("t{n}"))
        })
        .collect();
    let events = tasks.iter().map(|t| NewEvent::new(EventKind::TaskCreated).task(t)).collect();
    commit(ledger, &Changes { tasks, events, ..Changes::default() }).unwrap();
}

fn look<T>(
    ledger: &SqliteLedger,
    mut look: impl FnMut(&dyn biplane_control::View) -> Result<T, LedgerError>,
) -> T {
    ledger.look(|view| look(view)).unwrap()
}

/// Writers with openings of their own commit one event each time, as fast as they can, for two seconds.
fn contended(path: &Utf8Path, writers: usize) {
    let began = Instant::now();
    let results: Vec<(u32, Duration)> = thread::scope(|scope| {
        let one = || {
            let ledger = SqliteLedger::open(path).unwrap();
            let (mut done, mut longest) = (0, Duration::ZERO);
            while began.elapsed() < Duration::from_secs(2) {
                let asked = Instant::now();
                append(&ledger, event()).unwrap();
                longest = longest.max(asked.elapsed());
                done += 1;
            }
            (done, longest)
        };
        let all: Vec<_> = (0..writers).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let total: u32 = results.iter().map(|r| r.0).sum();
    let (least, most) =
        (results.iter().map(|r| r.0).min().unwrap(), results.iter().map(|r| r.0).max().unwrap());
    println!(
        "{writers} writers: {:.0} commits/s, each {least} to {most}, longest wait {:.0} ms",
        f64::from(total) / began.elapsed().as_secs_f64(),
        results.iter().map(|r| r.1).max().unwrap().as_secs_f64() * 1e3
    );
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let path: Utf8PathBuf = Utf8Path::from_path(dir.path()).unwrap().join("biplane/ledger.db");
    median("create", 1, || drop(SqliteLedger::open(&path).unwrap()));
    let ledger = SqliteLedger::open(&path).unwrap();
    median("store 10,000 tasks and events", 1, || fill(&ledger));
    median("open beside another opening", 100, || drop(SqliteLedger::open(&path).unwrap()));
    median("all tasks (10,000)", 50, || look(&ledger, |v| v.tasks(&TaskFilter::default())));
    let pending =
        TaskFilter { status: Some(TaskStatus::Pending), label: Some("ui".into()), ..TaskFilter::default() };
    median("all tasks by state and label", 50, || look(&ledger, |v| v.tasks(&pending)));
    median("revisions of all tasks", 50, || look(&ledger, |v| v.task_revisions()));
    median("ready, limit 1, 9,999 tasks wait", 50, || look(&ledger, |v| v.ready(ReadyOrder::Priority, 1)));
    median("ready, no limit, 9,999 tasks wait", 50, || {
        look(&ledger, |v| v.ready(ReadyOrder::Priority, usize::MAX))
    });
    median("all tasks (10,000) in a new opening", 20, || {
        look(&SqliteLedger::open(&path).unwrap(), |v| v.tasks(&TaskFilter::default()))
    });
    median("one task", 500, || look(&ledger, |v| v.task(&"t77".parse().unwrap())));
    median("newest 50 events of 10,000", 100, || look(&ledger, |v| v.newest_events(&Default::default(), 50)));
    let done = Task { rev: 1, status: TaskStatus::Completed, ..task("t0") };
    commit(&ledger, &Changes { tasks: vec![done], ..Changes::default() }).unwrap();
    median("ready, limit 1, 9,999 are ready", 50, || look(&ledger, |v| v.ready(ReadyOrder::Priority, 1)));
    median("ready, no limit, 9,999 are ready", 50, || {
        look(&ledger, |v| v.ready(ReadyOrder::Priority, usize::MAX))
    });
    median("claim: read the ready one, store it with an event", 200, || {
        let claimed: Result<((), _), LedgerError> = ledger.change(AT, &Actor::new("alice"), |view| {
            let mut task = view.ready(ReadyOrder::Priority, 1)?.remove(0);
            task.status = TaskStatus::InProgress;
            task.epoch += 1;
            let events = vec![NewEvent::new(EventKind::TaskClaimed).task(&task)];
            Ok((Changes { tasks: vec![task], events, ..Changes::default() }, ()))
        });
        claimed.unwrap();
    });
    assert!(ledger.wait(Seq(0), Duration::ZERO).unwrap() > Seq(0));
    drop(ledger);
    median("open, last_seq, close, alone", 100, || {
        look(&SqliteLedger::open(&path).unwrap(), |v| v.last_seq())
    });
    median("open, one commit, close, alone", 50, || {
        append(&SqliteLedger::open(&path).unwrap(), event()).unwrap();
    });
    for writers in [1, 2, 8, 32] {
        contended(&path, writers);
    }
}
