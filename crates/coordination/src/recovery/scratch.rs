//! Scratch worktrees, directories that were put aside, and copies of an index that nobody uses any more.

use biplane_control::SubmissionFilter;
use biplane_execution::{
    git::{Git, INDEX_BY},
    supervise::identity,
    worktrees::{self, Place},
};
use biplane_model::WorktreeStatus;

use super::{Mode, Recovery, is_dead};
use crate::{
    error::{Error, Result},
    service::Service,
};

impl Service {
    /// Gate worktrees whose submission nobody is testing.
    pub(super) fn recover_scratch(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let git = self.home().git()?;
        let mut names: Vec<String> = Vec::new();
        let dir = self.home().worktrees_dir();
        let entries = match dir.read_dir_utf8() {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return self.recover_copies(mode, found),
            Err(e) => return Err(Error::io("read", &dir, e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &dir, e))?;
            let name = entry.file_name();
            names.extend(
                (name.starts_with(".gate-") || name.starts_with(".removed-")).then(|| name.to_owned()),
            );
        }
        // The ledger is asked after the disk: who makes a scratch worktree has said so there before.
        let open = self.look(|view| {
            Ok(view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?)
        })?;
        for name in names {
            let path = self.home().worktrees_dir().join(&name);
            let in_use = open.iter().any(|s| {
                self.scratch_path(s.id) == path && s.worker.as_ref().is_some_and(|worker| !is_dead(worker))
            });
            let removing = name.starts_with(".removed-") && self.is_being_removed(&name)?;
            if in_use || removing {
                continue;
            }
            let what = format!("`.worktrees/{name}` was left behind; deleted");
            let result = if mode == Mode::Fix { self.drop_left(&git, &path) } else { Ok(()) };
            found.note(what, result);
        }
        self.recover_copies(mode, found)
    }

    /// Copies of an index whose maker is gone.
    fn recover_copies(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let dir = self.home().state_dir();
        for entry in dir.read_dir_utf8().map_err(|e| Error::io("read", &dir, e))? {
            let entry = entry.map_err(|e| Error::io("read", &dir, e))?;
            let name = entry.file_name();
            let Some(pid) = name.strip_prefix(INDEX_BY).and_then(|rest| rest.split('-').next()?.parse().ok())
            else {
                continue;
            };
            if identity::of(pid).is_none() {
                let what = format!("`{name}`, a copy of an index, was left behind; deleted");
                let result = match mode {
                    Mode::Dry => Ok(()),
                    Mode::Fix => Ok(worktrees::delete_aside(entry.path())?),
                };
                found.note(what, result);
            }
        }
        Ok(())
    }

    /// Whether somebody is still at work on what was put aside under this name.
    fn is_being_removed(&self, aside: &str) -> Result<bool> {
        if let Some(rest) = aside.strip_prefix(worktrees::ASIDE_BY) {
            let pid = rest.split('-').next().and_then(|pid| pid.parse().ok());
            return Ok(pid.is_none_or(|pid| identity::of(pid).is_some()));
        }
        let Some(id) = aside.strip_prefix(".removed-").and_then(|id| id.parse().ok()) else {
            return Ok(true);
        };
        self.look(|view| Ok(view.worktree(id)?.is_none_or(|w| w.status != WorktreeStatus::Removed)))
    }

    fn drop_left(&self, git: &Git, path: &camino::Utf8Path) -> Result<()> {
        if let Some(checkout) = worktrees::linked_checkout(git.common_dir(), path) {
            let entry = checkout.git_dir().file_name().unwrap_or_default().to_owned();
            let place =
                Place { common_dir: git.common_dir().to_owned(), path: path.to_owned(), git_entry: entry };
            return self.drop_scratch(git, &place);
        }
        Ok(worktrees::delete_aside(path)?)
    }
}
