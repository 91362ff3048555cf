//! A repository to work in, and the program in it.

use std::time::Duration;

use biplane_testkit::{Call, Repo, TestEnv};
use camino::Utf8Path;
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
        let env = TestEnv::new();
        let repo = env.repo("app");
        Self { env, repo }
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        self.repo.path()
    }

    /// The program in the repository.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        self.env.biplane(BIPLANE).in_dir(self.root()).args(args)
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

    /// The number of the newest event.
    pub(crate) fn last_event(&self) -> u64 {
        let events = self.call(&["events", "--limit", "1", "--json"]).run().success().json_lines();
        events.last().map_or(0, |event| event["seq"].as_u64().unwrap())
    }

    /// Two tasks with a worktree each: 1 in `auth`, 2 in `ui`.
    pub(crate) fn with_two_tasks() -> Self {
        let lab = Self::new();
        for (subject, name, id) in [("Add login", "auth", "1"), ("Login page", "ui", "2")] {
            lab.ok(&["task", "create", subject]);
            lab.ok(&["wt", "create", name, "--task", id, "--owner", "bob"]);
        }
        lab
    }
}
