//! Paths that models write: relative, inside of the worktree, and not git's own.
//!
//! **Contract.** A [`RelPath`] has at least one step, and each is one name: no `..`, no empty one, none that is `.git` on any file
//! system. That nothing on the way is a link is seen when it is walked, by [`Tree`](crate::tree::Tree).

use std::{
    ffi::{CStr, CString},
    fmt,
};

use biplane_model::{clip, sanitize_line};

use crate::bounds;

/// A path inside of a worktree, in any bytes that a file system takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(Vec<CString>);

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// It says nothing.
    #[error("a path is empty")]
    Empty,
    /// It is absolute, or has a `..`.
    #[error("`{0}` leads outside of the worktree; use a path relative to it, without `..`")]
    Outside(String),
    /// It has an empty step, a `.`, or a byte that no file system takes.
    #[error("`{0}` is not a plain path; use names with one `/` between")]
    NotPlain(String),
    /// It leads into git's own directory, as some file system writes its name.
    #[error("`{0}` belongs to git itself")]
    Git(String),
    /// It is longer than [`bounds::PATH`] bytes.
    #[error("a path is longer than {most} bytes", most = bounds::PATH)]
    Long,
}

impl RelPath {
    /// The path that is written in `bytes`.
    ///
    /// # Errors
    /// When it is not a plain path into the worktree.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathFault> {
        let shown = || show(bytes);
        if bytes.is_empty() {
            return Err(PathFault::Empty);
        }
        if bytes.len() > bounds::PATH {
            return Err(PathFault::Long);
        }
        if bytes.starts_with(b"/") {
            return Err(PathFault::Outside(shown()));
        }
        let mut steps = Vec::new();
        for step in bytes.split(|byte| *byte == b'/') {
            match step {
                b".." => return Err(PathFault::Outside(shown())),
                b"" | b"." => return Err(PathFault::NotPlain(shown())),
                _ if is_git(step) => return Err(PathFault::Git(shown())),
                _ => steps.push(CString::new(step).map_err(|_| PathFault::NotPlain(shown()))?),
            }
        }
        Ok(Self(steps))
    }

    /// The path that a tool was given; `worktree` in front of it, and `./`, are taken off.
    ///
    /// # Errors
    /// As [`RelPath::parse`].
    pub fn given(text: &str, worktree: &str) -> Result<Self, PathFault> {
        let inner = text.strip_prefix(worktree).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        Self::parse(inner.strip_prefix("./").unwrap_or(inner).as_bytes())
    }

    /// The steps to the directory that it lies in.
    pub fn way(&self) -> &[CString] {
        &self.0[..self.0.len() - 1]
    }

    /// The last step.
    pub fn name(&self) -> &CStr {
        &self.0[self.0.len() - 1]
    }

    /// All steps.
    pub fn steps(&self) -> &[CString] {
        &self.0
    }

    /// The directory that it lies in; none when that is the worktree itself.
    pub fn parent(&self) -> Option<Self> {
        Some(self.way()).filter(|way| !way.is_empty()).map(|way| Self(way.to_vec()))
    }

    /// Whether it lies in `dir`, at any depth.
    pub fn is_below(&self, dir: &Self) -> bool {
        self.0.len() > dir.0.len() && self.0.starts_with(&dir.0)
    }

    /// `name` in this directory.
    pub(crate) fn join(&self, name: &CStr) -> Self {
        let mut steps = self.0.clone();
        steps.push(name.to_owned());
        Self(steps)
    }

    /// A single name.
    pub(crate) fn of_name(name: &CStr) -> Self {
        Self(vec![name.to_owned()])
    }

    /// Its bytes, with `/` between the steps.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().map(|step| step.to_bytes()).collect::<Vec<_>>().join(&b'/')
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show(&self.bytes()))
    }
}

fn show(bytes: &[u8]) -> String {
    clip(&sanitize_line(&String::from_utf8_lossy(bytes)), bounds::SHOWN)
}

/// Whether some file system takes the name for `.git`: without regard to case, with dots and spaces behind it, with a
/// stream's name behind it, by its short name, or with characters in it that are not seen. As git's own `verify_path`.
fn is_git(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    let seen: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).flat_map(char::to_lowercase).collect();
    // A backslash is a separator on some systems.
    seen.split('\\').any(|part| {
        let part = part.split(':').next().unwrap_or_default();
        matches!(part.trim_end_matches([' ', '.']), ".git" | "git~1")
    })
}

fn is_ignored_by_hfs(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_are_refused() {
        let table: [(&[u8], &str); 24] = [
            (b"", "empty"),
            (b"/etc/passwd", "outside"),
            (b"../x", "outside"),
            (b"a/../../x", "outside"),
            (b"a/..", "outside"),
            (b"./a", "not a plain"),
            (b"a//b", "not a plain"),
            (b"a/", "not a plain"),
            (b"a\0b", "not a plain"),
            (b".git", "git itself"),
            (b".GIT/config", "git itself"),
            (b"sub/.Git/hooks/pre-commit", "git itself"),
            (b".git./config", "git itself"),
            (b".git ", "git itself"),
            (b".git . .", "git itself"),
            (b"git~1", "git itself"),
            (b"GIT~1/config", "git itself"),
            (b".git::$INDEX_ALLOCATION", "git itself"),
            (b".git:stream", "git itself"),
            (b"a\\.git\\config", "git itself"),
            (".g\u{200c}it/config".as_bytes(), "git itself"),
            (".gi\u{feff}t".as_bytes(), "git itself"),
            (".g\u{202e}it".as_bytes(), "git itself"),
            (b"..", "outside"),
        ];
        for (path, why) in table {
            let fault = RelPath::parse(path).unwrap_err().to_string();
            assert!(fault.contains(why), "{}: {fault}", String::from_utf8_lossy(path));
        }
        assert_eq!(RelPath::parse(&[b'a'; bounds::PATH + 1]), Err(PathFault::Long));
    }

    #[test]
    fn ordinary_paths_are_taken() {
        for path in [".gitignore", ".github/x", "git", "a.git", ".gitx", "a b/\u{fc}", "...", "..a", "git~2"]
        {
            assert_eq!(RelPath::parse(path.as_bytes()).unwrap().bytes(), path.as_bytes());
        }
        assert!(RelPath::parse(b"a\xff").is_ok());
    }

    #[test]
    fn tools_may_be_given_the_whole_path() {
        let given = |text| RelPath::given(text, "/w/t").map(|path| path.to_string());
        assert_eq!(given("/w/t/a/b").unwrap(), "a/b");
        assert_eq!(given("./a").unwrap(), "a");
        for outside in ["/w/tx/a", "/w/a", "/w/t/../a"] {
            assert!(matches!(given(outside), Err(PathFault::Outside(_))), "{outside}");
        }
    }

    #[test]
    fn a_path_knows_where_it_lies() {
        let path = |text: &str| RelPath::parse(text.as_bytes()).unwrap();
        assert_eq!(path("a/b/c").parent(), Some(path("a/b")));
        assert_eq!(path("a").parent(), None);
        assert!(path("a/b").is_below(&path("a")) && !path("ab").is_below(&path("a")));
        assert!(!path("a").is_below(&path("a")));
    }
}
