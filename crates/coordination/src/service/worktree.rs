//! Looking at worktrees, binding, keeping and entering them.

use biplane_control::{Changes, SubmissionFilter, WorktreeFilter, board};
use biplane_execution::{
    git::{CheckoutState, WithIgnored},
    worktrees::{self, Against, Merged, Standing},
};
use biplane_model::{
    AgentName, CommitId, EventKind, NewEvent, SubmissionId, TaskId, WorktreeName, WorktreeStatus,
    view::WorktreeView,
};

use super::{Service, SetupState, Start, place::record};
use crate::{
    bounds,
    error::{Error, Result},
    views,
};

/// A worktree and what is in it.
#[derive(Debug, Clone)]
pub struct WorktreeStatusReport {
    /// The worktree.
    pub worktree: WorktreeView,
    /// What is in its checkout.
    pub state: CheckoutState,
    /// Commits since its base.
    pub commits: u64,
    /// Commits that the target lacks; 0 when there is nothing to lose.
    pub unlanded: u64,
    /// Where its set-up stands.
    pub setup: SetupState,
    /// How the target has them.
    pub merged: Merged,
    /// The remote's branch that has them, when the target itself has not.
    pub only_in: Option<String>,
}

/// What a worktree changes, uncommitted and untracked files included.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The commit it is compared with.
    pub base: CommitId,
    /// The changed paths with the lines added and removed; `None` for a binary file.
    pub files: Vec<(String, Option<(u64, u64)>)>,
    /// The patch, as git writes it.
    pub patch: Vec<u8>,
}

impl Service {
    /// The worktrees: the live ones, and with `removed` those whose names are free again.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn worktree_list(&self, removed: bool) -> Result<Vec<WorktreeView>> {
        self.look(|view| {
            let filter = WorktreeFilter { live: !removed, ..WorktreeFilter::default() };
            let all = view.worktrees(&filter)?;
            all.iter().map(|w| views::worktree_view(self.home(), view, w)).collect()
        })
    }

    /// How the target has the commits of each of these worktrees; `None` for one without commits of its own. Most are
    /// answered by one question for all; of the others only some are looked into, and the rest is unknown.
    pub fn worktrees_merged(&self, worktrees: &[WorktreeView]) -> Vec<Option<Merged>> {
        let mut merged = vec![Some(Merged::Unknown); worktrees.len()];
        for repo in self.repo_names() {
            let of_it = |w: &&WorktreeView| w.repo == repo;
            let ones: Vec<WorktreeView> = worktrees.iter().filter(of_it).cloned().collect();
            if ones.is_empty() {
                continue;
            }
            let Ok(found) = self.in_repo(&repo).and_then(|there| there.merged_of(&ones)) else { continue };
            let places = worktrees.iter().zip(&mut merged).filter(|(w, _)| w.repo == repo);
            places.zip(found).for_each(|((_, place), found)| *place = found);
        }
        merged
    }

    fn merged_of(&self, worktrees: &[WorktreeView]) -> Result<Vec<Option<Merged>>> {
        let git = self.home().git()?;
        let full = format!("refs/heads/{}", self.target()?);
        let refs = git.refs_named(&[&full, "refs/heads/wt/"])?;
        let at = |name: &str| refs.iter().find(|(full, _)| full == name).map(|(_, id)| id.clone());
        let Some(target) = at(&full) else { return Ok(vec![Some(Merged::Unknown); worktrees.len()]) };
        let in_history: std::collections::HashSet<String> = git.refs_merged(&target, "refs/heads/wt/")?;
        let mut looks = bounds::MERGED_LOOKS;
        let mut answer = |w: &WorktreeView| {
            let name = format!("refs/heads/{}", w.branch);
            let tip = at(&name).filter(|tip| *tip != w.base)?;
            Some(if tip == target {
                Merged::SameCommit
            } else if in_history.contains(&name) {
                Merged::Ancestor
            } else if looks == 0 {
                Merged::Unknown
            } else {
                looks -= 1;
                worktrees::merged(&git, &w.base, &tip, &target).unwrap_or(Merged::Unknown)
            })
        };
        Ok(worktrees.iter().map(&mut answer).collect())
    }

    /// What is in a worktree.
    ///
    /// # Errors
    /// When there is no such worktree, or git can't tell.
    pub fn worktree_status(&self, name: &WorktreeName) -> Result<WorktreeStatusReport> {
        if let Some(there) = self.elsewhere_with(name)? {
            return there.worktree_status(name);
        }
        let worktree = self.need(name)?;
        let standing = self.standing(&worktree, WithIgnored::No)?;
        Ok(WorktreeStatusReport {
            worktree: self.worktree_view(worktree.id)?,
            commits: standing.commits,
            unlanded: standing.unlanded.iter().map(|u| u.commits).max().unwrap_or(0),
            // What is unknown is not complete.
            setup: self.setup_state(&worktree).unwrap_or(SetupState::Incomplete),
            merged: standing.merged,
            only_in: standing.only_in,
            state: standing.state,
        })
    }

    /// Where a worktree is.
    ///
    /// # Errors
    /// When there is no such worktree.
    pub fn worktree_path(&self, name: &WorktreeName) -> Result<WorktreeView> {
        self.worktree_view(self.need_anywhere(name)?.id)
    }

    /// What a worktree changes against its base, uncommitted and untracked files included. Touches neither its files nor
    /// its index.
    ///
    /// # Errors
    /// When there is no such worktree, or git can't tell.
    pub fn worktree_diff(&self, name: &WorktreeName) -> Result<Diff> {
        let worktree = self.need_anywhere(name)?;
        let place = worktrees::prove(&self.place(&worktree)?)?.place;
        let git = place.git();
        let tree = git.tree_of_files()?;
        let base = worktree.base;
        let diff = |form: &[&str]| {
            git.call(["diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-renames"])
                .args(form)
                .args([base.as_str(), tree.as_str()])
                .bytes()
        };
        let numbers = diff(&["--numstat", "-z"])?;
        let files = String::from_utf8_lossy(&numbers).split_terminator('\0').filter_map(numbered).collect();
        let patch = diff(&["--patch"])?;
        Ok(Diff { base, files, patch })
    }

    /// Binds a worktree to a task.
    ///
    /// # Errors
    /// When either is bound elsewhere, or the task is closed or somebody else's.
    pub fn worktree_bind(
        &self,
        name: &WorktreeName,
        id: &TaskId,
        owner: Option<&AgentName>,
        start: Start,
    ) -> Result<WorktreeView> {
        let worktree = self.need_anywhere(name)?;
        self.change(|view, now| {
            let mut worktree = record(view, worktree.id)?;
            let (mut task, bound) = board::bind(view, &mut worktree, id, owner, now)?;
            let begun = if start == Start::Yes { board::begin(view, &mut task, now)? } else { None };
            let events = std::iter::once(bound).chain(begun).collect();
            Ok((Changes { tasks: vec![task], worktrees: vec![worktree], events, ..Changes::default() }, ()))
        })?;
        self.worktree_view(worktree.id)
    }

    /// Unbinds a worktree from its task.
    ///
    /// # Errors
    /// When there is no such worktree, or it is bound to none.
    pub fn worktree_unbind(&self, name: &WorktreeName) -> Result<WorktreeView> {
        let worktree = self.need_anywhere(name)?;
        if worktree.task.is_none() {
            return Err(Error::refused(format!("worktree `{name}` is bound to no task")));
        }
        self.change(|view, now| {
            let mut worktree = record(view, worktree.id)?;
            let mut changes = board::unbind(view, &mut worktree, now)?;
            changes.worktrees.push(worktree);
            Ok((changes, ()))
        })?;
        self.worktree_view(worktree.id)
    }

    /// Keeps a worktree for review.
    ///
    /// # Errors
    /// When there is no such worktree, or it is in a state in which it can't be kept.
    pub fn worktree_keep(&self, name: &WorktreeName, reason: &str) -> Result<WorktreeView> {
        let worktree = self.need_anywhere(name)?;
        self.change(|view, now| {
            let mut worktree = record(view, worktree.id)?;
            if worktree.status != WorktreeStatus::Kept {
                worktree.status =
                    worktree.status.to(WorktreeStatus::Kept, format_args!("worktree `{name}`"))?;
            }
            worktree.reason = biplane_model::clip(&biplane_model::sanitize(reason), 1000);
            worktree.kept_at = Some(now);
            worktree.updated_at = now;
            let mut changes = Changes::default();
            let mut event = NewEvent::new(EventKind::WorktreeKeep).worktree(&worktree);
            if let Some(mut task) = worktree.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                board::mark_worktree(&mut task, &worktree, now);
                event = event.task(&task);
                changes.tasks.push(task);
            }
            if !worktree.reason.is_empty() {
                event = event.with("reason", worktree.reason.as_str());
            }
            changes.events.push(event);
            changes.worktrees.push(worktree);
            Ok((changes, ()))
        })?;
        self.worktree_view(worktree.id)
    }

    /// Notes that somebody opens a shell in a worktree.
    ///
    /// # Errors
    /// When there is no such worktree, or it is not there any more.
    pub fn worktree_enter(&self, name: &WorktreeName) -> Result<WorktreeView> {
        let worktree = self.need_anywhere(name)?;
        worktrees::prove(&self.place(&worktree)?)?;
        self.change(|view, now| {
            let mut worktree = record(view, worktree.id)?;
            worktree.last_entered_at = Some(now);
            worktree.updated_at = now;
            let event = NewEvent::new(EventKind::WorktreeEnter).worktree(&worktree);
            Ok((Changes { worktrees: vec![worktree], events: vec![event], ..Changes::default() }, ()))
        })?;
        self.worktree_view(worktree.id)
    }

    /// Where the work in a worktree stands, against the target.
    pub(crate) fn standing(
        &self,
        worktree: &biplane_model::Worktree,
        ignored: WithIgnored,
    ) -> Result<Standing> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.standing(worktree, ignored);
        }
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let against = self.against(worktree)?;
        Ok(worktrees::standing(&place, &worktree.branch, &worktree.base, &against, ignored)?)
    }

    /// The branch, the target and its remote, in one question to git.
    pub(crate) fn against(&self, worktree: &biplane_model::Worktree) -> Result<Against> {
        let branch = format!("refs/heads/{}", worktree.branch);
        // Without a target (a detached main checkout, say) every commit counts as unlanded.
        let target = self.target().ok();
        let (local, remote) = match &target {
            Some(name) => (format!("refs/heads/{name}"), format!("refs/remotes/origin/{name}")),
            None => Default::default(),
        };
        let names: Vec<&str> =
            [&branch, &local, &remote].into_iter().filter(|n| !n.is_empty()).map(String::as_str).collect();
        let found = self.home().git()?.refs_named(&names)?;
        let at = |name: &str| found.iter().find(|(full, _)| full == name).map(|(_, id)| id.clone());
        let remote = at(&remote).map(|id| (remote.replacen("refs/remotes/", "", 1), id));
        Ok(Against { tip: at(&branch), target: at(&local), remote })
    }

    /// The branch that work lands on.
    pub(crate) fn target(&self) -> Result<String> {
        if let Some(target) = &self.settings().target {
            return Ok(target.clone());
        }
        let git = self.home().git()?;
        if let Some(branch) = git.current_branch()? {
            return Ok(branch);
        }
        // A main checkout that was left behind with uncommitted work is on no branch; the target is what it was.
        let repo = self.repo();
        let newest = self.look(|view| {
            let newest = view.submission(SubmissionId(view.counter("submission")?))?;
            if newest.as_ref().is_none_or(|newest| newest.repo == repo) {
                return Ok(newest);
            }
            Ok(view.submissions(&SubmissionFilter::default())?.into_iter().rfind(|s| s.repo == repo))
        })?;
        if let Some(last) = newest
            && git.branch_tip(&last.target)?.is_some()
        {
            return Ok(last.target);
        }
        Err(Error::refused("the main checkout is on no branch, so there is none to land on")
            .hint("set `target` in `biplane.toml`, or `git switch` to a branch"))
    }
}

/// A line of git's `--numstat`: added, removed, path.
fn numbered(line: &str) -> Option<(String, Option<(u64, u64)>)> {
    let mut parts = line.splitn(3, '\t');
    let (added, removed) = (parts.next()?, parts.next()?);
    let counts = added.parse().ok().zip(removed.parse().ok());
    Some((parts.next()?.to_owned(), counts))
}
