//! How a new worktree gets its files, and what is left for the background.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{File, TryLockError},
};

use biplane_control::WorktreeFilter;
use biplane_execution::{
    files, supervise,
    worktrees::{
        self, Place,
        pool::{Pool, Scrap, Taking},
    },
};
use biplane_failpoint as failpoint;
use biplane_model::{Worktree, WorktreeId, WorktreeName, WorktreeStatus};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Service,
    remove::{ASIDE, delete_removed},
    tend::LATE,
};
use crate::{
    bounds,
    error::{Error, Result},
    recovery::is_gone,
    variables,
};

/// What has happened that may give the background something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    /// A worktree was made or removed.
    Worktrees,
    /// The target may have moved.
    Target,
    /// A process has left something.
    Crash,
    /// There is a log to compress, or there may be too many.
    Logs,
}

impl Service {
    /// The spare worktrees.
    pub(crate) fn pool(&self) -> Result<Pool> {
        Ok(Pool::beside(&self.home().worktrees_dir(), &self.home().repository()?.common_dir))
    }

    /// Fills a worktree that git has just added: from a spare when there is one, else by git. Either way it is the same.
    pub(crate) fn furnish(&self, place: &Place, worktree: &Worktree) -> Result<()> {
        if self.settings().worktrees.pool.size == 0 {
            self.explain(|| "no spares are kept: `pool.size` is 0".to_owned());
        } else {
            let variable = |name: &str| self.variable(name).map(str::to_owned);
            let taking = Taking { id: worktree.id, place, base: &worktree.base, variable: &variable };
            match self.pool()?.take(&taking) {
                Ok(taken) => {
                    self.explain(|| {
                        let took = format!("took spare {} (at {})", taken.number, taken.from.short());
                        if taken.from == worktree.base {
                            return took;
                        }
                        let brought = place.git().files_between(taken.from.as_str(), worktree.base.as_str());
                        format!("{took}, brought {} along", brought.map_or("some files".to_owned(), counted))
                    });
                    return Ok(());
                }
                Err(why) => self.explain(|| match self.without() {
                    Some(reason) => format!("{why} ({reason})"),
                    None => why.to_string(),
                }),
            }
            match self.pool()?.copy(&taking, &self.sources(worktree)?) {
                Ok(copied) => {
                    self.explain(|| {
                        format!("copied {} of {} from other places", copied.files, counted(copied.of))
                    });
                    return Ok(());
                }
                Err(why) => self.explain(|| format!("nothing was copied from other places: {why}")),
            }
        }
        let workers = place.git().fill().map_err(super::base::unfilled)?;
        self.explain(|| {
            let Ok(count) = place.git().staged().map(|staged| staged.len()) else {
                return "checked out the files".to_owned();
            };
            let workers = workers.of(count);
            let noun = if workers == 1 { "worker" } else { "workers" };
            format!("checked out {} with {workers} {noun}", counted(count))
        });
        Ok(())
    }

    /// Where files of the worktree may lie already: in the main checkout, and in the worktrees that were made last.
    fn sources(&self, worktree: &Worktree) -> Result<Vec<Utf8PathBuf>> {
        let repository = self.home().repository()?;
        let main = repository.has_checkout.then(|| repository.root.clone());
        // Where many are made at once, the newest have nothing in them yet.
        let newest = Some(bounds::SOURCES_AMONG);
        let filter = WorktreeFilter { live: true, newest, ..WorktreeFilter::default() };
        let live = self.look(|view| Ok(view.worktrees(&filter)?))?;
        let is_whole = |w: &&Worktree| w.repo == worktree.repo && w.status != WorktreeStatus::Creating;
        let others = live.iter().rev().filter(is_whole).map(|w| self.home().absolute(&w.path));
        Ok(main.into_iter().chain(others).take(bounds::SOURCES).collect())
    }

    /// Whether things may be left to a process in the background. Not from within a run: what that starts ends with it.
    pub(crate) fn background(&self) -> bool {
        let is_off = self.variable(variables::BACKGROUND) == Some("0");
        let is_in_run = self.variable(variables::RUN_MARK).is_some();
        !is_off && !is_in_run && supervise::background_program().is_some()
    }

    /// Deletes what a removal has put aside, and snapshots of that name that are past their time: later where there is a
    /// background, else now.
    pub(crate) fn clear_up(&self, name: &WorktreeName, aside: &Utf8Path) -> Result<()> {
        if !self.background() {
            self.prune_after(name);
        }
        self.clear_away(aside)
    }

    /// Deletes what was put aside: later where the background finds it, else now.
    pub(crate) fn clear_away(&self, aside: &Utf8Path) -> Result<()> {
        let deleted = if self.is_tended(aside) { Ok(()) } else { delete_removed(aside) };
        self.tend_later(Happened::Worktrees);
        deleted
    }

    /// Whether there is a background that will find what is put aside at this place: it looks where worktrees are made, and
    /// not beside one that was adopted elsewhere, or made under other settings.
    pub(crate) fn is_tended(&self, place: &Utf8Path) -> bool {
        self.background() && self.is_among_worktrees(place)
    }

    fn is_among_worktrees(&self, place: &Utf8Path) -> bool {
        let (Some(parent), dir) = (place.parent(), self.home().worktrees_dir()) else { return false };
        let real = |dir: &Utf8Path| dir.canonicalize_utf8().ok();
        parent == dir || real(parent).is_some_and(|parent| Some(parent) == real(&dir))
    }

    /// What killed removals have left where the background does not look: what was put aside, is half deleted, or was written
    /// into late. Only directories whose link file names an entry of this repository, or is deleted with the rest.
    pub(crate) fn left_elsewhere(&self) -> Result<Vec<Utf8PathBuf>> {
        let filter = WorktreeFilter { removed: true, ..WorktreeFilter::default() };
        let removed = self.look(|view| Ok(view.worktrees(&filter)?))?;
        let mut dirs: BTreeMap<Utf8PathBuf, HashSet<WorktreeId>> = BTreeMap::new();
        for worktree in removed.iter().filter(|w| w.repo == self.repo()) {
            let path = self.home().absolute(&worktree.path);
            let dir = path.parent().unwrap_or(&path);
            dirs.entry(dir.to_owned()).or_default().insert(worktree.id);
        }
        let entries = self.home().repository()?.common_dir.join("worktrees");
        let is_ours = |path: &Utf8Path, is_doomed: bool| match files::text(path.join(".git")) {
            Ok(link) => {
                link.strip_prefix("gitdir: ").is_some_and(|entry| Utf8Path::new(entry).starts_with(&entries))
            }
            Err(e) => is_doomed && e.kind() == std::io::ErrorKind::NotFound,
        };
        let mut left = Vec::new();
        for (dir, ids) in dirs.iter().filter(|(dir, _)| !self.is_among_worktrees(&dir.join(ASIDE))) {
            for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
                let (name, path) = (entry.file_name(), entry.path());
                let is_wanted = left_id(name).is_some_and(|id| ids.contains(&id));
                if !is_wanted || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                let is_doomed = name.starts_with(worktrees::ASIDE_BY);
                if is_ours(path, is_doomed) && (name.starts_with(LATE) || !self.is_being_removed(name)?) {
                    left.push(path.to_owned());
                }
            }
        }
        left.sort_unstable();
        Ok(left)
    }

    /// Has the background look after spares and leftovers, when there is something to do and nobody does it.
    pub(crate) fn tend_later(&self, happened: Happened) {
        if !self.background() || !self.has_to_tend(happened) || matches!(self.tend_lock(), Ok(None) | Err(_))
        {
            return;
        }
        let env = self.without_own_variables();
        let args = ["-C", self.home().board().root.as_str(), "tend"].map(Into::into);
        // The next command tries again.
        let _ = supervise::detach(&args, &env);
    }

    /// The environment of a process that is started in the background: ours, without what says who we are and what a git is about.
    pub(crate) fn without_own_variables(&self) -> supervise::EnvChanges {
        let own = self
            .surroundings
            .env
            .keys()
            .filter(|name| name.starts_with("BIPLANE_") && name.as_str() != variables::BACKGROUND);
        supervise::EnvChanges {
            remove: own
                .map(Into::into)
                .chain(supervise::env::scrubbed_git_variables(self.surroundings.env.keys()))
                .collect(),
            set: Vec::new(),
        }
    }

    /// Whether there is something to do for the background, after this has happened.
    pub(super) fn has_to_tend(&self, happened: Happened) -> bool {
        if self.home().repository.is_none() {
            return false;
        }
        let Ok(pool) = self.pool() else { return false };
        let (spares, size) = (pool.spares(), self.settings().worktrees.pool.size);
        let lacks = spares.len() < size && self.without().is_none();
        let stale = || {
            let tip = self.target().and_then(|target| Ok(self.home().git()?.branch_tip(&target)?));
            tip.is_ok_and(|tip| spares.iter().any(|spare| Some(&spare.card.commit) != tip.as_ref()))
        };
        if happened == Happened::Logs {
            return true;
        }
        let lacks = lacks && happened != Happened::Crash;
        let has_scraps = || self.pool_scraps().is_ok_and(|scraps| !scraps.is_empty());
        lacks
            || has_scraps()
            || spares.len() > size
            || spares.iter().any(|spare| !spare.card.is_of_this_boot())
            || !self.asides().is_empty()
            || (happened == Happened::Target && stale())
    }

    /// The lock of the one process that tends; `None` when another one holds it. Nobody ever waits for it.
    pub(super) fn tend_lock(&self) -> Result<Option<File>> {
        let path = self.home().board().state_dir().join("tend.lock");
        let io = |e| Error::io("opened", &path, e);
        let file = failpoint::around("tend.lock", || files::open_lock(&path)).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(io(e)),
        }
    }

    /// What finished removals, and processes that are gone, have put aside.
    pub(crate) fn asides(&self) -> Vec<Utf8PathBuf> {
        let dir = self.home().worktrees_dir();
        let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
        let aside = entries.filter(|entry| entry.file_name().starts_with(ASIDE));
        aside
            .filter(|entry| self.is_being_removed(entry.file_name()).is_ok_and(|being| !being))
            .map(|entry| entry.path().to_owned())
            .collect()
    }

    /// What lies in the pool that nobody makes or takes any more.
    pub(crate) fn pool_scraps(&self) -> Result<Vec<Utf8PathBuf>> {
        let mut left = Vec::new();
        for (path, scrap) in self.pool()?.scraps() {
            let is_left = match scrap {
                Scrap::Making(pid) => pid.is_some_and(is_gone),
                // What it was to be for is there, or taken back.
                Scrap::Taken(id) => match id {
                    Some(id) => self.look(|view| {
                        let worktree = view.worktree(id)?;
                        Ok(worktree.is_none_or(|w| w.status != WorktreeStatus::Creating))
                    })?,
                    None => false,
                },
                Scrap::Damaged => true,
            };
            if is_left {
                left.push(path);
            }
        }
        Ok(left)
    }

    /// Why the background made no spare when it last tried, unless that is long ago.
    fn without(&self) -> Option<String> {
        let path = self.without_path()?;
        let meta = path.as_std_path().symlink_metadata().ok().filter(|m| m.is_file() && m.len() < 4096)?;
        let age = meta.modified().ok()?.elapsed().unwrap_or_default();
        let text = (age < bounds::POOL_RETRY).then(|| std::fs::read_to_string(&path).ok()).flatten()?;
        Some(biplane_model::clip(&biplane_model::sanitize_line(text.trim()), 200))
    }

    /// Notes why there is no spare; nothing when there can be.
    pub(super) fn note_without(&self, why: Option<&str>) {
        let Some(path) = self.without_path() else { return };
        let _ = match why {
            // Only a note: who does not find it tries again.
            Some(why) => failpoint::around("pool note", || std::fs::write(&path, why)),
            None => failpoint::around("pool note", || std::fs::remove_file(&path)),
        };
    }

    fn without_path(&self) -> Option<Utf8PathBuf> {
        Some(self.home().state_dir().join("pool-without"))
    }

    /// Says how something was done, to who wants to know.
    pub(crate) fn explain(&self, text: impl FnOnce() -> String) {
        if self.verbose {
            self.say(text());
        }
    }
}

/// The number of the worktree of which a removal has left something under this name.
fn left_id(name: &str) -> Option<WorktreeId> {
    let aside = match name.strip_prefix(worktrees::ASIDE_BY) {
        Some(doomed) => doomed.split_once('-')?.1,
        None => name,
    };
    name.strip_prefix(LATE).or_else(|| aside.strip_prefix(ASIDE))?.parse().ok()
}

fn counted(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
