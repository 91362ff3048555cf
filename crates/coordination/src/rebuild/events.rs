//! `.worktrees/events.jsonl`, read back: the events with their numbers, times and actors.

use biplane_model::{Actor, Event, EventKind, NewEvent, Seq, Timestamp, clip, sanitize_line};
use serde_json::{Map, Value};

use crate::{
    bounds,
    error::{Error, Result},
    home::Home,
    import::{
        events::safe,
        notes::Notes,
        read::{self, Found},
    },
};

/// The file, for messages.
const FILE: &str = ".worktrees/events.jsonl";

/// Reads the log. A torn last line is left out and told of. A line in the middle that can't be read keeps its number: an
/// event that says so stands for it, so that every later one keeps its own.
///
/// # Errors
/// When it is a link, too big, or can't be read.
pub(super) fn read(home: &Home, notes: &mut Notes) -> Result<Vec<Event>> {
    let bytes = match read::file(&home.views_dir().join("events.jsonl"), bounds::IMPORT_EVENTS_BYTES) {
        Found::Nothing => {
            notes.problem(format_args!("`{FILE}`"), "it is not there; what happened is not brought back");
            return Ok(Vec::new());
        }
        Found::Unread(why) => {
            return Err(Error::refused(format!("`{FILE}` is not read: {why}"))
                .hint("move it away to bring the rest back"));
        }
        Found::File(bytes) => bytes,
    };
    let mut events: Vec<Event> = Vec::new();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    if lines.len() > bounds::IMPORT_EVENTS {
        return Err(Error::refused(format!("`{FILE}` has more than {} lines", bounds::IMPORT_EVENTS)));
    }
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let place = format!("`{FILE}` line {}", at + 1);
        let next = events.len() as u64 + 1;
        let is_last = at + 1 == lines.len();
        match event(line.trim_ascii()) {
            Err(_) if is_last && !line.ends_with(b"\n") => {
                notes.problem(place, "the last line is torn, as by a crash; left out");
            }
            Err(why) => notes.problem(place, format_args!("it is damaged: {why}; its number is kept")),
            Ok(event) if event.seq.0 < next => {
                notes.problem(place, "its number stands above already; left out");
            }
            // No more events can be missing than there are lines that could not be read, and some that were deleted.
            Ok(event) if event.seq.0 - next > lines.len() as u64 => {
                notes.problem(place, "its number is far from that of the line above; left out");
            }
            Ok(event) => {
                if event.seq.0 > next {
                    let missing = event.seq.0 - next;
                    notes.problem(place, format_args!("{missing} events before it are missing"));
                }
                for number in next..event.seq.0 {
                    events.push(stand_in(number, event.at));
                }
                events.push(event);
            }
        }
    }
    Ok(events)
}

/// What stands for an event that can't be brought back.
fn stand_in(number: u64, at: Timestamp) -> Event {
    let fact = NewEvent::new(EventKind::Recovered)
        .error("what happened here was lost with the ledger: its line in the view was damaged");
    Event { seq: Seq(number), at, actor: Actor::new(""), fact }
}

fn event(line: &[u8]) -> std::result::Result<Event, String> {
    if line.len() > bounds::IMPORT_LINE_BYTES {
        return Err(format!("it has more than {} bytes", bounds::IMPORT_LINE_BYTES));
    }
    let mut json = read::object(line)?;
    let seq = json.remove("seq").and_then(|v| v.as_u64()).filter(|n| *n > 0).ok_or("it has no number")?;
    let at = json.remove("ts").and_then(|v| v.as_f64()).and_then(Timestamp::from_seconds_f64);
    let actor = json.remove("actor");
    let actor = actor.as_ref().and_then(Value::as_str).ok_or("it has no actor")?;
    // A view has an empty object where the event is about nothing.
    for key in ["task", "worktree"] {
        if json.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
            json.remove(key);
        }
    }
    let mut fact: NewEvent = serde_json::from_value(Value::Object(json)).map_err(|e| e.to_string())?;
    make_safe(&mut fact);
    Ok(Event { seq: Seq(seq), at: at.ok_or("it has no time")?, actor: Actor::new(actor), fact })
}

/// What the file says has been in an agent's reach.
fn make_safe(fact: &mut NewEvent) {
    let short = |text: &mut String| *text = clip(&sanitize_line(text), 255);
    if let Some(task) = &mut fact.task {
        short(&mut task.subject);
        short(&mut task.owner);
    }
    if let Some(worktree) = &mut fact.worktree {
        short(&mut worktree.branch);
    }
    if let Some(run) = &mut fact.run {
        short(&mut run.command);
    }
    if let Some(submission) = &mut fact.submission {
        short(&mut submission.target);
    }
    if let Some(error) = fact.error.take() {
        *fact = std::mem::replace(fact, NewEvent::new(EventKind::Recovered)).error(error);
    }
    if let Value::Object(data) = safe(&Value::Object(std::mem::take(&mut fact.data))) {
        fact.data = data;
    }
}
