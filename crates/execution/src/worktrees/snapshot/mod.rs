//! Snapshots: a ref that holds everything a worktree has, before anything of it is discarded.
//!
//! A snapshot is a commit. Its tree is the files, byte by byte (tracked, untracked, and those ignored ones that can't be
//! made again). Its parents are the worktree's head (when there is one), a commit of the index, and a commit that keeps
//! what trees can't hold: the index file, modes, empty directories, and git's files of a merge or rebase in progress.
//! Neither files nor index are touched, and no filter is run.
//!
//! **Deliberately absent:** mtimes, owners, extended attributes, hard links; reflogs and stashes.

mod files;
mod inside;
mod known;
mod look;
mod note;
mod number;
mod state;
mod write;

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use biplane_model::{CommitId, WorktreeName};
use camino::Utf8Path;

use super::Place;
use crate::git::{Git, GitError, Plain};
use files::{Files, Kind, is_left_out, walk};
pub(super) use files::{USUAL_DIR, usual_file};
pub use inside::refuse_repositories;
use known::Known;
use look::Look;
pub use note::Note;
pub(super) use state::KEPT;
use write::{Commit, Object, Tree, Writer};

/// Where snapshots are: `<this><name>/<n>`.
pub const SNAPSHOT_REFS: &str = "refs/biplane/snapshots/";

/// The files of the commit that keeps what trees can't hold.
pub(super) const NOTE: &str = "biplane-snapshot";
pub(super) const INDEX: &str = "index";
pub(super) const STATE: &str = "state";
const TREES: &str = "trees";

/// What a snapshot takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Names of ignored directories and files that a build makes again.
    pub leave_out: Vec<String>,
    /// The most bytes of untracked and ignored files.
    pub max_bytes: u64,
}

/// What to take a snapshot of, and how.
#[derive(Debug, Clone)]
pub struct SnapshotRequest<'a> {
    /// The worktree, proved to be ours.
    pub place: &'a Place,
    /// Its name.
    pub name: &'a WorktreeName,
    /// Its branch, without `refs/heads/`.
    pub branch: &'a str,
    /// The commit it was created at.
    pub base: &'a CommitId,
    /// Why it is taken; one line.
    pub why: &'a str,
    /// Whether its commits are held by something else.
    pub held: Held,
    /// What it takes in.
    pub rules: &'a Rules,
    /// When: seconds since 1970.
    pub at_s: i64,
}

/// A snapshot that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The ref that holds it.
    pub name: String,
    /// Its commit.
    pub commit: CommitId,
    /// Whether it was made now; the newest one of that name is taken again when it holds the same.
    pub is_new: bool,
    /// What it could not hold, and need not: sockets, pipes, devices. Safe to show.
    pub skipped: Vec<String>,
}

/// Why a snapshot can't be taken. Nothing may be discarded then.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A repository lies inside the worktree; its work can't be held by a ref of this one.
    #[error("`{0}` is a repository inside the worktree, whose work a snapshot can't hold")]
    NestedRepository(String),
    /// There is too much.
    #[error("untracked and ignored files come to {}, more than {}; the largest are {largest}", size(*bytes), size(*most))]
    TooLarge {
        /// How much there is.
        bytes: u64,
        /// How much may be.
        most: u64,
        /// The largest files with their sizes, safe to show.
        largest: String,
    },
    /// There are too many.
    #[error("there are more than {most} untracked and ignored files")]
    TooMany {
        /// How many may be.
        most: u64,
    },
    /// A file could not be looked at.
    #[error("`{0}` could not be looked at")]
    Unknown(String),
}

/// Whether the worktree's commits are reachable from something that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// They are, by the target or by a branch that stays.
    ByAnother,
    /// They would be lost with the branch.
    ByNothing,
    /// The worktree itself stays, and all that is in it: nothing is discarded.
    InPlace,
}

/// Takes a snapshot of a worktree. `None` when there is nothing that its branch does not hold: no uncommitted work, no
/// ignored file worth keeping, nothing in progress, no repository inside, and the head held by something else.
///
/// # Errors
/// [`SnapshotError`]; the worktree is as it was.
pub fn snapshot(request: &SnapshotRequest<'_>) -> Result<Option<Snapshot>, SnapshotError> {
    let place = request.place;
    let git = place.git();
    let look = Look::at(&git)?;
    inside::refuse_filled(&git)?;
    let entry = place.entry_dir();
    let is_busy = state::is_busy(&state::kept(&entry)?);
    // What a set-up brought and nobody has changed is not lost with the worktree.
    let is_lost = |path: &&Vec<u8>| !is_left_out(path, request.rules) && !is_in_main(place, path);
    let loses_ignored = look.ignored.iter().any(|path| is_lost(&path));
    if look.is_clean() && !loses_ignored && !is_busy && request.held != Held::ByNothing {
        if request.held == Held::ByAnother {
            // None of the ignored paths is lost.
            inside::refuse(place, &look, &|_| true)?;
        }
        return Ok(None);
    }
    let files = walk(place, &look, request.rules)?;
    let plain = git.plain(request.base.as_str().len())?;
    let commit = write(request, (&git, &plain), &look, &files)?;
    let skipped = files.skipped.iter().map(|(kind, path)| format!("{kind} `{}`", shown(path))).collect();
    let parents = if look.head.is_some() { 3 } else { 2 };
    let (name, commit, is_new) = number::name_it(&git, request.name, commit, parents)?;
    Ok(Some(Snapshot { name, commit, is_new, skipped }))
}

/// The ignored paths of a checkout that a snapshot leaves out, because something makes them again.
pub fn left_out(ignored: &[String], rules: &Rules) -> Vec<String> {
    ignored.iter().filter(|path| is_left_out(path.as_bytes(), rules)).cloned().collect()
}

/// Whether the main checkout has the same at an ignored path.
fn is_in_main(place: &Place, path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|path| super::ready::is_in_main_too(place, path))
}

/// Writes the commits; gives the snapshot's.
fn write(
    request: &SnapshotRequest<'_>,
    (git, plain): (&Git, &Plain),
    look: &Look,
    files: &Files,
) -> Result<CommitId, SnapshotError> {
    let entry = request.place.entry_dir();
    let mut writer = Writer::default();
    let kept = state::kept(&entry)?;
    let known = Known::of(git, look, files, state::ids(&kept, request.base.as_str().len()))?;
    let mut tree = Tree::new();
    for file in &files.files {
        let mode = match file.kind {
            Kind::Link => "120000",
            Kind::Regular(_) if file.mode & 0o100 != 0 => "100755",
            Kind::Regular(_) => "100644",
        };
        let object = match known.as_held(look, file) {
            Some(id) => Object::Id(id.to_owned()),
            None => writer.file(&request.place.path, &file.path, file.kind)?,
        };
        tree.insert(file.path.clone(), (mode, object));
    }
    let note = note(request, git, look, files)?;
    let mut meta = Tree::new();
    meta.insert(NOTE.into(), ("100644", writer.blob(note.text().as_bytes())));
    if let Some(bytes) = git.index_bytes()? {
        meta.insert(INDEX.into(), ("100644", writer.blob(&bytes)));
        if bytes.windows(4).any(|w| w == b"REUC") {
            keep_undo(git, &mut meta)?;
        }
    }
    for (name, bytes) in &kept {
        meta.insert(format!("{STATE}/{name}").into(), ("100644", writer.blob(bytes)));
    }
    let index = index_trees(look, &mut meta);
    writer.read_long(plain)?;
    let mut reached: Vec<Object> = known.commits.iter().cloned().map(Object::Id).collect();
    let tip = note.tip.filter(|tip| look.head.as_ref() != Some(tip)).map(|tip| Object::Id(tip.to_string()));
    reached.extend(tip.filter(|tip| !reached.contains(tip)));
    for id in &known.trees {
        meta.insert(format!("{TREES}/{id}").into(), ("040000", Object::Id(id.clone())));
    }
    let head = look.head.iter().map(|id| Object::Id(id.to_string())).collect::<Vec<_>>();
    let name = request.name;
    let message = format!("biplane: index of {name}\n");
    let index = writer.commit(&Commit { tree: &index, parents: &head, message: &message }, request.at_s);
    let message = format!("biplane: what a tree can't hold of {name}\n");
    let meta = writer.commit(&Commit { tree: &meta, parents: &reached, message: &message }, request.at_s);
    let parents = [&head[..], &[index, meta]].concat();
    let message = message_of(request, look, files);
    let commit = writer.commit(&Commit { tree: &tree, parents: &parents, message: &message }, request.at_s);
    writer.finish(plain, &commit)
}

/// What `git log` says of a snapshot, and what lists read.
fn message_of(request: &SnapshotRequest<'_>, look: &Look, files: &Files) -> String {
    let why = biplane_model::clip(&biplane_model::sanitize_line(request.why), 200);
    let branch = look.branch.as_deref().map_or_else(|| "(detached)".to_owned(), biplane_model::sanitize_line);
    let changed = look.changed.len() as u64 + files.loose.files;
    let (name, bytes) = (request.name, files.loose.bytes);
    format!(
        "biplane: snapshot of worktree {name}\n\nWhy: {why}\nBranch: {branch}\nFiles: {changed}\nBytes: {bytes}\n"
    )
}

fn note(request: &SnapshotRequest<'_>, git: &Git, look: &Look, files: &Files) -> Result<Note, GitError> {
    let is_own = look.branch.as_deref() == Some(request.branch);
    let tip = if is_own { look.head.clone() } else { git.branch_tip(request.branch)? };
    let unusual = files.files.iter().filter(|file| {
        matches!(file.kind, Kind::Regular(_)) && file.mode != usual_file(file.mode & 0o100 != 0)
    });
    Ok(Note {
        branch: request.branch.to_owned(),
        base: Some(request.base.clone()),
        on: look.branch.clone(),
        tip,
        modes: unusual.map(|file| (file.path.clone(), file.mode)).collect(),
        dirs: files.dirs.iter().cloned().collect(),
        skipped: files.skipped.iter().map(|(kind, path)| format!("{kind} {}", shown(path))).collect(),
        left_out: files.left_out.iter().map(|path| shown(path)).collect(),
    })
}

/// The tree of the index; what is in conflict goes into `meta`, each stage by itself.
fn index_trees(look: &Look, meta: &mut Tree) -> Tree {
    let mut tree = Tree::new();
    for (path, entries) in &look.index {
        for entry in entries {
            let Some(mode) = mode_word(&entry.mode) else { continue };
            let object = (mode, Object::Id(entry.id.clone()));
            match entry.stage {
                0 => tree.insert(path.clone(), object),
                stage => meta.insert([format!("stage{stage}/").as_bytes(), path].concat(), object),
            };
        }
    }
    tree
}

/// What was in conflict and is resolved can be put in conflict again: git keeps the stages in the index.
fn keep_undo(git: &Git, meta: &mut Tree) -> Result<(), GitError> {
    let listed = git.call(["ls-files", "--resolve-undo", "-z"]).bytes()?;
    for (n, field) in listed.split(|b| *b == 0).filter(|f| !f.is_empty()).enumerate() {
        let text = String::from_utf8_lossy(field);
        let mut words = text.split([' ', '\t']);
        if let (Some(mode), Some(id)) = (words.next().and_then(mode_word), words.next()) {
            meta.insert(format!("undo/{n}").into(), (mode, Object::Id(id.to_owned())));
        }
    }
    Ok(())
}

fn mode_word(mode: &str) -> Option<&'static str> {
    ["100644", "100755", "120000", "160000"].into_iter().find(|word| *word == mode)
}

/// A path below `top`, whatever its bytes.
pub(super) fn below(top: &Utf8Path, path: &[u8]) -> PathBuf {
    top.as_std_path().join(OsStr::from_bytes(path))
}

/// Whether the last part of the path is `.git` with `rest` behind it, in any case: git holds no such `.git`.
pub(super) fn names_git(path: &[u8], rest: &str) -> bool {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    name.eq_ignore_ascii_case(format!(".git{rest}").as_bytes())
}

/// A path, safe to show.
pub(super) fn shown(path: &[u8]) -> String {
    biplane_model::clip(&biplane_model::sanitize_line(&String::from_utf8_lossy(path)), 200)
}

/// A number of bytes in words.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB"];
    let unit = (0..3).take_while(|n| bytes >= 1024 << (10 * n)).count();
    if unit == 0 {
        format!("{bytes} bytes")
    } else {
        format!("{:.1} {}", bytes as f64 / f64::from(1u32 << (10 * unit)), units[unit])
    }
}
