//! States of a worktree, each saved, removed and brought back.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use biplane_execution::worktrees::Held;

use crate::lab::{Lab, is_equal};

/// Saves, removes and restores; the worktree is the same, and the saving has touched nothing.
#[track_caller]
fn comes_back(lab: &Lab, script: &str) {
    let place = lab.worktree(script);
    round_trip(lab, &place, script);
}

#[track_caller]
fn round_trip(lab: &Lab, place: &biplane_execution::worktrees::Place, what: &str) {
    // `git status` of the picture may write the index; what is compared is taken after it.
    let before = lab.picture();
    let index = place.entry_dir().join("index");
    let look = || {
        let meta = index.metadata().ok();
        (fs::read(&index).ok(), meta.map(|m| m.modified().unwrap()), times(lab))
    };
    let untouched = look();
    let snapshot = lab.take(place, Held::ByNothing).unwrap().expect("there is something to hold");
    assert!(untouched == look(), "{what}: taking it touched something");
    lab.remove(place);
    lab.restore(&snapshot);
    is_equal(&before, &lab.picture(), what);
    lab.fsck();
}

/// The times of change of everything in the worktree.
fn times(lab: &Lab) -> Vec<(std::path::PathBuf, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut open = vec![lab.path().into_std_path_buf()];
    let mut times = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            times.push((path.clone(), meta.ctime(), meta.ctime_nsec()));
            if meta.is_dir() {
                open.push(path);
            }
        }
    }
    times.sort();
    times
}

#[test]
fn edits_staged_and_not() {
    for script in [
        "echo 1 >> a.txt; git add a.txt; echo 2 >> a.txt; echo 3 >> b.txt",
        "git rm -q a.txt; rm b.txt",
        "git mv a.txt moved.txt; mv b.txt other.txt",
        "chmod +x a.txt; chmod -x run.sh; git add a.txt",
        "echo new > new.txt; git add new.txt; rm new.txt",
        "git add -N .; echo later > later.txt; git add -N later.txt",
        "git update-index --skip-worktree a.txt; echo hidden >> a.txt; git update-index --assume-unchanged b.txt; echo hidden >> b.txt",
        "git update-index --skip-worktree a.txt; rm a.txt; echo x > x",
        "git rm -rq --cached .; echo all untracked > u",
        "rm -rf dir run.sh",
        ": > empty; git add empty; : > empty2",
    ] {
        comes_back(&Lab::new(), script);
    }
}

#[test]
fn files_of_every_kind() {
    for script in [
        "echo SECRET > .env; chmod 600 .env; echo k > key.pem; chmod 400 key.pem; chmod 4755 run.sh; chmod 640 a.txt",
        "ln -s nowhere dangling; ln -s /etc/passwd outside; ln -sf b.txt link; ln -s ../../a.txt main; mkdir t; ln -s ../dir t/dir",
        "mkdir -p empty deep/er/empty closed; chmod 700 closed; chmod 2775 dir; mkdir build; mkdir build/none",
        "rm a.txt; mkdir a.txt; echo in > a.txt/in; rm -r dir; echo file > dir; rm link; mkdir link; rm b.txt; ln -s run.sh b.txt",
        "mkdir build; head -c 3000000 /dev/urandom > build/data.db; head -c 500000 /dev/zero > big; : > build/none",
        "printf 'a\\r\\nb\\n' > crlf; printf '\\0\\377' > binary; printf x > no-newline",
        "echo 1 > 'with space'; echo 2 > -x; echo 3 > --; echo 4 > '\"q\" \\ $(x)'; echo 5 > ':(top)'; mkdir ' '; echo 6 > ' / '",
        "echo n > \"$(printf 'new\\nline')\"; echo t > \"$(printf 'tab\\there')\"; ln -s x \"$(printf 'l\\ni')\"; git add .",
        "n=$(printf 'n%.0s' $(seq 250)); echo long > $n; mkdir $n.d; echo l > $n.d/$n; echo long > a$n; git add a$n",
        "umask 077; echo private > private; mkdir own; echo x > own/x; umask 000; echo open > open; mkdir any; echo x > any/x",
        "mkdir sub; echo '*' > sub/.gitignore; echo hidden > sub/work; echo '!x' > .git-not; echo x > .gitx",
    ] {
        comes_back(&Lab::new(), script);
    }
}

#[test]
fn names_that_are_no_text() {
    let lab = Lab::new();
    let place = lab.worktree("git rm -q b.txt");
    for name in
        [&b"\xff\xfe"[..], b"tracked-\xe9", b"bell\x07\x1b[2J", b"dir/\xc3\x28 x", b"\xf0\x9f\x98\x80 \"\\"]
    {
        fs::write(lab.path().join("").as_std_path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    lab.sh("git add tracked-*; git commit -qm odd; for f in tracked-*; do echo more >> \"$f\"; done")
        .success();
    round_trip(&lab, &place, "names that are no text");
}

#[test]
fn in_the_middle_of_something() {
    let setup = "git checkout -q -b other; echo theirs > a.txt; echo o > o.txt; git add .; git commit -qm theirs
        git checkout -q wt/w; echo ours > a.txt; git commit -qam ours; echo ours2 > b.txt; git commit -qam ours2; ";
    for script in [
        "git merge other || true",
        "git merge other || true; echo resolved > a.txt; git add a.txt; echo more >> o.txt",
        "git merge --no-commit -s ours other",
        "git rebase other || true",
        "git rebase other || true; echo resolved > a.txt; git add a.txt; echo u > u.txt",
        "git rebase --apply other || true",
        "git cherry-pick other || true",
        "git revert --no-edit HEAD~1 || true; git revert --no-edit HEAD~1 || true",
        "git cherry-pick other~1..other || true; echo x > x",
        "git bisect start; git bisect bad; git bisect good HEAD~2",
        "git merge --squash other || true",
    ] {
        comes_back(&Lab::new(), &format!("{setup}{script}"));
    }
}

#[test]
fn heads_of_every_kind() {
    for script in [
        "true",
        "echo c > c; git add c; git commit -qm c; git checkout -q --detach; echo d > d; git add d; git commit -qm d; echo e > e",
        "git checkout -q --detach HEAD~1",
        "git checkout -q -b mine; echo m > m; git add m; git commit -qm m",
        "git checkout -q --orphan fresh; echo f > f",
        "git checkout -q --orphan fresh; git rm -rfq .; echo f > f",
        "git checkout -q --detach; git branch -D wt/w; echo g > g",
        "git reset -q --hard HEAD~1; echo back > back",
    ] {
        comes_back(&Lab::new(), script);
    }
}

#[test]
fn what_git_converts_comes_back_byte_by_byte() {
    for (before, script) in [
        (
            "git config core.autocrlf true; printf 'x\\r\\ny\\r\\n' > crlf.txt",
            "printf 'p\\r\\nq\\n' > mixed.txt; git add mixed.txt; printf 'u\\r\\n' > u.txt",
        ),
        (
            "git config core.autocrlf input; printf 'x\\n' > lf.txt",
            "printf 'x\\r\\n' > lf.txt; git add lf.txt",
        ),
        (
            "echo '*.txt text eol=crlf' > .gitattributes; echo '*.i ident' >> .gitattributes; echo '$Id$' > k.i",
            "printf 'n\\r\\n' > n.txt; rm .gitattributes",
        ),
        (
            "echo '*.u working-tree-encoding=UTF-16LE' > .gitattributes; printf 'a\\0b\\0' > x.u",
            "printf 'c\\0d\\0' > y.u; git add y.u",
        ),
    ] {
        comes_back(&Lab::after(before), script);
    }
}

#[test]
fn no_filter_is_run_and_filtered_files_are_kept_as_they_are() {
    let before = "git config filter.evil.clean 'tr a-z b-za'; git config filter.evil.smudge 'tr b-za a-z'
        git config filter.evil.required true
        echo '*.e filter=evil' > .gitattributes; echo '*.f filter=x=y' >> .gitattributes; echo abc > x.e";
    let lab = Lab::after(before);
    let place = lab.worktree("echo new > y.e; echo more >> x.e; echo f > z.f; touch a.txt; echo '* filter=evil' > dir/.gitattributes");
    let files = || ["x.e", "y.e", "z.f"].map(|name| fs::read(lab.path().join(name)).unwrap());
    let was = files();
    let mark = lab.env.root().join("ran");
    for key in ["filter.evil.clean", "filter.x=y z.process"] {
        lab.repo.git(&["config", key, &format!("touch '{mark}'; tr a-z b-za")]);
    }
    let snapshot = lab.take(&place, Held::ByNothing).unwrap().unwrap();
    lab.git.call(["config", "--unset", "filter.evil.smudge"]).bytes().unwrap();
    lab.remove(&place);
    lab.restore(&snapshot);
    assert!(!mark.exists(), "a filter was run");
    assert_eq!(files(), was);
}

#[test]
fn what_is_not_a_file_is_left_and_told() {
    let lab = Lab::new();
    let place = lab.worktree("mkfifo pipe; mkdir only; mkfifo only/pipe; rm a.txt; mkfifo a.txt; echo x > x");
    let _socket = std::os::unix::net::UnixListener::bind(lab.path().join("socket")).unwrap();
    let before = lab.picture();
    let snapshot = lab.take(&place, Held::ByNothing).unwrap().unwrap();
    assert_eq!(snapshot.skipped, ["pipe `a.txt`", "pipe `only/pipe`", "pipe `pipe`", "socket `socket`"]);
    lab.remove(&place);
    lab.restore(&snapshot);
    let mut after = lab.picture();
    // Git saw a pipe where it sees nothing now.
    for key in before.keys().filter(|key| key.starts_with("git ")) {
        after.insert(key.clone(), before[key].clone());
    }
    is_equal(&before, &after, "beside pipes");
}

#[test]
fn build_output_is_left_out_by_its_names_only_when_it_is_ignored() {
    let lab = Lab::new();
    let place = lab.worktree("mkdir -p target/debug build/target my; echo 1 > target/debug/x; echo 2 > build/target/x; echo 3 > build/y
        mkdir -p src; echo 4 > src/target; echo 5 > target/keep; git add -f target/keep");
    let snapshot = lab.take(&place, Held::ByNothing).unwrap().unwrap();
    let names = lab.repo.git(&["ls-tree", "-r", "--name-only", snapshot.commit.as_str()]);
    assert!(
        names.contains("build/y") && names.contains("src/target") && names.contains("target/keep"),
        "{names}"
    );
    assert!(!names.contains("target/debug") && !names.contains("build/target"), "{names}");
}

#[test]
fn a_sparse_checkout_comes_back_sparse() {
    comes_back(&Lab::new(), "git sparse-checkout set dir; echo new >> dir/c.txt");
}

#[test]
fn an_index_in_two_parts_comes_back_whole() {
    comes_back(&Lab::new(), "git update-index --split-index; echo s > s.txt; git add s.txt; echo 1 >> a.txt");
}

#[test]
fn the_same_state_is_held_once() {
    let lab = Lab::new();
    let place = lab.worktree("echo 1 > x; git add x; echo 2 > x");
    let first = lab.take(&place, Held::ByNothing).unwrap().unwrap();
    let again = lab.take(&place, Held::ByAnother).unwrap().unwrap();
    assert_eq!((again.name.as_str(), again.is_new), (first.name.as_str(), false));
    assert_eq!(again.commit, first.commit);
    lab.sh("git add x").success();
    let staged = lab.take(&place, Held::ByAnother).unwrap().unwrap();
    assert_eq!((staged.name.as_str(), staged.is_new), ("refs/biplane/snapshots/w/2", true));
    lab.sh("chmod 600 x").success();
    assert!(lab.take(&place, Held::ByAnother).unwrap().unwrap().is_new, "a mode is part of the state");
}

#[test]
fn a_clean_worktree_needs_none() {
    let lab = Lab::new();
    let place = lab.worktree("mkdir target; echo x > target/x; echo c > c; git add c; git commit -qm c");
    assert_eq!(lab.take(&place, Held::ByAnother).unwrap(), None);
    lab.sh("git merge --no-commit -q -s ours HEAD~1 || true; git bisect start; git bisect bad").success();
    assert!(lab.take(&place, Held::ByAnother).unwrap().is_some(), "somebody is in the middle of something");
}

#[test]
fn a_snapshot_of_an_older_biplane_comes_back() {
    let lab = Lab::new();
    let place = lab
        .worktree("echo c > c; git add c; git commit -qm c; echo s > c; git add c; echo f > c; echo u > u");
    let before = lab.picture();
    lab.sh("i=$(git write-tree); i=$(git commit-tree -p HEAD -m index $i); cp \"$(git rev-parse --git-path index)\" ../i
        export GIT_INDEX_FILE=\"$PWD/../i\"; git add -A; t=$(git write-tree); s=$(git commit-tree -p HEAD -p $i -m old $t)
        git update-ref refs/biplane/snapshots/w/1 $s; rm ../i").success();
    let commit = lab.repo.git(&["rev-parse", "refs/biplane/snapshots/w/1"]).parse().unwrap();
    lab.remove(&place);
    let old = biplane_execution::worktrees::Snapshot {
        name: String::new(),
        commit,
        is_new: false,
        skipped: vec![],
    };
    let (_, contents) = lab.restore(&old);
    assert_eq!(contents.note, None);
    let mut after = lab.picture();
    after.insert("entry ORIG_HEAD".to_owned(), before["entry ORIG_HEAD"].clone());
    is_equal(&before, &after, "an older snapshot");
}
