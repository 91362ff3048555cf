//! The view files, and what git must not see of them.

use std::collections::HashSet;

use biplane_model::TaskId;
use camino::Utf8PathBuf;

use super::{Code, Examination, Finding};
use crate::{
    bounds,
    error::{Error, Result},
    views::{self, Scope},
};

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    if !service.home().ledger_path().exists() {
        // Whatever lies there is not ours.
        return tracked(examination);
    }
    for file in out_of_line(examination)? {
        let finding = Finding::problem(Code::ViewDamaged, &file, "it is not what the ledger says")
            .remedy("any command of biplane writes it anew");
        examination.mend(finding, |service| {
            views::sync(service.home(), service.ledger(), Scope::All)?;
            let left = views::out_of_line(service.home(), service.ledger())?;
            if left.contains(&file) { Err(Error::failed("it differs again")) } else { Ok(()) }
        });
    }
    foreign(examination)?;
    kept_out(examination)
}

/// Whether no commit of the repository at hand takes views or worktrees in.
pub(super) fn kept_out(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let (missing, _) = service.home().unexcluded()?;
    if !missing.is_empty() {
        let verdict =
            format!("the entries {} are missing: a commit could take the board in", missing.join(" "));
        let finding = Finding::problem(Code::ViewNotExcluded, "info/exclude", verdict)
            .remedy("`biplane init` writes them");
        examination.mend(finding, |service| service.home().exclude_views().map(|_| ()));
    }
    tracked(examination)
}

/// The views that lag at every look: a commit is in the ledger a moment before it is in the views.
fn out_of_line(examination: &Examination<'_>) -> Result<Vec<Utf8PathBuf>> {
    let service = examination.service;
    let mut lagging = views::out_of_line(service.home(), service.ledger())?;
    for _ in 1..bounds::VIEW_LOOKS {
        if lagging.is_empty() {
            break;
        }
        std::thread::sleep(bounds::VIEW_REST);
        let now = views::out_of_line(service.home(), service.ledger())?;
        lagging.retain(|file| now.contains(file));
    }
    Ok(lagging)
}

/// Task files that the ledger does not know.
fn foreign(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let dir = service.home().tasks_dir();
    let names = super::strangers::names_in(&dir)?;
    let known: HashSet<TaskId> =
        service.look(|view| Ok(view.task_revisions()?.into_iter().map(|(id, _)| id).collect()))?;
    for name in names {
        let Some(id) = name.strip_prefix("task_").and_then(|n| n.strip_suffix(".json")) else { continue };
        if id.parse::<TaskId>().is_ok_and(|id| known.contains(&id)) {
            continue;
        }
        let verdict = "the ledger does not know this task; the file is left alone";
        let finding = Finding::note(Code::ViewForeign, format!(".tasks/{name}"), verdict);
        examination.add(finding.remedy("delete it when no other tool needs it"));
    }
    Ok(())
}

/// Views and worktrees that git has in its index.
fn tracked(examination: &mut Examination<'_>) -> Result<()> {
    let home = examination.service.home();
    let Some(checkout) = home.repository.as_ref().and_then(|r| r.main_checkout()) else { return Ok(()) };
    let listed = checkout.call(["ls-files", "-z", "--", ".tasks", ".worktrees", ".team"]).bytes()?;
    let text = String::from_utf8_lossy(&listed);
    for dir in [".tasks", ".worktrees", ".team"] {
        let below = format!("{dir}/");
        let count = text.split('\0').filter(|path| *path == dir || path.starts_with(&below)).count();
        if count > 0 {
            let verdict =
                format!("git tracks {count} files there, so that every worktree and commit has them");
            let remedy = format!("`git rm -r --cached {dir}`, then commit");
            examination.add(Finding::problem(Code::ViewTracked, dir, verdict).remedy(remedy));
        }
    }
    Ok(())
}
