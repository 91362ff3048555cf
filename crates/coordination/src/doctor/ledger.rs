//! Whether the ledger's file is whole.

use super::{Area, Examination, Finding};
use crate::error::Result;

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let service = examination.service;
    let path = service.home().ledger_path();
    let shown = service.home().recorded(&path);
    let is_there = path.try_exists().map_err(|e| crate::Error::io("looked at", &path, e))?;
    if !is_there {
        let finding = Finding::note(Area::Ledger, shown, "there is no board here yet");
        examination.add(finding.remedy("`biplane init` or `biplane task create` begins one"));
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
