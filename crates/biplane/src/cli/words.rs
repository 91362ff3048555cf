//! Words that several commands use.

use biplane_coordination::{ListedTask, Readiness};
use biplane_model::{RepoName, TaskId, TaskStatus, Timestamp, sanitize_line, view::TaskView};
use jiff::tz::TimeZone;

/// Ids with commas between.
pub(super) fn ids(ids: &[TaskId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `1 file`, `2 files`.
pub(super) fn count(number: u64, one: &str) -> String {
    let ending = match (number, one.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {one}{ending}")
}

/// Ports with commas between; `-` when there are none.
pub(super) fn ports(ports: &[u16]) -> String {
    let list: Vec<String> = ports.iter().map(ToString::to_string).collect();
    if list.is_empty() { "-".to_owned() } else { list.join(", ") }
}

/// The local time of day, or the date too when it was another day.
pub(super) fn clock(at: Timestamp, now: Timestamp) -> String {
    let zoned = |t: Timestamp| jiff::Timestamp::from_microsecond(t.0).map(|t| t.to_zoned(TimeZone::system()));
    match (zoned(at), zoned(now)) {
        (Ok(at), Ok(now)) if at.date() == now.date() => at.strftime("%H:%M:%S").to_string(),
        (Ok(at), _) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        (Err(_), _) => "?".to_owned(),
    }
}

/// How long ago, in one unit.
pub(super) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = (now.seconds() - at.seconds()).max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A task in a line: mark, id, subject, and in brackets what else matters.
pub(super) fn task_line(listed: &ListedTask) -> String {
    let task = &listed.task;
    let mut facts = Vec::new();
    if !task.repo.is_default() {
        facts.push(format!("repo: {}", task.repo));
    }
    if !task.owner.is_empty() {
        facts.push(format!("owner: {}", task.owner));
    }
    if !task.worktree.is_empty() {
        facts.push(format!("worktree: {}", task.worktree));
    }
    if task.priority != 0 {
        facts.push(format!("priority: {}", task.priority));
    }
    if !task.labels.is_empty() {
        facts.push(task.labels.iter().map(|l| format!("#{l}")).collect::<Vec<_>>().join(" "));
    }
    if let Some(waits) = waits(&listed.waits_for) {
        facts.push(waits);
    }
    if let Some(why) = &listed.out_of_reach {
        facts.push(format!("not ready: {}", biplane_model::clip(&sanitize_line(why), 200)));
    }
    if !task.reason.is_empty() && task.status != TaskStatus::Completed {
        let first = task.reason.lines().next().unwrap_or_default();
        facts.push(biplane_model::clip(&sanitize_line(first), 100));
    }
    let facts = if facts.is_empty() { String::new() } else { format!("  ({})", facts.join("; ")) };
    format!("{} {}  {}{facts}", task.status.mark(), task.id, sanitize_line(&task.subject))
}

/// ` in lib`, for a repository that is not the home's own.
pub(super) fn in_repo(repo: &RepoName) -> String {
    if repo.is_default() { String::new() } else { format!(" in {repo}") }
}

/// What a task waits for, if anything.
pub(super) fn waits(waits_for: &Readiness) -> Option<String> {
    let dead = waits_for.dead.iter().map(|(id, status)| format!("{id} ({status})"));
    let all: Vec<String> = waits_for.open.iter().map(ToString::to_string).chain(dead).collect();
    (!all.is_empty()).then(|| format!("waits for {}", all.join(", ")))
}

/// What became ready, as a line to append; empty when nothing did.
pub(super) fn unblocked(list: &[TaskId]) -> String {
    if list.is_empty() { String::new() } else { format!("\nready now: {}", ids(list)) }
}

/// `task 7 (Add login)`.
pub(super) fn named(task: &TaskView) -> String {
    format!("task {} ({})", task.id, sanitize_line(&task.subject))
}
