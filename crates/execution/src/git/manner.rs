//! In what manner this repository is checked out: everything outside of a commit that decides what its files look like.
//!
//! A checkout that was made ahead of time is only as good as a new one while this has not changed. Settings that have
//! nothing to do with checkouts are left out, by name; one that is not known here counts.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Git, GitError};

/// Sections of settings that change no file of a checkout.
const INDIFFERENT: &[&str] = &[
    "advice",
    "alias",
    "branch",
    "color",
    "column",
    "commit",
    "credential",
    "diff",
    "difftool",
    "fetch",
    "gc",
    "gpg",
    "help",
    "http",
    "init",
    "log",
    "maintenance",
    "merge",
    "mergetool",
    "pager",
    "pull",
    "push",
    "rebase",
    "receive",
    "remote",
    "rerere",
    "safe",
    "stash",
    "status",
    "tag",
    "url",
    "user",
];

/// Variables that decide which files of settings git reads.
const DECISIVE: &[&str] =
    &["HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// The most that is read of a file with attributes, in bytes.
const ATTRIBUTES: u64 = 1 << 20;

/// A look at a variable of the environment.
pub type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// In what manner a repository is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manner {
    /// Differs when a checkout may come out different.
    pub digest: String,
    /// The variables that decide where settings are read from.
    pub surroundings: String,
    /// The files it was read from, those among them that are not there.
    pub sources: Vec<Utf8PathBuf>,
    /// Why a checkout can't be made ahead of time.
    pub unfit: Option<String>,
    /// Whether a setting has files written otherwise than they are in the commit.
    pub converts: bool,
    /// Whether filters are set up, through which files may go.
    pub has_filters: bool,
}

impl Git {
    /// In what manner this repository is checked out.
    ///
    /// # Errors
    /// When git can't tell its settings.
    pub fn manner(&self, variable: Variable<'_>) -> Result<Manner, GitError> {
        let bytes = self.call(["config", "--list", "--show-origin", "-z"]).bytes()?;
        let fields: Vec<_> = bytes.split(|b| *b == 0).map(String::from_utf8_lossy).collect();
        let mut manner = Manner {
            digest: String::new(),
            surroundings: Manner::surroundings(variable),
            sources: usual_sources(self.common_dir(), variable),
            unfit: None,
            converts: false,
            has_filters: false,
        };
        let mut hasher = DefaultHasher::new();
        let mut texts = attribute_sources(self.common_dir(), variable);
        for pair in fields.chunks_exact(2).filter(|pair| pair[0].starts_with("file:")) {
            let (origin, entry) = (&pair[0]["file:".len()..], pair[1].as_ref());
            let source = self.git_dir().join(origin);
            if !manner.sources.contains(&source) {
                manner.sources.push(source);
            }
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            let section = key.split('.').next().unwrap_or_default();
            if INDIFFERENT.contains(&section) {
                continue;
            }
            (key, value).hash(&mut hasher);
            manner.weigh(key, value);
            if key.starts_with("includeif.") && !is_same_for_all(key, self.common_dir(), variable) {
                manner.unfit = Some("settings are included on a condition".to_owned());
            }
            if key == "core.attributesfile" {
                texts.push(at_home(value, variable));
            }
            // One that is not there yet, or empty, has no line of its own here.
            if key == "include.path" || (key.starts_with("includeif.") && key.ends_with(".path")) {
                let included = at_home(value, variable);
                let dir = self.git_dir().join(origin).parent().map(Utf8Path::to_owned).unwrap_or_default();
                manner.sources.push(dir.join(included));
            }
        }
        manner.sources.extend(texts.iter().cloned());
        manner.surroundings.hash(&mut hasher);
        for source in &texts {
            let text = read(source);
            text.hash(&mut hasher);
            manner.weigh_attributes(&text);
        }
        manner.digest = format!("{:016x}", hasher.finish());
        Ok(manner)
    }
}

impl Manner {
    fn weigh(&mut self, key: &str, value: &str) {
        let is_set = !matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0" | "");
        let why = match key {
            "core.sparsecheckout" if is_set => "the main checkout is a sparse one",
            "extensions.worktreeconfig" if is_set => "worktrees have settings of their own",
            "submodule.recurse" if is_set => "submodules are checked out too",
            // Git gives the top of a worktree another mode then than a directory has that anybody else makes.
            "core.sharedrepository" if is_set => "the repository is shared by a group",
            _ => "",
        };
        if !why.is_empty() {
            self.unfit = Some(why.to_owned());
        }
        match key {
            "core.autocrlf" => self.converts |= is_set && !value.eq_ignore_ascii_case("input"),
            // Links are files then.
            "core.symlinks" => self.converts |= !is_set,
            "core.eol" => self.converts |= value.eq_ignore_ascii_case("crlf"),
            _ => {}
        }
        self.has_filters |=
            key.starts_with("filter.") && (key.ends_with(".smudge") || key.ends_with(".process"));
    }

    /// Takes into account what a file with attributes says.
    pub fn weigh_attributes(&mut self, text: &str) {
        let text = text.to_ascii_lowercase();
        self.converts |=
            ["eol", "crlf", "ident", "encoding", "filter"].iter().any(|word| text.contains(word));
        if self.has_filters && text.contains("filter") {
            self.unfit = Some("files go through a filter".to_owned());
        }
    }

    /// The variables that decide where settings are read from.
    pub fn surroundings(variable: Variable<'_>) -> String {
        let mut hasher = DefaultHasher::new();
        DECISIVE.iter().for_each(|name| variable(name).hash(&mut hasher));
        format!("{:016x}", hasher.finish())
    }

    /// What tells whether one of the sources was written since.
    pub fn seen(sources: &[Utf8PathBuf]) -> Vec<String> {
        let seen = |source: &Utf8PathBuf| {
            source.metadata().map_or_else(
                |_| "-".to_owned(),
                |m| {
                    format!(
                        "{} {} {}.{} {}.{}",
                        m.ino(),
                        m.len(),
                        m.mtime(),
                        m.mtime_nsec(),
                        m.ctime(),
                        m.ctime_nsec()
                    )
                },
            )
        };
        sources.iter().map(seen).collect()
    }
}

/// Whether a condition holds for the repository's own directory exactly when it holds for git's directory of a worktree,
/// which lies in it: it is that of lying below a directory that is neither that one nor in it.
fn is_same_for_all(key: &str, common_dir: &Utf8Path, variable: Variable<'_>) -> bool {
    let Some(rest) = key.strip_prefix("includeif.gitdir") else { return false };
    let pattern = rest.strip_prefix(':').or_else(|| rest.strip_prefix("/i:"));
    let Some(dir) = pattern.and_then(|pattern| pattern.strip_suffix(".path")) else { return false };
    let dir = at_home(dir, variable);
    // Any other begins with `**/`, or lies beside the file that it stands in.
    if !dir.is_absolute() || !dir.as_str().ends_with('/') || dir.as_str().contains(['*', '?', '[', '\\']) {
        return false;
    }
    let lower = |path: &Utf8Path| Utf8PathBuf::from(path.as_str().to_ascii_lowercase());
    let is_outside = |dir: &Utf8Path, of: &Utf8Path| !lower(dir).starts_with(lower(of));
    is_outside(&dir, common_dir) && is_outside(&resolved(&dir), &resolved(common_dir))
}

/// The path with links resolved, as far as it is there.
fn resolved(path: &Utf8Path) -> Utf8PathBuf {
    let real = |above: &Utf8Path| {
        let below = path.strip_prefix(above).ok()?;
        above.canonicalize_utf8().ok().map(|above| above.join(below))
    };
    path.ancestors().find_map(real).unwrap_or_else(|| path.to_owned())
}

/// Where git looks for settings, there or not.
fn usual_sources(common_dir: &Utf8Path, variable: Variable<'_>) -> Vec<Utf8PathBuf> {
    let mut places = BTreeSet::from([common_dir.join("config")]);
    places.extend(variable("HOME").map(|home| Utf8PathBuf::from(home).join(".gitconfig")));
    places.extend(user_dir(variable).map(|dir| dir.join("git/config")));
    places
        .extend(["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"].into_iter().filter_map(variable).map(Into::into));
    places.insert("/etc/gitconfig".into());
    places.into_iter().collect()
}

/// Where git looks for attributes outside of a commit, there or not.
fn attribute_sources(common_dir: &Utf8Path, variable: Variable<'_>) -> Vec<Utf8PathBuf> {
    let own = user_dir(variable).map(|dir| dir.join("git/attributes"));
    [common_dir.join("info/attributes"), "/etc/gitattributes".into()].into_iter().chain(own).collect()
}

fn user_dir(variable: Variable<'_>) -> Option<Utf8PathBuf> {
    let own = variable("XDG_CONFIG_HOME").filter(|dir| !dir.is_empty()).map(Utf8PathBuf::from);
    own.or_else(|| variable("HOME").map(|home| Utf8PathBuf::from(home).join(".config")))
}

fn at_home(path: &str, variable: Variable<'_>) -> Utf8PathBuf {
    match (path.strip_prefix("~/"), variable("HOME")) {
        (Some(rest), Some(home)) => Utf8PathBuf::from(home).join(rest),
        _ => path.into(),
    }
}

fn read(source: &Utf8Path) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = crate::files::open(source).and_then(|file| file.take(ATTRIBUTES).read_to_end(&mut bytes));
    read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Repository;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn only_what_changes_a_checkout_counts() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let git = Repository::create(&dir, "main", ("Somebody", "somebody@example.com")).unwrap().git();
        let manner = || git.manner(&nothing).unwrap();
        let set = |key: &str, value: &str| git.call(["config", key, value]).bytes().unwrap();
        let first = manner();
        assert!(first.unfit.is_none() && !first.converts, "{first:?}");
        set("branch.x.remote", "origin");
        assert_eq!(manner().digest, first.digest);
        assert_ne!(Manner::seen(&first.sources), Vec::<String>::new());
        set("core.eol", "crlf");
        let second = manner();
        assert!(second.digest != first.digest && second.converts);
        set("core.sparseCheckout", "true");
        assert_eq!(manner().unfit.as_deref(), Some("the main checkout is a sparse one"));
        set("core.sparseCheckout", "false");
        set("includeIf.onbranch:x.path", "other");
        assert_eq!(manner().unfit.as_deref(), Some("settings are included on a condition"));
    }

    #[test]
    fn a_condition_counts_when_it_may_hold_for_worktrees_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let home = dir.join("home");
        let place = home.join("work/App");
        fs_err::create_dir_all(&place).unwrap();
        let git = Repository::create(&place, "main", ("Somebody", "somebody@example.com")).unwrap().git();
        std::os::unix::fs::symlink(place.join(".git"), dir.join("link")).unwrap();
        let variable = |name: &str| (name == "HOME").then(|| home.to_string());
        for (condition, is_fit) in [
            ("gitdir:~/work/", true),
            ("gitdir/i:~/WORK/", true),
            ("gitdir:~/", true),
            ("gitdir:/", true),
            (&format!("gitdir:{place}/"), true),
            (&format!("gitdir:{place}/.github/"), true),
            (&format!("gitdir:{place}/.git"), false),
            (&format!("gitdir:{place}/.git/"), false),
            (&format!("gitdir/i:{}/.GIT/", place.as_str().to_lowercase()), false),
            (&format!("gitdir:{place}/.git/worktrees/"), false),
            ("gitdir:~/work/App/.git/worktrees/", false),
            (&format!("gitdir:{dir}/link/worktrees/"), false),
            ("gitdir:worktrees/", false),
            ("gitdir:./", false),
            ("gitdir:**/worktrees/", false),
            ("gitdir:~/*/App/.git/", false),
            ("gitdir:~/work/App/.gi?/", false),
            ("gitdir:~somebody/work/", false),
            ("gitdir:", false),
            ("onbranch:wt/", false),
        ] {
            let key = format!("includeIf.{condition}.path");
            git.call(["config", &key, "some.inc"]).bytes().unwrap();
            assert_eq!(git.manner(&variable).unwrap().unfit.is_none(), is_fit, "{condition}");
            git.call(["config", "--unset", &key]).bytes().unwrap();
        }
    }

    #[test]
    fn a_filter_that_is_used_can_not_be_made_ahead() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
        let git = Repository::create(&dir, "main", ("Somebody", "somebody@example.com")).unwrap().git();
        git.call(["config", "filter.lfs.process", "git-lfs filter-process"]).bytes().unwrap();
        assert_eq!(git.manner(&nothing).unwrap().unfit, None);
        fs_err::create_dir_all(dir.join(".git/info")).unwrap();
        fs_err::write(dir.join(".git/info/attributes"), "*.png filter=lfs\n").unwrap();
        assert_eq!(git.manner(&nothing).unwrap().unfit.as_deref(), Some("files go through a filter"));
    }
}
