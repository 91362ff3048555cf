//! The worst moments, made on purpose: `kill -9` between an effect and its note or while git still is at work, and two
//! commands that work on one worktree.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use biplane_testkit::{Call, Repo, Running, TestEnv, eventually};
use camino::Utf8PathBuf;

const PATIENCE: Duration = Duration::from_secs(60);

struct Place {
    env: TestEnv,
    repo: Repo,
    bin: Utf8PathBuf,
}

impl Place {
    /// A repository, and a `git` that waits before what the variable `SLOW` names until `go` is there.
    fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let bin = env.dir("bin");
        let path = std::env::var("PATH").expect("there is a PATH");
        let script = format!(
            "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *\"$SLOW\"*)\n: > '{bin}/waits'\nwhile [ ! -e '{bin}/go' ]; do [ ! -e '{bin}/stop' ] || exit 1; sleep 0.02; done;;\nesac\nexec git \"$@\"\n"
        );
        let git = bin.join("git");
        std::fs::write(&git, script).expect("a directory of ours");
        std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).expect("a file of ours");
        Self { env, repo, bin }
    }

    fn biplane(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(env!("CARGO_BIN_EXE_biplane")).args(args).in_dir(self.repo.path());
        call.patience(PATIENCE)
    }

    /// `biplane ARGS`, which waits for the git command that has `slow` in it.
    fn waiting_at(&self, slow: &str, args: &[&str]) -> Running {
        let path = format!("{}:{}", self.bin, std::env::var("PATH").expect("there is a PATH"));
        let running = self.biplane(args).env("PATH", path).env("SLOW", slow).spawn();
        eventually(PATIENCE, "git is there", || self.bin.join("waits").exists());
        running
    }

    /// Kills `biplane ARGS` while it waits for the git command that has `slow` in it, which goes on to its end.
    fn kill_at(&self, slow: &str, args: &[&str]) {
        self.waiting_at(slow, args).kill();
    }

    fn go(&self) {
        std::fs::write(self.bin.join("go"), "").expect("a directory of ours");
    }

    /// Lets the git go on that was waiting, a moment from now.
    fn go_soon(&self) -> std::thread::JoinHandle<()> {
        let go = self.bin.join("go");
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(700));
            std::fs::write(go, "").expect("a directory of ours");
        })
    }

    fn work(&self, name: &str) {
        self.biplane(&["wt", "create", name]).run().success();
        let checkout = self.repo.at(self.repo.path().join(".worktrees").join(name));
        checkout.write(format!("{name}.txt"), "work\n");
        checkout.commit("work");
    }
}

#[test]
fn a_git_that_outlives_its_biplane_adds_no_worktree_behind_the_back_of_recovery() {
    let place = Place::new();
    place.work("other");
    place.kill_at(" worktree add ", &["wt", "create", "x"]);
    let go = place.go_soon();
    place.biplane(&["doctor", "--fix"]).run().success();
    go.join().expect("it writes a file");
    assert_eq!(place.repo.git(&["branch", "--list", "--format=%(refname:short)"]), "main\nwt/other");
    place.biplane(&["wt", "create", "x"]).run().success();
}

#[test]
fn a_git_that_outlives_its_biplane_moves_no_target_behind_the_back_of_recovery() {
    let place = Place::new();
    place.work("x");
    place.kill_at("biplane: land", &["merge", "x", "--no-gate"]);
    let before = place.repo.git(&["rev-parse", "main"]);
    let go = place.go_soon();
    place.biplane(&["doctor", "--fix"]).run().success();
    go.join().expect("it writes a file");
    eventually(PATIENCE, "the target moves", || place.repo.git(&["rev-parse", "main"]) != before);
    assert_eq!(place.repo.git(&["status", "--porcelain"]), "", "the main checkout was not brought along");
    assert_eq!(place.repo.read("x.txt"), "work\n");
    assert!(place.biplane(&["wt", "list"]).run().success().stdout.contains("merged"));
}

#[test]
fn who_waited_for_a_landing_that_died_finishes_it_first() {
    let place = Place::new();
    place.work("x");
    place.work("y");
    // The target has moved, the main checkout has not: killed before it is brought along, while another one waits.
    let slow = format!("read-tree -m -u {}", place.repo.head());
    let first = place.waiting_at(&slow, &["merge", "x", "--no-gate"]);
    let second = place.biplane(&["merge", "y", "--no-gate"]).spawn();
    eventually(PATIENCE, "it waits", || second.stderr().contains("waiting for landing"));
    first.kill();
    // The crash takes git along.
    std::fs::write(place.bin.join("stop"), "").expect("a directory of ours");
    second.wait(PATIENCE).success();
    assert_eq!(place.repo.git(&["status", "--porcelain"]), "", "the main checkout was not brought along");
    assert_eq!(place.repo.git(&["symbolic-ref", "HEAD"]), "refs/heads/main");
    assert_eq!((place.repo.read("x.txt"), place.repo.read("y.txt")), ("work\n".into(), "work\n".into()));
}

#[test]
fn of_two_removals_at_once_one_waits_its_turn() {
    let place = Place::new();
    place.work("x");
    let first = place.waiting_at("biplane: snapshot", &["wt", "remove", "x", "--force"]);
    let second = place.biplane(&["wt", "remove", "x", "--force"]).run().fails_with(6);
    assert!(second.stderr.contains("is being created or removed"), "{second}");
    place.go();
    first.wait(PATIENCE).success();
    let events = place.biplane(&["events", "--json", "--limit", "100"]).run().success().stdout;
    assert!(!events.contains("worktree.remove.failed"), "{events}");
}

#[test]
fn a_run_that_begins_while_a_removal_looks_keeps_its_worktree() {
    let place = Place::new();
    place.biplane(&["wt", "create", "x"]).run().success();
    // Of an untouched worktree git is not asked.
    place.repo.at(place.repo.path().join(".worktrees/x")).write("loose.txt", "loose\n");
    let removal = place.waiting_at(" --ignored=matching ", &["wt", "remove", "x", "--force"]);
    let run = place.biplane(&["run", "x", "--", "sh", "-c", "echo late > late.txt; sleep 1000"]).spawn();
    let late = place.repo.path().join(".worktrees/x/late.txt");
    eventually(PATIENCE, "the run begins", || late.exists());
    place.go();
    let removal = removal.wait(PATIENCE).fails_with(6);
    assert!(removal.stderr.contains("is at work in worktree `x`"), "{removal}");
    assert!(late.exists());
    run.kill();
    place.biplane(&["doctor", "--fix"]).run().success();
}

#[test]
fn the_copy_of_an_index_that_a_killed_process_had_made_is_deleted() {
    let place = Place::new();
    place.work("x");
    let checkout = place.repo.at(place.repo.path().join(".worktrees/x"));
    checkout.write("late.txt", "late\n");
    place.kill_at("fast-import", &["wt", "remove", "x", "--force"]);
    place.go();
    place.biplane(&["doctor", "--fix"]).run().success();
    let entries = std::fs::read_dir(place.repo.path().join(".git/biplane")).expect("it is there");
    let names: Vec<_> = entries.map(|e| e.expect("it can be read").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("index-")), "{names:?}");
}

#[test]
fn up_that_can_not_land_says_so_and_fails() {
    let place = Place::new();
    place.biplane(&["task", "create", "x"]).run().success();
    let lock = place.repo.path().join(".git/refs/heads/main.lock");
    std::fs::write(&lock, "").expect("a directory of ours");
    let up = place.biplane(&["up", "--no-gate", "--", "sh", "-c", "echo work > x.txt"]).run().fails_with(1);
    assert!(up.stderr.contains("main.lock': File exists"), "{up}");
    std::fs::remove_file(&lock).expect("it is there");
    place.biplane(&["up", "--no-gate", "--", "true"]).run().success();
    assert_eq!(place.repo.read("x.txt"), "work\n");
}
