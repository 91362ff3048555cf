//! How long it takes until a worktree is there, and until a removal returns: biplane, git and, where it is installed,
//! worktrunk, side by side in one run.
//!
//! `cargo bench -p biplane --bench worktrees` does all rows for 1,000, 20,000 and 100,000 files; `-- 1000 warm remove` some
//! rows for some sizes. The sides are timed in turn, so that whatever else the machine does hits all of them. Medians
//! are printed, and how often as long as biplane the other side took: more than 1 is faster than it.
//!
//! Before a warm creation is timed, the background has filled the pool and ended. worktrunk is the program that
//! `WORKTRUNK` names, else `wt` on `PATH`; its background is as it comes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails where it stands"
)]

use std::{
    fs,
    time::{Duration, Instant},
};

use biplane_testkit::{Call, LargeRepo, Repo, TestEnv, eventually, large_repo, registry_sources};

const BIPLANE: &str = env!("CARGO_BIN_EXE_biplane");

/// The longest that one program may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many creations there are at once.
const AT_ONCE: usize = 64;
/// The largest repository in which so many are made at once, in files: they have to fit on the disk.
const MOST_AT_ONCE: usize = 20_000;

/// What is measured with one repository.
type Row = fn(&Bench);

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let sizes: Vec<usize> = wanted.iter().filter_map(|w| w.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 20_000, 100_000] } else { sizes };
    let names: Vec<&String> = wanted.iter().filter(|w| w.parse::<usize>().is_err()).collect();
    let rows: [(&str, Row); 5] =
        [("warm", warm), ("cold", cold), ("remove", remove), ("worktrunk", worktrunk), ("burst", at_once)];
    println!("{:<34} {:>12} {:>12} {:>8}", "", "biplane", "other", "ratio");
    for files in sizes {
        let env = TestEnv::new();
        let large = large_repo(&env, "r", files, registry_sources().as_deref());
        println!("{files} files ({:?})", large.source);
        let bench = Bench::new(env, large);
        for (name, row) in rows {
            if names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str())) {
                row(&bench);
            }
        }
    }
}

struct Bench {
    env: TestEnv,
    large: LargeRepo,
    rounds: usize,
}

impl Bench {
    fn new(env: TestEnv, large: LargeRepo) -> Self {
        fs::write(large.repo.path().join(".git/info/exclude"), "biplane.toml\n").unwrap();
        let rounds = match large.files {
            0..5_000 => 15,
            5_000..50_000 => 7,
            _ => 3,
        };
        let bench = Self { env, large, rounds };
        // What the first command leaves to the background must not be at work with other settings than the rows'.
        bench.settings("[pool]\nsize = 0\n");
        bench.biplane(&["wt", "create", "first"]).run().success();
        bench
    }

    fn repo(&self) -> &Repo {
        &self.large.repo
    }

    fn biplane(&self, args: &[&str]) -> Call {
        let call = self.env.biplane(BIPLANE).in_dir(self.repo().path()).args(args);
        call.env("BIPLANE_BACKGROUND", "1").patience(PATIENCE)
    }

    fn git_add(&self, name: &str) -> Call {
        let path = self.env.dir("git-worktrees").join(name);
        self.repo().git_call(&["worktree", "add", "-q", "-b", name, path.as_str()]).patience(PATIENCE)
    }

    fn settings(&self, text: &str) {
        self.repo().write("biplane.toml", text);
    }

    /// Waits until the background has done what there is to do: nothing is put aside, the pool is full, nobody tends.
    fn settle(&self, spares: usize) {
        let worktrees = self.repo().path().join(".worktrees");
        let lock = self.repo().path().join(".git/biplane/tend.lock");
        eventually(PATIENCE, "the pool is full", || {
            let names = |dir: &str| {
                let entries = worktrees.join(dir).read_dir_utf8();
                entries
                    .map(|e| e.flatten().map(|e| e.file_name().to_owned()).collect::<Vec<_>>())
                    .unwrap_or_default()
            };
            let ready = names(".pool").iter().filter(|name| name.parse::<u32>().is_ok()).count();
            let aside = names(".").iter().any(|name| name.starts_with(".removed-"));
            let free = fs::File::open(&lock).map_or(true, |file| file.try_lock().is_ok());
            ready == spares && !aside && free
        });
    }

    fn report(&self, what: &str, ours: Vec<Duration>, theirs: Vec<Duration>, other: &str) {
        let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
        let (ours, theirs) = (median(ours), median(theirs));
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!(
            "  {what:<32} {:>12} {:>12} {ratio:>8.2}  ({other}, {} rounds)",
            ms(ours),
            ms(theirs),
            self.rounds
        );
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// To the program's end, looked at more often than a test would. What others have written is on the disk before: who asks the
/// system to write his own data would have to wait for theirs.
fn timed(call: Call) -> Duration {
    rustix::fs::sync();
    let began = Instant::now();
    let mut running = call.spawn();
    while running.is_running() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let took = began.elapsed();
    running.wait(PATIENCE).success();
    took
}

/// Aim: at least 30 times faster than git at 20,000 files, and no slower with more of them.
fn warm(bench: &Bench) {
    bench.settings("[pool]\nsize = 2\n");
    bench.biplane(&["wt", "create", "kick"]).run().success();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        bench.settle(2);
        let call = bench.biplane(&["-v", "wt", "create", &format!("warm{round}")]);
        rustix::fs::sync();
        let began = Instant::now();
        let mut running = call.spawn();
        while running.is_running() {
            std::thread::sleep(Duration::from_micros(200));
        }
        ours.push(began.elapsed());
        let output = running.wait(PATIENCE).success();
        assert!(output.stderr.contains("took spare"), "{output}");
        bench.settle(2);
        theirs.push(timed(bench.git_add(&format!("warm{round}"))));
    }
    bench.report("create, from a spare", ours, theirs, "git worktree add");
}

/// Aim: no slower than git.
fn cold(bench: &Bench) {
    bench.settings("[pool]\nsize = 0\n");
    bench.biplane(&["wt", "create", "cold"]).run().success();
    bench.settle(0);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        ours.push(timed(bench.biplane(&["wt", "create", &format!("cold{round}")])));
        theirs.push(timed(bench.git_add(&format!("cold{round}"))));
    }
    bench.report("create, without spares", ours, theirs, "git worktree add");
}

/// How long a removal holds up who asks for it.
fn remove(bench: &Bench) {
    bench.settings("[pool]\nsize = 2\n");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        let name = format!("gone{round}");
        bench.biplane(&["wt", "create", &name]).run().success();
        bench.git_add(&name).run().success();
        bench.settle(2);
        ours.push(timed(bench.biplane(&["wt", "remove", &name])));
        bench.settle(2);
        let path = bench.env.dir("git-worktrees").join(&name);
        theirs.push(timed(bench.repo().git_call(&["worktree", "remove", path.as_str()]).patience(PATIENCE)));
    }
    bench.report("remove", ours, theirs, "git worktree remove");
}

/// The other program that is known for it.
fn worktrunk(bench: &Bench) {
    let program = std::env::var("WORKTRUNK").unwrap_or_else(|_| "wt".to_owned());
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(&program).is_file()));
    if !on_path && !std::path::Path::new(&program).is_file() {
        println!("  worktrunk: not run, it is not installed");
        return;
    }
    bench.settings("[pool]\nsize = 2\n");
    bench.biplane(&["wt", "create", "kick-again"]).run().success();
    let call =
        |args: &[&str]| bench.env.program(&program).in_dir(bench.repo().path()).args(args).patience(PATIENCE);
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..bench.rounds {
        let name = format!("other{round}");
        bench.settle(2);
        ours[0].push(timed(bench.biplane(&["wt", "create", &name])));
        bench.settle(2);
        theirs[0].push(timed(call(&["switch", "--create", "--no-cd", &format!("w-{name}")])));
        ours[1].push(timed(bench.biplane(&["wt", "remove", &name])));
        bench.settle(2);
        theirs[1].push(timed(call(&["remove", &format!("w-{name}")])));
    }
    let [created, removed] = ours;
    let [other_created, other_removed] = theirs;
    bench.report("create, from a spare", created, other_created, "wt switch --create");
    bench.report("remove", removed, other_removed, "wt remove");
}

/// Aim: none fails, and all are there no later than with git. With as few spares as there are unless one asks for more, and
/// with one for each.
fn at_once(bench: &Bench) {
    if bench.large.files > MOST_AT_ONCE {
        println!("  {AT_ONCE} at once: not run with so many files");
        return;
    }
    bench.at_once(2);
    if bench.large.files < 5_000 {
        bench.at_once(AT_ONCE);
    }
}

impl Bench {
    fn at_once(&self, spares: usize) {
        self.settings(&format!("[pool]\nsize = {spares}\n"));
        self.biplane(&["wt", "create", &format!("kick-{spares}")]).run().success();
        let all = |calls: Vec<Call>| {
            rustix::fs::sync();
            let began = Instant::now();
            let running: Vec<_> = calls.into_iter().map(Call::spawn).collect();
            let ended: Vec<_> = running.into_iter().map(|r| r.wait(PATIENCE)).collect();
            (began.elapsed(), ended.iter().filter(|output| output.code != 0).count())
        };
        // Each further round begins with the other side.
        let rounds = if self.large.files < 5_000 { 4 } else { 1 };
        let (mut ours, mut theirs) = ((Duration::ZERO, 0), (Duration::ZERO, 0));
        for round in 0..rounds {
            for side in [round % 2, (round + 1) % 2] {
                self.settle(spares);
                let names: Vec<_> = (0..AT_ONCE).map(|n| format!("once{spares}-{round}-{n}")).collect();
                let (sum, (took, failed)) = if side == 0 {
                    (&mut ours, all(names.iter().map(|name| self.biplane(&["wt", "create", name])).collect()))
                } else {
                    (&mut theirs, all(names.iter().map(|name| self.git_add(name)).collect()))
                };
                *sum = (sum.0 + took, sum.1 + failed);
                // Git looks at every worktree there is for each new one. What failed is not there.
                for name in &names {
                    if side == 0 {
                        let _ = self.biplane(&["wt", "remove", name]).run();
                    } else {
                        let path = self.env.dir("git-worktrees").join(name);
                        let removal = self.repo().git_call(&["worktree", "remove", path.as_str()]);
                        let _ = removal.patience(PATIENCE).run();
                    }
                }
            }
        }
        println!(
            "  {:<32} {:>12} {:>12} {:>8.2}  (git worktree add, unlocked, {rounds} rounds; failed: {} of ours, {} of git's)",
            format!("{AT_ONCE} creations at once, {spares} spares"),
            format!("{:.1} s", ours.0.as_secs_f64() / f64::from(rounds)),
            format!("{:.1} s", theirs.0.as_secs_f64() / f64::from(rounds)),
            theirs.0.as_secs_f64() / ours.0.as_secs_f64(),
            ours.1,
            theirs.1,
        );
    }
}
