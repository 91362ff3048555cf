//! Landing and what may happen while the gate runs.

use biplane_testkit::eventually;

use crate::lab::{DEADLINE, Lab};

/// A gate that notes each start in a file and waits, the first time, until it may go on.
fn waiting_gate(lab: &Lab, then: &str) -> (camino::Utf8PathBuf, String) {
    let flag = lab.env.root().join("gate");
    let gate = format!("echo x >> '{flag}'; while ! [ -e '{flag}.go' ]; do sleep 0.02; done; {then}");
    (flag, gate)
}

#[test]
fn a_target_that_moves_during_the_gate_is_merged_and_tested_again() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let (flag, gate) = waiting_gate(&lab, "ls > \"$0.seen\" 2>/dev/null; test -f a.txt");
    let running = lab.call(&["merge", "w", "--gate", &gate]).spawn();
    eventually(DEADLINE, "the gate runs", || flag.exists());
    lab.repo.write("user.txt", "mine\n");
    let user = lab.repo.commit("the user's own");
    std::fs::write(format!("{flag}.go"), "").unwrap();
    let output = running.wait(DEADLINE).success();
    assert!(output.stderr.contains("moved meanwhile"), "{output}");
    assert_eq!(std::fs::read_to_string(&flag).unwrap().lines().count(), 2, "the gate ran twice");
    assert_eq!(lab.repo.git(&["rev-parse", "main^1"]), user);
    assert_eq!((lab.repo.read("user.txt"), lab.repo.read("a.txt")), ("mine\n".into(), "a\n".into()));
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn a_target_that_moves_into_a_conflict_during_the_gate_bounces() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let (flag, gate) = waiting_gate(&lab, "true");
    let running = lab.call(&["merge", "w", "--gate", &gate]).spawn();
    eventually(DEADLINE, "the gate runs", || flag.exists());
    lab.repo.write("a.txt", "the user's\n");
    let user = lab.repo.commit("the user's own");
    std::fs::write(format!("{flag}.go"), "").unwrap();
    running.wait(DEADLINE).fails_with(4);
    assert_eq!((lab.repo.head(), lab.repo.read("a.txt")), (user, "the user's\n".into()));
    lab.is_sound();
}

#[test]
fn a_gate_that_always_finds_the_target_moved_gives_up_and_says_so() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let root = lab.root();
    let gate = format!("cd '{root}' && git commit -q --allow-empty -m more");
    let output = lab.fails(6, &["merge", "w", "--gate", &gate]);
    assert!(output.stderr.contains("the target moved 5 times"), "{output}");
    assert!(!lab.repo.git(&["ls-tree", "--name-only", "main"]).contains("a.txt"));
    assert_eq!(lab.records().broken(), [""; 0]);
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.is_sound();
}

/// What the run of a gate may do to put the candidate on the target before it has passed.
const MOVES: [&str; 4] = [
    "git update-ref refs/heads/main HEAD; false",
    "git update-ref refs/heads/main HEAD",
    "c=$(git rev-parse HEAD); cd $BIPLANE_ROOT; git merge -q --ff-only $c; false",
    "git commit -q --allow-empty -m more; git update-ref refs/heads/main HEAD; false",
];

#[test]
fn a_target_that_the_run_of_a_gate_moves_is_moved_back_and_its_task_waits_for_a_person() {
    for script in MOVES {
        let lab = Lab::new();
        lab.repo.write("check.sh", "true\n");
        lab.settings("gate = \"sh check.sh\"\n");
        let before = lab.repo.head();
        lab.ok(&["task", "create", "mischief"]);
        let agent =
            format!("echo broken > f.txt; echo '{script}' > check.sh; git add -A; git commit -qm work");
        let output = lab.call(&["up", "--", "sh", "-c", &agent]).run().fails_with(1);
        assert_eq!(lab.repo.head(), before, "{script}: {output}");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "", "{script}: {output}");
        assert!(!lab.root().join("f.txt").exists(), "{script}");
        let task = lab.json(&["task", "show", "1"]);
        let reason = task["reason"].as_str().unwrap_or_default();
        assert_eq!(task["status"], "blocked", "{script}: {task:#}");
        assert!(
            reason.contains("moved `main`") && reason.contains("it was moved back"),
            "{script}: {reason}"
        );
        let told = lab.event_words();
        assert_eq!(told.iter().filter(|word| *word == "worktree.run.outside").count(), 1, "{script}");
        // What was committed on top of it may be anybody's.
        let kept = lab.repo.git(&["branch", "--list", "taken-back-*"]);
        assert_eq!(!kept.is_empty(), script.contains("commit"), "{script}: {kept}");
        lab.is_sound();
    }
}

/// In a checkout that is being worked in, the failed files are not left for its next commit: they go where git can take them
/// away, else the checkout leaves the target.
#[test]
fn a_checkout_with_work_that_the_run_of_a_gate_moved_can_not_put_what_failed_on_the_target() {
    for (edited, is_told) in [("README.md", false), ("a.txt", true)] {
        let lab = Lab::new();
        lab.work("w", "a.txt", "a\n");
        let before = lab.repo.head();
        let gate = format!("{}; echo mine >> {edited}; false", MOVES[2].trim_end_matches("; false"));
        let output = lab.fails(3, &["merge", "w", "--gate", &gate]);
        assert_eq!(lab.repo.git(&["rev-parse", "main"]), before, "{output}");
        assert!(output.stderr.contains("it was moved back"), "{output}");
        assert_eq!(output.stderr.contains("off the branch"), is_told, "{output}");
        assert!(lab.repo.read(edited).ends_with("mine\n"), "{output}");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), format!(" M {edited}"), "{output}");
        lab.repo.git(&["commit", "-qam", "my own"]);
        assert!(!lab.repo.git(&["ls-tree", "--name-only", "main"]).contains("a.txt"), "{output}");
        lab.is_sound();
    }
}

/// Nor one in which git can't work at that moment.
#[test]
fn a_locked_checkout_that_the_run_of_a_gate_moved_leaves_the_target() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let before = lab.repo.head();
    let gate = format!("{}; touch .git/index.lock; false", MOVES[2].trim_end_matches("; false"));
    let output = lab.fails(3, &["merge", "w", "--gate", &gate]);
    assert_eq!(lab.repo.git(&["rev-parse", "main"]), before, "{output}");
    assert!(output.stderr.contains("off the branch") && output.stderr.contains("index.lock"), "{output}");
    std::fs::remove_file(lab.repo.path().join(".git/index.lock")).unwrap();
    lab.repo.write("mine.txt", "mine\n");
    lab.repo.commit("my own");
    assert_eq!(lab.repo.git(&["rev-parse", "main"]), before, "{output}");
    lab.is_sound();
}

/// Somebody is faster: it is said all the same what the gate did, and nothing goes on.
#[test]
fn a_target_that_the_run_of_a_gate_moved_and_somebody_moved_back_waits_for_a_person_all_the_same() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let before = lab.repo.head();
    let go = lab.env.root().join("go");
    let call = lab.call(&["merge", "w", "--gate", MOVES[0]]);
    let running = call.env("FAILPOINT_PAUSE", format!("git update-ref before@2:{go}")).spawn();
    eventually(DEADLINE, "the target is about to be moved back", || {
        std::fs::exists(format!("{go}.reached")).unwrap()
    });
    assert_ne!(lab.repo.head(), before);
    lab.repo.git(&["update-ref", "refs/heads/main", &before]);
    std::fs::write(&go, "").unwrap();
    let output = running.wait(DEADLINE).fails_with(3);
    assert!(
        output.stderr.contains("moved `main`") && output.stderr.contains("somebody has moved it back"),
        "{output}"
    );
    assert!(lab.event_words().contains(&"submission.bounced".to_owned()), "{output}");
    lab.is_sound();
}

#[test]
fn a_target_that_the_run_of_a_gate_moved_is_moved_back_after_a_crash() {
    for script in MOVES {
        let lab = Lab::new();
        lab.work("w", "a.txt", "a\n");
        let before = lab.repo.head();
        let gate = format!("{script}; kill -9 $PPID");
        lab.call(&["merge", "w", "--gate", &gate]).run().fails_with(137);
        let moved = lab.repo.head();
        assert_ne!(moved, before, "{script}");
        let found = lab.call(&["doctor"]).run().fails_with(1);
        assert!(
            found.stdout.contains("moved `main`")
                && found.stdout.contains("; moved back")
                && !found.stdout.contains("queued again"),
            "{found}"
        );
        assert_eq!(lab.repo.head(), moved, "{script}");
        lab.ok(&["doctor", "--fix"]);
        assert_eq!(lab.repo.head(), before, "{script}");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "", "{script}");
        let words = lab.event_words();
        assert!(words.contains(&"submission.bounced".to_owned()), "{script}: {words:?}");
        lab.is_sound();
        lab.ok(&["merge", "w", "--no-gate"]);
        lab.is_sound();
    }
}

#[test]
fn what_a_gate_does_in_its_worktree_does_not_matter() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    let gate = "echo changed > a.txt; echo more > b.txt; git add -A; git commit -q -m 'by the gate'; rm -f README.md; touch dirty";
    lab.ok(&["merge", "w", "--gate", gate]);
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "a");
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!(files.contains("README.md") && !files.contains("b.txt"), "{files}");
    assert_eq!((lab.directories(), lab.linked()), (vec!["w".to_owned()], 1));
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn a_gate_that_deletes_its_worktree_or_makes_it_unreadable_is_cleared_up() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.ok(&["merge", "w", "--gate", "rm -rf \"$PWD\""]);
    lab.work("v", "b.txt", "b\n");
    lab.ok(&["merge", "v", "--gate", "mkdir locked && touch locked/x && chmod 0 locked; rm .git"]);
    assert_eq!((lab.directories(), lab.linked()), (vec!["v".to_owned(), "w".to_owned()], 2));
    lab.is_sound();
}

#[test]
fn a_gate_that_leaves_a_daemon_has_it_stopped() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.ok(&["merge", "w", "--gate", "setsid sleep 600 & true"]);
    assert_eq!(lab.processes(), [""; 0]);
    assert_eq!(lab.directories(), ["w"]);
}

#[test]
fn a_gate_that_takes_too_long_bounces_with_the_reason() {
    let lab = Lab::new();
    lab.settings("gate = \"sleep 600\"\ngate_timeout = \"1s\"\n");
    lab.work("w", "a.txt", "a\n");
    let output = lab.fails(1, &["merge", "w"]);
    assert!(output.stderr.contains("not done after 1 s"), "{output}");
    assert_eq!((lab.processes(), lab.directories()), (vec![], vec!["w".to_owned()]));
    lab.is_sound();
}

#[test]
fn agents_that_leave_a_red_gate_behind_never_reach_main() {
    let lab = Lab::new();
    lab.settings("gate = \"! test -f broken\"\n[up]\nrevisions = 1\n");
    lab.ok(&["task", "create", "good"]);
    lab.ok(&["task", "create", "bad"]);
    let agent = "if [ $BIPLANE_TASK_ID = 2 ]; then touch broken; else touch fine; fi";
    let output = lab.call(&["up", "--", "sh", "-c", agent]).run().fails_with(1);
    assert!(output.stdout.contains("1 landed, 2 bounced"), "{output}");
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!(files.contains("fine") && !files.contains("broken"), "{files}");
    assert_eq!(lab.json(&["task", "show", "2"])["status"], "blocked");
    lab.is_sound();
}
