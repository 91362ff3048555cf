//! Git's own files of a worktree: its index, and those that say what somebody is in the middle of.

use std::{collections::BTreeSet, io::ErrorKind};

use camino::{Utf8Path, Utf8PathBuf};

use super::SnapshotError;
use crate::git::IN_PROGRESS;

/// What is kept of git's directory of a worktree, by name; a directory with all that is in it.
pub(in crate::worktrees) const KEPT: &[&str] = &[
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "MERGE_RR",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "ORIG_HEAD",
    "SQUASH_MSG",
    "BISECT_LOG",
    "BISECT_EXPECTED_REV",
    "BISECT_ANCESTORS_OK",
    "BISECT_FIRST_PARENT",
    "BISECT_NAMES",
    "BISECT_START",
    "BISECT_TERMS",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
    "refs/bisect",
    "refs/rewritten",
    "refs/worktree",
    "info/sparse-checkout",
    "config.worktree",
];

/// The most files of them.
const MOST_FILES: usize = 10_000;
/// The most bytes of one of them.
const MOST_BYTES: u64 = 4 << 20;
/// The most ids in them that are held.
const MOST_IDS: usize = 1000;

/// Whether somebody is in the middle of something by these files, or a ref is the worktree's own.
pub(super) fn is_busy(kept: &[(String, Vec<u8>)]) -> bool {
    kept.iter().any(|(name, _)| {
        let first = name.split('/').next().unwrap_or_default();
        IN_PROGRESS.contains(&first) || matches!(first, "MERGE_AUTOSTASH" | "refs")
    })
}

/// The kept files in git's directory `entry`, with their names below it.
pub(super) fn kept(entry: &Utf8Path) -> Result<Vec<(String, Vec<u8>)>, SnapshotError> {
    let unknown = |path: &Utf8Path| SnapshotError::Unknown(biplane_model::sanitize_line(path.as_str()));
    let mut open: Vec<Utf8PathBuf> = KEPT.iter().rev().map(Utf8PathBuf::from).collect();
    let mut files = Vec::new();
    while let Some(name) = open.pop() {
        let path = entry.join(&name);
        let meta = match path.as_std_path().symlink_metadata() {
            Ok(meta) => meta,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(_) => return Err(unknown(&path)),
        };
        if meta.is_dir() {
            let mut inside = Vec::new();
            for entry in path.read_dir_utf8().map_err(|_| unknown(&path))? {
                inside.push(name.join(entry.map_err(|_| unknown(&path))?.file_name()));
            }
            inside.sort_unstable_by(|a, b| b.cmp(a));
            open.extend(inside);
        } else if meta.is_file() {
            if meta.len() > MOST_BYTES || files.len() == MOST_FILES {
                return Err(unknown(&path));
            }
            files.push((
                name.into_string(),
                crate::files::read(&path, MOST_BYTES).map_err(|_| unknown(&path))?,
            ));
        }
    }
    Ok(files)
}

/// The object ids that the files name.
pub(super) fn ids(files: &[(String, Vec<u8>)], length: usize) -> BTreeSet<String> {
    let words = files.iter().flat_map(|(_, bytes)| bytes.split(|b| !b.is_ascii_hexdigit()));
    let ids = words.filter(|word| word.len() == length && word.iter().any(|b| *b != b'0'));
    ids.take(MOST_IDS).map(|id| String::from_utf8_lossy(id).to_ascii_lowercase()).collect()
}
