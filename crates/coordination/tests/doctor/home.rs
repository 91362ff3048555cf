//! A repository with a board, and the ways to examine it.

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
use camino::Utf8PathBuf;

/// A repository with a board, and a clock of its own.
pub(crate) struct Home {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    /// Where the repository is now.
    pub(crate) root: Utf8PathBuf,
    clock: Arc<AtomicI64>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let root = repo.path().to_owned();
        let clock = Arc::new(AtomicI64::new(1_763_640_000_000_000));
        let home = Self { env, repo, root, clock };
        home.open();
        home
    }

    pub(crate) fn open(&self) -> Service {
        let clock = Arc::clone(&self.clock);
        let env = BTreeMap::from([("USER".to_owned(), "tester".to_owned())]);
        let outside = Outside {
            surroundings: Surroundings { cwd: self.root.clone(), env, ..Surroundings::default() },
            // Far enough between two events that nothing counts as being under way.
            now: Box::new(move || Timestamp(clock.fetch_add(20_000_000, Ordering::Relaxed))),
            narrate: Arc::new(|_| {}),
        };
        Service::open(outside, Access::Write).unwrap()
    }

    pub(crate) fn worktree(&self, name: &str) -> Utf8PathBuf {
        self.worktree_for(name, None)
    }

    pub(crate) fn worktree_for(&self, name: &str, task: Option<&str>) -> Utf8PathBuf {
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

    pub(crate) fn remove(&self, name: &str) {
        let request = RemoveRequest {
            name: name.parse().unwrap(),
            force: false,
            processes: biplane_coordination::Processes::Refuse,
            closing: biplane_coordination::Closing::LeaveTask,
            reason: String::new(),
            dry_run: false,
        };
        self.open().worktree_remove(&request).unwrap();
    }

    pub(crate) fn task(&self, subject: &str) -> TaskId {
        let new = biplane_control::board::NewTask { subject: subject.to_owned(), ..Default::default() };
        self.open().task_create(&new).unwrap().id
    }

    pub(crate) fn doctor(&self, mode: Mode) -> Diagnosis {
        self.open().doctor(&DoctorRequest { mode }).unwrap()
    }

    pub(crate) fn sql(&self, sql: &str) {
        let ledger = rusqlite::Connection::open(self.root.join(".git/biplane/ledger.db")).unwrap();
        assert!(ledger.execute(sql, []).unwrap() > 0, "{sql}");
    }

    /// Everything that a dry look could change, as text.
    pub(crate) fn state(&self) -> Vec<String> {
        // Opening brings the views in line, whatever comes after it.
        drop(self.open());
        let script = "git for-each-ref; git worktree list --porcelain; cat .git/info/exclude .git/worktrees/*/gitdir \
             .worktrees/*/.git .tasks/* .worktrees/*.json* 2>/dev/null; find . -not -path './.git/objects*' -not -name '*-shm' | sort";
        let output = self.env.program("sh").args(["-c", script]).in_dir(&self.root).run();
        output.stdout.lines().map(str::to_owned).collect()
    }

    /// Looks dry, which changes nothing; repairs; looks again. Gives what was found and what the repair said.
    #[track_caller]
    pub(crate) fn examine(&self) -> (Vec<Finding>, Vec<Finding>) {
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
    pub(crate) fn repaired(&self, subject: &str, words: &str) {
        let (dry, fixed) = self.examine();
        let dry = the(&dry, subject, words);
        assert!(dry.fixable && dry.remedy.is_some(), "{dry:#?}");
        assert!(the(&fixed, subject, words).fixed, "{fixed:#?}");
    }

    /// As [`Home::examine`], for one thing that is only told of.
    #[track_caller]
    pub(crate) fn told(&self, severity: Severity, subject: &str, words: &str) -> Finding {
        let before = self.state();
        let (dry, _) = self.examine();
        same(&before, &self.state(), "what is only told of was changed");
        let finding = the(&dry, subject, words);
        assert!(finding.severity == severity && !finding.fixable && finding.remedy.is_some(), "{finding:#?}");
        finding
    }
}

#[track_caller]
pub(crate) fn same(before: &[String], after: &[String], words: &str) {
    let only = |here: &[String], there: &[String]| {
        here.iter().filter(|line| !there.contains(line)).cloned().collect::<Vec<_>>()
    };
    assert!(before == after, "{words}: {:#?} became {:#?}", only(before, after), only(after, before));
}

/// What is not as it should be. The machine's own state is another matter.
pub(crate) fn found(diagnosis: Diagnosis) -> Vec<Finding> {
    let keep = |f: &Finding| f.severity != Severity::Ok && f.area != Area::Environment;
    diagnosis.findings.into_iter().filter(keep).collect()
}

#[track_caller]
pub(crate) fn the(findings: &[Finding], subject: &str, words: &str) -> Finding {
    let is_it = |f: &&Finding| f.subject.contains(subject) && f.verdict.contains(words);
    findings.iter().find(is_it).unwrap_or_else(|| panic!("no {subject}: {words} in {findings:#?}")).clone()
}

pub(crate) fn worktree_path(home: &Home, name: &str) -> Utf8PathBuf {
    let name: WorktreeName = name.parse().unwrap();
    let views = home.open().worktree_list(false).unwrap();
    let text = serde_json::to_value(views).unwrap();
    let all = text.as_array().unwrap();
    let one = all.iter().find(|w| w["name"] == name.as_str()).unwrap();
    one["path"].as_str().unwrap().into()
}

/// A worktree whose commit is submitted.
pub(crate) fn submitted(home: &Home, name: &str) -> biplane_model::SubmissionId {
    let path = home.worktree(name);
    let checkout = home.repo.at(&path);
    checkout.write(format!("{name}.txt"), "work\n");
    checkout.commit("work");
    let service = home.open();
    let mut request = MergeRequest::new(name.parse().unwrap());
    request.gate = Some(None);
    service.submit(&request).unwrap().submission.id
}
