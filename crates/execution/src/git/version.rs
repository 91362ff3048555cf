//! Which git this is.

use std::{fmt, os::unix::fs::MetadataExt};

use camino::Utf8Path;

use super::{Git, GitError, raw};

/// The oldest git that has `merge-tree --write-tree`.
pub const MINIMUM_GIT: GitVersion = GitVersion { major: 2, minor: 38 };

/// A version of git, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for GitVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl GitVersion {
    /// From what `git --version` says: `git version 2.47.3`, with or without a vendor's words behind it.
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix("git version ")?;
        let mut parts = numbers.split(|c: char| !c.is_ascii_digit());
        Some(Self { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
    }
}

impl Git {
    /// The version of the git on PATH.
    ///
    /// # Errors
    /// When there is none, or it does not say.
    pub fn version() -> Result<GitVersion, GitError> {
        let output = raw(vec!["--version".into()], None, Vec::new(), Vec::new())?;
        let text = String::from_utf8_lossy(&output.stdout);
        GitVersion::parse(text.trim()).ok_or_else(|| GitError::Answer {
            command: "--version".to_owned(),
            detail: biplane_model::clip(&biplane_model::sanitize_line(&text), 80),
        })
    }

    /// Refuses a git that is too old. Git is asked once for each program file: `memo` is a file that remembers which one
    /// was new enough, by place, size and time of change.
    ///
    /// # Errors
    /// [`GitError::TooOld`], or when the version can't be told.
    pub fn require_version(memo: &Utf8Path) -> Result<(), GitError> {
        let program = fingerprint();
        let known = std::fs::read_to_string(memo).unwrap_or_default();
        if program.as_deref() == Some(known.as_str()) {
            return Ok(());
        }
        let found = Self::version()?;
        if found < MINIMUM_GIT {
            return Err(GitError::TooOld { found });
        }
        if let (Some(program), Some(dir)) = (program, memo.parent()) {
            // What can't be remembered is asked again.
            let write = || std::fs::create_dir_all(dir).and_then(|()| std::fs::write(memo, program));
            let _ = biplane_failpoint::around("git's version noted", write);
        }
        Ok(())
    }
}

/// What tells one `git` program file from another. `None` when it is not found.
fn fingerprint() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let file = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|file| file.is_file())?;
    let meta = file.metadata().ok()?;
    let (seconds, nanos) = (meta.mtime(), meta.mtime_nsec());
    Some(format!("{} {} {seconds}.{nanos:09}", file.to_str()?, meta.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let of = |t| GitVersion::parse(t).map(|v| (v.major, v.minor));
        assert_eq!(of("git version 2.47.3"), Some((2, 47)));
        assert_eq!(of("git version 2.39.5 (Apple Git-154)"), Some((2, 39)));
        assert_eq!(of("git version 2.51.0.rc1"), Some((2, 51)));
        assert_eq!(of("hg 3"), None);
        assert!(
            GitVersion { major: 2, minor: 9 } < MINIMUM_GIT
                && GitVersion { major: 3, minor: 0 } > MINIMUM_GIT
        );
    }
}
