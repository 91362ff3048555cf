//! A conversation as a person reads it: what the lead says as it comes, each call as a line with its outcome.
//!
//! **Contract.** What the lead says goes to one output, the rest to the other. Where that is a terminal, a call at work is a line that changes
//! in place; elsewhere it is written when it is over. Nothing is written that was not made harmless before.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use crate::{
    bounds,
    events::{How, Told, Voice},
};

/// How the second output is written to.
#[derive(Debug, Clone, Copy)]
pub enum Lines {
    /// One after the other.
    Plain,
    /// The last one changes in place; the terminal has as many columns as this says.
    Live(fn() -> usize),
}

/// Shows what it is told.
pub struct Screen<O, E> {
    out: O,
    err: E,
    lines: Lines,
    /// Whether the lead's text has a line that has not ended.
    line_is_open: bool,
    /// Whether the lead has begun to say something since its last message.
    speaks: bool,
    /// Whether a line is there that is taken away again.
    drawn: bool,
    doing: Doing,
    /// How much of the lead's text was shown in this turn, in characters.
    shown: usize,
}

/// How many columns a call has at least, of a line that is shared with what came of it.
const LEAST: usize = 40;

enum Doing {
    Nothing,
    /// The model is asked, since then.
    Asking(Instant),
    Calling(Call),
}

struct Call {
    line: String,
    refused: Option<&'static str>,
    since: Instant,
    /// What it told last, and when that was written.
    note: String,
    noted: Instant,
}

impl<O: Write + Send, E: Write + Send> Screen<O, E> {
    /// The lead's words go to `out`, the rest to `err`.
    pub fn new(out: O, err: E, lines: Lines) -> Self {
        Self {
            out,
            err,
            lines,
            line_is_open: false,
            speaks: false,
            drawn: false,
            doing: Doing::Nothing,
            shown: 0,
        }
    }

    /// What can't be written can't be told.
    fn line(&mut self, text: &str) {
        self.settle();
        let _ = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }

    fn text(&mut self, text: &str) {
        self.settle();
        // A model often begins with empty lines.
        let text = if self.speaks { text } else { text.trim_start() };
        if text.is_empty() || self.shown > bounds::SHOWN {
            return;
        }
        self.speaks = true;
        self.shown += text.chars().count();
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.line_is_open = !text.ends_with('\n');
        if self.shown > bounds::SHOWN {
            self.end_line();
            self.line("  what the lead says is too long; the rest of this turn is not shown");
        }
    }

    /// Takes away what is only there for a moment.
    fn settle(&mut self) {
        if self.drawn {
            let _ = write!(self.err, "\r\u{1b}[K").and_then(|()| self.err.flush());
        }
        self.drawn = false;
    }

    fn end_line(&mut self) {
        if self.line_is_open {
            let _ = self.out.write_all(b"\n").and_then(|()| self.out.flush());
        }
        self.line_is_open = false;
    }

    /// A line that is there for a moment.
    fn draw(&mut self, text: &str) {
        let Lines::Live(columns) = self.lines else { return };
        let text = fitting(text, columns().saturating_sub(1));
        let _ = write!(self.err, "\r\u{1b}[K{text}").and_then(|()| self.err.flush());
        self.drawn = true;
    }

    fn draw_call(&mut self) {
        let Doing::Calling(call) = &self.doing else { return };
        let took = call.since.elapsed();
        let took = if took < bounds::SILENCE { String::new() } else { format!(" {}", seconds(took)) };
        let note = if call.note.is_empty() { String::new() } else { format!("  {}", call.note) };
        let Lines::Live(columns) = self.lines else { return };
        // What it does shall not hide how far it is.
        let most = if note.is_empty() { columns().saturating_sub(10) } else { columns() * 3 / 5 };
        let text = format!("{} …{took}{note}", fitting(&call.line, most.max(LEAST)));
        self.draw(&text);
    }

    fn answered(&mut self, failed: bool, outcome: &str) {
        let Doing::Calling(call) = std::mem::replace(&mut self.doing, Doing::Asking(Instant::now())) else {
            return;
        };
        let took = call.since.elapsed();
        let took = if took < bounds::SILENCE { String::new() } else { format!(" ({})", seconds(took)) };
        let outcome = match call.refused {
            Some("person") => "not permitted",
            Some(_) => "not permitted: nobody was there to ask",
            None => outcome,
        };
        let mark = if failed { "!" } else { " " };
        let end = format!(" → {outcome}{took}");
        let line = match self.lines {
            Lines::Plain => call.line,
            // All of it in one line, where that leaves enough.
            Lines::Live(columns) => {
                let most = columns().saturating_sub(end.chars().count() + 2).max(LEAST);
                let fits = fitting(&call.line, most);
                if fits == call.line { fits } else { fits + "…" }
            }
        };
        self.line(&format!("{mark}{}{end}", &line[1..]));
    }
}

impl<O: Write + Send, E: Write + Send> Voice for Screen<O, E> {
    fn tell(&mut self, told: &Told) {
        match told {
            Told::Conversation { .. } | Told::Usage { .. } => {}
            Told::Text { text } => {
                self.doing = Doing::Nothing;
                self.text(text);
            }
            Told::Message { .. } => {
                self.end_line();
                self.speaks = false;
            }
            Told::Again { why, wait_ms } => {
                let void = if self.speaks { "; what was said last is void" } else { "" };
                self.end_line();
                self.speaks = false;
                let wait = seconds(Duration::from_millis(*wait_ms));
                self.line(&format!("  {why}; asked again in {wait}{void}"));
                self.doing = Doing::Asking(Instant::now());
            }
            Told::Call { tool, summary, .. } => {
                self.end_line();
                self.speaks = false;
                let gap = if summary.is_empty() { "" } else { " " };
                let line = format!("  {tool:<18}{gap}{summary}");
                let now = Instant::now();
                self.doing =
                    Doing::Calling(Call { line, refused: None, since: now, note: String::new(), noted: now });
                self.draw_call();
            }
            Told::Progress { text, .. } => {
                let Doing::Calling(call) = &mut self.doing else { return };
                call.note.clone_from(text);
                if matches!(self.lines, Lines::Plain) && call.noted.elapsed() > bounds::SILENCE {
                    call.noted = Instant::now();
                    self.line(&format!("    {text}"));
                } else {
                    self.draw_call();
                }
            }
            Told::Refused { by, .. } => {
                if let Doing::Calling(call) = &mut self.doing {
                    call.refused = Some(by);
                }
            }
            Told::Result { failed, outcome, .. } => self.answered(*failed, outcome),
            Told::Compacted => self.line("  what was said was put together, to make room"),
            Told::End { outcome, text } => {
                self.settle();
                self.end_line();
                (self.doing, self.speaks, self.shown) = (Doing::Nothing, false, 0);
                match outcome {
                    How::Done => {}
                    How::Cancelled => self.line("  cancelled"),
                    How::Declined => self.line("  the model does not want to go on"),
                    How::Limit | How::Failed => self.line(&format!("error: {text}")),
                }
            }
        }
    }

    fn tick(&mut self) {
        match &self.doing {
            Doing::Nothing if self.speaks => {}
            Doing::Nothing => self.doing = Doing::Asking(Instant::now()),
            Doing::Asking(since) if since.elapsed() >= bounds::SILENCE => {
                let text = format!("  … {}", seconds(since.elapsed()));
                self.draw(&text);
            }
            Doing::Asking(_) => {}
            Doing::Calling(_) => self.draw_call(),
        }
    }

    fn asks(&mut self) {
        self.settle();
    }

    fn asked(&mut self) {
        // How long it takes does not count how long somebody thought about it.
        if let Doing::Calling(call) = &mut self.doing {
            call.since = Instant::now();
        }
    }
}

/// How many columns the terminal has that narration is written to; 80 where nobody says.
pub fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map(|size| usize::from(size.ws_col)).ok().filter(|&columns| columns > 0).unwrap_or(80)
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64().round())
}

/// As much of `text` as certainly fits into so many columns.
fn fitting(text: &str, columns: usize) -> String {
    let wide = |c: char| if c.is_ascii() || c == '…' || c == '→' { 1 } else { 2 };
    let mut left = columns;
    let mut fits = String::new();
    for c in text.chars() {
        let Some(rest) = left.checked_sub(wide(c)) else { break };
        left = rest;
        fits.push(c);
    }
    fits
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What is on both outputs after this.
    fn shown(lines: Lines, told: &[Told]) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut screen = Screen::new(&mut out, &mut err, lines);
        told.iter().for_each(|told| screen.tell(told));
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    fn call(id: &str, tool: &str, summary: &str) -> Told {
        Told::Call { id: id.into(), tool: tool.into(), arguments: Value::Null, summary: summary.into() }
    }

    fn result(id: &str, failed: bool, outcome: &str) -> Told {
        Told::Result {
            id: id.into(),
            tool: String::new(),
            failed,
            outcome: outcome.into(),
            text: String::new(),
        }
    }

    fn text(text: &str) -> Told {
        Told::Text { text: text.into() }
    }

    #[test]
    fn a_turn_as_it_is_read() {
        let told = [
            text("\n\nI'll "),
            text("look."),
            Told::Message { text: "I'll look.".into() },
            call("1", "task_list", ""),
            result("1", false, "2 tasks"),
            call("2", "worktree_run", "w command=\"x\""),
            Told::Refused { id: "2".into(), tool: "worktree_run".into(), by: "person" },
            result("2", true, "failed: The person …"),
            call("3", "worktree_remove", "w"),
            result("3", true, "failed: it is dirty"),
            text("Done.\n"),
            Told::Message { text: "Done.".into() },
            Told::End { outcome: How::Done, text: "Done.".into() },
        ];
        let (out, err) = shown(Lines::Plain, &told);
        assert_eq!(out, "I'll look.\nDone.\n");
        assert_eq!(
            err,
            "  task_list          → 2 tasks\n! worktree_run       w command=\"x\" → not permitted\n! worktree_remove    w → failed: it is dirty\n"
        );
    }

    #[test]
    fn a_line_that_changes_is_taken_away_and_fits() {
        let (_, err) =
            shown(Lines::Live(|| 20), &[call("1", "run", &"x".repeat(50)), result("1", false, "ok")]);
        let drawn = err.split('\n').next().unwrap();
        assert!(drawn.starts_with("\r\u{1b}[K  run"), "{drawn:?}");
        let line = drawn.split("\r\u{1b}[K").nth(1).unwrap();
        assert_eq!(line.chars().count(), 19);
        assert_eq!(fitting("日本語", 5), "日本");
    }

    #[test]
    fn an_endless_text_is_not_shown_to_its_end() {
        let many = vec![text(&"x".repeat(50_000)); 10];
        let (out, err) = shown(Lines::Plain, &many);
        assert!(out.len() <= bounds::SHOWN + 50_001, "{}", out.len());
        assert!(err.contains("is too long"), "{err}");
    }

    #[test]
    fn what_is_void_is_said_to_be() {
        let again = Told::Again { why: "it broke off".into(), wait_ms: 2000 };
        let (out, err) = shown(Lines::Plain, &[text("half"), again, text("whole")]);
        assert_eq!(out, "half\nwhole");
        assert_eq!(err, "  it broke off; asked again in 2 s; what was said last is void\n");
    }
}
