//! Writing a snapshot: one `fast-import` makes its objects, trees and commits. Nothing is converted.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Read,
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
};

use biplane_model::CommitId;
use camino::Utf8Path;

use super::{
    SnapshotError, below,
    files::{Kind, unknown},
};
use crate::git::{GitError, Plain, quote};

/// Files up to this length are handed over with everything else; longer ones git reads by itself.
const SMALL_BYTES: u64 = 256 << 10;
/// The most bytes that are handed over.
const MOST_HANDED: usize = 32 << 20;
/// Who makes a snapshot.
const WHO: &str = "biplane <biplane@localhost>";

/// An object: its id, or its mark in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    Id(String),
    Mark(usize),
    /// The number of a file that git reads by itself.
    Long(usize),
}

/// A tree to be: the mode and the object of each path.
pub(super) type Tree = BTreeMap<Vec<u8>, (&'static str, Object)>;

pub(super) struct Commit<'a> {
    pub(super) tree: &'a Tree,
    pub(super) parents: &'a [Object],
    pub(super) message: &'a str,
}

/// What is being written.
#[derive(Default)]
pub(super) struct Writer {
    stream: Vec<u8>,
    marks: usize,
    /// The paths of files that git reads by itself.
    long: Vec<Vec<u8>>,
    ids: Vec<String>,
}

impl Writer {
    fn mark(&mut self) -> usize {
        self.marks += 1;
        self.marks
    }

    /// An object with these bytes.
    pub(super) fn blob(&mut self, bytes: &[u8]) -> Object {
        let mark = self.mark();
        self.stream.extend_from_slice(format!("blob\nmark :{mark}\n").as_bytes());
        self.data(bytes);
        Object::Mark(mark)
    }

    fn data(&mut self, bytes: &[u8]) {
        self.stream.extend_from_slice(format!("data {}\n", bytes.len()).as_bytes());
        self.stream.extend_from_slice(bytes);
        self.stream.push(b'\n');
    }

    /// An object with the bytes of the file `path` below `top`, or of the link's target.
    pub(super) fn file(&mut self, top: &Utf8Path, path: &[u8], kind: Kind) -> Result<Object, SnapshotError> {
        let place = below(top, path);
        match kind {
            Kind::Link => {
                let target = std::fs::read_link(&place).map_err(|_| unknown(path))?;
                Ok(self.blob(target.as_os_str().as_bytes()))
            }
            Kind::Regular(length) if length <= SMALL_BYTES && self.stream.len() < MOST_HANDED => {
                // Not through a link, and not waiting for the other end of a pipe that has come in its place.
                let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
                let flags = i32::try_from(flags.bits()).expect("flags of open(2) are an int");
                let file = OpenOptions::new().read(true).custom_flags(flags).open(&place);
                let bytes = file.and_then(|file| read(&file, length)).map_err(|_| unknown(path))?;
                Ok(self.blob(&bytes))
            }
            Kind::Regular(_) => {
                self.long.push(path.to_vec());
                Ok(Object::Long(self.long.len() - 1))
            }
        }
    }

    /// Has git read the long files. Before the first commit.
    pub(super) fn read_long(&mut self, plain: &Plain) -> Result<(), SnapshotError> {
        if self.long.is_empty() {
            return Ok(());
        }
        let list: String = self.long.iter().map(|path| quote(&[b"./", &path[..]].concat()) + "\n").collect();
        let call = plain.git().call(["hash-object", "-w", "--no-filters", "--stdin-paths"]);
        self.ids = call.stdin(list).text()?.lines().map(str::to_owned).collect();
        if self.ids.len() != self.long.len() {
            return Err(answer("hash-object", "too few ids").into());
        }
        Ok(())
    }

    fn named(&self, object: &Object) -> String {
        match object {
            Object::Id(id) => id.clone(),
            Object::Mark(mark) => format!(":{mark}"),
            Object::Long(number) => self.ids[*number].clone(),
        }
    }

    /// A commit made at `seconds` since 1970.
    pub(super) fn commit(&mut self, commit: &Commit<'_>, seconds: i64) -> Object {
        let mark = self.mark();
        let start = format!(
            "commit refs/made/{mark}\nmark :{mark}\nauthor {WHO} {seconds} +0000\ncommitter {WHO} {seconds} +0000\n"
        );
        self.stream.extend_from_slice(start.as_bytes());
        self.data(commit.message.as_bytes());
        for (n, parent) in commit.parents.iter().enumerate() {
            let word = if n == 0 { "from" } else { "merge" };
            let line = format!("{word} {}\n", self.named(parent));
            self.stream.extend_from_slice(line.as_bytes());
        }
        self.stream.extend_from_slice(b"deleteall\n");
        for (path, (mode, object)) in commit.tree {
            let line = format!("M {mode} {} {}\n", self.named(object), quote(path));
            self.stream.extend_from_slice(line.as_bytes());
        }
        self.stream.push(b'\n');
        Object::Mark(mark)
    }

    /// Writes everything; gives the id of `wanted`.
    pub(super) fn finish(mut self, plain: &Plain, wanted: &Object) -> Result<CommitId, SnapshotError> {
        let last = format!("get-mark {}\ndone\n", self.named(wanted));
        self.stream.extend_from_slice(last.as_bytes());
        let call = plain.git().call(["fast-import", "--quiet", "--done"]).stdin(self.stream);
        let text = call.text()?;
        Ok(text.trim().parse().map_err(|_| answer("fast-import", &text))?)
    }
}

/// The bytes of a file that had this length a moment ago.
fn read(file: &File, length: u64) -> std::io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
    // One that has grown since is being written; what is there by now is held, within bounds.
    file.take(2 * SMALL_BYTES).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == 2 * SMALL_BYTES {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn answer(command: &str, detail: &str) -> GitError {
    GitError::Answer { command: command.to_owned(), detail: biplane_model::sanitize_line(detail) }
}
