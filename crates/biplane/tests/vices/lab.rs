//! A repository whose agents are the fake one, in each protocol, and the questions that every test asks.

use std::{fs, time::Duration};

use biplane_testkit::{Call, Output, Records, Repo, TestEnv, eventually, fake_agent};
use camino::Utf8Path;
use serde_json::Value;

/// How long a test waits for something that is sure to come. No vice may keep an `up` as long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The protocols: the names of the agents that speak them.
pub(crate) const ALL: [&str; 4] = ["claude", "codex", "acp", "plain"];
/// Those in which something is told.
pub(crate) const TOLD: [&str; 3] = ["claude", "codex", "acp"];

/// How long an agent may take.
const TIMEOUT: &str = "1s";
/// How long one may take that is not to be stopped for its time.
const LONG: &str = "50s";

/// A repository of its own.
pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    /// Everything in the main checkout, git's directory, the views and the logs aside.
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
        Self::with(TIMEOUT, "")
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
        lab.main = lab.repo.head();
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

    /// A task for the agent of that protocol, which does the orders.
    #[track_caller]
    pub(crate) fn order(&self, agent: &str, orders: &str) {
        self.ok(&["task", "create", &format!("fake: {orders}"), "--owner", agent]);
    }

    /// A task with these orders for each of them, and an `up` to its end.
    #[track_caller]
    pub(crate) fn all(agents: &[&str], orders: &str) -> Self {
        Self::new().ordered(agents, orders)
    }

    /// Has each of them do the orders at once.
    #[track_caller]
    pub(crate) fn ordered(self, agents: &[&str], orders: &str) -> Self {
        agents.iter().for_each(|agent| self.order(agent, orders));
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

    /// How task `id` and its runs ended: the task's status, the runs' ones, and the reason.
    pub(crate) fn end(&self, id: usize) -> (String, Vec<String>, String) {
        let task = self.task(id);
        let runs = self.json(&["log", "--list", "--task", &id.to_string()]);
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let runs = runs.as_array().unwrap().iter().map(|run| word(&run["status"])).collect();
        (word(&task["status"]), runs, word(&task["reason"]))
    }

    /// Task `id` ended like this, its runs too, and the reason says this.
    #[track_caller]
    pub(crate) fn ended(&self, id: usize, status: &str, runs: &[&str], reason: &str) {
        let (is, were, why) = self.end(id);
        assert_eq!((is.as_str(), were.as_slice()), (status, runs.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>().as_slice()), "task {id}: {why}");
        assert!(why.contains(reason), "task {id}: {why}");
    }

    pub(crate) fn records(&self) -> Records {
        Records::read(self.root())
    }

    /// How often an event was written.
    pub(crate) fn count(&self, event: &str) -> usize {
        self.records().events().iter().filter(|e| e["event"] == event).count()
    }

    /// The worktree of a task.
    #[track_caller]
    pub(crate) fn worktree(&self, id: usize) -> Repo {
        let all = self.json(&["wt", "list"]);
        let of = |tree: &&Value| tree["task_id"].to_string().trim_matches('"') == id.to_string();
        let tree = all.as_array().unwrap().iter().find(of).unwrap_or_else(|| panic!("task {id} has none: {all:#}"));
        self.repo.at(tree["path"].as_str().unwrap())
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

    /// The same, where something has landed, or was put there.
    #[track_caller]
    pub(crate) fn is_sound_but_for_main(&self) {
        self.nothing_is_left();
        assert_eq!(self.records().report(), [""; 0]);
        let fsck = self.repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run().success();
        assert_eq!((fsck.stdout.as_str(), fsck.stderr.as_str()), ("", ""));
        let largest = self.logs().into_iter().max_by_key(|(_, bytes)| *bytes);
        assert!(largest.as_ref().is_none_or(|(_, bytes)| *bytes <= LOG + (80 << 10)), "{largest:?}");
    }

    /// No process is left: none with our mark, none that stands in our directory, none that was told of it.
    #[track_caller]
    pub(crate) fn nothing_is_left(&self) {
        // What was killed may take a moment to be gone.
        let mut left = Vec::new();
        eventually(Duration::from_secs(5), "all processes are gone", || {
            left = self.processes();
            if !left.is_empty() {
                eprintln!("{left:?}");
            }
            left.is_empty()
        });
    }

    fn processes(&self) -> Vec<String> {
        let mark = self.env.root().as_str().as_bytes();
        let holds = |bytes: &[u8]| bytes.windows(mark.len()).any(|w| w == mark);
        let is_ours = |place: &std::path::Path| {
            let stands = fs::read_link(place.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.env.root()));
            let has = |file| fs::read(place.join(file)).is_ok_and(|bytes| holds(&bytes));
            stands || has("environ") || has("cmdline")
        };
        let found = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let found = found.filter(|place| place.join("environ").exists() && is_ours(place));
        let command = |place: std::path::PathBuf| {
            let words = fs::read_to_string(place.join("cmdline")).unwrap_or_default();
            format!("{} {}", place.display(), words.replace('\0', " "))
        };
        found.map(command).collect()
    }

    /// The files of all runs, by their sizes.
    pub(crate) fn logs(&self) -> Vec<(String, u64)> {
        let files = files(&self.root().join(".worktrees/runs"), &[]);
        files.into_iter().map(|(name, bytes)| (name, bytes.len() as u64)).collect()
    }

    /// Everything below the home, the ledger among it, in which a text stands.
    pub(crate) fn holding(&self, text: &str) -> Vec<String> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        files(self.root(), &[]).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
    }

    fn photograph(&self) -> Vec<(String, Vec<u8>)> {
        files(self.root(), &[".git", ".worktrees", ".tasks"])
    }
}

/// The bound of a log in these settings, in bytes.
pub(crate) const LOG: u64 = 200 << 10;

fn settings(timeout: &str, more: &str) -> String {
    let command = |agent: &str| match agent {
        "acp" => format!("[{:?}, \"--acp\"]", fake_agent().as_str()),
        _ => format!("[{:?}]", fake_agent().as_str()),
    };
    let table = |agent: &&str| {
        let driver = if *agent == "plain" { "command" } else { agent };
        format!("[agents.{agent}]\ndriver = \"{driver}\"\ncommand = {}\ntimeout = \"{timeout}\"\n", command(agent))
    };
    let agents: String = ALL.iter().map(table).collect();
    format!(
        "[limits]\nlog = \"{}K\"\n[up]\nagents = 4\nteam = {ALL:?}\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n{more}\n{agents}",
        LOG >> 10
    )
}

/// All files below a directory with what is in them, but for those directories at its top.
fn files(root: &Utf8Path, without: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().map(|r| r.flatten().collect::<Vec<_>>()).unwrap_or_default() {
            let path = entry.path().to_owned();
            if dir == root && without.contains(&entry.file_name()) {
                continue;
            }
            if path.symlink_metadata().unwrap().is_dir() {
                open.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                found.push((path.strip_prefix(root).unwrap().to_string(), bytes));
            }
        }
    }
    found.sort_unstable();
    found
}
