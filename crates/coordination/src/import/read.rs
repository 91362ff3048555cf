//! Reading what somebody else has written: real files only, never through a link, never more than a bound.

use std::{fs::OpenOptions, io::Read, os::unix::fs::OpenOptionsExt};

use biplane_model::{AgentName, RepoName, TaskId, Timestamp, WorktreeName, sanitize};
use camino::Utf8Path;
use rustix::fs::OFlags;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::notes::Notes;

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A file, whole.
    File(Vec<u8>),
    /// Something that is not read, and why.
    Unread(String),
}

/// Reads the file at `path` when it has at most `most` bytes.
pub(crate) fn file(path: &Utf8Path, most: u64) -> Found {
    let meta = match path.as_std_path().symlink_metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Found::Nothing,
        Err(e) => return Found::Unread(format!("it can't be looked at: {e}")),
    };
    if meta.is_symlink() {
        return Found::Unread("it is a symbolic link, which is never followed".to_owned());
    }
    if !meta.is_file() {
        return Found::Unread("it is not a file".to_owned());
    }
    match bounded(path, most) {
        Ok(Some(bytes)) => Found::File(bytes),
        Ok(None) => Found::Unread(format!("it has more than {most} bytes")),
        Err(e) => Found::Unread(format!("it can't be read: {e}")),
    }
}

/// The bytes of the file, `None` when there are too many. What has become a link or a pipe meanwhile is an error.
fn bounded(path: &Utf8Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a file any more"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// `bytes` as a JSON object, or why they are none.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(e) => Err(format!("it is not JSON: {e}")),
    }
}

/// A task id in JSON.
pub(super) fn task_id(value: &Value) -> Result<TaskId, String> {
    TaskId::deserialize(value).map_err(|e| e.to_string())
}

/// A repository's name in JSON; the home's own where there is none, or one that is no name.
pub(super) fn repo(value: Option<&Value>) -> RepoName {
    value.and_then(Value::as_str).and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The fields of an object, each parsed into what it is to be. A missing, null or empty field is none; one that can't be
/// what it is to be is a problem, and none.
pub(super) struct Fields<'a> {
    /// The object.
    pub(super) json: &'a Map<String, Value>,
    /// What problems name: a file, a worktree.
    pub(super) place: &'a str,
}

impl Fields<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.json.get(key).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// Whether it has any of the fields `keys`.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.json.contains_key(*key))
    }

    /// A text as it stands, `""` when there is none. Not made safe to show.
    pub(super) fn raw(&self, key: &str, notes: &mut Notes) -> String {
        match self.get(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                notes.problem(self.place, format_args!("`{key}` is no text; left out"));
                String::new()
            }
        }
    }

    /// A text that is safe to show, cut to `most` characters.
    pub(super) fn text(&self, key: &str, most: usize, notes: &mut Notes) -> String {
        let text = sanitize(&self.raw(key, notes));
        if text.chars().nth(most).is_some() {
            notes.problem(self.place, format_args!("`{key}` has more than {most} characters; cut"));
        }
        biplane_model::clip(&text, most)
    }

    /// A point in time.
    pub(super) fn time(&self, key: &str, notes: &mut Notes) -> Option<Timestamp> {
        let value = self.get(key)?;
        let time = value.as_f64().and_then(Timestamp::from_seconds_f64);
        if time.is_none() {
            notes.problem(self.place, format_args!("`{key}` is no time; left out"));
        }
        time
    }

    /// A task's id.
    pub(super) fn task(&self, key: &str, notes: &mut Notes) -> Option<TaskId> {
        let id = task_id(self.get(key)?);
        id.map_err(|why| notes.problem(self.place, format_args!("`{key}` is left out: {why}"))).ok()
    }

    /// A worktree's name.
    pub(super) fn worktree(&self, key: &str, notes: &mut Notes) -> Option<WorktreeName> {
        self.parsed(key, notes)
    }

    /// An agent's name.
    pub(super) fn agent(&self, key: &str, notes: &mut Notes) -> Option<AgentName> {
        self.parsed(key, notes)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        key: &str,
        notes: &mut Notes,
    ) -> Option<T> {
        let text = self.raw(key, notes);
        if text.is_empty() {
            return None;
        }
        text.parse().map_err(|why| notes.problem(self.place, format_args!("`{key}` is left out: {why}"))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_files_within_the_bound_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(root.join("a"), "1234").unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        std::fs::create_dir(root.join("dir")).unwrap();
        assert!(matches!(file(&root.join("a"), 4), Found::File(bytes) if bytes == b"1234"));
        assert!(matches!(file(&root.join("a"), 3), Found::Unread(_)));
        assert!(matches!(file(&root.join("none"), 3), Found::Nothing));
        for name in ["link", "dir", "a/b"] {
            assert!(matches!(file(&root.join(name), 4), Found::Unread(_)), "{name}");
        }
        assert!(bounded(&root.join("link"), 4).is_err());
    }
}
