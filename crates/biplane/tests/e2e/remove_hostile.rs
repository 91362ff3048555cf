//! Removing worktrees that are not what the record says.

use std::fs;

use crate::lab::{Lab, said};

#[test]
fn a_directory_replaced_by_a_link_is_not_followed() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let precious = lab.env.dir("precious");
    fs::write(precious.join("file"), "precious\n").unwrap();
    fs::rename(tree.path(), lab.env.root().join("aside")).unwrap();
    std::os::unix::fs::symlink(&precious, tree.path()).unwrap();
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: `[REPO]/.worktrees/w` is not provably this worktree: it is a symbolic link
    hint: `biplane doctor` says how the ledger, git and the disk differ
    ");
    fs::copy(lab.env.root().join("aside/.git"), precious.join(".git")).unwrap();
    lab.fails(3, &["wt", "remove", "w", "--force"]);
    assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "precious\n");
    lab.fails(3, &["run", "w", "--", "true"]);
}

#[test]
fn the_parent_directory_replaced_by_a_link_is_not_followed() {
    let lab = Lab::new();
    lab.create("w");
    let elsewhere = lab.env.root().join("elsewhere");
    fs::rename(lab.root().join(".worktrees"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, lab.root().join(".worktrees")).unwrap();
    let output = lab.call(&["wt", "create", "v"]).run();
    assert_ne!(output.code, 0, "{output}");
    assert!(!elsewhere.join("v").exists());
    let _ = lab.call(&["wt", "remove", "w", "--force"]).run();
    assert!(elsewhere.join("w/README.md").exists() || lab.branches().is_empty());
}

#[test]
fn a_rewritten_git_file_is_seen() {
    let lab = Lab::new();
    let tree = lab.create("w");
    lab.create("other");
    let other = lab.root().join(".git/worktrees/other");
    tree.write(".git", format!("gitdir: {other}\n"));
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: `[REPO]/.worktrees/w` is not provably this worktree: its `.git` file points elsewhere
    hint: `biplane doctor` says how the ledger, git and the disk differ
    ");
    lab.fails(3, &["submit", "w"]);
    lab.fails(3, &["wt", "status", "w"]);
    assert!(tree.path().join("README.md").exists());
    assert_eq!(lab.linked(), 2);
}

#[test]
fn a_git_file_that_names_a_poisoned_repository_runs_nothing() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    let mark = lab.env.root().join("pwned");
    let evil = lab.env.repo("evil");
    let command = format!("touch '{mark}'; false");
    evil.git(&["config", "core.fsmonitor", &command]);
    tree.write(".git", format!("gitdir: {}/.git\n", evil.path()));
    for args in [
        &["wt", "status", "w"][..],
        &["wt", "diff", "w"],
        &["submit", "w"],
        &["merge", "w", "--no-gate"],
        &["wt", "remove", "w", "--force"],
        &["run", "w", "--", "true"],
    ] {
        let _ = lab.call(args).run();
        assert!(!mark.exists(), "{args:?}");
    }
}

#[test]
fn settings_that_an_agent_writes_into_the_repository_run_nothing() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let mark = lab.env.root().join("pwned");
    let command = format!("touch '{mark}'; cat");
    for (key, value) in [
        ("core.fsmonitor", command.as_str()),
        ("diff.external", &command),
        ("core.sshCommand", &command),
        ("core.pager", &command),
        ("core.editor", &command),
        ("gpg.program", &command),
    ] {
        tree.git(&["config", key, value]);
    }
    tree.git(&["config", "commit.gpgSign", "true"]);
    for hook in [
        "post-checkout",
        "pre-commit",
        "post-commit",
        "reference-transaction",
        "post-index-change",
        "post-merge",
    ] {
        let path = lab.root().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch '{mark}'\n")).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    tree.write("a.txt", "a\n");
    fs::remove_file(&mark).ok();
    lab.ok(&["wt", "status", "w"]);
    lab.ok(&["wt", "diff", "w"]);
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["up", "--no-gate", "--", "sh", "-c", "echo b > b.txt"]);
    assert!(!mark.exists());
    assert_eq!(lab.repo.git(&["show", "main:b.txt"]), "b");
}

#[test]
fn a_directory_that_is_gone_is_told_of_and_its_branch_is_kept() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    let tip = tree.head();
    fs::remove_dir_all(tree.path()).unwrap();
    let output = lab.fails(3, &["wt", "remove", "w"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: `[REPO]/.worktrees/w` is not there
    hint: `biplane doctor` says how the ledger, git and the disk differ
    ");
    lab.repo.git(&["worktree", "prune"]);
    lab.ok(&["wt", "remove", "w"]);
    assert_eq!(lab.repo.git(&["rev-parse", "wt/w"]), tip);
    lab.is_sound();
}

#[test]
fn a_locked_worktree_is_left_alone() {
    let lab = Lab::new();
    let tree = lab.create("w");
    lab.repo.git(&["worktree", "lock", tree.path().as_str()]);
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    insta::assert_snapshot!(said(&output, &lab), @r"
    error: git has `[REPO]/.worktrees/w` locked against removal
    hint: `git worktree unlock [REPO]/.worktrees/w` first
    ");
    lab.repo.git(&["worktree", "unlock", tree.path().as_str()]);
    lab.ok(&["wt", "remove", "w"]);
    lab.is_sound();
}

#[test]
fn a_repository_inside_a_worktree_is_not_thrown_away() {
    let lab = Lab::new();
    let tree = lab.create("w");
    lab.env.program("git").args(["init", "-q"]).arg(tree.path().join("nested")).run().success();
    tree.write("nested/work.txt", "work\n");
    for args in [&["wt", "remove", "w"][..], &["wt", "remove", "w", "--force"]] {
        lab.fails(3, args);
        assert_eq!(tree.read("nested/work.txt"), "work\n");
    }
    lab.is_sound();
}

/// Work that git's status tells nothing of, each in a directory with tracked files; the file that must stay.
const UNSEEN: [(&str, &str, &str); 6] = [
    (
        "cd d; git init -q; git add -A; git commit -qm base; git checkout -qb work; echo mine > w; git add w; git commit -qm w; git checkout -q -",
        "d",
        "d/.git/refs/heads/work",
    ),
    (
        "cd d; git init -q; git add -A; git commit -qm base; echo mine > f; git stash -q",
        "d",
        "d/.git/refs/stash",
    ),
    ("mkdir -p d/q/.git; echo mine > d/q/.git/mine", "d/q", "d/q/.git/mine"),
    ("echo mine > d/.git", "d", "d/.git"),
    ("mkdir d/.GIT; echo mine > d/.GIT/mine", "d", "d/.GIT/mine"),
    ("mkdir .GIT; echo mine > .GIT/mine", ".GIT", ".GIT/mine"),
];

/// A repository with a directory that has a tracked file, in which git takes `.GIT` for `.git`.
fn with_directory() -> Lab {
    let lab = Lab::new();
    lab.repo.write("d/f", "f\n");
    lab.repo.write(".gitignore", "target/\n");
    lab.repo.commit("a directory");
    lab.repo.git(&["config", "core.ignoreCase", "true"]);
    lab
}

#[test]
fn a_repository_where_git_says_clean_is_not_thrown_away() {
    let lab = with_directory();
    for (n, (script, shown, stays)) in UNSEEN.iter().enumerate() {
        let name = format!("w{n}");
        let tree = lab.create(&name);
        lab.env.program("sh").args(["-c", script]).in_dir(tree.path()).run().success();
        assert_eq!(tree.git(&["status", "--porcelain"]), "", "{script}");
        // What is made again hides nothing of it.
        tree.write("target/made", "made\n");
        for args in [
            &["wt", "remove", &name][..],
            &["wt", "remove", &name, "--dry-run"],
            &["wt", "remove", &name, "--force"],
        ] {
            let said = lab.fails(3, args).stderr;
            assert!(said.contains(&format!("`{shown}` is a repository inside")), "{args:?} {script}: {said}");
            assert!(tree.path().join(stays).exists(), "{args:?} {script}");
        }
        assert!(lab.ok(&["wt", "list"]).contains(&name));
    }
    lab.is_sound();
}

#[test]
fn a_repository_where_git_says_clean_stays_when_its_agent_is_done() {
    let lab = with_directory();
    let (nested, _, stays) = UNSEEN[0];
    lab.ok(&["task", "create", "one"]);
    let script = format!("echo a > a.txt; git add a.txt; git commit -qm a; {nested}");
    lab.ok(&["up", "--no-gate", "--", "sh", "-c", &script]);
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "a");
    assert!(lab.worktree("1-one").path().join(stays).exists());

    lab.ok(&["task", "create", "two"]);
    let script = format!("{nested}; exit 1");
    let _ = lab.call(&["up", "--no-gate", "--", "sh", "-c", &script]).run();
    assert!(lab.worktree("2-two").path().join(stays).exists(), "{}", lab.ok(&["wt", "list"]));
    // Giving it up, or giving it out again, is no way around.
    lab.ok(&["task", "retry", "2"]);
    let _ = lab.call(&["up", "--no-gate", "--", "true"]).run();
    lab.ok(&["task", "cancel", "2"]);
    let _ = lab.call(&["up", "--no-gate", "--", "true"]).run();
    assert!(lab.worktree("2-two").path().join(stays).exists());
    lab.is_sound();
}

#[test]
fn a_repository_in_what_is_made_again_hinders_no_removal() {
    let lab = with_directory();
    let tree = lab.create("w");
    lab.env.program("git").args(["init", "-q"]).arg(tree.path().join("target/dep")).run().success();
    lab.ok(&["wt", "remove", "w"]);
    assert!(!tree.path().exists());
}

#[test]
fn a_repository_inside_an_ignored_directory_is_not_thrown_away() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "scratch/\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    lab.env.program("git").args(["init", "-q"]).arg(tree.path().join("scratch/nested")).run().success();
    tree.write("scratch/nested/work.txt", "work\n");
    let output = lab.call(&["wt", "remove", "w", "--force", "--json"]).run();
    if output.code == 0 {
        let snapshot = output.json()["snapshot"].as_str().unwrap().to_owned();
        let kept = lab.repo.git(&["show", &format!("{snapshot}:scratch/nested/work.txt")]);
        assert_eq!(kept, "work");
    } else {
        assert_eq!(tree.read("scratch/nested/work.txt"), "work\n");
    }
}

#[test]
fn files_that_can_not_be_deleted_do_not_stop_a_removal_half_way() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "out/\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    tree.write("out/a/file", "x\n");
    fs::set_permissions(tree.path().join("out/a"), std::os::unix::fs::PermissionsExt::from_mode(0o500))
        .unwrap();
    lab.ok(&["wt", "remove", "w", "--force"]);
    assert_eq!((lab.directories(), lab.linked()), (vec![], 0));
    lab.is_sound();
}

#[test]
#[ignore = "needs a mount"]
fn something_mounted_inside_a_worktree_is_not_deleted() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let precious = lab.env.dir("precious");
    fs::write(precious.join("file"), "precious\n").unwrap();
    let point = tree.path().join("data");
    fs::create_dir(&point).unwrap();
    let _mount = crate::disk::Mount::bind(&lab, &precious, &point);
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    assert!(output.stderr.contains("mounted on"), "{output}");
    assert_eq!(fs::read_to_string(precious.join("file")).unwrap(), "precious\n");
}

#[test]
fn git_is_never_told_to_delete_what_lies_at_a_path() {
    // A `git worktree remove` that outlives a killed biplane would delete the next worktree of that name.
    let lab = Lab::new();
    let (bin, log) = (lab.env.dir("bin"), lab.env.root().join("git.log"));
    let real = lab.env.program("sh").args(["-c", "command -v git"]).run().success().stdout;
    let script = format!("#!/bin/sh\necho \"$*\" >> '{log}'\nexec {} \"$@\"\n", real.trim());
    fs::write(bin.join("git"), script).unwrap();
    fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let call = |args: &[&str]| lab.call(args).env("PATH", &path);
    lab.ok(&["task", "create", "one"]);
    call(&["up", "--gate", "true", "--", "sh", "-c", "echo a > a.txt"]).run().success();
    call(&["wt", "create", "w"]).run().success();
    call(&["wt", "remove", "w"]).run().success();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains(" worktree add "), "{log}");
    let told: Vec<_> =
        log.lines().filter(|l| l.contains(" worktree remove ") || l.contains(" worktree prune")).collect();
    assert_eq!(told, [""; 0]);
    assert_eq!((lab.directories(), lab.linked()), (vec![], 0));
    lab.is_sound();
}

/// The main checkout and the other worktrees, and what the program makes of them.
fn around(lab: &Lab) -> impl PartialEq + std::fmt::Debug + use<> {
    let main = ["README.md", "biplane.toml", ".gitignore"].map(|f| fs::read(lab.root().join(f)).ok());
    let outside = lab.env.root().join("outside");
    let outside = fs::read_dir(&outside).map(|dir| {
        let mut names: Vec<_> = dir.flatten().map(|e| (e.file_name(), fs::read(e.path()).ok())).collect();
        names.sort();
        names
    });
    (main, lab.photograph(".worktrees/sibling"), outside.ok(), lab.repo.git(&["status", "--porcelain"]))
}

#[test]
fn everything_is_in_the_snapshot_and_nothing_outside_is_touched() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", ".env\n*.sqlite*\nnode_modules/\n");
    lab.repo.commit("ignore");
    lab.repo.git(&["config", "status.showUntrackedFiles", "no"]);
    let outside = lab.env.dir("outside");
    fs::write(outside.join("precious"), "precious\n").unwrap();
    lab.work("sibling", "sibling.txt", "sibling\n").write("loose.txt", "loose\n");
    let tree = lab.create("w");
    tree.write("README.md", "changed\n");
    tree.write("deep/er/untracked.txt", "untracked\n");
    tree.write(".env", "SECRET=1\n");
    let database: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    fs::write(tree.path().join("local.sqlite"), &database).unwrap();
    fs::write(tree.path().join("local.sqlite-wal"), &database[..5000]).unwrap();
    tree.write("node_modules/a/index.js", "made again\n");
    std::os::unix::fs::symlink(lab.root(), tree.path().join("main")).unwrap();
    std::os::unix::fs::symlink(&outside, tree.path().join("node_modules/out")).unwrap();
    let before = around(&lab);
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    for (path, text) in [
        ("README.md", "changed"),
        ("deep/er/untracked.txt", "untracked"),
        (".env", "SECRET=1"),
        ("main", lab.root().as_str()),
    ] {
        assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:{path}")]), text, "{path}");
    }
    for (path, bytes) in [("local.sqlite", &database[..]), ("local.sqlite-wal", &database[..5000])] {
        let file = lab.env.root().join("held");
        fs::write(&file, bytes).unwrap();
        let expected = lab.repo.git(&["hash-object", file.as_str()]);
        assert_eq!(lab.repo.git(&["rev-parse", &format!("{snapshot}:{path}")]), expected, "{path}");
    }
    assert_eq!(around(&lab), before);
    assert_eq!(lab.directories(), ["sibling"]);
    lab.is_sound();
}

#[test]
fn what_is_refused_after_the_directory_was_put_aside_comes_back() {
    let lab = Lab::new();
    lab.create("sibling");
    let tree = lab.create("w");
    lab.env.program("git").args(["init", "-q"]).arg(tree.path().join("nested")).run().success();
    tree.write("nested/work.txt", "work\n");
    tree.write("loose.txt", "loose\n");
    let before = (lab.photograph(".worktrees"), around(&lab), lab.repo.git(&["for-each-ref"]));
    let output = lab.fails(3, &["wt", "remove", "w", "--force"]);
    assert!(output.stderr.contains("`nested` is a repository inside the worktree"), "{output}");
    let words = lab.event_words();
    assert_eq!(words[words.len() - 2..], ["worktree.remove.before", "worktree.remove.failed"]);
    fs::remove_dir_all(tree.path().join("nested/.git")).unwrap();
    lab.env.program("git").args(["init", "-q"]).arg(tree.path().join("nested")).run().success();
    assert_eq!((around(&lab), lab.repo.git(&["for-each-ref"])), (before.1, before.2));
    assert_eq!(tree.read("loose.txt"), "loose\n");
    lab.ok(&["wt", "status", "w"]);
    lab.is_sound();
}

#[test]
fn processes_inside_are_named_and_ended_only_on_request() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let stands = lab.env.program("sleep").args(["601"]).in_dir(tree.path()).spawn();
    biplane_testkit::eventually(crate::lab::DEADLINE, "it is refused", || {
        lab.call(&["wt", "remove", "w"]).run().code == 6
    });
    let output = lab.fails(6, &["wt", "remove", "w", "--force"]);
    assert!(output.stderr.contains("worktree `w` is in use: process "), "{output}");
    assert!(output.stderr.contains("(sleep 601) stands in it"), "{output}");
    assert!(output.stderr.contains("hint: end them first, or use `--kill`"), "{output}");
    let plan = lab.json(&["wt", "remove", "w", "--kill", "--dry-run"])["plan"].clone();
    assert_eq!(plan["processes"][0]["command"], "sleep 601");
    assert_eq!(lab.directories(), ["w"]);
    let output = lab.call(&["wt", "remove", "w", "--kill"]).run().success();
    assert!(output.stderr.contains("ended process ") && output.stderr.contains("(sleep 601)"), "{output}");
    assert_eq!(lab.directories(), [""; 0]);
    drop(stands);
    lab.is_sound();
}

#[test]
fn the_shell_that_stands_in_it_is_told_and_lives() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let script = format!("'{}' wt remove w --kill; echo lives", crate::lab::BIPLANE);
    let output = lab.env.biplane("sh").in_dir(tree.path()).args(["-c", &script]).run().success();
    assert!(output.stdout.ends_with("lives\n"), "{output}");
    assert!(output.stderr.contains("stands in the worktree, which is gone"), "{output}");
    assert_eq!(lab.directories(), [""; 0]);
    let tree = lab.create("v");
    let script = format!("exec 7>>kept.txt; '{}' wt remove v --force --kill; echo $?", crate::lab::BIPLANE);
    let output = lab.env.biplane("sh").in_dir(tree.path()).args(["-c", &script]).run().success();
    assert!(output.stdout.ends_with("6\n") && output.stderr.contains("has `kept.txt` open"), "{output}");
    assert_eq!(lab.directories(), ["v"]);
}

#[test]
fn a_branch_that_is_checked_out_elsewhere_stays() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    let tip = tree.head();
    tree.git(&["switch", "-q", "--detach"]);
    let other = lab.env.root().join("other");
    lab.repo.git(&["worktree", "add", "-q", other.as_str(), "wt/w"]);
    let removed = lab.json(&["wt", "remove", "w", "--force"]);
    assert_eq!(removed["branch_left"], "wt/w");
    assert_eq!(lab.repo.git(&["rev-parse", "wt/w"]), tip);
    assert_eq!(fs::read_to_string(other.join("a.txt")).unwrap(), "a\n");
}

#[test]
fn an_entry_that_names_the_main_checkout_deletes_nothing() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let entry = lab.root().join(".git/worktrees/w/gitdir");
    fs::write(&entry, format!("{}/.git\n", lab.root())).unwrap();
    lab.fails(3, &["wt", "remove", "w", "--force"]);
    assert!(lab.root().join("README.md").exists() && tree.path().join("README.md").exists());
}

#[test]
fn work_that_is_on_the_remote_only_is_said_and_not_lost() {
    let lab = Lab::new();
    let tree = lab.work("w", "a.txt", "a\n");
    let tip = tree.head();
    lab.repo.git(&["update-ref", "refs/remotes/origin/main", &tip]);
    let status = lab.json(&["wt", "status", "w"]);
    assert_eq!(
        (status["merged"].as_str(), status["merged_only_in"].as_str()),
        (Some("same_commit"), Some("origin/main"))
    );
    let output = lab.call(&["wt", "remove", "w", "--json"]).run().success();
    assert!(output.stderr.contains("in `origin/main` only"), "{output}");
    let snapshot = output.json()["snapshot"].as_str().unwrap().to_owned();
    assert_eq!(lab.repo.git(&["merge-base", &tip, &snapshot]), tip);
}

#[test]
#[ignore = "needs a mount"]
fn on_a_full_disk_nothing_changes() {
    let env = biplane_testkit::TestEnv::new();
    let (mount, root) = crate::disk::small(&env);
    fs::write(root.join(".worktrees/w/loose.txt"), "loose\n").unwrap();
    let ballast = crate::disk::fill(&env.root().join("small"));
    let output = env.biplane(crate::lab::BIPLANE).in_dir(&root).args(["wt", "remove", "w", "--force"]).run();
    assert_ne!(output.code, 0, "{output}");
    assert_eq!(fs::read_to_string(root.join(".worktrees/w/loose.txt")).unwrap(), "loose\n");
    fs::remove_file(ballast).unwrap();
    env.biplane(crate::lab::BIPLANE).in_dir(&root).args(["wt", "remove", "w", "--force"]).run().success();
    drop(mount);
}
