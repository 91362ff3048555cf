//! A ledger that is newer than the program, damaged, or not there: never read as empty, never written over.

use std::fs;

use crate::lab::{Lab, said};

/// What must fail on a ledger that can't be used.
const COMMANDS: &[&[&str]] = &[
    &["task", "list"],
    &["task", "create", "two"],
    &["wt", "create", "w"],
    &["events"],
    &["up", "--", "true"],
];

#[track_caller]
fn is_refused(lab: &Lab, codes: &[i32]) -> String {
    let files =
        || lab.photograph(".git/biplane").into_iter().filter(|f| f.0 == "ledger.db").collect::<Vec<_>>();
    let before = files();
    let mut text = String::new();
    for args in COMMANDS {
        let output = lab.call(args).run();
        assert!(codes.contains(&output.code), "{output}");
        assert_eq!(output.stdout, "", "{output}");
        text = said(&output, lab);
    }
    assert_eq!(files(), before, "the file is as it was");
    text
}

#[test]
fn a_newer_ledger_is_refused() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    // The schema version is at offset 60 of an SQLite file, big-endian (<https://sqlite.org/fileformat2.html#user_version_number>).
    let mut bytes = fs::read(lab.ledger()).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(lab.ledger(), bytes).unwrap();
    insta::assert_snapshot!(is_refused(&lab, &[3]), @r"
    error: the ledger `[REPO]/.git/biplane/ledger.db` has schema version 99, and this biplane knows versions up to 6
    hint: install the newer biplane that wrote it
    ");
}

#[test]
fn a_ledger_that_is_no_ledger_is_damaged_and_not_empty() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    fs::write(
        lab.ledger(),
        "this is not a database, but it is longer than a header, and then some more of it: ".repeat(20),
    )
    .unwrap();
    insta::assert_snapshot!(is_refused(&lab, &[1]), @r"
    error: the ledger `[REPO]/.git/biplane/ledger.db` is damaged: file is not a database
    hint: `biplane doctor --rebuild` says what the views and git can bring back
    ");
}

#[test]
fn an_emptied_ledger_beside_a_board_is_not_begun_anew() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let view = lab.repo.read(".tasks/task_1.json");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", lab.ledger()));
    }
    fs::write(lab.ledger(), "").unwrap();
    let output = lab.call(&["task", "create", "two"]).run();
    assert_ne!(output.code, 0, "{output}");
    assert_eq!(lab.repo.read(".tasks/task_1.json"), view);
}

#[test]
fn a_deleted_ledger_beside_a_board_is_not_begun_anew() {
    let lab = Lab::new();
    lab.ok(&["task", "create", "one"]);
    let view = lab.repo.read(".tasks/task_1.json");
    fs::remove_dir_all(lab.root().join(".git/biplane")).unwrap();
    let output = lab.fails(3, &["task", "create", "two"]);
    assert!(output.stderr.contains("import"), "{output}");
    assert_eq!(lab.repo.read(".tasks/task_1.json"), view);
}

#[test]
fn a_ledger_with_damage_in_the_middle_fails_closed() {
    let lab = Lab::new();
    for n in 0..60 {
        lab.ok(&["task", "create", &format!("task {n}"), "--description", &"x".repeat(500)]);
    }
    let mut bytes = fs::read(lab.ledger()).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xa5;
    }
    fs::write(lab.ledger(), bytes).unwrap();
    let output = lab.call(&["task", "list"]).run().fails_with(1);
    assert!(output.stderr.contains("damaged"), "{output}");
    lab.call(&["task", "create", "more"]).run().fails_with(1);
}
