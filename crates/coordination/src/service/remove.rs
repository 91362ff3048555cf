//! Removing worktrees. Nothing is lost by it: what the target does not have is in a snapshot first.

use biplane_control::{BoardError, Changes, RunFilter, SubmissionFilter, View, board};
use biplane_execution::{
    git::{Git, RefUpdate, WithIgnored},
    supervise::Presence,
    worktrees::{self, OwnershipFault, SnapshotError, Standing},
};
use biplane_model::{
    CommitId, EventKind, NewEvent, Operation, OperationKind, SubmissionStatus, TaskId, Timestamp, Worktree,
    WorktreeId, WorktreeName, WorktreeStatus, view::WorktreeView,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Service,
    place::record,
    removing::{Before, Gone, file_time, locked, refuse_processes},
    snapshot::taken_event,
    tend::Fate,
    would::{RemovalPlan, look_inside},
};
use crate::{
    error::{Error, ErrorKind, Result},
    locks,
    recovery::is_dead,
};

/// What the name of a worktree's directory begins with while it is removed; its number follows.
pub(crate) const ASIDE: &str = ".removed-";

/// The number of the worktree that was put aside under this name. None of what is half deleted: that has another name.
pub(crate) fn removed_id(aside: &Utf8Path) -> Option<WorktreeId> {
    aside.file_name()?.strip_prefix(ASIDE)?.parse().ok()
}

/// Deletes what a removal has put aside, or what is left of it; nothing when it is gone.
pub(crate) fn delete_removed(aside: &Utf8Path) -> Result<()> {
    if removed_id(aside).is_none() {
        return Ok(worktrees::delete_aside(aside)?);
    }
    match worktrees::doom(aside)? {
        Some(doomed) => Ok(worktrees::delete_aside(&doomed)?),
        None => Ok(()),
    }
}

/// Whether the task is completed by the removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Closing {
    /// The task stays as it is.
    #[default]
    LeaveTask,
    /// The task is completed.
    CompleteTask,
}

/// What becomes of processes that are at work in the worktree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Processes {
    /// The removal is refused.
    #[default]
    Refuse,
    /// They are ended, but for those that started the command.
    End,
}

/// Which worktree to remove, and how.
#[derive(Debug, Clone)]
pub struct RemoveRequest {
    /// Its name.
    pub name: WorktreeName,
    /// Remove it even with uncommitted or unlanded work, which a snapshot then holds.
    pub force: bool,
    /// What becomes of processes that are at work in it.
    pub processes: Processes,
    /// What becomes of its task.
    pub closing: Closing,
    /// Why.
    pub reason: String,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
}

/// What became of a worktree that was to be removed.
#[derive(Debug, Clone)]
pub struct Removal {
    /// The worktree's record.
    pub worktree: WorktreeView,
    /// The ref that holds what the target does not have; none when there was nothing.
    pub snapshot: Option<String>,
    /// The branch that was left, because it moved meanwhile or is checked out elsewhere.
    pub branch_left: Option<String>,
    /// The tasks that became ready.
    pub unblocked: Vec<TaskId>,
    /// What a dry run would do, in sentences.
    pub would: Vec<String>,
    /// The same for programs.
    pub plan: Option<RemovalPlan>,
}

impl Service {
    /// Removes a worktree and its branch.
    ///
    /// # Errors
    /// When it has uncommitted or unlanded work (unless forced), when it can't be proved to be ours, when a run is at
    /// work in it, when a snapshot can't be taken, or when the task can't be completed.
    pub fn worktree_remove(&self, request: &RemoveRequest) -> Result<Removal> {
        if let Some(there) = self.elsewhere_with(&request.name)? {
            return there.worktree_remove(request);
        }
        let worktree = self.need(&request.name)?;
        let place = self.place(&worktree)?;
        self.refuse_running(&worktree)?;
        // While it is being removed it is not at its place.
        refuse_under_way(&worktree)?;
        match worktrees::prove(&place) {
            Ok(_) => {}
            Err(OwnershipFault::Gone { .. }) => return self.forget(request, &worktree),
            Err(fault) => return Err(fault.into()),
        }
        if place.is_locked()? {
            return Err(locked(&place));
        }
        let against = self.against(&worktree)?;
        let (branch, base) = (&worktree.branch, &worktree.base);
        let standing = worktrees::standing(&place, branch, base, &against, WithIgnored::Yes)?;
        if !request.force {
            refuse_work(&worktree, &standing)?;
        }
        // Said before anything is moved: of a submodule git can't tell any more then.
        if !standing.state.is_untouched
            && let Some(path) = place.git().repository_inside()?
        {
            return Err(SnapshotError::NestedRepository(biplane_model::sanitize_line(&path)).into());
        }
        let inside = look_inside(self, &place);
        if request.dry_run {
            if !standing.state.is_untouched {
                worktrees::refuse_repositories(&place, &self.snapshot_rules())?;
            }
            return self.would_remove(request, &worktree, &place, (&standing, &inside));
        }
        if let Some(remote) = &standing.only_in {
            self.say(format!("its commits are in `{remote}` only, not yet in the target"));
        }
        // A run that has begun meanwhile is told as one.
        self.refuse_running(&worktree)?;
        refuse_processes(request, &worktree, &inside)?;
        let seen = self.looks_once(&standing, &place);
        let since = seen.as_ref().map_or_else(|| file_time(&place), |seen| Some(seen.since));
        self.intend_remove(request, &worktree, since)?;
        let before = Before { against: &against, inside: &inside, standing: &standing, seen };
        let gone = match self.remove_proved(request, &worktree, &place, &before) {
            Ok(gone) => gone,
            Err(error) => {
                self.not_removed(worktree.id, &error)?;
                return Err(error);
            }
        };
        let unblocked = self.removed(request, worktree.id, Some(&gone))?;
        gone.aside.check()?;
        self.unpin_over(worktree.id)?;
        if inside.above.iter().any(|r| r.presence == Presence::Stands) {
            let root = &self.home().board().root;
            self.say(format!("the shell you are in stands in the worktree, which is gone: `cd {root}`"));
        }
        let snapshot = gone.snapshot.map(|s| s.name);
        let (branch_left, worktree) = (gone.branch_left, self.worktree_view(worktree.id)?);
        // Last, because the background is at work from here on.
        self.clear_up(&worktree.name, &gone.aside.path)?;
        Ok(Removal { worktree, snapshot, branch_left, unblocked, would: Vec::new(), plan: None })
    }

    pub(crate) fn refuse_running(&self, worktree: &Worktree) -> Result<()> {
        self.look(|view| refuse_open_run(view, worktree))
    }

    fn intend_remove(
        &self,
        request: &RemoveRequest,
        worktree: &Worktree,
        looked_at: Option<Timestamp>,
    ) -> Result<()> {
        let guard =
            worktree.task.as_ref().map(|id| self.guard_for(id, None)).transpose()?.unwrap_or_default();
        self.change(|view, now| {
            let mut worktree = record(view, worktree.id)?;
            if !worktree.status.is_live() {
                return Err(super::place::no_worktree(&request.name));
            }
            // Asked again where nobody can begin one meanwhile: a run begins in a transaction too, and not while there
            // is an operation.
            refuse_open_run(view, &worktree)?;
            refuse_under_way(&worktree)?;
            if request.closing == Closing::CompleteTask
                && let Some(id) = &worktree.task
            {
                // Whether it can be completed is found out before anything is touched.
                self.refuse_own_word(view, id)?;
                board::complete(view, id, guard, now)?;
            }
            let kind = match request.closing {
                Closing::LeaveTask => OperationKind::Remove,
                Closing::CompleteTask => OperationKind::RemoveAndComplete,
            };
            worktree.operation = Some(Operation { kind, by: self.me() });
            worktree.looked_at = looked_at;
            worktree.reason = biplane_model::clip(&biplane_model::sanitize(&request.reason), 1000);
            worktree.updated_at = now;
            let event = about_task(
                view,
                NewEvent::new(EventKind::WorktreeRemoveBefore).worktree(&worktree),
                &worktree,
            )?;
            Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ()))
        })
    }

    fn removed(&self, request: &RemoveRequest, id: WorktreeId, gone: Option<&Gone>) -> Result<Vec<TaskId>> {
        self.change(|view, now| {
            let mut worktree = record(view, id)?;
            let mut changes = Changes::default();
            if let Some(looked_at) = gone.and_then(|gone| gone.looked_at) {
                worktree.looked_at = Some(looked_at);
            }
            let snapshot = gone.and_then(|gone| gone.snapshot.as_ref());
            if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.is_new) {
                changes.events.push(taken_event(&worktree, snapshot));
            }
            worktree.status =
                worktree.status.to(WorktreeStatus::Removed, format_args!("worktree `{}`", worktree.name))?;
            worktree.operation = None;
            worktree.removed_at = Some(now);
            worktree.updated_at = now;
            let bound = worktree.task.take();
            let mut unblocked = Vec::new();
            let mut after = NewEvent::new(EventKind::WorktreeRemoveAfter).worktree(&worktree);
            if let Some(mut task) = bound.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                if request.closing == Closing::CompleteTask {
                    let guard = self.guard_for(&task.id, None)?;
                    match board::complete(view, &task.id, guard, now) {
                        Ok((completed, done, ready)) => {
                            changes.events.extend(completed.events);
                            (task, unblocked) = (done, ready);
                        }
                        // The worktree is gone by now, whatever became of its task meanwhile.
                        Err(BoardError::StaleEpoch { .. } | BoardError::Illegal(_)) => {
                            after = after.with("not_completed", task.status.as_str());
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                board::mark_worktree(&mut task, &worktree, now);
                after = after.task(&task);
                changes.tasks.push(task);
            }
            for mut submission in open_submissions(view, id)? {
                submission.status = submission.status.to(SubmissionStatus::Withdrawn, submission.id)?;
                submission.updated_at = now;
                submission.reason = "its worktree was removed".to_owned();
                changes.events.push(NewEvent::new(EventKind::SubmissionWithdrawn).submission(&submission));
                changes.submissions.push(submission);
            }
            changes.events.push(after);
            let ports = worktree.ports.clone();
            changes.worktrees.push(worktree);
            Ok((changes, (unblocked, ports)))
        })
        .map(|(unblocked, ports)| {
            self.return_ports(&ports, Some(id));
            unblocked
        })
    }

    pub(crate) fn not_removed(&self, id: WorktreeId, why: &Error) -> Result<()> {
        self.change(|view, now| {
            let mut worktree = record(view, id)?;
            worktree.operation = None;
            worktree.updated_at = now;
            let event =
                NewEvent::new(EventKind::WorktreeRemoveFailed).worktree(&worktree).error(why.to_string());
            let event = about_task(view, event, &worktree)?;
            Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ()))
        })
    }

    /// Records the end of a worktree that was removed by something else. Its branch stays.
    pub(crate) fn forget(&self, request: &RemoveRequest, worktree: &Worktree) -> Result<Removal> {
        if request.dry_run {
            let worktree = self.worktree_view(worktree.id)?;
            let would = vec!["note that it is gone; its branch stays".to_owned()];
            return Ok(Removal {
                worktree,
                snapshot: None,
                branch_left: None,
                unblocked: Vec::new(),
                would,
                plan: None,
            });
        }
        self.intend_remove(request, worktree, None)?;
        let unblocked = self.removed(request, worktree.id, None)?;
        let branch_left = self.home().git()?.branch_tip(&worktree.branch)?.map(|_| worktree.branch.clone());
        let worktree = self.worktree_view(worktree.id)?;
        Ok(Removal { worktree, snapshot: None, branch_left, unblocked, would: Vec::new(), plan: None })
    }

    /// Ends a removal that a crash has interrupted after the directory was put aside: what was to be kept is kept.
    pub(crate) fn finish_remove(&self, worktree: &Worktree) -> Result<()> {
        let git = self.home().git()?;
        {
            let _held = locks::git(self.home(), "finishing a removal", None)?;
            worktrees::delete_entry(&git, &self.home().absolute(&worktree.path))?;
            self.drop_held_branch(&git, worktree)?;
        }
        let completes =
            worktree.operation.as_ref().is_some_and(|o| o.kind == OperationKind::RemoveAndComplete);
        let request = RemoveRequest {
            name: worktree.name.clone(),
            force: true,
            processes: Processes::Refuse,
            closing: if completes { Closing::CompleteTask } else { Closing::LeaveTask },
            reason: worktree.reason.clone(),
            dry_run: false,
        };
        self.removed(&request, worktree.id, None)?;
        let aside = self.aside(worktree);
        // Who looked at it once, before it was put aside, has left the rest to the background.
        if self.is_tended(&aside) || self.fate(&aside)? == Fate::Goes {
            self.clear_away(&aside)
        } else {
            Ok(())
        }
    }

    /// Where a worktree that is being removed is put aside: beside it, and so on the same file system. No worktree's name
    /// starts with a dot.
    pub(crate) fn aside(&self, worktree: &Worktree) -> Utf8PathBuf {
        self.home().absolute(&worktree.path).with_file_name(format!("{ASIDE}{}", worktree.id))
    }

    /// Whether the branch is what work lands on: it is nobody's to delete then.
    pub(super) fn is_target(&self, branch: &str) -> bool {
        self.target().is_ok_and(|target| target == branch)
    }

    /// Deletes the branch of a worktree that is gone, when its tip is landed or a snapshot holds it.
    fn drop_held_branch(&self, git: &Git, worktree: &Worktree) -> Result<()> {
        let Some(tip) = git.branch_tip(&worktree.branch)? else { return Ok(()) };
        if self.is_target(&worktree.branch) {
            return Ok(());
        }
        let mut holders: Vec<CommitId> = vec![worktree.base.clone()];
        holders.extend(self.target().ok().map(|t| git.branch_tip(&t)).transpose()?.flatten());
        let snapshots = git.refs_below(&format!("{}{}/", worktrees::SNAPSHOT_REFS, worktree.name))?;
        holders.extend(snapshots.into_iter().map(|(_, commit)| commit));
        for holder in holders {
            if git.is_ancestor(&tip, &holder)? {
                let name = format!("refs/heads/{}", worktree.branch);
                let why = "biplane: worktree removed";
                return Ok(git.update_ref(&RefUpdate { name: &name, old: Some(&tip), new: None, why })?);
            }
        }
        Ok(())
    }
}

fn refuse_open_run(view: &dyn View, worktree: &Worktree) -> Result<()> {
    let filter = RunFilter { open: true, worktree: Some(worktree.id), ..RunFilter::default() };
    match view.runs(&filter)?.first() {
        None => Ok(()),
        Some(run) => Err(Error::new(
            ErrorKind::Busy,
            format!("run {} is at work in worktree `{}` ({})", run.id, worktree.name, run.supervisor),
        )
        .hint("wait for it or stop it; `biplane doctor --fix` ends runs whose supervisor died")),
    }
}

fn refuse_under_way(worktree: &Worktree) -> Result<()> {
    let Some(under_way) = worktree.operation.as_ref().filter(|o| !is_dead(&o.by)) else { return Ok(()) };
    let message = format!("worktree `{}` is being created or removed ({})", worktree.name, under_way.by);
    Err(Error::new(ErrorKind::Busy, message))
}

fn open_submissions(view: &dyn View, id: WorktreeId) -> Result<Vec<biplane_model::Submission>> {
    let filter = SubmissionFilter { open: true, worktree: Some(id), ..SubmissionFilter::default() };
    Ok(view.submissions(&filter)?)
}

fn about_task(view: &dyn View, event: NewEvent, worktree: &Worktree) -> Result<NewEvent> {
    let task = worktree.task.as_ref().map(|id| view.task(id)).transpose()?.flatten();
    Ok(task.map_or(event.clone(), |task| event.task(&task)))
}

pub(super) fn refuse_work(worktree: &Worktree, standing: &Standing) -> Result<()> {
    let name = &worktree.name;
    let dirty = standing.state.dirty_files();
    if dirty > 0 {
        let files = if dirty == 1 { "1 file".to_owned() } else { format!("{dirty} files") };
        return Err(Error::refused(format!("worktree `{name}` has uncommitted work in {files}"))
            .hint("commit it, or use `--force`: a snapshot will hold it"));
    }
    if let Some(unlanded) = standing.unlanded.first() {
        let count = unlanded.commits;
        let commits = if count == 1 { "1 commit".to_owned() } else { format!("{count} commits") };
        return Err(Error::refused(format!("worktree `{name}` has {commits} that the target lacks"))
            .hint(format!("`biplane merge {name}` lands it; with `--force` a snapshot will hold it")));
    }
    Ok(())
}
