//! The format between `*** Begin Patch` and `*** End Patch`.

use biplane_agent::tree::Tree;

use crate::lab::{Lab, apply, look};

fn patch(body: &str) -> Vec<u8> {
    format!("*** Begin Patch\n{body}*** End Patch\n").into_bytes()
}

#[test]
fn everything_it_can_say() {
    let lab = Lab::new();
    let dir = lab.repo.path();
    lab.repo.write("a.py", "def f():\n    x = 1\n    return x\n\ndef g():\n    x = 1\n    return x\n");
    lab.repo.write("gone.txt", "gone\n");
    lab.repo.write("old.txt", "one\ntwo\n");
    lab.repo.write("end.txt", "x\ny\nx\ny\n");
    let before = look(dir);
    let text = patch(
        "*** Add File: new/n.txt\n+first\n+\n+third\n*** Delete File: gone.txt\n*** Update File: old.txt\n\
         *** Move to: moved.txt\n@@\n one\n-two\n+2\n*** Update File: a.py\n@@ def g():\n-    x = 1\n+    x = 2\n     return x\n\
         *** Update File: end.txt\n@@\n-x\n-y\n+end\n*** End of File\n",
    );
    let undo = apply(dir, &text).unwrap();
    assert_eq!(lab.repo.read("new/n.txt"), "first\n\nthird\n");
    assert_eq!(lab.repo.read("moved.txt"), "one\n2\n");
    assert_eq!(
        lab.repo.read("a.py"),
        "def f():\n    x = 1\n    return x\n\ndef g():\n    x = 2\n    return x\n"
    );
    assert_eq!(lab.repo.read("end.txt"), "x\ny\nend\n");
    assert!(!dir.join("gone.txt").exists() && !dir.join("old.txt").exists());
    undo.carry_out(&Tree::open(dir).unwrap()).unwrap();
    assert!(look(dir) == before);
}

#[test]
fn lines_end_as_those_of_the_file() {
    let lab = Lab::new();
    lab.repo.write("crlf.txt", "a\r\nb\r\nc");
    let text = patch("*** Update File: crlf.txt\n@@\n a\n-b\n+B\n+BB\n");
    apply(lab.repo.path(), &text).unwrap();
    assert_eq!(lab.repo.read("crlf.txt"), "a\r\nB\r\nBB\r\nc");
    apply(lab.repo.path(), &patch("*** Update File: crlf.txt\n@@\n c\n+d\n")).unwrap();
    assert_eq!(lab.repo.read("crlf.txt"), "a\r\nB\r\nBB\r\nc\r\nd\r\n");
}

#[test]
fn what_is_not_clear_is_refused() {
    let lab = Lab::new();
    lab.repo.write("a.txt", "x\ny\nx\ny\n");
    let table = [
        ("*** Update File: a.txt\n@@\n-x\n+z\n", "fits at several places (lines 1, 3)"),
        ("*** Update File: a.txt\n@@ none\n-x\n+z\n", "stands behind `none`"),
        ("*** Update File: a.txt\n@@\n x\n-q\n+z\n", "line 6 of the patch"),
        ("*** Update File: a.txt\n@@\n+z\n", "no line of the file that says where"),
        ("*** Update File: a.txt\n", "has no hunk"),
        ("*** Update File: a.txt\n@@\n x\n", "changes nothing"),
        ("*** Update File: b.txt\n@@\n-x\n+z\n", "there is no `b.txt`"),
        ("*** Add File: a.txt\n+x\n", "`a.txt` exists already"),
        ("*** Add File: b.txt\nx\n", "begins with `+`"),
        ("*** Add File: ../b.txt\n+x\n", "leads outside"),
        ("*** Add File: .git/hooks/x\n+x\n", "belongs to git"),
        ("*** Add File: /tmp/x\n+x\n", "leads outside"),
        ("*** Delete File: a.txt\n-x\n", "has no lines here"),
        ("*** Delete File: a.txt\n*** Update File: a.txt\n@@\n-x\n-y\n-x\n+z\n", "changed twice"),
        ("@@\n-x\n", "must be named first"),
        ("", "changes no file"),
    ];
    for (body, expected) in table {
        let why = apply(lab.repo.path(), &patch(body)).unwrap_err();
        if expected.starts_with("line 6") {
            assert!(why.contains("expects line 2 to be `q`, and it is `y`"), "{why}");
        } else {
            assert!(why.contains(expected), "{body}: {why}");
        }
    }
    let why = apply(lab.repo.path(), b"*** Begin Patch\n*** Delete File: a.txt\n").unwrap_err();
    assert!(why.contains("`*** End Patch` is missing"), "{why}");
}
