//! Which worktrees' work would conflict with the target, or with one another's.
//!
//! **Contract.** A worktree's work is all that lies in it, committed or not. It conflicts with the target when it can't be merged into it, and
//! with another one's when the second of them could not be landed behind the first. Nothing is written but what goes again, no ref
//! moves, no checkout is touched. What can't be looked into is said to be unknown, and what the bounds leave out is counted.
//!
//! Conflicts of lines and files are found, as git sees them. That two works contradict each other in what they mean is for the gate.

use std::time::Instant;

use biplane_execution::{
    git::{ConflictedFile, Landed, Scratch, Touched, WithIgnored, for_each},
    worktrees,
};
use biplane_model::{CommitId, OperationKind, TaskId, Worktree, WorktreeName, WorktreeStatus, sanitize_line};

use super::Service;
use crate::{
    answers::{Conflict, ConflictReport, ConflictingFile, UnknownWork},
    bounds,
    error::{Error, Result},
};

/// What lies in a worktree.
struct Work {
    name: WorktreeName,
    task: Option<TaskId>,
    /// Its paths with changes that are not committed.
    uncommitted: Vec<String>,
    /// It as it is.
    commit: CommitId,
    /// It on the target, unless it conflicts with that.
    landed: Option<CommitId>,
    touched: Touched,
    /// Where it conflicts with the target.
    conflict: Vec<ConflictedFile>,
}

impl Service {
    /// What conflicts with the target or with one another among the active and kept worktrees; with `names` only what one of those
    /// has a part in.
    ///
    /// # Errors
    /// When there is no such worktree, no target, or git can't be asked. In one of several repositories that is told as unknown, and the
    /// others are looked into.
    pub fn conflicts(&self, names: &[WorktreeName]) -> Result<ConflictReport> {
        for name in names {
            self.need_anywhere(name)?;
        }
        let mut report = ConflictReport::default();
        let services = self.everywhere_with_git();
        for there in &services {
            let worktrees = there.with_work(names, &mut report)?;
            match there.conflicts_among(&worktrees, names, &mut report) {
                Err(error) if services.len() > 1 => {
                    report.unknown.extend(worktrees.iter().map(|worktree| unknown(&worktree.name, &error)));
                }
                done => done?,
            }
        }
        Ok(report)
    }

    /// The part of this repository, in which these hold work. When it fails, nothing of it is in the report.
    fn conflicts_among(
        &self,
        worktrees: &[Worktree],
        names: &[WorktreeName],
        report: &mut ConflictReport,
    ) -> Result<()> {
        if worktrees.is_empty() {
            return Ok(());
        }
        let git = self.home().git()?;
        let target = self.target()?;
        let onto = git.branch_tip(&target)?.ok_or_else(|| {
            Error::not_found(format!("there is no branch `{}` to land on", sanitize_line(&target)))
        })?;
        let scratch = git.scratch()?;
        let looked = for_each(worktrees, |worktree| self.work_in(worktree, &scratch, &onto));
        let mut works = Vec::new();
        for (worktree, work) in worktrees.iter().zip(looked) {
            match work {
                Ok(work) => {
                    report.worktrees += 1;
                    works.extend(work);
                }
                Err(error) => report.unknown.push(unknown(&worktree.name, error)),
            }
        }
        let is_meant = |work: &Work| names.is_empty() || names.contains(&work.name);
        let conflict = |one: &Work, other: Option<&Work>, files: &[ConflictedFile]| Conflict {
            repo: self.repo(),
            worktree: one.name.clone(),
            task_id: one.task.clone(),
            with: other.map(|other| other.name.clone()),
            with_task_id: other.and_then(|other| other.task.clone()),
            target: target.clone(),
            files: files_of(files, one, other),
            files_left_out: files.len().saturating_sub(bounds::CONFLICT_FILES),
        };
        let with_target = works.iter().filter(|work| is_meant(work) && !work.conflict.is_empty());
        report.conflicts.extend(with_target.map(|work| conflict(work, None, &work.conflict)));
        let mut pairs: Vec<(&Work, &Work)> = Vec::new();
        for (at, one) in works.iter().enumerate() {
            let others = works[at + 1..].iter().filter(|other| is_meant(one) || is_meant(other));
            pairs.extend(others.filter(|other| one.touched.meets(&other.touched)).map(|other| (one, other)));
        }
        report.left_out.pairs += pairs.len().saturating_sub(bounds::CONFLICT_PAIRS);
        pairs.truncate(bounds::CONFLICT_PAIRS);
        let until = Instant::now() + bounds::CONFLICT_TIME;
        let between = for_each(&pairs, |(one, other)| {
            // Beside one that can't be on the target, the other is taken as it is too: what the target has is not its doing.
            let (first, second) =
                one.landed.as_ref().zip(other.landed.as_ref()).unwrap_or((&one.commit, &other.commit));
            (Instant::now() < until).then(|| scratch.between(first, second))
        });
        for ((one, other), files) in pairs.iter().zip(between) {
            match files {
                None => report.left_out.pairs += 1,
                Some(Ok(files)) if files.is_empty() => {}
                Some(Ok(files)) => report.conflicts.push(conflict(one, Some(other), &files)),
                Some(Err(error)) => {
                    let reason = format!("with `{}`: {error}", other.name);
                    report.unknown.push(unknown(&one.name, reason));
                }
            }
        }
        Ok(())
    }

    /// The worktrees of this repository that may hold work that is to land, by their names: those that are asked about, and of the others
    /// those that somebody was in last. None where none is asked about: across repositories nothing conflicts.
    fn with_work(&self, names: &[WorktreeName], report: &mut ConflictReport) -> Result<Vec<Worktree>> {
        let mut all = self.live_here()?;
        if !names.is_empty() && !all.iter().any(|worktree| names.contains(&worktree.name)) {
            return Ok(Vec::new());
        }
        all.retain(|worktree| {
            use WorktreeStatus::{Active, Creating, Kept};
            matches!(worktree.status, Creating | Active | Kept)
        });
        // One that is restored holds work too, and what is being removed may stay.
        all.retain(|worktree| match &worktree.operation {
            None => true,
            Some(operation) => {
                let done = match operation.kind {
                    OperationKind::Create => "created",
                    OperationKind::Remove | OperationKind::RemoveAndComplete => "removed",
                };
                report.unknown.push(unknown(&worktree.name, format!("it is being {done}")));
                false
            }
        });
        let last = |worktree: &Worktree| {
            worktree.last_command_at.max(worktree.last_entered_at).unwrap_or(worktree.created_at)
        };
        all.sort_by_key(|worktree| (names.contains(&worktree.name), last(worktree)));
        all.reverse();
        report.left_out.worktrees += all.len().saturating_sub(bounds::CONFLICT_WORKTREES);
        all.truncate(bounds::CONFLICT_WORKTREES);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// What lies in a worktree and is not in the target yet, if there is anything.
    fn work_in(&self, worktree: &Worktree, scratch: &Scratch, onto: &CommitId) -> Result<Option<Work>> {
        let checkout = worktrees::prove(&self.place(worktree)?)?.place.git();
        let state = checkout.state(WithIgnored::No)?;
        let head = state.head.clone().ok_or_else(|| Error::failed("it has no commit"))?;
        let is_clean = state.is_clean();
        if is_clean && head == *onto {
            return Ok(None);
        }
        let commit = if is_clean { head } else { scratch.work(&checkout, &head)? };
        let (landed, touched, conflict) = match scratch.landed(onto, &commit)? {
            Landed::Clean(landed) => {
                let touched = scratch.touched(onto, &landed)?;
                (Some(landed), touched, Vec::new())
            }
            Landed::Conflict(files) => {
                let base = scratch.merge_base(onto, &commit)?.unwrap_or_else(|| worktree.base.clone());
                (None, scratch.touched(&base, &commit)?, files)
            }
        };
        if touched.is_empty() && conflict.is_empty() {
            return Ok(None);
        }
        let changed = state.changed.into_iter().map(|change| change.path);
        let uncommitted = changed.chain(state.unmerged).chain(state.untracked).collect();
        let (name, task) = (worktree.name.clone(), worktree.task.clone());
        Ok(Some(Work { name, task, uncommitted, commit, landed, touched, conflict }))
    }
}

fn unknown(worktree: &WorktreeName, why: impl ToString) -> UnknownWork {
    UnknownWork { worktree: worktree.clone(), reason: why.to_string() }
}

/// The files of a conflict, as many as are shown.
fn files_of(files: &[ConflictedFile], one: &Work, other: Option<&Work>) -> Vec<ConflictingFile> {
    let is_uncommitted = |path: &String| {
        one.uncommitted.contains(path) || other.is_some_and(|other| other.uncommitted.contains(path))
    };
    let shown = files.iter().take(bounds::CONFLICT_FILES);
    let file = |file: &ConflictedFile| ConflictingFile {
        path: file.path.clone(),
        how: file.kind(),
        uncommitted: is_uncommitted(&file.path),
    };
    shown.map(file).collect()
}
