//! Taking over a board that another tool has written: `.tasks/`, and the index and the log in `.worktrees/`.
//!
//! **Contract.** Everything read here is hostile: sizes and numbers are bounded, no link is followed, ids and names are
//! parsed by the model, nothing is evaluated. A worktree is believed only when git has it. All of it goes into the
//! ledger in one transaction, or nothing does; what can't be taken over stays where it is and is told of. The originals
//! are copied away before a view replaces them.
//!
//! **Deliberately absent:** `.team/`, gates of tasks (they are commands), and any change to git or to a worktree.

mod adopt;
mod bind;
mod depend;
pub(crate) mod events;
mod index;
mod keep;
pub(crate) mod notes;
pub(crate) mod read;
mod tasks;

use biplane_control::{Changes, TaskFilter, View, WorktreeFilter};
use biplane_model::{EventKind, NewEvent, Timestamp};
use camino::Utf8PathBuf;

use self::notes::Notes;
use crate::{
    error::{Error, Result},
    service::{Service, refuse_links},
};

/// Whether an import acts or only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// It says what it would take over, and writes nothing.
    Dry,
    /// It takes the board over.
    Take,
}

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Whether it acts.
    pub mode: ImportMode,
}

/// Which tool has written a board, guessed from the marks it has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Tasks, worktrees and their first events.
    #[default]
    First,
    /// With commands run in worktrees, and their closing.
    Second,
    /// With what became of a task's worktree, deleted tasks, or a team.
    Third,
    /// A biplane whose ledger is lost.
    Biplane,
}

/// What was taken over, or would be.
#[derive(Debug, Clone)]
pub struct ImportReport {
    /// Tasks.
    pub tasks: usize,
    /// Worktrees, removed ones among them.
    pub worktrees: usize,
    /// Old events.
    pub events: usize,
    /// What was left out, changed or contradictory: each names a file, a line, a task or a worktree. Safe to show; the
    /// last one counts the rest when there are very many.
    pub problems: Vec<String>,
    /// Where the original files are; none in a dry run.
    pub saved: Option<Utf8PathBuf>,
    /// Who wrote it, as far as its marks tell.
    pub generation: Generation,
    /// Whether there is a `.team/`, which is left as it is.
    pub team: bool,
}

impl Service {
    /// Takes over the board in `.tasks/` and `.worktrees/`. Open the service with [`Access::Import`](crate::Access),
    /// or with [`Access::Examine`](crate::Access) for a dry run.
    ///
    /// # Errors
    /// Refused when the ledger knows tasks or worktrees, when a file is a link or too big, or when git has lost its link
    /// to a worktree; not found when there is no board. Nothing is changed then.
    pub fn import(&self, request: &ImportRequest) -> Result<ImportReport> {
        refuse_links(self.home())?;
        if let Some(error) = &self.trouble().settings {
            return Err(Error::usage(&error.message));
        }
        self.look(refuse_known)?;
        if !self.home().has_foreign_board() {
            return Err(Error::not_found("there is no board in `.tasks/` and `.worktrees/` to import"));
        }
        if request.mode == ImportMode::Take && !self.home().ledger_path().exists() {
            // The ledger is one in memory: the views would be all that is left of the board.
            return Err(Error::failed("the ledger was opened for reading only, and can't take a board over"));
        }
        let now = self.now();
        let mut notes = Notes::default();
        let changes = self.read_board(now, &mut notes)?;
        let mut report = ImportReport {
            tasks: changes.tasks.len(),
            worktrees: changes.worktrees.len(),
            events: changes.events.len(),
            problems: Vec::new(),
            saved: None,
            team: self.home().root.join(".team").is_dir(),
            generation: notes.generation,
        };
        if request.mode == ImportMode::Take {
            // Before there is anything to exclude: a crash after the ledger has it would leave it to be committed.
            if let Err(error) = self.home().exclude_views() {
                notes.problem("`.git/info/exclude`", error);
            }
            let saved = keep::originals(self.home(), now)?;
            if let Err(error) = self.take_over(changes, &done(&report, notes.count())) {
                keep::discard(&saved);
                return Err(error);
            }
            report.saved = Some(saved);
        }
        report.problems = notes.into_problems();
        Ok(report)
    }

    /// What the ledger is to hold.
    fn read_board(&self, now: Timestamp, notes: &mut Notes) -> Result<Changes> {
        let home = self.home();
        if home.root.join(".team").is_dir() {
            notes.mark(Generation::Third);
        }
        let mut old = tasks::read(home, now, notes)?;
        let listed = index::read(home, notes)?;
        let target = self.settings().target.as_deref();
        let mut worktrees = adopt::records(home, target, listed, now, notes)?;
        bind::settle(&mut old.tasks, &mut worktrees, notes);
        let events = events::read(home, notes)?;
        let mut counters = old.counters();
        counters.push(("worktree".to_owned(), worktrees.len() as u64));
        Ok(Changes { tasks: old.tasks, worktrees, counters, events, ..Changes::default() })
    }

    fn take_over(&self, mut changes: Changes, done: &NewEvent) -> Result<()> {
        changes.events.push(done.clone());
        self.change(|view, _| {
            refuse_known(view)?;
            Ok((changes.clone(), ()))
        })
    }
}

/// The event that ends an import.
fn done(report: &ImportReport, problems: usize) -> NewEvent {
    let generation = match report.generation {
        Generation::First => "first",
        Generation::Second => "second",
        Generation::Third => "third",
        Generation::Biplane => "biplane",
    };
    NewEvent::new(EventKind::ImportDone)
        .with("tasks", report.tasks)
        .with("worktrees", report.worktrees)
        .with("events", report.events)
        .with("problems", problems)
        .with("generation", generation)
}

fn refuse_known(view: &dyn View) -> Result<()> {
    let (tasks, worktrees) =
        (view.tasks(&TaskFilter::default())?.len(), view.worktrees(&WorktreeFilter::default())?.len());
    if tasks == 0 && worktrees == 0 {
        return Ok(());
    }
    let message = format!("the ledger knows {tasks} tasks and {worktrees} worktrees already");
    Err(Error::refused(message).hint("a board can only be imported where none has begun"))
}
