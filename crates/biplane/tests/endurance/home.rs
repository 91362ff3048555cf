//! The repository, its agents, and the program in it.

use std::{fs, time::Duration};

use biplane_testkit::{Call, Records, Repo, Running, TestEnv, eventually, fake_agent};
use camino::{Utf8Path, Utf8PathBuf};

use crate::plan::Task;

/// How many agents are at work at once.
const AGENTS: usize = 6;
/// How long is waited for what is sure to come.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long the agent may take that is to hang.
const SOON: &str = "1s";
/// Waits until a file holds a line, for a minute and a half at most.
const WAIT: &str = "i=0\nuntil grep -qsx \"$1\" \"$2\"; do\n  i=$((i + 1))\n  [ $i -lt 1800 ] || exit 1\n  sleep 0.05\ndone\n";
/// Passes unless a file in one directory says that it is not to pass.
const GATE: &str = "! grep -rqsx no gated";

/// A repository of its own.
pub(crate) struct Home {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
}

impl Home {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write("biplane.toml", settings());
        repo.write(".gitignore", ".worktrees/\n.tasks/\n");
        repo.commit("settings");
        let home = Self { env, repo };
        fs::write(home.waiting(), WAIT).unwrap();
        home.env.dir("signs");
        home.call(&["init"]).run().success();
        home
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        self.repo.path()
    }

    /// A script that waits until a file holds a line.
    pub(crate) fn waiting(&self) -> Utf8PathBuf {
        self.env.root().join("wait.sh")
    }

    /// Where agents tell each other that they are there.
    pub(crate) fn sign(&self, number: usize) -> Utf8PathBuf {
        self.env.root().join("signs").join(number.to_string())
    }

    /// With the background at work, as people have it.
    pub(crate) fn call(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(self.root()).args(args);
        call.env_remove("BIPLANE_BACKGROUND").patience(DEADLINE)
    }

    pub(crate) fn create(&self, task: &Task) {
        let mut call = self.call(&["task", "create", &task.subject(), "--profile", task.agent]);
        if let Some(other) = task.after {
            call = call.args(["--after", &other.to_string()]);
        }
        call.run().success();
    }

    /// One `up` for all of them.
    pub(crate) fn up(&self) -> Running {
        self.call(&["up"]).spawn()
    }

    /// Lets the background come to its end.
    pub(crate) fn settle(&self) {
        eventually(DEADLINE, "all processes are gone", || self.env.processes().is_empty());
    }

    pub(crate) fn records(&self) -> Records {
        Records::read(self.root())
    }
}

/// An agent in each protocol, and one that may take no time.
fn settings() -> String {
    let fake = fake_agent().as_str();
    let agents = [
        ("claude", vec![fake], "120s"),
        ("codex", vec![fake], "120s"),
        ("acp", vec![fake, "--acp"], "120s"),
        ("plain", vec![fake], "120s"),
        ("hasty", vec![fake], SOON),
    ];
    let tables: String = agents
        .iter()
        .map(|(name, command, timeout)| {
            let driver = if ["plain", "hasty"].contains(name) { "command" } else { name };
            format!(
                "[agents.{name}]\ndriver = \"{driver}\"\ncommand = {command:?}\ntimeout = \"{timeout}\"\n\
                 [profiles.{name}]\nimplement.agent = \"{name}\"\n"
            )
        })
        .collect();
    let team = agents.map(|(name, ..)| name);
    format!(
        "gate = \"{GATE}\"\n[up]\nagents = {AGENTS}\nrevisions = 5\nteam = {team:?}\nmin_memory = \"1M\"\n\
         min_disk = \"1M\"\nmax_load = 0\n{tables}"
    )
}
