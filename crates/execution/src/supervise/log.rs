//! A run's log: a file that is bounded, and that never holds up the run.

use std::{collections::VecDeque, io::Write};

use super::{LogSpec, bounds, capture::keep_end};

/// What became of a log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LogEnd {
    pub(super) bytes: u64,
    pub(super) dropped: u64,
    pub(super) error: Option<String>,
}

/// A log being written. The first failure is kept; from then on output is counted and its end remembered, and one more
/// attempt is made to write that at the end.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<fs_err::File>,
    /// What may still be written.
    room: u64,
    bytes: u64,
    /// Bytes that were not written when they came; the last of them are in `tail`.
    left: u64,
    tail: VecDeque<u8>,
    error: Option<String>,
}

impl Log {
    /// Opens the log, when one is wanted.
    pub(super) fn open(spec: Option<&LogSpec>) -> Self {
        let mut log = Self { file: None, room: 0, bytes: 0, left: 0, tail: VecDeque::new(), error: None };
        let Some(spec) = spec else { return log };
        match fs_err::OpenOptions::new().create(true).append(true).open(&spec.path) {
            Ok(file) => {
                let length = file.metadata().map_or(0, |metadata| metadata.len());
                log.room = spec.bound.saturating_sub(length);
                log.file = Some(file);
            }
            Err(error) => log.error = Some(error.to_string()),
        }
        log
    }

    /// Appends `bytes`, or remembers their end.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.file.is_none() && self.error.is_none() {
            return;
        }
        let fits = if self.left > 0 || self.error.is_some() {
            0
        } else {
            usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len())
        };
        let written = self.write(&bytes[..fits]);
        self.room -= written as u64;
        let rest = &bytes[written..];
        self.left += rest.len() as u64;
        keep_end(&mut self.tail, rest, bounds::LOG_TAIL);
    }

    /// Appends the end of what was left out.
    pub(super) fn finish(mut self) -> LogEnd {
        let tail = std::mem::take(&mut self.tail);
        if !tail.is_empty() {
            let dropped = self.left - tail.len() as u64;
            if dropped > 0 {
                let line = format!("\n… {dropped} bytes left out …\n");
                _ = self.write(line.as_bytes());
                self.bytes -= self.bytes.min(line.len() as u64);
            }
            self.left -= self.write(&Vec::from(tail)) as u64;
        }
        LogEnd { bytes: self.bytes, dropped: self.left, error: self.error }
    }

    /// Writes as much as possible; a full disk may write a part and say so only the next time.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(file) = &mut self.file else { return 0 };
        let mut written = 0;
        while written < bytes.len() {
            match file.write(&bytes[written..]) {
                Ok(0) => {
                    self.error
                        .get_or_insert_with(|| format!("nothing more fits into `{}`", file.path().display()));
                    break;
                }
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.error.get_or_insert_with(|| error.to_string());
                    break;
                }
            }
        }
        self.bytes += written as u64;
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bound: u64) -> (tempfile::TempDir, LogSpec) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = camino::Utf8PathBuf::try_from(dir.path().join("log")).expect("a UTF-8 path");
        (dir, LogSpec { path, bound })
    }

    #[test]
    fn what_fits_is_written_as_it_is() {
        let (_dir, spec) = log(8);
        let mut log = Log::open(Some(&spec));
        log.append(b"abcd");
        log.append(b"efgh");
        assert_eq!(log.finish(), LogEnd { bytes: 8, dropped: 0, error: None });
        assert_eq!(fs_err::read(&spec.path).unwrap(), b"abcdefgh");
    }

    #[test]
    fn beyond_the_bound_the_end_is_kept() {
        let (_dir, spec) = log(4);
        let mut log = Log::open(Some(&spec));
        log.append(b"abcdef");
        log.append(&vec![b'x'; 3 * bounds::LOG_TAIL]);
        log.append(b"end");
        let tail = bounds::LOG_TAIL as u64;
        assert_eq!(log.finish(), LogEnd { bytes: 4 + tail, dropped: 2 * tail + 5, error: None });
        let text = fs_err::read_to_string(&spec.path).unwrap();
        assert!(text.starts_with(&format!("abcd\n… {} bytes left out …\nxxx", 2 * tail + 5)), "{text:.60}");
        assert!(text.ends_with("xend"));
    }

    #[test]
    fn a_short_rest_is_written_without_a_gap() {
        let (_dir, spec) = log(4);
        let mut log = Log::open(Some(&spec));
        log.append(b"abcdef");
        log.append(b"gh");
        assert_eq!(log.finish(), LogEnd { bytes: 8, dropped: 0, error: None });
        assert_eq!(fs_err::read(&spec.path).unwrap(), b"abcdefgh");
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_noted() {
        let (_dir, mut spec) = log(4);
        spec.path.push("below-a-file-that-is-not-there");
        let mut log = Log::open(Some(&spec));
        log.append(b"abc");
        let end = log.finish();
        assert_eq!((end.bytes, end.dropped), (0, 3));
        assert!(end.error.is_some_and(|error| error.contains("below-a-file")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_noted_and_nothing_else() {
        let spec = LogSpec { path: "/dev/full".into(), bound: 100 };
        let mut log = Log::open(Some(&spec));
        log.append(b"abc");
        log.append(b"def");
        let end = log.finish();
        assert_eq!((end.bytes, end.dropped), (0, 6));
        assert!(end.error.is_some());
    }
}
