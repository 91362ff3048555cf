//! Worktrees: where it is done.

use biplane_coordination::{
    Access, Closing, CreateWorktree, Error, Processes, RemoveRequest, RestoreRequest, Start,
    answers::{
        Conflict, ConflictReport, ListedWorktree, ReadyWorktree, RemovedWorktree, RestoredWorktree,
        SnapshotEntry, WorktreeDiff, WorktreeStanding,
    },
};
use biplane_model::{AgentName, RepoName, TaskId, WorktreeName, view::WorktreeView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BOARD, LOOK, PLACE, WORK, page_of};
use crate::{
    answer::middle_cut,
    bounds,
    call::Call,
    permit::{Concern, Concerns, Right},
    tool::{Again, Effect, Sort, Tool},
};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(super) fn tools() -> Vec<Tool> {
    let again = Sort { again: Again::Nothing, ..PLACE };
    let removes = Sort { effect: Effect::Destroys, ..PLACE };
    let sets_up = Sort { open_world: true, ..PLACE };
    let enters = Sort { access: Access::Write, right: Right::Work, again: Again::Nothing, ..WORK };
    vec![
        Tool::new(
            "worktree_create",
            sets_up,
            (
                "Create a worktree",
                "Create a worktree on a branch of its own, `wt/NAME`; with a task it is bound to that, which is in progress then. It is made ready to build as the settings say.",
            ),
            create,
        ),
        Tool::new(
            "task_bind_worktree",
            again,
            ("Bind a worktree to a task", "Bind a worktree to a task, which is in progress then."),
            bind,
        ),
        Tool::new(
            "worktree_unbind",
            PLACE,
            ("Unbind a worktree", "Unbind a worktree from its task."),
            unbind,
        ),
        Tool::new(
            "worktree_list",
            BOARD,
            ("List worktrees", "List the worktrees, and whether the target has their commits."),
            list,
        ),
        Tool::new(
            "worktree_status",
            BOARD,
            (
                "Show a worktree",
                "Show what is in a worktree: commits, changed and untracked files, whether the target has it.",
            ),
            status,
        ),
        Tool::new(
            "worktree_diff",
            LOOK,
            (
                "Show a worktree's changes",
                "Show what a worktree changes against its base, uncommitted and untracked files included.",
            ),
            diff,
        ),
        Tool::new(
            "conflicts",
            BOARD,
            (
                "Show conflicts",
                "Show which worktrees' work would conflict with the target or with one another's, uncommitted changes included; merges nothing.",
            ),
            conflicts,
        ),
        Tool::new(
            "worktree_setup",
            sets_up,
            (
                "Set a worktree up",
                "Make a worktree ready to build: bring ignored files, run the approved set-up commands. May be done again.",
            ),
            setup,
        ),
        Tool::new(
            "worktree_enter",
            enters,
            (
                "Enter a worktree",
                "Say where a worktree is, to work in that directory, and note that somebody does.",
            ),
            enter,
        ),
        Tool::new(
            "worktree_keep",
            again,
            ("Keep a worktree", "Keep a worktree for a person to review."),
            keep,
        ),
        Tool::new(
            "worktree_remove",
            removes,
            (
                "Remove a worktree",
                "Remove a worktree and its branch, and complete its task when told to. Refused while it has work that the target lacks, unless `force` is given; a snapshot holds that work then.",
            ),
            remove,
        ),
        Tool::new(
            "worktree_closeout",
            removes,
            ("Close a worktree out", "End the work in a worktree: keep it for review, or remove it."),
            closeout,
        ),
        Tool::new(
            "worktree_restore",
            PLACE,
            (
                "Restore a worktree",
                "Make a removed worktree again as a snapshot holds it: commits, index, files, modes.",
            ),
            restore,
        ),
        Tool::new(
            "worktree_snapshots",
            BOARD,
            ("List snapshots", "List the snapshots that hold the work of removed or replaced worktrees."),
            snapshots,
        ),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    name: WorktreeName,
    /// The task to bind it to.
    task_id: Option<TaskId>,
    /// The branch, tag or commit to start at; HEAD of the main checkout unless given.
    base_ref: Option<String>,
    /// The owner the task gets when it has none.
    owner: Option<AgentName>,
    /// Leave the task as it is, so that it may still be claimed.
    #[serde(default)]
    no_start: bool,
    /// Bring no ignored files into it and run no set-up commands.
    #[serde(default)]
    no_setup: bool,
    /// The repository it is to be one of, when the home has several; the task's unless given.
    repo: Option<RepoName>,
}

impl Concerns for Create {}

fn start(no_start: bool) -> Start {
    if no_start { Start::No } else { Start::Yes }
}

fn create(call: &Call, input: Create) -> Result<ReadyWorktree, Error> {
    let repo = call.service.repo_meant(input.task_id.as_ref(), input.repo.as_ref())?;
    let service = call.service.in_repo(&repo)?;
    let worktree = service.worktree_create(&CreateWorktree {
        name: input.name,
        task: input.task_id,
        base: input.base_ref,
        start: start(input.no_start),
        owner: input.owner,
    })?;
    if input.no_setup {
        return Ok(ReadyWorktree::bare(worktree));
    }
    let report = service.worktree_setup(&worktree.name, &mut call.watch.clone())?;
    Ok(ReadyWorktree::new(&report.worktree, &report))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Bind {
    /// The task.
    task_id: TaskId,
    /// The worktree.
    worktree: WorktreeName,
    /// The owner the task gets when it has none.
    owner: Option<AgentName>,
    /// Leave the task as it is, so that it may still be claimed.
    #[serde(default)]
    no_start: bool,
}

impl Concerns for Bind {
    fn concern(&self) -> Concern {
        Concern {
            tasks: vec![self.task_id.clone()],
            worktrees: vec![self.worktree.clone()],
            ..Concern::default()
        }
    }
}

fn bind(call: &Call, input: Bind) -> Result<WorktreeView, Error> {
    let start = start(input.no_start);
    call.service.worktree_bind(&input.worktree, &input.task_id, input.owner.as_ref(), start)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OneWorktree {
    /// The worktree.
    name: WorktreeName,
}

impl Concerns for OneWorktree {
    fn concern(&self) -> Concern {
        Concern { worktrees: vec![self.name.clone()], ..Concern::default() }
    }
}

fn unbind(call: &Call, input: OneWorktree) -> Result<WorktreeView, Error> {
    call.service.worktree_unbind(&input.name)
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Removed ones too.
    #[serde(default)]
    all: bool,
    /// At most so many: 1 to 500; 100 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for List {}

#[derive(Debug, Serialize, JsonSchema)]
struct Worktrees {
    /// The worktrees.
    worktrees: Vec<ListedWorktree>,
    /// What leads to the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn list(call: &Call, input: List) -> Result<Worktrees, Error> {
    let all = call.service.worktree_list(input.all)?;
    // A name may have been used before; the time of its making tells those apart.
    let key = |w: &WorktreeView| format!("{}@{}", w.name, w.created_at.0);
    let page = page_of("worktrees", all, key, (input.limit, input.cursor.as_deref()))?;
    let merged = call.service.worktrees_merged(&page.records);
    let listed = page.records.iter().zip(&merged).map(|(w, merged)| ListedWorktree::new(w, merged.as_ref()));
    Ok(Worktrees { worktrees: listed.collect(), next_cursor: page.next })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Standing {
    /// The worktree and what is in it.
    #[serde(flatten)]
    standing: WorktreeStanding,
    /// How many changed and untracked paths are not named here.
    unnamed: usize,
}

fn status(call: &Call, input: OneWorktree) -> Result<Standing, Error> {
    let mut standing = WorktreeStanding::from(&call.service.worktree_status(&input.name)?);
    let all = standing.changed.len() + standing.untracked.len();
    standing.changed.truncate(bounds::PATHS);
    standing.untracked.truncate(bounds::PATHS);
    let unnamed = all - standing.changed.len() - standing.untracked.len();
    Ok(Standing { standing, unnamed })
}

#[derive(Debug, Serialize, JsonSchema)]
struct Changes {
    /// What it changes.
    #[serde(flatten)]
    diff: WorktreeDiff,
    /// Whether something of the patch or of the files was left out for its length.
    cut: bool,
}

fn diff(call: &Call, input: OneWorktree) -> Result<Changes, Error> {
    let mut diff = WorktreeDiff::from(&call.service.worktree_diff(&input.name)?);
    let (patch, patch_cut) = middle_cut(&diff.patch, bounds::OUTPUT);
    diff.patch = patch;
    let cut = patch_cut || diff.files.len() > bounds::PATHS;
    diff.files.truncate(bounds::PATHS);
    Ok(Changes { diff, cut })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Conflicts {
    /// Only what one of these worktrees has a part in; all unless given.
    names: Vec<WorktreeName>,
    /// At most so many conflicts: 1 to 500; 100 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for Conflicts {}

#[derive(Debug, Serialize, JsonSchema)]
struct ConflictPage {
    /// The conflicts, and what is not known of others.
    #[serde(flatten)]
    report: ConflictReport,
    /// What leads to the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn conflicts(call: &Call, input: Conflicts) -> Result<ConflictPage, Error> {
    let mut report = call.service.conflicts(&input.names)?;
    let other = |one: &Conflict| one.with.as_ref().map(ToString::to_string).unwrap_or_default();
    let key = |one: &Conflict| format!("{}@{}@{}", one.repo, one.worktree, other(one));
    let all = std::mem::take(&mut report.conflicts);
    let page = page_of("conflicts", all, key, (input.limit, input.cursor.as_deref()))?;
    report.conflicts = page.records;
    Ok(ConflictPage { report, next_cursor: page.next })
}

fn setup(call: &Call, input: OneWorktree) -> Result<ReadyWorktree, Error> {
    let service = call.service.in_repo_of(&input.name)?;
    let report = service.worktree_setup(&input.name, &mut call.watch.clone())?;
    Ok(ReadyWorktree::new(&report.worktree, &report))
}

fn enter(call: &Call, input: OneWorktree) -> Result<WorktreeView, Error> {
    call.service.worktree_enter(&input.name)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Keep {
    /// The worktree.
    name: WorktreeName,
    /// Why.
    #[serde(default)]
    reason: String,
}

impl Concerns for Keep {
    fn concern(&self) -> Concern {
        Concern { worktrees: vec![self.name.clone()], ..Concern::default() }
    }
}

fn keep(call: &Call, input: Keep) -> Result<WorktreeView, Error> {
    call.service.worktree_keep(&input.name, &input.reason)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Remove {
    /// The worktree.
    name: WorktreeName,
    /// Remove it even with uncommitted or unlanded work; a snapshot holds that then.
    #[serde(default)]
    force: bool,
    /// As `force`.
    #[serde(default)]
    discard_changes: bool,
    /// Complete its task too.
    #[serde(default)]
    complete_task: bool,
    /// Why.
    #[serde(default)]
    reason: String,
    /// Say what would be done, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

impl Concerns for Remove {
    fn concern(&self) -> Concern {
        Concern { worktrees: vec![self.name.clone()], ..Concern::default() }
    }
}

fn remove(call: &Call, input: Remove) -> Result<RemovedWorktree, Error> {
    let removal = call.service.worktree_remove(&RemoveRequest {
        name: input.name,
        force: input.force || input.discard_changes,
        processes: Processes::Refuse,
        closing: if input.complete_task { Closing::CompleteTask } else { Closing::LeaveTask },
        reason: input.reason,
        dry_run: input.dry_run,
    })?;
    Ok((&removal).into())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Closeout {
    /// The worktree.
    name: WorktreeName,
    /// What becomes of it.
    action: CloseAction,
    /// Why.
    #[serde(default)]
    reason: String,
    /// Remove it even with uncommitted or unlanded work; a snapshot holds that then.
    #[serde(default)]
    force: bool,
    /// Complete its task too, when it is removed.
    #[serde(default)]
    complete_task: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CloseAction {
    /// It stays for a person to review.
    Keep,
    /// It is removed.
    Remove,
}

impl Concerns for Closeout {
    fn concern(&self) -> Concern {
        Concern { worktrees: vec![self.name.clone()], ..Concern::default() }
    }
}

/// What became of a worktree.
#[derive(Debug, Serialize, JsonSchema)]
struct ClosedOut {
    /// The worktree.
    #[serde(flatten)]
    worktree: WorktreeView,
    /// The ref that holds what the target does not have, when it was removed with something of that.
    snapshot: Option<String>,
    /// The tasks that became ready.
    unblocked: Vec<TaskId>,
}

fn closeout(call: &Call, input: Closeout) -> Result<ClosedOut, Error> {
    let Closeout { name, action, reason, force, complete_task } = input;
    if action == CloseAction::Keep {
        if force || complete_task {
            return Err(Error::usage("`force` and `complete_task` go with the action `remove` alone")
                .hint("`complete_task` is a tool of its own too"));
        }
        let worktree = call.service.worktree_keep(&name, &reason)?;
        return Ok(ClosedOut { worktree, snapshot: None, unblocked: Vec::new() });
    }
    let whole = Remove { name, force, discard_changes: false, complete_task, reason, dry_run: false };
    let removed = remove(call, whole)?;
    Ok(ClosedOut { worktree: removed.worktree, snapshot: removed.snapshot, unblocked: removed.unblocked })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// The name of the worktree that a snapshot was taken of.
    name: WorktreeName,
    /// The snapshot's number; the newest one unless given.
    snapshot: Option<u64>,
    /// Another name for the restored worktree.
    new_name: Option<WorktreeName>,
    /// Replace the worktree of that name; a snapshot holds it first.
    #[serde(default)]
    force: bool,
    /// Say what would be done, and do nothing.
    #[serde(default)]
    dry_run: bool,
}

impl Concerns for Restore {}

fn restore(call: &Call, input: Restore) -> Result<RestoredWorktree, Error> {
    let restored = call.service.worktree_restore(&RestoreRequest {
        name: input.name,
        number: input.snapshot,
        new_name: input.new_name,
        force: input.force,
        dry_run: input.dry_run,
    })?;
    Ok((&restored).into())
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Snapshots {
    /// Only those of this worktree, which may be gone.
    name: Option<WorktreeName>,
    /// At most so many: 1 to 500; 100 unless given.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Concerns for Snapshots {}

#[derive(Debug, Serialize, JsonSchema)]
struct SnapshotList {
    /// The snapshots.
    snapshots: Vec<SnapshotEntry>,
    /// What leads to the next page, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

fn snapshots(call: &Call, input: Snapshots) -> Result<SnapshotList, Error> {
    let all = call.service.snapshots(input.name.as_ref())?.iter().map(SnapshotEntry::from).collect();
    let key = |one: &SnapshotEntry| format!("{}@{}@{}", one.repo, one.name, one.number);
    let page = page_of("snapshots", all, key, (input.limit, input.cursor.as_deref()))?;
    Ok(SnapshotList { snapshots: page.records, next_cursor: page.next })
}
