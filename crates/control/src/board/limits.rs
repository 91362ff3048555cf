//! What the runs of a task have used, across all of its attempts, and when that is enough.

use std::time::Duration;

use biplane_model::{Run, RunStatus, Task, Timestamp};

use super::lease::counts;

/// What the agents' runs of a task have used since a person last opened it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// How many there were. One that somebody stopped, or that came to nothing because its provider asked to slow down, is no attempt.
    pub attempts: u32,
    /// What they have cost, in millionths of a US dollar, as far as the agents told.
    pub cost_microusd: u64,
    /// How long they took together, the one at work until now included.
    pub time: Duration,
}

/// What the runs of one task may use before it waits for a person. `None`: without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TaskLimits {
    /// How many runs of agents.
    pub attempts: Option<u32>,
    /// How much they may cost, in millionths of a US dollar.
    pub cost_microusd: Option<u64>,
    /// How long they may take together.
    pub time: Option<Duration>,
}

/// What those of `runs` have used that count for `task`, at `now`.
pub fn used(task: &Task, runs: &[Run], now: Timestamp) -> Used {
    let mut sum = Used::default();
    for run in runs.iter().filter(|run| run.task.as_ref() == Some(&task.id) && counts(task, run)) {
        sum.attempts += u32::from(run.status != RunStatus::Cancelled && !run.rate_limited);
        sum.cost_microusd = sum.cost_microusd.saturating_add(run.usage.cost_microusd);
        // A clock that was set back meanwhile makes it nothing, not less than that.
        let micros = run.ended_at.unwrap_or(now).0.saturating_sub(run.started_at.0);
        sum.time = sum.time.saturating_add(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    }
    sum
}

/// How many of the newest of `runs` came to nothing for `task`, one after the other, because its agents' providers asked to slow
/// down. Runs that somebody stopped, or whose end is not known, say nothing of that.
pub fn rate_limited_in_a_row(task: &Task, runs: &[Run]) -> u32 {
    let says = |run: &&Run| {
        run.task.as_ref() == Some(&task.id)
            && counts(task, run)
            && run.status.is_over()
            && !matches!(run.status, RunStatus::Cancelled | RunStatus::Lost)
    };
    let in_a_row = runs.iter().rev().filter(says).take_while(|run| run.rate_limited).count();
    u32::try_from(in_a_row).unwrap_or(u32::MAX)
}

impl TaskLimits {
    /// Which limit `used` has reached, in words for a person; none when another attempt may be made.
    pub fn reached_by(&self, used: &Used) -> Option<String> {
        if let Some(most) = self.attempts.filter(|most| used.attempts >= *most) {
            let attempts =
                if most == 1 { "1 attempt was".to_owned() } else { format!("{most} attempts were") };
            return Some(format!("{attempts} made, and that is the limit (`task_attempts`)"));
        }
        if let Some(most) = self.cost_microusd.filter(|most| used.cost_microusd >= *most) {
            let [used, most] = [used.cost_microusd, most].map(dollars);
            return Some(format!("its attempts have cost ${used}, and ${most} is the limit (`task_cost`)"));
        }
        let most = self.time.filter(|most| used.time >= *most)?;
        let [used, most] = [used.time, most].map(|time| time.as_secs());
        Some(format!("its attempts took {used} s, and {most} s is the limit (`task_time`)"))
    }
}

/// `5.00`: dollars and cents, rounded down.
fn dollars(microusd: u64) -> String {
    format!("{}.{:02}", microusd / 1_000_000, microusd % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use biplane_model::RunKind;

    use super::*;
    use crate::ledger::conformance::{run, task};

    #[test]
    fn a_run_that_was_told_to_slow_down_is_no_attempt_and_has_a_count_of_its_own() {
        use RunStatus::{Cancelled, Failed, Lost, Running, TimedOut};
        let task = task("1");
        let ended = |id, status, rate_limited| Run {
            task: Some(task.id.clone()),
            kind: RunKind::Agent,
            status,
            rate_limited,
            ..run(id, 1)
        };
        let runs = [
            ended(1, Failed, true),
            ended(2, Failed, false),
            ended(3, TimedOut, true),
            ended(4, Cancelled, false),
            ended(5, Lost, false),
            ended(6, Failed, true),
            ended(7, Running, false),
        ];
        assert_eq!(used(&task, &runs, task.created_at).attempts, 3, "2, 5 and 7");
        assert_eq!(rate_limited_in_a_row(&task, &runs), 2, "3 and 6");
        assert_eq!(rate_limited_in_a_row(&task, &runs[..2]), 0);
        assert_eq!(rate_limited_in_a_row(&task, &runs[..1]), 1);
        let other = crate::ledger::conformance::task("2");
        assert_eq!(rate_limited_in_a_row(&other, &runs), 0);
    }

    #[test]
    fn each_limit_is_reached_at_its_own_measure() {
        let limits = TaskLimits {
            attempts: Some(3),
            cost_microusd: Some(5_000_000),
            time: Some(Duration::from_secs(60)),
        };
        let used =
            |attempts, cost_microusd, s| Used { attempts, cost_microusd, time: Duration::from_secs(s) };
        assert_eq!(limits.reached_by(&used(2, 4_999_999, 59)), None);
        let table = [
            (used(3, 0, 0), "3 attempts were made, and that is the limit (`task_attempts`)"),
            (used(0, 5_019_999, 0), "its attempts have cost $5.01, and $5.00 is the limit (`task_cost`)"),
            (used(0, 0, 61), "its attempts took 61 s, and 60 s is the limit (`task_time`)"),
        ];
        for (used, words) in table {
            assert_eq!(limits.reached_by(&used).as_deref(), Some(words));
            assert_eq!(TaskLimits::default().reached_by(&used), None);
        }
    }
}
