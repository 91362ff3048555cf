//! Several kinds of agents in one `up`: who takes what, and the roles of a profile.

use crate::lab::Lab;

/// The SHA-256 of `tested` and a newline.
const HASH_OF_TESTED: &str = "28c0cba0b2983db5a296342bd0f7caea7f18ee7d44718fe523478836a0887e11";

/// An agent that writes its name into a file of its task.
fn agent(name: &str, more: &str) -> String {
    format!("[agents.{name}]\ncommand = [\"sh\", \"-c\", \"echo {name} > by-$BIPLANE_TASK_ID\"]\n{more}\n")
}

#[test]
fn labels_owners_and_order_say_who_takes_a_task() {
    let lab = Lab::new();
    let agents =
        [agent("any", ""), agent("front", "labels = [\"css\"]"), agent("other", "labels = [\"rust\"]")]
            .concat();
    lab.settings(&format!("gate = \"true\"\n{agents}[up]\nteam = [\"any\", \"front\"]\n"));
    lab.ok(&["task", "create", "Plain"]);
    lab.ok(&["task", "create", "Style", "--label", "css"]);
    lab.ok(&["task", "create", "Owned", "--owner", "front"]);
    lab.ok(&["task", "create", "For somebody else", "--owner", "ann"]);
    lab.ok(&["task", "create", "Unknown label", "--label", "go"]);
    let said = lab.call(&["up"]).run();
    for (id, name) in [(1, "any"), (2, "front"), (3, "front"), (5, "any")] {
        assert_eq!(lab.repo.read(format!("by-{id}")), format!("{name}\n"), "{said}");
    }
    assert!(said.stdout.contains("belongs to `ann`"), "{said}");
    lab.ok(&["task", "create", "Plain again"]);
    let said = lab.call(&["up", "--agent", "other"]).run();
    assert!(said.stdout.contains("no agent here takes tasks with its labels"), "{said}");
    lab.is_sound();
}

#[test]
fn there_are_no_more_of_an_agent_than_its_maximum() {
    let lab = Lab::new();
    let script = "mkdir $BIPLANE_ROOT/../busy || exit 7; sleep 0.2; rmdir $BIPLANE_ROOT/../busy; echo $BIPLANE_TASK_ID > f$BIPLANE_TASK_ID";
    lab.settings(&format!(
        "gate = \"true\"\nagent = \"sh\"\n[agents.sh]\nmax = 1\ncommand = [\"sh\", \"-c\", \"{script}\"]\n[up]\nagents = 4\n"
    ));
    for n in 0..4 {
        lab.ok(&["task", "create", &format!("t{n}")]);
    }
    let said = lab.call(&["up"]).run().success();
    assert!(said.stdout.contains("4 landed"), "two were at work at once: {said}");
    lab.is_sound();
}

#[test]
fn a_program_that_is_not_there_is_said_before_anything_is_begun() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "t"]);
    let only_git = lab.env.dir("only-git");
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|file| file.is_file()).unwrap();
    std::os::unix::fs::symlink(git, only_git.join("git")).unwrap();
    let said = lab.call(&["up", "--agent", "claude"]).env("PATH", &only_git).run().fails_with(5).stderr;
    assert!(said.contains("agent `claude`: Claude Code is not installed"), "{said}");
    assert!(said.contains("hint: install it with `npm install -g @anthropic-ai/claude-code`"), "{said}");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
}

#[test]
fn an_agent_whose_work_would_never_count_is_refused() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "t"]);
    for (agent, program) in [("codex", "codex"), ("gemini", "/opt/gemini")] {
        let driver = if agent == "codex" { "codex" } else { "acp" };
        lab.settings_file(&format!(
            "agent = \"{agent}\"\n[up]\ncommit_leftovers = false\n[agents.{agent}]\ndriver = \"{driver}\"\ncommand = [\"{program}\"]\n"
        ));
        let said = lab.fails(2, &["up"]).stderr;
        assert!(
            said.contains(&format!("agent `{agent}` can't commit with `permissions = \"edits\"`")),
            "{said}"
        );
    }
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
}

#[test]
fn who_does_no_work_need_not_be_able_to_commit() {
    let lab = Lab::new();
    let codex = lab.env.dir("bin").join("codex");
    std::fs::write(&codex, "#!/bin/sh\necho codex-cli 99.0.0 \"$@\"\n").unwrap();
    std::fs::set_permissions(&codex, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let settings = format!(
        "agent = \"worker\"\n[up]\ncommit_leftovers = false\n[agents.worker]\ncommand = [\"true\"]\n\
         [agents.codex]\ndriver = \"codex\"\ncommand = [{:?}]\n[profiles.careful]\n",
        codex.as_str()
    );
    for looks in ["review.agent = \"codex\"", "verify.agent = \"codex\""] {
        lab.settings_file(&format!("{settings}{looks}\n"));
        lab.ok(&["up", "--no-gate"]);
    }
    // The lead.
    let led = lab.call(&["chat", "--agent", "codex", "-p", "Hello."]).run().success();
    assert!(led.stdout.contains("codex-cli 99.0.0"), "{led}");
    // A command that happens to be called as a program is nobody's sandbox.
    let gemini = codex.with_file_name("gemini");
    std::fs::copy(&codex, &gemini).unwrap();
    lab.ok(&["up", "--no-gate", "--", gemini.as_str()]);
    lab.settings_file(&format!("{settings}implement.agent = \"codex\"\n"));
    let said = lab.fails(2, &["up", "--no-gate"]).stderr;
    assert!(said.contains("agent `codex` can't commit with"), "{said}");
}

#[test]
fn a_prompt_promises_no_tools_that_its_reader_is_not_handed() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "t"]);
    let prompt = lab.ok(&["task", "prompt", "1"]);
    assert!(!prompt.contains("The tools of the server"), "nobody is known to read it: {prompt}");
    let cat = "cat \"$BIPLANE_PROMPT_FILE\" > read";
    lab.ok(&["up", "--no-gate", "--agent", "claude", "--", "sh", "-c", cat]);
    let prompt = lab.repo.read("read");
    assert!(prompt.contains("You are the agent `claude`"), "{prompt}");
    assert!(!prompt.contains("The tools of the server"), "a plain command is handed none: {prompt}");
}

/// A profile in which a command verifies and an agent reviews.
fn careful(lab: &Lab, verify: &str, reviewer: &str) {
    let work = "echo $BIPLANE_ATTEMPT > attempt; echo work > work";
    lab.settings(&format!(
        "gate = \"true\"\nagent = \"worker\"\nprofile = \"careful\"\n\
         [agents.worker]\nresume = true\ncommand = [\"sh\", \"-c\", '''{work}''']\n\
         [agents.reader]\ncommand = [\"sh\", \"-c\", '''{reviewer}''']\n\
         [profiles.careful]\nverify.command = '''{verify}'''\nreview.agent = \"reader\"\nreview.block_on = \"major\"\n"
    ));
    lab.ok(&["task", "create", "Work"]);
}

/// The runs of task 1 in this role, oldest first, as their files say.
fn runs(lab: &Lab, role: &str) -> Vec<serde_json::Value> {
    let mut runs = Vec::new();
    for number in 1.. {
        let file = lab.root().join(format!(".worktrees/runs/r{number}/run.json"));
        let Ok(text) = std::fs::read_to_string(file) else { break };
        let run: serde_json::Value = serde_json::from_str(&text).unwrap();
        if run["role"] == role {
            runs.push(run);
        }
    }
    runs
}

#[test]
fn work_is_verified_and_reviewed_before_it_is_submitted() {
    let lab = Lab::new();
    let fenced = |json: &str| format!("printf '\\140\\140\\140json\\n{json}\\n\\140\\140\\140\\n'");
    let reviewer = format!(
        "if test \"$(cat attempt)\" = 1; then {}; else {}; fi",
        fenced(r#"{"findings": [{"severity": "major", "file": "work", "text": "too short"}]}"#),
        fenced(r#"{"findings": [{"severity": "minor", "text": "fine"}]}"#)
    )
    .replace("'''", "");
    careful(&lab, "echo tested; test -s work", &reviewer);
    let said = lab.call(&["up"]).run().success();
    assert!(said.stdout.contains("1 landed"), "{said}");
    let (implemented, verified, reviewed) =
        (runs(&lab, "implement"), runs(&lab, "verify"), runs(&lab, "review"));
    assert_eq!((implemented.len(), verified.len(), reviewed.len()), (2, 2, 2), "{said}");
    assert_eq!(verified[1]["evidence"]["output_hash"], HASH_OF_TESTED);
    assert_eq!(
        (reviewed[0]["status"].as_str(), reviewed[1]["status"].as_str()),
        (Some("failed"), Some("succeeded"))
    );
    assert_eq!(reviewed[0]["evidence"]["findings"]["major"], 1);
    assert_eq!(reviewed[1]["evidence"]["findings"]["minor"], 1);
    let returned = lab.records().events().iter().any(|e| {
        let why = e["error"].as_str().unwrap_or_default();
        e["event"] == "task.returned" && why.contains("major: `work`: too short")
    });
    assert!(returned, "the findings went back to who did the work");
    assert_eq!(lab.repo.read("attempt"), "2\n");
    lab.is_sound();
}

#[test]
fn work_that_fails_its_test_goes_back_and_waits_for_a_person_at_last() {
    let lab = Lab::new();
    careful(&lab, "echo no good; false", "true");
    lab.call(&["up"]).run().fails_with(1);
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "blocked");
    assert!(task["reason"].as_str().unwrap().contains("no good"), "{task}");
    assert!(runs(&lab, "review").is_empty(), "what fails its test is not reviewed");
    // A person may do without, and that is told.
    let said = lab.fails(3, &["submit", "1-work"]).stderr;
    assert!(said.contains("nobody has approved of"), "{said}");
    lab.ok(&["submit", "1-work", "--unexamined"]);
    let is_told =
        |e: &serde_json::Value| e["event"] == "submission.queued" && e["data"]["unexamined"] == "verify";
    assert!(lab.records().events().iter().any(is_told));
    assert_eq!(lab.records().broken(), [""; 0]);
}

#[test]
fn who_is_only_to_look_may_change_nothing() {
    let lab = Lab::new();
    careful(&lab, "echo changed > work", "true");
    lab.call(&["up"]).run().fails_with(1);
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "blocked");
    assert!(
        task["reason"].as_str().unwrap().contains("the run that was to verify the work has changed it"),
        "{task}"
    );
}

#[test]
fn a_reviewer_without_findings_in_the_right_form_approves_of_nothing() {
    let lab = Lab::new();
    careful(&lab, "true", "echo it is all fine");
    lab.call(&["up"]).run().fails_with(1);
    let task = lab.json(&["task", "show", "1"]);
    assert!(task["reason"].as_str().unwrap().contains("gave no findings"), "{task}");
    assert!(!lab.root().join("work").exists());
}
