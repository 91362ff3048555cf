//! The test environment: a directory, a home, a hermetic git.

use std::{
    ffi::OsString,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{Call, Repo};

/// What git is told instead of the machine's settings.
///
/// Without background maintenance, so that nothing is still at work when the directory is removed.
const GIT_CONFIG: &str = "\
[user]
\tname = Test
\temail = test@example.com
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[maintenance]
\tauto = false
";

/// A directory of its own that is removed with the last use of it.
///
/// It holds `home/`, `tmp/` and what the test puts beside them. Programs started through it get an environment that has
/// been cleared but for `PATH`.
#[derive(Debug, Clone)]
pub struct TestEnv {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    // Removes the directory when dropped.
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
    calls: AtomicU64,
}

impl TestEnv {
    /// A new environment.
    #[expect(clippy::new_without_default, reason = "it makes directories; a default should not")]
    pub fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("biplane-").tempdir().expect("a temporary directory can be made");
        // Resolved, since programs print resolved paths and tests compare with them.
        let root = dir.path().canonicalize().expect("the directory was just made");
        let root = Utf8PathBuf::from_path_buf(root).expect("temporary directories have UTF-8 names");
        for part in ["home", "tmp", "output"] {
            fs_err::create_dir(root.join(part)).expect("the directory is new and ours");
        }
        // In the home too, for programs that scrub `GIT_*` before they run git.
        fs_err::write(root.join("home/.gitconfig"), GIT_CONFIG).expect("the home is ours");
        Self { place: Arc::new(Place { _dir: dir, root, calls: AtomicU64::new(0) }) }
    }

    /// The directory, absolute and resolved.
    pub fn root(&self) -> &Utf8Path {
        &self.place.root
    }

    /// What programs get as `HOME`.
    pub fn home(&self) -> Utf8PathBuf {
        self.root().join("home")
    }

    /// A new empty directory `name`.
    pub fn dir(&self, name: &str) -> Utf8PathBuf {
        let path = self.root().join(name);
        fs_err::create_dir_all(&path).expect("the test's directory is ours");
        path
    }

    /// A new git repository in the directory `name`, on branch `main`, with one commit that holds `README.md`.
    pub fn repo(&self, name: &str) -> Repo {
        Repo::create(self, self.dir(name))
    }

    /// A call of the program under test, in [`TestEnv::root`]: `env.biplane(env!("CARGO_BIN_EXE_biplane"))`.
    pub fn biplane(&self, bin: impl AsRef<Path>) -> Call {
        self.program(bin.as_ref())
    }

    /// A call of any program, in [`TestEnv::root`].
    pub fn program(&self, program: impl AsRef<Path>) -> Call {
        Call::new(self.clone(), program.as_ref())
    }

    /// The environment of every call.
    pub(crate) fn variables(&self) -> Vec<(OsString, OsString)> {
        let root = self.root();
        let fixed = [
            ("HOME", root.join("home").as_str()),
            ("TMPDIR", root.join("tmp").as_str()),
            ("GIT_CONFIG_GLOBAL", root.join("home/.gitconfig").as_str()),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
            ("TZ", "UTC"),
            // Nothing is still at work when the directory is removed, unless a test wants it.
            ("BIPLANE_BACKGROUND", "0"),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let path = std::env::var_os("PATH").map(|path| (OsString::from("PATH"), path));
        fixed.into_iter().chain(path).collect()
    }

    /// A file name stem for the output of the next call, unique in this environment.
    pub(crate) fn next_output(&self) -> Utf8PathBuf {
        let number = self.place.calls.fetch_add(1, Ordering::Relaxed);
        self.root().join("output").join(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_see_nothing_of_the_machine_but_the_path() {
        let env = TestEnv::new();
        let output = env.program("env").run().success();
        let mut names =
            output.stdout.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n).collect::<Vec<_>>();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "BIPLANE_BACKGROUND",
                "GIT_CONFIG_GLOBAL",
                "GIT_CONFIG_NOSYSTEM",
                "GIT_CONFIG_SYSTEM",
                "GIT_TERMINAL_PROMPT",
                "HOME",
                "LC_ALL",
                "PATH",
                "TMPDIR",
                "TZ"
            ]
        );
    }

    #[test]
    fn the_directory_goes_with_its_last_user() {
        let env = TestEnv::new();
        let root = env.root().to_owned();
        let repo = env.repo("app");
        drop(env);
        assert!(repo.path().is_dir());
        drop(repo);
        assert!(!root.exists());
    }
}
