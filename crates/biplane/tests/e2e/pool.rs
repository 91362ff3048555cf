//! Worktrees that appear at once: spares are made, taken, renewed and recycled, and a worktree is the same with and
//! without them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    time::Duration,
};

use biplane_testkit::Repo;
use camino::{Utf8Path, Utf8PathBuf};

use crate::lab::{BIPLANE, DEADLINE, Lab, all_at_once};

/// A repository with files of every kind, in which a worktree was made before.
pub(crate) fn lab(settings: &str) -> Lab {
    let lab = Lab::new();
    lab.repo.write(".gitignore", "target/\n*.log\nbiplane.toml\n");
    lab.repo.write("biplane.toml", settings);
    for n in 0..20 {
        lab.repo.write(format!("src/part{}/f{n}.txt", n % 3), format!("file {n}\n"));
    }
    lab.repo.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(lab.root().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("src/part0", lab.root().join("link")).unwrap();
    lab.repo.commit("files");
    lab.create("before");
    lab
}

pub(crate) fn tend(lab: &Lab) -> String {
    lab.call(&["-v", "tend"]).run().success().stderr
}

pub(crate) fn pool(lab: &Lab) -> Vec<String> {
    names(&lab.root().join(".worktrees/.pool"))
}

fn names(dir: &Utf8Path) -> Vec<String> {
    let mut names: Vec<_> = dir
        .read_dir_utf8()
        .map(|entries| entries.map(|e| e.unwrap().file_name().to_owned()).collect())
        .unwrap_or_default();
    names.sort_unstable();
    names
}

/// What `wt create -v` says of how it was made.
#[track_caller]
pub(crate) fn create(lab: &Lab, name: &str) -> String {
    lab.call(&["-v", "wt", "create", name]).run().success().stderr
}

/// Kind, mode and content of everything in a checkout, but what git writes into it.
pub(crate) fn tree(dir: &Utf8Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in at.read_dir_utf8().unwrap().map(Result::unwrap).filter(|e| e.file_name() != ".git") {
            let path = entry.path().to_owned();
            let meta = path.symlink_metadata().unwrap();
            let content = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_dir() {
                open.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).unwrap()
            };
            all.insert(path.strip_prefix(dir).unwrap().to_string(), (meta.mode(), content));
        }
    }
    all
}

/// What git itself makes of the head.
pub(crate) fn by_git(lab: &Lab) -> Utf8PathBuf {
    let path = lab.env.dir("by-git").join(format!("w{}", lab.linked()));
    lab.repo.git(&["worktree", "add", "--quiet", "--detach", path.as_str()]);
    path
}

/// The files that git opens to find out whether they have changed.
fn is_fresh(tree: &Repo) -> bool {
    let index = tree.git(&["rev-parse", "--git-path", "index"]);
    let index = tree.path().join(index);
    // Git writes an index anew when a look into a file has shown it to be clean.
    let before = fs::read(&index).unwrap();
    let newest = |entry: &str| fs::metadata(tree.path().join(entry)).unwrap().mtime();
    let files = tree.git(&["ls-files"]);
    let written = fs::metadata(&index).unwrap().mtime();
    let is_older = files.lines().filter(|f| *f != "link").all(|file| newest(file) < written);
    tree.git(&["status"]);
    is_older && fs::read(&index).unwrap() == before
}

#[test]
fn a_spare_makes_the_worktree_that_git_would_make() {
    let lab = lab("");
    tend(&lab);
    assert_eq!(pool(&lab), ["1", "2"]);
    let said = create(&lab, "warm");
    assert!(said.contains("took spare 1 (at"), "{said}");
    lab.settings_file("[pool]\nsize = 0\n");
    let said = create(&lab, "cold");
    assert!(said.contains("`pool.size` is 0") && said.contains("checked out"), "{said}");
    let trees = ["warm", "cold"].map(|name| tree(lab.worktree(name).path()));
    let git = tree(&by_git(&lab));
    assert_eq!((&trees[0], &trees[1]), (&git, &git));
    for name in ["warm", "cold"] {
        assert_eq!(lab.worktree(name).git(&["status", "--porcelain", "--ignored"]), "");
        assert_eq!(lab.worktree(name).git(&["branch", "--show-current"]), format!("wt/{name}"));
    }
    assert!(is_fresh(&lab.worktree("warm")));
    assert_eq!(pool(&lab), ["2"]);
    lab.is_sound();
}

#[test]
fn a_spare_of_another_commit_is_brought_along() {
    let lab = lab("");
    tend(&lab);
    lab.repo.write("src/part0/f0.txt", "changed\n");
    lab.repo.write("new/file.txt", "new\n");
    fs::remove_file(lab.root().join("src/part1/f1.txt")).unwrap();
    lab.repo.commit("more");
    let said = create(&lab, "warm");
    assert!(said.contains("took spare 1") && said.contains("brought 3 files along"), "{said}");
    assert_eq!(tree(lab.worktree("warm").path()), tree(&by_git(&lab)));
    assert_eq!(lab.worktree("warm").git(&["status", "--porcelain"]), "");
    // The one that is left follows the target, and another one is made.
    tend(&lab);
    let said = create(&lab, "again");
    assert!(said.contains("took spare") && !said.contains("brought"), "{said}");
    assert!(is_fresh(&lab.worktree("again")));
    lab.is_sound();
}

#[test]
fn sixteen_at_once_share_two_spares() {
    let lab = lab("");
    tend(&lab);
    let calls = (0..16).map(|n| lab.call(&["-v", "wt", "create", &format!("w{n}")]));
    let said: Vec<String> = all_at_once(calls).into_iter().map(|o| o.success().stderr).collect();
    let took = |n: usize| said.iter().filter(|text| text.contains(&format!("took spare {n} "))).count();
    assert_eq!((took(1), took(2)), (1, 1), "{said:#?}");
    let copied = said.iter().filter(|text| text.contains("copied 24 of 24 files from other places"));
    assert_eq!(copied.count(), 14, "{said:#?}");
    assert_eq!(pool(&lab), [""; 0]);
    let git = tree(&by_git(&lab));
    for n in 0..16 {
        let made = lab.worktree(&format!("w{n}"));
        assert_eq!(tree(made.path()), git);
        assert_eq!(made.git(&["status", "--porcelain", "--ignored"]), "");
    }
    lab.is_sound();
}

#[test]
fn there_is_no_pool_where_it_would_not_do() {
    for (settings, config, file, why) in [
        ("[pool]\nsize = 0\n", [("a.b", "c")], None, "`pool.size` is 0"),
        ("[limits]\ndisk = \"4K\"\n", [("a.b", "c")], None, "`limits.disk` is reached"),
        ("", [("core.sparseCheckout", "true")], None, "the main checkout is a sparse one"),
        ("", [("core.sharedRepository", "group")], None, "the repository is shared by a group"),
        ("", [("includeIf.gitdir:worktrees/.path", "x")], None, "settings are included on a condition"),
        ("", [("filter.x.smudge", "cat")], Some("*.txt filter=x\n"), "files go through a filter"),
    ] {
        let lab = lab(settings);
        for (key, value) in config {
            lab.repo.git(&["config", key, value]);
        }
        if let Some(text) = file {
            lab.repo.write(".gitattributes", text);
            lab.repo.commit("attributes");
        }
        tend(&lab);
        assert_eq!(pool(&lab), [""; 0], "{why}");
        let said = create(&lab, "w");
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn a_spare_that_was_made_otherwise_is_not_taken() {
    let lab = lab("");
    tend(&lab);
    lab.repo.git(&["config", "branch.x.remote", "origin"]);
    let said = create(&lab, "a");
    assert!(said.contains("took spare 1"), "a setting of no consequence: {said}");
    lab.repo.git(&["config", "core.autocrlf", "true"]);
    let said = create(&lab, "b");
    assert!(said.contains("git's settings are other ones by now"), "{said}");
    assert_eq!(tree(lab.worktree("b").path()), tree(&by_git(&lab)));
    tend(&lab);
    let said = create(&lab, "c");
    assert!(said.contains("took spare"), "{said}");
    assert_eq!(tree(lab.worktree("c").path()), tree(&by_git(&lab)), "line ends are those of the setting");
    // With the second one files have the same modes, and directories and programs have not.
    for (name, umask, program) in [("d", "077", 0o700), ("e", "033", 0o744)] {
        let shell = lab.env.program("sh").in_dir(lab.root());
        let script = format!("umask {umask}; '{BIPLANE}' -v wt create {name}");
        let said = shell.args(["-c", &script]).run().success().stderr;
        assert!(said.contains("another `umask`"), "{said}");
        let mode = |path: &str| lab.worktree(name).path().join(path).metadata().unwrap().mode() & 0o777;
        assert_eq!((mode("run.sh"), mode("src")), (program, 0o777 & !u32::from_str_radix(umask, 8).unwrap()));
    }
}

/// Everything that somebody could leave in a worktree to have others harmed by its reuse.
fn leave_traps(lab: &Lab, dir: &Utf8Path) -> Utf8PathBuf {
    let outside = lab.env.dir("outside");
    for name in ["a", "b", "c/d"] {
        fs::create_dir_all(outside.join(name).parent().unwrap()).unwrap();
        fs::write(outside.join(name), "outside\n").unwrap();
    }
    let at = |path: &str| dir.join(path);
    let chmod =
        |path: &str, mode: u32| fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).unwrap();
    for (path, target) in [("src/part0/f0.txt", "a"), ("src/part1", "c")] {
        let _ = fs::remove_file(at(path));
        let _ = fs::remove_dir_all(at(path));
        symlink(outside.join(target), at(path)).unwrap();
    }
    fs::remove_file(at("src/part0/f3.txt")).unwrap();
    fs::hard_link(outside.join("b"), at("src/part0/f3.txt")).unwrap();
    chmod("src/part0/f6.txt", 0o600);
    chmod("run.sh", 0o4755);
    // As long as before, and as old.
    let times = fs::metadata(at("src/part0/f9.txt")).unwrap();
    fs::write(at("src/part0/f9.txt"), "FILE 9\n").unwrap();
    fs::File::options()
        .write(true)
        .open(at("src/part0/f9.txt"))
        .unwrap()
        .set_modified(times.modified().unwrap())
        .unwrap();
    fs::remove_file(at("link")).unwrap();
    symlink(&outside, at("link")).unwrap();
    fs::create_dir_all(at("src/part2/inner/.git/objects")).unwrap();
    fs::write(at("src/part2/inner/.git/config"), "[core]\n\tfsmonitor = touch /tmp/never\n").unwrap();
    fs::create_dir_all(at("src/part2/.git")).unwrap();
    fs::create_dir_all(at("locked/deep")).unwrap();
    fs::write(at("locked/deep/x"), "x").unwrap();
    chmod("locked/deep", 0o500);
    chmod("locked", 0o500);
    chmod("src/part2", 0o700);
    fs::create_dir_all(at("target/debug")).unwrap();
    fs::write(at("target/debug/cache"), "built\n").unwrap();
    fs::create_dir_all(at("src/part0/vendor")).unwrap();
    fs::write(at("src/part0/vendor/not-ignored"), "x").unwrap();
    fs::write(at("a.log"), "ignored, and not to be kept\n").unwrap();
    fs::write(at(&"n".repeat(250)), "long").unwrap();
    let mut deep = at("deep");
    for _ in 0..12 {
        deep = deep.join("d".repeat(30));
    }
    fs::create_dir_all(&deep).unwrap();
    outside
}

#[test]
fn a_recycled_worktree_is_as_good_as_new_whatever_was_left_in_it() {
    let lab = lab("[pool]\nsize = 1\nkeep = [\"target\", \"vendor\"]\n");
    let worktree = lab.create("w");
    let outside = leave_traps(&lab, worktree.path());
    let before = tree(&outside);
    worktree.git(&["update-index", "--assume-unchanged", "src/part2/f2.txt"]);
    fs::write(worktree.path().join("src/part2/f2.txt"), "hidden\n").unwrap();
    // As a removal in which the background was on leaves it.
    let aside = lab.root().join(".worktrees/.removed-w2");
    fs::rename(worktree.path(), &aside).unwrap();
    lab.ok(&["wt", "list"]);
    lab.repo.git(&["worktree", "prune"]);
    lab.forget("w");
    assert_eq!(tend(&lab), "");
    assert_eq!(pool(&lab), ["1"]);
    assert!(!aside.exists());
    let said = create(&lab, "again");
    assert!(said.contains("took spare 1"), "{said}");
    let again = lab.worktree("again");
    let mut found = tree(again.path());
    let kept: Vec<String> = found.keys().filter(|p| p.starts_with("target")).cloned().collect();
    assert_eq!(kept, ["target", "target/debug", "target/debug/cache"], "the cache was kept");
    found.retain(|path, _| !path.starts_with("target"));
    assert_eq!(found, tree(&by_git(&lab)));
    assert_eq!(again.git(&["status", "--porcelain", "--ignored"]), "!! target/");
    assert_eq!(tree(&outside), before, "nothing outside was touched");
    assert_eq!(fs::metadata(outside.join("b")).unwrap().nlink(), 1, "and nothing is tied to it");
    assert_eq!(again.git(&["ls-files", "-v"]).lines().filter(|l| l.starts_with('h')).count(), 0);
    assert!(is_fresh(&again));
}

/// Kills the program at every place that a command reaches, and looks whether everything is put right.
pub(crate) fn kill_everywhere(settings: &str, prepare: impl Fn(&Lab), args: &[&str], check: impl Fn(&Lab)) {
    for number in 1.. {
        assert!(number < 120, "it reaches more places than that");
        let lab = lab(settings);
        prepare(&lab);
        let output = lab.call(args).env("FAILPOINT", number.to_string()).run();
        let _ = lab.call(&["doctor", "--fix"]).run();
        let left: Vec<String> = pool(&lab).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(left, [""; 0], "after a kill at place {number}");
        let dirs = lab.directories().into_iter().filter(|d| d.starts_with('.') && d != ".pool");
        assert_eq!(dirs.collect::<Vec<_>>(), [""; 0], "after a kill at place {number}");
        check(&lab);
        lab.is_sound();
        tend(&lab);
        let said = create(&lab, "after");
        assert!(said.contains("took spare"), "{number}: {said}");
        assert_eq!(lab.worktree("after").git(&["status", "--porcelain", "--ignored"]), "");
        if output.code == 0 {
            assert!(number > 10, "it was killed at some places");
            return;
        }
    }
}

#[test]
fn a_kill_while_a_spare_is_taken_leaves_a_whole_worktree_or_none() {
    let prepare = |lab: &Lab| {
        tend(lab);
        lab.repo.write("new.txt", "new\n");
        lab.repo.commit("more");
    };
    kill_everywhere("[pool]\nsize = 1\n", prepare, &["wt", "create", "w"], |lab| {
        let made = lab.worktree("w");
        if made.path().exists() {
            assert_eq!(made.git(&["status", "--porcelain", "--ignored"]), "");
            assert_eq!(made.read("new.txt"), "new\n");
        } else {
            assert_eq!(lab.branches(), ["wt/before"]);
        }
    });
}

#[test]
fn a_kill_while_spares_are_made_leaves_none_or_whole_ones() {
    kill_everywhere("[pool]\nsize = 1\n", |_| {}, &["tend"], |_| {});
}

#[test]
fn a_kill_while_a_worktree_is_recycled_leaves_none_or_a_whole_spare() {
    let prepare = |lab: &Lab| {
        let worktree = lab.create("w");
        fs::write(worktree.path().join("README.md"), "changed\n").unwrap();
        fs::rename(worktree.path(), lab.root().join(".worktrees/.removed-w2")).unwrap();
        lab.repo.git(&["worktree", "prune"]);
        lab.forget("w");
    };
    kill_everywhere("[pool]\nsize = 1\n", prepare, &["tend"], |_| {});
}

#[test]
fn the_background_makes_spares_and_holds_nothing() {
    let lab = lab("");
    let root = lab.root();
    // A pipe is read to its end only when nobody holds it open any more.
    let piped = lab.env.program("sh").in_dir(root).env("BIPLANE_BACKGROUND", "1");
    let output = piped.args(["-c", &format!("'{BIPLANE}' wt create a 2>&1 | cat")]).run().success();
    assert!(output.stdout.contains("created worktree a"), "{output}");
    biplane_testkit::eventually(DEADLINE, "there are spares", || pool(&lab) == ["1", "2"]);
    let call = |args: &[&str]| lab.call(args).env("BIPLANE_BACKGROUND", "1").run().success();
    call(&["wt", "create", "b"]);
    biplane_testkit::eventually(DEADLINE, "there are two again", || pool(&lab) == ["1", "2"]);
    call(&["wt", "remove", "b"]);
    let aside = || names(&root.join(".worktrees")).iter().any(|name| name.starts_with(".removed-"));
    biplane_testkit::eventually(DEADLINE, "what was removed is gone", || !aside());
    lab.repo.write("new.txt", "new\n");
    lab.repo.commit("more");
    quiet(&lab);
}

/// Waits until nobody tends the repository any more, so that the test's directory can go.
fn quiet(lab: &Lab) {
    let path = lab.root().join(".git/biplane/tend.lock");
    biplane_testkit::eventually(DEADLINE, "the background has ended", || {
        fs::File::open(&path).is_ok_and(|file| file.try_lock().is_ok())
    });
}

#[test]
fn nothing_is_started_from_within_a_run() {
    let lab = lab("");
    lab.create("w");
    let inner = format!("'{BIPLANE}' wt create inner");
    let call = lab.call(&["run", "w", "--", "sh", "-c", &inner]);
    call.env("BIPLANE_BACKGROUND", "1").run().success();
    // It would have made the lock file first.
    std::thread::sleep(Duration::from_millis(300));
    assert!(!lab.root().join(".git/biplane/tend.lock").exists());
    assert_eq!(pool(&lab), [""; 0]);
}

#[test]
fn tending_ends_when_the_repository_is_gone() {
    let lab = lab("[pool]\nsize = 8\n");
    let running = lab.call(&["tend"]).spawn();
    biplane_testkit::eventually(DEADLINE, "it is at work", || !pool(&lab).is_empty());
    let gone = lab.env.root().join("gone");
    fs::rename(lab.root(), &gone).unwrap();
    let output = running.wait(DEADLINE);
    assert_ne!(output.code, 101, "{output}");
    assert!(!lab.root().exists(), "nothing is made anew where it was");
}

#[test]
fn only_one_tends_at_a_time() {
    let lab = lab("[pool]\nsize = 3\n");
    let outputs = all_at_once((0..4).map(|_| lab.call(&["tend"])));
    outputs.into_iter().for_each(|output| drop(output.success()));
    assert_eq!(pool(&lab), ["1", "2", "3"]);
    lab.settings_file("[pool]\nsize = 1\n");
    tend(&lab);
    assert_eq!(pool(&lab), ["1"]);
}

#[test]
fn the_background_goes_by_the_settings_as_they_are_now() {
    let lab = lab("[pool]\nsize = 4\n");
    let running = lab.call(&["tend"]).spawn();
    biplane_testkit::eventually(DEADLINE, "it is at work", || !pool(&lab).is_empty());
    lab.settings_file("[pool]\nsize = 6\n");
    running.wait(DEADLINE).success();
    assert_eq!(pool(&lab), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn what_a_shell_that_stands_in_it_writes_after_the_removal_is_not_deleted() {
    let lab = Lab::new();
    let left = || -> Vec<String> {
        let names =
            lab.root().join(".worktrees").read_dir_utf8().unwrap().map(|e| e.unwrap().file_name().to_owned());
        names.filter(|name| name.starts_with(".removed-") || name.starts_with(".late-")).collect()
    };
    let remove = |name: &str, then: &str| {
        let tree = lab.create(name);
        let script = format!(
            "echo before > before.txt; '{}' -C '{}' wt remove {name} --force; {then}; exit 0",
            BIPLANE,
            lab.root()
        );
        let shell = lab.env.biplane("sh").in_dir(tree.path()).env("BIPLANE_BACKGROUND", "1");
        shell.args(["-c", &script]).run().success()
    };
    for (name, then) in [
        // What is moved in keeps the times of its files.
        ("moved", "mv ../../olddir ."),
        // A file with two names, both of them here.
        ("linked", "echo late > work; ln work work.bak"),
        // What can't be read hides nothing that is beside it.
        ("hidden", "mkdir lock; chmod 0 lock; echo late > work"),
    ] {
        fs::create_dir_all(lab.root().join("olddir")).unwrap();
        fs::write(lab.root().join("olddir/work"), "late\n").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        remove(name, then);
        let late = || left().into_iter().find(|left| left.starts_with(".late-"));
        biplane_testkit::eventually(DEADLINE, "it is put where nothing deletes it", || {
            lab.call(&["tend"]).run().success();
            late().is_some()
        });
        let kept = lab.root().join(".worktrees").join(late().unwrap());
        let work = ["olddir/work", "work"].map(|file| fs::read_to_string(kept.join(file)).ok());
        assert!(work.contains(&Some("late\n".to_owned())), "{name}: {work:?}");
        lab.env.program("chmod").args(["-R", "u+rwx"]).arg(&kept).run().success();
        fs::remove_dir_all(&kept).unwrap();
        let _ = fs::remove_dir_all(lab.root().join("olddir"));
    }
    remove("quiet", "sleep 1");
    biplane_testkit::eventually(DEADLINE, "it goes once the shell has gone", || {
        lab.call(&["tend"]).run().success();
        left().is_empty()
    });
    remove("busy", "for i in 1 2 3 4 5; do sleep 0.2; echo late > late$i.txt; done");
    biplane_testkit::eventually(DEADLINE, "it is put where nothing deletes it", || {
        lab.call(&["tend"]).run().success();
        left() == [".late-w5"]
    });
    let late = |file: &str| fs::read_to_string(lab.root().join(".worktrees/.late-w5").join(file)).unwrap();
    assert_eq!((late("before.txt"), late("late5.txt")), ("before\n".to_owned(), "late\n".to_owned()));
    let said = lab.call(&["doctor"]).run();
    assert!(said.stdout.contains(".late-w5"), "{said}");
}

/// Git reads the whole tree for it.
#[test]
fn how_much_a_spare_takes_is_asked_once_for_a_tip_and_a_round() {
    let lab = lab("[pool]\nsize = 3\n");
    let (asked, bin) = (lab.env.root().join("asked"), lab.env.dir("bin"));
    let real = std::env::var("PATH").unwrap();
    let program = format!(
        "#!/bin/sh\ncase \" $* \" in *' ls-tree -r -l '*) echo x >> '{asked}';; esac\nPATH='{real}' exec git \"$@\"\n"
    );
    fs::write(bin.join("git"), program).unwrap();
    fs::set_permissions(bin.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
    lab.call(&["tend"]).env("PATH", format!("{bin}:{real}")).run().success();
    assert_eq!(pool(&lab).len(), 3);
    // One round makes them, and another one finds nothing to do.
    let count = fs::read_to_string(&asked).unwrap().lines().count();
    assert!((1..=2).contains(&count), "{count}");
}
