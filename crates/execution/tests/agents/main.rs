//! Agent programs: what the drivers make of recorded lines of real ones, and of lines that no program should write.
//!
//! The recordings in `fixtures` are those of claude 2.1.197, codex 0.169.0 and qwen 0.15.10 against a stand-in model server; ids
//! are replaced, lists shortened, and `WT` stands for the worktree. `real.rs` runs the programs themselves.

mod acp;
mod claude;
mod codex;
mod find;
mod real;

mod talk;

use std::time::Instant;

use biplane_execution::{
    agents::{
        Brief, Conversation, DriverName, Permissions, PromptBy, Told as Tally, ToolServer, bounds::LINE,
    },
    supervise::StreamName,
};
use biplane_model::{AgentEvent, Told, Usage};
use camino::Utf8Path;
use serde_json::Value;

/// A worktree for a conversation about it.
struct Scene {
    _dir: tempfile::TempDir,
    brief: Brief,
}

/// What came of a conversation.
#[derive(Debug)]
struct Heard {
    events: Vec<AgentEvent>,
    /// The lines that it replied.
    replies: Vec<Value>,
    closed: bool,
    tally: Tally,
    told: Told,
}

impl Scene {
    fn new(permissions: Permissions) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8").canonicalize_utf8().expect("it is there");
        let cwd = root.join("wt");
        fs_err::create_dir(&cwd).expect("it is new");
        let prompt = "Do it.\nAll of it.".to_owned();
        let command = vec!["agent".to_owned()];
        let args = vec!["--of-the-user".to_owned()];
        let used = Usage::default();
        Self {
            _dir: dir,
            brief: Brief { command, args, cwd, prompt, session: None, used, permissions, server: None },
        }
    }

    /// With a server, of words that every form has to quote.
    fn with_server(mut self) -> Self {
        let command =
            ["/opt/a \"b\"/biplane", "-C", "/home/o'neill \\ \u{7f}", "mcp"].map(str::to_owned).to_vec();
        let env = [("A".to_owned(), "b=\"c\" d".to_owned())].into();
        self.brief.server = Some(ToolServer { name: "biplane", command, env });
        self
    }

    fn resumed(mut self, session: &str, used: Usage) -> Self {
        self.brief.session = Some(session.to_owned());
        self.brief.used = used;
        self
    }

    /// A recording, with this worktree in it.
    fn recording(&self, name: &str) -> String {
        let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/fixtures").join(name);
        fs_err::read_to_string(path).expect("a recording").replace("WT", self.brief.cwd.as_str())
    }

    /// Lets a driver hear `output` and then `errors`, in pieces of a strange size.
    fn hear(&self, driver: DriverName, output: &[u8], errors: &[u8]) -> Heard {
        let driver = driver.driver(PromptBy::Stdin);
        let mut talk = Conversation::new(&*driver, &self.brief);
        let (mut events, mut input, mut closed) = (Vec::new(), Vec::new(), false);
        for (stream, bytes) in [(StreamName::Output, output), (StreamName::Error, errors)] {
            for piece in bytes.chunks(1021) {
                let reply = talk.output(stream, piece, Instant::now(), &mut |event| events.push(event));
                assert!(!closed || reply.input.is_empty(), "nothing is said behind the end");
                input.extend(reply.input);
                closed |= reply.close;
            }
        }
        talk.end(Instant::now(), &mut |event| events.push(event));
        let replies = String::from_utf8(input).expect("UTF-8");
        let replies = replies.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let mut told = Told::default();
        events.iter().for_each(|event| told.hear(event));
        Heard { events, replies, closed, tally: talk.told().clone(), told }
    }

    fn hear_recording(&self, driver: DriverName, name: &str) -> Heard {
        self.hear(driver, self.recording(name).as_bytes(), b"")
    }
}

impl Heard {
    /// The events in short, for tables.
    fn short(&self) -> Vec<String> {
        self.events.iter().map(short).collect()
    }

    /// Whether it says that it succeeded.
    fn success(&self) -> Option<bool> {
        self.told.claim.as_ref().map(|claim| claim.success)
    }
}

fn short(event: &AgentEvent) -> String {
    let line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match event {
        AgentEvent::Started { session, model } => {
            let known = [session, model].map(|value| if value.is_some() { "known" } else { "unknown" });
            format!("started {} {}", known[0], known[1])
        }
        AgentEvent::Message { text } => format!("message {}", line(text)),
        AgentEvent::ToolCall { tool, summary, .. } => format!("call {tool}: {}", line(summary)),
        AgentEvent::ToolResult { failed, .. } => if *failed { "failed" } else { "ok" }.to_owned(),
        AgentEvent::PermissionAsked { tool, .. } => format!("asked {tool}"),
        AgentEvent::PermissionDenied { tool, summary } => format!("denied {tool}: {}", line(summary)),
        AgentEvent::Usage { usage } => {
            let Usage { input_tokens, output_tokens, cached_tokens, cost_microusd } = usage;
            format!("usage {input_tokens} {output_tokens} {cached_tokens} {cost_microusd}")
        }
        AgentEvent::RateLimited { retry_after_s, text } => {
            format!("limited {retry_after_s:?} {}", line(text))
        }
        AgentEvent::Finished { success, text } => format!("finished {success} {}", line(text)),
        AgentEvent::Raw { line: raw } => format!("raw {}", line(raw)),
    }
}

fn usage(input_tokens: u64, output_tokens: u64, cached_tokens: u64, cost_microusd: u64) -> Usage {
    Usage { input_tokens, output_tokens, cached_tokens, cost_microusd }
}
