//! A claim that was replaced can do nothing any more.

use crate::lab::Lab;

/// The program in a worktree, as a run of this epoch.
fn as_run(lab: &Lab, epoch: &str, args: &[&str]) -> biplane_testkit::Call {
    lab.call(args).env("BIPLANE_TASK_ID", "1").env("BIPLANE_EPOCH", epoch)
}

/// A task that was claimed twice, bound to a worktree with work in it.
fn superseded() -> Lab {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    lab.ok(&["task", "release", "1"]);
    lab.ok(&["task", "claim", "1", "--owner", "bob"]);
    lab
}

#[test]
fn a_superseded_run_can_neither_complete_nor_submit_nor_merge() {
    let lab = superseded();
    let epoch = lab.json(&["task", "show", "1"])["epoch"].as_u64().unwrap();
    let stale = (epoch - 1).to_string();
    let before = (lab.records().events().len(), lab.repo.head());
    for args in [
        &["task", "complete", "1"][..],
        &["task", "release", "1"],
        &["task", "fail", "1"],
        &["task", "update", "1", "--subject", "mine"],
        &["submit", "w", "--no-gate"],
        &["merge", "w", "--no-gate"],
        &["wt", "remove", "w", "--force", "--complete-task"],
    ] {
        let said = as_run(&lab, &stale, args).run().fails_with(4).stderr;
        assert!(said.contains("can no longer change it"), "{args:?}: {said}");
    }
    assert_eq!((lab.records().events().len(), lab.repo.head()), before);
    as_run(&lab, &epoch.to_string(), &["merge", "w", "--no-gate"]).run().success();
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    lab.is_sound();
}

#[test]
fn a_submission_whose_claim_was_replaced_is_withdrawn() {
    let lab = superseded();
    lab.ok(&["submit", "w", "--no-gate"]);
    let before = lab.repo.head();
    lab.ok(&["task", "release", "1"]);
    lab.ok(&["task", "claim", "1", "--owner", "eve"]);
    // `up` takes what is queued first; it has nothing else to do.
    lab.call(&["up", "--", "true"]).run().success();
    assert_eq!(lab.repo.head(), before);
    assert!(lab.event_words().contains(&"submission.withdrawn".to_owned()));
    assert_eq!(lab.json(&["task", "show", "1"])["owner"], "eve");
    lab.is_sound();
}

#[test]
fn a_claim_of_a_taken_or_waiting_task_is_refused() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["task", "create", "two", "--after", "1"]);
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    assert!(lab.fails(4, &["task", "claim", "1", "--owner", "bob"]).stderr.contains("`ann`"));
    assert!(lab.fails(3, &["task", "claim", "2", "--owner", "bob"]).stderr.contains("waits for"));
    lab.fails(5, &["task", "claim", "--owner", "bob"]);
    lab.ok(&["task", "complete", "1"]);
    assert!(lab.ok(&["task", "claim", "--owner", "bob"]).contains("bob claimed task 2"));
    lab.is_sound();
}
