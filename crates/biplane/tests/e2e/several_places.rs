//! Further repositories that are not where they were, or not this home's.

use std::fs;

use crate::{
    lab::{DEADLINE, sh},
    several::{SETTINGS, Several, task},
};

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
