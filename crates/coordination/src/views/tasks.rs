//! `.tasks/task_<id>.json`.

use std::collections::HashSet;

use biplane_control::{Ledger, LedgerError, LedgerExt, View, WorktreeFilter};
use biplane_model::{CommitId, Task, TaskId, view::TaskView};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Repaired, Scope,
    stamp::{carries, stamp},
};
use crate::{error::Result, files, home::Home};

/// How a view differs from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no file.
    Missing,
    /// It is of another revision, or not ours.
    Differs,
}

/// The view of `id`, relative to the home's root.
pub(super) fn file_name(id: &TaskId) -> Utf8PathBuf {
    format!(".tasks/task_{id}.json").into()
}

pub(super) fn stale(home: &Home, view: &dyn View, scope: Scope<'_>) -> Result<Vec<(TaskId, Fault)>> {
    let revisions = match scope {
        Scope::All => view.task_revisions()?,
        Scope::Changed(committed) => {
            let mut list = Vec::new();
            for id in committed.tasks.iter().collect::<HashSet<_>>() {
                list.extend(view.task(id)?.map(|t| (t.id, t.rev)));
            }
            list
        }
    };
    let fault = |(id, rev): (TaskId, u64)| match carries(&home.root.join(file_name(&id)), id.as_str(), rev) {
        Some(true) => None,
        Some(false) => Some((id, Fault::Differs)),
        None => Some((id, Fault::Missing)),
    };
    Ok(revisions.into_iter().filter_map(fault).collect())
}

pub(super) fn write(
    home: &Home,
    ledger: &dyn Ledger,
    stale: &[(TaskId, Fault)],
    repaired: &mut Repaired,
) -> Result<()> {
    for (id, fault) in stale {
        let Some((task, base)) = ledger.look(|view| newest(view, id))? else { continue };
        let name = file_name(id);
        let path = home.root.join(&name);
        if is_damage(&path, &task, *fault) {
            repaired.files.push(name);
        }
        let mut json =
            serde_json::to_vec_pretty(&TaskView::new(&task, base.as_ref())).expect("a view is plain data");
        json.push(b'\n');
        files::replace_stamped(&path, &json, stamp(id.as_str(), task.rev, task.updated_at.0))?;
    }
    Ok(())
}

fn newest(
    view: &dyn View,
    id: &TaskId,
) -> std::result::Result<Option<(Task, Option<CommitId>)>, LedgerError> {
    let Some(task) = view.task(id)? else { return Ok(None) };
    let bound =
        view.worktrees(&WorktreeFilter { live: true, task: Some(id.clone()), ..WorktreeFilter::default() })?;
    Ok(Some((task, bound.into_iter().next().map(|w| w.base))))
}

/// Whether a view is not merely older than the ledger: a file that is not as we wrote it at any revision, or one that
/// we had written and that is gone.
fn is_damage(path: &Utf8Path, task: &Task, fault: Fault) -> bool {
    if fault == Fault::Missing {
        // One that was never written may just be on its way.
        return task.rev > 1;
    }
    let text = std::fs::read(path).unwrap_or_default();
    let rev = serde_json::from_slice::<serde_json::Value>(&text).ok().and_then(|json| json["rev"].as_u64());
    rev.is_none_or(|rev| carries(path, task.id.as_str(), rev) != Some(true))
}
