//! The further repositories of a home: `[[repo]]`, one table for each.
//!
//! What a table leaves out about landing is as for the home's own repository, but for the target and the gate: those of
//! one repository mean nothing in another. The same goes for the set-up. Agents, ports, snapshots, spares and limits are the
//! home's, and hold for all.

use std::time::Duration;

use biplane_model::{HOME_REPO, RepoName, Strategy};
use serde::Deserialize;

use super::{
    Settings,
    worktrees::{At, FileSetup, Setup, read_setup},
};
use crate::{
    bounds,
    error::{Error, Result},
};

/// A further repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherRepo {
    /// What it is called.
    pub name: RepoName,
    /// Where its main checkout is: relative to the home's root, or absolute.
    pub path: String,
    /// The branch that work lands on; `None`: the one checked out in its main checkout.
    pub target: Option<String>,
    /// The command that must pass on a candidate before it lands; `None`: none is set.
    pub gate: Option<String>,
    /// How long a gate may take.
    pub gate_timeout: Duration,
    /// How branches are brought onto the target.
    pub strategy: Strategy,
    /// What makes a new worktree of it ready to build.
    pub setup: Setup,
}

/// `[[repo]]`, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRepo {
    name: toml::Spanned<String>,
    path: toml::Spanned<String>,
    target: Option<String>,
    gate: Option<String>,
    gate_timeout: Option<toml::Spanned<String>>,
    strategy: Option<toml::Spanned<String>>,
    #[serde(default)]
    setup: FileSetup,
}

/// Reads the tables. `home` has what they leave out.
pub(super) fn read(tables: &[FileRepo], home: &Settings, at: At<'_>) -> Result<Vec<FurtherRepo>> {
    let mut repos: Vec<FurtherRepo> = Vec::new();
    for table in tables {
        let repo = read_one(table, home, at)?;
        if tables.len() > bounds::MOST_REPOS {
            return Err(at(table.name.span(), format!("a home has at most {} of them", bounds::MOST_REPOS)));
        }
        let is_twin = |other: &FurtherRepo| other.name.as_str().eq_ignore_ascii_case(repo.name.as_str());
        if repos.iter().any(is_twin) || repo.name.as_str().eq_ignore_ascii_case(HOME_REPO) {
            let why = if repo.name.as_str().eq_ignore_ascii_case(HOME_REPO) {
                "is the home's own repository"
            } else {
                "is there twice, or differs in case only"
            };
            return Err(at(table.name.span(), format!("`{}` {why}: choose another name", repo.name)));
        }
        repos.push(repo);
    }
    Ok(repos)
}

fn read_one(table: &FileRepo, home: &Settings, at: At<'_>) -> Result<FurtherRepo> {
    let name = table.name.get_ref();
    let name = name.parse().map_err(|e: biplane_model::InvalidName| at(table.name.span(), e.to_string()))?;
    let path = table.path.get_ref().trim_end_matches('/');
    if path.is_empty() || path == "." || path.contains(['\n', '\0']) {
        return Err(at(table.path.span(), "name the top directory of another repository".to_owned()));
    }
    let gate_timeout = match &table.gate_timeout {
        None => home.gate_timeout,
        Some(v) => super::parse_duration(v.get_ref()).map_err(|why| at(v.span(), why))?,
    };
    let strategy = match &table.strategy {
        None => home.strategy,
        Some(v) => v.get_ref().parse().map_err(|why| at(v.span(), why))?,
    };
    Ok(FurtherRepo {
        name,
        path: path.to_owned(),
        target: table.target.clone(),
        gate: table.gate.clone().filter(|g| !g.trim().is_empty()),
        gate_timeout,
        strategy,
        setup: read_setup(&table.setup, home.worktrees.ports.count, at)?,
    })
}

impl Settings {
    /// The names of the repositories, the home's own first.
    pub fn repo_names(&self) -> Vec<RepoName> {
        std::iter::once(RepoName::default()).chain(self.repos.iter().map(|r| r.name.clone())).collect()
    }

    /// The further repository of this name.
    ///
    /// # Errors
    /// When there is none; it names those that there are.
    pub fn further(&self, name: &RepoName) -> Result<&FurtherRepo> {
        self.repos.iter().find(|repo| repo.name == *name).ok_or_else(|| self.unknown(name))
    }

    /// The refusal of a name that no repository has.
    pub(crate) fn unknown(&self, name: &RepoName) -> Error {
        let known: Vec<String> = self.repo_names().iter().map(|name| format!("`{name}`")).collect();
        let message = format!("there is no repository `{name}`: there are {}", known.join(", "));
        Error::not_found(message).hint("a `[[repo]]` in `biplane.toml` adds one")
    }

    /// As they are for work in a further repository.
    pub(crate) fn of_repo(&self, repo: &FurtherRepo) -> Self {
        let mut settings = self.clone();
        settings.target.clone_from(&repo.target);
        settings.gate.clone_from(&repo.gate);
        settings.gate_timeout = repo.gate_timeout;
        settings.strategy = repo.strategy;
        settings.worktrees.setup = repo.setup.clone();
        // Its worktrees lie in its own `.worktrees`.
        settings.worktrees.dir = None;
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Settings, String> {
        Settings::parse(text).map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_table_leaves_out() {
        let settings = read(
            "gate = \"make\"\ntarget = \"main\"\nstrategy = \"squash\"\ngate_timeout = \"5m\"\n[setup]\nrun = [\"make deps\"]\n\
             [[repo]]\nname = \"lib\"\npath = \"../lib/\"\n\
             [[repo]]\nname = \"web\"\npath = \"/srv/web\"\ngate = \"npm test\"\nstrategy = \"rebase\"\n[repo.setup]\nclone = [\"node_modules\"]\n",
        )
        .unwrap();
        assert_eq!(
            settings.repo_names().iter().map(RepoName::as_str).collect::<Vec<_>>(),
            ["main", "lib", "web"]
        );
        let lib = settings.of_repo(settings.further(&"lib".parse().unwrap()).unwrap());
        assert_eq!((lib.target, lib.gate, lib.gate_timeout.as_secs()), (None, None, 300));
        assert_eq!((lib.strategy, lib.worktrees.setup.run.len()), (Strategy::Squash, 0));
        let web = settings.of_repo(settings.further(&"web".parse().unwrap()).unwrap());
        assert_eq!((web.gate.as_deref(), web.strategy), (Some("npm test"), Strategy::Rebase));
        assert_eq!(web.worktrees.setup.clone, ["node_modules"]);
        let none = settings.further(&"wbe".parse().unwrap()).unwrap_err();
        assert_eq!(none.to_string(), "there is no repository `wbe`: there are `main`, `lib`, `web`");
    }

    #[test]
    fn names_and_places_that_are_none() {
        let table = |name: &str, path: &str| {
            format!("[[repo]]\nname = {}\npath = {}\n", toml::Value::from(name), toml::Value::from(path))
        };
        for (name, why) in [
            ("a b", "`a b` is not a name of a repository: use 1 to 64 of"),
            ("a\nb", "is not a name of a repository"),
            ("", "is not a name of a repository"),
            ("../x", "is not a name of a repository"),
            ("main", "`main` is the home's own repository"),
        ] {
            let said = read(&table(name, "../x")).unwrap_err();
            assert!(said.starts_with("`biplane.toml` line 2, key `name`: ") && said.contains(why), "{said}");
        }
        for path in ["", ".", "a\nb"] {
            let said = read(&table("lib", path)).unwrap_err();
            assert!(said.contains("line 3, key `path`: name the top directory of another"), "{said}");
        }
        let twice = read(&(table("lib", "../a") + &table("LIB", "../b"))).unwrap_err();
        assert!(
            twice.contains("line 5, key `name`: `LIB` is there twice, or differs in case only"),
            "{twice}"
        );
        assert!(read("[[repo]]\nname = \"x\"\n").unwrap_err().contains("missing field `path`"));
        let unknown = read("[[repo]]\nname = \"x\"\npath = \"y\"\nagent = \"z\"\n").unwrap_err();
        assert!(unknown.contains("line 4, key `agent`: unknown field `agent`"), "{unknown}");
    }
}
