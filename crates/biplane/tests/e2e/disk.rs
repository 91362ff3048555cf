//! Full and read-only disks. Each test makes a small one, which needs root.

use std::fs;

use biplane_testkit::{Call, TestEnv};
use camino::{Utf8Path, Utf8PathBuf};

use crate::lab::{BIPLANE, Lab};

/// A mount that is gone with the test.
pub(crate) struct Mount {
    env: TestEnv,
    point: Utf8PathBuf,
}

impl Mount {
    /// A disk of this size, in memory.
    pub(crate) fn disk(env: &TestEnv, point: &Utf8Path, size: &str) -> Self {
        let call =
            env.program("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(point);
        Self::made(env, point, call)
    }

    /// A directory seen in another place.
    pub(crate) fn bind(lab: &Lab, from: &Utf8Path, point: &Utf8Path) -> Self {
        Self::made(&lab.env, point, lab.env.program("mount").arg("--bind").arg(from).arg(point))
    }

    #[track_caller]
    fn made(env: &TestEnv, point: &Utf8Path, call: Call) -> Self {
        let output = call.run();
        assert_eq!(output.code, 0, "NOT RUN: this test needs to mount, which only root may\n{output}");
        Self { env: env.clone(), point: point.to_owned() }
    }

    fn read_only(&self) {
        self.env.program("mount").args(["-o", "remount,ro"]).arg(&self.point).run().success();
    }

    fn writable(&self) {
        self.env.program("mount").args(["-o", "remount,rw"]).arg(&self.point).run().success();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.env.program("umount").arg("--lazy").arg(&self.point).run();
    }
}

/// A repository with a task and a worktree on a small disk.
pub(crate) fn small(env: &TestEnv) -> (Mount, Utf8PathBuf) {
    let point = env.dir("small");
    let mount = Mount::disk(env, &point, "4m");
    let repo = env.repo("small/app");
    let root = repo.path().to_owned();
    for args in [&["task", "create", "one"][..], &["wt", "create", "w"]] {
        env.biplane(BIPLANE).in_dir(&root).args(args).run().success();
    }
    (mount, root)
}

/// Fills the disk to the last byte.
pub(crate) fn fill(point: &Utf8Path) -> Utf8PathBuf {
    let ballast = point.join("ballast");
    for size in [65_536, 4096, 512, 1] {
        let mut bytes = fs::read(&ballast).unwrap_or_default();
        while fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&ballast)
            .and_then(|mut f| std::io::Write::write_all(&mut f, &vec![0; size]))
            .is_ok()
        {
            bytes.clear();
        }
    }
    ballast
}

#[test]
#[ignore = "needs a mount"]
fn a_full_disk_is_said_and_nothing_is_half_done() {
    let env = TestEnv::new();
    let (_mount, root) = small(&env);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(&root).args(args);
    let ballast = fill(&env.root().join("small"));
    let mut text = String::new();
    for args in [&["task", "create", "two"][..], &["wt", "create", "v"], &["run", "w", "--", "true"]] {
        let output = call(args).run().fails_with(1);
        text.push_str(&format!("{}\n{}\n", args.join(" "), output.stderr.replace(root.as_str(), "[REPO]")));
    }
    insta::assert_snapshot!(text, @r"
    task create two
    error: the disk is full: the ledger `[REPO]/.git/biplane/ledger.db` could not be written, nothing was changed

    wt create v
    error: the disk is full: the ledger `[REPO]/.git/biplane/ledger.db` could not be written, nothing was changed

    run w -- true
    error: the disk is full: the ledger `[REPO]/.git/biplane/ledger.db` could not be written, nothing was changed
    ");
    fs::remove_file(ballast).unwrap();
    assert_eq!(call(&["task", "list", "--json"]).run().success().json().as_array().unwrap().len(), 1);
    call(&["task", "create", "two"]).run().success();
    call(&["wt", "create", "v"]).run().success();
    call(&["run", "w", "--", "true"]).run().success();
    assert_eq!(biplane_testkit::Records::read(&root).report(), [""; 0]);
    env.program("git").in_dir(&root).args(["fsck", "--no-dangling"]).run().success();
}

#[test]
#[ignore = "needs a mount"]
fn a_disk_that_fills_up_in_the_middle_leaves_no_torn_log() {
    let env = TestEnv::new();
    let (_mount, root) = small(&env);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(&root).args(args);
    let long = "x".repeat(20_000);
    let mut created = 1;
    let failed = loop {
        let output = call(&["task", "create", "more", "--description", &long]).run();
        if output.code != 0 {
            break output;
        }
        created += 1;
        assert!(created < 1000, "the disk never fills up");
    };
    assert_eq!(failed.code, 1, "{failed}");
    assert!(failed.stderr.contains("full"), "{failed}");
    env.program("sh").in_dir(&root).args(["-c", "rm -rf .tasks .worktrees/runs"]).run().success();
    let listed = call(&["task", "list", "--json"]).run().success().json().as_array().unwrap().len();
    assert_eq!(listed, created, "what was said to be created is there, and no more");
    assert_eq!(biplane_testkit::Records::read(&root).broken(), [""; 0]);
}

#[test]
#[ignore = "needs a mount"]
fn a_read_only_disk_is_said_and_nothing_is_changed() {
    let env = TestEnv::new();
    let (mount, root) = small(&env);
    let call = |args: &[&str]| env.biplane(BIPLANE).in_dir(&root).args(args);
    mount.read_only();
    let mut text = String::new();
    for args in [&["task", "create", "two"][..], &["wt", "create", "v"], &["up", "--", "true"]] {
        let output = call(args).run().fails_with(1);
        text.push_str(&format!("{}\n{}\n", args.join(" "), output.stderr.replace(root.as_str(), "[REPO]")));
    }
    insta::assert_snapshot!(text, @r"
    task create two
    error: the ledger `[REPO]/.git/biplane/ledger.db` can't be written: the file or its directory does not allow it

    wt create v
    error: the ledger `[REPO]/.git/biplane/ledger.db` can't be written: the file or its directory does not allow it

    up -- true
    error: the ledger `[REPO]/.git/biplane/ledger.db` can't be written: the file or its directory does not allow it
    ");
    mount.writable();
    assert_eq!(call(&["task", "list", "--json"]).run().success().json().as_array().unwrap().len(), 1);
    call(&["task", "create", "two"]).run().success();
    assert_eq!(biplane_testkit::Records::read(&root).report(), [""; 0]);
}
