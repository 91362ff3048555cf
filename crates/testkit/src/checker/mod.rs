//! An independent look at what the program has written: the lifecycle log and the tasks, as plain JSON.
//!
//! It knows the documented words and fields and none of the program's types, so that a mistake there is not made again
//! here. It does not look at git.

mod mail;
mod runs;
mod tasks;
mod work;

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde_json::Value;

/// The views of a home: `.worktrees/events.jsonl` and `.tasks/*.json`.
#[derive(Debug, Clone, Default)]
pub struct Records {
    events: Vec<Value>,
    tasks: BTreeMap<String, Value>,
    /// What could not even be read.
    damage: Vec<String>,
}

impl Records {
    /// Reads them below `root`. What is missing is empty; what is damaged is reported later.
    pub fn read(root: impl AsRef<Utf8Path>) -> Self {
        let root = root.as_ref();
        let mut records = Self::default();
        records.add_events(&fs_err::read_to_string(root.join(".worktrees/events.jsonl")).unwrap_or_default());
        let entries = root.join(".tasks").read_dir_utf8().map(|r| r.flatten().collect::<Vec<_>>());
        for entry in entries.unwrap_or_default() {
            // The writer's temporary files have another ending.
            if entry.path().extension() == Some("json") {
                let text = fs_err::read_to_string(entry.path()).expect("a task's file can be read");
                records.add_task(entry.file_name(), &text);
            }
        }
        records
    }

    /// The events in the order of the log.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// The tasks by their id, an integer id as its digits.
    pub fn tasks(&self) -> &BTreeMap<String, Value> {
        &self.tasks
    }

    /// What is wrong in a home at rest: what [`Records::broken`] finds, and what was begun and has no end. Empty when
    /// all is well.
    pub fn report(&self) -> Vec<String> {
        let mut found = self.broken();
        let own = self.own_events();
        found.extend(work::unfinished(&own));
        found.extend(tasks::stale_views(&own, &self.tasks));
        found
    }

    /// What must not be at any moment, in the middle of work and after a crash before recovery too:
    ///
    /// - event numbers with a gap, a damaged log or task file;
    /// - two live claims on one task, an epoch that does not grow, a completed task that changes its state;
    /// - two agents at work on one task, a run that goes on after it was lost, anything done under a claim that another one has
    ///   replaced;
    /// - a message that is delivered twice, to somebody else, or before an older one;
    /// - a result without an intent, an intent on top of one without a result;
    /// - a submission that goes on after its end, or lands another commit than the one that passed.
    pub fn broken(&self) -> Vec<String> {
        let mut found = self.damage.clone();
        found.extend(gaps(&self.events));
        let own = self.own_events();
        found.extend(tasks::claims(&own));
        found.extend(runs::live(&own));
        found.extend(runs::superseded(&own));
        found.extend(mail::deliveries(&own));
        found.extend(work::pairs(&own));
        found.extend(work::submissions(&own));
        found
    }

    /// The events without those that another tool has written and an import has taken over: they keep no rules.
    fn own_events(&self) -> Vec<Value> {
        self.events.iter().filter(|e| e["data"]["imported"].is_null()).cloned().collect()
    }

    fn add_events(&mut self, text: &str) {
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let at = at + 1;
            if !line.ends_with('\n') {
                self.damage.push(format!("events.jsonl: line {at} has no end"));
            }
            match serde_json::from_str(line) {
                Ok(event) => self.events.push(event),
                Err(e) => self.damage.push(format!("events.jsonl: line {at} is damaged: {e}")),
            }
        }
    }

    fn add_task(&mut self, file: &str, text: &str) {
        let task = match serde_json::from_str::<Value>(text) {
            Ok(task) => task,
            Err(e) => return self.damage.push(format!("{file} is damaged: {e}")),
        };
        let id = key(&task["id"]);
        if file != format!("task_{id}.json") {
            self.damage.push(format!("{file} holds task {id}"));
        }
        self.tasks.insert(id, task);
    }
}

/// Numbers that are not 1, 2, 3, ….
fn gaps(events: &[Value]) -> Vec<String> {
    (1..)
        .zip(events)
        .filter(|(expected, event)| event["seq"].as_u64() != Some(*expected))
        .map(|(expected, event)| format!("event {expected} has the number {}", event["seq"]))
        .collect()
}

/// What happened, by its word.
fn kind(event: &Value) -> &str {
    event["event"].as_str().unwrap_or_default()
}

/// An id as text, whether it is written as a number or as a string; empty when there is none.
fn key(id: &Value) -> String {
    match id {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestEnv;

    /// A short life in which nothing is wrong.
    const GOOD: &str = r#"
{"seq":1,"event":"task.created","task":{"id":1,"status":"pending","owner":"","epoch":0},"worktree":{}}
{"seq":2,"event":"task.claimed","task":{"id":1,"status":"in_progress","owner":"ann","epoch":1},"worktree":{}}
{"seq":3,"event":"worktree.create.before","task":{"id":1,"status":"in_progress","owner":"ann","epoch":1},"worktree":{"name":"a"}}
{"seq":4,"event":"worktree.create.after","task":{"id":1,"status":"in_progress","owner":"ann","epoch":1},"worktree":{"name":"a"}}
{"seq":5,"event":"worktree.run.before","task":{},"worktree":{"name":"a"},"run":{"id":1}}
{"seq":6,"event":"worktree.run.timeout","task":{},"worktree":{"name":"a"},"run":{"id":1}}
{"seq":7,"event":"worktree.run.after","task":{},"worktree":{"name":"a"},"run":{"id":1}}
{"seq":8,"event":"submission.queued","task":{},"worktree":{"name":"a"},"submission":{"id":1}}
{"seq":9,"event":"submission.testing","task":{},"worktree":{"name":"a"},"submission":{"id":1}}
{"seq":10,"event":"submission.passed","task":{},"worktree":{"name":"a"},"submission":{"id":1,"candidate":"c1"}}
{"seq":11,"event":"submission.landed","task":{},"worktree":{"name":"a"},"submission":{"id":1,"candidate":"c1"}}
{"seq":12,"event":"worktree.remove.before","task":{"id":1,"status":"in_progress","owner":"ann","epoch":1},"worktree":{"name":"a"}}
{"seq":13,"event":"task.completed","task":{"id":1,"status":"completed","owner":"ann","epoch":1},"worktree":{"name":"a"}}
{"seq":14,"event":"worktree.remove.after","task":{"id":1,"status":"completed","owner":"ann","epoch":1},"worktree":{"name":"a"}}
"#;
    const RUN: &str = r#""event":"worktree.run.before","task":{},"#;
    const AGENT: &str = r#""event":"worktree.run.before","data":{"kind":"agent"},"task":{"id":1,"status":"in_progress","owner":"ann","epoch":1},"#;
    const LANDED: &str = r#"landed","task":{},"worktree":{"name":"a"},"submission":{"id":1,"candidate":"c1""#;
    const TASK: &str = r#"{"id":1,"status":"completed","owner":"ann","epoch":1}"#;

    fn records(events: &str) -> Records {
        let mut records = Records::default();
        records.add_events(events.trim_start());
        records.add_task("task_1.json", TASK);
        records
    }

    #[test]
    fn a_good_life_has_no_findings() {
        assert_eq!(records(GOOD).report(), [""; 0]);
    }

    /// Each change to the good life, and what is to be found.
    #[test]
    fn every_rule_can_be_broken() {
        let table = [
            (r#""seq":9,"#, r#""seq":10,"#, "event 9 has the number 10"),
            (r#"{"seq":9"#, r#"{"seq:9"#, "line 9 is damaged"),
            (r#""submission.testing""#, r#""submission.withdrawn""#, "goes on after its end"),
            (LANDED, &LANDED.replace("c1", "c2"), "landed c2, but c1 passed"),
            (r#""submission.queued""#, r#""worktree.enter""#, "was never queued"),
            (r#""submission.landed""#, r#""worktree.enter""#, "submission 1 has no end"),
            (r#""worktree.create.before""#, r#""worktree.enter""#, "worktree.create.after without"),
            (r#""worktree.create.after""#, r#""worktree.create.before""#, "while event 3 has no result"),
            (
                r#""worktree.remove.after""#,
                r#""worktree.enter""#,
                "event 12 (worktree.remove.before of a) has no result",
            ),
            (r#""worktree.run.timeout""#, r#""worktree.enter""#, ""),
            (r#""worktree.run.timeout""#, r#""worktree.run.lost""#, "run 1 goes on after it was lost: after"),
            (RUN, AGENT, ""),
            (
                RUN,
                &AGENT.replace(r#""kind":"agent""#, r#""kind":"agent","epoch":0"#),
                "under epoch 0, which 1 has",
            ),
            (r#""worktree.run.before""#, r#""worktree.enter""#, "run 1 ends without"),
            (
                r#""status":"completed","owner":"ann","epoch":1},"worktree":{"name":"a"}}"#,
                r#""status":"completed","owner":"ann","epoch":0},"worktree":{"name":"a"}}"#,
                "epoch goes back from 1 to 0",
            ),
            (
                r#""owner":"ann","epoch":1},"worktree":{}}"#,
                r#""owner":"ann","epoch":0},"worktree":{}}"#,
                "claim does not grow the epoch 0",
            ),
            (
                r#""task.completed","task":{"id":1,"status":"completed""#,
                r#""task.completed","task":{"id":1,"status":"failed""#,
                "says `failed`",
            ),
        ];
        for (from, to, expected) in table {
            assert!(GOOD.contains(from), "{from}");
            let found = records(&GOOD.replacen(from, to, 1)).report().join("\n");
            match expected {
                "" => assert_eq!(found, ""),
                _ => assert!(found.contains(expected), "{expected}:\n{found}"),
            }
        }
    }

    #[test]
    fn files_are_read_and_damage_in_them_is_found() {
        let env = TestEnv::new();
        assert_eq!(Records::read(env.root()).report(), [""; 0]);
        let [log, tasks] = [".worktrees", ".tasks"].map(|d| env.dir(d));
        fs_err::write(log.join("events.jsonl"), GOOD.trim()).unwrap();
        fs_err::write(tasks.join("task_1.json"), TASK).unwrap();
        fs_err::write(tasks.join("task_2.json"), TASK).unwrap();
        fs_err::write(tasks.join("task_3.json"), "{").unwrap();
        let found = Records::read(env.root()).broken().join("\n");
        for expected in ["line 14 has no end", "task_2.json holds task 1", "task_3.json is damaged"] {
            assert!(found.contains(expected), "{found}");
        }
    }
}
