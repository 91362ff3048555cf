//! Repositories inside a worktree where git does not tell of them: it never lists a `.git`, and calls a tracked directory
//! with one in it clean. Directories are entered by handle, links not followed, nothing opened.

use rustix::fs::FileType;

use super::{Rules, SnapshotError, files::unknown, is_in_main, is_left_out, look::Look, names_git, shown};
use crate::{dir::Dir, git::Git, worktrees::Place};

/// How deep directories may be nested; each level holds one open.
const DEPTH: usize = 400;
/// The most names that are looked at.
const NAMES: u64 = 20_000_000;

/// Refuses a worktree in which a repository lies that a snapshot could not hold, wherever it is but in ignored paths that
/// a snapshot leaves out.
///
/// # Errors
/// [`SnapshotError::NestedRepository`] when there is one, and others when that can't be told.
pub fn refuse_repositories(place: &Place, rules: &Rules) -> Result<(), SnapshotError> {
    let git = place.git();
    let look = Look::at(&git)?;
    refuse_filled(&git)?;
    refuse(place, &look, &|path| is_left_out(path, rules) || is_in_main(place, path))
}

/// Refuses those that git knows of: submodules with something to lose, and the like.
pub(super) fn refuse_filled(git: &Git) -> Result<(), SnapshotError> {
    match git.repository_inside()? {
        Some(path) => Err(SnapshotError::NestedRepository(biplane_model::sanitize_line(&path))),
        None => Ok(()),
    }
}

/// Refuses the others: anything called `.git`, in any case, below the top. Ignored paths that `goes` are not looked into.
pub(super) fn refuse(place: &Place, look: &Look, goes: &dyn Fn(&[u8]) -> bool) -> Result<(), SnapshotError> {
    let top = Dir::open(&place.path).map_err(|_| unknown(place.path.as_str().as_bytes()))?;
    Search { look, goes, left: NAMES }.directory(&top, &[], false, DEPTH)
}

struct Search<'a> {
    look: &'a Look,
    goes: &'a dyn Fn(&[u8]) -> bool,
    left: u64,
}

impl Search<'_> {
    fn directory(
        &mut self,
        dir: &Dir,
        path: &[u8],
        ignored: bool,
        depth: usize,
    ) -> Result<(), SnapshotError> {
        let entries = dir.entries().map_err(|_| unknown(path))?;
        self.left = self.left.checked_sub(entries.len() as u64).ok_or_else(|| unknown(path))?;
        for (name, kind) in entries {
            if names_git(name.to_bytes(), "") && !self.is_known(path, name.to_bytes()) {
                let shown = if path.is_empty() { shown(name.to_bytes()) } else { shown(path) };
                return Err(SnapshotError::NestedRepository(shown));
            }
            if kind != FileType::Directory || name.to_bytes() == b".git" {
                continue;
            }
            let below = if path.is_empty() {
                name.to_bytes().to_vec()
            } else {
                [path, b"/", name.to_bytes()].concat()
            };
            let ignored = ignored || self.look.ignored.contains(&[&below[..], b"/"].concat());
            if ignored && (self.goes)(&below) {
                continue;
            }
            if depth == 0 {
                return Err(unknown(&below));
            }
            let inner = dir.child(&name).map_err(|_| unknown(&below))?;
            self.directory(&inner, &below, ignored, depth - 1)?;
        }
        Ok(())
    }

    /// Whether it is git's own of the worktree, or that of a submodule, which was looked at.
    fn is_known(&self, dir: &[u8], name: &[u8]) -> bool {
        let is_link = |dir: &[u8]| {
            // Others are not looked at as submodules.
            std::str::from_utf8(dir).is_ok()
                && self.look.index.get(dir).is_some_and(|all| all.iter().any(|entry| entry.mode == "160000"))
        };
        name == b".git" && (dir.is_empty() || is_link(dir))
    }
}
