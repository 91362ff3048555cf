//! Whole programs side by side: biplane against git, and against itself with more writers.
//!
//! `cargo bench -p biplane --bench compare` prints medians of both and their ratio. Both sides of a pair are timed in
//! turn, so that whatever else the machine does hits both. `-- create` runs the rows whose names contain that.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use biplane_testkit::{Call, Repo, TestEnv};

const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// How often each side of a pair is timed.
const ROUNDS: usize = 15;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let rows: [(&str, fn()); 5] = [
        ("start-up", start_up),
        ("create", create),
        ("list", list),
        ("claims", || throughput("claims")),
        ("task creation", || throughput("creates")),
    ];
    println!("{:<40} {:>12} {:>12} {:>8}", "", "biplane", "against", "ratio");
    for (name, row) in rows {
        if wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())) {
            row();
        }
    }
}

fn report(name: &str, ours: Duration, theirs: Duration, against: &str) {
    let ms = |d: Duration| format!("{:.2} ms", d.as_secs_f64() * 1e3);
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("{name:<40} {:>12} {:>12} {ratio:>8.2}  ({against})", ms(ours), ms(theirs));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn timed(call: Call) -> Duration {
    let began = Instant::now();
    call.run().success();
    began.elapsed()
}

/// Times both sides in turn.
fn pair(
    rounds: usize,
    mut ours: impl FnMut(usize) -> Call,
    mut theirs: impl FnMut(usize) -> Call,
) -> (Duration, Duration) {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let times = (timed(ours(round)), timed(theirs(round)));
        // The first round warms the caches.
        if round > 0 {
            a.push(times.0);
            b.push(times.1);
        }
    }
    (median(a), median(b))
}

/// `biplane --version` against `git --version`. Aim: under 3 times.
fn start_up() {
    let env = TestEnv::new();
    let (ours, theirs) =
        pair(ROUNDS * 4, |_| env.biplane(BIPLANE).arg("--version"), |_| env.program("git").arg("--version"));
    report("start-up", ours, theirs, "git --version");
}

/// `biplane wt create` against `git worktree add` of the same commit. Aim: within 10 %.
fn create() {
    for files in [100, 3_000, 20_000] {
        let env = TestEnv::new();
        let repo = repo_with(&env, files);
        let rounds = if files > 10_000 { 7 } else { ROUNDS };
        let (ours, theirs) = pair(
            rounds,
            |n| env.biplane(BIPLANE).in_dir(repo.path()).args(["wt", "create"]).arg(format!("w{n}")),
            |n| {
                let (branch, path) = (format!("g{n}"), env.dir("git-worktrees").join(format!("g{n}")));
                repo.git_call(&["worktree", "add", "-q", "-b", &branch, path.as_str()])
            },
        );
        report(&format!("create, {files} files"), ours, theirs, "git worktree add");
    }
}

fn repo_with(env: &TestEnv, files: usize) -> Repo {
    let repo = env.repo("r");
    for n in 0..files {
        let mut text = String::new();
        for line in 0..40 {
            let _ = writeln!(text, "line {line} of file {n}, neither long nor short");
        }
        repo.write(format!("d{}/f{n}.txt", n % 97), text);
    }
    repo.commit("files");
    repo
}

/// `task list` with 10,000 tasks. Aim: under 50 ms. Against the same with ten.
fn list() {
    let env = TestEnv::new();
    let (many, few) = (board_of(&env, "many", 10_000, Chains::Yes), board_of(&env, "few", 10, Chains::Yes));
    let call = |repo: &Repo| env.biplane(BIPLANE).in_dir(repo.path()).args(["task", "list"]);
    let (ours, theirs) = pair(ROUNDS, |_| call(&many), |_| call(&few));
    report("task list, 10,000 tasks", ours, theirs, "10 tasks");
    let (ours, theirs) = pair(ROUNDS, |_| call(&many).arg("--json"), |_| call(&few).arg("--json"));
    report("task list --json, 10,000 tasks", ours, theirs, "10 tasks");
}

/// Whether most tasks wait for another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chains {
    Yes,
    No,
}

/// A repository whose board was taken over from files, the quickest way to many tasks.
fn board_of(env: &TestEnv, name: &str, tasks: usize, chains: Chains) -> Repo {
    let repo = env.repo(name);
    for n in 1..=tasks {
        let after = if n > 10 && chains == Chains::Yes { format!("{}", n - 10) } else { String::new() };
        let json = format!(
            r#"{{"id": {n}, "subject": "Task number {n} of many", "description": "What it is about, in a sentence.",
                "status": "pending", "owner": "", "worktree": "", "blockedBy": [{after}]}}"#
        );
        repo.write(format!(".tasks/task_{n}.json"), json);
    }
    env.biplane(BIPLANE).in_dir(repo.path()).arg("import").run().success();
    repo
}

/// Commands per second by 16 processes at once against one after another.
fn throughput(what: &str) {
    const TOTAL: usize = 160;
    let times = [1, 16].map(|writers: usize| {
        let env = TestEnv::new();
        let repo = board_of(&env, "r", TOTAL, Chains::No);
        let call = |n: usize| {
            let call = env.biplane(BIPLANE).in_dir(repo.path());
            if what == "claims" {
                call.args(["task", "claim", "--owner"]).arg(format!("a{n}"))
            } else {
                call.args(["task", "create", "one more"])
            }
        };
        let began = Instant::now();
        std::thread::scope(|scope| {
            for writer in 0..writers {
                let call = &call;
                scope.spawn(move || {
                    for _ in 0..TOTAL / writers {
                        call(writer).run().success();
                    }
                });
            }
        });
        began.elapsed() / u32::try_from(TOTAL).unwrap()
    });
    report(&format!("{what}, each with 16 writers"), times[1], times[0], "1 writer");
}
