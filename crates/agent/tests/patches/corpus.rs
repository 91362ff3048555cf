//! What git itself writes between two commits, with every odd thing in it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use biplane_agent::tree::Tree;

use crate::lab::{Lab, apply, look};

/// A change of the files, made by hand.
type Edit = fn(&Lab);

fn lines(range: std::ops::RangeInclusive<usize>) -> String {
    range.map(|n| format!("line {n}\n")).collect()
}

fn write_odd(lab: &Lab, name: &[u8], text: &str) {
    fs_err::write(lab.repo.path().as_std_path().join(OsStr::from_bytes(name)), text).unwrap();
}

fn remove(lab: &Lab, path: &str) {
    fs_err::remove_file(lab.repo.path().join(path)).unwrap();
}

fn rename(lab: &Lab, from: &str, to: &str) {
    let to = lab.repo.path().join(to);
    fs_err::create_dir_all(to.parent().unwrap()).unwrap();
    fs_err::rename(lab.repo.path().join(from), to).unwrap();
}

/// What is there before each of the changes.
fn begin(lab: &Lab) {
    let repo = &lab.repo;
    repo.write("long.txt", lines(1..=200));
    repo.write("crlf.txt", lines(1..=30).replace('\n', "\r\n"));
    repo.write("mixed.txt", "a\r\nb\nc\r\nd\ne\r\n");
    repo.write("open.txt", "one\ntwo\nthree");
    repo.write("empty.txt", "");
    repo.write("run.sh", "#!/bin/sh\ntrue\n");
    lab.make_program("run.sh", 0o755);
    repo.write("with space.txt", lines(1..=5));
    repo.write("dir/sub/deep.txt", lines(1..=20));
    repo.write("dir/other.txt", lines(1..=20));
    repo.write("a/a.txt", lines(1..=9));
    repo.write("markers.txt", "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-- \n+++\n---\ndiff --git a/x b/x\n\\ No\n");
    repo.write("latin.txt", b"caf\xe9\nna\xefve\nplain\n");
    write_odd(lab, b"q\"uote\\ \t.txt", "quoted\n");
    write_odd(lab, "gr\u{fc}n.txt".as_bytes(), "green\n");
    write_odd(lab, b"raw\xff.txt", "raw\n");
    write_odd(lab, b" b .txt", "blank\n");
}

const EDITS: &[(&str, Edit)] = &[
    ("a line", |lab| lab.repo.write("long.txt", lines(1..=200).replace("line 100\n", "other\n"))),
    ("first and last line", |lab| {
        lab.repo.write("long.txt", format!("zero\n{}end\n", lines(1..=200)));
    }),
    ("many places", |lab| lab.repo.write("long.txt", lines(1..=200).replace("0\n", "zero\n"))),
    ("everything", |lab| lab.repo.write("long.txt", lines(300..=420))),
    ("to nothing", |lab| lab.repo.write("long.txt", "")),
    ("from nothing", |lab| lab.repo.write("empty.txt", "now\nthere\n")),
    ("from nothing, open", |lab| lab.repo.write("empty.txt", "now")),
    ("crlf", |lab| lab.repo.write("crlf.txt", lines(1..=30).replace('\n', "\r\n").replace("line 7", "x"))),
    ("crlf to lf", |lab| lab.repo.write("crlf.txt", lines(1..=30))),
    ("mixed ends", |lab| lab.repo.write("mixed.txt", "a\nb\r\nc\r\nd\ne\r\nf")),
    ("closed at the end", |lab| lab.repo.write("open.txt", "one\ntwo\nthree\n")),
    ("open stays open", |lab| lab.repo.write("open.txt", "one\n2\nthree")),
    ("open grows", |lab| lab.repo.write("open.txt", "one\ntwo\nthree\nfour")),
    ("opened at the end", |lab| lab.repo.write("with space.txt", lines(1..=5).trim_end())),
    ("lone carriage returns", |lab| lab.repo.write("open.txt", "one\rtwo\r\r\nthree\r")),
    ("new files", |lab| {
        lab.repo.write("new/dir/file.txt", "new\n");
        lab.repo.write("new/empty", "");
        lab.repo.write("new/open", "no end");
        lab.repo.write("new/run", "#!/bin/sh\n");
        lab.make_program("new/run", 0o755);
        lab.repo.write("new/with space", "");
    }),
    ("deleted files", |lab| {
        for path in ["long.txt", "empty.txt", "run.sh", "open.txt", "dir/sub/deep.txt", "with space.txt"] {
            remove(lab, path);
        }
    }),
    ("modes", |lab| {
        lab.make_program("run.sh", 0o644);
        lab.make_program("long.txt", 0o755);
        lab.make_program("empty.txt", 0o755);
        lab.make_program("with space.txt", 0o755);
    }),
    ("a mode and a line", |lab| {
        lab.repo.write("run.sh", "#!/bin/sh\nfalse\n");
        lab.make_program("run.sh", 0o644);
    }),
    ("renames", |lab| {
        rename(lab, "long.txt", "moved/long.txt");
        rename(lab, "run.sh", "run it.sh");
        rename(lab, "dir/sub/deep.txt", "dir/up.txt");
        lab.repo.write("moved/long.txt", lines(1..=200).replace("line 50\n", "fifty\n"));
    }),
    ("a copy", |lab| lab.repo.write("copy/of.txt", lines(1..=200).replace("line 60\n", "sixty\n"))),
    ("a copy of what changes", |lab| {
        lab.repo.write("copy.txt", lines(1..=200));
        lab.repo.write("long.txt", lines(1..=200).replace("line 60\n", "sixty\n"));
    }),
    ("two change their names", |lab| {
        rename(lab, "long.txt", "kept");
        rename(lab, "dir/other.txt", "long.txt");
        rename(lab, "kept", "dir/other.txt");
    }),
    ("a file becomes a directory", |lab| {
        remove(lab, "open.txt");
        lab.repo.write("open.txt/inside", "now a directory\n");
    }),
    ("a directory becomes a file", |lab| {
        fs_err::remove_dir_all(lab.repo.path().join("dir")).unwrap();
        lab.repo.write("dir", "now a file\n");
    }),
    ("odd names", |lab| {
        write_odd(lab, b"q\"uote\\ \t.txt", "quoted again\n");
        write_odd(lab, "gr\u{fc}n.txt".as_bytes(), "greener\n");
        write_odd(lab, b"raw\xff.txt", "rawer\n");
        write_odd(lab, b" b .txt", "blanker\n");
        write_odd(lab, b"new\nline", "x\n");
        write_odd(lab, b"a b a b", "");
        write_odd(lab, b"\x01\x7f", "");
        write_odd(lab, b"tab\tname", "y");
    }),
    ("a directory that is called as a prefix", |lab| lab.repo.write("a/a.txt", lines(1..=8))),
    ("lines that look like a patch", |lab| {
        lab.repo.write("markers.txt", "+++ b/x\n--- a/x\n@@ -1 +1 @@\n-- \n+++\ndiff --git a/y b/y\n");
    }),
    ("bytes that are no text", |lab| lab.repo.write("latin.txt", b"caf\xe8\nna\xefve\nplain\n\xff\xfe")),
    ("all at once", |lab| {
        lab.repo.write("long.txt", lines(5..=190));
        lab.repo.write("crlf.txt", lines(1..=3).replace('\n', "\r\n"));
        remove(lab, "mixed.txt");
        rename(lab, "open.txt", "x/y/z/open.txt");
        lab.make_program("x/y/z/open.txt", 0o755);
    }),
];

const FORMS: &[&[&str]] = &[
    &["-M", "-C", "--find-copies-harder"],
    &["--no-renames", "-U1", "--full-index"],
    &["-M", "-U10", "--patience"],
    &["-M", "--src-prefix=i/", "--dst-prefix=w/", "--function-context"],
    &["-M", "--no-prefix", "--inter-hunk-context=5"],
];

#[test]
fn what_git_writes_is_applied_and_taken_back_to_the_byte() {
    for (what, edit) in EDITS {
        let lab = Lab::new();
        let dir = lab.repo.path();
        begin(&lab);
        lab.repo.git(&["add", "-A"]);
        let start = lab.repo.commit("start");
        edit(&lab);
        lab.repo.git(&["add", "-A"]);
        let end = lab.repo.commit("end");
        // As git has it, which keeps no empty directory.
        lab.repo.git(&["checkout", "-q", &start]);
        let before = look(dir);
        lab.repo.git(&["checkout", "-q", &end]);
        let after = look(dir);
        lab.repo.git(&["checkout", "-q", &start]);
        assert!(before != after, "{what}: it changes something");
        for form in FORMS {
            let text = lab.diff(&[&["--text"], *form, &[&start, &end]].concat());
            let shown = String::from_utf8_lossy(&text);
            let undo = apply(dir, &text).unwrap_or_else(|why| panic!("{what} {form:?}: {why}\n{shown}"));
            assert!(look(dir) == after, "{what} {form:?}: not what git has\n{shown}");
            undo.carry_out(&Tree::open(dir).unwrap()).unwrap();
            assert!(look(dir) == before, "{what} {form:?}: not taken back\n{shown}");
            if form.contains(&"-C") {
                continue;
            }
            // And the other way round.
            lab.repo.git(&["checkout", "-q", &end]);
            let text = lab.diff(&[&["--text", "-R"], *form, &[&start, &end]].concat());
            let shown = String::from_utf8_lossy(&text);
            apply(dir, &text).unwrap_or_else(|why| panic!("{what} {form:?} back: {why}\n{shown}"));
            assert!(look(dir) == before, "{what} {form:?} back: not what git has\n{shown}");
            lab.repo.git(&["checkout", "-qf", &start]);
            lab.repo.git(&["clean", "-qfd"]);
        }
    }
}

#[test]
fn names_may_be_exchanged() {
    let lab = Lab::new();
    lab.repo.write("x", "x\n");
    lab.repo.write("y", "y\n");
    let before = look(lab.repo.path());
    let text =
        "diff --git a/x b/y\nrename from x\nrename to y\ndiff --git a/y b/x\nrename from y\nrename to x\n";
    let undo = apply(lab.repo.path(), text.as_bytes()).unwrap();
    assert_eq!((lab.repo.read("x"), lab.repo.read("y")), ("y\n".to_owned(), "x\n".to_owned()));
    undo.carry_out(&Tree::open(lab.repo.path()).unwrap()).unwrap();
    assert!(look(lab.repo.path()) == before);
}

#[test]
fn a_mail_with_a_patch_is_one() {
    let lab = Lab::new();
    begin(&lab);
    lab.repo.git(&["add", "-A"]);
    lab.repo.commit("start");
    lab.repo.write("long.txt", lines(1..=199));
    lab.repo.write("crlf.txt", "x\r\n");
    lab.repo.git(&["add", "-A"]);
    lab.repo.commit("subject\n\nA body with\n--- a line\nof its own.\n");
    let after = look(lab.repo.path());
    let mail = lab.repo.git(&["format-patch", "--stdout", "-1"]) + "\n";
    lab.repo.git(&["checkout", "-q", "HEAD~1"]);
    apply(lab.repo.path(), mail.as_bytes()).unwrap();
    assert!(look(lab.repo.path()) == after);
}

#[test]
fn a_diff_of_another_program_is_one() {
    let lab = Lab::new();
    lab.repo.write("x.txt", "a\nb\nc\n");
    for (old, new) in [("a/x.txt", "b/x.txt"), ("x.txt", "x.txt"), ("x.txt\t2020-01-01 00:00", "x.txt\t2021")]
    {
        let text = format!("--- {old}\n+++ {new}\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        let undo = apply(lab.repo.path(), text.as_bytes()).unwrap();
        assert_eq!(lab.repo.read("x.txt"), "a\nB\nc\n");
        undo.carry_out(&Tree::open(lab.repo.path()).unwrap()).unwrap();
    }
    apply(lab.repo.path(), b"--- /dev/null\n+++ b/n/new.txt\n@@ -0,0 +1 @@\n+new").unwrap();
    assert_eq!(lab.repo.read("n/new.txt"), "new\n");
    apply(lab.repo.path(), b"--- a/n/new.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-new\n").unwrap();
    assert!(!lab.repo.path().join("n").exists());
}
