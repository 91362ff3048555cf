//! What `up` tells while it is at work.

use biplane_model::{AgentName, Role, RunId, SubmissionId, TaskId, WorktreeName};

/// What an attempt is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Its worktree is being created.
    Creating,
    /// This agent does the work.
    Running(AgentName),
    /// The work is looked at by another role.
    Examining(Role),
    /// Its work is being submitted.
    Submitting,
    /// It waits for its turn to land.
    Queued,
    /// Its candidate is made and gated.
    Gating,
}

impl Phase {
    /// What it is, in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Creating => "creating worktree".to_owned(),
            Self::Running(agent) => format!("{agent} at work"),
            Self::Examining(role) => role.to_string(),
            Self::Submitting => "submitting".to_owned(),
            Self::Queued => "waiting to land".to_owned(),
            Self::Gating => "gate".to_owned(),
        }
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// An attempt at a task began.
    Began {
        /// The task.
        task: TaskId,
        /// What it is about.
        subject: String,
        /// Who makes it.
        agent: AgentName,
        /// 1 for the first attempt.
        attempt: u32,
    },
    /// It went on to another phase.
    Phase {
        /// The task.
        task: TaskId,
        /// The worktree, once there is one.
        worktree: Option<WorktreeName>,
        /// What it does now.
        phase: Phase,
    },
    /// The agent wrote a line; made safe to show.
    Line {
        /// The task.
        task: TaskId,
        /// The line.
        line: String,
    },
    /// Its work is on the target.
    Landed {
        /// The task; none for a submission without one.
        task: Option<TaskId>,
        /// The worktree.
        worktree: WorktreeName,
        /// The commit, shortened.
        commit: String,
        /// The tasks that became ready.
        unblocked: Vec<TaskId>,
    },
    /// Its work conflicts, or failed the gate.
    Bounced {
        /// The task.
        task: Option<TaskId>,
        /// The submission.
        submission: SubmissionId,
        /// Why.
        reason: String,
        /// Whether the task will be tried again.
        again: bool,
    },
    /// The attempt came to nothing.
    Gone {
        /// The task.
        task: TaskId,
        /// The state the task is in now.
        status: biplane_model::TaskStatus,
        /// Why.
        reason: String,
        /// The run, when there was one.
        run: Option<RunId>,
    },
}

/// Told what happens, from several threads.
pub trait Watcher: Sync {
    /// Something happened.
    fn progress(&self, progress: &Progress);
}
