//! `biplane run NAME -- CMD…`

use std::{io::IsTerminal, process::ExitCode};

use anyhow::Context;
use biplane_coordination::{
    Access, Echo, How, Input, RunObserver, RunRequest, StopFlag, StopReason, Tick, answers::FinishedRun,
};

use crate::cli::{App, args::RunArgs, exit, words};

pub(super) fn run(app: &App, args: RunArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Work)?;
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    let is_json = app.printer.is_json();
    let on_terminal = std::io::stdin().is_terminal();
    let report = service.run(RunRequest {
        name: args.name,
        command: args.command,
        timeout: args.timeout,
        input: Input::Inherit,
        // With `--json` the answer has standard output for itself; the command's is in the log.
        echo: Echo { stdout: !is_json, stderr: !is_json },
        foreground: on_terminal,
        interactive: false,
        observer: &mut PassOn(stop),
    })?;
    if !report.strays.is_empty() {
        let count = words::count(report.strays.len() as u64, "process");
        app.printer
            .note(&format!("stopped {count} that the command left behind: {}", report.strays.join(", ")));
    }
    if report.how == How::TimedOut {
        let id = report.run.id;
        app.printer
            .note(&format!("{id} was not done in time and was stopped; `biplane log {id}` shows its output"));
    }
    if is_json {
        app.printer.json(&FinishedRun::from(&report))?;
    }
    Ok(exit_code(report.how))
}

/// The exit code of a program that behaves like the command it ran.
pub(super) fn exit_code(how: How) -> ExitCode {
    let signal = |n: i32| u8::try_from(128 + n).unwrap_or(exit::FAILED);
    ExitCode::from(match how {
        How::Exited(code) => u8::try_from(code).unwrap_or(exit::FAILED),
        How::Signalled(n) | How::Stopped(StopReason::Signal(n)) => signal(n),
        How::TimedOut => exit::BUSY,
        How::Stopped(StopReason::Cancelled | StopReason::Fenced | StopReason::Finished) => exit::FAILED,
    })
}

/// Passes a signal that we get on to the command; the second one kills it.
pub(super) struct PassOn(pub(super) StopFlag);

impl RunObserver for PassOn {
    fn tick(&mut self) -> Tick {
        match (self.0.requested(), self.0.count()) {
            (None, _) => Tick::Continue,
            (Some(signal), 0 | 1) => Tick::Stop(StopReason::Signal(signal)),
            (Some(signal), _) => Tick::Kill(StopReason::Signal(signal)),
        }
    }
}
