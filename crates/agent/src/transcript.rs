//! The transcript of a conversation: a line of JSON for each thing that was said, so that it can be gone on with.
//!
//! **Contract.** Lines are only appended. A last line that was not written whole is no loss: what it said was not acted on. It may hold
//! whatever the tools have read, so it is for its owner alone.

use std::{
    ffi::CStr,
    fs::{File, TryLockError},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime},
};

use biplane_execution::dir::Dir;
use biplane_failpoint as failpoint;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::{bounds, model::Message};

/// The version of the form.
const VERSION: u32 = 1;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    /// The first one.
    Begin { version: u32 },
    /// Something was said.
    Said { message: Message },
    /// What was said so far is put together; this is all that counts from here on.
    Compacted { messages: Vec<Message> },
}

/// A transcript that is being written.
#[derive(Debug)]
pub struct Transcript {
    id: String,
    file: File,
    /// Whether the last line may not be whole: a write has failed, as on a disk that is full.
    is_torn: bool,
}

/// Why a transcript can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// There is none by that name.
    #[error("there is no conversation `{0}`")]
    Unknown(String),
    /// It is in a form that this program does not know, or too long.
    #[error("the conversation `{id}` can't be read: {why}")]
    Form {
        /// Its name.
        id: String,
        /// Why.
        why: String,
    },
    /// Somebody goes on with it at this moment.
    #[error("the conversation `{0}` is under way in another process")]
    Busy(String),
    /// The system refuses.
    #[error("the transcript in `{path}`: {source}")]
    Io {
        /// The directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Transcript {
    /// Begins the one called `id`, in `dir`, which is made when it is not there.
    ///
    /// # Errors
    /// When there is one already, or the system refuses.
    pub fn begin(dir: &Utf8Path, id: &str) -> Result<Self, TranscriptError> {
        let io = |source| TranscriptError::Io { path: dir.to_owned(), source };
        failpoint::reach("transcript directory before");
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(dir).map_err(io)?;
        let name = file_name(id)?;
        let open = Dir::open(dir).map_err(io)?;
        drop(open.create_file(&name).map_err(io)?);
        let mut begun =
            Self { id: id.to_owned(), file: alone(append(dir, id).map_err(io)?, id)?, is_torn: false };
        begun.write(&Line::Begin { version: VERSION }).map_err(io)?;
        Ok(begun)
    }

    /// Goes on with the one called `id`; what counts of what was said in it.
    ///
    /// # Errors
    /// When there is none, it is damaged, or the system refuses.
    pub fn resume(dir: &Utf8Path, id: &str) -> Result<(Self, Vec<Message>), TranscriptError> {
        let io = |source| TranscriptError::Io { path: dir.to_owned(), source };
        let form = |why: &str| TranscriptError::Form { id: id.to_owned(), why: why.to_owned() };
        let unknown = || TranscriptError::Unknown(id.to_owned());
        let name = file_name(id)?;
        let open = match Dir::open(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            open => open.map_err(io)?,
        };
        let file = match open.open_file(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            file => file.map_err(io)?,
        };
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() || meta.len() > bounds::TRANSCRIPT {
            return Err(form("it is too long, or no file"));
        }
        // Held until it is dropped, so that what two of them say is not mixed, and nobody deletes it.
        let end = alone(append(dir, id).map_err(io)?, id)?;
        // Somebody may have deleted it just before.
        if end.metadata().map_err(io)?.nlink() == 0 {
            return Err(unknown());
        }
        let mut from = BufReader::new(file.take(bounds::TRANSCRIPT));
        let mut messages = Vec::new();
        let mut first = true;
        loop {
            let mut line = Vec::new();
            from.read_until(b'\n', &mut line).map_err(io)?;
            // One that was not written whole was not acted on.
            if line.pop() != Some(b'\n') {
                break;
            }
            match (first, serde_json::from_slice::<Line>(&line)) {
                (true, Ok(Line::Begin { version: VERSION })) => {}
                (true, _) => return Err(form("it was written by another version")),
                (false, Ok(Line::Said { message })) => messages.push(message),
                (false, Ok(Line::Compacted { messages: all })) => messages = all,
                // Two lines may have become one where a process was killed in the first.
                (false, Ok(Line::Begin { .. }) | Err(_)) => {}
            }
            first = false;
        }
        if first {
            return Err(form("it has not begun"));
        }
        let mut resumed = Self { id: id.to_owned(), file: end, is_torn: false };
        // So that what was not written whole ends.
        resumed.file.write_all(b"\n").map_err(io)?;
        Ok((resumed, messages))
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Something was said.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn said(&mut self, message: &Message) -> io::Result<()> {
        self.write(&Line::Said { message: message.clone() })
    }

    /// What was said so far is now this.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn compacted(&mut self, messages: &[Message]) -> io::Result<()> {
        self.write(&Line::Compacted { messages: messages.to_vec() })
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = if self.is_torn { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        failpoint::reach("transcript before");
        self.is_torn = true;
        self.file.write_all(&bytes)?;
        self.is_torn = false;
        Ok(())
    }
}

/// The name of the one that was written to last; none where there is none, or nothing can be read. One in which nothing stands, as on a disk
/// that was full, is none.
pub fn newest(dir: &Utf8Path) -> Option<String> {
    listed(&Dir::open(dir).ok()?).into_iter().rev().find(|one| !one.is_empty).map(|one| one.id)
}

/// Deletes all but the `most` that were written to last. What is under way stays, and what can't be looked at or deleted.
pub fn keep_newest(dir: &Utf8Path, most: usize) {
    let Ok(open) = Dir::open(dir) else { return };
    let all = listed(&open);
    for one in all.iter().take(all.len().saturating_sub(most)) {
        let Ok(name) = file_name(&one.id) else { continue };
        forget(&open, &name);
    }
}

/// Deletes one, unless it is under way.
fn forget(open: &Dir, name: &CStr) {
    let Ok(file) = open.open_file(name) else { return };
    // Held meanwhile, so that nobody begins to go on with it. Where files can't be locked, it is done without.
    if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        failpoint::reach("transcript forgotten before");
        let _ = open.unlink(name);
    }
}

/// A transcript in a directory.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Listed {
    /// When it was written to last: seconds, and nanoseconds.
    written: (i64, i64),
    id: String,
    is_empty: bool,
}

/// All of them, the oldest first.
fn listed(open: &Dir) -> Vec<Listed> {
    let names = open.names().unwrap_or_default();
    let mut all: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let id = name.to_str().ok()?.strip_suffix(".jsonl")?.to_owned();
            let stat = open.look(name).ok()??;
            let is_one = crate::tree::kind(&stat).is_file() && file_name(&id).is_ok();
            let written = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
            is_one.then_some(Listed { written, id, is_empty: stat.st_size == 0 })
        })
        .collect();
    all.sort();
    all
}

/// The file, for us alone.
fn alone(file: File, id: &str) -> Result<File, TranscriptError> {
    // Where files can't be locked, it is done without.
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(TranscriptError::Busy(id.to_owned())),
        _ => Ok(file),
    }
}

/// Deletes transcripts that were not written to for `age` before `now`. What is under way stays, and what can't be looked at or deleted.
pub fn forget_old(dir: &Utf8Path, age: Duration, now: SystemTime) {
    let Ok(open) = Dir::open(dir) else { return };
    for name in open.names().unwrap_or_default() {
        let Ok(Some(stat)) = open.look(&name) else { continue };
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let is_old = now.duration_since(written).is_ok_and(|since| since > age);
        if is_old && name.to_bytes().ends_with(b".jsonl") && crate::tree::kind(&stat).is_file() {
            forget(&open, &name);
        }
    }
}

fn file_name(id: &str) -> Result<std::ffi::CString, TranscriptError> {
    let plain =
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let name = plain.then(|| std::ffi::CString::new(format!("{id}.jsonl")).ok()).flatten();
    name.ok_or_else(|| TranscriptError::Unknown(biplane_model::clip(&biplane_model::sanitize_line(id), 64)))
}

fn append(dir: &Utf8Path, id: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = dir.join(format!("{id}.jsonl"));
    Ok(File::from(rustix::fs::open(path.as_std_path(), flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_comes_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap().join("new/sessions");
        let mut one = Transcript::begin(&dir, "a-1").unwrap();
        one.said(&Message::prompt("first")).unwrap();
        one.said(&Message::prompt("second")).unwrap();
        assert!(Transcript::begin(&dir, "a-1").is_err());
        assert!(matches!(Transcript::resume(&dir, "a-1"), Err(TranscriptError::Busy(_))));
        drop(one);
        let (mut again, messages) = Transcript::resume(&dir, "a-1").unwrap();
        assert_eq!(messages, [Message::prompt("first"), Message::prompt("second")]);
        again.compacted(&[Message::prompt("sum")]).unwrap();
        again.said(&Message::prompt("third")).unwrap();
        again.file.write_all(b"{\"line\":\"said\",\"mess").unwrap();
        drop(again);
        let (mut again, messages) = Transcript::resume(&dir, "a-1").unwrap();
        assert_eq!(messages, [Message::prompt("sum"), Message::prompt("third")]);
        again.said(&Message::prompt("fourth")).unwrap();
        drop(again);
        assert_eq!(Transcript::resume(&dir, "a-1").unwrap().1.len(), 3);
        let mode = fs_err::metadata(dir.join("a-1.jsonl")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }

    #[test]
    fn what_is_said_after_a_write_that_failed_stands_in_a_line_of_its_own() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let mut one = Transcript::begin(dir, "a").unwrap();
        // What takes a part of a line and then no more, as a disk that is full.
        let (mut disk, full) = io::pipe().unwrap();
        let full = File::from(std::os::fd::OwnedFd::from(full));
        rustix::io::ioctl_fionbio(&full, true).unwrap();
        let file = std::mem::replace(&mut one.file, full);
        assert!(one.said(&Message::prompt("x".repeat(1 << 20))).is_err());
        drop(std::mem::replace(&mut one.file, file));
        let mut kept = Vec::new();
        disk.read_to_end(&mut kept).unwrap();
        assert!(!kept.is_empty() && !kept.contains(&b'\n'));
        one.file.write_all(&kept).unwrap();
        one.said(&Message::prompt("after it")).unwrap();
        drop(one);
        assert_eq!(Transcript::resume(dir, "a").unwrap().1, [Message::prompt("after it")]);
    }

    #[test]
    fn what_is_none_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        for id in ["none", "../x", "", "a/b", "a.b", &"x".repeat(65)] {
            let fault = Transcript::resume(dir, id).unwrap_err();
            assert!(matches!(fault, TranscriptError::Unknown(_)), "{id}: {fault}");
        }
        fs_err::write(dir.join("v.jsonl"), "{\"line\":\"begin\",\"version\":9}\n").unwrap();
        assert!(Transcript::resume(dir, "v").unwrap_err().to_string().contains("another version"));
        std::os::unix::fs::symlink("v.jsonl", dir.join("l.jsonl")).unwrap();
        assert!(Transcript::resume(dir, "l").is_err());
    }

    #[test]
    fn the_newest_is_gone_on_with_and_the_rest_is_bounded() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        assert_eq!(newest(&dir.join("none")), None);
        assert_eq!(newest(dir), None);
        for (id, at) in [("c", 1), ("a", 3), ("b", 2)] {
            let begun = Transcript::begin(dir, id).unwrap();
            begun.file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        }
        fs_err::write(dir.join("history"), "x").unwrap();
        fs_err::write(dir.join("d.jsonl"), "").unwrap();
        assert_eq!(newest(dir).as_deref(), Some("a"));
        keep_newest(dir, 3);
        assert_eq!(newest(dir).as_deref(), Some("a"));
        assert!(
            !dir.join("c.jsonl").exists() && dir.join("b.jsonl").exists() && dir.join("history").exists()
        );
    }

    #[test]
    fn what_is_under_way_is_not_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let path = dir.join("a.jsonl");
        let begun = Transcript::begin(dir, "a").unwrap();
        let day = Duration::from_secs(86_400);
        forget_old(dir, day, SystemTime::now() + 2 * day);
        keep_newest(dir, 0);
        assert!(path.exists());
        drop(begun);
        let (resumed, _) = Transcript::resume(dir, "a").unwrap();
        keep_newest(dir, 0);
        assert!(path.exists());
        drop(resumed);
        keep_newest(dir, 0);
        assert!(!path.exists());
    }

    #[test]
    fn old_ones_are_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        drop(Transcript::begin(dir, "a").unwrap());
        let day = Duration::from_secs(86_400);
        forget_old(dir, day, SystemTime::now());
        assert!(dir.join("a.jsonl").exists());
        forget_old(dir, day, SystemTime::now() + 2 * day);
        assert!(!dir.join("a.jsonl").exists());
    }
}
