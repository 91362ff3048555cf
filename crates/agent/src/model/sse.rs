//! Streams of events (`text/event-stream`): the data of each, bounded.

use std::io::{self, BufRead};

/// The data of the next event; none at the end of the stream. At most `left` bytes are read, which is counted down.
///
/// # Errors
/// When the stream breaks off; [`io::ErrorKind::FileTooLarge`] when there is nothing left of the bound.
pub(super) fn next(from: &mut dyn BufRead, left: &mut usize) -> io::Result<Option<String>> {
    let mut data: Option<String> = None;
    loop {
        let mut line = Vec::new();
        let read = io::Read::take(&mut *from, *left as u64).read_until(b'\n', &mut line)?;
        *left -= read;
        if !line.ends_with(b"\n") {
            return if *left == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(data) };
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            if data.is_some() {
                return Ok(data);
            }
        } else if let Some(more) = line.strip_prefix("data:") {
            let more = more.strip_prefix(' ').unwrap_or(more);
            match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(more);
                }
                None => data = Some(more.to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, mut left: usize) -> io::Result<Vec<String>> {
        let mut from = text.as_bytes();
        std::iter::from_fn(|| next(&mut from, &mut left).transpose()).collect()
    }

    #[test]
    fn events_are_told_apart() {
        let text = ": comment\n\nevent: a\ndata: one\n\ndata:two\r\ndata: more\r\n\r\nid: 1\n\ndata: last";
        assert_eq!(all(text, 1000).unwrap(), ["one", "two\nmore"]);
        assert_eq!(all(text, 30).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
