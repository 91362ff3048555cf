//! The pages that are tables in the program: settings, environment, events, states, exit codes.

use biplane_coordination::{
    doctor::{Area, Code},
    settings::{Absent, KEYS, starter_file},
    variables::{ALL, KEPT_GIT_VARIABLES},
};
use biplane_model::{
    EventKind, PlanStatus, RunStatus, ShutdownStatus, SubmissionStatus, TaskStatus, WorktreeStatus,
};

use super::{code, shapes, table};
use crate::cli::exit;

/// Kinds of events that are known and that nothing writes yet.
const UNWRITTEN: [EventKind; 2] = [EventKind::WorktreeCloseoutKeep, EventKind::WorktreeCloseoutRemove];

pub(super) fn configuration() -> String {
    let rows = KEYS.iter().map(|key| {
        let absent = match key.absent {
            Absent::Means(value) => code(value),
            Absent::Otherwise(words, _) => words.to_owned(),
        };
        [code(key.name), key.kind.to_owned(), absent, key.meaning.to_owned()]
    });
    format!(
        "`biplane.toml` lies in the top directory of the repository and is committed. It may be missing, and every key may \
         be left out. An unknown key is an error that names the line and the key that may be meant. The file may have \
         1 MiB at most.\n\n{}\n\
         A duration is a number with `s`, `m`, `h` or `d` (`90s`), from one second to one year. A size is a number with `K`, \
         `M` or `G` (`10M`), from `4K` on.\n\n\
         The gate is the one of `--gate`, else the task's, else `gate` of this file. Without a settings file it is guessed: \
         `cargo test`, `npm test`, `go test ./...`, `python3 -m pytest`, `make test` or `make check`, by what lies in the \
         top directory. With neither, work lands untested.\n\n\
         ## The file that `biplane init` writes\n\n```toml\n{}```\n",
        table(["key", "value", "when absent", "meaning"], rows),
        starter_file(Some("main"), None)
    )
}

pub(super) fn environment() -> String {
    let rows = |of: fn(&biplane_coordination::variables::Variable) -> &'static str| {
        ALL.iter().filter(move |v| !of(v).is_empty()).map(move |v| [code(v.name), of(v).to_owned()])
    };
    let kept = KEPT_GIT_VARIABLES.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ");
    format!(
        "## What biplane reads\n\n{}\n## What biplane sets for the processes it starts\n\n{}\n\
         A run inherits the rest of the environment, without the variables that begin with `GIT_`: they could point git \
         at another repository. Kept of those are {kept}.\n",
        table(["variable", "meaning"], rows(|v| v.read)),
        table(["variable", "for which processes, and what"], rows(|v| v.set)),
    )
}

pub(super) fn events() -> String {
    let rows = EventKind::ALL.iter().map(|kind| {
        let later = if UNWRITTEN.contains(kind) { " (Not written by this version.)" } else { "" };
        [
            code(kind.as_str()),
            kind.label().unwrap_or_default().to_owned(),
            format!("{}{later}", kind.meaning()),
        ]
    });
    format!(
        "An event is a fact; events are numbered 1, 2, 3, … in the order in which they became true, without a gap. \
         `biplane events` shows them; `.worktrees/events.jsonl` has them as [JSON](json.md#eventview), one a line.\n\n\
         What is done to a worktree stands between an intent (`….before`) and its result (`….after` or `….failed`; for a \
         run also `….timeout` or `….lost`). `in_run` in an event's data names the run from within which biplane was called. A label is the short \
         word that diagrams use.\n\n{}",
        table(["event", "label", "meaning"], rows)
    )
}

pub(super) fn findings() -> String {
    let rows = Code::ALL.iter().map(|code_| {
        let area = match code_ {
            Code::Examined | Code::Unexamined => String::new(),
            other => words_of_area(other.area()),
        };
        [code(code_.as_str()), area, code_.meaning()]
    });
    format!(
        "`biplane doctor --json` answers with `findings`, one for each thing that was looked at:\n\n{}\n\
         The exit code is 1 while a problem is left. `doctor` changes nothing; with `--fix` it repairs what is `fixable`, and a \
         second `--fix` finds nothing left to repair.\n\n## Codes\n\nThe words are stable; new ones may come. How bad it is says \
         `severity`, not the code.\n\n{}",
        table(["field", "meaning"], FINDING.map(|(field, meaning)| [code(field), meaning.to_owned()])),
        table(["code", "area", "what it is about"], rows)
    )
}

/// The fields of a finding.
const FINDING: [(&str, &str); 8] = [
    ("code", "what it is, as a stable word"),
    ("area", "`environment`, `ledger`, `views`, `git` or `disk`"),
    ("severity", "`ok`, `note` (worth knowing) or `problem`"),
    ("subject", "what it is about: a worktree's name, a file, a branch"),
    ("verdict", "what is the matter, in a sentence"),
    ("remedy", "what to type, or what `--fix` does; null when there is nothing to do"),
    ("fixable", "whether `--fix` repairs it"),
    ("fixed", "whether it was repaired just now"),
];

fn words_of_area(area: Area) -> String {
    serde_json::to_value(area).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn exit_codes() -> String {
    let rows = exit::CODES
        .iter()
        .map(|(number, name, meaning)| [number.to_string(), (*name).to_owned(), (*meaning).to_owned()]);
    let special = exit::SPECIAL.iter().map(|(command, meaning)| [code(command), (*meaning).to_owned()]);
    format!(
        "{}\nThese commands have a say of their own:\n\n{}",
        table(["code", "name", "meaning"], rows),
        table(["command", "exit code"], special)
    )
}

pub(super) fn states() -> String {
    let mut text = String::from(
        "A move that is not in these tables is refused, and the error names the moves that are allowed.\n",
    );
    text.push_str(&machine(
        "Task",
        TaskStatus::ALL.iter().map(|s| (s.as_str(), Some(s.mark()), words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<TaskStatus>(),
    ));
    text.push_str(&machine(
        "Worktree",
        WorktreeStatus::ALL.iter().map(|s| (s.as_str(), None, words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<WorktreeStatus>(),
    ));
    text.push_str(&machine(
        "Run",
        RunStatus::ALL.iter().map(|s| (s.as_str(), None, words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<RunStatus>(),
    ));
    text.push_str(&machine(
        "Submission",
        SubmissionStatus::ALL.iter().map(|s| (s.as_str(), None, words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<SubmissionStatus>(),
    ));
    text.push_str(&machine(
        "Request to shut down",
        ShutdownStatus::ALL.iter().map(|s| (s.as_str(), None, words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<ShutdownStatus>(),
    ));
    text.push_str(&machine(
        "Plan",
        PlanStatus::ALL.iter().map(|s| (s.as_str(), None, words(s.next(), |n| n.as_str()))),
        &shapes::words_of::<PlanStatus>(),
    ));
    text
}

fn words<T: Copy>(states: &[T], word: fn(T) -> &'static str) -> String {
    if states.is_empty() {
        return "nowhere: it is final".to_owned();
    }
    states.iter().map(|state| code(word(*state))).collect::<Vec<_>>().join(", ")
}

fn machine<'a>(
    title: &str,
    states: impl Iterator<Item = (&'a str, Option<&'a str>, String)>,
    meanings: &[(String, String)],
) -> String {
    let rows = states.map(|(word, mark, next)| {
        let mark = mark.map(|m| format!(" {}", code(m))).unwrap_or_default();
        let meaning = meanings.iter().find(|(known, _)| known == word).map(|(_, m)| m.clone());
        [format!("{}{mark}", code(word)), meaning.unwrap_or_default(), next]
    });
    format!("\n## {title}\n\n{}", table(["state", "meaning", "may go to"], rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_meaning() {
        for line in states().lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.contains("|  |"), "{line}");
        }
    }
}
