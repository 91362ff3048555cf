//! Lock files that a killed git has left. One of them stops every git that needs it.
//!
//! **Invariant:** only a lock in biplane's own places is deleted: of its own refs, and of the entries of its own worktrees
//! while nobody is at work in them. It must be older than anybody holds one, and no process of this user may have it open
//! or be a git at work there.

use std::time::{Duration, SystemTime};

use biplane_control::RunFilter;
use biplane_execution::supervise::{InUse, lock_in_use};
use biplane_failpoint as failpoint;
use biplane_model::Worktree;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Code, Examination, Finding, word};
use crate::{
    bounds,
    error::{Error, Result},
    service::Service,
};

/// Locks directly in the directory that all checkouts share.
const SHARED: [&str; 6] =
    ["HEAD.lock", "config.lock", "packed-refs.lock", "index.lock", "shallow.lock", "config.worktree.lock"];

/// Locks in the entry of a worktree.
const OF_ENTRY: [&str; 3] = ["index.lock", "HEAD.lock", "config.worktree.lock"];

/// Where only biplane and the agents in its worktrees move refs.
const OWN_REFS: [&str; 2] = ["refs/heads/wt/", "refs/biplane/"];

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let common = service.home().repository()?.common_dir.clone();
    let live = match service.trouble().ledger {
        Some(_) => Vec::new(),
        None => service.live_here()?,
    };
    let target = service.target().ok();
    for lock in locks(&common)? {
        if !is_old(&lock) {
            continue;
        }
        let shown = lock.strip_prefix(&common).unwrap_or(&lock).to_owned();
        let remedy = format!("when no git is at work: `rm {}`", word(&lock));
        match in_use(service, &lock, &live) {
            InUse::By(..) => {}
            InUse::Unknown => {
                let verdict = "it is old, and whether somebody holds it can't be told";
                examination.add(Finding::note(Code::LockUnknown, shown, verdict).remedy(remedy));
            }
            InUse::No => {
                let is_target =
                    target.as_ref().is_some_and(|target| shown == format!("refs/heads/{target}.lock"));
                let also = if is_target { "; nothing can land until it is gone" } else { "" };
                let verdict = format!("it is old, nobody holds it, and every git that needs it fails{also}");
                let finding = Finding::problem(Code::LockStale, &shown, verdict);
                if is_own(&shown, &live) {
                    let finding = finding.remedy("`biplane doctor --fix` deletes it");
                    examination.mend(finding, |service| delete(service, &lock, &shown, &live));
                } else {
                    examination.add(finding.remedy(remedy));
                }
            }
        }
    }
    Ok(())
}

fn delete(service: &Service, lock: &Utf8Path, shown: &Utf8Path, live: &[Worktree]) -> Result<()> {
    if let Some(worktree) = owner(shown, live) {
        let filter = RunFilter { open: true, worktree: Some(worktree.id), ..RunFilter::default() };
        if let Some(run) = service.look(|view| Ok(view.runs(&filter)?))?.first() {
            return Err(Error::failed(format!("run {} is at work in `{}`", run.id, worktree.name)));
        }
    }
    if !is_old(lock) || in_use(service, lock, live) != InUse::No {
        return Err(Error::failed("somebody holds it by now"));
    }
    failpoint::reach("stale lock deleted before");
    std::fs::remove_file(lock).map_err(|e| Error::io("deleted", lock, e))?;
    failpoint::reach("stale lock deleted after");
    Ok(())
}

fn in_use(service: &Service, lock: &Utf8Path, live: &[Worktree]) -> InUse {
    let home = service.home();
    let mut places = vec![home.root.clone(), home.worktrees_dir()];
    places.extend(home.repository.as_ref().map(|r| r.common_dir.clone()));
    places.extend(live.iter().map(|w| home.absolute(&w.path)));
    let places: Vec<&std::path::Path> = places.iter().map(|p| p.as_std_path()).collect();
    lock_in_use(lock.as_std_path(), &places)
}

fn is_own(shown: &Utf8Path, live: &[Worktree]) -> bool {
    OWN_REFS.iter().any(|own| shown.as_str().starts_with(own)) || owner(shown, live).is_some()
}

/// The worktree in whose entry a lock lies.
fn owner<'w>(shown: &Utf8Path, live: &'w [Worktree]) -> Option<&'w Worktree> {
    let entry = shown.strip_prefix("worktrees").ok()?.components().next()?;
    live.iter().find(|w| w.git_entry == entry.as_str())
}

fn is_old(lock: &Utf8Path) -> bool {
    age(lock).is_some_and(|age| age >= bounds::STALE_LOCK)
}

/// How long ago a file was written; none for what is no file.
pub(super) fn age(file: &Utf8Path) -> Option<Duration> {
    let meta = file.as_std_path().symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    SystemTime::now().duration_since(meta.modified().ok()?).ok()
}

/// The lock files that are there.
fn locks(common: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found: Vec<Utf8PathBuf> = SHARED.iter().map(|name| common.join(name)).collect();
    for name in super::strangers::names_in(&common.join("worktrees"))? {
        found.extend(OF_ENTRY.iter().map(|lock| common.join("worktrees").join(&name).join(lock)));
    }
    found.retain(|lock| lock.as_std_path().symlink_metadata().is_ok());
    let mut open = vec![common.join("refs")];
    while let Some(dir) = open.pop() {
        for name in super::strangers::names_in(&dir)? {
            let path = dir.join(&name);
            let Ok(meta) = path.as_std_path().symlink_metadata() else { continue };
            if meta.is_dir() {
                open.push(path);
            } else if name.ends_with(".lock") {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
