//! `biplane events`

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use biplane_coordination::{Access, EventQuery, StopFlag};
use biplane_model::{Event, Timestamp, sanitize_line, view::EventView};
use serde_json::Value;

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

/// What an event says of mail and requests: `m3, m4 lead → bob`, `q2 bob`.
fn team_words(data: &serde_json::Map<String, Value>) -> Option<String> {
    let names = |key: &str| match data.get(key) {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(all)) => {
            let shown: Vec<&str> = all.iter().take(3).filter_map(Value::as_str).collect();
            let more = if all.len() > shown.len() { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        }
        _ => String::new(),
    };
    let is_of_team = data.contains_key("mail") || data.contains_key("request");
    let (mail, request, agent) = (names("mail"), names("request"), names("agent"));
    let way = match (names("from"), names("to")) {
        (from, to) if to.is_empty() => from,
        (from, to) => format!("{from} → {to}").trim_start().to_owned(),
    };
    let words = [mail, way, request, agent].map(|word| biplane_model::clip(&sanitize_line(&word), 80));
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    is_of_team.then(|| words.join(" "))
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
    about.extend(team_words(&fact.data));
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
