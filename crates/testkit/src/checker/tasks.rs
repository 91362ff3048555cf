//! Claims, epochs and the end of tasks.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{key, kind};

/// What the last event said of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    status: String,
    owner: String,
    epoch: u64,
}

impl Seen {
    fn of(task: &Value) -> Self {
        let text = |field: &str| task[field].as_str().unwrap_or_default().to_owned();
        Self {
            status: text("status"),
            owner: text("owner"),
            epoch: task["epoch"].as_u64().unwrap_or_default(),
        }
    }

    /// Who holds a claim.
    fn holder(&self) -> Option<&str> {
        (self.status == "in_progress" && !self.owner.is_empty()).then_some(self.owner.as_str())
    }
}

/// Two live claims, epochs that do not grow, tasks that change after their completion.
pub(super) fn claims(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen: HashMap<String, Seen> = HashMap::new();
    for event in events.iter().filter(|e| !key(&e["task"]["id"]).is_empty()) {
        let (id, now) = (key(&event["task"]["id"]), Seen::of(&event["task"]));
        let mut say = |what: String| found.push(format!("event {}: task {id} {what}", event["seq"]));
        if kind(event) == "task.completed" && now.status != "completed" {
            say(format!("is completed, but the event says `{}`", now.status));
        }
        if let Some(before) = seen.get(&id) {
            if now.epoch < before.epoch {
                say(format!("epoch goes back from {} to {}", before.epoch, now.epoch));
            }
            if kind(event) == "task.claimed" {
                if now.epoch <= before.epoch {
                    say(format!("claim does not grow the epoch {}", before.epoch));
                }
                // A claim that has run out may be taken over, but the event must say from whom.
                let taken_from = event["data"]["taken_from"].as_str();
                if before.holder().is_some_and(|h| h != now.owner && taken_from != Some(h)) {
                    say(format!("is claimed by {} while {} holds it", now.owner, before.owner));
                }
            }
            if before.status == "completed" && now.status != "completed" {
                say(format!("was completed and is `{}` now", now.status));
            }
            if before.status == "completed" && matches!(kind(event), "task.completed" | "task.claimed") {
                say(format!("was completed, then came {}", kind(event)));
            }
        } else if kind(event) == "task.claimed" && now.epoch == 0 {
            say("claim does not grow the epoch 0".to_owned());
        }
        seen.insert(id, now);
    }
    found
}

/// Task files that disagree with the last event about the task.
pub(super) fn stale_views(events: &[Value], tasks: &BTreeMap<String, Value>) -> Vec<String> {
    let mut last = BTreeMap::new();
    for event in events {
        last.insert(key(&event["task"]["id"]), (&event["seq"], Seen::of(&event["task"])));
    }
    last.remove("");
    let mut found = Vec::new();
    for (id, (seq, said)) in last {
        match tasks.get(&id).map(Seen::of) {
            None => found.push(format!("task {id} has events, but no file")),
            Some(view) if view != said => {
                found.push(format!("task {id} is {view:?} in its file, {said:?} after event {seq}"));
            }
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, status: &str, owner: &str, epoch: u64) -> Value {
        json!({"seq": 1, "event": kind, "task": {"id": "a_1", "status": status, "owner": owner, "epoch": epoch}})
    }

    #[test]
    fn a_live_claim_is_not_claimed_again() {
        let ann = event("task.claimed", "in_progress", "ann", 1);
        let mut bob = event("task.claimed", "in_progress", "bob", 2);
        assert_eq!(
            claims(&[ann.clone(), bob.clone()]),
            ["event 1: task a_1 is claimed by bob while ann holds it"]
        );
        assert!(
            claims(&[
                ann.clone(),
                event("task.released", "pending", "", 2),
                event("task.claimed", "in_progress", "bob", 3)
            ])
            .is_empty()
        );
        bob["data"] = json!({"taken_from": "ann"});
        assert!(claims(&[ann, bob]).is_empty());
    }

    #[test]
    fn completion_is_final() {
        let done = event("task.completed", "completed", "ann", 1);
        assert!(claims(&[done.clone(), event("task.updated", "completed", "ann", 1)]).is_empty());
        assert_eq!(claims(&[done.clone(), done.clone()]).len(), 1);
        assert_eq!(claims(&[done, event("task.reopened", "pending", "", 2)]).len(), 1);
    }

    #[test]
    fn files_must_agree_with_the_log() {
        let events = [event("task.claimed", "in_progress", "ann", 1)];
        let mut tasks = BTreeMap::from([("a_1".to_owned(), events[0]["task"].clone())]);
        assert!(stale_views(&events, &tasks).is_empty());
        tasks.get_mut("a_1").unwrap()["epoch"] = json!(2);
        assert_eq!(stale_views(&events, &tasks).len(), 1);
        assert_eq!(stale_views(&events, &BTreeMap::new()), ["task a_1 has events, but no file"]);
    }
}
