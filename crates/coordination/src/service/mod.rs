//! The verbs. One file for each family of them.

mod adopt;
mod along;
mod approve;
mod asked;
mod base;
mod board;
mod conflicts;
mod evidence;
mod hookup;
mod init;
mod intend;
mod land;
mod leading;
mod leases;
mod log;
mod mail;
mod outside;
mod place;
mod plan;
mod pool;
mod ports;
mod reasons;
mod remove;
mod removing;
mod repos;
mod restore;
mod run;
mod runlog;
mod scope;
mod setup;
mod snapshot;
mod start;
mod steer;
mod stop;
mod submit;
pub(crate) mod tail;
mod taken_back;
mod talk;
mod team;
mod tend;
mod tend_logs;
mod token;
mod usage;
mod watch;
mod worktree;
mod would;

use std::{sync::Arc, thread::JoinHandle};

use biplane_control::{
    Changes, Committed, Ledger, LedgerExt, SqliteLedger, View, board::Guard, gate::OnWait,
};
use biplane_execution::supervise::identity;
use biplane_failpoint as failpoint;
use biplane_model::{Actor, ProcessIdentity, RunId, RunKind, Seq, TaskId, Timestamp};

pub use adopt::AdoptRequest;
pub use approve::SetupText;
pub use board::{ClaimRequest, Finished, ListedTask, TaskChange};
pub use hookup::{Hookup, HookupChange, HookupEffect, HookupPart, HookupPlan, HookupRequest};
pub use init::InitReport;
pub use land::{BounceKind, GateReport, Landing};
pub use leading::{LeadAt, LeadBy, LeadConversation, LeadFree, LeadRequest};
pub use leases::Leases;
pub use log::EventQuery;
pub use mail::{Broadcast, MailBox, MailQuery, MailRequest, MailShare};
pub use place::{CreateWorktree, Start};
pub use plan::{ListedPlan, PlanQuery, PlanText};
pub use remove::{Closing, Processes, Removal, RemoveRequest};
pub use restore::{Restoration, RestoreRequest};
pub use run::{RunReport, RunRequest};
pub use runlog::{RunLife, RunQuery};
pub use scope::{Hand, Own, Scope, Stand};
pub use setup::{SetupEnd, SetupFailure, SetupReport, SetupState};
pub use snapshot::{ListedSnapshot, Pruned};
pub use start::UpStart;
pub use steer::{Steered, UpState};
pub use stop::{StopRequest, StopTarget, Stopped};
pub use submit::{Examined, MergeRequest, Submitted};
pub use team::LEAD;
pub use tend::Tended;
pub use token::{AccessToken, checked_token, read_token};
pub use usage::{UsageBy, UsageReport, UsageRequest, UsageRow};
pub use worktree::{Diff, WorktreeStatusReport};
pub use would::RemovalPlan;

pub(crate) use {
    along::{bring_along, switch_to},
    evidence::ended,
    land::SentTo,
    outside::Before,
    place::record,
    pool::Happened,
    remove::{ASIDE, delete_removed, removed_id},
    run::{Ended, InPrompt, Job, Judge, Judged, marker},
    submit::{PINS, pin_name, refuse_other_branch},
    talk::Talk,
    team::lead,
    tend::{Fate, LATE},
};

use crate::{
    error::{Error, Result},
    home::{Found, Home, Surroundings},
    rebuild,
    settings::Settings,
    variables,
    views::{self, Repaired},
};

/// What an event's data names the run by from within which it was made true.
pub(crate) const IN_RUN: &str = "in_run";

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
    /// The home, or the further repository of it that is worked in.
    home: Home,
    /// The settings that hold there.
    settings: Arc<Settings>,
    /// The settings of the home.
    board_settings: Arc<Settings>,
    ledger: Arc<dyn Ledger>,
    surroundings: Arc<Surroundings>,
    actor: Actor,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    narrate: Narrator,
    /// Whether to say how things are done.
    verbose: bool,
    access: Access,
    /// What could not be opened, when it is being examined.
    trouble: Arc<Trouble>,
    /// What agents at work have told.
    heard: Arc<outside::Heard>,
    /// The check of the views, while it may be under way; the service ends when it has.
    check: Option<ViewsCheck>,
}

/// A look at all views that goes on beside other work, and writes anew what lags, was damaged or deleted among them.
struct ViewsCheck(Option<JoinHandle<()>>);

impl ViewsCheck {
    fn begin(service: &Service) -> Self {
        let (home, ledger) = (service.home.clone(), Arc::clone(&service.ledger));
        let narrate = Arc::clone(&service.narrate);
        let check = move || {
            if let Some(said) = repaired_words(views::sync(&home, ledger.as_ref(), views::Scope::All)) {
                narrate(Notice(said));
            }
        };
        match std::thread::Builder::new().name("views".to_owned()).spawn(check) {
            Ok(thread) => Self(Some(thread)),
            // Where there is no room for a thread, the next command checks.
            Err(_) => Self(None),
        }
    }
}

impl Drop for ViewsCheck {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// What a person should hear of a check of the views; nothing when they merely lagged.
fn repaired_words(checked: Result<Repaired>) -> Option<String> {
    let repaired = match checked {
        Ok(repaired) => repaired,
        Err(error) => return Some(format!("the views are not up to date: {error}")),
    };
    let count = repaired.files.len();
    let files = repaired.files.iter().take(5).map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
    let more = if count > 5 { format!(" and {} more", count - 5) } else { String::new() };
    (count > 0)
        .then(|| format!("written anew, because something else had changed or deleted it: {files}{more}"))
}

/// What stood in the way of a service that examines.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Why the settings are not those of the file.
    pub(crate) settings: Option<Error>,
    /// Why the ledger is an empty one.
    pub(crate) ledger: Option<Error>,
}

/// Whether a service may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only answers: nothing is made where nothing is.
    Read,
    /// It may make the ledger.
    Write,
    /// It works with worktrees, runs or submissions: what a crash has left of those is cleared away first.
    Work,
    /// As `Write`, where a board lies that the ledger does not know, to take it over.
    Import,
    /// It looks at what is there, however broken: settings that can't be read count as none, a ledger that can't be
    /// opened as an empty one. Nothing is made, and no view is written by opening.
    Examine,
}

impl Service {
    /// A service on the home that the program stands in. Reads the settings, opens the ledger, brings the views in line.
    ///
    /// # Errors
    /// When there is no git, the settings are wrong, or the ledger can't be opened.
    pub fn open(outside: Outside, access: Access) -> Result<Self> {
        let (home, settings, mut trouble) = home_of(&outside.surroundings, access)?;
        let actor = actor(&outside.surroundings);
        let path = home.ledger_path();
        let on_wait = on_wait(&outside.narrate, "the ledger");
        let existing = match open_known(&home, access) {
            Err(error) if access == Access::Examine => {
                trouble.ledger = Some(error);
                None
            }
            opened => opened?,
        };
        let is_blank = is_blank(existing.as_ref())?;
        let may_begin = matches!(access, Access::Write | Access::Work);
        if is_blank && may_begin {
            refuse_foreign_board(&home)?;
        }
        if existing.is_none() && access == Access::Work && settings.repos.is_empty() {
            // There is nothing to work with, and no board is begun for nothing.
            home.repository()?;
        }
        let mut ledger = match (existing, access) {
            (Some(ledger), _) => ledger,
            (None, Access::Read | Access::Examine) => SqliteLedger::in_memory()?,
            (None, Access::Write | Access::Work | Access::Import) => {
                refuse_links(&home)?;
                SqliteLedger::open(&path)?
            }
        };
        ledger.set_on_wait(move |holder| on_wait(holder));
        let settings = Arc::new(settings);
        let mut service = Self {
            home,
            board_settings: Arc::clone(&settings),
            settings,
            ledger: Arc::new(ledger),
            surroundings: Arc::new(outside.surroundings),
            actor,
            now: outside.now.into(),
            narrate: outside.narrate,
            verbose: false,
            access,
            trouble: Arc::new(trouble),
            heard: Arc::default(),
            check: None,
        };
        if may_begin {
            service.claim_further();
        }
        if is_blank && may_begin {
            service.home.exclude_views()?;
        }
        if is_blank && access == Access::Read && service.home.has_foreign_board() {
            service.say(
                "the board in `.tasks/` and `.worktrees/` is not biplane's; `biplane import` takes it over",
            );
        }
        // Views of a ledger that knows nothing are somebody else's board.
        if !is_blank && access != Access::Examine {
            let check = ViewsCheck::begin(&service);
            if access == Access::Read {
                // A reader's answer needs no views; they are brought in line meanwhile.
                service.check = Some(check);
            }
        }
        if !is_blank && access == Access::Work {
            service.recover_first()?;
        }
        Ok(service)
    }

    /// The same, saying how things are done.
    #[must_use]
    pub fn verbose(self, verbose: bool) -> Self {
        Self { verbose, ..self }
    }

    /// The home; of a service of [`Service::in_repo`], the repository that it works in.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The clock's time.
    pub fn now(&self) -> Timestamp {
        Timestamp(failpoint::clock((self.now)().0))
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
        let run = self.variable(variables::RUN_ID).and_then(|run| run.parse::<RunId>().ok());
        let (answer, committed) = self.ledger.change(now, &self.actor, |view| {
            let (mut changes, answer) = decide(view, now)?;
            if let Some(run) = run {
                // Who is judged by what is known of its time may not be the witness.
                for event in &mut changes.events {
                    event.data.insert(IN_RUN.to_owned(), run.to_string().into());
                }
            }
            Ok::<_, Error>((changes, answer))
        })?;
        self.show(&committed);
        Ok(answer)
    }

    /// Writes what a commit changed into the views. A view that can't be written is told of, and never undoes the commit.
    fn show(&self, committed: &Committed) {
        if let Err(error) =
            views::sync(self.home.board(), self.ledger.as_ref(), views::Scope::Changed(committed))
        {
            self.say(format!("the change is made, but its view is not: {error}"));
        }
    }

    /// What the caller's environment says of the claim it works under. An agent whose claim was replaced can't change
    /// its task any more.
    pub(crate) fn guard_for(&self, id: &TaskId, rev: Option<u64>) -> Result<Guard> {
        let is_own = self.surroundings.var(variables::TASK_ID).is_some_and(|own| own == id.as_str());
        let Some(epoch) = self.surroundings.var(variables::EPOCH).filter(|_| is_own) else {
            return Ok(Guard { epoch: None, rev });
        };
        // A claim that can't be told is no claim.
        let epoch = epoch.parse().map_err(|_| Error::usage(format!("`{}` is no epoch", variables::EPOCH)))?;
        Ok(Guard { epoch: Some(epoch), rev })
    }

    /// Refuses the completion of a task by the very agent that is at work on it: its work is verified and landed first.
    pub(crate) fn refuse_own_word(&self, view: &dyn View, id: &TaskId) -> Result<()> {
        let is_own = self.surroundings.var(variables::TASK_ID).is_some_and(|own| own == id.as_str());
        let run =
            self.surroundings.var(variables::RUN_ID).filter(|_| is_own).and_then(|run| run.parse().ok());
        let run = run.map(|run| view.run(run)).transpose()?.flatten();
        if run.is_some_and(|run| run.kind == RunKind::Agent && !run.status.is_over()) {
            return Err(Error::refused(format!(
                "the agent at work on task {id} can't complete it by its own word"
            ))
            .hint("commit the work and end: it is tested and landed, and that completes the task"));
        }
        Ok(())
    }

    pub(crate) fn ledger(&self) -> &dyn Ledger {
        self.ledger.as_ref()
    }

    /// Where the program stands.
    pub(crate) fn standing_in(&self) -> &camino::Utf8Path {
        &self.surroundings.cwd
    }

    /// Closes the ledger; an empty one is in its place.
    pub(crate) fn let_go(&mut self) -> Result<()> {
        self.check = None;
        self.ledger = Arc::new(SqliteLedger::in_memory()?);
        Ok(())
    }

    /// What could not be opened.
    pub(crate) fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}

/// The home that one stands in, and its settings; with what stood in the way of those, when it is being examined.
fn home_of(surroundings: &Surroundings, access: Access) -> Result<(Home, Settings, Trouble)> {
    let Found { mut home, from } = Home::find_from(surroundings)?;
    let mut trouble = Trouble::default();
    let settings = match Settings::load(&home.settings_path()) {
        Err(error) if access == Access::Examine => {
            trouble.settings = Some(error);
            Settings::default()
        }
        loaded => loaded?,
    };
    home.set_worktrees_dir(settings.worktrees.dir.as_deref());
    home.set_further(&settings)?;
    // Of settings that can't be read nothing is known.
    if let Some(from) = from.filter(|_| trouble.settings.is_none()) {
        home.refuse_unlisted(&from)?;
    }
    Ok((home, settings, trouble))
}

fn on_wait(narrate: &Narrator, what: &'static str) -> OnWait {
    let narrate = Arc::clone(narrate);
    Arc::new(move |holder: &str| narrate(Notice(format!("waiting for {what}: {holder} holds it"))))
}

/// The person or agent behind this process, as far as the environment tells.
fn actor(surroundings: &Surroundings) -> Actor {
    let name = [variables::ACTOR, "USER", "LOGNAME"].into_iter().find_map(|name| surroundings.var(name));
    Actor::new(name.unwrap_or_default())
}

/// Whether there is no ledger, or one in which nothing has happened.
fn is_blank(ledger: Option<&SqliteLedger>) -> Result<bool> {
    ledger.map_or(Ok(true), |ledger| ledger.look(|view| Ok(view.last_seq()? == Seq(0))))
}

/// The ledger, if there is one. None of ours is ever empty, or missing where its views are.
fn open_known(home: &Home, access: Access) -> Result<Option<SqliteLedger>> {
    let path = home.ledger_path();
    if is_empty_file(&path) && !SqliteLedger::is_begun(&path) && home.has_foreign_board() {
        let detail = "it is empty, and there is a board in `.tasks/` or `.worktrees/`".to_owned();
        return Err(biplane_control::LedgerError::Damaged { path: path.into_string(), detail }.into());
    }
    let existing = SqliteLedger::open_existing(&path)?;
    let is_lost = existing.is_none() && access != Access::Import && rebuild::is_own_board(home);
    // The views come after the ledger: another process may have begun the board just now.
    if is_lost && !path.exists() { Err(rebuild::lost()) } else { Ok(existing) }
}

/// Refuses to begin a board where another one lies: its files would be overwritten.
fn refuse_foreign_board(home: &Home) -> Result<()> {
    // The views come after the ledger: another process that begins the board just now has an event there already.
    if !home.has_foreign_board() || !is_blank(SqliteLedger::open_existing(&home.ledger_path())?.as_ref())? {
        return Ok(());
    }
    if rebuild::is_own_board(home) {
        return Err(rebuild::lost());
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
    for dir in [home.tasks_dir(), home.views_dir(), home.team_dir(), home.team_dir().join("inbox")] {
        let meta = dir.as_std_path().symlink_metadata();
        if meta.is_ok_and(|m| !m.is_dir()) {
            let name = dir.file_name().unwrap_or_default().to_owned();
            return Err(Error::refused(format!("`{name}` is not a directory but a link or a file"))
                .hint("move it away: biplane writes only below the home"));
        }
    }
    Ok(())
}
