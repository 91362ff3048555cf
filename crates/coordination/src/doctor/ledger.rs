//! Whether the ledger's file is whole.

use super::{Area, Examination, Finding};
use crate::{error::Result, recovery::Mode};

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let path = service.home().ledger_path();
    let shown = service.home().recorded(&path);
    let is_there = path.try_exists().map_err(|e| crate::Error::io("looked at", &path, e))?;
    if !is_there {
        // Without a ledger nothing is known to be ours.
        examination.mode = Mode::Dry;
        let finding = if service.home().has_foreign_board() {
            Finding::note(
                Area::Ledger,
                shown,
                "there is none, but there is a board in `.tasks/` and `.worktrees/`",
            )
            .remedy("`biplane import` takes it over")
        } else {
            Finding::note(Area::Ledger, shown, "there is no board here yet")
                .remedy("`biplane init` or `biplane task create` begins one")
        };
        examination.add(finding);
        return Ok(());
    }
    let faults = service.ledger().check()?;
    let remedy = format!(
        "stop every biplane, copy `{}` away as a whole, then put a backup back, or what `sqlite3 ledger.db .recover` saves",
        service.home().recorded(&service.home().state_dir())
    );
    if faults.is_empty() {
        let events = service.look(|view| Ok(view.last_seq()?))?;
        examination.add(Finding::ok(Area::Ledger, shown, format!("it is whole, with {} events", events.0)));
        return Ok(());
    }
    for fault in faults {
        examination.add(Finding::problem(Area::Ledger, &shown, fault).remedy(&remedy));
    }
    Ok(())
}
