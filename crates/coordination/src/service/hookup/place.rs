//! Where a file of an agent program lies, and what is in it.
//!
//! **Contract.** Links are followed within the root, and never into git's own directory; what is no plain file is not opened.

use std::io::Read;

use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};

use super::too_large;
use crate::{
    bounds,
    error::{Error, Result},
    files,
};

/// A file, or the place for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it is, no link in the way.
    pub(super) path: Utf8PathBuf,
    /// What is in it; `None` when it is not there.
    pub(super) text: Option<String>,
    mode: u32,
}

/// Looks for the file `name` below `root`.
///
/// # Errors
/// When a link leads out or to nothing, or it is no plain file, is too large, or is not UTF-8.
pub(super) fn look(root: &Utf8Path, name: &str) -> Result<Found> {
    let root = root.canonicalize_utf8().map_err(|e| Error::io("found", root, e))?;
    let mut path = root.clone();
    let parts: Vec<&str> = name.split('/').collect();
    for (n, part) in parts.iter().enumerate() {
        let next = path.join(part);
        let meta = match next.as_std_path().symlink_metadata() {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                path.extend(&parts[n..]);
                return Ok(Found { path, text: None, mode: 0o644 });
            }
            meta => meta.map_err(|e| Error::io("looked at", &next, e))?,
        };
        path = if meta.is_symlink() { within(&root, &next, name)? } else { next };
        if n + 1 < parts.len() && !path.is_dir() {
            return Err(no_plain(name, "something on its way is no directory"));
        }
    }
    let (text, mode) = read(&path, name)?;
    Ok(Found { path, text: Some(text), mode })
}

/// Where a link leads.
fn within(root: &Utf8Path, link: &Utf8Path, name: &str) -> Result<Utf8PathBuf> {
    let leads =
        link.canonicalize_utf8().map_err(|_| no_plain(name, "it is a link to nothing that can be named"))?;
    let inside =
        leads.strip_prefix(root).map_err(|_| no_plain(name, "a link leads out of the repository"))?;
    if inside.components().any(|part| part.as_str() == ".git") {
        return Err(no_plain(name, "a link leads into git's own directory"));
    }
    Ok(leads)
}

fn read(path: &Utf8Path, name: &str) -> Result<(String, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let io = |e| Error::io("read", name, e);
    // Opening must not wait for somebody at the other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let meta = path.as_std_path().symlink_metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(no_plain(name, "it is no file"));
    }
    let file = rustix::fs::open(path.as_std_path(), flags, Mode::empty()).map_err(|e| io(e.into()))?;
    let file = std::fs::File::from(file);
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(no_plain(name, "it is no file"));
    }
    let mut bytes = Vec::new();
    (&file).take(bounds::HOOKUP_FILE + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > bounds::HOOKUP_FILE {
        return Err(too_large(name));
    }
    let text = String::from_utf8(bytes).map_err(|_| no_plain(name, "it is not UTF-8"))?;
    Ok((text, meta.permissions().mode() & 0o7777))
}

fn no_plain(name: &str, why: &str) -> Error {
    Error::refused(format!("`{name}` is left alone: {why}; nothing was written"))
        .hint("put a plain file there, or leave that part out with `--without`")
}

/// Writes a file, in one step; it keeps its permissions.
///
/// # Errors
/// When it can't be written.
pub(super) fn write(found: &Found, text: &str) -> Result<()> {
    files::replace_durably_with(&found.path, text.as_bytes(), found.mode)
}

/// Deletes a file, and the directory that it was alone in.
///
/// # Errors
/// When it can't be deleted.
pub(super) fn delete(root: &Utf8Path, found: &Found) -> Result<()> {
    failpoint::around("program's file deleted", || std::fs::remove_file(&found.path))
        .map_err(|e| Error::io("deleted", &found.path, e))?;
    let root = root.canonicalize_utf8().map_err(|e| Error::io("found", root, e))?;
    // One that has something else in it stays.
    if let Some(dir) = found.path.parent().filter(|dir| *dir != root) {
        let _ = failpoint::around("program's directory deleted", || std::fs::remove_dir(dir));
    }
    Ok(())
}
