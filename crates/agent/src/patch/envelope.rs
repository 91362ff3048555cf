//! The format between `*** Begin Patch` and `*** End Patch`, which some models are trained on: no line numbers, and no word of how
//! lines end.

use super::{FilePatch, Format, Hunk, Line, LineKind, Patch, PatchError, Start, What};
use crate::path::RelPath;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";

/// Whether `text` is in this format: its first line that says something begins it.
pub(super) fn is_one(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(BEGIN.as_bytes())
}

/// The patch.
pub(super) fn parse(text: &[u8]) -> Result<Patch, PatchError> {
    let mut lines = text.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    let mut files: Vec<FilePatch> = Vec::new();
    let _ = lines.by_ref().find(|(_, line)| line.trim_ascii() == BEGIN.as_bytes());
    for (number, line) in lines.by_ref() {
        let marker = line.trim_ascii_end();
        if marker == END.as_bytes() {
            return match lines.find(|(_, line)| !line.trim_ascii().is_empty()) {
                Some((line, _)) => Err(syntax(line, "there is more behind `*** End Patch`")),
                None => complete(files),
            };
        }
        if let Some(path) = marker.strip_prefix(b"*** Add File: ") {
            files.push(file(number, What::Create(parsed(number, path)?)));
        } else if let Some(path) = marker.strip_prefix(b"*** Delete File: ") {
            files.push(file(number, What::Delete(parsed(number, path)?)));
        } else if let Some(path) = marker.strip_prefix(b"*** Update File: ") {
            files.push(file(number, What::Modify(parsed(number, path)?)));
        } else if let Some(file) = files.last_mut() {
            body(number, line, file)?;
        } else {
            return Err(syntax(number, "a file must be named first, as in `*** Update File: a.txt`"));
        }
    }
    Err(syntax(text.split(|byte| *byte == b'\n').count(), "`*** End Patch` is missing"))
}

fn file(line: usize, what: What) -> FilePatch {
    let start = Start::Behind(Vec::new());
    let hunks = match what {
        What::Create(_) => vec![Hunk { line, start, lines: Vec::new(), at_end: false }],
        _ => Vec::new(),
    };
    FilePatch { line, what, old_executable: None, new_executable: None, hunks }
}

/// A line that is about the file named before.
fn body(number: usize, line: &[u8], file: &mut FilePatch) -> Result<(), PatchError> {
    let FilePatch { what, hunks, .. } = file;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let added = line.strip_prefix(b"+");
    match (&what, added) {
        (What::Create(_), Some(text)) => {
            if let Some(hunk) = hunks.last_mut() {
                hunk.lines.push(Line { kind: LineKind::Added, text: text.to_vec() });
            }
            return Ok(());
        }
        (What::Create(_), None) => {
            return Err(syntax(number, "each line of a new file begins with `+`"));
        }
        (What::Delete(_), _) if line.trim_ascii().is_empty() => return Ok(()),
        (What::Delete(_), _) => return Err(syntax(number, "a file that is deleted has no lines here")),
        _ => {}
    }
    let marker = line.trim_ascii_end();
    if let Some(to) = marker.strip_prefix(b"*** Move to: ") {
        let What::Modify(from) = what else {
            return Err(syntax(number, "the file has got its new name already"));
        };
        if !hunks.is_empty() {
            return Err(syntax(number, "a new name stands right behind `*** Update File`"));
        }
        file.what = What::Rename(from.clone(), parsed(number, to)?);
        return Ok(());
    }
    if marker == b"*** End of File" {
        let hunk = hunks.last_mut().ok_or_else(|| syntax(number, "there is no hunk that this ends"))?;
        hunk.at_end = true;
        return Ok(());
    }
    if let Some(header) = marker.strip_prefix(b"@@") {
        let header = header.strip_prefix(b" ").unwrap_or(header);
        let header = Some(header.to_vec()).filter(|header| !header.is_empty());
        match hunks.last_mut() {
            // Several of them narrow the place down.
            Some(Hunk { start: Start::Behind(headers), lines, .. }) if lines.is_empty() => {
                headers.extend(header);
            }
            _ => hunks.push(hunk(number, header.into_iter().collect())),
        }
        return Ok(());
    }
    let (kind, text) = match line.split_first() {
        Some((b' ', text)) => (LineKind::Kept, text),
        Some((b'-', text)) => (LineKind::Removed, text),
        Some((b'+', text)) => (LineKind::Added, text),
        // A line without anything, whose space was lost.
        None => (LineKind::Kept, line),
        Some(_) => return Err(syntax(number, "a line begins with ` `, `-`, `+` or `@@`")),
    };
    if hunks.last().is_none_or(|hunk| hunk.at_end) {
        hunks.push(hunk(number, Vec::new()));
    }
    if let Some(hunk) = hunks.last_mut() {
        hunk.lines.push(Line { kind, text: text.to_vec() });
    }
    Ok(())
}

fn hunk(line: usize, headers: Vec<Vec<u8>>) -> Hunk {
    Hunk { line, start: Start::Behind(headers), lines: Vec::new(), at_end: false }
}

/// Looks whether each part says something.
fn complete(files: Vec<FilePatch>) -> Result<Patch, PatchError> {
    for file in &files {
        let changes = |hunk: &Hunk| hunk.lines.iter().any(|line| line.kind != LineKind::Kept);
        let what = &file.what;
        if matches!(what, What::Modify(_)) && file.hunks.is_empty() {
            return Err(syntax(file.line, "the file has no hunk"));
        }
        if let (What::Modify(_) | What::Rename(..), Some(hunk)) =
            (what, file.hunks.iter().find(|hunk| !changes(hunk)))
        {
            return Err(syntax(hunk.line, "the hunk changes nothing"));
        }
    }
    Ok(Patch { format: Format::Envelope, files })
}

fn parsed(line: usize, path: &[u8]) -> Result<RelPath, PatchError> {
    RelPath::parse(path.trim_ascii()).map_err(|fault| PatchError::Path { line, fault })
}

fn syntax(line: usize, why: &str) -> PatchError {
    PatchError::Syntax { line, why: why.to_owned() }
}
