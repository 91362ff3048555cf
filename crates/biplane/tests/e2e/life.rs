//! The whole life of worktrees in whatever kind of repository: what must hold in every one of them.

use biplane_testkit::{Repo, TestEnv};
use camino::Utf8Path;

use crate::lab::{BIPLANE, fsck};

/// The checkout of the worktree `name`, wherever it is.
#[track_caller]
pub(crate) fn tree(env: &TestEnv, home: &Repo, name: &str) -> Repo {
    let path = env.biplane(BIPLANE).in_dir(home.path()).args(["wt", "path", name]).run().success().stdout;
    home.at(path.trim_end_matches('\n'))
}

/// Creates a worktree, works in it, lands it through a gate, and removes it; then removes another one that has work, and
/// finds the work in its snapshot. Every answer of git's is looked at on the way.
#[track_caller]
pub(crate) fn whole_life(env: &TestEnv, home: &Repo) {
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(home.path()).args(args);
    let ok = |args: &[&str]| call(args).run().success().stdout;
    let before = home.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    ok(&["wt", "create", "life"]);
    let tree = tree(env, home, "life");
    assert_eq!(tree.git(&["status", "--porcelain"]), "", "a new worktree is clean");
    assert_eq!(ok(&["run", "life", "--", "git", "status", "--porcelain"]), "");
    tree.write("life.txt", "one\n");
    assert_eq!(ok(&["wt", "diff", "life", "--stat"]), "+1 -0  life.txt\n");
    tree.git(&["add", "--sparse", "life.txt"]);
    tree.git(&["commit", "--quiet", "--message", "life"]);
    assert_eq!(tree.git(&["diff", "--name-status", "HEAD^", "HEAD"]), "A\tlife.txt");
    assert!(ok(&["wt", "status", "life"]).contains("1 not landed\n"));
    assert!(ok(&["wt", "status", "life"]).ends_with("clean\n"));
    ok(&[
        "merge",
        "life",
        "--gate",
        "test -f life.txt && git status --porcelain && test -z \"$(git status --porcelain)\"",
    ]);
    assert_eq!(home.git(&["status", "--porcelain"]), "", "the main checkout is brought along");
    let after = home.git(&["ls-tree", "-r", "--name-only", "HEAD"]);
    let names = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let mut expected = names(&before);
    expected.insert("life.txt".to_owned());
    assert_eq!(names(&after), expected, "what lands is what was done");
    ok(&["wt", "remove", "life"]);
    assert!(!tree.path().exists());
    lose_nothing(env, home);
    ok(&["doctor"]);
    fsck(home);
}

/// Removes a worktree that has uncommitted work.
#[track_caller]
fn lose_nothing(env: &TestEnv, home: &Repo) {
    let ok = |args: &[&str]| env.biplane(BIPLANE).in_dir(home.path()).args(args).run().success().stdout;
    ok(&["wt", "create", "death"]);
    let tree = tree(env, home, "death");
    tree.write("lost.txt", "found\n");
    tree.write("life.txt", "two\n");
    let status = || tree.git(&["status", "--porcelain"]);
    let before = status();
    ok(&["wt", "remove", "death", "--force"]);
    assert!(!tree.path().exists());
    let snapshot = "refs/biplane/snapshots/death/1";
    assert_eq!(home.git(&["cat-file", "blob", &format!("{snapshot}:lost.txt")]), "found");
    ok(&["wt", "restore", "death"]);
    assert_eq!((status(), tree.read("life.txt")), (before, "two\n".to_owned()));
    ok(&["wt", "remove", "death", "--force"]);
    assert!(!tree.path().exists());
}

/// Names in a directory.
pub(crate) fn names(dir: &Utf8Path) -> Vec<String> {
    let mut names: Vec<_> = dir.read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned()).collect();
    names.sort_unstable();
    names
}
