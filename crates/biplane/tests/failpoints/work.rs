//! A person's work: what of it there is, and whether all of it is still there. By git and by the bytes on the disk alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
};

use biplane_testkit::Repo;
use camino::{Utf8Path, Utf8PathBuf};

use crate::bed::{Bed, lines};

/// A path with mode and content, as git's trees have it: `100644 <blob> <path>`.
type Entry = String;

/// What must not get lost.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Every commit that something names.
    commits: BTreeSet<String>,
    /// By checkout: the files and the index entries that its commit does not have.
    loose: BTreeMap<Utf8PathBuf, BTreeSet<Entry>>,
    /// The main checkout's part of that, which must stay where it is.
    main: Checkout,
}

/// The loose work of one checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Checkout {
    files: BTreeSet<Entry>,
    index: BTreeSet<Entry>,
}

impl Checkout {
    fn of(tree: &Repo) -> Self {
        let committed = entries(&tree.git(&["ls-tree", "-r", "HEAD"]));
        let without = |all: BTreeSet<Entry>| all.difference(&committed).cloned().collect();
        Self { files: without(files(tree)), index: without(entries(&tree.git(&["ls-files", "--stage"]))) }
    }
}

impl Work {
    pub(crate) fn of(bed: &Bed) -> Self {
        let root = bed.repo.path().to_owned();
        let mut loose = BTreeMap::new();
        for path in checkouts(bed).into_iter().filter(|path| *path != root) {
            let found = Checkout::of(&bed.repo.at(&path));
            loose.insert(path, found.files.union(&found.index).cloned().collect());
        }
        Self { commits: commits(bed), loose, main: Checkout::of(&bed.repo) }
    }

    /// What is gone.
    pub(crate) fn missing(&self, bed: &Bed) -> Vec<String> {
        let mut found: Vec<String> =
            self.commits.difference(&commits(bed)).map(|c| format!("no ref has commit {c}")).collect();
        let main = Checkout::of(&bed.repo);
        for (was, is) in [(&self.main.files, &main.files), (&self.main.index, &main.index)] {
            found.extend(was.difference(is).map(|e| format!("the main checkout lost {e}")));
        }
        let held = held(bed);
        for (path, entries) in self.loose.iter().filter(|(_, entries)| !entries.is_empty()) {
            let there = if path.join(".git").exists() {
                let now = Checkout::of(&bed.repo.at(path));
                now.files.union(&now.index).cloned().collect()
            } else {
                BTreeSet::new()
            };
            let lost = entries.iter().filter(|e| !there.contains(*e) && !held.contains(*e));
            found.extend(lost.map(|e| format!("{path} lost {e}")));
        }
        found
    }
}

/// Git's checkouts.
pub(crate) fn checkouts(bed: &Bed) -> Vec<Utf8PathBuf> {
    let listed = bed.repo.git(&["worktree", "list", "--porcelain"]);
    listed.lines().filter_map(|line| line.strip_prefix("worktree ")).map(Utf8PathBuf::from).collect()
}

/// The commits that a ref or the head of a checkout has.
fn commits(bed: &Bed) -> BTreeSet<String> {
    lines(&bed.repo.git(&["rev-list", "--all", "HEAD"])).into_iter().collect()
}

/// What snapshots and branches hold: of a snapshot its files and its index.
fn held(bed: &Bed) -> BTreeSet<Entry> {
    let mut held = BTreeSet::new();
    let format = "--format=%(objectname) %(parent)";
    let snapshots = bed.repo.git(&["for-each-ref", format, "refs/biplane/snapshots/"]);
    let branches = bed.repo.git(&["for-each-ref", "--format=%(objectname)", "refs/heads/"]);
    for commit in snapshots.split_whitespace().chain(branches.split_whitespace()) {
        held.extend(entries(&bed.repo.git(&["ls-tree", "-r", commit])));
    }
    held
}

/// `<mode> [blob] <object> [stage]<tab><path>` as `<mode> <object> <path>`.
fn entries(listed: &str) -> BTreeSet<Entry> {
    let entry = |line: &str| {
        let (about, path) = line.split_once('\t')?;
        let words: Vec<&str> = about.split(' ').collect();
        let object = words.iter().find(|word| word.len() >= 40)?;
        Some(format!("{} {object} {path}", words.first()?))
    };
    listed.lines().filter_map(entry).collect()
}

/// The files of a checkout, by what git would make of their bytes.
fn files(tree: &Repo) -> BTreeSet<Entry> {
    let mut paths = Vec::new();
    walk(tree.path(), tree.path(), &mut paths);
    let list: String = paths.iter().map(|(_, path)| format!("{path}\n")).collect();
    let hashed = tree.git_call(&["hash-object", "--no-filters", "--stdin-paths"]).stdin(list).run().success();
    paths
        .iter()
        .zip(hashed.stdout.lines())
        .map(|((mode, path), object)| format!("{mode} {object} {path}"))
        .collect()
}

fn walk(top: &Utf8Path, dir: &Utf8Path, found: &mut Vec<(&'static str, Utf8PathBuf)>) {
    for entry in dir.read_dir_utf8().expect("the bed is ours") {
        let entry = entry.expect("the bed is ours");
        let ours = [".git", ".tasks", ".team", ".worktrees"];
        if dir == top && ours.contains(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        if entry.file_type().expect("the bed is ours").is_dir() {
            walk(top, path, found);
        } else {
            let mode = fs::metadata(path).expect("the bed is ours").permissions().mode();
            let mode = if mode & 0o100 == 0 { "100644" } else { "100755" };
            found.push((mode, path.strip_prefix(top).expect("it is below").to_owned()));
        }
    }
}

#[test]
fn a_loss_is_seen() {
    let bed = Bed::new();
    crate::operations::all_work(&bed);
    bed.repo.write("kept.txt", "changed in the main checkout\n");
    bed.remember();
    let work = Work::of(&bed);
    assert_eq!(work.missing(&bed), [""; 0]);
    let tree = bed.worktree();
    let losses: [&dyn Fn(); 6] = [
        &|| fs::remove_file(tree.path().join(".env")).expect("it is there"),
        &|| fs::write(tree.path().join("dir/untracked.txt"), "other\n").expect("it is there"),
        &|| drop(tree.git(&["checkout", "--", "kept.txt"])),
        &|| drop(tree.git(&["rm", "--cached", "--force", "--quiet", "staged.txt"])),
        &|| drop(tree.git(&["reset", "--soft", "HEAD^"])),
        &|| drop(bed.repo.git(&["checkout", "--", "kept.txt"])),
    ];
    for (at, lose) in losses.iter().enumerate() {
        bed.put_back();
        lose();
        assert_ne!(work.missing(&bed), [""; 0], "loss {at} goes unseen");
    }
    // A snapshot that holds everything is as good as the worktree.
    bed.put_back();
    bed.ok(&["wt", "remove", "x", "--force"]);
    assert_eq!(work.missing(&bed), [""; 0]);
}
