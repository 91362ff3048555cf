//! Scratch worktrees, directories that were put aside, and half-written files and copies that nobody uses any more.

use std::collections::BTreeSet;

use biplane_control::SubmissionFilter;
use biplane_execution::{
    git::{Git, INDEX_BY},
    supervise::identity,
    worktrees::{self, Place},
};
use biplane_failpoint as failpoint;
use biplane_model::{Worktree, WorktreeStatus};
use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};

use super::{Mode, Recovery, is_dead};
use crate::{
    doctor::PROBES_BY,
    error::{Error, Result},
    files::NEW_BY,
    hookup::programs::DIRS,
    locks,
    service::{ASIDE, Fate, Happened, Service, delete_removed, removed_id},
};

/// What the names begin with that processes give to what they make for themselves; their number follows.
const MADE_BY: [(&str, &str); 5] = [
    (worktrees::ENTRY_BY, "an entry of git's for a worktree that was removed"),
    (INDEX_BY, "a copy of an index"),
    (worktrees::pool::PATTERN_BY, "a pattern of new worktrees"),
    (NEW_BY, "a half-written file"),
    (PROBES_BY, "a directory to try things out"),
];

/// What has this name, and the number of the process that made it.
fn made_by(name: &str) -> Option<(&'static str, u32)> {
    let (rest, what) = MADE_BY.iter().find_map(|(by, what)| Some((name.strip_prefix(by)?, what)))?;
    Some((*what, rest.split('-').next()?.parse().ok()?))
}

/// What is in a directory; nothing where there is none. A name that is not UTF-8 is none of ours.
fn entries(dir: &Utf8Path) -> Result<impl Iterator<Item = std::io::Result<Utf8DirEntry>>> {
    match dir.read_dir_utf8() {
        Ok(entries) => {
            let is_text = |entry: &std::io::Result<Utf8DirEntry>| {
                entry.as_ref().err().is_none_or(|e| e.kind() != std::io::ErrorKind::InvalidData)
            };
            Ok(Some(entries.filter(is_text)).into_iter().flatten())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(e) => Err(Error::io("read", dir, e)),
    }
}

/// Deletes a file or a directory; a link is not followed.
fn delete(path: &Utf8Path) -> Result<()> {
    if path.as_std_path().symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Ok(worktrees::delete_aside(path)?);
    }
    failpoint::around("left file deleted", || std::fs::remove_file(path))
        .map_err(|e| Error::io("deleted", path, e))
}

/// Whether there is nothing there any more.
fn is_gone(path: &Utf8Path) -> bool {
    path.as_std_path().symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// What the names of the gates' worktrees begin with.
const GATE: &str = ".gate-";

impl Service {
    /// Gate worktrees whose submission nobody is testing.
    pub(super) fn recover_scratch(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let git = self.home().git()?;
        let mut left: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let dirs = self.scratch_dirs()?;
        for dir in &dirs {
            for entry in entries(dir)? {
                let entry = entry.map_err(|e| Error::io("read", dir, e))?;
                let name = entry.file_name();
                if name.starts_with(GATE) || name.starts_with(ASIDE) {
                    left.insert(entry.path().to_owned());
                }
            }
        }
        // Git's entry of one whose directory was put aside, or was not made yet.
        let registered = worktrees::registered_with(git.common_dir(), "gate-");
        for dir in &dirs {
            let real = dir.canonicalize_utf8().unwrap_or_else(|_| dir.clone());
            let ours =
                registered.iter().filter(|path| path.parent().is_some_and(|at| at == dir || at == real));
            let names = ours.filter_map(|path| path.file_name()).filter(|name| name.starts_with(GATE));
            left.extend(names.map(|name| dir.join(name)));
        }
        // The ledger is asked after the disk: who makes a scratch worktree has said so there before.
        let open = self.look(|view| {
            Ok(view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?)
        })?;
        for path in left {
            let name = path.file_name().unwrap_or_default();
            // By the name alone: the settings may have named another directory when it was made.
            let in_use = open.iter().any(|s| {
                self.scratch_path(s.id).file_name() == Some(name)
                    && s.worker.as_ref().is_some_and(|worker| !is_dead(worker))
            });
            let is_aside = name.starts_with(ASIDE);
            let removing = is_aside && (self.is_tended(&path) || self.is_being_removed(name)?);
            if in_use || removing {
                continue;
            }
            match if is_aside { self.fate(&path)? } else { Fate::Goes } {
                Fate::Goes => {}
                Fate::Stays => continue,
                Fate::Late => {
                    if mode == Mode::Fix {
                        self.keep_late(&path)?;
                    }
                    continue;
                }
            }
            let shown = biplane_model::sanitize_line(&self.home().recorded(&path));
            let what = format!("`{shown}` was left behind; deleted");
            let result = if mode == Mode::Fix { self.drop_left(&git, &path) } else { Ok(()) };
            found.note_if_ours(what, result.map(|()| true), || Ok(is_gone(&path)));
        }
        self.recover_pool(mode, found)?;
        self.recover_copies(mode, found)
    }

    /// What was half made or half taken of the pool, unless the background sees to it.
    fn recover_pool(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        if self.background() {
            if mode == Mode::Fix {
                self.tend_later(Happened::Crash);
            }
            return Ok(());
        }
        for path in self.pool_scraps()? {
            let what = format!(
                "`.worktrees/.pool/{}` was left behind; deleted",
                path.file_name().unwrap_or_default()
            );
            let result = match mode {
                Mode::Dry => Ok(()),
                Mode::Fix => worktrees::delete_aside(&path).map_err(Error::from),
            };
            found.note_if_ours(what, result.map(|()| true), || Ok(is_gone(&path)));
        }
        Ok(())
    }

    /// Whether recovery looks at what was put aside at this place.
    pub(crate) fn is_recovered(&self, place: &Utf8Path) -> Result<bool> {
        let dirs = self.scratch_dirs()?;
        Ok(place.parent().is_some_and(|parent| dirs.iter().any(|dir| dir == parent)))
    }

    /// Where scratch worktrees and what is put aside may lie: where worktrees are made now, and where live ones are that
    /// were made under other settings. What is not provably this home's is left out.
    fn scratch_dirs(&self) -> Result<Vec<Utf8PathBuf>> {
        let home = self.home();
        let mut dirs = vec![home.views_dir(), home.worktrees_dir()];
        let around = |w: &Worktree| home.absolute(&w.path).parent().map(Utf8Path::to_owned);
        dirs.extend(self.live_here()?.iter().filter_map(around));
        dirs.sort_unstable();
        dirs.dedup();
        dirs.retain(|dir| home.owns_worktrees_dir(dir));
        Ok(dirs)
    }

    /// What dead processes had made for themselves in the directories that are looked at each time.
    pub(crate) fn recover_copies(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        self.recover_made(&self.home().state_dir(), mode, found)?;
        self.recover_made(&self.home().repository()?.common_dir.join("info"), mode, found)
    }

    /// As `recover_copies`, where there are too many directories to look each time, or where a person's files are.
    pub(crate) fn recover_halves(&self, mode: Mode) -> Result<Recovery> {
        let mut found = Recovery::default();
        self.recover_made(&self.home().root, mode, &mut found)?;
        let of_programs = DIRS.map(|dir| self.home().root.join(dir));
        // A link may lead anywhere.
        for dir in
            of_programs.iter().filter(|dir| dir.as_std_path().symlink_metadata().is_ok_and(|m| m.is_dir()))
        {
            self.recover_made(dir, mode, &mut found)?;
        }
        let runs = self.home().views_dir().join("runs");
        for run in entries(&runs)? {
            let run = run.map_err(|e| Error::io("read", &runs, e))?;
            if run.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.recover_made(run.path(), mode, &mut found)?;
            }
        }
        Ok(found)
    }

    /// Deletes what processes have made in `dir` under a name that begins with their number, when they are gone.
    fn recover_made(&self, dir: &Utf8Path, mode: Mode, found: &mut Recovery) -> Result<()> {
        for entry in entries(dir)? {
            let entry = entry.map_err(|e| Error::io("read", dir, e))?;
            let name = entry.file_name();
            let Some((what, pid)) = made_by(name) else { continue };
            if identity::of(pid).is_none() {
                let what = format!("`{name}`, {what}, was left behind; deleted");
                let result = match mode {
                    Mode::Dry => Ok(()),
                    Mode::Fix => delete(entry.path()),
                };
                found.note_if_ours(what, result.map(|()| true), || Ok(is_gone(entry.path())));
            }
        }
        Ok(())
    }

    /// Whether somebody is still at work on what was put aside under this name.
    pub(crate) fn is_being_removed(&self, aside: &str) -> Result<bool> {
        if let Some(rest) = aside.strip_prefix(worktrees::ASIDE_BY) {
            let pid = rest.split('-').next().and_then(|pid| pid.parse().ok());
            return Ok(pid.is_none_or(|pid| identity::of(pid).is_some()));
        }
        let Some(id) = removed_id(aside.into()) else {
            return Ok(true);
        };
        self.look(|view| Ok(view.worktree(id)?.is_none_or(|w| w.status != WorktreeStatus::Removed)))
    }

    fn drop_left(&self, git: &Git, path: &Utf8Path) -> Result<()> {
        if let Some(checkout) = worktrees::linked_checkout(git.common_dir(), path) {
            let entry = checkout.git_dir().file_name().unwrap_or_default().to_owned();
            let place =
                Place { common_dir: git.common_dir().to_owned(), path: path.to_owned(), git_entry: entry };
            return self.drop_scratch(git, &place);
        }
        delete_removed(path)?;
        let _held = locks::git(self.home(), "forgetting a scratch worktree", None)?;
        Ok(worktrees::delete_entry(git, path)?)
    }
}
