//! The note in a snapshot: what neither a tree nor an index can hold. Text, a line for each fact.

use std::collections::BTreeMap;

use biplane_model::CommitId;

use crate::git::{quote, unquote};

/// The first line.
const HEADER: &str = "biplane-snapshot 1";

/// What a snapshot says beside its trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// The worktree's branch, without `refs/heads/`.
    pub branch: String,
    /// The commit the worktree was created at.
    pub base: Option<CommitId>,
    /// The branch that was checked out; `None`: the head was detached.
    pub on: Option<String>,
    /// The tip of the worktree's branch; `None`: there was no such branch.
    pub tip: Option<CommitId>,
    /// The modes of files that are not the usual ones.
    pub modes: BTreeMap<Vec<u8>, u32>,
    /// Directories that are empty or have an unusual mode, with their modes. The empty path is the worktree itself.
    pub dirs: BTreeMap<Vec<u8>, u32>,
    /// What could not be held: sockets, pipes, devices.
    pub skipped: Vec<String>,
    /// Ignored paths that a build makes again.
    pub left_out: Vec<String>,
}

impl Note {
    /// The text.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![HEADER.to_owned(), format!("branch {}", quote(self.branch.as_bytes()))];
        let mut id =
            |key: &str, id: &Option<CommitId>| lines.extend(id.iter().map(|id| format!("{key} {id}")));
        id("base", &self.base);
        id("tip", &self.tip);
        lines.extend(self.on.iter().map(|on| format!("on {}", quote(on.as_bytes()))));
        let mut modes = |key: &str, of: &BTreeMap<Vec<u8>, u32>| {
            lines.extend(of.iter().map(|(path, mode)| format!("{key} {mode:04o} {}", quote(path))));
        };
        modes("mode", &self.modes);
        modes("dir", &self.dirs);
        lines.extend(self.skipped.iter().map(|path| format!("skipped {}", quote(path.as_bytes()))));
        lines.extend(self.left_out.iter().map(|path| format!("left-out {}", quote(path.as_bytes()))));
        lines.join("\n") + "\n"
    }

    /// Reads the text. A line that is not known is passed over: a newer biplane may have written it.
    pub(in crate::worktrees) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != HEADER {
            return None;
        }
        let mut note = Self::default();
        for line in lines {
            let (key, value) = line.split_once(' ')?;
            let word = || unquote(value).and_then(|bytes| String::from_utf8(bytes).ok());
            match key {
                "branch" => note.branch = word()?,
                "on" => note.on = Some(word()?),
                "base" => note.base = Some(value.parse().ok()?),
                "tip" => note.tip = Some(value.parse().ok()?),
                "mode" => note.modes.extend([mode(value)?]),
                "dir" => note.dirs.extend([mode(value)?]),
                "skipped" => note.skipped.push(word()?),
                "left-out" => note.left_out.push(word()?),
                _ => {}
            }
        }
        Some(note)
    }
}

fn mode(value: &str) -> Option<(Vec<u8>, u32)> {
    let (mode, path) = value.split_once(' ')?;
    let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)?;
    Some((unquote(path)?, mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let note = Note {
            branch: "wt/x".to_owned(),
            base: Some("a".repeat(40).parse().unwrap()),
            on: Some("wt/\"x".to_owned()),
            tip: None,
            modes: BTreeMap::from([(b".env\n\xff".to_vec(), 0o600)]),
            dirs: BTreeMap::from([(b"".to_vec(), 0o700), (b"empty dir".to_vec(), 0o755)]),
            skipped: vec!["pipe `p`".to_owned()],
            left_out: vec!["target/".to_owned()],
        };
        assert_eq!(Note::parse(&note.text()), Some(note));
    }

    #[test]
    fn what_is_no_note_is_none() {
        for text in [
            "",
            "x",
            "biplane-snapshot 2\n",
            "biplane-snapshot 1\nmode 77777 \"a\"\n",
            "biplane-snapshot 1\ntip x\n",
        ] {
            assert_eq!(Note::parse(text), None, "{text}");
        }
        assert!(Note::parse("biplane-snapshot 1\nlater thing\n").is_some());
    }
}
