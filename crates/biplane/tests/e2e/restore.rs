//! Bringing worktrees back: what was removed comes back as it was, and nothing is lost on the way.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use serde_json::Value;

use crate::lab::{Lab, said};

/// Every file with its mode and bytes, and what git says.
fn picture(lab: &Lab, name: &str) -> BTreeMap<String, String> {
    let top = lab.root().join(".worktrees").join(name);
    let mut picture = BTreeMap::new();
    let mut open = vec![top.clone()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().unwrap().flatten() {
            let path = entry.path().to_owned();
            if path == top.join(".git") {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let what = if meta.is_dir() {
                open.push(path.clone());
                "directory".to_owned()
            } else if meta.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else {
                fs::read(&path).unwrap().escape_ascii().to_string()
            };
            let name = path.strip_prefix(&top).unwrap().to_string();
            picture.insert(name, format!("{:o} {what}", meta.permissions().mode()));
        }
    }
    for args in [&["status", "--porcelain=v2", "-z"][..], &["ls-files", "-s"], &["log", "--format=%H %s"]] {
        picture.insert(args.join(" "), lab.repo.at(&top).git(args));
    }
    picture
}

/// A worktree with work of every kind.
fn worked(lab: &Lab, name: &str) {
    lab.repo.write(".gitignore", ".env\n*.db\ntarget/\n");
    lab.repo.commit("ignore");
    let tree = lab.create(name);
    tree.write("done.txt", "done\n");
    tree.commit("unlanded");
    tree.write("README.md", "staged\n");
    tree.git(&["add", "README.md"]);
    tree.write("README.md", "staged, then changed\n");
    tree.write("new/untracked.txt", "untracked\n");
    tree.write(".env", "SECRET=1\n");
    fs::set_permissions(tree.path().join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir(tree.path().join("empty")).unwrap();
    std::os::unix::fs::symlink("nowhere", tree.path().join("link")).unwrap();
    // A database with a write-ahead log, as a killed program leaves it.
    tree.write("app.db", [&b"SQLite format 3\0"[..], &[0, 255, 10, 13]].concat());
    tree.write("app.db-wal", [7, 0, 7]);
    tree.git(&["status"]);
}

#[test]
fn a_removed_worktree_comes_back_as_it_was() {
    let lab = Lab::new();
    worked(&lab, "w");
    let before = picture(&lab, "w");
    lab.ok(&["wt", "remove", "w", "--force"]);
    let output = lab.call(&["wt", "restore", "w"]).run().success();
    let shown = output.stdout.replace(lab.root().as_str(), "[REPO]");
    insta::assert_snapshot!(shown, @r"
    restored worktree w from refs/biplane/snapshots/w/1
    [REPO]/.worktrees/w
    ");
    assert_eq!(picture(&lab, "w"), before);
    let words = lab.event_words();
    assert_eq!(
        words[words.len() - 3..],
        ["worktree.create.before", "worktree.create.after", "worktree.restore"]
    );
    // Removed again, and brought back again.
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["wt", "restore", "w"]);
    assert_eq!(picture(&lab, "w"), before);
    assert!(lab.json(&["wt", "status", "w"])["commits"] == 1, "it still counts from its old base");
    lab.is_sound();
}

#[test]
fn beside_it_under_another_name_and_an_older_one() {
    let lab = Lab::new();
    for n in 1..=2 {
        let tree = lab.create("w");
        tree.write("a.txt", format!("{n}\n"));
        lab.ok(&["wt", "remove", "w", "--force"]);
    }
    let live = lab.create("w");
    live.write("b.txt", "live\n");
    lab.ok(&["wt", "restore", "w", "--snapshot", "1", "--as", "old"]);
    assert_eq!(lab.worktree("old").read("a.txt"), "1\n");
    assert_eq!(lab.worktree("old").git(&["branch", "--show-current"]), "wt/old");
    assert_eq!(live.read("b.txt"), "live\n");
    lab.fails(5, &["wt", "restore", "w", "--snapshot", "9"]);
    let output = lab.fails(5, &["wt", "restore", "nobody"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: there is no snapshot of `nobody`
    hint: `biplane wt snapshots` shows them
    ");
    lab.is_sound();
}

#[test]
fn one_that_is_there_is_replaced_only_by_force_and_saved_first() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.worktree("w").write("a.txt", "first\n");
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.worktree("w").write("a.txt", "second\n");
    let output = lab.fails(4, &["wt", "restore", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: worktree `w` is there
    hint: `--as NAME` restores beside it; `--force` replaces it, with a snapshot of it first
    ");
    let before = (lab.photograph(".worktrees"), lab.repo.git(&["for-each-ref"]));
    let output = lab.call(&["wt", "restore", "w", "--force", "--dry-run"]).run().success();
    let head = lab.repo.head();
    insta::assert_snapshot!(output.stdout.replace(&head[..10], "[HEAD]"), @r"
    restoring refs/biplane/snapshots/w/1 would:
    - take a snapshot of `.worktrees/w` as it is, and remove it
    - create the worktree `w` from refs/biplane/snapshots/w/1
    - put the branch `wt/w` at [HEAD]
    ");
    assert_eq!((lab.photograph(".worktrees"), lab.repo.git(&["for-each-ref"])), before);
    let restored = lab.json(&["wt", "restore", "w", "--force"]);
    assert_eq!(restored["replaced"], "refs/biplane/snapshots/w/2");
    assert_eq!(restored["worktree"]["task_id"], 1, "its task is open and still named it");
    assert_eq!(lab.worktree("w").read("a.txt"), "first\n");
    lab.ok(&["wt", "restore", "w", "--snapshot", "2", "--force"]);
    assert_eq!(lab.worktree("w").read("a.txt"), "second\n");
    lab.is_sound();
}

#[test]
fn a_closed_task_is_not_bound_again() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.worktree("w").write("a.txt", "a\n");
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["task", "cancel", "1"]);
    assert_eq!(lab.json(&["wt", "restore", "w"])["worktree"]["task_id"], Value::Null);
    lab.is_sound();
}

#[test]
fn a_branch_in_the_way_is_named_and_left() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    let tip = tree.head();
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.repo.git(&["branch", "wt/w", "main"]);
    let output = lab.fails(4, &["wt", "restore", "w"]);
    assert!(
        output.stderr.contains("the branch `wt/w` is there, at ") && output.stderr.contains("--as NAME"),
        "{output}"
    );
    assert_eq!(lab.directories(), [""; 0]);
    // One that is where the snapshot has it is taken for its own.
    lab.repo.git(&["branch", "-f", "wt/w", &tip]);
    lab.ok(&["wt", "restore", "w"]);
    assert_eq!(lab.worktree("w").head(), tip);
    // Another branch was checked out, and has moved on since.
    lab.worktree("w").git(&["checkout", "-q", "-b", "mine"]);
    lab.worktree("w").write("m.txt", "m\n");
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.repo.git(&["branch", "-f", "mine", "main"]);
    let output = lab.fails(4, &["wt", "restore", "w"]);
    assert!(output.stderr.contains("the branch `mine` was checked out in it at "), "{output}");
    lab.repo.git(&["branch", "-f", "mine", &tip]);
    lab.ok(&["wt", "restore", "w"]);
    assert_eq!(lab.worktree("w").git(&["branch", "--show-current"]), "mine");
    lab.is_sound();
}

#[test]
fn what_is_too_much_is_refused_with_what_to_do() {
    let lab = Lab::new();
    lab.settings("[snapshots]\nmax_size = \"64K\"\nleave_out = [\"out\"]\n");
    lab.repo.write(".gitignore", "out/\n*.bin\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    tree.write("out/huge", vec![b'x'; 200_000]);
    tree.write("data.bin", vec![b'x'; 100_000]);
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: a snapshot can't be taken: untracked and ignored files come to 97.7 KiB, more than 64.0 KiB; the largest are `data.bin` (97.7 KiB)
    hint: delete what nobody needs, or raise `max_size` or add a name to `leave_out` in `[snapshots]` of `biplane.toml`
    ");
    assert_eq!(lab.directories(), ["w"]);
    fs::remove_file(tree.path().join("data.bin")).unwrap();
    // What is left out needs no snapshot.
    assert_eq!(lab.json(&["wt", "remove", "w"])["snapshot"], Value::Null);
}

#[test]
fn pruning_keeps_the_last_of_unlanded_work() {
    let lab = Lab::new();
    lab.settings("[snapshots]\nkeep_count = 2\n");
    for n in 1..=4 {
        let tree = lab.create("w");
        tree.write("a.txt", format!("{n}\n"));
        lab.ok(&["wt", "remove", "w", "--force"]);
    }
    let numbers = |name: &str| -> Vec<u64> {
        let list = lab.json(&["wt", "snapshots", name]);
        list.as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers("w"), [4, 3], "removing prunes");
    let records = lab.records();
    let events = records.events();
    let pruned: Vec<_> = events.iter().filter(|e| e["event"] == "snapshot.pruned").collect();
    assert!(pruned[0]["data"]["refs"][0].as_str().unwrap().starts_with("refs/biplane/snapshots/w/1 "));
    // Everything is too old now; the last one has work that the target lacks.
    lab.settings("[snapshots]\nkeep_for = \"1s\"\n");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let dry = lab.json(&["wt", "snapshots", "--prune", "--dry-run"]);
    assert_eq!(dry["pruned"], serde_json::json!(["refs/biplane/snapshots/w/3"]));
    assert_eq!(numbers("w"), [4, 3]);
    insta::assert_snapshot!(lab.ok(&["wt", "snapshots", "--prune"]).lines().last().unwrap(), @"kept refs/biplane/snapshots/w/4: the target lacks work that it holds");
    assert_eq!(numbers("w"), [4]);
    // It has landed by another way.
    lab.repo.write("a.txt", "4\n");
    lab.repo.commit("the same");
    assert_eq!(lab.json(&["wt", "snapshots"])[0]["landed"], true);
    lab.ok(&["wt", "snapshots", "--prune"]);
    assert_eq!(numbers("w"), [0; 0]);
    lab.is_sound();
}

#[test]
fn a_cancelled_task_and_a_failed_agent_leave_a_snapshot_and_their_worktree() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    lab.worktree("w").write("a.txt", "a\n");
    let output = lab.call(&["task", "cancel", "1"]).run().success();
    assert!(
        output.stderr.contains("the uncommitted work in `w` is in refs/biplane/snapshots/w/1"),
        "{output}"
    );
    assert_eq!(lab.worktree("w").read("a.txt"), "a\n");
    lab.ok(&["task", "create", "two"]);
    lab.call(&["up", "--no-gate", "--", "sh", "-c", "echo half > half.txt; exit 3"]).run().fails_with(1);
    assert_eq!(lab.repo.git(&["show", "refs/biplane/snapshots/2-two/1:half.txt"]), "half");
    assert_eq!(lab.worktree("2-two").read("half.txt"), "half\n");
    // One that is clean needs none.
    lab.ok(&["task", "create", "three"]);
    lab.ok(&["wt", "create", "x", "--task", "3"]);
    lab.ok(&["task", "cancel", "3"]);
    assert_eq!(lab.json(&["wt", "snapshots", "x"]), serde_json::json!([]));
    lab.is_sound();
}

#[test]
fn a_list_says_what_each_holds() {
    let lab = Lab::new();
    assert_eq!(lab.call(&["wt", "snapshots"]).run().success().stderr.trim(), "biplane: no snapshots");
    worked(&lab, "w");
    lab.ok(&["wt", "remove", "w", "--force", "--reason", "not \x1b[2Jwanted\nany more"]);
    let list = lab.json(&["wt", "snapshots", "w"]);
    assert_eq!(
        (&list[0]["files"], &list[0]["landed"], &list[0]["branch"]),
        (&Value::from(6), &Value::from(false), &Value::from("wt/w"))
    );
    let shown = lab.call(&["wt", "snapshots"]).run().success();
    crate::lab::is_safe_for_a_terminal(&shown);
    assert!(shown.stdout.starts_with("NAME"), "{shown}");
}

/// Kills the restore at every place where it has an effect; afterwards it is there, or it is not, and can be repeated.
#[test]
fn killed_at_any_moment_it_leaves_nothing_half_done() {
    let prepared = || {
        let lab = Lab::new();
        worked(&lab, "w");
        lab.worktree("w").git(&["checkout", "-q", "--detach"]);
        let before = picture(&lab, "w");
        lab.ok(&["wt", "remove", "w", "--force"]);
        (lab, before)
    };
    let (lab, _) = prepared();
    let log = lab.env.root().join("places");
    lab.call(&["wt", "restore", "w"]).env("FAILPOINT_LOG", &log).run().success();
    let places = fs::read_to_string(&log).unwrap().lines().count();
    assert!(places > 10, "{places}");
    let (lab, before) = prepared();
    for place in 1..=places {
        let killed = lab.call(&["wt", "restore", "w"]).env("FAILPOINT", place.to_string()).run();
        if killed.code == 0 {
            lab.ok(&["wt", "remove", "w", "--force"]);
            continue;
        }
        lab.ok(&["doctor", "--fix"]);
        if lab.json(&["wt", "list"]).as_array().unwrap().is_empty() {
            assert_eq!((lab.directories(), lab.linked()), (vec![], 0), "place {place}");
            lab.ok(&["wt", "restore", "w"]);
        }
        assert_eq!(picture(&lab, "w"), before, "place {place}");
        lab.ok(&["wt", "remove", "w", "--force"]);
    }
    lab.is_sound();
}
