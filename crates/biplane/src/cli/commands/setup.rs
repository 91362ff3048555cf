//! `biplane init`, `doctor`, `import`, `completions`, `tend`.

use std::process::ExitCode;

use biplane_coordination::{
    Access, ImportMode, ImportRequest, Mode, Tended,
    doctor::{Diagnosis, DoctorRequest, Finding, Severity},
};
use biplane_model::sanitize_line;
use clap::CommandFactory;
use serde_json::json;

use crate::cli::{
    App,
    args::{Cli, DoctorArgs, ImportArgs},
    exit,
    table::table,
    words,
};

/// What other commands start in the background.
pub(super) fn tend(app: &App) -> anyhow::Result<ExitCode> {
    while app.service(Access::Read)?.tend()? == Tended::OtherSettings {}
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
    let mode = if args.fix { Mode::Fix } else { Mode::Dry };
    if args.rebuild {
        return rebuild(app, mode);
    }
    let diagnosis = app.service(Access::Examine)?.doctor(&DoctorRequest { mode })?;
    app.printer.value(&diagnosis, || diagnosis_words(&diagnosis))?;
    Ok(if diagnosis.healthy() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

fn rebuild(app: &App, mode: Mode) -> anyhow::Result<ExitCode> {
    let report = app.service(Access::Examine)?.rebuild(mode)?;
    if app.printer.is_json() {
        app.printer.json(&json!({
            "tasks": report.tasks,
            "worktrees": report.worktrees,
            "runs": report.runs,
            "submissions": report.submissions,
            "events": report.events,
            "problems": report.problems,
            "damaged": report.damaged,
            "dry_run": mode == Mode::Dry,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let counts = [
        words::count(report.tasks as u64, "task"),
        words::count(report.worktrees as u64, "worktree"),
        words::count(report.runs as u64, "run"),
        words::count(report.submissions as u64, "submission"),
        words::count(report.events as u64, "event"),
    ];
    let verb = if mode == Mode::Dry { "would bring back" } else { "brought back" };
    let mut text = format!("{verb} {}", counts.join(", "));
    if let Some(damaged) = &report.damaged {
        text.push_str(&format!("\nthe damaged ledger is in {}", sanitize_line(damaged.as_str())));
    }
    if !report.problems.is_empty() {
        text.push_str(&format!("\nnot as it was:\n- {}", report.problems.join("\n- ")));
    }
    if mode == Mode::Dry {
        text.push_str("\n`biplane doctor --rebuild --fix` does it");
    }
    app.printer.answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The findings in columns, worst last, each with what to do about it, and a line that counts them.
fn diagnosis_words(diagnosis: &Diagnosis) -> String {
    let order = |f: &&Finding| (if f.fixed { 2 } else { [0, 1, 3][f.severity as usize] }, f.area as usize);
    let mut findings: Vec<&Finding> = diagnosis.findings.iter().collect();
    findings.sort_by_key(order);
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let mark = match (finding.severity, finding.fixed) {
                (_, true) => "fixed",
                (Severity::Ok, _) => "ok",
                (Severity::Note, _) => "note",
                (Severity::Problem, _) => "PROBLEM",
            };
            let about = format!("{}: {}", sanitize_line(&finding.subject), sanitize_line(&finding.verdict));
            vec![mark.to_owned(), finding.code.as_str().to_owned(), about]
        })
        .collect();
    let mut text = String::new();
    for (line, finding) in table(&rows).lines().zip(&findings) {
        text.push_str(line);
        text.push('\n');
        if let Some(remedy) = finding.remedy.as_ref().filter(|_| !finding.fixed) {
            text.push_str(&format!("         → {}\n", sanitize_line(remedy)));
        }
    }
    let count = |is_it: fn(&&&Finding) -> bool| findings.iter().filter(is_it).count() as u64;
    let open = count(|f| f.severity == Severity::Problem && !f.fixed);
    let (notes, fixed) = (count(|f| f.severity == Severity::Note && !f.fixed), count(|f| f.fixed));
    if fixed > 0 {
        text.push_str(&format!("{fixed} repaired, "));
    }
    if notes > 0 {
        text.push_str(&format!("{}, ", words::count(notes, "note")));
    }
    let summary = match (open, diagnosis.has_fixable()) {
        (0, true) => "everything agrees; `biplane doctor --fix` tidies up".to_owned(),
        (0, false) => "everything agrees".to_owned(),
        (n, true) => {
            format!("{}; `biplane doctor --fix` repairs what is safe", words::count(n, "problem"))
        }
        (n, false) => words::count(n, "problem"),
    };
    text + &summary
}

pub(super) fn import(app: &App, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let (access, mode) =
        if args.dry_run { (Access::Examine, ImportMode::Dry) } else { (Access::Import, ImportMode::Take) };
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
