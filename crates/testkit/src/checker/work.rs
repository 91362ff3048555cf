//! Intents and their results; submissions and their ends.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{key, kind};

/// Operations on worktrees whose intent is written down first, by the start of their events' words.
const OPERATIONS: [&str; 2] = ["worktree.create", "worktree.remove"];

/// An intent without its result yet: which operation, on which worktree, and the intent's event.
type Open<'a> = BTreeMap<(&'static str, &'a str), &'a Value>;

/// Results without an intent, and intents on top of another.
pub(super) fn pairs(events: &[Value]) -> Vec<String> {
    operations(events).0.into_iter().chain(runs(events).0).collect()
}

/// What was begun and has no end.
pub(super) fn unfinished(events: &[Value]) -> Vec<String> {
    let operations = operations(events).1.into_iter().map(|((operation, name), intent)| {
        format!("event {} ({operation}.before of {name}) has no result", intent["seq"])
    });
    let runs = runs(events).1.into_iter().map(|run| format!("run {run} has no end"));
    let submissions = submission_states(events).1.into_iter();
    let open =
        submissions.filter(|(_, s)| s.end.is_none()).map(|(id, _)| format!("submission {id} has no end"));
    operations.chain(runs).chain(open).collect()
}

/// Submissions that go on after their end, that were never queued, or that land what has not passed.
pub(super) fn submissions(events: &[Value]) -> Vec<String> {
    submission_states(events).0
}

fn operations(events: &[Value]) -> (Vec<String>, Open<'_>) {
    let mut found = Vec::new();
    let mut open = Open::new();
    for event in events {
        let Some((operation, step)) =
            OPERATIONS.into_iter().find_map(|o| Some((o, kind(event).strip_prefix(o)?.strip_prefix('.')?)))
        else {
            continue;
        };
        let name = event["worktree"]["name"].as_str().unwrap_or_default();
        let mut say = |what: String| found.push(format!("event {}: {what}", event["seq"]));
        if step == "before" {
            if let Some(earlier) = open.insert((operation, name), event) {
                say(format!("{operation} of {name} begins while event {} has no result", earlier["seq"]));
            }
        } else if open.remove(&(operation, name)).is_none() {
            say(format!("{operation}.{step} without {operation}.before of {name}"));
        }
    }
    (found, open)
}

/// Runs that end without a beginning, and the ids of those that have begun and not ended.
///
/// A run may have more than one ending event: its time was up, and it ended.
fn runs(events: &[Value]) -> (Vec<String>, Vec<String>) {
    let mut found = Vec::new();
    let mut ended: BTreeMap<String, bool> = BTreeMap::new();
    for event in events {
        let Some(step) = kind(event).strip_prefix("worktree.run.") else { continue };
        let id = key(&event["run"]["id"]);
        if step == "before" {
            if ended.insert(id.clone(), false).is_some() {
                found.push(format!("event {}: run {id} begins twice", event["seq"]));
            }
        } else if ended.insert(id.clone(), true).is_none() {
            found.push(format!("event {}: run {id} ends without a beginning", event["seq"]));
        }
    }
    (found, ended.into_iter().filter(|(_, ended)| !ended).map(|(id, _)| id).collect())
}

/// What is known of a submission.
#[derive(Debug, Default)]
struct Submission {
    passed: Option<String>,
    end: Option<String>,
}

fn submission_states(events: &[Value]) -> (Vec<String>, HashMap<String, Submission>) {
    let mut found = Vec::new();
    let mut states: HashMap<String, Submission> = HashMap::new();
    for event in events {
        let Some(step) = kind(event).strip_prefix("submission.") else { continue };
        let id = key(&event["submission"]["id"]);
        let candidate = event["submission"]["candidate"].as_str().map(str::to_owned);
        let mut say = |what: String| found.push(format!("event {}: submission {id} {what}", event["seq"]));
        match (step, states.contains_key(&id)) {
            ("queued", false) | (_, true) => {}
            _ => say("was never queued".to_owned()),
        }
        let state = states.entry(id.clone()).or_default();
        if let Some(end) = &state.end {
            say(format!("goes on after its end: {end}, then {step}"));
        }
        match step {
            "passed" => state.passed = candidate,
            "landed" => {
                if let (Some(passed), Some(landed)) = (&state.passed, &candidate)
                    && passed != landed
                {
                    say(format!("landed {landed}, but {passed} passed"));
                }
            }
            _ => {}
        }
        if matches!(step, "landed" | "bounced" | "withdrawn") {
            state.end = Some(step.to_owned());
        }
    }
    (found, states)
}
