//! `biplane events`

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use biplane_coordination::{Access, EventQuery, StopFlag};
use biplane_model::{Event, Timestamp, sanitize_line, view::EventView};

use crate::cli::{App, args::EventsArgs, table::table, words};

/// How long one wait for new events lasts before a wish to stop is looked for.
const WAIT: Duration = Duration::from_millis(500);

pub(super) fn run(app: &App, args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Read)?;
    let limit = args.limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let mut query =
        EventQuery { since: args.since, limit, task: args.task.clone(), worktree: args.worktree.clone() };
    let events = service.events(&query)?;
    show(app, &events, service.now())?;
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    let mut seq = match events.last() {
        Some(last) => last.seq,
        None => service.wait_for_events(biplane_model::Seq(u64::MAX >> 1), Duration::ZERO)?,
    };
    query.limit = None;
    while stop.requested().is_none() {
        let newest = service.wait_for_events(seq, WAIT)?;
        if newest > seq {
            query.since = Some(seq);
            show(app, &service.events(&query)?, service.now())?;
            seq = newest;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(app: &App, events: &[Event], now: Timestamp) -> anyhow::Result<()> {
    if app.printer.is_json() {
        return events.iter().try_for_each(|event| app.printer.json(&EventView::new(event)));
    }
    let rows: Vec<Vec<String>> = events.iter().map(|event| row(event, now)).collect();
    app.printer.bytes(table(&rows).as_bytes())
}

/// An event in a line: number, time, actor, short label, word, what it is about.
pub(in crate::cli) fn row(event: &Event, now: Timestamp) -> Vec<String> {
    let fact = &event.fact;
    let mut about = Vec::new();
    if let Some(task) = &fact.task {
        about.push(format!("task {} {}", task.id, sanitize_line(&task.subject)));
    }
    if let Some(worktree) = &fact.worktree {
        about.push(format!("worktree {}", worktree.name));
    }
    if let Some(run) = &fact.run {
        let code = run.exit_code.map(|c| format!(" exit {c}")).unwrap_or_default();
        about.push(format!("{} {}{code}", run.id, run.status));
    }
    if let Some(submission) = &fact.submission {
        about.push(format!("{} {}", submission.id, submission.status));
    }
    if let Some(error) = &fact.error {
        let first = error.lines().next().unwrap_or_default();
        about.push(biplane_model::clip(&sanitize_line(first), 120));
    }
    vec![
        event.seq.to_string(),
        words::clock(event.at, now),
        event.actor.as_str().to_owned(),
        fact.event.label().unwrap_or_default().to_owned(),
        fact.event.as_str().to_owned(),
        about.join(" · "),
    ]
}
