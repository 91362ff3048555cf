//! Where hunks belong, and what the file is with them.
//!
//! A hunk belongs where its kept and removed lines stand, byte by byte: at the stated line, or else at the only place behind the
//! hunk before it.

use super::{Format, Hunk, Line, LineKind, Mismatch, Start, shown};

/// The most places that are told when there are several.
const TOLD: usize = 5;

/// The new content. An error says which hunk, counted from 0, does not fit.
pub(super) fn apply(old: &[u8], hunks: &[Hunk], format: Format) -> Result<Vec<u8>, (usize, Mismatch)> {
    let lines: Vec<&[u8]> = old.split_inclusive(|byte| *byte == b'\n').collect();
    let ending = ending_of(&lines, format);
    let mut new = Vec::with_capacity(old.len());
    let mut done = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let file = File { lines: &lines, from: done, format };
        let at = file.find(hunk).map_err(|why| (index, why))?;
        let mut out = |lines: &[&[u8]]| extend(&mut new, lines, ending).map_err(|why| (index, why));
        out(&lines[done..at])?;
        done = at;
        for line in &hunk.lines {
            match line.kind {
                LineKind::Kept => {
                    out(&lines[done..=done])?;
                    done += 1;
                }
                LineKind::Removed => done += 1,
                LineKind::Added => out(&[&[&line.text[..], ending].concat()])?,
            }
        }
    }
    let last = hunks.len().saturating_sub(1);
    extend(&mut new, &lines[done..], ending).map_err(|why| (last, why))?;
    Ok(new)
}

/// Adds lines. One without an end that stands before others gets `ending`; where there is none to give, that is a fault.
fn extend(new: &mut Vec<u8>, lines: &[&[u8]], ending: &[u8]) -> Result<(), Mismatch> {
    for line in lines {
        if !new.is_empty() && !new.ends_with(b"\n") {
            if ending.is_empty() {
                return Err(Mismatch::UnfinishedLine);
            }
            new.extend_from_slice(ending);
        }
        new.extend_from_slice(line);
    }
    Ok(())
}

/// What ends an added line that comes without an end: what ends all of the file's.
fn ending_of(lines: &[&[u8]], format: Format) -> &'static [u8] {
    let mut ended = lines.iter().filter(|line| line.ends_with(b"\n")).peekable();
    match format {
        Format::Git => b"",
        Format::Envelope if ended.peek().is_some() && ended.all(|line| line.ends_with(b"\r\n")) => b"\r\n",
        Format::Envelope => b"\n",
    }
}

/// The rest of a file, in which a hunk's place is looked for.
struct File<'a> {
    lines: &'a [&'a [u8]],
    /// The first line that no hunk before it has touched.
    from: usize,
    format: Format,
}

impl File<'_> {
    /// The index of the hunk's first line.
    fn find(&self, hunk: &Hunk) -> Result<usize, Mismatch> {
        let old: Vec<&Line> = hunk.lines.iter().filter(|line| line.kind != LineKind::Added).collect();
        match &hunk.start {
            Start::At(at) => self.find_numbered(&old, *at),
            Start::Behind(headers) => self.find_behind(&old, headers, hunk.at_end),
        }
    }

    fn find_numbered(&self, old: &[&Line], at: usize) -> Result<usize, Mismatch> {
        if old.is_empty() {
            return if self.lines.is_empty() { Ok(0) } else { Err(Mismatch::NoPlace) };
        }
        let stated = at.max(self.from);
        let fault = match self.compare(old, stated) {
            None if stated == at => return Ok(at),
            fault => fault.unwrap_or(Mismatch::NoPlace),
        };
        let places = self.places(old, self.from);
        match places[..] {
            [] => Err(fault),
            [only] => Ok(only),
            _ => Err(several(&places)),
        }
    }

    fn find_behind(&self, old: &[&Line], headers: &[Vec<u8>], at_end: bool) -> Result<usize, Mismatch> {
        let mut from = self.from;
        for header in headers {
            let is_it = |line: &&[u8]| line.trim_ascii() == header.trim_ascii();
            let found = self.lines[from..].iter().position(is_it);
            from += found.ok_or_else(|| Mismatch::NoHeader(shown(header)))? + 1;
        }
        if at_end {
            let at = self.lines.len().checked_sub(old.len()).filter(|at| *at >= from).unwrap_or(from);
            return self.compare(old, at).map_or(Ok(at), Err);
        }
        if old.is_empty() {
            return match headers {
                [] if !self.lines.is_empty() => Err(Mismatch::NoPlace),
                _ => Ok(from),
            };
        }
        let places = self.places(old, from);
        match places[..] {
            [] => Err(self.nearest(old, from)),
            [only] => Ok(only),
            // Behind a line that was named, the first one is meant.
            [first, ..] if !headers.is_empty() => Ok(first),
            _ => Err(several(&places)),
        }
    }

    /// What differs first at this place; nothing when all fits.
    fn compare(&self, old: &[&Line], at: usize) -> Option<Mismatch> {
        let differs = |(offset, line): (usize, &&Line)| {
            let found = self.lines.get(at + offset).copied();
            let fits = found.is_some_and(|found| self.same(found, &line.text));
            (!fits).then(|| Mismatch::Line {
                line: at + offset + 1,
                expected: self.show(&line.text),
                found: found.map(|found| self.show(found)),
            })
        };
        old.iter().enumerate().find_map(differs)
    }

    fn same(&self, found: &[u8], expected: &[u8]) -> bool {
        match self.format {
            Format::Git => found == expected,
            Format::Envelope => without_end(found) == without_end(expected),
        }
    }

    /// A line in a message; one without an end says so, where that matters.
    fn show(&self, line: &[u8]) -> String {
        let text = shown(line);
        if self.format == Format::Git && !line.ends_with(b"\n") {
            text + " (no newline at the end)"
        } else {
            text
        }
    }

    /// Every place at which all of `old` stands.
    fn places(&self, old: &[&Line], from: usize) -> Vec<usize> {
        let last = self.lines.len().saturating_sub(old.len());
        let fits = |at: &usize| {
            old.iter().enumerate().all(|(offset, line)| self.same(self.lines[at + offset], &line.text))
        };
        if self.lines.len() < old.len() {
            return Vec::new();
        }
        (from..=last).filter(fits).take(TOLD).collect()
    }

    /// What differs at the place where the most of `old` stands.
    fn nearest(&self, old: &[&Line], from: usize) -> Mismatch {
        let fitting = |at: usize| {
            let pairs = old.iter().zip(&self.lines[at..]);
            pairs.take_while(|(line, found)| self.same(found, &line.text)).count()
        };
        let best = (from..self.lines.len()).rev().max_by_key(|at| fitting(*at)).unwrap_or(from);
        self.compare(old, best).unwrap_or(Mismatch::NoPlace)
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn several(places: &[usize]) -> Mismatch {
    Mismatch::Several(places.iter().map(|at| at + 1).collect())
}
