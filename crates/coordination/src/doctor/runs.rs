//! The directories of runs against their records. Only told of: a log is a person's to keep or to delete.

use std::collections::HashSet;

use biplane_control::RunFilter;
use biplane_model::{RunId, sanitize_line};

use super::{Code, Examination, Finding, strangers::names_in};
use crate::error::Result;

/// The most runs that one sentence names.
const NAMED: usize = 5;

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let dir = service.home().views_dir().join("runs");
    // The disk before the ledger: a run is in the ledger before it has a directory.
    let names = names_in(&dir)?;
    let runs = service.look(|view| Ok(view.runs(&RunFilter::default())?))?;
    let known: HashSet<String> = runs.iter().map(|r| r.id.to_string()).collect();
    for name in names.iter().filter(|name| !known.contains(*name)) {
        let shown = format!(".worktrees/runs/{}", sanitize_line(name));
        let verdict = "the ledger has no record of such a run";
        examination.add(
            Finding::note(Code::RunUnrecorded, shown, verdict)
                .remedy("look at it; delete it when nobody needs it"),
        );
    }
    let there: HashSet<&str> = names.iter().map(String::as_str).collect();
    let gone: Vec<RunId> = runs
        .iter()
        .filter(|r| r.status.is_over() && !there.contains(r.id.to_string().as_str()))
        .map(|r| r.id)
        .collect();
    if !gone.is_empty() {
        let named = gone.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more =
            if gone.len() > NAMED { format!(" and {} more", gone.len() - NAMED) } else { String::new() };
        let verdict = format!("the logs of {named}{more} are gone; their records stay");
        examination.add(
            Finding::note(Code::RunWithoutLog, ".worktrees/runs", verdict)
                .remedy("nothing has to be done: a log is needed by people only"),
        );
    }
    Ok(())
}
