//! What is true at the end, found out from git and the ledger and not from what was told on the way.

use std::time::Duration;

use biplane_execution::{
    git::{Git, Repository},
    supervise::{Capture, StopFlag, capture},
};
use biplane_model::{CommitId, Event, EventKind, Seq, sanitize, sanitize_line};
use camino::Utf8Path;

use super::{Sample, TARGET, story};
use crate::{
    error::{Error, Result},
    service::{EventQuery, Service},
};

/// How long the sample's tests may take; they take half a second.
const SUITE_TIMEOUT: Duration = Duration::from_secs(120);
/// How the compiler's test runner begins the line with its result.
const RESULT: &str = "test result: ok. ";

/// What was found out.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Every commit that the target ever was at, oldest first, with the test suite run on it.
    pub commits: Vec<Tested>,
    /// Everything else.
    pub checks: Vec<Check>,
    /// Submissions that bounced because of a conflict.
    pub conflicts: usize,
    /// Submissions that bounced because the gate failed on the merged result.
    pub gate_failures: usize,
}

impl Proof {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.commits.iter().all(|commit| commit.suite.passed) && self.checks.iter().all(|check| check.holds)
    }
}

/// A commit and what the test suite says of it.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The commit.
    pub commit: CommitId,
    /// Its subject.
    pub subject: String,
    /// The result.
    pub suite: Suite,
}

/// A run of the test suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Whether it passed.
    pub passed: bool,
    /// How many tests passed, when all did.
    pub tests: u64,
    /// The last line it wrote, when it failed.
    pub fault: String,
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A word for it, for programs.
    pub name: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, in a sentence.
    pub found: String,
}

impl Sample {
    /// Finds out what is true of the sample. `None` when it was asked to stop before the end.
    ///
    /// # Errors
    /// When git or the ledger can't be asked, or the tests can't be started.
    pub fn prove(&self, service: &Service, stop: Option<&StopFlag>) -> Result<Option<Proof>> {
        let events = service.events(&EventQuery { since: Some(Seq(0)), ..EventQuery::default() })?;
        let git = self.repository.git();
        let history = self.history(&git)?;
        let copy = self.repository.copy_to(&self.dir.join("proof"), TARGET)?;
        let Some(commits) = test_all(&copy, history, stop)? else { return Ok(None) };
        let bounced = |kind: fn(&str) -> bool| {
            let errors = events.iter().filter(|e| e.fact.event == EventKind::SubmissionBounced);
            errors.filter(|e| e.fact.error.as_deref().is_some_and(kind)).count()
        };
        let conflicts = bounced(|error| error.starts_with("conflict with "));
        let gate_failures = bounced(|error| error.starts_with("the gate "));
        let checks = vec![
            all_landed(&events, conflicts, gate_failures),
            moves(&git, &commits, &events)?,
            fresh(&commits),
            objects(&git)?,
            gapless(&events),
            nothing_left(&git, service)?,
        ];
        Ok(Some(Proof { commits, checks, conflicts, gate_failures }))
    }

    /// The target's commits, newest first, along the first parents.
    fn history(&self, git: &Git) -> Result<Vec<(CommitId, String)>> {
        let text = git.call(["log", "--first-parent", "--no-color", "--format=%H %s", TARGET]).text()?;
        let split = |line: &str| {
            let (id, subject) = line.split_once(' ')?;
            Some((id.parse().ok()?, sanitize_line(subject)))
        };
        let history: Option<Vec<_>> = text.lines().map(split).collect();
        history.ok_or_else(|| Error::failed("the history of the sample can't be understood"))
    }
}

/// Runs the test suite on every commit, in the clone. It begins with the newest, which the fresh clone is at. Gives them
/// oldest first; `None` when it was asked to stop.
fn test_all(
    copy: &Repository,
    history: Vec<(CommitId, String)>,
    stop: Option<&StopFlag>,
) -> Result<Option<Vec<Tested>>> {
    let git = copy.main_checkout().expect("a clone has a checkout");
    let mut commits = Vec::new();
    for (commit, subject) in history {
        if stop.is_some_and(|stop| stop.requested().is_some()) {
            return Ok(None);
        }
        if !commits.is_empty() {
            git.call(["checkout", "--quiet", "--detach", commit.as_str()]).bytes()?;
        } else if git.commit_of("HEAD")? != commit {
            return Err(Error::failed("the fresh clone is not at the tip"));
        }
        commits.push(Tested { commit, subject, suite: test(&copy.root)? });
    }
    commits.reverse();
    Ok(Some(commits))
}

/// Runs the test suite on what lies in `dir`.
fn test(dir: &Utf8Path) -> Result<Suite> {
    let mut spec = Capture::new("sh", ["test.sh"]);
    spec.cwd = Some(dir.to_owned());
    spec.timeout = SUITE_TIMEOUT;
    let ran = capture(&spec)?;
    Ok(judge(ran.success(), &String::from_utf8_lossy(&ran.stdout), &String::from_utf8_lossy(&ran.stderr)))
}

/// A suite has passed when it ended well and says how many tests it ran.
fn judge(success: bool, stdout: &str, stderr: &str) -> Suite {
    let result = stdout.lines().find_map(|line| line.strip_prefix(RESULT));
    let tests = result.and_then(|rest| rest.split(' ').next()?.parse().ok()).filter(|_| success);
    let said = if stderr.trim().is_empty() { stdout } else { stderr };
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    let fault = if tests.is_some() { String::new() } else { sanitize_line(last.trim()) };
    Suite { passed: tests.is_some(), tests: tests.unwrap_or(0), fault }
}

fn all_landed(events: &[Event], conflicts: usize, gate_failures: usize) -> Check {
    let landed = events.iter().filter(|e| e.fact.event == EventKind::SubmissionLanded).count();
    Check {
        name: "landed",
        holds: (landed, conflicts, gate_failures) == (story::TASK_COUNT, 1, 1),
        found: format!(
            "{landed} of {} tasks landed; sent back on the way: {conflicts} conflict, {gate_failures} failed gate",
            story::TASK_COUNT
        ),
    }
}

/// The target was never anywhere else: what its reflog has are the first commit and, in their order, those that were
/// recorded as tested and landed.
fn moves(git: &Git, commits: &[Tested], events: &[Event]) -> Result<Check> {
    let mut gated = Vec::new();
    for event in events.iter().filter(|e| e.fact.event == EventKind::SubmissionPassed) {
        gated.extend(event.fact.submission.as_ref().and_then(|s| s.candidate.as_ref()).map(CommitId::as_str));
    }
    let reflog = git.call(["log", "--walk-reflogs", "--no-color", "--format=%H", TARGET]).text()?;
    let seen: Vec<&str> = reflog.lines().rev().collect();
    let history: Vec<&str> = commits.iter().map(|c| c.commit.as_str()).collect();
    let times = seen.len().saturating_sub(1);
    let holds = seen == history && history.get(1..).is_some_and(|landed| landed == gated);
    let found = if holds {
        format!("{TARGET} moved {times} times, each time to the very commit that had passed the gate")
    } else {
        format!("{TARGET} moved {times} times, and not only to commits that had passed the gate")
    };
    Ok(Check { name: "moves", holds, found })
}

fn fresh(commits: &[Tested]) -> Check {
    let Some(tip) = commits.last() else {
        return Check { name: "fresh_clone", holds: false, found: format!("{TARGET} has no commit") };
    };
    let found = match &tip.suite {
        Suite { passed: true, tests, .. } => {
            format!("a fresh clone of {TARGET} ({}) passes all {tests} tests", tip.commit.short())
        }
        Suite { fault, .. } => format!("a fresh clone of {TARGET} ({}) fails: {fault}", tip.commit.short()),
    };
    Check { name: "fresh_clone", holds: tip.suite.passed, found }
}

fn objects(git: &Git) -> Result<Check> {
    let said = git.call(["fsck", "--full", "--strict", "--no-dangling", "--no-progress"]).output()?;
    let holds = said.success() && said.stdout.is_empty();
    let fault = String::from_utf8_lossy(if said.stdout.is_empty() { &said.stderr } else { &said.stdout });
    let first = sanitize(&fault).lines().next().unwrap_or_default().to_owned();
    let found = if holds { "git fsck finds nothing".to_owned() } else { format!("git fsck finds: {first}") };
    Ok(Check { name: "fsck", holds, found })
}

fn gapless(events: &[Event]) -> Check {
    let holds = !events.is_empty() && (1..).zip(events).all(|(number, event)| event.seq == Seq(number));
    let found = match (holds, events.last()) {
        (true, Some(last)) => format!("events 1 to {} are there, none is missing", last.seq),
        _ => format!("{} events are there, and some are missing", events.len()),
    };
    Check { name: "events", holds, found }
}

/// No worktree, branch, submission or run outlives its task. Snapshots of what was sent back stay on purpose.
fn nothing_left(git: &Git, service: &Service) -> Result<Check> {
    let mut left: Vec<String> = Vec::new();
    let others = git.worktrees()?.into_iter().filter(|w| w.branch.as_deref() != Some(TARGET));
    left.extend(others.map(|w| w.path.to_string()));
    let branches = git.refs_below("refs/heads/")?.into_iter().map(|(name, _)| name);
    left.extend(branches.filter(|name| *name != format!("refs/heads/{TARGET}")));
    left.extend(service.worktree_list(false)?.into_iter().map(|w| format!("worktree {}", w.name)));
    left.extend(service.open_submissions()?.into_iter().map(|s| format!("submission {}", s.id)));
    let found = if left.is_empty() {
        "no worktree and no branch is left behind".to_owned()
    } else {
        format!("left behind: {}", sanitize_line(&left.join(", ")))
    };
    Ok(Check { name: "left_behind", holds: left.is_empty(), found })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use biplane_model::Timestamp;

    use super::*;
    use crate::{Outside, Surroundings};

    #[test]
    fn a_suite_that_says_nothing_has_not_passed() {
        let ok = "running 7 tests\n.......\ntest result: ok. 7 passed; 0 failed; 0 ignored\n\n";
        assert_eq!(judge(true, ok, ""), Suite { passed: true, tests: 7, fault: String::new() });
        let red = judge(false, "", "error[E0369]: no\n\nerror: aborting due to 1 previous error\n\n");
        assert_eq!((red.passed, red.fault.as_str()), (false, "error: aborting due to 1 previous error"));
        assert!(!judge(true, "", "").passed);
        assert!(!judge(false, ok, "").passed);
    }

    #[test]
    fn what_was_never_gated_and_does_not_compile_is_found_out() {
        let surroundings = Surroundings { cwd: "/".into(), ..Surroundings::default() };
        let sample = Sample::create(None, &surroundings).unwrap();
        let now = Box::new(|| Timestamp(1));
        let service = sample.service(Outside { surroundings, now, narrate: Arc::new(|_| {}) }).unwrap();
        std::fs::write(sample.repo().join("src/lib.rs"), "pub mod nowhere;\n").unwrap();
        sample.repository.main_checkout().unwrap().commit_all("Break it\n").unwrap().unwrap();

        let proof = sample.prove(&service, None).unwrap().unwrap();
        assert!(!proof.holds());
        let passed: Vec<bool> = proof.commits.iter().map(|c| c.suite.passed).collect();
        assert_eq!(passed, [true, false]);
        let broken: Vec<&str> = proof.checks.iter().filter(|c| !c.holds).map(|c| c.name).collect();
        assert_eq!(broken, ["landed", "moves", "fresh_clone"]);
    }
}
