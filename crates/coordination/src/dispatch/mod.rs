//! `up`: ready tasks to agents, until none is left.
//!
//! **Contract.** One dispatcher puts everything that happens in one line; each executor owns one attempt at one task,
//! the merger lands one submission at a time. All three meet only in the ledger and in the dispatcher's channel, so that
//! a `kill -9` at any moment leaves nothing but what recovery knows.
//!
//! **Deliberately absent:** terminal output; a [`Watcher`] is told what happens.

mod attempt;
mod progress;
mod prompt;
mod ready;
mod report;

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::{Scope, ScopedJoinHandle},
    time::Duration,
};

use biplane_control::{
    BoardError, ReadyOrder,
    board::{self, Claim, Guard},
};
use biplane_execution::supervise::StopFlag;
use biplane_model::{AgentName, Seq, SubmissionId, SubmissionStatus, Task, TaskId};

use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    service::{Service, UpState},
    settings::Agent,
};

pub use progress::{Phase, Progress, Watcher};
pub use report::{UpReport, Waiting};

/// How often the dispatcher looks for tasks that somebody else has made ready, and for a wish to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What `up` is to do.
#[derive(Debug, Clone)]
pub struct UpRequest {
    /// How many agents at once; the settings' number when absent.
    pub parallel: Option<usize>,
    /// The agent, by its name in the settings; the settings' default when absent.
    pub agent: Option<AgentName>,
    /// A command to use as agent instead of one in the settings.
    pub command: Option<Vec<String>>,
    /// The gate; `Some(None)` lands untested.
    pub gate: Option<Option<String>>,
    /// Start agents in worktrees that nothing was set up in.
    pub no_setup: bool,
}

/// What the threads tell the dispatcher.
enum Message {
    /// An attempt is over; with a submission when there is something to land.
    Attempted { task: TaskId, submitted: Option<SubmissionId> },
    /// A submission is over.
    Settled { submission: SubmissionId, outcome: Option<SubmissionStatus> },
}

/// Tells the dispatcher when it goes, so that even a thread that panics leaves nobody waiting for it.
struct Told {
    sender: SyncSender<Message>,
    message: Option<Message>,
}

impl Told {
    /// Tells this instead of what was prepared for a panic.
    fn tell(mut self, message: Message) {
        self.message = Some(message);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            let _ = self.sender.send(message);
        }
    }
}

/// What all threads of one `up` share.
struct Shared<'a> {
    service: &'a Service,
    name: AgentName,
    agent: Agent,
    gate: Option<Option<String>>,
    no_setup: bool,
    stop: Option<&'a StopFlag>,
    watcher: &'a dyn Watcher,
}

impl Shared<'_> {
    fn is_stopping(&self) -> bool {
        self.stop.is_some_and(|stop| stop.requested().is_some())
    }
}

impl Service {
    /// Gives ready tasks to agents until none is left, or until `stop` is asked for.
    ///
    /// # Errors
    /// When there is no agent to start, or the ledger fails. What becomes of the tasks is in the answer.
    pub fn up(
        &self,
        request: &UpRequest,
        stop: Option<&StopFlag>,
        watcher: &dyn Watcher,
    ) -> Result<UpReport> {
        self.require_targets()?;
        let (name, agent) = self.agent_for(request)?;
        if !request.no_setup {
            self.refuse_unapproved()?;
        }
        let parallel = request.parallel.unwrap_or(self.settings().parallel);
        if !(1..=bounds::MOST_AGENTS).contains(&parallel) {
            return Err(Error::usage(format!("use 1 to {} agents", bounds::MOST_AGENTS)));
        }
        self.say_gates(request.gate.as_ref());
        let (gate, no_setup) = (request.gate.clone(), request.no_setup);
        let shared = Shared { service: self, name, agent, gate, no_setup, stop, watcher };
        let sign = self.begin_up()?;
        shared.clear_left()?;
        let report = std::thread::scope(|scope| {
            // Dropped at the end, which ends the thread.
            let (_at_work, end) = mpsc::sync_channel(0);
            scope.spawn(move || self.keep_leases(&end));
            Dispatcher::start(scope, &shared, parallel).run()
        });
        self.end_up(sign)?;
        let mut report = report?;
        report.stopped = shared.is_stopping();
        // Another process may have landed it meanwhile.
        let open = self.open_submissions()?;
        report.stuck.retain(|id| open.iter().any(|submission| submission.id == *id));
        report.waiting = self.waiting(&shared.name)?;
        Ok(report)
    }

    fn agent_for(&self, request: &UpRequest) -> Result<(AgentName, Agent)> {
        let settings = self.settings();
        if let Some(command) = &request.command {
            let name = match &request.agent {
                Some(name) => name.clone(),
                None => "command".parse().expect("it is a legal name"),
            };
            return Ok((name, Agent::new(command.clone(), None)));
        }
        let Some(name) = request.agent.as_ref().or(settings.agent.as_ref()) else {
            return Err(Error::usage("no agent is named").hint(
                "set `agent` and `[agents.NAME]` in `biplane.toml`, or give a command: `biplane up -- CMD…`",
            ));
        };
        match settings.agents.get(name) {
            Some(agent) => Ok((name.clone(), agent.clone())),
            None => {
                let known = settings.agents.keys().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() {
                    "none is configured".to_owned()
                } else {
                    format!("there are {known}")
                };
                Err(Error::not_found(format!("there is no agent `{name}` in `biplane.toml`: {known}")))
            }
        }
    }
}

/// Owns what is going on; everything that changes it comes through its channel.
struct Dispatcher<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shared: &'env Shared<'env>,
    parallel: usize,
    running: usize,
    landing: usize,
    to_merger: Option<SyncSender<SubmissionId>>,
    sender: SyncSender<Message>,
    inbox: Receiver<Message>,
    merger: ScopedJoinHandle<'scope, ()>,
    /// The newest event when nothing was ready.
    nothing_at: Option<Seq>,
    report: UpReport,
}

impl<'scope, 'env> Dispatcher<'scope, 'env> {
    fn start(scope: &'scope Scope<'scope, 'env>, shared: &'env Shared<'env>, parallel: usize) -> Self {
        let (sender, inbox) = mpsc::sync_channel(bounds::MESSAGES);
        let (to_merger, queue) = mpsc::sync_channel(bounds::MESSAGES);
        let tell = sender.clone();
        let merger = scope.spawn(move || {
            for submission in queue {
                let told = Told {
                    sender: tell.clone(),
                    message: Some(Message::Settled { submission, outcome: None }),
                };
                let outcome = shared.land(submission);
                told.tell(Message::Settled { submission, outcome });
            }
        });
        let report = UpReport::default();
        Self {
            scope,
            shared,
            parallel,
            running: 0,
            landing: 0,
            to_merger: Some(to_merger),
            sender,
            inbox,
            merger,
            nothing_at: None,
            report,
        }
    }

    fn run(mut self) -> Result<UpReport> {
        // Work of an earlier `up` that was submitted and not landed comes first.
        // No more of them than fit: a later `up` takes the rest.
        for waiting in self.shared.service.open_submissions()?.iter().take(bounds::MESSAGES / 2) {
            self.queue(waiting.id);
        }
        let mut result = Ok(());
        loop {
            if result.is_ok() && !self.shared.is_stopping() {
                result = self.fill();
            }
            // Paused, there is always more to come.
            let state =
                if self.shared.is_stopping() { UpState::Draining } else { self.shared.service.up_state()? };
            if self.running == 0 && self.landing == 0 && (result.is_err() || state != UpState::Paused) {
                break;
            }
            match self.inbox.recv_timeout(LOOK_EVERY) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.to_merger = None;
        let _ = self.merger.join();
        result.map(|()| self.report)
    }

    /// Starts attempts while there are free places and ready tasks.
    fn fill(&mut self) -> Result<()> {
        while self.running < self.parallel && self.shared.service.up_state()? == UpState::Running {
            // Nothing becomes ready without an event.
            let seq = self.shared.service.look(|view| Ok(view.last_seq()?))?;
            if self.nothing_at == Some(seq) {
                break;
            }
            let Some(task) = self.shared.claim_next()? else {
                self.nothing_at = Some(seq);
                break;
            };
            self.running += 1;
            self.report.started += 1;
            let shared = self.shared;
            let told = Told {
                sender: self.sender.clone(),
                message: Some(Message::Attempted { task: task.id.clone(), submitted: None }),
            };
            self.scope.spawn(move || {
                let id = task.id.clone();
                let submitted = shared.attempt(task);
                told.tell(Message::Attempted { task: id, submitted });
            });
        }
        Ok(())
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Attempted { task, submitted } => {
                self.running -= 1;
                match submitted {
                    Some(submission) => self.queue(submission),
                    None => self.report.unlanded.push(task),
                }
            }
            Message::Settled { submission, outcome } => {
                self.landing -= 1;
                match outcome {
                    Some(SubmissionStatus::Landed) => self.report.landed += 1,
                    Some(SubmissionStatus::Bounced) => self.report.bounced += 1,
                    Some(_) => {}
                    None => self.report.stuck.push(submission),
                }
            }
        }
    }

    fn queue(&mut self, submission: SubmissionId) {
        let sent = self.to_merger.as_ref().is_some_and(|merger| merger.send(submission).is_ok());
        self.landing += usize::from(sent);
    }
}

impl Shared<'_> {
    /// Claims the next ready task for the agent.
    fn claim_next(&self) -> Result<Option<Task>> {
        let claim = Claim {
            id: None,
            owner: self.name.clone(),
            lease_s: Some(self.service.lease_s()),
            holder: Some(self.service.me()),
            guard: Guard::default(),
        };
        let reach = self.service.reach_now();
        let claimed = self.service.change(|view, now| {
            let order = ReadyOrder::Priority;
            let Some(id) = reach.next_ready(view, order, &claim.owner)? else {
                return Err(BoardError::NothingReady.into());
            };
            Ok(board::claim(view, &Claim { id: Some(id), ..claim.clone() }, now)?)
        });
        match claimed {
            Ok(task) => Ok(Some(task)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
