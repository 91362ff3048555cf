//! How long the looks take at what lies outside of a worktree, before an agent is started and after it has ended.
//!
//! `cargo bench -p biplane-execution`

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use biplane_execution::{
    git::{Git, Skip},
    worktrees::outside::{Watched, differences, fingerprint},
};
use biplane_testkit::{TestEnv, large_repo, registry_sources};

/// How often each is measured.
const TIMES: usize = 21;

fn median<T>(what: &str, mut run: impl FnMut() -> T) {
    let mut took: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let began = Instant::now();
            let result = run();
            let took = began.elapsed();
            drop(black_box(result));
            took
        })
        .collect();
    took.sort();
    println!("{what:<72} {:>8.1} ms", took[TIMES / 2].as_secs_f64() * 1e3);
}

fn main() {
    let sources = registry_sources();
    for files in [1_000, 3_000, 20_000] {
        measure(&large_repo(&TestEnv::new(), "app", files, sources.as_deref()));
    }
}

fn measure(large: &biplane_testkit::LargeRepo) {
    let repo = &large.repo;
    let common = repo.path().join(".git");
    let skip = Skip { names: vec!["target".to_owned()], paths: vec![".worktrees".to_owned()] };
    let git = Git::checkout(&common, &common, repo.path());
    let mut watched = vec![Watched { name: String::new(), git: git.clone(), skip: skip.clone() }];
    let bare = Git::bare(&common);
    println!("{} files ({:?})", large.files, large.source);
    median("  the main checkout, clean", || fingerprint(&bare, &watched));
    let before = fingerprint(&bare, &watched);
    median("  again, and what differs: nothing", || {
        differences(&bare, &watched, &before, &fingerprint(&bare, &watched))
    });
    let tracked = repo.git(&["ls-files", "--", ":!README.md"]);
    let first = tracked.lines().next().unwrap();
    for n in 0..100 {
        repo.write(format!("untracked/{n}"), "x\n");
    }
    repo.write(first, "changed\n");
    median("  with a changed file and 100 untracked ones", || fingerprint(&bare, &watched));
    median("  again, and what differs: those", || {
        differences(&bare, &watched, &before, &fingerprint(&bare, &watched))
    });
    repo.git(&["checkout", "-q", "--", first]);
    for n in 0..4 {
        let name = format!("kept-{n}");
        let path = repo.path().join(".worktrees").join(&name);
        repo.git(&["worktree", "add", "-q", "-b", &format!("wt/{name}"), path.as_str()]);
        let git = Git::checkout(&common, &common.join("worktrees").join(&name), &path);
        watched.push(Watched { name, git, skip: skip.clone() });
    }
    median("  the main checkout and 4 kept worktrees", || fingerprint(&bare, &watched));
    median("  for comparison: `git status` of the main checkout", || {
        git.call(["status", "--porcelain", "-z"]).bytes().unwrap()
    });
}
