//! Reading the logs of runs, in either form, to their end or as they grow.

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use biplane_model::{AgentEvent, Timestamp};
use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use super::{
    dir::RunDir,
    packed,
    wire::{Line, VERSION, Version, Wire},
};
use crate::bounds;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// A log being read.
enum Source {
    /// As it was written; it may grow.
    Plain(File),
    Packed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Packed(decoder) => decoder.read(buffer),
        }
    }
}

/// Opens a file of a run in the form that it has; `None` when it has none. A file that is compressed meanwhile is read to its
/// end all the same.
///
/// # Errors
/// When it can't be opened.
pub(crate) fn open(dir: &RunDir, name: &str) -> io::Result<Option<Lines>> {
    // In this order: the compressed form is there before the other one is deleted.
    let source = match dir.file(name)? {
        Some(file) => Source::Plain(file),
        None => match dir.file(&packed(name))? {
            Some(file) => {
                Source::Packed(Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, file))))
            }
            None => return Ok(None),
        },
    };
    Ok(Some(Lines { source, buffer: Vec::new(), at: 0 }))
}

/// The lines of a log, or its bytes.
pub struct Lines {
    source: Source,
    /// What was read and not yet given; `at` of it were.
    buffer: Vec<u8>,
    at: usize,
}

impl Lines {
    /// The next bytes, any number of them; none when there are no more for now.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn bytes(&mut self) -> io::Result<Vec<u8>> {
        if self.at == self.buffer.len() {
            self.fill()?;
        }
        let bytes = self.buffer.split_off(self.at);
        self.buffer.clear();
        self.at = 0;
        Ok(bytes)
    }

    /// The next line, without its end; `None` when there is no whole one for now. One that is longer than
    /// [`bounds::LOG_LINE`] bytes comes in pieces.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        // Up to where there is no end of a line.
        let mut looked = self.at;
        loop {
            if let Some(end) = self.buffer[looked..].iter().position(|&byte| byte == b'\n') {
                let line = self.buffer[self.at..looked + end].to_vec();
                self.at = looked + end + 1;
                return Ok(Some(line));
            }
            if self.buffer.len() - self.at >= bounds::LOG_LINE {
                let end = self.at + bounds::LOG_LINE;
                let piece = self.buffer[self.at..end].to_vec();
                self.at = end;
                return Ok(Some(piece));
            }
            looked = self.buffer.len() - self.at;
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// What is left behind the last whole line, once nothing more comes.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.buffer.split_off(self.at);
        (!rest.is_empty()).then_some(rest)
    }

    /// Reads more; what was given is forgotten. How much.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = self.source.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        read
    }
}

/// What a line of a transcript says.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// What the agent told.
    Told(AgentEvent),
    /// So many lines and bytes found no room here.
    LeftOut {
        /// How many lines.
        lines: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A line that can't be read, and why.
    Unread(&'static str),
}

/// A line of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When; `None` where it is not known.
    pub at: Option<Timestamp>,
    /// What.
    pub entry: Entry,
}

impl Recorded {
    /// A line of output as an event of its own, for those who read events.
    pub fn of_output(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line).into_owned();
        Self { at: None, entry: Entry::Told(AgentEvent::Raw { line }) }
    }

    /// As it stands in the file; `None` for a line that can't be read.
    pub fn to_json(&self) -> Option<Value> {
        let event = match &self.entry {
            Entry::Told(event) => Wire::of(event, str::to_owned),
            Entry::LeftOut { lines, bytes } => Wire::LeftOut { lines: *lines, bytes: *bytes },
            Entry::Unread(_) => return None,
        };
        serde_json::to_value(Line { v: VERSION, at: self.at, event }).ok()
    }
}

/// A transcript being read.
pub struct RecordedLines(pub(crate) Lines);

impl RecordedLines {
    /// The next line; `None` when there is no whole one for now. What a crash has left of a last line is never given.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn next_line(&mut self) -> io::Result<Option<Recorded>> {
        Ok(self.0.next_line()?.map(|line| parse(&line)))
    }
}

pub(super) fn parse(line: &[u8]) -> Recorded {
    match serde_json::from_slice::<Line>(line) {
        Ok(Line { v: VERSION, at, event }) => {
            let left_out = |(lines, bytes)| Entry::LeftOut { lines, bytes };
            Recorded { at, entry: event.into_event().map_or_else(left_out, Entry::Told) }
        }
        _ => {
            let is_newer = serde_json::from_slice::<Version>(line).is_ok_and(|line| line.v > VERSION);
            let why = if is_newer { "it was written by a newer biplane" } else { "it is damaged" };
            Recorded { at: None, entry: Entry::Unread(why) }
        }
    }
}
