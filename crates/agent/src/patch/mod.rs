//! Patches that models write: parsed, checked against the files, applied to all of them or to none, and taken back.
//!
//! **Contract.** [`Patch::parse`] reads git's own format (`git`) or the one between `*** Begin Patch` and `*** End Patch`
//! (`envelope`). [`Patch::plan`] looks at the files and says what each becomes, and changes nothing; the [`Plan`] is then carried
//! out. What a hunk takes out and what it keeps must stand in the file byte by byte: at the stated place, or else at the only place
//! where it does. Nothing is guessed, no line of context is left out (no fuzz), and of two places none is chosen. What can't be applied is refused
//! with the file, the hunk, the line, what was expected there and what was found.
//!
//! All of a patch is about the files as they are before it: a file renamed to another's name, and that one to a third, is no
//! contradiction.
//!
//! Why not a library: those that apply patches (`diffy`, `patch`, `gitpatch`) skip what they don't understand, take the nearest of several places, and say
//! of a failure the hunk's number at most.
//!
//! **Deliberately absent:** binary files, links and submodules, which are refused by name.

mod envelope;
mod git;
mod place;

use std::{collections::BTreeMap, fmt};

use biplane_model::{clip, sanitize_line};

use crate::{
    bounds,
    path::{PathFault, RelPath},
    plan::{Change, Content, FileMode, Plan, need_room},
    tree::{FileState, Tree, TreeError},
};

/// A patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    format: Format,
    files: Vec<FilePatch>,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Lines come with their ends, hunks with the numbers of their lines.
    Git,
    /// Lines come without their ends, hunks with a line that stands somewhere before them, if with anything.
    Envelope,
}

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FilePatch {
    /// The line of the patch at which it begins, counted from 1.
    line: usize,
    what: What,
    /// Whether it is a program before, as far as that is said.
    old_executable: Option<bool>,
    /// Whether it is one afterwards, as far as that is said.
    new_executable: Option<bool>,
    hunks: Vec<Hunk>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Create(RelPath),
    Delete(RelPath),
    Modify(RelPath),
    Rename(RelPath, RelPath),
    Copy(RelPath, RelPath),
}

impl What {
    /// The file that is read; the one that is made when none is.
    fn named(&self) -> &RelPath {
        match self {
            Self::Create(path)
            | Self::Delete(path)
            | Self::Modify(path)
            | Self::Rename(path, _)
            | Self::Copy(path, _) => path,
        }
    }
}

/// Lines that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hunk {
    /// The line of the patch at which it begins, counted from 1.
    line: usize,
    start: Start,
    lines: Vec<Line>,
    /// Whether it ends where the file does.
    at_end: bool,
}

/// Where a hunk's first line is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// At this index of the old lines.
    At(usize),
    /// Somewhere behind these lines, each of which stands behind the one before.
    Behind(Vec<Vec<u8>>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    kind: LineKind,
    /// With its end in [`Format::Git`], without in [`Format::Envelope`].
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineKind {
    Kept,
    Removed,
    Added,
}

/// Why a patch is refused.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It is not written as a patch is.
    #[error("line {line} of the patch: {why}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// A path in it is refused.
    #[error("line {line} of the patch: {fault}")]
    Path {
        /// The line, counted from 1.
        line: usize,
        /// Why.
        fault: PathFault,
    },
    /// It has no file at all.
    #[error(
        "the patch changes no file; write it as `git diff` does, or between `*** Begin Patch` and `*** End Patch`"
    )]
    Empty,
    /// It has more than [`bounds::PATCH`] bytes, [`bounds::PATCH_FILES`] files or needs more than
    /// [`bounds::PATCH_CONTENT`] bytes of memory.
    #[error("the patch is too large; make several of it")]
    Large,
    /// A file is not what the patch was made for.
    #[error("{0}")]
    Stale(Box<Stale>),
    /// Two parts of it are about the same file.
    #[error("line {line} of the patch: `{path}` is changed twice; put all its hunks into one part")]
    Twice {
        /// The line, counted from 1.
        line: usize,
        /// The file.
        path: RelPath,
    },
    /// A file can't be read or written.
    #[error("line {line} of the patch: {source}")]
    Tree {
        /// The line at which the file's part begins, counted from 1.
        line: usize,
        /// Why.
        source: TreeError,
    },
}

/// Where a file differs from what a patch was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The file.
    pub path: RelPath,
    /// Which of its hunks, counted from 1; 0 when it is none of them.
    pub hunk: usize,
    /// The line of the patch, counted from 1.
    pub patch_line: usize,
    /// What is wrong.
    pub why: Mismatch,
}

/// How a file differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// A line is another one.
    Line {
        /// The file's line, counted from 1.
        line: usize,
        /// What the patch has.
        expected: String,
        /// What the file has; nothing when it has ended.
        found: Option<String>,
    },
    /// The lines stand at several places; these are some of them, counted from 1.
    Several(Vec<usize>),
    /// There is no line that says where it belongs.
    NoPlace,
    /// A line that the hunk stands behind is not there.
    NoHeader(String),
    /// The permissions are others.
    Mode,
    /// Of a file that is to be deleted, lines would be left.
    Rest,
    /// A line without an end would come to stand before another one.
    UnfinishedLine,
}

impl std::error::Error for Stale {}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, hunk, patch_line, why } = self;
        write!(f, "`{path}` is not what the patch was made for: ")?;
        if *hunk > 0 {
            write!(f, "hunk {hunk} (line {patch_line} of the patch) ")?;
        } else {
            write!(f, "line {patch_line} of the patch ")?;
        }
        match why {
            Mismatch::Line { line, expected, found: Some(found) } => {
                write!(f, "expects line {line} to be `{expected}`, and it is `{found}`")
            }
            Mismatch::Line { line, expected, found: None } => {
                write!(f, "expects line {line} to be `{expected}`, and the file ends before it")
            }
            Mismatch::Several(lines) => {
                let lines: Vec<_> = lines.iter().map(usize::to_string).collect();
                write!(f, "fits at several places (lines {}); give more lines around it", lines.join(", "))
            }
            Mismatch::NoPlace => f.write_str("has no line of the file that says where it belongs"),
            Mismatch::NoHeader(text) => write!(f, "stands behind `{text}`, and there is no such line"),
            Mismatch::Mode => f.write_str("expects other permissions"),
            Mismatch::Rest => f.write_str("deletes the file, and would leave lines of it"),
            Mismatch::UnfinishedLine => {
                f.write_str("puts a line without an end before other lines of the file")
            }
        }
    }
}

/// A line as it is shown in a message.
fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let text = String::from_utf8_lossy(line).replace('\r', "\\r");
    clip(&sanitize_line(&text), bounds::SHOWN)
}

impl Patch {
    /// The patch in `text`, in whichever format it is written.
    ///
    /// # Errors
    /// When it is in none, is about something else than text files, or has a path that leads out of the worktree or
    /// into git's own directory.
    pub fn parse(text: &[u8]) -> Result<Self, PatchError> {
        if text.len() > bounds::PATCH {
            return Err(PatchError::Large);
        }
        let patch = if envelope::is_one(text) { envelope::parse(text)? } else { git::parse(text)? };
        match patch.files.len() {
            0 => Err(PatchError::Empty),
            n if n > bounds::PATCH_FILES => Err(PatchError::Large),
            _ => Ok(patch),
        }
    }

    /// What becomes of the files in `tree`. Nothing is changed.
    ///
    /// # Errors
    /// When a file is not what the patch was made for, or can't be read.
    pub fn plan(&self, tree: &Tree) -> Result<Plan, PatchError> {
        let mut ends: BTreeMap<RelPath, (Option<FileState>, Option<Content>, usize)> = BTreeMap::new();
        let mut held = 0;
        for file in &self.files {
            let in_tree = |source| PatchError::Tree { line: file.line, source };
            let old = match &file.what {
                What::Create(_) => FileState { bytes: Vec::new(), mode: 0o644 },
                other => tree.need(other.named()).map_err(in_tree)?,
            };
            let content = self.content(file, &old)?;
            held += old.bytes.len() + content.bytes.len();
            if held > bounds::PATCH_CONTENT {
                return Err(PatchError::Large);
            }
            let (gone, made) = match &file.what {
                What::Create(path) | What::Copy(_, path) => (None, Some((path, None))),
                What::Delete(path) => (Some((path, old)), None),
                What::Modify(path) => (None, Some((path, Some(old)))),
                What::Rename(from, to) => (Some((from, old)), Some((to, None))),
            };
            if let Some((path, old)) = gone {
                match ends.get_mut(path) {
                    // Something else has come to its name already.
                    Some((before @ None, Some(_), _)) => *before = Some(old),
                    Some(_) => return Err(PatchError::Twice { line: file.line, path: path.clone() }),
                    None => _ = ends.insert(path.clone(), (Some(old), None, file.line)),
                }
            }
            if let Some((path, old)) = made {
                match ends.get_mut(path) {
                    Some((Some(_), after @ None, _)) if old.is_none() => *after = Some(content),
                    Some(_) => return Err(PatchError::Twice { line: file.line, path: path.clone() }),
                    None => _ = ends.insert(path.clone(), (old, Some(content), file.line)),
                }
            }
        }
        let gone = ends.iter().filter(|(_, (_, after, _))| after.is_none()).map(|(path, _)| path).collect();
        for (path, (_, _, line)) in ends.iter().filter(|(_, (before, ..))| before.is_none()) {
            need_room(tree, path, &gone).map_err(|source| PatchError::Tree { line: *line, source })?;
        }
        let changes = ends.into_iter().map(|(path, (before, after, _))| Change { path, before, after });
        Ok(Plan::new(changes.collect()))
    }

    /// What `file`, which was `old`, holds afterwards.
    fn content(&self, file: &FilePatch, old: &FileState) -> Result<Content, PatchError> {
        let path = file.what.named();
        let stale = |hunk: usize, patch_line, why| {
            PatchError::Stale(Box::new(Stale { path: path.clone(), hunk, patch_line, why }))
        };
        if let (Some(expected), false) = (file.old_executable, matches!(file.what, What::Create(_)))
            && expected != (old.mode & 0o100 != 0)
        {
            return Err(stale(0, file.line, Mismatch::Mode));
        }
        let bytes = place::apply(&old.bytes, &file.hunks, self.format)
            .map_err(|(index, why)| stale(index + 1, file.hunks[index].line, why))?;
        if matches!(file.what, What::Delete(_)) && self.format == Format::Git && !bytes.is_empty() {
            let line = file.hunks.last().map_or(file.line, |hunk| hunk.line);
            return Err(stale(file.hunks.len(), line, Mismatch::Rest));
        }
        let mode = match (&file.what, file.new_executable) {
            (What::Create(_), Some(true)) => FileMode::Executable,
            (What::Create(_), _) => FileMode::Plain,
            // Who may read it may run it.
            (_, Some(true)) => FileMode::Exact(old.mode | (old.mode & 0o444) >> 2),
            (_, Some(false)) => FileMode::Exact(old.mode & !0o111),
            (_, None) => FileMode::Exact(old.mode),
        };
        Ok(Content { bytes, mode })
    }

    /// The files that it names, in its order.
    pub fn paths(&self) -> impl Iterator<Item = &RelPath> {
        self.files
            .iter()
            .flat_map(|file| match &file.what {
                What::Create(path) | What::Delete(path) | What::Modify(path) => [Some(path), None],
                What::Rename(from, to) | What::Copy(from, to) => [Some(from), Some(to)],
            })
            .flatten()
    }

    /// What it does, a line for each file: `M a.txt`, `R a.txt -> b.txt`.
    pub fn summary(&self) -> String {
        let lines = self.files.iter().map(|file| match &file.what {
            What::Create(path) => format!("A {path}"),
            What::Delete(path) => format!("D {path}"),
            What::Modify(path) => format!("M {path}"),
            What::Rename(from, to) => format!("R {from} -> {to}"),
            What::Copy(from, to) => format!("C {from} -> {to}"),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
