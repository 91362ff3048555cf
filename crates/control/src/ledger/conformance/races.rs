//! What holds when many write at once.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use biplane_model::{Actor, Seq, Task};

use super::{
    AT, Store, append, commit,
    samples::{event, task},
};
use crate::{Changes, EventFilter, Ledger, LedgerError, LedgerExt, TaskFilter};

const THREADS: u64 = 8;
const ROUNDS: u64 = 40;

/// Adds one to task 1 and to the counter, and appends two events.
fn add_one(ledger: &dyn Ledger) -> Seq {
    let done: Result<_, LedgerError> = ledger.change(AT, &Actor::new("adder"), |view| {
        let mut task = view.task(&"1".parse().unwrap())?.expect("it was stored first");
        task.epoch += 1;
        let n = view.counter("n")? + 1;
        assert_eq!(task.epoch, n);
        let counters = vec![("n".to_owned(), n)];
        Ok((
            Changes { tasks: vec![task], counters, events: vec![event(), event()], ..Changes::default() },
            (),
        ))
    });
    done.unwrap().1.seq
}

/// Nothing is lost and no number is left out when threads write, half of them through openings of their own.
pub fn gapless_under_contention(store: &impl Store) {
    let shared = store.open();
    commit(&*shared, &Changes { tasks: vec![task("1")], ..Changes::default() }).unwrap();
    thread::scope(|scope| {
        for n in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || {
                let own = store.open();
                let ledger = if n % 2 == 0 { shared } else { &own };
                let mut last = Seq(0);
                for _ in 0..ROUNDS {
                    let seq = add_one(&**ledger);
                    assert!(seq > last);
                    last = seq;
                }
            });
        }
    });
    let total = THREADS * ROUNDS;
    store
        .open()
        .read(&mut |view| {
            let task = view.task(&"1".parse().unwrap())?.unwrap();
            assert_eq!((task.epoch, task.rev, view.counter("n")?), (total, total + 1, total));
            let seqs: Vec<u64> =
                view.events(Seq(0), &EventFilter::default(), usize::MAX)?.iter().map(|e| e.seq.0).collect();
            assert_eq!(seqs, (1..=2 * total).collect::<Vec<_>>());
            Ok(())
        })
        .unwrap();
}

/// Of writers that read the same revision outside a transaction, one gets through.
pub fn one_of_two_writers_wins(store: &impl Store) {
    let ledger = store.open();
    commit(&*ledger, &Changes { tasks: vec![task("1")], ..Changes::default() }).unwrap();
    for rev in 1..=10 {
        let wins = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let tasks = vec![Task { rev, ..task("1") }];
                    match commit(
                        &*store.open(),
                        &Changes { tasks, events: vec![event()], ..Changes::default() },
                    ) {
                        Ok(_) => wins.fetch_add(1, Ordering::Relaxed),
                        Err(LedgerError::Stale { .. }) => 0,
                        Err(other) => panic!("{other}"),
                    };
                });
            }
        });
        assert_eq!(wins.into_inner(), 1);
        assert_eq!(ledger.look(|v| -> Result<_, LedgerError> { v.last_seq() }).unwrap(), Seq(rev));
    }
}

/// A reader sees all of a commit or nothing of it.
pub fn readers_see_whole_commits(store: &impl Store) {
    let ledger = store.open();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let ledger = store.open();
                while !stop.load(Ordering::Relaxed) {
                    ledger
                        .read(&mut |view| {
                            let seq = view.last_seq()?.0;
                            assert_eq!(view.counter("n")?, seq);
                            assert_eq!(view.tasks(&TaskFilter::default())?.len() as u64, seq);
                            Ok(())
                        })
                        .unwrap();
                }
            });
        }
        for n in 1..=60 {
            let counters = vec![("n".to_owned(), n)];
            let tasks = vec![task(&n.to_string())];
            let changes = Changes { tasks, counters, events: vec![event()], ..Changes::default() };
            commit(&*ledger, &changes).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Waiting ends with the next event, whoever appends it, and with its time.
pub fn wait_wakes_up(store: &impl Store) {
    let ledger = store.open();
    assert_eq!(ledger.wait(Seq(0), Duration::from_millis(5)).unwrap(), Seq(0));
    append(&*ledger, event()).unwrap();
    assert_eq!(ledger.wait(Seq(0), Duration::ZERO).unwrap(), Seq(1));
    thread::scope(|scope| {
        let waiters = [ledger.clone(), store.open()]
            .map(|l| scope.spawn(move || l.wait(Seq(1), Duration::from_secs(60)).unwrap()));
        append(&*ledger, event()).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Seq(2));
        }
    });
}
