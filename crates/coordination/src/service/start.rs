//! Starting `up` in the background, for whoever leads and does not want to wait for it.

use std::time::Instant;

use biplane_execution::supervise::{self, Detached};
use biplane_model::AgentName;

use super::Service;
use crate::{
    bounds,
    dispatch::UpRequest,
    error::{Error, Result},
};

/// What an `up` in the background is to do.
#[derive(Debug, Clone, Default)]
pub struct UpStart {
    /// How many agents at once; the settings' number when absent.
    pub parallel: Option<usize>,
    /// The agents; the settings' team when empty.
    pub agents: Vec<AgentName>,
}

impl Service {
    /// Starts `up` in the background, as a process of its own that goes on when this one ends. Whether it did; it does not where one is
    /// at work already.
    ///
    /// # Errors
    /// When there is nothing to do, nothing may be started in the background, or `up` would refuse.
    pub fn up_start(&self, wish: &UpStart) -> Result<bool> {
        if self.is_up()? {
            return Ok(false);
        }
        let request =
            UpRequest { parallel: wish.parallel, agents: wish.agents.clone(), ..UpRequest::default() };
        self.refuse_up(&request)?;
        if self.task_ready()?.is_empty() && self.open_submissions()?.is_empty() {
            return Err(Error::refused("nothing is ready to be worked on")
                .hint("`task_create` makes a task, `task_list` says what the others wait for"));
        }
        if !self.background() {
            return Err(Error::refused("nothing may be started in the background here")
                .hint("a person starts agents with `biplane up`"));
        }
        let mut args = vec!["-C".to_owned(), self.home().board().root.to_string(), "up".to_owned()];
        args.push("--in-background".to_owned());
        args.extend(wish.parallel.iter().flat_map(|count| ["--agents".to_owned(), count.to_string()]));
        args.extend(wish.agents.iter().flat_map(|name| ["--agent".to_owned(), name.to_string()]));
        let args: Vec<_> = args.into_iter().map(Into::into).collect();
        let child = supervise::detach(&args, &self.without_own_variables())?;
        let until = Instant::now() + bounds::UP_BEGINS;
        while Instant::now() < until {
            if self.is_up()? {
                return Ok(true);
            }
            match child.as_ref().map(Detached::ended) {
                Some(None) => std::thread::sleep(bounds::RUN_OVER_LOOK),
                // It was over before it was seen at work.
                Some(Some(status)) if status.success() => return Ok(true),
                Some(Some(status)) => {
                    return Err(Error::failed(format!("`biplane up` has ended already: {status}"))
                        .hint("`biplane task list` shows what it has done; typed by a person it says why"));
                }
                None => return Err(Error::failed("nothing was started in the background")),
            }
        }
        // It lives, and takes its time.
        Ok(true)
    }
}
