//! Where it is, and what it does with files and git as it should.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// What came of something: a text and an exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) text: String,
    pub(crate) code: i32,
}

impl Came {
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 0 }
    }

    fn of(output: &Output) -> Self {
        let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        Self { text: String::from_utf8_lossy(&text).into_owned(), code: output.status.code().unwrap_or(128) }
    }

    /// What came of an effect.
    pub(crate) fn from(done: io::Result<()>, good: &str) -> Self {
        match done {
            Ok(()) => Self::good(good),
            Err(e) => Self { text: e.to_string(), code: 1 },
        }
    }
}

/// Writes a file, and the directories it needs.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text)
}

/// Adds to a file.
pub(crate) fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// Runs a shell's command.
pub(crate) fn shell(command: &str) -> io::Result<Came> {
    let output = Command::new("sh").args(["-c", command]).stdin(Stdio::null()).output()?;
    Ok(Came::of(&output))
}

/// Runs git here.
pub(crate) fn git(args: &[&str]) -> io::Result<Came> {
    Ok(Came::of(&Command::new("git").args(args).stdin(Stdio::null()).output()?))
}

/// Commits all there is.
pub(crate) fn commit(message: &str) -> io::Result<Came> {
    let added = git(&["add", "-A"])?;
    if added.code != 0 {
        return Ok(added);
    }
    git(&["commit", "-q", "-m", message])
}

/// The main checkout.
pub(crate) fn main_checkout() -> io::Result<PathBuf> {
    let common = git(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?.text;
    let parent = Path::new(common.trim_end()).parent().map(Path::to_owned);
    parent.ok_or_else(|| io::Error::other("there is no main checkout"))
}

/// Another worktree than this one and the main one.
pub(crate) fn sibling() -> io::Result<PathBuf> {
    let (here, main) = (std::env::current_dir()?.canonicalize()?, main_checkout()?.canonicalize()?);
    let list = git(&["worktree", "list", "--porcelain"])?.text;
    let trees = list.lines().filter_map(|line| line.strip_prefix("worktree ")).map(PathBuf::from);
    let others =
        trees.filter_map(|tree| tree.canonicalize().ok()).find(|tree| *tree != here && *tree != main);
    others.ok_or_else(|| io::Error::other("there is no other worktree"))
}
