//! The Agent Client Protocol (version 1) on standard streams, from the client's side.
//!
//! We initialize, open a session in the worktree or load the one to go on with, prompt once, and close the agent's standard input
//! when the prompt is answered. An agent whose work on the prompt broke off at a refusal is told once more to go on without, a few
//! times at most. We log in only when the agent says that it must and has a way that needs no person. It is
//! offered neither our files nor our terminals: it has its own, in the worktree. What it asks us, it gets an answer to.
//!
//! Sources: <https://agentclientprotocol.com/protocol/v1/overview>; the types are those of its own crate. Seen with
//! qwen 0.15.10, gemini 0.61.0, opencode 1.18.33 and copilot 1.0.102: calls that need permission are told with the request, or before
//! their input is known; a command that failed is `completed`, and its code stands in a place of each one's own (nowhere with gemini);
//! gemini does not say which command it asks for but in a title for people; opencode and copilot end the turn at a refusal; usage
//! stands where each likes; while its provider asks it to slow down, none says so.

mod asks;
mod updates;

use agent_client_protocol_schema::{
    ProtocolVersion,
    v1::{
        AGENT_METHOD_NAMES as METHODS, AuthMethod, AuthenticateRequest, ContentBlock, EnvVariable, Error,
        ErrorCode, Implementation, InitializeRequest, InitializeResponse, LoadSessionRequest, McpServer,
        McpServerStdio, NewSessionRequest, NewSessionResponse, PromptRequest, PromptResponse, StopReason,
        TextContent,
    },
};
use biplane_model::{AgentEvent, Usage};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Brief, Dialogue, Driver, Launch, Said, ToolServer, bounds, limits, permit::Ground, words};
use crate::supervise::Input;
use updates::Updates;

/// The driver for agents that speak the Agent Client Protocol.
#[derive(Debug, Clone, Copy)]
pub struct Acp;

impl Driver for Acp {
    fn launch(&self, brief: &Brief) -> Launch {
        let command = brief.command.iter().chain(&brief.args).cloned().collect();
        let us = Implementation::new("biplane", env!("CARGO_PKG_VERSION"));
        let hello = InitializeRequest::new(ProtocolVersion::V1).client_info(us);
        let input = Input::Open(request(1, METHODS.initialize, &hello));
        Launch { command, env: super::quiet_git(brief.permissions), input }
    }

    fn dialogue(&self, brief: &Brief) -> Box<dyn Dialogue> {
        Box::new(Talk {
            ground: Ground::new(&brief.cwd, brief.permissions),
            step: Step::Initialize,
            asked: 1,
            refused: 0,
            brief: brief.clone(),
            hello: None,
            logged_in: false,
            session: None,
            updates: Updates::new(brief.session.as_ref().map_or_else(Usage::default, |_| brief.used)),
        })
    }
}

/// What an agent is told whose work broke off at a refusal.
const GO_ON: &str = "What you asked for was not permitted, and will not be. Go on without it as far as you can; when nothing is left \
                     that you can do, say so.";

/// What we have asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Initialize,
    LogIn,
    Open,
    Load,
    Prompt,
    Done,
}

fn request(id: u64, method: &str, params: &impl Serialize) -> Vec<u8> {
    message(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

/// The server in the protocol's own form. Every agent can start one on standard streams.
fn server(server: &ToolServer) -> McpServer {
    let (program, args) = server.parts();
    let env = server.env.iter().map(|(name, value)| EnvVariable::new(name, value)).collect();
    McpServer::Stdio(McpServerStdio::new(server.name, program).args(args.to_vec()).env(env))
}

fn message(value: &Value) -> Vec<u8> {
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

struct Talk {
    ground: Ground,
    step: Step,
    /// The number of that request.
    asked: u64,
    /// How often it was told to go on without what was refused.
    refused: u32,
    brief: Brief,
    hello: Option<InitializeResponse>,
    logged_in: bool,
    session: Option<String>,
    updates: Updates,
}

impl Dialogue for Talk {
    fn line(&mut self, bytes: &[u8]) -> Said {
        let mut said = Said::default();
        let message = match serde_json::from_slice::<Value>(bytes) {
            Ok(message) if message.is_object() => message,
            _ => {
                said.events.extend(words::raw(bytes));
                refuse_cut(bytes, &mut said);
                return said;
            }
        };
        let params = &message["params"];
        match (message.get("method").and_then(Value::as_str), message.get("id")) {
            (Some(method), Some(id)) => self.asked(method, id, params, &mut said),
            // What is told before the prompt is the history of a loaded session.
            (Some("session/update"), None) if self.step == Step::Prompt => {
                self.updates.update(params, &mut said);
            }
            (Some(_), None) => {}
            (None, Some(id)) if id.as_u64() == Some(self.asked) => match message.get("error") {
                Some(error) => self.failed(error, &mut said),
                None => self.answered(message.get("result").cloned().unwrap_or_default(), &mut said),
            },
            (None, _) => said.events.extend(words::raw(bytes)),
        }
        said
    }

    fn end(&mut self) -> Said {
        let mut said = Said::default();
        self.updates.flush(&mut said);
        said
    }
}

/// Answers a request of which only the beginning could be read: who asked waits for it.
fn refuse_cut(bytes: &[u8], said: &mut Said) {
    if bytes.starts_with(b"{")
        && words::in_cut_line(bytes, "method").is_some()
        && let Some(id) = words::in_cut_line(bytes, "id")
    {
        let id = id.parse().map_or_else(|_| json!(id), |number: i64| json!(number));
        said.input = message(&json!({"jsonrpc": "2.0", "id": id, "error": Error::invalid_request()}));
    }
}

impl Talk {
    fn ask(&mut self, step: Step, method: &str, params: &impl Serialize, said: &mut Said) {
        self.step = step;
        self.asked += 1;
        said.input.extend(request(self.asked, method, params));
    }

    fn answered(&mut self, result: Value, said: &mut Said) {
        match self.step {
            Step::Initialize => match serde_json::from_value::<InitializeResponse>(result) {
                Ok(hello) if hello.protocol_version == ProtocolVersion::V1 => {
                    self.hello = Some(hello);
                    self.open(said);
                }
                Ok(hello) => {
                    let version = hello.protocol_version;
                    self.finish(false, &format!("it speaks version {version} of the protocol, not 1"), said);
                }
                Err(error) => self.finish(false, &format!("it did not say who it is: {error}"), said),
            },
            Step::LogIn => {
                self.logged_in = true;
                self.open(said);
            }
            Step::Open => match serde_json::from_value::<NewSessionResponse>(result.clone()) {
                Ok(opened) => self.prompt(opened.session_id.to_string(), &result, said),
                Err(error) => self.finish(false, &format!("it opened no session: {error}"), said),
            },
            Step::Load => self.prompt(self.brief.session.clone().unwrap_or_default(), &result, said),
            Step::Prompt => self.prompted(&result, said),
            Step::Done => {}
        }
    }

    /// A prompt is answered.
    fn prompted(&mut self, result: &Value, said: &mut Said) {
        self.updates.answer(result, said);
        self.updates.flush(said);
        let broke_off = self.updates.broke_off();
        let stop = serde_json::from_value::<PromptResponse>(result.clone()).map(|answer| answer.stop_reason);
        match stop {
            Ok(StopReason::EndTurn | StopReason::Cancelled)
                if broke_off && self.refused < bounds::REFUSALS =>
            {
                self.refused += 1;
                let session = self.session.clone().unwrap_or_default();
                self.say(session, GO_ON, said);
            }
            Ok(StopReason::EndTurn) => self.finish(true, &self.updates.last_message.clone(), said),
            Ok(_) => {
                let why = result["stopReason"].as_str().unwrap_or_default();
                self.finish(false, &format!("it stopped: {why}"), said);
            }
            Err(error) => self.finish(false, &format!("it stopped without a reason: {error}"), said),
        }
    }

    /// Opens a session, or loads the one to go on with if it can.
    fn open(&mut self, said: &mut Said) {
        let cwd = self.brief.cwd.clone();
        let servers = self.brief.server.iter().map(server).collect();
        let can_load = self.hello.as_ref().is_some_and(|hello| hello.agent_capabilities.load_session);
        match self.brief.session.clone().filter(|_| can_load) {
            Some(session) => {
                let load = LoadSessionRequest::new(session, cwd).mcp_servers(servers);
                self.ask(Step::Load, METHODS.session_load, &load, said);
            }
            None => {
                let open = NewSessionRequest::new(cwd).mcp_servers(servers);
                self.ask(Step::Open, METHODS.session_new, &open, said);
            }
        }
    }

    fn prompt(&mut self, session: String, opened: &Value, said: &mut Said) {
        let model = opened["models"]["currentModelId"].as_str().map(words::summary);
        said.events.push(AgentEvent::Started { session: Some(words::summary(&session)), model });
        self.session = Some(session.clone());
        let prompt = self.brief.prompt.clone();
        self.say(session, &prompt, said);
    }

    fn say(&mut self, session: String, text: &str, said: &mut Said) {
        let text = ContentBlock::Text(TextContent::new(text));
        self.ask(Step::Prompt, METHODS.session_prompt, &PromptRequest::new(session, vec![text]), said);
    }

    fn failed(&mut self, error: &Value, said: &mut Said) {
        let parsed = serde_json::from_value::<Error>(error.clone());
        let must_log_in = parsed.is_ok_and(|error| error.code == ErrorCode::AuthRequired);
        let text = told(error);
        match self.step {
            Step::Open | Step::Load if must_log_in && !self.logged_in => match self.way_to_log_in() {
                Some(way) => {
                    self.ask(Step::LogIn, METHODS.authenticate, &AuthenticateRequest::new(way), said);
                }
                None => self.finish(false, &format!("it must be logged in by a person first: {text}"), said),
            },
            Step::LogIn => self.finish(false, &format!("it could not log in: {text}"), said),
            Step::Load => {
                said.lost_session = true;
                self.finish(false, &format!("it could not load its session: {text}"), said);
            }
            _ => {
                self.updates.flush(said);
                if limits::is_limit(&text) {
                    let retry_after_s = limits::wait_s(&text);
                    said.events.push(AgentEvent::RateLimited { retry_after_s, text: words::summary(&text) });
                }
                self.finish(false, &text, said);
            }
        }
    }

    /// The first way to log in that needs no person: one by a key, which the agent has from its environment or settings.
    fn way_to_log_in(&self) -> Option<String> {
        let methods = self.hello.iter().flat_map(|hello| &hello.auth_methods);
        let mut ids = methods.filter_map(|method| match method {
            AuthMethod::Agent(method) => Some(method.id.to_string()),
            _ => None,
        });
        let needs_nobody = |id: &String| {
            let id = id.to_lowercase();
            ["key", "api", "openai", "env"].iter().any(|sign| id.contains(sign)) && !id.contains("oauth")
        };
        ids.find(needs_nobody)
    }

    fn asked(&mut self, method: &str, id: &Value, params: &Value, said: &mut Said) {
        let answer = match method {
            "session/request_permission" => asks::answer(params, &self.ground, &mut self.updates, said),
            _ => Err(Error::method_not_found()),
        };
        let answer = match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        };
        said.input.extend(message(&answer));
    }

    fn finish(&mut self, success: bool, text: &str, said: &mut Said) {
        self.step = Step::Done;
        said.events.push(AgentEvent::Finished { success, text: words::text(text) });
        said.close = true;
    }
}

/// What an error says, with what stands behind it.
fn told(error: &Value) -> String {
    let text = words::at(error, "message").unwrap_or("an error without a text");
    match &error["data"] {
        Value::Null => text.to_owned(),
        Value::String(more) => format!("{text}: {more}"),
        more => {
            format!("{text}: {}", words::at(more, "details").map_or_else(|| more.to_string(), str::to_owned))
        }
    }
}
