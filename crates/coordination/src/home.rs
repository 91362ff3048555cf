//! Finding the home: the directory whose board and worktrees are meant.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use biplane_execution::git::{Git, GitError, Repository};
use biplane_model::{RepoName, sanitize_line};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::{
    belongs,
    error::{Error, Result},
    trees, variables,
};

/// Where a program stands: handed in, never read from the process by this crate.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The current directory, absolute.
    pub cwd: Utf8PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// The names of the variables in it that are secrets of this process: masked wherever they would be kept, and not handed to commands.
    pub secrets: BTreeSet<String>,
}

impl Surroundings {
    /// An environment variable that is set to something.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }
}

/// The home: one board, one ledger; or a further repository of it, for the work that is done there.
#[derive(Debug, Clone)]
pub struct Home {
    /// The directory that holds `.tasks/`, `.worktrees/` and `biplane.toml`; of a further repository, the top of its main
    /// checkout, with its worktrees in `.worktrees/`.
    pub root: Utf8PathBuf,
    /// The repository; `None` outside of git, where only the task verbs work.
    pub repository: Option<Repository>,
    /// Where worktrees are made, when the settings say so: their words, and the directory itself.
    pub(crate) dir: Option<(String, Utf8PathBuf)>,
    /// The tops of the further repositories, as the settings name them.
    pub(crate) further: Arc<BTreeMap<RepoName, Utf8PathBuf>>,
    /// Of a further repository: its name, and the home.
    pub(crate) of: Option<(RepoName, Arc<Home>)>,
}

/// A home that was found, and the further repository that led to it, when one did.
pub(crate) struct Found {
    pub(crate) home: Home,
    pub(crate) from: Option<Repository>,
}

impl Home {
    /// Finds the home from where the program stands.
    ///
    /// # Errors
    /// When git can't be asked, or `BIPLANE_ROOT` names nothing.
    pub fn find(surroundings: &Surroundings) -> Result<Self> {
        Ok(Self::find_from(surroundings)?.home)
    }

    /// As [`Home::find`]; says from which further repository. Whether the home's settings still list that is to be asked
    /// when they are read.
    pub(crate) fn find_from(surroundings: &Surroundings) -> Result<Found> {
        let place = match surroundings.var(variables::ROOT) {
            Some(root) => {
                let root = surroundings.cwd.join(root);
                if !root.is_dir() {
                    let shown = sanitize_line(root.as_str());
                    let name = variables::ROOT;
                    return Err(Error::not_found(format!("`{name}` names `{shown}`, which is no directory")));
                }
                root
            }
            None => surroundings.cwd.clone(),
        };
        match Repository::discover(&place) {
            Ok(repository) => match belongs::named(&repository.common_dir)? {
                None => {
                    let home = Self::at(repository.root.clone(), Some(repository));
                    Ok(Found { home, from: None })
                }
                Some(root) => Ok(Found { home: Self::named(&root, &repository)?, from: Some(repository) }),
            },
            Err(GitError::NoRepository { .. }) => {
                let known = place.ancestors().find(|dir| dir.join(".biplane").is_dir());
                Ok(Found { home: Self::at(known.unwrap_or(&place).to_owned(), None), from: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn at(root: Utf8PathBuf, repository: Option<Repository>) -> Self {
        Self { root, repository, dir: None, further: Arc::default(), of: None }
    }

    /// Where the ledger, the locks and other things that are not views lie; of a further repository, its own locks.
    pub fn state_dir(&self) -> Utf8PathBuf {
        match &self.repository {
            Some(repository) => repository.common_dir.join("biplane"),
            None => self.root.join(".biplane"),
        }
    }

    /// The ledger's file.
    pub fn ledger_path(&self) -> Utf8PathBuf {
        self.board().state_dir().join("ledger.db")
    }

    /// The directory of the task views.
    pub fn tasks_dir(&self) -> Utf8PathBuf {
        self.board().root.join(".tasks")
    }

    /// The directory of the views of the team and its mail.
    pub fn team_dir(&self) -> Utf8PathBuf {
        self.board().root.join(".team")
    }

    /// The directory of the views of worktrees and events, and of the runs; of a further repository, the one of its
    /// worktrees alone.
    pub fn views_dir(&self) -> Utf8PathBuf {
        self.root.join(".worktrees")
    }

    /// The directory in which worktrees are made.
    pub fn worktrees_dir(&self) -> Utf8PathBuf {
        self.dir.as_ref().map_or_else(|| self.views_dir(), |(_, dir)| dir.clone())
    }

    /// Has worktrees made in the directory that the settings name.
    pub(crate) fn set_worktrees_dir(&mut self, dir: Option<&str>) {
        self.dir = dir.map(|dir| (dir.to_owned(), trees::resolve(&self.root.join(dir))));
    }

    /// The directory of a run's log and record.
    pub fn run_dir(&self, run: biplane_model::RunId) -> Utf8PathBuf {
        self.board().views_dir().join("runs").join(run.to_string())
    }

    /// The settings file.
    pub fn settings_path(&self) -> Utf8PathBuf {
        self.board().root.join("biplane.toml")
    }

    /// The repository, for the verbs that need one.
    ///
    /// # Errors
    /// When the home is no git repository.
    pub fn repository(&self) -> Result<&Repository> {
        self.repository.as_ref().ok_or_else(|| {
            let shown = sanitize_line(self.root.as_str());
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

    /// `path` as records keep it: relative to the root when it lies below, or where the settings name a place relative to
    /// it, so that moving the repository breaks nothing.
    pub fn recorded(&self, path: &Utf8Path) -> String {
        if let Ok(below) = path.strip_prefix(&self.root) {
            return below.to_string();
        }
        let named = self.dir.as_ref().filter(|(words, _)| leads_out(words) && !words.starts_with('/'));
        let inside = named.and_then(|(words, dir)| Some((words, path.strip_prefix(dir).ok()?)));
        inside.map_or_else(|| path.to_string(), |(words, rest)| Utf8Path::new(words).join(rest).into_string())
    }

    /// A recorded path, absolute.
    pub fn absolute(&self, recorded: &str) -> Utf8PathBuf {
        let path = self.root.join(recorded);
        if leads_out(recorded) { trees::resolve(&path) } else { path }
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
        let text = excluded(&path)?;
        Ok((VIEWS.into_iter().filter(|entry| !has_line(&text, entry)).collect(), text))
    }

    /// Whether this exclude entry is written down.
    pub(crate) fn is_excluded(&self, entry: &str) -> bool {
        self.exclude_path().is_some_and(|path| excluded(&path).is_ok_and(|text| has_line(&text, entry)))
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
        self.exclude(&VIEWS)
    }

    /// Writes these exclude entries, those that are missing.
    pub(crate) fn exclude(&self, entries: &[&str]) -> Result<bool> {
        let Some(path) = self.exclude_path() else { return Ok(false) };
        let text = excluded(&path)?;
        let missing: Vec<&str> = entries.iter().copied().filter(|entry| !has_line(&text, entry)).collect();
        if missing.is_empty() {
            return Ok(false);
        }
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let text = format!("{text}{gap}# biplane: views and worktrees\n{}\n", missing.join("\n"));
        crate::files::replace_durably(&path, text.as_bytes())?;
        Ok(true)
    }
}

/// What must never get into a commit, whatever the settings say.
const VIEWS: [&str; 3] = ["/.tasks/", "/.worktrees/", "/.team/"];

/// The text of the exclude file; empty when there is none.
fn excluded(path: &Utf8Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

fn has_line(text: &str, entry: &str) -> bool {
    text.lines().any(|line| line.trim() == entry)
}

fn leads_out(path: &str) -> bool {
    Utf8Path::new(path).components().any(|part| part == Utf8Component::ParentDir)
}
