//! The settings of worktrees: where they are, what makes them ready, what is kept of them.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde::Deserialize;

use super::{parse_bytes, parse_duration};
use crate::{bounds, error::Result};

/// Ignored directories and files that a build makes again, by their names.
const REPRODUCIBLE: &[&str] = &[
    "target",
    "node_modules",
    ".venv",
    "venv",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".gradle",
    ".next",
    ".nuxt",
    ".turbo",
    ".cache",
    ".parcel-cache",
    ".DS_Store",
    "Thumbs.db",
];

/// How worktrees are made and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktrees {
    /// Where worktrees are made: relative to the top directory, or absolute; `None`: `.worktrees`.
    pub dir: Option<String>,
    /// What makes a new worktree ready to build.
    pub setup: Setup,
    /// Which ports worktrees lease.
    pub ports: Ports,
    /// What snapshots hold, and how long they are kept.
    pub snapshots: Snapshots,
    /// The spare worktrees.
    pub pool: Pool,
    /// The most bytes that spare and recycled worktrees and their caches may take.
    pub disk_bytes: u64,
}

/// What makes a new worktree ready to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Ignored files to copy from the main checkout, as patterns of gitignore; added to those of `.worktreeinclude`.
    pub copy: Vec<String>,
    /// Ignored directories to clone from the main checkout: copy-on-write where the file system can, else copied.
    pub clone: Vec<String>,
    /// Ignored directories of the main checkout to link to: all worktrees share them.
    pub share: Vec<String>,
    /// Commands to run inside the new worktree, each by `sh -c`. A person approves them once.
    pub run: Vec<String>,
    /// How long each of them may take.
    pub timeout: Duration,
    /// Variables for every run in a worktree; `{name}`, `{port}` and the like are filled in.
    pub env: BTreeMap<String, String>,
}

/// Which ports worktrees lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// How many each worktree gets; 0: none.
    pub count: usize,
    /// The first port of the range.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

/// What snapshots hold, and how long they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshots {
    /// Names of ignored directories and files that a build makes again: they are left out.
    pub leave_out: Vec<String>,
    /// The most bytes of untracked and ignored files that a snapshot takes in.
    pub max_bytes: u64,
    /// How long a snapshot is kept.
    pub keep_for: Duration,
    /// How many snapshots of one name are kept.
    pub keep_count: usize,
}

/// The spare worktrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// How many are kept ready; 0 turns it off.
    pub size: usize,
    /// Names of ignored directories that stay in a removed worktree when it becomes a spare one.
    pub keep: Vec<String>,
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

impl Default for Worktrees {
    fn default() -> Self {
        Self {
            dir: None,
            setup: Setup {
                copy: Vec::new(),
                clone: Vec::new(),
                share: Vec::new(),
                run: Vec::new(),
                timeout: bounds::SETUP_TIMEOUT,
                env: BTreeMap::new(),
            },
            ports: Ports { count: 0, first: bounds::FIRST_PORT, last: bounds::LAST_PORT },
            snapshots: Snapshots {
                leave_out: words(REPRODUCIBLE),
                max_bytes: bounds::SNAPSHOT_BYTES,
                keep_for: bounds::SNAPSHOT_AGE,
                keep_count: bounds::SNAPSHOT_COUNT,
            },
            pool: Pool { size: bounds::POOL_SIZE, keep: Vec::new() },
            disk_bytes: bounds::DISK_BYTES,
        }
    }
}

type Word = Option<toml::Spanned<String>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileWorktrees {
    dir: Word,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileSetup {
    copy: Vec<String>,
    clone: Vec<toml::Spanned<String>>,
    share: Vec<toml::Spanned<String>>,
    run: Vec<String>,
    timeout: Word,
    env: BTreeMap<String, toml::Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilePorts {
    count: Option<toml::Spanned<usize>>,
    range: Word,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileSnapshots {
    leave_out: Option<Vec<String>>,
    max_size: Word,
    keep_for: Word,
    keep_count: Option<toml::Spanned<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilePool {
    size: Option<toml::Spanned<usize>>,
    keep: Vec<toml::Spanned<String>>,
}

/// The tables of the file that are about worktrees.
pub(super) struct Tables<'f> {
    pub(super) worktrees: &'f FileWorktrees,
    pub(super) setup: &'f FileSetup,
    pub(super) ports: &'f FilePorts,
    pub(super) snapshots: &'f FileSnapshots,
    pub(super) pool: &'f FilePool,
    pub(super) disk: &'f Word,
}

/// Makes an error of what is wrong at a place in the file.
pub(super) type At<'a> = &'a dyn Fn(Range<usize>, String) -> crate::error::Error;

impl Tables<'_> {
    /// The settings, with defaults for what the tables do not say.
    pub(super) fn read(&self, at: At<'_>) -> Result<Worktrees> {
        let mut settings = Worktrees::default();
        if let Some(dir) = &self.worktrees.dir {
            settings.dir = directory(dir, at)?;
        }
        value(
            &self.ports.range,
            &mut settings.ports,
            |text| range(text, Ports { count: 0, ..Worktrees::default().ports }),
            at,
        )?;
        number(&self.ports.count, &mut settings.ports.count, 0..=bounds::MOST_PORTS, at)?;
        settings.setup = read_setup(self.setup, settings.ports.count, at)?;
        let snapshots = &mut settings.snapshots;
        if let Some(names) = &self.snapshots.leave_out {
            snapshots.leave_out.clone_from(names);
        }
        value(&self.snapshots.max_size, &mut snapshots.max_bytes, parse_bytes, at)?;
        value(&self.snapshots.keep_for, &mut snapshots.keep_for, parse_duration, at)?;
        number(&self.snapshots.keep_count, &mut snapshots.keep_count, 1..=100_000, at)?;
        number(&self.pool.size, &mut settings.pool.size, 0..=bounds::MOST_SPARES, at)?;
        settings.pool.keep = self.pool.keep.iter().map(|name| name.get_ref().clone()).collect();
        for name in &self.pool.keep {
            if name.get_ref().is_empty()
                || name.get_ref().contains('/')
                || [".", "..", ".git"].contains(&name.get_ref().as_str())
            {
                return Err(at(name.span(), "name a directory, without `/`".to_owned()));
            }
        }
        value(self.disk, &mut settings.disk_bytes, parse_bytes, at)?;
        Ok(settings)
    }
}

/// The settings of a set-up where each worktree leases `ports` ports.
pub(super) fn read_setup(file: &FileSetup, ports: usize, at: At<'_>) -> Result<Setup> {
    let mut setup = Worktrees::default().setup;
    setup.copy.clone_from(&file.copy);
    setup.clone = inside(&file.clone, at)?;
    setup.share = inside(&file.share, at)?;
    setup.run.clone_from(&file.run);
    value(&file.timeout, &mut setup.timeout, parse_duration, at)?;
    for (name, text) in &file.env {
        let value = text.get_ref().clone();
        super::template::check_name(name)
            .and_then(|()| super::template::check(&value, ports))
            .map_err(|why| at(text.span(), why))?;
        setup.env.insert(name.clone(), value);
    }
    Ok(setup)
}

/// Reads a value into its place, which keeps the default when the file says nothing.
fn value<T>(
    word: &Word,
    place: &mut T,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
    at: At<'_>,
) -> Result<()> {
    if let Some(word) = word {
        *place = parse(word.get_ref()).map_err(|why| at(word.span(), why))?;
    }
    Ok(())
}

fn number(
    word: &Option<toml::Spanned<usize>>,
    place: &mut usize,
    allowed: std::ops::RangeInclusive<usize>,
    at: At<'_>,
) -> Result<()> {
    if let Some(word) = word {
        if !allowed.contains(word.get_ref()) {
            return Err(at(word.span(), format!("use {} to {}", allowed.start(), allowed.end())));
        }
        *place = *word.get_ref();
    }
    Ok(())
}

fn directory(word: &toml::Spanned<String>, at: At<'_>) -> Result<Option<String>> {
    let dir = word.get_ref().trim_end_matches('/');
    if dir.is_empty() || dir == "." || dir.contains(['\n', '\0']) {
        return Err(at(word.span(), "name a directory other than the top one".to_owned()));
    }
    Ok((dir != ".worktrees").then(|| dir.to_owned()))
}

/// Paths that stay below the directory they are relative to.
fn inside(words: &[toml::Spanned<String>], at: At<'_>) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    for word in words {
        let path = word.get_ref().trim_end_matches('/');
        let is_inside = |part: &str| !matches!(part, "" | "." | ".." | ".git");
        if !path.split('/').all(is_inside) {
            return Err(at(word.span(), "use a path below the top directory, without `..`".to_owned()));
        }
        paths.push(path.to_owned());
    }
    Ok(paths)
}

fn range(text: &str, ports: Ports) -> std::result::Result<Ports, String> {
    let fault = || {
        let shown = biplane_model::clip(&biplane_model::sanitize_line(text), 40);
        format!("`{shown}` is no range of ports: use two numbers from 1024 to 65535, such as `20000-29999`")
    };
    let (first, last) = text.split_once('-').ok_or_else(fault)?;
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port >= 1024).ok_or_else(fault);
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(fault());
    }
    Ok(Ports { first, last, ..ports })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn read(text: &str) -> std::result::Result<Worktrees, String> {
        Settings::parse(text).map(|s| s.worktrees).map_err(|e| e.to_string())
    }

    #[test]
    fn the_tables_of_worktrees() {
        let settings = read(
            "[worktrees]\ndir = \"../trees/\"\n[setup]\ncopy = [\".env*\"]\nclone = [\"web/node_modules/\"]\nrun = [\"make\"]\n\
             [setup.env]\nURL = \"http://localhost:{port}\"\n[ports]\ncount = 2\nrange = \"3000-3100\"\n\
             [snapshots]\nleave_out = [\"out\"]\nmax_size = \"2G\"\nkeep_count = 5\n[pool]\nsize = 0\nkeep = [\"target\"]\n\
             [limits]\ndisk = \"1G\"\n",
        )
        .unwrap();
        assert_eq!(settings.dir.as_deref(), Some("../trees"));
        assert_eq!(settings.setup.clone, ["web/node_modules"]);
        assert_eq!(settings.ports, Ports { count: 2, first: 3000, last: 3100 });
        assert_eq!((settings.snapshots.leave_out, settings.snapshots.max_bytes), (words(&["out"]), 2 << 30));
        assert_eq!((settings.pool.size, settings.disk_bytes), (0, 1 << 30));
    }

    #[test]
    fn what_leads_elsewhere_or_means_nothing_is_refused() {
        for (text, why) in [
            ("[setup]\nshare = [\"../x\"]", "without `..`"),
            ("[setup]\nclone = [\"/x\"]", "without `..`"),
            ("[setup]\nclone = [\"a/.git\"]", "without `..`"),
            ("[pool]\nkeep = [\"a/b\"]", "without `/`"),
            ("[worktrees]\ndir = \"./\"", "other than the top one"),
            ("[ports]\nrange = \"80-90\"", "no range of ports"),
            ("[ports]\nrange = \"3000-2000\"", "no range of ports"),
            ("[pool]\nsize = 1000", "use 0 to 64"),
            ("[setup.env]\nA = \"{prot}\"", "line 2, key `A`: `{prot}` stands for nothing"),
            ("[setup]\nenv = { A = \"{port}\" }", "needs `[ports] count`"),
            ("[setup.env]\nGIT_DIR = \"x\"", "not for settings"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
