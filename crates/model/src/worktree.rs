//! Worktrees: where the work is done.

use serde::{Deserialize, Serialize};

use crate::{
    CommitId, ProcessIdentity, RepoName, TaskId, Timestamp, WorktreeId, WorktreeName, state::state_machine,
};

state_machine! {
    /// A worktree's state.
    WorktreeStatus {
        /// Intended; git may or may not know it yet.
        Creating = "creating" => [Active, Removed],
        /// Work may go on in it.
        Active = "active" => [Kept, Merged, Abandoned, Removed],
        /// It stays for review.
        Kept = "kept" => [Active, Merged, Abandoned, Removed],
        /// Its branch has landed.
        Merged = "merged" => [Active, Removed],
        /// Its work was given up.
        Abandoned = "abandoned" => [Active, Kept, Removed],
        /// It is gone; the name may be used again.
        Removed = "removed" => [],
    }
}

impl WorktreeStatus {
    /// Whether the directory is (or may be) there.
    pub fn is_live(self) -> bool {
        self != Self::Removed
    }
}

/// What is being done to a worktree, between its intent and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// It is being created.
    Create,
    /// It is being removed.
    Remove,
    /// It is being removed, and its task completed by that.
    RemoveAndComplete,
}

/// An operation that was begun and has no result yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What is being done.
    pub kind: OperationKind,
    /// The process that does it; when that is dead, recovery finishes or undoes it.
    pub by: ProcessIdentity,
}

/// One worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// Its record's id.
    pub id: WorktreeId,
    /// The repository it is a worktree of.
    pub repo: RepoName,
    /// Its name; at most one live worktree has it.
    pub name: WorktreeName,
    /// Its branch, without `refs/heads/`.
    pub branch: String,
    /// The commit it was created at.
    pub base: CommitId,
    /// What was asked for as base: `HEAD`, a branch, a tag.
    pub base_ref: String,
    /// Where it is: relative to the home's root when it lies below it, absolute otherwise.
    pub path: String,
    /// The name of git's directory for it below `<common dir>/worktrees/`; empty until git has made it.
    pub git_entry: String,
    /// Its state.
    pub status: WorktreeStatus,
    /// The ports leased to it, free again when it is removed.
    pub ports: Vec<u16>,
    /// The task it is bound to. This is the fact; a task's `worktree` is read from it.
    pub task: Option<TaskId>,
    /// An operation without a result.
    pub operation: Option<Operation>,
    /// Why it was kept, abandoned or removed; may be empty.
    pub reason: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its record last changed.
    pub updated_at: Timestamp,
    /// When it was kept.
    pub kept_at: Option<Timestamp>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
    /// When the last look of its removal began, by the clock that files get their times from: what was changed since is in no
    /// snapshot. None where that clock is another machine's or can't be read; the time of the removal stands for it then.
    pub looked_at: Option<Timestamp>,
    /// When somebody last entered it.
    pub last_entered_at: Option<Timestamp>,
    /// When a command was last run in it.
    pub last_command_at: Option<Timestamp>,
    /// The start of that command.
    pub last_command_preview: String,
    /// Grows by one with every change; 0 before it is stored.
    pub rev: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_table() {
        use WorktreeStatus::*;
        let legal = [
            (Creating, vec![Active, Removed]),
            (Active, vec![Kept, Merged, Abandoned, Removed]),
            (Kept, vec![Active, Merged, Abandoned, Removed]),
            (Merged, vec![Active, Removed]),
            (Abandoned, vec![Active, Kept, Removed]),
            (Removed, vec![]),
        ];
        assert_eq!(legal.len(), WorktreeStatus::ALL.len());
        for (from, allowed) in legal {
            for &to in WorktreeStatus::ALL {
                assert_eq!(from.to(to, "worktree x").is_ok(), allowed.contains(&to), "{from} → {to}");
            }
        }
    }
}
