//! The locks between processes, each with the one thing it guards. None is held across a user's command but the one
//! around landing, which is there to hold others back while a gate runs.

use std::time::Duration;

use biplane_control::gate::{Gate, OnWait, Pass};

use crate::{bounds, error::Result, files, home::Home};

/// Guards the writing of views.
pub(crate) fn views(home: &Home) -> Result<Pass> {
    hold(home, "views.lock", "the view files", "writing views", bounds::VIEWS_LOCK_WAIT, None)
}

/// Guards git's adding and forgetting of worktrees, which race with each other.
pub(crate) fn git(home: &Home, who: &str, on_wait: Option<OnWait>) -> Result<Pass> {
    hold(home, "git.lock", "git's list of worktrees", who, bounds::GIT_LOCK_WAIT, on_wait)
}

/// Guards gating and landing: one candidate at a time.
pub(crate) fn merge(home: &Home, who: &str, on_wait: Option<OnWait>) -> Result<Pass> {
    hold(home, "merge.lock", "landing", who, bounds::MERGE_LOCK_WAIT, on_wait)
}

fn hold(
    home: &Home,
    name: &str,
    what: &'static str,
    who: &str,
    patience: Duration,
    on_wait: Option<OnWait>,
) -> Result<Pass> {
    let dir = home.state_dir();
    files::make_dir(&dir)?;
    let mut gate = Gate::at(dir.join(name), what, patience);
    gate.on_wait = on_wait;
    Ok(gate.enter(who)?)
}
