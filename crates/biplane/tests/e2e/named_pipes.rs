//! Named pipes where git keeps a file: an ordinary opening of one lasts for ever. Which process waits for one is only told by
//! Linux.
#![cfg(target_os = "linux")]

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use biplane_testkit::{Output, Signal, eventually};

use crate::lab::{DEADLINE, Lab, sh};

/// Work that is as it should be.
const WORK: &str = "echo work > own.txt; git add own.txt; git commit -qm work";

/// Far below the time limit of a git command.
const SOON: Duration = Duration::from_secs(60);

fn soon(lab: &Lab, args: &[&str]) -> Output {
    lab.call(args).spawn().wait(SOON)
}

/// One agent that runs `script`; the output of `up`.
fn one(lab: &Lab, script: &str) -> Output {
    lab.ok(&["task", "create", "do it"]);
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(script)).collect::<Vec<_>>();
    soon(lab, &args)
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_the_ignored_files_is_found() {
    let lab = Lab::new();
    let said = one(&lab, &format!("{WORK}; mkfifo .gitignore"));
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "blocked", "{said}\n{task:#}");
    assert!(task["reason"].as_str().unwrap().contains("1-do-it/.gitignore` is one"), "{task:#}");
    soon(&lab, &["wt", "create", "other"]).success();
    soon(&lab, &["doctor"]);
    assert_eq!(lab.processes(), [""; 0]);
}

fn is_found_in_the_git_directory(file: &str) {
    let lab = Lab::new();
    let said = one(&lab, &format!("f=$BIPLANE_ROOT/.git/worktrees/1-do-it/{file}; rm $f; mkfifo $f"));
    let pipe = format!("worktrees/1-do-it/{file}`");
    let task = lab.json(&["task", "show", "1"]);
    assert_eq!(task["status"], "blocked", "{said}\n{task:#}");
    assert!(task["reason"].as_str().unwrap().contains(&pipe), "{task:#}");
    let create = soon(&lab, &["wt", "create", "other"]);
    if create.code != 0 {
        assert!(create.stderr.contains(&pipe), "{create}");
        assert!(!lab.root().join(".worktrees/other").exists());
        let doctor = soon(&lab, &["doctor"]);
        assert!(doctor.stdout.contains(&pipe), "{doctor}");
    }
    soon(&lab, &["wt", "list"]).success();
    assert_eq!(lab.processes(), [""; 0]);
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_its_head_is_found() {
    is_found_in_the_git_directory("HEAD");
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_its_index_is_found() {
    is_found_in_the_git_directory("index");
}

#[test]
fn an_agent_that_makes_a_named_pipe_of_its_common_directory_is_found() {
    is_found_in_the_git_directory("commondir");
}

#[test]
fn a_named_pipe_that_somebody_holds_open_is_found_too() {
    let lab = Lab::new();
    lab.create("w");
    let pipe = lab.root().join(".git/worktrees/w/HEAD");
    std::fs::remove_file(&pipe).unwrap();
    lab.env.program("mkfifo").args([&pipe]).run().success();
    // Git's opening succeeds then, and its reading has no end.
    let _held = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let create = soon(&lab, &["wt", "create", "other"]);
    assert!(create.code == 1 && create.stderr.contains("worktrees/w/HEAD` is one"), "{create}");
    soon(&lab, &["wt", "list"]).success();
}

#[test]
fn a_second_signal_ends_the_git_that_hangs() {
    let lab = Lab::new();
    let (flag, hangs) = (lab.env.root().join("flag"), lab.env.root().join("hangs"));
    let git = lab.env.program("sh").args(["-c", "command -v git"]).run().success();
    let bin = lab.env.dir("bin");
    let text = format!(
        "#!/bin/sh\nif [ -e '{flag}' ]; then touch '{hangs}'; exec sleep 300; fi\nexec '{}' \"$@\"\n",
        git.stdout.trim()
    );
    std::fs::write(bin.join("git"), text).unwrap();
    std::fs::set_permissions(bin.join("git"), PermissionsExt::from_mode(0o755)).unwrap();
    lab.ok(&["task", "create", "do it"]);
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let script = format!("{WORK}; touch '{flag}'");
    let args = ["up", "--no-gate", "--"].into_iter().chain(sh(&script)).collect::<Vec<_>>();
    let mut up = lab.call(&args).env("PATH", path).spawn();
    eventually(DEADLINE, "git hangs", || hangs.exists());
    up.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(500));
    up.signal(Signal::TERM);
    let asked = Instant::now();
    up.wait(SOON).fails_with(130);
    // It is 3 s on an idle machine; the time limit of git is 600 s.
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(lab.processes(), [""; 0]);
    std::fs::remove_file(flag).unwrap();
    lab.is_sound();
    assert_eq!(lab.json(&["task", "show", "1"])["status"], "pending");
}

#[test]
fn a_named_pipe_of_the_lock_of_the_background_hinders_nothing() {
    let lab = Lab::new();
    lab.create("first");
    let lock = lab.root().join(".git/biplane/tend.lock");
    let _ = std::fs::remove_file(&lock);
    lab.env.program("mkfifo").arg(&lock).run().success();
    for args in [&["wt", "create", "other"][..], &["wt", "remove", "first"], &["doctor"]] {
        lab.call(args).env("BIPLANE_BACKGROUND", "1").spawn().wait(SOON);
    }
    assert!(lab.root().join(".worktrees/other/README.md").exists());
}
