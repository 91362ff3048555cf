//! Values that are secrets, found in a stream.

use aho_corasick::{AhoCorasick, MatchKind};

use super::{MASK, bounds};

/// What is looked for.
#[derive(Debug)]
pub(super) struct Values {
    search: AhoCorasick,
    pieces: Vec<Vec<u8>>,
    longest: usize,
}

impl Values {
    /// What to look for to find these values; `None` when there is nothing.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        for value in values {
            let value = value.trim();
            if value.len() < bounds::LEAST {
                continue;
            }
            add(&mut pieces, value);
            let json = serde_json::Value::from(value).to_string();
            add(&mut pieces, json.trim_matches('"'));
            if value.contains('\n') {
                let lines = value.lines().map(str::trim);
                let own =
                    lines.filter(|line| line.len() >= bounds::LEAST_OF_LINE && !line.starts_with("-----"));
                own.for_each(|line| add(&mut pieces, line));
            }
        }
        pieces.sort_unstable();
        pieces.dedup();
        pieces.truncate(bounds::PIECES);
        let longest = pieces.iter().map(Vec::len).max()?;
        // Overlapping finds are asked for, so that nothing of one secret stays where another begins inside it.
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&pieces).ok()?;
        Some(Self { search, pieces, longest })
    }

    /// How many pieces there are.
    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Where the longest end of `bytes` begins that a piece may begin with; their length when there is none.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest - 1);
        let is_open = |at: &usize| {
            let end = &bytes[*at..];
            self.pieces.iter().any(|piece| piece.len() > end.len() && piece.starts_with(end))
        };
        (from..bytes.len()).find(is_open).unwrap_or(bytes.len())
    }
}

/// Adds `value`, in pieces of about the same length when it is long.
fn add(pieces: &mut Vec<Vec<u8>>, value: &str) {
    if value.len() >= bounds::LEAST {
        let size = value.len().div_ceil(value.len().div_ceil(bounds::PIECE));
        pieces.extend(value.as_bytes().chunks(size).map(<[u8]>::to_vec));
    }
}

/// What is held back of a stream.
#[derive(Debug, Default)]
pub(super) struct ValueStream {
    held: Vec<u8>,
    /// How many of the held bytes belong to a secret whose mask was written already.
    covered: usize,
}

impl ValueStream {
    /// Takes the next bytes; appends to `out` what is known.
    pub(super) fn feed(&mut self, values: &Values, bytes: &[u8], out: &mut Vec<u8>) {
        self.held.extend_from_slice(bytes);
        let known = values.open_end(&self.held);
        self.release(values, known, out);
    }

    /// Appends what is left.
    pub(super) fn finish(&mut self, values: &Values, out: &mut Vec<u8>) {
        self.release(values, self.held.len(), out);
    }

    /// Appends the first `known` bytes, masked, and forgets them.
    fn release(&mut self, values: &Values, known: usize, out: &mut Vec<u8>) {
        // Spans of secrets, in order, none reaching into the next.
        let mut spans: Vec<(usize, usize)> = Vec::new();
        if self.covered > 0 {
            spans.push((0, self.covered));
        }
        for found in values.search.find_overlapping_iter(&self.held) {
            let (mut start, end) = (found.start(), found.end());
            while let Some(&(before, until)) = spans.last()
                && until > start
            {
                start = start.min(before);
                spans.pop();
            }
            // What was written already may reach further than what was found in it.
            let end = if start == 0 { end.max(self.covered) } else { end };
            spans.push((start, end));
        }
        let (mut at, mut covered) = (0, 0);
        for (start, end) in spans {
            let is_written = start == 0 && self.covered > 0;
            if start >= known && !is_written {
                break;
            }
            out.extend_from_slice(&self.held[at..start]);
            if !is_written {
                out.extend_from_slice(MASK.as_bytes());
            }
            at = end.min(known);
            covered = end - at;
        }
        out.extend_from_slice(&self.held[at..known]);
        self.held.drain(..known);
        self.covered = covered;
    }
}
