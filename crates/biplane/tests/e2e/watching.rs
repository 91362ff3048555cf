//! What comes while an `up` is at work.

use biplane_testkit::eventually;

use crate::lab::{DEADLINE, Lab, sh};

const AGENT: &str = "echo work > \"agent-$BIPLANE_TASK_ID.txt\"; git add -A; git commit -qm work";

#[test]
fn what_comes_later_is_worked_on_and_landed_too() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "first"]);
    let up = lab.call(&["up", "--watch", "--agents", "1", "--"]).args(sh(AGENT)).patience(DEADLINE).spawn();
    let is_done = |task: &str| lab.json(&["task", "show", task])["status"] == "completed";
    eventually(DEADLINE, "the first task has landed", || is_done("1"));
    // With nothing left to do it waits.
    lab.ok(&["task", "create", "second"]);
    eventually(DEADLINE, "the second task has landed", || is_done("2"));
    lab.work("by-hand", "hand.txt", "mine\n");
    lab.ok(&["submit", "by-hand"]);
    eventually(DEADLINE, "what a person has submitted has landed", || lab.root().join("hand.txt").exists());
    lab.ok(&["drain"]);
    let said = up.wait(DEADLINE).success();
    for file in ["agent-1.txt", "agent-2.txt", "hand.txt"] {
        assert!(lab.root().join(file).exists(), "{file}: {said}");
    }
    lab.is_sound();
}

/// An agent that waits until there is a file beside the repository, and works then.
fn patient(lab: &Lab) -> String {
    let flag = lab.env.root().join("go");
    format!("touch '{flag}.begun'; while ! [ -e '{flag}' ]; do sleep 0.02; done; {AGENT}")
}

#[test]
fn what_is_submitted_while_the_last_agent_works_lands_too() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "long"]);
    let up = lab.call(&["up", "--no-gate", "--"]).args(sh(&patient(&lab))).patience(DEADLINE).spawn();
    eventually(DEADLINE, "the agent is at work", || lab.env.root().join("go.begun").exists());
    lab.work("by-hand", "hand.txt", "mine\n");
    lab.ok(&["submit", "by-hand", "--no-gate"]);
    std::fs::write(lab.env.root().join("go"), "").unwrap();
    let said = up.wait(DEADLINE).success();
    assert!(lab.root().join("hand.txt").exists(), "{said}");
    assert!(said.stdout.contains("2 landed") && said.stdout.contains("nothing is left to do"), "{said}");
    lab.is_sound();
}

#[test]
fn what_a_killed_up_was_landing_is_landed_by_the_other_one() {
    let lab = Lab::new();
    let tested = lab.env.root().join("tested");
    lab.settings(&format!("gate = \"[ -e '{tested}' ] || {{ touch '{tested}'; sleep 600; }}\"\n"));
    lab.ok(&["task", "create", "long"]);
    let long = lab.call(&["up", "--agents", "1", "--"]).args(sh(&patient(&lab))).patience(DEADLINE).spawn();
    eventually(DEADLINE, "the agent is at work", || lab.env.root().join("go.begun").exists());
    lab.ok(&["task", "create", "short"]);
    let short = lab.call(&["up", "--agents", "1", "--"]).args(sh(AGENT)).patience(DEADLINE).spawn();
    eventually(DEADLINE, "the short one is tested", || tested.exists());
    short.kill();
    std::fs::write(lab.env.root().join("go"), "").unwrap();
    let said = long.wait(DEADLINE).success();
    for task in ["1", "2"] {
        assert_eq!(lab.json(&["task", "show", task])["status"], "completed", "{task}: {said}");
    }
    lab.is_sound();
}
