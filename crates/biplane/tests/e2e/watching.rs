//! An `up` that goes on watching.

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
