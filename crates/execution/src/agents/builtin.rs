//! The built-in agent, which is this program's own and speaks in our words: each line is an [`AgentEvent`], but for `ask`, which waits for
//! an answer, and `lost_session`. See `program.rs` in `crates/agent`.
//!
//! What it says comes from a model and is bounded here as that of every other program is.

use biplane_model::AgentEvent;
use serde_json::{Value, json};

use super::{
    Brief, Dialogue, Driver, Launch, Said,
    permit::{Ground, Wish},
    words::{self, at},
};
use crate::supervise::Input;

/// The driver for the built-in agent.
#[derive(Debug, Clone, Copy)]
pub struct Builtin;

impl Driver for Builtin {
    fn launch(&self, brief: &Brief) -> Launch {
        let command = brief.command.iter().chain(&brief.args).cloned().collect();
        let start = json!({"type": "start", "prompt": brief.prompt, "session": brief.session});
        Launch { command, env: super::quiet_git(brief.permissions), input: Input::Open(line(&start)) }
    }

    fn dialogue(&self, brief: &Brief) -> Box<dyn Dialogue> {
        Box::new(Talk { ground: Ground::new(&brief.cwd, brief.permissions) })
    }
}

fn line(value: &Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

struct Talk {
    ground: Ground,
}

impl Dialogue for Talk {
    fn line(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let Ok(message) = serde_json::from_slice::<Value>(bytes) else {
            said.events.extend(words::raw(bytes));
            // It waits for the answer, whatever became of the question.
            if bytes.starts_with(br#"{"type":"ask""#)
                && let Some(id) = words::in_cut_line(bytes, "id").and_then(|id| id.parse::<u64>().ok())
            {
                said.input = answer(id, Some("This is too long."));
                said.events.push(AgentEvent::PermissionDenied {
                    tool: "unknown".to_owned(),
                    summary: "a request that is too long to be read".to_owned(),
                });
            }
            return said;
        };
        match at(&message, "type").unwrap_or_default() {
            "ask" => self.ask(&message, &mut said),
            "lost_session" => (said.lost_session, said.close) = (true, true),
            _ => match serde_json::from_value(message).map(bounded) {
                Ok(Some(event)) => {
                    said.close = matches!(event, AgentEvent::Finished { .. });
                    said.events.push(event);
                }
                _ => said.events.extend(words::raw(bytes)),
            },
        }
        said
    }
}

impl Talk {
    fn ask(&self, message: &Value, said: &mut Said) {
        let id = words::count(message, "id");
        let (tool, summary) = (text(message, "tool"), text(message, "summary"));
        said.events.push(AgentEvent::PermissionAsked {
            id: text(message, "call"),
            tool: tool.clone(),
            summary: summary.clone(),
        });
        let wish = &message["wish"];
        let paths: Vec<&str> =
            wish["paths"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let permitted = self.ground.permits(match at(wish, "to") {
            Some("read") => Wish::Read(&paths),
            Some("edit") => Wish::Edit(&paths),
            Some("run") => Wish::Run(at(wish, "command").unwrap_or_default()),
            _ => Wish::Other,
        });
        // The tools of the board are all that it has besides; what they may do is judged by the verbs, by the scope of this run.
        let permitted = permitted || at(wish, "to") == Some("other");
        if permitted {
            said.input = answer(id, None);
        } else {
            said.input = answer(id, Some(self.ground.refusal()));
            said.events.push(AgentEvent::PermissionDenied { tool, summary });
        }
    }
}

fn text(message: &Value, key: &str) -> String {
    words::summary(at(message, key).unwrap_or_default())
}

/// What it is answered: a reason makes it a refusal.
fn answer(id: u64, why: Option<&str>) -> Vec<u8> {
    line(&json!({"type": "answer", "id": id, "allow": why.is_none(), "why": why.unwrap_or_default()}))
}

/// The event, its texts cut to what they may have. What only we may say is none of its events.
fn bounded(event: AgentEvent) -> Option<AgentEvent> {
    let (summary, text) = (|text: String| words::summary(&text), |long: String| words::text(&long));
    Some(match event {
        AgentEvent::Started { session, model } => {
            AgentEvent::Started { session: session.map(summary), model: model.map(summary) }
        }
        AgentEvent::Message { text: said } => AgentEvent::Message { text: text(said) },
        AgentEvent::ToolCall { id, tool, summary: line, paths } => AgentEvent::ToolCall {
            id: summary(id),
            tool: summary(tool),
            summary: summary(line),
            paths: words::paths(paths.iter().map(String::as_str)),
        },
        AgentEvent::ToolResult { id, failed, text: said } => {
            AgentEvent::ToolResult { id: summary(id), failed, text: text(said) }
        }
        AgentEvent::RateLimited { retry_after_s, text } => {
            AgentEvent::RateLimited { retry_after_s, text: summary(text) }
        }
        AgentEvent::Finished { success, text: said } => AgentEvent::Finished { success, text: text(said) },
        AgentEvent::Raw { line } => AgentEvent::Raw { line: text(line) },
        usage @ AgentEvent::Usage { .. } => usage,
        AgentEvent::PermissionAsked { .. } | AgentEvent::PermissionDenied { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::{Permissions, bounds, tests::brief};

    fn told(permissions: Permissions, lines: &[Value]) -> Vec<Said> {
        let dir = tempfile::tempdir().unwrap();
        let cwd = camino::Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let mut talk = Builtin.dialogue(&Brief { cwd, permissions, ..brief() });
        lines.iter().map(|value| talk.line(value.to_string().as_bytes())).collect()
    }

    fn ask(wish: &Value) -> Value {
        json!({"type": "ask", "id": 7, "call": "c", "tool": "t", "summary": "s", "wish": wish})
    }

    #[test]
    fn it_is_started_with_its_prompt_and_may_be_answered() {
        let command = vec!["biplane".to_owned(), "builtin-agent".to_owned()];
        let args = vec!["--model".to_owned(), "m".to_owned()];
        let launch = Builtin.launch(&Brief { command, args, session: Some("s-1".to_owned()), ..brief() });
        assert_eq!(launch.command, ["biplane", "builtin-agent", "--model", "m"]);
        let Input::Open(bytes) = launch.input else { panic!("it is asked for permission") };
        let line: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(line, json!({"type": "start", "prompt": "Do it.", "session": "s-1"}));
        assert!(bytes.ends_with(b"\n"));
    }

    #[test]
    fn what_it_asks_is_judged() {
        let table = [
            (Permissions::Edits, json!({"to": "edit", "paths": ["a.txt"]}), true),
            (Permissions::Edits, json!({"to": "edit", "paths": ["../a.txt"]}), false),
            (Permissions::Edits, json!({"to": "edit", "paths": [".git/config"]}), false),
            (Permissions::Edits, json!({"to": "edit", "paths": []}), false),
            (Permissions::Edits, json!({"to": "read", "paths": []}), true),
            (Permissions::Edits, json!({"to": "run", "command": "git status"}), true),
            (Permissions::Edits, json!({"to": "run", "command": "curl example.com"}), false),
            (Permissions::All, json!({"to": "run", "command": "curl example.com"}), true),
            (Permissions::Read, json!({"to": "edit", "paths": ["a.txt"]}), false),
            (Permissions::Read, json!({"to": "other"}), true),
            (Permissions::Edits, json!({"to": "another"}), false),
            (Permissions::Edits, json!(null), false),
        ];
        for (permissions, wish, allowed) in table {
            let said = told(permissions, &[ask(&wish)]).remove(0);
            let answer: Value = serde_json::from_slice(&said.input).unwrap();
            assert_eq!((&answer["id"], &answer["allow"]), (&json!(7), &json!(allowed)), "{wish}");
            assert_eq!(said.events.len(), if allowed { 1 } else { 2 });
        }
    }

    #[test]
    fn what_it_tells_is_bounded_and_only_we_say_what_was_refused() {
        let long = "x".repeat(bounds::TEXT * 2);
        let lines = [
            json!({"type": "message", "text": long}),
            json!({"type": "tool_call", "id": long, "tool": long, "summary": long, "paths": vec![long; 99]}),
            json!({"type": "permission_denied", "tool": "t", "summary": "s"}),
            json!({"type": "what"}),
            json!({"type": "finished", "success": true, "text": "done"}),
            json!({"type": "lost_session"}),
        ];
        let said = told(Permissions::Edits, &lines);
        let sizes: Vec<_> = said.iter().map(|said| format!("{:?}", said.events).len()).collect();
        assert!(sizes.iter().all(|size| *size < bounds::TEXT + 20_000), "{sizes:?}");
        assert!(matches!(said[2].events[..], [AgentEvent::Raw { .. }]));
        assert!(matches!(said[3].events[..], [AgentEvent::Raw { .. }]));
        assert!(said[4].close && !said[3].close);
        assert!(said[5].lost_session && said[5].close);
    }

    #[test]
    fn a_question_that_was_cut_is_refused() {
        let mut talk = Builtin.dialogue(&brief());
        let said = talk.line(br#"{"type":"ask","id":12,"call":"c","tool":"bash","wish":{"to":"run","comm"#);
        let answer: Value = serde_json::from_slice(&said.input).unwrap();
        assert_eq!((&answer["id"], &answer["allow"]), (&json!(12), &json!(false)));
    }
}
