//! What agents have used: sums over their runs.

use std::collections::HashMap;

use biplane_control::RunFilter;
use biplane_model::{Role, Run, RunKind, Timestamp, Usage};
use serde::Serialize;

use super::Service;
use crate::error::Result;

/// What the sums are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// Each task.
    Task,
    /// Each day, as the caller counts days.
    Day,
    /// Each agent.
    Agent,
}

/// Which sums.
pub struct UsageRequest<'a> {
    /// What they are made for.
    pub by: UsageBy,
    /// Only runs that were started at this time or later.
    pub since: Option<Timestamp>,
    /// The day of a time, where the caller is.
    pub day: &'a dyn Fn(Timestamp) -> String,
}

/// A sum.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UsageRow {
    /// The task's id, the day or the agent's name; `""` for the total.
    pub key: String,
    /// The task's subject; `""` for others.
    pub subject: String,
    /// How many runs.
    pub runs: u64,
    /// How many of them were attempts at the work itself; the others verified or reviewed it.
    pub attempts: u64,
    /// How many of them told what they used. The sums below are of those.
    pub told: u64,
    /// How many of them told a cost.
    pub told_cost: u64,
    /// How long they took together, in milliseconds; of one at work, until now.
    pub took_ms: u64,
    /// What they used.
    pub usage: Usage,
}

/// Sums, in the order in which their first runs were started, and all of them together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageReport {
    /// A row for each.
    pub rows: Vec<UsageRow>,
    /// The sum of the rows.
    pub total: UsageRow,
}

impl Service {
    /// Sums over the runs of agents: what they used, as far as they told, and how long they took.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn usage(&self, request: &UsageRequest<'_>) -> Result<UsageReport> {
        let now = self.now();
        let filter = RunFilter { kind: Some(RunKind::Agent), since: request.since, ..RunFilter::default() };
        let runs = self.look(|view| Ok(view.runs(&filter)?))?;
        let key = |run: &Run| match request.by {
            UsageBy::Task => run.task.as_ref().map(ToString::to_string).unwrap_or_default(),
            UsageBy::Day => (request.day)(run.started_at),
            UsageBy::Agent => run.agent.as_ref().map(ToString::to_string).unwrap_or_default(),
        };
        let mut report = sums(&runs, key, now);
        if request.by == UsageBy::Task {
            self.look(|view| {
                for row in &mut report.rows {
                    let id = row.key.parse().ok();
                    let task = id.map(|id| view.task(&id)).transpose()?.flatten();
                    row.subject = task.map(|task| task.subject).unwrap_or_default();
                }
                Ok(())
            })?;
        }
        Ok(report)
    }
}

fn sums(runs: &[Run], key: impl Fn(&Run) -> String, now: Timestamp) -> UsageReport {
    let (mut rows, mut total) = (Vec::<UsageRow>::new(), UsageRow::default());
    let mut places = HashMap::new();
    for run in runs {
        let key = key(run);
        let place = *places.entry(key.clone()).or_insert_with(|| {
            rows.push(UsageRow { key, ..UsageRow::default() });
            rows.len() - 1
        });
        rows[place].add(run, now);
        total.add(run, now);
    }
    UsageReport { rows, total }
}

impl UsageRow {
    fn add(&mut self, run: &Run, now: Timestamp) {
        let end = run.ended_at.unwrap_or(now);
        let micros = end.0.saturating_sub(run.started_at.0);
        self.runs += 1;
        self.attempts += u64::from(matches!(run.role, None | Some(Role::Implement)));
        self.told += u64::from(!run.usage.is_nothing());
        self.told_cost += u64::from(run.usage.cost_microusd > 0);
        self.took_ms = self.took_ms.saturating_add(u64::try_from(micros / 1000).unwrap_or(0));
        self.usage += run.usage;
    }
}

#[cfg(test)]
mod tests {
    use biplane_model::{ProcessIdentity, RepoName, RunId, RunKind, RunStatus, WorktreeId};

    use super::*;

    fn agents(n: u64) -> Run {
        Run {
            id: RunId(n),
            repo: RepoName::default(),
            worktree: "w".parse().unwrap(),
            worktree_id: WorktreeId(1),
            task: None,
            epoch: 1,
            kind: RunKind::Agent,
            agent: None,
            role: None,
            base: None,
            session: None,
            usage: Usage::default(),
            stop_by: None,
            command: "true".to_owned(),
            status: RunStatus::Running,
            supervisor: ProcessIdentity { boot_id: "b".to_owned(), pid: 1, start_time: 1 },
            child: None,
            started_at: Timestamp(1_760_000_000_000_000),
            ended_at: None,
            exit_code: None,
            signal: None,
            error: String::new(),
            rate_limited: false,
            evidence: None,
            rev: 1,
        }
    }

    #[test]
    fn sums_are_those_of_their_runs() {
        let run = |n: u64, task: &str, seconds: i64, usage: Usage| {
            let run = agents(n);
            Run {
                task: task.parse().ok(),
                ended_at: (seconds > 0).then(|| Timestamp(run.started_at.0 + seconds * 1_000_000)),
                usage,
                ..run
            }
        };
        let used = Usage { input_tokens: 10, output_tokens: 2, cached_tokens: 3, cost_microusd: 7 };
        let runs = [
            run(1, "2", 5, used),
            run(2, "1", 7, Usage { input_tokens: 1, ..Usage::default() }),
            Run { role: Some(Role::Review), ..run(3, "2", 0, Usage::default()) },
        ];
        let now = Timestamp(runs[0].started_at.0 + 20_000_000);
        let report = sums(&runs, |run| run.task.as_ref().unwrap().to_string(), now);
        assert_eq!(report.rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), ["2", "1"]);
        let of = |row: &UsageRow| {
            (row.runs, row.attempts, row.told, row.told_cost, row.took_ms, row.usage.input_tokens)
        };
        assert_eq!(of(&report.rows[0]), (2, 1, 1, 1, 25_000, 10));
        assert_eq!(of(&report.rows[1]), (1, 1, 1, 0, 7000, 1));
        assert_eq!(of(&report.total), (3, 2, 2, 1, 32_000, 11));
        assert_eq!(report.total.usage.cost_microusd, 7);
    }
}
