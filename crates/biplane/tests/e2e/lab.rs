//! A repository to work in, the program in it, and the questions that every test asks.

use std::{fs, time::Duration};

use biplane_testkit::{Call, Output, Records, Repo, TestEnv, photograph, steers};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// How long a test waits for something that is sure to come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The program under test.
pub(crate) const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// A repository of its own.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::named("app")
    }

    /// In a directory of this name.
    pub(crate) fn named(name: &str) -> Self {
        let env = TestEnv::new();
        let repo = env.repo(name);
        Self { env, repo }
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        self.repo.path()
    }

    /// The program in the repository.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        self.env.biplane(BIPLANE).in_dir(self.root()).args(args)
    }

    /// The program in another place.
    pub(crate) fn call_in(&self, dir: impl AsRef<std::path::Path>, args: &[&str]) -> Call {
        self.env.biplane(BIPLANE).in_dir(dir).args(args)
    }

    /// The answer to a command that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.call(args).run().success().stdout
    }

    /// The answer in JSON.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().success().json()
    }

    /// What a command says that must fail with this code.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> Output {
        self.call(args).run().fails_with(code)
    }

    /// Writes and commits `biplane.toml`.
    pub(crate) fn settings(&self, text: &str) {
        self.repo.write("biplane.toml", text);
        self.repo.commit("settings");
    }

    /// Writes `biplane.toml`, which a test has git ignore.
    pub(crate) fn settings_file(&self, text: &str) {
        self.repo.write("biplane.toml", text);
    }

    /// Has the ledger note that a worktree is gone, whose directory and entry somebody has taken away.
    #[track_caller]
    pub(crate) fn forget(&self, name: &str) {
        self.ok(&["wt", "remove", name, "--force"]);
    }

    /// A worktree's checkout.
    pub(crate) fn worktree(&self, name: &str) -> Repo {
        self.repo.at(format!(".worktrees/{name}"))
    }

    /// A new worktree.
    #[track_caller]
    pub(crate) fn create(&self, name: &str) -> Repo {
        self.ok(&["wt", "create", name]);
        self.worktree(name)
    }

    /// A new worktree with one commit that writes one file.
    #[track_caller]
    pub(crate) fn work(&self, name: &str, file: &str, text: &str) -> Repo {
        let tree = self.create(name);
        tree.write(file, text);
        tree.commit(&format!("{name}: {file}"));
        tree
    }

    pub(crate) fn records(&self) -> Records {
        Records::read(self.root())
    }

    /// The words of the events, in order.
    pub(crate) fn event_words(&self) -> Vec<String> {
        self.records().events().iter().map(|e| e["event"].as_str().unwrap().to_owned()).collect()
    }

    /// Nothing is wrong in the records or in git, and nothing of ours would get into a commit.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        assert_eq!(self.records().report(), [""; 0]);
        fsck(&self.repo);
    }

    /// The branches below `wt/`.
    pub(crate) fn branches(&self) -> Vec<String> {
        lines(&self.repo.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/wt/"]))
    }

    /// Git's worktrees but the main one.
    pub(crate) fn linked(&self) -> usize {
        lines(&self.repo.git(&["worktree", "list"])).len() - 1
    }

    /// The worktree directories that are there, hidden ones too; neither views nor logs.
    pub(crate) fn directories(&self) -> Vec<String> {
        let dir = self.root().join(".worktrees");
        let entries = dir.read_dir_utf8().map(|r| r.flatten().collect::<Vec<_>>()).unwrap_or_default();
        let mut names: Vec<_> = entries
            .iter()
            .filter(|e| e.path().is_dir() && e.file_name() != "runs")
            .map(|e| e.file_name().to_owned())
            .collect();
        names.sort_unstable();
        names
    }

    /// The processes that still work for this repository, by their environment.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("BIPLANE_ROOT={}\0", self.root()).into_bytes();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let text = fs::read(entry.path().join("environ")).unwrap_or_default();
            if text.windows(mark.len()).any(|w| w == mark) {
                let command = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
                found.push(format!("{} {}", entry.path().display(), command.replace('\0', " ")));
            }
        }
        found
    }

    /// The ledger's file.
    pub(crate) fn ledger(&self) -> Utf8PathBuf {
        self.root().join(".git/biplane/ledger.db")
    }

    /// Everything below a directory with its content, to see that nothing has changed.
    pub(crate) fn photograph(&self, dir: impl AsRef<Utf8Path>) -> Vec<(String, Vec<u8>)> {
        photograph(&self.root().join(dir.as_ref()), &[])
    }
}

/// Git finds nothing wrong.
#[track_caller]
pub(crate) fn fsck(repo: &Repo) {
    let output = repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run().success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

/// Starts all of them, then waits for all of them.
pub(crate) fn all_at_once(calls: impl IntoIterator<Item = Call>) -> Vec<Output> {
    let running: Vec<_> = calls.into_iter().map(Call::spawn).collect();
    running.into_iter().map(|r| r.wait(DEADLINE * 3)).collect()
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// A shell script as an agent or a command.
pub(crate) fn sh(script: &str) -> [&str; 3] {
    ["sh", "-c", script]
}

/// Fails when something could steer a terminal.
#[track_caller]
pub(crate) fn is_safe_for_a_terminal(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert_eq!(steers(text), None, "{output}");
    }
}

/// What a person reads on standard error, with what differs from run to run replaced.
pub(crate) fn said(output: &Output, lab: &Lab) -> String {
    let root = lab.root().as_str();
    output.stderr.replace(root, "[REPO]").replace(lab.env.root().as_str(), "[ENV]").trim_end().to_owned()
}
