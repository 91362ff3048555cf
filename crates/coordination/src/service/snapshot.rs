//! Snapshots: taking one before anything is discarded, listing them, and pruning those that nobody needs any more.
//!
//! **Invariant:** the newest snapshot of a name whose work the target lacks is never pruned.

use biplane_control::{Changes, SubmissionFilter, WorktreeFilter};
use biplane_execution::{
    git::{Git, GitError, RefUpdate},
    worktrees::{self, Held, Place, Rules, SNAPSHOT_REFS, Snapshot, SnapshotRequest},
};
use biplane_model::{
    CommitId, EventKind, NewEvent, RepoName, SubmissionStatus, TaskId, Timestamp, Worktree, WorktreeName,
};

use super::Service;
use crate::{bounds, error::Result};

/// A snapshot in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSnapshot {
    /// The repository that has it.
    pub repo: RepoName,
    /// The worktree's name.
    pub name: WorktreeName,
    /// Its number among those of that name.
    pub number: u64,
    /// The ref.
    pub full: String,
    /// Its commit.
    pub commit: CommitId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// Why.
    pub why: String,
    /// The branch that was checked out, or `(detached)`.
    pub branch: String,
    /// The head it holds; none before the first commit.
    pub head: Option<CommitId>,
    /// How many uncommitted and ignored files it holds; unknown for older ones.
    pub files: Option<u64>,
    /// How many bytes of untracked and ignored files it holds; unknown for older ones.
    pub bytes: Option<u64>,
    /// Whether the target has everything that is in it.
    pub landed: bool,
}

/// What pruning deleted, or would.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pruned {
    /// The refs with their commits.
    pub refs: Vec<(String, CommitId)>,
    /// Refs that are past their time and stay: the last that holds work which the target lacks.
    pub kept: Vec<String>,
}

/// A snapshot ref as git lists it.
#[derive(Debug, Clone)]
struct Listed {
    name: WorktreeName,
    number: u64,
    full: String,
    commit: CommitId,
    taken_at: Timestamp,
    parents: Vec<CommitId>,
    message: String,
}

impl Service {
    /// What snapshots hold.
    pub(crate) fn snapshot_rules(&self) -> Rules {
        let snapshots = &self.settings().worktrees.snapshots;
        Rules { leave_out: snapshots.leave_out.clone(), max_bytes: snapshots.max_bytes }
    }

    /// Takes a snapshot of a worktree that was proved to be ours, and syncs it. `None` when nothing needs one.
    pub(crate) fn hold(
        &self,
        worktree: &Worktree,
        place: &Place,
        why: &str,
        held: Held,
    ) -> Result<Option<Snapshot>> {
        let rules = self.snapshot_rules();
        let taken = worktrees::snapshot(&SnapshotRequest {
            place,
            name: &worktree.name,
            branch: &worktree.branch,
            base: &worktree.base,
            why,
            held,
            rules: &rules,
            at_s: self.now().0 / 1_000_000,
        })?;
        if let Some(snapshot) = &taken {
            let since = crate::files::time_of(worktree.created_at.0);
            self.home().git()?.make_durable(&worktree.base, &snapshot.commit, since)?;
            for skipped in &snapshot.skipped {
                self.say(format!("not in the snapshot, and nothing to hold: {skipped}"));
            }
        }
        Ok(taken)
    }

    /// Takes a snapshot of the uncommitted work in a worktree that stays, and notes it.
    ///
    /// # Errors
    /// When the worktree can't be proved to be ours, or the snapshot can't be taken.
    pub(crate) fn hold_uncommitted(&self, worktree: &Worktree, why: &str) -> Result<Option<Snapshot>> {
        if worktree.git_entry.is_empty() || worktree.operation.is_some() {
            return Ok(None);
        }
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.hold_uncommitted(worktree, why);
        }
        let place = worktrees::prove(&self.place(worktree)?)?.place;
        let taken = self.hold(worktree, &place, why, Held::InPlace)?;
        if let Some(snapshot) = taken.as_ref().filter(|snapshot| snapshot.is_new) {
            self.change(|_, _| {
                let events = vec![taken_event(worktree, snapshot)];
                Ok((Changes { events, ..Changes::default() }, ()))
            })?;
        }
        Ok(taken)
    }

    /// As [`Service::hold_uncommitted`], for the worktree of a task that came to an end; what fails is told.
    pub(crate) fn hold_work_of(&self, task: &TaskId, why: &str) {
        let filter = WorktreeFilter { live: true, task: Some(task.clone()), ..WorktreeFilter::default() };
        let hold = || -> Result<()> {
            for worktree in self.look(|view| Ok(view.worktrees(&filter)?))? {
                if let Some(snapshot) = self.hold_uncommitted(&worktree, why)? {
                    self.say(format!("the uncommitted work in `{}` is in {}", worktree.name, snapshot.name));
                }
            }
            Ok(())
        };
        if let Err(error) = hold() {
            self.say(format!("the uncommitted work of task {task} is in no snapshot: {error}"));
        }
    }

    /// The snapshots, of one name or all, newest first.
    ///
    /// # Errors
    /// When git can't list them, or can't tell what the target has.
    pub fn snapshots(&self, name: Option<&WorktreeName>) -> Result<Vec<ListedSnapshot>> {
        let mut all = Vec::new();
        for there in self.everywhere_with_git() {
            all.extend(there.snapshots_here(name)?);
        }
        Ok(all)
    }

    fn snapshots_here(&self, name: Option<&WorktreeName>) -> Result<Vec<ListedSnapshot>> {
        let git = self.home().git()?;
        let landed = Landed::new(self, &git)?;
        let listed = listed(&git, name)?;
        listed
            .into_iter()
            .map(|one| {
                let number_of = |key: &str| one.says(key).and_then(|value| value.parse().ok());
                Ok(ListedSnapshot {
                    repo: self.repo(),
                    landed: landed.has(&one)?,
                    why: one.says("Why").unwrap_or_default(),
                    branch: one.says("Branch").unwrap_or_default(),
                    head: one.head().cloned(),
                    files: number_of("Files"),
                    bytes: number_of("Bytes"),
                    name: one.name,
                    number: one.number,
                    full: one.full,
                    commit: one.commit,
                    taken_at: one.taken_at,
                })
            })
            .collect()
    }

    /// Deletes the snapshots that are older than the settings want, or more. With `dry_run` it says which.
    ///
    /// # Errors
    /// When git can't list them, or can't tell what the target has.
    pub fn snapshots_prune(&self, name: Option<&WorktreeName>, dry_run: bool) -> Result<Pruned> {
        let mut all = Pruned::default();
        for there in self.everywhere_with_git() {
            let pruned = there.prune_here(name, dry_run)?;
            all.refs.extend(pruned.refs);
            all.kept.extend(pruned.kept);
        }
        Ok(all)
    }

    /// As [`Service::snapshots_prune`] for the repository at hand.
    pub(super) fn prune_here(&self, name: Option<&WorktreeName>, dry_run: bool) -> Result<Pruned> {
        let git = self.home().git()?;
        let mut pruned = Pruned::default();
        let mut landed = None;
        let all = listed(&git, name)?;
        for of_name in all.chunk_by(|a, b| a.name == b.name) {
            let past: Vec<&Listed> = self.past(of_name);
            if past.is_empty() {
                continue;
            }
            if landed.is_none() {
                landed = Some(Landed::new(self, &git)?);
            }
            let landed = landed.as_ref().expect("it was just made");
            // The newest whose work the target lacks; those that are newer hold nothing that is not landed.
            let mut last = None;
            for one in of_name {
                if !landed.has(one)? {
                    last = Some(&one.full);
                    break;
                }
            }
            for one in past {
                if Some(&one.full) == last {
                    pruned.kept.push(one.full.clone());
                } else {
                    pruned.refs.push((one.full.clone(), one.commit.clone()));
                }
            }
        }
        if !dry_run {
            pruned.refs = self.delete_snapshots(&git, pruned.refs)?;
        }
        Ok(pruned)
    }

    /// As [`Service::snapshots_prune`] for one name of the repository at hand, after something else; what fails is told.
    pub(crate) fn prune_after(&self, name: &WorktreeName) {
        if let Err(error) = self.prune_here(Some(name), false) {
            self.say(format!("old snapshots of `{name}` stay: {error}"));
        }
    }

    /// Those that are past their time or their number; `of_name` has the newest first.
    fn past<'a>(&self, of_name: &'a [Listed]) -> Vec<&'a Listed> {
        let settings = &self.settings().worktrees.snapshots;
        let oldest = self.now().0 - i64::try_from(settings.keep_for.as_micros()).unwrap_or(i64::MAX);
        let is_past = |(n, one): &(usize, &Listed)| *n >= settings.keep_count || one.taken_at.0 < oldest;
        of_name
            .iter()
            .enumerate()
            .filter(is_past)
            .map(|(_, one)| one)
            .take(bounds::SNAPSHOTS_PRUNED)
            .collect()
    }

    /// Deletes the refs that still are what they were, and notes it. Gives those that are gone.
    fn delete_snapshots(&self, git: &Git, refs: Vec<(String, CommitId)>) -> Result<Vec<(String, CommitId)>> {
        let mut gone = Vec::new();
        let mut failed = None;
        for (name, commit) in refs {
            let update = RefUpdate { name: &name, old: Some(&commit), new: None, why: "biplane: pruned" };
            match git.update_ref(&update) {
                Ok(()) => gone.push((name, commit)),
                Err(GitError::RefMoved { .. }) => {}
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if !gone.is_empty() {
            let names: Vec<String> = gone.iter().map(|(name, commit)| format!("{name} {commit}")).collect();
            self.change(|_, _| {
                let event = NewEvent::new(EventKind::SnapshotPruned).with("refs", names.clone());
                Ok((Changes { events: vec![event], ..Changes::default() }, ()))
            })?;
        }
        failed.map_or(Ok(gone), |error| Err(error.into()))
    }
}

/// The event of a snapshot that was taken.
pub(crate) fn taken_event(worktree: &Worktree, snapshot: &Snapshot) -> NewEvent {
    let event = NewEvent::new(EventKind::WorktreeSnapshot).worktree(worktree);
    event.with("ref", snapshot.name.as_str()).with("commit", snapshot.commit.as_str())
}

impl Listed {
    /// What the message says behind `key: `.
    fn says(&self, key: &str) -> Option<String> {
        let value = |line: &str| line.strip_prefix(key)?.strip_prefix(": ").map(biplane_model::sanitize_line);
        self.message.lines().find_map(value)
    }

    /// The head is the first parent, unless there was none: then that is the commit of the index.
    fn head(&self) -> Option<&CommitId> {
        self.parents.first().filter(|_| self.says("Files").is_none() || self.parents.len() == 3)
    }

    fn index(&self) -> Option<&CommitId> {
        if self.head().is_some() { self.parents.get(1) } else { self.parents.first() }
    }
}

/// The snapshots, by name, the newest of each name first.
fn listed(git: &Git, name: Option<&WorktreeName>) -> Result<Vec<Listed>> {
    let prefix = name.map_or_else(|| SNAPSHOT_REFS.to_owned(), |name| format!("{SNAPSHOT_REFS}{name}/"));
    let format = "--format=%(refname)%00%(objectname)%00%(committerdate:unix)%00%(parent)%00%(contents)%00";
    let bytes = git.call(["for-each-ref", format, &prefix]).bytes()?;
    let text = String::from_utf8_lossy(&bytes);
    let fields: Vec<&str> = text.split('\0').collect();
    let mut all: Vec<Listed> = fields.chunks_exact(5).filter_map(one_listed).collect();
    all.sort_by(|a, b| (a.name.as_str(), b.number).cmp(&(b.name.as_str(), a.number)));
    Ok(all)
}

fn one_listed(fields: &[&str]) -> Option<Listed> {
    let full = fields[0].trim_start_matches('\n');
    let (name, number) = full.strip_prefix(SNAPSHOT_REFS)?.rsplit_once('/')?;
    Some(Listed {
        name: name.parse().ok()?,
        number: number.parse().ok()?,
        full: full.to_owned(),
        commit: fields[1].parse().ok()?,
        taken_at: Timestamp(fields[2].parse::<i64>().ok()?.checked_mul(1_000_000)?),
        parents: fields[3].split(' ').filter_map(|id| id.parse().ok()).collect(),
        message: fields[4].to_owned(),
    })
}

/// What the target has, asked for snapshots.
struct Landed<'a> {
    git: &'a Git,
    /// The target's tip; without one nothing has landed.
    target: Option<CommitId>,
    /// Heads that landed in another form, with the names of their worktrees.
    submitted: Vec<(WorktreeName, CommitId)>,
}

impl<'a> Landed<'a> {
    fn new(service: &Service, git: &'a Git) -> Result<Self> {
        let target = service.target().ok().map(|target| git.branch_tip(&target)).transpose()?.flatten();
        let all = service.look(|view| Ok(view.submissions(&SubmissionFilter::default())?))?;
        let landed =
            all.into_iter().filter(|s| s.status == SubmissionStatus::Landed && s.repo == service.repo());
        Ok(Self { git, target, submitted: landed.map(|s| (s.worktree, s.head)).collect() })
    }

    /// Whether everything in a snapshot is in the target: its commits, or what they became by landing, its files, and
    /// its index.
    fn has(&self, one: &Listed) -> Result<bool> {
        let Some(target) = &self.target else { return Ok(false) };
        if let Some(head) = one.head()
            && !self.git.is_ancestor(head, target)?
        {
            let mut landed = self.submitted.iter().filter(|(name, _)| *name == one.name);
            if !landed.any(|(_, tip)| self.git.is_ancestor(head, tip).unwrap_or(false)) {
                return Ok(false);
            }
        }
        let adds_nothing = |commit: &CommitId| match self.git.adds_nothing(target, commit) {
            // Git can't merge them: they share no history, say.
            Err(GitError::Failed { .. }) => Ok(false),
            answer => answer,
        };
        Ok(adds_nothing(&one.commit)? && one.index().map_or(Ok(true), adds_nothing)?)
    }
}
