//! How much the worktrees and what lies beside them take.

use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Code, Examination, Finding, strangers::names_in};
use crate::{bounds, error::Result};

/// What was counted.
#[derive(Default)]
struct Count {
    bytes: u64,
    entries: u64,
}

pub(super) fn examine(examination: &mut Examination<'_>) -> Result<()> {
    let home = examination.service.home();
    let views = home.views_dir();
    let mut dirs = vec![views.clone()];
    if home.worktrees_dir() != views {
        dirs.push(home.worktrees_dir());
    }
    let (mut worktrees, mut runs, mut own) = (Count::default(), Count::default(), Count::default());
    let mut is_whole = true;
    for dir in &dirs {
        for name in names_in(dir)? {
            let of = match name.as_str() {
                "runs" => &mut runs,
                name if name.starts_with('.') => &mut own,
                _ => &mut worktrees,
            };
            is_whole &= of.add(dir.join(&name));
        }
    }
    let total = worktrees.bytes + runs.bytes + own.bytes;
    let words = format!(
        "{}{} MiB: worktrees {}, logs of runs {}, biplane's own {}",
        if is_whole { "" } else { "more than " },
        total >> 20,
        worktrees.bytes >> 20,
        runs.bytes >> 20,
        own.bytes >> 20
    );
    let shown = home.recorded(&home.worktrees_dir());
    examination.add(if total > examination.service.settings().worktrees.disk_bytes {
        Finding::note(Code::DiskUse, shown, words)
            .remedy("remove worktrees that nobody needs; `keep` in `[logs]` bounds the logs of runs")
    } else {
        Finding::ok(Code::DiskUse, shown, words)
    });
    Ok(())
}

impl Count {
    /// Adds what lies at `path` and below; links and other file systems count as nothing. Whether all of it was counted.
    fn add(&mut self, path: Utf8PathBuf) -> bool {
        let device = |path: &Utf8Path| path.as_std_path().symlink_metadata().ok().map(|m| m.dev());
        let here = device(&path);
        let mut open = vec![path];
        while let Some(path) = open.pop() {
            self.entries += 1;
            if self.entries > bounds::ENTRIES_COUNTED {
                return false;
            }
            let Ok(meta) = path.as_std_path().symlink_metadata() else { continue };
            self.bytes += meta.blocks() * 512;
            if meta.is_dir() && device(&path) == here {
                open.extend(names_in(&path).unwrap_or_default().into_iter().map(|name| path.join(name)));
            }
        }
        true
    }
}
