//! What came of a call, in a line for people: as far as the answer's own fields tell.

use biplane_model::{clip, sanitize_line};
use serde_json::Value;

use crate::bounds;

/// The lists that answers have, and what one of them is called.
const LISTS: [(&str, &str); 9] = [
    ("tasks", "task"),
    ("worktrees", "worktree"),
    ("events", "event"),
    ("runs", "run"),
    ("submissions", "submission"),
    ("plans", "plan"),
    ("snapshots", "snapshot"),
    ("teammates", "teammate"),
    ("mail", "message"),
];

/// The line.
pub(crate) fn outcome(text: &str, failed: bool) -> String {
    let line = if failed { fault(text) } else { done(text) };
    clip(&sanitize_line(&line), bounds::LINE)
}

fn fault(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let said = first.strip_prefix("error").and_then(|rest| rest.split_once(": ")).map(|(_, said)| said);
    format!("failed: {}", said.unwrap_or(first))
}

fn done(text: &str) -> String {
    let Ok(answer) = serde_json::from_str::<Value>(text) else {
        return counted(text.lines().count(), "line");
    };
    let word = |name: &str| answer[name].as_str().map(str::to_owned);
    let list = LISTS.iter().find_map(|(name, one)| Some(counted(answer[*name].as_array()?.len(), one)));
    if let Some(list) = list {
        return list;
    }
    let status = word("status").or_else(|| word("state"));
    // A worktree has a name and a branch, everything else an id.
    let name = match (word("branch"), word("name"), &answer["id"]) {
        (Some(_), Some(name), _) => Some(format!("`{name}`")),
        (_, _, Value::Number(id)) => Some(format!("task {id}")),
        (_, _, Value::String(id)) if answer["subject"].is_string() => Some(format!("task {id}")),
        (_, _, Value::String(id)) => Some(id.clone()),
        _ => None,
    };
    let code = answer["exit_code"].as_i64().map(|code| format!("exit {code}"));
    let words: Vec<String> = [name, status, code].into_iter().flatten().collect();
    if words.is_empty() { "done".to_owned() } else { words.join(", ") }
}

/// So many of them.
pub(crate) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_a_line() {
        let table = [
            (r#"{"id":1,"subject":"s","status":"pending","worktree":""}"#, "task 1, pending"),
            (r#"{"id":"auth_001","subject":"s","status":"pending"}"#, "task auth_001, pending"),
            (r#"{"name":"w","branch":"wt/w","task_id":1,"status":"active"}"#, "`w`, active"),
            (r#"{"id":"r1","status":"failed","exit_code":3,"worktree":"w"}"#, "r1, failed, exit 3"),
            (r#"{"tasks":[1,2]}"#, "2 tasks"),
            (r#"{"events":[{}],"last_seq":3}"#, "1 event"),
            (r#"{"state":"paused","changed":true}"#, "paused"),
            (r#"{"files":[]}"#, "done"),
            ("a\nb\n", "2 lines"),
        ];
        for (text, line) in table {
            assert_eq!(outcome(text, false), line);
        }
        assert_eq!(outcome("error (refused): it is dirty\nhint: force", true), "failed: it is dirty");
        assert_eq!(outcome("The person says no.", true), "failed: The person says no.");
        assert_eq!(outcome("error (x): \u{1b}[2J", true), "failed: \u{fffd}[2J");
    }
}
