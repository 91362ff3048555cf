//! What the background does with the logs of runs that are over: it compresses what is long, and deletes what is too much.

use std::time::{Instant, SystemTime};

use biplane_model::{RunId, Timestamp};

use super::Service;
use crate::{
    error::{Error, Result},
    logs::{self, RunDir, Stored},
};

/// What of a run is deleted with its logs. Its record stays, for `doctor --rebuild` and to say that there was a run.
const LOGS: [&str; 3] = [logs::OUTPUT, logs::TRANSCRIPT, logs::PROMPT];

/// A run's directory at a glance.
struct Seen {
    run: RunId,
    /// What its logs take on the disk, in bytes.
    bytes: u64,
    /// When the newest of them was written.
    modified: SystemTime,
    is_long: bool,
}

impl Service {
    /// Compresses and deletes logs until all is done or it has taken long enough; whether anything was done.
    pub(super) fn tend_logs(&self, until: Instant) -> Result<bool> {
        let seen: Vec<Seen> =
            logs::run_numbers(self.home()).into_iter().filter_map(|run| self.seen(run)).collect();
        let mut done = false;
        for long in seen.iter().filter(|seen| seen.is_long) {
            if Instant::now() > until {
                return Ok(done);
            }
            if self.ended(long.run)?.is_some()
                && let Some(dir) = self.run_dir(long.run)?
            {
                done |= logs::pack(&dir).map_err(|e| self.log_fault(long.run, e))?;
            }
        }
        if self.has_surplus(&seen) {
            done |= self.delete_surplus()?;
        }
        Ok(done)
    }

    /// A quick look, without the ledger, at whether some logs may be too many.
    fn has_surplus(&self, seen: &[Seen]) -> bool {
        let settings = &self.settings().logs;
        let total = seen.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        let is_old = |one: &Seen| one.modified.elapsed().is_ok_and(|age| age > settings.keep_for);
        total > settings.keep_bytes || seen.iter().any(is_old)
    }

    fn delete_surplus(&self) -> Result<bool> {
        let settings = &self.settings().logs;
        let mut stored = Vec::new();
        for seen in logs::run_numbers(self.home()).into_iter().filter_map(|run| self.seen(run)) {
            stored.push(Stored {
                run: seen.run,
                bytes: seen.bytes,
                ended_at: self.unneeded_since(seen.run)?,
            });
        }
        let age = i64::try_from(settings.keep_for.as_micros()).unwrap_or(i64::MAX);
        let oldest = Timestamp(self.now().0.saturating_sub(age));
        let gone = logs::surplus(stored, settings.keep_bytes, oldest);
        for run in &gone {
            let Some(dir) = self.run_dir(*run)? else { continue };
            for name in LOGS.into_iter().flat_map(|name| [logs::packed(name), name.to_owned()]) {
                dir.remove(&name).map_err(|e| self.log_fault(*run, e))?;
            }
        }
        Ok(!gone.is_empty())
    }

    /// When a run ended; `None` while it has not, and for what the ledger does not know.
    fn ended(&self, run: RunId) -> Result<Option<Timestamp>> {
        self.look(|view| Ok(view.run(run)?.filter(|run| run.status.is_over()).and_then(|run| run.ended_at)))
    }

    /// The same, of runs whose task is closed, if they were for one.
    fn unneeded_since(&self, id: RunId) -> Result<Option<Timestamp>> {
        let Some(ended_at) = self.ended(id)? else { return Ok(None) };
        self.look(|view| {
            let task = view.run(id)?.and_then(|run| run.task);
            let task = task.map(|task| view.task(&task)).transpose()?.flatten();
            Ok(task.is_none_or(|task| task.status.is_closed()).then_some(ended_at))
        })
    }

    /// A run's logs; `None` when there are none.
    fn seen(&self, run: RunId) -> Option<Seen> {
        let dir = self.run_dir(run).ok()??;
        let names = LOGS.into_iter().flat_map(|name| [name.to_owned(), logs::packed(name)]);
        let sizes: Vec<_> = names.filter_map(|name| dir.size(&name)).collect();
        Some(Seen {
            run,
            bytes: sizes.iter().map(|size| size.on_disk).sum(),
            modified: sizes.iter().map(|size| size.modified).max()?,
            is_long: logs::is_long(&dir),
        })
    }

    fn run_dir(&self, run: RunId) -> Result<Option<RunDir>> {
        RunDir::open(self.home(), run).map_err(|e| self.log_fault(run, e))
    }

    fn log_fault(&self, run: RunId, error: std::io::Error) -> Error {
        Error::io("compressed or deleted", self.home().run_dir(run), error)
    }
}
