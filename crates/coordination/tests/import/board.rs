//! A board as the older tools write it, and the service that takes it over.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use biplane_coordination::{
    Access, ErrorKind, ImportMode, ImportReport, ImportRequest, Outside, Result, Service, Surroundings,
    TaskFilter,
};
use biplane_model::{Timestamp, view::TaskView};
use biplane_testkit::{Records, Repo, TestEnv};
use camino::Utf8PathBuf;
use serde_json::{Value, json};

/// The time of every import.
pub(crate) const NOW: i64 = 1_770_000_000;

/// A repository with a board in it.
pub(crate) struct Board {
    pub(crate) repo: Repo,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self { repo: TestEnv::new().repo("app") }
    }

    /// A task's file, by what its name says.
    pub(crate) fn task(&self, name: &str, json: &Value) -> &Self {
        self.repo.write(format!(".tasks/task_{name}.json"), serde_json::to_vec_pretty(json).unwrap());
        self
    }

    /// A task with the fields of the first generation.
    pub(crate) fn plain_task(&self, id: u64, status: &str, more: &Value) -> &Self {
        let at = 1_760_000_000.25 + id as f64;
        let mut json = json!({
            "id": id, "subject": format!("Task {id}"), "description": "", "status": status, "owner": "",
            "worktree": "", "blockedBy": [], "created_at": at, "updated_at": at,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        self.task(&id.to_string(), &json)
    }

    /// Makes the worktree `name` as the tools do, and gives its entry in the index.
    pub(crate) fn worktree(&self, name: &str, task: Value) -> Value {
        let path = format!(".worktrees/{name}");
        self.repo.git(&["worktree", "add", "--quiet", "-b", &format!("wt/{name}"), &path]);
        let path = self.repo.path().join(path);
        json!({"name": name, "path": path, "branch": format!("wt/{name}"), "task_id": task, "status": "active",
            "created_at": 1_760_000_100.5})
    }

    pub(crate) fn index(&self, worktrees: &[Value]) -> &Self {
        self.repo.write(".worktrees/index.json", json!({"worktrees": worktrees}).to_string());
        self
    }

    pub(crate) fn events(&self, lines: &[Value]) -> &Self {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.repo.write(".worktrees/events.jsonl", text);
        self
    }

    /// A service, and what it says to the person.
    pub(crate) fn open(&self, access: Access) -> Result<(Service, Arc<Mutex<Vec<String>>>)> {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let outside = Outside {
            surroundings: Surroundings { cwd: self.repo.path().to_owned(), ..Surroundings::default() },
            now: Box::new(|| Timestamp(NOW * 1_000_000)),
            narrate: Arc::new(move |notice| heard.lock().unwrap().push(notice.0)),
        };
        Ok((Service::open(outside, access)?, said))
    }

    pub(crate) fn try_import(&self) -> Result<ImportReport> {
        let (service, said) = self.open(Access::Import)?;
        let report = service.import(&ImportRequest { mode: ImportMode::Take });
        assert_eq!(*said.lock().unwrap(), [""; 0]);
        report
    }

    /// Imports, and checks what holds after every import.
    #[track_caller]
    pub(crate) fn import(&self) -> ImportReport {
        let before = self.bytes();
        let dry = self.dry();
        assert_eq!(before, self.bytes(), "a dry run has changed something");
        assert!(!self.repo.path().join(".git/biplane").exists());
        let report = self.try_import().unwrap();
        assert_eq!(dry.problems, report.problems);
        let counts = |r: &ImportReport| (r.tasks, r.worktrees, r.events, r.generation, r.team);
        assert_eq!(counts(&dry), counts(&report));
        let saved = report.saved.as_ref().expect("the originals are kept");
        let state = self.repo.path().join(".git/biplane");
        assert_eq!(*saved, state.join(format!("imported-{NOW}")));
        for (path, bytes) in before.iter().filter(|(_, bytes)| bytes.len() <= 1 << 20) {
            assert_eq!(fs_err::read(saved.join(path)).unwrap(), *bytes, "{path}");
        }
        let (_, said) = self.open(Access::Write).unwrap();
        assert_eq!(*said.lock().unwrap(), [""; 0], "the views are in line");
        report
    }

    pub(crate) fn dry(&self) -> ImportReport {
        let (service, _) = self.open(Access::Examine).unwrap();
        let report = service.import(&ImportRequest { mode: ImportMode::Dry }).unwrap();
        assert_eq!(report.saved, None);
        report
    }

    /// Imports what is refused, checks that nothing has changed, and gives the message with its hints.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        let before = self.bytes();
        let error = self.try_import().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{error}");
        assert_eq!(before, self.bytes());
        // Nor does a later command write over the board.
        assert!(self.open(Access::Write).is_err_and(|e| e.kind == ErrorKind::Refused));
        self.open(Access::Read).unwrap();
        assert_eq!(before, self.bytes());
        let state = self.repo.path().join(".git/biplane").read_dir_utf8().unwrap();
        assert!(state.flatten().all(|e| !e.file_name().starts_with("imported-")));
        format!("{error}; {}", error.hints.join("; "))
    }

    /// The tasks as the service lists them.
    pub(crate) fn tasks(&self) -> BTreeMap<String, TaskView> {
        let (service, _) = self.open(Access::Write).unwrap();
        let listed = service.task_list(&TaskFilter::default()).unwrap();
        listed.into_iter().map(|t| (t.task.id.to_string(), t.task)).collect()
    }

    /// The index as it is on the disk.
    pub(crate) fn index_now(&self) -> Vec<Value> {
        let json: Value = serde_json::from_str(&self.repo.read(".worktrees/index.json")).unwrap();
        json["worktrees"].as_array().unwrap().clone()
    }

    pub(crate) fn records(&self) -> Records {
        Records::read(self.repo.path())
    }

    /// The files of the board with their bytes; of a link, where it leads.
    pub(crate) fn bytes(&self) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        for dir in [".tasks", ".worktrees"] {
            for entry in self.repo.path().join(dir).read_dir_utf8().into_iter().flatten().flatten() {
                let path = Utf8PathBuf::from(dir).join(entry.file_name());
                let kind = entry.file_type().unwrap();
                if kind.is_file() {
                    files.insert(path, fs_err::read(entry.path()).unwrap());
                }
            }
        }
        files
    }
}

/// Whether one of the problems has all of `words` in it.
#[track_caller]
pub(crate) fn has(report: &ImportReport, words: &[&str]) {
    let found = report.problems.iter().any(|p| words.iter().all(|w| p.contains(w)));
    assert!(found, "{words:?} in\n{}", report.problems.join("\n"));
}
