//! What the repository holds already, so that an unchanged file is neither read nor written again.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    files::{self, Files, Kind},
    look::{self, Look},
};
use crate::git::{Git, GitError};

/// What the repository holds already.
#[derive(Default)]
pub(super) struct Known {
    /// The lengths of the index's objects.
    lengths: BTreeMap<String, u64>,
    /// Paths whose bytes need not be those of their object.
    converted: BTreeSet<Vec<u8>>,
    /// Of the objects that git's own files name: the commits, and the trees.
    pub(super) commits: Vec<String>,
    pub(super) trees: Vec<String>,
}

impl Known {
    /// Asks for the objects of unchanged files, and for those that are `named` by git's own files.
    pub(super) fn of(
        git: &Git,
        look: &Look,
        files: &Files,
        named: BTreeSet<String>,
    ) -> Result<Self, GitError> {
        let mut known = Self::default();
        let unchanged =
            |file: &&files::File| matches!(file.kind, Kind::Regular(_)) && !look.changed.contains(&file.path);
        let ids: BTreeSet<&str> = files
            .files
            .iter()
            .filter(unchanged)
            .filter_map(|f| Some(staged(look, &f.path)?.id.as_str()))
            .collect();
        let list: String =
            ids.into_iter().chain(named.iter().map(String::as_str)).map(|id| format!("{id}\n")).collect();
        if !list.is_empty() {
            let text = git.call(["cat-file", "--batch-check"]).stdin(list).text()?;
            for line in text.lines() {
                match line.split(' ').collect::<Vec<_>>()[..] {
                    [id, "blob", length] => {
                        known.lengths.extend(length.parse().ok().map(|length| (id.to_owned(), length)));
                    }
                    [id, "commit", _] => known.commits.push(id.to_owned()),
                    [id, "tree", _] => known.trees.push(id.to_owned()),
                    _ => {}
                }
            }
        }
        let attributes = git.common_dir().join("info/attributes");
        if look.converts || attributes.as_std_path().symlink_metadata().is_ok() {
            known.find_converted(git, look)?;
        }
        Ok(known)
    }

    /// Line ends and keywords are seen by the length; filters and encodings may keep it.
    fn find_converted(&mut self, git: &Git, look: &Look) -> Result<(), GitError> {
        let list: Vec<u8> = look.index.keys().flat_map(|path| [path, &b"\0"[..]].concat()).collect();
        let bytes = git.call(["check-attr", "--stdin", "-z", "--all"]).stdin(list).bytes()?;
        let fields: Vec<&[u8]> = bytes.split(|b| *b == 0).collect();
        for attribute in fields.chunks_exact(3) {
            if matches!(attribute[1], b"filter" | b"working-tree-encoding") {
                self.converted.insert(attribute[0].to_vec());
            }
        }
        Ok(())
    }

    /// The object that has the file's bytes already, if the index names one.
    pub(super) fn as_held<'a>(&self, look: &'a Look, file: &files::File) -> Option<&'a str> {
        let entry = staged(look, &file.path)?;
        if look.changed.contains(&file.path) {
            return None;
        }
        let same = match file.kind {
            Kind::Link => entry.mode == "120000",
            Kind::Regular(length) => {
                entry.mode.starts_with("100")
                    && !self.converted.contains(&file.path)
                    && self.lengths.get(&entry.id) == Some(&length)
            }
        };
        same.then_some(entry.id.as_str())
    }
}

fn staged<'a>(look: &'a Look, path: &[u8]) -> Option<&'a look::Entry> {
    look.index.get(path)?.iter().find(|entry| entry.stage == 0)
}
