//! The agent programs that tests start: the fake one, and the real ones.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

/// Names the directory with the real agent programs.
const REAL_AGENTS: &str = "BIPLANE_TEST_AGENTS";

/// The path of `biplane-fake-agent`, a program that behaves as it is told in its prompt: `fake: write a.txt; commit`. What can
/// be told stands in `src/bin/fake_agent/orders.rs`. It is built on the first call, beside the test that runs.
#[track_caller]
pub fn fake_agent() -> &'static Utf8Path {
    static PATH: OnceLock<Utf8PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("biplane-fake-agent"))
}

/// The path of a real agent program by its name, such as `claude`: the pinned one that `.ci/run` installs. Panics when it is
/// not there.
#[track_caller]
pub fn real_agent(name: &str) -> Utf8PathBuf {
    let path = real_agents().join(name);
    assert!(
        path.is_file(),
        "no agent program at `{path}`\nhint: `bash .ci/agents` installs the pinned ones; {REAL_AGENTS} names another directory"
    );
    path
}

/// A `PATH` on which the real agent programs come first, with their interpreter where the system's is too old.
#[track_caller]
pub fn real_agents_path() -> OsString {
    let before = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(real_agents().into_std_path_buf()).chain(std::env::split_paths(&before));
    std::env::join_paths(dirs).expect("no colon in the directory's name")
}

/// The directory of the real agent programs.
#[track_caller]
fn real_agents() -> Utf8PathBuf {
    let dir = std::env::var(REAL_AGENTS).map_or_else(
        |_| Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/agents/node_modules/.bin"),
        Utf8PathBuf::from,
    );
    dir.canonicalize_utf8().unwrap_or_else(|e| {
        panic!("no agent programs in `{dir}`: {e}\nhint: `bash .ci/agents` installs the pinned ones")
    })
}

/// Builds a program of this crate as the test was built, and gives its path.
#[track_caller]
fn build(name: &str) -> Utf8PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let target = test.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    let target = target.expect("a test lies in cargo's directory");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--quiet", "--locked", "--package", "biplane-testkit", "--bin", name]);
    command.args(["--message-format", "json", "--target-dir"]).arg(target);
    if test.strip_prefix(target).is_ok_and(|rest| rest.starts_with("release")) {
        command.arg("--release");
    }
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|e| panic!("can't start cargo: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let built = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let path = built.filter_map(|message| message["executable"].as_str().map(Utf8PathBuf::from)).next_back();
    path.filter(|_| output.status.success()).unwrap_or_else(|| {
        panic!("`{name}` can't be built\n{said}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}
