//! Agents that are shut down, and a team at work on one board.

use std::collections::BTreeMap;

use biplane_testkit::eventually;
use serde_json::{Value, json};

use crate::{
    lab::{BIPLANE, DEADLINE, Lab},
    mail::bob,
};

fn status(lab: &Lab, name: &str) -> String {
    let team = lab.json(&["team"]);
    let member = team.as_array().unwrap().iter().find(|m| m["name"] == name).cloned().unwrap();
    member["status"].as_str().unwrap().to_owned()
}

fn answer(lab: &Lab) -> Value {
    let read = lab.json(&["mail", "read"]);
    let mail = &read["mail"][0];
    json!([mail["type"], mail["request_id"], mail["approve"], mail["content"]])
}

#[test]
fn an_agent_that_is_to_shut_down_ends_its_work_and_gets_no_more() {
    let lab = Lab::new();
    let (begun, go) = (lab.env.root().join("begun"), lab.env.root().join("go"));
    let script =
        format!("touch {begun}; while ! test -e {go}; do sleep 0.02; done; echo x > t$BIPLANE_TASK_ID");
    bob(&lab, &script, "");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two"]);
    let up = lab.call(&["up", "--agents", "1"]).spawn();
    eventually(DEADLINE, "it is at work", || begun.exists());
    assert_eq!(status(&lab, "bob"), "working");
    let would = lab.ok(&["team", "shutdown", "bob", "--dry-run"]);
    assert_eq!(
        would,
        "would be: bob is asked to shut down: its work goes on to its end, and it gets no further task\n"
    );
    assert_eq!(lab.json(&["team", "shutdown", "bob", "--reason", "lunch"])["status"], "requested");
    assert_eq!(lab.json(&["team", "shutdown", "bob"])["request_id"], "q1", "asking again changes nothing");
    assert_eq!(status(&lab, "bob"), "shutting_down");
    std::fs::write(&go, "").unwrap();
    let said = up.wait(DEADLINE).success();
    assert!(said.stderr.contains("`bob` is shut down: it gets no further task"), "{said}");
    assert!(said.stdout.contains("the agents that take it are shut down"), "{said}");
    assert_eq!(status(&lab, "bob"), "shutdown");
    let tasks = lab.json(&["task", "list"]);
    assert_eq!(json!([tasks[0]["status"], tasks[1]["status"]]), json!(["completed", "pending"]));
    assert_eq!(
        answer(&lab),
        json!(["shutdown_response", "q1", true, "it was idle, and takes no more tasks"])
    );
    let said = lab.fails(3, &["task", "claim", "2", "--owner", "bob"]).stderr;
    assert!(said.contains("`bob` is to shut down, and gets no further task (q1)"), "{said}");
    assert_eq!(lab.ok(&["team", "recall", "bob"]), "bob takes tasks again (q1 is withdrawn)\n");
    assert_eq!(lab.ok(&["team", "recall", "bob"]), "bob takes tasks already\n");
    lab.call(&["up"]).run().success();
    lab.is_sound();
}

#[test]
fn an_agent_may_reject_it_and_only_that_agent() {
    let lab = Lab::new();
    let asked = lab.env.root().join("asked");
    let script = format!(
        "while ! test -e {asked}; do sleep 0.02; done
         test $BIPLANE_TASK_ID = 2 || $BIPLANE team respond q1 reject --reason \"nearly done\"
         echo x > t$BIPLANE_TASK_ID"
    );
    bob(&lab, &script, "[agents.ann]\ncommand = [\"true\"]\n");
    lab.ok(&["task", "create", "One"]);
    lab.ok(&["task", "create", "Two"]);
    let up = lab.call(&["up", "--agents", "1"]).spawn();
    eventually(DEADLINE, "it is at work", || status(&lab, "bob") == "working");
    lab.ok(&["team", "shutdown", "bob"]);
    let said = lab.fails(3, &["team", "respond", "q1", "approve", "--as", "ann"]).stderr;
    assert!(said.contains("request q1 is `bob`'s to answer, not `ann`'s"), "{said}");
    std::fs::write(&asked, "").unwrap();
    up.wait(DEADLINE).success();
    assert_eq!(status(&lab, "bob"), "idle");
    assert_eq!(answer(&lab), json!(["shutdown_response", "q1", false, "nearly done"]));
    let said = lab.fails(3, &["team", "respond", "q1", "approve", "--as", "bob"]).stderr;
    assert!(said.contains("can't go from `rejected` to `approved`; allowed: none"), "{said}");
    let said = lab.fails(2, &["team", "shutdown", "lead"]).stderr;
    assert!(said.contains("the lead is not shut down"), "{said}");
    let said = lab.fails(5, &["team", "shutdown", "nobody"]).stderr;
    assert!(said.contains("there is nobody called `nobody`"), "{said}");
    lab.is_sound();
}

/// Three agents and a lead: a plan rejected and then approved, one of them shut down, mail both ways; every task done once.
#[test]
fn three_agents_and_a_lead_on_one_board() {
    let lab = Lab::new();
    let script = "
        if grep -q \"^# Plan\" $BIPLANE_PROMPT_FILE; then
            if grep -q \"was rejected\" $BIPLANE_PROMPT_FILE; then echo better; else echo rough; fi
        else
            $BIPLANE mail send lead \"$BIPLANE_TASK_ID by $BIPLANE_ACTOR\"
            echo $BIPLANE_ACTOR > by-$BIPLANE_TASK_ID
        fi";
    let agent = |name: &str| {
        format!(
            "[agents.{name}]\nmax = 1\nenv = {{ BIPLANE = \"{BIPLANE}\" }}\ncommand = [\"sh\", \"-c\", '''{script}''']\n"
        )
    };
    let agents = ["ann", "bob", "carl"].map(agent).concat();
    lab.settings(&format!(
        "gate = \"true\"\n[up]\nteam = [\"ann\", \"bob\", \"carl\"]\nagents = 3\nmax_load = 0\n{agents}"
    ));
    for n in 1..=9 {
        let plan = if n == 5 { "required" } else { "none" };
        lab.ok(&["task", "create", &format!("Task {n}"), "--plan", plan]);
    }
    lab.ok(&["team", "shutdown", "carl"]);
    lab.ok(&["mail", "broadcast", "begin"]);
    let up = lab.call(&["up", "--watch"]).spawn();
    let decide = |id: &str, args: &[&str]| {
        let is_there = || {
            let plans = lab.json(&["plan", "list"]);
            plans.as_array().unwrap().iter().any(|plan| plan["request_id"] == id)
        };
        eventually(DEADLINE, "there is a plan", is_there);
        lab.ok(args);
    };
    decide("q2", &["plan", "reject", "q2", "--feedback", "too rough"]);
    decide("q3", &["plan", "approve", "q3"]);
    eventually(DEADLINE, "everything is done", || {
        lab.json(&["task", "list"]).as_array().unwrap().iter().all(|t| t["status"] == "completed")
    });
    lab.ok(&["drain"]);
    up.wait(DEADLINE);

    let records = lab.records();
    let mut claims: BTreeMap<u64, usize> = BTreeMap::new();
    for event in records.events().iter().filter(|e| e["event"] == "task.claimed") {
        assert_ne!(event["task"]["owner"], "carl", "it was shut down");
        *claims.entry(event["task"]["id"].as_u64().unwrap()).or_default() += 1;
    }
    let expected: BTreeMap<u64, usize> = (1..=9).map(|n| (n, if n == 5 { 3 } else { 1 })).collect();
    assert_eq!(claims, expected, "a claim for each attempt");
    let read = lab.json(&["mail", "read"]);
    let mail = read["mail"].as_array().unwrap();
    let said: Vec<&Value> = mail.iter().filter(|m| m["type"] == "message").collect();
    assert_eq!(said.len(), 9);
    for one in said {
        let (task, by) = (one["task_id"].as_u64().unwrap(), one["from"].as_str().unwrap());
        assert_eq!(one["content"], format!("{task} by {by}"));
        assert_eq!(lab.repo.read(format!("by-{task}")), format!("{by}\n"));
    }
    let number = |m: &Value| m["id"].as_str().unwrap()[1..].parse::<u64>().unwrap();
    assert!(mail.iter().map(number).is_sorted(), "{mail:#?}");
    let words = lab.event_words();
    for word in ["shutdown.approved", "plan.rejected", "plan.approved", "mail.delivered"] {
        assert!(words.iter().any(|w| w == word), "{word}");
    }
    lab.is_sound();
}
