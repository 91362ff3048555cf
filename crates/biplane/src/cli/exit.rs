//! The one boundary where an error becomes words and an exit code.

use std::{io::Write, process::ExitCode};

use biplane_coordination::{Error, ErrorKind};
use biplane_model::sanitize;

use super::printer::Printer;

/// It did not work.
pub(crate) const FAILED: u8 = 1;
/// It was asked for in a way that can't be meant.
pub(crate) const USAGE: u8 = 2;
/// It is refused by a rule or for safety.
pub(crate) const REFUSED: u8 = 3;
/// It contradicts what somebody else did.
pub(crate) const CONFLICT: u8 = 4;
/// It names something that is not there.
pub(crate) const NOT_FOUND: u8 = 5;
/// Somebody else is at it, or the time was up.
pub(crate) const BUSY: u8 = 6;
/// It was stopped by `^C`, as a shell says it.
pub(crate) const STOPPED: u8 = 130;

/// Says why the arguments can't be meant; or shows the help that was asked for.
pub(super) fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to standard output, faults to standard error; what can't be written can't be told.
    if error.use_stderr() {
        // What was typed is in the text, and may have come from an agent.
        let _ = write!(std::io::stderr().lock(), "{}", sanitize(&error.render().to_string()));
        return ExitCode::from(USAGE);
    }
    let _ = error.print();
    ExitCode::SUCCESS
}

/// Says what went wrong and what to do next.
pub(super) fn failure(printer: &Printer, error: &anyhow::Error) -> ExitCode {
    let Some(known) = error.downcast_ref::<Error>() else {
        printer.fault(&sanitize(&format!("{error:#}")), &[]);
        return ExitCode::from(FAILED);
    };
    printer.fault(&sanitize(&known.message), &known.hints);
    ExitCode::from(match known.kind {
        ErrorKind::Failed => FAILED,
        ErrorKind::Usage => USAGE,
        ErrorKind::Refused => REFUSED,
        ErrorKind::Conflict => CONFLICT,
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::Busy => BUSY,
    })
}
