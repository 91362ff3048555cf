//! What comes of an agent's run: by what git shows, not by what it says or how it ends.

use serde_json::Value;

use crate::lab::{Lab, sh};

/// The task after an agent has run `script` on it.
fn after(lab: &Lab, script: &str) -> Value {
    lab.ok(&["task", "create", "do it"]);
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    let _ = lab.call(&args).run();
    lab.json(&["task", "show", "1"])
}

const COMMIT: &str = "echo x > x; git add -A; git commit -qm x";

#[test]
fn neither_words_nor_exit_codes_make_success() {
    let marks = "printf '<<<<<<< HEAD\\na\\n=======\\nb\\n>>>>>>> main\\n' > f";
    for (script, status, reason) in [
        ("true", "failed", "the agent finished with nothing to show"),
        ("echo all done, everything is committed", "failed", "the agent finished with nothing to show"),
        ("exit 3", "failed", "the agent ended with exit code 3"),
        (COMMIT, "completed", ""),
        ("echo x > left", "completed", ""),
        (
            &format!("{COMMIT}; exit 3"),
            "failed",
            "the agent ended with exit code 3; its 1 commit may be half of something, and is not landed",
        ),
        ("echo x > left; exit 3", "failed", "the agent ended with exit code 3; it leaves 1 file uncommitted"),
        (
            &format!("{marks}; git add -A; git commit -qm f"),
            "failed",
            "the agent leaves conflict markers in `f`",
        ),
        (marks, "failed", "the agent leaves conflict markers in `f`"),
        (
            &format!("{COMMIT}; git reset -q --hard HEAD~1"),
            "failed",
            "the agent finished with nothing to show",
        ),
    ] {
        let lab = Lab::new();
        let task = after(&lab, script);
        assert_eq!(
            (task["status"].as_str(), task["reason"].as_str()),
            (Some(status), Some(reason)),
            "{script}"
        );
        let landed = lab.repo.git(&["rev-list", "--count", "main"]) != "1";
        assert_eq!(landed, status == "completed", "{script}");
        // What there is stays for a person.
        let has_work = script != "true" && !script.starts_with("exit") && !reason.contains("nothing");
        let is_there = !lab.json(&["wt", "list"]).as_array().unwrap().is_empty();
        assert_eq!(is_there, has_work && status == "failed", "{script}");
        lab.is_sound();
    }
}

#[test]
fn a_branch_that_was_only_brought_up_to_date_shows_no_work() {
    let lab = Lab::new();
    lab.settings("[up]\noutside = \"tell\"\n");
    // While the agent is at work, a person commits to main.
    let script = "cd ../..; echo x > x; git add x; git commit -qm x; cd -; git merge -q --ff-only main";
    let task = after(&lab, script);
    assert_eq!(task["status"], "failed", "{task:#}");
    assert_eq!(task["reason"], "the agent finished with nothing to show");
}

#[test]
fn a_run_says_where_it_began_and_what_it_has_added() {
    let lab = Lab::new();
    let base = lab.repo.head();
    after(&lab, &format!("{COMMIT}; git commit -q --allow-empty -m y"));
    let run: Value = serde_json::from_str(&lab.repo.read(".worktrees/runs/r1/run.json")).unwrap();
    assert_eq!(
        (run["base"].as_str(), run["evidence"]["new_commits"].as_u64()),
        (Some(base.as_str()), Some(2)),
        "{run:#}"
    );
}

#[test]
fn commits_of_an_attempt_that_was_interrupted_are_work_of_the_next_and_what_came_back_is_not() {
    let lab = Lab::new();
    lab.settings(
        "gate = \"test ! -e bad\"\nagent = \"a\"\n[agents.a]\nresume = true\n\
         command = [\"sh\", \"-c\", \"test -e x || { echo x > x; git add x; git commit -qm x; exit 9; }\"]\n\
         [agents.b]\nresume = true\ncommand = [\"sh\", \"-c\", \"test -e bad || { echo x > bad; git add bad; git commit -qm bad; }\"]\n",
    );
    lab.ok(&["task", "create", "one"]);
    let _ = lab.call(&["up"]).run();
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "failed");
    lab.ok(&["task", "reopen", "1"]);
    lab.ok(&["up"]);
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed", "nobody had judged it");
    lab.ok(&["task", "create", "two"]);
    let _ = lab.call(&["up", "--agent", "b"]).run();
    let two = lab.json(&["task", "show", "2"]);
    assert_eq!(
        (two["status"].as_str(), two["reason"].as_str()),
        (Some("failed"), Some("the agent finished with nothing new to show"))
    );
}
