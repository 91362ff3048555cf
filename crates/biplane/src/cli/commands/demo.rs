//! `biplane demo`

use std::{process::ExitCode, time::Instant};

use anyhow::Context;
use biplane_coordination::{
    EventQuery, Service, StopFlag, TaskFilter,
    demo::{AGENTS, Proof, Sample, Suite},
    dispatch::{UpReport, UpRequest},
};
use biplane_model::{Event, EventKind, Seq, TaskStatus, Timestamp, clip, sanitize_line, view::EventView};
use serde_json::{Value, json};

use crate::cli::{App, args::DemoArgs, commands::events, exit, progress::Live, table::table, words};

/// What a shell says of a program that ^C ended.
const INTERRUPTED: u8 = 130;
/// The widest line of the answer, in characters.
const WIDTH: usize = 118;

const STORY: &str = "\
A small Rust project with a test suite; six tasks; four agents at once. The agents are scripts that really edit, test
and commit, each in a worktree of its own. Watch for two things:
  1 and 2  change the same lines. The second to arrive conflicts, is sent back, and lands on its next attempt.
  3 and 4  both pass their tests alone, but main would not compile with both. The gate on the merged result catches it.
Tasks 5 and 6 wait for others. At the end the test suite is run on every commit that main ever was at.
";

pub(super) fn run(app: &App, args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let stop = StopFlag::install().context("the signals can't be taken over")?;
    let mut sample = Sample::create(args.at.as_deref(), &app.outside()?.surroundings)?;
    if args.keep {
        sample.keep();
    }
    let told = tell(app, &sample, &stop);
    match &told {
        Ok(Some(told)) if !told.holds() => sample.keep(),
        Ok(_) => {}
        Err(_) => {
            sample.keep();
            app.printer.note(&format!("what there is of the sample is in {}", sample.dir()));
        }
    }
    let Some(told) = told? else {
        let place = if sample.is_kept() { format!("; it is in {}", sample.dir()) } else { String::new() };
        sample.close()?;
        app.printer.note(&format!("stopped{place}"));
        return Ok(ExitCode::from(INTERRUPTED));
    };
    if app.printer.is_json() {
        app.printer.json(&value(&told, &sample))?;
    } else {
        app.printer.answer(&verdict(&told, &sample, began))?;
    }
    sample.close()?;
    Ok(if told.holds() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
}

/// What has come of the demonstration.
struct Told {
    up: UpReport,
    events: Vec<Event>,
    graph: String,
    proof: Proof,
}

impl Told {
    fn holds(&self) -> bool {
        self.up.waiting.is_empty() && self.up.unlanded.is_empty() && self.proof.holds()
    }
}

/// Lets the agents work, then shows what has come of it. `None` when somebody wished to stop.
fn tell(app: &App, sample: &Sample, stop: &StopFlag) -> anyhow::Result<Option<Told>> {
    let service = sample.service(app.outside()?)?;
    show(app, &format!("{STORY}\n"))?;
    let live = Live::new(&app.printer);
    let request = UpRequest { parallel: Some(AGENTS), ..UpRequest::default() };
    let up = service.up(&request, Some(stop), &live);
    live.finish();
    let up = up?;
    if up.stopped {
        return Ok(None);
    }
    let events = service.events(&EventQuery { since: Some(Seq(0)), ..EventQuery::default() })?;
    let graph = sample.graph()?;
    show(app, &section("Board", &board(&service)?))?;
    show(app, &section("Events", &chronicle(&events, service.now())))?;
    show(app, &section("Merge graph of main", &graph))?;
    if !app.printer.is_json() {
        app.printer.line("\nproving…");
    }
    let proof = sample.prove(&service, Some(stop))?;
    Ok(proof.map(|proof| Told { up, events, graph, proof }))
}

/// A part of the answer for people.
fn show(app: &App, text: &str) -> anyhow::Result<()> {
    if app.printer.is_json() { Ok(()) } else { app.printer.answer(text) }
}

fn section(heading: &str, text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| format!("  {}\n", line.trim_end()));
    format!("\n{heading}\n{}", lines.collect::<String>())
}

fn board(service: &Service) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for listed in service.task_list(&TaskFilter::default())? {
        let task = &listed.task;
        let attempts = words::count(u64::from(task.attempts) + 1, "attempt");
        let told = match task.blocked_by.as_slice() {
            _ if task.status != TaskStatus::Completed => cause(&task.reason),
            [] => String::new(),
            ids => format!("after {}", words::ids(ids)),
        };
        rows.push(vec![
            format!("{} {}", task.status.mark(), task.id),
            sanitize_line(&task.subject),
            task.status.to_string(),
            attempts,
            told,
        ]);
    }
    Ok(table(&rows))
}

/// The events that tell the story, and how many there are besides.
fn chronicle(events: &[Event], now: Timestamp) -> String {
    let tells = |event: &&Event| {
        matches!(
            event.fact.event,
            EventKind::TaskClaimed | EventKind::SubmissionBounced | EventKind::SubmissionLanded
        )
    };
    let subject = |event: &Event| -> Option<String> {
        let id = match (&event.fact.task, &event.fact.worktree) {
            (Some(task), _) => task.id.clone(),
            (None, worktree) => worktree.as_ref()?.task_id.clone()?,
        };
        let known = events.iter().find_map(|e| e.fact.task.as_ref().filter(|t| t.id == id));
        known.map(|task| format!("{} {}", task.id, sanitize_line(&task.subject)))
    };
    let told: Vec<&Event> = events.iter().filter(tells).collect();
    let row = |event: &&Event| {
        let mut row = events::row(event, now);
        row.truncate(5);
        row.drain(2..4);
        row.push(subject(event).unwrap_or_default());
        row
    };
    let mut text = String::new();
    for (line, event) in table(&told.iter().map(row).collect::<Vec<_>>()).lines().zip(&told) {
        text.push_str(&format!("{line}\n"));
        if let Some(error) = &event.fact.error {
            text.push_str(&format!("     because: {}\n", clip(&cause(error), WIDTH)));
        }
    }
    format!("{text}({} of {} events)", told.len(), events.len())
}

/// Why something bounced, in a line: what the compiler said, if it was the compiler.
fn cause(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    let compiler = error.lines().find(|line| line.starts_with("error"));
    sanitize_line(compiler.unwrap_or(first))
}

/// The proof, what it comes to, and where the sample is.
fn verdict(told: &Told, sample: &Sample, began: Instant) -> String {
    let proof = &told.proof;
    let mark = |holds: bool| if holds { "ok  " } else { "FAIL" };
    let mut rows = Vec::new();
    for tested in &proof.commits {
        let suite = &tested.suite;
        let said = if suite.passed { words::count(suite.tests, "test") } else { clip(&suite.fault, 60) };
        let commit = tested.commit.short().to_owned();
        rows.push(vec![mark(suite.passed).to_owned(), commit, tested.subject.clone(), said]);
    }
    let mut text = format!("The test suite, on every commit that main ever was at:\n{}", table(&rows));
    text.push_str("Besides:\n");
    for check in &proof.checks {
        text.push_str(&format!("{}  {}\n", mark(check.holds), clip(&check.found, WIDTH)));
    }
    let mut answer = section("Proof", &text);
    let bounced = proof.conflicts + proof.gate_failures;
    let verdict = if told.holds() { "main was green at every moment" } else { "NOT PROVED: see above" };
    answer.push_str(&format!(
        "\n{} landed, {bounced} bounced: {verdict} ({:.1} s)\n",
        told.up.landed,
        began.elapsed().as_secs_f64()
    ));
    if sample.is_kept() {
        answer.push_str(&format!("The sample repository is {}\n", sample.repo()));
    } else {
        answer.push_str("The sample repository is deleted; `biplane demo --keep` leaves it to look at\n");
    }
    answer
}

fn value(told: &Told, sample: &Sample) -> Value {
    let proof = &told.proof;
    let commits: Vec<Value> = proof
        .commits
        .iter()
        .map(|c| {
            let Suite { passed, tests, fault } = &c.suite;
            json!({ "commit": c.commit, "subject": c.subject, "passed": passed, "tests": tests, "fault": fault })
        })
        .collect();
    let checks: Vec<Value> =
        proof.checks.iter().map(|c| json!({ "name": c.name, "holds": c.holds, "found": c.found })).collect();
    json!({
        "landed": told.up.landed,
        "bounced": told.up.bounced,
        "conflicts": proof.conflicts,
        "gate_failures": proof.gate_failures,
        "proved": told.holds(),
        "commits": commits,
        "checks": checks,
        "events": told.events.iter().map(EventView::new).collect::<Vec<_>>(),
        "graph": told.graph.lines().collect::<Vec<_>>(),
        "repository": sample.is_kept().then(|| sample.repo()),
    })
}
