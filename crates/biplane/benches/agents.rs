//! What biplane itself takes while many agents are at work, and how long a start of one takes.
//!
//! `cargo bench -p biplane --bench agents` does all rows; `-- 1000 start` those of one size, or some rows. The agents are the
//! testkit's, in each protocol. For each figure the bound, what was measured, and what part of the bound that is are printed.
//!
//! - `start`: from the moment at which the result of a worktree's creation is noted to the first step of the agent's program,
//!   which notes the time itself: a shell and `date`, some 3 ms, are in the figure. One agent at a time, where nothing else is
//!   at work, in repositories of several sizes; each work has landed before the next begins.
//! - `steady`: 32 agents at once, which mostly sleep and say something every two seconds. The most memory that `up` ever had
//!   in RAM, its start included, and its time on a processor in a window in which all are at work.
//! - The starts of those 32 at once are told too. They share the processors, so there is no bound to them.
//!
//! Needs Linux's `/proc`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use biplane_testkit::{
    Call, LargeRepo, Repo, Running, Signal, TestEnv, eventually, fake_agent, large_repo, registry_sources,
};
use serde_json::Value;

const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many agents there are at once.
const AGENTS: usize = 32;
/// How many agents are started one after the other; in a large repository, in which spares take their time, fewer.
const ROUNDS: [usize; 2] = [20, 7];
/// A repository with more files than this is large.
const LARGE: usize = 5_000;
/// How long biplane is watched while all are at work.
const WINDOW: Duration = Duration::from_secs(30);
/// How long they have been at work by then.
const SETTLED: Duration = Duration::from_secs(5);

/// The most memory of biplane itself, in MB.
const MOST_MEMORY: f64 = 60.0;
/// Its most time on a processor, in percent of one.
const MOST_PROCESSOR: f64 = 10.0;
/// What a start may take beyond the worktree, in milliseconds.
const MOST_START: f64 = 50.0;

/// What `/proc` counts time in: so many in a second (`USER_HZ`).
const TICKS: f64 = 100.0;

/// The protocols, in the words of the settings and of the fake agent.
const PROTOCOLS: [(&str, &str); 4] =
    [("claude", "claude"), ("codex", "codex"), ("acp", "acp"), ("command", "plain")];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let sizes: Vec<usize> = wanted.iter().filter_map(|w| w.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 20_000] } else { sizes };
    let names: Vec<&String> = wanted.iter().filter(|w| w.parse::<usize>().is_err()).collect();
    let is_wanted = |row: &str| names.is_empty() || names.iter().any(|name| row.contains(name.as_str()));
    println!("{:<54} {:>10} {:>12} {:>7}", "", "bound", "measured", "ratio");
    for files in sizes.iter().filter(|_| is_wanted("start")) {
        Bench::new(*files).starts();
    }
    if is_wanted("steady") {
        Bench::new(sizes[0]).steady();
    }
}

struct Bench {
    env: TestEnv,
    large: LargeRepo,
}

impl Bench {
    fn new(files: usize) -> Self {
        let env = TestEnv::new();
        let large = large_repo(&env, "r", files, registry_sources().as_deref());
        fs::write(large.repo.path().join(".git/info/exclude"), "biplane.toml\n").unwrap();
        println!("{files} files ({:?})", large.source);
        Self { env, large }
    }

    fn repo(&self) -> &Repo {
        &self.large.repo
    }

    fn biplane(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(BIPLANE).in_dir(self.repo().path()).args(args);
        call.env("BIPLANE_BACKGROUND", "1").patience(PATIENCE)
    }

    /// Agents in each protocol that note their start; those that have `orders` do these, the others write a file and commit it.
    fn settings(&self, at_once: usize, orders: &str) {
        let table = |(driver, speech): &(&str, &str)| {
            let orders = if orders.is_empty() { String::new() } else { format!("--do '{orders}' ") };
            let script = format!(
                "echo \"$BIPLANE_TASK_ID $(date +%s%N)\" >> '{}'; exec '{}' --speak {speech} {orders}\"$@\"",
                self.started(),
                fake_agent()
            );
            let command = ["sh", "-c", &script, "sh"];
            format!(
                "[agents.a-{driver}]\ndriver = \"{driver}\"\ncommand = {command:?}\n\
                 [profiles.{driver}]\nimplement.agent = \"a-{driver}\"\n"
            )
        };
        let team: Vec<String> = PROTOCOLS.iter().map(|(driver, _)| format!("a-{driver}")).collect();
        let agents: String = PROTOCOLS.iter().map(table).collect();
        self.repo().write(
            "biplane.toml",
            format!(
                "[up]\nagents = {at_once}\nteam = {team:?}\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n{agents}"
            ),
        );
    }

    /// Where the agents note their starts: the task, and nanoseconds since 1970.
    fn started(&self) -> String {
        self.env.root().join("started").into_string()
    }

    /// When each task's agent has taken its first step, in seconds since 1970.
    fn starts_noted(&self) -> BTreeMap<String, f64> {
        let text = fs::read_to_string(self.started()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        // A program that is only asked for its version works on no task.
        lines
            .filter(|(task, _)| !task.is_empty())
            .map(|(task, at)| (task.to_owned(), at.parse::<f64>().unwrap() / 1e9))
            .collect()
    }

    fn task(&self, number: usize) {
        let (protocol, _) = PROTOCOLS[number % PROTOCOLS.len()];
        self.biplane(&["task", "create", &format!("number {number}"), "--profile", protocol]).run().success();
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.repo().path().join(".worktrees/events.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// When what the word stands for happened to each task first, in seconds since 1970.
    fn times(&self, word: &str) -> BTreeMap<String, f64> {
        let mut times = BTreeMap::new();
        for event in self.events().iter().filter(|event| event["event"] == word) {
            let task = event["task"]["id"].to_string();
            times.entry(task).or_insert_with(|| event["ts"].as_f64().unwrap());
        }
        times
    }

    /// How long after the noted creation of its worktree each agent took its first step, and when the run was noted, both
    /// in milliseconds.
    fn overheads(&self) -> [Vec<f64>; 2] {
        let (made, noted, began) =
            (self.times("worktree.create.after"), self.times("worktree.run.before"), self.starts_noted());
        let since = |times: &BTreeMap<String, f64>| -> Vec<f64> {
            made.iter().map(|(task, at)| (times[task] - at) * 1e3).collect()
        };
        [since(&began), since(&noted)]
    }

    fn up(&self, args: &[&str]) -> Running {
        self.biplane(&["up", "--no-gate"]).args(args).spawn()
    }

    fn stop(&self, mut up: Running) {
        up.signal(Signal::INT);
        // Stopped, not done: its exit code says so.
        let _ = up.wait(PATIENCE);
        let lock = self.repo().path().join(".git/biplane/tend.lock");
        eventually(PATIENCE, "the background has ended", || {
            fs::File::open(&lock).map_or(true, |file| file.try_lock().is_ok())
        });
    }

    /// Aim: under 50 ms, whatever the size of the repository.
    fn starts(&self) {
        self.settings(1, "");
        self.task(0);
        let up = self.up(&["--watch"]);
        let rounds = ROUNDS[usize::from(self.large.files > LARGE)];
        for number in 0..=rounds {
            if number > 0 {
                self.task(number);
            }
            eventually(PATIENCE, "its work has landed, and its worktree is gone", || {
                self.times("worktree.remove.after").len() > number
            });
            self.rest();
        }
        self.stop(up);
        let [mut starts, mut noted] = self.overheads();
        // The first one finds nothing ready, and is not counted.
        starts.remove(0);
        noted.remove(0);
        row("start, beyond the worktree: median", MOST_START, median(&starts), "ms");
        row(&format!("start, beyond the worktree: longest of {rounds}"), MOST_START, longest(&starts), "ms");
        println!("    of which until the run is noted: median {:.1} ms", median(&noted));
    }

    /// Until the background has nothing left to do.
    fn rest(&self) {
        let lock = self.repo().path().join(".git/biplane/tend.lock");
        let worktrees = self.repo().path().join(".worktrees");
        eventually(PATIENCE, "the background rests", || {
            let free = fs::File::open(&lock).map_or(true, |file| file.try_lock().is_ok());
            let entries = worktrees.read_dir_utf8().unwrap();
            free && !entries.flatten().any(|entry| entry.file_name().starts_with(".removed-"))
        });
    }

    /// Aims: under 60 MB, under 10 % of one processor.
    fn steady(&self) {
        let words = "sleep 2; say I am still looking for the place where it goes wrong; ";
        self.settings(AGENTS, words.repeat(90).trim_end_matches("; "));
        (0..AGENTS).for_each(|number| self.task(number));
        let up = self.up(&[]);
        eventually(PATIENCE, "all agents are at work", || self.starts_noted().len() == AGENTS);
        std::thread::sleep(SETTLED);
        let before = processor(up.pid());
        let began = Instant::now();
        std::thread::sleep(WINDOW);
        let used = processor(up.pid()) - before;
        let percent = 100.0 * used / began.elapsed().as_secs_f64();
        let (most, now) = (memory(up.pid(), "VmHWM"), memory(up.pid(), "VmRSS"));
        let threads = status(up.pid(), "Threads");
        let at_work = self.times("worktree.run.before").len() - self.times("worktree.run.after").len();
        assert_eq!(at_work, AGENTS, "all are at work to the end of the window");
        self.stop(up);
        row(&format!("{AGENTS} agents: memory at most"), MOST_MEMORY, most, "MB");
        let what = format!("{AGENTS} agents: processor, over {} s", WINDOW.as_secs());
        row(&what, MOST_PROCESSOR, percent, "%");
        println!("    memory at work {now:.1} MB, threads{threads}");
        let [starts, _] = self.overheads();
        println!(
            "    {AGENTS} starts at once, beyond the worktree: median {:.0} ms, longest {:.0} ms",
            median(&starts),
            longest(&starts)
        );
    }
}

fn row(what: &str, bound: f64, measured: f64, unit: &str) {
    let [limit, value] = [bound, measured].map(|value| format!("{value:.1} {unit}"));
    println!("  {what:<52} {limit:>10} {value:>12} {:>7.2}", measured / bound);
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn longest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// A line of `/proc/PID/status`, behind its name.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap().replace('\t', " ")
}

/// A size in `/proc/PID/status`, in MB.
fn memory(pid: u32, name: &str) -> f64 {
    let kib: f64 = status(pid, name).trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024.0 / 1e6
}

/// What a process has used of processors until now, its children not among it, in seconds.
fn processor(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    // Fields 14 and 15 of the line, in ticks; the first one here is field 3.
    let ticks: f64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks / TICKS
}
