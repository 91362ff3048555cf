//! Connections, one thread each: what is asked, and what the script has the server say.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Answer, Part, Protocol, Turn,
    http::{self, Asked},
    wire::Writer,
};

/// How many requests are kept with their bodies.
const KEPT: usize = 1_000;
/// How often a wait looks whether the other side is still there.
const LOOK: Duration = Duration::from_millis(20);
/// How long a write may wait for the other side to read.
const WRITE: Duration = Duration::from_secs(60);

/// A request that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The turn, when the script was asked. Of later requests than the first 1,000 it lacks the body.
    pub turn: Option<Turn>,
    /// The status that was answered with.
    pub status: u16,
}

type Script = Box<dyn Fn(&Turn) -> Answer + Send + Sync>;

/// What all connections share.
pub(super) struct Shared {
    script: Script,
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    requests: Vec<Request>,
    attempts: HashMap<u64, usize>,
    /// The open ones, by a number.
    connections: HashMap<u64, TcpStream>,
    connected: u64,
}

impl Shared {
    pub(super) fn new(script: Script) -> Self {
        Self { script, state: Mutex::default(), stopped: Condvar::new() }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.stop = true;
        for (_, connection) in state.connections.drain() {
            // One that is closed already needs no closing.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        self.stopped.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits, while the server is not stopped and the other side is there. An error says that there is nobody to talk to.
    fn wait(&self, time: Option<Duration>, other: &TcpStream) -> io::Result<()> {
        let until = time.map(|time| Instant::now() + time);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(());
            }
            let state = self.state();
            let rest = left.map_or(LOOK, |left| left.min(LOOK));
            let (state, _) =
                self.stopped.wait_timeout(state, rest).unwrap_or_else(|poisoned| poisoned.into_inner());
            if state.stop || is_gone(other) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
    }

    /// Notes a request; gives its serial number.
    fn note(&self, request: Request) -> usize {
        let mut state = self.state();
        let kept = state.requests.len() < KEPT;
        let turn = request.turn.map(|turn| if kept { turn } else { Turn { body: Value::Null, ..turn } });
        state.requests.push(Request { turn, ..request });
        state.requests.len()
    }

    /// How often this turn was asked for before.
    fn attempt(&self, turn: &Turn) -> usize {
        let mut hasher = DefaultHasher::new();
        let results: Vec<_> = turn.results.iter().map(|r| &r.call).collect();
        (&turn.prompt, &turn.earlier, turn.number, results).hash(&mut hasher);
        let mut state = self.state();
        let attempts = state.attempts.entry(hasher.finish()).or_default();
        *attempts += 1;
        *attempts - 1
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Whether the other side has closed the connection.
fn is_gone(other: &TcpStream) -> bool {
    let nonblocking = |on: bool| other.set_nonblocking(on).is_ok();
    if !nonblocking(true) {
        return true;
    }
    let gone = match other.peek(&mut [0]) {
        Ok(read) => read == 0,
        Err(e) => e.kind() != io::ErrorKind::WouldBlock,
    };
    !nonblocking(false) || gone
}

/// Takes connections until it is stopped.
pub(super) fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        let Ok(connection) = connection else { continue };
        let Some(number) = admit(&connection, shared) else { return };
        let shared = Arc::clone(shared);
        // It ends with its connection, which `stop` closes.
        std::thread::spawn(move || {
            // Whoever goes away in the middle has had enough.
            let _ = converse(connection, &shared);
            shared.state().connections.remove(&number);
        });
    }
}

/// Notes a connection, so that it can be closed from outside; nothing when the server is stopped.
fn admit(connection: &TcpStream, shared: &Shared) -> Option<u64> {
    let mut state = shared.state();
    if state.stop {
        return None;
    }
    state.connected += 1;
    let number = state.connected;
    if let Ok(clone) = connection.try_clone() {
        state.connections.insert(number, clone);
    }
    Some(number)
}

fn converse(connection: TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    connection.set_write_timeout(Some(WRITE))?;
    let mut to = connection.try_clone()?;
    let mut from = BufReader::new(connection);
    while let Some(asked) = http::read(&mut from)? {
        if let Err(e) = answer(asked, &mut to, shared) {
            to.shutdown(std::net::Shutdown::Both)?;
            return Err(e);
        }
    }
    Ok(())
}

fn answer(asked: Asked, to: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let Asked { method, path, body } = asked;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let note =
        |status, turn| shared.note(Request { method: method.clone(), path: path.clone(), turn, status });
    let Some(protocol) = Protocol::at(&path).filter(|_| method == "POST") else {
        let (status, body) = aside(&path, &body);
        note(status, None);
        let body = if method == "HEAD" { String::new() } else { body.to_string() };
        return http::answer(to, status, &[], &body);
    };
    let streams = protocol.streams(&path, &body);
    let mut turn = protocol.turn(&path, body);
    let model = turn.model.clone();
    let (answer, serial) = if turn.tools.is_empty() {
        (Answer::text("Stand-in"), note(200, None))
    } else {
        turn.attempt = shared.attempt(&turn);
        let answer = (shared.script)(&turn);
        let status = answer.refusal.as_ref().map_or(200, |r| r.status);
        (answer, note(status, Some(turn)))
    };
    if let Some(refusal) = &answer.refusal {
        for part in &answer.parts {
            if let Part::Pause(time) = part {
                shared.wait(Some(*time), to)?;
            }
        }
        let headers: Vec<_> =
            refusal.retry_after.map(|wait| ("retry-after", wait.as_secs().to_string())).into_iter().collect();
        return http::answer(to, refusal.status, &headers, &protocol.refusal(refusal.status).to_string());
    }
    let mut writer = protocol.writer(serial, &model);
    if streams {
        http::begin_stream(to)?;
        say(&answer, writer.as_mut(), shared, to, |bits, to| http::stream(to, &bits))?;
        http::end_stream(to)
    } else {
        say(&answer, writer.as_mut(), shared, to, |_, _| Ok(()))?;
        http::answer(to, 200, &[], &writer.whole(answer.usage).to_string())
    }
}

/// Says the parts one by one; an error cuts the connection.
fn say(
    answer: &Answer,
    writer: &mut dyn Writer,
    shared: &Shared,
    to: &mut TcpStream,
    send: impl Fn(String, &mut TcpStream) -> io::Result<()>,
) -> io::Result<()> {
    send(writer.begin(answer.usage), to)?;
    for part in &answer.parts {
        match part {
            Part::Text(text) => {
                send(writer.open_text(), to)?;
                send(writer.more_text(text), to)?;
                send(writer.close_text(), to)?;
            }
            Part::Call { tool, input } => send(writer.call(tool, input), to)?,
            Part::Pause(time) => shared.wait(Some(*time), to)?,
            Part::Endless(text) => {
                send(writer.open_text(), to)?;
                // The same bits again, so that nothing grows here.
                let bits = writer.more_text(text);
                loop {
                    send(bits.clone(), to)?;
                    shared.wait(Some(Duration::from_millis(1)), to)?;
                }
            }
            Part::Hang => shared.wait(None, to)?,
            Part::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    send(writer.end(answer.usage), to)
}

/// What programs ask beside the conversation.
fn aside(path: &str, body: &Value) -> (u16, Value) {
    let path = path.split('?').next().unwrap_or_default();
    if path.ends_with("/models") {
        let model = json!({
            "id": "stand-in", "type": "model", "object": "model", "display_name": "Stand-in", "owned_by": "nobody",
            "created": 1_767_225_600, "created_at": "2026-01-01T00:00:00Z",
        });
        return (200, json!({"object": "list", "data": [model], "models": [], "has_more": false}));
    }
    // A token has about four bytes.
    let tokens = body.to_string().len() / 4;
    if path.ends_with("/count_tokens") {
        return (200, json!({"input_tokens": tokens}));
    }
    if path.ends_with(":countTokens") {
        return (200, json!({"totalTokens": tokens}));
    }
    match path {
        "/" => (200, json!({})),
        _ => {
            (404, json!({"error": {"type": "not_found_error", "message": "The stand-in has no such place."}}))
        }
    }
}
