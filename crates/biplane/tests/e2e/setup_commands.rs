//! Set-up commands: run once a person has approved exactly their text; logged, bounded in time, their failure shown.

use crate::lab::{Lab, said};

fn approved(settings: &str) -> Lab {
    let lab = Lab::new();
    lab.settings(settings);
    lab.ok(&["setup", "approve", "--yes"]);
    lab
}

#[test]
fn commands_are_not_run_before_exactly_they_are_approved() {
    let lab = Lab::new();
    lab.settings("[setup]\nrun = [\"echo one > one.txt\"]\n");
    let output = lab.call(&["wt", "create", "w"]).run().success();
    insta::assert_snapshot!(said(&output, &lab), @"biplane: the set-up commands were not run: nobody has approved them; `biplane setup approve` shows them and asks, then `biplane worktree setup w` runs them");
    let tree = lab.worktree("w");
    assert!(!tree.path().join("one.txt").exists());
    assert_eq!(lab.json(&["wt", "status", "w"])["setup"], "incomplete");
    lab.fails(3, &["wt", "setup", "w"]);
    // There is nobody to ask.
    lab.fails(2, &["setup", "approve"]);
    assert_eq!(lab.json(&["setup", "show"])["approved"], false);
    let hash = lab.json(&["setup", "approve", "--yes"])["hash"].clone();
    insta::with_settings!({filters => vec![("[0-9a-f]{64}", "[HASH]")]}, {
        insta::assert_snapshot!(lab.ok(&["setup", "show"]), @r"
        set-up commands of `biplane.toml`, each run by `sh -c` in a new worktree:
          1. echo one > one.txt
        approved (sha256 [HASH])
        ");
    });
    lab.ok(&["wt", "setup", "w"]);
    assert_eq!(tree.read("one.txt"), "one\n");
    let records = lab.records();
    let event = records.events().iter().find(|e| e["event"] == "setup.approved").unwrap();
    assert_eq!(event["data"]["hash"], hash, "{event}");

    // One sign more is another text.
    lab.settings("[setup]\nrun = [\"echo one > one.txt \"]\n");
    lab.call(&["wt", "create", "v"]).run().success();
    assert!(!lab.worktree("v").path().join("one.txt").exists());
    lab.settings("[setup]\nrun = [\"echo one > one.txt\"]\n");
    lab.call(&["wt", "create", "u"]).run().success();
    assert!(lab.worktree("u").path().join("one.txt").exists(), "approved once, and for good");
    lab.ok(&["setup", "revoke"]);
    lab.fails(3, &["wt", "setup", "v"]);
}

#[test]
fn an_agent_approves_nothing_and_its_own_settings_do_not_count() {
    let lab = Lab::new();
    lab.settings("gate = \"true\"\n[setup]\nrun = [\"echo main > by.txt\"]\n");
    for variable in ["BIPLANE_RUN_ID", "BIPLANE_TASK_ID"] {
        let output = lab.call(&["setup", "approve", "--yes"]).env(variable, "1").run().fails_with(3);
        assert!(output.stderr.contains("only a person may approve set-up commands"), "{output}");
        lab.call(&["setup", "revoke"]).env(variable, "1").run().fails_with(3);
    }
    lab.ok(&["setup", "approve", "--yes"]);
    let tree = lab.create("w");
    tree.write("biplane.toml", "[setup]\nrun = [\"echo agent > by.txt\"]\n");
    lab.call_in(tree.path(), &["wt", "create", "v"]).run().success();
    assert_eq!(lab.worktree("v").read("by.txt"), "main\n");
    let root = tree.path().as_str();
    lab.call(&["wt", "create", "u"]).env("BIPLANE_ROOT", root).run().success();
    assert_eq!(lab.worktree("u").read("by.txt"), "main\n");
}

#[test]
fn a_command_that_fails_is_shown_and_the_worktree_stays() {
    let lab = approved(
        "[setup]\nrun = [\"echo a >> ran\", \"echo what is wrong; test -e ok\", \"echo c >> ran\"]\n",
    );
    let output = lab.fails(1, &["wt", "create", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    biplane: set-up of `w`: echo a >> ran
    biplane: set-up of `w`: echo what is wrong; test -e ok
    biplane: the command's output ends with
    what is wrong
    error: the set-up of worktree `w` failed: `echo what is wrong; test -e ok`: exit code 1 (r2)
    hint: the worktree is there; `biplane worktree setup w` tries again
    hint: `biplane log r2` shows the whole output
    ");
    assert!(output.stdout.starts_with("created worktree w on wt/w"), "{output}");
    let tree = lab.worktree("w");
    assert_eq!(tree.read("ran"), "a\n");
    assert_eq!(lab.json(&["wt", "status", "w"])["status"], "active");
    let kinds: Vec<String> =
        lab.records().events().iter().filter_map(|e| e["data"]["kind"].as_str().map(str::to_owned)).collect();
    assert_eq!(kinds, ["setup", "setup"]);
    tree.write("ok", "");
    lab.ok(&["wt", "setup", "w"]);
    assert_eq!(tree.read("ran"), "a\na\nc\n");
    let value = lab.call(&["--json", "wt", "create", "v"]).run().fails_with(1).json();
    assert_eq!(
        (value["setup"]["state"].as_str(), value["setup"]["failed"]["tail"].as_str()),
        (Some("failed"), Some("what is wrong"))
    );
    lab.is_sound();
}

#[test]
fn a_command_that_takes_too_long_ends_with_what_it_started() {
    let lab = approved("[setup]\nrun = [\"sleep 600 & sleep 600\"]\ntimeout = \"1s\"\n");
    let output = lab.fails(1, &["wt", "create", "w"]);
    assert!(output.stderr.contains("not done in time (r1)"), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    lab.is_sound();
}

#[test]
fn every_run_has_the_templated_environment_and_the_set_up_runs_where_it_should() {
    let lab = approved(
        "gate = \"echo \\\"$WHERE $P\\\" > gate.txt; true\"\n[setup]\nrun = [\"pwd > where; echo $BIPLANE_WORKTREE $BIPLANE_ROOT $WHERE >> where\"]\n\
         [setup.env]\nWHERE = \"{name}:{branch}:{task}:{{x}}\"\nP = \"{path}\"\nPATH_OF_MAIN = \"{root}\"\n",
    );
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let root = lab.root();
    assert_eq!(lab.worktree("w").read("where"), format!("{root}/.worktrees/w\nw {root} w:wt/w:1:{{x}}\n"));
    let seen = lab.ok(&["run", "w", "--", "sh", "-c", "echo $WHERE $P $PATH_OF_MAIN"]);
    assert_eq!(seen, format!("w:wt/w:1:{{x}} {root}/.worktrees/w {root}\n"));
    for (text, why) in [
        ("A = \"{nmae}\"", "line 2, key `A`: `{nmae}` stands for nothing"),
        ("A = \"{port}\"", "line 2, key `A`: `{port}` needs `[ports] count`"),
        ("GIT_DIR = \"x\"", "names that begin with `BIPLANE_` or `GIT_`"),
    ] {
        lab.repo.write("biplane.toml", format!("[setup.env]\n{text}\n"));
        let output = lab.fails(2, &["wt", "list"]);
        assert!(output.stderr.contains(why), "{output}");
    }
}

#[test]
fn up_refuses_what_nobody_approved_and_blocks_a_task_whose_set_up_fails() {
    let lab = Lab::new();
    lab.settings("gate = \"true\"\n[setup]\nrun = [\"echo broken set-up; test -e ../../ok\"]\n");
    lab.ok(&["task", "create", "one"]);
    let agent = ["--", "sh", "-c", "echo done > done.txt"];
    let output = lab.call(&["up"]).args(agent).run().fails_with(3);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: nobody has approved the set-up commands in `biplane.toml`
    hint: `biplane setup approve` shows them and asks; `--no-setup` goes on without any set-up
    ");
    lab.ok(&["setup", "approve", "--yes"]);
    lab.call(&["up"]).args(agent).run().fails_with(1);
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "blocked");
    let reason = task["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the set-up of worktree `1-one` failed: `echo broken set-up; test"),
        "{reason}"
    );
    assert!(reason.contains("exit code 1 (r1)\nbroken set-up"), "{reason}");
    // What was wrong is put right; the same worktree is made ready and used.
    lab.repo.write("ok", "");
    lab.ok(&["task", "reopen", "1"]);
    lab.call(&["up"]).args(agent).run().success();
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");

    lab.ok(&["setup", "revoke"]);
    lab.ok(&["task", "create", "two"]);
    lab.call(&["up", "--no-setup", "--", "sh", "-c", "echo two > two.txt"]).run().success();
    assert_eq!(lab.json(&["task", "show", "2"])["status"], "completed");
    lab.is_sound();
}

#[test]
fn a_set_up_that_was_killed_is_noted_and_can_be_done_again() {
    let lab = approved("[setup]\nrun = [\"echo x >> ran; test -e go || sleep 600\"]\n");
    let running = lab.call(&["wt", "create", "w"]).spawn();
    let tree = lab.worktree("w");
    biplane_testkit::eventually(crate::lab::DEADLINE, "the set-up runs", || tree.path().join("ran").exists());
    let output = running.kill();
    assert_eq!(output.code, 137);
    tree.write("go", "");
    let output = lab.call(&["wt", "setup", "w"]).run().success();
    assert!(output.stderr.contains("recovered: run r1 in `w` was lost"), "{output}");
    assert_eq!(lab.processes(), [""; 0]);
    assert_eq!(lab.json(&["wt", "status", "w"])["setup"], "complete");
    lab.is_sound();
}

#[test]
#[ignore = "needs the program `script`"]
fn on_a_terminal_it_is_asked_for() {
    let lab = Lab::new();
    lab.settings("[setup]\nrun = [\"echo yes > answer\"]\n");
    for (name, answer, is_run) in [("no", "n\n", false), ("nothing", "\n", false), ("yes", "y\n", true)] {
        let line = format!("'{}' wt create {name}", crate::lab::BIPLANE);
        let script = lab.env.program("script").in_dir(lab.root()).args(["-qec", &line, "/dev/null"]);
        let output = script.stdin(answer).run().success();
        assert!(output.stdout.contains("run these in new worktrees of this repository? [y/N]"), "{output}");
        assert_eq!(lab.worktree(name).path().join("answer").exists(), is_run, "{output}");
    }
}
