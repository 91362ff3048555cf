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

/// Every exit code: number, name, meaning.
pub(crate) const CODES: [(u8, &str, &str); 7] = [
    (0, "ok", "It is done."),
    (FAILED, "failed", "It was tried and did not work."),
    (USAGE, "usage", "It was asked for in a way that can't be meant."),
    (REFUSED, "refused by policy or safety", "It is refused by a rule, or because work could be lost."),
    (
        CONFLICT,
        "conflict",
        "It contradicts what somebody else did: a merge conflict, a name or a claim that is taken.",
    ),
    (NOT_FOUND, "not found", "It names something that is not there."),
    (BUSY, "busy or out of time", "Somebody else is at it, or the time was up."),
];

/// What the exit codes of single commands say beyond that.
pub(crate) const SPECIAL: [(&str, &str); 9] = [
    (
        "biplane init --agent",
        "2 when there is nobody to ask and neither `--yes` nor `--dry-run` is given, 3 when the answer is no or a file can't be \
         edited safely; nothing is written then",
    ),
    (
        "biplane worktree create",
        "1 also when the worktree was made and its set-up failed: it stays; 0 when set-up commands were not run because nobody \
         has approved them",
    ),
    (
        "biplane run, worktree enter",
        "that of the command it ran; 128 and the signal's number when a signal ended it; 6 when its time was up",
    ),
    (
        "biplane merge",
        "1 when the gate failed, 3 when the branch has something that must not land, 4 when it conflicts or was withdrawn, \
         6 when the gate was interrupted",
    ),
    (
        "biplane up",
        "1 when a task has failed or is blocked, 130 when it was asked to stop, 0 otherwise, whatever still waits",
    ),
    (
        "biplane chat",
        "with `-p`: 1 when the model can't be asked or does not go on, 3 when something was refused as nobody was there to permit it, 6 at \
         a limit, 130 when it was stopped; that of the other program with `--agent`",
    ),
    ("biplane stop", "5 when nothing of it is at work; 1 when a process does not end"),
    ("biplane mcp", "0 when its client has gone or SIGTERM ended it, 130 when another signal did"),
    ("biplane doctor", "1 when a problem is left, 0 otherwise; with `--rebuild` 3 when the ledger is whole"),
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code() {
        let named = CODES.map(|(number, name, _)| format!("{number} {name}")).join(", ");
        assert_eq!(crate::cli::args::EXIT_CODES, format!("Exit codes: {named}."));
        assert!(CODES.iter().zip(0..).all(|((number, ..), at)| *number == at));
    }
}
