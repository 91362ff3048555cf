//! Settings of git that change while spares are made: what comes out is what git would make under those that hold.

use std::{fs, os::unix::fs::PermissionsExt};

use biplane_testkit::Call;
use camino::Utf8PathBuf;

use crate::{
    lab::Lab,
    pool::{by_git, create, lab, pool, tend, tree},
};

/// `biplane tend` with a git that runs `before` and `after` in a shell around the first time it writes files, and the file
/// that is there once it has. It is killed when the first spare has appeared: nothing is put right later.
fn tend_around(lab: &Lab, (before, after): (&str, &str)) -> (Call, Utf8PathBuf) {
    let bin = lab.env.dir("bin");
    let (done, git) = (bin.join("done"), bin.join("git"));
    let _ = fs::remove_file(&done);
    let path = std::env::var("PATH").unwrap();
    let config = format!("git --git-dir='{}/.git' config", lab.root());
    let around = |what: &str| if what.is_empty() { ":".to_owned() } else { format!("{config} {what}") };
    let script = format!(
        "#!/bin/sh\nPATH='{path}'\ncase \" $* \" in *' read-tree '*' -u '*)\nif [ ! -e '{done}' ]; then\n: > '{done}'\n{}\ngit \"$@\"\ncode=$?\n{}\nexit $code\nfi;;\nesac\nexec git \"$@\"\n",
        around(before),
        around(after),
    );
    fs::write(&git, script).unwrap();
    fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
    let call = lab.call(&["tend"]).env("PATH", format!("{bin}:{path}"));
    (call.env("FAILPOINT", "spare offered after@1"), done)
}

/// A directory that a removal has put aside, in which git has a file to write anew.
fn put_aside(lab: &Lab) {
    let worktree = lab.create("aside");
    fs::remove_file(worktree.path().join("src/part0/f0.txt")).unwrap();
    fs::rename(worktree.path(), lab.root().join(".worktrees/.removed-w2")).unwrap();
    lab.repo.git(&["worktree", "prune"]);
    lab.forget("aside");
}

fn to_bring_along(lab: &Lab) {
    tend(lab);
    lab.repo.write("src/part0/f0.txt", "changed\n");
    lab.repo.commit("more");
}

#[test]
fn a_spare_that_was_made_while_settings_changed_is_none() {
    let ways: [(&str, fn(&Lab)); 3] =
        [("made", |_| {}), ("brought along", to_bring_along), ("recycled", put_aside)];
    let changes = [("", "core.autocrlf true"), ("core.autocrlf true", "--unset core.autocrlf")];
    for (way, prepare) in ways {
        for change in changes {
            let story = format!("{way}, {change:?}");
            let lab = lab("[pool]\nsize = 1\n");
            prepare(&lab);
            let (call, done) = tend_around(&lab, change);
            let _ = call.run().fails_with(137);
            assert!(done.exists(), "{story}");
            assert_eq!(pool(&lab), ["1"], "{story}");
            let said = create(&lab, "w");
            assert!(said.contains("took spare 1"), "{story}: {said}");
            create(&lab, "without");
            let git = tree(&by_git(&lab));
            for name in ["w", "without"] {
                assert_eq!(tree(lab.worktree(name).path()), git, "{story}: {name}");
            }
        }
    }
}
