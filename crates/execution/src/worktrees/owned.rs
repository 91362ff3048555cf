//! Proof that a directory is the worktree of our record, before anything in it is touched.

use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Place,
    handle::{self, DirId},
};
use crate::git::Git;

/// The most bytes that are read of one of git's link files.
const LINK_FILE: u64 = 64 * 1024;

/// A directory that was proved to be ours a moment ago.
#[derive(Debug, Clone)]
pub struct Owned {
    /// Where it is.
    pub place: Place,
    /// Which directory it is.
    pub id: DirId,
}

/// Why a directory is not (or can't be proved to be) the worktree of our record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnershipFault {
    /// Neither the directory nor git's entry is there.
    #[error("neither `{path}` nor git's entry for it is there any more")]
    Gone {
        /// The recorded directory.
        path: Utf8PathBuf,
    },
    /// The directory is not there, but git's entry is.
    #[error("`{path}` is not there")]
    Missing {
        /// The recorded directory.
        path: Utf8PathBuf,
    },
    /// The directory, git's entry and the record do not name each other.
    #[error("`{path}` is not provably this worktree: {why}")]
    NotOurs {
        /// The recorded directory.
        path: Utf8PathBuf,
        /// What contradicts.
        why: String,
    },
    /// It could not be looked at.
    #[error("`{path}` could not be looked at: {why}")]
    Unknown {
        /// The recorded directory.
        path: Utf8PathBuf,
        /// What the system said.
        why: String,
    },
}

/// Proves that the directory's `.git` file, git's entry and our record name each other, and that no symbolic link and no
/// mount stands in between.
///
/// # Errors
/// Whatever is missing from the proof.
pub fn prove(place: &Place) -> Result<Owned, OwnershipFault> {
    let path = place.path.clone();
    let not_ours = |why: String| OwnershipFault::NotOurs { path: path.clone(), why };
    let entry = place.entry_dir();
    let entry_there = kind_of(&entry).map_err(|why| OwnershipFault::Unknown { path: path.clone(), why })?;
    let there = kind_of(&place.path).map_err(|why| OwnershipFault::Unknown { path: path.clone(), why })?;
    let has_entry = entry_there.is_some() && !place.git_entry.is_empty();
    match there {
        None if has_entry => return Err(OwnershipFault::Missing { path }),
        None => return Err(OwnershipFault::Gone { path }),
        Some(Kind::Link) => return Err(not_ours("it is a symbolic link".to_owned())),
        Some(Kind::Other) => return Err(not_ours("it is not a directory".to_owned())),
        Some(Kind::Directory) if !has_entry => return Err(not_ours("git has no entry for it".to_owned())),
        Some(Kind::Directory) => {}
    }
    if let Some(mount) =
        mount_in(&place.path).map_err(|why| OwnershipFault::Unknown { path: path.clone(), why })?
    {
        return Err(not_ours(format!("something is mounted on `{mount}`")));
    }
    // From here on by the handle: what is read is in the directory that is known by `id`, whatever becomes of its name.
    let dir = handle::open_path(&place.path).map_err(|e| not_ours(e.to_string()))?;
    let id = handle::id_of(&dir).map_err(|e| not_ours(e.to_string()))?;
    if !names_entry(&dir, &place.path, &entry).map_err(&not_ours)? {
        return Err(not_ours("its `.git` file points elsewhere".to_owned()));
    }
    let back = read_link_file(&entry.join("gitdir"), None).map_err(&not_ours)?;
    if back.parent().is_none_or(|dir| id_at(dir) != Some(id)) {
        return Err(not_ours("git's entry points elsewhere".to_owned()));
    }
    if let Some(held) = entry.ancestors().find(|above| id_at(above) == Some(id)) {
        return Err(not_ours(format!("git's own directory lies in it: `{held}`")));
    }
    Ok(Owned { place: place.clone(), id })
}

/// Whether the `.git` file in `dir`, which is called `path`, names `entry`.
pub(super) fn names_entry(
    dir: impl std::os::fd::AsFd,
    path: &Utf8Path,
    entry: &Utf8Path,
) -> Result<bool, String> {
    let file = path.join(".git");
    let text = handle::read_small(dir, c".git", LINK_FILE).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!("`{file}` is missing"),
        _ => format!("`{file}` is not git's file"),
    })?;
    let forward = link_in(&text, &file, Some("gitdir: "))?;
    Ok(same_dir(&forward, entry))
}

/// Which directory is at `path`, links followed; none when there is none.
fn id_at(path: &Utf8Path) -> Option<DirId> {
    path.as_std_path().metadata().ok().filter(std::fs::Metadata::is_dir).map(|meta| DirId::of(&meta))
}

/// Proves as much without the directory's `.git` file: enough for a directory that biplane made for itself alone.
///
/// # Errors
/// Whatever is missing from the proof.
pub(super) fn prove_by_entry(place: &Place) -> Result<Owned, OwnershipFault> {
    let path = place.path.clone();
    let not_ours = |why: String| OwnershipFault::NotOurs { path: path.clone(), why };
    if !matches!(kind_of(&place.path).map_err(&not_ours)?, Some(Kind::Directory)) {
        return Err(not_ours("it is not a directory".to_owned()));
    }
    if let Some(mount) = mount_in(&place.path).map_err(&not_ours)? {
        return Err(not_ours(format!("something is mounted on `{mount}`")));
    }
    let back = read_link_file(&place.entry_dir().join("gitdir"), None).map_err(&not_ours)?;
    if place.git_entry.is_empty() || back.parent().is_none_or(|dir| !same_dir(dir, &place.path)) {
        return Err(not_ours("git's entry points elsewhere".to_owned()));
    }
    let id = handle::open_path(&place.path).and_then(handle::id_of).map_err(|e| not_ours(e.to_string()))?;
    Ok(Owned { place: place.clone(), id })
}

pub(super) enum Kind {
    Directory,
    Link,
    Other,
}

/// What is at `path` itself, links not followed; `None` when nothing is.
pub(super) fn kind_of(path: &Utf8Path) -> Result<Option<Kind>, String> {
    match path.as_std_path().symlink_metadata() {
        Ok(meta) if meta.is_dir() => Ok(Some(Kind::Directory)),
        Ok(meta) if meta.is_symlink() => Ok(Some(Kind::Link)),
        Ok(_) => Ok(Some(Kind::Other)),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(e) => Err(e.to_string()),
    }
}

/// A mount point at or below `path`, if there is one.
#[cfg(target_os = "linux")]
pub(super) fn mount_in(path: &Utf8Path) -> Result<Option<String>, String> {
    let table = fs_err::read_to_string("/proc/self/mountinfo").map_err(|e| e.to_string())?;
    let below = |point: &str| {
        point == path.as_str() || point.strip_prefix(path.as_str()).is_some_and(|r| r.starts_with('/'))
    };
    Ok(table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape).find(|point| below(point)))
}

/// The kernel writes space, tab, newline and backslash in mount points as octal numbers.
#[cfg(target_os = "linux")]
fn unescape(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// Whether `path` is a mount point; where the system has no table of mounts, those below it are not seen.
#[cfg(not(target_os = "linux"))]
pub(super) fn mount_in(path: &Utf8Path) -> Result<Option<String>, String> {
    let device =
        |p: &Utf8Path| p.as_std_path().symlink_metadata().map(|m| m.dev()).map_err(|e| e.to_string());
    let Some(parent) = path.parent() else { return Ok(None) };
    Ok((device(path)? != device(parent)?).then(|| path.to_string()))
}

/// The path in one of git's link files; small, a real file, and nothing behind the path.
pub(super) fn read_link_file(file: &Utf8Path, prefix: Option<&str>) -> Result<Utf8PathBuf, String> {
    let meta = file.as_std_path().symlink_metadata().map_err(|_| format!("`{file}` is missing"))?;
    if !meta.is_file() || meta.len() > LINK_FILE {
        return Err(format!("`{file}` is not git's file"));
    }
    let text = crate::files::text(file).map_err(|e| format!("`{file}` can't be read: {e}"))?;
    link_in(&text, file, prefix)
}

/// The path in the text of the link file `file`.
fn link_in(text: &str, file: &Utf8Path, prefix: Option<&str>) -> Result<Utf8PathBuf, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let path =
        prefix.map_or(Some(text), |p| text.strip_prefix(p)).ok_or(format!("`{file}` is not git's file"))?;
    let base = file.parent().unwrap_or(Utf8Path::new("/"));
    Ok(base.join(path))
}

pub(super) fn same_dir(a: &Utf8Path, b: &Utf8Path) -> bool {
    let id = |p: &Utf8Path| p.as_std_path().metadata().map(|m| (m.dev(), m.ino())).ok();
    a == b || (id(a).is_some() && id(a) == id(b))
}

/// The worktree at `path` by the entry that it names; by none when it names none.
pub fn place_at(common_dir: &Utf8Path, path: &Utf8Path) -> Place {
    let entry =
        linked_checkout(common_dir, path).and_then(|git| git.git_dir().file_name().map(str::to_owned));
    Place { common_dir: common_dir.to_owned(), path: path.to_owned(), git_entry: entry.unwrap_or_default() }
}

/// Git on the linked checkout at `path`, when git's entry for it and the directory name each other.
pub fn linked_checkout(common_dir: &Utf8Path, path: &Utf8Path) -> Option<Git> {
    let entry = read_link_file(&path.join(".git"), Some("gitdir: ")).ok()?;
    let git_entry = entry.file_name()?.to_owned();
    let place = Place { common_dir: common_dir.to_owned(), path: path.to_owned(), git_entry };
    prove(&place).ok().map(|owned| owned.place.git())
}
