//! Finding the home: the directory whose board and worktrees are meant.

use std::collections::BTreeMap;

use biplane_execution::git::{Git, GitError, Repository};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    error::{Error, Result},
    variables,
};

/// Where a program stands: handed in, never read from the process by this crate.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
}

impl Surroundings {
    /// An environment variable that is set to something.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

/// The home: one board, one ledger.
#[derive(Debug, Clone)]
pub struct Home {
    /// The directory that holds `.tasks/`, `.worktrees/` and `biplane.toml`.
    pub root: Utf8PathBuf,
    /// The repository; `None` outside of git, where only the task verbs work.
    pub repository: Option<Repository>,
    /// Where worktrees are made, when the settings say so; relative to the root, or absolute.
    dir: Option<String>,
}

impl Home {
    /// Finds the home from where the program stands.
    ///
    /// # Errors
    /// When git can't be asked, or `BIPLANE_ROOT` names nothing.
    pub fn find(surroundings: &Surroundings) -> Result<Self> {
        let place = match surroundings.var(variables::ROOT) {
            Some(root) => {
                let root = surroundings.cwd.join(root);
                if !root.is_dir() {
                    let shown = biplane_model::sanitize_line(root.as_str());
                    let name = variables::ROOT;
                    return Err(Error::not_found(format!("`{name}` names `{shown}`, which is no directory")));
                }
                root
            }
            None => surroundings.cwd.clone(),
        };
        match Repository::discover(&place) {
            Ok(repository) => {
                Ok(Self { root: repository.root.clone(), repository: Some(repository), dir: None })
            }
            Err(GitError::NoRepository { .. }) => {
                let known = place.ancestors().find(|dir| dir.join(".biplane").is_dir());
                Ok(Self { root: known.unwrap_or(&place).to_owned(), repository: None, dir: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Where the ledger, its locks and other things that are not views lie.
    pub fn state_dir(&self) -> Utf8PathBuf {
        match &self.repository {
            Some(repository) => repository.common_dir.join("biplane"),
            None => self.root.join(".biplane"),
        }
    }

    /// The ledger's file.
    pub fn ledger_path(&self) -> Utf8PathBuf {
        self.state_dir().join("ledger.db")
    }

    /// The directory of the task views.
    pub fn tasks_dir(&self) -> Utf8PathBuf {
        self.root.join(".tasks")
    }

    /// The directory of the views of worktrees and events, and of the runs.
    pub fn views_dir(&self) -> Utf8PathBuf {
        self.root.join(".worktrees")
    }

    /// The directory in which worktrees are made.
    pub fn worktrees_dir(&self) -> Utf8PathBuf {
        self.dir.as_ref().map_or_else(|| self.views_dir(), |dir| self.root.join(dir))
    }

    /// Has worktrees made in the directory that the settings name.
    pub(crate) fn set_worktrees_dir(&mut self, dir: Option<&str>) {
        self.dir = dir.map(str::to_owned);
    }

    /// The directory of a run's log and record.
    pub fn run_dir(&self, run: biplane_model::RunId) -> Utf8PathBuf {
        self.views_dir().join("runs").join(run.to_string())
    }

    /// The settings file.
    pub fn settings_path(&self) -> Utf8PathBuf {
        self.root.join("biplane.toml")
    }

    /// The repository, for the verbs that need one.
    ///
    /// # Errors
    /// When the home is no git repository.
    pub fn repository(&self) -> Result<&Repository> {
        self.repository.as_ref().ok_or_else(|| {
            let shown = biplane_model::sanitize_line(self.root.as_str());
            Error::refused(format!("`{shown}` is not inside a git repository, and worktrees need one"))
                .hint("make one with `git init`; the task commands work without")
        })
    }

    /// Git on the repository, without a checkout.
    ///
    /// # Errors
    /// When the home is no git repository.
    pub fn git(&self) -> Result<Git> {
        Ok(self.repository()?.git())
    }

    /// `path` as records keep it: relative to the root when it lies below, so that moving the repository breaks nothing.
    pub fn recorded(&self, path: &Utf8Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string()
    }

    /// A recorded path, absolute.
    pub fn absolute(&self, recorded: &str) -> Utf8PathBuf {
        self.root.join(recorded)
    }

    /// Whether the views in the home were written by another tool, or by a biplane whose ledger is lost: there are some,
    /// and our ledger knows nothing.
    pub fn has_foreign_board(&self) -> bool {
        let is_task = |name: &str| name.starts_with("task_") && name.ends_with(".json");
        let tasks = self.tasks_dir().read_dir_utf8().into_iter().flatten().flatten();
        let is_there = |file: &str| self.views_dir().join(file).as_std_path().symlink_metadata().is_ok();
        tasks.into_iter().any(|e| is_task(e.file_name()))
            || is_there("index.json")
            || is_there("events.jsonl")
    }

    /// The exclude entries that are missing, and the exclude file's text.
    ///
    /// # Errors
    /// When the exclude file can't be read.
    pub(crate) fn unexcluded(&self) -> Result<(Vec<&'static str>, String)> {
        let Some(path) = self.exclude_path() else { return Ok((Vec::new(), String::new())) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        let is_there = |entry: &&str| text.lines().any(|line| line.trim() == *entry);
        Ok((["/.tasks/", "/.worktrees/", "/.team/"].into_iter().filter(|e| !is_there(e)).collect(), text))
    }

    /// Adds an entry to the exclude file, unless it is there already.
    ///
    /// # Errors
    /// When the exclude file can't be read or written.
    pub(crate) fn exclude(&self, entry: &str) -> Result<()> {
        let (_, text) = self.unexcluded()?;
        let Some(path) = self.exclude_path().filter(|_| !text.lines().any(|line| line == entry)) else {
            return Ok(());
        };
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        crate::files::replace_durably(&path, format!("{text}{gap}# biplane: set-up\n{entry}\n").as_bytes())
    }

    fn exclude_path(&self) -> Option<Utf8PathBuf> {
        self.repository.as_ref().map(|r| r.common_dir.join("info").join("exclude"))
    }

    /// Writes the exclude entries, once, so that the board and the worktrees never get into a commit. Never touches the
    /// user's `.gitignore`.
    ///
    /// # Errors
    /// When the exclude file can't be read or written.
    pub fn exclude_views(&self) -> Result<bool> {
        let (missing, text) = self.unexcluded()?;
        let Some(path) = self.exclude_path().filter(|_| !missing.is_empty()) else { return Ok(false) };
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{text}{gap}# biplane: views and worktrees\n{}\n", missing.join("\n"));
        crate::files::replace_durably(&path, text.as_bytes())?;
        Ok(true)
    }
}
