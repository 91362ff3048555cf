//! `biplane init`, `doctor`, `import`, `completions`, `tend`.

use std::process::ExitCode;

use biplane_coordination::{
    Access, ImportMode, ImportRequest, Mode,
    doctor::{Diagnosis, DoctorRequest, Severity},
};
use biplane_model::sanitize_line;
use clap::CommandFactory;
use serde_json::json;

use crate::cli::{
    App,
    args::{Cli, DoctorArgs, ImportArgs},
    exit, words,
};

/// What other commands start in the background.
pub(super) fn tend(app: &App) -> anyhow::Result<ExitCode> {
    app.service(Access::Read)?.tend()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn init(app: &App) -> anyhow::Result<ExitCode> {
    let report = app.service(Access::Write)?.init()?;
    if app.printer.is_json() {
        app.printer.json(&json!({
            "settings": report.settings,
            "wrote_settings": report.wrote_settings,
            "excluded": report.excluded,
            "target": report.target,
            "gate": report.gate,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = if report.wrote_settings {
        "wrote biplane.toml"
    } else {
        "biplane.toml is there already; left as it is"
    };
    let gate = match (report.wrote_settings, report.gate) {
        (false, _) => String::new(),
        (true, Some(gate)) => format!("\ngate: `{gate}` (guessed from the project)"),
        (true, None) => "\ngate: none found; set `gate` so that nothing lands untested".to_owned(),
    };
    let exclude =
        if report.excluded { "\nexcluded .tasks, .worktrees and .team in .git/info/exclude" } else { "" };
    app.printer.answer(&format!("{settings}{gate}{exclude}"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn doctor(app: &App, args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let (access, mode) = if args.fix { (Access::Write, Mode::Fix) } else { (Access::Read, Mode::Dry) };
    let diagnosis = app.service(access)?.doctor(&DoctorRequest { mode })?;
    app.printer.value(&diagnosis, || diagnosis_words(&diagnosis))?;
    Ok(if diagnosis.healthy() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

/// The findings, worst last, each with what to do about it.
fn diagnosis_words(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    for finding in &diagnosis.findings {
        let mark = match (finding.severity, finding.fixed) {
            (_, true) => "fixed  ",
            (Severity::Ok, _) => "ok     ",
            (Severity::Note, _) => "note   ",
            (Severity::Problem, _) => "PROBLEM",
        };
        let (subject, verdict) = (sanitize_line(&finding.subject), sanitize_line(&finding.verdict));
        text.push_str(&format!("{mark} {subject}: {verdict}\n"));
        if let Some(remedy) = finding.remedy.as_ref().filter(|_| !finding.fixed) {
            text.push_str(&format!("        → {}\n", sanitize_line(remedy)));
        }
    }
    let open = diagnosis.findings.iter().filter(|f| f.severity == Severity::Problem && !f.fixed).count();
    let summary = match (open, diagnosis.has_fixable()) {
        (0, _) => "everything agrees".to_owned(),
        (n, true) => {
            format!("{}; `biplane doctor --fix` repairs what is safe", words::count(n as u64, "problem"))
        }
        (n, false) => words::count(n as u64, "problem"),
    };
    text + &summary
}

pub(super) fn import(app: &App, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let (access, mode) =
        if args.dry_run { (Access::Read, ImportMode::Dry) } else { (Access::Import, ImportMode::Take) };
    let report = app.service(access)?.import(&ImportRequest { mode })?;
    if app.printer.is_json() {
        app.printer.json(&json!({
            "tasks": report.tasks,
            "worktrees": report.worktrees,
            "events": report.events,
            "problems": report.problems,
            "saved": report.saved,
            "dry_run": args.dry_run,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let tasks = words::count(report.tasks as u64, "task");
    let worktrees = words::count(report.worktrees as u64, "worktree");
    let events = words::count(report.events as u64, "event");
    let verb = if args.dry_run { "would take over" } else { "took over" };
    let mut text = format!("{verb} {tasks}, {worktrees}, {events}");
    if let Some(saved) = &report.saved {
        text.push_str(&format!("\nthe old files are in {saved}"));
    }
    if !report.problems.is_empty() {
        text.push_str(&format!("\nnot taken over, or changed:\n- {}", report.problems.join("\n- ")));
    }
    app.printer.answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(app: &App, shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "biplane", &mut script);
    app.printer.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
