//! What a snapshot can't hold is refused, in words that say what to do; hostile snapshots bring nothing back elsewhere.

use std::fs;

use biplane_execution::worktrees::{self, Held, SNAPSHOT_REFS, SnapshotError, contents};

use crate::lab::{BRANCH, Lab};

#[track_caller]
fn refusal(lab: &Lab, script: &str) -> String {
    let place = lab.worktree(script);
    let error = lab.take(&place, Held::ByNothing).unwrap_err();
    assert_eq!(lab.repo.git(&["for-each-ref", SNAPSHOT_REFS]), "", "nothing is written");
    error.to_string()
}

#[test]
fn more_than_the_bound_names_the_largest() {
    let mut lab = Lab::new();
    lab.rules.max_bytes = 1 << 20;
    let said = refusal(
        &lab,
        "mkdir build; head -c 900000 /dev/zero > build/one; head -c 300000 /dev/zero > two.db; echo x > x; mkdir target; head -c 9000000 /dev/zero > target/huge",
    );
    assert_eq!(
        said,
        "untracked and ignored files come to 1.1 MiB, more than 1.0 MiB; the largest are `build/one` (878.9 KiB), `two.db` (293.0 KiB), `x` (2 bytes)"
    );
}

#[test]
fn a_repository_inside_is_refused_wherever_it_is() {
    for script in [
        "git init -q inner; echo x > inner/x",
        "git init -q inner; cd inner; echo x > x; git add x; git commit -qm x",
        "mkdir build; git init -q build/inner",
        "git init -q --bare build; mkdir -p d; echo 'gitdir: /nowhere' > d/.git",
        "mkdir d; echo x > d/.GIT",
    ] {
        let said = refusal(&Lab::new(), script);
        assert!(said.contains("is a repository inside the worktree"), "{script}: {said}");
    }
}

#[test]
fn a_repository_is_refused_where_git_says_clean() {
    for (script, shown) in [
        ("git init -q dir; cd dir; git add -A; git commit -qm inner", "`dir` is"),
        ("echo mine > dir/.git", "`dir` is"),
        ("mkdir -p dir/empty/.git", "`dir/empty` is"),
        ("mkdir -p new/.git; echo mine > new/.git/mine", "`new` is"),
        ("ln -s /nowhere dir/.git; mkdir -p target/dep; git init -q target/dep", "`dir` is"),
    ] {
        let lab = Lab::new();
        let place = lab.worktree(script);
        assert_eq!(lab.checkout().git(&["status", "--porcelain"]), "", "{script}");
        let said = lab.take(&place, Held::ByAnother).unwrap_err().to_string();
        assert!(
            said.contains(shown) && said.contains("a repository inside the worktree"),
            "{script}: {said}"
        );
        let said = worktrees::refuse_repositories(&place, &lab.rules).unwrap_err().to_string();
        assert!(said.contains(shown), "{script}: {said}");
        // It stays, and so does what is in it.
        assert_eq!(lab.take(&place, Held::InPlace).unwrap(), None, "{script}");
    }
}

#[test]
fn what_a_snapshot_leaves_out_is_not_looked_into() {
    let lab = Lab::new();
    let place = lab.worktree("git init -q target/dep; mkdir -p build/target; git init -q build/target/dep");
    worktrees::refuse_repositories(&place, &lab.rules).unwrap();
    lab.sh("git init -q build/inner").success();
    worktrees::refuse_repositories(&place, &lab.rules).unwrap_err();
}

#[test]
fn a_directory_deeper_than_is_looked_into_is_refused() {
    let lab = Lab::new();
    let deep = |levels: usize| format!("mkdir -p {}", vec!["e"; levels].join("/"));
    let place = lab.worktree(&deep(300));
    assert_eq!(lab.take(&place, Held::ByAnother).unwrap(), None);
    lab.sh(&deep(500)).success();
    let said = lab.take(&place, Held::ByAnother).unwrap_err().to_string();
    assert!(said.contains("could not be looked at"), "{said}");
}

#[test]
fn a_snapshot_that_leads_outside_brings_nothing_there() {
    let lab = Lab::new();
    let outside = lab.env.dir("outside");
    let place = lab.worktree(&format!("ln -s {outside} out; echo x > x"));
    let taken = lab.take(&place, Held::ByNothing).unwrap().unwrap();
    let note = lab.repo.git(&["show", &format!("{}^3:biplane-snapshot", taken.commit)]);
    lab.remove(&place);
    for path in ["out/made", "../../made", "/tmp/made-by-a-snapshot", ".git/hooks", "a\\000b", "x/y"] {
        let forged = format!("{note}\ndir 0755 \"{path}\"\n");
        let blob = lab.git.call(["hash-object", "-w", "--stdin"]).stdin(forged).text().unwrap();
        let tree =
            lab.git.call(["mktree"]).stdin(format!("100644 blob {blob}\tbiplane-snapshot\n")).text().unwrap();
        let kept = lab.repo.git(&["commit-tree", "-m", "forged", &tree]);
        let files = format!("{}^{{tree}}", taken.commit);
        let forged = lab.repo.git(&[
            "commit-tree",
            "-m",
            "forged",
            "-p",
            lab.base.as_str(),
            "-p",
            lab.base.as_str(),
            "-p",
            &kept,
            &files,
        ]);
        let contents = contents(&lab.git, &forged.parse().unwrap()).unwrap();
        let place = lab.add();
        worktrees::put_back(&place, &contents, BRANCH).unwrap_err();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{path}");
        assert!(!lab.repo.path().join("made").exists() && !fs::exists("/tmp/made-by-a-snapshot").unwrap());
        lab.remove(&place);
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let lab = Lab::new();
    let root = lab.repo.git(&["rev-list", "--max-parents=0", "HEAD"]).parse().unwrap();
    assert!(contents(&lab.git, &root).is_err());
}

#[test]
fn a_file_that_can_not_be_read_is_not_passed_over() {
    let lab = Lab::new();
    let place = lab.worktree("mkdir shut; echo x > shut/x; chmod 000 shut");
    // Root reads everything.
    if fs::read_dir(lab.path().join("shut")).is_err() {
        let error = lab.take(&place, Held::ByNothing).unwrap_err();
        assert!(matches!(error, SnapshotError::Unknown(_) | SnapshotError::Git(_)), "{error}");
    }
    lab.sh("chmod 755 shut").success();
}
