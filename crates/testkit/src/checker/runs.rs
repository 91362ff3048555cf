//! Agents at work: one at a time on a task, and none under a claim that was replaced.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{key, kind};

/// Two agents' runs on one task at a time; runs that go on after they were given up as lost.
///
/// A run is live from its intent to the first event that says it is over.
pub(super) fn live(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at_work: HashMap<String, String> = HashMap::new();
    let mut lost = BTreeSet::new();
    for event in events {
        let Some(step) = kind(event).strip_prefix("worktree.run.") else { continue };
        let (run, task) = (key(&event["run"]["id"]), key(&event["task"]["id"]));
        let mut say = |what: String| found.push(format!("event {}: {what}", event["seq"]));
        // What it had done outside of its worktree may be found afterwards.
        if lost.contains(&run) && step != "outside" {
            say(format!("run {run} goes on after it was lost: {step}"));
        }
        match step {
            "before" if event["data"]["kind"] == "agent" && !task.is_empty() => {
                if let Some(other) = at_work.insert(task.clone(), run.clone()) {
                    say(format!("run {run} of task {task} begins while {other} is at work on it"));
                }
            }
            "after" | "timeout" | "lost" => {
                at_work.retain(|_, live| *live != run);
                if step == "lost" {
                    lost.insert(run);
                }
            }
            _ => {}
        }
    }
    found
}

/// What was done under a claim that another one had replaced: by a run, whose events carry the epoch it works under, or
/// with a submission that was made under it.
pub(super) fn superseded(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut newest: HashMap<String, u64> = HashMap::new();
    let mut submitted: HashMap<String, (String, u64)> = HashMap::new();
    for event in events {
        let task = key(&event["task"]["id"]);
        if !task.is_empty() {
            let epoch = event["task"]["epoch"].as_u64().unwrap_or_default();
            let known = newest.entry(task.clone()).or_default();
            *known = epoch.max(*known);
        }
        let mut say = |id: &str, under: u64, now: u64| {
            let what = kind(event);
            found.push(format!(
                "event {}: task {id}: {what} under epoch {under}, which {now} has replaced",
                event["seq"]
            ));
        };
        if let (Some(under), Some(now)) = (event["data"]["epoch"].as_u64(), newest.get(&task))
            && under != *now
        {
            say(&task, under, *now);
        }
        let submission = key(&event["submission"]["id"]);
        match kind(event) {
            "submission.queued" if !task.is_empty() => {
                let epoch = newest.get(&task).copied().unwrap_or_default();
                submitted.insert(submission, (task, epoch));
            }
            // What was submitted before waits under new claims: a ledger that is made anew fences all that it does not know.
            "ledger.rebuilt" => submitted.clear(),
            "submission.testing" | "submission.passed" => {
                let of = submitted.get(&submission);
                if let Some((id, under, now)) = of.and_then(|(id, under)| Some((id, under, newest.get(id)?)))
                    && under != now
                {
                    say(id, *under, *now);
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(step: &str, id: &str, task: u64) -> Value {
        json!({"seq": 1, "event": format!("worktree.run.{step}"), "run": {"id": id}, "task": {"id": task, "epoch": 1},
            "data": {"kind": "agent"}})
    }

    fn gate(id: &str) -> Value {
        let mut gate = run("before", id, 1);
        gate["data"]["kind"] = json!("gate");
        gate
    }

    #[test]
    fn one_agent_at_a_time_works_on_a_task() {
        for end in ["after", "timeout", "lost"] {
            let one_then_other = [run("before", "r1", 1), run(end, "r1", 1), run("before", "r2", 1)];
            assert_eq!(live(&one_then_other), [""; 0], "{end}");
        }
        assert_eq!(live(&[run("before", "r1", 1), run("before", "r2", 2), gate("r3")]), [""; 0]);
        assert_eq!(
            live(&[run("before", "r1", 1), run("after", "r9", 1), run("before", "r2", 1)]),
            ["event 1: run r2 of task 1 begins while r1 is at work on it"]
        );
    }

    #[test]
    fn a_lost_run_says_nothing_more() {
        let events = [run("before", "r1", 1), run("lost", "r1", 1), run("after", "r1", 1)];
        assert_eq!(live(&events), ["event 1: run r1 goes on after it was lost: after"]);
        let events = [run("before", "r1", 1), run("lost", "r1", 1), run("outside", "r1", 1)];
        assert_eq!(live(&events), [""; 0]);
        let events = [run("before", "r1", 1), run("timeout", "r1", 1), run("after", "r1", 1)];
        assert_eq!(live(&events), [""; 0]);
    }

    fn event(kind: &str, epoch: u64, under: u64) -> Value {
        json!({"seq": 1, "event": kind, "task": {"id": 1, "epoch": epoch}, "data": {"epoch": under},
            "submission": {"id": "s1"}})
    }

    fn submission(step: &str) -> Value {
        json!({"seq": 1, "event": format!("submission.{step}"), "task": {}, "submission": {"id": "s1"}})
    }

    #[test]
    fn a_replaced_claim_does_nothing() {
        let fenced = json!({"seq": 1, "event": "task.fenced", "task": {"id": 1, "epoch": 2}});
        let queued = event("submission.queued", 1, 1);
        assert_eq!(superseded(&[queued.clone(), submission("testing"), submission("passed")]), [""; 0]);
        let after = [queued.clone(), fenced.clone(), submission("withdrawn")];
        assert_eq!(superseded(&after), [""; 0]);
        for step in ["testing", "passed"] {
            assert_eq!(superseded(&[queued.clone(), fenced.clone(), submission(step)]).len(), 1, "{step}");
        }
        for kind in ["submission.queued", "worktree.commit", "worktree.run.before"] {
            let found = superseded(&[fenced.clone(), event(kind, 1, 1)]);
            assert_eq!(found, [format!("event 1: task 1: {kind} under epoch 1, which 2 has replaced")]);
        }
    }
}
