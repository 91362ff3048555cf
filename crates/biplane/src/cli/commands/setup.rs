//! `biplane init`, `doctor`, `import`, `completions`.

use std::process::ExitCode;

use biplane_coordination::Access;
use clap::CommandFactory;
use serde_json::json;

use crate::cli::{
    App,
    args::{Cli, DoctorArgs, ImportArgs},
};

pub(super) fn init(app: &App) -> anyhow::Result<ExitCode> {
    let report = app.service(Access::Write)?.init()?;
    if app.printer.is_json() {
        app.printer.json(&json!({
            "settings": report.settings,
            "wrote_settings": report.wrote_settings,
            "wrote_exclude": report.wrote_exclude,
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
    let exclude = if report.wrote_exclude {
        "\nexcluded .tasks, .worktrees and .team in .git/info/exclude"
    } else {
        ""
    };
    app.printer.answer(&format!("{settings}{gate}{exclude}"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn doctor(_app: &App, _args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}

pub(super) fn import(_app: &App, _args: &ImportArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not yet")
}

pub(super) fn completions(app: &App, shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "biplane", &mut script);
    app.printer.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
