//! A client of our own: it says what a test wants said, and takes every answer apart.

use biplane_testkit::{Call, Conversation, Output};
use serde_json::{Value, json};

use crate::lab::DEADLINE;

/// The revisions of the protocol with a handshake, the oldest first.
pub(crate) const SHAKEN: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
/// The one without.
pub(crate) const NEWEST: &str = "2026-07-28";

/// A client that speaks with a server over pipes.
pub(crate) struct Client {
    talk: Conversation,
    next: u64,
    revision: String,
    /// What the server said of itself.
    pub(crate) server: Value,
}

impl Client {
    /// Starts the server, and shakes hands when the revision has that.
    #[track_caller]
    pub(crate) fn with(call: Call, revision: &str) -> Self {
        let talk = call.converse();
        let mut client = Self { talk, next: 1, revision: revision.to_owned(), server: Value::Null };
        client.server = if revision == NEWEST {
            client.ask("server/discover", json!({}))["result"].clone()
        } else {
            let me = json!({ "name": "test", "version": "1" });
            let hello = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": me });
            let answer = client.ask("initialize", hello)["result"].clone();
            client.tell("notifications/initialized", json!({}));
            answer
        };
        client
    }

    /// With the newest revision that has a handshake.
    #[track_caller]
    pub(crate) fn new(call: Call) -> Self {
        Self::with(call, SHAKEN[3])
    }

    /// Sends a request, and gives its number.
    pub(crate) fn send(&mut self, method: &str, mut params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        if self.revision == NEWEST {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = NEWEST.into();
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({ "name": "test", "version": "1" });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.talk.say(&line.to_string());
        id
    }

    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        self.talk.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.talk.say(line);
    }

    /// The answer to the request with this number.
    #[track_caller]
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        let is_it = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|value| value["id"] == id);
        let line = self.talk.hear(DEADLINE, &format!("the answer to {id}"), is_it);
        serde_json::from_str(&line).unwrap()
    }

    /// The next notification of this method.
    #[track_caller]
    pub(crate) fn notice(&mut self, method: &str) -> Value {
        let is_it =
            |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|value| value["method"] == method);
        serde_json::from_str(&self.talk.hear(DEADLINE, method, is_it)).unwrap()
    }

    /// A request and its answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    /// The result of a tool, whatever came of it.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert!(answer["result"].is_object(), "`{tool}`: {answer}");
        answer["result"].clone()
    }

    /// The answer of a tool that must succeed.
    #[track_caller]
    pub(crate) fn ok(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments);
        assert_ne!(result["isError"], true, "`{tool}`: {}", result["content"][0]["text"]);
        let structured = &result["structuredContent"];
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), *structured, "both say the same");
        structured.clone()
    }

    /// What a tool says that must fail.
    #[track_caller]
    pub(crate) fn fails(&mut self, code: &str, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments);
        let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert_eq!(result["isError"], true, "`{tool}` did it: {text}");
        assert_eq!(result["_meta"]["biplane/error"]["code"], code, "`{tool}`: {text}");
        // A client compares it with the schema of what the tool answers when it did its work.
        assert!(result.get("structuredContent").is_none(), "`{tool}`: {result}");
        text
    }

    /// The tools, of all pages.
    #[track_caller]
    pub(crate) fn tools(&mut self) -> Vec<Value> {
        self.ask("tools/list", json!({}))["result"]["tools"].as_array().unwrap().clone()
    }

    pub(crate) fn talk(&mut self) -> &mut Conversation {
        &mut self.talk
    }

    /// Hangs up, and waits for the server's end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Output {
        self.talk.hang_up();
        self.talk.end(DEADLINE)
    }
}
