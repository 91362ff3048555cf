//! A program that is talked with: lines in, lines out, through pipes.

use std::{
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use crate::{Output, Running};

/// A program at work whose standard input and output are ours. Dropping it kills it.
#[derive(Debug)]
pub struct Conversation {
    running: Running,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// Every line that came.
    heard: Vec<String>,
}

impl Conversation {
    pub(crate) fn new(running: Running, input: ChildStdin, output: ChildStdout) -> Self {
        let (sender, lines) = channel();
        // It ends with the program's output.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { running, input: Some(input), lines, heard: Vec::new() }
    }

    /// The program.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Every line that came until now.
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Says a line. Nothing happens when the program listens no more.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            let _ = writeln!(input, "{line}").and_then(|()| input.flush());
        }
    }

    /// Sends these bytes as they are. Nothing happens when the program listens no more.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(bytes).and_then(|()| input.flush());
        }
    }

    /// Says no more: the program's standard input ends.
    pub fn hang_up(&mut self) {
        self.input = None;
    }

    /// The first line within `patience` that `wanted` takes for its own; others are let go by.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn hear(&mut self, patience: Duration, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(end) => {
                    let why = if end == RecvTimeoutError::Timeout { "in time" } else { "before it ended" };
                    panic!(
                        "{what} did not come {why}; heard {:#?}; it said {}",
                        self.heard,
                        self.running.stderr()
                    );
                }
            }
        }
    }

    /// A line that came already and that `wanted` takes for its own; waits for none.
    pub fn try_hear(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Option<String> {
        while let Ok(line) = self.lines.try_recv() {
            self.heard.push(line.clone());
            if wanted(&line) {
                return Some(line);
            }
        }
        None
    }

    /// Waits for the program's end. Lines that came are in its output.
    #[track_caller]
    pub fn end(self, patience: Duration) -> Output {
        let mut output = self.running.wait(patience);
        let rest: Vec<String> = self.lines.iter().collect();
        output.stdout = self.heard.into_iter().chain(rest).map(|line| line + "\n").collect();
        output
    }
}
