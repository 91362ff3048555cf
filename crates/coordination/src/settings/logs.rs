//! The settings of what is kept of runs.

use std::{ops::Range, time::Duration};

use serde::Deserialize;

use super::{parse_bytes, parse_duration};
use crate::{bounds, error::Result};

/// What is kept of runs, and what is masked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The most bytes that the logs of all runs may take.
    pub keep_bytes: u64,
    /// How long the logs of a run are kept.
    pub keep_for: Duration,
    /// Variables whose values are masked, beside those that their names give away.
    pub secrets: Vec<String>,
}

impl Default for Logs {
    fn default() -> Self {
        Self { keep_bytes: bounds::LOGS_KEPT, keep_for: bounds::LOGS_KEPT_FOR, secrets: Vec::new() }
    }
}

type Word = Option<toml::Spanned<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileLogs {
    keep: Word,
    keep_for: Word,
    secrets: Vec<toml::Spanned<String>>,
}

impl FileLogs {
    pub(super) fn read(&self, at: &impl Fn(Range<usize>, String) -> crate::Error) -> Result<Logs> {
        let defaults = Logs::default();
        let mut logs = Logs { secrets: Vec::new(), ..defaults };
        if let Some(keep) = &self.keep {
            logs.keep_bytes = parse_bytes(keep.get_ref()).map_err(|why| at(keep.span(), why))?;
        }
        if let Some(time) = &self.keep_for {
            logs.keep_for = parse_duration(time.get_ref()).map_err(|why| at(time.span(), why))?;
        }
        for name in &self.secrets {
            let text = name.get_ref();
            if text.is_empty() || text.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
                return Err(at(name.span(), "use names of variables, such as `MY_PASSPHRASE`".to_owned()));
            }
            logs.secrets.push(text.clone());
        }
        Ok(logs)
    }
}
