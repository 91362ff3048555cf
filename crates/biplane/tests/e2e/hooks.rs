//! The hooks of Claude Code, with what it was seen to give to them.

use biplane_testkit::Output;
use camino::Utf8Path;
use serde_json::json;

use crate::lab::{Lab, is_safe_for_a_terminal};

fn create(lab: &Lab, dir: &Utf8Path, name: &str) -> Output {
    let input = json!({
        "session_id": "2ffdcb64-2396-4fe7-8c08-33a0bc925077", "transcript_path": "/x.jsonl", "cwd": dir,
        "hook_event_name": "WorktreeCreate", "name": name,
    });
    lab.call_in(dir, &["hook", "claude", "worktree-create"]).stdin(input.to_string()).run()
}

fn remove(lab: &Lab, path: &str) -> Output {
    let input = json!({ "hook_event_name": "WorktreeRemove", "cwd": path, "worktree_path": path });
    lab.call(&["hook", "claude", "worktree-remove"]).stdin(input.to_string()).run()
}

#[test]
fn a_worktree_is_made_and_removed_and_nothing_is_lost() {
    let lab = Lab::new();
    let made = create(&lab, lab.root(), "feature/foo").success();
    let path = lab.root().join(".worktrees/feature-foo");
    assert_eq!(made.stdout, format!("{path}\n"), "the path and nothing else");
    assert!(made.stderr.contains("worktree `feature-foo` for `feature/foo`"), "{}", made.stderr);
    lab.repo.at(".worktrees/feature-foo").write("work.txt", "unsaved\n");
    lab.repo.at(".worktrees/feature-foo").write("more.txt", "committed\n");
    lab.repo.at(".worktrees/feature-foo").git(&["add", "more.txt"]);
    lab.repo.at(".worktrees/feature-foo").git(&["commit", "-qm", "more"]);

    // Another session that wishes for the same name gets a worktree of its own, from wherever it asks.
    let other = create(&lab, &path, "feature/foo").success();
    assert_eq!(other.stdout, format!("{}\n", lab.root().join(".worktrees/feature-foo-2")));

    let removed = remove(&lab, path.as_str()).success();
    assert_eq!(removed.stdout, "");
    assert!(
        removed.stderr.contains("`biplane worktree restore feature-foo` brings it back"),
        "{}",
        removed.stderr
    );
    assert!(!path.exists());
    lab.ok(&["worktree", "restore", "feature-foo"]);
    assert_eq!(lab.repo.read(".worktrees/feature-foo/work.txt"), "unsaved\n");
    assert_eq!(lab.repo.read(".worktrees/feature-foo/more.txt"), "committed\n");
    lab.is_sound();
}

#[test]
fn what_is_a_tasks_or_kept_goes_only_without_work() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "a", "--task", "1"]);
    create(&lab, lab.root(), "b").success();
    lab.ok(&["wt", "keep", "b"]);
    for name in ["a", "b"] {
        let tree = lab.repo.at(format!(".worktrees/{name}"));
        tree.write("x.txt", "x\n");
        remove(&lab, tree.path().as_str()).fails_with(3);
        assert_eq!(tree.read("x.txt"), "x\n");
    }
    lab.is_sound();
}

#[test]
fn hostile_input() {
    let lab = Lab::new();
    for (n, name) in ["../../../../tmp/x", "\u{1b}[2J$(id)`id`", "-rf", "", "index.json", "wt\n/x", "HEAD"]
        .into_iter()
        .enumerate()
    {
        let made = create(&lab, lab.root(), name).success();
        is_safe_for_a_terminal(&made);
        let path = Utf8Path::new(made.stdout.trim_end());
        assert_eq!(path.parent(), Some(lab.root().join(".worktrees").as_path()), "{name:?}");
        assert_eq!(lab.json(&["wt", "list"]).as_array().unwrap().len(), n + 1);
    }
    let away = lab.env.dir("away");
    std::fs::write(away.join("x"), "x").unwrap();
    for path in [away.as_str(), lab.root().as_str(), "/", "", "\u{1b}[2J", "relative"] {
        is_safe_for_a_terminal(&remove(&lab, path).fails_with(5));
    }
    assert!(away.join("x").exists() && lab.root().join(".git").exists());
    for input in ["", "[]", "{}", "{\"name\": 1}", "nonsense"] {
        let call = lab.call(&["hook", "claude", "worktree-create"]).stdin(input);
        assert_eq!(call.run().fails_with(2).stdout, "");
    }
    lab.is_sound();
}
