//! The server, asked by a plain client.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Answer, Part, Protocol, StandIn, Turn, Usage, steps};
use crate::eventually;

/// How long the client waits.
const DEADLINE: Duration = Duration::from_secs(20);

/// What came back.
struct Got {
    status: u16,
    headers: String,
    body: String,
    /// Whether the body came to its end.
    whole: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The values of the stream's events.
    fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|l| l.strip_prefix("data: ")).filter(|l| *l != "[DONE]");
        data.map(|l| serde_json::from_str(l).unwrap()).collect()
    }
}

fn connect(server: &StandIn) -> TcpStream {
    let stream = TcpStream::connect(server.url().strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn send(stream: &mut TcpStream, method: &str, path: &str, body: &Value) {
    let body = body.to_string();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
}

fn receive(stream: &mut BufReader<TcpStream>) -> Got {
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut headers).unwrap(), 0, "{headers}");
    }
    let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
    let length = headers.lines().find_map(|l| l.strip_prefix("content-length: "));
    let (mut body, mut whole) = (Vec::new(), true);
    if let Some(length) = length {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).unwrap();
    } else {
        loop {
            let mut size = String::new();
            if stream.read_line(&mut size).unwrap_or(0) == 0 {
                whole = false;
                break;
            }
            let mut chunk = vec![0; usize::from_str_radix(size.trim(), 16).unwrap() + 2];
            stream.read_exact(&mut chunk).unwrap();
            if chunk.len() == 2 {
                break;
            }
            body.extend(&chunk[..chunk.len() - 2]);
        }
    }
    Got { status, headers, body: String::from_utf8(body).unwrap(), whole }
}

fn post(server: &StandIn, path: &str, body: &Value) -> Got {
    let mut stream = connect(server);
    send(&mut stream, "POST", path, body);
    receive(&mut BufReader::new(stream))
}

/// Writes a file, says so, and is asked in each protocol.
fn writer() -> StandIn {
    StandIn::start(|turn| match turn.step {
        0 => Answer::text("Will do.")
            .and_call("write", json!({"path": turn.word_after("write ").unwrap()}))
            .costs(Usage { input: 7, cached: 3, output: 5 }),
        _ => Answer::text(format!("It said {}.", turn.results[0].text)),
    })
}

/// A conversation in each protocol, before and after the tool.
fn conversations() -> Vec<(Protocol, &'static str, Value, Value)> {
    let user = json!({"role": "user", "content": "write a.txt"});
    let tool = json!({"name": "write", "description": "", "input_schema": {}});
    vec![
        (
            Protocol::Anthropic,
            "/v1/messages?beta=true",
            json!({"model": "m", "tools": [tool], "messages": [user]}),
            json!({"model": "m", "tools": [tool], "messages": [
                user,
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "write", "input": {}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "ok"}]},
                    {"type": "text", "text": "a reminder"},
                ]},
            ]}),
        ),
        (
            Protocol::Responses,
            "/v1/responses",
            json!({"model": "m", "input": [
                {"type": "additional_tools", "tools": [{"type": "namespace", "name": "n", "tools": [tool]}]},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "write a.txt"}]},
            ]}),
            json!({"model": "m", "tools": [tool], "input": [
                user,
                {"type": "reasoning"},
                {"type": "function_call", "call_id": "t1", "name": "write", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "t1", "output": "ok"},
            ]}),
        ),
        (
            Protocol::Chat,
            "/v1/chat/completions",
            json!({"model": "m", "tools": [{"type": "function", "function": tool}], "messages": [
                {"role": "system", "content": "be good"}, user,
            ]}),
            json!({"model": "m", "tools": [{"type": "function", "function": tool}], "messages": [
                user,
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "tool", "tool_call_id": "t1", "content": "ok"},
            ]}),
        ),
        (
            Protocol::Gemini,
            "/v1beta/models/m:generateContent",
            json!({"tools": [{"functionDeclarations": [tool]}], "contents": [
                {"role": "user", "parts": [{"text": "write a.txt"}]},
            ]}),
            json!({"tools": [{"functionDeclarations": [tool]}], "contents": [
                {"role": "user", "parts": [{"text": "write a.txt"}]},
                {"role": "model", "parts": [{"functionCall": {"id": "t1", "name": "write", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "t1", "name": "write", "response": {"output": "ok"}}},
                ]},
            ]}),
        ),
    ]
}

#[test]
fn a_turn_is_read_from_the_request_in_each_protocol() {
    let server = writer();
    for (protocol, path, first, second) in conversations() {
        assert_eq!(post(&server, path, &first).status, 200);
        assert_eq!(post(&server, path, &second).status, 200);
        let turns = server.turns();
        let [.., before, after] = turns.as_slice() else { panic!("{turns:?}") };
        for turn in [before, after] {
            assert_eq!((turn.protocol, turn.model.as_str()), (protocol, "m"));
            assert_eq!(
                (turn.prompt.as_str(), turn.tools.as_slice()),
                ("write a.txt", &["write".to_owned()][..])
            );
            assert!(turn.offers("write") && !turn.offers("read"));
        }
        assert_eq!((before.step, before.number, before.results.len()), (0, 0, 0));
        assert_eq!((after.step, after.number, after.results.len()), (1, 1, 1));
        assert_eq!((after.results[0].call.as_str(), after.results[0].text.as_str()), ("t1", "ok"));
    }
}

#[test]
fn an_answer_is_the_same_whole_and_in_bits() {
    let server = writer();
    for (protocol, path, mut first, _) in conversations() {
        let whole = post(&server, path, &first).json();
        first["stream"] = Value::from(true);
        let events = post(&server, &path.replace(":generate", ":streamGenerate"), &first).events();
        let text = |deltas: Vec<&Value>| deltas.iter().filter_map(|d| d.as_str()).collect::<String>();
        let (whole, bits) = match protocol {
            Protocol::Anthropic => {
                assert_eq!(whole["usage"]["cache_read_input_tokens"], 3);
                let bits: Vec<_> = events.iter().map(|e| &e["delta"]).collect();
                let input = text(bits.iter().map(|d| &d["partial_json"]).collect());
                assert_eq!(serde_json::from_str::<Value>(&input).unwrap(), whole["content"][1]["input"]);
                (whole["content"][0]["text"].clone(), text(bits.iter().map(|d| &d["text"]).collect()))
            }
            Protocol::Responses => {
                let last = &events.last().unwrap()["response"];
                assert_eq!(
                    (&last["usage"], last["usage"]["input_tokens"].as_u64()),
                    (&whole["usage"], Some(10))
                );
                assert_eq!(last["output"][1]["name"], "write");
                (
                    whole["output"][0]["content"][0]["text"].clone(),
                    text(events.iter().map(|e| &e["delta"]).collect()),
                )
            }
            Protocol::Chat => {
                let delta = |e: &Value| e["choices"][0]["delta"].clone();
                assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
                assert!(events.iter().any(|e| delta(e)["tool_calls"][0]["function"]["name"] == "write"));
                let deltas: Vec<_> = events.iter().map(|e| delta(e)["content"].clone()).collect();
                (whole["choices"][0]["message"]["content"].clone(), text(deltas.iter().collect()))
            }
            Protocol::Gemini => {
                let parts: Vec<_> =
                    events.iter().map(|e| &e["candidates"][0]["content"]["parts"][0]).collect();
                assert!(parts.iter().any(|p| p["functionCall"]["name"] == "write"));
                let last = events.last().unwrap();
                assert_eq!(
                    (&last["usageMetadata"], &last["candidates"][0]["finishReason"]),
                    (&whole["usageMetadata"], &json!("STOP"))
                );
                (
                    whole["candidates"][0]["content"]["parts"][0]["text"].clone(),
                    text(parts.iter().map(|p| &p["text"]).collect()),
                )
            }
        };
        assert_eq!((whole, bits.as_str()), (json!("Will do."), "Will do."), "{protocol:?}");
    }
}

#[test]
fn steps_begin_anew_with_each_prompt() {
    let server = StandIn::start(steps([Answer::text("one"), Answer::text("two")]));
    let said = |messages: Value| {
        let body = json!({"tools": [{"function": {"name": "t"}}], "messages": messages});
        post(&server, "/v1/chat/completions", &body).json()["choices"][0]["message"]["content"].clone()
    };
    let (user, model) =
        (json!({"role": "user", "content": "go"}), json!({"role": "assistant", "content": "x"}));
    assert_eq!(said(json!([user])), "one");
    assert_eq!(said(json!([user, model])), "two");
    assert_eq!(said(json!([user, model, model])), "Done.");
    assert_eq!(said(json!([user, model, user])), "one");
    let last = server.turns().pop().unwrap();
    assert_eq!((last.step, last.number, last.earlier.as_slice()), (0, 1, &["go".to_owned()][..]));
}

#[test]
fn refusals_say_when_to_come_back_and_attempts_are_counted_for_each_conversation() {
    let server = StandIn::start(|turn: &Turn| match turn.attempt {
        0 => Answer::refuse(429).retry_after(Duration::from_secs(2)),
        1 => Answer::refuse(529),
        _ => Answer::text("at last"),
    });
    for prompt in ["a", "b"] {
        let body = json!({"tools": [{"name": "t"}], "messages": [{"role": "user", "content": prompt}]});
        let got: Vec<_> = (0..3).map(|_| post(&server, "/v1/messages", &body)).collect();
        assert_eq!(got.iter().map(|g| g.status).collect::<Vec<_>>(), [429, 529, 200]);
        assert!(got[0].headers.contains("\r\nretry-after: 2\r\n"), "{}", got[0].headers);
        assert_eq!(got[0].json()["error"]["type"], "rate_limit_error");
        assert_eq!(got[1].json()["error"]["type"], "overloaded_error");
        assert!(!got[1].headers.contains("retry-after"));
    }
    assert_eq!(server.requests().iter().filter(|r| r.status == 200).count(), 2);
}

#[test]
fn a_stream_can_be_cut_be_endless_and_hang() {
    let server = StandIn::start(|turn: &Turn| match turn.prompt.as_str() {
        "cut" => Answer::text("half").and(Part::Cut),
        "hang" => Answer::text("half").and(Part::Hang),
        _ => Answer::empty().and(Part::Endless("more ".to_owned())),
    });
    let ask = |prompt: &str| {
        let body = json!({
            "stream": true, "tools": [{"name": "t"}], "messages": [{"role": "user", "content": prompt}],
        });
        let mut stream = connect(&server);
        send(&mut stream, "POST", "/v1/messages", &body);
        BufReader::new(stream)
    };
    let cut = receive(&mut ask("cut"));
    assert!(!cut.whole && cut.body.contains("half"), "{}", cut.body);
    let mut endless = ask("endless");
    for _ in 0..1_000 {
        assert_ne!(endless.read_line(&mut String::new()).unwrap(), 0);
    }
    drop(endless);
    let hanging = std::thread::spawn({
        let mut stream = ask("hang");
        move || receive(&mut stream)
    });
    eventually(DEADLINE, "all of it was asked", || server.requests().len() == 3);
    drop(server);
    assert!(!hanging.join().unwrap().whole, "the end of the server ends everything");
}

#[test]
fn conversations_go_on_at_the_same_time() {
    let all_here = std::sync::Barrier::new(20);
    let server = StandIn::start(move |_: &Turn| {
        all_here.wait();
        Answer::text("together").after(Duration::from_millis(1))
    });
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| post(&server, "/v1/messages", &json!({"tools": [{"name": "t"}]})));
        }
    });
    assert_eq!(server.turns().len(), 20);
}

#[test]
fn side_requests_never_reach_the_script() {
    let server = StandIn::start(|_: &Turn| panic!("the script was asked"));
    let mut stream = connect(&server);
    let mut from = BufReader::new(stream.try_clone().unwrap());
    // On one connection, as programs do it.
    let table = [
        ("HEAD", "/", json!({}), 200),
        ("GET", "/v1/models?limit=1", json!({}), 200),
        ("POST", "/v1/messages/count_tokens", json!({"messages": []}), 200),
        ("POST", "/v1/messages", json!({"messages": [{"role": "user", "content": "a title, please"}]}), 200),
        ("POST", "/telemetry", json!({}), 404),
    ];
    for (method, path, body, status) in &table {
        send(&mut stream, method, path, body);
        assert_eq!(receive(&mut from).status, *status, "{path}");
    }
    let asked: Vec<_> = server.requests().into_iter().map(|r| (r.path, r.turn.is_some())).collect();
    assert_eq!(asked.len(), table.len());
    assert!(asked.iter().zip(&table).all(|((path, turn), (_, expected, ..))| path == expected && !turn));
}

#[test]
fn a_request_may_come_in_chunks() {
    let server = writer();
    let mut stream = connect(&server);
    let body = r#"{"model":"m","tools":[{"name":"t"}],"messages":[{"role":"user","content":"write b"}]}"#;
    let (one, two) = body.split_at(30);
    write!(stream, "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    write!(stream, "{:x}\r\n{one}\r\n{:x};x=y\r\n{two}\r\n0\r\n\r\n", one.len(), two.len()).unwrap();
    let got = receive(&mut BufReader::new(stream));
    assert_eq!(got.json()["content"][1]["input"]["path"], "b");
}
