//! Which calls a person is asked about, and what was answered.
//!
//! **Contract.** What takes something away, also a task from an agent at work, what runs commands or says which are to run, starts agents or lands work
//! is asked about.
//! The answer "always" is about one tool and holds for one conversation of one process. Everything is shown that is asked about, to
//! its end.

use std::collections::{HashMap, HashSet};

use biplane_mcp::{DirectTool, Effect};
use biplane_model::{sanitize, sanitize_line};
use serde_json::Value;

use crate::bounds;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The tool.
    pub tool: String,
    /// What the lead wants, in a sentence without an end.
    pub what: String,
    /// What else is to be known, a line each.
    pub details: Vec<String>,
}

/// What a person answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// This call may be made.
    Yes,
    /// It may not.
    No,
    /// It may, and so may all calls of this tool in this conversation.
    Always,
    /// It may not, and the turn is to end.
    Cancel,
    /// There is nobody.
    Nobody,
}

/// Somebody who can be asked.
pub trait Person {
    /// Waits for the answer.
    fn ask(&mut self, question: &Question) -> Reply;
}

/// Nobody.
#[derive(Debug)]
pub struct Nobody;

impl Person for Nobody {
    fn ask(&mut self, _: &Question) -> Reply {
        Reply::Nobody
    }
}

/// Somebody who agrees to everything, as with `--yes`.
#[derive(Debug)]
pub struct Agreed;

impl Person for Agreed {
    fn ask(&mut self, _: &Question) -> Reply {
        Reply::Yes
    }
}

/// Tools that are asked about for what they do beyond the board.
pub(crate) const BEYOND: [&str; 3] = ["worktree_run", "merge", "up"];

/// Inputs that are commands: whatever sets one is asked about, even where it is run later and by somebody else.
const COMMANDS: [&str; 2] = ["command", "gate"];

/// What is asked about, and what was agreed to for good.
#[derive(Debug, Default)]
pub(crate) struct Consent {
    effects: HashMap<&'static str, Effect>,
    always: HashSet<String>,
}

/// Whether a tool is one that a person is asked about, whatever it is called with.
pub fn is_asked(tool: &DirectTool) -> bool {
    tool.effect == Effect::Destroys || BEYOND.contains(&tool.name)
}

/// Whether a task is nobody's or another's after this call, or over: an agent at work on it is stopped then.
fn ends_claim(tool: &str, input: &Value) -> bool {
    match tool {
        "complete_task" | "release_task" => true,
        "task_update" => !input["status"].is_null() || !input["owner"].is_null(),
        _ => false,
    }
}

impl Consent {
    /// It is about this tool too.
    pub(crate) fn knows(&mut self, tool: &DirectTool) {
        self.effects.insert(tool.name, tool.effect);
    }

    /// From now on `tool` is not asked about.
    pub(crate) fn always(&mut self, tool: &str) {
        self.always.insert(tool.to_owned());
    }

    /// Whatever was agreed to for good is asked about again.
    pub(crate) fn forget(&mut self) {
        self.always.clear();
    }

    /// What a person is asked before this call; nothing when it may just be made. `is_at_work` says whether an agent works on a task.
    pub(crate) fn question(
        &self,
        tool: &str,
        input: &Value,
        is_at_work: impl Fn(&Value) -> bool,
    ) -> Option<Question> {
        let word = |name: &str| match &input[name] {
            Value::Number(number) => number.to_string(),
            value => sanitize_line(value.as_str().unwrap_or_default()),
        };
        let destroys = self.effects.get(tool) == Some(&Effect::Destroys)
            // Keeping takes nothing away.
            && !(tool == "worktree_closeout" && input["action"] == "keep");
        let sets_command = COMMANDS.iter().any(|name| !input[*name].is_null());
        // To pause takes nothing away; to go on starts agents.
        let starts = tool == "up_state" && input["state"] == "running";
        if self.always.contains(tool) {
            return None;
        }
        let takes = ends_claim(tool, input) && is_at_work(&input["task_id"]);
        if !(destroys || sets_command || starts || takes || BEYOND.contains(&tool)) {
            return None;
        }
        let what = match tool {
            _ if takes => {
                format!("take task `{}` from the agent at work on it, which is stopped", word("task_id"))
            }
            "worktree_run" => format!("run a command in worktree `{}`", word("name")),
            "merge" => format!("land worktree `{}` on the target, when its gate passes", word("name")),
            "up" => "start agents on the tasks that are ready".to_owned(),
            "up_state" => "have agents started again".to_owned(),
            "worktree_remove" | "worktree_closeout" => format!("remove worktree `{}`", word("name")),
            "stop" => "stop work".to_owned(),
            "task_create" => "create a task with a gate of its own".to_owned(),
            "task_update" => format!("set the gate of task `{}`", word("task_id")),
            other => format!("call `{}`", sanitize_line(other)),
        };
        // The names that the sentence has are not said again.
        let said: &[&str] =
            if matches!(tool, "worktree_run" | "merge" | "worktree_remove") { &["name"] } else { &[] };
        let mut details = Vec::new();
        for (name, value) in
            input.as_object().into_iter().flatten().filter(|(n, _)| !said.contains(&n.as_str()))
        {
            let name = sanitize_line(name);
            match value.as_str() {
                Some(text) if COMMANDS.contains(&name.as_str()) && !text.is_empty() => {
                    if tool != "worktree_run" {
                        details.push(format!("{name}:"));
                    }
                    details.extend(sanitize(text).lines().map(|line| format!("$ {line}")));
                }
                _ => details.push(format!("{name}: {}", sanitize_line(&value.to_string()))),
            }
        }
        Some(Question { tool: tool.to_owned(), what, details })
    }

    /// Whether a call is too long to be asked about.
    pub(crate) fn is_too_long(input: &Value) -> bool {
        input.to_string().len() > bounds::ASKED
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    impl Consent {
        /// Where no agent is at work.
        fn asked(&self, tool: &str, input: &Value) -> Option<Question> {
            self.question(tool, input, |_| false)
        }
    }

    fn consent() -> Consent {
        let mut consent = Consent::default();
        let tool = |name, effect| DirectTool { name, about: String::new(), input: Value::Null, effect };
        for (name, effect) in [
            ("task_list", Effect::Reads),
            ("task_create", Effect::Changes),
            ("worktree_run", Effect::Changes),
            ("worktree_remove", Effect::Destroys),
            ("worktree_closeout", Effect::Destroys),
        ] {
            consent.knows(&tool(name, effect));
        }
        consent
    }

    #[test]
    fn what_is_asked_about() {
        let consent = consent();
        for (tool, input) in [
            ("task_list", json!({})),
            ("task_create", json!({"subject": "s"})),
            ("task_create", json!({"subject": "s", "gate": null})),
            ("worktree_closeout", json!({"name": "w", "action": "keep"})),
            ("read_file", json!({"path": "a"})),
            ("up_state", json!({})),
            ("up_state", json!({"state": "paused"})),
        ] {
            assert_eq!(consent.asked(tool, &input), None, "{tool}");
        }
        let asked = consent.asked("worktree_remove", &json!({"name": "w", "complete_task": true})).unwrap();
        assert_eq!(asked.what, "remove worktree `w`");
        assert_eq!(asked.details, ["complete_task: true"]);
        let asked = consent.asked("worktree_closeout", &json!({"name": "w", "action": "remove"})).unwrap();
        assert_eq!(asked.details, ["name: \"w\"", "action: \"remove\""]);
        assert!(consent.asked("up", &json!({})).is_some());
        let asked = consent.asked("up_state", &json!({"state": "running"})).unwrap();
        assert_eq!(asked.what, "have agents started again");
    }

    #[test]
    fn a_command_is_shown_to_its_end_and_harmless() {
        let command = format!("echo {}\nrm -rf /\u{1b}[2K", "x".repeat(5000));
        let asked = consent().asked("worktree_run", &json!({"name": "w", "command": command})).unwrap();
        assert_eq!(asked.details.len(), 2);
        assert!(asked.details[0].len() > 5000);
        assert_eq!(asked.details[1], "$ rm -rf /\u{fffd}[2K");
        assert!(Consent::is_too_long(&json!({"command": "x".repeat(100_000)})));
    }

    #[test]
    fn a_gate_is_a_command() {
        let consent = consent();
        let input = json!({"subject": "s", "gate": "true\nrm -rf /"});
        let asked = consent.asked("task_create", &input).unwrap();
        assert_eq!(asked.what, "create a task with a gate of its own");
        assert_eq!(asked.details, ["subject: \"s\"", "gate:", "$ true", "$ rm -rf /"]);
        let asked = consent.asked("task_update", &json!({"task_id": "1", "gate": ""})).unwrap();
        assert_eq!(asked.what, "set the gate of task `1`");
        assert_eq!(asked.details, ["task_id: \"1\"", "gate: \"\""]);
        assert!(consent.asked("another", &json!({"command": ["true"]})).is_some());
    }

    #[test]
    fn an_agent_at_work_loses_its_task_by_a_persons_leave() {
        let consent = consent();
        for (tool, input) in [
            ("task_update", json!({"task_id": 7, "status": "cancelled"})),
            ("task_update", json!({"task_id": 7, "owner": "eve"})),
            ("release_task", json!({"task_id": 7})),
            ("complete_task", json!({"task_id": 7})),
        ] {
            let asked = consent.question(tool, &input, |task| *task == 7).unwrap();
            assert_eq!(asked.what, "take task `7` from the agent at work on it, which is stopped");
            assert_eq!(consent.question(tool, &input, |task| *task == 8), None, "{tool}");
        }
        let described = json!({"task_id": 7, "description": "more"});
        assert_eq!(consent.question("task_update", &described, |_| true), None);
    }

    #[test]
    fn always_is_about_one_tool() {
        let mut consent = consent();
        consent.always("worktree_run");
        assert_eq!(consent.asked("worktree_run", &json!({"name": "w", "command": "x"})), None);
        assert!(consent.asked("worktree_remove", &json!({"name": "w"})).is_some());
    }
}
