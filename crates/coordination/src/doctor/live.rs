//! The worktrees of the ledger: whether record, git's entry and directory still name each other.

use biplane_control::Changes;
use biplane_execution::{
    git::{ListedWorktree, RefUpdate},
    worktrees::{self, Astray, OwnershipFault, Place},
};
use biplane_model::{CommitId, EventKind, NewEvent, Worktree};
use camino::Utf8Path;

use super::{Code, Examination, Finding, word};
use crate::{
    error::{Error, Result},
    locks,
    service::{Closing, RemoveRequest, Service, record, switch_to},
};

/// The most bytes of a reflog's end that are looked at.
const REFLOG_TAIL: u64 = 64 * 1024;

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let listed = service.home().git()?.worktrees()?;
    let live = service.live_here()?;
    // One that is being made or removed is its process's, or recovery's.
    for worktree in live.iter().filter(|w| w.operation.is_none()) {
        let place = service.place(worktree)?;
        match worktrees::prove(&place) {
            Ok(_) => sound(examination, worktree, &place, &listed)?,
            Err(fault) => {
                // It may have been removed while we looked.
                if unchanged(service, worktree).is_ok() {
                    lost(examination, worktree, &place, fault);
                }
            }
        }
    }
    Ok(())
}

/// The record of a worktree, if nobody has changed it since.
fn unchanged(service: &Service, seen: &Worktree) -> Result<Worktree> {
    let now = service.look(|view| record(view, seen.id))?;
    if now.rev == seen.rev { Ok(now) } else { Err(Error::failed("it changed meanwhile")) }
}

fn lost(examination: &mut Examination<'_>, worktree: &Worktree, place: &Place, fault: OwnershipFault) {
    let (name, path) = (worktree.name.as_str(), word(&worktree.path));
    let found = worktrees::astray(place);
    if found.is_none()
        && matches!(fault, OwnershipFault::Missing { .. })
        && let Some(there) = uprooted_elsewhere(examination.service, worktree, place)
    {
        return one_side_moved(examination, worktree, place, &there);
    }
    match (fault, found) {
        (_, Some(Astray::Moved { to })) => {
            let verdict = format!("it was moved to `{to}`, but its record names `{}`", worktree.path);
            let finding = Finding::problem(Code::WorktreeMoved, name, verdict)
                .remedy("`biplane doctor --fix` writes the new place down");
            examination.amend(finding, |service| follow(service, worktree, place, &to));
        }
        (_, Some(Astray::Uprooted)) => {
            let verdict =
                "the repository was moved or copied, and the worktree's links still name the old place";
            let finding = Finding::problem(Code::RepositoryMoved, name, verdict)
                .remedy("`biplane doctor --fix` links the two again, and touches no other worktree");
            examination.mend(finding, |service| {
                let _held =
                    locks::git(service.home(), "linking a worktree", service.wait_notice("git's worktrees"))?;
                unchanged(service, worktree)?;
                Ok(worktrees::relink(place)?)
            });
        }
        (OwnershipFault::Gone { .. }, None) => {
            let verdict = format!(
                "its directory and git's entry are gone; its branch `{}` stays as it is",
                worktree.branch
            );
            let finding = Finding::problem(Code::WorktreeGone, name, verdict)
                .remedy("put the directory back if it was only moved; else `biplane doctor --fix` notes that it is removed");
            examination.amend(finding, |service| forget(service, worktree, place));
        }
        (fault @ OwnershipFault::Missing { .. }, None) => {
            let remedy = format!(
                "mount it or move it back; if it was moved for good, `git worktree repair <new place>` and `biplane doctor --fix`; if it was deleted, `git worktree remove --force {path}` and `biplane wt remove {name}`, which notes it and keeps its branch; until then git's entry and the branch stay"
            );
            examination.add(Finding::problem(Code::WorktreeMissing, name, fault.to_string()).remedy(remedy));
        }
        (fault @ OwnershipFault::NotOurs { .. }, None) => {
            let has_entry = place.entry_dir().exists();
            let remedy = if has_entry {
                format!("look at it; if it is this worktree, `git worktree repair {path}`")
            } else {
                format!(
                    "move it aside, `git worktree add {path} {}`, then copy your files over it",
                    worktree.branch
                )
            };
            examination.add(Finding::problem(Code::WorktreeUnproved, name, fault.to_string()).remedy(remedy));
        }
        (fault @ OwnershipFault::Unknown { .. }, None) => {
            let finding = Finding::problem(Code::WorktreeUnreadable, name, fault.to_string());
            examination.add(finding.remedy("make it readable, then look again"));
        }
    }
}

/// A worktree that lies elsewhere than its record says, because the repository or the worktrees' directory was moved.
fn one_side_moved(examination: &mut Examination<'_>, worktree: &Worktree, place: &Place, there: &Place) {
    let verdict = format!(
        "the repository or the directory of its worktrees was moved: it lies at `{}`, and its links still name the old place",
        there.path
    );
    let finding = Finding::problem(Code::RepositoryMoved, worktree.name.as_str(), verdict)
        .remedy("`biplane doctor --fix` links the two again and writes the new place down");
    examination.amend(finding, |service| {
        {
            let _held =
                locks::git(service.home(), "linking a worktree", service.wait_notice("git's worktrees"))?;
            unchanged(service, worktree)?;
            worktrees::relink(there)?;
        }
        follow(service, worktree, place, &there.path)
    });
}

/// Where a worktree lies whose record names a place that is empty, when only one of the repository and the directory of its
/// worktrees was moved: where git's entry says, or where worktrees are made now.
fn uprooted_elsewhere(service: &Service, worktree: &Worktree, place: &Place) -> Option<Place> {
    let made = service.home().worktrees_dir().join(worktree.name.as_str());
    let candidates = worktrees::named_by_entry(place).into_iter().chain([made]);
    candidates
        .filter_map(|path| path.canonicalize_utf8().ok())
        .filter(|path| *path != place.path)
        .map(|path| Place { path, ..place.clone() })
        .find(|there| worktrees::astray(there) == Some(Astray::Uprooted))
}

/// Writes down where a worktree was moved to.
fn follow(service: &Service, seen: &Worktree, place: &Place, to: &Utf8Path) -> Result<()> {
    if worktrees::astray(place) != Some(Astray::Moved { to: to.to_owned() }) {
        return Err(Error::failed("it is somewhere else by now"));
    }
    let path = service.home().recorded(to);
    service.change(|view, now| {
        let mut worktree = record(view, seen.id)?;
        if worktree.rev != seen.rev {
            return Err(Error::failed("it changed meanwhile"));
        }
        worktree.path.clone_from(&path);
        worktree.updated_at = now;
        let done = vec![format!("worktree `{}`: moved from `{}`", worktree.name, seen.path)];
        let event = NewEvent::new(EventKind::Recovered).worktree(&worktree).with("done", done);
        Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ()))
    })
}

/// Notes the end of a worktree of which nothing is there but its branch.
fn forget(service: &Service, seen: &Worktree, place: &Place) -> Result<()> {
    let worktree = unchanged(service, seen)?;
    service.refuse_running(&worktree)?;
    if !matches!(worktrees::prove(place), Err(OwnershipFault::Gone { .. })) {
        return Err(Error::failed("something is there again"));
    }
    let request = RemoveRequest {
        name: worktree.name.clone(),
        force: false,
        processes: crate::service::Processes::Refuse,
        closing: Closing::LeaveTask,
        reason: "its directory and git's entry were gone".to_owned(),
        dry_run: false,
    };
    service.forget(&request, &worktree).map(|_| ())
}

/// A worktree that is where it should be: its branch, and what git says of it.
fn sound(
    examination: &mut Examination<'_>,
    worktree: &Worktree,
    place: &Place,
    listed: &[ListedWorktree],
) -> Result<()> {
    let name = worktree.name.as_str();
    let git = examination.service.home().git()?;
    let on = place.git().current_branch()?;
    let full = format!("refs/heads/{}", worktree.branch);
    // A listing fails when it can't look; a question for one ref would say "none".
    if !git.refs_below(&full)?.iter().any(|(found, _)| *found == full) {
        let verdict = format!("its branch `{}` is gone", worktree.branch);
        let is_on_it = on.as_deref() == Some(worktree.branch.as_str());
        let last = last_head(place);
        match last.map(|id| git.find_commit(id.as_str())).transpose()?.flatten() {
            Some(tip) if is_on_it => {
                let finding = Finding::problem(
                    Code::WorktreeBranchGone,
                    name,
                    format!("{verdict}; it was at {}", tip.short()),
                )
                .remedy(format!("`git branch {} {tip}`", worktree.branch));
                examination.mend(finding, |_| {
                    let why = "biplane: branch of a worktree put back";
                    Ok(git.update_ref(&RefUpdate { name: &full, old: None, new: Some(&tip), why })?)
                });
            }
            _ => {
                let remedy =
                    format!("`git branch {} <commit>`; `git reflog` in it names some", worktree.branch);
                examination.add(Finding::problem(Code::WorktreeBranchGone, name, verdict).remedy(remedy));
            }
        }
    } else if on.as_deref() != Some(worktree.branch.as_str()) {
        let on = on.map_or("no branch".to_owned(), |b| format!("`{b}`"));
        let finding = Finding::note(
            Code::WorktreeOtherBranch,
            name,
            format!("it is on {on}, not on its branch `{}`, so it can't be submitted", worktree.branch),
        );
        examination.add(finding.remedy(format!("in it: `{}`", switch_to(&worktree.branch))));
    }
    if listed.iter().any(|l| l.locked && l.path == place.path) {
        let finding = Finding::note(Code::WorktreeLocked, name, "git has it locked against removal");
        examination.add(
            finding.remedy(format!("`git worktree unlock {}` when it may be removed", word(&worktree.path))),
        );
    }
    Ok(())
}

/// The newest commit in the reflog of the worktree's head.
fn last_head(place: &Place) -> Option<CommitId> {
    reflog_tail(&place.entry_dir().join("logs").join("HEAD")).last()?.split(' ').nth(1)?.parse().ok()
}

/// The last lines of a reflog; none where there is none.
pub(super) fn reflog_tail(file: &Utf8Path) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = biplane_execution::files::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(REFLOG_TAIL)))?;
        let mut tail = Vec::new();
        file.take(REFLOG_TAIL).read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().unwrap_or_default();
    String::from_utf8_lossy(&tail).trim_end().lines().map(str::to_owned).collect()
}
