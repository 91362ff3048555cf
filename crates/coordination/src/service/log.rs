//! Reading the events.

use std::time::Duration;

use biplane_control::{BoardError, EventFilter};
use biplane_model::{Event, Seq, TaskId, WorktreeName};

use super::Service;
use crate::{bounds, error::Result};

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Only those after this one; without it the newest.
    pub since: Option<Seq>,
    /// At most so many.
    pub limit: Option<usize>,
    /// Only about this task.
    pub task: Option<TaskId>,
    /// Only about this worktree.
    pub worktree: Option<WorktreeName>,
}

impl Service {
    /// Events, oldest first: the newest ones, or those after `since`.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>> {
        let filter = EventFilter { task: query.task.clone(), worktree: query.worktree.clone() };
        self.look(|view| {
            if let Some(id) = query.task.as_ref()
                && view.task(id)?.is_none()
            {
                return Err(BoardError::NoTask(id.clone()).into());
            }
            Ok(match query.since {
                Some(seq) => view.events(seq, &filter, query.limit.unwrap_or(usize::MAX))?,
                None => view.newest_events(&filter, query.limit.unwrap_or(bounds::EVENTS_SHOWN))?,
            })
        })
    }

    /// Waits until there is an event after `seq`, for at most `timeout`. Gives the newest event's number.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn wait_for_events(&self, seq: Seq, timeout: Duration) -> Result<Seq> {
        Ok(self.ledger().wait(seq, timeout)?)
    }
}
