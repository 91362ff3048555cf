//! Whether the settings can be read and the ledger is there and whole.

use super::{Code, Examination, Finding};
use crate::{
    error::Result,
    rebuild,
    recovery::{Mode, Recovery},
};

/// The settings file, which every other command needs whole.
pub(super) fn settings(examination: &mut Examination<'_>) -> Result<()> {
    if let Some(error) = &examination.service.trouble().settings {
        let verdict = format!("{}; the rest was examined as if there were no settings", error.message);
        let remedy = error.hints.first().map_or("repair the file; no other command works until then", |h| h);
        examination.add(Finding::problem(Code::SettingsBroken, "biplane.toml", verdict).remedy(remedy));
    }
    Ok(())
}

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let path = service.home().ledger_path();
    let shown = service.home().recorded(&path);
    if let Some(error) = &service.trouble().ledger {
        let is_own = rebuild::is_own_board(service.home());
        let code = match (path.exists(), rebuild::is_damage(error)) {
            (false, _) => Code::LedgerLost,
            (true, true) => Code::LedgerDamaged,
            (true, false) => Code::LedgerUnusable,
        };
        let finding = Finding::problem(code, shown, &error.message);
        examination.add(if is_own && code != Code::LedgerUnusable {
            finding.remedy("put a backup back, or see what `biplane doctor --rebuild` can bring back")
        } else {
            finding.remedy(error.hints.first().map_or("put a backup back", String::as_str))
        });
        return Ok(());
    }
    let is_there = path.try_exists().map_err(|e| crate::Error::io("looked at", &path, e))?;
    if !is_there {
        if examination.mode == Mode::Fix && service.home().repository.is_some() {
            // What lies in our own directory under the name of a dead process is ours without any record.
            let mut found = Recovery::default();
            service.recover_copies(Mode::Fix, &mut found)?;
            for line in found.done {
                let mut finding = Finding::problem(Code::ScratchLeft, "a dead process", line);
                (finding.fixable, finding.fixed) = (true, true);
                examination.add(finding);
            }
        }
        // Without a ledger nothing else is known to be ours.
        examination.mode = Mode::Dry;
        let finding = if service.home().has_foreign_board() {
            Finding::note(
                Code::BoardForeign,
                shown,
                "there is none, but there is a board in `.tasks/` and `.worktrees/`",
            )
            .remedy("`biplane import` takes it over")
        } else {
            Finding::note(Code::LedgerNone, shown, "there is no board here yet")
                .remedy("`biplane init` or `biplane task create` begins one")
        };
        examination.add(finding);
        return Ok(());
    }
    let faults = service.ledger().check()?;
    if faults.is_empty() {
        let events = service.look(|view| Ok(view.last_seq()?))?;
        let verdict = format!("it is whole, with {} events", events.0);
        examination.add(Finding::ok(Code::LedgerWhole, shown, verdict));
        return Ok(());
    }
    let remedy = format!(
        "stop every biplane and copy `{}` away as a whole; then put a backup back, or see what `biplane doctor --rebuild` can bring back",
        service.home().recorded(&service.home().state_dir())
    );
    for fault in faults {
        examination.add(Finding::problem(Code::LedgerDamaged, &shown, fault).remedy(&remedy));
    }
    Ok(())
}
