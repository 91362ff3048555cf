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

/// The local day, as `2026-01-31`.
pub(super) fn day(at: Timestamp) -> String {
    let zoned = jiff::Timestamp::from_microsecond(at.0).map(|t| t.to_zoned(TimeZone::system()));
    zoned.map_or_else(|_| "?".to_owned(), |t| t.date().to_string())
}

/// How long something took, in at most two units.
pub(super) fn took(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with commas between the thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Millionths of a dollar, as dollars: to the cent, below one dollar to the hundredth of it.
pub(super) fn dollars(micros: u64) -> String {
    if micros >= 1_000_000 {
        let cents = micros.saturating_add(5_000) / 10_000;
        return format!("${}.{:02}", grouped(cents / 100), cents % 100);
    }
    match (micros + 50) / 100 {
        10_000 => "$1.00".to_owned(),
        hundredths => format!("$0.{hundredths:04}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0, 59, 60, 3599, 3661, 90_000].map(took),
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 1 min", "25 h 0 min"]
        );
        let micros = [0, 49, 50, 123_456, 999_999, 1_000_000, 1_994_999, 1_995_000, 1_234_567_000_000];
        let words =
            ["$0.0000", "$0.0000", "$0.0001", "$0.1235", "$1.00", "$1.00", "$1.99", "$2.00", "$1,234,567.00"];
        assert_eq!(micros.map(dollars), words);
    }
}
