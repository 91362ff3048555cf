//! The further repositories of a home: where they are, and whether what is there is one.
//!
//! **Contract.** Where a repository should be is known from the settings alone, so that its records can be shown whatever has
//! become of it. Work in it needs [`Home::further`], which looks: what is not there, or is something else, is an error that
//! says so, and never "gone".

use std::{collections::BTreeMap, sync::Arc};

use biplane_execution::git::{GitError, Repository};
use biplane_model::{RepoName, Worktree, sanitize_line};
use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    belongs::{self, same_dir},
    error::{Error, Result},
    home::Home,
    settings::{FurtherRepo, Settings},
    trees,
};

impl Home {
    /// The home at `root`, which a further repository names as the one it belongs to.
    pub(crate) fn named(root: &Utf8Path, from: &Repository) -> Result<Self> {
        let none = || {
            let file = sanitize_line(belongs::file(&from.common_dir).as_str());
            let (root, from) = (sanitize_line(root.as_str()), sanitize_line(from.root.as_str()));
            Error::not_found(format!("`{from}` belongs to the home `{root}`, and there is none")).hint(format!(
                "if the home was moved, `biplane doctor --fix` in it writes its new place down; if it is gone for good, move `{file}` away"
            ))
        };
        let place = root.canonicalize_utf8().map_err(|_| none())?;
        match Repository::discover(&place) {
            Ok(found) if same_dir(&found.root, &place) => Ok(Self::at(found.root.clone(), Some(found))),
            Ok(_) | Err(GitError::NoRepository { .. }) if place.join(".biplane").is_dir() => {
                Ok(Self::at(place, None))
            }
            Ok(_) | Err(GitError::NoRepository { .. }) => Err(none()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes where the further repositories are that the settings list.
    ///
    /// # Errors
    /// When two of them are at one place, or one is where the home is.
    pub(crate) fn set_further(&mut self, settings: &Settings) -> Result<()> {
        let mut further: BTreeMap<RepoName, Utf8PathBuf> = BTreeMap::new();
        for repo in &settings.repos {
            let top = trees::resolve(&self.root.join(&repo.path));
            let twin = further.iter().find(|(_, other)| **other == top).map(|(name, _)| name.clone());
            let twin = twin.or_else(|| same_dir(&top, &self.root).then(RepoName::default));
            if let Some(twin) = twin {
                let message =
                    format!("`biplane.toml`: the `path` of `[[repo]]` `{}` is that of `{twin}`", repo.name);
                return Err(
                    Error::usage(message).hint("each repository has one table; the home's own has none")
                );
            }
            further.insert(repo.name.clone(), top);
        }
        self.further = Arc::new(further);
        Ok(())
    }

    /// The name of the listed repository whose top is `root`.
    pub(crate) fn listed_at(&self, root: &Utf8Path) -> Option<RepoName> {
        let mut further = self.board().further.iter();
        further.find(|(_, top)| same_dir(top, root)).map(|(name, _)| name.clone())
    }

    /// Refuses a repository that names this home and that its settings don't list at that place.
    pub(crate) fn refuse_unlisted(&self, from: &Repository) -> Result<()> {
        if self.listed_at(&from.root).is_some() {
            return Ok(());
        }
        let (root, home) = (sanitize_line(from.root.as_str()), sanitize_line(self.root.as_str()));
        let file = sanitize_line(belongs::file(&from.common_dir).as_str());
        Err(Error::refused(format!(
            "`{root}` belongs to the home `{home}`, whose settings list no repository there"
        ))
        .hint("if it was moved, set `path` of its `[[repo]]` in the `biplane.toml` there")
        .hint(format!("if it is a copy, or is to have a board of its own, move `{file}` away")))
    }

    /// A further repository of this home, looked at now.
    ///
    /// # Errors
    /// When its directory is not there, or is not the top of a repository, or of one that is the home's own.
    pub(crate) fn further(&self, repo: &FurtherRepo) -> Result<Self> {
        let board = self.board();
        let (name, top) = (&repo.name, board.top_of(&repo.name));
        let shown = sanitize_line(top.as_str());
        let hint =
            "put it back, or set `path` of its `[[repo]]` in `biplane.toml`; nothing of it is taken for gone";
        match top.as_std_path().metadata() {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                return Err(
                    Error::not_found(format!("repository `{name}`: `{shown}` is no directory")).hint(hint)
                );
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(
                    Error::not_found(format!("repository `{name}`: `{shown}` is not there")).hint(hint)
                );
            }
            Err(e) => return Err(Error::io("looked at", &top, e)),
        }
        let found = match Repository::discover(&top) {
            Ok(found) => found,
            Err(GitError::NoRepository { .. }) => {
                let message = format!("repository `{name}`: `{shown}` is no git repository");
                return Err(Error::not_found(message).hint(hint));
            }
            Err(error) => return Err(error.into()),
        };
        if board.repository.as_ref().is_some_and(|own| same_dir(&own.common_dir, &found.common_dir)) {
            let message = format!("repository `{name}`: `{shown}` is in the home's own repository");
            return Err(Error::refused(message).hint("a `[[repo]]` names another one"));
        }
        if !same_dir(&found.root, &top) {
            let root = sanitize_line(found.root.as_str());
            let message =
                format!("repository `{name}`: `{shown}` is not the top of a repository, but in `{root}`");
            return Err(
                Error::refused(message).hint("set `path` of its `[[repo]]` to the top of its main checkout")
            );
        }
        let of = Some((name.clone(), Arc::new(board.clone())));
        Ok(Self { of, ..Self::at(top, Some(found)) })
    }

    /// The home that has the board: this one, or the one that this further repository belongs to.
    pub(crate) fn board(&self) -> &Self {
        self.of.as_ref().map_or(self, |(_, board)| board)
    }

    /// What the repository at hand is called.
    pub(crate) fn name(&self) -> RepoName {
        self.of.as_ref().map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// The top of a repository's main checkout, by what the settings say; nothing is looked at. Of one that they don't
    /// list, a place where nothing is.
    fn top_of(&self, name: &RepoName) -> Utf8PathBuf {
        let board = self.board();
        if name.is_default() {
            return board.root.clone();
        }
        board
            .further
            .get(name)
            .cloned()
            .unwrap_or_else(|| board.state_dir().join("unlisted").join(name.as_str()))
    }

    /// A repository as records of it are read where it can't be looked at: only its place is known.
    pub(crate) fn unseen(&self, name: &RepoName) -> Self {
        let of = (!name.is_default()).then(|| (name.clone(), Arc::new(self.board().clone())));
        Self { of, ..Self::at(self.top_of(name), None) }
    }

    /// Where a worktree is, whatever repository it is one of.
    pub(crate) fn place_of(&self, worktree: &Worktree) -> Utf8PathBuf {
        if worktree.repo == self.name() {
            return self.absolute(&worktree.path);
        }
        if worktree.repo.is_default() {
            return self.board().absolute(&worktree.path);
        }
        self.unseen(&worktree.repo).absolute(&worktree.path)
    }
}
