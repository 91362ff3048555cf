//! `biplane setup …`, `biplane worktree setup`, and the set-up that follows `biplane worktree create`.

use std::{
    io::{BufRead, IsTerminal, Read},
    process::ExitCode,
};

use anyhow::Context;
use biplane_coordination::{
    Access, Error, Service, SetupEnd, SetupReport, SetupText, StopFlag, answers::ReadyWorktree,
};
use biplane_model::{WorktreeName, sanitize, sanitize_line, view::WorktreeView};
use serde_json::{Value, json};

use super::run::PassOn;
use crate::cli::{
    App,
    args::{RepoArgs, SetupCommand},
    words,
};

pub(super) fn run(app: &App, command: &SetupCommand) -> anyhow::Result<ExitCode> {
    match command {
        SetupCommand::Show(of) => show(app, of)?,
        SetupCommand::Approve { yes, of } => approve(app, *yes, of)?,
        SetupCommand::Revoke(of) => revoke(app, of)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The service of the repository that is meant.
fn service_of(app: &App, access: Access, of: &RepoArgs) -> anyhow::Result<Service> {
    let service = app.service(access)?;
    Ok(service.in_repo(&service.repo_meant(None, of.repo.as_ref())?)?)
}

fn show(app: &App, of: &RepoArgs) -> anyhow::Result<()> {
    let text = service_of(app, Access::Read, of)?.setup_text()?;
    let value = text.as_ref().map(|text| {
        json!({
            "run": text.setup.run,
            "env": text.setup.env,
            "timeout_s": text.setup.timeout.as_secs(),
            "hash": text.hash,
            "approved": text.approved,
        })
    });
    app.printer.value(&value, || text.as_ref().map_or(NONE.to_owned(), text_words))
}

const NONE: &str = "there are no set-up commands in `biplane.toml`";

fn text_words(text: &SetupText) -> String {
    let of = words::in_repo(&text.repo);
    let mut words =
        format!("set-up commands of `biplane.toml`, each run by `sh -c` in a new worktree{of}:\n");
    for (n, command) in text.setup.run.iter().enumerate() {
        words.push_str(&format!("  {}. {}\n", n + 1, sanitize(command).replace('\n', "\n     ")));
    }
    if !text.setup.env.is_empty() {
        words.push_str("with these variables:\n");
    }
    for (name, value) in &text.setup.env {
        words.push_str(&format!("  {name}={}\n", sanitize(value).replace('\n', "\n     ")));
    }
    let state = if text.approved { "approved" } else { "not approved" };
    words + &format!("{state} (sha256 {})", text.hash)
}

fn approve(app: &App, yes: bool, of: &RepoArgs) -> anyhow::Result<()> {
    let service = service_of(app, Access::Write, of)?;
    let Some(text) = service.setup_text()? else {
        return app.printer.value(&Value::Null, || NONE.to_owned());
    };
    if !text.approved {
        if !yes {
            if !can_ask(app) {
                return Err(Error::usage("there is no terminal to ask on")
                    .hint("`biplane setup show` shows the commands, `biplane setup approve --yes` approves them")
                    .into());
            }
            if !asked(app, &text)? {
                return Err(Error::refused("the set-up commands are not approved").into());
            }
        }
        service.setup_approve(&text.hash)?;
    }
    app.printer.value(&json!({ "hash": text.hash, "approved": true }), || {
        format!("approved {} (sha256 {})", words::count(text.setup.run.len() as u64, "command"), text.hash)
    })
}

fn revoke(app: &App, of: &RepoArgs) -> anyhow::Result<()> {
    let count = service_of(app, Access::Write, of)?.setup_revoke()?;
    app.printer.value(&json!({ "revoked": count }), || {
        format!("took back {}", words::count(count as u64, "approval"))
    })
}

/// Whether somebody is there who can be asked.
pub(super) fn can_ask(app: &App) -> bool {
    !app.printer.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows the text and asks.
fn asked(app: &App, text: &SetupText) -> anyhow::Result<bool> {
    confirmed(app, &format!("{}\nrun these in new worktrees of this repository?", text_words(text)))
}

/// Asks a question that is to be answered with yes or no.
pub(super) fn confirmed(app: &App, question: &str) -> anyhow::Result<bool> {
    app.printer.prompt(&format!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().lock().take(64).read_line(&mut answer).context("the answer can't be read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// `biplane worktree setup NAME`
pub(super) fn again(app: &App, name: &WorktreeName) -> anyhow::Result<()> {
    let service = app.service(Access::Work)?.in_repo_of(name)?;
    let report = set_up(app, &service, name)?;
    if app.printer.is_json() {
        app.printer.json(&ReadyWorktree::new(&report.worktree, &report))?;
    }
    tell(app, &report);
    match &report.end {
        SetupEnd::Unapproved => Err(Error::refused(format!(
            "the set-up commands were not run in worktree `{name}`: nobody has approved them"
        ))
        .hint("`biplane setup approve` shows them and asks")
        .into()),
        SetupEnd::Failed(_) => Err(failure(app, name, &report)),
        SetupEnd::Nothing if app.printer.is_json() => Ok(()),
        SetupEnd::Nothing => app.printer.answer("the settings ask for no set-up"),
        SetupEnd::Done if app.printer.is_json() => Ok(()),
        SetupEnd::Done => app.printer.answer(&format!("worktree {name} is ready")),
    }
}

/// Makes a worktree ready that was just created, and answers for both.
pub(super) fn after_create(
    app: &App,
    service: &Service,
    worktree: &WorktreeView,
    answer: &str,
) -> anyhow::Result<()> {
    let name = &worktree.name;
    if !app.printer.is_json() {
        app.printer.answer(answer)?;
    }
    let report = match set_up(app, service, name) {
        Ok(report) => report,
        Err(error) => {
            if app.printer.is_json() {
                app.printer.json(worktree)?;
            }
            return Err(error);
        }
    };
    if app.printer.is_json() {
        app.printer.json(&ReadyWorktree::new(&report.worktree, &report))?;
    }
    tell(app, &report);
    match &report.end {
        SetupEnd::Nothing | SetupEnd::Done => Ok(()),
        SetupEnd::Unapproved => {
            app.printer.note(&format!(
                "the set-up commands were not run: nobody has approved them; `biplane setup approve` shows them and asks, \
                 then `biplane worktree setup {name}` runs them"
            ));
            Ok(())
        }
        SetupEnd::Failed(_) => Err(failure(app, name, &report)),
    }
}

/// Makes a worktree ready for a program that asked for it: what does not come to its end is told, and no failure.
pub(super) fn for_program(app: &App, service: &Service, name: &WorktreeName) {
    match set_up(app, service, name) {
        Ok(report) => {
            tell(app, &report);
            match &report.end {
                SetupEnd::Nothing | SetupEnd::Done => {}
                SetupEnd::Unapproved => app.printer.note(
                    "the set-up commands were not run: nobody has approved them; `biplane setup approve` shows them and asks",
                ),
                SetupEnd::Failed(_) => app.printer.note(&failure(app, name, &report).to_string()),
            }
        }
        Err(error) => app.printer.note(&format!("the worktree is not set up: {error:#}")),
    }
}

fn set_up(app: &App, service: &Service, name: &WorktreeName) -> anyhow::Result<SetupReport> {
    if let Some(text) = service.setup_text()?.filter(|text| !text.approved)
        && can_ask(app)
        && !service.is_in_a_run()
        && asked(app, &text)?
    {
        service.setup_approve(&text.hash)?;
    }
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    Ok(service.worktree_setup(name, &mut PassOn(stop))?)
}

fn tell(app: &App, report: &SetupReport) {
    for line in report.done.iter().chain(&report.notes) {
        app.printer.note(&format!("set-up: {line}"));
    }
}

fn failure(app: &App, name: &WorktreeName, report: &SetupReport) -> anyhow::Error {
    let SetupEnd::Failed(failure) = &report.end else { unreachable!("only asked of a set-up that failed") };
    let (command, ending, run) = (sanitize_line(&failure.command), failure.ending(), failure.run);
    if !failure.tail.is_empty() {
        app.printer.note(&format!("the command's output ends with\n{}", failure.tail));
    }
    Error::failed(format!("the set-up of worktree `{name}` failed: `{command}`: {ending} ({run})"))
        .hint(format!("the worktree is there; `biplane worktree setup {name}` tries again"))
        .hint(format!("`biplane log {run}` shows the whole output"))
        .into()
}
