//! The server that it was handed, in each program's own form, and what its tools say.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::{Value, json};

use crate::files::Came;

/// What starts the server.
static SERVER: OnceLock<Vec<String>> = OnceLock::new();
/// Those that were started: each ends when nobody holds its standard input any more.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Looks among the arguments of Claude Code (`--mcp-config JSON`) and of Codex (`-c mcp_servers.NAME.KEY=VALUE`).
pub(crate) fn look(typed: &[String]) {
    if let Some(at) = typed.iter().position(|word| word == "--mcp-config") {
        let servers: Value =
            typed.get(at + 1).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        note(servers["mcpServers"].as_object().and_then(|servers| servers.values().next()));
    }
    // Such texts are written in TOML as in JSON.
    let key = |name: &str| {
        let of = |word: &String| {
            let (server, value) = word.strip_prefix("mcp_servers.")?.split_once(&format!(".{name}="))?;
            (!server.contains('.')).then(|| serde_json::from_str(value).ok()).flatten()
        };
        typed.iter().find_map(of).unwrap_or(Value::Null)
    };
    note(Some(&json!({"command": key("command"), "args": key("args")})));
}

/// Takes down a server of this form, unless it has none in it.
pub(crate) fn note(server: Option<&Value>) {
    let Some(program) = server.and_then(|server| server["command"].as_str()) else { return };
    let args = server.and_then(|server| server["args"].as_array()).into_iter().flatten();
    let words = std::iter::once(program).chain(args.filter_map(Value::as_str));
    let _ = SERVER.set(words.map(str::to_owned).collect());
}

/// Starts the server, and calls one of its tools.
pub(crate) fn call(tool: &str, arguments: &str) -> io::Result<Came> {
    let Some((program, args)) = SERVER.get().and_then(|words| words.split_first()) else {
        return Ok(Came { text: "no server was handed to it".to_owned(), code: 1 });
    };
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_else(|_| json!({}));
    // As programs that hand on none of their variables.
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"));
    let mut child = command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let said = child.stdin.as_mut().zip(child.stdout.as_mut());
    let (input, output) = said.ok_or(io::ErrorKind::BrokenPipe)?;
    let me = json!({"name": "fake-agent", "version": "9.9.9"});
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": me});
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}),
    ] {
        writeln!(input, "{message}")?;
    }
    let mut came = Came { text: "the server has gone away".to_owned(), code: 1 };
    for line in BufReader::new(output).lines() {
        let message: Value = serde_json::from_str(&line?).unwrap_or_default();
        if message["id"] == 2 {
            let result = &message["result"];
            let text =
                result["content"][0]["text"].as_str().map_or_else(|| message.to_string(), str::to_owned);
            let is_good = result.is_object() && result["isError"] != true;
            came = Came { text, code: i32::from(!is_good) };
            break;
        }
    }
    STARTED.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    Ok(came)
}
