//! Agents that work outside of their worktree, and those that do not.

use biplane_testkit::eventually;
use serde_json::Value;

use crate::lab::{BIPLANE, DEADLINE, Lab, sh};

/// Work that is as it should be, beside what else an agent does.
const WORK: &str = "echo work > own.txt; git add own.txt; git commit -qm work";

/// One agent that runs `script` and then works as it should.
fn one(lab: &Lab, script: &str) -> String {
    lab.ok(&["task", "create", "do it"]);
    up(lab, &format!("{script}\n{WORK}"))
}

fn up(lab: &Lab, script: &str) -> String {
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    lab.call(&args).run().stderr
}

fn task(lab: &Lab, id: &str) -> Value {
    lab.json(&["task", "show", id])
}

fn reason(lab: &Lab, id: &str) -> String {
    let task = task(lab, id);
    assert_eq!(task["status"], "blocked", "{task:#}");
    task["reason"].as_str().unwrap().to_owned()
}

/// What the events of this kind say.
fn outside(lab: &Lab) -> Vec<Value> {
    let all = lab.records();
    all.events().iter().filter(|e| e["event"] == "worktree.run.outside").cloned().collect()
}

#[test]
fn what_an_agent_does_in_the_main_checkout_is_found() {
    for (script, words) in [
        ("echo x > $BIPLANE_ROOT/README.md", "`README.md` in the main checkout was changed"),
        ("echo x > ../../new", "`new` in the main checkout was added"),
        ("rm $BIPLANE_ROOT/README.md", "`README.md` in the main checkout was deleted"),
        (
            "ln -s $BIPLANE_ROOT link; echo x > link/through; rm link",
            "`through` in the main checkout was added",
        ),
        ("echo x > ../../hidden.log", "`hidden.log` in the main checkout was added"),
        (
            "cd ../..; echo x > README.md; git add README.md; cd -",
            "`README.md` in the main checkout was staged",
        ),
        ("cd ../..; git switch -q -c mine; cd -", "the main checkout was taken from `main` to `mine`"),
    ] {
        let lab = Lab::new();
        lab.repo.write(".gitignore", "*.log\n");
        let before = lab.repo.commit("ignored files");
        let said = one(&lab, script);
        let why = reason(&lab, "1");
        assert!(why.starts_with(&format!("worked outside its worktree: {words}")), "{script}: {why}\n{said}");
        let events = outside(&lab);
        assert_eq!(events.len(), 1, "{script}");
        assert!(
            events[0]["data"]["outside"][0].as_str().unwrap().contains(words),
            "{script}: {:#}",
            events[0]
        );
        assert_eq!(events[0]["run"]["id"], "r1");
        // Nothing has landed, and its work is there.
        assert_eq!(lab.repo.git(&["rev-parse", "main"]), before, "{script}");
        assert_eq!(lab.worktree("1-do-it").read("own.txt"), "work\n", "{script}");
    }
}

#[test]
fn refs_that_an_agent_moves_are_found_and_it_is_said_how_they_are_put_back() {
    for (script, words, is_certain) in [
        (
            "git symbolic-ref HEAD refs/heads/main; echo x > x; git add x; git commit -qm stolen; \
             git symbolic-ref HEAD refs/heads/wt/1-do-it; git reset -q; rm x",
            "`refs/heads/main` was moved from ",
            true,
        ),
        (
            "git update-ref refs/heads/main $(git commit-tree -p main -m x main^{tree})",
            "`refs/heads/main` was moved",
            false,
        ),
        ("git branch -f other HEAD~1", "`refs/heads/other` was moved", false),
        ("git branch -D other", "`refs/heads/other` was deleted", false),
        ("git tag v1", "`refs/tags/v1` was made", false),
        ("echo x >> README.md; git stash -q", "`refs/stash` was made", true),
    ] {
        let lab = Lab::new();
        lab.repo.write("second", "2\n");
        let main = lab.repo.commit("second");
        lab.repo.git(&["branch", "other"]);
        let said = one(&lab, script);
        let why = reason(&lab, "1");
        assert!(why.starts_with(&format!("worked outside its worktree: {words}")), "{script}: {why}\n{said}");
        assert_eq!(outside(&lab)[0]["data"]["certain"], is_certain, "{script}: {why}");
        // What it says takes it back, and the main checkout is clean again.
        for command in why.split('`').filter(|text| text.starts_with("git update-ref ")) {
            lab.env.program("sh").args(["-c", command]).in_dir(lab.root()).run().success();
        }
        assert_eq!(lab.repo.git(&["rev-parse", "main", "other"]), format!("{main}\n{main}"), "{script}");
        assert_eq!(lab.repo.git(&["tag", "--list"]), "", "{script}");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "", "{script}");
    }
}

#[test]
fn settings_and_hooks_that_an_agent_changes_for_all_are_found() {
    for (script, words) in [
        ("git config alias.x '!true'", "git's `config` was changed"),
        ("echo true > $(git rev-parse --git-path hooks/pre-commit)", "git's `hooks/pre-commit` was added"),
        ("echo '* -diff' > $(git rev-parse --git-path info/attributes)", "git's `info/attributes` was added"),
        (
            "echo ../../../elsewhere > $(git rev-parse --git-dir)/commondir.new; git config core.editor true",
            "git's `config` was changed",
        ),
    ] {
        let lab = Lab::new();
        one(&lab, script);
        let why = reason(&lab, "1");
        assert!(why.contains(words), "{script}: {why}");
    }
}

#[test]
fn a_kept_worktree_is_not_for_others_to_write_in() {
    let lab = Lab::new();
    lab.work("review", "a", "a\n");
    lab.ok(&["wt", "keep", "review"]);
    one(&lab, "echo x > ../review/a; echo y > ../review/b");
    let why = reason(&lab, "1");
    assert!(
        why.contains("`a` in worktree `review` was changed; `b` in worktree `review` was added"),
        "{why}"
    );
    // One that is being worked in is not looked at: whoever works there changes it.
    lab.create("mine");
    lab.ok(&["task", "create", "another"]);
    up(&lab, &format!("echo x > ../mine/x; {WORK}"));
    assert_eq!(task(&lab, "2")["status"], "completed");
}

#[test]
fn what_an_agent_has_biplane_note_does_not_explain_what_it_does() {
    for excuse in [
        "biplane wt keep other",
        "biplane run other -- true",
        "biplane submit other",
        "biplane task reopen 1; biplane task claim 1 --owner mallory; biplane task block 1 --reason later",
    ] {
        let lab = Lab::new();
        lab.ok(&["task", "create", "waits"]);
        lab.ok(&["wt", "create", "other", "--task", "1"]);
        let tree = lab.worktree("other");
        tree.write("a", "a\n");
        tree.commit("work");
        lab.ok(&["task", "block", "1", "--reason", "later"]);
        lab.ok(&["task", "create", "do it"]);
        let excuse = excuse.replace("biplane ", &format!("'{BIPLANE}' "));
        let script = format!("{excuse}; echo evil > ../other/evil\n{WORK}");
        // With no place for another, so that nobody else takes what it reopens.
        let said = lab.call(&["up", "--agents", "1", "--no-gate", "--"]).args(sh(&script)).run().stderr;
        assert!(lab.records().events().iter().any(|e| e["data"]["in_run"] == "r1"), "{excuse}: {said}");
        assert_eq!(outside(&lab).len(), 1, "{excuse}: {said}");
        let why = reason(&lab, "2");
        assert!(why.contains("`evil` in worktree `other` was added"), "{excuse}: {why}\n{said}");
    }
}

#[test]
fn what_is_done_by_right_is_nobodys_fault() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "target/\n");
    lab.repo.commit("ignored");
    lab.work("kept", "a", "a\n");
    lab.ok(&["wt", "keep", "kept"]);
    lab.repo.git(&["config", "alias.same", "status"]);
    for n in 1..=6 {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    // They read, build, branch, run git's housekeeping, set what is set already, and end while others' work lands.
    // Git's own packing may stand in the way of a command for a moment.
    let script = "again() { n=0; until \"$@\" || test $n -gt 200; do n=$((n+1)); sleep 0.05; done; }\n\
                  cat ../../README.md ../kept/a; git log --all; git status; git -C ../.. status; mkdir -p ../../target; echo x > ../../target/$$\n\
                  git config alias.same status; git pack-refs --all; branch=$(git branch --show-current); git branch helper-$$\n\
                  again git switch -q -c side-$$; again git commit -q --allow-empty -m side-$$; again git switch -q $branch\n\
                  for i in 1 2 3; do echo $i > $BIPLANE_TASK_ID-$i; git add -A; again git commit -qm $i; done; echo x > left-$BIPLANE_TASK_ID";
    let args = ["up", "--agents", "3", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    let said = lab.call(&args).run().success().stderr;
    assert_eq!(outside(&lab), [Value::Null; 0], "{said}");
    assert_eq!(lab.json(&["task", "list", "--status", "completed"]).as_array().unwrap().len(), 6, "{said}");
    assert!(said.contains("has left something behind: `refs/heads/side-"), "{said}");
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_person_works_on_beside_agents_when_that_is_only_told() {
    let lab = Lab::new();
    lab.settings("[up]\noutside = \"tell\"\n");
    lab.ok(&["task", "create", "do it"]);
    let script = format!(
        "touch ../ready; n=0; until test -e ../go || test $n -gt 600; do sleep 0.1; n=$((n+1)); done; {WORK}"
    );
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(&script)).collect::<Vec<_>>();
    let running = lab.call(&args).spawn();
    eventually(DEADLINE, "the agent is at work", || lab.root().join(".worktrees/ready").exists());
    lab.repo.write("README.md", "a person's edit\n");
    lab.repo.write(".worktrees/go", "");
    let said = running.wait(DEADLINE).success().stderr;
    assert!(
        said.contains("worked outside its worktree: `README.md` in the main checkout was changed"),
        "{said}"
    );
    assert_eq!(task(&lab, "1")["status"], "completed", "{said}");
    assert_eq!(outside(&lab).len(), 1);
    assert_eq!(lab.repo.read("README.md"), "a person's edit\n");
}

#[test]
fn who_has_claimed_a_task_meanwhile_works_in_its_worktree_by_right() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "waits"]);
    lab.ok(&["wt", "create", "tree", "--task", "1"]);
    lab.ok(&["task", "block", "1", "--reason", "later"]);
    lab.ok(&["task", "create", "do it"]);
    let script = format!(
        "touch ../ready; n=0; until test -e ../go || test $n -gt 600; do sleep 0.1; n=$((n+1)); done; {WORK}"
    );
    let args = ["up", "--agents", "1", "--no-gate", "--"].into_iter().chain(sh(&script)).collect::<Vec<_>>();
    let running = lab.call(&args).spawn();
    eventually(DEADLINE, "the agent is at work", || lab.root().join(".worktrees/ready").exists());
    lab.ok(&["task", "reopen", "1"]);
    lab.ok(&["task", "claim", "1", "--owner", "alice"]);
    // As the target is brought into it before its next attempt: its event comes after the files.
    let tree = lab.worktree("tree");
    tree.write("brought.txt", "along\n");
    tree.git(&["add", "brought.txt"]);
    lab.repo.write(".worktrees/go", "");
    let said = running.wait(DEADLINE).success().stderr;
    assert_eq!(outside(&lab), [Value::Null; 0], "{said}");
    assert_eq!(task(&lab, "2")["status"], "completed", "{said}");
}

#[test]
fn where_nothing_tells_who_it_was_every_run_of_that_time_waits_for_a_person() {
    let lab = Lab::new();
    for n in 1..=2 {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    // Both are at work when the first writes.
    let script = format!(
        "touch ../at-$BIPLANE_TASK_ID; n=0; until test -e ../at-1 -a -e ../at-2 || test $n -gt 600; do sleep 0.1; n=$((n+1)); done\n\
         test $BIPLANE_TASK_ID = 2 || echo x > ../../new\n\
         until test -e ../../new || test $n -gt 600; do sleep 0.1; n=$((n+1)); done\n{WORK}"
    );
    let args = ["up", "--agents", "2", "--no-gate", "--"].into_iter().chain(sh(&script)).collect::<Vec<_>>();
    let _ = lab.call(&args).run();
    for id in ["1", "2"] {
        let why = reason(&lab, id);
        assert!(why.contains("`new` in the main checkout was added. It was at work at that time"), "{why}");
    }
    // One that begins afterwards has nothing to do with it.
    lab.ok(&["task", "create", "task 3"]);
    up(&lab, WORK);
    assert_eq!(task(&lab, "3")["status"], "completed");
}

#[test]
fn names_are_made_safe_and_their_number_is_bounded() {
    let lab = Lab::new();
    one(
        &lab,
        "cd ../..; n=0; while test $n -lt 300; do echo x > \"$(printf 'f\\033[2J%s' $n)\"; n=$((n+1)); done; cd -",
    );
    let why = reason(&lab, "1");
    assert!(!why.contains('\u{1b}') && why.contains("and 290 more"), "{why}");
    let event = &outside(&lab)[0]["data"];
    assert_eq!((event["outside"].as_array().unwrap().len(), event["count"].as_u64()), (50, Some(300)));
}
