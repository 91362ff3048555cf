//! Runs: from their own files, and from the events where there is no file.

use std::collections::BTreeMap;

use biplane_execution::supervise;
use biplane_model::{
    Actor, AgentName, CommitId, Event, ProcessIdentity, RepoName, Role, Run, RunEvidence, RunId, RunKind,
    RunStatus, TaskId, Timestamp, Usage, WorktreeId, WorktreeName, clip, sanitize_line,
};
use serde::Deserialize;

use super::{numbers::Numbers, seen::Seen};
use crate::{
    bounds,
    error::{Error, Result},
    home::Home,
    import::{
        notes::Notes,
        read::{self, Found},
    },
    service::{Service, marker},
};

/// The most bytes of a run's file.
const MOST_BYTES: u64 = 64 << 10;

/// A run's directory, and its `run.json` when that can be read.
pub(super) type RunFile = Option<WireRun>;

/// `run.json`, as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct WireRun {
    id: RunId,
    kind: RunKind,
    #[serde(default)]
    repo: RepoName,
    worktree: WorktreeName,
    task_id: Option<TaskId>,
    epoch: u64,
    agent: String,
    role: Option<Role>,
    base: Option<CommitId>,
    session: Option<String>,
    usage: Option<Usage>,
    stop_by: Option<String>,
    command: String,
    status: RunStatus,
    exit_code: Option<i32>,
    signal: Option<i32>,
    error: String,
    #[serde(default)]
    rate_limited: bool,
    evidence: Option<RunEvidence>,
    started_at: Timestamp,
    ended_at: Option<Timestamp>,
    rev: u64,
}

/// Reads the files of the runs.
pub(super) fn read(home: &Home, notes: &mut Notes) -> Result<BTreeMap<u64, RunFile>> {
    let dir = home.views_dir().join("runs");
    let mut runs = BTreeMap::new();
    for name in crate::doctor::names_in(&dir)? {
        let Some(id) = name.parse::<RunId>().ok().filter(|id| id.to_string() == name) else { continue };
        let file = match read::file(&dir.join(&name).join("run.json"), MOST_BYTES) {
            Found::Nothing => None,
            Found::Unread(why) => {
                notes.problem(format_args!("`.worktrees/runs/{name}`"), why);
                None
            }
            Found::File(bytes) => match serde_json::from_slice::<WireRun>(&bytes) {
                Ok(run) if run.id == id => Some(run),
                Ok(_) => None,
                Err(why) => {
                    notes.problem(format_args!("`.worktrees/runs/{name}/run.json`"), why);
                    None
                }
            },
        };
        runs.insert(id.0, file);
        if runs.len() > bounds::IMPORT_EVENTS {
            return Err(Error::refused("there are too many directories of runs"));
        }
    }
    Ok(runs)
}

/// The runs, in the order of their numbers. What was not over is lost.
pub(super) fn of(seen: &Seen, numbers: &Numbers, now: Timestamp, notes: &mut Notes) -> Vec<Run> {
    let mut runs: BTreeMap<u64, Run> = BTreeMap::new();
    for event in &seen.events {
        let Some(said) = &event.fact.run else { continue };
        let run = match runs.entry(said.id.0) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => match begun(event, numbers) {
                Some(run) => entry.insert(run),
                None => continue,
            },
        };
        run.status = said.status;
        run.exit_code = said.exit_code;
        run.rev += 1;
        if said.status.is_over() {
            run.ended_at = Some(event.at);
            run.error = event.fact.error.clone().unwrap_or_default();
        }
    }
    for (number, file) in &seen.runs {
        match (file, runs.get_mut(number)) {
            (Some(file), Some(run)) => file.complete(run),
            (Some(file), None) => {
                runs.insert(*number, file.run(numbers));
            }
            (None, None) => {
                notes.problem(format_args!("run r{number}"), "only its directory is left; not brought back");
            }
            (None, Some(_)) => {}
        }
    }
    for run in runs.values_mut().filter(|run| !run.status.is_over()) {
        run.status = RunStatus::Lost;
        run.ended_at = Some(now);
        "it was at work when the ledger was lost".clone_into(&mut run.error);
    }
    runs.into_values().collect()
}

/// A run as the first event about it says.
fn begun(event: &Event, numbers: &Numbers) -> Option<Run> {
    let fact = &event.fact;
    let (said, worktree) = (fact.run.as_ref()?, fact.worktree.as_ref()?);
    let kind = fact.data.get("kind").and_then(|k| serde_json::from_value(k.clone()).ok());
    Some(Run {
        id: said.id,
        repo: worktree.repo.clone(),
        worktree: worktree.name.clone(),
        worktree_id: numbers.worktree(&worktree.name, event.seq.0).unwrap_or(WorktreeId(0)),
        task: fact.task.as_ref().map(|t| t.id.clone()),
        epoch: fact.task.as_ref().map_or(0, |t| t.epoch),
        kind: kind.unwrap_or(RunKind::Command),
        agent: None,
        role: None,
        base: None,
        session: None,
        usage: Usage::default(),
        stop_by: None,
        command: said.command.clone(),
        status: said.status,
        supervisor: nobody(),
        child: None,
        started_at: event.at,
        ended_at: None,
        exit_code: None,
        signal: None,
        error: String::new(),
        rate_limited: false,
        evidence: None,
        rev: 0,
    })
}

/// A process that is none any more: it has the number of no process.
pub(super) fn nobody() -> ProcessIdentity {
    ProcessIdentity { boot_id: "lost".to_owned(), pid: 0, start_time: 0 }
}

impl WireRun {
    /// What the file knows better than the events.
    fn complete(&self, run: &mut Run) {
        run.kind = self.kind;
        run.agent = self.agent.parse::<AgentName>().ok();
        run.role = self.role;
        run.base.clone_from(&self.base);
        run.session = self.session.clone().filter(|name| name.len() <= Run::MAX_SESSION);
        run.usage = self.usage.unwrap_or_default();
        run.stop_by = self.stop_by.as_deref().map(Actor::new);
        run.command = clip(&sanitize_line(&self.command), 200);
        run.task.clone_from(&self.task_id);
        run.epoch = self.epoch;
        run.started_at = self.started_at;
        run.rev = run.rev.max(self.rev);
        if self.status.is_over() {
            run.status = self.status;
            run.exit_code = self.exit_code;
            run.signal = self.signal;
            run.error = clip(&sanitize_line(&self.error), 500);
            run.rate_limited = self.rate_limited;
            run.evidence.clone_from(&self.evidence);
            run.ended_at = self.ended_at;
        }
    }

    fn run(&self, numbers: &Numbers) -> Run {
        let mut run = Run {
            id: self.id,
            repo: self.repo.clone(),
            worktree: self.worktree.clone(),
            worktree_id: numbers.worktree(&self.worktree, u64::MAX).unwrap_or(WorktreeId(0)),
            task: None,
            epoch: 0,
            kind: self.kind,
            agent: None,
            role: None,
            base: None,
            session: None,
            usage: Usage::default(),
            stop_by: None,
            command: String::new(),
            status: self.status,
            supervisor: nobody(),
            child: None,
            started_at: self.started_at,
            ended_at: None,
            exit_code: None,
            signal: None,
            error: String::new(),
            rate_limited: false,
            evidence: None,
            rev: 0,
        };
        self.complete(&mut run);
        run
    }
}

/// Ends what is left of the processes of runs that were not over: nobody supervises them any more.
pub(super) fn end_open(service: &Service, seen: &Seen) -> Result<()> {
    let mut open: BTreeMap<u64, bool> = BTreeMap::new();
    for run in seen.events.iter().filter_map(|e| e.fact.run.as_ref()) {
        open.insert(run.id.0, !run.status.is_over());
    }
    for id in open.into_iter().filter(|(_, is_open)| *is_open).map(|(id, _)| RunId(id)) {
        let strays = supervise::reap(&marker(service.mark(id)), None, supervise::bounds::GRACE);
        if let Some(alive) = strays.iter().find(|s| !s.gone) {
            return Err(Error::failed(format!(
                "process {} ({}) of run {id} does not end",
                alive.pid, alive.command
            )));
        }
    }
    Ok(())
}
