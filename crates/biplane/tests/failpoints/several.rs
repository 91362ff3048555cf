//! The same in a further repository: every place of what is done there is killed, and the home recovers it.

use std::fs;

use biplane_testkit::{Call, Output, Records, Repo, TestEnv};
use camino::Utf8PathBuf;

use crate::bed::lines;

/// The program under test.
const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// The exit code of a program that `SIGKILL` ended.
const KILLED: i32 = 137;

/// A home and a further repository, which can be put back as they were.
struct Pair {
    env: TestEnv,
    home: Repo,
    lib: Repo,
}

impl Pair {
    fn new() -> Self {
        let env = TestEnv::new();
        env.dir("all");
        let (home, lib) = (env.repo("all/app"), env.repo("all/lib"));
        let gate = "git rev-parse HEAD >> $BIPLANE_ROOT/../tested";
        home.write(
            "biplane.toml",
            format!("[[repo]]\nname = \"lib\"\npath = \"../lib\"\ngate = \"{gate}\"\n"),
        );
        home.commit("settings");
        Self { env, home, lib }
    }

    fn call(&self, args: &[&str]) -> Call {
        self.env.biplane(BIPLANE).in_dir(self.home.path()).args(args)
    }

    fn copy(&self, from: &str, to: &str) {
        let _ = fs::remove_dir_all(self.env.root().join(to));
        self.env.program("cp").args(["-a", from, to]).run().success();
    }

    fn logged(&self, args: &[&str], fatal: Option<usize>) -> (Output, Vec<String>) {
        let log = self.env.root().join("places");
        let _ = fs::remove_file(&log);
        let mut call = self.call(args).env("FAILPOINT_LOG", &log);
        if let Some(fatal) = fatal {
            call = call.env("FAILPOINT", fatal.to_string());
        }
        (call.run(), lines(&fs::read_to_string(&log).unwrap_or_default()))
    }

    fn tree(&self) -> Utf8PathBuf {
        self.lib.path().join(".worktrees/x")
    }

    /// What is not as it must be when nobody is at work.
    fn unsettled(&self) -> Vec<String> {
        let mut found = Vec::new();
        let doctor = self.call(&["doctor", "--fix"]).run();
        if doctor.code != 0 {
            found.push(doctor.to_string());
        }
        let listed = self.call(&["wt", "list", "--json"]).run().success().json();
        let known = listed.as_array().map_or(0, Vec::len);
        let linked = lines(&self.lib.git(&["worktree", "list"])).len() - 1;
        if known != linked || known != usize::from(self.tree().exists()) {
            found.push(format!("the ledger knows {known}, git {linked}"));
        }
        let tip = self.lib.git(&["rev-parse", "main"]);
        let tested = fs::read_to_string(self.env.root().join("all/tested")).unwrap_or_default();
        let is_first = lines(&self.lib.git(&["rev-list", "main"])).len() == 1;
        if !is_first && !tested.contains(&tip) {
            found.push(format!("main is at {tip}, which was not tested"));
        }
        for dir in [self.lib.path().join(".worktrees"), self.lib.path().join(".git/biplane")] {
            let names = dir.read_dir_utf8().into_iter().flatten().flatten().map(|e| e.file_name().to_owned());
            let is_left =
                |n: &String| [".gate-", ".removed-", ".new-", "index-by-"].iter().any(|s| n.starts_with(s));
            found.extend(names.filter(is_left).map(|name| format!("`{name}` was left behind")));
        }
        let fsck = self.lib.git_call(&["fsck", "--no-dangling", "--no-progress"]).run();
        if fsck.code != 0 || !fsck.stdout.is_empty() || !self.lib.git(&["status", "--porcelain"]).is_empty() {
            found.push(fsck.to_string());
        }
        let report = Records::read(self.home.path()).report();
        found.extend(
            report.into_iter().filter(|l| !(l.starts_with("submission") && l.ends_with("has no end"))),
        );
        found
    }
}

/// Kills `args` at each of its places, recovers, does it again unless it is done.
fn enumerate(prepare: fn(&Pair), args: &[&str], done: fn(&Pair) -> bool) {
    let pair = Pair::new();
    prepare(&pair);
    pair.copy("all", "before");
    let (output, places) = pair.logged(args, None);
    assert_eq!(output.code, 0, "{output}");
    assert!(done(&pair) && places.len() > 5, "{places:?}");
    assert_eq!(pair.unsettled(), [""; 0]);
    let mut kills = 0;
    for (at, name) in (1..).zip(&places) {
        pair.copy("before", "all");
        let (killed, _) = pair.logged(args, Some(at));
        kills += usize::from(killed.code == KILLED);
        if at % 2 == 0 {
            let (output, _) = pair.logged(&["doctor", "--fix"], Some(1 + at / 2 % 12));
            kills += usize::from(output.code == KILLED);
        }
        let story = format!("killed at {at} (`{name}`)\n{killed}");
        assert_eq!(pair.unsettled(), [""; 0], "{story}");
        if !done(&pair) {
            let again = pair.call(args).run();
            assert_eq!(again.code, 0, "{story}\n{again}");
        }
        assert!(done(&pair), "{story}");
        assert_eq!(pair.unsettled(), [""; 0], "{story}");
    }
    assert!(kills >= places.len() / 2, "{kills} of {}", places.len());
}

fn a_worktree(pair: &Pair) {
    pair.call(&["wt", "create", "x", "--repo", "lib"]).run().success();
}

fn to_land(pair: &Pair) {
    a_worktree(pair);
    let tree = pair.lib.at(".worktrees/x");
    tree.write("work.txt", "work\n");
    tree.commit("work");
}

#[test]
fn create_in_a_further_repository() {
    enumerate(|_| (), &["wt", "create", "x", "--repo", "lib"], |pair| pair.tree().join("README.md").exists());
}

#[test]
fn merge_in_a_further_repository() {
    enumerate(to_land, &["merge", "x"], |pair| {
        let events = fs::read_to_string(pair.home.path().join(".worktrees/events.jsonl")).unwrap_or_default();
        events.contains("\"submission.landed\"") && pair.lib.git(&["show", "main:work.txt"]) == "work"
    });
}

#[test]
fn remove_in_a_further_repository() {
    enumerate(to_land, &["wt", "remove", "x", "--force"], |pair| {
        let listed = pair.call(&["wt", "list", "--json"]).run().success().json();
        listed.as_array().is_some_and(Vec::is_empty) && !pair.tree().exists()
    });
}
