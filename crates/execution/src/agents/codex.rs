//! Codex, by `codex exec --json`.
//!
//! Seen with 0.169.0: items are told when they begin and when they are complete; a command that failed is `failed`, and the turn is
//! complete all the same. Nobody is asked for permission: what its sandbox or its policy rejects is told on standard error only, and
//! a command that its sandbox hinders is not told at all. `usage` is the sum over the conversation, also when it is gone on with. It
//! ends by itself when the turn is done.

use std::collections::BTreeSet;

use biplane_model::{AgentEvent, Usage};
use serde_json::Value;

use super::{
    Brief, Dialogue, Driver, Launch, Permissions, Said, ToolServer, bounds,
    leading::Free,
    limits,
    words::{self, at, count},
};
use crate::supervise::Input;

/// The driver for Codex.
#[derive(Debug, Clone, Copy)]
pub struct Codex;

impl Driver for Codex {
    fn launch(&self, brief: &Brief) -> Launch {
        // Its sandbox for `workspace-write` keeps every `.git` and the directory that a linked worktree's one points to read-only, extra
        // roots or not: an agent in it can edit, but not commit. That is what `Edits` says; biplane commits what is left.
        let sandbox = match brief.permissions {
            Permissions::Edits => "workspace-write",
            Permissions::All => "danger-full-access",
            Permissions::Read => "read-only",
        };
        let mut command = brief.command.clone();
        command.push("exec".to_owned());
        command.extend(brief.session.as_ref().map(|_| "resume".to_owned()));
        command.extend(["--json", "--skip-git-repo-check", "-c"].map(str::to_owned));
        // `resume` has no option for the sandbox and none for the directory.
        command.push(format!("sandbox_mode=\"{sandbox}\""));
        command.extend(
            ["-c", "approval_policy=\"never\"", "-c", "check_for_update_on_startup=false"].map(str::to_owned),
        );
        command.extend(brief.server.iter().flat_map(|server| settings(server, &Free::All)));
        command.extend(brief.args.iter().cloned());
        match &brief.session {
            Some(session) => command.push(session.clone()),
            None => command.extend(["--cd".to_owned(), brief.cwd.to_string()]),
        }
        command.push("-".to_owned());
        let input = Input::Bytes(brief.prompt.clone().into_bytes());
        Launch { command, env: super::quiet_git(brief.permissions), input }
    }

    fn dialogue(&self, brief: &Brief) -> Box<dyn Dialogue> {
        let resumed = brief.session.is_some();
        let told = if resumed { brief.used } else { Usage::default() };
        Box::new(Talk { resumed, told, ..Talk::default() })
    }
}

/// The server as settings on the command line. It hands on few of its variables, and asks before a tool is used that changes something
/// unless it is told not to.
pub(super) fn settings(server: &ToolServer, free: &Free) -> Vec<String> {
    let (program, args) = server.parts();
    let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
    let mut keys =
        vec![("command".to_owned(), quoted(program)), ("args".to_owned(), format!("[{}]", args.join(",")))];
    match free {
        Free::All => keys.push(("default_tools_approval_mode".to_owned(), quoted("approve"))),
        Free::These(tools) => {
            keys.extend(tools.iter().map(|tool| (format!("tools.{tool}.approval_mode"), quoted("approve"))));
        }
    }
    keys.extend(server.env.iter().map(|(name, value)| (format!("env.{name}"), quoted(value))));
    let set = |(key, value)| ["-c".to_owned(), format!("mcp_servers.{}.{key}={value}", server.name)];
    keys.into_iter().flat_map(set).collect()
}

/// A text as TOML has it, whose basic strings know every escape that JSON needs.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[derive(Default)]
struct Talk {
    resumed: bool,
    started: bool,
    finished: bool,
    /// The items that were told when they began.
    begun: BTreeSet<String>,
    told: Usage,
    last_message: String,
    last_error: String,
}

impl Dialogue for Talk {
    fn line(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let Ok(event) = serde_json::from_slice::<Value>(bytes) else {
            said.events.extend(words::raw(bytes));
            return said;
        };
        match at(&event, "type").unwrap_or_default() {
            "thread.started" if !self.started => {
                self.started = true;
                let session = at(&event, "thread_id").map(words::summary);
                said.events.push(AgentEvent::Started { session, model: None });
            }
            "thread.started" | "turn.started" => {}
            "item.started" => self.item(&event["item"], Stage::Begun, &mut said),
            "item.completed" => self.item(&event["item"], Stage::Complete, &mut said),
            "item.updated" => {}
            "error" => self.error(at(&event, "message").unwrap_or_default(), &mut said),
            "turn.completed" => {
                self.usage(&event["usage"], &mut said);
                self.finish(true, self.last_message.clone(), &mut said);
            }
            "turn.failed" => {
                let text = at(&event["error"], "message").unwrap_or_default().to_owned();
                // It was told as an error before.
                if text != self.last_error {
                    self.error(&text, &mut said);
                }
                self.finish(false, text, &mut said);
            }
            _ => said.events.extend(words::raw(bytes)),
        }
        said
    }

    fn error_line(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let line = String::from_utf8_lossy(&bytes[..bytes.len().min(bounds::TEXT)]);
        let error = line.split_once("router: error=").map(|(_, error)| error.trim());
        match error {
            Some(error) if error.contains("rejected") || error.contains("reject command") => {
                let tool = if error.starts_with("patch") { "file_change" } else { "command_execution" };
                let summary = words::summary(error);
                said.events.push(AgentEvent::PermissionDenied { tool: tool.to_owned(), summary });
            }
            _ => {
                said.lost_session = self.resumed && !self.started && line.contains("thread/resume failed");
                said.events.extend(words::raw(bytes));
            }
        }
        said
    }
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Complete,
}

impl Talk {
    fn item(&mut self, item: &Value, stage: Stage, said: &mut Said) {
        let text = at(item, "text").unwrap_or_default();
        match at(item, "type").unwrap_or_default() {
            "agent_message" if stage == Stage::Complete => {
                self.last_message = words::text(text);
                said.events.push(AgentEvent::Message { text: words::text(text) });
            }
            // Mostly a warning; what ends a turn is told with it.
            "error" if stage == Stage::Complete => self.error(at(item, "message").unwrap_or_default(), said),
            "agent_message" | "error" | "reasoning" | "todo_list" => {}
            kind => self.call(kind, item, stage, said),
        }
    }

    /// A command, a change of files, a tool, a search.
    fn call(&mut self, kind: &str, item: &Value, stage: Stage, said: &mut Said) {
        let id = words::summary(at(item, "id").unwrap_or_default());
        if self.begun.len() < bounds::REMEMBERED && self.begun.insert(id.clone()) {
            let (summary, paths) = describe(kind, item);
            said.events.push(AgentEvent::ToolCall {
                id: id.clone(),
                tool: words::summary(kind),
                summary,
                paths,
            });
        }
        if stage == Stage::Begun {
            return;
        }
        let status = at(item, "status").unwrap_or_default();
        let bad_exit = item["exit_code"].as_i64().is_some_and(|code| code != 0);
        let error = at(&item["error"], "message");
        let failed = matches!(status, "failed" | "declined") || bad_exit || error.is_some();
        if status == "declined" {
            let (summary, _) = describe(kind, item);
            said.events.push(AgentEvent::PermissionDenied { tool: words::summary(kind), summary });
        }
        let output = at(item, "aggregated_output").or(error).unwrap_or(status);
        said.events.push(AgentEvent::ToolResult { id, failed, text: words::text(output) });
    }

    fn error(&mut self, text: &str, said: &mut Said) {
        text.clone_into(&mut self.last_error);
        if limits::is_limit(text) {
            let retry_after_s = limits::wait_s(text);
            said.events.push(AgentEvent::RateLimited { retry_after_s, text: words::summary(text) });
        } else {
            said.events.extend(words::raw(text.as_bytes()));
        }
    }

    fn usage(&mut self, usage: &Value, said: &mut Said) {
        let cached = count(usage, "cached_input_tokens");
        let sum = Usage {
            // The cached ones are among them here.
            input_tokens: count(usage, "input_tokens").saturating_sub(cached),
            output_tokens: count(usage, "output_tokens"),
            cached_tokens: cached,
            cost_microusd: 0,
        };
        let usage = words::beyond(sum, self.told);
        if !usage.is_nothing() {
            self.told += usage;
            said.events.push(AgentEvent::Usage { usage });
        }
    }

    fn finish(&mut self, success: bool, text: String, said: &mut Said) {
        if !std::mem::replace(&mut self.finished, true) {
            said.events.push(AgentEvent::Finished { success, text: words::text(&text) });
        }
    }
}

/// What an item is about, in a line, and the files it names.
fn describe(kind: &str, item: &Value) -> (String, Vec<String>) {
    match kind {
        "command_execution" => (words::summary(at(item, "command").unwrap_or_default()), Vec::new()),
        "file_change" => {
            let changes = item["changes"].as_array().into_iter().flatten();
            let paths = words::paths(changes.filter_map(|change| at(change, "path")));
            (words::summary(&paths.join(" ")), paths)
        }
        "mcp_tool_call" => {
            let name = |key| at(item, key).unwrap_or_default();
            (words::summary(&format!("{} {}", name("server"), name("tool"))), Vec::new())
        }
        _ => (words::summary(at(item, "query").unwrap_or_default()), Vec::new()),
    }
}
