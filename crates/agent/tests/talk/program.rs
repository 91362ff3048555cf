//! The program: lines in, lines out.

use std::{
    io::{self, Read},
    sync::mpsc,
    time::SystemTime,
};

use biplane_agent::{
    model::Protocol,
    program::{self, Options},
    session::Identity,
    tools::Toolbox,
};
use biplane_testkit::standin::{Answer, Part, steps};
use serde_json::{Value, json};

use crate::lab::Lab;

/// An input that is written to as the output says.
struct Pipe {
    lines: mpsc::Receiver<Option<Vec<u8>>>,
    rest: io::Cursor<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.position() == self.rest.get_ref().len() as u64 {
            match self.lines.recv() {
                Ok(Some(line)) => self.rest = io::Cursor::new(line),
                _ => return Ok(0),
            }
        }
        self.rest.read(buffer)
    }
}

/// What it writes, and what it is answered.
struct Seen {
    lines: Vec<Value>,
    answer: mpsc::Sender<Option<Vec<u8>>>,
    allow: Option<bool>,
}

impl io::Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line: Value = serde_json::from_slice(bytes).unwrap();
        if line["type"] == "ask" {
            let answer = self.allow.map(|allow| {
                let answer = json!({"type": "answer", "id": line["id"], "allow": allow, "why": "no"});
                format!("{answer}\n").into_bytes()
            });
            self.answer.send(answer).unwrap();
        }
        self.lines.push(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets it run; without `allow` the input ends at the first question.
fn run(lab: &Lab, start: &Value, id: &str, allow: Option<bool>) -> (bool, Vec<Value>) {
    let (answer, lines) = mpsc::channel();
    answer.send(Some(format!("{start}\n").into_bytes())).unwrap();
    let options = Options {
        endpoint: lab.endpoint(),
        patience: lab.patience,
        limits: lab.limits,
        identity: Identity::default(),
        directory: lab.repo.path().to_owned(),
        transcripts: lab.env.root().join("sessions"),
        new_id: id.to_owned(),
        env: Default::default(),
        tools: Toolbox::new(),
        now: SystemTime::now(),
    };
    let mut seen = Seen { lines: Vec::new(), answer, allow };
    let input = Pipe { lines, rest: io::Cursor::default() };
    let success = program::run(options, input, &mut seen).unwrap();
    (success, seen.lines)
}

fn sorts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

#[test]
fn it_tells_what_it_does_and_asks_before_it_does_it() {
    let script = || steps([Answer::call("write_file", json!({"path": "a.txt", "content": "x"}))]);
    let lab = Lab::new(Protocol::Anthropic, script());
    let start = json!({"type": "start", "prompt": "Go."});
    let (success, lines) = run(&lab, &start, "one", Some(true));
    let expected = ["started", "usage", "tool_call", "ask", "tool_result", "usage", "message", "finished"];
    assert_eq!(sorts(&lines), expected);
    assert!(success && lab.repo.path().join("a.txt").exists());
    assert_eq!(lines[0], json!({"type": "started", "session": "one", "model": "stand-in"}));
    assert_eq!(lines[3]["wish"], json!({"to": "edit", "paths": ["a.txt"]}));
    let lab = Lab::new(Protocol::Anthropic, script());
    let (success, lines) = run(&lab, &start, "one", Some(false));
    assert!(success && !lab.repo.path().join("a.txt").exists());
    assert_eq!((&lines[4]["failed"], &lines[4]["text"]), (&json!(true), &json!("no")));
    // And once more, from where it stood.
    let (success, lines) =
        run(&lab, &json!({"type": "start", "prompt": "Again.", "session": "one"}), "two", None);
    assert_eq!((success, &lines[0]["session"]), (false, &json!("one")));
    assert_eq!(lab.model.turns().last().unwrap().earlier, ["Go."]);
}

#[test]
fn an_unknown_conversation_is_told() {
    let lab = Lab::new(Protocol::Anthropic, steps([]));
    let (success, lines) =
        run(&lab, &json!({"type": "start", "prompt": "Go.", "session": "none"}), "x", None);
    assert_eq!((success, lines), (false, vec![json!({"type": "lost_session"})]));
}

#[test]
fn the_end_of_the_input_is_the_end() {
    let script =
        steps([Answer::call("bash", json!({"command": "touch x"})), Answer::text("Hm").and(Part::Hang)]);
    let lab = Lab::new(Protocol::Anthropic, script);
    let (success, lines) = run(&lab, &json!({"type": "start", "prompt": "Go."}), "x", None);
    assert!(!success && !lab.repo.path().join("x").exists());
    assert_eq!(lines.last().unwrap(), &json!({"type": "finished", "success": false, "text": "cancelled"}));
    let (success, lines) = run(&lab, &json!({"type": "what"}), "y", None);
    assert!(!success && lines[0]["text"].as_str().unwrap().contains("does not say what to do"));
}

#[test]
fn what_its_server_wants_is_told() {
    let lab = Lab::new(Protocol::Openai, |_: &_| {
        Answer::refuse(429).retry_after(std::time::Duration::from_secs(600))
    });
    let (success, lines) = run(&lab, &json!({"type": "start", "prompt": "Go."}), "x", None);
    assert!(!success);
    assert_eq!(sorts(&lines), ["started", "rate_limited", "finished"]);
    assert_eq!(lines[1]["retry_after_s"], 600);
}
