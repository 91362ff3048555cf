//! What dead processes had begun and not ended, as recovery sees it; and what can't be told to be dead.

use biplane_control::{RunFilter, WorktreeFilter};
use biplane_execution::supervise::identity::{self, Liveness};

use super::{Code, Examination, Finding};
use crate::{error::Result, recovery::Mode};

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let (mode, whose) = (examination.mode, "a dead process");
    let mut found = service.recover(mode)?;
    let halves = service.recover_halves(mode)?;
    examination.done.extend(if mode == Mode::Fix { halves.done.clone() } else { Vec::new() });
    found.done.extend(halves.done);
    found.open.extend(halves.open);
    for line in found.done {
        let of = code_of(&line);
        let mut finding = match mode {
            Mode::Dry => Finding::problem(of, whose, format!("has left something to be recovered: {line}"))
                .remedy("`biplane doctor --fix` does that"),
            Mode::Fix => Finding::problem(of, whose, format!("had left something: {line}")),
        };
        // Recovery records what it does.
        (finding.fixable, finding.fixed) = (true, mode == Mode::Fix);
        examination.add(finding);
    }
    for line in found.open {
        examination.add(Finding::problem(
            code_of(&line),
            whose,
            format!("has left something that can't be recovered: {line}"),
        ));
    }
    let unknown = service.look(|view| {
        let runs = view.runs(&RunFilter { open: true, ..RunFilter::default() })?;
        let live = view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?;
        let runs = runs.into_iter().map(|r| (format!("run {}", r.id), r.supervisor));
        let operations =
            live.into_iter().filter_map(|w| Some((format!("worktree `{}`", w.name), w.operation?.by)));
        Ok(runs.chain(operations).collect::<Vec<_>>())
    })?;
    for (subject, process) in unknown.iter().filter(|(_, p)| identity::liveness(p) == Liveness::Unknown) {
        let verdict = format!("{process} is at it, and whether that lives can't be told from here");
        examination
            .add(Finding::note(Code::ProcessUnknown, subject, verdict).remedy("look where it was started"));
    }
    Ok(())
}

/// What a sentence of recovery is about.
fn code_of(line: &str) -> Code {
    let kinds = [
        (line.starts_with("run "), Code::RunDead),
        (line.contains("was half created"), Code::WorktreeHalfCreated),
        (line.contains("was half removed"), Code::WorktreeHalfRemoved),
        (line.contains("being tested") || line.contains("had landed"), Code::SubmissionDead),
        (line.starts_with("task "), Code::ClaimVoid),
        (line.contains("left behind"), Code::ScratchLeft),
    ];
    kinds.iter().find(|(is_it, _)| *is_it).map_or(Code::IntentOpen, |(_, code)| *code)
}
