//! The effect of a removal. First the directory is put aside, then it is looked at and saved: from then on nobody reaches
//! it by its name, so that nothing can be written between the snapshot and the deletion. Whatever goes wrong before git
//! has forgotten the worktree, the directory goes back to its place.

use biplane_control::SubmissionFilter;
use biplane_execution::{
    git::{Git, GitError, RefUpdate, Seen, WithIgnored},
    supervise::{self, Inside, Presence, Resident},
    worktrees::{self, Against, Aside, Held, Place, Snapshot, Standing},
};
use biplane_model::{CommitId, SubmissionStatus, Timestamp, Worktree, sanitize_line};

use super::{
    Service,
    remove::{Processes, RemoveRequest, refuse_work},
};
use crate::{
    bounds,
    doctor::is_local,
    error::{Error, ErrorKind, Result},
    locks,
};

/// What a removal has done to the files and to git.
pub(super) struct Gone {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) branch_left: Option<String>,
    pub(super) aside: Aside,
    /// When the last look began, when that was after it had been put aside.
    pub(super) looked_at: Option<Timestamp>,
}

/// Now, by the clock that the files of a worktree get their times from; none where that is another machine's, or can't be read.
pub(super) fn file_time(place: &Place) -> Option<Timestamp> {
    worktrees::file_time().filter(|_| is_local(&place.path))
}

/// What was found before anything was moved.
pub(super) struct Before<'a> {
    pub(super) against: &'a Against,
    pub(super) inside: &'a Inside,
    pub(super) standing: &'a Standing,
    /// What tells whether a second look can be left to the background.
    pub(super) seen: Option<Seen>,
}

impl Service {
    /// What tells that a worktree which is untouched still is so once it is aside, when what is written in between can be told
    /// later by its time, and somebody will look.
    pub(super) fn looks_once(&self, standing: &Standing, place: &Place) -> Option<Seen> {
        let seen = standing.state.seen.clone().filter(|_| standing.state.is_untouched)?;
        (self.is_tended(&place.path) && is_local(&place.path)).then_some(seen)
    }

    /// The effect: proof, rename aside, proof, look, snapshot, entry, branch.
    pub(super) fn remove_proved(
        &self,
        request: &RemoveRequest,
        worktree: &Worktree,
        place: &Place,
        before: &Before<'_>,
    ) -> Result<Gone> {
        // From the intent on no run can begin in it. Whoever is ended may still write to where it has always been. Who has
        // come since the look is found once it is aside.
        self.clear_of_processes(request, worktree, before.inside)?;
        let owned = worktrees::prove(place)?;
        if place.is_locked()? {
            return Err(locked(place));
        }
        let aside = worktrees::move_aside(&owned, &self.aside(worktree))?;
        let place_aside = Place { path: aside.path.clone(), ..place.clone() };
        let git = self.home().git()?;
        let saved = self
            .save(request, worktree, &place_aside, before)
            .and_then(|saved| self.delete_entry(&git, place).map(|()| saved));
        let (standing, snapshot, looked_at) = match saved {
            Ok(saved) => saved,
            Err(error) => {
                // Git may have forgotten it already, and that was the error: then nothing is lost, and it is finished.
                return Err(match aside.put_back() {
                    Ok(()) => error,
                    Err(stays) => error.hint(format!("it is in `{}`: {stays}", aside.path)),
                });
            }
        };
        let branch_left = self.drop_branch(&git, worktree, &standing).unwrap_or_else(|error| {
            self.say(format!("the branch `{}` stays: {error}", worktree.branch));
            Some(worktree.branch.clone())
        });
        Ok(Gone { snapshot, branch_left, aside, looked_at })
    }

    /// Looks at what was put aside, and takes a snapshot of what nothing else holds.
    fn save(
        &self,
        request: &RemoveRequest,
        worktree: &Worktree,
        aside: &Place,
        before: &Before<'_>,
    ) -> Result<(Standing, Option<Snapshot>, Option<Timestamp>)> {
        // Who was inside before the rename still is.
        self.clear_of_processes(request, worktree, &supervise::inside(&aside.path))?;
        // Until it was put aside, somebody may have written into it, or a run may have come and gone.
        let mut looked_at = None;
        let standing = match &before.seen {
            Some(seen) if aside.git().is_as(seen) => before.standing.clone(),
            _ => {
                looked_at = file_time(aside);
                let (branch, base) = (&worktree.branch, &worktree.base);
                worktrees::standing(aside, branch, base, before.against, WithIgnored::Yes)?
            }
        };
        if !request.force {
            refuse_work(worktree, &standing)?;
        }
        let is_held = standing.in_history()
            || standing.state.head.as_ref().map_or(Ok(true), |head| self.is_held(worktree, head))?;
        if is_held && standing.state.is_untouched {
            return Ok((standing, None, looked_at));
        }
        let held = if is_held { Held::ByAnother } else { Held::ByNothing };
        let why = if request.reason.is_empty() { "removed" } else { &request.reason };
        let snapshot = self.hold(worktree, aside, why, held)?;
        Ok((standing, snapshot, looked_at))
    }

    /// As [`refuse_processes`], and ends those that are to be ended.
    fn clear_of_processes(
        &self,
        request: &RemoveRequest,
        worktree: &Worktree,
        inside: &Inside,
    ) -> Result<()> {
        refuse_processes(request, worktree, inside)?;
        if inside.others.is_empty() {
            return Ok(());
        }
        let ended = supervise::end_residents(&inside.others, supervise::bounds::GRACE);
        if let Some(stays) = ended.iter().find(|s| !s.gone) {
            let message = format!("process {} ({}) does not end", stays.pid, stays.command);
            return Err(Error::new(ErrorKind::Busy, message));
        }
        for gone in ended.iter().take(bounds::RESIDENTS_SHOWN) {
            self.say(format!("ended process {} ({})", gone.pid, gone.command));
        }
        Ok(())
    }

    /// Makes git forget the worktree. An error after which git knows it no more is told, and no error.
    fn delete_entry(&self, git: &Git, place: &Place) -> Result<()> {
        let _held = locks::git(self.home(), "removing a worktree", self.wait_notice("git's worktrees"))?;
        match worktrees::delete_entry(git, &place.path) {
            Ok(()) => Ok(()),
            Err(error) if place.entry_dir().join("gitdir").exists() => Err(error.into()),
            Err(error) => {
                self.say(format!("of git's entry `{}` something is left: {error}", place.git_entry));
                Ok(())
            }
        }
    }

    /// Deletes the branch, when its tip is landed or in the snapshot. Gives the branch when it stays.
    fn drop_branch(&self, git: &Git, worktree: &Worktree, standing: &Standing) -> Result<Option<String>> {
        let Some(tip) = &standing.tip else { return Ok(None) };
        let stays = Ok(Some(worktree.branch.clone()));
        let is_head = standing.state.head.as_ref() == Some(tip);
        if git.is_checked_out(&worktree.branch)
            || self.is_target(&worktree.branch)
            || !(is_head || self.is_held(worktree, tip)?)
        {
            return stays;
        }
        let name = format!("refs/heads/{}", worktree.branch);
        let why = "biplane: worktree removed";
        match git.update_ref(&RefUpdate { name: &name, old: Some(tip), new: None, why }) {
            Ok(()) => Ok(None),
            Err(GitError::RefMoved { .. }) => stays,
            Err(error) => Err(error.into()),
        }
    }

    /// Whether `commit` stays when the worktree's branch goes: the base or the target has it, or it is part of what has
    /// landed in another form. That merging it would change nothing is not enough: work may have been taken back in it.
    pub(super) fn is_held(&self, worktree: &Worktree, commit: &CommitId) -> Result<bool> {
        let git = self.home().git()?;
        let mut holders = vec![worktree.base.clone()];
        holders.extend(self.against(worktree)?.target);
        let filter = SubmissionFilter { worktree: Some(worktree.id), ..SubmissionFilter::default() };
        let submitted = self.look(|view| Ok(view.submissions(&filter)?))?;
        holders
            .extend(submitted.into_iter().filter(|s| s.status == SubmissionStatus::Landed).map(|s| s.head));
        if holders.contains(commit) {
            return Ok(true);
        }
        for holder in &holders {
            if git.is_ancestor(commit, holder)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Refuses to take a directory away from under processes, unless they are to be ended. Those that we descend from are
/// never ended; they may stand there, but not have a file open for writing.
pub(super) fn refuse_processes(request: &RemoveRequest, worktree: &Worktree, inside: &Inside) -> Result<()> {
    let writes = |r: &&Resident| matches!(r.presence, Presence::Holds { writes: true, .. });
    let above: Vec<&Resident> = inside.above.iter().filter(writes).collect();
    if !above.is_empty() {
        let hint = "this command was started by it, and does not end it: close the file";
        return Err(in_use(worktree, &above).hint(hint));
    }
    if !inside.others.is_empty() && request.processes == Processes::Refuse {
        let all: Vec<&Resident> = inside.others.iter().collect();
        return Err(in_use(worktree, &all).hint("end them first, or use `--kill`"));
    }
    Ok(())
}

pub(super) fn locked(place: &Place) -> Error {
    let hint = format!("`git worktree unlock {}` first", place.path);
    Error::refused(format!("git has `{}` locked against removal", place.path)).hint(hint)
}

fn in_use(worktree: &Worktree, residents: &[&Resident]) -> Error {
    let shown: Vec<String> =
        residents.iter().take(bounds::RESIDENTS_SHOWN).map(|r| resident_words(r)).collect();
    let more = match residents.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let message = format!("worktree `{}` is in use: {}{more}", worktree.name, shown.join("; "));
    Error::new(ErrorKind::Busy, message)
}

/// A process and what it does there: `process 7 (sh) stands in it`.
pub(super) fn resident_words(resident: &Resident) -> String {
    let Resident { pid, command, .. } = resident;
    let does = match &resident.presence {
        Presence::Stands => "stands in it".to_owned(),
        Presence::Root => "takes it for its root".to_owned(),
        Presence::Runs => "is a program in it".to_owned(),
        Presence::Holds { path, .. } => {
            format!("has `{}` open", biplane_model::clip(&sanitize_line(path), 100))
        }
    };
    format!("process {pid} ({command}) {does}")
}
