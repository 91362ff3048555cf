//! Where it is started from, and in what kind of repository.

use biplane_testkit::TestEnv;
use camino::Utf8Path;

use crate::lab::{BIPLANE, DEADLINE, Lab, fsck};

/// The ledgers below a directory.
fn ledgers(below: &Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![below.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().unwrap().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                open.push(entry.path().to_owned());
            } else if entry.file_name() == "ledger.db" {
                found.push(entry.path().strip_prefix(below).unwrap().to_string());
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn a_subdirectory_and_a_worktree_are_the_same_home() {
    let lab = Lab::new();
    lab.repo.write("src/deep/a.rs", "\n");
    lab.repo.commit("deep");
    lab.call_in(lab.root().join("src/deep"), &["task", "create", "one"]).run().success();
    lab.create("w");
    let inside = lab.root().join(".worktrees/w/src");
    lab.call_in(&inside, &["task", "create", "two"]).run().success();
    lab.call_in(&inside, &["wt", "create", "v"]).run().success();
    lab.call_in(lab.root().join(".git"), &["task", "create", "three"]).run().success();
    lab.call_in(lab.env.root(), &["-C", "app/src", "task", "create", "four"]).run().success();
    assert_eq!(ledgers(lab.env.root()), ["app/.git/biplane/ledger.db"]);
    assert_eq!(lab.json(&["task", "list"]).as_array().unwrap().len(), 4);
    assert_eq!(lab.directories(), ["v", "w"]);
    assert!(!inside.join("../.tasks").exists());
    lab.is_sound();
}

#[test]
fn a_base_is_the_head_of_the_main_checkout_from_inside_a_worktree_too() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    lab.call_in(tree.path(), &["wt", "create", "v"]).run().success();
    assert_eq!(lab.worktree("v").head(), lab.repo.head());
}

#[test]
fn a_hook_with_gits_variables_reaches_the_same_board() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "first"]);
    let hook = format!(
        "#!/bin/sh\nexport GIT_DIR=$(git rev-parse --absolute-git-dir) GIT_INDEX_FILE=$PWD/.git/index GIT_WORK_TREE=$PWD\n\
         exec '{BIPLANE}' task create \"after $(git log -1 --format=%s)\"\n"
    );
    lab.repo.write(".git/hooks/post-commit", hook);
    std::fs::set_permissions(
        lab.root().join(".git/hooks/post-commit"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    lab.repo.write("a.txt", "a\n");
    lab.repo.commit("with a hook");
    assert_eq!(lab.json(&["task", "show", "2"])["subject"], "after with a hook");
    // Work in a worktree and its landing run no hook of ours, and the hook in it finds the same board.
    lab.work("w", "b.txt", "b\n");
    assert_eq!(lab.json(&["task", "show", "3"])["subject"], "after w: b.txt");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.json(&["task", "list"]).as_array().unwrap().len(), 3);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn a_leaked_git_dir_of_another_repository_counts_for_nothing() {
    let lab = Lab::new();
    let other = lab.env.repo("other");
    let call = |args: &[&str]| {
        lab.call(args)
            .env("GIT_DIR", other.path().join(".git"))
            .env("GIT_WORK_TREE", other.path())
            .env("GIT_INDEX_FILE", other.path().join(".git/index"))
    };
    call(&["task", "create", "one"]).run().success();
    call(&["wt", "create", "w"]).run().success();
    let seen = call(&["run", "w", "--", "git", "rev-parse", "--show-toplevel"]).run().success();
    assert_eq!(seen.stdout.trim(), lab.root().join(".worktrees/w"));
    assert_eq!(other.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(ledgers(lab.env.root()), ["app/.git/biplane/ledger.db"]);
    lab.is_sound();
}

#[test]
fn a_repository_without_a_commit_has_tasks_and_says_what_worktrees_need() {
    let env = TestEnv::new();
    let dir = env.dir("new");
    env.program("git").args(["init", "-q"]).arg(&dir).run().success();
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(&dir).args(args);
    call(&["task", "create", "one"]).run().success();
    let said = call(&["wt", "create", "w", "--task", "1"]).run().fails_with(3).stderr;
    insta::assert_snapshot!(said, @r"
    error: the repository has no commit yet
    hint: make a first commit: `git commit --allow-empty -m start`
    ");
    let said = call(&["up", "--", "true"]).run().fails_with(3).stderr;
    insta::assert_snapshot!(said, @r"
    error: the repository has no commit yet
    hint: make a first commit: `git commit --allow-empty -m start`
    ");
    assert_eq!(call(&["task", "show", "1", "--json"]).run().success().json()["status"], "pending");
}

#[test]
fn a_bare_repository_has_tasks_worktrees_and_landings() {
    let env = TestEnv::new();
    let source = env.repo("source");
    let bare = env.root().join("bare.git");
    source.git(&["clone", "-q", "--bare", ".", bare.as_str()]);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(&bare).args(args);
    call(&["task", "create", "one"]).run().success();
    let path = call(&["wt", "create", "w", "--task", "1", "--json"]).run().success().json();
    let tree = source.at(path["path"].as_str().unwrap());
    tree.write("a.txt", "a\n");
    tree.commit("a");
    call(&["merge", "w", "--gate", "test -f a.txt"]).run().success();
    let files = source.at(&bare).git(&["ls-tree", "--name-only", "main"]);
    assert!(files.contains("a.txt"), "{files}");
    env.biplane(BIPLANE).in_dir(tree.path()).args(["task", "list"]).run().success();
    call(&["wt", "remove", "w"]).run().success();
    call(&["up", "--", "sh", "-c", "echo b > b.txt"]).run().success();
    fsck(&source.at(&bare));
    assert_eq!(ledgers(env.root()), ["bare.git/biplane/ledger.db"]);
}

#[test]
fn a_path_with_spaces_quotes_and_a_newline_is_a_path() {
    let lab = Lab::named("my \"app\"\n'$x é");
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "create", "w", "--task", "1"]);
    let tree = lab.worktree("w");
    tree.write("a b\nc.txt", "a\n");
    tree.commit("a");
    lab.call_in(tree.path(), &["wt", "status", "w"]).run().success();
    lab.ok(&["run", "w", "--", "true"]);
    lab.ok(&["merge", "w", "--gate", "test -f 'a b\nc.txt'"]);
    lab.ok(&["wt", "remove", "w"]);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn outside_of_git_there_are_tasks_and_no_worktrees() {
    let env = TestEnv::new();
    let dir = env.dir("plain/sub");
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(env.root().join("plain")).args(args);
    call(&["wt", "create", "w"]).run().fails_with(3);
    assert_eq!(ledgers(env.root()), [""; 0], "no board is begun for what can't be done");
    call(&["task", "create", "one"]).run().success();
    env.biplane(BIPLANE).in_dir(&dir).args(["task", "create", "two"]).run().success();
    assert_eq!(call(&["task", "list", "--json"]).run().success().json().as_array().unwrap().len(), 2);
    assert_eq!(ledgers(env.root()), ["plain/.biplane/ledger.db"]);
    for args in [&["wt", "create", "w"][..], &["up", "--", "true"], &["wt", "create", "w", "--task", "1"]] {
        let said = call(args).run().fails_with(3).stderr;
        assert!(said.contains("not inside a git repository"), "{args:?}: {said}");
    }
    call(&["events"]).run().success();
    call(&["wt", "list"]).run().success();
}

#[test]
fn the_variable_biplane_root_overrules_where_one_stands() {
    let lab = Lab::new();
    let elsewhere = lab.env.dir("elsewhere");
    let call = |root: &str, args: &[&str]| lab.call_in(&elsewhere, args).env("BIPLANE_ROOT", root);
    call(lab.root().as_str(), &["task", "create", "one"]).run().success();
    call("../app", &["wt", "create", "w"]).run().success();
    call("../app/.worktrees/w", &["task", "create", "two"]).run().success();
    assert_eq!(ledgers(lab.env.root()), ["app/.git/biplane/ledger.db"]);
    let said = call("/nowhere/at/all", &["task", "list"]).run().fails_with(5).stderr;
    insta::assert_snapshot!(said, @"error: `BIPLANE_ROOT` names `/nowhere/at/all`, which is no directory");
    call("", &["task", "create", "here"]).run().success();
    assert_eq!(ledgers(lab.env.root()).len(), 2, "an empty variable is none");
}

#[test]
fn a_submodule_has_a_board_of_its_own() {
    let lab = Lab::new();
    let library = lab.env.repo("library");
    let add =
        ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", library.path().as_str(), "lib"];
    lab.repo.git(&add);
    lab.repo.commit("submodule");
    let sub = lab.root().join("lib");
    lab.call_in(&sub, &["task", "create", "in the submodule"]).run().success();
    lab.call_in(&sub, &["wt", "create", "w"]).run().success();
    let tree = lab.repo.at("lib/.worktrees/w");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    lab.call_in(tree.path(), &["merge", "w", "--no-gate"]).run().success();
    assert!(sub.join("a.txt").is_file());
    assert_eq!(lab.repo.at("lib").git(&["status", "--porcelain"]), "");
    assert_eq!(lab.json(&["task", "list"]).as_array().unwrap().len(), 0);
    // And the repository around it can have worktrees and landings too.
    lab.repo.commit("the submodule has moved");
    lab.work("outer", "b.txt", "b\n");
    lab.ok(&["merge", "outer", "--no-gate"]);
    assert!(lab.root().join("b.txt").is_file());
    lab.ok(&["wt", "remove", "outer"]);
    fsck(&lab.repo);
}

#[test]
fn a_git_directory_kept_elsewhere_is_found_from_the_checkout_and_from_worktrees() {
    let lab = Lab::new();
    lab.repo.git(&["init", "-q", "--separate-git-dir", lab.env.root().join("store").as_str()]);
    lab.ok(&["task", "create", "one"]);
    let tree = lab.work("w", "a.txt", "a\n");
    lab.call_in(tree.path(), &["task", "create", "two"]).run().success();
    lab.call_in(tree.path(), &["wt", "create", "v"]).run().success();
    assert_eq!(lab.directories(), ["v", "w"]);
    assert!(!lab.env.root().join("store/.tasks").exists());
    assert_eq!(ledgers(lab.env.root()), ["store/biplane/ledger.db"]);
    lab.call_in(tree.path(), &["merge", "w", "--no-gate"]).run().success();
    assert!(lab.root().join("a.txt").is_file(), "the clean main checkout is brought along");
    lab.is_sound();
}

#[test]
fn a_main_checkout_with_a_detached_head_has_worktrees_and_needs_a_target_to_land() {
    let lab = Lab::new();
    lab.repo.git(&["checkout", "-q", "--detach"]);
    lab.work("w", "a.txt", "a\n");
    let said = lab.fails(3, &["merge", "w", "--no-gate"]).stderr;
    insta::assert_snapshot!(said, @r"
    error: the main checkout is on no branch, so there is none to land on
    hint: set `target` in `biplane.toml`, or `git switch` to a branch
    ");
    lab.repo.write("biplane.toml", "target = \"main\"\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert!(lab.repo.git(&["ls-tree", "--name-only", "main"]).contains("a.txt"));
    assert!(!lab.root().join("a.txt").exists(), "a checkout that is not on the target stays");
    lab.is_sound();
}

#[test]
fn a_repository_that_was_moved_works_on() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    lab.work("w", "a.txt", "a\n");
    let moved = lab.env.root().join("moved");
    std::fs::rename(lab.root(), &moved).unwrap();
    let call = |args: &[&str]| lab.call_in(&moved, args).patience(DEADLINE);
    assert_eq!(call(&["task", "list", "--json"]).run().success().json()[0]["id"], 1);
    let path = call(&["wt", "path", "w"]).run().success().stdout;
    assert_eq!(path.trim(), moved.join(".worktrees/w"));
}
