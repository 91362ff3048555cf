//! The last full line of an output, fit to be shown.

use biplane_model::{clip, sanitize_line, without_escapes};

use super::bounds;

/// What is kept of a line that is not yet full, in bytes.
const PARTIAL: usize = 4096;

/// Finds the last full line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    latest: Option<String>,
}

impl Lines {
    /// Takes the next bytes of the output.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let Some(end) = bytes.iter().rposition(|&byte| is_end(byte)) else {
            return self.keep(bytes);
        };
        let full = &bytes[..end];
        let full = &full[..full.iter().rposition(|&byte| !is_end(byte)).map_or(0, |last| last + 1)];
        let line = match full.iter().rposition(|&byte| is_end(byte)) {
            Some(previous) => {
                self.partial.clear();
                &full[previous + 1..]
            }
            None => full,
        };
        self.keep(line);
        let shown = shown(&self.partial);
        if !shown.is_empty() {
            self.latest = Some(shown);
        }
        self.partial.clear();
        self.keep(&bytes[end + 1..]);
    }

    /// The last full line since this was last asked.
    pub(super) fn take(&mut self) -> Option<String> {
        self.latest.take()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = PARTIAL - self.partial.len().min(PARTIAL);
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

fn shown(line: &[u8]) -> String {
    let text = without_escapes(&String::from_utf8_lossy(line));
    clip(sanitize_line(&text).trim(), bounds::LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(chunks: &[&str]) -> Option<String> {
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk.as_bytes());
        }
        lines.take()
    }

    #[test]
    fn the_last_full_line_counts() {
        let table: &[(&[&str], Option<&str>)] = &[
            (&["abc"], None),
            (&["abc\n"], Some("abc")),
            (&["a\nb\nc"], Some("b")),
            (&["a\nb", "c\n"], Some("bc")),
            (&["a\n\n\r\n"], Some("a")),
            (&["10%\r20%\r"], Some("20%")),
            (&["a", "b", "\n", "c"], Some("ab")),
            (&["x\n", "   \n"], Some("x")),
            (&["\x1b[1;31mred\x1b[0m \x1b]0;title\x07done\n"], Some("red done")),
            (&["a\u{202e}b\n"], Some("a\u{fffd}b")),
        ];
        for (chunks, expected) in table {
            assert_eq!(last(chunks).as_deref(), *expected, "{chunks:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = "ä".repeat(1_000_000);
        assert_eq!(last(&[&long, "\n"]).map(|line| line.chars().count()), Some(bounds::LINE));
    }
}
