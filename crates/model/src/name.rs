//! Names that people and agents choose. Both are hostile until parsed here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Where the branches of worktrees live: `wt/<name>`.
pub const WORKTREE_BRANCH_PREFIX: &str = "wt/";

/// Names that a worktree can't have, because biplane or git needs them in the same directory or ref space.
/// Compared without regard to case.
pub const RESERVED_NAMES: [&str; 8] =
    ["index.json", "events.jsonl", "runs", "head", "main-checkout", "con", "nul", "aux"];

/// What a home's own repository is called.
pub const HOME_REPO: &str = "main";

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a {what}: {rule}")]
pub struct InvalidName {
    shown: String,
    what: &'static str,
    rule: &'static str,
}

/// Defines a name: a text that passed a rule.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                match $rule(text) {
                    None => Ok(Self(text.to_owned())),
                    Some(rule) => Err(InvalidName {
                        shown: crate::clip(&crate::sanitize_line(text), 80),
                        what: $what,
                        rule,
                    }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A worktree's name: 1 to 64 of `A-Z a-z 0-9 . _ -`, usable as a directory and in a branch on every system.
    WorktreeName,
    "worktree name",
    worktree_name_fault
);
name!(
    /// An agent's name, which is also what an owner is called.
    AgentName,
    "agent name",
    agent_name_fault
);
name!(
    /// A label on a task.
    Label,
    "label",
    label_fault
);
name!(
    /// The name of a profile of the settings: the roles that a task's work goes through.
    ProfileName,
    "profile name",
    agent_name_fault
);
name!(
    /// Which repository of a home a record belongs to: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    RepoName,
    "name of a repository",
    repo_name_fault
);

impl Default for RepoName {
    /// The home's own repository.
    fn default() -> Self {
        Self(HOME_REPO.to_owned())
    }
}

impl RepoName {
    /// Whether it is the home's own repository.
    pub fn is_default(&self) -> bool {
        self.0 == HOME_REPO
    }
}

impl WorktreeName {
    /// The branch of the worktree: `wt/<name>`.
    pub fn branch(&self) -> String {
        format!("{WORKTREE_BRANCH_PREFIX}{}", self.0)
    }

    /// Whether `other` differs in nothing but case: such twins are one directory on some file systems.
    pub fn is_case_twin(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

fn worktree_name_fault(text: &str) -> Option<&'static str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let lower = text.to_ascii_lowercase();
    if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
        Some("use 1 to 64 of `A-Z a-z 0-9 . _ -`")
    } else if text.starts_with(['.', '-']) {
        Some("it can't start with `.` or `-`")
    } else if text.ends_with('.') || lower.ends_with(".lock") || text.contains("..") {
        Some("git allows no `..`, no `.lock` and no `.` at the end")
    } else if RESERVED_NAMES.contains(&lower.as_str()) {
        Some("the name is reserved")
    } else {
        None
    }
}

fn agent_name_fault(text: &str) -> Option<&'static str> {
    plain_text_fault(text, "use 1 to 64 printable characters, none of them a space at either end")
}

fn repo_name_fault(text: &str) -> Option<&'static str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
        Some("use 1 to 64 of `A-Z a-z 0-9 . _ -`")
    } else if text.starts_with(['.', '-']) {
        Some("it can't start with `.` or `-`")
    } else {
        None
    }
}

fn label_fault(text: &str) -> Option<&'static str> {
    if text.contains(',') {
        return Some("a label has no comma");
    }
    plain_text_fault(text, "use 1 to 64 printable characters, none of them a space at either end")
}

fn plain_text_fault(text: &str, rule: &'static str) -> Option<&'static str> {
    let legal = !text.is_empty()
        && text.len() <= 64
        && text.trim() == text
        && crate::sanitize_line(text) == text
        && !text.starts_with('-');
    (!legal).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktree_names() {
        let longest = "x".repeat(64);
        for name in ["a", "auth-refactor", "ui_login.2", "A", "9", longest.as_str(), "locked"] {
            assert_eq!(name.parse::<WorktreeName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "a/b",
            "a b",
            "a\nb",
            "a..b",
            "x.lock",
            "X.LOCK",
            "x.",
            "index.json",
            "INDEX.json",
            "events.jsonl",
            "runs",
            "HEAD",
            "head",
            "é",
            "\x1b[0m",
            long.as_str(),
            "a:b",
            "a~b",
        ] {
            assert!(name.parse::<WorktreeName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn repo_names() {
        for name in ["lib", "web-app", "a.b_c", "9", "Main"] {
            assert_eq!(name.parse::<RepoName>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for name in ["", "a b", "a\nb", "a/b", "../x", ".x", "-x", "é", "\x1b[0m", long.as_str()] {
            assert!(name.parse::<RepoName>().is_err(), "{name:?}");
        }
        assert!(RepoName::default().is_default() && RepoName::default().as_str().parse::<RepoName>().is_ok());
    }

    #[test]
    fn twins() {
        let (a, b): (WorktreeName, WorktreeName) = ("Auth".parse().unwrap(), "auth".parse().unwrap());
        assert!(a.is_case_twin(&b));
    }

    #[test]
    fn agent_names() {
        assert!("alice".parse::<AgentName>().is_ok() && "Claude Code".parse::<AgentName>().is_ok());
        for name in ["", " a", "a ", "a\tb", "--all", "a\u{202e}b"] {
            assert!(name.parse::<AgentName>().is_err(), "{name:?}");
        }
    }
}
