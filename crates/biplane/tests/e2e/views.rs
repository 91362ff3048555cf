//! The view files: their form, and that they come back whatever happens to them.

use std::{fs, io::Write as _};

use serde_json::Value;

use crate::lab::{DEADLINE, Lab, all_at_once, said};

/// A board with something of everything in it.
fn furnished() -> Lab {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one", "--description", "at length"]);
    lab.ok(&["task", "create", "two", "--prefix", "auth", "--after", "1"]);
    lab.ok(&["wt", "create", "bound", "--task", "1", "--owner", "ann"]);
    lab.create("free");
    lab.ok(&["wt", "keep", "free"]);
    lab.create("gone");
    lab.ok(&["wt", "remove", "gone"]);
    lab
}

fn read_json(lab: &Lab, path: &str) -> Value {
    serde_json::from_str(&lab.repo.read(path)).unwrap()
}

#[test]
fn tasks_worktrees_and_events_have_the_documented_fields_and_types() {
    let lab = furnished();
    let one = read_json(&lab, ".tasks/task_1.json");
    assert_eq!(one["id"], 1);
    for field in ["subject", "description", "status", "owner", "worktree", "worktree_state", "last_worktree"]
    {
        assert!(one[field].is_string(), "{field}: {one:#}");
    }
    assert_eq!(
        (&one["subject"], &one["description"], &one["status"], &one["owner"], &one["worktree"]),
        (&"one".into(), &"at length".into(), &"in_progress".into(), &"ann".into(), &"bound".into())
    );
    assert!(one["blockedBy"].as_array().unwrap().is_empty());
    let two = read_json(&lab, ".tasks/task_auth_001.json");
    assert_eq!(
        (&two["id"], &two["blockedBy"][0], &two["worktree"]),
        (&"auth_001".into(), &1.into(), &"".into())
    );
    let index = read_json(&lab, ".worktrees/index.json");
    let [bound, free, gone] = index["worktrees"].as_array().unwrap().as_slice() else { panic!("{index:#}") };
    assert_eq!(bound["path"], format!("{}/.worktrees/bound", lab.root()));
    assert_eq!(
        (&bound["branch"], &bound["task_id"], &bound["status"]),
        (&"wt/bound".into(), &1.into(), &"active".into())
    );
    assert!(free["task_id"].is_null() && free["kept_at"].is_f64(), "{free:#}");
    assert_eq!((&free["status"], &gone["status"]), (&"kept".into(), &"removed".into()));
    assert!(gone["removed_at"].is_f64() && bound.get("removed_at").is_none(), "{index:#}");
    for (record, field) in [(&one, "created_at"), (&one, "updated_at"), (bound, "created_at")] {
        assert!(record[field].is_f64() && record[field].as_f64().unwrap() > 1.7e9, "{record:#}");
    }
    for event in lab.records().events() {
        assert!(event["event"].is_string() && event["ts"].is_f64(), "{event:#}");
        assert!(event["task"].is_object() && event["worktree"].is_object(), "{event:#}");
    }
    lab.is_sound();
}

#[test]
fn nothing_of_ours_gets_into_a_commit() {
    let lab = furnished();
    lab.ok(&["run", "bound", "--", "true"]);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.repo.git(&["add", "-A"]);
    assert_eq!(lab.repo.git(&["diff", "--cached", "--name-only"]), "");
    let tree = lab.worktree("bound");
    assert_eq!(tree.git(&["status", "--porcelain", "--ignored"]), "");
    assert!(!lab.root().join(".gitignore").exists());
}

#[test]
fn views_that_git_clean_deletes_come_back_with_the_next_command() {
    let lab = furnished();
    let before = (
        lab.photograph(".tasks"),
        lab.repo.read(".worktrees/index.json"),
        lab.repo.read(".worktrees/events.jsonl"),
    );
    lab.repo.git(&["clean", "-q", "-fdx"]);
    assert!(!lab.root().join(".tasks/task_1.json").exists());
    lab.ok(&["task", "list"]);
    let after = (
        lab.photograph(".tasks"),
        lab.repo.read(".worktrees/index.json"),
        lab.repo.read(".worktrees/events.jsonl"),
    );
    assert_eq!(after, before);
    lab.is_sound();
}

#[test]
fn even_a_clean_that_deletes_the_worktrees_loses_no_commit() {
    let lab = furnished();
    let tree = lab.worktree("bound");
    tree.write("a.txt", "a\n");
    let tip = tree.commit("a");
    lab.repo.git(&["clean", "-q", "-ffdx"]);
    lab.ok(&["task", "list"]);
    assert_eq!(lab.repo.git(&["rev-parse", "wt/bound"]), tip);
    assert!(lab.root().join(".worktrees/index.json").is_file());
    lab.is_sound();
}

#[test]
fn a_view_edited_in_place_is_written_anew_and_told_of() {
    let lab = furnished();
    let before = lab.photograph(".tasks");
    for file in [".tasks/task_1.json", ".worktrees/index.json", ".worktrees/events.jsonl"] {
        lab.repo.write(file, "{\"id\": 1, \"subject\": \"forged\"}\n");
        let output = lab.call(&["task", "list"]).run().success();
        assert!(output.stderr.contains(file), "{file}: {output}");
        assert!(!lab.repo.read(file).contains("forged"), "{file}");
        let output = lab.call(&["task", "list"]).run().success();
        assert_eq!(output.stderr, "", "{file}: told once");
    }
    assert_eq!(lab.photograph(".tasks"), before);
    lab.repo.write(".tasks/task_1.json", "forged");
    let output = lab.call(&["wt", "list"]).run().success();
    insta::assert_snapshot!(said(&output, &lab), @"biplane: written anew, because something else had changed or deleted it: `.tasks/task_1.json`");
    lab.is_sound();
}

#[test]
fn a_torn_end_of_the_log_is_mended() {
    let lab = furnished();
    let path = lab.root().join(".worktrees/events.jsonl");
    let whole = fs::read(&path).unwrap();
    for cut in [1, 2, 40, whole.len() - 1, whole.len()] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        lab.ok(&["task", "list"]);
        assert_eq!(fs::read(&path).unwrap(), whole, "cut by {cut}");
    }
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"event\": \"worktree.cre").unwrap();
    drop(file);
    lab.ok(&["task", "create", "three"]);
    assert!(fs::read(&path).unwrap().starts_with(&whole));
    lab.is_sound();
}

#[test]
fn views_replaced_by_directories_and_links_do_no_harm() {
    let lab = furnished();
    let precious = lab.env.root().join("precious");
    fs::write(&precious, "precious\n").unwrap();
    for file in [".tasks/task_1.json", ".worktrees/index.json", ".worktrees/events.jsonl"] {
        let path = lab.root().join(file);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        lab.ok(&["task", "create", "more"]);
        assert!(!path.symlink_metadata().unwrap().is_symlink(), "{file}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let output = lab.call(&["task", "create", "more"]).run().success();
        assert!(output.stderr.contains("not"), "a view that can't be written is told of: {output}");
        fs::remove_dir(&path).unwrap();
    }
    lab.ok(&["task", "list"]);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious\n");
    lab.is_sound();
}

#[test]
fn the_directory_of_views_replaced_by_a_link_is_not_written_through() {
    let lab = furnished();
    let elsewhere = lab.env.dir("elsewhere");
    fs::remove_dir_all(lab.root().join(".tasks")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, lab.root().join(".tasks")).unwrap();
    let _ = lab.call(&["task", "create", "more"]).run();
    assert_eq!(elsewhere.read_dir_utf8().unwrap().count(), 0);
}

#[test]
fn views_never_go_backwards_under_16_writers() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.create("w");
    let script = "for i in 1 2 3 4 5 6; do \"$0\" task update 1 --priority $1$i >/dev/null && \
                  \"$0\" wt keep w --reason $1$i >/dev/null || exit 1; done";
    let mut writers: Vec<_> = (0..16)
        .map(|n: usize| {
            let call = lab.env.program("sh").in_dir(lab.root());
            call.args(["-c", script, crate::lab::BIPLANE, &n.to_string()]).spawn()
        })
        .collect();
    let (mut task, mut worktree, mut log) = (0, 0, 0);
    let done = || {
        let seen = read_json(&lab, ".tasks/task_1.json")["rev"].as_u64().unwrap();
        assert!(seen >= task, "task: {seen} after {task}");
        task = seen;
        let seen = read_json(&lab, ".worktrees/index.json")["worktrees"][0]["rev"].as_u64().unwrap();
        assert!(seen >= worktree, "worktree: {seen} after {worktree}");
        worktree = seen;
        let seen = lab.repo.read(".worktrees/events.jsonl").lines().count();
        assert!(seen >= log, "log: {seen} after {log}");
        log = seen;
        writers.iter_mut().all(|w| !w.is_running())
    };
    biplane_testkit::eventually(DEADLINE * 2, "all have written", done);
    for writer in writers {
        writer.wait(DEADLINE).success();
    }
    assert_eq!(read_json(&lab, ".tasks/task_1.json")["rev"], 97);
    lab.is_sound();
}

#[test]
fn readers_and_writers_at_once_leave_views_that_agree_with_the_ledger() {
    let lab = furnished();
    let calls = (0..24).map(|n| match n % 3 {
        0 => lab.call(&["task", "create", &format!("more {n}")]),
        1 => lab.call(&["task", "list"]),
        _ => lab.call(&["wt", "create", &format!("more{n}")]),
    });
    for output in all_at_once(calls) {
        let output = output.success();
        assert_eq!(output.stderr, "", "nothing is damaged: {output}");
    }
    lab.is_sound();
}
