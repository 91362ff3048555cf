//! Unified diffs, as `git diff` writes them, and without git's own lines as other programs do.
//!
//! **Contract.** Every line is understood or refused: what stands between files is nothing but the text of a mail. A hunk has as many
//! lines as its head says.
//!
//! Sources: git's `Documentation/diff-generate-patch.txt` and `apply.c`; the rules for names are those of `git apply -p1`.

use biplane_execution::git::unquote;

use super::{FilePatch, Format, Hunk, Line, LineKind, Patch, PatchError, Start, What, shown};
use crate::path::RelPath;

/// The prefixes that git puts before names, by `diff.mnemonicPrefix` too; before the old one another than before the new one.
const PREFIXES: [&[u8]; 6] = [b"a/", b"b/", b"c/", b"i/", b"o/", b"w/"];
const NOTHING: &[u8] = b"/dev/null";

/// The patch.
pub(super) fn parse(text: &[u8]) -> Result<Patch, PatchError> {
    let lines = text.split_inclusive(|byte| *byte == b'\n').collect();
    let mut parser = Parser { lines, at: 0 };
    let mut files = Vec::new();
    while parser.seek_file(files.is_empty())? {
        files.push(parser.file()?);
    }
    Ok(Patch { format: Format::Git, files })
}

struct Parser<'a> {
    lines: Vec<&'a [u8]>,
    /// The next line.
    at: usize,
}

/// What git's own lines say of a file.
#[derive(Default)]
struct Head {
    /// From `diff --git`, where both names are the same.
    name: Option<Vec<u8>>,
    old_mode: Option<u32>,
    new_mode: Option<u32>,
    is_new: bool,
    is_deleted: bool,
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    is_copy: bool,
}

impl<'a> Parser<'a> {
    /// The next line, without its end.
    fn peek(&self) -> Option<&'a [u8]> {
        self.lines.get(self.at).map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }

    fn syntax<T>(&self, why: impl Into<String>) -> Result<T, PatchError> {
        Err(syntax(self.at + 1, why))
    }

    /// Goes to where the next file begins. Whether there is one.
    fn seek_file(&mut self, is_first: bool) -> Result<bool, PatchError> {
        // What stands before the first file, and behind the end of a mail, is for people.
        let mut prose = is_first;
        while let Some(line) = self.peek() {
            if line.starts_with(b"diff --git ") || (line.starts_with(b"--- ") && self.is_pair()) {
                return Ok(true);
            }
            if line.starts_with(b"@@ -") {
                return self.syntax("a hunk must stand behind `--- a/NAME` and `+++ b/NAME`");
            }
            if line == b"-- " {
                prose = true;
            } else if !prose && !line.trim_ascii().is_empty() {
                return self.syntax(format!(
                    "`{}` is not part of a patch; has the hunk before it more lines than its `@@` line says?",
                    shown(line)
                ));
            }
            self.at += 1;
        }
        Ok(false)
    }

    fn is_pair(&self) -> bool {
        self.lines.get(self.at + 1).is_some_and(|line| line.starts_with(b"+++ "))
    }

    fn file(&mut self) -> Result<FilePatch, PatchError> {
        let line = self.at + 1;
        let head = self.head()?;
        let mut names = None;
        if self.peek().is_some_and(|line| line.starts_with(b"--- ")) {
            names = Some(self.names()?);
        }
        let what = self.what(line, &head, names.as_ref())?;
        let mut hunks: Vec<Hunk> = Vec::new();
        while self.peek().is_some_and(|line| line.starts_with(b"@@ ")) {
            if names.is_none() {
                return self.syntax("a hunk must stand behind `--- a/NAME` and `+++ b/NAME`");
            }
            let before = hunks.last().map_or(0, end_of);
            let hunk = self.hunk()?;
            if matches!(hunk.start, Start::At(at) if at < before) {
                return Err(syntax(hunk.line, "the hunk begins before the one in front of it ends"));
            }
            hunks.push(hunk);
        }
        if names.is_some() && hunks.is_empty() {
            return self.syntax("a hunk should stand here, beginning with `@@ -1,2 +1,2 @@`");
        }
        let is_executable = |mode: u32| mode & 0o100 != 0;
        Ok(FilePatch {
            line,
            what,
            old_executable: head.old_mode.map(is_executable),
            new_executable: head.new_mode.map(is_executable),
            hunks,
        })
    }

    /// Git's own lines; none of them in a diff that another program wrote.
    fn head(&mut self) -> Result<Head, PatchError> {
        let mut head = Head::default();
        let Some(names) = self.peek().and_then(|line| line.strip_prefix(b"diff --git ")) else {
            return Ok(head);
        };
        head.name = same_name(names);
        self.at += 1;
        while let Some(line) = self.peek() {
            let mode = |text: &[u8]| self.mode(text);
            if let Some(text) = line.strip_prefix(b"old mode ") {
                head.old_mode = Some(mode(text)?);
            } else if let Some(text) = line.strip_prefix(b"new mode ") {
                head.new_mode = Some(mode(text)?);
            } else if let Some(text) = line.strip_prefix(b"new file mode ") {
                (head.is_new, head.new_mode) = (true, Some(mode(text)?));
            } else if let Some(text) = line.strip_prefix(b"deleted file mode ") {
                (head.is_deleted, head.old_mode) = (true, Some(mode(text)?));
            } else if let Some(text) = line.strip_prefix(b"rename from ") {
                head.from = Some(self.plain_name(text)?);
            } else if let Some(text) = line.strip_prefix(b"rename to ") {
                head.to = Some(self.plain_name(text)?);
            } else if let Some(text) = line.strip_prefix(b"copy from ") {
                (head.is_copy, head.from) = (true, Some(self.plain_name(text)?));
            } else if let Some(text) = line.strip_prefix(b"copy to ") {
                head.to = Some(self.plain_name(text)?);
            } else if let Some(text) = line.strip_prefix(b"index ") {
                // The mode stands there when it stays as it is.
                if let Some(at) = text.iter().position(|byte| *byte == b' ') {
                    head.old_mode = Some(mode(&text[at + 1..])?);
                }
            } else if line == b"GIT binary patch" || line.starts_with(b"Binary files ") {
                return self.syntax("binary files can't be patched; use another tool to write the file");
            } else if !line.starts_with(b"similarity index ") && !line.starts_with(b"dissimilarity index ") {
                break;
            }
            self.at += 1;
        }
        Ok(head)
    }

    fn mode(&self, text: &[u8]) -> Result<u32, PatchError> {
        match text.trim_ascii() {
            b"100644" => Ok(0o644),
            b"100755" => Ok(0o755),
            // Very old commits have it.
            b"100664" => Ok(0o664),
            b"120000" => self.syntax("links can't be patched"),
            b"160000" => self.syntax("submodules can't be patched"),
            other => self.syntax(format!("`{}` is no mode of a file; use 100644 or 100755", shown(other))),
        }
    }

    /// A name that stands alone, without a prefix.
    fn plain_name(&self, text: &[u8]) -> Result<Vec<u8>, PatchError> {
        if text.first() != Some(&b'"') {
            return Ok(text.to_vec());
        }
        let name = std::str::from_utf8(text).ok().and_then(unquote);
        name.ok_or_else(|| syntax(self.at + 1, "the name has no end, or an escape that is none"))
    }

    /// The names behind `---` and `+++`, with their prefixes.
    fn names(&mut self) -> Result<(Vec<u8>, Vec<u8>), PatchError> {
        let old = self.name(b"--- ")?;
        if !self.peek().is_some_and(|line| line.starts_with(b"+++ ")) {
            return self.syntax("`+++ b/NAME` should stand here");
        }
        Ok((old, self.name(b"+++ ")?))
    }

    fn name(&mut self, marker: &[u8]) -> Result<Vec<u8>, PatchError> {
        let line = self.peek().unwrap_or_default();
        let text = line.strip_prefix(marker).unwrap_or(line);
        // A tab ends a name: git puts it behind one with a space, others before a time.
        // In quotes it is written as two characters.
        let end = text.iter().position(|byte| *byte == b'\t');
        let text = &text[..end.unwrap_or(text.len())];
        let name = self.plain_name(text.strip_suffix(b"\r").unwrap_or(text))?;
        self.at += 1;
        Ok(name)
    }

    /// What the file's part is about. What different lines say of it must agree.
    fn what(&self, line: usize, head: &Head, names: Option<&(Vec<u8>, Vec<u8>)>) -> Result<What, PatchError> {
        let path = |name: &[u8]| RelPath::parse(name).map_err(|fault| PatchError::Path { line, fault });
        let contradiction = || syntax(line, "the names of the file contradict each other");
        let pair = names.map(|(old, new)| match &head.name {
            // Of one name alone it can't be seen whether it has a prefix.
            Some(name) if old == NOTHING && name == new => (None, Some(new.clone())),
            Some(name) if new == NOTHING && name == old => (Some(old.clone()), None),
            _ => without_prefixes(old, new),
        });
        if let (Some(from), Some(to)) = (&head.from, &head.to) {
            if pair.as_ref().is_some_and(|(old, new)| (old, new) != (&Some(from.clone()), &Some(to.clone())))
            {
                return Err(contradiction());
            }
            let (from, to) = (path(from)?, path(to)?);
            return Ok(if head.is_copy { What::Copy(from, to) } else { What::Rename(from, to) });
        }
        if head.from.is_some() || head.to.is_some() {
            return Err(syntax(line, "a new name needs both `from` and `to`"));
        }
        let (old, new) = match (pair, &head.name) {
            (Some(pair), _) => pair,
            (None, Some(name)) => {
                (Some(name.clone()).filter(|_| !head.is_new), Some(name.clone()).filter(|_| !head.is_deleted))
            }
            (None, None) => return Err(syntax(line, "the names of the file can't be told apart")),
        };
        if head.name.as_ref().is_some_and(|name| [&old, &new].into_iter().flatten().any(|n| n != name)) {
            return Err(contradiction());
        }
        match (old, new) {
            (None, Some(new)) if !head.is_deleted => Ok(What::Create(path(&new)?)),
            (Some(old), None) if !head.is_new => Ok(What::Delete(path(&old)?)),
            (Some(old), Some(new)) if old == new && !head.is_new && !head.is_deleted => {
                if names.is_none() && (head.old_mode.is_none() || head.new_mode.is_none()) {
                    return Err(syntax(line, "the file's part says nothing of what is to be changed"));
                }
                Ok(What::Modify(path(&old)?))
            }
            (Some(old), Some(new)) if old != new && !head.is_new && !head.is_deleted => Err(syntax(
                line,
                "the two names differ; a new name needs `diff --git`, `rename from` and `rename to`",
            )),
            _ => Err(contradiction()),
        }
    }

    fn hunk(&mut self) -> Result<Hunk, PatchError> {
        let line = self.at + 1;
        let head = self.peek().unwrap_or_default();
        let Some([old, new]) = ranges(head) else {
            return self
                .syntax(format!("`{}` is not the head of a hunk, such as `@@ -1,2 +1,2 @@`", shown(head)));
        };
        self.at += 1;
        let (mut old_left, mut new_left) = (old.count, new.count);
        let mut lines: Vec<Line> = Vec::new();
        while old_left > 0 || new_left > 0 || self.is_mark() {
            let Some(raw) = self.lines.get(self.at).copied() else {
                return Err(counts(line, &lines, old, new));
            };
            let (kind, text) = match raw.split_first() {
                Some((b' ', text)) => (LineKind::Kept, text),
                Some((b'-', text)) => (LineKind::Removed, text),
                Some((b'+', text)) => (LineKind::Added, text),
                // The space of an empty line is lost easily.
                Some((b'\n', _)) => (LineKind::Kept, raw),
                Some((b'\\', _)) => {
                    let last = lines.last_mut().map(|last| &mut last.text).filter(|t| t.ends_with(b"\n"));
                    let Some(text) = last else {
                        return self.syntax("there is no line that this could be about");
                    };
                    text.pop();
                    self.at += 1;
                    continue;
                }
                _ => return Err(counts(line, &lines, old, new)),
            };
            let (in_old, in_new) = (kind != LineKind::Added, kind != LineKind::Removed);
            if (in_old && old_left == 0) || (in_new && new_left == 0) {
                return Err(counts(line, &lines, old, new));
            }
            old_left -= usize::from(in_old);
            new_left -= usize::from(in_new);
            let mut text = text.to_vec();
            // The patch itself may lack its last newline.
            if !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            lines.push(Line { kind, text });
            self.at += 1;
        }
        if lines.iter().all(|line| line.kind == LineKind::Kept) {
            return Err(syntax(line, "the hunk changes nothing"));
        }
        Ok(Hunk { line, start: Start::At(old.index()), lines, at_end: false })
    }

    fn is_mark(&self) -> bool {
        self.peek().is_some_and(|line| line.starts_with(b"\\"))
    }
}

/// The first line and the number of lines, as a hunk's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    start: usize,
    count: usize,
}

impl Range {
    /// The index of the first line; of an empty range, that behind which it is.
    fn index(self) -> usize {
        if self.count == 0 { self.start } else { self.start.saturating_sub(1) }
    }
}

/// `@@ -1,2 +3,4 @@` and what may stand behind it.
fn ranges(head: &[u8]) -> Option<[Range; 2]> {
    let text = String::from_utf8_lossy(head);
    let (ranges, _) = text.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |text: &str| {
        let (start, count) = text.split_once(',').unwrap_or((text, "1"));
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        let range = Range { start: digits(start)?, count: digits(count)? };
        (range.start > 0 || range.count == 0).then_some(range)
    };
    Some([range(old)?, range(new)?])
}

/// The index behind a hunk's last old line.
fn end_of(hunk: &Hunk) -> usize {
    let old = hunk.lines.iter().filter(|line| line.kind != LineKind::Added).count();
    match hunk.start {
        Start::At(at) => at + old,
        Start::Behind(_) => old,
    }
}

fn counts(line: usize, lines: &[Line], old: Range, new: Range) -> PatchError {
    let has = |without: LineKind| lines.iter().filter(|line| line.kind != without).count();
    syntax(
        line,
        format!(
            "the head of the hunk says {} old and {} new lines, and there are {} and {} before something else comes",
            old.count,
            new.count,
            has(LineKind::Added),
            has(LineKind::Removed)
        ),
    )
}

/// The name in `a/NAME b/NAME`, quoted or not, when both are the same.
fn same_name(text: &[u8]) -> Option<Vec<u8>> {
    if text.starts_with(b"\"") || text.ends_with(b"\"") {
        let text = std::str::from_utf8(text).ok()?;
        let cut = (1..text.len()).filter(|at| text.as_bytes()[*at] == b' ');
        return cut.into_iter().find_map(|at| same(&bare(&text[..at])?, &bare(&text[at + 1..])?));
    }
    let cut = (1..text.len()).filter(|at| text[*at] == b' ');
    cut.into_iter().find_map(|at| same(&text[..at], &text[at + 1..]))
}

fn bare(text: &str) -> Option<Vec<u8>> {
    if text.starts_with('"') { unquote(text) } else { Some(text.as_bytes().to_vec()) }
}

fn same(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    match without_prefixes(old, new) {
        (Some(old), Some(new)) if old == new => Some(old),
        _ => None,
    }
}

/// Both names without what git puts before them, when it stands before both; nothing in the place of `/dev/null`.
fn without_prefixes(old: &[u8], new: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let strip = |name: &[u8]| {
        PREFIXES.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(*prefix)?.to_vec())))
    };
    let (inner_old, inner_new) = (strip(old), strip(new));
    match (old == NOTHING, new == NOTHING) {
        (true, true) => (None, None),
        (true, false) => (None, Some(inner_new.map_or_else(|| new.to_vec(), |(_, name)| name))),
        (false, true) => (Some(inner_old.map_or_else(|| old.to_vec(), |(_, name)| name)), None),
        (false, false) => match (inner_old, inner_new) {
            // Two directories of the same name are directories.
            (Some((a, old)), Some((b, new))) if a != b => (Some(old), Some(new)),
            _ => (Some(old.to_vec()), Some(new.to_vec())),
        },
    }
}

fn syntax(line: usize, why: impl Into<String>) -> PatchError {
    PatchError::Syntax { line, why: why.into() }
}
