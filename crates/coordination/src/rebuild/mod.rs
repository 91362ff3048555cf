//! `doctor --rebuild`: a lost ledger is made anew from the views, from git, and from what lies beside the worktrees.
//!
//! **Contract.** Only our own views are read, and they are hostile like any file: bounded, no link followed, nothing in
//! them evaluated but a task's gate, and that only from a file that carries our stamp. Everything counts as leased: a task
//! in progress keeps its owner for one more lease, and every epoch grows, so that what ran under the lost ledger is fenced
//! off. No id and no event number is ever given out again. The new ledger is built beside the old one and put in its place
//! by a rename: all of it or nothing. What was damaged is moved aside, never deleted.
//!
//! **Deliberately absent:** any change to git, to a worktree or to a view; what the new ledger and those disagree on is
//! the business of `doctor` and of recovery afterwards.

mod board;
mod events;
mod numbers;
mod past;
mod place;
mod queue;
mod runs;
mod seen;
mod team;
mod told;

use biplane_control::SqliteLedger;
use biplane_model::{Event, EventKind, NewEvent, Seq};
use camino::Utf8PathBuf;

use self::seen::Seen;
pub(crate) use self::{place::is_damage, seen::is_own_board};
use crate::{
    error::{Error, Result},
    import::notes::Notes,
    recovery::Mode,
    service::{Service, refuse_links},
};

/// What was brought back, or would be.
#[derive(Debug, Clone, Default)]
pub struct RebuildReport {
    /// Tasks.
    pub tasks: usize,
    /// Worktrees, removed ones among them.
    pub worktrees: usize,
    /// Runs.
    pub runs: usize,
    /// Submissions.
    pub submissions: usize,
    /// Events of the past.
    pub events: usize,
    /// What could not be brought back as it was: each names a file, a line, a task, a worktree. Safe to show and bounded.
    pub problems: Vec<String>,
    /// Where the damaged ledger was moved; none when there was none, and in a dry run.
    pub damaged: Option<Utf8PathBuf>,
}

/// The refusal of every verb while the ledger is lost.
pub(crate) fn lost() -> Error {
    Error::refused("the ledger is lost: there are views that biplane has written, and no ledger")
        .hint("`biplane doctor --rebuild` says what the views and git can bring back; with `--fix` it does that")
        .hint("or put a backup of the ledger back; `biplane import` takes the views over as a board without a past")
}

impl Service {
    /// Makes a lost or damaged ledger anew. Open the service with [`Access::Examine`](crate::Access); what is brought
    /// back is seen by services that are opened afterwards.
    ///
    /// # Errors
    /// Refused when the ledger is whole or of a newer version, when there are no views of ours, and when the settings
    /// can't be read; busy while another biplane is at work. Nothing is changed then.
    pub fn rebuild(mut self, mode: Mode) -> Result<RebuildReport> {
        refuse_links(self.home())?;
        self.refuse_sound()?;
        if let Some(error) = &self.trouble().settings {
            let message = format!("the gates of what waits are not known: {}", error.message);
            return Err(Error::refused(message).hint("repair `biplane.toml` first"));
        }
        if !is_own_board(self.home()) {
            return Err(Error::not_found("there are no views of biplane's to bring a ledger back from")
                .hint("`biplane import` takes over a board of another tool"));
        }
        let _held = place::alone(self.home(), mode)?;
        let now = self.now();
        let mut notes = Notes::default();
        let seen = Seen::read(self.home(), &mut notes)?;
        let mut past = past::of(&self, &seen, now, &mut notes)?;
        let mut report = RebuildReport {
            tasks: past.tasks.len(),
            worktrees: past.worktrees.len(),
            runs: past.runs.len(),
            submissions: past.submissions.len(),
            events: past.events.len(),
            problems: Vec::new(),
            damaged: None,
        };
        let counter = past.counters.iter().find(|(name, _)| name == "worktree").map_or(0, |(_, n)| *n);
        let fact = NewEvent::new(EventKind::LedgerRebuilt)
            .with("tasks", report.tasks)
            .with("worktrees", report.worktrees)
            .with("runs", report.runs)
            .with("submissions", report.submissions)
            .with("events", report.events)
            .with("problems", notes.count())
            .with("worktree_counter", counter);
        let told = told::of(&past, &seen);
        for fact in std::iter::once(fact).chain(told) {
            let seq = Seq(past.events.len() as u64 + 1);
            past.events.push(Event { seq, at: now, actor: self.actor().clone(), fact });
        }
        if mode == Mode::Dry {
            // Whether the records fit together is found out where nothing is kept.
            SqliteLedger::in_memory()?.restore(&past)?;
        } else {
            runs::end_open(&self, &seen)?;
            // The engine deletes its log by name when it closes the old file: that must be before the new one is there.
            self.let_go()?;
            report.damaged = place::put(self.home(), &past, now)?;
        }
        report.problems = notes.into_problems();
        Ok(report)
    }

    /// Refuses to replace a ledger that nothing is wrong with, or that a newer biplane has written.
    fn refuse_sound(&self) -> Result<()> {
        let is_there = self.home().ledger_path().exists();
        match &self.trouble().ledger {
            None if is_there && self.ledger().check()?.is_empty() => {
                Err(Error::refused("the ledger is whole, so there is nothing to rebuild")
                    .hint("`biplane doctor` compares it with views, git and disk"))
            }
            Some(error) if is_there && !is_damage(error) => {
                Err(Error::refused(format!("the ledger is not known to be damaged: {}", error.message)))
            }
            _ => Ok(()),
        }
    }
}
