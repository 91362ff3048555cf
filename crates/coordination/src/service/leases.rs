//! The leases of runs, as one process keeps and watches them.
//!
//! **Contract.** What this process works on is renewed, whatever phase an attempt is in. What other processes hold is watched
//! on this process's monotonic clock: a claim that has not changed for a lease and a margin is taken away, what is left of
//! its run is ended, its work saved, and the task given back. The wall clock has no say in it, so a clock that is set
//! neither ends a healthy run nor keeps a dead one.
//!
//! **Invariant:** a task is given back only after every process of its run has ended; until then this process holds it.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use biplane_control::{
    TaskFilter,
    board::{self, Guard, Lease, Used},
};
use biplane_model::{ProcessIdentity, Run, Task, TaskId, TaskStatus};

use super::Service;
use crate::{
    bounds,
    error::{ErrorKind, Result},
    recovery::is_dead,
};

/// What one process has seen of the leases, and what it is doing about those that ran out.
#[derive(Debug, Default)]
pub struct Leases {
    /// Each lease as it was last seen, and since when it is so.
    seen: BTreeMap<TaskId, (Lease, Instant)>,
    /// Claims that were taken away, whose runs have not all ended yet.
    fenced: BTreeMap<TaskId, Fenced>,
    /// Dead holders whose remains were recovered, and when: what could not be is tried again later.
    recovered: Vec<(ProcessIdentity, Instant)>,
}

/// A claim that was taken away.
#[derive(Debug, Clone)]
struct Fenced {
    /// The task's epoch since then.
    epoch: u64,
    why: String,
    /// When its runs are tried to be ended again.
    next: Instant,
}

impl Leases {
    /// Notes what is held at `now`, and gives what has not changed for `patience`.
    fn unchanged(&mut self, held: &[Lease], now: Instant, patience: Duration) -> Vec<Lease> {
        self.seen.retain(|id, _| held.iter().any(|lease| lease.id == *id));
        let mut old = Vec::new();
        for lease in held {
            match self.seen.get(&lease.id) {
                Some((seen, since)) if seen == lease => {
                    if now.saturating_duration_since(*since) >= patience {
                        old.push(lease.clone());
                    }
                }
                _ => _ = self.seen.insert(lease.id.clone(), (lease.clone(), now)),
            }
        }
        old
    }
}

impl Service {
    /// Renews what this process holds, and deals with what other processes no longer do: call it about every
    /// [`bounds::LEASES_LOOK`]. Whether something was given back, so that there may be more to do.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn watch_leases(&self, leases: &mut Leases) -> Result<bool> {
        let me = self.me();
        let filter = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
        let held: Vec<Lease> =
            self.look(|view| Ok(view.tasks(&filter)?.iter().filter_map(Lease::of).collect()))?;
        let lease = self.settings().up.lease;
        leases.recovered.retain(|(_, at)| at.elapsed() < lease);
        let mut acted = false;
        if let Some(dead) = dead_holder(&held, &me, &leases.recovered) {
            leases.recovered.push((dead, Instant::now()));
            self.recover_first()?;
            acted = true;
        }
        let patience = lease + bounds::LEASE_MARGIN.max(self.renew_every());
        for old in leases.unchanged(&held, Instant::now(), lease / 2) {
            let unchanged = leases.seen.get(&old.id).map_or(Duration::ZERO, |(_, since)| since.elapsed());
            if old.holder == me {
                // A conflict is seen by whoever works on it.
                _ = self.renew(&old.id, old.epoch);
            } else if unchanged >= patience {
                self.fence(&old, &me, leases)?;
            }
        }
        Ok(acted | self.finish_fenced(leases))
    }

    /// Watches the leases until the other end of `end` is dropped. For a thread of its own: what has to be ended is waited
    /// for here.
    pub(crate) fn keep_leases(&self, end: &Receiver<()>) {
        let mut leases = Leases::default();
        let every = bounds::LEASES_LOOK.min(self.renew_every());
        while end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            // A ledger that can't be read now may be at the next look; the claims of runs are renewed by them too.
            _ = self.watch_leases(&mut leases);
        }
    }

    /// Takes a claim away, if it still is as it was seen.
    fn fence(&self, old: &Lease, me: &ProcessIdentity, leases: &mut Leases) -> Result<()> {
        let fenced = self.change(|view, now| {
            Ok(match board::fence_expired(view, old, me, self.lease_s(), now)? {
                Some((changes, task)) => (changes, Some(task)),
                None => (Default::default(), None),
            })
        })?;
        if let Some(task) = fenced {
            let why = format!("{} did not renew its lease", old.holder);
            self.say(format!("task {}: {why}; its run is ended", task.id));
            leases.fenced.insert(task.id, Fenced { epoch: task.epoch, why, next: Instant::now() });
        }
        Ok(())
    }

    /// Ends the runs of claims that were taken away, and gives their tasks back.
    fn finish_fenced(&self, leases: &mut Leases) -> bool {
        let mut acted = false;
        let due: Vec<TaskId> = leases
            .fenced
            .iter()
            .filter(|(_, fenced)| fenced.next <= Instant::now())
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            let Some(fenced) = leases.fenced.get_mut(&id) else { continue };
            match self.finish_one(&id, fenced) {
                Ok(()) => {
                    leases.fenced.remove(&id);
                    acted = true;
                }
                // Somebody else has the task by now.
                Err(error) if error.kind == ErrorKind::Conflict => _ = leases.fenced.remove(&id),
                Err(error) => {
                    self.say(format!("task {id} is not given back yet: {error}"));
                    fenced.next = Instant::now() + self.settings().up.lease;
                }
            }
        }
        acted
    }

    fn finish_one(&self, id: &TaskId, fenced: &Fenced) -> Result<()> {
        for run in self.open_attempts(id)?.iter().filter(|run| run.epoch < fenced.epoch) {
            self.end_lost(run, &fenced.why)?;
        }
        self.give_back_lost(id, &fenced.why, Guard::epoch(fenced.epoch))
    }

    /// Why no further attempt may be made at `task`, when its runs have used what the settings allow.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn over_limit(&self, task: &Task) -> Result<Option<String>> {
        let limits = self.settings().task_limits;
        let runs = self.runs_of(&task.id)?;
        let in_a_row = board::rate_limited_in_a_row(task, &runs);
        if in_a_row >= bounds::RATE_LIMITED_RUNS {
            return Ok(Some(format!(
                "its agent's provider has turned it away {in_a_row} times in a row, and that is the limit: look what it allows, then \
                 `biplane task reopen {}`",
                task.id
            )));
        }
        Ok(limits.reached_by(&board::used(task, &runs, self.now())))
    }

    /// What the agents' runs of the task `id` have used since a person last opened it.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn task_used(&self, id: &TaskId) -> Result<Used> {
        let task = self.look(|view| super::board::task(view, id))?;
        Ok(board::used(&task, &self.runs_of(id)?, self.now()))
    }

    fn runs_of(&self, id: &TaskId) -> Result<Vec<Run>> {
        let filter = biplane_control::RunFilter { task: Some(id.clone()), ..Default::default() };
        self.look(|view| Ok(view.runs(&filter)?))
    }
}

/// A process that holds one of these and is dead for certain, and is none of `known`.
fn dead_holder(
    held: &[Lease],
    me: &ProcessIdentity,
    known: &[(ProcessIdentity, Instant)],
) -> Option<ProcessIdentity> {
    let mut asked: Vec<&ProcessIdentity> = known.iter().map(|(holder, _)| holder).chain([me]).collect();
    for Lease { holder, .. } in held {
        if asked.contains(&holder) {
            continue;
        }
        if is_dead(holder) {
            return Some(holder.clone());
        }
        asked.push(holder);
    }
    None
}

#[cfg(test)]
mod tests {
    use biplane_model::Timestamp;

    use super::*;

    fn lease(id: u64, epoch: u64, until: i64) -> Lease {
        let holder = ProcessIdentity { boot_id: "boot".to_owned(), pid: 7, start_time: 1 };
        Lease { id: TaskId::numbered(id), epoch, until: Some(Timestamp(until)), run: None, holder }
    }

    #[test]
    fn a_lease_is_old_when_it_has_not_changed_whatever_its_end_says() {
        let mut leases = Leases::default();
        let began = Instant::now();
        let patience = Duration::from_secs(10);
        let mut at = |s, held: &[Lease]| -> Vec<TaskId> {
            let now = began + Duration::from_secs(s);
            leases.unchanged(held, now, patience).into_iter().map(|lease| lease.id).collect()
        };
        assert_eq!(at(0, &[lease(1, 1, 100), lease(2, 1, 0)]), []);
        // The second was renewed on a clock that was set back; the first has an end that is far away.
        assert_eq!(at(9, &[lease(1, 1, 100), lease(2, 1, -500)]), []);
        assert_eq!(at(10, &[lease(1, 1, 100), lease(2, 1, -500)]), [TaskId::numbered(1)]);
        // Claimed anew: another lease.
        assert_eq!(at(11, &[lease(1, 2, 100), lease(2, 1, -500)]), []);
        assert_eq!(at(20, &[lease(1, 2, 100), lease(2, 1, -400)]), []);
        // What was gone in between begins anew.
        assert_eq!(at(21, &[]), []);
        assert_eq!(at(40, &[lease(1, 2, 100)]), []);
    }
}
