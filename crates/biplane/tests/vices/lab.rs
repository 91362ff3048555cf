//! A repository whose agents are the fake one, in each protocol, and the questions that every test asks.

use std::time::Duration;

use biplane_testkit::{Call, Output, Records, Repo, TestEnv, eventually, fake_agent, photograph};
use camino::Utf8Path;
use serde_json::Value;

/// How long a test waits for something that is sure to come. No vice may keep an `up` as long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The protocols: the names of the agents that speak them, and of the profiles that want them.
pub(crate) const ALL: [&str; 4] = ["claude", "codex", "acp", "plain"];
/// Those in which something is told.
pub(crate) const TOLD: [&str; 3] = ["claude", "codex", "acp"];

/// The bound of a log in these settings, in bytes.
pub(crate) const LOG: u64 = 200 << 10;
/// What a log may have beyond its bound: the end of the output, and a line about what is missing.
const LOG_END: u64 = 80 << 10;

/// How long an agent may take.
const SOON: &str = "1s";
/// How long one may take that is not to be stopped for its time.
const LONG: &str = "50s";

/// A repository of its own.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    /// Everything in the main checkout; git's directory, the views and the logs aside.
    before: Vec<(String, Vec<u8>)>,
    main: String,
}

impl Lab {
    /// Agents that may take as long as they need.
    pub(crate) fn new() -> Self {
        Self::with(LONG, "")
    }

    /// Agents that are stopped soon.
    pub(crate) fn impatient() -> Self {
        Self::with(SOON, "")
    }

    /// `more` are further settings of `[up]`.
    pub(crate) fn with(timeout: &str, more: &str) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write("biplane.toml", settings(timeout, more));
        repo.write(".gitignore", ".worktrees/\n.tasks/\n");
        let main = repo.commit("settings");
        let mut lab = Self { env, repo, before: Vec::new(), main };
        lab.ok(&["init"]);
        lab.before = lab.photograph();
        lab
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        self.repo.path()
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        self.env.biplane(env!("CARGO_BIN_EXE_biplane")).in_dir(self.root()).args(args).patience(DEADLINE)
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.call(args).run().success().stdout
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.call(args).arg("--json").run().success().json()
    }

    /// A task for the agent of that protocol and no other, which does the orders.
    #[track_caller]
    pub(crate) fn order(&self, agent: &str, orders: &str) {
        self.ok(&["task", "create", &format!("fake: {orders}"), "--profile", agent]);
    }

    /// Has each of them do the orders at once, to the end of the `up`.
    #[track_caller]
    pub(crate) fn ordered(self, agents: &[&str], orders: &str) -> Self {
        agents.iter().for_each(|agent| self.order(agent, orders));
        // What came of them is asked for each task.
        let _ = self.up();
        self
    }

    /// An `up` to its end.
    pub(crate) fn up(&self) -> Output {
        self.call(&["up", "--no-gate"]).run()
    }

    pub(crate) fn task(&self, id: usize) -> Value {
        self.json(&["task", "show", &id.to_string()])
    }

    /// Task `id` ended like this, its runs too, and the reason says this, in the event as well.
    #[track_caller]
    pub(crate) fn ended(&self, id: usize, status: &str, runs: &[&str], reason: &str) {
        let task = self.task(id);
        let all = self.json(&["log", "--list", "--task", &id.to_string()]);
        let were: Vec<_> =
            all.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
        let why = self.reason(id);
        assert_eq!((task["status"].as_str().unwrap(), were.as_slice()), (status, runs), "task {id}: {why}");
        assert!(why.contains(reason), "task {id}: {why}");
        let kind = match status {
            "pending" => "task.returned".to_owned(),
            status => format!("task.{status}"),
        };
        let records = self.records();
        let told = records.events().iter().filter(|e| e["event"] == kind.as_str() && e["task"]["id"] == id);
        let told: Vec<_> = told.map(|e| e["error"].as_str().unwrap_or_default()).collect();
        assert!(told.last().is_some_and(|said| said.contains(reason)), "task {id}: {kind} {told:?}");
    }

    /// Why task `id` is where it is.
    pub(crate) fn reason(&self, id: usize) -> String {
        self.task(id)["reason"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn records(&self) -> Records {
        Records::read(self.root())
    }

    /// The events of a kind.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        self.records().events().iter().filter(|e| e["event"] == kind).cloned().collect()
    }

    /// The worktree of a task.
    #[track_caller]
    pub(crate) fn worktree(&self, id: usize) -> Repo {
        let all = self.json(&["wt", "list"]);
        let tree = all.as_array().unwrap().iter().find(|tree| tree["task_id"] == id);
        self.repo.at(tree.unwrap()["path"].as_str().unwrap())
    }

    /// How many worktrees there are.
    pub(crate) fn worktrees(&self) -> usize {
        self.repo.git(&["worktree", "list"]).lines().count() - 1
    }

    /// Nothing is wrong in the records or in git, no process is left, main and its checkout are as they were, and no log is
    /// larger than it may be.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        self.is_sound_but_for_main();
        assert_eq!(self.repo.git(&["rev-parse", "main"]), self.main, "nothing has landed");
        assert!(self.photograph() == self.before, "nothing has changed");
    }

    /// The same, where something has landed.
    #[track_caller]
    pub(crate) fn is_sound_but_for_main(&self) {
        self.nothing_is_left();
        assert_eq!(self.records().report(), [""; 0]);
        let fsck = self.repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run().success();
        assert_eq!((fsck.stdout.as_str(), fsck.stderr.as_str()), ("", ""));
        assert_eq!(self.repo.git(&["status", "--porcelain"]), "", "the main checkout is that of main");
        let largest = self.logs().into_iter().max_by_key(|(_, bytes)| *bytes);
        assert!(largest.as_ref().is_some_and(|(_, bytes)| *bytes <= LOG + LOG_END), "{largest:?}");
    }

    /// No process is left: none that stands in our directory, none that was told of it.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        // What was killed may take a moment to be gone.
        eventually(Duration::from_secs(5), "all processes are gone", || self.env.processes().is_empty());
    }

    /// The files of all runs, by their sizes.
    pub(crate) fn logs(&self) -> Vec<(String, u64)> {
        let files = photograph(&self.root().join(".worktrees/runs"), &[]);
        files.into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect()
    }

    /// Everything below the home, the ledger among it, in which a text stands.
    pub(crate) fn holding(&self, text: &str) -> Vec<String> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let files = photograph(self.root(), &[]).into_iter();
        files.filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
    }

    fn photograph(&self) -> Vec<(String, Vec<u8>)> {
        photograph(self.root(), &[".git", ".worktrees", ".tasks"])
    }
}

fn settings(timeout: &str, more: &str) -> String {
    let table = |agent: &&str| {
        let driver = if *agent == "plain" { "command" } else { agent };
        let mut command = vec![fake_agent().as_str()];
        command.extend((*agent == "acp").then_some("--acp"));
        // It is refused where it could commit nothing, and nobody did it for it.
        let is_idle = *agent == "codex" && more.contains("commit_leftovers = false");
        let permissions = if is_idle { "permissions = \"all\"\n" } else { "" };
        format!(
            "[agents.{agent}]\ndriver = \"{driver}\"\ncommand = {command:?}\ntimeout = \"{timeout}\"\n{permissions}\
             [profiles.{agent}]\nimplement.agent = \"{agent}\"\n"
        )
    };
    let agents: String = ALL.iter().map(table).collect();
    format!(
        "[limits]\nlog = \"{}K\"\n[up]\nagents = 4\nteam = {ALL:?}\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n\
         {more}\n{agents}",
        LOG >> 10
    )
}
