//! The way to a path, step by step, and where links lead.

use std::{ffi::CString, io::ErrorKind};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{FileType, Stat};

use crate::dir::{Dir, mode_of};

/// The directories on both sides in which the last part of `path` lies. Makes those that are missing in the worktree.
pub(super) fn descend(from: &Dir, to: &Dir, path: &str) -> std::io::Result<(Dir, Dir, CString)> {
    let dot = c_string(".");
    let (mut from, mut to) = (from.child(&dot)?, to.child(&dot)?);
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()).map(c_string) {
        let stat = from.look(&part)?.ok_or(ErrorKind::NotFound)?;
        from = from.child(&part)?;
        to = to.make(&part, mode_of(&stat))?;
    }
    Ok((from, to, c_string(name)))
}

/// Whether every directory above `path` is a real one, or not there.
pub(super) fn has_way(top: &Dir, path: &str) -> std::io::Result<bool> {
    let mut dir = top.child(&c_string("."))?;
    let (above, _) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()).map(c_string) {
        match dir.look(&part)? {
            None => return Ok(true),
            Some(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::Directory => return Ok(false),
            Some(_) => dir = dir.child(&part)?,
        }
    }
    Ok(true)
}

/// The directory in which `path` lies and its name there; `None` when the way to it is no way through directories.
pub(super) fn parent_of(top: &Dir, path: &str) -> std::io::Result<Option<(Dir, CString)>> {
    let mut dir = top.child(&c_string("."))?;
    let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()).map(c_string) {
        match dir.look(&part)? {
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                dir = dir.child(&part)?;
            }
            _ => return Ok(None),
        }
    }
    Ok(Some((dir, c_string(name))))
}

/// What lies at `path`, none of it through a link.
pub(super) fn stat_of(top: &Dir, path: &str) -> std::io::Result<Option<Stat>> {
    parent_of(top, path)?.map_or(Ok(None), |(dir, name)| dir.look(&name))
}

pub(super) fn is_there(top: &Dir, path: &str) -> std::io::Result<bool> {
    Ok(stat_of(top, path)?.is_some())
}

/// Whether a link at `path` that says `target` leads to something below the top.
pub(super) fn stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            ".git" => return false,
            _ => depth += 1,
        }
    }
    true
}

/// What the link says: relative when the worktree lies in the main checkout, so that both can be moved together.
pub(super) fn link_target(main: &Utf8Path, worktree: &Utf8Path, dir: &str) -> Utf8PathBuf {
    let Ok(below) = worktree.strip_prefix(main) else { return main.join(dir) };
    let up = below.components().count() + dir.matches('/').count();
    std::iter::repeat_n("..", up).collect::<Utf8PathBuf>().join(dir)
}

/// A name of a file has no NUL; what has one names nothing.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_inside_or_are_left_out() {
        for (path, target, inside) in [
            ("a", "b", true),
            ("a/b", "../c", true),
            ("a/b", "../../c", false),
            ("a", "/etc/passwd", false),
            ("a/b", "c/../../../x", false),
            ("a", ".git/config", false),
        ] {
            assert_eq!(stays_inside(path, target), inside, "{path} → {target}");
        }
    }

    #[test]
    fn a_link_to_the_main_checkout_can_be_moved_with_it() {
        let main = Utf8Path::new("/app");
        assert_eq!(link_target(main, "/app/.worktrees/w".into(), "web/x"), "../../../web/x");
        assert_eq!(link_target(main, "/trees/w".into(), "x"), "/app/x");
    }
}
