//! Agents whose provider asks to slow down: no failure of theirs, and nobody hurries.

use std::time::{Duration, Instant};

use biplane_testkit::{Signal, eventually};

use crate::lab::{DEADLINE, Lab, TOLD};

#[test]
fn one_that_is_asked_to_slow_down_rests_and_its_task_goes_back_uncounted() {
    let lab = Lab::new();
    for agent in TOLD {
        lab.order(agent, "limit 90");
    }
    lab.order("plain", "write a.txt; commit");
    let mut up = lab.call(&["up", "--no-gate"]).spawn();
    eventually(DEADLINE, "all were told to slow down, and the other has landed", || {
        let returned = lab.events("task.returned").len();
        returned == TOLD.len() && lab.task(4)["status"] == "completed"
    });
    for (id, agent) in (1..).zip(TOLD) {
        lab.ended(id, "pending", &["failed"], "its agent's provider asked to slow down: ");
        let task = lab.task(id);
        // It was sent back for nothing that was wrong with the work, and the run was no attempt.
        assert_eq!(
            (&task["attempts"], &task["used"]["attempts"]),
            (&0.into(), &0.into()),
            "{agent}: {task:#}"
        );
        assert_eq!(lab.json(&["log", "--list", "--task", &id.to_string()])[0]["rate_limited"], true);
    }
    let limited = lab.events("agent.limited");
    let mut rests: Vec<_> = limited.iter().map(rest).collect();
    rests.sort_unstable();
    // Claude is told for how long, and says so; the others rest as long as after a first time.
    assert_eq!(rests, [("acp", 30), ("claude", 90), ("codex", 30)], "{limited:#?}");
    // `up` looks five times a second and starts none of them.
    let runs = lab.events("worktree.run.before").len();
    let until = Instant::now() + Duration::from_secs(1);
    eventually(DEADLINE, "the window is over", || {
        assert_eq!(lab.events("worktree.run.before").len(), runs);
        Instant::now() > until
    });
    assert!(up.is_running(), "it waits for them");
    up.signal(Signal::INT);
    up.wait(DEADLINE).fails_with(130);
    for id in 1..=TOLD.len() {
        lab.ended(id, "pending", &["failed"], "asked to slow down");
    }
    lab.is_sound_but_for_main();
}

/// Who rests, and for how many seconds.
fn rest(event: &serde_json::Value) -> (&str, u64) {
    let [until, from] = [&event["data"]["until"], &event["ts"]].map(|time| time.as_f64().unwrap());
    let seconds = Duration::from_secs_f64(until - from).as_secs_f64().round();
    (event["data"]["agent"].as_str().unwrap(), format!("{seconds}").parse().unwrap())
}

#[test]
fn the_task_of_one_that_rests_goes_to_another_that_may_take_it() {
    let lab = Lab::new();
    let settings = lab.repo.read("biplane.toml");
    let limited = "args = [\"--do\", \"limit 90\"]\n[profiles.claude]";
    lab.repo.write("biplane.toml", settings.replace("[profiles.claude]", limited));
    lab.repo.commit("one that is asked to slow down");
    lab.ok(&["task", "create", "fake: write a.txt; commit"]);
    lab.up().success();
    lab.ended(1, "completed", &["failed", "succeeded"], "");
    let runs = lab.json(&["log", "--list", "--task", "1"]);
    let who: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["agent"].as_str().unwrap()).collect();
    assert_eq!(who, ["claude", "codex"], "{runs:#}");
    assert_eq!(lab.repo.read("a.txt"), "by the fake agent\n");
    lab.is_sound_but_for_main();
}

/// Who was to review the work and was turned away has found no fault with it.
#[test]
fn work_whose_reviewer_is_turned_away_is_not_sent_back() {
    let lab = Lab::new();
    let settings = lab.repo.read("biplane.toml");
    let limited = "args = [\"--do\", \"limit 90\"]\n[profiles.claude]";
    let reviewed = "implement.agent = \"plain\"\nreview.agent = \"claude\"\n";
    let settings = settings.replace("[profiles.claude]", limited);
    lab.repo.write("biplane.toml", settings.replace("implement.agent = \"plain\"\n", reviewed));
    lab.repo.commit("a reviewer that is asked to slow down");
    lab.order("plain", "write a.txt; commit");
    let mut up = lab.call(&["up", "--no-gate"]).spawn();
    eventually(DEADLINE, "the reviewer is told to slow down", || lab.events("task.returned").len() == 1);
    up.signal(Signal::INT);
    up.wait(DEADLINE).fails_with(130);
    let why = lab.events("task.returned")[0]["error"].as_str().unwrap().to_owned();
    assert!(why.starts_with("its agent's provider asked to slow down: "), "{why}");
    // It was waiting for the reviewer's rest to be over; the work is not done again.
    lab.ended(1, "pending", &["succeeded", "failed"], "stopped before it was done");
    let (task, runs) = (lab.task(1), lab.json(&["log", "--list"]));
    assert_eq!((&task["attempts"], &task["used"]["attempts"]), (&0.into(), &1.into()), "{task:#}");
    assert_eq!((&runs[1]["role"], &runs[1]["rate_limited"]), (&"review".into(), &true.into()), "{runs:#}");
    assert_eq!(lab.events("agent.limited")[0]["data"]["agent"], "claude");
}

#[test]
fn a_plain_command_that_is_asked_to_slow_down_has_failed() {
    // Nothing tells it from any other failure.
    let lab = Lab::new().ordered(&["plain"], "limit 90");
    lab.ended(1, "failed", &["failed"], "the agent ended with exit code 1");
    assert_eq!(lab.events("agent.limited").len(), 0);
    lab.is_sound();
}
