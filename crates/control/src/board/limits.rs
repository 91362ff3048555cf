//! What the runs of a task have used, across all of its attempts, and when that is enough.

use std::time::Duration;

use biplane_model::{Run, RunStatus, Task, Timestamp};

use super::lease::counts;

/// What the agents' runs of a task have used since a person last opened it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// How many there were. One that somebody stopped is no attempt.
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
        sum.attempts += u32::from(run.status != RunStatus::Cancelled);
        sum.cost_microusd = sum.cost_microusd.saturating_add(run.usage.cost_microusd);
        // A clock that was set back meanwhile makes it nothing, not less than that.
        let micros = run.ended_at.unwrap_or(now).0.saturating_sub(run.started_at.0);
        sum.time = sum.time.saturating_add(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    }
    sum
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
    use super::*;

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
