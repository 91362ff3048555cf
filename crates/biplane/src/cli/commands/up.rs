//! `biplane up`

use std::process::ExitCode;

use anyhow::Context;
use biplane_coordination::{
    Access, StopFlag,
    dispatch::{UpReport, UpRequest},
    leave_terminal,
};
use biplane_model::{TaskStatus, sanitize_line};
use serde_json::json;

use crate::cli::{App, args::UpArgs, exit, progress::Live, table::table, words};

pub(super) fn run(app: &App, args: UpArgs) -> anyhow::Result<ExitCode> {
    if args.in_background {
        leave_terminal();
    }
    let service = app.service(Access::Work)?;
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    let request = UpRequest {
        parallel: args.agents,
        agents: args.agent,
        command: (!args.command.is_empty()).then_some(args.command),
        gate: args.gate.map(Some).or(args.no_gate.then_some(None)),
        no_setup: args.no_setup,
        watch: args.watch,
    };
    let live = Live::new(&app.printer);
    let report = service.up(&request, Some(&stop), &live);
    live.finish();
    let report = report?;
    if app.printer.is_json() {
        app.printer.json(&value(&report))?;
    } else {
        app.printer.answer(&summary(&report))?;
    }
    let unwell = report.waiting.iter().any(|w| matches!(w.status, TaskStatus::Failed | TaskStatus::Blocked));
    let unwell = unwell || !report.stuck.is_empty();
    Ok(match (report.stopped, unwell) {
        (true, _) => ExitCode::from(exit::STOPPED),
        (false, true) => ExitCode::from(exit::FAILED),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn value(report: &UpReport) -> serde_json::Value {
    let waiting: Vec<_> = report
        .waiting
        .iter()
        .map(|w| json!({ "id": w.id, "status": w.status, "subject": w.subject, "why": w.why }))
        .collect();
    json!({
        "started": report.started,
        "landed": report.landed,
        "bounced": report.bounced,
        "unlanded": report.unlanded,
        "open": report.open,
        "stuck": report.stuck,
        "stopped": report.stopped,
        "waiting": waiting,
    })
}

/// What was done, and why the rest was not.
pub(in crate::cli) fn summary(report: &UpReport) -> String {
    let mut text = format!("{} landed, {} bounced", report.landed, report.bounced);
    if !report.unlanded.is_empty() {
        text.push_str(&format!(
            ", {} came to nothing",
            words::count(report.unlanded.len() as u64, "attempt")
        ));
    }
    text.push('\n');
    let is_done = report.waiting.is_empty() && report.open.is_empty();
    if report.stopped {
        text.push_str(if is_done { "stopped\n" } else { "stopped; `biplane up` goes on\n" });
    }
    if is_done {
        text.push_str("nothing is left to do\n");
        return text;
    }
    for id in &report.open {
        text.push_str(&format!("{id} waits to land\n"));
    }
    if report.waiting.is_empty() {
        return text;
    }
    text.push_str("not done:\n");
    let rows: Vec<Vec<String>> = report
        .waiting
        .iter()
        .map(|w| {
            vec![
                format!("{} {}", w.status.mark(), w.id),
                biplane_model::clip(&sanitize_line(&w.subject), 50),
                format!("{}: {}", w.status, biplane_model::clip(&sanitize_line(&w.why), 120)),
            ]
        })
        .collect();
    text + &table(&rows)
}
