//! The verbs. One file for each family of them.

mod board;
mod evidence;
mod init;
mod land;
mod log;
mod place;
mod remove;
mod run;
mod submit;
mod tail;
mod worktree;

use std::sync::Arc;

use biplane_control::{
    Changes, Committed, Ledger, LedgerExt, SqliteLedger, View, board::Guard, gate::OnWait,
};
use biplane_execution::supervise::identity;
use biplane_model::{Actor, ProcessIdentity, TaskId, Timestamp};

pub use board::{ClaimRequest, Finished, ListedTask, TaskChange};
pub use init::InitReport;
pub use land::{BounceKind, GateReport, Landing};
pub use log::EventQuery;
pub use place::{CreateWorktree, Start};
pub use remove::{Closing, Removal, RemoveRequest};
pub use run::{RunReport, RunRequest};
pub use submit::{MergeRequest, Submitted};
pub use worktree::{Diff, WorktreeStatusReport};

pub(crate) use {
    place::record,
    run::{Job, marker},
};

use crate::{
    error::{Error, Result},
    home::{Home, Surroundings},
    settings::Settings,
    views::{self, Scope},
};

/// Something a person should hear while a verb is at work; not part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice(pub String);

/// Takes notices.
type Narrator = Arc<dyn Fn(Notice) + Send + Sync>;

/// What a service needs from outside.
pub struct Outside {
    /// Where the program stands.
    pub surroundings: Surroundings,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Takes notices.
    pub narrate: Narrator,
}

/// The verbs of biplane on one home.
pub struct Service {
    home: Home,
    settings: Settings,
    ledger: Arc<dyn Ledger>,
    surroundings: Surroundings,
    actor: Actor,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    narrate: Narrator,
}

/// Whether a service may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only answers: nothing is made where nothing is.
    Read,
    /// It may make the ledger.
    Write,
}

impl Service {
    /// A service on the home that the program stands in. Reads the settings, opens the ledger, brings the views in line.
    ///
    /// # Errors
    /// When there is no git, the settings are wrong, or the ledger can't be opened.
    pub fn open(outside: Outside, access: Access) -> Result<Self> {
        let home = Home::find(&outside.surroundings)?;
        let settings = Settings::load(&home.settings_path())?;
        let actor = actor(&outside.surroundings);
        let path = home.ledger_path();
        let on_wait = on_wait(&outside.narrate, "the ledger");
        if is_empty_file(&path) && home.has_foreign_board() {
            let detail = "it is empty, and there is a board in `.tasks/` or `.worktrees/`".to_owned();
            return Err(biplane_control::LedgerError::Damaged { path: path.into_string(), detail }.into());
        }
        let existing = SqliteLedger::open_existing(&path)?;
        let is_new = existing.is_none();
        let mut ledger = match (existing, access) {
            (Some(ledger), _) => ledger,
            (None, Access::Read) => SqliteLedger::in_memory()?,
            (None, Access::Write) => {
                refuse_foreign_board(&home)?;
                refuse_links(&home)?;
                SqliteLedger::open(&path)?
            }
        };
        ledger.set_on_wait(move |holder| on_wait(holder));
        let service = Self {
            home,
            settings,
            ledger: Arc::new(ledger),
            surroundings: outside.surroundings,
            actor,
            now: outside.now,
            narrate: outside.narrate,
        };
        if is_new && access == Access::Write {
            service.home.exclude_views()?;
        }
        if !is_new {
            service.check_views();
        }
        Ok(service)
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clock's time.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Who is at work.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// A variable of the environment the program stands in, when it is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.surroundings.var(name)
    }

    /// Says something to the person.
    pub(crate) fn say(&self, text: impl Into<String>) {
        (self.narrate)(Notice(text.into()));
    }

    /// A function that says whom somebody waits for.
    pub(crate) fn wait_notice(&self, what: &'static str) -> Option<OnWait> {
        Some(on_wait(&self.narrate, what))
    }

    /// Who this process is.
    pub(crate) fn me(&self) -> ProcessIdentity {
        identity::current()
    }

    /// One moment of the ledger.
    pub(crate) fn look<T>(&self, look: impl FnMut(&dyn View) -> Result<T>) -> Result<T> {
        self.ledger.look(look)
    }

    /// Changes the ledger in one transaction, then the views.
    pub(crate) fn change<T>(
        &self,
        mut decide: impl FnMut(&dyn View, Timestamp) -> Result<(Changes, T)>,
    ) -> Result<T> {
        let now = self.now();
        let (answer, committed) = self.ledger.change(now, &self.actor, |view| decide(view, now))?;
        self.show(&committed);
        Ok(answer)
    }

    /// Writes what a commit changed into the views. A view that can't be written is told of, and never undoes the commit.
    fn show(&self, committed: &Committed) {
        if let Err(error) = views::sync(&self.home, self.ledger.as_ref(), Scope::Tasks(&committed.tasks)) {
            self.say(format!("the change is made, but its view is not: {error}"));
        }
    }

    /// Writes anew what lags, was damaged or deleted among the views, and says what was damaged.
    fn check_views(&self) {
        match views::sync(&self.home, self.ledger.as_ref(), Scope::All) {
            Ok(repaired) if repaired.files.is_empty() => {}
            Ok(repaired) => {
                let count = repaired.files.len();
                let files =
                    repaired.files.iter().take(5).map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
                let more = if count > 5 { format!(" and {} more", count - 5) } else { String::new() };
                self.say(format!(
                    "written anew, because something else had changed or deleted it: {files}{more}"
                ));
            }
            Err(error) => self.say(format!("the views are not up to date: {error}")),
        }
    }

    /// What the caller's environment says of the claim it works under. An agent whose claim was replaced can't change
    /// its task any more.
    pub(crate) fn guard_for(&self, id: &TaskId, rev: Option<u64>) -> Guard {
        let is_own = self.surroundings.var("BIPLANE_TASK_ID").is_some_and(|own| own == id.as_str());
        let epoch = self.surroundings.var("BIPLANE_EPOCH").filter(|_| is_own).and_then(|e| e.parse().ok());
        Guard { epoch, rev }
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref()
    }
}

fn on_wait(narrate: &Narrator, what: &'static str) -> OnWait {
    let narrate = Arc::clone(narrate);
    Arc::new(move |holder: &str| narrate(Notice(format!("waiting for {what}: {holder} holds it"))))
}

/// The person or agent behind this process, as far as the environment tells.
fn actor(surroundings: &Surroundings) -> Actor {
    let name = ["BIPLANE_ACTOR", "USER", "LOGNAME"].into_iter().find_map(|name| surroundings.var(name));
    Actor::new(name.unwrap_or_default())
}

/// Refuses to begin a board where another one lies: its files would be overwritten.
fn refuse_foreign_board(home: &Home) -> Result<()> {
    if !home.has_foreign_board() {
        return Ok(());
    }
    Err(Error::refused("there is a board in `.tasks/` and `.worktrees/` that biplane's ledger does not know")
        .hint("`biplane import` takes it over; move both away to begin a new one"))
}

/// Whether there is a file with nothing in it, nor in the engine's log beside it. A ledger of ours never is.
fn is_empty_file(path: &camino::Utf8Path) -> bool {
    let length = |path: &camino::Utf8Path| path.metadata().map_or(0, |m| m.len());
    path.is_file() && length(path) == 0 && length(format!("{path}-wal").as_str().into()) == 0
}

/// Refuses a repository that ships the place of our views or worktrees as a link to somewhere else.
pub(crate) fn refuse_links(home: &Home) -> Result<()> {
    for dir in [home.tasks_dir(), home.worktrees_dir(), home.root.join(".team")] {
        let meta = dir.as_std_path().symlink_metadata();
        if meta.is_ok_and(|m| !m.is_dir()) {
            let name = dir.file_name().unwrap_or_default().to_owned();
            return Err(Error::refused(format!("`{name}` is not a directory but a link or a file"))
                .hint("move it away: biplane writes only below the home"));
        }
    }
    Ok(())
}
