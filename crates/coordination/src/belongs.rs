//! Which home a further repository belongs to: a file in the directory that all its checkouts share names the home's root.
//!
//! **Contract.** A repository belongs to one home. The file is written when a command of the home first works with it,
//! never over that of another home, and survives a power cut. What it says is hostile: bounded, no link followed, and
//! believed only when the home that it names lists the repository too.

use std::io::Write;

use biplane_execution::git::Repository;
use biplane_failpoint as failpoint;
use biplane_model::{RepoName, sanitize_line};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    files,
    home::Home,
};

/// Whose a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// No home has worked with it yet.
    Nobody,
    /// The home that asks.
    Us,
    /// A home that is at this place.
    Other(Utf8PathBuf),
    /// A home that was at this place, where none is now: it was moved, unmounted or deleted.
    Gone(Utf8PathBuf),
    /// It has a board of its own: the file of its ledger.
    Itself(Utf8PathBuf),
}

/// The file of a repository whose checkouts share `common_dir`.
pub(crate) fn file(common_dir: &Utf8Path) -> Utf8PathBuf {
    common_dir.join("biplane").join("home")
}

/// The home's root that a repository names; none when it belongs to no home.
///
/// # Errors
/// When there is such a file, and it can't be read or says nothing that is a place.
pub(crate) fn named(common_dir: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let path = file(common_dir);
    let damaged = || {
        Error::refused(format!("`{path}` names no home"))
            .hint("it says which home the repository belongs to; move it away, and `biplane doctor --fix` in that home writes it anew")
    };
    let meta = match path.as_std_path().symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("looked at", &path, e)),
    };
    if !meta.is_file() || meta.len() > bounds::BELONGS_BYTES {
        return Err(damaged());
    }
    let text = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    let text = String::from_utf8(text).map_err(|_| damaged())?;
    let root = text.strip_suffix('\n').unwrap_or(&text);
    if !root.starts_with('/') || root.contains('\0') {
        return Err(damaged());
    }
    Ok(Some(root.into()))
}

/// Whose the repository is, asked by the home `board`.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn owner(board: &Home, repository: &Repository) -> Result<Owner> {
    let own = repository.common_dir.join("biplane").join("ledger.db");
    if own.as_std_path().symlink_metadata().is_ok() {
        return Ok(Owner::Itself(own));
    }
    let Some(root) = named(&repository.common_dir)? else { return Ok(Owner::Nobody) };
    if same_dir(&root, &board.root) {
        return Ok(Owner::Us);
    }
    Ok(if is_home(&root) { Owner::Other(root) } else { Owner::Gone(root) })
}

/// Whether a board is kept for the directory `root`.
fn is_home(root: &Utf8Path) -> bool {
    let repository = Repository::discover(root).ok().filter(|found| same_dir(&found.root, root));
    let state = repository.map_or_else(|| root.join(".biplane"), |found| found.common_dir.join("biplane"));
    // What can't be looked at may be one.
    !matches!(
        state.join("ledger.db").as_std_path().symlink_metadata(),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    )
}

/// Why a repository can't be worked with by the home that asks; none when it can.
pub(crate) fn refusal(name: &RepoName, owner: &Owner, common_dir: &Utf8Path) -> Option<Error> {
    let file = sanitize_line(file(common_dir).as_str());
    match owner {
        Owner::Us | Owner::Nobody => None,
        Owner::Other(root) => {
            let root = sanitize_line(root.as_str());
            let message = format!("repository `{name}` belongs to another home, `{root}`");
            Some(Error::new(ErrorKind::Conflict, message).hint(format!(
                "take it out of the `biplane.toml` of one of the two; then, or when it is a copy, move `{file}` away"
            )))
        }
        Owner::Gone(root) => {
            let root = sanitize_line(root.as_str());
            let message = format!("repository `{name}` belongs to the home `{root}`, which is not there");
            Some(Error::refused(message).hint(
                "if this home was there and was moved, `biplane doctor --fix` writes its new place down; else mount it",
            ))
        }
        Owner::Itself(ledger) => {
            let ledger = sanitize_line(ledger.as_str());
            let message = format!("repository `{name}` has a board of its own");
            Some(Error::new(ErrorKind::Conflict, message).hint(format!(
                "when nobody needs that one, move `{ledger}`, `.tasks` and `.worktrees` of it away, then try again"
            )))
        }
    }
}

/// Writes down that a repository without a home is `board`'s.
///
/// # Errors
/// When it can't be written, or another home was first.
pub(crate) fn claim(board: &Home, name: &RepoName, common_dir: &Utf8Path) -> Result<()> {
    let path = file(common_dir);
    let io = |e| Error::io("written", &path, e);
    let dir = path.parent().unwrap_or(common_dir);
    files::make_dir(dir)?;
    let prefix = format!("{}{}-", files::NEW_BY, std::process::id());
    let mut fresh = tempfile::Builder::new().prefix(&prefix).tempfile_in(dir).map_err(io)?;
    writeln!(fresh, "{}", board.root).and_then(|()| files::readable(fresh.as_file())).map_err(io)?;
    fresh.as_file().sync_all().map_err(io)?;
    failpoint::reach("repository claimed before");
    match fresh.persist_noclobber(&path) {
        Ok(_) => {
            failpoint::reach("repository claimed after");
            std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
        }
        // Another process was first.
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => match named(common_dir)? {
            Some(root) if same_dir(&root, &board.root) => Ok(()),
            Some(root) => refusal(name, &Owner::Other(root), common_dir).map_or(Ok(()), Err),
            None => Err(Error::failed(format!("`{path}` changed meanwhile"))),
        },
        Err(e) => Err(io(e.error)),
    }
}

/// Writes the home's new place down, where its old one is named and nothing is there any more.
///
/// # Errors
/// When a home is there by now, or it can't be written.
pub(crate) fn follow(board: &Home, repository: &Repository) -> Result<()> {
    match owner(board, repository)? {
        Owner::Us => Ok(()),
        Owner::Gone(_) => {
            files::replace_durably(&file(&repository.common_dir), format!("{}\n", board.root).as_bytes())
        }
        _ => Err(Error::failed("it belongs to another home by now")),
    }
}

/// Whether both are the same directory, links resolved where there is something.
pub(crate) fn same_dir(a: &Utf8Path, b: &Utf8Path) -> bool {
    a == b || a.canonicalize_utf8().ok().zip(b.canonicalize_utf8().ok()).is_some_and(|(a, b)| a == b)
}
