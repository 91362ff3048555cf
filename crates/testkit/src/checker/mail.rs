//! Mail: each message to one recipient, once, in order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{key, kind};

/// What became of a message.
struct Message {
    to: String,
    waits: bool,
    /// It was delivered to a run that was lost, and waits for its turn again.
    came_back: bool,
}

/// Messages that are delivered twice, to another one than they were sent to, or before an older one of the same recipient.
pub(super) fn deliveries(events: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let mut mail: BTreeMap<u64, Message> = BTreeMap::new();
    for event in events {
        let mut say = |what: String| found.push(format!("event {}: {what}", event["seq"]));
        let data = &event["data"];
        match kind(event) {
            "mail.sent" => {
                for (id, to) in numbers(&data["mail"]).zip(data["to"].as_array().into_iter().flatten()) {
                    let sent = Message { to: key(to), waits: true, came_back: false };
                    if mail.insert(id, sent).is_some() {
                        say(format!("message m{id} is sent twice"));
                    }
                }
            }
            "mail.delivered" => {
                let to = key(&data["to"]);
                for id in numbers(&data["mail"]) {
                    let older = mail
                        .range(..id)
                        .find(|(_, m)| m.to == to && m.waits && !m.came_back)
                        .map(|(id, _)| *id);
                    if let Some(older) = older {
                        say(format!("message m{id} is delivered before m{older}"));
                    }
                    // What was sent before a log was lost is not known.
                    let Some(message) = mail.get_mut(&id) else { continue };
                    if !std::mem::replace(&mut message.waits, false) {
                        say(format!("message m{id} is delivered twice"));
                    }
                    if message.to != to {
                        say(format!("message m{id} is delivered to {to} and was sent to {}", message.to));
                    }
                }
            }
            "mail.returned" => {
                for id in numbers(&data["mail"]) {
                    let Some(message) = mail.get_mut(&id) else { continue };
                    if std::mem::replace(&mut message.waits, true) {
                        say(format!("message m{id} comes back and was not delivered"));
                    }
                    message.came_back = true;
                }
            }
            _ => {}
        }
    }
    found
}

/// `m3`, `m4` as numbers.
fn numbers(ids: &Value) -> impl Iterator<Item = u64> {
    ids.as_array().into_iter().flatten().filter_map(|id| id.as_str()?.strip_prefix('m')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, to: Value, mail: &[&str]) -> Value {
        json!({"seq": 1, "event": kind, "data": {"to": to, "mail": mail}})
    }

    #[test]
    fn every_rule_of_mail_can_be_broken() {
        let sent = || event("mail.sent", json!(["ann", "bob", "ann"]), &["m1", "m2", "m3"]);
        let delivered = |to: &str, mail: &[&str]| event("mail.delivered", json!(to), mail);
        let returned = |to: &str, mail: &[&str]| event("mail.returned", json!(to), mail);
        let table: &[(Vec<Value>, &str)] = &[
            (vec![delivered("ann", &["m1", "m3"]), delivered("bob", &["m2"])], ""),
            (vec![delivered("ann", &["m1"]), returned("ann", &["m1"]), delivered("ann", &["m1", "m3"])], ""),
            (vec![delivered("ann", &["m1"]), returned("ann", &["m1"]), delivered("ann", &["m3"])], ""),
            (vec![delivered("ann", &["m9"])], "m9 is delivered before m1"),
            (vec![delivered("ann", &["m3"])], "m3 is delivered before m1"),
            (vec![delivered("ann", &["m1"]), delivered("ann", &["m1"])], "m1 is delivered twice"),
            (vec![delivered("bob", &["m1"])], "m1 is delivered to bob and was sent to ann"),
            (vec![returned("ann", &["m1"])], "m1 comes back and was not delivered"),
            (vec![sent()], "m1 is sent twice"),
        ];
        for (events, expected) in table {
            let all: Vec<Value> = std::iter::once(sent()).chain(events.iter().cloned()).collect();
            let found = deliveries(&all).join("\n");
            match *expected {
                "" => assert_eq!(found, ""),
                _ => assert!(found.contains(expected), "{expected}:\n{found}"),
            }
        }
    }
}
