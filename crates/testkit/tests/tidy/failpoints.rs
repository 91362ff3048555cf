//! Every write, rename and deletion stands between failpoints, so that the tests that kill the program meet it.

use crate::{
    code::{Keep, without_tests},
    tree::File,
};

/// The crates whose effects are enumerated.
const CRATES: [&str; 4] =
    ["crates/agent/src/", "crates/control/src/", "crates/execution/src/", "crates/coordination/src/"];

/// Calls that change what is on the disk, or that begin to.
const EFFECTS: [&str; 21] = [
    "fs::rename(",
    "fs::write(",
    "fs::remove_",
    "fs::create_dir",
    "fs::copy(",
    "fs::hard_link(",
    "fs::set_permissions(",
    "fs::symlink(",
    "DirBuilder::new(",
    "File::create(",
    "File::create_new(",
    "OpenOptions::new(",
    "File::options(",
    ".persist(",
    ".persist_noclobber(",
    ".set_len(",
    ".set_permissions(",
    "tempfile_in(",
    "tempdir_in(",
    "renameat",
    "unlinkat(",
];

/// Functions that need none: the file, the function (all of them when empty), and why.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("control/src/ledger/gate.rs", "", "a lock's file holds a name for messages; nothing depends on it"),
    ("execution/src/supervise/log.rs", "open", "a log is a stream of bytes and may end anywhere"),
    ("coordination/src/files.rs", "readable", "of a file that nobody sees yet; its caller has the places"),
    ("coordination/src/import/read.rs", "", "only reads"),
    ("execution/src/worktrees/handle.rs", "rename", "its callers have the places, by what is renamed"),
    ("execution/src/dir.rs", "rename_into", "its callers have the places"),
    (
        "coordination/src/doctor/filesystem.rs",
        "",
        "tried out in a directory that its maker has the places for",
    ),
    ("coordination/src/demo/", "", "a sample project of its own, made anew each time"),
];

/// Functions with an effect and no failpoint.
pub(crate) fn without_failpoint(file: &File) -> Vec<String> {
    if !CRATES.iter().any(|of| file.path.as_str().starts_with(of)) {
        return Vec::new();
    }
    // The same calls, with errors that name the path.
    let code = without_tests(&file.text, Keep::Code).replace("fs_err::", "    fs::");
    let mut found = Vec::new();
    for (start, name, body) in functions(&code) {
        let excused = |(path, function, _): &&(&str, &str, &str)| {
            file.path.as_str().contains(path) && (function.is_empty() || *function == name)
        };
        if body.contains("failpoint::") || EXCUSED.iter().any(|e| excused(&e)) {
            continue;
        }
        // A reader opens with options too, and says so.
        let reads = body.contains(".read(true)") && !body.contains(".write(true)");
        if let Some((at, effect)) = EFFECTS
            .iter()
            .filter(|effect| !(reads && effect.starts_with("OpenOptions")))
            .filter_map(|effect| Some((body.find(effect)?, effect)))
            .min()
        {
            let line = file.line_at(start + at);
            found.push(format!("{line}: `{name}` has `{effect}…)` and no failpoint around it"));
        }
    }
    found
}

/// The outermost functions: where each one's text begins, its name, and its text.
fn functions(code: &str) -> Vec<(usize, String, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = code[at..].find("fn ").map(|next| at + next) {
        at = start + 3;
        let is_word = start == 0 || !code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if !is_word || name.is_empty() {
            continue;
        }
        let end = start + length(&code[start..]);
        found.push((start, name, &code[start..end]));
        at = end;
    }
    found
}

/// Up to the end of the body, or the `;` of a function without one.
fn length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn an_effect_without_a_failpoint_is_found() {
    let table = [
        ("crates/control/src/a.rs", "fn f() { std::fs::rename(a, b) }", 1),
        ("crates/control/src/a.rs", "fn f() { failpoint::around(\"x\", || std::fs::rename(a, b)) }", 0),
        ("crates/control/src/a.rs", "fn f() { failpoint::reach(\"x\") }\nfn g() { file.persist(b) }", 1),
        ("crates/control/src/a.rs", "fn f() { fs::remove_file(a); fs::remove_dir(b) }", 1),
        ("crates/control/src/a.rs", "fn f() { fs_err::write(a) }", 1),
        ("crates/control/src/a.rs", "// fs::write(a)\nfn f() { \"fs::write(a)\" }", 0),
        ("crates/control/src/a.rs", "#[cfg(test)]\nmod tests { fn f() { fs::write(a) } }", 0),
        ("crates/control/src/a.rs", "fn f() { OpenOptions::new().read(true).open(a) }", 0),
        ("crates/model/src/a.rs", "fn f() { fs::write(a) }", 0),
        ("crates/coordination/src/import/read.rs", "fn f() { File::create(a) }", 0),
    ];
    for (path, text, findings) in table {
        assert_eq!(without_failpoint(&File::new(path, text)).len(), findings, "{path}: {text}");
    }
    let found = without_failpoint(&File::new("crates/control/src/a.rs", "\nfn f() {\n  fs::write(a)\n}"));
    assert_eq!(found, ["crates/control/src/a.rs:3: `f` has `fs::write(…)` and no failpoint around it"]);
}
