//! Finding what a run has done outside of its worktree.
//!
//! **Contract.** A look before an agent is started and one after it has ended; what differs and nothing explains is told in an event,
//! and, unless the settings say otherwise, ends the attempt. Nothing is taken back: a person decides. What can't be looked at is
//! told, and counts as neither done nor not done.
//!
//! **Deliberately absent:** keeping a run from writing elsewhere, which is what sandboxes are for; worktrees in which somebody
//! is at work by right; what is ignored and can be made again; reading.

mod explain;
mod heard;
mod judge;
mod words;

use biplane_control::Changes;
use biplane_execution::{
    git::Skip,
    worktrees::{
        self,
        outside::{Difference, Differences, Fingerprint, Origin, Watched, differences, fingerprint},
    },
};
use biplane_model::{AgentEvent, EventKind, NewEvent, RunId, Told, Worktree, clip};

use explain::Moment;
pub(crate) use heard::Heard;
use judge::{Known, Whose};

use super::Service;
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    settings::Outside,
};

/// What lay outside of a worktree before a run in it.
pub(crate) struct Before {
    moment: Moment,
    watched: Vec<Watched>,
    print: Fingerprint,
}

/// What was found after a run.
#[derive(Default)]
struct Found {
    /// In words, those that are surely this run's first.
    changes: Vec<String>,
    /// Whether all of them are surely this run's.
    is_certain: bool,
    /// What it added that harms nobody.
    harmless: Vec<String>,
    unknown: Vec<String>,
}

impl Service {
    /// Looks at what lies outside of a worktree, before an agent is started in it.
    ///
    /// # Errors
    /// When it can't be told: then nothing can be told after the run either.
    pub(crate) fn look_outside(&self, own: &Worktree) -> Result<Before> {
        if let Some(there) = self.elsewhere(&own.repo)? {
            return there.look_outside(own);
        }
        let git = self.home().git()?;
        for _ in 0..bounds::OUTSIDE_TRIES {
            let moment = self.look(|view| explain::moment(view, own))?;
            if !moment.moving {
                let watched = self.watched(&moment)?;
                let print = fingerprint(&git, &watched);
                // A landing that began meanwhile may be seen in part.
                let after = self.look(|view| explain::known(view, &moment, own, None))?;
                let is_moving = self.look(|view| Ok(explain::moment(view, own)?.moving))?;
                if after.landed.is_empty() && !is_moving {
                    self.heard.begin(own.id, self.place(own)?.path, moment.seq);
                    return Ok(Before { moment, watched, print });
                }
            }
            std::thread::sleep(bounds::OUTSIDE_REST);
        }
        Err(Error::new(ErrorKind::Busy, "work was landing all the time"))
    }

    /// Takes in what the agent in a worktree tells, from which the files are known that it names.
    pub(crate) fn hear(&self, own: &Worktree, event: &AgentEvent) {
        self.heard.hear(own.id, event);
    }

    /// What the agent in a worktree has told since the look before its run.
    pub(crate) fn told_in(&self, own: &Worktree) -> Told {
        self.heard.told(own.id)
    }

    /// What was changed outside of a worktree since the look before a run in it, and nothing explains. It is noted; the answer is
    /// the reason for which the attempt ends, if it does.
    ///
    /// # Errors
    /// When the ledger fails, or nothing at all can be told.
    pub(crate) fn changed_outside(
        &self,
        before: &Before,
        own: &Worktree,
        run: RunId,
    ) -> Result<Option<String>> {
        if let Some(there) = self.elsewhere(&own.repo)? {
            return there.changed_outside(before, own, run);
        }
        let found = self.found_outside(before, own, run);
        self.heard.end(own.id, self.look(|view| Ok(view.last_seq()?))?);
        let found = found?;
        for unknown in &found.unknown {
            self.say(format!("whether run {run} has worked outside of its worktree is not known: {unknown}"));
        }
        for harmless in &found.harmless {
            self.say(format!("run {run} in `{}` has left something behind: {harmless}", own.name));
        }
        if found.changes.is_empty() {
            return Ok(None);
        }
        let reason = reason(&found);
        let blocks = self.settings().up.outside == Outside::Block;
        self.change(|view, _| {
            let record = view.run(run)?.ok_or_else(|| Error::not_found(format!("there is no run {run}")))?;
            let mut event = NewEvent::new(EventKind::WorktreeRunOutside).run(&record).worktree(own);
            if let Some(task) = own.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                event = event.task(&task);
            }
            let named: Vec<String> = found.changes.iter().take(bounds::OUTSIDE_NAMED).cloned().collect();
            let event = event
                .with("outside", named)
                .with("count", found.changes.len() as u64)
                .with("certain", found.is_certain);
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })?;
        if blocks {
            return Ok(Some(reason));
        }
        self.say(format!("run {run} in `{}`: {reason}", own.name));
        Ok(None)
    }

    /// Looks until what differs is explained, or until it is sure not to be.
    fn found_outside(&self, before: &Before, own: &Worktree, run: RunId) -> Result<Found> {
        let git = self.home().git()?;
        let mut tries = 0;
        loop {
            tries += 1;
            let after = fingerprint(&git, &before.watched);
            let differ = differences(&git, &before.watched, &before.print, &after);
            let (known, is_moving) = self.look(|view| {
                let known = explain::known(view, &before.moment, own, Some(run))?;
                Ok((known, explain::moment(view, own)?.moving))
            })?;
            let found = self.sort(differ, known, before, own)?;
            let is_quiet = found.changes.is_empty() && found.unknown.is_empty();
            // Somebody may be in the middle of something that is explained a moment later.
            let most = if is_moving { bounds::OUTSIDE_TRIES } else { bounds::OUTSIDE_LOOKS };
            if is_quiet || tries >= most {
                return Ok(found);
            }
            std::thread::sleep(bounds::OUTSIDE_REST);
        }
    }

    fn sort(&self, differ: Differences, known: Known, before: &Before, own: &Worktree) -> Result<Found> {
        // Where somebody is at work, or biplane was, something may well be gone.
        let is_busy =
            |checkout: &Option<String>| checkout.as_ref().is_some_and(|name| known.busy.contains_key(name));
        let unknown = differ.unknown.into_iter().filter(|one| !is_busy(&one.checkout)).map(|one| one.why);
        let mut found = Found { unknown: unknown.collect(), is_certain: true, ..Found::default() };
        if differ.found.is_empty() {
            return Ok(found);
        }
        let [named, named_by_others] = self.heard.named(own.id, before.moment.seq);
        let target = self.target().map(|name| format!("refs/heads/{name}")).unwrap_or_default();
        let common_dir = self.home().repository()?.common_dir.clone();
        let known = Known { named, named_by_others, common_dir, target, ..known };
        let mut open = Vec::new();
        for difference in &differ.found {
            let words = || words::sentence(difference, &known);
            match known.whose(difference) {
                Whose::Own => found.changes.push(words()),
                Whose::Open => open.push(words()),
                Whose::Harmless if is_made_by(difference, own) => found.harmless.push(words()),
                Whose::Harmless | Whose::Explained | Whose::Others => {}
            }
        }
        found.is_certain = open.is_empty();
        found.changes.extend(open);
        Ok(found)
    }

    /// The main checkout, and the worktrees that nobody should be at work in.
    fn watched(&self, moment: &Moment) -> Result<Vec<Watched>> {
        let settings = &self.settings().worktrees;
        let home = self.home();
        let names = settings.snapshots.leave_out.clone();
        let repository = home.repository()?;
        let mut watched = Vec::new();
        if let Some(git) = repository.main_checkout() {
            let own = [home.tasks_dir(), home.views_dir(), home.root.join(".team"), home.worktrees_dir()];
            let below = |dir: &camino::Utf8PathBuf| {
                dir.strip_prefix(&repository.root).ok().map(|dir| dir.to_string())
            };
            // What is shared with all worktrees is theirs to write.
            let shared = settings.setup.share.iter().cloned();
            let paths = own.iter().filter_map(below).filter(|dir| !dir.is_empty()).chain(shared).collect();
            watched.push(Watched { name: String::new(), git, skip: Skip { names: names.clone(), paths } });
        }
        let mut index_bytes = 0;
        for worktree in &moment.idle {
            // One that can't be proved to be ours is doctor's business.
            let Ok(owned) = worktrees::prove(&self.place(worktree)?) else { continue };
            // How many files it has, without reading it. The newest is looked at however large it is.
            let size = owned.place.entry_dir().join("index").metadata().map_or(0, |meta| meta.len());
            if index_bytes > 0 && index_bytes + size > bounds::OUTSIDE_INDEX_BYTES {
                break;
            }
            index_bytes += size;
            let skip = Skip { names: names.clone(), paths: Vec::new() };
            watched.push(Watched { name: worktree.name.to_string(), git: owned.place.git(), skip });
        }
        Ok(watched)
    }
}

/// Whether git has logged that a ref was made in this worktree.
fn is_made_by(difference: &Difference, own: &Worktree) -> bool {
    let Difference::Ref { steps, .. } = difference else { return false };
    steps.iter().any(|step| step.from == Origin::Entry(own.git_entry.clone()))
}

/// Why the attempt ends.
fn reason(found: &Found) -> String {
    let named = found.changes.iter().take(bounds::PATHS_NAMED).cloned().collect::<Vec<_>>().join("; ");
    let more = found.changes.len().saturating_sub(bounds::PATHS_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let doubt = if found.is_certain {
        ""
    } else {
        ". It was at work at that time, and nothing tells who else did it; \
         if that was you, reopen the task, and set `outside = \"tell\"` in `[up]` to work on beside agents"
    };
    clip(&format!("worked outside its worktree: {named}{more}{doubt}"), NewEvent::MAX_ERROR)
}
