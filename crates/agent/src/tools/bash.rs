//! Running a command line, supervised: with a bound on its time and on what is kept of its output, and with every process it
//! started ended behind it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use biplane_execution::supervise::{
    self, How, Marker, Reply, RunObserver, RunSpec, StopReason, StreamName, Tick, identity,
};
use biplane_model::without_escapes;
use serde_json::{Value, json};

use super::{Answer, Shell, Spec, Tool, Wish, number, object, text};
use crate::{bounds, cancel::Cancel, tree::Tree};

/// By which a command's processes are known.
const MARKER: &str = "BIPLANE_TOOL";

/// `bash`.
pub(super) struct Bash {
    pub(super) tree: Arc<Tree>,
    pub(super) shell: Shell,
}

impl Tool for Bash {
    fn spec(&self) -> Spec {
        let properties = json!({
            "command": {"type": "string", "description": "The command line."},
            "timeout_s": {"type": "integer", "minimum": 1, "description": "How many seconds it may take; 300 unless said otherwise."},
        });
        Spec {
            name: "bash".to_owned(),
            description:
                "Runs a command line in your directory and gives its output. What it leaves running is ended."
                    .to_owned(),
            input: object(&["command"], properties),
        }
    }

    fn wish(&self, input: &Value) -> Wish {
        input["command"].as_str().map_or(Wish::Other, |line| Wish::Run(line.to_owned()))
    }

    fn call(&mut self, input: &Value, cancel: &Cancel) -> Answer {
        match (text(input, "command"), number(input, "timeout_s")) {
            (Ok(line), Ok(seconds)) => {
                let timeout = seconds.map_or(bounds::COMMAND, |s| Duration::from_secs(s as u64));
                self.run(line, timeout.clamp(Duration::from_secs(1), bounds::COMMAND_MOST), cancel)
            }
            (Err(failure), _) | (_, Err(failure)) => failure,
        }
    }
}

impl Bash {
    fn run(&self, line: &str, timeout: Duration, cancel: &Cancel) -> Answer {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let us = identity::current();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let value = format!("{}:{}:{}:{number}", us.boot_id, us.pid, us.start_time);
        let spec = RunSpec {
            args: vec!["-c".into(), line.into()],
            cwd: Some(self.tree.path().to_owned()),
            env: self.shell.env.clone(),
            timeout: Some(timeout),
            ..RunSpec::new("bash", Marker::new(MARKER, value))
        };
        let mut watch = Watch { cancel, kept: Kept::default() };
        let exit = match supervise::run(&spec, &mut watch) {
            Ok(exit) => exit,
            Err(fault) => return Answer::failed(fault.to_string()),
        };
        let mut text = watch.kept.text();
        let mut tell = |words: String| {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&words);
        };
        if !exit.strays.is_empty() {
            tell(format!("[{} processes that it left were ended]", exit.strays.len()));
        }
        match exit.how {
            How::Exited(0) => {
                return Answer::done(if text.is_empty() { "[no output]".to_owned() } else { text });
            }
            How::Exited(code) => tell(format!("[exit code {code}]")),
            How::Signalled(signal) => tell(format!("[ended by signal {signal}]")),
            How::TimedOut => tell(format!("[ended after {} s]", timeout.as_secs())),
            How::Stopped(_) => tell("[cancelled]".to_owned()),
        }
        Answer::failed(text)
    }
}

struct Watch<'a> {
    cancel: &'a Cancel,
    kept: Kept,
}

impl RunObserver for Watch<'_> {
    fn tick(&mut self) -> Tick {
        if self.cancel.is_cancelled() { Tick::Stop(StopReason::Cancelled) } else { Tick::Continue }
    }

    fn output(&mut self, _: StreamName, bytes: &[u8]) -> Reply {
        self.kept.add(bytes);
        Reply::default()
    }
}

/// The beginning and the end of what was written.
#[derive(Default)]
struct Kept {
    start: Vec<u8>,
    end: VecDeque<u8>,
    dropped: u64,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(bounds::OUTPUT_END - self.start.len()));
        self.start.extend_from_slice(first);
        self.end.extend(rest);
        let surplus = self.end.len().saturating_sub(bounds::OUTPUT_END);
        self.end.drain(..surplus);
        self.dropped += surplus as u64;
    }

    fn text(mut self) -> String {
        if self.dropped > 0 {
            self.start.extend(format!("\n[{} bytes left out]\n", self.dropped).bytes());
        }
        self.start.extend(self.end);
        without_escapes(&String::from_utf8_lossy(&self.start))
    }
}
