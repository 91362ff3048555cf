//! What lies among the worktrees, or stands in git's list of them, and is not the ledger's. Only told of.

use std::collections::HashSet;

use biplane_execution::worktrees;
use biplane_model::{Worktree, sanitize_line};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Code, Examination, Finding, word};
use crate::{
    error::{Error, Result},
    service::{Fate, LATE, Service},
};

/// What biplane keeps beside the worktrees. Names that start with a dot are its own too: no worktree's does.
const OWN: [&str; 3] = ["runs", "index.json", "events.jsonl"];

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let dir = service.home().worktrees_dir();
    // Disk and git before the ledger: whatever is being made is in the ledger first.
    let names = names_in(&dir)?;
    let listed = service.home().git()?.worktrees()?;
    let live = service.live_here()?;
    let ours = places_of(service, &live)?;
    // The first is the main checkout.
    for stranger in listed.iter().skip(1).filter(|l| !ours.contains(&l.path)) {
        let below = stranger.path.strip_prefix(&dir).ok();
        if below.is_some_and(|path| path.as_str().starts_with('.')) {
            continue;
        }
        let path = word(&stranger.path);
        let (code, verdict, remedy) = if stranger.prunable {
            (
                Code::EntryMissing,
                "git knows a worktree there and finds nothing; it may be moved or unmounted, and is left alone",
                format!("leave it; if it was deleted, `git worktree remove {path}`"),
            )
        } else if below.is_some() {
            (
                Code::WorktreeStranger,
                "git knows a worktree there that the ledger does not know",
                format!(
                    "`biplane wt adopt {path}` takes it over; else leave it, or `git worktree remove {path}`"
                ),
            )
        } else {
            continue;
        };
        examination.add(Finding::note(code, stranger.path.as_str(), verdict).remedy(remedy));
    }
    elsewhere(examination)?;
    for name in names {
        let path = dir.join(&name);
        if name.starts_with(LATE) {
            late(examination, &path);
            continue;
        }
        let is_known = name.starts_with('.')
            || OWN.contains(&name.as_str())
            || ours.contains(&path)
            || listed.iter().any(|l| l.path == path);
        // What is gone by now needs no words.
        let is_place = path.as_std_path().symlink_metadata().is_ok_and(|m| !m.is_file());
        if !is_known && is_place {
            let shown = sanitize_line(&service.home().recorded(&path));
            let verdict = match orphan_of(&path) {
                Some(entry) if Utf8Path::new(&entry).exists() => format!(
                    "its `.git` file names `{}`, which names another directory: one of the two is a copy, or was moved",
                    sanitize_line(&entry)
                ),
                Some(entry) => format!(
                    "it was a worktree: its `.git` file names `{}`, which is gone; git and the ledger know nothing of it",
                    sanitize_line(&entry)
                ),
                None => "neither the ledger nor git knows what lies there".to_owned(),
            };
            examination.add(
                Finding::note(Code::DirectoryOrphan, shown, verdict)
                    .remedy("look at it; move it away or delete it by hand"),
            );
        }
    }
    Ok(())
}

/// What removals have left beside worktrees that lie somewhere else, where the background does not look.
fn elsewhere(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    for path in service.left_elsewhere()? {
        let is_late = path.file_name().is_some_and(|name| name.starts_with(LATE));
        let (verdict, remedy) = match if is_late { Fate::Late } else { service.fate(&path)? } {
            Fate::Late => {
                late(examination, &path);
                continue;
            }
            // Deleted with the rest of what dead processes have left, and told there.
            Fate::Goes if service.is_recovered(&path)? => continue,
            Fate::Goes => (
                "a removal has put this worktree aside, and was ended before it had deleted it",
                format!("its work has landed or is in a snapshot: `rm -r {}`", word(&path)),
            ),
            Fate::Stays => (
                "a removal has put this worktree aside; somebody stands in it, or it is not known what was written into it since",
                "leave it until nobody is in it, then `biplane doctor` again".to_owned(),
            ),
        };
        let shown = sanitize_line(&service.home().recorded(&path));
        examination.add(Finding::note(Code::DirectoryOrphan, shown, verdict).remedy(remedy));
    }
    Ok(())
}

/// A removed worktree that somebody wrote into later.
fn late(examination: &mut Examination<'_>, path: &Utf8Path) {
    let shown = sanitize_line(&examination.service.home().recorded(path));
    let verdict = "a process that stood in this worktree wrote into it after its removal; its snapshot has none of that";
    let remedy = format!("take what is needed from it, then `rm -r {}`", word(path));
    examination.add(Finding::note(Code::DirectoryOrphan, shown, verdict).remedy(remedy));
}

/// The entry that the directory's `.git` file names, when it is a file.
fn orphan_of(path: &Utf8Path) -> Option<String> {
    let file = path.join(".git");
    let meta = file.as_std_path().symlink_metadata().ok()?;
    let text = (meta.is_file() && meta.len() < 4096)
        .then(|| biplane_execution::files::text(&file).ok())
        .flatten()?;
    text.strip_prefix("gitdir: ").map(|entry| entry.trim_end().to_owned())
}

/// Where the worktrees are by our records, and where git's entries for them say they are.
fn places_of(service: &Service, live: &[Worktree]) -> Result<HashSet<Utf8PathBuf>> {
    let mut places = HashSet::new();
    for worktree in live {
        let place = service.place(worktree)?;
        places.extend(worktrees::named_by_entry(&place));
        places.insert(place.path);
    }
    Ok(places)
}

/// The names in a directory, in their order; none where there is no directory. Those that are not UTF-8 can't be ours,
/// and are shown as well as they can be.
pub(crate) fn names_in(dir: &Utf8Path) -> Result<Vec<String>> {
    let io = |e| Error::io("read", dir, e);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}
