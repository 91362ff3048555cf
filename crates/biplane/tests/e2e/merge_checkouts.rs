//! Landing and the checkouts that are on the target: brought along when clean, otherwise left exactly as they are.

use crate::lab::{Lab, said};

/// A file as it is in the index of a checkout, and the files around it.
fn state(lab: &Lab) -> (String, String, Vec<(String, Vec<u8>)>) {
    let files = ["README.md", "mine.txt", "staged.txt"]
        .map(|f| (f.to_owned(), std::fs::read(lab.root().join(f)).unwrap_or_default()));
    let index = lab.repo.git(&["ls-files", "--stage"]);
    (lab.repo.git(&["status", "--porcelain", "--untracked-files=all"]), index, files.to_vec())
}

#[test]
fn a_dirty_main_checkout_is_left_as_it_is_and_main_moves() {
    let lab = Lab::new();
    lab.work("w", "README.md", "landed\n");
    lab.repo.write("README.md", "my own work\n");
    lab.repo.write("mine.txt", "untracked\n");
    lab.repo.write("staged.txt", "staged\n");
    lab.repo.git(&["add", "staged.txt"]);
    let (before, main) = (state(&lab), lab.repo.git(&["rev-parse", "main"]));
    let output = lab.call(&["merge", "w", "--gate", "true"]).run().success();
    assert_eq!(state(&lab), before);
    assert_ne!(lab.repo.git(&["rev-parse", "main"]), main);
    assert_eq!(lab.repo.git(&["show", "main:README.md"]), "landed");
    insta::assert_snapshot!(said(&output, &lab), @r"
    biplane: s1: gate `true` (as asked)
    biplane: `[REPO]` has uncommitted work, or files in the way, and was left as it is, off the branch; `git switch --no-overwrite-ignore main` in it brings it along
    ");
    lab.is_sound();
}

#[test]
fn the_way_back_that_is_told_works() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.repo.write("README.md", "my own work\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.repo.git(&["switch", "-q", "--no-overwrite-ignore", "main"]);
    assert_eq!(lab.repo.read("README.md"), "my own work\n");
    assert_eq!(lab.repo.read("a.txt"), "a\n");
}

#[test]
fn a_second_landing_beside_a_dirty_main_checkout_works_too() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.work("v", "b.txt", "b\n");
    lab.repo.write("README.md", "my own work\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.ok(&["merge", "v", "--no-gate"]);
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!(files.contains("a.txt") && files.contains("b.txt"), "{files}");
    assert_eq!(lab.repo.read("README.md"), "my own work\n");
    lab.is_sound();
}

#[test]
fn up_beside_a_dirty_main_checkout_lands_everything() {
    let lab = Lab::new();
    lab.repo.write("README.md", "my own work\n");
    for n in 1..=3 {
        lab.ok(&["task", "create", &format!("task {n}")]);
    }
    lab.call(&["up", "--no-gate", "--", "sh", "-c", "echo x > t$BIPLANE_TASK_ID"]).run().success();
    let files = lab.repo.git(&["ls-tree", "--name-only", "main"]);
    assert!((1..=3).all(|n| files.contains(&format!("t{n}"))), "{files}");
    assert_eq!(lab.repo.git(&["status", "--porcelain"]), " M README.md");
    assert_eq!((lab.directories(), lab.branches()), (vec![], vec![]));
    lab.is_sound();
}

#[test]
fn an_untracked_file_in_the_way_is_kept() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "landed\n");
    lab.repo.write("a.txt", "mine, untracked\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.repo.read("a.txt"), "mine, untracked\n");
    assert_eq!(lab.repo.git(&["show", "main:a.txt"]), "landed");
    lab.is_sound();
}

/// The first command with which a text says that a checkout can be taken somewhere.
fn told_way(text: &str) -> String {
    let is_way = |part: &&str| part.starts_with("git switch") || part.starts_with("git diff-tree");
    let way = text.split('`').find(is_way);
    assert!(way.is_some(), "{text}");
    way.unwrap().to_owned()
}

#[test]
fn the_way_back_that_is_told_overwrites_no_ignored_file() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "secret\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    tree.write("secret", "landed\n");
    tree.git(&["add", "--force", "secret"]);
    tree.git(&["commit", "-q", "-m", "a secret"]);
    lab.repo.write("secret", "mine, ignored\n");
    let way = told_way(&lab.call(&["merge", "w", "--no-gate"]).run().success().stderr);
    let git = |expected: &str| {
        let output = lab.env.program("sh").args(["-c", &way]).in_dir(lab.root()).run();
        assert_eq!(lab.repo.read("secret"), expected, "{output}");
        output.code
    };
    assert_ne!(git("mine, ignored\n"), 0);
    // Once it is out of the way, the same command does it.
    std::fs::remove_file(lab.root().join("secret")).unwrap();
    assert_eq!(git("landed\n"), 0);
    assert_eq!(lab.repo.git(&["branch", "--show-current"]), "main");
}

#[test]
fn an_ignored_file_in_the_way_is_kept() {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "*.db\n");
    lab.repo.commit("ignore");
    let tree = lab.create("w");
    tree.write("local.db", "landed\n");
    tree.git(&["add", "--force", "local.db"]);
    tree.git(&["commit", "-q", "-m", "a database"]);
    lab.repo.write("local.db", "mine, ignored\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.repo.read("local.db"), "mine, ignored\n");
    lab.is_sound();
    let way = told_way(&lab.call(&["doctor"]).run().stdout);
    assert_ne!(lab.env.program("sh").args(["-c", &way]).in_dir(lab.root()).run().code, 0);
    assert_eq!(lab.repo.read("local.db"), "mine, ignored\n", "{way}");
}

#[test]
fn a_file_and_a_directory_in_the_way_of_each_other_are_kept() {
    let lab = Lab::new();
    lab.work("w", "thing/inner.txt", "landed\n");
    lab.repo.write("thing", "mine, a file\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.repo.read("thing"), "mine, a file\n");
    let lab = Lab::new();
    lab.work("w", "thing", "landed\n");
    lab.repo.write("thing/inner.txt", "mine, in a directory\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(lab.repo.read("thing/inner.txt"), "mine, in a directory\n");
}

#[test]
fn a_merge_in_progress_in_the_main_checkout_is_left_alone() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.repo.git(&["switch", "-q", "-c", "side"]);
    lab.repo.write("README.md", "side\n");
    lab.repo.commit("side");
    lab.repo.git(&["switch", "-q", "main"]);
    lab.repo.write("README.md", "main\n");
    lab.repo.commit("main");
    lab.repo.git_call(&["merge", "-q", "side"]).run().fails_with(1);
    let before = state(&lab);
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(state(&lab), before);
    assert!(lab.root().join(".git/MERGE_HEAD").exists());
    lab.is_sound();
}

#[test]
fn a_linked_checkout_on_the_target_is_brought_along_when_clean() {
    let lab = Lab::new();
    lab.repo.write("biplane.toml", "target = \"release\"\n");
    lab.repo.commit("settings");
    lab.repo.git(&["worktree", "add", "-q", "-b", "release", "../release"]);
    let release = lab.repo.at("../release");
    lab.work("w", "a.txt", "a\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    assert_eq!(
        (release.read("a.txt"), release.git(&["status", "--porcelain"])),
        ("a\n".into(), String::new())
    );
    lab.work("v", "b.txt", "b\n");
    release.write("README.md", "mine\n");
    lab.ok(&["merge", "v", "--no-gate"]);
    assert_eq!(release.read("README.md"), "mine\n");
    assert!(!release.path().join("b.txt").exists());
    assert!(lab.repo.git(&["ls-tree", "--name-only", "release"]).contains("b.txt"));
    lab.is_sound();
}

#[test]
fn a_user_who_commits_in_the_main_checkout_after_a_landing_undoes_nothing() {
    let lab = Lab::new();
    lab.work("w", "a.txt", "a\n");
    lab.repo.write("README.md", "my own work\n");
    lab.ok(&["merge", "w", "--no-gate"]);
    lab.repo.git(&["commit", "-q", "-a", "-m", "mine"]);
    assert!(lab.repo.git(&["ls-tree", "--name-only", "main"]).contains("a.txt"));
}
