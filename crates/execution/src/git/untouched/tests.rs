//! What the quick look must not take for untouched; and that it says yes at all.

use biplane_testkit::{Repo, TestEnv};

use super::{super::index::low, *};

struct Case {
    _env: TestEnv,
    repo: Repo,
    git: Git,
}

impl Case {
    /// A linked worktree with some files, whose index is older than nothing.
    fn new() -> Self {
        let env = TestEnv::new();
        let main = env.repo("app");
        for path in ["a.txt", "a/b.txt", "a/c/d.txt", "a-b/e.txt", "z"] {
            main.write(path, format!("{path}\n"));
        }
        std::os::unix::fs::symlink("a.txt", main.path().join("link")).unwrap();
        main.commit("files");
        main.git(&["worktree", "add", "-q", "-b", "x", "../x"]);
        let repo = main.at("../x");
        let common = main.path().join(".git");
        let git = Git::checkout(&common, &common.join("worktrees/x"), &env.root().join("x"));
        let case = Self { _env: env, repo, git };
        // As if some time had gone by since: nothing is left that was written in the same moment as the index.
        case.age();
        case
    }

    fn age(&self) {
        let later = std::time::SystemTime::now() + Duration::from_secs(10);
        let index = std::fs::File::options().write(true).open(self.git.git_dir().join("index")).unwrap();
        index.set_modified(later).unwrap();
    }

    fn is_untouched(&self) -> bool {
        self.git.untouched().is_some()
    }
}

#[test]
fn untouched_is_what_git_says_too() {
    let case = Case::new();
    let quick = case.git.untouched().unwrap();
    assert_eq!(quick.branch.as_deref(), Some("x"));
    assert_eq!(quick.head.as_ref().unwrap().as_str(), case.repo.head());
    case.repo.write("a.txt", "work\n");
    case.repo.commit("work");
    case.age();
    assert_eq!(case.git.untouched().unwrap().head.unwrap().as_str(), case.repo.head());
    case.repo.git(&["pack-refs", "--all"]);
    assert_eq!(case.git.untouched().unwrap().head.unwrap().as_str(), case.repo.head());
    case.repo.git(&["switch", "-q", "--detach"]);
    assert_eq!(case.git.untouched().unwrap().branch, None);
}

#[test]
fn every_kind_of_work_is_seen() {
    type Touch = fn(&Case);
    let touches: &[(&str, Touch)] = &[
        ("changed", |c| c.repo.write("a/c/d.txt", "work\n")),
        ("changed with the same length", |c| c.repo.write("z", "Z\n")),
        ("deleted", |c| fs_err::remove_file(c.repo.path().join("z")).unwrap()),
        ("untracked", |c| c.repo.write("a/new", "work\n")),
        ("untracked at the top", |c| c.repo.write("zz", "work\n")),
        ("untracked directory", |c| c.repo.write("n/new", "work\n")),
        ("a git directory below", |c| c.repo.write("a/.git", "work\n")),
        ("a directory for a file", |c| {
            fs_err::remove_file(c.repo.path().join("z")).unwrap();
            c.repo.write("z/z", "work\n");
        }),
        ("a link for a file", |c| {
            fs_err::remove_file(c.repo.path().join("z")).unwrap();
            std::os::unix::fs::symlink("a.txt", c.repo.path().join("z")).unwrap();
        }),
        ("a link for a directory", |c| {
            fs_err::rename(c.repo.path().join("a-b"), c.repo.path().join("../moved")).unwrap();
            std::os::unix::fs::symlink("../moved", c.repo.path().join("a-b")).unwrap();
        }),
        ("another link", |c| {
            fs_err::remove_file(c.repo.path().join("link")).unwrap();
            std::os::unix::fs::symlink("z.txt", c.repo.path().join("link")).unwrap();
        }),
        ("executable", |c| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(c.repo.path().join("z"), mode).unwrap();
        }),
        ("staged", |c| {
            c.repo.write("new", "work\n");
            c.repo.git(&["add", "new"]);
        }),
        ("staged, and taken back in the files", |c| {
            c.repo.write("z", "work\n");
            c.repo.git(&["add", "z"]);
        }),
        ("taken out of the index", |c| {
            c.repo.git(&["rm", "-q", "--cached", "z"]);
        }),
        ("meant to be added", |c| {
            c.repo.write("new", "work\n");
            c.repo.git(&["add", "-N", "new"]);
        }),
        ("assumed unchanged", |c| {
            c.repo.git(&["update-index", "--assume-unchanged", "z"]);
            c.repo.write("z", "work\n");
        }),
        ("left out", |c| {
            c.repo.git(&["update-index", "--skip-worktree", "z"]);
        }),
        ("another commit", |c| {
            c.repo.git(&["commit", "-q", "--amend", "--no-edit", "--allow-empty"]);
            c.repo.git(&["reset", "-q", "--soft", "HEAD~1"]);
        }),
        ("an index that is torn", |c| {
            let path = c.git.git_dir().join("index");
            let bytes = fs_err::read(&path).unwrap();
            fs_err::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (what, touch) in touches {
        let case = Case::new();
        assert!(case.is_untouched(), "before: {what}");
        touch(&case);
        case.age();
        assert!(!case.is_untouched(), "{what}");
    }
}

#[test]
fn what_was_written_in_the_same_moment_is_compared_by_its_content() {
    let case = Case::new();
    case.repo.git(&["rm", "-q", "link"]);
    case.repo.commit("no link: those are left to git");
    let at = case.repo.path().join("z").as_std_path().metadata().unwrap().modified().unwrap();
    let index = case.git.git_dir().join("index");
    let as_old = |path: &Utf8Path| {
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    };
    as_old(&index);
    assert!(case.is_untouched(), "nothing is changed");
    // The index is made to say of the changed file what `lstat` says.
    case.repo.write("z", "Z\n");
    let meta = case.repo.path().join("z").as_std_path().metadata().unwrap();
    let mut bytes = fs_err::read(&index).unwrap();
    let path = bytes.windows(3).rposition(|w| w == [2, b'z', 0] || w == [1, b'z', 0]).unwrap();
    let start = path + 1 - 62;
    use std::os::unix::fs::MetadataExt;
    let words = [meta.ctime(), meta.ctime_nsec(), meta.mtime(), meta.mtime_nsec()];
    for (n, word) in words.into_iter().enumerate() {
        bytes[start + 4 * n..start + 4 * n + 4].copy_from_slice(&low(word).to_be_bytes());
    }
    let id = low(i64::try_from(meta.ino()).unwrap()).to_be_bytes();
    bytes[start + 20..start + 24].copy_from_slice(&id);
    fs_err::write(&index, &bytes).unwrap();
    case.age();
    assert!(case.is_untouched(), "without the comparison it would go unseen");
    std::fs::File::options()
        .write(true)
        .open(&index)
        .unwrap()
        .set_modified(meta.modified().unwrap())
        .unwrap();
    assert!(!case.is_untouched());
}
