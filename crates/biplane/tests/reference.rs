//! The pages of `docs/reference` are what the program says of itself.
//!
//! `BIPLANE_UPDATE_DOCS=1 cargo test -p biplane --test reference` writes them anew.

use std::collections::BTreeMap;

use biplane_testkit::TestEnv;
use camino::{Utf8Path, Utf8PathBuf};

fn workspace() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn pages(dir: &Utf8Path) -> BTreeMap<String, String> {
    let entries = dir.read_dir_utf8().expect("the directory can be read").flatten();
    entries
        .map(|e| (e.file_name().to_owned(), std::fs::read_to_string(e.path()).expect("it is a text")))
        .collect()
}

/// The texts of the sources of every crate, without those of tests.
fn sources() -> String {
    let mut text = String::new();
    let mut open: Vec<Utf8PathBuf> = ["model", "control", "execution", "coordination", "biplane"]
        .map(|name| workspace().join("crates").join(name).join("src"))
        .to_vec();
    while let Some(dir) = open.pop() {
        for entry in dir.read_dir_utf8().expect("the sources can be read").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path().to_owned());
            } else {
                text.push_str(&std::fs::read_to_string(entry.path()).expect("it is a text"));
            }
        }
    }
    text
}

#[test]
fn the_reference_is_what_the_program_says() {
    let env = TestEnv::new();
    let made = env.root().join("reference");
    env.biplane(env!("CARGO_BIN_EXE_biplane")).args(["reference", "--dir", made.as_str()]).run().success();
    let kept = workspace().join("docs/reference");
    if std::env::var_os("BIPLANE_UPDATE_DOCS").is_some() {
        for (name, text) in pages(&made) {
            std::fs::write(kept.join(name), text).expect("the checkout can be written");
        }
    }
    let (made, kept) = (pages(&made), pages(&kept));
    for (name, text) in &made {
        let known = kept.get(name).map_or("", String::as_str);
        let differs = text.lines().zip(known.lines()).find(|(now, before)| now != before);
        assert!(
            text == known,
            "docs/reference/{name} is not what the program says; write it anew as its second line tells\n{differs:#?}"
        );
    }
    assert_eq!(made.keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>(), "pages that nothing makes");
}

#[test]
fn every_variable_is_in_the_reference() {
    let page =
        std::fs::read_to_string(workspace().join("docs/reference/environment.md")).expect("it is there");
    let text = sources();
    let is_part = |c: char| c == '_' || c.is_ascii_uppercase();
    let names =
        text.match_indices("BIPLANE_").map(|(at, _)| text[at..].split(|c| !is_part(c)).next().unwrap_or(""));
    for name in names.filter(|name| !matches!(*name, "BIPLANE_" | "BIPLANE_UPDATE_DOCS")) {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in `biplane_coordination::variables`");
    }
}

#[test]
fn what_is_said_to_be_unwritten_is_not_written() {
    let page = std::fs::read_to_string(workspace().join("docs/reference/events.md")).expect("it is there");
    let text = sources();
    for line in page.lines().filter(|line| line.contains("Not written by this version")) {
        let word = line.split('`').nth(1).expect("a kind stands first");
        let declared = text.lines().find_map(|l| l.trim().split_once(&format!(" = \"{word}\"")));
        let (variant, _) = declared.expect("the kind is declared");
        assert!(!text.contains(&format!("NewEvent::new(EventKind::{variant})")), "{word} is written");
    }
}
