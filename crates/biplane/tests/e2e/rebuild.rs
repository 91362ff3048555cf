//! `doctor --rebuild`: a ledger that is lost or damaged comes back from the views and from git.

use std::fs;

use serde_json::Value;

use crate::lab::{Lab, lines, said, sh};

/// A home with everything in it that a ledger knows: tasks in every state, worktrees, a kept one, an open submission, a
/// snapshot, runs, epochs.
fn lived_in() -> Lab {
    let lab = Lab::new();
    lab.settings("gate = \"true\"\n");
    for subject in ["one", "two", "three", "four", "five", "six", "seven"] {
        lab.ok(&["task", "create", subject]);
    }
    lab.ok(&[
        "task",
        "create",
        "auth",
        "--prefix",
        "auth",
        "--after",
        "1",
        "--label",
        "x",
        "--priority",
        "3",
    ]);
    for _ in 0..5 {
        lab.ok(&["task", "claim", "2", "--owner", "ann"]);
        lab.ok(&["task", "release", "2"]);
    }
    lab.ok(&["task", "claim", "2", "--owner", "ann"]);
    lab.ok(&["wt", "create", "two", "--task", "2"]);
    lab.ok(&["task", "complete", "3"]);
    lab.ok(&["task", "fail", "4", "--reason", "no use"]);
    lab.ok(&["task", "cancel", "5", "--reason", "not now"]);
    lab.ok(&["task", "block", "6", "--reason", "who knows"]);
    // An open submission.
    lab.ok(&["wt", "create", "one", "--task", "1"]);
    lab.worktree("one").write("one.txt", "one\n");
    lab.worktree("one").commit("one");
    lab.ok(&["submit", "one"]);
    // A kept worktree, a run that failed, and a removed one with a snapshot.
    lab.create("kept");
    lab.ok(&["wt", "keep", "kept", "--reason", "for review"]);
    lab.call(&["run", "kept", "--", "false"]).run().fails_with(1);
    lab.ok(&["run", "two", "--", "true"]);
    lab.create("gone").write("lost.txt", "work\n");
    lab.ok(&["wt", "remove", "gone", "--force"]);
    lab
}

fn lose(lab: &Lab) {
    fs::remove_dir_all(lab.root().join(".git/biplane")).unwrap();
}

/// Everything but what a rebuilding changes on purpose.
fn without(mut value: Value, keys: &[&str]) -> Value {
    for record in value.as_array_mut().unwrap() {
        for key in keys {
            record.as_object_mut().unwrap().remove(*key);
        }
    }
    value
}

const CHANGES: [&str; 3] = ["lease_until", "epoch", "rev"];

fn events(lab: &Lab) -> Vec<String> {
    lines(&lab.ok(&["events", "--json", "--limit", "1000"]))
}

#[track_caller]
fn comes_back(lab: &Lab, before: (&Value, &Value, &[String])) {
    let (tasks, worktrees, log) = before;
    let dry = lab.json(&["doctor", "--rebuild"]);
    assert_eq!(
        (&dry["dry_run"], dry["tasks"].as_u64(), dry["events"].as_u64()),
        (&Value::Bool(true), Some(tasks.as_array().unwrap().len() as u64), Some(log.len() as u64))
    );
    let report = lab.json(&["doctor", "--rebuild", "--fix"]);
    assert_eq!(report["submissions"], 1, "{report}");
    let now = lab.json(&["task", "list"]);
    assert_eq!(without(now.clone(), &CHANGES), without(tasks.clone(), &CHANGES));
    for (now, then) in now.as_array().unwrap().iter().zip(tasks.as_array().unwrap()) {
        assert_eq!(now["epoch"].as_u64(), then["epoch"].as_u64().map(|e| e + 1), "{now}");
    }
    let now = lab.json(&["wt", "list", "--all"]);
    assert_eq!(without(now, &CHANGES), without(worktrees.clone(), &CHANGES));
    let now = events(lab);
    assert_eq!(now[..log.len()], *log);
    assert!(now[log.len()].contains("\"ledger.rebuilt\""), "{:?}", now[log.len()]);
    // What it changed is told: every task has a new epoch.
    assert_eq!(now.len(), log.len() + 1 + tasks.as_array().unwrap().len());
}

#[test]
fn a_deleted_ledger_comes_back() {
    let lab = lived_in();
    let (tasks, worktrees, log) =
        (lab.json(&["task", "list"]), lab.json(&["wt", "list", "--all"]), events(&lab));
    assert!(log.len() > 40, "{}", log.len());
    let epoch = tasks[1]["epoch"].to_string();
    lose(&lab);
    for args in [&["task", "list"][..], &["task", "create", "x"], &["wt", "list"], &["up", "--", "true"]] {
        let output = lab.fails(3, args);
        assert!(output.stderr.contains("doctor --rebuild"), "{output}");
    }
    let found = lab.call(&["doctor", "--json"]).run().fails_with(1).json();
    assert!(found["findings"].as_array().unwrap().iter().any(|f| f["code"] == "ledger.lost"), "{found}");
    comes_back(&lab, (&tasks, &worktrees, &log));

    // Nothing is left to be repaired but what the rebuilding leaves to nobody.
    let healthy = lab.json(&["doctor", "--fix"]);
    assert!(healthy["findings"].as_array().unwrap().iter().all(|f| f["severity"] != "problem"), "{healthy}");

    // What ran under the old ledger is fenced off.
    let stale = lab.call(&["task", "complete", "2"]).env("BIPLANE_TASK_ID", "2").env("BIPLANE_EPOCH", &epoch);
    stale.run().fails_with(4);
    // No number is given out again.
    assert_eq!(lab.json(&["task", "create", "next"])["id"], 8);
    assert_eq!(lab.json(&["task", "create", "next", "--prefix", "auth"])["id"], "auth_002");
    assert_eq!(lab.call(&["--json", "run", "two", "--", "true"]).run().success().json()["id"], "r3");
    // What was submitted lands, and the rest goes on.
    lab.ok(&["task", "cancel", "8"]);
    lab.ok(&["task", "cancel", "7"]);
    let output = lab
        .call(&["up", "--agents", "1", "--"])
        .args(sh("echo x > \"$BIPLANE_TASK_ID\"; git add -A; git commit -qm work"));
    let output = output.run();
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed", "{output}");
    assert_eq!(lab.repo.read("one.txt"), "one\n");
    assert_eq!(lab.json(&["task", "show", "2"])["owner"], "ann");
    lab.is_sound();

    let output = lab.fails(3, &["doctor", "--rebuild", "--fix"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: the ledger is whole, so there is nothing to rebuild
    hint: `biplane doctor` compares it with views, git and disk
    ");
}

#[test]
fn a_damaged_ledger_is_moved_aside_and_comes_back() {
    let lab = lived_in();
    let (tasks, worktrees, log) =
        (lab.json(&["task", "list"]), lab.json(&["wt", "list", "--all"]), events(&lab));
    let damage = "this is not a database, but it is long. ".repeat(200);
    fs::write(lab.ledger(), &damage).unwrap();
    let output = lab.fails(1, &["task", "list"]);
    assert!(output.stderr.contains("doctor --rebuild"), "{output}");
    let found = lab.call(&["doctor", "--json"]).run().fails_with(1).json();
    assert!(found["findings"].as_array().unwrap().iter().any(|f| f["code"] == "ledger.damaged"), "{found}");
    assert_eq!(fs::read_to_string(lab.ledger()).unwrap(), damage, "it is left alone");
    comes_back(&lab, (&tasks, &worktrees, &log));
    let kept: Vec<String> =
        lab.photograph(".git/biplane").into_iter().map(|f| f.0).filter(|n| n.contains("damaged")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(lab.repo.read(format!(".git/biplane/{}", kept[0])), damage);
}

#[test]
fn an_emptied_ledger_comes_back() {
    let lab = lived_in();
    let (tasks, worktrees, log) =
        (lab.json(&["task", "list"]), lab.json(&["wt", "list", "--all"]), events(&lab));
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", lab.ledger()));
    }
    fs::write(lab.ledger(), "").unwrap();
    comes_back(&lab, (&tasks, &worktrees, &log));
}

#[test]
fn torn_and_damaged_views_lose_no_more_than_they_held() {
    let lab = lived_in();
    let log = events(&lab);
    lose(&lab);
    let mut text = lines(&lab.repo.read(".worktrees/events.jsonl"));
    text[9] = "{damaged".to_owned();
    let torn = text.join("\n") + "\n{\"seq\": 99";
    lab.repo.write(".worktrees/events.jsonl", &torn);
    lab.repo.write(".worktrees/index.json", "{");
    lab.repo.write(".tasks/task_2.json", "{\"id\": 2");
    // A gate is a command, and this view is not as it was written.
    let changed =
        lab.repo.read(".tasks/task_6.json").replace("\"gate\": null", "\"gate\": \"touch /tmp/never\"");
    lab.repo.write(".tasks/task_6.json", changed);
    let report = lab.json(&["doctor", "--rebuild", "--fix"]);
    let problems = report["problems"].to_string();
    for words in
        ["line 10`", "line 10", "torn", "index.json", "task_2.json", "its own gate is not taken", "task 2"]
    {
        assert!(words == "line 10`" || problems.contains(words), "{words}: {problems}");
    }
    let now = events(&lab);
    assert!(now.len() > log.len());
    assert_eq!((&now[..9], &now[10..log.len()]), (&log[..9], &log[10..]));
    assert!(now[9].contains("was lost with the ledger"), "{}", now[9]);
    let task = lab.json(&["task", "show", "2"]);
    assert_eq!(
        (&task["subject"], &task["owner"], &task["worktree"]),
        (&"two".into(), &"ann".into(), &"two".into())
    );
    assert_eq!(lab.json(&["task", "show", "6"])["gate"], Value::Null);
    lab.ok(&["wt", "status", "two"]);
    assert_eq!(lab.json(&["wt", "path", "kept"])["status"], "kept");
}

#[test]
fn nobody_rebuilds_under_a_biplane_at_work() {
    let lab = lived_in();
    let running = lab.call(&["run", "kept", "--"]).args(["sleep", "60"]).spawn();
    let began = std::time::Instant::now();
    while lab.event_words().last().is_none_or(|w| w != "worktree.run.before") {
        assert!(began.elapsed() < crate::lab::DEADLINE);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    lose(&lab);
    let output = lab.fails(6, &["doctor", "--rebuild", "--fix"]);
    assert!(output.stderr.contains("is at work on the ledger"), "{output}");
    assert!(!lab.ledger().exists());
    drop(running);
    lab.ok(&["doctor", "--rebuild", "--fix"]);
    // Views are written by the next command.
    lab.ok(&["task", "list"]);
    let words = lab.event_words();
    assert!(
        words.contains(&"ledger.rebuilt".to_owned()) && words.contains(&"worktree.run.lost".to_owned()),
        "{words:?}"
    );
}

#[test]
fn a_rebuilding_that_is_killed_is_nothing_or_all() {
    let lab = lived_in();
    let (tasks, log) = (lab.json(&["task", "list"]), events(&lab));
    let spoil = || {
        let _ = fs::remove_file(format!("{}-wal", lab.ledger()));
        fs::write(lab.ledger(), "damaged ".repeat(200)).unwrap();
    };
    spoil();
    let places = lab.env.root().join("places");
    lab.call(&["doctor", "--rebuild", "--fix"]).env("FAILPOINT_LOG", places.as_str()).run().success();
    let count = fs::read_to_string(&places).unwrap().lines().count();
    assert!(count >= 6, "{}", fs::read_to_string(&places).unwrap());
    for at in 1..=count {
        spoil();
        let views = lab.photograph(".tasks");
        let killed = lab.call(&["doctor", "--rebuild", "--fix"]).env("FAILPOINT", at.to_string()).run();
        assert_ne!(killed.code, 0, "{killed}");
        assert_eq!(lab.photograph(".tasks"), views, "at {at}");
        // Either it is still lost, and comes back now, or it is there already.
        let again = lab.call(&["doctor", "--rebuild", "--fix"]).run();
        assert!([0, 3].contains(&again.code), "at {at}: {again}");
        assert_eq!(
            without(lab.json(&["task", "list"]), &CHANGES),
            without(tasks.clone(), &CHANGES),
            "at {at}"
        );
        assert_eq!(events(&lab)[..log.len()], log, "at {at}");
    }
}

#[test]
fn a_board_of_another_tool_is_not_ours() {
    let lab = Lab::new();
    lab.repo.write(".tasks/task_1.json", "{\"id\": 1, \"subject\": \"x\", \"status\": \"pending\"}");
    let output = lab.fails(5, &["doctor", "--rebuild", "--fix"]);
    assert!(output.stderr.contains("biplane import"), "{output}");
    let output = lab.fails(3, &["task", "create", "x"]);
    assert!(output.stderr.contains("`biplane import` takes it over"), "{output}");
}

/// A crash between a commit of the ledger and its views, and then the ledger is lost.
#[test]
fn what_the_views_were_too_late_for_is_read_from_the_events() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.repo.git(&["worktree", "add", "-q", "-b", "hand", "../hand"]);
    let late = [".tasks/task_1.json", ".worktrees/index.json"].map(|f| lab.root().join(f));
    let old = fs::read(&late[0]).unwrap();
    lab.ok(&["task", "claim", "1", "--owner", "ann"]);
    lab.ok(&["wt", "adopt", "../hand"]);
    lab.ok(&["wt", "keep", "hand"]);
    let epoch = lab.json(&["task", "show", "1"])["epoch"].as_u64().unwrap();
    lose(&lab);
    fs::write(&late[0], old).unwrap();
    fs::remove_file(&late[1]).unwrap();
    let report = lab.json(&["doctor", "--rebuild", "--fix"]);
    assert!(report["problems"].to_string().contains("older than its last event"), "{report}");
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!((&task["owner"], &task["status"]), (&"ann".into(), &"in_progress".into()));
    assert_eq!(task["epoch"].as_u64(), Some(epoch + 1));
    let hand = lab.json(&["wt", "path", "hand"]);
    assert_eq!(hand["path"], lab.env.root().join("hand").as_str());
    assert_eq!((&hand["status"], &hand["branch"]), (&"kept".into(), &"hand".into()));
    lab.ok(&["wt", "status", "hand"]);
    lab.ok(&["doctor"]);
}

/// Views of older versions say only whose a task is, and so do events.
#[test]
fn whom_a_pending_task_is_meant_for_comes_back() {
    let lab = Lab::new();
    for subject in ["an older view", "a lost view", "a late view"] {
        lab.ok(&["task", "create", subject, "--owner", "ann"]);
    }
    let view = |id: u64| format!(".tasks/task_{id}.json");
    let late = lab.repo.read(view(3));
    lab.ok(&["task", "update", "3", "--owner", "bob"]);
    lose(&lab);
    let older = lab.repo.read(view(1));
    let older = older.lines().filter(|line| !line.contains("\"assignee\"")).collect::<Vec<_>>().join("\n");
    lab.repo.write(view(1), older);
    fs::remove_file(lab.root().join(view(2))).unwrap();
    lab.repo.write(view(3), late);
    lab.ok(&["doctor", "--rebuild", "--fix"]);
    for (id, whose) in [("1", "ann"), ("2", "ann"), ("3", "bob")] {
        lab.ok(&["task", "claim", id, "--owner", whose]);
        lab.ok(&["task", "release", id]);
        let task = lab.json(&["task", "show", id]);
        assert_eq!((&task["owner"], &task["assignee"]), (&whose.into(), &whose.into()), "{task}");
    }
}

#[test]
fn a_dry_look_at_a_lost_ledger_changes_nothing() {
    let lab = lived_in();
    lose(&lab);
    let before = lab.photograph(".");
    lab.ok(&["doctor", "--rebuild"]);
    lab.call(&["doctor", "--fix"]).run().fails_with(1);
    lab.fails(3, &["task", "create", "x"]);
    assert_eq!(lab.photograph("."), before);
}

#[test]
fn the_team_comes_back_with_what_waits() {
    let lab = Lab::new();
    let script = "grep -q '^# Plan' $BIPLANE_PROMPT_FILE && echo the plan";
    lab.settings(&format!(
        "gate = \"true\"\nagent = \"bob\"\n[agents.bob]\nplan = \"required\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
         [agents.ann]\ncommand = [\"true\"]\n"
    ));
    lab.ok(&["task", "create", "Work"]);
    lab.call(&["up"]).run().fails_with(1);
    lab.ok(&["mail", "send", "bob", "read"]);
    lab.ok(&["mail", "read", "--as", "bob"]);
    lab.ok(&["mail", "send", "bob", "waits"]);
    lab.ok(&["team", "shutdown", "ann"]);
    let before = lab.json(&["team"]);
    lose(&lab);
    lab.call(&["doctor", "--rebuild", "--fix"]).run().success();
    let listed = lab.call(&["task", "list"]).run().success();
    assert!(!listed.stderr.contains("written anew"), "the old views are known as ours: {listed}");
    let said = lab.call(&["doctor"]).run().success();
    assert!(said.stdout.contains("everything agrees"), "{said}");
    let without_revs = |mut team: Value| {
        team.as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|member| _ = member.as_object_mut().unwrap().remove("rev"));
        team
    };
    assert_eq!(without_revs(lab.json(&["team"])), without_revs(before));
    // No number is given again, and what was read is not read again.
    assert_eq!(lab.ok(&["mail", "send", "bob", "new"]), "sent m6 to bob\n");
    let read = lab.json(&["mail", "read", "--as", "bob"]);
    let said: Vec<&str> =
        read["mail"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap()).collect();
    assert_eq!(said, ["waits", "new"]);
    // The plan still waits, and its task for it.
    assert_eq!(lab.ok(&["plan", "approve", "q1"]), "plan q1 of task 1 is approved\n");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
    assert_eq!(lab.ok(&["team", "recall", "ann"]), "ann takes tasks again (q2 is withdrawn)\n");
    lab.is_sound();
}
