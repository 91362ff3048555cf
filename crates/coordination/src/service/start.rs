//! Starting `up` in the background, for whoever leads and does not want to wait for it.

use std::time::{Duration, Instant};

use biplane_execution::supervise;
use biplane_model::{AgentName, Seq};

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
        let before = self.newest_event()?;
        let mut args = vec!["-C".to_owned(), self.home().board().root.to_string(), "up".to_owned()];
        args.push("--in-background".to_owned());
        args.extend(wish.parallel.iter().flat_map(|count| ["--agents".to_owned(), count.to_string()]));
        args.extend(wish.agents.iter().flat_map(|name| ["--agent".to_owned(), name.to_string()]));
        let args: Vec<_> = args.into_iter().map(Into::into).collect();
        supervise::detach(&args, &self.without_own_variables())?;
        let until = Instant::now() + bounds::UP_BEGINS;
        while Instant::now() < until {
            // One that is over already has left events.
            if self.is_up()? || self.newest_event()? > before {
                return Ok(true);
            }
            std::thread::sleep(bounds::RUN_OVER_LOOK);
        }
        Err(Error::failed("the agents did not begin").hint("`biplane up` says why, typed by a person"))
    }

    fn newest_event(&self) -> Result<Seq> {
        // Behind all that can be: it answers at once.
        self.wait_for_events(Seq(u64::MAX >> 1), Duration::ZERO)
    }
}
