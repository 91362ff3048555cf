//! The ledger, the views and what dead processes have left.

use std::sync::Arc;

use biplane_coordination::{
    Access, Mode, Outside, Service, Surroundings,
    doctor::{DoctorRequest, Severity},
};
use biplane_model::Timestamp;
use biplane_testkit::TestEnv;
use camino::Utf8Path;

use crate::home::{Home, found, same, submitted, the};

#[test]
fn a_healthy_home_is_healthy() {
    let home = Home::new();
    let task = home.task("work");
    home.worktree_for("a", Some(task.as_str()));
    home.worktree("b");
    home.remove("b");
    submitted(&home, "c");
    let (dry, fixed) = home.examine();
    assert_eq!((dry, fixed), (vec![], vec![]));
    let diagnosis = home.doctor(Mode::Dry);
    for subject in [
        "the git program",
        "the shell",
        "file locks",
        "renaming",
        "times",
        "free space",
        ".git/biplane/ledger.db",
    ] {
        assert!(diagnosis.findings.iter().any(|f| f.subject == subject), "{subject}: {diagnosis:#?}");
    }
}

#[test]
fn the_side_of_a_task_is_read_from_the_worktree() {
    let home = Home::new();
    let task = home.task("work");
    home.worktree_for("x", Some(task.as_str()));
    home.sql("UPDATE task SET worktree = NULL");
    home.repaired("task 1", "it names no worktree, but worktree `x` is bound to it");
    home.sql("UPDATE worktree SET task = NULL");
    home.repaired("task 1", "it names worktree `x`, but no worktree is bound to it");
    home.sql("UPDATE worktree SET task = '77'");
    home.repaired("x", "bound to task 77, which does not exist");
    home.sql("UPDATE task SET after_ids = '[\"88\"]'");
    home.sql("INSERT INTO dependency (task, on_task) VALUES ('1', '88')");
    home.told(Severity::Problem, "task 1", "waits for task 88");
}

#[test]
fn on_a_ledger_that_is_not_whole_nothing_is_repaired() {
    let home = Home::new();
    let task = home.task("work");
    home.worktree_for("x", Some(task.as_str()));
    home.sql("DELETE FROM event WHERE seq = 2");
    home.sql("UPDATE task SET worktree = NULL");
    let before = home.state();
    let diagnosis = home.doctor(Mode::Fix);
    the(&diagnosis.findings, "ledger.db", "events are missing");
    assert!(!diagnosis.healthy() && diagnosis.has_fixable(), "{diagnosis:#?}");
    same(&before, &home.state(), "something changed");
}

#[test]
fn a_scratch_directory_is_deleted() {
    let home = Home::new();
    fs_err::create_dir_all(home.root.join(".worktrees/.gate-s9/target")).unwrap();
    home.repaired("a dead process", "`.worktrees/.gate-s9` was left behind");
    assert!(!home.root.join(".worktrees/.gate-s9").exists());
}

#[test]
fn missing_excludes_are_written_and_tracked_views_told_of() {
    let home = Home::new();
    home.task("work");
    fs_err::write(home.root.join(".git/info/exclude"), "mine\n").unwrap();
    home.repaired("info/exclude", "/.tasks/");
    assert!(fs_err::read_to_string(home.root.join(".git/info/exclude")).unwrap().starts_with("mine\n"));
    home.repo.git(&["add", "--force", ".tasks/task_1.json"]);
    home.told(Severity::Problem, ".tasks", "git tracks 1 files");
    fs_err::write(home.root.join(".tasks/task_99.json"), "{}").unwrap();
    home.told(Severity::Note, ".tasks/task_99.json", "does not know this task");
}

#[test]
fn a_damaged_view_is_written_anew() {
    let home = Home::new();
    home.task("work");
    let service = home.open();
    let view = home.root.join(".tasks/task_1.json");
    let good = fs_err::read_to_string(&view).unwrap();
    fs_err::write(&view, "{}").unwrap();
    let dry = service.doctor(&DoctorRequest { mode: Mode::Dry }).unwrap();
    assert!(the(&dry.findings, "task_1.json", "not what the ledger says").fixable);
    assert_eq!(fs_err::read_to_string(&view).unwrap(), "{}");
    assert!(service.doctor(&DoctorRequest { mode: Mode::Fix }).unwrap().healthy());
    assert_eq!(fs_err::read_to_string(&view).unwrap(), good);
    assert!(found(service.doctor(&DoctorRequest { mode: Mode::Fix }).unwrap()).is_empty());
}

#[test]
fn a_foreign_board_is_left_alone() {
    let env = TestEnv::new();
    let repo = env.repo("app");
    for file in
        [".tasks/task_1.json", ".worktrees/index.json", ".worktrees/events.jsonl", ".worktrees/.gate-s1/x"]
    {
        repo.write(file, "{}\n");
    }
    let outside = Outside {
        surroundings: Surroundings { cwd: repo.path().to_owned(), ..Surroundings::default() },
        now: Box::new(|| Timestamp(1_763_640_000_000_000)),
        narrate: Arc::new(|_| {}),
    };
    let diagnosis =
        Service::open(outside, Access::Read).unwrap().doctor(&DoctorRequest { mode: Mode::Fix }).unwrap();
    the(&diagnosis.findings, "ledger.db", "there is none, but there is a board");
    assert!(diagnosis.findings.iter().all(|f| !f.fixed), "{diagnosis:#?}");
    for file in
        [".tasks/task_1.json", ".worktrees/index.json", ".worktrees/events.jsonl", ".worktrees/.gate-s1/x"]
    {
        assert_eq!(repo.read(file), "{}\n");
    }
    assert!(!repo.path().join(".git/biplane").exists());
}

#[test]
fn what_dead_processes_have_left_is_recovered() {
    let home = Home::new();
    home.worktree("x");
    // Another boot's process is dead.
    home.sql("UPDATE worktree SET operation = 'remove', operation_by = '7 1 another-boot'");
    home.repaired("a dead process", "worktree `x` was half removed");
    home.open().worktree_status(&"x".parse().unwrap()).unwrap();
    // A process of another container can't be looked at.
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    home.sql(&format!("UPDATE worktree SET operation = 'remove', operation_by = '7 1 {}:1'", boot.trim()));
    home.told(Severity::Note, "worktree `x`", "can't be told");
}

#[test]
fn outside_of_git_the_rest_is_examined() {
    let env = TestEnv::new();
    let outside = Outside {
        surroundings: Surroundings { cwd: env.dir("plain"), ..Surroundings::default() },
        now: Box::new(|| Timestamp(1_763_640_000_000_000)),
        narrate: Arc::new(|_| {}),
    };
    let service = Service::open(outside, Access::Read).unwrap();
    let diagnosis = service.doctor(&DoctorRequest { mode: Mode::Fix }).unwrap();
    assert!(diagnosis.healthy(), "{diagnosis:#?}");
    the(&diagnosis.findings, "the repository", "no git repository");
    let left = Utf8Path::new(env.root()).join("plain").read_dir_utf8().unwrap().count();
    assert_eq!(left, 0, "a look made something");
}
