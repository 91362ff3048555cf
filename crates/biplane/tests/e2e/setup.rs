//! What is brought into a new worktree: copies, clones, links. Never over anything, never into a commit.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::{Duration, SystemTime},
};

use biplane_testkit::Repo;

use crate::lab::{Lab, is_safe_for_a_terminal, said};

/// A lab with these settings and ignored files.
fn lab(settings: &str, ignore: &str) -> Lab {
    let lab = Lab::new();
    lab.repo.write(".gitignore", ignore);
    lab.settings(settings);
    lab
}

fn is_clean(tree: &Repo) {
    assert_eq!(tree.git(&["status", "--porcelain"]), "");
}

fn mode(tree: &Repo, path: &str) -> u32 {
    fs::symlink_metadata(tree.path().join(path)).unwrap().permissions().mode() & 0o777
}

#[test]
fn ignored_files_that_match_are_copied_and_nothing_else() {
    let lab = lab("[setup]\ncopy = [\".env*\", \"!/.env.old\"]\n", ".env*\nsecrets/\n*.log\n");
    lab.repo.write(".worktreeinclude", "# more of them\nsecrets/*.key\n");
    lab.repo.write("tracked.key", "tracked\n");
    lab.repo.commit("include");
    for path in [".env", "web/.env.local", ".env.old", "secrets/a.key", "secrets/b.txt", "x.log"] {
        lab.repo.write(path, format!("{path}\n"));
    }
    lab.repo.write("loose.key", "untracked, not ignored\n");
    fs::set_permissions(lab.root().join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = lab.call(&["wt", "create", "w"]).run().success();
    assert_eq!(said(&output, &lab), "biplane: set-up: brought files: 3 entries, 1 KiB");
    let tree = lab.worktree("w");
    assert_eq!(tree.read(".env"), ".env\n");
    assert_eq!(tree.read("web/.env.local"), "web/.env.local\n");
    assert_eq!(tree.read("secrets/a.key"), "secrets/a.key\n");
    for path in [".env.old", "secrets/b.txt", "x.log", "loose.key"] {
        assert!(!tree.path().join(path).exists(), "{path}");
    }
    assert_eq!(mode(&tree, ".env"), 0o600);
    let times = |path: camino::Utf8PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    assert_eq!(times(tree.path().join(".env")), times(lab.root().join(".env")));
    is_clean(&tree);
    assert_eq!(lab.json(&["wt", "status", "w"])["setup"], "complete");
    lab.is_sound();
}

#[test]
fn nothing_is_overwritten_and_a_second_time_brings_what_is_missing() {
    let lab = lab("[setup]\ncopy = [\".env*\"]\n", ".env*\n");
    lab.repo.write(".env", "main\n");
    let tree = lab.create("w");
    tree.write(".env", "mine\n");
    lab.repo.write(".env.new", "new\n");
    let output = lab.call(&["wt", "setup", "w"]).run().success();
    assert_eq!((output.stdout.as_str(), tree.read(".env")), ("worktree w is ready\n", "mine\n".to_owned()));
    assert_eq!(tree.read(".env.new"), "new\n");
    // From inside another worktree it is still the main checkout that files come from.
    lab.call_in(tree.path(), &["wt", "create", "v"]).run().success();
    assert_eq!(lab.worktree("v").read(".env"), "main\n");
    lab.is_sound();
}

#[test]
fn what_would_get_into_a_commit_is_left_out() {
    let lab = lab("[setup]\ncopy = [\".env\", \"gen\"]\nclone = [\"deps\"]\n", ".env\ngen\ndeps/\n");
    let ignoring = lab.repo.head();
    lab.repo.write(".gitignore", "\n");
    lab.repo.write("gen", "tracked\n");
    let before = lab.repo.commit("nothing is ignored here");
    lab.repo.git(&["checkout", "-q", &ignoring]);
    for path in [".env", "gen", "deps/a"] {
        lab.repo.write(path, "main\n");
    }
    let output = lab.call(&["wt", "create", "w", "--base", &before]).run().success();
    let tree = lab.worktree("w");
    assert_eq!(tree.read("gen"), "tracked\n");
    assert!(output.stderr.contains("`.env` is not ignored in the worktree"), "{output}");
    assert!(output.stderr.contains("`deps` is not ignored in the worktree"), "{output}");
    assert!(!tree.path().join(".env").exists() && !tree.path().join("deps").exists());
    // A tracked file that was deleted in the worktree is not brought back either.
    fs::remove_file(tree.path().join("gen")).unwrap();
    lab.ok(&["wt", "setup", "w"]);
    assert!(!tree.path().join("gen").exists());
}

#[test]
fn links_are_copied_as_links_and_none_is_followed() {
    let lab = lab("[setup]\ncopy = [\"*.x\", \"d/\", \"e/\"]\n", "*.x\n/d\n/e\n");
    lab.repo.write("real.x", "real\n");
    symlink("real.x", lab.root().join("inside.x")).unwrap();
    symlink("/etc/hostname", lab.root().join("absolute.x")).unwrap();
    symlink("../../outside", lab.root().join("up.x")).unwrap();
    lab.repo.write("d/f", "f\n");
    lab.repo.write("nested.x/f", "f\n");
    lab.repo.at("nested.x").git(&["init", "-q"]);
    let outside = lab.env.dir("outside");
    lab.ok(&["wt", "create", "w", "--no-setup"]);
    let tree = lab.worktree("w");
    // Something in the worktree leads elsewhere.
    symlink(&outside, tree.path().join("d")).unwrap();
    let output = lab.call(&["wt", "setup", "w"]).run().success();
    assert_eq!(fs::read_link(tree.path().join("inside.x")).unwrap().to_str(), Some("real.x"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing is written through a link");
    for (path, why) in [
        ("absolute.x", "leads out of the worktree"),
        ("up.x", "leads out of the worktree"),
        ("nested.x/", "is a repository of its own"),
        ("d/f", "has something else than a directory in its way"),
    ] {
        assert!(
            output.stderr.contains(&format!("`{path}` {why}"))
                || output.stderr.contains(&format!("`{path}` is a link that {why}")),
            "{path}: {output}"
        );
        assert!(!tree.path().join(path).exists() || path == "d/f", "{path}");
    }
}

#[test]
fn a_clone_keeps_links_modes_times_and_empty_directories_and_is_nobody_elses() {
    let lab = lab("[setup]\nclone = [\"web/node_modules\", \"target\"]\n", "node_modules/\n/target/*\n");
    let modules = lab.root().join("web/node_modules");
    lab.repo.write("web/node_modules/pkg/cli.js", "cli\n");
    lab.repo.write("web/node_modules/dep/.git/HEAD", "a repository\n");
    lab.repo.write("target/debug/a", "a\n");
    fs::create_dir_all(modules.join(".bin/empty")).unwrap();
    symlink("../pkg/cli.js", modules.join(".bin/cli")).unwrap();
    fs::set_permissions(modules.join("pkg/cli.js"), fs::Permissions::from_mode(0o750)).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    for path in [modules.join("pkg/cli.js"), modules.join("pkg"), modules.clone()] {
        fs::File::open(path).unwrap().set_modified(old).unwrap();
    }
    let output = lab.call(&["wt", "create", "w"]).run().success();
    let tree = lab.worktree("w");
    let there = tree.path().join("web/node_modules");
    assert!(output.stderr.contains("`web/node_modules/dep/.git` is a repository's; left out"), "{output}");
    assert_eq!(fs::read_link(there.join(".bin/cli")).unwrap().to_str(), Some("../pkg/cli.js"));
    assert!(there.join(".bin/empty").is_dir() && there.join("dep").is_dir());
    assert_eq!(mode(&tree, "web/node_modules/pkg/cli.js"), 0o750);
    for path in ["pkg/cli.js", "pkg", ""] {
        assert_eq!(fs::metadata(there.join(path)).unwrap().modified().unwrap(), old, "{path}");
    }
    assert_ne!(
        fs::metadata(there.join("pkg/cli.js")).unwrap().ino(),
        fs::metadata(modules.join("pkg/cli.js")).unwrap().ino(),
        "no hard link"
    );
    assert_eq!(tree.read("target/debug/a"), "a\n");
    is_clean(&tree);
    // It is not done again.
    fs::remove_file(there.join("pkg/cli.js")).unwrap();
    lab.ok(&["wt", "setup", "w"]);
    assert!(!there.join("pkg/cli.js").exists());
    lab.ok(&["wt", "remove", "w"]);
    lab.is_sound();
}

#[test]
fn directories_that_are_missing_or_not_ignored_are_told_of() {
    let lab = lab(
        "[setup]\nclone = [\"gone\", \"src\", \"file\"]\nshare = [\"src\", \"half\"]\n",
        "/file\nhalf/ignored\n",
    );
    lab.repo.write("src/a", "a\n");
    lab.repo.commit("src");
    lab.repo.write("file", "a file\n");
    lab.repo.write("half/ignored", "x\n");
    lab.repo.write("half/loose", "x\n");
    let output = lab.call(&["wt", "create", "w"]).run().success();
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "biplane: set-up: `src` is not ignored in the main checkout; left out",
            "biplane: set-up: `half` is not ignored in the main checkout; left out",
            "biplane: set-up: `gone` is not in the main checkout",
            "biplane: set-up: `src` is not ignored in the main checkout; left out",
            "biplane: set-up: `file` is no directory in the main checkout; left out",
        ]
    );
}

#[test]
fn a_shared_directory_is_a_link_that_no_commit_takes_and_no_removal_follows() {
    let lab =
        lab("[setup]\nshare = [\"node_modules\", \"vendor/big [1]\"]\n", "node_modules/\n/vendor/big*/\n");
    lab.repo.write("node_modules/a.js", "a\n");
    lab.repo.write("vendor/big [1]/b", "b\n");
    let before = lab.repo.git(&["status", "--porcelain"]);
    let tree = lab.create("w");
    assert_eq!(tree.read("node_modules/a.js"), "a\n");
    assert_eq!(tree.read("vendor/big [1]/b"), "b\n");
    let link = fs::read_link(tree.path().join("node_modules")).unwrap();
    assert_eq!(link.to_str(), Some("../../node_modules"));
    is_clean(&tree);
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), before, "the main checkout is as it was");
    let exclude = lab.repo.read(".git/info/exclude");
    lab.ok(&["wt", "setup", "w"]);
    lab.create("v");
    assert_eq!(lab.repo.read(".git/info/exclude"), exclude, "each entry is there once");
    // A snapshot holds the link at most, and a removal deletes it.
    tree.write("loose.txt", "loose\n");
    let removal = lab.json(&["wt", "remove", "w", "--force"]);
    let snapshot = removal["snapshot"].as_str().unwrap();
    let held = lab.repo.git(&["ls-tree", "-r", "--name-only", snapshot]);
    assert!(!held.contains("a.js") && !held.lines().any(|l| l.ends_with("/b")), "{held}");
    assert_eq!(lab.repo.read("node_modules/a.js"), "a\n");
    assert_eq!(lab.repo.read("vendor/big [1]/b"), "b\n");
    lab.is_sound();
}

#[test]
fn leftovers_have_no_shared_directory_and_no_copied_secret_in_them() {
    let lab = lab(
        "gate = \"true\"\n[setup]\ncopy = [\".env\"]\nshare = [\"node_modules\"]\n",
        "node_modules/\n.env\n",
    );
    lab.repo.write("node_modules/a.js", "a\n");
    lab.repo.write(".env", "SECRET=1\n");
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["up", "--", "sh", "-c", "cat .env node_modules/a.js > seen.txt"]);
    assert_eq!(lab.repo.git(&["show", "main:seen.txt"]), "SECRET=1\na");
    let all = lab.repo.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(all.lines().collect::<Vec<_>>(), [".gitignore", "README.md", "biplane.toml", "seen.txt"]);
    assert_eq!(lab.repo.read("node_modules/a.js"), "a\n");
    lab.is_sound();
}

#[test]
fn what_a_crash_leaves_half_done_is_finished() {
    let lab = lab("[setup]\ncopy = [\".env\"]\nclone = [\"deps\"]\n", ".env\ndeps/\n");
    lab.repo.write(".env", "whole\n");
    lab.repo.write("deps/a/b", "b\n");
    for place in
        ["ignored file brought before@1", "ignored file brought after@1", "ignored file brought before@2"]
    {
        let name = format!("w{}", lab.json(&["wt", "list", "--all"]).as_array().unwrap().len());
        lab.call(&["wt", "create", &name]).env("FAILPOINT", place).run().fails_with(137);
        let tree = lab.worktree(&name);
        is_clean(&tree);
        assert_eq!(lab.json(&["wt", "status", &name])["setup"], "incomplete");
        let status = lab.ok(&["wt", "status", &name]);
        assert!(status.contains(&format!("set-up incomplete; `biplane worktree setup {name}`")), "{status}");
        lab.ok(&["wt", "setup", &name]);
        assert_eq!((tree.read(".env"), tree.read("deps/a/b")), ("whole\n".to_owned(), "b\n".to_owned()));
        assert!(!tree.path().join(".biplane-new").exists());
        assert_eq!(lab.json(&["wt", "status", &name])["setup"], "complete");
    }
    lab.is_sound();
}

#[test]
fn a_list_of_patterns_that_leads_elsewhere_is_refused_and_a_bare_repository_has_nothing_to_bring() {
    let lab = lab("\n", "");
    symlink("/etc/hostname", lab.root().join(".worktreeinclude")).unwrap();
    let output = lab.fails(3, &["wt", "create", "w"]);
    assert!(output.stderr.contains("`.worktreeinclude` is not read: it is a symbolic link"), "{output}");
    assert!(lab.worktree("w").path().is_dir(), "the worktree is there all the same");

    lab.repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let bare = lab.env.root().join("bare.git");
    fs::write(bare.join("biplane.toml"), "[setup]\ncopy = [\".env\"]\n").unwrap();
    let output = lab.call_in(&bare, &["wt", "create", "b"]).run().success();
    assert!(output.stderr.contains("there is no main checkout to bring ignored files from"), "{output}");
}

#[test]
fn a_snapshot_holds_what_was_changed_and_not_what_the_main_checkout_has() {
    let lab = lab(
        "[setup]\ncopy = [\".env*\", \"k/*.key\"]\nclone = [\"deps\"]\nshare = [\"cache\"]\n",
        ".env*\nk/\ndeps/\ncache/\n",
    );
    for path in [".env", "k/a.key", "k/main.txt", "deps/a/b", "cache/c"] {
        lab.repo.write(path, "main's\n");
    }
    lab.create("w");
    assert_eq!(lab.json(&["wt", "remove", "w"])["snapshot"], serde_json::Value::Null);
    for (change, held) in [(".env", ".env"), ("k/new.key", "k/new.key"), ("deps/a/b", "deps/a/b")] {
        let tree = lab.create("w");
        tree.write(change, "mine's\n");
        let removal = lab.json(&["wt", "remove", "w"]);
        let snapshot = removal["snapshot"].as_str().unwrap();
        assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:{held}")]), "mine's");
    }
    // The main checkout has another one by now: the worktree's is nowhere else.
    lab.create("w");
    lab.repo.write(".env", "newer\n");
    assert!(lab.json(&["wt", "remove", "w"])["snapshot"].is_string());
    assert_eq!(lab.repo.read("cache/c"), "main's\n");
    lab.is_sound();
}

#[test]
fn hostile_names_are_shown_safely() {
    let lab = lab(
        "[setup]\ncopy = [\"*.x\"]\nclone = [\"a\\u001b[2Jb\"]\nrun = [\"echo '\\u001b]0;x\\u0007'; exit 1\"]\n",
        "*.x\n",
    );
    symlink("/etc", lab.root().join("\u{1b}[2J\n.x")).unwrap();
    for args in [
        &["setup", "show"][..],
        &["wt", "create", "w"],
        &["setup", "approve", "--yes"],
        &["wt", "setup", "w"],
    ] {
        is_safe_for_a_terminal(&lab.call(args).run());
    }
}

/// What is measured in the guide: the build of what others wrote is not done again.
#[test]
fn a_cloned_target_saves_building_dependencies() {
    let lab = lab("[setup]\nclone = [\"target\"]\n", "target/\n");
    let dependency = lab.env.dir("dep");
    let write = |path: camino::Utf8PathBuf, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(dependency.join("Cargo.toml"), "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n");
    write(dependency.join("src/lib.rs"), "pub fn one() -> u32 { 1 }\n");
    let manifest = format!(
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\n[dependencies]\ndep = {{ path = \"{dependency}\" }}\n"
    );
    lab.repo.write("Cargo.toml", manifest);
    lab.repo.write("src/main.rs", "fn main() { println!(\"{}\", dep::one()); }\n");
    let bin = camino::Utf8Path::new(env!("CARGO")).parent().unwrap();
    let build = |dir: &camino::Utf8Path| {
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let cargo = lab.env.program(env!("CARGO")).in_dir(dir).args(["build", "--offline"]).env("PATH", path);
        let said = cargo.run().success().stderr;
        said.lines()
            .filter_map(|l| l.trim().strip_prefix("Compiling ")?.split(' ').next().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    assert_eq!(build(lab.root()), ["dep", "app"]);
    lab.repo.commit("program");
    let tree = lab.create("w");
    assert_eq!(build(tree.path()), ["app"]);
    assert_eq!(build(lab.root()), [""; 0], "the main checkout's is as it was");
}
