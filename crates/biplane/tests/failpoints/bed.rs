//! A home in which one operation is done and killed, again and again from the same state.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use biplane_testkit::{Call, Output, Repo, TestEnv, eventually};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// The program under test.
const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// What the gates of these tests do: they note the commit that they are run on.
pub(crate) const GATE: &str = "git rev-parse HEAD >> \"$BIPLANE_ROOT/../tested\"";

/// A repository that can be put back as it was, at the same place: git's links hold absolute paths.
pub(crate) struct Bed {
    env: TestEnv,
    pub(crate) repo: Repo,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write(".gitignore", ".env\n");
        repo.write("kept.txt", "kept\n");
        repo.write("both.txt", "1\n2\n3\n");
        repo.commit("second");
        Self { env, repo }
    }

    /// Remembers the state as it is now.
    pub(crate) fn remember(&self) {
        self.copy("app", "before");
    }

    /// Waits until nobody is at work here any more, in the background either.
    pub(crate) fn rest(&self) {
        eventually(Duration::from_secs(60), "nobody is at work", || self.env.processes().is_empty());
    }

    /// Puts the remembered state back.
    pub(crate) fn put_back(&self) {
        fs::remove_dir_all(self.repo.path()).expect("the bed is ours");
        let _ = fs::remove_file(self.env.root().join("tested"));
        let _ = fs::remove_dir_all(self.env.root().join("output"));
        fs::create_dir(self.env.root().join("output")).expect("the bed is ours");
        self.copy("before", "app");
    }

    /// Copies a directory below the one that the repository lies in.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.env.program("cp").args(["-a", from, to]).run().success();
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(BIPLANE).in_dir(self.repo.path()).args(args);
        call.patience(Duration::from_secs(120))
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> Output {
        self.call(args).run().success()
    }

    /// Its answer in JSON, whatever the exit code.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().json()
    }

    /// Makes the worktree `x`, with one commit that writes one file.
    pub(crate) fn work(&self, file: &str, text: &str) -> Repo {
        self.ok(&["wt", "create", "x"]);
        let tree = self.worktree();
        tree.write(file, text);
        tree.commit("work");
        tree
    }

    /// `biplane ARGS`, killed together with the git that has `at` in its arguments. Before, `leaves` is run in a shell, in
    /// the surroundings of that git: it makes what a git that is killed leaves. `$NEW` is the last but one of its arguments.
    pub(crate) fn kill_with_git(&self, args: &[&str], at: &str, leaves: &str) {
        let bin = self.env.dir("bin");
        let path = std::env::var("PATH").expect("there is a PATH");
        let script = format!(
            "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *\"$AT\"*)\nNEW= LAST=\nfor a; do NEW=$LAST; LAST=$a; done\neval \"$LEAVES\"\nkill -9 $PPID\nexit 1;;\nesac\nexec git \"$@\"\n"
        );
        let git = bin.join("git");
        fs::write(&git, script).expect("the bed is ours");
        fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).expect("the bed is ours");
        let call = self.call(args).env("PATH", format!("{bin}:{path}")).env("AT", at).env("LEAVES", leaves);
        let _ = call.run().fails_with(137);
    }

    /// The worktree `x`.
    pub(crate) fn worktree(&self) -> Repo {
        self.repo.at(".worktrees/x")
    }

    pub(crate) fn path(&self, below: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.repo.path().join(below.as_ref())
    }

    /// The file to which the places that are reached are written.
    pub(crate) fn log(&self) -> Utf8PathBuf {
        self.env.root().join("places")
    }

    /// The commits on which the gate was run.
    pub(crate) fn tested(&self) -> Vec<String> {
        lines(&fs::read_to_string(self.env.root().join("tested")).unwrap_or_default())
    }

    /// Whether an event of this kind has happened.
    pub(crate) fn has_event(&self, kind: &str) -> bool {
        let log = fs::read_to_string(self.path(".worktrees/events.jsonl")).unwrap_or_default();
        log.contains(&format!("\"event\":\"{kind}\""))
    }

    /// A task as the program shows it.
    pub(crate) fn task(&self, id: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(format!(".tasks/task_{id}.json"))).unwrap_or_default())
            .unwrap_or_default()
    }

    /// What one of the live worktrees is said to be; nothing when there is none.
    pub(crate) fn status_of_worktree(&self) -> String {
        let index = fs::read(self.path(".worktrees/index.json")).unwrap_or_default();
        let index: Value = serde_json::from_slice(&index).unwrap_or_default();
        let found = index["worktrees"].as_array().into_iter().flatten().find(|w| w["name"] == "x");
        found.and_then(|w| w["status"].as_str()).unwrap_or_default().to_owned()
    }
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
