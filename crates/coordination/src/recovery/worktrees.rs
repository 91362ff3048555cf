//! Worktrees that were half created or half removed.

use biplane_control::Changes;
use biplane_execution::{
    git::{ListedWorktree, WithIgnored},
    worktrees::{self, OwnershipFault, Place},
};
use biplane_model::{OperationKind, ProcessIdentity, Worktree};

use super::{Mode, Recovery, is_dead};
use crate::{
    error::{Error, Result},
    service::{Closing, Processes, RemoveRequest, Service, record},
};

impl Service {
    pub(super) fn recover_worktrees(&self, mode: Mode, found: &mut Recovery) -> Result<()> {
        for worktree in &self.live_here()? {
            let Some(operation) = worktree.operation.as_ref().filter(|o| is_dead(&o.by)) else { continue };
            let name = &worktree.name;
            let what = match operation.kind {
                OperationKind::Create => format!("worktree `{name}` was half created; taken back"),
                OperationKind::Remove | OperationKind::RemoveAndComplete => {
                    format!("worktree `{name}` was half removed; finished, or left as it was")
                }
            };
            let result = match mode {
                Mode::Dry => Ok(true),
                Mode::Fix => found.end_helpers(&operation.by).and_then(|()| self.recover_worktree(worktree)),
            };
            let is_settled = || {
                let now = self.look(|view| record(view, worktree.id))?;
                Ok(now.operation.as_ref().is_none_or(|o| !is_dead(&o.by)))
            };
            found.note_if_ours(what, result, is_settled);
        }
        Ok(())
    }

    /// Finishes or undoes what a dead process had begun with a worktree. False when there is nothing of it any more.
    ///
    /// Between the look at the ledger and the proof of death the process may have come to its end as it should, and the
    /// worktree be in use; or another process recovers it too, and somebody makes a new one of the same name. Therefore
    /// the operation is taken over first, which one process can do, and only while it is as it was.
    fn recover_worktree(&self, left: &Worktree) -> Result<bool> {
        let Some(ours) = self.adopt_operation(left, self.me())? else { return Ok(false) };
        let done = match ours.operation.as_ref().map(|o| o.kind) {
            Some(OperationKind::Create) => self.undo_create(&ours),
            _ => self.settle_remove(&ours),
        };
        if done.is_err()
            && let Some(operation) = &left.operation
        {
            // It can be tried again, by anybody.
            let current = self.look(|view| record(view, left.id))?;
            self.adopt_operation(&current, operation.by.clone())?;
        }
        done.map(|()| true)
    }

    /// Says that the operation on `seen` is `by`'s from now on. `None` when the record has changed meanwhile.
    fn adopt_operation(&self, seen: &Worktree, by: ProcessIdentity) -> Result<Option<Worktree>> {
        self.change(|view, now| {
            let mut current = record(view, seen.id)?;
            let is_same = current.rev == seen.rev;
            let Some(operation) = current.operation.as_mut().filter(|_| is_same) else {
                return Ok((Changes::default(), None));
            };
            operation.by = by.clone();
            current.updated_at = now;
            let changes = Changes { worktrees: vec![current.clone()], ..Changes::default() };
            Ok((changes, Some(current)))
        })
    }

    /// Takes back a creation. Nobody has worked in it: it was never active.
    fn undo_create(&self, worktree: &Worktree) -> Result<()> {
        let git = self.home().git()?;
        let path = self.home().absolute(&worktree.path);
        let common_dir = self.home().repository()?.common_dir.clone();
        // One that is being restored may have another branch checked out already, or none.
        let is_ours = !worktree.git_entry.is_empty() && worktrees::prove(&self.place(worktree)?).is_ok();
        // It had not come so far, and what is there now is somebody else's.
        let is_other =
            |w: &ListedWorktree| w.path == path && w.branch.as_ref() != Some(&worktree.branch) && !is_half(w);
        if !is_ours && git.worktrees()?.iter().any(is_other) {
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
        if let Some(aside) = worktrees::found_aside(&place, &self.aside(worktree)) {
            aside.put_back()?;
            return self.not_removed(worktree.id, &Error::failed("it was interrupted"));
        }
        let is_aside = self.aside(worktree).as_std_path().symlink_metadata().is_ok();
        if !is_aside && let Err(OwnershipFault::Missing { .. }) = worktrees::prove(&self.place(worktree)?) {
            // It was not us who put it elsewhere: it may be moved or unmounted, and nothing of it is saved.
            return self.not_removed(worktree.id, &Error::failed("it was interrupted"));
        }
        if is_aside && !place.git_entry.is_empty() && place.entry_dir().exists() {
            let aside = self.aside(worktree);
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

    /// Removes a worktree whose work is to be begun anew. What it holds is in a snapshot.
    pub(crate) fn start_over(&self, worktree: &Worktree, why: &str) -> Result<()> {
        let removal = self.worktree_remove(&RemoveRequest {
            name: worktree.name.clone(),
            force: true,
            processes: Processes::Refuse,
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

/// Whether git was killed before it had written what is checked out there.
fn is_half(listed: &ListedWorktree) -> bool {
    listed.branch.is_none()
        && listed.head.as_ref().is_none_or(|head| head.as_str().bytes().all(|b| b == b'0'))
}
