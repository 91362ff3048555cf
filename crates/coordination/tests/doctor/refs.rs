//! Branches, refs, submissions and the target.

use biplane_coordination::{Mode, doctor::Severity};

use crate::home::{Home, submitted, the};

#[test]
fn leftover_branches_go_only_when_the_target_has_them() {
    let home = Home::new();
    home.worktree("x");
    home.remove("x");
    home.repo.git(&["branch", "wt/x"]);
    home.repaired("wt/x", "its worktree is removed");
    assert_eq!(home.repo.git(&["branch", "--list", "wt/*"]), "");
    // A branch of that kind which biplane did not make.
    home.repo.git(&["branch", "wt/mine"]);
    home.told(Severity::Note, "wt/mine", "no worktree had this branch");
}

#[test]
fn refs_of_submissions_come_and_go() {
    let home = Home::new();
    let id = submitted(&home, "x");
    let pin = format!("refs/biplane/submissions/{id}");
    let head = home.repo.git(&["rev-parse", &pin]);
    home.repo.git(&["update-ref", "-d", &pin]);
    home.repaired(&id.to_string(), "no ref holds its commit");
    assert_eq!(home.repo.git(&["rev-parse", &pin]), head);
    home.open().land(id, &mut ()).unwrap();
    home.repo.git(&["update-ref", &pin, &head]);
    home.repaired(&pin, "is over");
    assert_eq!(home.repo.git(&["for-each-ref", "refs/biplane/submissions"]), "");
}

#[test]
fn the_last_ref_to_a_commit_is_not_deleted() {
    let home = Home::new();
    let id = submitted(&home, "x");
    home.sql("UPDATE submission SET status = 'withdrawn'");
    home.repo.git(&["worktree", "remove", "--force", ".worktrees/x"]);
    home.repo.git(&["branch", "-D", "wt/x"]);
    home.repaired("x", "gone");
    home.told(Severity::Note, &format!("refs/biplane/submissions/{id}"), "nothing else holds its commit");
}

#[test]
fn an_open_submission_without_a_worktree_is_withdrawn() {
    let home = Home::new();
    let id = submitted(&home, "x");
    home.sql("UPDATE worktree SET status = 'removed', task = NULL");
    let (dry, _) = home.examine();
    assert!(the(&dry, &id.to_string(), "its worktree `x` is removed").fixable);
    assert!(home.open().open_submissions().unwrap().is_empty());
}

#[test]
fn a_checkout_that_lags_or_is_detached_is_told_of() {
    let home = Home::new();
    let id = submitted(&home, "x");
    let old = home.repo.head();
    home.open().land(id, &mut ()).unwrap();
    assert!(home.doctor(Mode::Dry).healthy());
    home.repo.git(&["read-tree", "-m", "-u", "HEAD", &old]);
    let finding = home.told(Severity::Problem, "the main checkout", "a commit there would undo it");
    let remedy = finding.remedy.unwrap();
    let command = remedy.split('`').nth(1).unwrap();
    // In the way: git's own way along would overwrite it.
    let landed = home.repo.git(&["diff", "--name-only", "--diff-filter=A", &old, "HEAD"]);
    let (landed, text) =
        (home.repo.path().join(&landed), home.repo.git(&["show", &format!("HEAD:{landed}")]));
    let exclude = home.repo.path().join(".git/info/exclude");
    let before = fs_err::read_to_string(&exclude).unwrap();
    fs_err::write(&exclude, format!("{before}*\n")).unwrap();
    fs_err::write(&landed, "mine\n").unwrap();
    let go = || home.env.program("sh").args(["-c", command]).in_dir(home.repo.path()).run();
    assert_ne!(go().code, 0);
    assert_eq!(fs_err::read_to_string(&landed).unwrap(), "mine\n");
    fs_err::remove_file(&landed).unwrap();
    go().success();
    assert_eq!(fs_err::read_to_string(&landed).unwrap().trim(), text);
    fs_err::write(&exclude, before).unwrap();
    assert!(home.doctor(Mode::Dry).healthy());
    home.repo.git(&["switch", "-q", "--detach"]);
    let finding = home.told(Severity::Note, "the main checkout", "it is on no branch");
    assert!(finding.remedy.unwrap().contains("`git switch --no-overwrite-ignore main`"));
    home.repo.git(&["switch", "-q", "main"]);
    home.repo.git(&["config", "core.bare", "true"]);
    home.told(Severity::Problem, "the main checkout", "core.bare");
}
