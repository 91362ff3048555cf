//! Bringing back what a snapshot holds, into a worktree that was made a moment ago and has no files yet.
//!
//! A snapshot is a commit in a repository where agents write: what it says is checked, no link in it is followed, and
//! none of its attributes or filters is applied.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use biplane_failpoint as failpoint;
use biplane_model::CommitId;
use camino::Utf8Path;

use super::{
    Place,
    snapshot::{INDEX, KEPT, NOTE, Note, STATE, USUAL_DIR, below, names_git, shown, usual_file},
};
use crate::git::{Git, GitError, Plain};

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The snapshot's commit.
    pub commit: CommitId,
    /// The head; `None`: there was no commit yet.
    pub head: Option<CommitId>,
    /// The commit of the index; older snapshots have none when paths were in conflict.
    pub index: Option<CommitId>,
    /// What trees can't hold; older snapshots don't have it.
    pub note: Option<Note>,
    /// The commit that keeps the note.
    kept: Option<CommitId>,
}

/// Why a snapshot can't be brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// It is no snapshot of ours, or it was changed.
    #[error("it is not a snapshot that can be brought back: {0}")]
    Malformed(String),
    /// A file could not be written.
    #[error("`{path}` could not be brought back: {source}")]
    Io {
        /// The path, safe to show.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What the snapshot `commit` holds.
///
/// # Errors
/// When git can't tell, or it is none.
pub fn contents(git: &Git, commit: &CommitId) -> Result<Contents, RestoreError> {
    let listed = git.call(["rev-list", "--parents", "--max-count=1", commit.as_str()]).text()?;
    let mut parents: Vec<CommitId> = listed.split(' ').skip(1).filter_map(|id| id.parse().ok()).collect();
    let Some(last) = parents.last().cloned() else {
        return Err(RestoreError::Malformed("it has no parents".to_owned()));
    };
    let output = git.call(["cat-file", "blob", &format!("{last}:{NOTE}")]).output()?;
    if output.code != Some(0) {
        // As biplane made them before there was a note.
        let mut parents = parents.into_iter();
        let (head, index) = (parents.next(), parents.next());
        return Ok(Contents { commit: commit.clone(), head, index, note: None, kept: None });
    }
    let note = Note::parse(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| RestoreError::Malformed("its note can't be read".to_owned()))?;
    parents.pop();
    let index = parents.pop();
    let head = parents.pop();
    Ok(Contents { commit: commit.clone(), head, index, note: Some(note), kept: Some(last) })
}

/// Writes the files, the index and git's own files into the worktree at `place`, which has neither files nor an index.
/// `branch` is the worktree's branch by now. Its head is the caller's to set.
///
/// # Errors
/// When something can't be written. What is there then is of no use.
pub fn put_back(place: &Place, contents: &Contents, branch: &str) -> Result<(), RestoreError> {
    let git = place.git();
    let plain = git.plain(contents.commit.as_str().len())?;
    fill(&plain, &contents.commit, None)?;
    set_modes(&place.path, contents.note.as_ref().unwrap_or(&Note::default()))?;
    failpoint::reach("restore index before");
    match &contents.kept {
        Some(kept) => put_back_kept(place, &plain, kept, contents, branch)?,
        None => {
            let tree = contents.index.as_ref().or(contents.head.as_ref());
            let tree = tree.ok_or_else(|| RestoreError::Malformed("it has no head".to_owned()))?;
            git.call(["read-tree", tree.as_str()]).bytes()?;
        }
    }
    failpoint::reach("restore index after");
    // The index knows the files by their old times. No filter is run by this.
    git.without_filters()?.0.call(["update-index", "-q", "--refresh"]).output()?;
    Ok(())
}

/// Writes the files of a commit, byte by byte: all of them into the work tree, or those below `only` into another place.
fn fill(plain: &Plain, commit: &CommitId, elsewhere: Option<(&Utf8Path, &[&str])>) -> Result<(), GitError> {
    let git = plain.git().with_index(&plain.git().git_dir().join(format!("index-of-{commit}")));
    git.call(["read-tree", commit.as_str()]).bytes()?;
    let Some((dir, only)) = elsewhere else {
        git.call(["checkout-index", "--all", "--quiet"]).bytes()?;
        return Ok(());
    };
    let names = git.call(["ls-files", "-z", "--"]).args(only).bytes()?;
    let prefix = format!("--prefix={dir}/");
    git.call(["checkout-index", "--quiet", "-z", "--stdin", &prefix]).stdin(names).bytes()?;
    Ok(())
}

fn put_back_kept(
    place: &Place,
    plain: &Plain,
    kept: &CommitId,
    contents: &Contents,
    branch: &str,
) -> Result<(), RestoreError> {
    let dir = plain.git().git_dir().join("kept");
    fill(plain, kept, Some((&dir, &[INDEX, STATE])))?;
    let entry = place.entry_dir();
    if let Some(bytes) = read(&dir.join(INDEX))? {
        write(&entry.join("index"), &bytes)?;
    }
    let old = contents.note.as_ref().map(|note| format!("refs/heads/{}\n", note.branch));
    for name in KEPT {
        let mut open = vec![(dir.join(STATE).join(name), entry.join(name))];
        while let Some((from, to)) = open.pop() {
            if is_dir(&from) {
                for inside in from.read_dir_utf8().map_err(|e| io(&from, e))? {
                    let inside = inside.map_err(|e| io(&from, e))?;
                    open.push((inside.path().to_owned(), to.join(inside.file_name())));
                }
                continue;
            }
            let Some(mut bytes) = read(&from)? else { continue };
            // A rebase goes back to the branch it began on, which may have another name by now.
            if to.file_name() == Some("head-name") && old.as_deref().map(str::as_bytes) == Some(&bytes[..]) {
                bytes = format!("refs/heads/{branch}\n").into_bytes();
            }
            write(&to, &bytes)?;
        }
    }
    Ok(())
}

fn is_dir(path: &Utf8Path) -> bool {
    path.as_std_path().symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

/// The bytes of a regular file; `None` for anything else.
fn read(path: &Utf8Path) -> Result<Option<Vec<u8>>, RestoreError> {
    match path.as_std_path().symlink_metadata() {
        Ok(meta) if meta.is_file() => {
            crate::files::read(path, crate::files::LARGE).map(Some).map_err(|e| io(path, e))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io(path, e)),
    }
}

/// Writes a file of git's directory of the worktree, which git has just made.
fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), RestoreError> {
    if let Some(dir) = path.parent() {
        failpoint::around("restore git directory", || fs::create_dir_all(dir)).map_err(|e| io(dir, e))?;
    }
    failpoint::around("restore git file", || fs::write(path, bytes)).map_err(|e| io(path, e))
}

fn io(path: &Utf8Path, source: std::io::Error) -> RestoreError {
    RestoreError::Io { path: biplane_model::sanitize_line(path.as_str()), source }
}

/// Gives every file and directory its mode, whatever the umask, and makes the empty directories.
fn set_modes(top: &Utf8Path, note: &Note) -> Result<(), RestoreError> {
    for path in note.dirs.keys().filter(|path| !path.is_empty()) {
        make_dir(top, path)?;
    }
    let mut dirs = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(dir) = open.pop() {
        let place = below(top, &dir);
        let failed = |source| RestoreError::Io { path: shown(&dir), source };
        for entry in place.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if dir.is_empty() && name == ".git" {
                continue;
            }
            let path = if dir.is_empty() {
                name.as_bytes().to_vec()
            } else {
                [&dir, &b"/"[..], name.as_bytes()].concat()
            };
            let meta = entry.metadata().map_err(failed)?;
            if meta.is_dir() {
                open.push(path);
            } else if meta.is_file() {
                let found = meta.permissions().mode() & 0o7777;
                let wanted = note.modes.get(&path).copied().unwrap_or_else(|| usual_file(found & 0o100 != 0));
                set_mode(&entry.path(), found, wanted)
                    .map_err(|e| RestoreError::Io { path: shown(&path), source: e })?;
            }
        }
        dirs.push(dir);
    }
    // The deepest first: a directory may be closed to us then.
    for dir in dirs.into_iter().rev() {
        let place = below(top, &dir);
        let failed = |source| RestoreError::Io { path: shown(&dir), source };
        let found = place.symlink_metadata().map_err(failed)?.permissions().mode() & 0o7777;
        set_mode(&place, found, note.dirs.get(&dir).copied().unwrap_or(USUAL_DIR)).map_err(failed)?;
    }
    Ok(())
}

fn set_mode(path: &Path, found: u32, wanted: u32) -> std::io::Result<()> {
    if found == wanted {
        return Ok(());
    }
    failpoint::reach("restore mode before");
    fs::set_permissions(path, Permissions::from_mode(wanted))
}

/// Makes the directory `path` below `top` with those above it, through no link.
fn make_dir(top: &Utf8Path, path: &[u8]) -> Result<(), RestoreError> {
    let mut at = Vec::new();
    for part in path.split(|b| *b == b'/') {
        if matches!(part, b"" | b"." | b"..") || part.contains(&0) || names_git(part, "") {
            return Err(RestoreError::Malformed(format!("it has a directory `{}`", shown(path))));
        }
        if !at.is_empty() {
            at.push(b'/');
        }
        at.extend_from_slice(part);
        let place = below(top, &at);
        match failpoint::around("restore directory", || fs::create_dir(&place)) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                if !place.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                    return Err(RestoreError::Malformed(format!(
                        "`{}` is a file and a directory",
                        shown(&at)
                    )));
                }
            }
            made => made.map_err(|source| RestoreError::Io { path: shown(&at), source })?,
        }
    }
    Ok(())
}

/// Puts the head of the worktree where the snapshot had it: its branch at the old tip, and checked out what was.
///
/// # Errors
/// When the branch was moved meanwhile, or git fails.
pub fn put_back_head(
    place: &Place,
    contents: &Contents,
    branch: &str,
    made_at: &CommitId,
) -> Result<(), GitError> {
    let git = place.git();
    let why = "biplane: restored";
    let (tip, on) = match &contents.note {
        Some(note) => {
            let on = note.on.as_deref().map(|on| if on == note.branch { branch } else { on });
            (note.tip.as_ref(), on)
        }
        None => (contents.head.as_ref(), Some(branch)),
    };
    if let Some(tip) = tip.filter(|tip| *tip != made_at) {
        let name = format!("refs/heads/{branch}");
        git.update_ref(&crate::git::RefUpdate { name: &name, old: Some(made_at), new: Some(tip), why })?;
    }
    match (on, &contents.head) {
        (Some(on), _) if on == branch => {}
        (Some(on), _) => git.attach(&format!("refs/heads/{on}"))?,
        (None, Some(head)) => {
            // By these words git tells where a head was detached.
            let why = format!("checkout: moving from {branch} to {head}");
            git.call(["update-ref", "--no-deref", "-m", &why, "HEAD", head.as_str()]).bytes()?;
        }
        (None, None) => {}
    }
    // The branch was made with the worktree; the snapshot had none.
    if tip.is_none() && on != Some(branch) {
        let name = format!("refs/heads/{branch}");
        git.update_ref(&crate::git::RefUpdate { name: &name, old: Some(made_at), new: None, why })?;
    }
    Ok(())
}
