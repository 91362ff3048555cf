//! Lines of ours at the end of a text.
//!
//! **Contract.** A blank line comes before them, also where the text is empty. They end with a line break where the text did, and without
//! one where it did not; so the way back is plain.

use std::ops::Range;

/// The line break that a text uses: that of its first line.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((line, _)) if line.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The text with these lines at its end; `None` is a file that is not there.
pub(super) fn append(text: Option<&str>, lines: &[impl AsRef<str>]) -> String {
    let Some(text) = text else { return joined(lines, "\n") + "\n" };
    let eol = line_break(text);
    let block = joined(lines, eol);
    if text.is_empty() || text.ends_with('\n') {
        format!("{text}{eol}{block}{eol}")
    } else {
        format!("{text}{eol}{eol}{block}")
    }
}

/// The lines, with this line break between them.
pub(super) fn joined(lines: &[impl AsRef<str>], eol: &str) -> String {
    lines.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(eol)
}

/// The text without these lines of it, of which the last is without its line break; `None` when there is nothing else.
pub(super) fn cut(text: &str, lines: Range<usize>) -> Option<String> {
    let eol = line_break(&text[lines.clone()]);
    let (before, after) = (&text[..lines.start], &text[lines.end..]);
    if after.is_empty() {
        if before.is_empty() {
            return None;
        }
        let gap = before.strip_suffix(eol).and_then(|rest| rest.strip_suffix(eol));
        let ended = gap.filter(|rest| !rest.is_empty() && !rest.ends_with('\n'));
        return Some(ended.unwrap_or(before).to_owned());
    }
    let after = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')).unwrap_or(after);
    if before.is_empty() {
        return Some(after).filter(|rest| !rest.is_empty()).map(str::to_owned);
    }
    // A blank line that is none of ours would have a line without an end before it.
    let gap = before.strip_suffix(eol).filter(|rest| rest.is_empty() || rest.ends_with('\n'));
    Some(format!("{}{after}", gap.unwrap_or(before)))
}

/// The lines of a text, each with where it stands, without its line break.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        (start..start + line.len(), line)
    })
}
