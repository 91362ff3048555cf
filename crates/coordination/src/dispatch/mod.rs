//! `up`: ready tasks to agents, until none is left.
//!
//! **Contract.** One dispatcher puts everything that happens in one line; each executor owns one attempt at one task,
//! a merger for each repository lands one submission at a time. They meet only in the ledger, in the crew and in the dispatcher's
//! channel, so that a `kill -9` at any moment leaves nothing but what recovery knows.
//!
//! **Deliberately absent:** terminal output; a [`Watcher`] is told what happens.

mod address;
mod admission;
mod attempt;
mod crew;
mod dispatcher;
mod ending;
mod landing;
mod pipeline;
mod planning;
mod programs;
mod progress;
pub(crate) mod prompt;
mod ready;
mod refresh;
mod report;
mod role;
mod tools;
mod verdict;
mod worktree;

use std::sync::{Mutex, MutexGuard, PoisonError};

use biplane_control::board;
use biplane_execution::supervise::StopFlag;
use biplane_model::AgentName;

use crate::{
    bounds,
    error::{Error, Result},
    service::Service,
    settings::{Agent, Profile},
};

pub use progress::{Phase, Progress, Watcher};
pub use report::{UpReport, Waiting};

use crew::{Crew, Takes};
use dispatcher::Dispatcher;

/// What `up` is to do.
#[derive(Debug, Clone, Default)]
pub struct UpRequest {
    /// How many agents at once; the settings' number when absent.
    pub parallel: Option<usize>,
    /// The agents, by their names in the settings or as known programs; the settings' team when empty.
    pub agents: Vec<AgentName>,
    /// A command to use as agent instead.
    pub command: Option<Vec<String>>,
    /// The gate; `Some(None)` lands untested.
    pub gate: Option<Option<String>>,
    /// Start agents in worktrees that nothing was set up in.
    pub no_setup: bool,
    /// Wait for new tasks when nothing is left to do.
    pub watch: bool,
}

/// The agents of an `up`, and which tasks each takes.
type Agents = Vec<(AgentName, Agent, Takes)>;

/// What all threads of one `up` share.
struct Shared<'a> {
    service: &'a Service,
    crew: Mutex<Crew>,
    gate: Option<Option<String>>,
    no_setup: bool,
    watch: bool,
    stop: Option<&'a StopFlag>,
    watcher: &'a dyn Watcher,
}

impl Shared<'_> {
    fn is_stopping(&self) -> bool {
        self.stop.is_some_and(|stop| stop.requested().is_some())
    }

    /// The agents, for a moment.
    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Gives ready tasks to agents until none is left, or until `stop` is asked for.
    ///
    /// # Errors
    /// When there is no agent to start, the disk is full, or the ledger fails. What becomes of the tasks is in the answer.
    pub fn up(
        &self,
        request: &UpRequest,
        stop: Option<&StopFlag>,
        watcher: &dyn Watcher,
    ) -> Result<UpReport> {
        let (agents, parallel) = self.checked_up(request)?;
        self.say_gates(request.gate.as_ref());
        let shared = Shared {
            service: self,
            crew: Mutex::new(Crew::new(agents)),
            gate: request.gate.clone(),
            no_setup: request.no_setup,
            watch: request.watch,
            stop,
            watcher,
        };
        let sign = self.begin_up()?;
        shared.settle_shutdowns();
        let report = shared.clear_left().and_then(|()| {
            std::thread::scope(|scope| {
                // Dropped at the end, which ends the thread.
                let (_at_work, end) = std::sync::mpsc::sync_channel(0);
                scope.spawn(move || self.keep_leases(&end));
                Dispatcher::new(scope, &shared, parallel).run()
            })
        });
        // What could not be removed at the time, such as under a process that stood in it, may be by now.
        if report.is_ok()
            && !shared.is_stopping()
            && let Err(error) = shared.clear_left()
        {
            self.say(error.to_string());
        }
        self.end_up(sign)?;
        let mut report = report?;
        report.stopped = shared.is_stopping();
        // Another process may have landed it meanwhile.
        let open = self.open_submissions()?;
        report.stuck.retain(|id| open.iter().any(|submission| submission.id == *id));
        report.open = open.iter().map(|submission| submission.id).collect();
        report.waiting = self.waiting(&shared.crew())?;
        Ok(report)
    }

    /// Refuses what [`Service::up`] would refuse at once.
    pub(crate) fn refuse_up(&self, request: &UpRequest) -> Result<()> {
        self.checked_up(request).map(drop)
    }

    /// The agents of an `up` that may be begun, and how many at once.
    fn checked_up(&self, request: &UpRequest) -> Result<(Agents, usize)> {
        self.require_targets()?;
        board::checked_gate(request.gate.as_ref().and_then(Option::as_deref))?;
        let agents = self.agents_for(request)?;
        if !request.no_setup {
            self.refuse_unapproved()?;
        }
        let parallel = request.parallel.unwrap_or(self.settings().parallel);
        if !(1..=bounds::MOST_AGENTS).contains(&parallel) {
            return Err(Error::usage(format!("use 1 to {} agents", bounds::MOST_AGENTS)));
        }
        Ok((agents, parallel))
    }

    /// The agents of an `up`, those that are preferred first, each of which can be started.
    fn agents_for(&self, request: &UpRequest) -> Result<Agents> {
        let settings = self.settings();
        if let Some(command) = &request.command {
            let name = match request.agents.as_slice() {
                [] => "command".parse().expect("it is a legal name"),
                [name] => name.clone(),
                _ => return Err(Error::usage("a command stands in for one agent, not for several")),
            };
            let agent = Agent::new(command.clone(), None);
            self.refuse_missing(&name, &agent)?;
            return Ok(vec![(name, agent, Takes::Any)]);
        }
        let names = match (request.agents.as_slice(), settings.up.team.as_slice(), &settings.agent) {
            ([], [], None) => {
                return Err(Error::usage("no agent is named").hint(
                    "set `agent` in `biplane.toml`, name a known program (`biplane up --agent claude`), or give a command: \
                     `biplane up -- CMD…`",
                ));
            }
            ([], [], Some(name)) => std::slice::from_ref(name),
            ([], team, _) => team,
            (asked, _, _) => asked,
        };
        // What profiles name may be started for the tasks that have them.
        let named = settings.profiles.values().flat_map(|profile| profile.agents());
        let mut agents = Agents::new();
        for (name, takes) in names.iter().map(|n| (n, Takes::Any)).chain(named.map(|n| (n, Takes::Named))) {
            let agent = settings.agent(name).ok_or_else(|| Error::not_found(settings.no_agent(name)))?;
            if !agents.iter().any(|(known, ..)| known == name) {
                let implements = |profile: &Profile| profile.implement.as_ref() == Some(name);
                if takes == Takes::Any || settings.profiles.values().any(implements) {
                    self.refuse_idle_hands(name, &agent)?;
                }
                self.refuse_missing(name, &agent)?;
                agents.push((name.clone(), agent, takes));
            }
        }
        Ok(agents)
    }
}
