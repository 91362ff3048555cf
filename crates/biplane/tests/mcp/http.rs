//! The server on a port.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use biplane_testkit::{Call, Running, Signal, eventually};
use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::{
    client::{NEWEST, SHAKEN},
    lab::{DEADLINE, Lab},
};

/// A server on a port.
pub(crate) struct Served {
    pub(crate) running: Running,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) token: String,
    pub(crate) token_path: Utf8PathBuf,
}

impl Served {
    pub(crate) fn new(call: Call) -> Self {
        let mut running = call.spawn();
        eventually(DEADLINE, "the server says where the token is", || {
            assert!(running.is_running(), "{}", running.stderr());
            running.stderr().contains("the token to show is in ")
        });
        let said = running.stderr();
        let behind = |mark: &str, end: char| {
            said.split_once(mark).unwrap().1.split(end).next().unwrap().trim().to_owned()
        };
        let address = behind("http://", '/');
        let token_path = Utf8PathBuf::from(behind("the token to show is in ", '\n'));
        let token = std::fs::read_to_string(&token_path).unwrap_or_default().trim().to_owned();
        Self { running, address, token, token_path }
    }

    /// What a request with these headers beyond the usual ones gets: status, and the body.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
        let mut all = vec![
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
            ("Connection", "close"),
        ];
        let bearer = format!("Bearer {}", self.token);
        let has = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !has("Host") {
            all.push(("Host", &self.address));
        }
        if !has("Authorization") {
            all.push(("Authorization", &bearer));
        }
        // An empty value leaves a header out.
        all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
        let body = body.to_string();
        let mut request = format!("POST /mcp HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in all {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "{request}\r\n{body}").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The answer to a request in this revision.
    #[track_caller]
    pub(crate) fn ask(&self, revision: &str, method: &str, mut params: Value) -> Value {
        let mut headers = vec![("MCP-Protocol-Version", revision)];
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        if revision == NEWEST {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = NEWEST.into();
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
            headers.push(("Mcp-Method", method));
            headers.push(("Mcp-Name", &name));
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (status, text) = self.post(&headers, &body);
        assert_eq!(status, 200, "{revision} {method}: {text}");
        serde_json::from_str(&text).expect("an answer in JSON")
    }
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {} })
}

#[test]
fn every_revision_is_served_over_http() {
    let lab = Lab::new();
    let mut served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    for revision in SHAKEN.into_iter().chain([NEWEST]) {
        if revision != NEWEST {
            let hello = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
            let said = served.ask(revision, "initialize", hello);
            assert_eq!(said["result"]["protocolVersion"], revision);
        }
        let tools = served.ask(revision, "tools/list", json!({}));
        assert!(tools["result"]["tools"].as_array().unwrap().len() > 40, "{revision}");
        let call = json!({ "name": "task_create", "arguments": { "subject": revision } });
        let made = served.ask(revision, "tools/call", call);
        assert_eq!(made["result"]["structuredContent"]["subject"], revision);
        let call = json!({ "name": "task_get", "arguments": { "task_id": 99 } });
        assert_eq!(served.ask(revision, "tools/call", call)["result"]["isError"], true);
        let call = json!({ "name": "nope", "arguments": {} });
        let (_, text) = served.post(
            &[("MCP-Protocol-Version", SHAKEN[3])],
            &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call }),
        );
        assert!(text.contains("-32602"), "{text}");
    }
    served.running.signal(Signal::INT);
    eventually(DEADLINE, "the server has ended", || !served.running.is_running());
    assert_eq!(lab.json(&["task", "list"]).as_array().unwrap().len(), 5);
}

#[test]
fn a_server_on_a_port_ends_when_it_is_told_to() {
    // SIGTERM is how whoever manages services asks for an orderly end.
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 0)] {
        let mut served = Served::new(Lab::new().call(&["mcp", "--http", "127.0.0.1:0"]));
        served.running.signal(signal);
        let output = served.running.wait(DEADLINE);
        assert_eq!(output.code, code, "{output}");
    }
}

#[test]
fn who_may_speak() {
    let lab = Lab::new();
    let served =
        Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0", "--origin", "https://board.example"]));
    assert_eq!(served.post(&[], &list()).0, 200);
    assert_eq!(served.post(&[("Host", "evil.example")], &list()).0, 403);
    assert_eq!(served.post(&[("Host", "evil.example"), ("Authorization", "")], &list()).0, 403);
    assert_eq!(served.post(&[("Origin", "https://evil.example")], &list()).0, 403);
    assert_eq!(served.post(&[("Origin", "null")], &list()).0, 403);
    assert_eq!(served.post(&[("Origin", "https://board.example")], &list()).0, 200);
    let (status, text) = served.post(&[("Authorization", "")], &list());
    assert_eq!(status, 401);
    assert!(text.contains("Authorization: Bearer"), "it says what to do: {text}");
    assert_eq!(served.post(&[("Authorization", "Bearer 00000000000000000000")], &list()).0, 401);
}

#[test]
fn the_token_lies_where_its_owner_alone_reads_it() {
    let lab = Lab::new();
    let served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    let meta = std::fs::metadata(&served.token_path).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert!(served.token.len() >= 32);
    assert!(!served.running.stderr().contains(&served.token), "it is not told");
    let again = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    assert_eq!(again.token, served.token, "it stays");
    drop(served);

    std::fs::set_permissions(&again.token_path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = lab.call(&["mcp", "--http", "127.0.0.1:0"]).run().fails_with(3);
    assert!(output.stderr.contains("others may read the token") && output.stderr.contains("chmod 600"));

    let own = "a-token-of-ones-own";
    let call = lab.call(&["mcp", "--http", "127.0.0.1:0"]).env("BIPLANE_MCP_TOKEN", own);
    let mut served = Served::new(call);
    assert_eq!(served.post(&[], &list()).0, 401);
    served.token = own.to_owned();
    assert_eq!(served.post(&[], &list()).0, 200);
    let output =
        lab.call(&["mcp", "--http", "127.0.0.1:0"]).env("BIPLANE_MCP_TOKEN", "short").run().fails_with(2);
    assert!(output.stderr.contains("`BIPLANE_MCP_TOKEN` is no token"), "{}", output.stderr);

    // What a run is told is not how to speak with the server as anybody else.
    lab.ok(&["wt", "create", "auth"]);
    let call = json!({ "name": "worktree_run", "arguments": { "name": "auth", "command": "echo ${BIPLANE_MCP_TOKEN-none}" } });
    assert_eq!(served.ask(SHAKEN[3], "tools/call", call)["result"]["structuredContent"]["output"], "none\n");
}

#[test]
fn other_machines_are_served_only_when_that_was_said() {
    let lab = Lab::new();
    let output = lab.call(&["mcp", "--http", "0.0.0.0:0"]).run().fails_with(3);
    assert!(output.stderr.contains("--expose"), "{}", output.stderr);
    let served =
        Served::new(lab.call(&["mcp", "--http", "0.0.0.0:0", "--expose", "--host", "board.example"]));
    let port = served.address.rsplit_once(':').unwrap().1.to_owned();
    assert_eq!(served.post(&[("Host", "board.example")], &list()).0, 200);
    assert_eq!(served.post(&[("Host", &format!("localhost:{port}"))], &list()).0, 200);
    assert_eq!(served.post(&[("Host", "other.example")], &list()).0, 403);
}

#[test]
fn who_breaks_off_takes_the_call_along() {
    let lab = Lab::with_two_tasks();
    let served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    let call = json!({ "name": "worktree_run", "arguments": { "name": "auth", "command": "exec sleep 600" }, "_meta": { "progressToken": 1 } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call }).to_string();
    let mut stream = TcpStream::connect(&served.address).unwrap();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        served.address,
        served.token,
        body.len()
    )
    .unwrap();
    let status = || lab.json(&["log", "--list"])[0]["status"].as_str().unwrap_or_default().to_owned();
    eventually(DEADLINE, "the run is at work", || status() == "running");
    drop(stream);
    eventually(DEADLINE, "the run is cancelled", || status() == "cancelled");
}

#[test]
fn what_is_too_large_is_refused() {
    let lab = Lab::new();
    let served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "x", "params": { "x": "y".repeat(2 << 20) } });
    assert_eq!(served.post(&[], &body).0, 413);
}

#[test]
fn who_never_says_what_he_wants_loses_his_place() {
    let lab = Lab::new();
    let served = Served::new(lab.call(&["mcp", "--http", "127.0.0.1:0"]));
    let head = |length: usize| {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n",
            served.address, served.token
        )
    };
    let connect = || TcpStream::connect(&served.address).unwrap();
    let mut slow: Vec<TcpStream> = (0..64).map(|_| connect()).collect();
    for stream in &mut slow {
        stream.write_all(format!("{}{{", head(100_000)).as_bytes()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
    }
    // One more is answered once the others have had their time.
    let (status, _) = served.post(&[], &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    assert_eq!(status, 200);
    let mut said = String::new();
    slow[0].read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 408 ") && said.to_lowercase().contains("connection: close"), "{said}");
}
