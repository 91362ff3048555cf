//! What lies outside of a worktree: looks at the other checkouts and at what all of them share, and what differs between two.
//!
//! **Contract.** A look writes nothing and runs nothing that somebody has written into a worktree. What can't be looked at is
//! unknown, and told as such; it is neither unchanged nor changed.
//!
//! **Deliberately absent:** who has changed something, and whether that was right: the ledger knows the rest.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    os::unix::ffi::OsStrExt,
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::git::{Deviated, Deviation, Deviations, Git, Logged, Skip};

/// A checkout that is looked at.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is called: the worktree's name, or empty for the main checkout.
    pub name: String,
    /// Git on it.
    pub git: Git,
    /// What is not looked at in it.
    pub skip: Skip,
}

/// A look at what lies outside.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    checkouts: BTreeMap<String, Result<Deviations, String>>,
    refs: Result<BTreeMap<String, String>, String>,
    files: BTreeMap<String, u64>,
}

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A file of a checkout.
    File {
        /// The checkout's name; empty for the main one.
        checkout: String,
        /// Where it is.
        top: Utf8PathBuf,
        /// The path from there, in bytes, and what became of it. Not made safe to show.
        change: Deviation,
    },
    /// What a checkout is on: `ref: refs/heads/main`, or a commit.
    Head {
        /// The checkout's name; empty for the main one.
        checkout: String,
        /// What it was on.
        was: String,
        /// What it is on.
        is: String,
    },
    /// A ref.
    Ref {
        /// Its full name. Not made safe to show.
        name: String,
        /// What it named; none when it was not there.
        was: Option<String>,
        /// What it names; none when it is gone.
        is: Option<String>,
        /// How it came there, as far as git has logged it.
        steps: Vec<Step>,
        /// Whether a remote has it.
        fetched: bool,
    },
    /// Git's settings, a hook or the like.
    Shared {
        /// The path in the directory that all checkouts share. Not made safe to show.
        file: String,
        /// What became of it.
        how: Deviated,
    },
}

/// A move of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it named before.
    pub old: String,
    /// And after.
    pub new: String,
    /// What git has noted of it. Not made safe to show.
    pub message: String,
    /// Where it was done.
    pub from: Origin,
}

/// The checkout a ref was moved from: its head has moved in the same way at the same moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The worktree of this entry of git's.
    Entry(String),
    /// The main checkout.
    Main,
    /// No log of a head has it, or several have.
    Unknown,
}

/// What differs, and what could not be told.
#[derive(Debug, Clone, Default)]
pub struct Differences {
    /// What differs.
    pub found: Vec<Difference>,
    /// What could not be looked at.
    pub unknown: Vec<Unknown>,
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The checkout's name, empty for the main one; none for what all share.
    pub checkout: Option<String>,
    /// In a sentence that is safe to show.
    pub why: String,
}

/// Looks at the checkouts and at what they share.
pub fn fingerprint(git: &Git, watched: &[Watched]) -> Fingerprint {
    let look =
        |one: &Watched| (one.name.clone(), one.git.deviations(&one.skip).map_err(|error| error.to_string()));
    Fingerprint {
        // The checkouts come last: a landing moves a ref first, and its checkouts then.
        refs: git.shared_refs().map_err(|error| error.to_string()),
        files: git.shared_files(),
        checkouts: watched.iter().map(look).collect(),
    }
}

/// What differs between two looks, the second of which was just taken.
pub fn differences(git: &Git, watched: &[Watched], before: &Fingerprint, after: &Fingerprint) -> Differences {
    let mut all = Differences::default();
    for one in watched {
        in_checkout(one, before, after, &mut all);
    }
    match (&before.refs, &after.refs) {
        (Ok(before), Ok(after)) => all.found.extend(in_refs(git, before, after)),
        (Err(why), _) | (_, Err(why)) => {
            let why = format!("the refs can't be told: {why}");
            all.unknown.push(Unknown { checkout: None, why });
        }
    }
    let names: BTreeSet<&String> = before.files.keys().chain(after.files.keys()).collect();
    for file in names {
        let how = match (before.files.get(file), after.files.get(file)) {
            (was, is) if was == is => continue,
            // Worktrees come and go.
            (None, _) | (_, None) if file.starts_with("worktrees/") => continue,
            (None, _) => Deviated::Added,
            (_, None) => Deviated::Deleted,
            _ => Deviated::Changed,
        };
        all.found.push(Difference::Shared { file: file.clone(), how });
    }
    all
}

/// Whether that is the file which our own words go to: `biplane up > up.log`.
fn is_own_output(top: &Utf8Path, path: &[u8]) -> bool {
    let at = top.as_std_path().join(std::ffi::OsStr::from_bytes(path));
    let Ok(file) = rustix::fs::lstat(&at) else { return false };
    let is_it = |stat: rustix::io::Result<rustix::fs::Stat>| {
        stat.is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (file.st_dev, file.st_ino))
    };
    is_it(rustix::fs::fstat(std::io::stdout())) || is_it(rustix::fs::fstat(std::io::stderr()))
}

fn in_checkout(one: &Watched, before: &Fingerprint, after: &Fingerprint, all: &mut Differences) {
    let shown = if one.name.is_empty() { "the main checkout".to_owned() } else { format!("`{}`", one.name) };
    let unknown = |why: &dyn std::fmt::Display| Unknown {
        checkout: Some(one.name.clone()),
        why: format!("{shown} can't be looked at: {why}"),
    };
    let (was, is) = match (before.checkouts.get(&one.name), after.checkouts.get(&one.name)) {
        (Some(Ok(was)), Some(Ok(is))) => (was, is),
        (Some(Err(why)), _) | (_, Some(Err(why))) => {
            all.unknown.push(unknown(why));
            return;
        }
        // It was not looked at before, or is not any more.
        _ => return,
    };
    if was.head != is.head {
        let (checkout, was, is) = (one.name.clone(), was.head.clone(), is.head.clone());
        all.found.push(Difference::Head { checkout, was, is });
    }
    let top = one.git.work_tree().unwrap_or(one.git.git_dir()).to_owned();
    match one.git.changes_between(was, is.clone()) {
        Ok(changes) => {
            let others = changes.into_iter().filter(|change| !is_own_output(&top, &change.path));
            all.found.extend(others.map(|change| Difference::File {
                checkout: one.name.clone(),
                top: top.clone(),
                change,
            }));
        }
        Err(why) => all.unknown.push(unknown(&why)),
    }
}

fn in_refs(
    git: &Git,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut moved = Vec::new();
    for name in names {
        let (was, is) = (before.get(name).cloned(), after.get(name).cloned());
        if was == is {
            continue;
        }
        let logged = match &is {
            Some(_) => git.ref_log_since(name, was.as_deref().unwrap_or_default()),
            None => Vec::new(),
        };
        moved.push((name, was, is, logged));
    }
    let steps: HashSet<&Logged> = moved.iter().flat_map(|(.., logged)| logged).collect();
    let heads = if steps.is_empty() { Vec::new() } else { head_logs(git, &steps) };
    let mut found = Vec::new();
    for (name, was, is, logged) in &moved {
        let steps = logged.iter().map(|step| {
            let mut by = heads.iter().filter(|(_, moves)| moves.contains(step));
            // The same commit may have been made twice in the same second.
            let from = match (by.next(), by.next()) {
                (Some((from, _)), None) => from.clone(),
                _ => Origin::Unknown,
            };
            let message = step.message().to_owned();
            Step { old: step.old.clone(), new: step.new.clone(), message, from }
        });
        let steps = steps.collect();
        // A fetch brings tags along.
        let is_new_tag = name.starts_with("refs/tags/") && was.is_none();
        let fetched = is_new_tag && is.as_ref().is_some_and(|object| git.is_fetched(object).unwrap_or(false));
        found.push(Difference::Ref {
            name: (*name).clone(),
            was: was.clone(),
            is: is.clone(),
            steps,
            fetched,
        });
    }
    found
}

/// Which of these moves each head has made, as far as it is logged.
fn head_logs(git: &Git, steps: &HashSet<&Logged>) -> Vec<(Origin, HashSet<Logged>)> {
    let moves = |entry: Option<&str>| git.head_log(entry, |one| steps.contains(one)).into_iter().collect();
    let mut logs: Vec<(Origin, HashSet<Logged>)> = vec![(Origin::Main, moves(None))];
    logs.extend(git.entries().into_iter().map(|entry| {
        let made = moves(Some(&entry));
        (Origin::Entry(entry), made)
    }));
    logs
}
