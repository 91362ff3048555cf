//! What is done in the background: what removals have left, spare worktrees, snapshots that are past their time, and the
//! logs of runs.
//!
//! **Contract.** One process at a time tends a home, under a lock that is only ever tried. It holds no other lock while it
//! works, begins nothing that a kill could leave half done under a name that counts, and ends by itself.

use std::time::{Duration, Instant};

use biplane_control::WorktreeFilter;
use biplane_execution::{
    git::{Git, Manner, Variable},
    supervise,
    worktrees::{
        self,
        pool::{Making, Pool, Recycling, Unmade},
    },
};
use biplane_failpoint as failpoint;
use biplane_model::{CommitId, Worktree, WorktreeStatus};
use camino::Utf8Path;

use super::{
    Service,
    pool::Happened,
    remove::{delete_removed, removed_id},
};
use crate::{
    bounds,
    error::{Error, Result},
    recovery::is_dead,
    settings::Settings,
};

/// What the names of removed worktrees begin with that something was written into later.
pub(crate) const LATE: &str = ".late-";

/// How the background has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "who finds other settings is to begin anew with them"]
pub enum Tended {
    /// There is nothing left to do, somebody else is at it, or it has taken long enough.
    Done,
    /// The settings are other ones by now than those that it had.
    OtherSettings,
}

/// What may become of a directory that a removal has put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It can be deleted.
    Goes,
    /// Somebody stands in it, or it is not known whether.
    Stays,
    /// It holds what was written after the look.
    Late,
}

/// What spares are to be like.
struct Wanted<'a> {
    pool: &'a Pool,
    tip: CommitId,
    manner: Manner,
    /// What a spare takes, in bytes.
    bytes: u64,
}

impl Wanted<'_> {
    fn making<'a>(&'a self, variable: Variable<'a>) -> Making<'a> {
        Making { commit: &self.tip, manner: &self.manner, variable, bytes: self.bytes }
    }
}

/// What came of an attempt to do something to the spares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Improved {
    /// One thing was done.
    Something,
    /// One has to be made anew: settings were changed meanwhile.
    InVain,
    /// There is nothing to do, or it can't be done.
    Nothing,
}

impl Service {
    /// Looks after what was put aside, after the spares and the logs, until nothing is left to do or it has taken long enough.
    ///
    /// # Errors
    /// When git, the ledger or the system refuses. Nothing is lost by it; the next one goes on.
    pub fn tend(&self) -> Result<Tended> {
        supervise::be_quiet();
        let until = Instant::now() + bounds::TEND_FOR;
        let mut idle = 0;
        for round in 0..bounds::TEND_ROUNDS {
            let Some(lock) = self.tend_lock()? else { return Ok(Tended::Done) };
            let mut done = false;
            let (services, _) = self.everywhere();
            if round == 0 {
                // What fails is for the next one.
                let _ = services.iter().try_for_each(|there| there.prune_here(None, false).map(drop));
            }
            for there in &services {
                done |= there.tend_once(until)?;
            }
            idle = if done { 0 } else { idle + 1 };
            drop(lock);
            // Who found the lock held has left it to us: so we look once more after we have let go of it.
            if self.has_other_settings() {
                return Ok(Tended::OtherSettings);
            }
            if idle > 1
                || Instant::now() > until
                || (idle == 1 && !services.iter().any(|there| there.has_to_tend(Happened::Worktrees)))
            {
                break;
            }
        }
        Ok(Tended::Done)
    }

    /// Whether the settings file says something else than when it was read. One that can't be read says nothing.
    fn has_other_settings(&self) -> bool {
        Settings::load(&self.home().board().settings_path()).is_ok_and(|now| now != *self.board_settings)
    }

    /// Does what there is to do; whether there was anything.
    fn tend_once(&self, until: Instant) -> Result<bool> {
        if self.home().repository.is_none() || self.look(|view| Ok(view.counter("worktree")?))? == 0 {
            return Ok(false);
        }
        let (pool, git) = (self.pool()?, self.home().git()?);
        let mut done = false;
        for scrap in self.pool_scraps()? {
            // What can't be deleted must not keep the rest from being done.
            done |= worktrees::delete_aside(&scrap).is_ok();
        }
        // Trouble with a log keeps nothing else from being done.
        done |= self.repo().is_default() && self.tend_logs(until).unwrap_or(false);
        let mut wanted = self.wanted(&pool, &git, None)?;
        for aside in self.asides() {
            match self.fate(&aside)? {
                Fate::Goes => {}
                Fate::Stays => continue,
                Fate::Late => {
                    self.keep_late(&aside)?;
                    continue;
                }
            }
            done |= self.reuse_or_delete(&aside, wanted.as_ref()).is_ok();
            if Instant::now() > until {
                return Ok(done);
            }
        }
        let size = self.settings().worktrees.pool.size;
        for spare in pool.spares().into_iter().skip(size) {
            pool.discard(spare.number)?;
            done = true;
        }
        if wanted.is_none() {
            return Ok(done);
        }
        let patience = until.min(Instant::now() + bounds::TEND_PATIENCE);
        while Instant::now() < until {
            self.let_creations_first(patience)?;
            // What was wanted before the wait, or before the last spare was made, may be out of date.
            wanted = self.wanted(&pool, &git, wanted.as_ref())?;
            let Some(wanted) = &wanted else { break };
            let improved = self.improve(wanted, size)?;
            done |= improved != Improved::Nothing;
            if improved != Improved::Something {
                break;
            }
        }
        Ok(done)
    }

    /// Waits while worktrees are being made that somebody waits for, until then at most: to make spares at the same time would
    /// only hold them up.
    fn let_creations_first(&self, until: Instant) -> Result<()> {
        let is_begun = |worktree: &Worktree| {
            worktree.status == WorktreeStatus::Creating
                && worktree.operation.as_ref().is_some_and(|operation| !is_dead(&operation.by))
        };
        let live = WorktreeFilter { live: true, ..WorktreeFilter::default() };
        while self.look(|view| Ok(view.worktrees(&live)?))?.iter().any(is_begun) && Instant::now() < until {
            std::thread::sleep(bounds::TEND_PAUSE);
        }
        Ok(())
    }

    /// What may become of what a removal has put aside: nobody stands in it, and nobody has written into it since it was
    /// looked at, or no snapshot has that.
    pub(crate) fn fate(&self, aside: &Utf8Path) -> Result<Fate> {
        let Some(id) = removed_id(aside) else { return Ok(Fate::Goes) };
        let record = self.look(|view| Ok(view.worktree(id)?))?;
        // Without the clock of files, that of the ledger tells about as much.
        let since = record.and_then(|worktree| worktree.looked_at.or(worktree.removed_at));
        let Some(since) = since else { return Ok(Fate::Goes) };
        let inside = supervise::inside(aside);
        if !inside.others.is_empty() || !inside.above.is_empty() {
            return Ok(Fate::Stays);
        }
        let since = Duration::from_micros(u64::try_from(since.0).unwrap_or_default());
        match worktrees::written_since(aside, since) {
            Ok(Some(_)) => Ok(Fate::Late),
            Ok(None) => Ok(Fate::Goes),
            Err(_) => Ok(Fate::Stays),
        }
    }

    /// Gives what was written too late a name that nothing deletes.
    pub(crate) fn keep_late(&self, aside: &Utf8Path) -> Result<()> {
        let Some(id) = removed_id(aside) else { return Ok(()) };
        let kept = aside.with_file_name(format!("{LATE}{id}"));
        if kept.as_std_path().symlink_metadata().is_err() {
            failpoint::around("late work kept", || std::fs::rename(aside, &kept))
                .map_err(|e| Error::io("renamed", aside, e))?;
        }
        Ok(())
    }

    /// What spares are to be like; nothing when there are to be none. What they were to be like `before` tells the size of a tip
    /// that has not moved, for which git reads the whole tree.
    fn wanted<'a>(
        &self,
        pool: &'a Pool,
        git: &Git,
        before: Option<&Wanted<'_>>,
    ) -> Result<Option<Wanted<'a>>> {
        if self.settings().worktrees.pool.size == 0 {
            return Ok(None);
        }
        let Ok(target) = self.target() else { return Ok(None) };
        let Some(tip) = git.branch_tip(&target)? else { return Ok(None) };
        let variable = |name: &str| self.variable(name).map(str::to_owned);
        let manner = git.manner(&variable)?;
        if let Some(why) = &manner.unfit {
            self.note_without(Some(why));
            for spare in pool.spares() {
                pool.discard(spare.number)?;
            }
            return Ok(None);
        }
        let bytes = match before.filter(|before| before.tip == tip) {
            Some(before) => before.bytes,
            None => git.bytes_of(tip.as_str())?,
        };
        Ok(Some(Wanted { pool, tip, manner, bytes }))
    }

    fn reuse_or_delete(&self, aside: &Utf8Path, wanted: Option<&Wanted<'_>>) -> Result<()> {
        if let Some(wanted) = wanted
            && wanted.pool.spares().len() < self.settings().worktrees.pool.size
            && let Some(most) = self.room(wanted)?.filter(|most| *most >= wanted.bytes)
        {
            let keep = &self.settings().worktrees.pool.keep;
            let variable = |name: &str| self.variable(name).map(str::to_owned);
            let making = wanted.making(&variable);
            let made = wanted.pool.recycle(aside, &Recycling { making, keep, most })?;
            if let Some(Err(why)) = made {
                self.explain(|| format!("`{}` was deleted: {why}", aside.file_name().unwrap_or_default()));
            }
            return Ok(());
        }
        delete_removed(aside)
    }

    /// Does one thing to the spares, if there is one.
    fn improve(&self, wanted: &Wanted<'_>, size: usize) -> Result<Improved> {
        let spares = wanted.pool.spares();
        let is_like = |card: &worktrees::pool::Card| card.is_of_this_boot() && card.is_in(&wanted.manner);
        if let Some(unlike) = spares.iter().find(|spare| !is_like(&spare.card)) {
            wanted.pool.discard(unlike.number)?;
            return Ok(Improved::Something);
        }
        let variable = |name: &str| self.variable(name).map(str::to_owned);
        let making = wanted.making(&variable);
        let made = if let Some(stale) = spares.iter().find(|spare| spare.card.commit != wanted.tip) {
            let bytes = stale.card.bytes.max(wanted.bytes);
            wanted.pool.bring_along(stale, &Making { bytes, ..making })?
        } else if spares.len() < size {
            match self.room(wanted)? {
                Some(most) if most >= wanted.bytes => wanted.pool.make(&making)?,
                _ => {
                    let why = "the disk has no room for one, or `limits.disk` is reached";
                    Err(Unmade::Unfit(why.to_owned()))
                }
            }
        } else {
            return Ok(Improved::Nothing);
        };
        self.note_without(made.as_ref().err().map(ToString::to_string).as_deref());
        Ok(match made {
            Ok(_) => Improved::Something,
            // There is something to do for another round, of which there are so many only.
            Err(Unmade::Changed) => Improved::InVain,
            Err(Unmade::Unfit(_)) => Improved::Nothing,
        })
    }

    /// How many bytes one more spare may take; none when the disk is too full for any.
    fn room(&self, wanted: &Wanted<'_>) -> Result<Option<u64>> {
        let dir = self.home().worktrees_dir();
        let found =
            rustix::fs::statvfs(dir.as_std_path()).map_err(|e| Error::io("looked at", &dir, e.into()))?;
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        let left = free.saturating_sub(wanted.bytes);
        if left < bounds::LITTLE_SPACE.max(wanted.bytes) {
            return Ok(None);
        }
        let used: u64 = wanted.pool.spares().iter().map(|spare| spare.card.bytes).sum();
        Ok(Some(self.settings().worktrees.disk_bytes.saturating_sub(used)))
    }
}
