//! `wt adopt`: a worktree that something else has made works like one of biplane's own.

use std::fs;

use crate::lab::{Lab, said};

/// A worktree made by `git worktree add`.
fn by_hand(lab: &Lab, place: &str, branch: &str) -> biplane_testkit::Repo {
    lab.repo.git(&["worktree", "add", "-q", "-b", branch, place]);
    lab.repo.at(place)
}

#[test]
fn every_verb_works_on_an_adopted_worktree() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "log in"]);
    let theirs = by_hand(&lab, "../app.feature login", "feature/login");
    theirs.write("login.txt", "login\n");
    theirs.commit("log in");
    lab.repo.write("other.txt", "other\n");
    lab.repo.commit("main went on");
    let fork = lab.repo.git(&["merge-base", "main", "feature/login"]);

    let before = lab.photograph(".");
    let dry = lab.json(&["wt", "adopt", "../app.feature login", "--task", "1", "--dry-run"]);
    assert_eq!((&dry["name"], &dry["task_id"]), (&"app.feature-login".into(), &1.into()));
    let seen = |files: Vec<(String, Vec<u8>)>| {
        files.into_iter().filter(|f| !f.0.starts_with(".git/biplane/")).collect::<Vec<_>>()
    };
    assert_eq!(seen(lab.photograph(".")), seen(before), "a dry run changed something");

    let text = lab.ok(&["wt", "adopt", "../app.feature login", "--name", "login", "--task", "1"]);
    insta::assert_snapshot!(text.replace(lab.env.root().as_str(), "[ENV]").replace(&fork[..10], "[BASE]"), @r"
    took over worktree login on feature/login, from [BASE], bound to task 1
    [ENV]/app.feature login
    ");
    assert_eq!(lab.event_words().iter().filter(|w| *w == "worktree.adopt").count(), 1);
    assert_eq!(lab.json(&["task", "show", "1"])["worktree"], "login");
    let status = lab.json(&["wt", "status", "login"]);
    assert_eq!(
        (&status["branch"], &status["base"], &status["commits"]),
        (&"feature/login".into(), &fork.into(), &1.into())
    );
    assert!(lab.ok(&["wt", "diff", "login"]).contains("+login"));
    assert_eq!(lab.ok(&["run", "login", "--", "cat", "login.txt"]), "login\n");
    lab.ok(&["wt", "keep", "login"]);
    lab.ok(&["doctor"]);
    lab.fails(3, &["wt", "remove", "login"]);
    lab.ok(&["merge", "login", "--gate", "true"]);
    assert_eq!(lab.repo.read("login.txt"), "login\n");
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "completed");
    lab.ok(&["wt", "remove", "login"]);
    assert!(!theirs.path().exists());
    assert_eq!(lab.repo.git(&["branch", "--list", "feature/login"]), "");
    lab.is_sound();
}

#[test]
fn what_only_it_has_is_in_a_snapshot_before_it_goes() {
    let lab = Lab::new();
    let theirs = by_hand(&lab, ".claude/worktrees/x", "agent-x");
    theirs.write("a.txt", "a\n");
    theirs.commit("work");
    theirs.write("b.txt", "b\n");
    lab.ok(&["wt", "adopt", ".claude/worktrees/x"]);
    assert_eq!(lab.json(&["wt", "path", "x"])["path"], theirs.path().as_str());
    let removed = lab.json(&["wt", "remove", "x", "--force"]);
    let snapshot = removed["snapshot"].as_str().unwrap();
    assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:b.txt")]), "b");
    assert_eq!(lab.repo.git(&["show", &format!("{snapshot}:a.txt")]), "a");
}

#[test]
fn what_is_no_worktree_of_ours_to_take_is_refused() {
    let lab = Lab::new();
    lab.create("own");
    let say = |code: i32, args: &[&str]| said(&lab.fails(code, &[&["wt", "adopt"], args].concat()), &lab);
    let mut text = vec![say(5, &["../nothing"]), say(3, &["."]), say(4, &[".worktrees/own"])];
    fs::create_dir(lab.env.root().join("plain")).unwrap();
    text.push(say(3, &["../plain"]));
    lab.env.repo("other").git(&["worktree", "add", "-q", "-b", "o", "../theirs"]);
    text.push(say(3, &["../other"]));
    text.push(say(3, &["../theirs"]));
    let orphan = by_hand(&lab, "../orphan", "orphan");
    fs::remove_dir_all(lab.root().join(".git/worktrees/orphan")).unwrap();
    text.push(say(3, &["../orphan"]));
    std::os::unix::fs::symlink(orphan.path(), lab.env.root().join("link")).unwrap();
    text.push(say(3, &["../link"]));
    lab.repo.git(&["worktree", "add", "-q", "--detach", "../detached"]);
    text.push(say(3, &["../detached"]));
    by_hand(&lab, "../HEAD", "head-of");
    text.push(say(2, &["../HEAD"]));
    by_hand(&lab, "../own2", "own2");
    text.push(say(4, &["../own2", "--name", "OWN"]));
    let alien = lab.env.root().join("alien");
    lab.repo.git(&["worktree", "add", "-q", "--detach", alien.as_str()]);
    lab.repo.at(&alien).git(&["checkout", "-q", "--orphan", "alien"]);
    lab.repo.at(&alien).commit("alone");
    text.push(say(3, &["../alien"]));
    insta::assert_snapshot!(text.join("\n"), @r"
    error: there is nothing at `[REPO]/../nothing`
    hint: `git worktree list` shows the worktrees that git has
    error: the main checkout is nobody's worktree: work lands in it
    hint: `biplane wt create` makes a worktree beside it
    error: it is worktree `own` already
    error: `[ENV]/plain` is not the top directory of a worktree
    hint: `git worktree list` shows the worktrees that git has
    error: `[ENV]/other` is a repository of its own, not a worktree of this one
    error: `[ENV]/theirs` is a worktree of another repository
    error: `[ENV]/orphan` is an orphan: git's entry for it is gone, and with it what was staged and which branch it was on
    hint: move it aside, `git worktree add` one on its branch in its place, copy your files over it, then try again
    error: `[REPO]/../link` is a link or a file, not a worktree's directory
    error: `[ENV]/detached` is on no branch, so that nothing would hold its commits
    hint: in it: `git switch -c wt/detached`, then try again
    error: the name of `[ENV]/HEAD` is none for a worktree
    hint: give one with `--name`
    error: worktree `own` differs from `OWN` in case only
    hint: choose another name, or remove that one
    error: `alien` has no commit in common with `main`
    hint: its work can't land there; leave it as it is
    ");
    assert!(lab.event_words().iter().all(|w| w != "worktree.adopt"));
}

#[test]
fn one_that_was_moved_is_refused_until_git_knows() {
    let lab = Lab::new();
    let theirs = by_hand(&lab, "../x", "x");
    let moved = lab.env.root().join("moved");
    fs::rename(theirs.path(), &moved).unwrap();
    let output = lab.fails(3, &["wt", "adopt", "../moved"]);
    assert!(output.stderr.contains("git worktree repair"), "{output}");
    lab.repo.git(&["worktree", "repair", moved.as_str()]);
    lab.ok(&["wt", "adopt", "../moved"]);
    lab.ok(&["doctor"]);
}

#[test]
fn a_repository_where_git_says_clean_is_not_thrown_away_with_it() {
    let lab = Lab::new();
    lab.repo.write("d/f", "f\n");
    lab.repo.commit("a directory");
    let theirs = by_hand(&lab, "../by-hand", "by-hand");
    lab.ok(&["wt", "adopt", "../by-hand"]);
    lab.env.program("git").args(["init", "-q"]).arg(theirs.path().join("d")).run().success();
    for args in [&["wt", "remove", "by-hand"][..], &["wt", "remove", "by-hand", "--force"]] {
        let said = lab.fails(3, args).stderr;
        assert!(said.contains("`d` is a repository inside"), "{said}");
        assert!(theirs.path().join("d/.git/HEAD").exists());
    }
}

/// What removals have put aside below a directory.
fn put_aside(dir: &camino::Utf8Path) -> Vec<String> {
    let names = dir.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned());
    names.filter(|name| name.starts_with(".removed-")).collect()
}

#[test]
fn a_removal_outside_of_the_directory_of_worktrees_leaves_nothing() {
    let lab = Lab::new();
    let remove = |name: &str| {
        lab.call(&["wt", "remove", name]).env("BIPLANE_BACKGROUND", "1").run().success();
    };
    by_hand(&lab, "../by-hand", "by-hand");
    lab.ok(&["wt", "adopt", "../by-hand"]);
    remove("by-hand");
    assert_eq!(put_aside(lab.env.root()), [""; 0]);
    // Made where worktrees are not made any more.
    lab.create("old");
    lab.settings("[worktrees]\ndir = \"../elsewhere\"\n");
    remove("old");
    assert_eq!(put_aside(&lab.root().join(".worktrees")), [""; 0]);
    lab.is_sound();
}

#[test]
fn what_a_removal_was_killed_at_outside_of_the_directory_of_worktrees_while_it_deleted_is_told() {
    let lab = Lab::new();
    by_hand(&lab, "../by-hand", "by-hand");
    lab.ok(&["wt", "adopt", "../by-hand"]);
    let call = lab.call(&["wt", "remove", "by-hand"]).env("BIPLANE_BACKGROUND", "1");
    call.env("FAILPOINT", "aside doomed after@1").run().fails_with(137);
    let doomed = put_aside(lab.env.root());
    assert!(doomed.len() == 1 && doomed[0].ends_with("-.removed-w1"), "{doomed:?}");
    let left = lab.env.root().join(&doomed[0]);
    let doctor = || lab.call(&["doctor"]).run().stdout;
    assert!(doctor().contains(&format!("rm -r {left}")), "{}", doctor());
    // Its link file is deleted with the rest; another repository's is its own, and so is what somebody deletes now.
    fs::remove_file(left.join(".git")).unwrap();
    assert!(doctor().contains(&format!("rm -r {left}")), "{}", doctor());
    fs::write(left.join(".git"), "gitdir: /somewhere/.git/worktrees/by-hand\n").unwrap();
    assert!(!doctor().contains("-.removed-w1"), "{}", doctor());
    fs::remove_file(left.join(".git")).unwrap();
    let ours = format!(".removed-by-{}-.removed-w1", std::process::id());
    fs::rename(&left, left.with_file_name(ours)).unwrap();
    assert!(!doctor().contains("-.removed-w1"), "{}", doctor());
}

/// The background does not look there: whoever fixes things deletes it.
#[test]
fn what_a_killed_removal_left_where_worktrees_were_made_once_is_deleted() {
    let lab = Lab::new();
    lab.create("old");
    lab.settings("[worktrees]\ndir = \"../elsewhere\"\n");
    let removal = lab.call(&["wt", "remove", "old"]).env("BIPLANE_BACKGROUND", "1");
    removal.env("FAILPOINT", "aside doomed after@1").run().fails_with(137);
    let place = lab.root().join(".worktrees");
    assert_eq!(put_aside(&place).len(), 1);
    let found = lab.call(&["doctor"]).env("BIPLANE_BACKGROUND", "1").run().fails_with(1).stdout;
    assert!(found.contains("was left behind; deleted") && !found.contains("rm -r"), "{found}");
    lab.call(&["doctor", "--fix"]).env("BIPLANE_BACKGROUND", "1").run().success();
    assert_eq!(put_aside(&place), [""; 0]);
    lab.is_sound();
}

#[test]
fn what_a_killed_removal_left_outside_of_the_directory_of_worktrees_is_told() {
    let lab = Lab::new();
    by_hand(&lab, "../by-hand", "by-hand");
    lab.ok(&["wt", "adopt", "../by-hand"]);
    let call = lab.call(&["wt", "remove", "by-hand"]).env("BIPLANE_BACKGROUND", "1");
    call.env("FAILPOINT", "aside doomed before@1").run().fails_with(137);
    let left = lab.env.root().join(".removed-w1");
    let doctor = || lab.call(&["doctor"]).run().stdout;
    let is_told = |way: &str| {
        let said = doctor();
        assert!(said.contains(way) && said.contains(&format!("rm -r {left}")), "{said}");
    };
    is_told("was ended before it had deleted it");
    let standing = lab.env.program("sleep").args(["60"]).in_dir(&left).spawn();
    assert!(doctor().contains("somebody stands in it") && !doctor().contains("rm -r"), "{}", doctor());
    drop(standing);
    // What somebody has written since is in no snapshot.
    fs::write(left.join("late"), "late\n").unwrap();
    is_told("wrote into it after its removal");
    // Another repository's is its own.
    fs::write(left.join(".git"), "gitdir: /somewhere/.git/worktrees/by-hand\n").unwrap();
    assert!(!doctor().contains(".removed-w1"), "{}", doctor());
}
