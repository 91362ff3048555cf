//! Whether an agent's program is there, and new enough.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
};

use super::{bounds, presets::Preset};
use crate::supervise::{Capture, EnvChanges, SuperviseError, capture};

/// A program's version, as far as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl Version {
    /// The first version in `text`: three numbers with dots between.
    pub fn in_text(text: &str) -> Option<Self> {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        text.split(|c: char| !is_part(c)).find_map(|word| {
            let mut numbers = word.split('.').map(str::parse);
            let (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                return None;
            };
            Some(Self { major, minor, patch })
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Where the file is that `program` names: a path as it is, a name in the first of the directories of `path` (as in the variable
/// `PATH`) that has a file of that name which may be executed.
pub fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| is_program(file));
    }
    std::env::split_paths(path?).map(|dir| dir.join(program)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether a program can be used.
#[derive(Debug)]
pub enum Fitness {
    /// It can.
    Fits {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: Version,
    },
    /// It is not there.
    Missing,
    /// It is older than what was seen to work.
    TooOld {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: Version,
    },
    /// It did not say its version.
    Unknown {
        /// The file.
        file: PathBuf,
        /// Why.
        why: NoVersion,
    },
}

/// Why a program's version is not known.
#[derive(Debug, thiserror::Error)]
pub enum NoVersion {
    /// It could not be run to its end.
    #[error(transparent)]
    NotRun(#[from] SuperviseError),
    /// It said something else.
    #[error("`--version` gave no version")]
    NotSaid,
}

/// Looks for a preset's program, called `program`, on `path`, and asks for its version, in an environment that differs by `env`. Takes at
/// most [`bounds::VERSION`].
pub fn check(preset: &Preset, program: &str, path: Option<&OsStr>, env: &EnvChanges) -> Fitness {
    let Some(file) = find(program, path) else { return Fitness::Missing };
    match version(file.as_os_str(), env) {
        Ok(version) if version < preset.oldest => Fitness::TooOld { file, version },
        Ok(version) => Fitness::Fits { file, version },
        Err(why) => Fitness::Unknown { file, why },
    }
}

/// The version that `program` says it has, when asked with `--version`.
///
/// # Errors
/// When it can't be run, takes longer than [`bounds::VERSION`], or says none.
pub fn version(program: &OsStr, env: &EnvChanges) -> Result<Version, NoVersion> {
    let ask = Capture {
        env: env.clone(),
        stdout_bound: bounds::VERSION_BYTES,
        timeout: bounds::VERSION,
        ..Capture::new(program, [OsString::from("--version")])
    };
    let said = capture(&ask)?;
    Version::in_text(&String::from_utf8_lossy(&said.stdout))
        .filter(|_| said.success())
        .ok_or(NoVersion::NotSaid)
}
