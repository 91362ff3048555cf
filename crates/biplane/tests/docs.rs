//! What the documents say is true: their commands are run, and the tests they name exist.
//!
//! Marks before a block of commands: `guide` is run, in order, in one repository for each document; `not-run` is only
//! shown, because it would wait, is for another place, or needs what a test has not.

use biplane_testkit::{TestEnv, marked_blocks};
use camino::{Utf8Path, Utf8PathBuf};

fn workspace() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(name: &str) -> String {
    std::fs::read_to_string(workspace().join(name)).expect("the document is there")
}

/// Runs the blocks in a fresh repository with one commit, each in a shell of its own.
#[track_caller]
fn run_blocks(name: &str) {
    let blocks = marked_blocks(&document(name), "guide");
    assert!(blocks.len() > 3, "{name} has few commands that are run");
    let env = TestEnv::new();
    let repo = env.repo("app");
    let program =
        Utf8Path::new(env!("CARGO_BIN_EXE_biplane")).parent().expect("a program lies in a directory");
    let path = format!("{program}:{}", std::env::var("PATH").unwrap_or_default());
    for block in blocks {
        env.program("sh")
            .args(["-eu", "-c", &block])
            .env("PATH", &path)
            .env("USER", "ann")
            .in_dir(repo.path())
            .run()
            .success();
    }
}

#[test]
fn the_commands_of_the_readme_work() {
    run_blocks("README.md");
}

#[test]
fn the_commands_of_the_guide_work() {
    run_blocks("docs/guide.md");
}

#[test]
fn every_block_of_commands_is_marked() {
    for name in ["README.md", "docs/guide.md"] {
        let text = document(name);
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "```sh") {
            let mark = at.checked_sub(1).map_or("", |before| lines[before]);
            let known =
                ["guide", "not-run", "demo-command", "test-command"].map(|mark| format!("<!-- {mark} -->"));
            assert!(known.iter().any(|known| known == mark), "{name}:{}: say what the block is for", at + 1);
        }
    }
}

#[test]
fn the_tests_that_the_documents_name_exist() {
    let mut text = String::new();
    let mut open = vec![workspace().join("crates")];
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().expect("the sources can be read").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path().to_owned());
            } else if entry.path().extension() == Some("rs") {
                text.push_str(&std::fs::read_to_string(entry.path()).expect("it is a text"));
            }
        }
    }
    let mut named = 0;
    for document in ["docs/promises.md", "docs/repositories.md", "ARCHITECTURE.md"].map(document) {
        // In these documents the text of a link is not code; a name of three words or more is a test's.
        for name in document.split('`').skip(1).step_by(2) {
            let is_name =
                name.matches('_').count() >= 2 && name.chars().all(|c| c == '_' || c.is_ascii_lowercase());
            if is_name {
                named += 1;
                assert!(text.contains(&format!("fn {name}(")), "there is no test `{name}`");
            }
        }
    }
    assert!(named > 20, "the documents name few tests");
}
