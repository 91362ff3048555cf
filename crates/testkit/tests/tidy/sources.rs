//! Rules for Rust sources.

use crate::{
    code::{Keep, without_tests},
    tree::File,
};

/// Where processes are started.
const SUPERVISE: &str = "crates/execution/src/supervise";
/// Where git is run.
const GIT: &str = "crates/execution/src/git";
/// What starts both for tests.
const TESTKIT: &str = "crates/testkit";

/// The most lines of a file that says nothing about its length.
const MAX_LINES: usize = 600;
/// Among how many first lines the reason must be.
const FIRST_LINES: usize = 15;
/// How the reason begins.
const REASON: &str = "//! Long because ";

/// Mentions of `process::Command`, imported or used, anywhere but in supervise.
pub(crate) fn starts_processes(file: &File) -> Vec<String> {
    if within(file, SUPERVISE) || file.path.starts_with(TESTKIT) {
        return Vec::new();
    }
    let code = without_tests(&file.text, Keep::Code);
    let mut found = Vec::new();
    for (place, path) in code.match_indices("process::") {
        let rest = &code[place + path.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => {
                rest.split(|c: char| c != '*' && c != '_' && !c.is_alphanumeric()).next().unwrap_or_default()
            }
        };
        let mut names = names.split(|c: char| c != '*' && c != '_' && !c.is_alphanumeric());
        if names.any(|n| matches!(n, "Command" | "CommandExt" | "*")) {
            found.push(format!("{}: only {SUPERVISE} starts processes", file.line_at(place)));
        }
    }
    found
}

/// The literal `"git"`, unless it is compared with something, anywhere but in the git module.
pub(crate) fn names_git(file: &File) -> Vec<String> {
    if within(file, GIT) || file.path.starts_with(TESTKIT) {
        return Vec::new();
    }
    let code = without_tests(&file.text, Keep::CodeAndLiterals);
    let compared = |place: usize, literal: &str| {
        let (before, after) = (code[..place].trim_end(), code[place + literal.len()..].trim_start());
        before.ends_with("==") || before.ends_with("!=") || after.starts_with("==") || after.starts_with("=>")
    };
    code.match_indices("\"git\"")
        .filter(|(place, literal)| !compared(*place, literal))
        .map(|(place, _)| format!("{}: only {GIT} runs git", file.line_at(place)))
        .collect()
}

/// Calls of `unwrap` and its like in what is not a test.
pub(crate) fn unwraps(file: &File) -> Vec<String> {
    let code = without_tests(&file.text, Keep::Code);
    [".unwrap()", ".unwrap_err()", "::unwrap)", "::unwrap_err)"]
        .iter()
        .flat_map(|call| code.match_indices(call))
        .map(|(place, _)| format!("{}: use `?`, or `expect` that says why it holds", file.line_at(place)))
        .collect()
}

/// A file that does not begin with its documentation.
pub(crate) fn lacks_docs(file: &File) -> Option<String> {
    let text = file.text.lines().next().and_then(|l| l.strip_prefix("//! ")).unwrap_or_default();
    text.trim().is_empty().then(|| format!("{}:1: say what it is, in `//!`", file.path))
}

/// A file that is long for no reason.
pub(crate) fn too_long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let excused = file.text.lines().take(FIRST_LINES).any(|l| l.starts_with(REASON));
    (lines > MAX_LINES && !excused).then(|| {
        format!("{}: {lines} lines; split it, or say why within {FIRST_LINES} lines: `{REASON}…`", file.path)
    })
}

/// Whether a file is a module or below it.
fn within(file: &File, module: &str) -> bool {
    file.path.starts_with(module) || file.path.as_str() == format!("{module}.rs")
}

#[test]
fn a_process_started_elsewhere_is_found() {
    let table = [
        ("crates/control/src/a.rs", "use std::process::Command;", 1),
        ("crates/control/src/a.rs", "use std::{io, process::{Command, Stdio}};", 1),
        ("crates/control/src/a.rs", "use std::process::*;", 1),
        ("crates/control/src/a.rs", "std::process::Command::new(x);", 1),
        ("crates/execution/src/git/run.rs", "use std::os::unix::process::CommandExt;", 1),
        ("crates/control/src/a.rs", "use std::process::ExitCode; use clap::Command;", 0),
        (
            "crates/control/src/a.rs",
            "// process::Command\n#[cfg(test)]\nmod tests { use std::process::Command; }",
            0,
        ),
        ("crates/execution/src/supervise/run.rs", "use std::process::Command;", 0),
        ("crates/execution/src/supervise.rs", "use std::process::Command;", 0),
        ("crates/execution/src/supervised.rs", "use std::process::Command;", 1),
    ];
    for (path, text, findings) in table {
        assert_eq!(starts_processes(&File::new(path, text)).len(), findings, "{path}: {text}");
    }
    let found = starts_processes(&File::new("crates/a/src/b.rs", "\n\nuse std::process::Command;"));
    assert!(found[0].starts_with("crates/a/src/b.rs:3: "), "{found:?}");
}

#[test]
fn git_run_elsewhere_is_found() {
    let table = [
        ("crates/coordination/src/a.rs", "run(\"git\", args)", 1),
        ("crates/coordination/src/a.rs", "[\"git\", \"status\"]", 1),
        ("crates/coordination/src/a.rs", "if x == \"git\" { } match y { \"git\" => 1 } join(\".git\")", 0),
        ("crates/coordination/src/a.rs", "// \"git\"\n#[cfg(test)]\nfn t() { run(\"git\") }", 0),
        ("crates/execution/src/git/run.rs", "run(\"git\")", 0),
    ];
    for (path, text, findings) in table {
        assert_eq!(names_git(&File::new(path, text)).len(), findings, "{path}: {text}");
    }
}

#[test]
fn an_unwrap_is_found() {
    let text = "a.unwrap();\nb.map(Result::unwrap);\nc.unwrap_or(1);\n// d.unwrap()\n#[cfg(test)]\nmod tests { fn t() { e.unwrap() } }\n";
    assert_eq!(unwraps(&File::new("crates/a/src/b.rs", text)).len(), 2);
}

#[test]
fn a_file_without_docs_is_found() {
    for (text, bad) in [("", true), ("use a;\n//! Docs.", true), ("//!\n", true), ("//! Docs.\n", false)] {
        assert_eq!(lacks_docs(&File::new("crates/a/src/b.rs", text)).is_some(), bad, "{text}");
    }
}

#[test]
fn a_long_file_is_found() {
    let long = "x\n".repeat(MAX_LINES + 1);
    assert!(too_long(&File::new("a.rs", &long)).is_some());
    assert!(
        too_long(&File::new("a.rs", &format!("//! A table.\n//!\n{REASON}it is one.\n{long}"))).is_none()
    );
    assert!(too_long(&File::new("a.rs", &"x\n".repeat(MAX_LINES))).is_none());
}
