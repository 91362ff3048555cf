//! Agents whose provider asks to slow down: no failure of theirs, and nobody hurries.

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
        lab.count("agent.limited") == TOLD.len() && lab.end(4).0 == "completed"
    });
    for (id, agent) in (1..).zip(TOLD) {
        lab.ended(id, "pending", &["failed"], "asked to slow down");
        let task = lab.task(id);
        assert_eq!(task["used"]["attempts"], 0, "{agent}: {task:#}");
        assert_eq!(task["attempts"], 0, "{agent}: {task:#}");
    }
    let records = lab.records();
    let limited: Vec<_> = records.events().iter().filter(|e| e["event"] == "agent.limited").collect();
    let mut names: Vec<_> = limited.iter().map(|e| e["data"]["agent"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["acp", "claude", "codex"]);
    let is_later = |e: &&&serde_json::Value| e["data"]["until"].as_f64() > e["ts"].as_f64().map(|ts| ts + 20.0);
    assert_eq!(limited.iter().filter(is_later).count(), 3, "{limited:#?}");
    // They rest for half a minute and longer: `up` looks five times a second and starts none.
    let runs = lab.count("worktree.run.before");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(1);
    eventually(DEADLINE, "the window is over", || {
        assert_eq!(lab.count("worktree.run.before"), runs);
        std::time::Instant::now() > until
    });
    up.signal(Signal::INT);
    up.wait(DEADLINE);
    lab.ended(1, "pending", &["failed"], "");
    lab.is_sound_but_for_main();
}

#[test]
fn a_plain_command_that_is_asked_to_slow_down_has_failed() {
    // Nothing tells it from any other failure.
    let lab = Lab::all(&["plain"], "limit 90");
    lab.ended(1, "failed", &["failed"], "exit code 1");
    lab.is_sound();
}
