//! What is refused: stale patches, with the place; hostile paths; what is in the way. Nothing is changed then.

use std::os::unix::fs::symlink;

use biplane_agent::{patch::Patch, tree::Tree};

use crate::lab::{Lab, apply, look};

/// A repository with a file of ten lines.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.repo.write("a.txt", (1..=10).map(|n| format!("line {n}\n")).collect::<String>());
    lab.repo.write("open.txt", "x");
    lab
}

fn hunk(body: &str) -> String {
    format!("diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n{body}")
}

#[test]
fn a_stale_context_is_refused_with_its_place() {
    let lab = lab();
    let table = [
        (
            "@@ -2,3 +2,3 @@\n line 2\n-line three\n+x\n line 4\n",
            "`a.txt` is not what the patch was made for: hunk 1 (line 4 of the patch) expects line 3 to be `line three`, and it is \
             `line 3`",
        ),
        (
            "@@ -1,2 +1,2 @@\n line 1\n-line 2\n+2\n@@ -9,3 +9,2 @@\n line 9\n line 10\n-line 11\n",
            "hunk 2 (line 8 of the patch) expects line 11 to be `line 11`, and the file ends before it",
        ),
        ("@@ -2,2 +2,2 @@\n line 2\n-line 3 \n+x\n", "to be `line 3 `, and it is `line 3`"),
        ("@@ -2,2 +2,2 @@\n line 2\n-line 3\r\n+x\n", "to be `line 3\\r`, and it is `line 3`"),
        (
            "@@ -10 +10 @@\n-line 10\n\\ No newline at end of file\n+x\n",
            "to be `line 10 (no newline at the end)`, and it is `line 10`",
        ),
        ("@@ -3,0 +4 @@\n+new\n", "has no line of the file that says where it belongs"),
        (
            "@@ -3 +3 @@\n-line 3\n+x\n\\ No newline at end of file\n",
            "puts a line without an end before other lines",
        ),
    ];
    for (body, expected) in table {
        let why = apply(lab.repo.path(), hunk(body).as_bytes()).unwrap_err();
        assert!(why.contains(expected), "{body}: {why}");
    }
}

#[test]
fn lines_that_moved_are_found_where_they_stand_alone() {
    let lab = lab();
    let body = "@@ -2,2 +2,2 @@\n line 6\n-line 7\n+seven\n";
    apply(lab.repo.path(), hunk(body).as_bytes()).unwrap();
    assert!(lab.repo.read("a.txt").contains("line 6\nseven\n"));
    lab.repo.write("a.txt", "0\nx\ny\n1\nx\ny\n");
    let why = apply(lab.repo.path(), hunk("@@ -4,2 +4,2 @@\n x\n-y\n+z\n").as_bytes()).unwrap_err();
    assert!(why.contains("fits at several places (lines 2, 5)"), "{why}");
    // The stated place is one of them.
    apply(lab.repo.path(), hunk("@@ -5,2 +5,2 @@\n x\n-y\n+z\n").as_bytes()).unwrap();
    assert_eq!(lab.repo.read("a.txt"), "0\nx\ny\n1\nx\nz\n");
}

#[test]
fn one_bad_file_of_several_changes_none() {
    let lab = lab();
    let text = "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-line 1\n+one\n--- a/open.txt\n+++ b/open.txt\n@@ -1 +1 @@\n-y\n+z\n";
    let why = apply(lab.repo.path(), text.as_bytes()).unwrap_err();
    assert!(why.contains("`open.txt`") && why.contains("no newline"), "{why}");
}

#[test]
fn what_is_no_patch_is_refused() {
    let lab = lab();
    let table = [
        (String::new(), "changes no file"),
        ("just words\n".to_owned(), "changes no file"),
        ("@@ -1 +1 @@\n-line 1\n+x\n".to_owned(), "must stand behind"),
        (hunk("@@ -1,3 +1,3 @@\n-line 1\n+x\n line 2\n"), "says 3 old and 3 new lines, and there are 2 and 2"),
        (hunk("@@ -1 +1 @@\n-line 1\n+x\n line 2\n"), "more lines than its `@@` line says"),
        (hunk("@@ -1 +1 @@\n line 1\n"), "changes nothing"),
        (hunk("@@ -x +1 @@\n-line 1\n"), "not the head of a hunk"),
        (hunk("@@ -0 +1 @@\n-line 1\n+x\n"), "not the head of a hunk"),
        (hunk("@@ -1 +99999999999999999999999 @@\n-line 1\n+x\n"), "not the head of a hunk"),
        (hunk(""), "a hunk should stand here"),
        (hunk("@@ -5 +5 @@\n-line 5\n+x\n@@ -2 +2 @@\n-line 2\n+x\n"), "begins before the one in front"),
        ("diff --git a/a.txt b/a.txt\nindex 1..2 100644\n".to_owned(), "says nothing of what"),
        ("diff --git a/a b/b\nold mode 100644\nnew mode 100755\n".to_owned(), "can't be told apart"),
        ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n".to_owned(), "links can't"),
        ("diff --git a/m b/m\nnew file mode 160000\n".to_owned(), "submodules can't"),
        ("diff --git a/m b/m\nnew file mode 104755\n".to_owned(), "no mode of a file"),
        ("diff --git a/b b/b\nindex 1..2\nBinary files a/b and b/b differ\n".to_owned(), "binary files can't"),
        ("diff --git a/b b/b\nindex 1..2\nGIT binary patch\nliteral 1\n".to_owned(), "binary files can't"),
        ("--- a/a.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-line 1\n+x\n".to_owned(), "two names differ"),
        ("diff --git a/a.txt b/a.txt\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-line 1\n+x\n".to_owned(), "contradict"),
        ("diff --git a/a.txt b/c\nrename from a.txt\nrename to c\n--- a/a.txt\n+++ b/d\n@@ -1 +1 @@\n-line 1\n+x\n".to_owned(), "contradict"),
        ("diff --git a/a.txt b/c\nrename from a.txt\n".to_owned(), "needs both"),
        ("diff --git \"a/a\\q\" \"b/a\\q\"\nold mode 100644\nnew mode 100755\n".to_owned(), "can't be told apart"),
        ("diff --git a/a.txt b/a.txt\nold mode 100755\nnew mode 100644\n".to_owned(), "expects other permissions"),
        ("--- a/a.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-line 1\n".to_owned(), "would leave lines of it"),
        ("diff --git a/a.txt b/a.txt\ndeleted file mode 100644\n".to_owned(), "would leave lines of it"),
        ("--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+x\n".to_owned(), "`a.txt` exists already"),
        (hunk("@@ -1 +1 @@\n-line 1\n+x\n") + &hunk("@@ -2 +2 @@\n-line 2\n+x\n"), "changed twice"),
        ("--- a/none\n+++ b/none\n@@ -1 +1 @@\n-line 1\n+x\n".to_owned(), "there is no `none`"),
        ("*** Begin Patch".to_owned() + &"x".repeat(5 << 20), "too large"),
    ];
    for (text, expected) in table {
        let why = apply(lab.repo.path(), text.as_bytes()).unwrap_err();
        assert!(why.contains(expected), "{}: {why}", &text[..text.len().min(300)]);
        assert!(why.len() < 1000 && !why.contains('\n'), "{why}");
    }
}

#[test]
fn hostile_paths_are_refused() {
    let lab = lab();
    let outside = lab.env.root().join("secret.txt");
    fs_err::write(&outside, "secret\n").unwrap();
    let paths = [
        "../secret.txt",
        "a/../../secret.txt",
        "/etc/passwd",
        ".git/config",
        ".GIT/hooks/post-commit",
        "sub/.git/x",
        ".git./x",
        "git~1/x",
        ".git::$INDEX_ALLOCATION/x",
        "x/.g\u{200c}it/y",
        "a//b",
        "./x",
        "",
        "b/",
        "x\\..\\.git\\y",
    ];
    for path in paths {
        let quoted = path.replace('\\', "\\\\");
        let texts = [
            format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"),
            format!("--- /dev/null\n+++ \"b/{quoted}\"\n@@ -0,0 +1 @@\n+x\n"),
            format!("diff --git a/a.txt b/x\nrename from a.txt\nrename to {path}\n"),
            format!("diff --git a/a.txt b/x\ncopy from a.txt\ncopy to {path}\n"),
            format!("diff --git a/x b/x\nsimilarity index 100%\ncopy from {path}\ncopy to stolen.txt\n"),
            format!("*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch\n"),
            format!(
                "*** Begin Patch\n*** Update File: a.txt\n*** Move to: {path}\n@@\n-line 1\n+x\n*** End Patch\n"
            ),
        ];
        for text in texts {
            assert!(apply(lab.repo.path(), text.as_bytes()).is_err(), "{text}");
        }
    }
    // In octal, as git writes it.
    let text = "--- /dev/null\n+++ \"b/\\056\\056/x\"\n@@ -0,0 +1 @@\n+x\n";
    assert!(apply(lab.repo.path(), text.as_bytes()).unwrap_err().contains("leads outside"));
    assert_eq!(fs_err::read_to_string(outside).unwrap(), "secret\n");
}

#[test]
fn links_and_special_files_are_in_the_way() {
    let lab = lab();
    let dir = lab.repo.path();
    let outside = lab.env.dir("outside");
    fs_err::write(outside.join("f"), "f\n").unwrap();
    symlink(&outside, dir.join("away")).unwrap();
    symlink(outside.join("f"), dir.join("link")).unwrap();
    symlink(dir.join("a.txt"), dir.join("inner")).unwrap();
    symlink("nowhere", dir.join("broken")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("pipe").as_std_path(), rustix::fs::Mode::RUSR).unwrap();
    let table = [
        ("away/f", "f", "`away` is a link"),
        ("link", "f", "`link` is a link"),
        ("inner", "line 1", "`inner` is a link"),
        ("broken", "x", "`broken` is a link"),
        ("pipe", "x", "`pipe` is not a regular file"),
        ("a.txt/x", "x", "`a.txt` is not a directory"),
    ];
    for (path, line, expected) in table {
        for text in [
            format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{line}\n+new\n"),
            format!("*** Begin Patch\n*** Delete File: {path}\n*** End Patch\n"),
            format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+new\n"),
            format!("diff --git a/x b/x\ncopy from {path}\ncopy to stolen\n"),
        ] {
            let why = apply(dir, text.as_bytes()).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
    let text = "--- /dev/null\n+++ b/away/new\n@@ -0,0 +1 @@\n+new\n";
    assert!(apply(dir, text.as_bytes()).unwrap_err().contains("`away` is a link"));
    assert_eq!(look(&outside).len(), 1);
}

#[test]
fn what_fails_halfway_is_taken_back() {
    let lab = lab();
    let dir = lab.repo.path();
    lab.repo.write("only/one.txt", "one\n");
    lab.make_program("only", 0o750);
    // The last file can't come to its place, and that is seen only when all others have.
    let text = "--- a/only/one.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n\
                diff --git a/open.txt b/moved/open.txt\nrename from open.txt\nrename to moved/open.txt\n\
                diff --git a/a.txt b/a.txt\n--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-line 1\n+one\n\
                --- /dev/null\n+++ b/new/n\n@@ -0,0 +1 @@\n+n\n\
                --- /dev/null\n+++ b/new/n/m\n@@ -0,0 +1 @@\n+m\n";
    let why = apply(dir, text.as_bytes()).unwrap_err();
    assert!(why.contains("`new/n` is not a directory"), "{why}");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone() {
    let lab = lab();
    let dir = lab.repo.path();
    let tree = Tree::open(dir).unwrap();
    let text =
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-line 1\n+one\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+n\n";
    let plan = Patch::parse(text.as_bytes()).unwrap().plan(&tree).unwrap();
    let undo = plan.carry_out(&tree).unwrap();
    lab.repo.write("a.txt", "changed since\n");
    let before = look(dir);
    for plan in [plan, undo] {
        let why = plan.carry_out(&tree).unwrap_err().to_string();
        assert!(why.contains("`a.txt` was changed by somebody else meanwhile"), "{why}");
        assert!(look(dir) == before);
    }
}
