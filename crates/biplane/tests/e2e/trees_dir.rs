//! Where the settings have worktrees made: elsewhere, under another name, or in a place that is none.

use biplane_testkit::Repo;

use crate::{
    lab::{Lab, fsck},
    life::{names, tree, whole_life},
};

/// A lab whose settings name this directory.
fn lab(dir: &str) -> Lab {
    let lab = Lab::new();
    name(&lab, dir);
    lab
}

fn name(lab: &Lab, dir: &str) {
    lab.settings(&format!("[worktrees]\ndir = {}\n", serde_json::Value::from(dir)));
}

#[test]
fn worktrees_outside_of_the_repository_live_a_whole_life() {
    for dir in ["../app-worktrees", "../my trees", "ABSOLUTE"] {
        let lab = Lab::new();
        let place = lab.env.root().join(dir.replace("ABSOLUTE", "abs").trim_start_matches("../"));
        name(&lab, &dir.replace("ABSOLUTE", place.as_str()));
        whole_life(&lab.env, &lab.repo);
        assert_eq!(names(&place), [".biplane-home"], "{dir}: nothing is left");
        lab.ok(&["wt", "create", "w"]);
        assert_eq!(lab.json(&["wt", "list"])[0]["path"], place.join("w").as_str());
        let index = lab.repo.read(".worktrees/index.json");
        assert!(index.contains(place.join("w").as_str()), "{index}");
        let inside = place.join("w");
        assert_eq!(lab.call_in(&inside, &["wt", "path", "w"]).run().success().stdout.trim(), inside);
        lab.is_sound();
    }
}

#[test]
fn worktrees_below_the_top_under_another_name_get_into_no_commit() {
    let lab = lab("build [x]/my trees");
    std::fs::create_dir(lab.root().join("build [x]")).unwrap();
    whole_life(&lab.env, &lab.repo);
    lab.ok(&["wt", "create", "w"]);
    assert_eq!(lab.repo.git(&["status", "--porcelain", "--untracked-files=all"]), "");
    let excluded = lab.repo.read(".git/info/exclude");
    assert!(excluded.ends_with("\n/build\\ \\[x\\]/my\\ trees/\n"), "{excluded}");
    lab.repo.git(&["add", "--all"]);
    assert_eq!(lab.repo.git(&["diff", "--cached", "--name-only"]), "");
    lab.ok(&["wt", "create", "v"]);
    assert_eq!(lab.repo.read(".git/info/exclude"), excluded, "the entry is written once");
}

#[test]
fn a_link_to_the_directory_is_followed_once_and_the_real_place_recorded() {
    let lab = Lab::new();
    lab.env.dir("real");
    std::os::unix::fs::symlink("../real", lab.root().join("trees")).unwrap();
    name(&lab, "trees");
    whole_life(&lab.env, &lab.repo);
    lab.ok(&["wt", "create", "w"]);
    assert_eq!(tree(&lab.env, &lab.repo, "w").path(), lab.env.root().join("real/w"));
}

#[test]
fn no_place_for_worktrees() {
    let lab = Lab::new();
    lab.repo.write("src/a.rs", "\n");
    lab.repo.commit("sources");
    lab.env.repo("other").write("file", "x");
    lab.create("w");
    let before = lab.photograph(".git/refs");
    let mut said = String::new();
    for (dir, code) in [
        ("..", 3),
        ("../app", 3),
        (".git", 3),
        (".git/trees", 3),
        (".tasks/trees", 3),
        (".worktrees/runs", 3),
        (".worktrees/w/deep", 3),
        ("src", 3),
        ("README.md", 3),
        ("../other", 3),
        ("../other/file", 3),
        ("../none/deep", 1),
        ("/dev/null/x", 1),
        ("/", 2),
        ("", 2),
    ] {
        lab.repo.write("biplane.toml", format!("[worktrees]\ndir = \"{dir}\"\n"));
        let text = lab.fails(code, &["wt", "create", "v"]).stderr.replace(lab.env.root().as_str(), "[ENV]");
        said += &format!("{dir}: {}\n", text.lines().next().unwrap());
        assert!(dir == "/" || dir.is_empty() || text.contains("\nhint: "), "{text}");
        assert_eq!(lab.linked(), 1, "{dir}");
        assert_eq!(lab.photograph(".git/refs"), before, "{dir}");
    }
    insta::assert_snapshot!(said, @r"
    ..: error: worktrees can't be made in `[ENV]`: the repository lies in it
    ../app: error: worktrees can't be made in `[ENV]/app`: the repository lies in it
    .git: error: worktrees can't be made in `[ENV]/app/.git`: git keeps its own files there
    .git/trees: error: worktrees can't be made in `[ENV]/app/.git/trees`: git keeps its own files there
    .tasks/trees: error: worktrees can't be made in `[ENV]/app/.tasks/trees`: biplane keeps other things there
    .worktrees/runs: error: worktrees can't be made in `[ENV]/app/.worktrees/runs`: biplane keeps other things there
    .worktrees/w/deep: error: worktrees can't be made in `[ENV]/app/.worktrees/w/deep`: it lies in another checkout
    src: error: worktrees can't be made in `src`: other files lie there, such as `src/a.rs`
    README.md: error: worktrees can't be made in `[ENV]/app/README.md`: it is no directory
    ../other: error: worktrees can't be made in `[ENV]/other`: it is another checkout
    ../other/file: error: worktrees can't be made in `[ENV]/other/file`: it is no directory
    ../none/deep: error: `[ENV]/none/deep` could not be created: no such file or directory
    /dev/null/x: error: `/dev/null/x` could not be created: not a directory
    /: error: `biplane.toml` line 2, key `dir`: name a directory other than the top one
    : error: `biplane.toml` line 2, key `dir`: name a directory other than the top one
    ");
    std::fs::remove_file(lab.root().join("biplane.toml")).unwrap();
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), "");
    lab.ok(&["wt", "remove", "w"]);
    lab.is_sound();
}

#[test]
fn two_repositories_never_share_a_directory() {
    let lab = lab("../trees");
    lab.ok(&["wt", "create", "first"]);
    lab.ok(&["wt", "remove", "first"]);
    lab.ok(&["wt", "create", "w"]);
    // What a killed gate and a killed removal of this repository would have left.
    let trees = lab.env.root().join("trees");
    for left in [".gate-s7", ".removed-w1"] {
        std::fs::create_dir(trees.join(left)).unwrap();
    }
    let other = lab.env.repo("other");
    other.write("biplane.toml", "[worktrees]\ndir = \"../trees\"\n");
    other.commit("settings");
    let said = lab.call_in(other.path(), &["wt", "create", "v"]).run().fails_with(4).stderr;
    insta::assert_snapshot!(said.replace(lab.env.root().as_str(), "[ENV]"), @r"
    error: `[ENV]/trees` holds the worktrees of another repository, `[ENV]/app/.git`
    hint: give each repository a directory of its own: `dir` in the table `[worktrees]`
    ");
    lab.call_in(other.path(), &["doctor", "--fix"]).run().success();
    assert_eq!(
        names(&trees),
        [".biplane-home", ".gate-s7", ".removed-w1", "w"],
        "what is another's is left alone"
    );
    // Its own repository clears it away.
    lab.ok(&["wt", "create", "x"]);
    assert_eq!(names(&trees), [".biplane-home", "w", "x"]);
    fsck(&lab.repo);
}

#[test]
fn a_copy_of_the_repository_takes_nothing_of_the_originals_directory() {
    let lab = lab("../trees");
    let original: Repo = {
        lab.ok(&["wt", "create", "w"]);
        tree(&lab.env, &lab.repo, "w")
    };
    lab.env.program("cp").args(["-R", "app", "copy"]).run().success();
    let copy = lab.env.root().join("copy");
    let said = lab.call_in(&copy, &["wt", "create", "v"]).run().fails_with(4).stderr;
    assert!(said.contains("holds the worktrees of another repository"), "{said}");
    lab.call_in(&copy, &["wt", "remove", "w", "--force"]).run().fails_with(3);
    assert!(original.path().join("README.md").is_file());
    lab.ok(&["wt", "remove", "w"]);
}

#[test]
fn a_change_of_the_directory_leaves_live_worktrees_where_they_are() {
    let lab = Lab::new();
    let old = lab.work("old", "a.txt", "a\n");
    name(&lab, "../trees");
    lab.ok(&["wt", "create", "new"]);
    assert_eq!(tree(&lab.env, &lab.repo, "new").path(), lab.env.root().join("trees/new"));
    assert_eq!(lab.ok(&["run", "old", "--", "pwd"]).trim(), old.path());
    lab.ok(&["merge", "old", "--gate", "test -f a.txt"]);
    old.write("more.txt", "m\n");
    lab.ok(&["wt", "remove", "old", "--force"]);
    assert_eq!(lab.directories(), [""; 0]);
    // And back again.
    name(&lab, ".worktrees");
    lab.ok(&["wt", "create", "third"]);
    tree(&lab.env, &lab.repo, "new").write("n.txt", "n\n");
    lab.ok(&["wt", "remove", "new", "--force"]);
    assert_eq!(names(&lab.env.root().join("trees")), [".biplane-home"]);
    lab.ok(&["doctor"]);
    lab.is_sound();
}

#[test]
fn a_directory_inside_another_repository_works_and_is_told_of() {
    let lab = Lab::new();
    lab.env.repo("outer");
    name(&lab, "../outer/trees");
    let said =
        lab.call(&["wt", "create", "w"]).run().success().stderr.replace(lab.env.root().as_str(), "[ENV]");
    insta::assert_snapshot!(said, @"biplane: `[ENV]/outer/trees` lies in another repository, `[ENV]/outer`, whose `git status` shows it: exclude it there");
    assert_eq!(lab.call(&["wt", "create", "v"]).run().success().stderr, "", "it is said once");
    whole_life(&lab.env, &lab.repo);
}

#[test]
fn a_git_directory_kept_elsewhere_needs_a_way_back_from_worktrees_outside() {
    let lab = lab("../trees");
    lab.repo.git(&["init", "-q", "--separate-git-dir", lab.env.root().join("store").as_str()]);
    let said = lab.fails(3, &["wt", "create", "w"]).stderr.replace(lab.env.root().as_str(), "[ENV]");
    insta::assert_snapshot!(said, @r"
    error: the repository's git directory lies elsewhere, and from a worktree outside of `[ENV]/app` there is no way back to it
    hint: `git config core.worktree '[ENV]/app'` makes one
    ");
    lab.repo.git(&["config", "core.worktree", lab.root().as_str()]);
    whole_life(&lab.env, &lab.repo);
    lab.ok(&["wt", "create", "w"]);
    let inside = tree(&lab.env, &lab.repo, "w");
    lab.call_in(inside.path(), &["task", "create", "from inside"]).run().success();
    assert_eq!(lab.json(&["task", "list"])[0]["subject"], "from inside");
}

#[test]
fn a_repository_that_moves_with_its_worktrees_is_linked_again() {
    let lab = Lab::new();
    let env = &lab.env;
    let outer = env.dir("outer");
    std::fs::rename(lab.root(), outer.join("app")).unwrap();
    let repo = lab.repo.at(outer.join("app"));
    repo.write("biplane.toml", "[worktrees]\ndir = \"../trees\"\n");
    repo.commit("settings");
    lab.call_in(repo.path(), &["wt", "create", "w"]).run().success();
    std::fs::rename(&outer, env.root().join("moved")).unwrap();
    let repo = lab.repo.at(env.root().join("moved/app"));
    let _ = lab.call_in(repo.path(), &["doctor", "--fix"]).run();
    let moved = env.root().join("moved/trees/w");
    assert_eq!(tree(env, &repo, "w").path(), moved);
    assert_eq!(repo.at(&moved).git(&["status", "--porcelain"]), "");
    lab.call_in(repo.path(), &["wt", "create", "v"]).run().success();
    lab.call_in(repo.path(), &["wt", "remove", "w"]).run().success();
}

#[test]
#[ignore = "needs a mount"]
fn worktrees_on_another_file_system_live_a_whole_life() {
    let lab = lab("../disk");
    let disk = lab.env.dir("disk");
    let mount = |args: &[&str]| lab.env.program(args[0]).args(&args[1..]).run().success();
    mount(&["mount", "-t", "tmpfs", "none", disk.as_str()]);
    whole_life(&lab.env, &lab.repo);
    lab.ok(&["wt", "create", "w"]);
    mount(&["umount", disk.as_str()]);
    let said = lab.fails(3, &["wt", "remove", "w", "--force"]).stderr;
    assert!(said.contains("is not there"), "{said}");
    assert_eq!(lab.branches(), ["wt/w"], "what is unmounted is not gone");
}
