//! Runs and their logs, for people: which run is meant, what there was, what it wrote.

use biplane_control::{RunFilter, View, WorktreeFilter};
use biplane_model::{Run, RunId, TaskId, sanitize_line, view::RunView};

use super::Service;
use crate::{
    bounds,
    error::{Error, Result},
    logs::{self, Lines, RecordedLines, RunDir},
    recovery::is_dead,
};

/// Which runs.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Only for this task.
    pub task: Option<TaskId>,
    /// The newest so many; [`bounds::RUNS_SHOWN`] unless set.
    pub newest: Option<usize>,
}

/// Whether more is to come of a run's logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLife {
    /// It is at work.
    Live,
    /// It has ended.
    Over,
    /// Its biplane died, and nobody has noted its end yet.
    Abandoned,
}

impl Service {
    /// Runs, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<RunView>> {
        let newest = Some(query.newest.unwrap_or(bounds::RUNS_SHOWN));
        let filter = RunFilter { task: query.task.clone(), newest, ..RunFilter::default() };
        self.look(|view| Ok(view.runs(&filter)?.iter().map(RunView::from).collect()))
    }

    /// Whether a run is under way that works at a task, or makes its worktree ready for that.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn is_at_work(&self, id: &TaskId) -> Result<bool> {
        Ok(!self.open_attempts(id)?.is_empty())
    }

    /// The run that `what` names: a run by its id, or the newest one of a task or of a worktree.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_run(&self, what: &str) -> Result<RunView> {
        let found = self.look(|view| named_run(view, what))?;
        found.as_ref().map(RunView::from).ok_or_else(|| {
            let shown = biplane_model::clip(&sanitize_line(what), 80);
            Error::not_found(format!(
                "there is no run `{shown}`, nor a task or worktree of that name with one"
            ))
            .hint("`biplane log --list` shows the runs")
        })
    }

    /// A run as it is now, and whether more is to come of its logs.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn run_life(&self, id: RunId) -> Result<(RunView, RunLife)> {
        let run = self.look(|view| super::run::run_record(view, id))?;
        let life = match run.status.is_over() {
            true => RunLife::Over,
            false if is_dead(&run.supervisor) => RunLife::Abandoned,
            false => RunLife::Live,
        };
        Ok(((&run).into(), life))
    }

    /// The output of a run; `None` when nothing of it is there (yet, or any more).
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn run_output(&self, id: RunId) -> Result<Option<Lines>> {
        self.open_log(id, logs::OUTPUT)
    }

    /// What the agent of a run has told; `None` when nothing of it is there (yet, or any more).
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn run_transcript(&self, id: RunId) -> Result<Option<RecordedLines>> {
        Ok(self.open_log(id, logs::TRANSCRIPT)?.map(RecordedLines))
    }

    fn open_log(&self, id: RunId, name: &str) -> Result<Option<Lines>> {
        let io = |e| Error::io("read", self.home().run_dir(id).join(name), e);
        let Some(dir) = RunDir::open(self.home(), id).map_err(io)? else { return Ok(None) };
        logs::open(&dir, name).map_err(io)
    }
}

fn named_run(view: &dyn View, what: &str) -> Result<Option<Run>> {
    // As runs are shown: `1` is a task.
    if let Some(id) = what.parse::<RunId>().ok().filter(|id| id.to_string() == what)
        && let Some(run) = view.run(id)?
    {
        return Ok(Some(run));
    }
    let newest = |filter: RunFilter| -> Result<Option<Run>> {
        Ok(view.runs(&RunFilter { newest: Some(1), ..filter })?.pop())
    };
    if let Ok(id) = what.parse::<TaskId>()
        && let Some(run) = newest(RunFilter { task: Some(id), ..RunFilter::default() })?
    {
        return Ok(Some(run));
    }
    let Ok(name) = what.parse() else { return Ok(None) };
    // A name may have been used again, and a run of an older worktree still be the newest.
    let mut found: Option<Run> = None;
    for worktree in view.worktrees(&WorktreeFilter { name: Some(name), ..WorktreeFilter::default() })? {
        let run = newest(RunFilter { worktree: Some(worktree.id), ..RunFilter::default() })?;
        found = [found, run].into_iter().flatten().max_by_key(|run| run.id);
    }
    Ok(found)
}
