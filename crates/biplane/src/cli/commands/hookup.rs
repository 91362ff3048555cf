//! `biplane init --agent PROGRAM`

use std::process::ExitCode;

use biplane_coordination::{
    Access, Error, Hookup, HookupChange, HookupEffect, HookupPart, HookupPlan, HookupProgram, HookupRequest,
    Service,
};
use biplane_model::sanitize;
use serde_json::json;

use super::ready::{can_ask, confirmed};
use crate::cli::{
    App,
    args::{HookupArg, HookupPartArg, InitArgs},
    surroundings, words,
};

pub(super) fn run(app: &App, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Read)?;
    let request = request(&service, args)?;
    let plan = service.hookup_plan(&request)?;
    if !app.printer.is_json() {
        show(app, &plan)?;
    }
    let allowed = allowed(app, args, &plan);
    let written = matches!(allowed, Ok(true));
    if written {
        if request.what == Hookup::PutIn {
            let report = app.service(Access::Write)?.init()?;
            if report.wrote_settings {
                app.printer.note("wrote biplane.toml");
            }
        }
        service.hookup_write(&plan)?;
    }
    if app.printer.is_json() {
        app.printer.json(&value(&plan, written))?;
    }
    allowed?;
    if !app.printer.is_json() {
        for note in &plan.notes {
            app.printer.note(note);
        }
        app.printer.answer(&summary(&plan, request.what, written))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether to write; an error when somebody has to say so and has not.
fn allowed(app: &App, args: &InitArgs, plan: &HookupPlan) -> anyhow::Result<bool> {
    if args.dry_run {
        return Ok(false);
    }
    if args.yes || plan.changes.is_empty() {
        return Ok(true);
    }
    if !can_ask(app) {
        return Err(Error::usage("nothing was written: there is no terminal to ask on")
            .hint("`--yes` writes without asking, `--dry-run` only shows")
            .into());
    }
    if !confirmed(app, "write these changes?")? {
        return Err(Error::refused("nothing was written").into());
    }
    Ok(true)
}

fn request(service: &Service, args: &InitArgs) -> anyhow::Result<HookupRequest> {
    let what = if args.undo { Hookup::TakeOut } else { Hookup::PutIn };
    let mut programs = Vec::new();
    for agent in &args.agent {
        programs.extend(match agent {
            HookupArg::Claude => vec![HookupProgram::Claude],
            HookupArg::Codex => vec![HookupProgram::Codex],
            HookupArg::Gemini => vec![HookupProgram::Gemini],
            HookupArg::Qwen => vec![HookupProgram::Qwen],
            HookupArg::OpenCode => vec![HookupProgram::OpenCode],
            HookupArg::Copilot => vec![HookupProgram::Copilot],
            HookupArg::All if args.undo => HookupProgram::ALL.to_vec(),
            HookupArg::All => service.hookup_installed(),
        });
    }
    if programs.is_empty() {
        let names = HookupProgram::ALL.map(|program| format!("`{}`", program.as_str())).join(", ");
        return Err(Error::not_found(format!("none of {names} is on `PATH`"))
            .hint("name one that you want to use: `biplane init --agent NAME`")
            .into());
    }
    let without = args.without.iter().map(|part| match part {
        HookupPartArg::Server => HookupPart::Server,
        HookupPartArg::Instructions => HookupPart::Instructions,
        HookupPartArg::Hooks => HookupPart::Hooks,
    });
    let biplane = surroundings::program()?;
    Ok(HookupRequest { programs, what, without: without.collect(), biplane })
}

fn show(app: &App, plan: &HookupPlan) -> anyhow::Result<()> {
    for change in &plan.changes {
        app.printer.answer(&sanitize(&change.diff))?;
    }
    Ok(())
}

fn summary(plan: &HookupPlan, what: Hookup, written: bool) -> String {
    if plan.changes.is_empty() {
        return match what {
            Hookup::PutIn => "nothing to change: all is written already".to_owned(),
            Hookup::TakeOut => "nothing to change: nothing of biplane is there".to_owned(),
        };
    }
    if !written {
        return format!("dry run: {} would be written", words::count(plan.changes.len() as u64, "file"));
    }
    let lines = plan.changes.iter().map(|change| format!("{} {}", done(change), sanitize(&change.path)));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    if what == Hookup::PutIn {
        text.push_str("\ncommit them, so that worktrees have them too");
    }
    text
}

fn done(change: &HookupChange) -> &'static str {
    match change.effect {
        HookupEffect::Create => "wrote",
        HookupEffect::Change => "changed",
        HookupEffect::Delete => "deleted",
    }
}

fn value(plan: &HookupPlan, written: bool) -> serde_json::Value {
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|change| {
            let effect = match change.effect {
                HookupEffect::Create => "create",
                HookupEffect::Change => "change",
                HookupEffect::Delete => "delete",
            };
            json!({ "path": change.path, "effect": effect, "diff": change.diff })
        })
        .collect();
    json!({
        "command": plan.command,
        "changes": changes,
        "unchanged": plan.unchanged,
        "notes": plan.notes,
        "written": written && !plan.changes.is_empty(),
    })
}
