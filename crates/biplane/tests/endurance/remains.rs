//! What is left when all is done: nothing but what is meant to stay, and not much of that.

use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{home::Home, plan::Plan};

/// The most bytes of the ledger for each task.
const LEDGER: u64 = 18 << 10;
/// Of the view of the events.
const EVENTS: u64 = 12 << 10;
/// Of the directories of its runs, as they take them on the disk.
const RUNS: u64 = 48 << 10;
/// Of everything below the home, git's objects and biplane's records among it.
const ALL: u64 = 192 << 10;

/// No worktree, ref, process, or temporary file is left over; git and doctor find nothing.
#[track_caller]
pub(crate) fn nothing_is_left(home: &Home, plan: &Plan) {
    let git = |args: &[&str]| home.repo.git(args);
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1, "{}", git(&["worktree", "list"]));
    let refs = git(&["for-each-ref", "--format=%(refname)"]);
    // What an attempt had done is held when the next one begins anew.
    let (held, others): (Vec<&str>, Vec<&str>) =
        refs.lines().partition(|name| name.starts_with("refs/biplane/snapshots/"));
    assert_eq!(others, ["refs/heads/main"]);
    assert!(held.len() <= plan.retried(), "{held:?}");
    assert_eq!(git(&["status", "--porcelain"]), "", "the main checkout is that of main");
    let fsck = home.repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run().success();
    assert_eq!((fsck.stdout.as_str(), fsck.stderr.as_str()), ("", ""));
    let entries = home.root().join(".worktrees").read_dir_utf8().unwrap();
    let mut entries: Vec<String> = entries.map(|entry| entry.unwrap().file_name().to_owned()).collect();
    entries.sort_unstable();
    entries.retain(|name| name != ".pool");
    assert_eq!(entries, ["events.jsonl", "index.json", "runs"]);
    let temporary: Vec<Utf8PathBuf> =
        below(home.env.root()).into_iter().filter(|file| is_temporary(file)).collect();
    assert_eq!(temporary, [""; 0]);
    assert_eq!(home.env.processes(), [""; 0]);
    let found = home.call(&["doctor", "--json"]).env("BIPLANE_BACKGROUND", "0").run().success().json();
    let found = found["findings"].as_array().unwrap().iter();
    // The machine's own state is another matter.
    let found: Vec<_> = found.filter(|f| f["severity"] != "ok" && f["area"] != "environment").collect();
    assert!(found.is_empty(), "{found:#?}");
    println!("endurance: {} tasks landed, {} snapshots held", plan.landing(), held.len());
}

/// What is kept of each task is bounded.
#[track_caller]
pub(crate) fn records_are_small(home: &Home, tasks: usize) {
    let root = home.root();
    let sizes = [
        ("ledger", LEDGER, below(&root.join(".git/biplane"))),
        ("view of the events", EVENTS, vec![root.join(".worktrees/events.jsonl")]),
        ("directories of runs", RUNS, below(&root.join(".worktrees/runs"))),
        ("everything", ALL, below(root)),
    ];
    for (what, most, files) in sizes {
        let bytes: u64 =
            files.iter().map(|file| file.symlink_metadata().map_or(0, |meta| meta.blocks() * 512)).sum();
        let each = bytes / tasks as u64;
        println!("endurance: {what}: {bytes} bytes on the disk, {each} for each task");
        assert!(each <= most, "{what}: {each} bytes for each task, {most} at most");
    }
}

/// Whether a file is one that somebody was about to rename, or a lock of git's.
fn is_temporary(file: &Utf8Path) -> bool {
    let name = file.file_name().unwrap_or_default();
    let is_ours = ["new-by-", "index-by-", "entry-by-", "doctor-by-", ".events.new"]
        .iter()
        .any(|word| name.contains(word));
    let is_gits =
        name.starts_with("tmp_") || (name.ends_with(".lock") && !file.as_str().contains("/.git/biplane/"));
    is_ours
        || is_gits
        || file.as_str().contains("/.removed-")
        || file.as_str().contains("/.making-")
        || file.parent().is_some_and(|dir| dir.as_str().ends_with("/tmp"))
}

/// The files below a directory; no link is followed.
fn below(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path().to_owned());
            } else {
                found.push(entry.path().to_owned());
            }
        }
    }
    found
}
