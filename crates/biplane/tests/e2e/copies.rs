//! Worktrees that are filled with files which lie elsewhere already: they are what git would make, whatever lies there.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use crate::pool::{by_git, create, kill_everywhere, lab, pool, tend, tree};

#[test]
fn what_others_have_done_where_it_is_copied_from_does_not_matter() {
    let lab = lab("[pool]\nsize = 1\n");
    let outside = lab.env.dir("outside");
    fs::create_dir_all(outside.join("part2")).unwrap();
    tend(&lab);
    assert!(create(&lab, "spare").contains("took spare 1"));
    assert_eq!(pool(&lab), [""; 0]);
    let git = tree(&by_git(&lab));
    let main = lab.root().to_owned();
    let sibling = lab.worktree("spare");
    for place in [main.as_path(), sibling.path(), lab.worktree("before").path()] {
        let at = |path: &str| place.join(path);
        fs::write(at("src/part0/f0.txt"), "lied 0\n").unwrap();
        fs::write(at("src/part1/f1.txt"), "longer than it was\n").unwrap();
        fs::remove_file(at("src/part0/f3.txt")).unwrap();
        symlink(outside.join("f3.txt"), at("src/part0/f3.txt")).unwrap();
        fs::write(outside.join("f3.txt"), "file 3\n").unwrap();
        // The directory is a link to files with the right content.
        fs::rename(at("src/part2"), outside.join("part2").join(place.file_name().unwrap())).unwrap();
        symlink(outside.join("part2").join(place.file_name().unwrap()), at("src/part2")).unwrap();
        fs::set_permissions(at("run.sh"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(at("untracked.txt"), "new\n").unwrap();
        fs::remove_file(at("link")).unwrap();
        symlink("src/part1", at("link")).unwrap();
        lab.env.program("mkfifo").arg(at("src/part0/pipe")).run().success();
        fs::remove_file(at("src/part0/f6.txt")).unwrap();
        lab.env.program("mkfifo").arg(at("src/part0/f6.txt")).run().success();
    }
    let said = create(&lab, "w");
    // Of 24 files these are found nowhere: f0, f1, f3, f6, the link, and six in `part2`.
    assert!(said.contains("copied 13 of 24 files from other places"), "{said}");
    let made = lab.worktree("w");
    assert_eq!(tree(made.path()), git);
    assert_eq!(made.git(&["status", "--porcelain", "--ignored"]), "");
    made.git(&["diff-files", "--quiet"]);
    assert_eq!(made.git(&["fsck", "--no-dangling"]), "");
    // The index says of each file what `lstat` says: nothing is left to be refreshed.
    let index = made.git(&["rev-parse", "--path-format=absolute", "--git-path", "index"]);
    let debug = |lines: &str| -> Vec<String> {
        lines.lines().filter(|l| !l.contains("mtime")).map(str::to_owned).collect()
    };
    let before = debug(&made.git(&["ls-files", "--debug"]));
    made.git(&["update-index", "--really-refresh"]);
    assert_eq!(debug(&made.git(&["ls-files", "--debug"])), before, "{index}");
}

#[test]
fn files_of_another_commit_are_brought_along() {
    let lab = lab("[pool]\nsize = 1\n");
    tend(&lab);
    assert!(create(&lab, "spare").contains("took spare 1"));
    lab.repo.write("src/part0/f0.txt", "changed\n");
    lab.repo.write("new/file.txt", "new\n");
    fs::remove_file(lab.root().join("src/part1/f1.txt")).unwrap();
    lab.repo.commit("more");
    let said = create(&lab, "w");
    assert!(said.contains("of 24 files from other places"), "{said}");
    assert_eq!(tree(lab.worktree("w").path()), tree(&by_git(&lab)));
    assert_eq!(lab.worktree("w").git(&["status", "--porcelain", "--ignored"]), "");
    lab.is_sound();
}

#[test]
fn files_that_are_written_otherwise_than_they_are_committed_are_not_copied() {
    let lab = lab("[pool]\nsize = 1\n");
    tend(&lab);
    assert!(create(&lab, "spare").contains("took spare 1"));
    lab.repo.git(&["config", "core.autocrlf", "true"]);
    let said = create(&lab, "a");
    assert!(
        said.contains("nothing was copied from other places: no spare would do: git's settings"),
        "{said}"
    );
    assert_eq!(tree(lab.worktree("a").path()), tree(&by_git(&lab)));
    lab.repo.git(&["config", "--unset", "core.autocrlf"]);
    lab.repo.write(".gitattributes", "*.txt eol=crlf\n");
    lab.repo.commit("attributes");
    tend(&lab);
    assert!(create(&lab, "b").contains("took spare 1"));
    let said = create(&lab, "c");
    assert!(said.contains("checked out"), "{said}");
    assert_eq!(tree(lab.worktree("c").path()), tree(&by_git(&lab)));
    lab.is_sound();
}

#[test]
fn a_damaged_pattern_is_none() {
    let lab = lab("[pool]\nsize = 1\n");
    tend(&lab);
    assert!(create(&lab, "spare").contains("took spare 1"));
    let pattern = lab.root().join(".git/biplane/pattern");
    let whole = fs::read(&pattern).unwrap();
    let line = whole.iter().position(|b| *b == b'\n').unwrap();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("card", whole[..line].to_vec()),
        ("no-index", whole[..=line].to_vec()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("more", [&whole[..], b"x"].concat()),
        ("other", [&whole[..line], &[b'x'; 2000]].concat()),
    ] {
        fs::write(&pattern, bytes).unwrap();
        create(&lab, name);
        assert_eq!(tree(lab.worktree(name).path()), tree(&by_git(&lab)), "{name}");
        assert_eq!(lab.worktree(name).git(&["status", "--porcelain", "--ignored"]), "", "{name}");
    }
    lab.is_sound();
}

#[test]
fn a_kill_while_files_are_copied_leaves_a_whole_worktree_or_none() {
    let prepare = |lab: &crate::lab::Lab| {
        tend(lab);
        assert!(create(lab, "spare").contains("took spare 1"));
        lab.repo.write("new.txt", "new\n");
        lab.repo.commit("more");
    };
    kill_everywhere("[pool]\nsize = 1\n", prepare, &["wt", "create", "w"], |lab| {
        let made = lab.worktree("w");
        if made.path().exists() {
            assert_eq!(made.git(&["status", "--porcelain", "--ignored"]), "");
            assert_eq!(made.read("new.txt"), "new\n");
        } else {
            assert_eq!(lab.branches(), ["wt/before", "wt/spare"]);
        }
    });
}

/// Whether a worktree at `base` has the files that git would make there, whatever was ready for it.
fn is_as_by_git(lab: &crate::lab::Lab, name: &str, base: &str) {
    lab.call(&["wt", "create", name, "--base", base]).run().success();
    let path = lab.env.dir("by-git-at").join(name);
    lab.repo.git(&["worktree", "add", "--quiet", "--detach", path.as_str(), base]);
    assert_eq!(tree(lab.worktree(name).path()), tree(&path), "{name} at {base}");
    lab.repo.git(&["worktree", "remove", "--force", path.as_str()]);
}

#[test]
fn attributes_of_another_commit_count_for_files_that_are_the_same() {
    let lab = lab("[pool]\nsize = 1\n");
    lab.repo.git(&["config", "filter.up.smudge", "tr a-z A-Z"]);
    for (branch, file, text) in [
        ("crlf", ".gitattributes", "*.txt text eol=crlf\n"),
        ("deep", "src/part1/.gitattributes", "*.txt text eol=crlf\n"),
        ("filtered", ".gitattributes", "*.txt filter=up\n"),
    ] {
        lab.repo.git(&["switch", "--quiet", "--create", branch, "main"]);
        lab.repo.write(file, text);
        lab.repo.commit(branch);
        lab.repo.git(&["switch", "--quiet", "main"]);
    }
    tend(&lab);
    for branch in ["crlf", "deep", "filtered"] {
        // With a spare of another commit, and with the pattern alone.
        is_as_by_git(&lab, &format!("spare-{branch}"), branch);
        is_as_by_git(&lab, &format!("at-{branch}"), "main");
        assert_eq!(pool(&lab), [""; 0]);
        is_as_by_git(&lab, &format!("copied-{branch}"), branch);
        tend(&lab);
    }
    // The target gets them: spares follow, and so does the pattern.
    for branch in ["crlf", "filtered"] {
        lab.repo.git(&["merge", "--quiet", "-X", "theirs", "-m", branch, branch]);
        tend(&lab);
        for n in 0..3 {
            is_as_by_git(&lab, &format!("{branch}-{n}"), "main");
        }
    }
    lab.is_sound();
}

#[test]
fn settings_that_come_from_elsewhere_later_count() {
    for (key, file, text) in [
        ("include.path", "local.inc", "[core]\n\tautocrlf = true\n"),
        ("core.attributesFile", "attributes.config", "*.txt text eol=crlf\n"),
    ] {
        let lab = lab("[pool]\nsize = 1\n");
        let file = lab.env.dir("settings").join(file);
        lab.repo.git(&["config", key, file.as_str()]);
        tend(&lab);
        fs::write(&file, text).unwrap();
        is_as_by_git(&lab, "a", "main");
        is_as_by_git(&lab, "b", "main");
        lab.is_sound();
    }
    let lab = lab("[pool]\nsize = 1\n");
    lab.repo.git(&["config", "core.symlinks", "false"]);
    tend(&lab);
    is_as_by_git(&lab, "a", "main");
    is_as_by_git(&lab, "b", "main");
}
