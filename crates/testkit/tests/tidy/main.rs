//! Checks of the repository itself: which crate may use which, where programs are started, the form of sources and
//! documents. Each check is a function from text to findings, with a test on a bad sample.

mod code;
mod crates;
mod documents;
mod failpoints;
mod sources;
mod tree;

use tree::Tree;

/// Fails with the findings, one a line.
#[track_caller]
fn expect_none(mut findings: Vec<String>) {
    findings.sort();
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn crates_keep_to_their_layers() {
    expect_none(crates::boundaries(&crates::manifests(&Tree::of_repository())));
}

#[test]
fn only_supervise_starts_processes() {
    expect_none(Tree::of_repository().library().flat_map(sources::starts_processes).collect());
}

#[test]
fn only_the_git_module_runs_git() {
    expect_none(Tree::of_repository().library().flat_map(sources::names_git).collect());
}

#[test]
fn libraries_do_not_unwrap() {
    expect_none(Tree::of_repository().library().flat_map(sources::unwraps).collect());
}

#[test]
fn every_effect_stands_between_failpoints() {
    expect_none(Tree::of_repository().library().flat_map(failpoints::without_failpoint).collect());
}

#[test]
fn sources_say_what_they_are() {
    expect_none(Tree::of_repository().library().filter_map(sources::lacks_docs).collect());
}

#[test]
fn long_files_say_why() {
    expect_none(Tree::of_repository().ending_in(".rs").filter_map(sources::too_long).collect());
}

#[test]
fn links_lead_somewhere() {
    let tree = Tree::of_repository();
    expect_none(tree.ending_in(".md").flat_map(|f| documents::dead_links(f, &tree)).collect());
}

#[test]
fn no_line_ends_in_white_space() {
    expect_none(Tree::of_repository().files.iter().flat_map(documents::trailing_space).collect());
}

#[test]
fn the_readme_has_the_commands_that_ci_runs() {
    let tree = Tree::of_repository();
    let readme = &tree.get("README.md").expect("the repository has a README.md").text;
    let one = |mark: &str| match biplane_testkit::marked_blocks(readme, mark).as_slice() {
        [block] => block.trim().to_owned(),
        blocks => panic!("README.md has {} blocks marked `{mark}`", blocks.len()),
    };
    assert_eq!(one("test-command"), "cargo test --workspace");
    assert_eq!(one("demo-command"), "cargo run --release -- demo");
}
