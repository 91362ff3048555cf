//! Whose work would conflict, before anybody lands anything.

use std::os::unix::fs::symlink;

use biplane_testkit::{Repo, photograph};
use serde_json::{Value, json};

use crate::{
    lab::{Lab, is_safe_for_a_terminal},
    several::Several,
};

/// What there is of conflicts, in short: the worktree, the other one or null, the files.
fn short(report: &Value) -> Vec<Value> {
    let conflicts = report["conflicts"].as_array().unwrap().iter();
    let files = |one: &Value| -> Vec<String> {
        let files = one["files"].as_array().unwrap().iter();
        let mark = |file: &Value| if file["uncommitted"] == true { "*" } else { "" };
        files
            .map(|f| format!("{}{} {}", f["path"].as_str().unwrap(), mark(f), f["how"].as_str().unwrap()))
            .collect()
    };
    conflicts.map(|one| json!([one["worktree"], one["with"], files(one)])).collect()
}

fn numbered(lines: std::ops::RangeInclusive<u32>) -> String {
    lines.map(|n| format!("line {n}\n")).collect()
}

/// A repository with a file of ten lines.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.repo.write("a.txt", numbered(1..=10));
    lab.repo.commit("ten lines");
    lab
}

/// Changes a line.
fn edit(tree: &Repo, line: u32, to: &str) {
    let text = tree.read("a.txt").replace(&format!("line {line}\n"), &format!("{to}\n"));
    tree.write("a.txt", text);
}

#[test]
fn what_would_conflict_is_told_before_anything_lands() {
    let lab = lab();
    lab.ok(&["task", "create", "First"]);
    lab.ok(&["wt", "create", "one", "--task", "1"]);
    let (one, two, three, four) =
        (lab.worktree("one"), lab.create("two"), lab.create("three"), lab.create("four"));
    lab.create("idle");
    edit(&one, 2, "by one");
    one.commit("one");
    // The same place, not committed; another place of the same file; a file that both add.
    edit(&two, 2, "by two");
    edit(&three, 9, "by three");
    three.commit("three");
    three.write("new.txt", "three\n");
    four.write("new.txt", "four\n");
    four.commit("four");
    let report = lab.json(&["conflicts"]);
    assert_eq!(
        short(&report),
        [json!(["four", "three", ["new.txt* both_added"]]), json!(["one", "two", ["a.txt* both_changed"]]),],
        "{report}"
    );
    assert_eq!((&report["worktrees"], &report["conflicts"][1]["task_id"]), (&json!(5), &json!(1)));
    assert_eq!(report["left_out"], json!({ "worktrees": 0, "pairs": 0 }));
    assert_eq!(
        lab.ok(&["conflicts"]),
        "WORKTREE  TASK  WITH   TASK  FILES\n\
         four      -     three  -     new.txt (both added, uncommitted)\n\
         one       1     two    -     a.txt (both changed, uncommitted)\n"
    );
    assert_eq!(
        short(&lab.json(&["conflicts", "two", "idle"])),
        [json!(["one", "two", ["a.txt* both_changed"]])]
    );
    assert_eq!(lab.ok(&["conflicts", "idle"]), "no conflicts among 5 worktrees\n");
    lab.fails(5, &["conflicts", "nobody"]);
    // When one of them has landed, the other conflicts with the target.
    lab.ok(&["merge", "one", "--no-gate"]);
    assert_eq!(
        short(&lab.json(&["conflicts"])),
        [json!(["two", null, ["a.txt* both_changed"]]), json!(["four", "three", ["new.txt* both_added"]]),]
    );
    assert!(
        lab.ok(&["conflicts", "two"])
            .contains("two       -     branch main  -     a.txt (both changed, uncommitted)\n")
    );
}

#[test]
fn nothing_is_touched_by_looking() {
    let lab = lab();
    let (one, two) = (lab.create("one"), lab.create("two"));
    edit(&one, 2, "by one");
    edit(&two, 2, "by two");
    two.git(&["add", "a.txt"]);
    edit(&two, 3, "and more");
    two.write("new.txt", "new\n");
    lab.ok(&["conflicts"]);
    // Of biplane's own only the names: whoever reads the ledger notes where it is in the engine's index.
    let names = |files: Vec<(String, Vec<u8>)>| files.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let look = || {
        let git = photograph(&lab.root().join(".git"), &["biplane"]);
        (names(lab.photograph(".git/biplane")), git, photograph(lab.root(), &[".git"]))
    };
    let before = look();
    let report = lab.json(&["conflicts"]);
    assert_eq!(short(&report), [json!(["one", "two", ["a.txt* both_changed"]])]);
    let after = look();
    assert_eq!(before.0, after.0);
    assert!(before == after, "a file has changed");
    lab.is_sound();
}

#[test]
fn moved_directories_and_work_on_top_of_other_work() {
    let lab = lab();
    for file in ["d/a.txt", "d/b.txt", "d/c.txt"] {
        lab.repo.write(file, numbered(1..=20));
    }
    lab.repo.commit("a directory");
    let (moves, adds) = (lab.create("moves"), lab.create("adds"));
    moves.git(&["mv", "d", "e"]);
    moves.commit("move it");
    adds.write("d/new.txt", "new\n");
    adds.commit("something new in it");
    assert_eq!(short(&lab.json(&["conflicts"])), [json!(["adds", "moves", ["e/new.txt moved"]])]);
    lab.ok(&["wt", "remove", "moves", "--force"]);
    // One that begins where another one is has its work, and says nothing against it.
    edit(&adds, 2, "by adds");
    adds.commit("more");
    lab.ok(&["wt", "create", "above", "--base", "wt/adds"]);
    edit(&lab.worktree("above"), 2, "by adds");
    lab.worktree("above").write("a.txt", lab.worktree("above").read("a.txt").replace("by adds", "by above"));
    lab.worktree("above").commit("on top");
    assert_eq!(short(&lab.json(&["conflicts"])), [json!(null); 0]);
}

#[test]
fn hostile_names_and_places() {
    let lab = lab();
    let (one, two) = (lab.create("one"), lab.create("two"));
    let name = "x\u{1b}[2J\n`rm`, y";
    for (tree, text) in [(&one, "1\n"), (&two, "2\n")] {
        tree.write(name, text);
        tree.write("-n", text);
    }
    one.commit("strange");
    let output = lab.call(&["conflicts"]).run().success();
    is_safe_for_a_terminal(&output);
    assert_eq!(output.stdout.lines().count(), 2, "{output}");
    let report = lab.json(&["conflicts"]);
    assert_eq!(report["conflicts"][0]["files"][1]["path"], name, "{report}");
    // What can't be looked into is not clean.
    let place = lab.root().join(".worktrees/two");
    std::fs::rename(&place, lab.env.root().join("two")).unwrap();
    symlink(lab.env.root().join("two"), &place).unwrap();
    let output = lab.call(&["conflicts"]).run().success();
    assert!(output.stderr.contains("whether `two` conflicts is not known: "), "{output}");
    let report = lab.json(&["conflicts"]);
    assert_eq!(report["unknown"][0]["worktree"], "two");
    assert_eq!(report["worktrees"], 1, "it was not looked into: {report}");
}

#[test]
fn many_worktrees_on_one_file() {
    let lab = lab();
    for n in 1..=30 {
        let tree = lab.create(&format!("w{n}"));
        edit(&tree, n % 10 + 1, &format!("by {n}"));
        if n % 2 == 0 {
            tree.commit("work");
        }
    }
    let report = lab.json(&["conflicts"]);
    // Lines side by side contradict each other too.
    let expected =
        (1..=30_i32).flat_map(|a| (a + 1..=30).map(move |b| (a % 10 - b % 10).abs())).filter(|d| *d <= 1);
    assert_eq!(report["conflicts"].as_array().unwrap().len(), expected.count(), "{}", report["left_out"]);
    assert_eq!(report["worktrees"], 30);
}

#[test]
fn each_repository_has_its_own_target() {
    let several = Several::new();
    for (name, text) in [("one", "1\n"), ("two", "2\n")] {
        several.work_in_lib(name, "lib.txt", text);
        several.lab.work(&format!("app-{name}"), "lib.txt", text);
    }
    let report = several.lab.json(&["conflicts"]);
    let told: Vec<_> =
        report["conflicts"].as_array().unwrap().iter().map(|c| (&c["repo"], &c["worktree"])).collect();
    assert_eq!(told, [(&json!("main"), &json!("app-one")), (&json!("lib"), &json!("one"))], "{report}");
    let shown = several.lab.ok(&["conflicts"]);
    assert!(shown.starts_with("REPO  WORKTREE"), "{shown}");
    // Who asks about one is not told of repositories that it is not in, and one without a target keeps nothing of the others back.
    several.lib.git(&["checkout", "-q", "--detach"]);
    let report = several.lab.json(&["conflicts"]);
    assert_eq!(report["conflicts"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["conflicts"][0]["worktree"], "app-one", "{report}");
    let unknown: Vec<_> = report["unknown"].as_array().unwrap().iter().map(|u| &u["worktree"]).collect();
    assert_eq!(unknown, [&json!("one"), &json!("two")], "{report}");
    let report = several.lab.json(&["conflicts", "app-one"]);
    assert_eq!((&report["unknown"], &report["worktrees"]), (&json!([]), &json!(2)), "{report}");
}
