//! Several repositories from one home: one board, and worktrees, gates and queues in each.
//!
//! Long because each test is a story of its own on the same laboratory.

use std::{fs, time::Duration};

use biplane_testkit::{Output, Repo, TestEnv, eventually};
use camino::Utf8Path;
use serde_json::Value;

use crate::lab::{BIPLANE, DEADLINE, Lab, fsck, lines, sh};

/// A home with two further repositories beside it.
struct Several {
    lab: Lab,
    lib: Repo,
    web: Repo,
}

/// Each repository has a gate that no other would pass.
const SETTINGS: &str = "target = \"main\"\ngate = \"test -f app.txt || test ! -f bad\"\n[up]\nagents = 3\n\
    [[repo]]\nname = \"lib\"\npath = \"../lib\"\ngate = \"test -f lib.txt && test ! -f bad\"\n\
    [[repo]]\nname = \"web\"\npath = \"../web\"\ntarget = \"main\"\nstrategy = \"squash\"\n";

impl Several {
    fn new() -> Self {
        let lab = Lab::new();
        let (lib, web) = (lab.env.repo("lib"), lab.env.repo("web"));
        lib.write("lib.txt", "lib\n");
        lib.commit("lib");
        lab.settings(SETTINGS);
        Self { lab, lib, web }
    }

    fn env(&self) -> &TestEnv {
        &self.lab.env
    }

    /// A worktree of `lib` with a commit.
    #[track_caller]
    fn work_in_lib(&self, name: &str, file: &str, text: &str) -> Repo {
        self.lab.ok(&["wt", "create", name, "--repo", "lib"]);
        let tree = self.lib.at(format!(".worktrees/{name}"));
        tree.write(file, text);
        tree.commit(name);
        tree
    }

    /// What a command says, run in this directory.
    #[track_caller]
    fn ok_in(&self, dir: impl AsRef<Utf8Path>, args: &[&str]) -> String {
        self.lab.call_in(dir.as_ref(), args).run().success().stdout
    }

    fn shown(&self, text: &str) -> String {
        text.replace(self.env().root().as_str(), "[ENV]").trim_end().to_owned()
    }

    fn said(&self, output: &Output) -> String {
        self.shown(&output.stderr)
    }

    /// Nothing is wrong in any of them, and nothing of ours would get into a commit.
    #[track_caller]
    fn is_sound(&self) {
        self.lab.is_sound();
        for repo in [&self.lib, &self.web] {
            fsck(repo);
            assert_eq!(repo.git(&["status", "--porcelain"]), "");
        }
        self.lab.ok(&["doctor"]);
    }
}

fn branches(repo: &Repo) -> Vec<String> {
    lines(&repo.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/wt/"]))
}

fn task(lab: &Lab, id: &str) -> Value {
    lab.json(&["task", "show", id])
}

#[test]
fn a_whole_life_in_a_further_repository() {
    let all = Several::new();
    let lab = &all.lab;
    assert_eq!(lab.ok(&["task", "create", "do it", "--repo", "lib"]), "created task 1 (do it) in lib\n");
    lab.ok(&["task", "create", "here"]);
    assert_eq!(lab.ok(&["task", "list"]), "[ ] 1  do it  (repo: lib)\n[ ] 2  here\n");
    let made = lab.ok(&["wt", "create", "w", "--task", "1"]);
    assert!(made.starts_with("created worktree w in lib on wt/w at "), "{made}");
    let tree = all.lib.at(".worktrees/w");
    assert_eq!(tree.read("lib.txt"), "lib\n", "it is a worktree of lib");
    assert_eq!((branches(&all.lib), lab.branches()), (vec!["wt/w".to_owned()], vec![]));
    assert_eq!(lab.json(&["wt", "list"])[0]["path"], tree.path().as_str());
    let index = lab.repo.read(".worktrees/index.json");
    assert!(index.contains(tree.path().as_str()), "the views stay in the home: {index}");
    assert!(!all.lib.path().join(".worktrees/index.json").exists());
    assert_eq!(lab.ok(&["run", "w", "--", "pwd"]).trim(), tree.path());
    assert_eq!(lab.ok(&["run", "w", "--", "sh", "-c", "echo $BIPLANE_ROOT"]).trim(), lab.root());
    tree.write("new.txt", "new\n");
    tree.commit("new");
    assert!(lab.ok(&["wt", "status", "w"]).contains("1 commit since"));
    assert!(lab.ok(&["wt", "diff", "w", "--stat"]).contains("new.txt"));
    let landed = lab.ok(&["merge", "w"]);
    assert!(landed.starts_with("landed w on main as ") && landed.contains("task 1 is completed"), "{landed}");
    assert_eq!(all.lib.read("new.txt"), "new\n", "the main checkout of lib follows");
    assert!(!lab.root().join("new.txt").exists());
    let listed = lab.ok(&["wt", "list"]);
    assert!(listed.contains("REPO") && listed.contains("lib"), "{listed}");
    lab.ok(&["wt", "remove", "w"]);
    assert_eq!((branches(&all.lib).len(), all.lib.path().join(".worktrees/w").exists()), (0, false));
    let events = lab.records();
    let of_lib = events.events().iter().filter(|e| e["worktree"]["repo"] == "lib").count();
    assert!(of_lib > 5, "events say which repository: {:?}", events.events());
    all.is_sound();
}

#[test]
fn every_verb_finds_the_repository_of_its_worktree() {
    let all = Several::new();
    let lab = &all.lab;
    let tree = all.work_in_lib("w", "a.txt", "a\n");
    lab.ok(&["task", "create", "t", "--repo", "lib"]);
    for args in [
        &["wt", "status", "w"][..],
        &["wt", "diff", "w"],
        &["wt", "path", "w"],
        &["wt", "setup", "w"],
        &["wt", "bind", "w", "--task", "1"],
        &["wt", "keep", "w"],
        &["submit", "w"],
        &["wt", "unbind", "w"],
        &["run", "w", "--", "true"],
        &["wt", "remove", "w", "--dry-run", "--force"],
    ] {
        lab.ok(args);
    }
    tree.write("b.txt", "b\n");
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    assert_eq!(lab.repo.git(&["for-each-ref", "refs/biplane/snapshots/"]), "");
    assert!(all.lib.git(&["for-each-ref", "--format=%(refname)"]).contains(snapshot));
    assert_eq!(lab.json(&["wt", "snapshots"])[0]["repo"], "lib");
    lab.ok(&["wt", "restore", "w"]);
    assert_eq!((tree.read("a.txt"), tree.read("b.txt")), ("a\n".to_owned(), "b\n".to_owned()));
    assert!(!lab.root().join(".worktrees/w").exists());
    let outside = all.env().root().join("by-hand");
    all.lib.git(&["worktree", "add", "-q", "-b", "feature", outside.as_str()]);
    lab.ok(&["wt", "adopt", outside.as_str()]);
    assert_eq!(lab.json(&["wt", "list"])[1]["repo"], "lib");
    lab.ok(&["doctor", "--fix"]);
    all.is_sound();
}

#[test]
fn any_directory_inside_any_of_them_finds_the_home() {
    let all = Several::new();
    let lab = &all.lab;
    all.lib.write("src/deep/file.txt", "x\n");
    all.lib.commit("deep");
    // The first command in the home that writes lets them all know.
    lab.ok(&["task", "create", "from the home"]);
    all.ok_in(all.lib.path().join("src/deep"), &["task", "create", "from lib"]);
    all.ok_in(all.lib.path().join(".git"), &["task", "list"]);
    all.ok_in(all.web.path(), &["wt", "create", "w"]);
    all.ok_in(all.web.path().join(".worktrees/w"), &["task", "create", "from inside"]);
    let repos: Vec<Value> =
        lab.json(&["task", "list"]).as_array().unwrap().iter().map(|t| t["repo"].clone()).collect();
    assert_eq!(repos, ["main", "lib", "web"], "without --repo it is the one that one stands in");
    assert!(!all.lib.path().join(".git/biplane/ledger.db").exists());
    assert_eq!(all.lib.read(".git/biplane/home"), format!("{}\n", lab.root()));
    let root =
        |dir: &Utf8Path| lab.call_in(all.env().root(), &["task", "list"]).env("BIPLANE_ROOT", dir).run();
    assert_eq!(root(&all.lib.path().join("src")).success().stdout, lab.ok(&["task", "list"]));
    // A run's `BIPLANE_ROOT` is the home; what it is about is where it stands.
    lab.ok(&["run", "w", "--", BIPLANE, "task", "create", "from a run"]);
    assert_eq!(task(lab, "4")["repo"], "web");
    all.is_sound();
}

#[test]
fn up_does_the_tasks_of_all_with_the_gate_of_each() {
    let all = Several::new();
    let lab = &all.lab;
    for (repo, subject) in [("lib", "good"), ("lib", "bad"), ("web", "bad"), ("main", "good")] {
        lab.ok(&["task", "create", subject, "--repo", repo]);
    }
    let agent = "case $BIPLANE_TASK_ID in 2|3) touch bad;; esac\n\
                 basename $(dirname $(dirname $PWD)) > of_$BIPLANE_TASK_ID.txt; git add -A; git commit -qm $BIPLANE_TASK_ID";
    let up = lab.call(&["up", "--"]).args(sh(agent)).patience(DEADLINE * 3).run();
    let said = all.said(&up);
    assert!(said.contains("the gate is `test -f app.txt"), "{up}");
    assert!(
        said.contains("the gate of `lib` is `test -f lib.txt && test ! -f bad` (from biplane.toml)"),
        "{up}"
    );
    assert!(said.contains("there is no gate of `web` (none is set): work lands untested"), "{up}");
    assert_eq!(all.lib.read("of_1.txt"), "lib\n");
    assert_eq!(
        (task(lab, "1")["status"].as_str(), task(lab, "2")["status"].as_str()),
        (Some("completed"), Some("blocked"))
    );
    assert!(task(lab, "2")["reason"].as_str().unwrap().contains("test -f lib.txt"), "its own gate was red");
    assert_eq!(all.web.read("of_3.txt"), "web\n");
    assert_eq!(lab.repo.read("of_4.txt"), "app\n");
    assert_eq!(all.web.git(&["log", "--format=%p", "-1"]).split(' ').count(), 1, "web squashes");
    assert_eq!(all.lib.git(&["log", "--format=%p", "-1"]).split(' ').count(), 2, "lib merges");
    all.is_sound();
}

#[test]
fn a_conflict_in_one_is_none_in_another() {
    let all = Several::new();
    let lab = &all.lab;
    all.work_in_lib("one", "same.txt", "one\n");
    all.work_in_lib("two", "same.txt", "two\n");
    lab.work("three", "same.txt", "three\n");
    lab.ok(&["merge", "one"]);
    let said = lab.fails(4, &["merge", "two"]);
    assert!(said.stderr.contains("conflict with `main`: `same.txt`"), "{said}");
    lab.ok(&["merge", "three", "--no-gate"]);
    assert_eq!(
        (all.lib.read("same.txt"), lab.repo.read("same.txt")),
        ("one\n".to_owned(), "three\n".to_owned())
    );
    all.is_sound();
}

#[test]
fn names_are_unique_in_a_home_and_tasks_stay_in_their_repository() {
    let all = Several::new();
    let lab = &all.lab;
    lab.create("w");
    lab.fails(4, &["wt", "create", "w", "--repo", "lib"]);
    lab.ok(&["task", "create", "t", "--repo", "lib"]);
    let said = all.said(&lab.fails(4, &["wt", "create", "v", "--task", "1", "--repo", "web"]));
    insta::assert_snapshot!(said, @r"
    error: task 1 is about repository `lib`, not `web`
    hint: leave out `--repo`: it is the task's
    ");
    let said = all.said(&lab.fails(4, &["wt", "bind", "w", "--task", "1"]));
    insta::assert_snapshot!(said, @"error: worktree `w` is one of repository `main`, and task 1 is about `lib`");
    let said = all.said(&lab.fails(5, &["task", "create", "t", "--repo", "lbi"]));
    insta::assert_snapshot!(said, @r"
    error: there is no repository `lbi`: there are `main`, `lib`, `web`
    hint: a `[[repo]]` in `biplane.toml` adds one
    ");
    for name in ["a b", "a\nb", "", "../lib", "\u{1b}[2J"] {
        let output = lab.fails(2, &["task", "create", "t", "--repo", name]);
        assert!(output.stderr.contains("is not a name of a repository: use 1 to 64 of"), "{output}");
        crate::lab::is_safe_for_a_terminal(&output);
    }
    lab.settings_file("[[repo]]\nname = \"a b\"\npath = \"../lib\"\n");
    let said = all.said(&lab.fails(2, &["task", "list"]));
    insta::assert_snapshot!(said, @"error: `biplane.toml` line 2, key `name`: `a b` is not a name of a repository: use 1 to 64 of `A-Z a-z 0-9 . _ -`");
    for (path, what) in [
        ("../app", "the `path` of `[[repo]]` `x` is that of `main`"),
        ("../lib/", "of `[[repo]]` `y` is that of `x`"),
    ] {
        lab.settings_file(&format!(
            "[[repo]]\nname = \"x\"\npath = \"{path}\"\n[[repo]]\nname = \"y\"\npath = \"../lib\"\n"
        ));
        let said = all.said(&lab.fails(2, &["task", "list"]));
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn a_repository_that_is_not_there_is_not_gone_and_nothing_else_is_harmed() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "in lib", "--repo", "lib", "--priority", "9"]);
    lab.ok(&["task", "create", "in app"]);
    let tree = all.work_in_lib("w", "a.txt", "a\n");
    lab.ok(&["submit", "w"]);
    let away = all.env().root().join("away");
    fs::rename(all.lib.path(), &away).unwrap();
    let listed = all.shown(&lab.ok(&["task", "list"]));
    insta::assert_snapshot!(listed, @r"
    [ ] 1  in lib  (repo: lib; priority: 9; not ready: repository `lib`: `[ENV]/lib` is not there)
    [ ] 2  in app
    ");
    assert_eq!(lab.json(&["task", "list", "--ready"]).as_array().unwrap().len(), 1);
    let said = all.said(&lab.fails(3, &["task", "claim", "1", "--owner", "ann"]));
    assert_eq!(said, "error: task 1 is not ready: repository `lib`: `[ENV]/lib` is not there");
    let said = all.said(&lab.fails(5, &["wt", "remove", "w", "--force"]));
    insta::assert_snapshot!(said, @r"
    error: repository `lib`: `[ENV]/lib` is not there
    hint: put it back, or set `path` of its `[[repo]]` in `biplane.toml`; nothing of it is taken for gone
    ");
    let up = lab.call(&["up", "--no-gate", "--"]).args(sh("echo x > x")).patience(DEADLINE * 2).run();
    assert_eq!(task(lab, "2")["status"], "completed", "{up}");
    assert_eq!(task(lab, "1")["status"], "pending", "{up}");
    lab.fails(1, &["doctor", "--fix"]);
    assert_eq!(lab.json(&["wt", "list"])[0]["name"], "w", "its record stays");
    fs::create_dir(all.lib.path()).unwrap();
    let said = all.said(&lab.fails(5, &["wt", "status", "w"]));
    assert!(said.starts_with("error: repository `lib`: `[ENV]/lib` is no git repository"), "{said}");
    fs::remove_dir(all.lib.path()).unwrap();
    fs::rename(&away, all.lib.path()).unwrap();
    assert_eq!(tree.read("a.txt"), "a\n");
    lab.call(&["up", "--"]).args(sh("echo y > y")).patience(DEADLINE * 2).run().success();
    assert_eq!(all.lib.read("a.txt"), "a\n", "what waited has landed");
    assert_eq!(task(lab, "1")["status"], "completed");
    all.is_sound();
}

#[test]
fn a_repository_that_moved_is_told_from_inside_and_linked_again() {
    let all = Several::new();
    let lab = &all.lab;
    all.work_in_lib("w", "a.txt", "a\n");
    let moved = all.env().root().join("moved");
    fs::rename(all.lib.path(), &moved).unwrap();
    let said = lab.call_in(&moved, &["task", "list"]).run().fails_with(3);
    insta::assert_snapshot!(all.said(&said), @r"
    error: `[ENV]/moved` belongs to the home `[ENV]/app`, whose settings list no repository there
    hint: if it was moved, set `path` of its `[[repo]]` in the `biplane.toml` there
    hint: if it is a copy, or is to have a board of its own, move `[ENV]/moved/.git/biplane/home` away
    ");
    lab.settings(&SETTINGS.replace("../lib", "../moved"));
    all.ok_in(&moved, &["task", "list"]);
    // The links between git and the worktree still name the old place.
    let fixed = lab.ok(&["doctor", "--fix"]);
    assert!(fixed.contains("lib: w"), "{fixed}");
    lab.ok(&["merge", "w"]);
    assert_eq!(all.lib.at(&moved).read("a.txt"), "a\n");
    lab.ok(&["doctor"]);
}

#[test]
fn a_home_that_moved_is_written_down_anew() {
    let all = Several::new();
    let lab = &all.lab;
    all.work_in_lib("w", "a.txt", "a\n");
    let moved = all.env().root().join("moved");
    fs::rename(lab.root(), &moved).unwrap();
    let said = lab.call_in(all.lib.path(), &["task", "list"]).run().fails_with(5);
    insta::assert_snapshot!(all.said(&said), @r"
    error: `[ENV]/lib` belongs to the home `[ENV]/app`, and there is none
    hint: if the home was moved, `biplane doctor --fix` in it writes its new place down; if it is gone for good, move `[ENV]/lib/.git/biplane/home` away
    ");
    let said = lab.call_in(&moved, &["wt", "status", "w"]).run().fails_with(3);
    insta::assert_snapshot!(all.said(&said), @r"
    error: repository `lib` belongs to the home `[ENV]/app`, which is not there
    hint: if this home was there and was moved, `biplane doctor --fix` writes its new place down; else mount it
    ");
    let seen = lab.call_in(&moved, &["doctor"]).run().fails_with(1).stdout;
    assert!(seen.contains("repository.home_moved"), "{seen}");
    let fixed = lab.call_in(&moved, &["doctor", "--fix"]).run().stdout;
    assert!(fixed.contains("fixed"), "{fixed}");
    assert_eq!(all.lib.read(".git/biplane/home"), format!("{moved}\n"));
    // Of a repository that no record is about it is not known whether it ever was this home's.
    assert_eq!(all.web.read(".git/biplane/home"), format!("{}\n", lab.root()));
    all.ok_in(all.lib.path(), &["wt", "status", "w"]);
    all.ok_in(&moved, &["merge", "w"]);
}

#[test]
fn a_repository_belongs_to_one_home() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "t"]);
    let other = all.env().repo("other");
    other.write("biplane.toml", "[[repo]]\nname = \"theirs\"\npath = \"../lib\"\n");
    other.commit("settings");
    let said = lab.call_in(other.path(), &["task", "create", "t", "--repo", "theirs"]).run().fails_with(4);
    insta::assert_snapshot!(all.said(&said), @r"
    error: repository `theirs` belongs to another home, `[ENV]/app`
    hint: take it out of the `biplane.toml` of one of the two; then, or when it is a copy, move `[ENV]/lib/.git/biplane/home` away
    ");
    lab.call_in(other.path(), &["task", "create", "own"]).run().success();
    assert_eq!(all.lib.read(".git/biplane/home"), format!("{}\n", lab.root()));
    lab.call_in(other.path(), &["doctor", "--fix"]).run().fails_with(1);
    assert_eq!(
        all.lib.read(".git/biplane/home"),
        format!("{}\n", lab.root()),
        "what is another's is left alone"
    );
    // One that has a board is nobody's further repository.
    let alone = all.env().repo("alone");
    lab.call_in(alone.path(), &["task", "create", "own"]).run().success();
    other.write("biplane.toml", "[[repo]]\nname = \"alone\"\npath = \"../alone\"\n");
    let said = lab.call_in(other.path(), &["wt", "create", "w", "--repo", "alone"]).run().fails_with(4);
    insta::assert_snapshot!(all.said(&said), @r"
    error: repository `alone` has a board of its own
    hint: when nobody needs that one, move `[ENV]/alone/.git/biplane/ledger.db`, `.tasks` and `.worktrees` of it away, then try again
    ");
    lab.call_in(alone.path(), &["task", "list"]).run().success();
}

#[test]
fn what_names_the_home_is_hostile() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "t"]);
    let file = all.lib.path().join(".git/biplane/home");
    for text in ["", "relative\n", "/\0\n", "\u{1b}[2J\n"] {
        fs::write(&file, text).unwrap();
        let output = lab.call_in(all.lib.path(), &["task", "list"]).run().fails_with(3);
        assert!(output.stderr.contains("names no home"), "{output}");
        crate::lab::is_safe_for_a_terminal(&output);
        lab.ok(&["task", "list"]);
    }
    fs::write(&file, vec![b'/'; 100_000]).unwrap();
    lab.call_in(all.lib.path(), &["task", "list"]).run().fails_with(3);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(lab.root().join("README.md"), &file).unwrap();
    lab.call_in(all.lib.path(), &["task", "list"]).run().fails_with(3);
    lab.call(&["wt", "create", "w", "--repo", "lib"]).run().fails_with(3);
    fs::remove_file(&file).unwrap();
    lab.ok(&["wt", "create", "w", "--repo", "lib"]);
    all.is_sound();
}

#[test]
fn a_repository_that_is_taken_out_of_the_settings_keeps_its_records() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "t", "--repo", "lib"]);
    all.work_in_lib("w", "a.txt", "a\n");
    lab.settings("gate = \"true\"\n");
    let listed = lab.ok(&["task", "list"]);
    assert!(listed.contains("not ready: there is no repository `lib`: there are `main`"), "{listed}");
    lab.fails(5, &["wt", "remove", "w", "--force"]);
    let seen = lab.fails(1, &["doctor", "--fix"]).stdout;
    assert!(seen.contains("repository.unlisted"), "{seen}");
    lab.settings(SETTINGS);
    lab.ok(&["merge", "w"]);
    all.is_sound();
}

#[test]
fn a_lost_ledger_is_brought_back_with_the_repositories_of_its_records() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "t", "--repo", "lib"]);
    all.work_in_lib("w", "a.txt", "a\n");
    lab.ok(&["run", "w", "--", "true"]);
    lab.ok(&["submit", "w"]);
    lab.create("here");
    for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = fs::remove_file(lab.root().join(".git/biplane").join(file));
    }
    lab.ok(&["doctor", "--rebuild", "--fix"]);
    assert_eq!(task(lab, "1")["repo"], "lib");
    let listed = lab.json(&["wt", "list"]);
    let repo_of = |name: &str| {
        listed
            .as_array()
            .unwrap()
            .iter()
            .find(|w| w["name"] == name)
            .map(|w| w["repo"].as_str().unwrap().to_owned())
    };
    assert_eq!((repo_of("w").as_deref(), repo_of("here").as_deref()), (Some("lib"), Some("main")));
    // The queue of lib goes on, with its own gate.
    lab.call(&["up", "--"]).args(sh("echo y > y")).patience(DEADLINE * 2).run().success();
    assert_eq!(all.lib.read("a.txt"), "a\n");
    all.is_sound();
}

#[test]
fn set_up_of_each_is_its_own_and_approved_alone() {
    let all = Several::new();
    let lab = &all.lab;
    let setup = "[repo.setup]\ncopy = [\"local.env\"]\nrun = [\"echo made > made.txt\"]\nenv = { WHERE = \"{root}\" }\n";
    lab.settings(&format!("{SETTINGS}{setup}"));
    all.web.write(".gitignore", "local.env\nmade.txt\n");
    all.web.commit("ignore");
    all.web.write("local.env", "secret\n");
    let said = lab.call(&["wt", "create", "w", "--repo", "web"]).run().success();
    assert!(said.stderr.contains("nobody has approved them"), "{said}");
    lab.fails(3, &["up", "--", "true"]);
    let none = lab.ok(&["setup", "show"]);
    assert!(none.contains("there are no set-up commands"), "{none}");
    let shown = lab.ok(&["setup", "show", "--repo", "web"]);
    assert!(shown.contains("in a new worktree in web") && shown.contains("echo made"), "{shown}");
    lab.ok(&["setup", "approve", "--yes", "--repo", "web"]);
    lab.ok(&["wt", "setup", "w"]);
    let tree = all.web.at(".worktrees/w");
    assert_eq!((tree.read("made.txt"), tree.read("local.env")), ("made\n".to_owned(), "secret\n".to_owned()));
    assert_eq!(lab.ok(&["run", "w", "--", "sh", "-c", "echo $WHERE"]).trim(), all.web.path());
    lab.create("here");
    assert!(!lab.root().join(".worktrees/here/made.txt").exists());
    all.is_sound();
}

#[test]
fn the_queue_of_one_does_not_wait_for_the_gate_of_another() {
    let all = Several::new();
    let lab = &all.lab;
    all.work_in_lib("slow", "a.txt", "a\n");
    lab.work("quick", "b.txt", "b\n");
    let (begun, go) = (all.env().root().join("begun"), all.env().root().join("go"));
    let gate =
        format!("touch {begun}; n=0; until test -e {go} || test $n -gt 900; do sleep 0.1; n=$((n+1)); done");
    let slow = lab.call(&["merge", "slow", "--gate", &gate]).patience(DEADLINE * 3).spawn();
    eventually(DEADLINE, "the gate of lib", || begun.exists());
    lab.ok(&["merge", "quick", "--gate", "true"]);
    assert_eq!(lab.repo.read("b.txt"), "b\n");
    fs::write(&go, "").unwrap();
    slow.wait(DEADLINE).success();
    assert_eq!(all.lib.read("a.txt"), "a\n");
    all.is_sound();
}

#[test]
fn up_over_all_of_them_is_killed_and_recovers() {
    let all = Several::new();
    let lab = &all.lab;
    let mut settings = SETTINGS.replace("agents = 3", "agents = 3\nrecoveries = 50");
    settings = settings.replace("gate = \"test -f app.txt || test ! -f bad\"\n", "");
    lab.settings(&settings);
    for n in 0..9 {
        lab.ok(&["task", "create", &format!("task {n}"), "--repo", ["main", "lib", "web"][n % 3]]);
    }
    let agent =
        "set -e; echo $BIPLANE_TASK_ID > task_$BIPLANE_TASK_ID.txt; sleep 0.1; git add -A; git commit -qm x";
    let up = || lab.call(&["up", "--"]).args(sh(agent)).patience(Duration::from_secs(180));
    for round in 1..=6 {
        let running = up().spawn();
        let before = lab.records().events().len();
        // Each time a little further.
        eventually(DEADLINE, "some work", || {
            lab.records().events().len() >= before + round * 5
                || lab.json(&["task", "list"]).as_array().unwrap().iter().all(|t| t["status"] == "completed")
        });
        running.kill();
    }
    up().run().success();
    for n in 1..=9 {
        assert_eq!(
            task(lab, &n.to_string())["status"],
            "completed",
            "{}",
            lab.ok(&["events", "--limit", "80"])
        );
        let repo = [&all.web, &lab.repo, &all.lib][n % 3];
        assert_eq!(repo.read(format!("task_{n}.txt")), format!("{n}\n"));
        assert_eq!(
            repo.git(&["log", "--oneline", "--diff-filter=A", "--", &format!("task_{n}.txt")])
                .lines()
                .count()
                .min(1),
            1
        );
    }
    for repo in [&lab.repo, &all.lib, &all.web] {
        assert_eq!(branches(repo), [""; 0]);
        assert_eq!(lines(&repo.git(&["worktree", "list"])).len(), 1);
        let pins = repo.git(&["for-each-ref", "--format=%(refname)", "refs/biplane/submissions/"]);
        assert_eq!(pins, "");
        let trees = repo.path().join(".worktrees");
        let left: Vec<_> =
            trees.read_dir_utf8().unwrap().flatten().map(|e| e.file_name().to_owned()).collect();
        let own = ["runs", "index.json", "events.jsonl"];
        assert!(left.iter().all(|name| own.contains(&name.as_str())), "{left:?}");
    }
    assert_eq!(lab.processes(), [""; 0]);
    all.is_sound();
}

#[test]
fn a_home_that_is_no_repository_drives_those_below_it() {
    let lab = Lab::new();
    let home = lab.env.dir("desk");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("biplane.toml"), "[[repo]]\nname = \"app\"\npath = \"../app\"\n").unwrap();
    lab.call_in(&home, &["task", "create", "t", "--repo", "app"]).run().success();
    lab.call_in(&home, &["wt", "create", "w", "--task", "1", "--no-start"]).run().success();
    assert_eq!(lab.ok(&["wt", "path", "w"]).trim(), lab.root().join(".worktrees/w"));
    lab.call_in(&home, &["wt", "create", "v"]).run().fails_with(3);
    lab.call_in(&home, &["up", "--no-gate", "--"])
        .args(sh("echo x > x"))
        .patience(DEADLINE * 2)
        .run()
        .success();
    assert_eq!(lab.repo.read("x"), "x\n");
    lab.call_in(&home, &["doctor"]).run().success();
}

#[test]
fn up_lands_in_one_while_the_gate_of_another_is_at_work() {
    let all = Several::new();
    let lab = &all.lab;
    let (begun, go) = (all.env().root().join("begun"), all.env().root().join("go"));
    let gate =
        format!("touch {begun}; n=0; until test -e {go} || test $n -gt 900; do sleep 0.1; n=$((n+1)); done");
    lab.ok(&["task", "create", "slow", "--repo", "lib", "--gate", &gate]);
    lab.ok(&["task", "create", "quick", "--after", "1"]);
    lab.ok(&["task", "update", "2", "--no-after"]);
    let agent = "n=0; until test $BIPLANE_TASK_ID = 1 || test -e \"$BEGUN\" || test $n -gt 900; do sleep 0.1; n=$((n+1)); done; echo x > x_$BIPLANE_TASK_ID";
    let up = lab.call(&["up", "--"]).args(sh(agent)).env("BEGUN", &begun).patience(DEADLINE * 3).spawn();
    eventually(DEADLINE, "the landing in the home", || task(lab, "2")["status"] == "completed");
    assert!(begun.exists() && task(lab, "1")["status"] == "in_review", "the gate of lib is at work");
    fs::write(&go, "").unwrap();
    up.wait(DEADLINE).success();
    assert_eq!((lab.repo.read("x_2"), all.lib.read("x_1")), ("x\n".to_owned(), "x\n".to_owned()));
    all.is_sound();
}

#[test]
fn an_agent_that_works_in_the_main_checkout_of_its_repository_is_noticed() {
    let all = Several::new();
    let lab = &all.lab;
    lab.ok(&["task", "create", "astray", "--repo", "lib"]);
    let agent = format!("echo x > {}; echo y > y", all.lib.path().join("lib.txt"));
    let up = lab.call(&["up", "--"]).args(sh(&agent)).patience(DEADLINE * 2).run();
    let astray = task(lab, "1");
    assert_eq!(astray["status"], "blocked", "{up}");
    let reason = astray["reason"].as_str().unwrap();
    assert!(
        reason.contains("worked outside its worktree: `lib.txt` in the main checkout was changed"),
        "{reason}"
    );
    assert_eq!(all.lib.read("lib.txt"), "x\n", "nothing is taken back");
}
