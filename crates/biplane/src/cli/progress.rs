//! What `up` shows while it is at work: a line for each task on a terminal, plain lines otherwise.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use biplane_coordination::dispatch::{Phase, Progress, Watcher};
use biplane_model::{TaskId, clip, sanitize_line};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{printer::Printer, words};

/// Shows progress until it is finished.
pub(crate) struct Live<'a> {
    printer: &'a Printer,
    /// `None` where nobody watches: plain lines only.
    bars: Option<MultiProgress>,
    by_task: Mutex<HashMap<TaskId, Line>>,
}

/// What is known of one task.
struct Line {
    subject: String,
    /// Its line on the terminal, while it has one.
    bar: Option<ProgressBar>,
}

impl<'a> Live<'a> {
    pub(crate) fn new(printer: &'a Printer) -> Self {
        let bars = (printer.is_watched() && !printer.is_json()).then(MultiProgress::new);
        printer.set_bars(bars.clone());
        Self { printer, bars, by_task: Mutex::default() }
    }

    /// Takes the lines off the terminal.
    pub(crate) fn finish(&self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
        self.printer.set_bars(None);
    }

    fn begin(&self, task: &TaskId, subject: &str) {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix}  {elapsed:>4}  {wide_msg}");
            bar.set_style(style.expect("the template is legal"));
            bar.set_prefix(format!("{task:>4} {:<30}", clip(subject, 30)));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        self.lines().insert(task.clone(), Line { subject: subject.to_owned(), bar });
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Line>> {
        self.by_task.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn message(&self, task: &TaskId, text: String) {
        if let Some(bar) = self.lines().get(task).and_then(|line| line.bar.as_ref()) {
            bar.set_message(text);
        }
    }

    fn end(&self, task: Option<&TaskId>) {
        if let Some(bar) = task.and_then(|task| self.lines().get_mut(task)?.bar.take()) {
            bar.finish_and_clear();
        }
    }

    /// `1 (Add login)` where the subject is known.
    fn name(&self, task: &TaskId) -> String {
        let subject = self.lines().get(task).map(|line| clip(&line.subject, 40));
        subject.map_or_else(|| task.to_string(), |subject| format!("{task} ({subject})"))
    }
}

impl Watcher for Live<'_> {
    fn progress(&self, progress: &Progress) {
        match progress {
            Progress::Began { task, subject, agent, attempt } => {
                let subject = sanitize_line(subject);
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                let by = if agent.as_str() == "command" { String::new() } else { format!(" by {agent}") };
                self.printer.line(&format!("  begins   {task} ({}){by}{again}", clip(&subject, 60)));
                self.begin(task, &subject);
            }
            Progress::Phase { task, worktree, phase } => {
                let place = worktree.as_ref().map(|w| format!(" in {w}")).unwrap_or_default();
                self.message(task, format!("{}{place}", phase.words()));
                if self.bars.is_none() && *phase == Phase::Gating {
                    self.printer.line(&format!("  tests    {}", self.name(task)));
                }
            }
            Progress::Line { task, line } => self.message(task, clip(line, 100)),
            Progress::Landed { task, worktree, commit, unblocked } => {
                let name = task.as_ref().map_or_else(|| worktree.to_string(), |task| self.name(task));
                let ready = if unblocked.is_empty() {
                    String::new()
                } else {
                    format!("; ready now: {}", words::ids(unblocked))
                };
                self.printer.line(&format!("  landed   {name} as {commit}{ready}"));
                self.end(task.as_ref());
            }
            Progress::Bounced { task, submission, reason, again } => {
                let name = task.as_ref().map_or_else(|| submission.to_string(), |task| self.name(task));
                let next = if *again { "it is tried again" } else { "it waits for a person" };
                let first = clip(reason.lines().next().unwrap_or_default(), 120);
                self.printer.line(&format!("  bounced  {name}: {first}; {next}"));
                self.end(task.as_ref());
            }
            Progress::Gone { task, status, reason, run } => {
                let name = self.name(task);
                let run = run.map(|run| format!(" ({run})")).unwrap_or_default();
                let first = clip(&sanitize_line(reason.lines().next().unwrap_or_default()), 160);
                self.printer.line(&format!("  {:<8} {name}: {first}{run}", status.as_str()));
                self.end(Some(task));
            }
        }
    }
}
