//! Git's entries for worktrees, as they lie in `<common dir>/worktrees`: halves of them, and locks of a git that was killed.

use std::collections::HashMap;

use biplane_execution::worktrees;
use biplane_failpoint as failpoint;
use biplane_model::{Worktree, sanitize_line};
use camino::Utf8Path;

use super::{Code, Examination, Finding, gitlocks, strangers::names_in, word};
use crate::{
    bounds,
    error::{Error, Result},
    locks,
    service::Service,
};

/// What every entry has.
const NEEDED: [&str; 3] = ["gitdir", "HEAD", "commondir"];

/// What an entry may have that holds no work: links, and marks of git's own. An index or a reflog may be all that holds something.
const LINKS: [&str; 4] = ["gitdir", "HEAD", "commondir", "locked"];

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let dir = service.home().repository()?.common_dir.join("worktrees");
    // The disk before the ledger: whatever is being made is in the ledger first.
    let names = names_in(&dir)?;
    let live = match service.trouble().ledger {
        Some(_) => Vec::new(),
        None => service.live_here()?,
    };
    let ours: HashMap<&str, &Worktree> = live.iter().map(|w| (w.git_entry.as_str(), w)).collect();
    for name in names {
        let entry = dir.join(&name);
        if !is_settled(&entry) {
            continue;
        }
        let shown = format!("worktrees/{}", sanitize_line(&name));
        let missing: Vec<&str> = NEEDED.into_iter().filter(|file| is_missing(&entry.join(file))).collect();
        if !missing.is_empty() {
            half(examination, &entry, &shown, &missing, ours.get(name.as_str()).copied());
        } else if is_initializing(&entry) {
            initializing(examination, &entry, &shown, ours.get(name.as_str()).copied());
        }
    }
    Ok(())
}

fn is_missing(file: &Utf8Path) -> bool {
    matches!(file.as_std_path().symlink_metadata(), Err(e) if e.kind() == std::io::ErrorKind::NotFound)
}

/// Whether nobody has made or changed the entry a moment ago: git makes its files one after another.
fn is_settled(entry: &Utf8Path) -> bool {
    let modified =
        entry.as_std_path().symlink_metadata().ok().filter(|m| m.is_dir()).and_then(|m| m.modified().ok());
    modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age >= bounds::STALE_LOCK)
}

fn half(
    examination: &mut Examination<'_>,
    entry: &Utf8Path,
    shown: &str,
    missing: &[&str],
    of: Option<&Worktree>,
) {
    let lacks = missing.iter().map(|m| format!("`{m}`")).collect::<Vec<_>>().join(", ");
    let whose = of.map_or(String::new(), |w| format!(" of worktree `{}`", w.name));
    let verdict =
        format!("git's entry{whose} lacks {lacks}, as when a git was killed while it deleted or made it");
    let finding = Finding::problem(Code::EntryHalfDeleted, shown, verdict);
    if of.is_none() && holds_links_only(entry) {
        let finding = finding.remedy("`biplane doctor --fix` deletes what is left of it: it holds no work");
        let entry = entry.to_owned();
        examination.mend(finding, move |service| {
            let _held =
                locks::git(service.home(), "deleting half an entry", service.wait_notice("git's worktrees"))?;
            if !is_settled(&entry)
                || !holds_links_only(&entry)
                || !NEEDED.iter().any(|f| is_missing(&entry.join(f)))
            {
                return Err(Error::failed("it changed meanwhile"));
            }
            failpoint::reach("half entry deleted before");
            worktrees::delete_aside(&entry)?;
            failpoint::reach("half entry deleted after");
            Ok(())
        });
        return;
    }
    let remedy = format!(
        "its index or reflog may hold work: `git fsck --unreachable` names commits; then move `{}` away",
        word(entry)
    );
    examination.add(finding.remedy(remedy));
}

/// Whether there is nothing in the entry that could hold work, and no directory that it names.
fn holds_links_only(entry: &Utf8Path) -> bool {
    let Ok(names) = names_in(entry) else { return false };
    let named = biplane_execution::files::text(entry.join("gitdir")).unwrap_or_default();
    let is_there = !named.is_empty() && !is_missing(Utf8Path::new(named.trim_end_matches('\n')));
    // Git makes an empty `refs` and `logs` in each entry.
    let is_empty_dir = |name: &str| {
        ["refs", "logs"].contains(&name) && names_in(&entry.join(name)).is_ok_and(|below| below.is_empty())
    };
    !is_there && names.iter().all(|name| LINKS.contains(&name.as_str()) || is_empty_dir(name))
}

fn is_initializing(entry: &Utf8Path) -> bool {
    let lock = entry.join("locked");
    gitlocks::age(&lock).is_some_and(|age| age >= bounds::STALE_LOCK)
        && biplane_execution::files::text(&lock).is_ok_and(|text| text.trim() == "initializing")
}

fn initializing(examination: &mut Examination<'_>, entry: &Utf8Path, shown: &str, of: Option<&Worktree>) {
    let verdict = "git has it locked as one that is being added, and nobody adds it any more";
    let finding = Finding::problem(Code::EntryInitializing, shown, verdict);
    match of.filter(|w| w.operation.is_none()) {
        Some(_) => {
            let finding = finding.remedy("`biplane doctor --fix` unlocks it");
            let entry = entry.to_owned();
            examination.mend(finding, move |service| unlock(service, &entry));
        }
        None => {
            let named = biplane_execution::files::text(entry.join("gitdir")).unwrap_or_default();
            let path = named.trim_end_matches('\n').trim_end_matches("/.git").to_owned();
            examination.add(finding.remedy(format!("`git worktree unlock {}`", word(path))));
        }
    }
}

fn unlock(service: &Service, entry: &Utf8Path) -> Result<()> {
    let _held = locks::git(service.home(), "unlocking a worktree", service.wait_notice("git's worktrees"))?;
    if !is_initializing(entry) {
        return Err(Error::failed("it changed meanwhile"));
    }
    let lock = entry.join("locked");
    failpoint::reach("initializing lock deleted before");
    std::fs::remove_file(&lock).map_err(|e| Error::io("deleted", &lock, e))?;
    failpoint::reach("initializing lock deleted after");
    Ok(())
}
