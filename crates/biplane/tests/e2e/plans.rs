//! A plan before the work: rejected with feedback, approved, and what the agent changes meanwhile.

use serde_json::{Value, json};

use crate::{
    lab::Lab,
    mail::{bob, prompts},
};

/// Plans when it is asked to, and edits although it may not; else it works.
const AGENT: &str = r#"
    if grep -q '^# Plan task' "$BIPLANE_PROMPT_FILE"; then
        echo not wanted > early.txt
        echo thinking aloud
        printf '\140\140\140plan\n'
        if grep -q 'smaller steps' "$BIPLANE_PROMPT_FILE"; then echo 'small steps'; else echo 'one big step'; fi
        printf '\140\140\140\n'
    else
        grep -q '^> small steps' "$BIPLANE_PROMPT_FILE" && echo done > work.txt
    fi"#;

fn task(lab: &Lab, id: &str) -> Value {
    lab.json(&["task", "show", id])
}

fn status(lab: &Lab, id: &str) -> String {
    task(lab, id)["status"].as_str().unwrap().to_owned()
}

fn reason(lab: &Lab, id: &str) -> String {
    task(lab, id)["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_rejected_with_feedback_and_then_approved() {
    let lab = Lab::new();
    bob(&lab, AGENT, "plan = \"required\"\n");
    lab.ok(&["task", "create", "Work"]);
    let said = lab.call(&["up"]).run().fails_with(1);
    assert!(said.stdout.contains("blocked: plan q1 waits for approval"), "{said}");
    // It waits without a place, a worktree or a change; what was edited is in a snapshot.
    assert_eq!((status(&lab, "1"), lab.directories()), ("blocked".to_owned(), Vec::new()));
    assert_eq!(task(&lab, "1")["attempts"], 0);
    let snapshot = &lab.json(&["wt", "snapshots"])[0];
    assert_eq!(json!([snapshot["files"], snapshot["why"]]), json!([1, "its plan waits for approval"]));
    let plan = &lab.json(&["plan", "list"])[0];
    let facts = json!([plan["request_id"], plan["content"], plan["awaited"], plan["run"]]);
    assert_eq!(facts, json!(["q1", "one big step", true, "r1"]));
    assert_eq!(lab.json(&["mail", "list", "--to", "lead"])[0]["type"], "plan_approval_request");

    let said = lab.fails(2, &["plan", "reject", "q1"]).stderr;
    assert!(said.contains("feedback must not be empty"), "{said}");
    let said = lab.ok(&["plan", "reject", "q1", "--feedback", "smaller steps"]);
    assert_eq!(said, "plan q1 of task 1 is rejected\n");
    let said = lab.fails(3, &["plan", "approve", "q1"]).stderr;
    assert!(said.contains("plan q1 can't go from `rejected` to `approved`"), "{said}");
    assert_eq!((status(&lab, "1"), lab.ok(&["plan", "list"])), ("pending".to_owned(), String::new()));

    lab.call(&["up"]).run().fails_with(1);
    let shown = lab.ok(&["plan", "show", "q2"]);
    assert!(shown.starts_with("q2  task 1, by bob: submitted, awaited\n"), "{shown}");
    assert!(shown.contains("\n    small steps\n"), "{shown}");
    let said = lab.ok(&["plan", "approve", "q2", "--feedback", "go ahead"]);
    assert_eq!(said, "plan q2 of task 1 is approved\n");
    lab.call(&["up"]).run().success();
    assert_eq!((status(&lab, "1"), lab.repo.read("work.txt")), ("completed".to_owned(), "done\n".to_owned()));
    assert!(!lab.root().join("early.txt").exists(), "what was edited while planning did not land");

    let prompts: Vec<String> = prompts(&lab).into_iter().map(|(_, text)| text).collect();
    assert_eq!(prompts.len(), 3);
    let has =
        |at: usize, text: &str| assert!(prompts[at].contains(text), "{text}\nis not in\n{}", prompts[at]);
    has(
        1,
        "Plan q1 of `bob`:\n\n> one big step\n\n`lead` has rejected it, with these words:\n\n> smaller steps\n",
    );
    has(1, "(plan_approval_response q1: rejected):\n\n> smaller steps\n");
    assert!(!prompts[1].contains("An earlier attempt was sent back"), "it is told once: {}", prompts[1]);
    has(
        2,
        "This is plan q2 of `bob`:\n\n> small steps\n\nIt was approved by `lead`, with these words:\n\n> go ahead\n",
    );
    let runs = lab.json(&["log", "--list"]);
    let planned = runs.as_array().unwrap().iter().filter(|run| run["role"] == "plan").count();
    assert_eq!(planned, 2, "{runs:#}");
    let words = lab.event_words();
    let plans: Vec<&String> = words.iter().filter(|w| w.starts_with("plan.")).collect();
    assert_eq!(plans, ["plan.submitted", "plan.rejected", "plan.submitted", "plan.approved"]);
    lab.is_sound();
}

#[test]
fn a_task_overrules_what_profile_and_agent_say() {
    let lab = Lab::new();
    let script =
        "if grep -q '^# Plan' $BIPLANE_PROMPT_FILE; then echo plan; else echo x > t$BIPLANE_TASK_ID; fi";
    bob(&lab, script, "[profiles.careful]\nplan = \"required\"\n");
    lab.ok(&["task", "create", "Plain"]);
    lab.ok(&["task", "create", "Careful", "--profile", "careful"]);
    lab.ok(&["task", "create", "Careful but small", "--profile", "careful", "--plan", "none"]);
    lab.ok(&["task", "create", "Plain but large", "--plan", "required"]);
    assert_eq!(task(&lab, "4")["plan"], "required");
    lab.call(&["up"]).run().fails_with(1);
    let found = ["1", "2", "3", "4"].map(|id| status(&lab, id));
    assert_eq!(found, ["completed", "blocked", "completed", "blocked"]);
    // A person may do without.
    lab.ok(&["task", "update", "4", "--plan", "none"]);
    lab.ok(&["task", "reopen", "4"]);
    lab.call(&["up"]).run().fails_with(1);
    assert_eq!(status(&lab, "4"), "completed");
    // Its plan counts no more: to decide on it withdraws it.
    let plans = lab.json(&["plan", "list", "--all", "--task", "4"]);
    let id = plans[0]["request_id"].as_str().unwrap();
    let said = lab.fails(4, &["plan", "approve", id]).stderr;
    assert!(
        said.contains(&format!("task 4 does not wait for plan {id} any more: it is completed")),
        "{said}"
    );
    assert!(said.contains("hint: the plan is withdrawn"), "{said}");
    assert_eq!(lab.json(&["plan", "show", id])["status"], "withdrawn");
    lab.is_sound();
}

#[test]
fn a_plan_that_is_missing_or_submitted_by_the_agent() {
    let lab = Lab::new();
    let script = "case $BIPLANE_TASK_ID in 1) ;; 2) $BIPLANE plan submit 2 'by myself'; echo chatter;; *) exit 7;; esac";
    bob(&lab, script, "plan = \"required\"\n");
    for subject in ["Silent", "By itself", "Fails"] {
        lab.ok(&["task", "create", subject]);
    }
    lab.call(&["up"]).run().fails_with(1);
    assert_eq!(["1", "2", "3"].map(|id| status(&lab, id)), ["failed", "blocked", "failed"]);
    assert_eq!(reason(&lab, "1"), "`bob` was to plan the work and gave no plan");
    assert!(reason(&lab, "2").starts_with("plan q1 waits for approval"), "{}", reason(&lab, "2"));
    assert_eq!(reason(&lab, "3"), "the run that was to plan the work did not end well: exit code 7");
    let plan = lab.json(&["plan", "show", "q1"]);
    assert_eq!(json!([plan["content"], plan["run"]]), json!(["by myself", "r2"]));
    lab.is_sound();
}

#[test]
fn work_that_was_there_before_is_not_mixed_with_what_planning_changes() {
    let lab = Lab::new();
    let script = "if grep -q '^# Plan' $BIPLANE_PROMPT_FILE; then echo plan; echo more >> half.txt; else echo half > half.txt; exit 1; fi";
    bob(&lab, script, "resume = true\n");
    lab.ok(&["task", "create", "Half"]);
    lab.call(&["up"]).run().fails_with(1);
    assert_eq!(status(&lab, "1"), "failed");
    lab.ok(&["task", "update", "1", "--plan", "required"]);
    lab.ok(&["task", "reopen", "1"]);
    lab.call(&["up"]).run().fails_with(1);
    assert_eq!(status(&lab, "1"), "blocked");
    let why = reason(&lab, "1");
    assert!(
        why.starts_with("`bob` was to plan the work and has changed it (r2): look at what it left"),
        "{why}"
    );
    assert_eq!(lab.worktree("1-half").read("half.txt"), "half\nmore\n");
    lab.is_sound();
}
