//! `biplane usage`

use std::process::ExitCode;

use anyhow::Context;
use biplane_coordination::{Access, UsageBy, UsageReport, UsageRequest, UsageRow};
use biplane_model::{Timestamp, clip, sanitize_line};
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::{
    App,
    args::{Since, SumsBy, UsageArgs},
    table::table,
    words,
};

pub(super) fn run(app: &App, args: &UsageArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Read)?;
    let since = args.since.map(|since| beginning(since, service.now())).transpose()?;
    let (by, word) = match args.by {
        SumsBy::Task => (UsageBy::Task, "task"),
        SumsBy::Day => (UsageBy::Day, "day"),
        SumsBy::Agent => (UsageBy::Agent, "agent"),
    };
    let report = service.usage(&UsageRequest { by, since, day: &words::day })?;
    let value = json!({ "by": word, "rows": report.rows, "total": report.total });
    app.printer.value(&value, || in_words(&report, word))?;
    Ok(ExitCode::SUCCESS)
}

fn beginning(since: Since, now: Timestamp) -> anyhow::Result<Timestamp> {
    match since {
        Since::Ago(time) => {
            Ok(Timestamp(now.0.saturating_sub(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))))
        }
        Since::Day(day) => {
            let begin = day.to_zoned(TimeZone::system()).context("there is no such day here")?;
            Ok(Timestamp(begin.timestamp().as_microsecond()))
        }
    }
}

fn in_words(report: &UsageReport, by: &str) -> String {
    if report.total.runs == 0 {
        return "no agent has been run".to_owned();
    }
    let head = ["RUNS", "ATTEMPTS", "TOOK", "IN", "OUT", "CACHED", "COST"].map(str::to_owned);
    let total = UsageRow { key: "total".to_owned(), ..report.total.clone() };
    let rows = || report.rows.iter().chain([&total]);
    let numbers: Vec<[String; 7]> = std::iter::once(head).chain(rows().map(numbers)).collect();
    let width = |column: usize| numbers.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let keys = std::iter::once((by.to_uppercase(), String::new())).chain(rows().map(|row| {
        let key = if row.key.is_empty() { "-".to_owned() } else { sanitize_line(&row.key) };
        (key, clip(&sanitize_line(&row.subject), 60))
    }));
    let lines: Vec<Vec<String>> = keys
        .zip(&numbers)
        .map(|((key, subject), numbers)| {
            let cells = numbers.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
            std::iter::once(key).chain(cells).chain([subject]).collect()
        })
        .collect();
    format!("{}{}", table(&lines), footnote(&report.total))
}

/// The numbers of a row. A sum that nobody told is none, not nothing.
fn numbers(row: &UsageRow) -> [String; 7] {
    let told = |number: u64| if row.told == 0 { "-".to_owned() } else { words::grouped(number) };
    let partly = if row.told_cost < row.runs { "+" } else { "" };
    let cost = match row.told_cost {
        0 => "-".to_owned(),
        _ => format!("{}{partly}", words::dollars(row.usage.cost_microusd)),
    };
    [
        words::grouped(row.runs),
        words::grouped(row.attempts),
        words::took(row.took_ms / 1000),
        told(row.usage.input_tokens),
        told(row.usage.output_tokens),
        told(row.usage.cached_tokens),
        cost,
    ]
}

/// How far the sums can be believed.
fn footnote(total: &UsageRow) -> String {
    let runs = words::count(total.runs, "run");
    let more = if total.told_cost > 0 && total.told_cost < total.runs {
        "; + is that and what the others cost"
    } else {
        ""
    };
    format!(
        "As far as the agents told: {} of {runs} told tokens, {} told a cost{more}.",
        total.told, total.told_cost
    )
}
