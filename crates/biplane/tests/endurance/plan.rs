//! The tasks: what their agents are to do, and how each is to end.

use std::collections::BTreeMap;

use biplane_testkit::Records;
use serde_json::Value;

use crate::home::Home;

/// After so many tasks the kinds of them begin anew.
pub(crate) const PERIOD: usize = 20;
/// In how many files tasks of a kind write, one after the other: the repository is not to grow.
const FILES: usize = 10;

/// A task.
pub(crate) struct Task {
    number: usize,
    orders: String,
    pub(crate) agent: &'static str,
    /// The task that it waits for.
    pub(crate) after: Option<usize>,
    end: End,
}

/// How a task is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its work lands with the first attempt, as a rule.
    Lands,
    /// It lands with a later one.
    LandsLater,
    /// It fails in this state of its one run.
    Fails(&'static str),
}

/// All of them, by their numbers from 1 on.
pub(crate) struct Plan {
    pub(crate) tasks: Vec<Task>,
}

impl Task {
    pub(crate) fn subject(&self) -> String {
        format!("number {}, fake: {}", self.number, self.orders)
    }
}

impl Plan {
    pub(crate) fn of(count: usize, home: &Home) -> Self {
        Self { tasks: (1..=count).map(|number| task(number, count, home)).collect() }
    }

    /// How many are to land.
    pub(crate) fn landing(&self) -> usize {
        self.tasks.iter().filter(|task| !matches!(task.end, End::Fails(_))).count()
    }

    /// How many are to be tried again.
    pub(crate) fn retried(&self) -> usize {
        self.tasks.iter().filter(|task| task.end == End::LandsLater).count()
    }

    /// Each task is where it belongs, after as many runs as it should have, and what has landed has landed once.
    #[track_caller]
    pub(crate) fn came_true(&self, home: &Home, records: &Records) {
        let runs = runs(records);
        let mut wrong = Vec::new();
        for task in &self.tasks {
            let (number, none) = (task.number.to_string(), Vec::new());
            let now = &records.tasks()[&number];
            let runs = runs.get(&number).unwrap_or(&none);
            let (status, fits) = match task.end {
                End::Lands => ("completed", !runs.is_empty()),
                End::LandsLater => ("completed", runs.len() > 1),
                End::Fails(run) => ("failed", runs.as_slice() == [run]),
            };
            if now["status"] != status || !fits {
                wrong
                    .push(format!("{} {:?}: {} {runs:?} {}", number, task.end, now["status"], now["reason"]));
            }
        }
        assert_eq!(wrong, [""; 0]);
        let landed =
            home.repo.git(&["log", "--first-parent", "--format=%(trailers:key=Task,valueonly)", "main"]);
        let mut landed: Vec<usize> = landed.lines().filter_map(|line| line.trim().parse().ok()).collect();
        landed.sort_unstable();
        let expected = self.tasks.iter().filter(|task| !matches!(task.end, End::Fails(_)));
        assert_eq!(landed, expected.map(|task| task.number).collect::<Vec<_>>());
        assert_eq!(records.report(), [""; 0]);
    }
}

/// The states in which the agents' runs of each task have ended, in order.
fn runs(records: &Records) -> BTreeMap<String, Vec<String>> {
    let mut agents = BTreeMap::new();
    let mut ended: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in records.events() {
        let run = event["run"]["id"].to_string();
        match event["event"].as_str().unwrap() {
            "worktree.run.before" if event["data"]["kind"] == "agent" => {
                agents.insert(run, event["task"]["id"].to_string());
            }
            "worktree.run.after" | "worktree.run.timeout" | "worktree.run.lost" => {
                if let (Some(task), Value::String(status)) = (agents.get(&run), &event["run"]["status"]) {
                    ended.entry(task.clone()).or_default().push(status.clone());
                }
            }
            _ => {}
        }
    }
    ended
}

fn task(number: usize, count: usize, home: &Home) -> Task {
    let at = number / PERIOD % FILES;
    let every_other = |one, other| if (number / PERIOD).is_multiple_of(2) { one } else { other };
    let pair = format!("pairs/{at}.txt");
    let (agent, end, orders) = match number % PERIOD {
        1 => ("plain", End::Fails("failed"), "say It is no use.; exit 1".to_owned()),
        2 => ("codex", End::Fails("failed"), "say I have done it all.".to_owned()),
        3 => ("hasty", End::Fails("timed_out"), "hang".to_owned()),
        // Two that change the same file: the second begins before the first has landed, and ends after it.
        4 if number < count => {
            let sign = home.sign(number);
            ("acp", End::Lands, format!("await {sign}; write {pair} first {number}; commit"))
        }
        5 => {
            let (wait, sign, file) = (home.waiting(), home.sign(number - 1), home.root().join(&pair));
            let wait = format!("first run sh {wait} 'first {}' {file}", number - 1);
            let orders = format!("first run touch {sign}; {wait}; write {pair} second {number}; commit");
            (every_other("claude", "plain"), End::LandsLater, orders)
        }
        // The gate does not let it through, then it does.
        6 => {
            let file = format!("gated/{at}.txt");
            let orders = format!("first write {file} no; again write {file} yes {number}; commit");
            (every_other("plain", "claude"), End::LandsLater, orders)
        }
        // What it commits is not fit to be submitted, then it is.
        7 => {
            let file = format!("unfit/{at}.txt");
            let orders = format!("first conflict {file}; again write {file} fit {number}; commit");
            ("claude", End::LandsLater, orders)
        }
        kind => {
            let agent = ["claude", "codex", "acp", "plain"][kind % 4];
            let orders =
                format!("write files/{kind}-{at}.txt number {number}; commit; usage 100 10 1; say Done.");
            (agent, End::Lands, orders)
        }
    };
    let after = (number % PERIOD == 12).then(|| number - 1);
    Task { number, orders, agent, after, end }
}
