//! `biplane demo`, end to end: the real program, real git, a real compiler.

use std::{collections::BTreeSet, path::Path, time::Duration};

use biplane_testkit::{Call, Signal, TestEnv, eventually};
use serde_json::Value;

/// A run takes about ten seconds; a loaded machine may need far more.
const PATIENCE: Duration = Duration::from_secs(300);

/// A call of the program that finds the compiler: `rustc` may be rustup's, which looks for its toolchains in `HOME`, so
/// that of the running toolchain goes first.
fn biplane(env: &TestEnv) -> Call {
    let cargo = std::env::var_os("CARGO").expect("cargo runs the tests");
    let toolchain = Path::new(&cargo).parent().expect("a program lies in a directory").to_owned();
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let path = std::env::join_paths(std::iter::once(toolchain).chain(std::env::split_paths(&path)));
    env.biplane(env!("CARGO_BIN_EXE_biplane")).env("PATH", path.expect("no colon")).patience(PATIENCE)
}

fn entries(dir: impl AsRef<Path>) -> BTreeSet<String> {
    let entries = std::fs::read_dir(dir).expect("it is there");
    entries.map(|e| e.expect("it can be read").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn all_land_two_bounce_and_main_is_proved_green_in_an_odd_environment() {
    let env = TestEnv::new();
    let mine = env.repo("mine");
    let before = mine.git(&["for-each-ref"]);
    let output = biplane(&env)
        .args(["demo", "--json"])
        .in_dir(mine.path())
        // Nobody's name, and variables that point git and biplane to a repository of the person's.
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_DIR", mine.path().join(".git"))
        .env("GIT_INDEX_FILE", mine.path().join(".git/index"))
        .env("BIPLANE_ROOT", mine.path())
        .env("BIPLANE_TASK_ID", "1")
        .env("BIPLANE_EPOCH", "7")
        .env("RUSTFLAGS", "--no-such-flag")
        .run()
        .success();
    let report = output.json();
    let facts =
        ["landed", "bounced", "conflicts", "gate_failures", "proved"].map(|name| report[name].clone());
    assert_eq!(facts, [Value::from(6), 2.into(), 1.into(), 1.into(), true.into()], "{output}");

    let commits = report["commits"].as_array().expect("a list");
    assert_eq!(commits.len(), 7, "the first commit and six that landed: {output}");
    assert!(commits.iter().all(|c| c["passed"] == true && c["tests"].as_u64() >= Some(6)), "{output}");
    let checks = report["checks"].as_array().expect("a list");
    let names: Vec<_> = checks.iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!(names, ["landed", "moves", "fresh_clone", "fsck", "events", "left_behind"]);
    assert!(checks.iter().all(|c| c["holds"] == true), "{output}");
    let bounced = |e: &&Value| e["event"] == "submission.bounced";
    let bounces: Vec<_> = report["events"].as_array().expect("a list").iter().filter(bounced).collect();
    assert_eq!(bounces.len(), 2, "{output}");

    assert_eq!(entries(env.root().join("tmp")), BTreeSet::new(), "nothing is left");
    assert_eq!(entries(env.home()), BTreeSet::from([".gitconfig".to_owned()]), "the home is as it was");
    assert_eq!(mine.git(&["for-each-ref"]), before);
    assert_eq!(mine.git(&["status", "--porcelain", "--ignored"]), "");
}

#[test]
fn a_person_is_told_the_story_and_keeps_the_sample_that_has_a_place() {
    let env = TestEnv::new();
    let output = biplane(&env).args(["demo", "--at", "there"]).run().success();
    let text = &output.stdout;
    for part in [
        "\nBoard\n",
        "\nEvents\n",
        "because: conflict with `main`: `src/format.rs` changed on both sides; changed there by task ",
        "because: error[E0277]: cannot subtract `Option<f64>` from `f64`\n",
        "\nMerge graph of main\n",
        "\nProof\n",
        "\n6 landed, 2 bounced: main was green at every moment (",
    ] {
        assert!(text.contains(part), "{part:?} is not in it\n{output}");
    }
    let long = text.lines().filter(|line| line.chars().count() > 120 || line.ends_with(' '));
    assert_eq!(long.collect::<Vec<_>>(), Vec::<&str>::new(), "{output}");
    let place = env.root().join("there/repo");
    assert!(text.contains(&format!("The sample repository is {place}\n")), "{output}");
    assert!(place.join(".git").is_dir());
    assert_eq!(entries(env.root().join("tmp")), BTreeSet::new());
}

#[test]
fn a_directory_with_something_in_it_is_refused() {
    let env = TestEnv::new();
    std::fs::write(env.dir("there").join("file"), "mine").expect("it is ours");
    let output = biplane(&env).args(["demo", "--at", "there"]).run().fails_with(3);
    assert!(output.stderr.contains("is not empty"), "{output}");
    assert_eq!(entries(env.root().join("there")), BTreeSet::from(["file".to_owned()]));
}

#[test]
fn without_a_compiler_it_says_so() {
    let env = TestEnv::new();
    let tools = env.dir("tools");
    let git = env.program("sh").args(["-c", "command -v git"]).run().success();
    std::os::unix::fs::symlink(git.stdout.trim(), tools.join("git")).expect("it is ours");
    let output = biplane(&env).arg("demo").env("PATH", &tools).run().fails_with(1);
    assert!(output.stderr.contains("there is no `rustc`"), "{output}");
    assert!(output.stderr.contains("hint: install Rust"), "{output}");
    assert_eq!(entries(env.root().join("tmp")), BTreeSet::new());
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    let env = TestEnv::new();
    let mut running = biplane(&env).arg("demo").spawn();
    eventually(PATIENCE, "agents are at work", || running.stderr().contains("begins   4"));
    running.signal_group(Signal::INT);
    let output = running.wait(PATIENCE).fails_with(130);
    assert!(output.stderr.contains("stopped"), "{output}");
    assert_eq!(entries(env.root().join("tmp")), BTreeSet::new(), "nothing is left");
}
