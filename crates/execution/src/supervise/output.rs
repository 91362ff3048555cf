//! A run's output on its way: from the child's pipes to our streams, the log, and the observer.

use std::{process::Child, time::Instant};

use rustix::{event::PollFd, io::Errno};

use super::{
    RunObserver, RunSpec, StreamName, bounds,
    echo::Copy,
    lines::Lines,
    log::{Log, LogEnd},
    pipes::{Read, Sink, Source},
};
use crate::mask::Masker;

#[derive(Debug)]
struct Stream {
    source: Source,
    copy: Copy,
    lines: Lines,
    masker: Masker,
    /// Whether the last look found nothing to read.
    quiet: bool,
}

/// Both streams of a run.
#[derive(Debug)]
pub(super) struct Output {
    streams: [Stream; 2],
    log: Log,
    buffer: Vec<u8>,
    /// What of the last piece may be shown.
    masked: Vec<u8>,
    line_due: Instant,
}

impl Output {
    /// The output of `child`, to where `spec` wants it.
    pub(super) fn new(spec: &RunSpec, child: &mut Child, log: Log) -> Result<Self, Errno> {
        let stream = |source, copy| {
            let masker = spec.masks.stream();
            Stream { source, copy, lines: Lines::default(), masker, quiet: false }
        };
        let stdout = if spec.echo.stdout { Copy::to_stdout() } else { Copy::default() };
        let stderr = if spec.echo.stderr { Copy::to_stderr() } else { Copy::default() };
        Ok(Self {
            streams: [
                stream(Source::new(child.stdout.take())?, stdout),
                stream(Source::new(child.stderr.take())?, stderr),
            ],
            log,
            buffer: vec![0; bounds::CHUNK],
            masked: Vec::new(),
            line_due: Instant::now(),
        })
    }

    /// What to wait for. A stream whose copy waits is not read.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.streams.iter().filter_map(|stream| {
            if stream.copy.is_waiting() { stream.copy.interest() } else { stream.source.interest() }
        })
    }

    /// Those of our streams that a copy waits for.
    pub(super) fn waiting_copies(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.streams.iter().filter_map(|stream| stream.copy.interest())
    }

    /// Moves one piece of each stream, the observer's answers to `sink` among it; returns how many bytes were read.
    pub(super) fn pump(&mut self, observer: &mut dyn RunObserver, sink: &mut Sink) -> usize {
        let mut total = 0;
        for (stream, which) in self.streams.iter_mut().zip([StreamName::Output, StreamName::Error]) {
            stream.copy.write();
            if stream.copy.is_waiting() {
                continue;
            }
            let read = stream.source.read(&mut self.buffer);
            stream.quiet = !matches!(read, Read::Data(_));
            if let Read::Data(count) = read {
                let bytes = &self.buffer[..count];
                total += count;
                self.masked.clear();
                stream.masker.feed(bytes, &mut self.masked);
                stream.show(&self.masked, &mut self.log);
                let reply = observer.output(which, bytes);
                sink.push(&reply.input);
                if reply.close {
                    sink.close();
                }
            }
        }
        total
    }

    /// Whether everything that was written has arrived everywhere.
    pub(super) fn is_done(&self) -> bool {
        self.streams.iter().all(|stream| stream.quiet && !stream.copy.is_waiting())
    }

    /// Stops copying to our streams.
    pub(super) fn abandon_copies(&mut self) {
        for stream in &mut self.streams {
            stream.copy.abandon();
        }
    }

    /// Shows the observer the last line, when it is time to.
    pub(super) fn show(&mut self, now: Instant, observer: &mut dyn RunObserver) {
        if now < self.line_due {
            return;
        }
        for stream in &mut self.streams {
            if let Some(line) = stream.lines.take() {
                observer.line(&line);
                self.line_due = now + bounds::LINE_EVERY;
            }
        }
    }

    /// Nothing more is read: shows what was held back because it might have been the beginning of a secret. To be called
    /// when no copy waits; whether there was anything.
    pub(super) fn release(&mut self) -> bool {
        let mut any = false;
        for stream in &mut self.streams {
            self.masked.clear();
            stream.masker.finish(&mut self.masked);
            any |= !self.masked.is_empty();
            stream.show(&self.masked, &mut self.log);
        }
        any
    }

    /// Ends the log.
    pub(super) fn finish(mut self) -> LogEnd {
        self.abandon_copies();
        self.release();
        self.log.finish()
    }
}

impl Stream {
    /// Passes on what may be shown.
    fn show(&mut self, bytes: &[u8], log: &mut Log) {
        if !bytes.is_empty() {
            log.append(bytes);
            self.lines.feed(bytes);
            self.copy.put(bytes);
        }
    }
}
