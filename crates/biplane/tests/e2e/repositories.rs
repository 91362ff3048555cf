//! Every kind of repository: worktrees in it live a whole life, or it is said why not.

use std::os::unix::fs::PermissionsExt;

use biplane_testkit::{Repo, TestEnv, large_repo};
use camino::Utf8Path;

use crate::{
    lab::{BIPLANE, DEADLINE, Lab, fsck},
    life::{names, tree, whole_life},
};

/// A lab whose repository has three directories with a file each.
fn three_directories() -> Lab {
    let lab = Lab::new();
    for dir in ["a", "b", "c"] {
        lab.repo.write(format!("{dir}/f"), format!("{dir}\n"));
    }
    lab.repo.commit("three directories");
    lab
}

/// A repository made by this command of git in an empty directory, with a commit.
fn made(env: &TestEnv, init: &[&str]) -> Repo {
    let repo = env.repo("pattern").at(env.dir("made"));
    repo.git(&[&["init", "-q"], init].concat());
    repo.write("README.md", "made\n");
    repo.commit("first");
    repo
}

fn script(path: impl AsRef<Utf8Path>, text: &str) {
    std::fs::write(path.as_ref(), text).unwrap();
    std::fs::set_permissions(path.as_ref(), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_sparse_checkout_is_inherited_and_what_it_leaves_out_stays() {
    for cone in [&["--cone", "a"][..], &["--no-cone", "/a/", "/README.md", "/life.txt"]] {
        let lab = three_directories();
        lab.repo.git(&[&["sparse-checkout", "set"], cone].concat());
        whole_life(&lab.env, &lab.repo);
        // Files outside of it, new and old, by an agent that commits nothing itself.
        lab.ok(&["task", "create", "one"]);
        let agent = "test ! -e b && mkdir b && echo new > b/new && echo more >> a/f && rm README.md && echo top > top";
        lab.ok(&["up", "--gate", "test ! -e c/f", "--", "sh", "-c", agent]);
        let landed = lab.repo.git(&["diff", "--name-status", "HEAD~1", "HEAD"]);
        assert_eq!(landed, "D\tREADME.md\nM\ta/f\nA\tb/new\nA\ttop", "{cone:?}");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "", "{cone:?}");
        // The same in a diff; a snapshot holds what is on the disk.
        let tree = lab.create("w");
        assert!(!names(tree.path()).contains(&"c".to_owned()));
        tree.write("c/new", "new\n");
        assert_eq!(lab.ok(&["wt", "diff", "w", "--stat"]), "+1 -0  c/new\n");
        lab.ok(&["wt", "remove", "w", "--force"]);
        let held = ["diff", "--name-status", "--no-renames", "HEAD", "refs/biplane/snapshots/w/1"];
        assert!(lab.repo.git(&held).contains("A\tc/new"));
        lab.ok(&["doctor"]);
    }
}

#[test]
fn ends_of_lines_and_idents_are_as_git_makes_them() {
    for (config, attributes) in [
        (Some(("core.autocrlf", "true")), ""),
        (Some(("core.autocrlf", "input")), ""),
        (None, "* text=auto eol=crlf\n"),
        (None, "* ident\n"),
    ] {
        let lab = Lab::new();
        config.iter().for_each(|(name, value)| drop(lab.repo.git(&["config", name, value])));
        lab.repo.write(".gitattributes", attributes);
        lab.repo.write("text", "$Id$\nb\n");
        lab.repo.commit("text");
        for file in ["text", "README.md", ".gitattributes"] {
            std::fs::remove_file(lab.root().join(file)).unwrap();
        }
        lab.repo.git(&["checkout", "-q", "--", "."]);
        let crlf = lab.repo.read("text").contains("\r\n");
        whole_life(&lab.env, &lab.repo);
        let tree = lab.create("w");
        assert_eq!(tree.read("text"), lab.repo.read("text"));
        tree.write("text", tree.read("text") + if crlf { "c\r\n" } else { "c\n" });
        tree.commit("c");
        lab.ok(&["merge", "w", "--gate", "true"]);
        assert_eq!(lab.repo.git(&["cat-file", "blob", "main:text"]), "$Id$\nb\nc");
        assert_eq!(lab.repo.read("text").contains("c\r\n"), crlf, "main is brought along as it was");
        assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
        lab.is_sound();
    }
}

#[test]
fn filters_work_everywhere_and_a_failing_one_is_named() {
    let lab = Lab::new();
    lab.repo.git(&["config", "filter.shout.clean", "tr A-Z a-z"]);
    lab.repo.git(&["config", "filter.shout.smudge", "tr a-z A-Z"]);
    lab.repo.git(&["config", "filter.shout.required", "true"]);
    lab.repo.write(".gitattributes", "*.txt filter=shout\n");
    lab.repo.write("said.txt", "HELLO\n");
    lab.repo.commit("filtered");
    let tree = lab.create("w");
    assert_eq!(tree.read("said.txt"), "HELLO\n");
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
    tree.write("said.txt", "HELLO\nWORLD\n");
    tree.commit("world");
    lab.ok(&["merge", "w", "--gate", "grep -q WORLD said.txt"]);
    assert_eq!(lab.repo.read("said.txt"), "HELLO\nWORLD\n");
    assert_eq!(lab.repo.git(&["cat-file", "blob", "main:said.txt"]), "hello\nworld");
    tree.write("more.txt", "MORE\n");
    lab.ok(&["wt", "remove", "w", "--force"]);
    assert_eq!(lab.repo.git(&["cat-file", "blob", "refs/biplane/snapshots/w/1:more.txt"]), "MORE");
    lab.repo.git(&["config", "filter.shout.smudge", "no-such-program"]);
    let said = lab.fails(1, &["wt", "create", "v"]).stderr;
    assert!(said.contains("hint: a filter that `.gitattributes` asks for has failed"), "{said}");
    assert_eq!((lab.directories(), lab.linked(), lab.branches()), (Vec::new(), 0, Vec::new()));
    lab.is_sound();
}

#[test]
fn large_files_whose_program_is_missing_are_an_error_that_says_so() {
    let lab = Lab::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
    lab.repo.write("large.bin", pointer);
    lab.repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    lab.repo.commit("large files");
    // As `git lfs install` sets it, on a machine that has not got the program.
    for (key, value) in [
        ("filter.lfs.clean", "no-git-lfs clean -- %f"),
        ("filter.lfs.smudge", "no-git-lfs smudge -- %f"),
        ("filter.lfs.process", ""),
        ("filter.lfs.required", "true"),
    ] {
        lab.repo.git(&["config", key, value]);
    }
    let said = lab.fails(1, &["wt", "create", "w"]).stderr;
    assert!(said.contains("hint: install git-lfs"), "{said}");
    assert_eq!((lab.directories(), lab.linked(), lab.branches()), (Vec::new(), 0, Vec::new()));
    // Where nothing is set up, git leaves the pointers, and they are clean.
    lab.repo.git(&["config", "--remove-section", "filter.lfs"]);
    let tree = lab.create("w");
    assert_eq!(tree.read("large.bin"), pointer);
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
    whole_life(&lab.env, &lab.repo);
}

#[test]
#[ignore = "needs git-lfs"]
fn large_files_are_filled_in_or_left_as_pointers_on_request() {
    let lab = Lab::new();
    lab.repo.git(&["lfs", "install", "--local", "--skip-repo"]);
    lab.repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    lab.repo.write("large.bin", "large");
    lab.repo.commit("large");
    assert!(lab.repo.git(&["cat-file", "blob", "HEAD:large.bin"]).starts_with("version https://git-lfs"));
    let tree = lab.create("w");
    assert_eq!(tree.read("large.bin"), "large");
    lab.call(&["wt", "create", "v"]).env("GIT_LFS_SKIP_SMUDGE", "1").run().success();
    assert!(lab.worktree("v").read("large.bin").starts_with("version https://git-lfs"));
    assert_eq!(lab.worktree("v").git(&["status", "--porcelain"]), "");
    tree.write("large.bin", "larger");
    tree.commit("larger");
    lab.ok(&["merge", "w", "--gate", "test \"$(cat large.bin)\" = larger"]);
    assert_eq!(lab.repo.read("large.bin"), "larger");
    tree.write("new.bin", "new");
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["wt", "remove", "v"]);
    whole_life(&lab.env, &lab.repo);
}

/// A clone of a repository with a few files in two commits, with these options.
fn clone(env: &TestEnv, options: &[&str]) -> (Repo, Repo) {
    let source = env.repo("source");
    source.git(&["config", "uploadpack.allowFilter", "true"]);
    for n in 1..4 {
        source.write(format!("file-{n}"), format!("{n}\n"));
    }
    source.commit("files");
    // Of a plain path git makes another kind of copy.
    let scheme = if options.contains(&"--shared") { "" } else { "file://" };
    let url = format!("{scheme}{}", source.path());
    let clone = source.at(env.root().join("clone"));
    source.git(&[&["clone", "-q"], options, &[&url, clone.path().as_str()]].concat());
    (source, clone)
}

#[test]
fn a_partial_clone_fetches_what_is_missing_or_leaves_nothing() {
    let env = TestEnv::new();
    let (source, clone) = clone(&env, &["--filter=blob:none", "--no-checkout"]);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(clone.path()).args(args);
    let away = env.root().join("away");
    std::fs::rename(source.path(), &away).unwrap();
    let said = call(&["wt", "create", "w"]).run().fails_with(1).stderr;
    assert!(
        said.ends_with(
            "hint: some files of a partial clone are not here yet: try again when its remote can be reached\n"
        ),
        "{said}"
    );
    assert_eq!(clone.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(clone.git(&["branch", "--list", "wt/*"]), "");
    std::fs::rename(&away, source.path()).unwrap();
    call(&["wt", "create", "w"]).run().success();
    assert_eq!(tree(&env, &clone, "w").read("file-2"), "2\n");
    clone.git(&["checkout", "-q", "main"]);
    whole_life(&env, &clone);
}

#[test]
fn a_shallow_clone_and_one_that_borrows_objects() {
    for options in [&["--depth=1"][..], &["--shared"]] {
        let env = TestEnv::new();
        let (_, clone) = clone(&env, options);
        whole_life(&env, &clone);
    }
}

#[test]
fn histories_that_share_nothing_are_an_error_and_no_conflict() {
    let env = TestEnv::new();
    let (source, clone) = clone(&env, &["--depth=1"]);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(clone.path()).args(args);
    // The target and the branch meet in a commit that was not fetched.
    source.git(&["checkout", "-q", "-b", "other", "HEAD^"]);
    source.write("other", "o\n");
    source.commit("other");
    clone.git(&["fetch", "-q", "--depth=1", "origin", "other:refs/remotes/origin/other"]);
    call(&["wt", "create", "w", "--base", "origin/other"]).run().success();
    let tree = tree(&env, &clone, "w");
    tree.write("w", "w\n");
    tree.commit("w");
    let before = clone.head();
    let said = call(&["merge", "w", "--no-gate"]).run().fails_with(1).stderr;
    assert!(said.contains("refusing to merge unrelated histories"), "{said}");
    assert_eq!(clone.head(), before);
    call(&["wt", "remove", "w"]).run().fails_with(3);
    assert!(tree.path().join("w").is_file(), "what can't be told is not merged, and stays");
}

#[test]
fn formats_and_settings_of_the_repository() {
    let env = TestEnv::new();
    whole_life(&env, &made(&env, &["--object-format=sha256"]));
    for (key, value) in [
        ("extensions.worktreeConfig", "true"),
        ("core.sharedRepository", "group"),
        ("core.ignorecase", "true"),
        ("core.untrackedCache", "true"),
        ("core.splitIndex", "true"),
        ("core.fsmonitor", "/bin/false"),
        ("status.showUntrackedFiles", "no"),
        ("core.worktree", "PATH"),
        ("core.logAllRefUpdates", "false"),
        ("submodule.recurse", "true"),
        ("index.sparse", "true"),
        ("core.preloadIndex", "false"),
    ] {
        let lab = Lab::new();
        lab.repo.git(&["config", key, &value.replace("PATH", lab.root().as_str())]);
        whole_life(&lab.env, &lab.repo);
    }
}

#[test]
#[ignore = "needs git 2.45"]
fn refs_in_tables() {
    let env = TestEnv::new();
    whole_life(&env, &made(&env, &["--ref-format=reftable"]));
}

#[test]
fn submodules_are_empty_at_first_and_land_when_they_are_declared() {
    let lab = Lab::new();
    let library = lab.env.repo("library");
    lab.repo.git(&["config", "--file", "../home/.gitconfig", "protocol.file.allow", "always"]);
    lab.repo.git(&["submodule", "--quiet", "add", library.path().as_str(), "lib"]);
    lab.repo.commit("submodule");
    whole_life(&lab.env, &lab.repo);
    let said = lab.call(&["wt", "create", "w"]).run().success().stderr;
    insta::assert_snapshot!(said, @"biplane: its submodules are empty; `biplane run w -- git submodule update --init` fills them");
    let tree = lab.worktree("w");
    assert_eq!(names(&tree.path().join("lib")), [""; 0]);
    lab.ok(&["run", "w", "--", "git", "submodule", "--quiet", "update", "--init"]);
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
    // Moved, tested by a gate that fills it, landed.
    library.write("new", "new\n");
    let moved = library.commit("new");
    tree.at("lib").git(&["pull", "-q", "origin", "main"]);
    tree.commit("move the submodule");
    let gate = "git submodule --quiet update --init && test -f lib/new";
    let said = lab.call(&["merge", "w", "--gate", gate]).run().success().stderr;
    assert!(
        said.contains("the submodule `lib` was moved; `git submodule update --init` brings its files along"),
        "{said}"
    );
    assert_eq!(lab.repo.git(&["rev-parse", "main:lib"]), moved);
    // Its remote has all of it, so nothing is lost with it.
    lab.ok(&["wt", "remove", "w"]);
    // A submodule that is behind is no work that would keep the main checkout from being brought along.
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), " M lib");
    lab.work("x", "x.txt", "x\n");
    lab.ok(&["merge", "x", "--no-gate"]);
    assert_eq!(lab.repo.git(&["status", "--porcelain", "--branch"]), "## main\n M lib");
    assert!(lab.root().join("x.txt").is_file());
    lab.repo.git(&["submodule", "--quiet", "update", "--init"]);
    // A new one is declared; a repository that just lies there is not.
    let tree = lab.create("y");
    tree.git(&["submodule", "--quiet", "add", library.path().as_str(), "second"]);
    tree.commit("a second one");
    lab.ok(&["merge", "y", "--no-gate"]);
    let tree = lab.create("z");
    tree.git(&["clone", "-q", library.path().as_str(), "stray"]);
    tree.git(&["-c", "advice.addEmbeddedRepo=false", "add", "stray"]);
    tree.git(&["commit", "-q", "-m", "stray"]);
    let said = lab.fails(3, &["merge", "z", "--no-gate"]).stderr;
    assert!(said.contains("`stray` is a nested repository, whose files would not land"), "{said}");
    lab.is_sound();
}

#[test]
fn work_in_a_submodule_is_seen_and_not_removed() {
    let lab = Lab::new();
    let library = lab.env.repo("library");
    lab.repo.git(&["config", "--file", "../home/.gitconfig", "protocol.file.allow", "always"]);
    lab.repo.git(&["submodule", "--quiet", "add", library.path().as_str(), "lib"]);
    lab.repo.commit("submodule");
    let tree = lab.create("w");
    tree.git(&["submodule", "--quiet", "update", "--init"]);
    let module = tree.at("lib");
    let is_kept = || {
        let said = lab.fails(3, &["wt", "remove", "w", "--force"]).stderr;
        assert!(said.contains("is a repository inside the worktree"), "{said}");
        assert!(module.path().join("README.md").is_file());
    };
    assert_eq!(lab.json(&["wt", "status", "w"])["clean"], true);
    module.write("README.md", "changed\n");
    assert_eq!(lab.json(&["wt", "status", "w"])["changed"][0]["path"], "lib");
    is_kept();
    module.git(&["checkout", "-q", "--", "."]);
    module.write("untracked", "u\n");
    assert_eq!(lab.json(&["wt", "status", "w"])["clean"], false);
    is_kept();
    module.commit("a commit that nobody has");
    assert_eq!(lab.json(&["wt", "status", "w"])["clean"], false);
    is_kept();
    // On a branch that is not checked out, and when the submodule is taken out of the worktree.
    module.git(&["branch", "mine"]);
    module.git(&["checkout", "-q", "--detach", "origin/main"]);
    is_kept();
    tree.git(&["submodule", "--quiet", "deinit", "--all"]);
    let said = lab.fails(3, &["wt", "remove", "w"]).stderr;
    assert!(said.contains("modules/lib` is a repository inside the worktree"), "{said}");
    let kept = lab.root().join(".git/worktrees/w/modules/lib");
    lab.env.program("git").args(["--git-dir", kept.as_str(), "branch", "-q", "-D", "mine"]).run().success();
    lab.ok(&["wt", "remove", "w"]);
    lab.is_sound();
}

#[test]
fn settings_of_a_repository_inside_a_worktree_run_nothing() {
    let lab = Lab::new();
    let tree = lab.create("w");
    let inside = tree.at("inside");
    std::fs::create_dir(inside.path()).unwrap();
    inside.git(&["init", "-q"]);
    inside.write("file", "a\n");
    inside.write(".gitattributes", "* filter=evil\n");
    inside.commit("inside");
    tree.git(&["-c", "advice.addEmbeddedRepo=false", "add", "inside"]);
    tree.git(&["commit", "-q", "-m", "inside"]);
    let ran = lab.env.home().join("ran");
    inside.git(&["config", "filter.evil.clean", &format!("touch {ran}; cat")]);
    inside.write("file", "b\n");
    let said = lab.ok(&["wt", "status", "w"]);
    assert!(said.ends_with(".M inside\n"), "what can't be looked at is not clean: {said}");
    lab.ok(&["wt", "diff", "w"]);
    lab.fails(3, &["merge", "w", "--no-gate"]);
    lab.fails(3, &["wt", "remove", "w", "--force"]);
    lab.ok(&["run", "w", "--", "true"]);
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["wt", "bind", "w", "--task", "1", "--no-start"]);
    let _ = lab.call(&["up", "--gate", "true", "--", "sh", "-c", "echo c > c"]).run();
    let _ = lab.call(&["doctor"]).run();
    assert!(!ran.exists(), "a program of the agent's was run outside of its run");
    // The test can fail: git itself runs it.
    tree.git(&["status"]);
    assert!(ran.exists());
}

#[test]
fn a_submodule_that_both_sides_moved_is_a_conflict() {
    let lab = Lab::new();
    let library = lab.env.repo("library");
    lab.repo.git(&["config", "--file", "../home/.gitconfig", "protocol.file.allow", "always"]);
    lab.repo.git(&["submodule", "--quiet", "add", library.path().as_str(), "lib"]);
    lab.repo.commit("submodule");
    let tree = lab.create("w");
    let link = |repo: &Repo, id: &str| {
        repo.git(&["update-index", "--cacheinfo", &format!("160000,{id},lib")]);
        repo.git(&["commit", "-q", "-m", "move"]);
    };
    link(&tree, &"1".repeat(40));
    link(&lab.repo, &"2".repeat(40));
    let said = lab.fails(4, &["merge", "w", "--no-gate"]).stderr;
    assert!(said.contains("conflict with `main`: `lib` changed on both sides"), "{said}");
}

#[test]
fn hooks_that_fail_stop_the_agents_git_and_not_biplanes() {
    let lab = Lab::new();
    let all = [
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "post-merge",
        "pre-commit",
        "commit-msg",
    ];
    lab.env.dir("app/hooks");
    for hook in all {
        script(
            lab.root().join("hooks").join(hook),
            &format!("#!/bin/sh\ntest -n \"$OFF\" && exit 0\necho {hook} >> \"$HOME/hooks.log\"\nexit 1\n"),
        );
    }
    lab.repo.commit("hooks");
    lab.repo.git(&["config", "core.hooksPath", "hooks"]);
    let log = lab.env.home().join("hooks.log");
    let tree = lab.create("w");
    tree.write("a.txt", "a\n");
    tree.git_call(&["add", "a.txt"]).env("OFF", "1").run().success();
    assert!(!log.exists());
    // The agent's own commit is stopped by its hook.
    let script = "git commit -qm a";
    lab.fails(1, &["run", "w", "--", "sh", "-c", script]);
    assert!(std::fs::read_to_string(&log).unwrap().contains("pre-commit"));
    tree.git_call(&["commit", "-q", "-m", "a"]).env("OFF", "1").run().success();
    std::fs::remove_file(&log).unwrap();
    lab.ok(&["merge", "w", "--gate", "test -f a.txt"]);
    lab.ok(&["wt", "status", "w"]);
    lab.ok(&["wt", "diff", "w"]);
    tree.write("b.txt", "b\n");
    lab.ok(&["wt", "remove", "w", "--force"]);
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["up", "--gate", "true", "--", "sh", "-c", "echo c > c.txt"]);
    assert!(lab.root().join("c.txt").is_file());
    assert!(!log.exists(), "{}", std::fs::read_to_string(&log).unwrap_or_default());
    lab.is_sound();
}

#[test]
fn the_main_checkout_in_the_middle_of_a_rebase_is_left_alone() {
    let lab = Lab::new();
    lab.repo.git(&["checkout", "-q", "-b", "side"]);
    lab.repo.write("README.md", "side\n");
    lab.repo.commit("side");
    lab.repo.git(&["checkout", "-q", "main"]);
    lab.repo.write("README.md", "main\n");
    lab.repo.commit("main");
    assert_ne!(lab.repo.git_call(&["rebase", "side"]).run().code, 0);
    lab.work("w", "a.txt", "a\n");
    let said = lab.fails(3, &["merge", "w", "--no-gate"]).stderr;
    assert!(said.contains("the main checkout is on no branch"), "{said}");
    let before = lab.repo.git(&["status", "--porcelain=v2"]);
    lab.repo.write("biplane.toml", "target = \"side\"\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.repo.git(&["status", "--porcelain=v2"]), format!("{before}\n? biplane.toml"));
    std::fs::remove_file(lab.root().join("biplane.toml")).unwrap();
    lab.repo.git(&["rebase", "--abort"]);
    fsck(&lab.repo);
}

#[test]
fn a_target_in_another_worktree_and_one_that_is_checked_out_nowhere() {
    let lab = Lab::new();
    lab.settings("target = \"release\"\n");
    lab.repo.git(&["branch", "release"]);
    let life = |place: &str| {
        let name = place.replace('-', "");
        lab.work(&name, &format!("{name}.txt"), "a\n");
        lab.ok(&["merge", &name, "--gate", "true"]);
        lab.ok(&["wt", "remove", &name]);
        assert!(lab.repo.git(&["ls-tree", "--name-only", "release"]).contains(&format!("{name}.txt")));
    };
    life("nowhere");
    lab.repo.git(&["worktree", "add", "-q", "../users", "release"]);
    life("in-theirs");
    let theirs = lab.repo.at("../users");
    assert!(theirs.path().join("intheirs.txt").is_file());
    assert_eq!(theirs.git(&["status", "--porcelain"]), "");
    theirs.write("README.md", "dirty\n");
    life("dirty");
    assert_eq!(theirs.read("README.md"), "dirty\n");
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.is_sound();
}

#[test]
fn the_branch_that_work_lands_on_is_not_deleted_with_its_worktree() {
    let lab = Lab::new();
    lab.create("base");
    lab.settings("target = \"wt/base\"\n");
    lab.work("w", "a.txt", "a\n");
    lab.ok(&["merge", "w", "--gate", "true"]);
    let tip = lab.repo.git(&["rev-parse", "wt/base"]);
    assert!(lab.worktree("base").path().join("a.txt").is_file());
    lab.ok(&["wt", "remove", "w"]);
    let said = lab.ok(&["wt", "remove", "base"]);
    insta::assert_snapshot!(said, @r"
    removed worktree base
    the branch wt/base was left: it moved, is checked out elsewhere, or is what work lands on
    ");
    assert_eq!(lab.repo.git(&["rev-parse", "wt/base"]), tip);
    lab.is_sound();
}

#[test]
fn names_that_differ_in_case_only_are_two_branches_too_many() {
    let lab = Lab::new();
    lab.repo.git(&["branch", "wt/Twin"]);
    let said = lab.fails(4, &["wt", "create", "twin"]).stderr;
    insta::assert_snapshot!(said, @r"
    error: the branch `wt/Twin` differs from `wt/twin` in case only
    hint: choose another name, or delete or rename the branch
    ");
    lab.create("one");
    lab.fails(4, &["wt", "create", "ONE"]);
    lab.is_sound();
}

#[test]
#[ignore = "needs a minute"]
fn a_hundred_thousand_files_are_not_cut_short() {
    // As many paths as a large repository has, without their files: what is asked of git is bounded, and complete.
    let lab = Lab::new();
    let blob = lab.repo.git(&["hash-object", "-w", "README.md"]);
    let entries: String =
        (0..100_000).map(|n| format!("100644 {blob}\tdir-{}/file-{n}\n", n / 500)).collect();
    lab.repo.git_call(&["update-index", "--index-info"]).stdin(entries).run().success();
    lab.repo.git(&["commit", "-q", "-m", "many"]);
    lab.repo.git(&["sparse-checkout", "set", "--no-cone", "/README.md"]);
    let tree = lab.create("w");
    assert_eq!(lab.json(&["wt", "status", "w"])["clean"], true);
    // All of them changed at once.
    let other = lab.repo.git_call(&["hash-object", "-w", "--stdin"]).stdin("other\n").run().success().stdout;
    let entries: String =
        (0..100_000).map(|n| format!("100644 {}\tdir-{}/file-{n}\n", other.trim(), n / 500)).collect();
    tree.git_call(&["update-index", "--index-info"]).stdin(entries).run().success();
    assert_eq!(lab.json(&["wt", "status", "w"])["changed"].as_array().unwrap().len(), 100_000);
    assert_eq!(lab.json(&["wt", "diff", "w"])["files"].as_array().unwrap().len(), 100_000);
    lab.ok(&["wt", "remove", "w", "--force"]);
    let held = lab.repo.git(&["diff", "--name-only", "HEAD", "refs/biplane/snapshots/w/1"]);
    assert_eq!(held.lines().count(), 100_000);
}

#[test]
#[ignore = "needs a minute"]
fn a_hundred_thousand_files_on_the_disk_live_a_whole_life() {
    let env = TestEnv::new();
    let large = large_repo(&env, "large", 100_000, None);
    let call =
        |args: &[&str]| env.biplane(BIPLANE).in_dir(large.repo.path()).args(args).patience(DEADLINE * 10);
    call(&["wt", "create", "w"]).run().success();
    let tree = tree(&env, &large.repo, "w");
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
    tree.write("a.txt", "a\n");
    tree.commit("a");
    call(&["merge", "w", "--gate", "test -f a.txt"]).run().success();
    tree.write("b.txt", "b\n");
    call(&["wt", "remove", "w", "--force"]).run().success();
    assert_eq!(large.repo.git(&["diff", "--name-only", "HEAD", "refs/biplane/snapshots/w/1"]), "b.txt");
    call(&["doctor"]).run().success();
}

#[test]
#[ignore = "needs root"]
fn a_repository_of_another_user_is_refused_as_git_refuses_it() {
    let lab = Lab::new();
    lab.env.program("chown").args(["-R", "12345:12345", lab.root().as_str()]).run().success();
    let said = lab.fails(1, &["wt", "create", "w"]).stderr;
    assert!(said.contains("dubious ownership") && said.contains("safe.directory"), "{said}");
    lab.env.program("chown").args(["-R", "0:0", lab.root().as_str()]).run().success();
}
