//! The originals: what the views are about to replace is copied away first.

use std::{fs::File, io::Write};

use biplane_failpoint as failpoint;
use biplane_model::Timestamp;
use camino::{Utf8Path, Utf8PathBuf};

use super::read::{self, Found};
use crate::{
    bounds,
    error::{Error, Result},
    files,
    home::Home,
};

/// How many imports may be kept with the same second in their name.
const TWINS: u32 = 100;

/// Copies `.tasks/` and the two files of `.worktrees/` into a directory of their own, durably. Links, and files that are
/// too big to be read, stay where they are: nothing replaces them.
///
/// # Errors
/// When something can't be copied; no copy is left then.
pub(super) fn originals(home: &Home, now: Timestamp) -> Result<Utf8PathBuf> {
    let dir = fresh(home, now)?;
    match copy_all(home, &dir) {
        Ok(()) => Ok(dir),
        Err(error) => {
            discard(&dir);
            Err(error)
        }
    }
}

/// Removes what [`originals`] has made. What can't be removed is a copy, and harms nobody.
pub(super) fn discard(dir: &Utf8Path) {
    let _ = failpoint::around("copies of an import deleted", || std::fs::remove_dir_all(dir));
}

/// A new directory in the state directory.
fn fresh(home: &Home, now: Timestamp) -> Result<Utf8PathBuf> {
    let state = home.state_dir();
    files::make_dir(&state)?;
    let mut dir = state.join(format!("imported-{}", now.seconds()));
    for twin in 2..=TWINS {
        match failpoint::around("copies of an import begun", || std::fs::create_dir(&dir)) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                dir = state.join(format!("imported-{}-{twin}", now.seconds()));
            }
            Err(e) => return Err(Error::io("created", &dir, e)),
        }
    }
    Err(Error::failed(format!("`{dir}` and others like it exist already")))
}

fn copy_all(home: &Home, to: &Utf8Path) -> Result<()> {
    let (tasks, worktrees) = (to.join(".tasks"), to.join(".worktrees"));
    for dir in [&tasks, &worktrees] {
        failpoint::around("directory made", || std::fs::create_dir(dir))
            .map_err(|e| Error::io("created", dir, e))?;
    }
    let from = home.tasks_dir();
    match from.read_dir_utf8() {
        Ok(listing) => {
            // A name that is not UTF-8 is no task's.
            for entry in listing.flatten() {
                copy(entry.path(), &tasks.join(entry.file_name()), bounds::IMPORT_TASK_BYTES)?;
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io("read", &from, e)),
    }
    for (name, most) in
        [("index.json", bounds::IMPORT_INDEX_BYTES), ("events.jsonl", bounds::IMPORT_EVENTS_BYTES)]
    {
        copy(&home.views_dir().join(name), &worktrees.join(name), most)?;
    }
    for dir in [&tasks, &worktrees, to] {
        sync(dir)?;
    }
    sync(&home.state_dir())
}

fn copy(from: &Utf8Path, to: &Utf8Path, most: u64) -> Result<()> {
    let Found::File(bytes) = read::file(from, most) else { return Ok(()) };
    let io = |e| Error::io("written", to, e);
    let mut file = File::create_new(to).map_err(io)?;
    failpoint::around("original copied", || file.write_all(&bytes)).map_err(io)?;
    file.sync_all().map_err(io)
}

fn sync(dir: &Utf8Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("written", dir, e))
}
