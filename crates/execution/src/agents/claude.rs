//! Claude Code, by its stream of JSON lines in both directions.
//!
//! Seen with 2.1.197: an `assistant` line for each block of a message, with the message's usage on each of them; `control_request`
//! lines that ask for permission when `--permission-prompt-tool stdio` is given, each waiting for its answer; `result` when a
//! prompt is done, with sums; then it waits for the next prompt until its standard input ends. `subtype` is `success` even when every
//! tool was denied, and when the provider refused. A conversation that it does not know ends it with a `result` before
//! anything else.

use std::collections::BTreeSet;

use biplane_model::{AgentEvent, Usage};
use serde_json::{Value, json};

use super::{
    Brief, Dialogue, Driver, Launch, Permissions, Said, ToolServer, bounds, limits,
    permit::{Ground, Wish},
    words::{self, at, count},
};
use crate::supervise::Input;

/// Tools that make no sense here: the worktree is ours, and nobody answers questions.
const NO_USE: &str = "EnterWorktree,ExitWorktree,AskUserQuestion,EnterPlanMode,ExitPlanMode";
/// Tools that only change files.
const EDITORS: &str = "Write,Edit,NotebookEdit";

/// The driver for Claude Code.
#[derive(Debug, Clone, Copy)]
pub struct Claude;

impl Driver for Claude {
    fn launch(&self, brief: &Brief) -> Launch {
        let mut command = brief.command.clone();
        let tools = match brief.permissions {
            Permissions::Read => format!("{NO_USE},{EDITORS}"),
            Permissions::Edits | Permissions::All => NO_USE.to_owned(),
        };
        // The list of tools takes every word up to the next option.
        command.extend(["-p", "--disallowedTools", &tools].map(str::to_owned));
        command
            .extend(["--input-format", "stream-json", "--output-format", "stream-json"].map(str::to_owned));
        command.extend(["--verbose", "--permission-mode", "default"].map(str::to_owned));
        command.extend(["--permission-prompt-tool", "stdio"].map(str::to_owned));
        if let Some(session) = &brief.session {
            command.extend(["--resume".to_owned(), session.clone()]);
        }
        if let Some(server) = &brief.server {
            // Each of the two takes every word up to the next option; the rule for a whole server is `mcp__NAME__*`.
            command.extend(["--mcp-config".to_owned(), servers(server).to_string()]);
            command.extend(["--allowedTools".to_owned(), format!("mcp__{}__*", server.name)]);
        }
        command.extend(brief.args.iter().cloned());
        let prompt = json!({"type": "user", "message": {"role": "user", "content": brief.prompt}});
        Launch { command, env: super::quiet_git(brief.permissions), input: Input::Open(line(&prompt)) }
    }

    fn dialogue(&self, brief: &Brief) -> Box<dyn Dialogue> {
        Box::new(Talk {
            ground: Ground::new(&brief.cwd, brief.permissions),
            resumed: brief.session.is_some(),
            ..Talk::default()
        })
    }
}

/// The server in the form of `.mcp.json`.
pub(super) fn servers(server: &ToolServer) -> Value {
    let (program, args) = server.parts();
    json!({"mcpServers": {server.name: {"type": "stdio", "command": program, "args": args, "env": server.env}}})
}

fn line(value: &Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

#[derive(Default)]
struct Talk {
    ground: Ground,
    resumed: bool,
    session: Option<String>,
    /// The messages whose usage was told.
    counted: BTreeSet<String>,
    told: Usage,
    /// The tool calls that were denied.
    denied: BTreeSet<String>,
    /// Whether the provider's refusal that ends a prompt was told.
    limited: bool,
}

impl Dialogue for Talk {
    fn line(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let Ok(message) = serde_json::from_slice::<Value>(bytes) else {
            said.events.extend(words::raw(bytes));
            // It waits for the answer, whatever became of the question.
            if bytes.starts_with(br#"{"type":"control_request""#)
                && let Some(id) = words::in_cut_line(bytes, "request_id")
            {
                said.input = answer(id, &json!({"behavior": "deny", "message": "This is too long."}));
                said.events.push(AgentEvent::PermissionDenied {
                    tool: "unknown".to_owned(),
                    summary: "a request that is too long to be read".to_owned(),
                });
            }
            return said;
        };
        match at(&message, "type").unwrap_or_default() {
            "system" => self.system(&message, &mut said),
            "assistant" => self.assistant(&message, &mut said),
            "user" => user(&message, &mut said),
            "control_request" => self.control(&message, &mut said),
            "result" => self.result(&message, &mut said),
            "rate_limit_event" => rate_limit(&message, &mut said),
            "control_response"
            | "control_cancel_request"
            | "stream_event"
            | "keep_alive"
            | "tool_progress"
            | "auth_status" => {}
            _ => said.events.extend(words::raw(bytes)),
        }
        said
    }
}

impl Talk {
    fn system(&mut self, message: &Value, said: &mut Said) {
        match at(message, "subtype") {
            // A second prompt begins with another one.
            Some("init") if self.session.is_none() => {
                let session = at(message, "session_id").map(words::summary);
                self.session.clone_from(&session);
                let model = at(message, "model").map(words::summary);
                said.events.push(AgentEvent::Started { session, model });
            }
            Some("api_retry") => {
                let error = at(message, "error").unwrap_or_default();
                let status = count(message, "error_status");
                if matches!(status, 429 | 529) || limits::is_limit(error) {
                    let wait = message.get("retry_delay_ms").and_then(Value::as_f64);
                    said.events.push(AgentEvent::RateLimited {
                        retry_after_s: wait.map(|ms| (ms / 1000.0).ceil() as u64),
                        text: words::summary(&format!("{error} ({status})")),
                    });
                }
            }
            _ => {}
        }
    }

    fn assistant(&mut self, message: &Value, said: &mut Said) {
        let Some(body) = message.get("message") else { return };
        for block in blocks(body) {
            match at(block, "type") {
                Some("text") => {
                    let text = at(block, "text").unwrap_or_default();
                    if at(message, "error").is_some_and(limits::is_limit) {
                        self.limit(text, said);
                    } else if !text.trim().is_empty() {
                        said.events.push(AgentEvent::Message { text: words::text(text) });
                    }
                }
                Some("tool_use") => {
                    let (tool, input) = (at(block, "name").unwrap_or_default(), &block["input"]);
                    said.events.push(AgentEvent::ToolCall {
                        id: words::summary(at(block, "id").unwrap_or_default()),
                        tool: words::summary(tool),
                        summary: summary(input),
                        paths: words::paths(paths(input)),
                    });
                }
                _ => {}
            }
        }
        if let (Some(id), Some(usage)) = (at(body, "id"), body.get("usage"))
            && self.counted.len() < bounds::REMEMBERED
            && self.counted.insert(id.to_owned())
        {
            // Of what it writes, this tells the beginning; the result tells the rest.
            self.tell(usage_of(usage), said);
        }
    }

    fn control(&mut self, message: &Value, said: &mut Said) {
        let id = at(message, "request_id").unwrap_or_default();
        let request = &message["request"];
        if at(request, "subtype") != Some("can_use_tool") {
            let error = json!({"subtype": "error", "request_id": id, "error": "biplane does not do this"});
            said.input = line(&json!({"type": "control_response", "response": error}));
            return;
        }
        let (tool, input) = (at(request, "tool_name").unwrap_or_default(), &request["input"]);
        let call = at(request, "tool_use_id").unwrap_or_default();
        said.events.push(AgentEvent::PermissionAsked {
            id: words::summary(call),
            tool: words::summary(tool),
            summary: summary(input),
        });
        said.input = if self.permits(tool, input) {
            answer(id, &json!({"behavior": "allow", "updatedInput": input}))
        } else {
            self.deny(call, tool, input, said);
            answer(id, &json!({"behavior": "deny", "message": self.ground.refusal()}))
        };
    }

    fn permits(&self, tool: &str, input: &Value) -> bool {
        let paths = paths(input);
        self.ground.permits(match tool {
            "Read" | "Glob" | "Grep" | "LS" | "NotebookRead" => Wish::Read(&paths),
            "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => Wish::Edit(&paths),
            "Bash" => Wish::Run(at(input, "command").unwrap_or_default()),
            _ => Wish::Other,
        })
    }

    fn deny(&mut self, call: &str, tool: &str, input: &Value, said: &mut Said) {
        if self.denied.len() < bounds::REMEMBERED && self.denied.insert(call.to_owned()) {
            said.events
                .push(AgentEvent::PermissionDenied { tool: words::summary(tool), summary: summary(input) });
        }
    }

    fn result(&mut self, message: &Value, said: &mut Said) {
        for denial in message["permission_denials"].as_array().into_iter().flatten() {
            let tool = at(denial, "tool_name").unwrap_or_default();
            self.deny(at(denial, "tool_use_id").unwrap_or_default(), tool, &denial["tool_input"], said);
        }
        self.sums(message, said);
        let failed = message["is_error"] == json!(true);
        let errors = message["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let text = at(message, "result").map_or_else(|| errors.collect::<Vec<_>>().join("\n"), str::to_owned);
        let status = count(message, "api_error_status");
        if failed && (matches!(status, 429 | 529) || limits::is_limit(&text)) {
            self.limit(&text, said);
        }
        said.lost_session =
            self.resumed && self.session.is_none() && failed && text.contains("No conversation found");
        let success = at(message, "subtype") == Some("success") && !failed;
        let text = if text.is_empty() { at(message, "subtype").unwrap_or_default() } else { &text };
        said.events.push(AgentEvent::Finished { success, text: words::text(text) });
        said.close = true;
    }

    /// The rest of what was used: the sums of the process without what was told before.
    fn sums(&mut self, message: &Value, said: &mut Said) {
        let models = message["modelUsage"].as_object().filter(|models| !models.is_empty());
        let mut sum = match models {
            Some(models) => models.values().fold(Usage::default(), |mut sum, model| {
                sum += Usage {
                    input_tokens: count(model, "inputTokens")
                        .saturating_add(count(model, "cacheCreationInputTokens")),
                    output_tokens: count(model, "outputTokens"),
                    cached_tokens: count(model, "cacheReadInputTokens"),
                    cost_microusd: 0,
                };
                sum
            }),
            None => usage_of(&message["usage"]),
        };
        sum.cost_microusd = words::microusd(message["total_cost_usd"].as_f64().unwrap_or(0.0));
        self.tell(words::beyond(sum, self.told), said);
    }

    fn tell(&mut self, usage: Usage, said: &mut Said) {
        if !usage.is_nothing() {
            self.told += usage;
            said.events.push(AgentEvent::Usage { usage });
        }
    }

    fn limit(&mut self, text: &str, said: &mut Said) {
        if !std::mem::replace(&mut self.limited, true) {
            said.events.push(AgentEvent::RateLimited {
                retry_after_s: limits::wait_s(text),
                text: words::summary(text),
            });
        }
    }
}

fn user(message: &Value, said: &mut Said) {
    for block in blocks(&message["message"]).filter(|block| at(block, "type") == Some("tool_result")) {
        let text = match &block["content"] {
            Value::String(text) => words::text(text),
            Value::Array(parts) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| at(part, "text")).collect();
                words::text(&texts.join("\n"))
            }
            _ => String::new(),
        };
        said.events.push(AgentEvent::ToolResult {
            id: words::summary(at(block, "tool_use_id").unwrap_or_default()),
            failed: block["is_error"] == json!(true),
            text,
        });
    }
}

fn rate_limit(message: &Value, said: &mut Said) {
    let info = &message["rate_limit_info"];
    if at(info, "status") == Some("rejected") {
        let kind = at(info, "rateLimitType").unwrap_or("its");
        let text = words::summary(&format!("the {kind} limit of the subscription is reached"));
        said.events.push(AgentEvent::RateLimited { retry_after_s: None, text });
    }
}

fn answer(id: &str, response: &Value) -> Vec<u8> {
    let response = json!({"subtype": "success", "request_id": id, "response": response});
    line(&json!({"type": "control_response", "response": response}))
}

/// The blocks of a message's content.
fn blocks(message: &Value) -> impl Iterator<Item = &Value> {
    message["content"].as_array().into_iter().flatten()
}

/// What a tool is used for: its command, its file, or the first text of its input.
fn summary(input: &Value) -> String {
    let known =
        ["command", "file_path", "notebook_path", "path", "pattern", "url", "query", "description", "prompt"];
    let text = known.iter().find_map(|key| at(input, key));
    let text = text.or_else(|| input.as_object()?.values().find_map(Value::as_str));
    words::summary(text.unwrap_or_default())
}

fn paths(input: &Value) -> Vec<&str> {
    ["file_path", "notebook_path", "path"].iter().filter_map(|key| at(input, key)).collect()
}

fn usage_of(usage: &Value) -> Usage {
    Usage {
        input_tokens: count(usage, "input_tokens")
            .saturating_add(count(usage, "cache_creation_input_tokens")),
        output_tokens: count(usage, "output_tokens"),
        cached_tokens: count(usage, "cache_read_input_tokens"),
        cost_microusd: 0,
    }
}
