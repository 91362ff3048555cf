//! Three teammates and a lead on one board: plans, a shutdown, mail, and who takes what.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex},
};

use biplane_testkit::{
    Records, eventually,
    standin::{Answer, Turn},
};
use serde_json::{Value, json};

use crate::lab::{DEADLINE, Lab};

/// What each does, and with which label.
const TEAM: [(&str, &str); 3] = [("ann", "api"), ("bob", "ui"), ("carl", "texts")];
/// Who has to take each task, by its labels.
const TAKERS: [(u64, &str); 6] = [(1, "ann"), (2, "ann"), (3, "bob"), (4, "bob"), (5, "carl"), (6, "carl")];

/// Where the play is, for the models and the lead.
#[derive(Default)]
struct Stage {
    reached: Mutex<BTreeSet<&'static str>>,
    more: Condvar,
    /// What was not as it should be.
    faults: Mutex<Vec<String>>,
}

impl Stage {
    fn reach(&self, mark: &'static str) {
        self.reached.lock().unwrap().insert(mark);
        self.more.notify_all();
    }

    fn is_at(&self, mark: &str) -> bool {
        self.reached.lock().unwrap().contains(mark)
    }

    fn wait_for(&self, mark: &'static str) {
        let reached = self.reached.lock().unwrap();
        let (reached, _) = self.more.wait_timeout_while(reached, DEADLINE, |r| !r.contains(mark)).unwrap();
        self.check(reached.contains(mark), || format!("`{mark}` did not come"));
    }

    fn check(&self, is_right: bool, fault: impl FnOnce() -> String) {
        if !is_right {
            self.faults.lock().unwrap().push(fault());
        }
    }
}

/// What the model of each of them says.
fn play(stage: &Stage, turn: &Turn) -> Answer {
    let me = turn.word_after("You are the agent `").unwrap_or_default();
    let me = me.split('`').next().unwrap_or_default();
    let (is_plan, task) = match turn.word_after("# Plan task ") {
        Some(task) => (true, task),
        None => (false, turn.word_after("# Task ").unwrap_or_default()),
    };
    let task = task.trim_end_matches(':');
    if is_plan { plan(stage, turn, me, task) } else { work(stage, turn, me, task) }
}

fn say(to: &str, content: String) -> Value {
    json!({"to": to, "content": content})
}

fn plan(stage: &Stage, turn: &Turn, me: &str, task: &str) -> Answer {
    let rejected = turn.prompt.contains("> not at once");
    let text = format!("{} for {task}", if rejected { "small steps" } else { "one big step" });
    match turn.step {
        0 => Answer::call("write_file", json!({"path": "early.txt", "content": "too early\n"}))
            .and_call("send_message", say("lead", format!("{me} plans {task}"))),
        1 => {
            let results = &turn.results;
            stage
                .check(results[0].error && !results[1].error, || format!("{me} planned {task}: {results:?}"));
            match me {
                // One submits its plan itself, the others end with it.
                "bob" => Answer::call("plan_submit", json!({"task_id": task, "plan": text})),
                _ => Answer::text(format!("I have read what there is.\n```plan\n{text}\n```")),
            }
        }
        _ => {
            stage.check(!turn.results[0].error, || {
                format!("{me} submits a plan for {task}: {:?}", turn.results)
            });
            Answer::text("It is submitted.")
        }
    }
}

fn work(stage: &Stage, turn: &Turn, me: &str, task: &str) -> Answer {
    let steps = if task == "1" { "small steps" } else { "one big step" };
    let is_approved = turn.prompt.contains("## The approved plan");
    stage.check(is_approved && turn.prompt.contains(&format!("> {steps} for {task}\n")), || {
        format!("{me} works on {task} without its plan: {}", turn.prompt)
    });
    let inbox = || Answer::call("read_inbox", json!({}));
    let answer = |approve: bool, reason: &str| {
        let id = asked_in(&turn.results[0].text).unwrap_or_default();
        stage.check(!id.is_empty(), || format!("{me} was not asked to shut down: {:?}", turn.results));
        let input = json!({"request_id": id, "approve": approve, "reason": reason});
        Answer::call("shutdown_response", input)
    };
    match (task, turn.step) {
        (_, 0) => {
            let file = json!({"path": format!("task-{task}.txt"), "content": format!("by {me}\n")});
            Answer::call("write_file", file).and_call("send_message", say("lead", format!("{me} did {task}")))
        }
        ("1", 1) => Answer::call("send_message", say("bob", "the api is there".to_owned())),
        ("1", 2) => {
            stage.reach("ann wrote to bob");
            stage.wait_for("ann is asked to shut down");
            inbox()
        }
        ("1", 3) => answer(true, "lunch is fine"),
        ("3", 1) => {
            stage.wait_for("ann wrote to bob");
            stage.reach("bob is at work");
            stage.wait_for("bob is asked to shut down");
            inbox()
        }
        ("3", 2) => {
            let told = &turn.results[0].text;
            stage
                .check(told.contains("the api is there"), || format!("bob has not heard of the api: {told}"));
            answer(false, "one more to do")
        }
        (_, step) => {
            let failed = turn.results.iter().find(|result| result.error);
            stage.check(failed.is_none() || step == 0, || format!("{me}, {task}: {failed:?}"));
            Answer::text("It is done.")
        }
    }
}

/// The request to shut down in an inbox.
fn asked_in(text: &str) -> Option<String> {
    let inbox: Value = serde_json::from_str(text).ok()?;
    let asked = inbox["mail"].as_array()?.iter().find(|mail| mail["type"] == "shutdown_request")?;
    asked["request_id"].as_str().map(str::to_owned)
}

/// The lead: decides on plans, asks for shutdowns when it is time, and reads its mail.
struct Lead<'a> {
    lab: &'a Lab,
    stage: &'a Stage,
    /// The ids of what it has read.
    read: Vec<String>,
}

impl Lead<'_> {
    fn look(&mut self) {
        for plan in self.lab.json(&["plan", "list"]).as_array().unwrap() {
            let id = plan["request_id"].as_str().unwrap();
            let is_rough = plan["task_id"] == 1 && plan["content"] == "one big step for 1";
            if is_rough {
                self.lab.ok(&["plan", "reject", id, "--feedback", "not at once"]);
            } else {
                self.lab.ok(&["plan", "approve", id]);
            }
        }
        for (name, is_time, asked) in [
            ("ann", "ann wrote to bob", "ann is asked to shut down"),
            ("bob", "bob is at work", "bob is asked to shut down"),
        ] {
            if self.stage.is_at(is_time) && !self.stage.is_at(asked) {
                let request = self.lab.json(&["team", "shutdown", name, "--reason", "lunch"]);
                assert_eq!(request["status"], "requested", "it is at work");
                self.stage.reach(asked);
            }
        }
        let read = self.lab.json(&["mail", "read", "--limit", "3"]);
        self.read.extend(ids(&read["mail"]));
    }

    /// Leads until these tasks are completed.
    fn until_done(&mut self, tasks: &[usize]) {
        eventually(DEADLINE * 2, "the tasks are done", || {
            self.look();
            let faults = self.stage.faults.lock().unwrap();
            assert_eq!(*faults, [""; 0]);
            tasks.iter().all(|id| self.lab.task(*id)["status"] == "completed")
        });
    }
}

fn ids(mail: &Value) -> Vec<String> {
    mail.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// What each agent was shown, in its prompts and by the tool, in the order in which its model was told.
fn shown(turns: &[Turn]) -> BTreeMap<String, Vec<String>> {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for turn in turns {
        let me = turn.word_after("You are the agent `").unwrap().split('`').next().unwrap();
        let seen = shown.entry(me.to_owned()).or_default();
        if turn.step == 0 {
            let mail = turn.prompt.lines().filter(|line| line.starts_with('m') && line.contains(" from `"));
            seen.extend(mail.filter_map(|line| line.split_once(" from `")).map(|(id, _)| id.to_owned()));
        }
        for result in &turn.results {
            let inbox = serde_json::from_str::<Value>(&result.text).unwrap_or_default();
            if inbox["left"].is_number() {
                seen.extend(ids(&inbox["mail"]));
            }
        }
    }
    shown
}

/// The board, and the team's models.
fn board(stage: &Arc<Stage>) -> Lab {
    let script = {
        let stage = Arc::clone(stage);
        move |turn: &Turn| play(&stage, turn)
    };
    let lab = Lab::with_settings(script, |url| {
        let agent = |(name, label): &(&str, &str)| {
            format!(
                "[agents.{name}]\ndriver = \"builtin\"\nmodel = \"stand-in\"\nendpoint = \"{url}\"\nkey = \"MY_MODEL\"\nmax = 1\n\
                 plan = \"required\"\nlabels = [\"{label}\"]\nrole = \"{name}'s part\"\n"
            )
        };
        let agents = TEAM.iter().map(agent).collect::<String>();
        format!(
            "gate = \"ls task-*.txt\"\n[up]\nteam = [\"ann\", \"bob\", \"carl\"]\nmin_memory = \"1M\"\nmin_disk = \"1M\"\nmax_load = 0\n{agents}"
        )
    });
    for (subject, more) in [
        ("API", &["--label", "api"][..]),
        ("More API", &["--label", "api", "--after", "1"]),
        ("UI", &["--label", "ui"]),
        ("More UI", &["--label", "ui"]),
        ("Texts", &["--label", "texts"]),
        ("More texts", &["--label", "texts"]),
        ("Not for the team", &["--owner", "dora"]),
    ] {
        lab.ok(&[&["task", "create", subject][..], more].concat());
    }
    lab
}

/// Each took what it knows, once for each attempt: a plan, another where it was rejected, the work.
fn nothing_was_claimed_twice(lab: &Lab) {
    let records = Records::read(lab.repo.path());
    let mut claims: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for event in records.events().iter().filter(|event| event["event"] == "task.claimed") {
        let owner = event["task"]["owner"].as_str().unwrap();
        claims.entry(event["task"]["id"].as_u64().unwrap()).or_default().push(owner);
    }
    let expected = TAKERS.map(|(task, name)| (task, vec![name; if task == 1 { 3 } else { 2 }]));
    assert_eq!(claims, BTreeMap::from(expected));
    assert_eq!(lab.task(7)["status"], "pending");
    for (task, name) in TAKERS {
        assert_eq!(lab.repo.git(&["show", &format!("main:task-{task}.txt")]), format!("by {name}"));
    }
    assert_eq!(
        lab.repo.git(&["log", "--all", "--format=%h", "--", "early.txt"]),
        "",
        "planning changed nothing"
    );
}

/// Everybody was shown what was sent to them, once and in order, wherever they were told.
fn mail_was_shown_once_and_in_order(lab: &Lab, lead: &Lead<'_>) {
    let shown = shown(&lab.model.turns());
    for (name, _) in TEAM {
        let sent = lab.json(&["mail", "list", "--to", name]);
        let delivered = sent.as_array().unwrap().iter().filter(|mail| mail["delivered_at"].is_number());
        let delivered = ids(&delivered.cloned().collect());
        assert_eq!(shown[name], delivered, "{name}: {sent:#}");
        assert!(!delivered.is_empty());
    }
    assert_eq!(lead.read, ids(&lab.json(&["mail", "list", "--to", "lead", "--limit", "1000"])));
}

fn all_is_in_the_log(lab: &Lab) {
    let records = Records::read(lab.repo.path());
    let of = |kind: &str, name: &str| {
        let is = |event: &&Value| event["event"] == kind && event["data"]["agent"] == name;
        records.events().iter().filter(is).count()
    };
    assert_eq!(
        (of("plan.submitted", "ann"), of("plan.rejected", "ann"), of("plan.approved", "ann")),
        (3, 1, 2)
    );
    assert_eq!((of("plan.submitted", "bob"), of("plan.approved", "bob")), (2, 2));
    assert_eq!((of("plan.submitted", "carl"), of("plan.approved", "carl")), (2, 2));
    for (kind, name) in [
        ("shutdown.requested", "ann"),
        ("shutdown.approved", "ann"),
        ("shutdown.withdrawn", "ann"),
        ("shutdown.requested", "bob"),
        ("shutdown.rejected", "bob"),
    ] {
        assert_eq!(of(kind, name), 1, "{kind} {name}");
    }
    let answers = lab.json(&["mail", "list", "--to", "lead", "--limit", "1000"]);
    let answers = answers.as_array().unwrap().iter().filter(|mail| mail["type"] == "shutdown_response");
    let answers: Vec<_> = answers.map(|m| json!([m["from"], m["approve"], m["content"]])).collect();
    assert!(answers.contains(&json!(["ann", true, "lunch is fine"])), "{answers:?}");
    assert!(answers.contains(&json!(["bob", false, "one more to do"])), "{answers:?}");
}

#[test]
fn three_teammates_and_a_lead_on_one_board() {
    let stage = Arc::new(Stage::default());
    let lab = board(&stage);
    lab.ok(&["mail", "broadcast", "hello team"]);
    let up = lab.call(&["up", "--agents", "3", "--watch"]).spawn();
    let mut lead = Lead { lab: &lab, stage: &stage, read: Vec::new() };
    lead.until_done(&[1, 3, 4, 5, 6]);
    // Who has agreed to shut down takes no more, until it is called back.
    let team = lab.json(&["team"]);
    let status =
        |name| team.as_array().unwrap().iter().find(|m| m["name"] == name).unwrap()["status"].clone();
    assert_eq!((status("ann"), status("bob")), (json!("shutdown"), json!("idle")), "{team:#}");
    assert_eq!(lab.task(2)["status"], "pending");
    lab.ok(&["team", "recall", "ann"]);
    lead.until_done(&[2]);
    lab.ok(&["drain"]);
    up.wait(DEADLINE);
    lead.look();

    nothing_was_claimed_twice(&lab);
    mail_was_shown_once_and_in_order(&lab, &lead);
    all_is_in_the_log(&lab);
    lab.is_sound();
}
