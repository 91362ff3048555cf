//! `biplane conflicts`

use std::process::ExitCode;

use biplane_coordination::{
    Access,
    answers::{Conflict, ConflictReport, ConflictingFile},
};
use biplane_model::sanitize_line;

use crate::cli::{App, args::ConflictsArgs, table::table, words};

/// How many files of a conflict are shown.
const FILES_SHOWN: usize = 5;

pub(super) fn run(app: &App, args: &ConflictsArgs) -> anyhow::Result<ExitCode> {
    let report = app.service(Access::Read)?.conflicts(&args.names)?;
    for one in &report.unknown {
        let (name, why) = (&one.worktree, sanitize_line(&one.reason));
        app.printer.note(&format!("whether `{name}` conflicts is not known: {why}"));
    }
    let left_out = &report.left_out;
    if left_out.worktrees > 0 {
        let count = words::count(left_out.worktrees as u64, "worktree");
        app.printer.note(&format!("{count} that nobody was in lately were left out"));
    }
    if left_out.pairs > 0 {
        let count = words::count(left_out.pairs as u64, "pair");
        app.printer.note(&format!(
            "{count} of worktrees that change the same paths were left out; name the worktrees that you mean"
        ));
    }
    app.printer.value(&report, || shown(&report))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(report: &ConflictReport) -> String {
    if report.conflicts.is_empty() {
        return format!("no conflicts among {}\n", words::count(report.worktrees as u64, "worktree"));
    }
    let has_repos = report.conflicts.iter().any(|conflict| !conflict.repo.is_default());
    let mut rows = vec![["WORKTREE", "TASK", "WITH", "TASK", "FILES"].map(str::to_owned).to_vec()];
    rows.extend(report.conflicts.iter().map(row));
    if has_repos {
        let repos = report.conflicts.iter().map(|conflict| conflict.repo.to_string());
        let head = std::iter::once("REPO".to_owned());
        rows.iter_mut().zip(head.chain(repos)).for_each(|(row, repo)| row.insert(0, repo));
    }
    table(&rows)
}

fn row(conflict: &Conflict) -> Vec<String> {
    let id = |id: &Option<biplane_model::TaskId>| id.as_ref().map_or("-".to_owned(), ToString::to_string);
    // The target is a branch, and may be called as a worktree is.
    let with = conflict
        .with
        .as_ref()
        .map_or_else(|| format!("branch {}", sanitize_line(&conflict.target)), ToString::to_string);
    let mut files: Vec<String> = conflict.files.iter().take(FILES_SHOWN).map(file).collect();
    let more = conflict.files.len().saturating_sub(FILES_SHOWN) + conflict.files_left_out;
    if more > 0 {
        files.push(format!("and {more} more"));
    }
    vec![
        conflict.worktree.to_string(),
        id(&conflict.task_id),
        with,
        id(&conflict.with_task_id),
        files.join(", "),
    ]
}

fn file(file: &ConflictingFile) -> String {
    let path = if file.path.is_empty() { "a directory".to_owned() } else { sanitize_line(&file.path) };
    let how = match file.how {
        "both_added" => "both added",
        "changed_and_deleted" => "changed and deleted",
        "moved" => "moved",
        _ => "both changed",
    };
    format!("{path} ({how}{})", if file.uncommitted { ", uncommitted" } else { "" })
}
