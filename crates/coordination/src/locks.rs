//! The locks between processes, each with the one thing it guards. None is held across a user's command but the one
//! around landing, which is there to hold others back while a gate runs.

use std::{sync::Arc, time::Duration};

use biplane_control::gate::{Gate, Pass};

use crate::{bounds, error::Result, home::Home};

/// Told whom somebody waits for.
pub(crate) type OnWait = Arc<dyn Fn(&str) + Send + Sync>;

/// Guards the writing of views.
pub(crate) fn views(home: &Home) -> Result<Pass> {
    hold(home, "views.lock", "writing views", bounds::VIEWS_LOCK_WAIT, None)
}

/// Guards git's adding and forgetting of worktrees, which race with each other.
pub(crate) fn git(home: &Home, what: &str, on_wait: Option<OnWait>) -> Result<Pass> {
    hold(home, "git.lock", what, bounds::GIT_LOCK_WAIT, on_wait)
}

/// Guards gating and landing: one candidate at a time.
pub(crate) fn merge(home: &Home, what: &str, on_wait: Option<OnWait>) -> Result<Pass> {
    hold(home, "merge.lock", what, bounds::MERGE_LOCK_WAIT, on_wait)
}

fn hold(home: &Home, name: &str, what: &str, patience: Duration, on_wait: Option<OnWait>) -> Result<Pass> {
    let dir = home.state_dir();
    std::fs::create_dir_all(&dir).map_err(|e| crate::error::Error::io("created", &dir, e))?;
    Ok(Gate { path: dir.join(name), patience, on_wait }.enter(what)?)
}
