//! The forms of answers that are more than a record: what `--json` prints and what agents get.
//!
//! **Contract.** Every face gives these same forms. Fields may be added; those that there are keep their names and types.

use biplane_model::{
    CommitId, RepoName, RunId, TaskId, Timestamp, WorktreeName,
    view::{RunView, TaskView, WorktreeView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Diff, Finished, ListedSnapshot, Merged, Removal, RemovalPlan, Restoration, RunReport, SetupEnd,
    SetupReport, Used, WorktreeStatusReport,
};

/// A task with what its agents have used since it was last opened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ShownTask {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// What its agents have used.
    pub used: TaskUsed,
}

/// What the agents of a task have used since it was last opened.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TaskUsed {
    /// Runs of agents.
    pub attempts: u32,
    /// How long they took together, in seconds.
    pub time_s: f64,
    /// What they cost, in millionths of a US dollar, as far as the agents tell.
    pub cost_microusd: u64,
}

impl ShownTask {
    /// The form of a task and what was used for it.
    pub fn new(task: &TaskView, used: &Used) -> Self {
        let used = TaskUsed {
            attempts: used.attempts,
            time_s: used.time.as_secs_f64(),
            cost_microusd: used.cost_microusd,
        };
        Self { task: task.clone(), used }
    }
}

/// A task after a change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FinishedTask {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// The tasks that became ready by it.
    pub unblocked: Vec<TaskId>,
}

impl From<&Finished> for FinishedTask {
    fn from(done: &Finished) -> Self {
        Self { task: done.task.clone(), unblocked: done.unblocked.clone() }
    }
}

/// A worktree in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ListedWorktree {
    /// The worktree.
    #[serde(flatten)]
    pub worktree: WorktreeView,
    /// How the target has its commits; null without commits of its own.
    pub merged: Option<&'static str>,
}

impl ListedWorktree {
    /// The form of a worktree and what is known of its commits.
    pub fn new(worktree: &WorktreeView, merged: Option<&Merged>) -> Self {
        Self { worktree: worktree.clone(), merged: merged.map(Merged::word) }
    }
}

/// A changed path.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChangedPath {
    /// Git's two letters for how it changed.
    pub letters: String,
    /// The path, in the worktree.
    pub path: String,
}

/// A worktree and what is in it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorktreeStanding {
    /// The worktree.
    #[serde(flatten)]
    pub worktree: WorktreeView,
    /// Commits since the base.
    pub commits: u64,
    /// Commits that the target lacks.
    pub unlanded: u64,
    /// How the target has them.
    pub merged: &'static str,
    /// The commit that is the squash of them.
    pub merged_by: Option<String>,
    /// The remote's branch that has them while the target has not.
    pub merged_only_in: Option<String>,
    /// The head.
    pub head: Option<CommitId>,
    /// Whether nothing is uncommitted.
    pub clean: bool,
    /// Changed paths.
    pub changed: Vec<ChangedPath>,
    /// Untracked paths.
    pub untracked: Vec<String>,
    /// Where its set-up stands.
    pub setup: &'static str,
}

impl From<&WorktreeStatusReport> for WorktreeStanding {
    fn from(report: &WorktreeStatusReport) -> Self {
        let changed = |c: &biplane_execution::git::Change| ChangedPath {
            letters: c.letters.to_string(),
            path: c.path.clone(),
        };
        let squash = match &report.merged {
            Merged::SquashOf(commit) => Some(commit.as_str().to_owned()),
            _ => None,
        };
        Self {
            worktree: report.worktree.clone(),
            commits: report.commits,
            unlanded: report.unlanded,
            merged: report.merged.word(),
            merged_by: squash,
            merged_only_in: report.only_in.clone(),
            head: report.state.head.clone(),
            clean: report.state.is_clean(),
            changed: report.state.changed.iter().map(changed).collect(),
            untracked: report.state.untracked.clone(),
            setup: report.setup.as_str(),
        }
    }
}

/// A file in a diff.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DiffFile {
    /// The path.
    pub path: String,
    /// Lines added; null for a binary file.
    pub added: Option<u64>,
    /// Lines removed; null for a binary file.
    pub removed: Option<u64>,
}

/// What a worktree changes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WorktreeDiff {
    /// The commit it is compared with.
    pub base: CommitId,
    /// The changed files.
    pub files: Vec<DiffFile>,
    /// The patch, as git writes it.
    pub patch: String,
}

impl From<&Diff> for WorktreeDiff {
    fn from(diff: &Diff) -> Self {
        let file = |(path, lines): &(String, Option<(u64, u64)>)| DiffFile {
            path: path.clone(),
            added: lines.map(|l| l.0),
            removed: lines.map(|l| l.1),
        };
        Self {
            base: diff.base.clone(),
            files: diff.files.iter().map(file).collect(),
            patch: String::from_utf8_lossy(&diff.patch).into_owned(),
        }
    }
}

/// What became of a worktree that was to be removed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RemovedWorktree {
    /// The worktree.
    #[serde(flatten)]
    pub worktree: WorktreeView,
    /// The ref that holds what the target does not have.
    pub snapshot: Option<String>,
    /// The branch that was left.
    pub branch_left: Option<String>,
    /// The tasks that became ready.
    pub unblocked: Vec<TaskId>,
    /// What a dry run would do, in sentences.
    pub would: Vec<String>,
    /// The same for programs.
    pub plan: Option<PlannedRemoval>,
}

/// What removing a worktree would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlannedRemoval {
    /// What the snapshot would hold.
    pub snapshot: Option<Held>,
    /// Ignored paths that nothing holds.
    pub left_out: Vec<String>,
    /// How many bytes it takes.
    pub bytes: u64,
    /// Whether all were counted.
    pub bytes_complete: bool,
    /// The branch.
    pub branch: String,
    /// Why that stays, when it does.
    pub branch_stays: Option<String>,
    /// The processes at work in it.
    pub processes: Vec<ProcessInside>,
    /// Which processes were not looked at; empty when all were.
    pub processes_unseen: String,
    /// Its task.
    pub task: Option<TaskId>,
    /// Whether that would be completed.
    pub completes_task: bool,
}

/// What a snapshot would hold.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Held {
    /// Uncommitted paths.
    pub uncommitted: u64,
    /// Ignored paths.
    pub ignored: u64,
    /// Unlanded commits.
    pub commits: u64,
}

/// A process at work in a worktree.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProcessInside {
    /// Its number.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// What it has there.
    pub what: String,
}

impl From<&Removal> for RemovedWorktree {
    fn from(removal: &Removal) -> Self {
        Self {
            worktree: removal.worktree.clone(),
            snapshot: removal.snapshot.clone(),
            branch_left: removal.branch_left.clone(),
            unblocked: removal.unblocked.clone(),
            would: removal.would.clone(),
            plan: removal.plan.as_ref().map(PlannedRemoval::from),
        }
    }
}

impl From<&RemovalPlan> for PlannedRemoval {
    fn from(plan: &RemovalPlan) -> Self {
        let (branch, why) = &plan.branch;
        let process = |(pid, command, what): &(u32, String, String)| ProcessInside {
            pid: *pid,
            command: command.clone(),
            what: what.clone(),
        };
        Self {
            snapshot: plan.snapshot.map(|(uncommitted, ignored, commits)| Held {
                uncommitted,
                ignored,
                commits,
            }),
            left_out: plan.left_out.clone(),
            bytes: plan.bytes.0,
            bytes_complete: plan.bytes.1,
            branch: branch.clone(),
            branch_stays: why.clone(),
            processes: plan.processes.iter().map(process).collect(),
            processes_unseen: plan.unseen.clone(),
            task: plan.task.as_ref().map(|(id, _)| id.clone()),
            completes_task: plan.task.as_ref().is_some_and(|(_, completes)| *completes),
        }
    }
}

/// What was restored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RestoredWorktree {
    /// The worktree; null after a dry run.
    pub worktree: Option<WorktreeView>,
    /// The snapshot's ref.
    pub snapshot: String,
    /// Its commit.
    pub commit: CommitId,
    /// The snapshot of the worktree that was replaced.
    pub replaced: Option<String>,
    /// What a dry run would do, in sentences.
    pub would: Vec<String>,
}

impl From<&Restoration> for RestoredWorktree {
    fn from(restored: &Restoration) -> Self {
        Self {
            worktree: restored.worktree.clone(),
            snapshot: restored.snapshot.clone(),
            commit: restored.commit.clone(),
            replaced: restored.replaced.clone(),
            would: restored.would.clone(),
        }
    }
}

/// A snapshot in a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SnapshotEntry {
    /// The repository that has it.
    pub repo: RepoName,
    /// The worktree's name.
    pub name: WorktreeName,
    /// Its number among those of that name.
    pub number: u64,
    /// The ref.
    #[serde(rename = "ref")]
    pub full: String,
    /// Its commit.
    pub commit: CommitId,
    /// When it was taken, in unix seconds.
    pub taken_at: Timestamp,
    /// Why.
    pub why: String,
    /// The branch that was checked out.
    pub branch: String,
    /// The head it holds.
    pub head: Option<CommitId>,
    /// How many uncommitted and ignored files it holds; null for older ones.
    pub files: Option<u64>,
    /// How many bytes of untracked and ignored files it holds; null for older ones.
    pub bytes: Option<u64>,
    /// Whether the target has everything that is in it.
    pub landed: bool,
}

impl From<&ListedSnapshot> for SnapshotEntry {
    fn from(one: &ListedSnapshot) -> Self {
        Self {
            repo: one.repo.clone(),
            name: one.name.clone(),
            number: one.number,
            full: one.full.clone(),
            commit: one.commit.clone(),
            taken_at: one.taken_at,
            why: one.why.clone(),
            branch: one.branch.clone(),
            head: one.head.clone(),
            files: one.files,
            bytes: one.bytes,
            landed: one.landed,
        }
    }
}

/// A run that is over.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FinishedRun {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// Its log.
    pub log: String,
    /// The processes it left behind, which were stopped.
    pub left_behind: Vec<String>,
}

impl From<&RunReport> for FinishedRun {
    fn from(report: &RunReport) -> Self {
        Self { run: report.run.clone(), log: report.log.to_string(), left_behind: report.strays.clone() }
    }
}

/// A worktree and how making it ready went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReadyWorktree {
    /// The worktree.
    #[serde(flatten)]
    pub worktree: WorktreeView,
    /// How making it ready went; absent where nothing was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<SetUp>,
}

/// How making a worktree ready went.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct SetUp {
    /// `complete`, `unapproved` or `failed`.
    pub state: &'static str,
    /// What was brought into it, in sentences.
    pub done: Vec<String>,
    /// What was left out, in sentences.
    pub notes: Vec<String>,
    /// The commands that were run to a good end.
    pub ran: Vec<String>,
    /// The command that failed.
    pub failed: Option<FailedSetUp>,
}

/// A command of the set-up that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FailedSetUp {
    /// The command.
    pub command: String,
    /// Its run.
    pub run: RunId,
    /// How it ended, in words.
    pub ending: String,
    /// Its log.
    pub log: String,
    /// The end of the log.
    pub tail: String,
}

impl ReadyWorktree {
    /// The form of a worktree that nothing was asked for.
    pub fn bare(worktree: WorktreeView) -> Self {
        Self { worktree, setup: None }
    }

    /// The form of a worktree and its set-up.
    pub fn new(worktree: &WorktreeView, report: &SetupReport) -> Self {
        let (state, failed) = match &report.end {
            SetupEnd::Nothing => return Self::bare(worktree.clone()),
            SetupEnd::Done => ("complete", None),
            SetupEnd::Unapproved => ("unapproved", None),
            SetupEnd::Failed(failure) => ("failed", Some(failure)),
        };
        let failed = failed.map(|f| FailedSetUp {
            command: f.command.clone(),
            run: f.run,
            ending: f.ending(),
            log: f.log.to_string(),
            tail: f.tail.clone(),
        });
        let (done, notes, ran) = (report.done.clone(), report.notes.clone(), report.ran.clone());
        Self { worktree: worktree.clone(), setup: Some(SetUp { state, done, notes, ran, failed }) }
    }
}

/// What conflicts among the works in worktrees, uncommitted and untracked files included.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConflictReport {
    /// The conflicts: of each repository first those with the target.
    pub conflicts: Vec<Conflict>,
    /// How many worktrees were looked into.
    pub worktrees: usize,
    /// Those that could not be: whether they conflict is not known.
    pub unknown: Vec<UnknownWork>,
    /// What was not looked into, because there is too much of it.
    pub left_out: ConflictsLeftOut,
}

/// A worktree whose work can't be merged into the target, or not together with another one's.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Conflict {
    /// The repository; `main` for the home's own.
    pub repo: RepoName,
    /// The worktree.
    pub worktree: WorktreeName,
    /// Its task.
    pub task_id: Option<TaskId>,
    /// The other worktree; null when it is the target that it conflicts with.
    pub with: Option<WorktreeName>,
    /// The task of that one.
    pub with_task_id: Option<TaskId>,
    /// The target.
    pub target: String,
    /// The files.
    pub files: Vec<ConflictingFile>,
    /// How many more there are.
    pub files_left_out: usize,
}

/// A file in conflict.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ConflictingFile {
    /// Its path; empty when git names none, as when a directory was moved to two places.
    pub path: String,
    /// `both_changed`, `both_added`, `changed_and_deleted` or `moved`.
    pub how: &'static str,
    /// Whether a worktree has changes in it that are not committed.
    pub uncommitted: bool,
}

/// A worktree that could not be looked into.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct UnknownWork {
    /// The worktree.
    pub worktree: WorktreeName,
    /// Why.
    pub reason: String,
}

/// What was not looked into.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ConflictsLeftOut {
    /// Worktrees: those that nobody was in for the longest time.
    pub worktrees: usize,
    /// Pairs of worktrees that change the same paths.
    pub pairs: usize,
}
