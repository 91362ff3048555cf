//! The set-up of a worktree: what makes it ready to build, after it was made.
//!
//! **Contract.** Files first, then the commands, in order, until one fails. It may be done again at any time: what is there
//! is not overwritten. Commands are run only when a person has approved exactly their text. The settings that count are
//! those of the main checkout, never those of a worktree.

use std::collections::BTreeMap;

use biplane_control::gate::Gate;
use biplane_execution::{
    supervise::{How, RunObserver, Tick},
    worktrees::{
        self, Place,
        ready::{self, Bound, Brought, ReadyError, Shared},
    },
};
use biplane_model::{RunId, RunKind, TaskId, Worktree, WorktreeName, sanitize_line, view::WorktreeView};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use super::{Job, Service, tail};
use crate::{
    approvals, bounds,
    error::{Error, ErrorKind, Result},
    files,
    import::read::{self, Found},
    settings::{Setup, template},
};

/// Where a worktree's set-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetupState {
    /// The settings ask for none.
    None,
    /// All of it is done.
    Complete,
    /// It was not done, not to its end, or by other settings than there are now.
    Incomplete,
}

impl SetupState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What was done to make a worktree ready.
#[derive(Debug, Clone)]
pub struct SetupReport {
    /// The worktree.
    pub worktree: WorktreeView,
    /// What was brought into it, in sentences.
    pub done: Vec<String>,
    /// What was left out, in sentences.
    pub notes: Vec<String>,
    /// The commands that were run to a good end.
    pub ran: Vec<String>,
    /// How it ended.
    pub end: SetupEnd,
}

/// How a set-up ended.
#[derive(Debug, Clone)]
pub enum SetupEnd {
    /// There was nothing to do.
    Nothing,
    /// All of it is done.
    Done,
    /// There are commands, which nobody has approved; they were not run.
    Unapproved,
    /// A command failed; those after it were not run.
    Failed(SetupFailure),
}

/// A command of the set-up that failed.
#[derive(Debug, Clone)]
pub struct SetupFailure {
    /// The command.
    pub command: String,
    /// Its run.
    pub run: RunId,
    /// How it ended.
    pub how: How,
    /// Its log.
    pub log: Utf8PathBuf,
    /// The end of the log, made safe to show.
    pub tail: String,
}

impl SetupFailure {
    /// How it ended, in words.
    pub fn ending(&self) -> String {
        match self.how {
            How::Exited(code) => format!("exit code {code}"),
            How::Signalled(signal) => format!("signal {signal}"),
            How::TimedOut => "not done in time".to_owned(),
            How::Stopped(_) => "stopped".to_owned(),
        }
    }
}

/// What there is to do.
struct Plan {
    /// Patterns of ignored files, a line each.
    patterns: String,
    /// Differs when anything of it does.
    hash: String,
}

/// The file in git's entry of a worktree that says which set-up is done in it.
const DONE: &str = "biplane-setup";

impl Service {
    /// Makes a worktree ready to build, or finishes what is missing of that.
    ///
    /// # Errors
    /// When there is no such worktree, a run is at work in it, or a file can't be brought. That a command failed is in
    /// the answer.
    pub fn worktree_setup(&self, name: &WorktreeName, observer: &mut dyn RunObserver) -> Result<SetupReport> {
        if let Some(there) = self.elsewhere_with(name)? {
            return there.worktree_setup(name, observer);
        }
        let worktree = self.need(name)?;
        if worktree.operation.is_some() {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("worktree `{name}` is being created or removed"),
            ));
        }
        let place = worktrees::prove(&self.place(&worktree)?)?.place;
        let mut report = SetupReport {
            worktree: self.worktree_view(worktree.id)?,
            done: Vec::new(),
            notes: Vec::new(),
            ran: Vec::new(),
            end: SetupEnd::Nothing,
        };
        let Some(plan) = self.setup_plan()? else { return Ok(report) };
        self.refuse_running(&worktree)?;
        self.bring(&plan, &place, &mut report, observer).map_err(|error| {
            error.hint(format!("the worktree is there; `biplane worktree setup {name}` tries again"))
        })?;
        report.end = self.run_setup(&worktree, &place, &mut report.ran, observer)?;
        if matches!(report.end, SetupEnd::Done) {
            let text = format!("{} {}\n", worktree.id, plan.hash);
            files::replace(&place.entry_dir().join(DONE), text.as_bytes())?;
        }
        report.worktree = self.worktree_view(worktree.id)?;
        Ok(report)
    }

    /// The variables that the settings give to every run in a worktree, whose directory is `path`.
    pub(crate) fn environment_of(
        &self,
        worktree: &Worktree,
        path: &Utf8Path,
        task: Option<&TaskId>,
    ) -> BTreeMap<String, String> {
        let values = template::Values {
            name: worktree.name.as_str(),
            branch: &worktree.branch,
            path: path.as_str(),
            root: self.home().root.as_str(),
            task: task.map_or("", TaskId::as_str),
            ports: &worktree.ports,
        };
        let env = &self.settings().worktrees.setup.env;
        // A worktree that was made when fewer ports were asked for goes without what names the others.
        env.iter().filter_map(|(name, text)| Some((name.clone(), template::fill(text, &values)?))).collect()
    }

    /// Where the set-up of a worktree stands.
    ///
    /// # Errors
    /// When what there is to do can't be read.
    pub(crate) fn setup_state(&self, worktree: &Worktree) -> Result<SetupState> {
        if let Some(there) = self.elsewhere(&worktree.repo)? {
            return there.setup_state(worktree);
        }
        let Some(plan) = self.setup_plan()? else { return Ok(SetupState::None) };
        let file = self.place(worktree)?.entry_dir().join(DONE);
        let is_done = match read::file(&file, bounds::HOLDER_BYTES) {
            Found::File(bytes) => bytes == format!("{} {}\n", worktree.id, plan.hash).as_bytes(),
            Found::Nothing | Found::Unread(_) => false,
        };
        Ok(if is_done { SetupState::Complete } else { SetupState::Incomplete })
    }

    /// What the settings and `.worktreeinclude` of the main checkout ask for; `None` when that is nothing.
    fn setup_plan(&self) -> Result<Option<Plan>> {
        let setup = &self.settings().worktrees.setup;
        let mut patterns = setup.copy.join("\n");
        match read::file(&self.home().root.join(INCLUDE), bounds::INCLUDE_BYTES) {
            Found::Nothing => {}
            Found::Unread(why) => return Err(Error::refused(format!("`{INCLUDE}` is not read: {why}"))),
            Found::File(bytes) => patterns = format!("{patterns}\n{}", String::from_utf8_lossy(&bytes)),
        }
        let asks = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
        let has_files = patterns.lines().any(asks) || !setup.clone.is_empty() || !setup.share.is_empty();
        if !has_files && setup.run.is_empty() {
            return Ok(None);
        }
        let all = json!([patterns, setup.clone, setup.share, setup.run, setup.env]);
        Ok(Some(Plan { patterns, hash: approvals::digest(&all) }))
    }

    /// Copies, clones and links what there is of ignored files.
    fn bring(
        &self,
        plan: &Plan,
        place: &Place,
        report: &mut SetupReport,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let setup = &self.settings().worktrees.setup;
        let wants_files =
            !plan.patterns.trim().is_empty() || !setup.clone.is_empty() || !setup.share.is_empty();
        if !wants_files {
            return Ok(());
        }
        let Some(source) = self.home().repository()?.main_checkout() else {
            report.notes.push("there is no main checkout to bring ignored files from".to_owned());
            return Ok(());
        };
        let lock = place.entry_dir().join(format!("{DONE}.lock"));
        let _held = Gate::at(lock, "the set-up", bounds::SETUP_LOCK_WAIT).enter("setting up a worktree")?;
        // What is not whole yet has a name that no commit takes in.
        self.exclude_for_setup(ready::UNFINISHED)?;
        let mut keep_going = || observer.tick() == Tick::Continue;
        let failed = |error| failed(&report.worktree.name, error);
        let mut all = Vec::new();
        let leave = self.not_copied(setup);
        let bound = Bound { entries: bounds::COPY_FILES, bytes: bounds::COPY_BYTES };
        all.push((
            "files".to_owned(),
            ready::copy(&source, place, &plan.patterns, &leave, bound, &mut keep_going).map_err(failed)?,
        ));
        let bound = Bound { entries: bounds::CLONE_FILES, bytes: bounds::CLONE_BYTES };
        for dir in &setup.clone {
            let brought = ready::clone(&source, place, dir, bound, &mut keep_going).map_err(failed)?;
            all.push((format!("`{}`", sanitize_line(dir)), brought));
        }
        for dir in &setup.share {
            let mut shared = ready::share(&source, place, dir).map_err(failed)?;
            if shared == Shared::NotIgnored {
                self.exclude_for_setup(&format!("/{}", escaped(dir)))?;
                shared = ready::share(&source, place, dir).map_err(failed)?;
            }
            let shown = sanitize_line(dir);
            match shared {
                Shared::Settled(brought) => {
                    if brought.entries > 0 {
                        report.done.push(format!("shared `{shown}` with the main checkout"));
                    }
                    report.notes.extend(brought.notes);
                }
                Shared::NotIgnored => report.notes.push(format!(
                    "`{shown}` is not shared: the worktree's `.gitignore` would have the link committed"
                )),
            }
        }
        for (what, brought) in all {
            tell(&what, brought, report);
        }
        Ok(())
    }

    /// Paths below which nothing is copied: what is cloned or shared as a whole, and what is ours.
    fn not_copied(&self, setup: &Setup) -> Vec<String> {
        let mut leave: Vec<String> =
            [".tasks", ".worktrees", ".team", ".biplane"].map(str::to_owned).to_vec();
        leave.extend(setup.clone.iter().chain(&setup.share).cloned());
        let worktrees = self.home().worktrees_dir();
        leave.extend(worktrees.strip_prefix(&self.home().root).ok().map(ToString::to_string));
        leave
    }

    fn exclude_for_setup(&self, entry: &str) -> Result<()> {
        let _held = crate::locks::git(self.home(), "excluding a file", self.wait_notice("git's worktrees"))?;
        self.home().exclude(&[entry]).map(|_| ())
    }

    /// Runs the commands, when they are approved.
    fn run_setup(
        &self,
        worktree: &Worktree,
        place: &Place,
        ran: &mut Vec<String>,
        observer: &mut dyn RunObserver,
    ) -> Result<SetupEnd> {
        let setup = &self.settings().worktrees.setup;
        if !setup.run.is_empty() && !self.is_approved()? {
            return Ok(SetupEnd::Unapproved);
        }
        let task = worktree.task.clone();
        let epoch = match &task {
            Some(id) => self.look(|view| Ok(view.task(id)?.map_or(0, |t| t.epoch)))?,
            None => 0,
        };
        for command in &setup.run {
            self.say(format!("set-up of `{}`: {}", worktree.name, sanitize_line(command)));
            let report = self.execute(Job {
                kind: RunKind::Setup,
                task: task.clone(),
                epoch,
                timeout: Some(setup.timeout),
                ..Job::new(
                    ["sh", "-c", command].map(str::to_owned).to_vec(),
                    worktree.clone(),
                    place.path.clone(),
                    observer,
                )
            })?;
            if report.how != How::Exited(0) {
                return Ok(SetupEnd::Failed(SetupFailure {
                    command: command.clone(),
                    run: report.run.id,
                    how: report.how,
                    tail: tail::tail(&report.log, bounds::REASON_TAIL),
                    log: report.log,
                }));
            }
            ran.push(command.clone());
        }
        Ok(SetupEnd::Done)
    }
}

/// The file with more patterns, of the name that other tools use too.
const INCLUDE: &str = ".worktreeinclude";

fn failed(name: &WorktreeName, error: ReadyError) -> Error {
    match error {
        ReadyError::Git(error) => error.into(),
        ReadyError::Stopped => Error::failed(format!("the set-up of worktree `{name}` was stopped")),
    }
}

/// The pattern that means this path and nothing else.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\' | ' ') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn tell(what: &str, brought: Brought, report: &mut SetupReport) {
    if brought.entries > 0 {
        let kib = brought.bytes.div_ceil(1024);
        let how = if brought.shared > 0 { ", copy-on-write" } else { "" };
        let entries = if brought.entries == 1 { "entry" } else { "entries" };
        report.done.push(format!("brought {what}: {} {entries}, {kib} KiB{how}", brought.entries));
    }
    report.notes.extend(brought.notes);
    if brought.more > 0 {
        report.notes.push(format!("and {} more of {what} left out", brought.more));
    }
}
