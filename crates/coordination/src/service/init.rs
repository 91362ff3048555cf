//! Setting a repository up.

use camino::Utf8PathBuf;

use super::Service;
use crate::{
    error::Result,
    files,
    settings::{guess_gate, starter_file},
};

/// What `init` did.
#[derive(Debug, Clone)]
pub struct InitReport {
    /// The settings file.
    pub settings: Utf8PathBuf,
    /// Whether it was written; false when it was there.
    pub wrote_settings: bool,
    /// Whether the views and worktrees are excluded from commits, which they are in every git repository.
    pub excluded: bool,
    /// The target written down.
    pub target: Option<String>,
    /// The gate that was guessed.
    pub gate: Option<&'static str>,
}

impl Service {
    /// Writes a commented settings file and the exclude entries. An existing settings file is left as it is.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn init(&self) -> Result<InitReport> {
        let settings = self.home().settings_path();
        let target = self.home().repository.as_ref().map(|r| r.git().current_branch()).transpose()?.flatten();
        let gate = guess_gate(&self.home().root);
        let wrote_settings = settings.as_std_path().symlink_metadata().is_err();
        if wrote_settings {
            files::replace_durably(&settings, starter_file(target.as_deref(), gate).as_bytes())?;
        }
        self.home().exclude_views()?;
        let excluded = self.home().repository.is_some();
        Ok(InitReport { settings, wrote_settings, excluded, target, gate })
    }
}
