//! The transcript of a conversation: a line of JSON for each thing that was said, so that it can be gone on with.
//!
//! **Contract.** Lines are only appended. A last line that was not written whole is no loss: what it said was not acted on. It may hold
//! whatever the tools have read, so it is for its owner alone.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
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
        let mut begun = Self { id: id.to_owned(), file: append(dir, id).map_err(io)? };
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
        let mut resumed = Self { id: id.to_owned(), file: append(dir, id).map_err(io)? };
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
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        failpoint::reach("transcript before");
        self.file.write_all(&bytes)
    }
}

/// Deletes transcripts that were not written to for `age` before `now`. What can't be looked at or deleted stays.
pub fn forget_old(dir: &Utf8Path, age: Duration, now: SystemTime) {
    let Ok(open) = Dir::open(dir) else { return };
    for name in open.names().unwrap_or_default() {
        let Ok(Some(stat)) = open.look(&name) else { continue };
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
        let is_old = now.duration_since(written).is_ok_and(|since| since > age);
        if is_old && name.to_bytes().ends_with(b".jsonl") && crate::tree::kind(&stat).is_file() {
            failpoint::reach("transcript forgotten before");
            let _ = open.unlink(&name);
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
        let (mut again, messages) = Transcript::resume(&dir, "a-1").unwrap();
        assert_eq!(messages, [Message::prompt("first"), Message::prompt("second")]);
        again.compacted(&[Message::prompt("sum")]).unwrap();
        again.said(&Message::prompt("third")).unwrap();
        again.file.write_all(b"{\"line\":\"said\",\"mess").unwrap();
        let (mut again, messages) = Transcript::resume(&dir, "a-1").unwrap();
        assert_eq!(messages, [Message::prompt("sum"), Message::prompt("third")]);
        again.said(&Message::prompt("fourth")).unwrap();
        assert_eq!(Transcript::resume(&dir, "a-1").unwrap().1.len(), 3);
        let mode = fs_err::metadata(dir.join("a-1.jsonl")).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
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
