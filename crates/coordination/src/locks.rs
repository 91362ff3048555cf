//! The locks between processes, each with the one thing it guards. None is held across a user's command but the one
//! around landing, which is there to hold others back while a gate runs, and that of an inbox, while what waits is written to its reader.

use std::time::Duration;

use biplane_control::gate::{Gate, OnWait, Pass};
use biplane_model::AgentName;

use crate::{
    bounds,
    error::{ErrorKind, Result},
    files,
    home::Home,
    views,
};

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

/// Guards what waits for one reader, from its being looked at until it is marked: others of that name wait.
pub(crate) fn inbox(home: &Home, of: &AgentName, who: &str) -> Result<Pass> {
    let name = format!("inbox-{}.lock", views::harmless(of));
    hold(home, &name, "the inbox", who, bounds::INBOX_LOCK_WAIT, None)
}

/// The same, unless somebody else has it: then nothing is waited for.
pub(crate) fn inbox_if_free(home: &Home, of: &AgentName, who: &str) -> Result<Option<Pass>> {
    let name = format!("inbox-{}.lock", views::harmless(of));
    match hold(home, &name, "the inbox", who, Duration::ZERO, None) {
        Ok(pass) => Ok(Some(pass)),
        Err(error) if error.kind == ErrorKind::Busy => Ok(None),
        Err(error) => Err(error),
    }
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
