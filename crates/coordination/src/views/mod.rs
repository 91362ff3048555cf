//! The view files: `.tasks/task_<id>.json`, `.worktrees/index.json`, `.worktrees/events.jsonl`, `.team/config.json`,
//! `.team/inbox/<agent>.jsonl`.
//!
//! **Contract.** Written from the ledger's newest moment, under a lock of their own, so that no view ever goes backwards;
//! each file appears in one step. Never read back. A view that lags, was damaged or deleted is found by its stamp (see
//! [`stamp`]) without being read, and written anew by the next command; damage is told.
//!
//! **Deliberately absent:** durability. What a crash takes from a view, the next command puts back from the ledger.

mod events;
mod inbox;
mod stamp;
mod tasks;
mod team;
mod worktrees;

use biplane_control::{Committed, Ledger, LedgerExt};
use biplane_model::TaskId;
use camino::Utf8PathBuf;
pub(crate) use inbox::{file_name as inbox_file, harmless};
pub(crate) use team::members_of;
pub(crate) use worktrees::view_of as worktree_view;

use crate::{error::Result, home::Home, locks, service::refuse_links};

/// Which views of tasks and inboxes may be out of date.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    /// Any of them.
    All,
    /// Only those of what was written by this commit.
    Changed(&'a Committed),
}

/// What was found wrong and written anew, beyond what merely lagged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// The files, relative to the home's root.
    pub files: Vec<Utf8PathBuf>,
}

/// Brings the views in line with the ledger.
///
/// # Errors
/// When a view can't be written; the ledger is not concerned.
pub(crate) fn sync(home: &Home, ledger: &dyn Ledger, scope: Scope<'_>) -> Result<Repaired> {
    if stale(home, ledger, scope)?.is_nothing() {
        return Ok(Repaired::default());
    }
    // A link in the place of a directory would lead the writing out of the home.
    refuse_links(home)?;
    let _held = locks::views(home)?;
    // Another process may have done it while we waited.
    let stale = stale(home, ledger, scope)?;
    let mut repaired = Repaired::default();
    tasks::write(home, ledger, &stale.tasks, &mut repaired)?;
    worktrees::write(home, &stale.worktrees, &mut repaired)?;
    inbox::write(home, ledger, &stale.inboxes, &mut repaired)?;
    team::write(home, &stale.team, &mut repaired)?;
    events::write(home, ledger, stale.events, &mut repaired)?;
    Ok(repaired)
}

/// What is not in line with the ledger, found without changing anything. For `doctor`.
///
/// # Errors
/// When a view can't be looked at.
pub(crate) fn out_of_line(home: &Home, ledger: &dyn Ledger) -> Result<Vec<Utf8PathBuf>> {
    let stale = stale(home, ledger, Scope::All)?;
    let mut files: Vec<Utf8PathBuf> = stale.tasks.iter().map(|(id, _)| tasks::file_name(id)).collect();
    if stale.worktrees.is_some() {
        files.push(worktrees::FILE.into());
    }
    files.extend(stale.inboxes.iter().map(|(name, _)| inbox::file_name(name)));
    if stale.team.is_some() {
        files.push(team::FILE.into());
    }
    if stale.events.is_some() {
        files.push(events::FILE.into());
    }
    Ok(files)
}

/// Whether the view of task `id` carries our stamp for revision `rev`: nothing has changed the file since it was written.
pub(crate) fn is_stamped_task(home: &Home, id: &TaskId, rev: u64) -> bool {
    stamp::carries(&home.root.join(tasks::file_name(id)), id.as_str(), rev) == Some(true)
}

struct Stale {
    tasks: Vec<(TaskId, tasks::Fault)>,
    worktrees: Option<worktrees::Wanted>,
    inboxes: Vec<(biplane_model::AgentName, inbox::Fault)>,
    team: Option<team::Wanted>,
    events: Option<events::Lag>,
}

impl Stale {
    fn is_nothing(&self) -> bool {
        self.tasks.is_empty()
            && self.worktrees.is_none()
            && self.inboxes.is_empty()
            && self.team.is_none()
            && self.events.is_none()
    }
}

fn stale(home: &Home, ledger: &dyn Ledger, scope: Scope<'_>) -> Result<Stale> {
    ledger.look(|view| {
        Ok(Stale {
            tasks: tasks::stale(home, view, scope)?,
            worktrees: worktrees::stale(home, view)?,
            inboxes: inbox::stale(home, view, scope)?,
            team: team::stale(home, view, scope)?,
            events: events::stale(home, view.last_seq()?)?,
        })
    })
}
