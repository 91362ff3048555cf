//! A worktree that is brought into a state, saved, removed and brought back; and an independent look at it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use biplane_execution::{
    git::{Git, RefUpdate},
    worktrees::{
        self, AddSpec, Contents, Held, Place, Rules, Snapshot, SnapshotError, SnapshotRequest, contents,
    },
};
use biplane_model::{CommitId, WorktreeName};
use biplane_testkit::{Output, Repo, TestEnv};
use camino::Utf8PathBuf;

pub(crate) const BRANCH: &str = "wt/w";

pub(crate) struct Lab {
    pub(crate) env: TestEnv,
    pub(crate) repo: Repo,
    pub(crate) git: Git,
    pub(crate) base: CommitId,
    pub(crate) rules: Rules,
}

/// Everything that can be seen of a worktree: what lies in it, and what git says of it.
pub(crate) type Picture = BTreeMap<String, String>;

impl Lab {
    pub(crate) fn new() -> Self {
        Self::after("true")
    }

    /// With a commit of what `script` makes of the main checkout.
    pub(crate) fn after(script: &str) -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        let files =
            "printf 'one\\ntwo\\nthree\\n' > a.txt; printf 'b\\n' > b.txt; mkdir -p dir; echo c > dir/c.txt
            echo run > run.sh; chmod +x run.sh; ln -s a.txt link
            printf '.env\\n*.db\\ntarget/\\nbuild/\\n*.pem\\n' > .gitignore";
        for text in [files, script] {
            env.program("sh").in_dir(repo.path()).args(["-c", &format!("set -e\n{text}")]).run().success();
        }
        repo.commit("files");
        let git = Git::bare(&repo.path().join(".git"));
        let base = repo.head().parse().unwrap();
        let rules = Rules { leave_out: vec!["target".to_owned()], max_bytes: 64 << 20 };
        Self { env, repo, git, base, rules }
    }

    pub(crate) fn path(&self) -> Utf8PathBuf {
        self.repo.path().join(".worktrees/w")
    }

    pub(crate) fn checkout(&self) -> Repo {
        self.repo.at(".worktrees/w")
    }

    /// A worktree, in the state that `script` makes of it.
    pub(crate) fn worktree(&self, script: &str) -> Place {
        let place = self.add();
        place.git().fill().unwrap();
        self.sh(script).success();
        place
    }

    pub(crate) fn add(&self) -> Place {
        let path = self.path();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = AddSpec { path: &path, branch: Some(BRANCH), base: &self.base };
        worktrees::add(&self.git, &spec).unwrap().place
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        let script = format!("set -e\n{script}");
        self.env.program("sh").in_dir(self.path()).args(["-c", &script]).env("GIT_EDITOR", "true").run()
    }

    pub(crate) fn take(&self, place: &Place, held: Held) -> Result<Option<Snapshot>, SnapshotError> {
        let name: WorktreeName = "w".parse().unwrap();
        worktrees::snapshot(&SnapshotRequest {
            place,
            name: &name,
            branch: BRANCH,
            base: &self.base,
            why: "a test",
            held,
            rules: &self.rules,
            at_s: 1_767_300_000,
        })
    }

    /// Removes the worktree and its branch, and cleans up so that only refs keep anything.
    pub(crate) fn remove(&self, place: &Place) {
        let aside = self.repo.path().join(".worktrees/.aside");
        worktrees::move_aside(&worktrees::prove(place).unwrap(), &aside).unwrap();
        worktrees::delete_aside(&aside).unwrap();
        worktrees::delete_entry(&self.git, &place.path).unwrap();
        if let Some(tip) = self.git.branch_tip(BRANCH).unwrap() {
            let name = format!("refs/heads/{BRANCH}");
            self.git.update_ref(&RefUpdate { name: &name, old: Some(&tip), new: None, why: "test" }).unwrap();
        }
        let expire = ["-c", "gc.reflogExpireUnreachable=now", "-c", "gc.reflogExpire=now"];
        self.repo.git(&[&expire[..], &["gc", "-q", "--prune=now"]].concat());
    }

    pub(crate) fn restore(&self, snapshot: &Snapshot) -> (Place, Contents) {
        let contents = contents(&self.git, &snapshot.commit).unwrap();
        let place = self.add();
        worktrees::put_back(&place, &contents, BRANCH).unwrap();
        worktrees::put_back_head(&place, &contents, BRANCH, &self.base).unwrap();
        (place, contents)
    }

    /// Git finds nothing wrong.
    #[track_caller]
    pub(crate) fn fsck(&self) {
        let output = self.repo.git_call(&["fsck", "--no-dangling", "--no-progress"]).run().success();
        let wrong = |line: &&str| !line.starts_with("notice:");
        assert_eq!(output.stdout.lines().chain(output.stderr.lines()).find(wrong), None, "{output}");
    }

    /// What can be seen of the worktree by other means than those under test.
    pub(crate) fn picture(&self) -> Picture {
        let mut picture = Picture::new();
        look(self.path().as_std_path(), &mut picture, "");
        let checkout = self.checkout();
        for args in [
            &["symbolic-ref", "-q", "HEAD"][..],
            &["rev-parse", "-q", "--verify", "HEAD"],
            &["rev-parse", "-q", "--verify", "refs/heads/wt/w"],
            &["ls-files", "--stage", "-v", "-z"],
            &["ls-files", "--resolve-undo", "-z"],
            &["diff", "--cached", "--binary", "--no-textconv"],
            &["diff", "--binary", "--no-textconv", "--no-ext-diff"],
            &["status", "--porcelain=v2", "--branch", "-z", "--ignored", "--untracked-files=all"],
            &["status"],
            &["stash", "list"],
        ] {
            let output = checkout.git_call(args).run();
            // Where a detached head came from is in the reflog, which goes with the worktree.
            let is_history =
                |line: &&str| line.starts_with("HEAD detached") || line.starts_with("Not currently");
            let said: Vec<&str> = output.stdout.lines().filter(|line| !is_history(line)).collect();
            picture.insert(format!("git {args:?}"), format!("{} {}", output.code, said.join("\n")));
        }
        let entry = self.repo.path().join(".git/worktrees/w");
        for name in ["MERGE_HEAD", "MERGE_MSG", "CHERRY_PICK_HEAD", "REVERT_HEAD", "ORIG_HEAD", "AUTO_MERGE"]
        {
            let text = fs::read_to_string(entry.join(name)).unwrap_or_default();
            picture.insert(format!("entry {name}"), text);
        }
        for name in ["rebase-merge", "rebase-apply", "sequencer", "refs"] {
            if entry.join(name).is_dir() {
                look(entry.join(name).as_std_path(), &mut picture, &format!("entry {name}: "));
            }
        }
        picture
    }
}

fn look(top: &Path, picture: &mut Picture, prefix: &str) {
    let mut open = vec![top.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path == top.join(".git") {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let mode = meta.permissions().mode();
            let what = if meta.is_dir() {
                open.push(path.clone());
                "directory".to_owned()
            } else if meta.is_symlink() {
                format!("{:?}", fs::read_link(&path).unwrap())
            } else if meta.is_file() {
                format!("{}", fs::read(&path).unwrap().escape_ascii())
            } else {
                continue;
            };
            let name = path.strip_prefix(top).unwrap().as_os_str().as_bytes().escape_ascii().to_string();
            picture.insert(format!("{prefix}{name}"), format!("{mode:o} {what}"));
        }
    }
}

/// Says in which points two pictures differ.
#[track_caller]
pub(crate) fn is_equal(before: &Picture, after: &Picture, what: &str) {
    let differing = |key: &&String| before.get(*key) != after.get(*key);
    let keys: std::collections::BTreeSet<&String> =
        before.keys().chain(after.keys()).filter(differing).collect();
    let lines: Vec<String> = keys
        .iter()
        .map(|key| format!("{key}\n  before: {:?}\n  after:  {:?}", before.get(*key), after.get(*key)))
        .collect();
    assert!(lines.is_empty(), "{what}:\n{}", lines.join("\n"));
}
