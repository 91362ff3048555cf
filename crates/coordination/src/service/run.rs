//! Running commands, agents and gates: intent, supervision, result.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use biplane_control::{Changes, View, board};
use biplane_execution::{
    agents::Told,
    mask::Masks,
    supervise::{
        self, Echo, EnvChanges, How, Input, LogSpec, Marker, RunExit, RunObserver, RunSpec, StopReason,
        SuperviseError,
    },
    worktrees,
};
use biplane_model::{
    AgentName, CommitId, EventKind, Findings, MailId, NewEvent, ProcessIdentity, Role, Run, RunEvidence,
    RunId, RunKind, RunStatus, TaskId, Worktree, WorktreeName, view::RunView,
};
use camino::{Utf8Path, Utf8PathBuf};

use super::{
    Happened, Service,
    place::record,
    talk::{HeardRun, Listening, Talk, Talking},
    watch::{RunLease, Watch, judged},
};
use crate::{
    bounds,
    error::{Error, Result},
    files, logs, variables,
};

/// What to run.
pub struct RunRequest<'a> {
    /// The worktree.
    pub name: WorktreeName,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long it may take; the settings' time when absent.
    pub timeout: Option<Duration>,
    /// What it reads.
    pub input: Input,
    /// Which of its streams are copied to ours.
    pub echo: Echo,
    /// Hand it the terminal.
    pub foreground: bool,
    /// No log and no pipes: it gets our streams themselves, as a shell must.
    pub interactive: bool,
    /// Watches it; may stop it.
    pub observer: &'a mut dyn RunObserver,
}

/// A run that is over.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// Its record.
    pub run: RunView,
    /// How it ended.
    pub how: How,
    /// The processes it left behind, which were stopped.
    pub strays: Vec<String>,
    /// Its log.
    pub log: Utf8PathBuf,
    /// What an agent told.
    pub(crate) told: Told,
    /// What was wrong with it although it ended well, when something was.
    pub(crate) fault: Option<String>,
}

/// A run that has ended, before its end is recorded.
pub(crate) struct Ended<'a> {
    pub(crate) run: RunId,
    pub(crate) how: How,
    pub(crate) told: &'a Told,
    pub(crate) log: &'a Utf8Path,
}

/// What a run that ended by itself is worth.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// What is wrong with it: it has failed then, whatever its exit code.
    pub(crate) fault: Option<String>,
    /// What it found, if that is what it was for.
    pub(crate) findings: Option<Findings>,
}

/// Judges a run that ended by itself.
pub(crate) type Judge<'a> = &'a mut dyn FnMut(&Ended<'_>) -> Result<Judged>;

/// Messages that stand in a prompt.
pub(crate) struct InPrompt {
    /// Whose they are.
    pub(crate) to: AgentName,
    /// Which.
    pub(crate) ids: Vec<MailId>,
}

/// A run as the service starts it. Begin with [`Job::new`].
pub(crate) struct Job<'a> {
    pub(crate) kind: RunKind,
    pub(crate) role: Option<Role>,
    pub(crate) worktree: Worktree,
    pub(crate) task: Option<TaskId>,
    pub(crate) epoch: u64,
    /// The commit that a gate tests; of others it is looked up.
    pub(crate) base: Option<CommitId>,
    pub(crate) agent: Option<AgentName>,
    pub(crate) command: Vec<String>,
    pub(crate) cwd: Utf8PathBuf,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) input: Input,
    pub(crate) echo: Echo,
    pub(crate) foreground: bool,
    pub(crate) interactive: bool,
    pub(crate) renew: bool,
    /// Written into the run's directory before it starts, and named by `BIPLANE_PROMPT_FILE`.
    pub(crate) prompt: Option<String>,
    /// Messages that stand in the prompt; delivered by the transaction that records the run.
    pub(crate) mail: Option<InPrompt>,
    /// How an agent is talked with.
    pub(crate) talk: Option<Talk<'a>>,
    /// Asked when it has ended by itself.
    pub(crate) judge: Option<Judge<'a>>,
    pub(crate) observer: &'a mut dyn RunObserver,
}

impl<'a> Job<'a> {
    /// A command in a worktree, for no task, without an end in time, that reads nothing.
    pub(crate) fn new(
        command: Vec<String>,
        worktree: Worktree,
        cwd: Utf8PathBuf,
        observer: &'a mut dyn RunObserver,
    ) -> Self {
        Self {
            kind: RunKind::Command,
            role: None,
            worktree,
            task: None,
            epoch: 0,
            base: None,
            agent: None,
            command,
            cwd,
            env: BTreeMap::new(),
            timeout: None,
            input: Input::Null,
            echo: Echo::default(),
            foreground: false,
            interactive: false,
            renew: false,
            prompt: None,
            mail: None,
            talk: None,
            judge: None,
            observer,
        }
    }
}

impl Service {
    /// Runs a command in a worktree, as if one stood there. Its exit code is not judged here.
    ///
    /// # Errors
    /// When there is no such worktree or program, or it can't be started.
    pub fn run(&self, request: RunRequest<'_>) -> Result<RunReport> {
        if let Some(there) = self.elsewhere_with(&request.name)? {
            return there.run(request);
        }
        let worktree = self.need(&request.name)?;
        let place = worktrees::prove(&self.place(&worktree)?)?.place;
        let task = worktree.task.clone();
        let epoch = match &task {
            Some(id) => self.look(|view| Ok(view.task(id)?.map_or(0, |t| t.epoch)))?,
            None => 0,
        };
        let timeout = if request.interactive {
            None
        } else {
            Some(request.timeout.unwrap_or(self.settings().run_timeout))
        };
        self.execute(Job {
            task,
            epoch,
            timeout,
            input: request.input,
            echo: request.echo,
            foreground: request.foreground,
            interactive: request.interactive,
            ..Job::new(request.command, worktree, place.path, request.observer)
        })
    }

    /// Intent, supervision, evidence, result.
    pub(crate) fn execute(&self, mut job: Job<'_>) -> Result<RunReport> {
        if let Some(there) = self.elsewhere(&job.worktree.repo)? {
            return there.execute(job);
        }
        if let (RunKind::Agent, Some(task)) = (job.kind, &job.task) {
            self.end_superseded(task, job.epoch)?;
        }
        let run = self.intend_run(&job)?;
        let dir = self.home().run_dir(run.id);
        let log = dir.join(logs::OUTPUT);
        let lease = job.renew.then(|| job.task.clone()).flatten();
        let lease = lease.map(|task| RunLease { task, epoch: job.epoch });
        let judge = job.judge.take();
        let (ended, heard) = self.supervise(job, &run, &dir, lease.clone());
        let (how, strays, error) = match &ended {
            Ok(exit) => (
                Some(exit.how),
                exit.strays.iter().map(|s| format!("{} ({})", s.pid, s.command)).collect(),
                exit.log_error.clone(),
            ),
            Err(error) => (None, Vec::new(), Some(error.to_string())),
        };
        let by_itself =
            how.filter(|how| !matches!(how, How::Stopped(reason) if *reason != StopReason::Finished));
        let judged = match (judge, by_itself) {
            (Some(judge), Some(how)) => judge(&Ended { run: run.id, how, told: &heard.told, log: &log }),
            _ => Ok(Judged::default()),
        };
        let end = RunEnd {
            how,
            error,
            unknown: judged.as_ref().err().map(ToString::to_string),
            judged: judged.as_ref().ok(),
            heard: &heard,
        };
        let how = self.end_run(run.id, &end, lease.as_ref())?;
        let run = self.look(|view| run_record(view, run.id))?;
        self.write_record(&dir, &run);
        let length = ended.as_ref().map_or(0, |exit| exit.log_bytes);
        if length > bounds::LOG_PLAIN || run.id.0.is_multiple_of(bounds::LOGS_LOOK) {
            self.tend_later(Happened::Logs);
        }
        match (ended, how) {
            (Ok(_), Some(how)) => {
                // What is not known counts for nothing when the run was somebody else's to end.
                let judged =
                    if matches!(how, How::Stopped(_)) { judged.unwrap_or_default() } else { judged? };
                Ok(RunReport { run: (&run).into(), how, strays, log, told: heard.told, fault: judged.fault })
            }
            (Err(error), _) => Err(error),
            (Ok(_), None) => unreachable!("a run that was supervised has an end"),
        }
    }

    /// Supervises a run to its end, and gives what was heard on the way.
    fn supervise(
        &self,
        job: Job<'_>,
        run: &Run,
        dir: &Utf8Path,
        lease: Option<RunLease>,
    ) -> (Result<RunExit>, HeardRun) {
        let mut heard = HeardRun::default();
        let exit = self.supervised(job, run, dir, lease, &mut heard);
        (exit, heard)
    }

    fn supervised(
        &self,
        job: Job<'_>,
        run: &Run,
        dir: &Utf8Path,
        lease: Option<RunLease>,
        heard: &mut HeardRun,
    ) -> Result<RunExit> {
        self.make_run_dir(dir)?;
        let mut set = self.run_environment(&job, run);
        if let Some(prompt) = &job.prompt {
            let file = dir.join(logs::PROMPT);
            files::replace(&file, prompt.as_bytes())?;
            set.insert(variables::PROMPT_FILE.to_owned(), file.into_string());
        }
        set.extend(job.env);
        let masks = self.masks(&set);
        let (program, args) =
            job.command.split_first().ok_or_else(|| Error::usage("there is no command to run"))?;
        let mut spec = RunSpec::new(program, marker(self.mark(run.id)));
        spec.args = args.iter().map(Into::into).collect();
        spec.cwd = Some(job.cwd);
        let inherited = self.surroundings.env.keys();
        let mut remove = supervise::env::scrubbed_git_variables(inherited.clone().map(OsString::from));
        // The ports of the worktree that we are in ourselves are not those of the run.
        remove.extend(inherited.filter(|name| name.starts_with(variables::PORT)).map(OsString::from));
        // It opens a server to whoever has it.
        remove.push(variables::MCP_TOKEN.into());
        remove.extend(self.surroundings.secrets.iter().map(OsString::from));
        spec.env = EnvChanges { remove, set: set.into_iter().map(|(k, v)| (k.into(), v.into())).collect() };
        spec.input = job.input;
        spec.echo = job.echo;
        spec.masks = masks.clone();
        spec.timeout = job.timeout;
        spec.foreground = job.foreground;
        if self.orders(run.id, lease.as_ref())?.is_some() {
            let message =
                format!("run {} was not started: it was stopped, or its claim was taken away", run.id);
            return Err(Error::new(crate::ErrorKind::Conflict, message));
        }
        let worktree = &job.worktree;
        let talking = job.talk.map(|talk| Talking::new(self, run, worktree, talk, dir, masks));
        let listening = Listening::new(talking, job.role == Some(Role::Verify));
        let mut watch = Watch::new(self, run.id, lease, listening, job.observer);
        let exit = if job.interactive {
            supervise::interactive(&spec, &mut watch)
        } else {
            spec.log = Some(LogSpec { path: dir.join(logs::OUTPUT), bound: self.settings().log_bytes });
            supervise::run(&spec, &mut watch)
        };
        *heard = watch.finish();
        exit.map_err(|error| self.not_started(error))
    }

    /// The secrets of a run that finds these variables in its environment beside ours.
    pub(crate) fn masks(&self, set: &BTreeMap<String, String>) -> Masks {
        let all =
            self.surroundings.env.iter().chain(set).map(|(name, value)| (name.as_str(), value.as_str()));
        let settings = self.settings();
        let keys = settings.agents.values().filter_map(|agent| agent.key.clone());
        let named: Vec<_> =
            settings.logs.secrets.iter().chain(&self.surroundings.secrets).cloned().chain(keys).collect();
        Masks::new(logs::secrets(all, &named))
    }

    /// Makes a run's directory, none of it through a link.
    fn make_run_dir(&self, dir: &Utf8Path) -> Result<()> {
        let worktrees = self.home().board().views_dir();
        [&worktrees, &worktrees.join("runs"), dir].into_iter().try_for_each(super::place::ensure_dir)
    }

    fn not_started(&self, error: SuperviseError) -> Error {
        match error {
            SuperviseError::NotFound { program } => {
                let shown = biplane_model::sanitize_line(&program);
                Error::not_found(format!("there is no program `{shown}` on PATH"))
                    .hint("install it, or give its path")
            }
            other => other.into(),
        }
    }

    /// What every run finds in its environment.
    fn run_environment(&self, job: &Job<'_>, run: &Run) -> BTreeMap<String, String> {
        let mut set = BTreeMap::from([
            (variables::ROOT.to_owned(), self.home().board().root.to_string()),
            (variables::WORKTREE.to_owned(), job.worktree.name.to_string()),
            (variables::RUN_ID.to_owned(), run.id.to_string()),
        ]);
        for (n, port) in job.worktree.ports.iter().enumerate() {
            let name = if n == 0 { variables::PORT.to_owned() } else { format!("{}_{n}", variables::PORT) };
            set.insert(name, port.to_string());
        }
        set.extend(self.environment_of(&job.worktree, &job.cwd, job.task.as_ref()));
        // Git's maintenance in the background would outlive the run, and has broken commits of others beside it.
        let quiet = [("gc.auto", "0"), ("maintenance.auto", "false")];
        set.insert("GIT_CONFIG_COUNT".to_owned(), quiet.len().to_string());
        for (n, (key, value)) in quiet.into_iter().enumerate() {
            set.insert(format!("GIT_CONFIG_KEY_{n}"), key.to_owned());
            set.insert(format!("GIT_CONFIG_VALUE_{n}"), value.to_owned());
        }
        if let Some(task) = &job.task {
            set.insert(variables::TASK_ID.to_owned(), task.to_string());
            set.insert(variables::EPOCH.to_owned(), job.epoch.to_string());
        }
        if let Some(agent) = &job.agent {
            set.insert(variables::ACTOR.to_owned(), agent.to_string());
        }
        set
    }

    /// The mark of a run's processes: unique on this machine, unlike a run's id.
    pub(crate) fn mark(&self, run: RunId) -> String {
        format!("{}:{run}", self.home().board().state_dir())
    }

    /// Notes that a run was started. Gives the reason why it has to end, when it has to already.
    pub(super) fn started_run(&self, id: RunId, child: &ProcessIdentity) -> Result<Option<StopReason>> {
        self.change(|view, _| {
            let mut run = run_record(view, id)?;
            let asked = run.stop_by.is_some().then_some(StopReason::Cancelled);
            if run.status.is_over() {
                return Ok((Changes::default(), asked.or(Some(StopReason::Fenced))));
            }
            run.status = run.status.to(RunStatus::Running, format_args!("run {id}"))?;
            run.child = Some(child.clone());
            Ok((Changes { runs: vec![run], ..Changes::default() }, asked))
        })
    }

    /// Records the end of a run, unless somebody else has. Gives how it ended for whoever started it.
    fn end_run(&self, id: RunId, end: &RunEnd<'_>, lease: Option<&RunLease>) -> Result<Option<How>> {
        let how = end.how;
        let before = self.look(|view| run_record(view, id))?;
        let worktree = self.look(|view| record(view, before.worktree_id))?;
        // A gate's work is the candidate, whose worktree is gone already.
        let evidence = if before.kind == RunKind::Gate {
            None
        } else {
            Some(self.evidence_since(&worktree, before.base.as_ref()).map(|seen| RunEvidence {
                denied: end.heard.told.denials,
                failed_calls: end.heard.told.failed_calls,
                output_hash: end.heard.output_hash.clone(),
                findings: end.judged.and_then(|judged| judged.findings),
                ..seen
            }))
        };
        self.change(|view, now| {
            let mut run = run_record(view, id)?;
            let is_fenced = match lease {
                Some(lease) => view.task(&lease.task)?.is_none_or(|task| task.epoch != lease.epoch),
                None => false,
            };
            let judged = how.map(|how| judged(how, run.stop_by.is_some(), run.status, is_fenced));
            if run.status.is_over() {
                // Recovery in another process has ended it, or who stopped it; its word stands.
                return Ok((Changes::default(), judged));
            }
            let is_stopped = run.stop_by.is_some() || (how.is_none() && is_fenced);
            let (status, kind) = end.comes_to(is_stopped);
            run.status = end_status(run.status, status, id)?;
            run.ended_at = Some(now);
            match how {
                Some(How::Exited(code)) => run.exit_code = Some(code),
                Some(How::Signalled(signal)) => run.signal = Some(signal),
                _ => {}
            }
            run.usage = end.heard.told.usage;
            run.session = end.heard.session().or(run.session.take());
            run.rate_limited = end.is_rate_limited(run.status);
            let error = end.error.as_deref().or(end.fault()).unwrap_or_default();
            run.error = biplane_model::clip(&biplane_model::sanitize_line(error), 500);
            match &evidence {
                Some(Ok(seen)) => run.evidence = Some(seen.clone()),
                Some(Err(unknown)) if run.error.is_empty() => run.error = unknown.to_string(),
                _ => {}
            }
            let mut event =
                NewEvent::new(kind).run(&run).worktree(&record(view, run.worktree_id)?).error(&run.error);
            if let Some(task) = run.task.as_ref().map(|id| view.task(id)).transpose()?.flatten() {
                event = event.task(&task);
            }
            if let Some(seen) = &run.evidence {
                event = event
                    .with("commits", seen.commits)
                    .with("new_commits", seen.new_commits)
                    .with("dirty_files", seen.dirty_files);
                event = event.with_all(end.heard.facts(seen));
            }
            let mut changes = Changes { events: vec![event], ..Changes::default() };
            if end.is_unread(&run) {
                changes.and(board::return_mail(view, id, now)?);
            }
            changes.runs.push(run);
            Ok((changes, judged))
        })
    }

    /// The run's record beside its log, for people; the ledger has the truth.
    fn write_record(&self, dir: &Utf8Path, run: &Run) {
        let json = serde_json::to_vec_pretty(&RunView::from(run)).expect("a view is plain data");
        let written = self.make_run_dir(dir).and_then(|()| files::replace(&dir.join("run.json"), &json));
        if let Err(error) = written {
            self.say(error.to_string());
        }
    }
}

/// How a run ended, as it is recorded.
struct RunEnd<'a> {
    how: Option<How>,
    /// What failed in starting or watching it.
    error: Option<String>,
    /// Why it could not be judged.
    unknown: Option<String>,
    judged: Option<&'a Judged>,
    heard: &'a HeardRun,
}

impl RunEnd<'_> {
    /// Whether nobody can have read the prompt: the program was never started, did not know the conversation to go on with, or was
    /// turned away by its provider before it did anything.
    fn is_unread(&self, run: &Run) -> bool {
        let told = &self.heard.told;
        // One that has done something with its tools has read what it was told.
        let is_turned_away = run.rate_limited && run.status == RunStatus::Failed && told.calls == 0;
        run.child.is_none() || told.lost_session || is_turned_away
    }

    /// Whether a run that ends in this state came to nothing because its agent's provider asked to slow down.
    fn is_rate_limited(&self, status: RunStatus) -> bool {
        self.heard.told.rate_limited.is_some() && matches!(status, RunStatus::Failed | RunStatus::TimedOut)
    }

    /// The state that the run ends in, and the event that says so.
    fn comes_to(&self, is_stopped: bool) -> (RunStatus, EventKind) {
        match self.how {
            _ if is_stopped => (RunStatus::Cancelled, EventKind::WorktreeRunAfter),
            Some(How::Exited(0) | How::Stopped(StopReason::Finished)) if self.fault().is_some() => {
                (RunStatus::Failed, EventKind::WorktreeRunAfter)
            }
            Some(How::Exited(0) | How::Stopped(StopReason::Finished)) => {
                (RunStatus::Succeeded, EventKind::WorktreeRunAfter)
            }
            Some(How::TimedOut) => (RunStatus::TimedOut, EventKind::WorktreeRunTimeout),
            Some(How::Stopped(_)) => (RunStatus::Cancelled, EventKind::WorktreeRunAfter),
            Some(How::Exited(_) | How::Signalled(_)) | None => {
                (RunStatus::Failed, EventKind::WorktreeRunAfter)
            }
        }
    }

    /// What is wrong with a run that ended well.
    fn fault(&self) -> Option<&str> {
        self.unknown.as_deref().or_else(|| self.judged?.fault.as_deref())
    }
}

/// The run `id`, which must exist.
pub(super) fn run_record(view: &dyn View, id: RunId) -> Result<Run> {
    view.run(id)?.ok_or_else(|| Error::not_found(format!("there is no run {id}")))
}

/// The marker of `run` on this machine.
pub(crate) fn marker(mark: String) -> Marker {
    Marker::new(variables::RUN_MARK, mark)
}

/// A run that never got to running passes through it.
fn end_status(from: RunStatus, to: RunStatus, id: RunId) -> Result<RunStatus> {
    let what = format!("run {id}");
    if from == RunStatus::Starting && matches!(to, RunStatus::Succeeded | RunStatus::TimedOut) {
        return Ok(from.to(RunStatus::Running, &what)?.to(to, &what)?);
    }
    Ok(from.to(to, what)?)
}
