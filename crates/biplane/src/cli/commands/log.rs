//! `biplane log`

use std::{process::ExitCode, thread, time::Duration};

use anyhow::Context;
use biplane_coordination::{
    Access, Error, RunLife, RunQuery, Service, StopFlag,
    logs::{Entry, Lines, Recorded, RecordedLines},
};
use biplane_model::{AgentEvent, RunId, Timestamp, Usage, sanitize_line, view::RunView};

use crate::cli::{App, args::LogArgs, table::table, transcript, words};

/// How often a live log is looked at.
const LOOK: Duration = Duration::from_millis(150);
/// How much is gathered before it is shown, in bytes.
const AT_ONCE: usize = 64 << 10;
/// After how many looks at output alone an agent is taken for one that tells nothing.
const LOOKS_FOR_WORDS: u32 = 10;

pub(super) fn run(app: &App, args: &LogArgs) -> anyhow::Result<ExitCode> {
    let service = app.service(Access::Read)?;
    match &args.run {
        Some(what) => show(app, &service, what, args)?,
        None => list(app, &service, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(app: &App, service: &Service, args: &LogArgs) -> anyhow::Result<()> {
    let newest = args.limit.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let runs = service.runs(&RunQuery { task: args.task.clone(), newest })?;
    app.printer.value(&runs, || {
        if runs.is_empty() {
            return "no runs".to_owned();
        }
        let head = ["RUN", "KIND", "ROLE", "AGENT", "TASK", "WORKTREE", "STATUS", "STARTED", "TOOK", "COST"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(runs.iter().map(|run| row(run, service.now())));
        table(&rows)
    })
}

fn row(run: &RunView, now: Timestamp) -> Vec<String> {
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let end = run.ended_at.unwrap_or(now);
    let seconds = u64::try_from(end.0.saturating_sub(run.started_at.0) / 1_000_000).unwrap_or(0);
    let cost = run.usage.filter(|usage| usage.cost_microusd > 0);
    vec![
        run.id.to_string(),
        run.kind.to_owned(),
        or_none(run.role.map(|role| role.to_string()).unwrap_or_default()),
        or_none(sanitize_line(&run.agent)),
        or_none(run.task_id.as_ref().map(ToString::to_string).unwrap_or_default()),
        run.worktree.to_string(),
        run.status.to_string(),
        words::clock(run.started_at, now),
        words::took(seconds),
        cost.map_or_else(|| "-".to_owned(), |usage| words::dollars(usage.cost_microusd)),
    ]
}

/// What of a run is shown.
enum Source {
    /// What its agent told.
    Told(RecordedLines),
    /// What it wrote.
    Wrote(Lines),
}

/// A log on its way to the reader.
struct Showing<'a> {
    app: &'a App,
    service: &'a Service,
    args: &'a LogArgs,
    id: RunId,
    source: Option<Source>,
    /// How often there was output and nothing told.
    looks: u32,
    used: Usage,
}

fn show(app: &App, service: &Service, what: &str, args: &LogArgs) -> anyhow::Result<()> {
    let id = service.find_run(what)?.id;
    let stop = if args.follow {
        Some(StopFlag::install().context("the signals can't be taken over")?)
    } else {
        None
    };
    let mut showing = Showing { app, service, args, id, source: None, looks: 0, used: Usage::default() };
    loop {
        // Before the log: what was written until then is there.
        let (run, life) = service.run_life(id)?;
        let goes_on = args.follow && life == RunLife::Live;
        if showing.source.is_none() {
            showing.open(&run, goes_on)?;
        }
        showing.pass_on()?;
        let is_stopped = stop.as_ref().is_some_and(|stop| stop.requested().is_some());
        if !goes_on || is_stopped || app.printer.is_unread() {
            return showing.end(&run, life);
        }
        thread::sleep(LOOK);
    }
}

impl Showing<'_> {
    fn open(&mut self, run: &RunView, goes_on: bool) -> anyhow::Result<()> {
        if !self.args.raw
            && let Some(told) = self.service.run_transcript(self.id)?
        {
            self.source = Some(Source::Told(told));
            if !self.app.printer.is_json() {
                self.app.printer.answer(&transcript::title(run))?;
            }
            return Ok(());
        }
        let Some(wrote) = self.service.run_output(self.id)? else { return Ok(()) };
        // An agent may be about to tell what it has written already.
        self.looks += 1;
        if goes_on && !self.args.raw && run.kind == "agent" && self.looks < LOOKS_FOR_WORDS {
            return Ok(());
        }
        if !self.app.printer.is_json() && !self.args.raw {
            self.app.printer.line(&transcript::title(run));
        }
        self.source = Some(Source::Wrote(wrote));
        Ok(())
    }

    /// Shows what there is for now.
    fn pass_on(&mut self) -> anyhow::Result<()> {
        let printer = &self.app.printer;
        let is_as_it_is = self.args.raw && !printer.is_json() && !printer.is_on_terminal();
        match &mut self.source {
            None => {}
            Some(Source::Told(told)) => {
                let now = self.service.now();
                while let Some(recorded) = told.next_line()? {
                    if let Entry::Told(AgentEvent::Usage { usage }) = &recorded.entry {
                        self.used += *usage;
                    }
                    if printer.is_json() {
                        recorded.to_json().map(|value| printer.json(&value)).transpose()?;
                    } else {
                        let lines = transcript::lines(&recorded, now);
                        lines.iter().try_for_each(|line| printer.answer(line))?;
                    }
                }
            }
            Some(Source::Wrote(wrote)) if is_as_it_is => loop {
                let bytes = wrote.bytes()?;
                if bytes.is_empty() {
                    break;
                }
                printer.bytes(&bytes)?;
            },
            Some(Source::Wrote(wrote)) => {
                let mut lines = Vec::new();
                while let Some(line) = wrote.next_line()? {
                    lines.extend(output_line(self.app, &line));
                    if lines.len() >= AT_ONCE {
                        printer.bytes(&lines)?;
                        lines.clear();
                    }
                }
                printer.bytes(&lines)?;
            }
        }
        Ok(())
    }

    /// What is to be said when nothing more is shown.
    fn end(&mut self, run: &RunView, life: RunLife) -> anyhow::Result<()> {
        let printer = &self.app.printer;
        match &mut self.source {
            None if life == RunLife::Live => printer.note(&format!("{} has written nothing yet", run.id)),
            None => {
                return Err(Error::not_found(format!("there is no log of {}", run.id))
                    .hint("shells have none, and old ones are deleted: `[logs]` in `biplane.toml` says when")
                    .into());
            }
            Some(Source::Wrote(wrote)) => {
                if let Some(rest) = wrote.rest() {
                    printer.bytes(&output_line(self.app, &rest))?;
                }
            }
            Some(Source::Told(_)) if !printer.is_json() => {
                let used = run.usage.unwrap_or(self.used);
                if !used.is_nothing() {
                    printer.answer(&transcript::usage(used))?;
                }
                if life != RunLife::Live {
                    printer.answer(&transcript::ending(run))?;
                }
            }
            Some(Source::Told(_)) => {}
        }
        if life == RunLife::Abandoned {
            printer.note(&format!(
                "the biplane that ran {} has died; the next command that works with worktrees notes its end",
                run.id
            ));
        }
        Ok(())
    }
}

/// A line of output as it is shown, with its end.
fn output_line(app: &App, line: &[u8]) -> Vec<u8> {
    let shown = if app.printer.is_json() {
        Recorded::of_output(line).to_json().map(|value| value.to_string())
    } else {
        Some(transcript::readable(line))
    };
    shown.map(|line| format!("{line}\n").into_bytes()).unwrap_or_default()
}
