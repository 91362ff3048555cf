//! `.worktrees/index.json`.

use std::collections::HashSet;

use biplane_control::{View, WorktreeFilter};
use biplane_model::{
    Worktree,
    view::{WorktreeIndex, WorktreeView},
};

use super::{
    Repaired,
    stamp::{carries, fnv1a, stamp},
};
use crate::{bounds, error::Result, files, home::Home};

/// The file, relative to the home's root.
pub(super) const FILE: &str = ".worktrees/index.json";

/// What the file should hold.
pub(super) struct Wanted {
    json: Vec<u8>,
    hash: u64,
    at: i64,
    damaged: bool,
}

/// The index as it should be, when the file is not.
pub(super) fn stale(home: &Home, view: &dyn View) -> Result<Option<Wanted>> {
    let shown = shown(view)?;
    let at = shown.iter().map(|w| w.updated_at.0).max().unwrap_or(0);
    let mut index = WorktreeIndex { worktrees: Vec::new() };
    for worktree in &shown {
        index.worktrees.push(view_of(home, view, worktree)?);
    }
    let mut json = serde_json::to_vec_pretty(&index).expect("a view is plain data");
    json.push(b'\n');
    let hash = fnv1a(json.iter().copied());
    let path = home.root.join(FILE);
    Ok(match carries(&path, FILE, hash) {
        Some(true) => None,
        Some(false) => {
            // An index of ours carries the checksum of its own text, whatever its age.
            let text = std::fs::read(&path).unwrap_or_default();
            let damaged = carries(&path, FILE, fnv1a(text.into_iter())) != Some(true);
            Some(Wanted { json, hash, at, damaged })
        }
        None if shown.is_empty() => None,
        None => Some(Wanted { json, hash, at, damaged: false }),
    })
}

pub(super) fn write(home: &Home, wanted: &Option<Wanted>, repaired: &mut Repaired) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    if wanted.damaged {
        repaired.files.push(FILE.into());
    }
    files::replace_stamped(&home.root.join(FILE), &wanted.json, stamp(FILE, wanted.hash, wanted.at))
}

/// The view of one worktree.
pub(crate) fn view_of(home: &Home, view: &dyn View, worktree: &Worktree) -> Result<WorktreeView> {
    let epoch = match &worktree.task {
        Some(id) => view.task(id)?.map_or(0, |task| task.epoch),
        None => 0,
    };
    Ok(WorktreeView::new(worktree, home.place_of(worktree).into_string(), epoch))
}

/// The newest record of each name: all live ones and the latest removed ones, in the order of their numbers. Those that were
/// removed long ago are not read: this is asked after each commit.
fn shown(view: &dyn View) -> Result<Vec<Worktree>> {
    let mut list = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
    let mut newest = bounds::REMOVED_SHOWN;
    let removed = loop {
        let filter = WorktreeFilter { removed: true, newest: Some(newest), ..WorktreeFilter::default() };
        let page = view.worktrees(&filter)?;
        let is_all = page.len() < newest;
        let removed = last_removed(&list, page);
        if is_all || removed.len() == bounds::REMOVED_SHOWN {
            break removed;
        }
        // Some have one name: those before are looked at too.
        newest *= 2;
    };
    list.extend(removed);
    list.sort_by_key(|worktree| worktree.id);
    Ok(list)
}

/// The newest record of each name among those that were removed, the most recent ones of them; none of a name that is in use.
fn last_removed(live: &[Worktree], removed: Vec<Worktree>) -> Vec<Worktree> {
    let mut names: HashSet<_> = live.iter().map(|worktree| worktree.name.clone()).collect();
    let newest_first = removed.into_iter().rev();
    newest_first.filter(|w| names.insert(w.name.clone())).take(bounds::REMOVED_SHOWN).collect()
}
