//! After a crash: every intent without a result is found, finished or undone. Doing it twice changes nothing.
//!
//! Only what a dead process had begun is touched. A process that can't be looked at is not dead, and what it began is
//! left alone and told of.

use biplane_control::{
    Changes, RunFilter, SubmissionFilter, TaskFilter, View, WorktreeFilter, board, board::Guard,
};
use biplane_execution::{
    git::{Git, INDEX_BY, ListedWorktree, WithIgnored},
    supervise::{self, identity},
    worktrees::{self, Held, OwnershipFault, Place},
};
use biplane_model::{
    EventKind, NewEvent, OperationKind, ProcessIdentity, Run, RunKind, RunStatus, Submission,
    SubmissionStatus, Task, TaskStatus, Worktree, WorktreeStatus,
};

use crate::{
    error::{Error, Result},
    service::{Closing, RemoveRequest, Service, record},
};

/// What recovery found and did, in sentences; empty when there was nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What was finished, undone or repaired.
    pub done: Vec<String>,
    /// What could not be, and why.
    pub open: Vec<String>,
    /// The dead processes whose helper commands have been ended.
    ended: Vec<ProcessIdentity>,
}

/// Whether recovery acts or only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It says what it would do.
    Dry,
    /// It does it.
    Fix,
}

impl Recovery {
    fn note(&mut self, what: String, result: Result<()>) {
        match result {
            Ok(()) => self.done.push(what),
            Err(error) => self.open.push(format!("{what}: {error}")),
        }
    }

    /// Sees the helper commands end that a dead process has left: a git that still is at work would have its effect after
    /// what it belongs to was taken back.
    fn end_helpers(&mut self, dead: &ProcessIdentity) -> Result<()> {
        if self.ended.contains(dead) {
            return Ok(());
        }
        let strays =
            supervise::reap_helpers(dead, supervise::bounds::HELPER_PATIENCE, supervise::bounds::GRACE);
        if let Some(alive) = strays.iter().find(|s| !s.gone) {
            return Err(Error::failed(format!("process {} ({}) does not end", alive.pid, alive.command)));
        }
        self.ended.push(dead.clone());
        Ok(())
    }
}

impl Service {
    /// Finishes or undoes what dead processes have left.
    ///
    /// # Errors
    /// When the ledger can't be read. What could not be recovered is in the answer.
    pub fn recover(&self, mode: Mode) -> Result<Recovery> {
        let mut found = Recovery::default();
        self.recover_runs(mode, &mut found)?;
        if self.home().repository.is_some() {
            self.recover_worktrees(mode, &mut found)?;
            self.recover_submissions(mode, &mut found)?;
            self.recover_scratch(mode, &mut found)?;
        }
        self.recover_claims(mode, &mut found)?;
        if mode == Mode::Fix && !found.done.is_empty() {
            let what = found.done.clone();
            self.change(|_, _| {
                let event = NewEvent::new(EventKind::Recovered).with("done", what.clone());
                Ok((Changes { events: vec![event], ..Changes::default() }, ()))
            })?;
        }
        Ok(found)
    }

    /// As [`Service::recover`], saying what was done; for verbs that need a clear field first.
    pub(crate) fn recover_first(&self) -> Result<()> {
        let found = self.recover(Mode::Fix)?;
        for line in found.done {
            self.say(format!("recovered: {line}"));
        }
        for line in found.open {
            self.say(format!("not recovered: {line}"));
        }
        Ok(())
    }

    fn recover_runs(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let open = self.look(|view| Ok(view.runs(&RunFilter { open: true, ..RunFilter::default() })?))?;
        for run in open.iter().filter(|run| is_dead(&run.supervisor)) {
            let what = format!(
                "run {} in `{}` was lost with its supervisor ({})",
                run.id, run.worktree, run.supervisor
            );
            let result = match mode {
                Mode::Dry => Ok(()),
                Mode::Fix => found.end_helpers(&run.supervisor).and_then(|()| self.end_lost(run)),
            };
            found.note(what, result);
        }
        Ok(())
    }

    /// Ends what is left of a run, saves what it has done, and gives its task back.
    fn end_lost(&self, run: &Run) -> Result<()> {
        let marker = crate::service::marker(self.mark(run.id));
        let strays = supervise::reap(&marker, run.child.as_ref(), supervise::bounds::GRACE);
        if let Some(alive) = strays.iter().find(|s| !s.gone) {
            return Err(Error::failed(format!("process {} ({}) does not end", alive.pid, alive.command)));
        }
        let snapshot = if run.kind == RunKind::Agent { self.save_lost(run)? } else { None };
        self.change(|view, now| {
            let mut changes = Changes::default();
            let Some(mut run) = view.run(run.id)?.filter(|r| !r.status.is_over()) else {
                return Ok((changes, ()));
            };
            run.status = run.status.to(RunStatus::Lost, format_args!("run {}", run.id))?;
            run.ended_at = Some(now);
            "its supervisor died".clone_into(&mut run.error);
            let worktree = record(view, run.worktree_id)?;
            if let Some((name, commit)) = &snapshot {
                let event = NewEvent::new(EventKind::WorktreeSnapshot).worktree(&worktree);
                changes.events.push(event.with("ref", name.as_str()).with("commit", commit.as_str()));
            }
            let mut event =
                NewEvent::new(EventKind::WorktreeRunLost).run(&run).worktree(&worktree).error(&run.error);
            event = event.with("processes_ended", strays.len());
            changes.events.push(event);
            changes.runs.push(run);
            Ok((changes, ()))
        })
    }

    fn save_lost(&self, run: &Run) -> Result<Option<(String, String)>> {
        let worktree = self.look(|view| record(view, run.worktree_id))?;
        if !worktree.status.is_live() || worktree.git_entry.is_empty() {
            return Ok(None);
        }
        let Ok(owned) = worktrees::prove(&self.place(&worktree)?) else { return Ok(None) };
        let taken = worktrees::snapshot(&owned.place, &worktree.name, "its run was lost", Held::ByAnother)?;
        Ok(taken.map(|s| (s.name, s.commit.to_string())))
    }

    fn recover_worktrees(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let live = self
            .look(|view| Ok(view.worktrees(&WorktreeFilter { live: true, ..WorktreeFilter::default() })?))?;
        for worktree in &live {
            let Some(operation) = worktree.operation.as_ref().filter(|o| is_dead(&o.by)) else { continue };
            let name = &worktree.name;
            let (what, is_create) = match operation.kind {
                OperationKind::Create => (format!("worktree `{name}` was half created; taken back"), true),
                OperationKind::Remove | OperationKind::RemoveAndComplete => {
                    (format!("worktree `{name}` was half removed; finished, or left as it was"), false)
                }
            };
            let result = match (mode, is_create) {
                (Mode::Dry, _) => Ok(()),
                (Mode::Fix, true) => {
                    found.end_helpers(&operation.by).and_then(|()| self.undo_create(worktree))
                }
                (Mode::Fix, false) => {
                    found.end_helpers(&operation.by).and_then(|()| self.settle_remove(worktree))
                }
            };
            found.note(what, result);
        }
        Ok(())
    }

    /// Takes back a creation. Nobody has worked in it: it was never active.
    fn undo_create(&self, worktree: &Worktree) -> Result<()> {
        let git = self.home().git()?;
        let path = self.home().absolute(&worktree.path);
        let common_dir = self.home().repository()?.common_dir.clone();
        // It had not come so far, and what is there now is somebody else's.
        let is_other = |w: &ListedWorktree| w.path == path && w.branch.as_ref() != Some(&worktree.branch);
        if git.worktrees()?.iter().any(is_other) {
            return self.not_created(worktree.id, &Error::failed("it was interrupted"));
        }
        // Without git's entry there is only an empty directory, or none, to take back.
        let entry = worktrees::linked_checkout(&common_dir, &path)
            .and_then(|checkout| checkout.git_dir().file_name().map(str::to_owned))
            .unwrap_or_default();
        self.unmake(&git, &Place { common_dir, path, git_entry: entry }, worktree)?;
        self.not_created(worktree.id, &Error::failed("it was interrupted"))
    }

    /// Finishes a removal that git has been told of: everything was saved before. One that had not come so far is taken
    /// back: the directory returns to its place.
    fn settle_remove(&self, worktree: &Worktree) -> Result<()> {
        let place = self.place(worktree)?;
        if let Some(aside) = worktrees::found_aside(&place, &self.aside(worktree.id)) {
            aside.put_back()?;
            return self.not_removed(worktree.id, &Error::failed("it was interrupted"));
        }
        let is_aside = self.aside(worktree.id).as_std_path().symlink_metadata().is_ok();
        if !is_aside && let Err(OwnershipFault::Missing { .. }) = worktrees::prove(&self.place(worktree)?) {
            // It was not us who put it elsewhere: it may be moved or unmounted, and nothing of it is saved.
            return self.not_removed(worktree.id, &Error::failed("it was interrupted"));
        }
        if is_aside && !place.git_entry.is_empty() && place.entry_dir().exists() {
            let aside = self.aside(worktree.id);
            return Err(Error::failed(format!(
                "git still knows it, and `{aside}` is not provably its directory"
            )));
        }
        let path = self.home().absolute(&worktree.path);
        match path.as_std_path().symlink_metadata() {
            Ok(_) => self.not_removed(worktree.id, &Error::failed("it was interrupted")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => self.finish_remove(worktree),
            Err(e) => Err(Error::io("looked at", path, e)),
        }
    }

    /// As [`Service::recover`], for submissions alone and by whoever holds the lock around landing: a landing that a dead
    /// process did not finish is finished before another one begins on top of it.
    pub(crate) fn recover_landings(&self) -> Result<()> {
        let mut found = Recovery::default();
        self.recover_submissions(Mode::Fix, &mut found)?;
        for line in found.done {
            self.say(format!("recovered: {line}"));
        }
        found.open.into_iter().next().map_or(Ok(()), |line| Err(Error::failed(line)))
    }

    fn recover_submissions(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let open = self.look(|view| {
            Ok(view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?)
        })?;
        let is_left =
            |s: &&Submission| s.status == SubmissionStatus::Testing && s.worker.as_ref().is_none_or(is_dead);
        for current in open.iter().filter(is_left) {
            let ended = match (&current.worker, mode) {
                (Some(worker), Mode::Fix) => found.end_helpers(worker),
                _ => Ok(()),
            };
            if let Err(error) = ended {
                found.note(format!("{} was being tested", current.id), Err(error));
                continue;
            }
            let git = self.home().git()?;
            let landed = match &current.candidate {
                Some(candidate) => {
                    let tip = git.branch_tip(&current.target)?;
                    tip.as_ref().map_or(Ok(false), |tip| git.is_ancestor(candidate, tip))?
                }
                None => false,
            };
            let what = if landed {
                format!("{} had landed; noted", current.id)
            } else {
                format!("{} was being tested; queued again", current.id)
            };
            let result = match (mode, landed) {
                (Mode::Dry, _) => Ok(()),
                (Mode::Fix, true) => self.finish_landing(&git, current),
                (Mode::Fix, false) => self.requeue_left(current),
            };
            found.note(what, result);
        }
        Ok(())
    }

    /// Queues a submission again that its worker has left. Nothing when somebody else is at it by now.
    fn requeue_left(&self, left: &Submission) -> Result<()> {
        let is_same = |now: &Submission| now.status == left.status && now.worker == left.worker;
        self.requeue_if(left.id, "its worker died", is_same)
    }

    /// The target has moved, but nobody noted it: the checkouts that were clean are brought along, then it is noted.
    fn finish_landing(&self, git: &Git, current: &Submission) -> Result<()> {
        if let (Some(onto), Some(tip)) = (&current.onto, git.branch_tip(&current.target)?) {
            for listed in
                git.worktrees()?.iter().filter(|w| w.branch.as_ref() == Some(&current.target) && !w.bare)
            {
                let Some(checkout) = self.checkout_at(&listed.path)? else { continue };
                // Untouched since before the landing: the index is that of the old tip. Git keeps changed files safe.
                if checkout.index_is(onto)? {
                    checkout.follow(onto, &tip)?;
                }
            }
        }
        let candidate = current.candidate.clone().ok_or_else(|| Error::failed("there is no candidate"))?;
        if !self.submission(current.id)?.status.is_open() {
            // Another process has recovered it at the same moment.
            return Ok(());
        }
        self.landed(current, &candidate, &[]).map(|_| ())
    }

    /// Gate worktrees whose submission nobody is testing.
    fn recover_scratch(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let git = self.home().git()?;
        let mut names: Vec<String> = Vec::new();
        let dir = self.home().worktrees_dir();
        let entries = match dir.read_dir_utf8() {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return self.recover_copies(mode, found),
            Err(e) => return Err(Error::io("read", &dir, e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &dir, e))?;
            let name = entry.file_name();
            names.extend(
                (name.starts_with(".gate-") || name.starts_with(".removed-")).then(|| name.to_owned()),
            );
        }
        // The ledger is asked after the disk: who makes a scratch worktree has said so there before.
        let open = self.look(|view| {
            Ok(view.submissions(&SubmissionFilter { open: true, ..SubmissionFilter::default() })?)
        })?;
        for name in names {
            let path = self.home().worktrees_dir().join(&name);
            let in_use = open.iter().any(|s| {
                self.scratch_path(s.id) == path && s.worker.as_ref().is_some_and(|worker| !is_dead(worker))
            });
            let removing = name.starts_with(".removed-") && self.is_being_removed(&name)?;
            if in_use || removing {
                continue;
            }
            let what = format!("`.worktrees/{name}` was left behind; deleted");
            let result = if mode == Mode::Fix { self.drop_left(&git, &path) } else { Ok(()) };
            found.note(what, result);
        }
        self.recover_copies(mode, found)
    }

    /// Copies of an index, and git's entries that were to be deleted, whose maker is gone.
    fn recover_copies(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let dir = self.home().state_dir();
        for entry in dir.read_dir_utf8().map_err(|e| Error::io("read", &dir, e))? {
            let entry = entry.map_err(|e| Error::io("read", &dir, e))?;
            let name = entry.file_name();
            let made_by = name.strip_prefix(INDEX_BY).or_else(|| name.strip_prefix(worktrees::ENTRY_BY));
            let Some(pid) = made_by.and_then(|rest| rest.split('-').next()?.parse().ok()) else { continue };
            if identity::of(pid).is_none() {
                let kind =
                    if name.starts_with(INDEX_BY) { "a copy of an index" } else { "an entry of git's" };
                let what = format!("`{name}`, {kind}, was left behind; deleted");
                let result = match mode {
                    Mode::Dry => Ok(()),
                    Mode::Fix => Ok(worktrees::delete_aside(entry.path())?),
                };
                found.note(what, result);
            }
        }
        Ok(())
    }

    /// Whether somebody is still at work on what was put aside under this name.
    fn is_being_removed(&self, aside: &str) -> Result<bool> {
        if let Some(rest) = aside.strip_prefix(worktrees::ASIDE_BY) {
            let pid = rest.split('-').next().and_then(|pid| pid.parse().ok());
            return Ok(pid.is_none_or(|pid| identity::of(pid).is_some()));
        }
        let Some(id) = aside.strip_prefix(".removed-").and_then(|id| id.parse().ok()) else {
            return Ok(true);
        };
        self.look(|view| Ok(view.worktree(id)?.is_none_or(|w| w.status != WorktreeStatus::Removed)))
    }

    fn drop_left(&self, git: &Git, path: &camino::Utf8Path) -> Result<()> {
        if let Some(checkout) = worktrees::linked_checkout(git.common_dir(), path) {
            let entry = checkout.git_dir().file_name().unwrap_or_default().to_owned();
            let place =
                Place { common_dir: git.common_dir().to_owned(), path: path.to_owned(), git_entry: entry };
            return self.drop_scratch(git, &place);
        }
        Ok(worktrees::delete_aside(path)?)
    }

    /// Tasks whose holder is dead, or whose lease has run out, with no run left.
    fn recover_claims(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        let filter = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
        let tasks = self.look(|view| Ok(view.tasks(&filter)?))?;
        for task in &tasks {
            let Some(why) = self.void_claim(task)? else { continue };
            let what = format!("task {} is pending again: {why}", task.id);
            let ended = match (&task.holder, mode) {
                (Some(holder), Mode::Fix) if is_dead(holder) => found.end_helpers(holder),
                _ => Ok(()),
            };
            let result = match mode {
                Mode::Dry => Ok(()),
                Mode::Fix => ended.and_then(|()| self.void(task, &why)),
            };
            found.note(what, result);
        }
        Ok(())
    }

    fn void_claim(&self, task: &Task) -> Result<Option<String>> {
        let runs = self.look(|view| {
            Ok(view.runs(&RunFilter { open: true, task: Some(task.id.clone()), worktree: None })?)
        })?;
        if runs.iter().any(|run| run.kind == RunKind::Agent) {
            return Ok(None);
        }
        Ok(match &task.holder {
            Some(holder) if is_dead(holder) => Some(format!("the process that held it died ({holder})")),
            Some(_) => None,
            None => task.lease_expired(self.now()).then(|| "its claim ran out".to_owned()),
        })
    }

    fn void(&self, task: &Task, why: &str) -> Result<()> {
        self.change(|view: &dyn View, now| {
            let guard = Guard { epoch: Some(task.epoch), rev: Some(task.rev) };
            let (changes, _) = board::give_back(view, &task.id, why, guard, now)?;
            Ok((changes, ()))
        })
    }

    /// Removes a worktree whose work is to be begun anew. What it holds is in a snapshot.
    pub(crate) fn start_over(&self, worktree: &Worktree, why: &str) -> Result<()> {
        let removal = self.worktree_remove(&RemoveRequest {
            name: worktree.name.clone(),
            force: true,
            processes: crate::service::Processes::Refuse,
            closing: Closing::LeaveTask,
            reason: why.to_owned(),
            dry_run: false,
        })?;
        if let Some(name) = removal.snapshot {
            self.say(format!("`{}` begins anew; what was there is in {name}", worktree.name));
        }
        Ok(())
    }

    /// Whether the worktree has anything in it that its base has not.
    pub(crate) fn has_work(&self, worktree: &Worktree) -> Result<bool> {
        let standing = self.standing(worktree, WithIgnored::No)?;
        Ok(!standing.state.is_clean() || standing.commits > 0)
    }
}

pub(crate) fn is_dead(process: &ProcessIdentity) -> bool {
    identity::liveness(process) == identity::Liveness::Dead
}
