//! What every ledger engine must do, as functions over a [`Store`]; [`conformance_tests!`](crate::conformance_tests)
//! makes a test of each.
//!
//! A check panics when the engine fails it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc)]

mod races;
mod reading;
mod records;
mod samples;
mod team;
mod writing;

use std::sync::Arc;

use biplane_model::{Actor, NewEvent, Timestamp};

pub use self::{
    races::{gapless_under_contention, one_of_two_writers_wins, readers_see_whole_commits, wait_wakes_up},
    reading::{
        counters, dependents, events_by_filter, ready_order, ready_order_with_age, runs_by_filter,
        submissions_by_filter, task_revisions, tasks_by_filter, view_is_one_moment, worktrees_by_filter,
    },
    records::{every_field_comes_back, extreme_numbers_come_back, the_team_comes_back},
    samples::{event, mail, member, request, run, submission, task, worktree},
    team::{mail_by_filter, mail_is_handed_out_once, requests_by_filter, the_team_is_written_as_a_whole},
    writing::{
        a_live_name_is_unique, a_panic_stores_nothing, a_task_has_one_live_worktree, an_error_stores_nothing,
        empty_changes_write_nothing, names_are_handed_on, new_twice_is_stale, old_revisions_are_stale,
        reopening,
    },
};
use crate::{Changes, Committed, Ledger, LedgerError};

/// One ledger that can be opened several times; empty at first, gone when this is dropped.
pub trait Store: Sync {
    /// Opens it, as another process would where the engine can.
    fn open(&self) -> Arc<dyn Ledger>;
}

/// The time of every commit of the checks.
pub const AT: Timestamp = Timestamp(1_763_640_000_123_456);

/// Commits `changes`.
///
/// # Errors
/// What the engine says.
pub fn commit(ledger: &dyn Ledger, changes: &Changes) -> Result<Committed, LedgerError> {
    ledger.transact(AT, &Actor::new("tester"), &mut |_| Ok(changes.clone()))
}

/// Commits one event.
///
/// # Errors
/// What the engine says.
pub fn append(ledger: &dyn Ledger, event: NewEvent) -> Result<Committed, LedgerError> {
    commit(ledger, &Changes { events: vec![event], ..Changes::default() })
}

/// The record that `error` calls stale.
#[track_caller]
fn stale(result: Result<Committed, LedgerError>) -> String {
    match result {
        Err(LedgerError::Stale { what }) => what,
        other => panic!("expected a stale record, got {other:?}"),
    }
}

/// Makes a test of every check. `$fresh` is an expression that gives a new, empty [`Store`].
#[macro_export]
macro_rules! conformance_tests {
    ($fresh:expr) => {
        $crate::conformance_tests! { @each $fresh;
            gapless_under_contention one_of_two_writers_wins readers_see_whole_commits wait_wakes_up
            counters dependents events_by_filter ready_order ready_order_with_age runs_by_filter submissions_by_filter
            task_revisions tasks_by_filter view_is_one_moment worktrees_by_filter
            a_live_name_is_unique a_panic_stores_nothing a_task_has_one_live_worktree an_error_stores_nothing
            empty_changes_write_nothing every_field_comes_back extreme_numbers_come_back names_are_handed_on
            mail_by_filter mail_is_handed_out_once new_twice_is_stale old_revisions_are_stale reopening
            requests_by_filter the_team_comes_back the_team_is_written_as_a_whole
        }
    };
    (@each $fresh:expr; $($check:ident)+) => {
        $(
            #[test]
            fn $check() {
                $crate::ledger::conformance::$check(&$fresh);
            }
        )+
    };
}
