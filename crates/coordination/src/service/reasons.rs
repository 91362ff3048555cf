//! Why a submission bounces, in words.

use biplane_control::SubmissionFilter;
use biplane_execution::git::{ConflictedFile, Git};
use biplane_model::{CommitId, Submission, sanitize_line};

use super::{Service, land::GateReport};
use crate::{bounds, error::Result};

impl Service {
    /// Why a submission bounces: in words, for whoever is to resolve it.
    pub(super) fn conflict_reason(
        &self,
        git: &Git,
        current: &Submission,
        onto: &CommitId,
        files: &[ConflictedFile],
    ) -> Result<String> {
        let theirs = self.conflicting_work(git, current, onto, files)?;
        Ok(conflict_words(&current.target, files) + &theirs)
    }

    /// Whose work it is that the submission contradicts: the tasks that have changed the same files on the target.
    fn conflicting_work(
        &self,
        git: &Git,
        current: &Submission,
        onto: &CommitId,
        files: &[ConflictedFile],
    ) -> Result<String> {
        let Some(base) = git.merge_base(onto, &current.head)? else { return Ok(String::new()) };
        let paths: Vec<&str> = files
            .iter()
            .map(|f| f.path.as_str())
            .filter(|p| !p.is_empty())
            .take(bounds::CONFLICTS_NAMED)
            .collect();
        if paths.is_empty() {
            return Ok(String::new());
        }
        let commits = git.commits_touching(&base, onto, &paths, bounds::CONFLICTS_NAMED)?;
        let mut told: Vec<String> = Vec::new();
        for commit in &commits {
            let filter = SubmissionFilter { candidate: Some(commit.clone()), ..SubmissionFilter::default() };
            let task = self.look(|view| {
                let theirs = view.submissions(&filter)?.into_iter().next().and_then(|s| s.task);
                Ok(theirs.map(|id| view.task(&id)).transpose()?.flatten())
            })?;
            let Some(task) = task else { continue };
            told.push(format!("task {} ({})", task.id, sanitize_line(&task.subject)));
        }
        told.dedup();
        Ok(if told.is_empty() { String::new() } else { format!("; changed there by {}", told.join(", ")) })
    }
}

/// Two sides contradict each other.
fn conflict_words(target: &str, files: &[ConflictedFile]) -> String {
    let named = files.iter().take(bounds::CONFLICTS_NAMED).map(|f| {
        if f.path.is_empty() {
            "directories moved differently on the two sides".to_owned()
        } else {
            format!("`{}` {}", sanitize_line(&f.path), f.sides())
        }
    });
    let more = files.len().saturating_sub(bounds::CONFLICTS_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("conflict with `{}`: {}{more}", sanitize_line(target), named.collect::<Vec<_>>().join(", "))
}

/// The gate is red.
pub(super) fn gate_reason(report: &GateReport) -> String {
    format!("the gate `{}` failed on the merged result: {}", sanitize_line(&report.command), report.tail)
}
