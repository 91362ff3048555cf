//! A git repository of a test, or another checkout of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{Call, TestEnv};

/// The time of the first commit, in unix seconds; each further git call is a second later.
///
/// Commit ids are the same in every run of a test, and commits have an order.
const FIRST_COMMIT_AT: u64 = 1_767_225_600;

/// A checkout.
#[derive(Debug, Clone)]
pub struct Repo {
    env: TestEnv,
    path: Utf8PathBuf,
    clock: Arc<AtomicU64>,
}

impl Repo {
    pub(crate) fn create(env: &TestEnv, path: Utf8PathBuf) -> Self {
        let repo = Self { env: env.clone(), path, clock: Arc::new(AtomicU64::new(FIRST_COMMIT_AT)) };
        repo.git(&["init", "--quiet"]);
        repo.write("README.md", "# A repository\n");
        repo.commit("first");
        repo
    }

    /// The same repository seen from another checkout, such as a worktree; `path` is relative to this one.
    pub fn at(&self, path: impl AsRef<Utf8Path>) -> Self {
        Self { path: self.path.join(path.as_ref()), ..self.clone() }
    }

    /// The directory of the checkout.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Runs git in it and gives what it printed, without the last line break. Panics unless it exits with 0.
    #[track_caller]
    pub fn git(&self, args: &[&str]) -> String {
        let mut text = self.git_call(args).run().success().stdout;
        text.truncate(text.trim_end_matches('\n').len());
        text
    }

    /// A call of git in it, for tests that expect it to fail or that read its standard error.
    pub fn git_call(&self, args: &[&str]) -> Call {
        let date = format!("{} +0000", self.clock.fetch_add(1, Ordering::Relaxed));
        self.env
            .program("git")
            .in_dir(&self.path)
            .args(args)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
    }

    /// Writes a file, with the directories it needs.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Utf8Path>, text: impl AsRef<[u8]>) {
        let path = self.path.join(path.as_ref());
        let parent = path.parent().expect("a file has a directory");
        fs_err::create_dir_all(parent).expect("the test's directory is ours");
        fs_err::write(&path, text).expect("the test's directory is ours");
    }

    /// Reads a text file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Utf8Path>) -> String {
        fs_err::read_to_string(self.path.join(path.as_ref())).expect("the test expects the file")
    }

    /// Commits everything that git sees and gives the commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.head()
    }

    /// The id of the commit that is checked out.
    #[track_caller]
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_the_same_in_every_run() {
        let heads = [TestEnv::new(), TestEnv::new()].map(|env| {
            let repo = env.repo("app");
            repo.write("src/a.txt", "a\n");
            repo.commit("second")
        });
        assert_eq!(heads[0], heads[1]);
    }

    #[test]
    fn a_worktree_is_another_checkout_of_the_same_repository() {
        let env = TestEnv::new();
        let repo = env.repo("app");
        assert_eq!(repo.git(&["branch", "--show-current"]), "main");
        repo.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
        let side = repo.at("../side");
        side.write("b.txt", "b\n");
        side.commit("on the side");
        assert_eq!(side.git(&["rev-parse", "HEAD^"]), repo.head());
        assert_eq!(side.read("b.txt"), "b\n");
        assert!(repo.git_call(&["rev-parse", "--verify", "nowhere"]).run().fails_with(128).stdout.is_empty());
    }
}
