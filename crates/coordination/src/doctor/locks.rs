//! Locks that a git has left which was killed: nobody gets past them.
//!
//! One on a ref or an entry that is biplane's own is deleted when it is old and surely no git is at work in the
//! repository. Of any other a person is told: whoever holds it may be waiting for an editor.

use std::time::Duration;

use biplane_control::{RunFilter, WorktreeFilter};
use biplane_execution::{
    git::{LockFile, LockOn},
    worktrees,
};
use biplane_model::Worktree;

use super::{Area, Examination, Finding, target, word};
use crate::{
    bounds,
    error::{Error, Result},
    locks,
};

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    half_entries(examination)?;
    let service = examination.service;
    let git = service.home().git()?;
    let rested = |lock: &LockFile| lock.age() >= Duration::from_secs(bounds::LOCK_GRACE_S);
    let locks: Vec<LockFile> = git.lock_files().into_iter().filter(rested).collect();
    if locks.is_empty() {
        return Ok(());
    }
    let (live, runs) = service.look(|view| {
        let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
        Ok((live, view.runs(&RunFilter { open: true, ..RunFilter::default() })?))
    })?;
    let is_idle = |worktree: &&Worktree| {
        worktree.operation.is_none() && runs.iter().all(|run| run.worktree_id != worktree.id)
    };
    let target = target::name(service)?.map(|name| format!("refs/heads/{name}"));
    for lock in locks {
        let path = lock.path.strip_prefix(git.common_dir()).unwrap_or(&lock.path).to_owned();
        let entry = match &lock.on {
            LockOn::Entry(entry) => live.iter().filter(is_idle).find(|w| w.git_entry == *entry),
            LockOn::Ref(_) | LockOn::Shared => None,
        };
        let verdict = format!("a git has left it, {} s ago", lock.age().as_secs());
        if entry.is_some() || lock.is_on_own_ref() {
            let place = entry.map(|w| service.home().absolute(&w.path));
            let finding = Finding::problem(Area::Git, &path, verdict)
                .remedy("`biplane doctor --fix` deletes it when no git is at work");
            examination.mend(finding, |service| {
                let places = [service.home().worktrees_dir(), service.home().root.clone()];
                let places = places.iter().chain(&place).map(AsRef::as_ref).collect::<Vec<_>>();
                Ok(git.drop_lock(&lock, &places)?)
            });
            continue;
        }
        let remedy = format!("`rm {}` when no git and no editor is at work there", word(&lock.path));
        let blocks_landing = matches!(&lock.on, LockOn::Ref(name) if Some(name) == target.as_ref());
        let finding = if blocks_landing {
            Finding::problem(Area::Git, &path, format!("{verdict}, and nothing can land until it is gone"))
        } else {
            Finding::note(Area::Git, &path, verdict)
        };
        examination.add(finding.remedy(remedy));
    }
    Ok(())
}

/// What is left of a `git worktree add` that was killed before it had written where the worktree is.
fn half_entries(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let common_dir = service.home().repository()?.common_dir.clone();
    let rested = |entry: &camino::Utf8PathBuf| {
        let at = entry.as_std_path().symlink_metadata().and_then(|m| m.modified());
        at.is_ok_and(|at| at.elapsed().unwrap_or_default() >= Duration::from_secs(bounds::LOCK_GRACE_S))
    };
    for entry in worktrees::half_entries(&common_dir).into_iter().filter(rested) {
        let path = entry.strip_prefix(&common_dir).unwrap_or(&entry).to_owned();
        let verdict = "a git that was killed has begun this entry, and it names no worktree";
        let finding = Finding::note(Area::Git, path, verdict).remedy("`biplane doctor --fix` deletes it");
        examination.mend(finding, |service| {
            let _held =
                locks::git(service.home(), "deleting half an entry", service.wait_notice("git's worktrees"))?;
            if !worktrees::half_entries(&common_dir).contains(&entry) {
                return Err(Error::failed("it is a whole one by now"));
            }
            Ok(worktrees::delete_aside(&entry)?)
        });
    }
    Ok(())
}
