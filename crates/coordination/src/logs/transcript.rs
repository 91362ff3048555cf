//! Writing what an agent tells, a line for each event, as it comes.
//!
//! **Contract.** Each line is handed to the system in one write, so that a reader of the live file sees whole lines. The file
//! is bounded: when it is full the middle is left out, and the end is written when the run ends, behind a line that says how much is missing. A
//! failure is kept for the end and stops nothing. Secrets are masked, and every text is bounded.

use std::{collections::VecDeque, fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};

use biplane_execution::{agents, mask::Masks};
use biplane_failpoint as failpoint;
use biplane_model::{AgentEvent, Timestamp};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::OFlags;

use super::{
    TRANSCRIPT,
    wire::{Line, VERSION, Wire},
};
use crate::bounds;

/// A transcript being written. Nothing is made before the first event.
#[derive(Debug)]
pub struct Transcript {
    path: Utf8PathBuf,
    masks: Masks,
    file: Option<std::fs::File>,
    /// What may still be written, in bytes.
    room: u64,
    /// The last lines of those that found no room.
    tail: VecDeque<Vec<u8>>,
    tail_bytes: usize,
    left_lines: u64,
    left_bytes: u64,
    last: Timestamp,
    error: Option<String>,
}

/// What became of a transcript.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscriptEnd {
    /// How many events are missing in its middle.
    pub left_out: u64,
    /// Why it is not complete, when it could not be written. To be told once; the run is none the worse for it.
    pub error: Option<String>,
}

impl Transcript {
    /// The transcript of the run whose directory is `dir`, of at most `bound` bytes and what is kept of its end.
    pub fn begin(dir: &Utf8Path, bound: u64, masks: Masks) -> Self {
        Self {
            path: dir.join(TRANSCRIPT),
            masks,
            file: None,
            room: bound,
            tail: VecDeque::new(),
            tail_bytes: 0,
            left_lines: 0,
            left_bytes: 0,
            last: Timestamp::default(),
            error: None,
        }
    }

    /// Writes down an event.
    pub fn write(&mut self, event: &AgentEvent, at: Timestamp) {
        self.last = at;
        let line = line(at, Wire::of(event, |text| self.masks.text(cut(text)).into_owned()));
        let size = line.len() as u64;
        if self.left_lines == 0 && self.error.is_none() && size <= self.room {
            self.room -= size;
            return self.append(&line);
        }
        self.left_lines += 1;
        self.left_bytes += size;
        self.tail_bytes += line.len();
        self.tail.push_back(line);
        while self.tail_bytes > bounds::TRANSCRIPT_TAIL
            && let Some(first) = self.tail.pop_front()
        {
            self.tail_bytes -= first.len();
        }
    }

    /// Writes the end of what found no room.
    pub fn end(mut self) -> TranscriptEnd {
        let tail = std::mem::take(&mut self.tail);
        let lines = self.left_lines - tail.len() as u64;
        let bytes = self.left_bytes - self.tail_bytes as u64;
        let mut text = Vec::new();
        if lines > 0 {
            text.extend(line(self.last, Wire::LeftOut { lines, bytes }));
        }
        tail.into_iter().for_each(|line| text.extend(line));
        let left_out = if self.error.is_none() { lines } else { self.left_lines };
        if !text.is_empty() && self.error.is_none() {
            self.append(&text);
        }
        TranscriptEnd { left_out, error: self.error }
    }

    fn append(&mut self, bytes: &[u8]) {
        let path = &self.path;
        let open = || {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o644).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
            failpoint::around("transcript begun", || options.open(path))
        };
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => open(),
        };
        match file.and_then(|mut file| file.write_all(bytes).map(|()| file)) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.error = Some(format!("`{}`: {error}", self.path)),
        }
    }
}

/// A line with its end.
fn line(at: Timestamp, event: Wire) -> Vec<u8> {
    let line = Line { v: VERSION, at: Some(at), event };
    let mut text = serde_json::to_vec(&line).expect("an event is plain data");
    text.push(b'\n');
    text
}

/// The beginning of a text that is longer than one may be.
fn cut(text: &str) -> &str {
    let most = agents::bounds::TEXT;
    if text.len() <= most { text } else { &text[..text.floor_char_boundary(most)] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{
        dir::RunDir,
        read::{Entry, RecordedLines, open},
    };

    const AT: Timestamp = Timestamp(1_763_640_000_000_000);

    /// A run's directory in a home of its own.
    fn place() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let run = path.join(".worktrees/runs/r1");
        std::fs::create_dir_all(&run).unwrap();
        (dir, run)
    }

    fn message(text: impl Into<String>) -> AgentEvent {
        AgentEvent::Message { text: text.into() }
    }

    fn entries(run: &Utf8Path) -> Vec<Entry> {
        let dir = RunDir::at(run).unwrap().unwrap();
        let mut lines = RecordedLines(open(&dir, TRANSCRIPT).unwrap().unwrap());
        std::iter::from_fn(|| lines.next_line().unwrap().map(|line| line.entry)).collect()
    }

    #[test]
    fn what_was_told_is_read_back_and_no_secret() {
        let (_dir, run) = place();
        let mut transcript = Transcript::begin(&run, 1 << 20, Masks::new(["hunter22"]));
        assert!(!run.join(TRANSCRIPT).exists(), "nothing is made for an agent that tells nothing");
        let call = |summary: &str| AgentEvent::ToolCall {
            id: "1".to_owned(),
            tool: "Bash".to_owned(),
            summary: summary.to_owned(),
            paths: vec!["a".to_owned()],
        };
        transcript.write(&call("echo hunter22"), AT);
        assert_eq!(entries(&run), [Entry::Told(call("echo ***"))], "it is there at once");
        let all = [
            AgentEvent::Started { session: Some("s".to_owned()), model: None },
            message("a \"quote\"\nand a line"),
            AgentEvent::ToolResult { id: "1".to_owned(), failed: true, text: String::new() },
            AgentEvent::PermissionAsked { id: "2".to_owned(), tool: "W".to_owned(), summary: String::new() },
            AgentEvent::PermissionDenied { tool: "W".to_owned(), summary: "/etc".to_owned() },
            AgentEvent::Usage { usage: biplane_model::Usage { input_tokens: 1, ..Default::default() } },
            AgentEvent::RateLimited { retry_after_s: Some(3), text: "slow down".to_owned() },
            AgentEvent::Finished { success: true, text: "done".to_owned() },
            AgentEvent::Raw { line: "???".to_owned() },
        ];
        all.iter().for_each(|event| transcript.write(event, AT));
        assert_eq!(transcript.end(), TranscriptEnd::default());
        assert_eq!(entries(&run)[1..], all.map(Entry::Told));
    }

    #[test]
    fn the_middle_is_left_out() {
        let (_dir, run) = place();
        let mut transcript = Transcript::begin(&run, 1000, Masks::default());
        for n in 0..5000 {
            transcript.write(&message(format!("number {n} {}", "x".repeat(50))), AT);
        }
        transcript.write(&message("y".repeat(1 << 20)), AT);
        transcript.write(&message("the last"), AT);
        let end = transcript.end();
        assert!(end.left_out > 3000 && end.error.is_none(), "{end:?}");
        let read = entries(&run);
        let at = read.iter().position(|entry| matches!(entry, Entry::LeftOut { .. })).unwrap();
        assert_eq!(read.len() as u64 + end.left_out, 5003);
        assert!(matches!(read[at], Entry::LeftOut { lines, .. } if lines == end.left_out), "{:?}", read[at]);
        assert_eq!(read.last(), Some(&Entry::Told(message("the last"))));
        let size = run.join(TRANSCRIPT).metadata().unwrap().len();
        assert!(size < 1000 + bounds::TRANSCRIPT_TAIL as u64 + 200, "{size}");
    }

    #[test]
    fn torn_and_strange_lines_cost_themselves_only() {
        let (_dir, run) = place();
        let mut transcript = Transcript::begin(&run, 1 << 20, Masks::default());
        transcript.write(&message("one"), AT);
        transcript.append(b"{\"v\":1,\"at\":1,\"event\":{\"type\":\"message\"\n{\"v\":2,\"what\":0}\n");
        transcript.write(&message("two"), AT);
        transcript.append(b"{\"v\":1,\"at\":1,\"ev");
        let read = entries(&run);
        assert_eq!(read[1], Entry::Unread("it is damaged"));
        assert_eq!(read[2], Entry::Unread("it was written by a newer biplane"));
        assert_eq!((read.len(), &read[3]), (4, &Entry::Told(message("two"))));
    }

    #[test]
    fn what_can_not_be_written_is_told_once_and_stops_nothing() {
        let (_dir, run) = place();
        std::os::unix::fs::symlink("/dev/null", run.join(TRANSCRIPT)).unwrap();
        let mut transcript = Transcript::begin(&run, 1 << 20, Masks::default());
        for _ in 0..3 {
            transcript.write(&message("lost"), AT);
        }
        let end = transcript.end();
        assert!(end.error.is_some_and(|error| error.contains(TRANSCRIPT)), "a link is not followed");
    }
}
