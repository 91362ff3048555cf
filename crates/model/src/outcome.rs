//! What came of an agent's run: computed from git and from how its process ended, never from what it says of itself.
//!
//! **The rule.** Work is commits by this run since the recorded base, with a clean tree and no conflict markers. Neither the
//! exit code nor the agent's words make success of anything else. They may take it away: a program that ends with another
//! code than 0, by a signal or for its time, or that says it did not succeed, was not done, and what it has committed
//! by then may be half of something. It stays on its branch for a person, or for the next attempt, and is not landed. What
//! was refused or failed on the way is no verdict: an agent that had to find another way has found one when there is work.

use crate::{RunEvidence, Told};

/// How an agent's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which nobody here has sent.
    Signalled(i32),
    /// It was stopped after this many seconds.
    TimedOut(u64),
}

/// What lay on the branch when the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing.
    Nothing,
    /// Commits of an attempt that was interrupted: nobody has judged them.
    Unjudged,
    /// Commits that came back from review or from the gate: as they are they don't do.
    Returned,
}

/// What is known of a run that is over.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// How the process ended.
    pub ended: Ended,
    /// What git shows.
    pub evidence: &'a RunEvidence,
    /// What was there before.
    pub earlier: Earlier,
    /// Files with new conflict markers, made safe to show.
    pub markers: &'a [String],
    /// What the agent told.
    pub told: &'a Told,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is something to submit.
    Work,
    /// It has nothing to show; why, in a sentence.
    Nothing(String),
    /// It has something, which is not to be submitted; why, in a sentence.
    Unfit(String),
}

/// The most files that a reason names.
const MOST_NAMED: usize = 5;

/// What came of a run.
pub fn outcome(shown: &Shown<'_>) -> Outcome {
    let evidence = shown.evidence;
    let has_earlier = shown.earlier == Earlier::Unjudged && evidence.commits > 0;
    let has_work = evidence.new_commits > 0 || has_earlier;
    if let Some(how) = not_done(shown) {
        let commits = if has_earlier { evidence.commits } else { evidence.new_commits };
        let are = if commits == 1 { "is" } else { "are" };
        return match (has_work, evidence.dirty_files) {
            (true, _) => Outcome::Unfit(format!(
                "{how}; its {} may be half of something, and {are} not landed",
                counted(commits, "commit")
            )),
            (false, 0) => Outcome::Nothing(format!("{how}{}", on_the_way(shown.told, " after "))),
            (false, dirty) => {
                Outcome::Unfit(format!("{how}; it leaves {} uncommitted", counted(dirty, "file")))
            }
        };
    }
    if !shown.markers.is_empty() {
        let named = shown.markers.iter().take(MOST_NAMED).map(|path| format!("`{path}`"));
        let more = shown.markers.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = named.collect::<Vec<_>>().join(", ");
        return Outcome::Unfit(format!("the agent leaves conflict markers in {named}{more}"));
    }
    if evidence.dirty_files > 0 {
        let files = counted(evidence.dirty_files, "file");
        return Outcome::Unfit(format!(
            "the agent leaves {files} uncommitted{}",
            on_the_way(shown.told, "; ")
        ));
    }
    if has_work {
        return Outcome::Work;
    }
    let nothing = match shown.earlier {
        Earlier::Returned => "the agent finished with nothing new to show",
        _ => "the agent finished with nothing to show",
    };
    Outcome::Nothing(format!("{nothing}{}", on_the_way(shown.told, ": ")))
}

/// Why the agent was not done, when it was not.
fn not_done(shown: &Shown<'_>) -> Option<String> {
    match (shown.ended, &shown.told.claim) {
        (Ended::Exited(0), Some(claim)) if !claim.success => {
            let words = if claim.words.is_empty() { String::new() } else { format!(": {}", claim.words) };
            Some(format!("the agent says that it did not succeed{words}"))
        }
        (Ended::Exited(0), _) => None,
        (Ended::Exited(code), _) => Some(format!("the agent ended with exit code {code}")),
        (Ended::Signalled(signal), _) => Some(format!("signal {signal} ended the agent")),
        (Ended::TimedOut(seconds), _) => {
            Some(format!("the agent was not done after {seconds} s and was stopped"))
        }
    }
}

/// What was refused, and what failed; empty when nothing was.
fn on_the_way(told: &Told, before: &str) -> String {
    let calls = [(&told.denied, "denied"), (&told.failed, "failed")];
    let mut words = Vec::new();
    for (calls, what) in calls.into_iter().filter(|(calls, _)| calls.count > 0) {
        let more = if calls.count > calls.names.len() as u64 { ", …" } else { "" };
        let names = calls.names.join(", ");
        let was = match (calls.count, what) {
            (1, "denied") => " was",
            (_, "denied") => " were",
            _ => "",
        };
        words.push(format!("{}{was} {what} ({names}{more})", counted(calls.count, "tool call")));
    }
    if words.is_empty() { String::new() } else { format!("{before}{}", words.join(", ")) }
}

fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calls, Claim};

    fn evidence(commits: u64, new_commits: u64, dirty_files: u64) -> RunEvidence {
        let head = "a".repeat(40).parse().unwrap();
        let (denied, failed_calls, output_hash, findings) = (0, 0, None, None);
        RunEvidence { head, commits, dirty_files, new_commits, denied, failed_calls, output_hash, findings }
    }

    fn told(denied: u64, failed: u64) -> Told {
        let calls = |count: u64, name: &str| {
            let names = if count > 0 { vec![name.to_owned()] } else { Vec::new() };
            Calls { count, names }
        };
        let (denied, failed) = (calls(denied, "Bash: cargo test"), calls(failed, "Edit: a.rs"));
        let mut told = Told::default();
        (told.denied, told.failed) = (denied, failed);
        told
    }

    fn claims(success: bool, words: &str) -> Told {
        let mut told = Told::default();
        told.claim = Some(Claim { success, words: words.to_owned() });
        told
    }

    /// How it ended, commits in all and by this run, dirty files, what was there, markers, what it told; what comes of it.
    type Row<'a> = (Ended, (u64, u64, u64), Earlier, &'a [String], Told, &'a str);

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table")]
    fn the_rule() {
        use Earlier::{Nothing as None, Returned, Unjudged};
        use Ended::{Exited, Signalled, TimedOut};
        let marked = ["a.rs".to_owned()];
        let many: Vec<String> = (0..7).map(|n| format!("f{n}")).collect();
        let work = "work";
        let table: &[Row<'_>] = &[
            (Exited(0), (1, 1, 0), None, &[], told(0, 0), work),
            (Exited(0), (3, 2, 0), Returned, &[], told(0, 0), work),
            (Exited(0), (2, 0, 0), Unjudged, &[], told(0, 0), work),
            // Words and refusals make nothing of work, nor work of nothing.
            (Exited(0), (1, 1, 0), None, &[], claims(true, "done"), work),
            (Exited(0), (1, 1, 0), None, &[], told(3, 2), work),
            (
                Exited(0),
                (0, 0, 0),
                None,
                &[],
                claims(true, "all done"),
                "nothing: the agent finished with nothing to show",
            ),
            (
                Exited(0),
                (0, 0, 0),
                None,
                &[],
                told(3, 0),
                "nothing: the agent finished with nothing to show: 3 tool calls were denied (Bash: cargo test, …)",
            ),
            (
                Exited(0),
                (0, 0, 0),
                None,
                &[],
                told(1, 2),
                "nothing: the agent finished with nothing to show: 1 tool call was denied (Bash: cargo test), 2 tool calls failed (Edit: a.rs, …)",
            ),
            (
                Exited(0),
                (2, 0, 0),
                Returned,
                &[],
                told(0, 0),
                "nothing: the agent finished with nothing new to show",
            ),
            // An agent that was not done lands nothing, and what it has stays.
            (
                Exited(1),
                (0, 0, 0),
                None,
                &[],
                told(1, 0),
                "nothing: the agent ended with exit code 1 after 1 tool call was denied (Bash: cargo test)",
            ),
            (
                Exited(3),
                (2, 2, 0),
                None,
                &[],
                told(0, 0),
                "unfit: the agent ended with exit code 3; its 2 commits may be half of something, and are not landed",
            ),
            (
                Exited(3),
                (1, 1, 4),
                None,
                &[],
                told(0, 0),
                "unfit: the agent ended with exit code 3; its 1 commit may be half of something, and is not landed",
            ),
            (
                Exited(3),
                (0, 0, 4),
                None,
                &[],
                told(0, 0),
                "unfit: the agent ended with exit code 3; it leaves 4 files uncommitted",
            ),
            (Signalled(9), (0, 0, 0), None, &[], told(0, 0), "nothing: signal 9 ended the agent"),
            (
                TimedOut(90),
                (0, 0, 1),
                None,
                &[],
                told(0, 0),
                "unfit: the agent was not done after 90 s and was stopped; it leaves 1 file uncommitted",
            ),
            (
                Exited(0),
                (1, 1, 0),
                None,
                &[],
                claims(false, "out of turns"),
                "unfit: the agent says that it did not succeed: out of turns; its 1 commit may be half of something, and is not landed",
            ),
            (
                Exited(0),
                (0, 0, 0),
                None,
                &[],
                claims(false, ""),
                "nothing: the agent says that it did not succeed",
            ),
            // Fit to be submitted is only what is whole.
            (
                Exited(0),
                (1, 1, 0),
                None,
                &marked,
                told(0, 0),
                "unfit: the agent leaves conflict markers in `a.rs`",
            ),
            (
                Exited(0),
                (1, 1, 0),
                None,
                &many,
                told(0, 0),
                "unfit: the agent leaves conflict markers in `f0`, `f1`, `f2`, `f3`, `f4` and 2 more",
            ),
            (
                Exited(0),
                (1, 1, 2),
                None,
                &[],
                told(1, 0),
                "unfit: the agent leaves 2 files uncommitted; 1 tool call was denied (Bash: cargo test)",
            ),
            (Exited(0), (0, 0, 1), None, &[], told(0, 0), "unfit: the agent leaves 1 file uncommitted"),
        ];
        for (ended, (commits, new, dirty), earlier, markers, told, wanted) in table {
            let evidence = evidence(*commits, *new, *dirty);
            let (ended, earlier) = (*ended, *earlier);
            let got = match outcome(&Shown { ended, evidence: &evidence, earlier, markers, told }) {
                Outcome::Work => work.to_owned(),
                Outcome::Nothing(why) => format!("nothing: {why}"),
                Outcome::Unfit(why) => format!("unfit: {why}"),
            };
            assert_eq!(got, *wanted);
        }
    }
}
