//! What does not do goes back to the same worktree, with what was wrong.

use serde_json::json;

use crate::lab::Lab;

/// Does `first` at the first attempt and `then` at every other one; keeps each prompt.
fn settings(lab: &Lab, first: &str, then: &str, gate: &str) {
    let prompts = lab.env.dir("prompts");
    let script = format!(
        "cp \"$BIPLANE_PROMPT_FILE\" {prompts}/$BIPLANE_TASK_ID.$BIPLANE_ATTEMPT\n\
         if test $BIPLANE_ATTEMPT = 1; then {first}; else {then}; fi"
    );
    let tool = lab.env.root().join("agent.sh");
    std::fs::write(&tool, script).unwrap();
    lab.settings(&format!(
        "agent = \"sh\"\ngate = '''{gate}'''\n[agents.sh]\ncommand = [\"sh\", \"{tool}\"]\nprompt = \"file\"\nresume = true\n"
    ));
}

fn prompt(lab: &Lab, name: &str) -> String {
    std::fs::read_to_string(lab.env.root().join("prompts").join(name)).unwrap()
}

#[test]
fn a_red_gate_goes_back_to_the_same_worktree_with_what_it_said() {
    let lab = Lab::new();
    settings(&lab, "echo bad > state", "echo good > state", "cat state; grep -q good state");
    lab.ok(&["task", "create", "Mend it", "--description", "Make it good."]);
    let said = lab.call(&["up"]).run().success();
    assert!(said.stdout.contains("1 landed, 1 bounced"), "{said}");
    let second = prompt(&lab, "1.2");
    let parts = [
        "Make it good.",
        "An earlier attempt was sent back",
        "the gate `cat state",
        "\nbad\n",
        "go on from there",
    ];
    for part in parts {
        assert!(second.contains(part), "{part}: {second}");
    }
    let made = lab.event_words().iter().filter(|word| *word == "worktree.create.after").count();
    assert_eq!(made, 1, "the second attempt was made in the worktree of the first");
    assert_eq!(lab.repo.read("state"), "good\n");
    lab.is_sound();
}

#[test]
fn a_conflict_is_left_to_the_agent_in_its_worktree_with_whose_work_it_is() {
    let lab = Lab::new();
    lab.repo.write("list", "one\n");
    lab.repo.commit("list");
    // The first attempt at task 1 waits until task 2 has landed on the same line.
    let first = "if test $BIPLANE_TASK_ID = 1; then n=0; \
                 until git show main:list | grep -q two || test $n -gt 600; do sleep 0.1; n=$((n+1)); done; fi; \
                 echo one $BIPLANE_TASK_ID > list; test $BIPLANE_TASK_ID = 1 || echo two >> list";
    settings(&lab, first, "printf 'one 1\\ntwo\\n' > list", "! grep -q '<<<' list");
    lab.ok(&["task", "create", "Write one"]);
    lab.ok(&["task", "create", "Write two"]);
    let said = lab.call(&["up", "--agents", "2"]).run().success();
    assert!(said.stdout.contains("2 landed, 1 bounced"), "{said}");
    let second = prompt(&lab, "1.2");
    assert!(
        second.contains("conflict with `main`: `list`") && second.contains("task 2 (Write two)"),
        "{second}"
    );
    assert!(second.contains("conflicts, marked with") && second.contains("`list`. Resolve"), "{second}");
    assert_eq!(lab.repo.read("list"), "one 1\ntwo\n");
    assert!(lab.event_words().contains(&"worktree.refresh".to_owned()));
    lab.is_sound();
}

#[test]
fn conflict_marks_do_not_land_and_wait_for_a_person_at_last() {
    let lab = Lab::new();
    let marks = "printf '<<<<<<< a\\n1\\n=======\\n2\\n>>>>>>> b\\n' > x";
    settings(&lab, marks, &format!("{marks}; echo $BIPLANE_ATTEMPT >> x"), "true");
    lab.ok(&["task", "create", "Leave marks"]);
    let said = lab.call(&["up"]).run().fails_with(1);
    assert!(said.stdout.contains("conflict markers in `x`"), "{said}");
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!((task["status"].as_str(), task["attempts"].as_u64()), (Some("blocked"), Some(3)));
    assert!(!lab.root().join("x").exists(), "nothing of it has landed");
    lab.is_sound();
}

#[test]
fn comments_of_a_person_are_in_the_next_prompt() {
    let lab = Lab::new();
    settings(&lab, "echo 1 > a", "echo $BIPLANE_ATTEMPT > a", "grep -q '[3-9]' a");
    lab.ok(&["task", "create", "One", "--gate", "false"]);
    lab.call(&["up"]).run().fails_with(1);
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "blocked");
    lab.ok(&["task", "update", "1", "--no-gate"]);
    lab.ok(&["task", "return", "1", "--reason", "Write more, please."]);
    let shown = lab.ok(&["task", "prompt", "1"]);
    assert!(shown.contains("Write more, please.") && shown.contains("# Task 1: One"), "{shown}");
    lab.call(&["up"]).run().success();
    assert_ne!(lab.repo.read("a"), "1\n");
    lab.is_sound();
}

#[test]
fn what_was_done_before_is_told_and_a_template_is_filled() {
    let lab = Lab::new();
    settings(&lab, "echo $BIPLANE_TASK_ID > t$BIPLANE_TASK_ID", "true", "true");
    lab.ok(&["task", "create", "First"]);
    lab.ok(&["task", "create", "Second", "--after", "1"]);
    lab.call(&["up"]).run().success();
    let second = prompt(&lab, "2.1");
    assert!(second.contains("- Task 1: First, landed as ") && second.contains("`t1`"), "{second}");
    lab.settings_file("[prompts]\nreview = \"Read {task}: {subject} on {branch}\"\n");
    lab.ok(&["task", "create", "Third thing"]);
    let shown = lab.ok(&["task", "prompt", "3", "--role", "review"]);
    assert_eq!(shown.trim_end(), "Read 3: Third thing on wt/3-third-thing");
    let said = lab.fails(5, &["task", "prompt", "9"]).stderr;
    assert!(said.contains("there is no task 9"), "{said}");
}

#[test]
fn a_submission_that_can_not_be_landed_is_in_the_answer() {
    let lab = Lab::new();
    lab.repo.git(&["switch", "--quiet", "--create", "side"]);
    // During each test somebody else commits to the target.
    let moves = "git update-ref refs/heads/main $(git commit-tree -p main -m other main^{tree})";
    lab.settings_file(&format!(
        "target = \"main\"\ngate = '''{moves}'''\nagent = \"sh\"\n[agents.sh]\ncommand = [\"sh\", \"-c\", \"echo x > x\"]\n"
    ));
    lab.ok(&["task", "create", "t"]);
    let output = lab.call(&["up", "--json"]).run().fails_with(1);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((&report["open"], &report["stuck"]), (&json!(["s1"]), &json!(["s1"])), "{output}");
}
