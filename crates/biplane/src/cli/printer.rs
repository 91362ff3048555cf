//! The only module that writes to standard output and standard error.

#![expect(clippy::print_stderr, reason = "this is the one module that prints")]

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use indicatif::MultiProgress;
use serde::Serialize;

/// What is wrong when the answer is lost.
const UNWRITTEN: &str = "the answer could not be written to standard output";

/// Writes answers, notes and faults.
pub(crate) struct Printer {
    json: bool,
    /// The bars that are on the terminal now; lines go above them.
    bars: Mutex<Option<MultiProgress>>,
    /// Whether nobody reads the answer any more.
    unread: AtomicBool,
    /// Why a [`Speaker`] could not write, the first time.
    unspoken: Arc<Mutex<Option<io::Error>>>,
}

/// Writes an answer for others, and keeps why it could not be written.
struct Speaker {
    out: io::Stdout,
    fault: Arc<Mutex<Option<io::Error>>>,
}

impl Speaker {
    fn kept<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|fault| {
            let kind = fault.kind();
            // A reader that has gone away has seen enough.
            if kind != io::ErrorKind::BrokenPipe {
                self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            }
            kind.into()
        })
    }
}

impl Write for Speaker {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.kept(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.kept(flushed)
    }
}

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json, bars: Mutex::new(None), unread: AtomicBool::new(false), unspoken: Arc::default() }
    }

    /// Whether answers are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person watches standard error.
    pub(crate) fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Lines go above these bars until they are taken away.
    pub(crate) fn set_bars(&self, bars: Option<MultiProgress>) {
        *self.bars.lock().unwrap_or_else(PoisonError::into_inner) = bars;
    }

    /// A line of the answer, or several.
    pub(crate) fn answer(&self, text: &str) -> anyhow::Result<()> {
        self.bytes(text.as_bytes())?;
        if text.ends_with('\n') { Ok(()) } else { self.bytes(b"\n") }
    }

    /// The answer as it is. A reader that has gone away is no error: it has seen enough.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.unread.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other.context(UNWRITTEN),
        }
    }

    /// For a program that answers line by line, and has to know when nobody reads.
    pub(crate) fn writer(&self) -> impl Write {
        io::stdout().lock()
    }

    /// For narration that is written by others.
    pub(crate) fn narrator(&self) -> impl Write + Send + use<> {
        io::stderr()
    }

    /// For an answer that is written by others, from several threads; [`Printer::spoken`] says whether it could be.
    pub(crate) fn speaker(&self) -> impl Write + Send + use<> {
        Speaker { out: io::stdout(), fault: Arc::clone(&self.unspoken) }
    }

    /// Whether all of what others wrote was written.
    pub(crate) fn spoken(&self) -> anyhow::Result<()> {
        let fault = self.unspoken.lock().unwrap_or_else(PoisonError::into_inner).take();
        fault.map_or(Ok(()), Err).context(UNWRITTEN)
    }

    /// Whether the reader of the answer has gone away: what would go on for long may end.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether a person reads standard output.
    pub(crate) fn is_on_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// The answer: one JSON value, or the words for it.
    pub(crate) fn value<T: Serialize>(
        &self,
        value: &T,
        words: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        if self.json { self.json(value) } else { self.answer(&words()) }
    }

    /// One JSON value on a line of its own.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.bytes(&text)
    }

    /// Something a person should hear; not part of the answer.
    pub(crate) fn note(&self, text: &str) {
        self.line(&format!("biplane: {}", biplane_model::sanitize(text)));
    }

    /// A line of narration as it is.
    pub(crate) fn line(&self, text: &str) {
        let bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        match bars.as_ref() {
            Some(bars) => {
                let _ = bars.println(text);
            }
            None => {
                let _ = writeln!(io::stderr().lock(), "{text}");
            }
        }
    }

    /// A question, without a line break behind it.
    pub(crate) fn prompt(&self, text: &str) {
        let mut out = io::stderr().lock();
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// What went wrong, and the next steps.
    pub(super) fn fault(&self, message: &str, hints: &[String]) {
        if self.json {
            let value = serde_json::json!({ "error": message, "hints": hints });
            eprintln!("{value}");
            return;
        }
        self.line(&format!("error: {message}"));
        for hint in hints {
            self.line(&format!("hint: {}", biplane_model::sanitize(hint)));
        }
    }
}
