//! What two looks at a checkout tell of what was done between them.

use biplane_testkit::{Repo, TestEnv};

use super::*;

struct Case {
    _env: TestEnv,
    repo: Repo,
    git: Git,
    skip: Skip,
}

impl Case {
    fn new() -> Self {
        let env = TestEnv::new();
        let repo = env.repo("app");
        repo.write(".gitignore", "*.log\ntarget/\ndata/\n");
        for path in ["a.txt", "src/b.txt", "src/deep/c.txt"] {
            repo.write(path, format!("{path}\n"));
        }
        repo.commit("files");
        let common = repo.path().join(".git");
        let git = Git::checkout(&common, &common, repo.path());
        let skip = Skip { names: vec!["target".into()], paths: vec![".worktrees".into()] };
        Self { _env: env, repo, git, skip }
    }

    fn look(&self) -> Deviations {
        self.git.deviations(&self.skip).unwrap()
    }

    fn since(&self, before: &Deviations) -> Vec<(String, How)> {
        let changes = self.git.changes_between(before, self.look()).unwrap();
        changes.into_iter().map(|c| (String::from_utf8_lossy(&c.path).into_owned(), c.how)).collect()
    }
}

/// What a script does between two looks, after another has made the scene.
fn done(scene: &str, script: &str) -> Vec<(String, How)> {
    let case = Case::new();
    let sh = |script: &str| {
        let run = case.repo.git_call(&["-c", "alias.sh=!sh -c \"$SCRIPT\"", "sh"]).env("SCRIPT", script);
        run.run().success()
    };
    sh(scene);
    let before = case.look();
    sh(script);
    case.since(&before)
}

/// The scene, what is done in it, and what is seen of that.
type Row<'a> = (&'a str, &'a str, &'a [(&'a str, How)]);

#[test]
fn what_is_done_in_a_checkout_is_seen() {
    use How::*;
    let table: &[Row<'_>] = &[
        (":", ":", &[]),
        (":", "git status; git diff; git log; git gc -q; touch a.txt; git update-index --refresh", &[]),
        (":", "echo x > a.txt", &[("a.txt", Changed)]),
        (":", "echo x > new", &[("new", Added)]),
        (":", "mkdir -p data/x; echo x > data/x/y; echo x > z.log", &[("data/x/y", Added), ("z.log", Added)]),
        (":", "mkdir -p target/x .worktrees; echo x > target/x/y; echo x > .worktrees/z", &[]),
        (":", "mkdir empty", &[]),
        (":", "rm src/b.txt", &[("src/b.txt", Deleted)]),
        (":", "rm -r src", &[("src/b.txt", Deleted), ("src/deep/c.txt", Deleted)]),
        (":", "chmod +x a.txt", &[("a.txt", Changed)]),
        (":", "rm a.txt; ln -s README.md a.txt", &[("a.txt", Changed)]),
        (":", "echo x > new; git add new", &[("new", Staged)]),
        (":", "echo x > a.txt; git add a.txt", &[("a.txt", Staged)]),
        (":", "git init -q inner", &[("inner", Added)]),
        // As a commit does and as a landing does: the head tells of those.
        (":", "echo x > a.txt; git commit -qam x", &[]),
        (":", "echo x > new; git add new; git commit -qm x", &[]),
        (":", "git update-ref HEAD $(git commit-tree -p HEAD -m x HEAD^{tree})", &[]),
        ("echo x > a.txt", ":", &[]),
        ("echo x > a.txt", "echo x > a.txt; touch -d @1 a.txt", &[("a.txt", Changed)]),
        ("echo x > a.txt", "git checkout -q a.txt", &[("a.txt", TakenBack)]),
        ("echo x > a.txt; git add a.txt", ":", &[]),
        ("echo x > a.txt; git add a.txt", "git reset -q", &[("a.txt", Unstaged)]),
        ("echo x > a.txt; git add a.txt", "git commit -qm x", &[]),
        ("echo x > a.txt; git add a.txt; echo y > new", "git add new", &[("new", Staged)]),
        ("echo x > new", "rm new", &[("new", Deleted)]),
        ("rm a.txt", "git checkout -q a.txt", &[("a.txt", TakenBack)]),
        ("rm a.txt", ":", &[]),
        ("git init -q inner", "git -C inner commit -q --allow-empty -m x", &[]),
        ("echo x > z.log; touch -d @1 z.log", "echo y > z.log; touch -d @1 z.log", &[("z.log", Changed)]),
        // Stat data that git has never seen, as after copying a repository.
        ("for f in a.txt src/b.txt; do cp $f x; mv x $f; done", ":", &[]),
        ("for f in a.txt src/b.txt; do cp $f x; mv x $f; done", "git update-index --refresh", &[]),
        (
            "for f in a.txt src/b.txt; do cp $f x; mv x $f; done",
            "echo x > src/b.txt",
            &[("src/b.txt", Changed)],
        ),
        // Kinds of index that are left to git.
        ("git update-index --index-version 4", ":", &[]),
        ("git update-index --index-version 4", "echo x > a.txt", &[("a.txt", Changed)]),
        ("git update-index --index-version 4", "echo x > data.log", &[("data.log", Added)]),
        ("mkdir data; git update-index --index-version 4", "echo x > data/x", &[("data/x", Added)]),
        ("git update-index --assume-unchanged src/b.txt", "echo x > a.txt", &[("a.txt", Changed)]),
    ];
    for (scene, script, changes) in table {
        let seen = done(scene, script);
        let seen: Vec<(&str, How)> = seen.iter().map(|(path, how)| (path.as_str(), *how)).collect();
        assert_eq!(&seen, changes, "{scene} | {script}");
    }
}

#[test]
fn what_a_landing_brings_along_is_no_change() {
    let case = Case::new();
    let old = case.repo.head();
    for path in ["a.txt", "src/new.txt"] {
        case.repo.write(path, "landed\n");
    }
    case.repo.git(&["rm", "-q", "src/deep/c.txt"]);
    let new = case.repo.commit("landed");
    case.repo.git(&["reset", "-q", "--hard", &old]);
    case.repo.write("mine.log", "untracked\n");
    let before = case.look();
    case.repo.git(&["update-ref", "refs/heads/main", &new]);
    assert_eq!(case.since(&before), [], "not yet brought along");
    case.git.follow(&old.parse().unwrap(), &new.parse().unwrap()).unwrap();
    assert_eq!(case.since(&before), []);
    case.repo.write("a.txt", "and then\n");
    assert_eq!(case.since(&before), [("a.txt".to_owned(), How::Changed)]);
}

#[test]
fn a_name_that_is_no_text() {
    let case = Case::new();
    let before = case.look();
    let name = std::ffi::OsStr::from_bytes(b"x\xff\n");
    std::fs::write(case.repo.path().as_std_path().join(name), "x").unwrap();
    let changes = case.git.changes_between(&before, case.look()).unwrap();
    assert_eq!(changes, [Change { path: b"x\xff\n".to_vec(), how: How::Added }]);
}
