//! What `doctor` finds and repairs, each fault made on purpose in a real repository.
//!
//! Every fault is looked at dry first, which must change nothing; then repaired; then looked at again, which must find
//! nothing that a repair would put right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test panics where it fails")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use biplane_coordination::{
    Access, CreateWorktree, MergeRequest, Mode, Outside, RemoveRequest, Service, Start, Surroundings,
    doctor::{Area, Diagnosis, DoctorRequest, Finding, Severity},
};
use biplane_model::{TaskId, Timestamp, WorktreeName};
use biplane_testkit::{Repo, TestEnv};
use camino::{Utf8Path, Utf8PathBuf};

/// A repository with a board, and a clock of its own.
struct Home {
    env: TestEnv,
    repo: Repo,
    root: Utf8PathBuf,
    clock: Arc<AtomicI64>,
}

impl Home {
    fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let root = repo.path().to_owned();
        let clock = Arc::new(AtomicI64::new(1_763_640_000_000_000));
        let home = Self { env, repo, root, clock };
        home.open();
        home
    }

    fn open(&self) -> Service {
        let clock = Arc::clone(&self.clock);
        let env = BTreeMap::from([("USER".to_owned(), "tester".to_owned())]);
        let outside = Outside {
            surroundings: Surroundings { cwd: self.root.clone(), env },
            // Far enough between two events that nothing counts as being under way.
            now: Box::new(move || Timestamp(clock.fetch_add(20_000_000, Ordering::Relaxed))),
            narrate: Arc::new(|_| {}),
        };
        Service::open(outside, Access::Write).unwrap()
    }

    fn worktree(&self, name: &str) -> Utf8PathBuf {
        self.worktree_for(name, None)
    }

    fn worktree_for(&self, name: &str, task: Option<&str>) -> Utf8PathBuf {
        let wish = CreateWorktree {
            name: name.parse().unwrap(),
            task: task.map(|id| id.parse().unwrap()),
            base: None,
            start: Start::Yes,
            owner: None,
        };
        self.open().worktree_create(&wish).unwrap();
        self.root.join(".worktrees").join(name)
    }

    fn remove(&self, name: &str) {
        let request = RemoveRequest {
            name: name.parse().unwrap(),
            force: false,
            closing: biplane_coordination::Closing::LeaveTask,
            reason: String::new(),
            dry_run: false,
        };
        self.open().worktree_remove(&request).unwrap();
    }

    fn task(&self, subject: &str) -> TaskId {
        let new = biplane_control::board::NewTask { subject: subject.to_owned(), ..Default::default() };
        self.open().task_create(&new).unwrap().id
    }

    fn doctor(&self, mode: Mode) -> Diagnosis {
        self.open().doctor(&DoctorRequest { mode }).unwrap()
    }

    fn sql(&self, sql: &str) {
        let ledger = rusqlite::Connection::open(self.root.join(".git/biplane/ledger.db")).unwrap();
        assert!(ledger.execute(sql, []).unwrap() > 0, "{sql}");
    }

    /// Everything that a dry look could change, as text.
    fn state(&self) -> Vec<String> {
        // Opening brings the views in line, whatever comes after it.
        drop(self.open());
        let script = "git for-each-ref; git worktree list --porcelain; cat .git/info/exclude .git/worktrees/*/gitdir \
             .worktrees/*/.git .tasks/* .worktrees/*.json* 2>/dev/null; find . -not -path './.git/objects*' -not -name '*-shm' | sort";
        let output = self.env.program("sh").args(["-c", script]).in_dir(&self.root).run();
        output.stdout.lines().map(str::to_owned).collect()
    }

    /// Looks dry, which changes nothing; repairs; looks again. Gives what was found and what the repair said.
    #[track_caller]
    fn examine(&self) -> (Vec<Finding>, Vec<Finding>) {
        let before = self.state();
        let dry = self.doctor(Mode::Dry);
        same(&before, &self.state(), "a dry look changed something");
        assert!(dry.findings.iter().all(|f| !f.fixed), "{dry:#?}");
        let fixed = self.doctor(Mode::Fix);
        assert!(!fixed.has_fixable(), "{fixed:#?}");
        let after = self.state();
        let again = self.doctor(Mode::Fix);
        assert!(again.findings.iter().all(|f| !f.fixable), "the second repair found something: {again:#?}");
        same(&after, &self.state(), "the second repair did something");
        assert_eq!(again.healthy(), fixed.healthy());
        (found(dry), found(fixed))
    }

    /// As [`Home::examine`], for one fault that can be repaired.
    #[track_caller]
    fn repaired(&self, subject: &str, words: &str) {
        let (dry, fixed) = self.examine();
        let dry = the(&dry, subject, words);
        assert!(dry.fixable && dry.remedy.is_some(), "{dry:#?}");
        assert!(the(&fixed, subject, words).fixed, "{fixed:#?}");
    }

    /// As [`Home::examine`], for one thing that is only told of.
    #[track_caller]
    fn told(&self, severity: Severity, subject: &str, words: &str) -> Finding {
        let before = self.state();
        let (dry, _) = self.examine();
        same(&before, &self.state(), "what is only told of was changed");
        let finding = the(&dry, subject, words);
        assert!(finding.severity == severity && !finding.fixable && finding.remedy.is_some(), "{finding:#?}");
        finding
    }
}

#[track_caller]
fn same(before: &[String], after: &[String], words: &str) {
    let only = |here: &[String], there: &[String]| {
        here.iter().filter(|line| !there.contains(line)).cloned().collect::<Vec<_>>()
    };
    assert!(before == after, "{words}: {:#?} became {:#?}", only(before, after), only(after, before));
}

/// What is not as it should be. The machine's own state is another matter.
fn found(diagnosis: Diagnosis) -> Vec<Finding> {
    let keep = |f: &Finding| f.severity != Severity::Ok && f.area != Area::Environment;
    diagnosis.findings.into_iter().filter(keep).collect()
}

#[track_caller]
fn the(findings: &[Finding], subject: &str, words: &str) -> Finding {
    let is_it = |f: &&Finding| f.subject.contains(subject) && f.verdict.contains(words);
    findings.iter().find(is_it).unwrap_or_else(|| panic!("no {subject}: {words} in {findings:#?}")).clone()
}

fn worktree_path(home: &Home, name: &str) -> Utf8PathBuf {
    let name: WorktreeName = name.parse().unwrap();
    let views = home.open().worktree_list(false).unwrap();
    let text = serde_json::to_value(views).unwrap();
    let all = text.as_array().unwrap();
    let one = all.iter().find(|w| w["name"] == name.as_str()).unwrap();
    one["path"].as_str().unwrap().into()
}

/// A worktree whose commit is submitted.
fn submitted(home: &Home, name: &str) -> biplane_model::SubmissionId {
    let path = home.worktree(name);
    let checkout = home.repo.at(&path);
    checkout.write(format!("{name}.txt"), "work\n");
    checkout.commit("work");
    let service = home.open();
    let mut request = MergeRequest::new(name.parse().unwrap());
    request.gate = Some(None);
    service.submit(&request).unwrap().submission.id
}

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
    for subject in ["git", "sh", "file locks", "renaming", "times", "free space", ".git/biplane/ledger.db"] {
        assert!(diagnosis.findings.iter().any(|f| f.subject == subject), "{subject}: {diagnosis:#?}");
    }
}

#[test]
fn a_moved_repository_is_linked_again() {
    let mut home = Home::new();
    let path = home.worktree("x");
    home.worktree("y");
    home.repo.at(&path).write("new.txt", "uncommitted\n");
    let moved = home.env.root().join("moved");
    fs_err::rename(&home.root, &moved).unwrap();
    home.root = moved;
    home.repaired("x", "moved or copied");
    let checkout = home.env.program("git").args(["status", "--short", "--branch"]);
    let shown = checkout.in_dir(home.root.join(".worktrees/x")).run().success().stdout;
    assert_eq!(shown, "## wt/x\n?? new.txt\n");
}

#[test]
fn a_copy_leaves_the_original_alone() {
    let mut home = Home::new();
    home.worktree("x");
    home.worktree("y");
    let before = home.state();
    home.env.program("cp").args(["-R", "app", "copy"]).run().success();
    let original = std::mem::replace(&mut home.root, home.env.root().join("copy"));
    home.repaired("y", "moved or copied");
    home.root = original;
    same(&before, &home.state(), "something changed");
    assert!(home.doctor(Mode::Dry).healthy());
}

#[test]
fn a_deleted_worktree_is_noted_and_its_branch_stays() {
    let home = Home::new();
    let path = home.worktree("x");
    let checkout = home.repo.at(&path);
    checkout.write("a.txt", "a\n");
    let tip = checkout.commit("work");
    home.repo.git(&["worktree", "remove", "--force", ".worktrees/x"]);
    home.repaired("x", "gone");
    assert_eq!(home.repo.git(&["rev-parse", "wt/x"]), tip);
    assert!(home.open().worktree_list(false).unwrap().is_empty());
    home.told(Severity::Note, "wt/x", "1 of its commits are not in `main`");
}

#[test]
fn a_deleted_directory_is_not_pruned() {
    let home = Home::new();
    let path = home.worktree("x");
    fs_err::remove_dir_all(&path).unwrap();
    let finding = home.told(Severity::Problem, "x", "is not there");
    assert!(finding.remedy.unwrap().contains("git worktree remove --force .worktrees/x"));
    assert!(home.root.join(".git/worktrees/x").is_dir());
    // The remedy ends it.
    home.repo.git(&["worktree", "remove", "--force", ".worktrees/x"]);
    home.repaired("x", "gone");
}

#[test]
fn a_worktree_moved_by_hand_is_found_again() {
    let home = Home::new();
    let path = home.worktree("x");
    let elsewhere = home.env.root().join("elsewhere");
    fs_err::rename(&path, &elsewhere).unwrap();
    home.told(Severity::Problem, "x", "is not there");
    assert!(home.root.join(".git/worktrees/x").is_dir(), "it was pruned");
    home.repo.git(&["worktree", "repair", elsewhere.as_str()]);
    home.repaired("x", "moved to");
    assert_eq!(worktree_path(&home, "x"), elsewhere);
    home.open().worktree_status(&"x".parse().unwrap()).unwrap();
}

#[test]
fn a_deleted_entry_is_left_to_a_person() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).write("a.txt", "uncommitted\n");
    fs_err::remove_dir_all(home.root.join(".git/worktrees/x")).unwrap();
    let finding = home.told(Severity::Problem, "x", "git has no entry for it");
    assert!(finding.remedy.unwrap().contains("git worktree add .worktrees/x wt/x"));
    // The remedy, typed.
    let aside = home.env.root().join("aside");
    fs_err::rename(&path, &aside).unwrap();
    home.repo.git(&["worktree", "add", "-q", ".worktrees/x", "wt/x"]);
    fs_err::copy(aside.join("a.txt"), path.join("a.txt")).unwrap();
    assert!(home.doctor(Mode::Dry).healthy());
}

#[test]
fn a_deleted_branch_is_put_back() {
    let home = Home::new();
    let path = home.worktree("x");
    let checkout = home.repo.at(&path);
    checkout.write("a.txt", "a\n");
    let tip = checkout.commit("work");
    home.repo.git(&["update-ref", "-d", "refs/heads/wt/x"]);
    home.repaired("x", "its branch `wt/x` is gone");
    assert_eq!(home.repo.git(&["rev-parse", "wt/x"]), tip);
    assert_eq!(checkout.git(&["status", "--short"]), "");
}

#[test]
fn a_worktree_on_another_branch_or_locked_is_told_of() {
    let home = Home::new();
    let path = home.worktree("x");
    home.repo.at(&path).git(&["switch", "-q", "-c", "side"]);
    home.told(Severity::Note, "x", "it is on `side`");
    home.repo.at(&path).git(&["switch", "-q", "wt/x"]);
    home.repo.git(&["worktree", "lock", ".worktrees/x"]);
    home.told(Severity::Note, "x", "locked");
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
fn a_scratch_directory_is_deleted() {
    let home = Home::new();
    fs_err::create_dir_all(home.root.join(".worktrees/.gate-s9/target")).unwrap();
    home.repaired("a dead process", "`.worktrees/.gate-s9` was left behind");
    assert!(!home.root.join(".worktrees/.gate-s9").exists());
}

#[test]
fn strangers_are_told_of_and_left_alone() {
    let home = Home::new();
    home.worktree("x");
    home.repo.git(&["worktree", "add", "-q", "-b", "theirs", ".worktrees/theirs"]);
    home.repo.git(&["worktree", "add", "-q", "-b", "outside", "../outside"]);
    fs_err::create_dir(home.root.join(".worktrees/unknown")).unwrap();
    home.told(Severity::Note, ".worktrees/theirs", "the ledger does not know");
    home.told(Severity::Note, ".worktrees/unknown", "neither the ledger nor git");
    fs_err::remove_dir_all(home.env.root().join("outside")).unwrap();
    home.told(Severity::Note, "outside", "finds nothing");
    assert!(home.root.join(".git/worktrees/outside").is_dir());
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
    let command: Vec<&str> = remedy.split('`').nth(1).unwrap().split(' ').skip(1).collect();
    home.repo.git(&command);
    assert!(home.doctor(Mode::Dry).healthy());
    home.repo.git(&["switch", "-q", "--detach"]);
    let finding = home.told(Severity::Note, "the main checkout", "it is on no branch");
    assert!(finding.remedy.unwrap().contains("`git switch main`"));
    home.repo.git(&["switch", "-q", "main"]);
    home.repo.git(&["config", "core.bare", "true"]);
    home.told(Severity::Problem, "the main checkout", "core.bare");
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
        surroundings: Surroundings { cwd: repo.path().to_owned(), env: BTreeMap::new() },
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
        surroundings: Surroundings { cwd: env.dir("plain"), env: BTreeMap::new() },
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
