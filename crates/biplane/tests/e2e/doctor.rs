//! `doctor`: a verdict for each thing, with a stable code; dry it changes nothing at all, and a second repair does nothing.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime},
};

use camino::Utf8Path;
use serde_json::Value;

use crate::lab::Lab;

/// Every file below the repository: what kind it is, its times, its content. The engine's own files beside the ledger come and go
/// with each reader.
fn everything(root: &Utf8Path) -> Vec<String> {
    let (mut all, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().unwrap();
        if ["ledger.db-wal", "ledger.db-shm"].contains(&path.file_name().unwrap()) {
            continue;
        }
        // Where the engine makes and deletes them.
        let at = if path.ends_with(".git/biplane") { (0, 0) } else { (meta.mtime(), meta.mtime_nsec()) };
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        all.push(format!("{path} {:o} {at:?} {content:?}", meta.mode()));
        if meta.is_dir() {
            open.extend(path.read_dir_utf8().unwrap().map(|e| e.unwrap().path().to_owned()));
        }
    }
    all.sort_unstable();
    all
}

/// The findings with this code.
fn of(findings: &Value, code: &str) -> Vec<Value> {
    findings["findings"].as_array().unwrap().iter().filter(|f| f["code"] == code).cloned().collect()
}

#[track_caller]
fn one(findings: &Value, code: &str) -> Value {
    let found = of(findings, code);
    assert_eq!(found.len(), 1, "{code}: {findings:#}");
    found[0].clone()
}

fn doctor(lab: &Lab, args: &[&str]) -> Value {
    lab.call(&[&["doctor", "--json"], args].concat()).run().json()
}

/// Makes a file look as if it had been there for long.
fn aged(path: impl AsRef<Utf8Path>) {
    let file = fs::File::open(path.as_ref()).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

/// A repository with many faults at once.
fn faulty() -> Lab {
    let lab = Lab::new();
    for name in ["a", "b", "c", "d", "e"] {
        lab.create(name);
    }
    lab.ok(&["task", "create", "one"]);
    lab.ok(&["run", "a", "--", "true"]);
    let git = lab.root().join(".git");
    // Stale locks: of biplane's own places, and of others'.
    for lock in ["refs/heads/wt/a.lock", "worktrees/b/index.lock", "packed-refs.lock", "refs/heads/main.lock"]
    {
        fs::write(git.join(lock), "").unwrap();
        aged(git.join(lock));
    }
    // Entries: half deleted ones, and one that is locked for ever.
    fs::create_dir(git.join("worktrees/half")).unwrap();
    fs::write(git.join("worktrees/half/commondir"), "../..\n").unwrap();
    fs::create_dir(git.join("worktrees/full")).unwrap();
    fs::write(git.join("worktrees/full/index"), "something").unwrap();
    fs::write(git.join("worktrees/c/locked"), "initializing\n").unwrap();
    for name in ["worktrees/half", "worktrees/full", "worktrees/c/locked", "worktrees/c"] {
        aged(git.join(name));
    }
    // Directories and branches of nobody; a view that was damaged; a log that was deleted.
    fs::create_dir(lab.root().join(".worktrees/orphan")).unwrap();
    fs::write(lab.root().join(".worktrees/orphan/.git"), format!("gitdir: {git}/worktrees/orphan\n"))
        .unwrap();
    lab.repo.git(&["branch", "wt/orphan"]);
    fs::rename(lab.root().join(".worktrees/d"), lab.env.root().join("d")).unwrap();
    fs::rename(lab.root().join(".worktrees/runs/r1"), lab.root().join(".worktrees/runs/r77")).unwrap();
    fs::write(lab.root().join(".tasks/task_1.json"), "{}").unwrap();
    for (key, value) in
        [("core.hooksPath", ".husky"), ("filter.evil.smudge", "evil"), ("gc.worktreePruneExpire", "now")]
    {
        lab.repo.git(&["config", key, value]);
    }
    lab
}

#[test]
fn a_verdict_for_each_thing_and_nothing_changed() {
    let lab = faulty();
    let before = everything(lab.root());
    let found = doctor(&lab, &[]);
    assert_eq!(everything(lab.root()), before, "a dry look changed something");
    let stale = of(&found, "lock.stale");
    assert_eq!(stale.iter().filter(|f| f["fixable"] == true).count(), 2, "{stale:#?}");
    assert_eq!(stale.len(), 4, "{stale:#?}");
    let told = stale.iter().find(|f| f["subject"] == "packed-refs.lock").unwrap();
    assert!(told["remedy"].as_str().unwrap().contains("rm "), "{told}");
    let halves = of(&found, "entry.half_deleted");
    assert_eq!(halves.iter().map(|f| f["fixable"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(one(&found, "entry.initializing")["fixable"], true);
    assert!(one(&found, "directory.orphan")["verdict"].as_str().unwrap().contains("was a worktree"));
    assert_eq!(one(&found, "branch.orphan")["subject"], "wt/orphan");
    let missing = one(&found, "worktree.missing");
    assert!(missing["remedy"].as_str().unwrap().contains("biplane wt remove d"), "{missing}");
    assert_eq!(one(&found, "run.unrecorded")["subject"], ".worktrees/runs/r77");
    for code in
        ["run.without_log", "view.damaged", "config.hooks", "config.filter", "config.prune", "disk.use"]
    {
        one(&found, code);
    }
    let text = lab.call(&["doctor"]).run().fails_with(1).stdout;
    let last = text.lines().last().unwrap();
    assert!(last.contains("problems; `biplane doctor --fix`"), "{text}");
    assert!(text.lines().next().unwrap().starts_with("ok  "), "{text}");
}

#[test]
fn the_second_repair_does_nothing() {
    let lab = faulty();
    let fixed = doctor(&lab, &["--fix"]);
    let repaired = fixed["findings"].as_array().unwrap().iter().filter(|f| f["fixed"] == true).count();
    assert!(repaired >= 5, "{fixed:#}");
    let git = lab.root().join(".git");
    for gone in ["refs/heads/wt/a.lock", "worktrees/b/index.lock", "worktrees/half", "worktrees/c/locked"] {
        assert!(!git.join(gone).exists(), "{gone}");
    }
    for left in ["packed-refs.lock", "refs/heads/main.lock", "worktrees/full/index", "worktrees/d/HEAD"] {
        assert!(git.join(left).exists(), "{left}");
    }
    assert_ne!(lab.repo.git(&["branch", "--list", "wt/d"]), "");
    let (events, before) = (lab.event_words(), everything(lab.root()));
    let again = doctor(&lab, &["--fix"]);
    assert!(again["findings"].as_array().unwrap().iter().all(|f| f["fixed"] == false), "{again:#}");
    assert_eq!((lab.event_words(), everything(lab.root())), (events, before));
}

#[test]
fn a_lock_that_somebody_holds_is_left() {
    let lab = Lab::new();
    lab.create("a");
    let lock = lab.root().join(".git/refs/heads/wt/a.lock");
    let script = format!("exec 9>{lock}; sleep 60");
    let running = lab.env.program("sh").args(["-c", &script]).spawn();
    let began = std::time::Instant::now();
    while !lock.exists() {
        assert!(began.elapsed() < crate::lab::DEADLINE);
        std::thread::sleep(Duration::from_millis(20));
    }
    aged(&lock);
    assert_eq!(of(&doctor(&lab, &["--fix"]), "lock.stale").len(), 0);
    assert!(lock.exists());
    drop(running);
    assert_eq!(one(&doctor(&lab, &["--fix"]), "lock.stale")["fixed"], true);
    assert!(!lock.exists());
}

#[test]
fn broken_settings_are_a_finding_and_the_rest_is_examined() {
    let lab = Lab::new();
    lab.create("a");
    lab.repo.write("biplane.toml", "gaet = 1\n");
    lab.fails(2, &["task", "list"]);
    let found = doctor(&lab, &[]);
    assert!(one(&found, "settings.broken")["verdict"].as_str().unwrap().contains("gaet"), "{found:#}");
    one(&found, "ledger.whole");
    lab.repo.write("biplane.toml", "");
    lab.ok(&["doctor"]);
}

#[test]
fn a_flipped_shared_configuration_is_a_problem() {
    let lab = Lab::new();
    lab.create("a");
    lab.repo.git(&["config", "core.bare", "true"]);
    assert_eq!(one(&doctor(&lab, &[]), "config.bare")["severity"], "problem");
    lab.repo.git(&["config", "core.bare", "false"]);
    lab.repo.git(&["config", "core.worktree", "/somewhere"]);
    assert_eq!(one(&doctor(&lab, &[]), "config.worktree")["severity"], "problem");
}

/// Worktrees that lie outside of the repository: the one or the other was moved.
#[test]
fn worktrees_outside_are_linked_again_whichever_side_was_moved() {
    for moved in ["app", "trees"] {
        let lab = Lab::new();
        lab.settings("[worktrees]\ndir = \"../trees\"\n");
        lab.ok(&["wt", "create", "a"]);
        lab.ok(&["wt", "create", "b"]);
        fs::write(lab.env.root().join("trees/a/new.txt"), "uncommitted\n").unwrap();
        // Into a directory of its own, so that `../trees` leads from the one to the other again.
        let (away, back) = (lab.env.dir("elsewhere"), lab.env.root().to_owned());
        fs::rename(back.join(moved), away.join(moved)).unwrap();
        let root = if moved == "app" { away.join("app") } else { lab.root().to_owned() };
        let dir = if moved == "app" { "../../trees" } else { "../elsewhere/trees" };
        fs::write(root.join("biplane.toml"), format!("[worktrees]\ndir = \"{dir}\"\n")).unwrap();
        let call = |args: &[&str]| lab.call_in(&root, args).run();
        let dry = call(&["doctor", "--json"]).json();
        assert_eq!(of(&dry, "repository.moved").len(), 2, "{moved}: {dry:#}");
        let fixed = call(&["doctor", "--fix", "--json"]).json();
        assert!(of(&fixed, "repository.moved").iter().all(|f| f["fixed"] == true), "{moved}: {fixed:#}");
        assert!(call(&["wt", "status", "a"]).success().stdout.contains("new.txt"));
        call(&["doctor"]).success();
    }
}
