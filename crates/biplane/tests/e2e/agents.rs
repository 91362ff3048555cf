//! What an agent at work may not do, and what nobody may do under it.

use biplane_testkit::eventually;

use crate::lab::{BIPLANE, DEADLINE, Lab, sh};

#[test]
fn an_agent_can_not_complete_its_own_task_by_its_word() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    let script = format!(
        "echo x > x; git add -A; git commit -qm x\n\
         for what in 'task complete 1' 'task update 1 --status completed' 'wt remove '$BIPLANE_WORKTREE' --complete-task'; do\n\
         {BIPLANE} $what; echo \"code $?\"; done; exit 0"
    );
    let up = ["up", "--no-gate", "--"].into_iter().chain(sh(&script)).collect::<Vec<_>>();
    lab.ok(&up);
    let log = lab.repo.read(".worktrees/runs/r1/output.log");
    let refused = "the agent at work on task 1 can't complete it by its own word";
    assert_eq!(log.matches(refused).count(), 2, "{log}");
    assert_eq!(log.matches("code 3").count() + log.matches("code 6").count(), 3, "{log}");
    assert_eq!(lab.repo.read("x"), "x\n", "what it did has landed all the same");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    lab.is_sound();
}

#[test]
fn nobody_submits_a_branch_under_the_agent_at_work_on_it() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    let script = "echo 1 > one; git add -A; git commit -qm one; touch ../ready\n\
                  n=0; until test -e ../go || test $n -gt 600; do sleep 0.1; n=$((n+1)); done\n\
                  echo 2 > two; git add -A; git commit -qm two";
    let up = ["up", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    let running = lab.call(&up).spawn();
    let trees = lab.root().join(".worktrees");
    eventually(DEADLINE, "the first commit", || trees.join("ready").exists());
    for verb in ["submit", "merge"] {
        let said = lab.fails(6, &[verb, "1-do-it", "--no-gate"]).stderr;
        assert!(said.contains("an agent is at work in worktree `1-do-it` (r1)"), "{said}");
    }
    lab.repo.write(".worktrees/go", "");
    running.wait(DEADLINE).success();
    assert_eq!((lab.repo.read("one"), lab.repo.read("two")), ("1\n".to_owned(), "2\n".to_owned()));
    lab.is_sound();
}

#[test]
fn an_epoch_that_can_not_be_read_is_no_claim() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    let call = lab.call(&["task", "complete", "1"]).env("BIPLANE_TASK_ID", "1").env("BIPLANE_EPOCH", "1x");
    let said = call.run().fails_with(2).stderr;
    assert_eq!(said, "error: `BIPLANE_EPOCH` is no epoch\n");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "in_progress");
}

#[test]
fn a_task_in_review_is_not_claimed_and_says_how_it_may_be() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "do it"]);
    lab.work("w", "a", "a\n");
    lab.ok(&["wt", "bind", "w", "--task", "1"]);
    lab.ok(&["submit", "w", "--no-gate"]);
    let said = lab.fails(3, &["task", "claim", "1", "--owner", "bob"]).stderr;
    assert!(said.contains("task 1 is in_review, and only pending tasks are claimed"), "{said}");
    assert!(said.contains("hint: `biplane task release`"), "{said}");
}

#[test]
fn logs_go_nowhere_through_a_link() {
    let lab = Lab::new();
    lab.create("w");
    let elsewhere = lab.env.dir("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, lab.root().join(".worktrees/runs")).unwrap();
    let said = lab.fails(3, &["run", "w", "--", "true"]).stderr;
    assert!(said.contains("is not a directory but a link or a file"), "{said}");
    assert_eq!(elsewhere.read_dir_utf8().unwrap().count(), 0);
}
