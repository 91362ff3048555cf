//! Submodules: which gitlinks are declared, which a landing moves, and what is in those that were filled.
//!
//! **Contract.** Git looks into a repository inside the worktree only when nothing in that one's settings makes it run a
//! program: whoever worked in the worktree may have written them. What can't be looked at counts as changed.

use std::collections::HashSet;

use biplane_model::CommitId;
use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError};

impl Git {
    /// The paths that `.gitmodules` of `commit` declares. None where it can't be read: what is not declared is no submodule.
    ///
    /// # Errors
    /// When git can't be run.
    pub(super) fn declared_submodules(&self, commit: &CommitId) -> Result<HashSet<String>, GitError> {
        let blob = format!("--blob={commit}:.gitmodules");
        let output = self.call(["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.path$"]).output()?;
        if output.code != Some(0) {
            return Ok(HashSet::new());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let path =
            |entry: &str| entry.split_once('\n').map(|(_, path)| path.trim_end_matches('/').to_owned());
        Ok(text.split_terminator('\0').filter_map(path).collect())
    }

    /// The submodules that are at another commit in `new` than in `old`, or that only `new` has.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn moved_submodules(&self, old: &CommitId, new: &CommitId) -> Result<Vec<String>, GitError> {
        let bytes =
            self.call(["diff-tree", "-r", "-z", "--no-renames", old.as_str(), new.as_str()]).bytes()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut fields = text.split('\0');
        let mut moved = Vec::new();
        while let (Some(meta), Some(path)) = (fields.next(), fields.next()) {
            if meta.split(' ').nth(1) == Some("160000") {
                moved.push(path.to_owned());
            }
        }
        Ok(moved)
    }
}

/// What the settings of a submodule's repository may be about for git to be run in it: none of these makes git run a
/// program. Whoever worked in the worktree may have written them.
const HARMLESS: [&str; 16] = [
    "core.repositoryformatversion",
    "core.filemode",
    "core.bare",
    "core.logallrefupdates",
    "core.worktree",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.symlinks",
    "core.autocrlf",
    "extensions.objectformat",
    "gc.auto",
    "maintenance.auto",
    "user.name",
    "user.email",
    "init.defaultbranch",
    "lfs.repositoryformatversion",
];

/// The same for settings of a remote, a branch or a submodule, by their first and last word.
const HARMLESS_OF_ONE: [(&str, &str); 6] = [
    ("remote", "url"),
    ("remote", "fetch"),
    ("branch", "remote"),
    ("branch", "merge"),
    ("submodule", "url"),
    ("submodule", "active"),
];

/// How deep submodules are looked for among those that git keeps.
const MODULE_DEPTH: usize = 8;

impl Git {
    /// The gitlinks in the index at whose paths a repository lies.
    ///
    /// # Errors
    /// When git can't tell.
    pub(super) fn filled_gitlinks(&self) -> Result<Vec<String>, GitError> {
        if !self.may_have_gitlinks() {
            return Ok(Vec::new());
        }
        let bytes = self.call(["ls-files", "--stage", "-z"]).bytes()?;
        let top = self.work_tree().unwrap_or(self.git_dir());
        let links = bytes.split(|b| *b == 0).filter(|entry| entry.starts_with(b"160000 "));
        let paths = links.map(String::from_utf8_lossy).filter_map(|e| Some(e.split_once('\t')?.1.to_owned()));
        let is_filled = |path: &String| top.join(path).join(".git").as_std_path().symlink_metadata().is_ok();
        let mut paths: Vec<String> = paths.filter(is_filled).collect();
        paths.dedup();
        Ok(paths)
    }

    /// Whether the index may have a gitlink: the bytes of their mode are in it. Quicker than asking git, which nearly every
    /// repository needs not.
    fn may_have_gitlinks(&self) -> bool {
        let index = self.index.clone().unwrap_or_else(|| self.git_dir.join("index"));
        match crate::files::read(&index, crate::files::LARGE) {
            // Part of a split index is in another file, which its extension names.
            Ok(bytes) => bytes.windows(4).any(|w| w == b"\0\0\xe0\0" || w == b"link"),
            Err(e) => e.kind() != std::io::ErrorKind::NotFound,
        }
    }

    /// Those of the `filled` submodules that have uncommitted work, or of which that can't be told without running what
    /// somebody has written into their settings.
    pub(super) fn dirty_submodules(&self, filled: &[String]) -> Result<Vec<String>, GitError> {
        let mut dirty = Vec::new();
        for path in filled {
            let is_clean = match self.submodule(path)? {
                Some(module) => module.filled_gitlinks()?.is_empty() && module.is_tidy("--ignored=no")?,
                None => false,
            };
            if !is_clean {
                dirty.push(path.clone());
            }
        }
        Ok(dirty)
    }

    /// Whether there is neither a change nor an untracked file; with `--ignored=matching` no ignored one either.
    fn is_tidy(&self, ignored: &str) -> Result<bool, GitError> {
        let status = ["status", "--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=dirty"];
        Ok(self.call(status).args([ignored]).bytes()?.is_empty())
    }

    /// A repository inside the checkout with which work might be lost: a submodule that was filled, a repository that was
    /// added as if it were one, or what git keeps of one that was taken out again. A submodule has nothing to lose when it is clean and its remotes have all of its commits.
    ///
    /// # Errors
    /// When git can't tell.
    pub fn repository_inside(&self) -> Result<Option<String>, GitError> {
        let modules = self.git_dir.join("modules");
        for path in self.filled_gitlinks()? {
            let spent = match self.submodule(&path)? {
                // One that keeps its commits in the worktree itself is nobody's clone.
                Some(module) if module.git_dir.starts_with(&modules) => {
                    module.is_tidy("--ignored=matching")? && module.is_pushed()?
                }
                _ => false,
            };
            if !spent {
                return Ok(Some(path));
            }
        }
        if self.git_dir == self.common_dir {
            return Ok(None);
        }
        for module in kept_modules(&modules, MODULE_DEPTH)? {
            let git = Self::bare(&module);
            if !git.has_harmless_settings()? || !git.is_pushed()? {
                return Ok(Some(module.into_string()));
            }
        }
        Ok(None)
    }

    /// Git in the submodule at `path`, when nothing in its settings makes git run a program.
    fn submodule(&self, path: &str) -> Result<Option<Self>, GitError> {
        let top = self.work_tree().unwrap_or(self.git_dir()).join(path);
        let link = top.join(".git");
        let is_dir = link.as_std_path().symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let git_dir = if is_dir {
            link
        } else {
            let text = crate::files::text(&link).unwrap_or_default();
            let named = text.strip_prefix("gitdir: ").map(|dir| top.join(dir.trim_end_matches('\n')));
            let Some(real) = named.and_then(|dir| dir.canonicalize_utf8().ok()) else { return Ok(None) };
            let ours = [&self.git_dir, &self.common_dir].map(|dir| dir.join("modules").canonicalize_utf8());
            if !ours.iter().flatten().any(|modules| real.starts_with(modules)) {
                return Ok(None);
            }
            real
        };
        let git = Self::checkout(&git_dir, &git_dir, &top);
        Ok(git.has_harmless_settings()?.then_some(git))
    }

    fn has_harmless_settings(&self) -> Result<bool, GitError> {
        let file = self.common_dir.join("config");
        let args = ["config", "-z", "--name-only", "--no-includes", "--list", "--file", file.as_str()];
        // Asked without the repository, whose settings are what is in question.
        let output = super::raw(args.iter().map(Into::into).collect(), None, Vec::new(), Vec::new())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let of_one = |key: &str| {
            let (first, last) = (key.split('.').next().unwrap_or(""), key.rsplit('.').next().unwrap_or(""));
            HARMLESS_OF_ONE.contains(&(first, last))
        };
        let mut keys = text.split_terminator('\0');
        Ok(output.code == Some(0) && keys.all(|key| HARMLESS.contains(&key) || of_one(key)))
    }

    /// Whether every commit of the repository is one that a remote has, as far as is known here; it has no submodules of
    /// its own.
    fn is_pushed(&self) -> Result<bool, GitError> {
        if self.git_dir.join("modules").as_std_path().symlink_metadata().is_ok() {
            return Ok(false);
        }
        let args = ["rev-list", "--max-count=1", "--all", "HEAD", "--not", "--remotes"];
        let output = self.call(args).env("GIT_NO_LAZY_FETCH", "1").output()?;
        Ok(output.code == Some(0) && output.stdout.is_empty())
    }

    /// Takes the commits that submodules are at into the index, and has git leave these entries alone from then on: when it
    /// adds files it would else ask for their state inside of them, by settings that are not ours.
    pub(super) fn add_submodules(&self) -> Result<Vec<String>, GitError> {
        let filled = self.filled_gitlinks()?;
        for path in &filled {
            let top = self.work_tree().unwrap_or(self.git_dir()).join(path);
            let head = match self.submodule(path)? {
                Some(module) => module.find_commit("HEAD")?,
                None => None,
            };
            if let Some(head) = head.filter(|_| top.is_dir()) {
                self.call(["update-index", "--cacheinfo", &format!("160000,{head},{path}")]).bytes()?;
            }
        }
        self.mark_submodules(&filled, "--assume-unchanged")?;
        Ok(filled)
    }

    pub(super) fn mark_submodules(&self, paths: &[String], flag: &str) -> Result<(), GitError> {
        if paths.is_empty() {
            return Ok(());
        }
        self.call(["update-index", flag, "-z", "--stdin"]).stdin(paths.join("\0") + "\0").bytes().map(|_| ())
    }
}

/// The repositories that git keeps below `dir`, a directory `modules`.
fn kept_modules(dir: &Utf8Path, depth: usize) -> Result<Vec<Utf8PathBuf>, GitError> {
    let io = |source| GitError::Io { path: dir.to_owned(), action: "read", source };
    let entries = match dir.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(io)?.into_path();
        if path.join("HEAD").as_std_path().symlink_metadata().is_ok() || depth == 0 || !path.is_dir() {
            found.push(path);
        } else {
            found.extend(kept_modules(&path, depth - 1)?);
        }
    }
    Ok(found)
}
