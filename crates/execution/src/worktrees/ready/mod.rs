//! Making a new worktree ready to build: ignored files copied, ignored directories cloned or shared.
//!
//! **Contract.** Only what git ignores in the main checkout *and* would ignore in the worktree is brought, so that nothing of
//! it gets into a commit. Nothing that is there is overwritten, and a second time changes nothing. No symbolic link is
//! followed on either side. What is left out is told of.
//!
//! **Deliberately absent:** commands, ports, settings.

mod copier;
mod same;
mod way;

use std::{ffi::CString, io::ErrorKind};

use biplane_failpoint as failpoint;
use camino::Utf8Path;
use rustix::fs::{FileType, Stat};

use self::{
    copier::{Copier, Halt, refused, size},
    way::{c_string, descend, has_way, is_there, link_target, stat_of, stays_inside},
};
use super::Place;
use crate::{
    dir::Dir,
    git::{Git, GitError},
};

pub use self::{copier::Bound, same::is_in_main_too};

/// The name under which something lies until it is whole. The set-up has it ignored.
pub const UNFINISHED: &str = ".biplane-new";

/// The most things that are told one by one.
const NOTES: usize = 20;

/// What was brought into a worktree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought {
    /// How many files, links and directories.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of the files share their blocks with the main checkout's until one of them is changed.
    pub shared: u64,
    /// What was left out, in sentences, made safe to show.
    pub notes: Vec<String>,
    /// How many more such sentences there would be.
    pub more: u64,
}

impl Brought {
    fn note(&mut self, path: &str, why: &str) {
        if self.notes.len() < NOTES {
            let path = biplane_model::clip(&biplane_model::sanitize_line(path), 200);
            self.notes.push(format!("`{path}` {why}"));
        } else {
            self.more += 1;
        }
    }

    fn noting(path: &str, why: &str) -> Self {
        let mut brought = Self::default();
        brought.note(path, why);
        brought
    }
}

/// Why a worktree could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    /// Git or the system refused.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Whoever asked for it wants no more of it.
    #[error("it was stopped")]
    Stopped,
}

/// What became of a directory that is to be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// It is shared, or was left out, which the notes tell.
    Settled(Brought),
    /// The link would be untracked in the worktree: patterns that end in `/` are for directories alone.
    NotIgnored,
}

/// Copies the files of `source` (the main checkout) that git ignores and that match `patterns`, but none below `leave`.
///
/// # Errors
/// [`ReadyError`]; what was copied stays.
pub fn copy(
    source: &Git,
    place: &Place,
    patterns: &str,
    leave: &[String],
    bound: Bound,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Brought, ReadyError> {
    let (from, to) = tops(source, place)?;
    let mut copier = Copier::new(bound, keep_going);
    let mut wanted = source.ignored_matching(patterns)?;
    wanted.retain(|path| !leave.iter().any(|dir| Utf8Path::new(path).starts_with(dir)));
    let mut files = Vec::new();
    for path in wanted {
        if path.ends_with('/') {
            copier.brought.note(&path, "is a repository of its own; left out");
        } else if !has_way(&to, &path).map_err(|e| refused(&path, "looked at", e))? {
            copier.brought.note(&path, "has something else than a directory in its way; left out");
        } else if !is_there(&to, &path).map_err(|e| refused(&path, "looked at", e))? {
            files.push(path);
        }
    }
    let ignored = place.git().ignored_among(&files)?;
    for path in files {
        if !ignored.contains(&path) {
            copier
                .brought
                .note(&path, "is not ignored in the worktree, and could get into a commit; left out");
            continue;
        }
        match copy_one(&mut copier, &from, &to, &path) {
            Ok(()) => {}
            Err(Halt::TooMuch) => copier.brought.note(&path, "is more than may be copied; left out"),
            Err(Halt::Stopped) => return Err(ReadyError::Stopped),
            Err(Halt::Io(e)) if e.kind() == ErrorKind::NotFound => {
                copier.brought.note(&path, "went away meanwhile");
            }
            Err(Halt::Io(e)) => return Err(refused(&path, "copied", e)),
        }
    }
    Ok(copier.brought)
}

fn copy_one(copier: &mut Copier<'_>, from: &Dir, to: &Dir, path: &str) -> Result<(), Halt> {
    let (from, to, name) = descend(from, to, path)?;
    let Some(stat) = from.look(&name)? else { return Ok(()) };
    let new = unfinished();
    to.delete(&new)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            copier.admit(size(&stat))?;
            copier.file(&from, &name, &to, &new)?;
        }
        FileType::Symlink => {
            let target = from.link_target(&name)?;
            if !stays_inside(path, &target.to_string_lossy()) {
                copier.brought.note(path, "is a link that leads out of the worktree; left out");
                return Ok(());
            }
            copier.admit(0)?;
            to.make_link(&target, &new)?;
        }
        _ => {
            copier.brought.note(path, "is no file; left out");
            return Ok(());
        }
    }
    Ok(finish(&to, &name)?)
}

/// Clones the directory `dir` of `source` (the main checkout), with its modes, times and links.
///
/// # Errors
/// [`ReadyError`]; then nothing of it is there under its name.
pub fn clone(
    source: &Git,
    place: &Place,
    dir: &str,
    bound: Bound,
    keep_going: &mut dyn FnMut() -> bool,
) -> Result<Brought, ReadyError> {
    let (from, to) = tops(source, place)?;
    let stat = match source_dir(source, &from, &to, dir)? {
        Ok(stat) => stat,
        Err(why) => return Ok(Brought::noting(dir, why)),
    };
    if is_there(&to, dir).map_err(|e| refused(dir, "looked at", e))? {
        return Ok(Brought::default());
    }
    // The directory is not there yet, and a pattern for directories is only asked about what lies in one.
    if place.git().ignored_among(&[format!("{dir}/x")])?.is_empty() {
        return Ok(Brought::noting(
            dir,
            "is not ignored in the worktree, and could get into a commit; left out",
        ));
    }
    let mut copier = Copier::new(bound, keep_going);
    let new = unfinished();
    let mut fill = || -> Result<(), Halt> {
        let (from, to, name) = descend(&from, &to, dir)?;
        to.delete(&new)?;
        let made = to.make(&new, rustix::fs::Mode::RWXU)?;
        let filled = copier.tree(&from.child(&name)?, &made, dir, 0);
        if filled.is_err() {
            to.delete(&new)?;
        }
        filled?;
        made.dress(&stat)?;
        Ok(finish(&to, &name)?)
    };
    match fill() {
        Ok(()) => Ok(copier.brought),
        Err(Halt::TooMuch) => {
            let why = format!(
                "is more than {} files or {} MiB, or too deep; left out",
                bound.entries,
                bound.bytes >> 20
            );
            Ok(Brought::noting(dir, &why))
        }
        Err(Halt::Stopped) => Err(ReadyError::Stopped),
        Err(Halt::Io(e)) => Err(refused(dir, "cloned", e)),
    }
}

/// Links to the directory `dir` of `source` (the main checkout).
///
/// # Errors
/// [`ReadyError`]; then there is no link.
pub fn share(source: &Git, place: &Place, dir: &str) -> Result<Shared, ReadyError> {
    let (from, to) = tops(source, place)?;
    if let Err(why) = source_dir(source, &from, &to, dir)? {
        return Ok(Shared::Settled(Brought::noting(dir, why)));
    }
    let io = |e| refused(dir, "linked", e);
    let target = link_target(source.work_tree().unwrap_or(source.git_dir()), &place.path, dir);
    if is_there(&to, dir).map_err(io)? {
        let (_, parent, name) = descend(&from, &to, dir).map_err(io)?;
        let is_ours = parent.link_target(&name).is_ok_and(|t| t.to_bytes() == target.as_str().as_bytes());
        let settled = if is_ours {
            Brought::default()
        } else {
            Brought::noting(dir, "is there already, and not the shared one")
        };
        return Ok(Shared::Settled(settled));
    }
    if place.git().ignored_among(&[dir.to_owned()])?.is_empty() {
        return Ok(Shared::NotIgnored);
    }
    let (_, parent, name) = descend(&from, &to, dir).map_err(io)?;
    failpoint::reach("shared directory linked before");
    parent.make_link(&c_string(target.as_str()), &name).map_err(io)?;
    failpoint::reach("shared directory linked after");
    Ok(Shared::Settled(Brought { entries: 1, ..Brought::default() }))
}

/// The directory to take, or why it can't be taken.
fn source_dir(
    source: &Git,
    from: &Dir,
    to: &Dir,
    dir: &str,
) -> Result<Result<Stat, &'static str>, ReadyError> {
    let io = |e| refused(dir, "looked at", e);
    let Some(stat) = stat_of(from, dir).map_err(io)? else {
        return Ok(Err("is not in the main checkout"));
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Ok(Err("is no directory in the main checkout; left out"));
    }
    if !has_way(to, dir).map_err(io)? {
        return Ok(Err("has something else than a directory in its way; left out"));
    }
    if !source.ignores_all_of(dir)? {
        return Ok(Err("is not ignored in the main checkout; left out"));
    }
    Ok(Ok(stat))
}

fn tops(source: &Git, place: &Place) -> Result<(Dir, Dir), ReadyError> {
    let open = |path: &Utf8Path| Dir::open(path).map_err(|e| refused(path.as_str(), "opened", e));
    Ok((open(source.work_tree().unwrap_or(source.git_dir()))?, open(&place.path)?))
}

/// What is whole now gets its name.
fn finish(to: &Dir, name: &CString) -> std::io::Result<()> {
    failpoint::reach("ignored file brought before");
    match to.rename(&unfinished(), name) {
        // Somebody was faster; theirs stays.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => to.delete(&unfinished())?,
        other => other?,
    }
    failpoint::reach("ignored file brought after");
    Ok(())
}

fn unfinished() -> CString {
    c_string(UNFINISHED)
}
