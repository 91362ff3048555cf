//! Identifiers. Each is a type of its own, so that one can't stand where another is meant.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a {what}: {rule}")]
pub struct InvalidId {
    shown: String,
    what: &'static str,
    rule: &'static str,
}

impl InvalidId {
    fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        Self { shown: crate::clip(&crate::sanitize_line(text), 80), what, rule }
    }
}

const TASK_ID_RULE: &str =
    "use a number such as `7`, or 1 to 64 letters, digits, `_` or `-` that start with a letter or digit";

/// A task's id: a number (`7`), or a prefix and a number (`auth_001`).
///
/// Serialised as a JSON integer when it is a number, otherwise as a string, as the tools that read the views expect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the task with number `n` and no prefix.
    pub fn numbered(n: u64) -> Self {
        Self(n.to_string())
    }

    /// The id of task `n` under `prefix`: `auth_001`; more than three digits where the number needs them.
    pub fn prefixed(prefix: &TaskPrefix, n: u64) -> Self {
        Self(format!("{prefix}_{n:03}"))
    }

    /// The number, when the id is one.
    pub fn number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// The counter this id belongs to (`""` for plain numbers, the prefix otherwise) and its place in it.
    ///
    /// An id without a trailing number belongs to no counter.
    pub fn counter(&self) -> Option<(&str, u64)> {
        if let Some(n) = self.number() {
            return Some(("", n));
        }
        let (prefix, digits) = self.0.rsplit_once('_')?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().map(|n| (prefix, n))
    }
}

impl FromStr for TaskId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId::new(text, "task id", TASK_ID_RULE);
        let first = text.bytes().next().ok_or_else(invalid)?;
        let legal = text.len() <= 64
            && first.is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !legal {
            return Err(invalid());
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            // `007` and `7` are one task; a number beyond 64 bits is none.
            let n: u64 = text.parse().map_err(|_| invalid())?;
            return Ok(Self::numbered(n));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.number() {
            Some(n) => serializer.serialize_u64(n),
            None => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TaskId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a task id (an integer or a string)")
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<TaskId, E> {
                Ok(TaskId::numbered(n))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<TaskId, E> {
                u64::try_from(n).map(TaskId::numbered).map_err(|_| E::custom("a task id is never negative"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TaskId, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The prefix of a family of task ids: `auth` in `auth_001`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskPrefix(String);

impl TaskPrefix {
    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskPrefix {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let rule = "use 1 to 32 letters, digits, `_` or `-` that start with a letter";
        let legal = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidId::new(text, "task prefix", rule)) }
    }
}

impl fmt::Display for TaskPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A git commit's id: 40 or 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl FromStr for CommitId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let legal = matches!(text.len(), 40 | 64)
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if legal {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId::new(text, "commit id", "it has 40 or 64 hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Defines a numeric id that is written with a letter in front (`r17`).
macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident, $letter:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($letter, "{}"), self.0))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let digits = text.strip_prefix($letter).unwrap_or(text);
                let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                plain.then(|| digits.parse().ok()).flatten().map(Self).ok_or_else(|| {
                    InvalidId::new(text, $what, concat!("it looks like `", $letter, "17`"))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

numbered_id!(
    /// A run's id: `r17`. Never used twice in one ledger.
    RunId, "r", "run id"
);
numbered_id!(
    /// A submission's id: `s4`. Never used twice in one ledger.
    SubmissionId, "s", "submission id"
);
numbered_id!(
    /// A worktree record's id: `w3`. A name may be used again after removal; this is never.
    WorktreeId, "w", "worktree id"
);
numbered_id!(
    /// A message's id: `m5`. Never used twice in one ledger; a later message has a higher one.
    MailId, "m", "message id"
);
numbered_id!(
    /// A request's id: `q2`. Never used twice in one ledger.
    RequestId, "q", "request id"
);

/// An event's place in the log: 1, 2, 3, … without a gap. Zero stands before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids() {
        for (text, shown) in [("1", "1"), ("007", "7"), ("auth_001", "auth_001"), ("a-b", "a-b")] {
            assert_eq!(text.parse::<TaskId>().unwrap().as_str(), shown);
        }
        let long = "x".repeat(65);
        for text in
            ["", "-1", "_a", "a b", "a/b", "../x", "ä", "99999999999999999999999", long.as_str(), "a\n"]
        {
            assert!(text.parse::<TaskId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn task_id_counters() {
        let counter = |t: &str| t.parse::<TaskId>().unwrap().counter().map(|(p, n)| (p.to_owned(), n));
        assert_eq!(counter("12"), Some((String::new(), 12)));
        assert_eq!(counter("auth_001"), Some(("auth".into(), 1)));
        assert_eq!(counter("auth"), None);
        assert_eq!(TaskId::prefixed(&"auth".parse().unwrap(), 1000).as_str(), "auth_1000");
    }

    #[test]
    fn task_id_json_is_integer_or_string() {
        let ids: Vec<TaskId> = serde_json::from_str(r#"[3, "4", "auth_001"]"#).unwrap();
        assert_eq!(serde_json::to_string(&ids).unwrap(), r#"[3,4,"auth_001"]"#);
        assert!(serde_json::from_str::<TaskId>("-3").is_err());
        assert!(serde_json::from_str::<TaskId>("1.5").is_err());
    }

    #[test]
    fn numbered_ids() {
        assert_eq!("r17".parse::<RunId>().unwrap(), RunId(17));
        assert_eq!("17".parse::<RunId>().unwrap(), RunId(17));
        assert!(
            "rr1".parse::<RunId>().is_err()
                && "r".parse::<RunId>().is_err()
                && "r+1".parse::<RunId>().is_err()
        );
    }

    #[test]
    fn error_text_is_safe_to_print() {
        let text = "\x1b[31m".parse::<TaskId>().unwrap_err().to_string();
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
