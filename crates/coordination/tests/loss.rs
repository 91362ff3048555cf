//! Ways in which work could be lost or the target broken, each tried on a real repository.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]
#![allow(dead_code, reason = "not every way to look at a home is used here")]

#[path = "doctor/home.rs"]
mod home;

use biplane_coordination::{Removal, RemoveRequest, dispatch};
use home::Home;

struct Quiet;

impl dispatch::Watcher for Quiet {
    fn progress(&self, _: &dispatch::Progress) {}
}

fn remove(home: &Home, name: &str, force: bool) -> biplane_coordination::Result<Removal> {
    home.open().worktree_remove(&RemoveRequest {
        name: name.parse().unwrap(),
        force,
        processes: biplane_coordination::Processes::Refuse,
        closing: biplane_coordination::Closing::LeaveTask,
        reason: String::new(),
        dry_run: false,
    })
}

#[test]
fn leftovers_are_never_committed_to_the_target() {
    let home = Home::new();
    home.repo.git(&["switch", "-q", "--detach"]);
    home.repo.write("biplane.toml", "target = \"main\"\ngate = \"false\"\n");
    home.task("t");
    let before = home.repo.git(&["rev-parse", "main"]);
    let command = ["sh", "-c", "git switch -q main; echo bad > bad"].map(str::to_owned).to_vec();
    let request =
        dispatch::UpRequest { parallel: Some(1), command: Some(command), ..dispatch::UpRequest::default() };
    let report = home.open().up(&request, None, &Quiet).unwrap();
    assert_eq!((report.started, report.landed), (1, 0));
    assert_eq!(home.repo.git(&["rev-parse", "main"]), before, "untested work is on the target");
    assert!(home.root.join(".worktrees/1-t/bad").is_file());
}

#[test]
fn what_the_index_hides_is_work() {
    let home = Home::new();
    home.repo.write("a.txt", "one\n");
    home.repo.write("b.txt", "one\n");
    home.repo.commit("files");
    let checkout = home.repo.at(home.worktree("x"));
    checkout.git(&["update-index", "--skip-worktree", "a.txt"]);
    checkout.git(&["update-index", "--assume-unchanged", "b.txt"]);
    checkout.write("a.txt", "two\n");
    checkout.write("b.txt", "three\n");
    let refused = remove(&home, "x", false).unwrap_err();
    assert_eq!(refused.to_string(), "worktree `x` has uncommitted work in 2 files");
    let name = remove(&home, "x", true).unwrap().snapshot.unwrap();
    let file = |path: &str| home.repo.git(&["show", &format!("{name}:{path}")]);
    assert_eq!((file("a.txt"), file("b.txt")), ("two".to_owned(), "three".to_owned()));
}

#[test]
fn a_submodule_with_work_is_not_removed() {
    let home = Home::new();
    let other = home.env.repo("other");
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q", other.path().as_str(), "lib"];
    home.repo.git(&add);
    home.repo.commit("submodule");
    let path = home.worktree("x");
    let checkout = home.repo.at(&path);
    checkout.git(&["-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init"]);
    let inner = home.repo.at(path.join("lib"));
    inner.write("new.txt", "work\n");
    let tip = inner.commit("work");
    // The worktree itself is clean: the commit is on a branch of the submodule only.
    inner.git(&["branch", "work"]);
    checkout.git(&["submodule", "update", "-q"]);
    for force in [false, true] {
        let refused = remove(&home, "x", force).unwrap_err().to_string();
        assert!(refused.contains("`lib` is a repository inside the worktree"), "{refused}");
    }
    assert_eq!(inner.git(&["rev-parse", "work"]), tip);
}

#[test]
fn commits_that_were_taken_back_stay_reachable() {
    let home = Home::new();
    let checkout = home.repo.at(home.worktree("x"));
    checkout.write("a.txt", "work\n");
    let tip = checkout.commit("work");
    checkout.git(&["revert", "--no-edit", "HEAD"]);
    let name = remove(&home, "x", false).unwrap().snapshot.unwrap();
    assert_eq!(home.repo.git(&["merge-base", &tip, &name]), tip);
}

#[test]
fn a_worktree_that_somebody_moved_away_is_left_registered() {
    let home = Home::new();
    home.worktree("y");
    home.repo.git(&["worktree", "add", "-q", "-b", "other", ".worktrees/x"]);
    home.repo.git(&["worktree", "lock", ".worktrees/x"]);
    let away = home.env.root().join("away");
    fs_err::rename(home.root.join(".worktrees/x"), &away).unwrap();
    let wish = biplane_coordination::CreateWorktree {
        name: "x".parse().unwrap(),
        task: None,
        base: None,
        start: biplane_coordination::Start::Yes,
        owner: None,
    };
    let refused = home.open().worktree_create(&wish).unwrap_err();
    assert_eq!(refused.kind, biplane_coordination::ErrorKind::Conflict, "{refused}");
    assert!(refused.to_string().ends_with("already"), "{refused}");
    fs_err::rename(&away, home.root.join(".worktrees/x")).unwrap();
    assert_eq!(home.repo.at(home.root.join(".worktrees/x")).git(&["branch", "--show-current"]), "other");
    assert!(home.repo.git(&["branch", "--list", "wt/x"]).is_empty());
}

/// Makes the one worktree look as if `operation` on it had been begun by a process that is dead.
fn begun_by_the_dead(home: &Home, operation: &str) {
    home.sql(&format!("UPDATE worktree SET operation = '{operation}', operation_by = '7 1 another-boot'"));
}

#[test]
fn a_removal_that_had_not_begun_takes_nothing_that_is_only_elsewhere() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).write("new.txt", "work\n");
    begun_by_the_dead(&home, "remove");
    let away = home.env.root().join("away");
    fs_err::rename(&path, &away).unwrap();
    let recovered = home.open().recover(biplane_coordination::Mode::Fix).unwrap();
    assert_eq!(recovered.done.len(), 1, "{recovered:?}");
    fs_err::rename(&away, &path).unwrap();
    let report = home.open().worktree_status(&"x".parse().unwrap()).unwrap();
    assert_eq!(report.state.untracked, ["new.txt"]);
}

#[test]
fn a_removal_that_git_was_not_told_of_is_taken_back() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).write("new.txt", "work\n");
    begun_by_the_dead(&home, "remove");
    fs_err::rename(&path, home.root.join(".worktrees/.removed-w1")).unwrap();
    let recovered = home.open().recover(biplane_coordination::Mode::Fix).unwrap();
    assert!(recovered.open.is_empty() && recovered.done.len() == 1, "{recovered:?}");
    let report = home.open().worktree_status(&"x".parse().unwrap()).unwrap();
    assert_eq!(report.state.untracked, ["new.txt"]);
    assert!(home.open().recover(biplane_coordination::Mode::Fix).unwrap().done.is_empty());
}

#[test]
fn a_removal_ends_though_its_task_was_called_off() {
    let home = Home::new();
    let id = home.task("t");
    let path = home.worktree_for("x", Some("1"));
    begun_by_the_dead(&home, "remove_and_complete");
    fs_err::rename(&path, home.root.join(".worktrees/.removed-w1")).unwrap();
    fs_err::remove_dir_all(home.root.join(".git/worktrees/x")).unwrap();
    let cancel = biplane_coordination::TaskChange::Cancel { reason: String::new() };
    home.open().task_change(&id, &cancel).unwrap();
    let recovered = home.open().recover(biplane_coordination::Mode::Fix).unwrap();
    assert!(recovered.open.is_empty() && recovered.done.len() == 1, "{recovered:?}");
    assert!(home.open().worktree_list(false).unwrap().is_empty());
    assert!(!home.root.join(".worktrees/.removed-w1").exists());
}

/// Has git's reading or writing of files named `*.slow` wait for a file `go` in the home.
fn slow(home: &Home, filter: &str) {
    home.repo.write(".git/info/attributes", "*.slow filter=slow\n");
    let go = home.root.join("go");
    let wait = format!("sh -c 'touch \"{go}.waits\"; while [ ! -e \"{go}\" ]; do sleep 0.02; done; cat'");
    home.repo.git(&["config", &format!("filter.slow.{filter}"), &wait]);
}

fn until_it_waits(home: &Home) {
    let waits = home.root.join("go.waits");
    biplane_testkit::eventually(std::time::Duration::from_secs(30), "git waits", || waits.exists());
}

#[test]
fn a_worktree_whose_task_was_called_off_meanwhile_is_not_made() {
    let home = Home::new();
    home.repo.write("a.slow", "a\n");
    home.repo.commit("slow");
    slow(&home, "smudge");
    let id = home.task("t");
    let wish = biplane_coordination::CreateWorktree {
        name: "x".parse().unwrap(),
        task: Some(id.clone()),
        base: None,
        start: biplane_coordination::Start::Yes,
        owner: None,
    };
    let (service, other) = (home.open(), home.open());
    std::thread::scope(|scope| {
        let made = scope.spawn(|| service.worktree_create(&wish).map(|_| ()));
        until_it_waits(&home);
        let cancel = biplane_coordination::TaskChange::Cancel { reason: String::new() };
        other.task_change(&id, &cancel).unwrap();
        home.repo.write("go", "");
        assert!(made.join().unwrap().unwrap_err().to_string().contains("cancelled"));
    });
    assert!(home.open().worktree_list(false).unwrap().is_empty());
    assert!(!home.root.join(".worktrees/x").exists());
    assert!(home.repo.git(&["branch", "--list", "wt/x"]).is_empty());
}

#[test]
fn a_run_that_begins_while_a_removal_looks_keeps_its_worktree() {
    struct Nothing;
    impl biplane_coordination::RunObserver for Nothing {}
    let home = Home::new();
    home.repo.write("a.slow", "a\n");
    home.repo.commit("slow");
    let path = home.worktree("x");
    slow(&home, "clean");
    home.repo.at(&path).write("a.slow", "b\n");
    let (remover, runner) = (home.open(), home.open());
    let ready = home.root.join("running");
    std::thread::scope(|scope| {
        let removed = scope.spawn(|| {
            remover.worktree_remove(&RemoveRequest {
                name: "x".parse().unwrap(),
                force: true,
                processes: biplane_coordination::Processes::Refuse,
                closing: biplane_coordination::Closing::LeaveTask,
                reason: String::new(),
                dry_run: false,
            })
        });
        until_it_waits(&home);
        let ran = scope.spawn(|| {
            let script =
                format!("touch '{ready}'; while [ ! -e '{}' ]; do sleep 0.02; done", home.root.join("end"));
            runner.run(biplane_coordination::RunRequest {
                name: "x".parse().unwrap(),
                command: vec!["sh".to_owned(), "-c".to_owned(), script],
                timeout: None,
                input: biplane_coordination::Input::Null,
                echo: biplane_coordination::Echo::default(),
                foreground: false,
                interactive: false,
                observer: &mut Nothing,
            })
        });
        biplane_testkit::eventually(std::time::Duration::from_secs(30), "it runs", || ready.exists());
        home.repo.write("go", "");
        let refused = removed.join().unwrap().unwrap_err();
        home.repo.write("end", "");
        assert_eq!(refused.kind, biplane_coordination::ErrorKind::Busy, "{refused}");
        ran.join().unwrap().unwrap();
    });
    assert_eq!(home.repo.at(&path).read("a.slow"), "b\n");
}

#[test]
fn an_empty_gate_is_no_gate() {
    let home = Home::new();
    let checkout = home.repo.at(home.worktree("x"));
    checkout.write("a.txt", "work\n");
    checkout.commit("work");
    let request = biplane_coordination::MergeRequest {
        gate: Some(Some("  ".to_owned())),
        ..biplane_coordination::MergeRequest::new("x".parse().unwrap())
    };
    assert_eq!(home.open().submit(&request).unwrap_err().kind, biplane_coordination::ErrorKind::Usage);
}
