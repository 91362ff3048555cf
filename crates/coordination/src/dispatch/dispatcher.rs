//! The dispatcher: one loop that everything passes through in one line.
//!
//! It owns what is going on. Attempts and landings run in threads of their own, each of which owns its attempt or landing, and
//! tell it when they are over. It starts the next attempt when there is a ready task, an agent that takes it, and room on the
//! machine.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::{Scope, ScopedJoinHandle},
    time::{Duration, Instant},
};

use biplane_control::{
    ReadyOrder,
    board::{self, Claim, Guard},
};
use biplane_model::{AgentName, RepoName, Seq, SubmissionId, SubmissionStatus, Task, TaskId};

use super::{
    Progress, Shared, UpReport,
    admission::{Machine, Shortage, shortage},
    crew::{Member, Unwanted},
};
use crate::{
    bounds,
    error::{Error, ErrorKind, Result},
    recovery::is_dead,
    service::UpState,
};

/// How often the dispatcher looks for tasks that somebody else has made ready, and for a wish to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the threads tell the dispatcher.
pub(super) enum Message {
    /// An attempt is over; with a submission when there is something to land.
    Attempted { task: TaskId, agent: AgentName, submitted: Option<(SubmissionId, RepoName)> },
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

/// Lands the submissions of one repository, one after the other.
struct Merger<'scope> {
    queue: SyncSender<SubmissionId>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// A submission that was given to a merger.
#[derive(Debug, Clone, Copy, Default)]
struct Given {
    /// How often.
    times: u32,
    /// Its revision when the merger had done what it could; nothing as long as it is at it.
    left_at: Option<u64>,
}

/// What kept the last attempt from being started.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hold {
    /// Nothing is ready that an agent here takes, as of this event.
    Nothing(Seq),
    /// Something is ready, as of this event, and its agents have no place or rest.
    Places(Seq),
    /// The machine has no room.
    Short(Shortage),
}

/// Owns what is going on; everything that changes it comes through its channel.
pub(super) struct Dispatcher<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shared: &'env Shared<'env>,
    parallel: usize,
    running: usize,
    landing: usize,
    mergers: BTreeMap<RepoName, Merger<'scope>>,
    /// The submissions that were given to a merger.
    queued: HashMap<SubmissionId, Given>,
    /// The last event when submissions of others were looked for.
    looked_at: Option<Seq>,
    sender: SyncSender<Message>,
    inbox: Receiver<Message>,
    hold: Option<Hold>,
    /// Since when nothing is at work although something is ready.
    idle_since: Option<Instant>,
    /// When the next agent that rests may be started again, as was last seen.
    rest_over: Option<Instant>,
    /// Memory that agents were started for lately, and when.
    promised: Vec<(Instant, u64)>,
    report: UpReport,
}

impl<'scope, 'env> Dispatcher<'scope, 'env> {
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        shared: &'env Shared<'env>,
        parallel: usize,
    ) -> Self {
        let (sender, inbox) = mpsc::sync_channel(bounds::MESSAGES);
        Self {
            scope,
            shared,
            parallel,
            running: 0,
            landing: 0,
            mergers: BTreeMap::new(),
            queued: HashMap::new(),
            looked_at: None,
            sender,
            inbox,
            hold: None,
            idle_since: None,
            rest_over: None,
            promised: Vec::new(),
            report: UpReport::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<UpReport> {
        // Work of an earlier `up` that was submitted and not landed comes first.
        let mut result = self.take_up();
        loop {
            if self.shared.watch && result.is_ok() && !self.shared.is_stopping() {
                result = self.take_up();
            }
            if result.is_ok() && !self.shared.is_stopping() {
                result = self.fill();
            }
            if self.running == 0 && self.landing == 0 && (result.is_err() || self.is_over()?) {
                result = result.and_then(|()| self.take_up_last());
                if self.landing == 0 {
                    break;
                }
            }
            match self.inbox.recv_timeout(LOOK_EVERY) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for (_, merger) in std::mem::take(&mut self.mergers) {
            drop(merger.queue);
            let _ = merger.thread.join();
        }
        result.map(|()| self.report)
    }

    /// Has those submissions landed that somebody else has made and left. No more of them than fit: the rest is for another look
    /// or a later `up`.
    fn take_up(&mut self) -> Result<()> {
        let service = self.shared.service;
        let seq = service.look(|view| Ok(view.last_seq()?))?;
        if self.looked_at.replace(seq) == Some(seq) || self.landing > bounds::MESSAGES / 4 {
            return Ok(());
        }
        self.give_left()
    }

    /// Has what was submitted meanwhile landed, and what another `up` has left that died, before this one ends.
    fn take_up_last(&mut self) -> Result<()> {
        if self.shared.is_stopping() || self.shared.service.up_state()? == UpState::Draining {
            return Ok(());
        }
        self.give_left()
    }

    /// Gives the mergers what nobody alive is testing. What they had already, again only when somebody else has been at it
    /// since, such as the recovery.
    fn give_left(&mut self) -> Result<()> {
        for waiting in self.shared.service.waiting_submissions(bounds::MESSAGES / 2)? {
            let is_left = waiting.worker.as_ref().is_none_or(is_dead);
            let is_due = self.queued.get(&waiting.id).is_none_or(|given| {
                given.left_at.is_some_and(|rev| rev != waiting.rev) && given.times < bounds::LAND_TRIES
            });
            if is_left && is_due {
                self.give(waiting.id, &waiting.repo);
            }
        }
        Ok(())
    }

    /// Whether nothing will be started any more.
    fn is_over(&self) -> Result<bool> {
        if self.shared.is_stopping() {
            return Ok(true);
        }
        Ok(match self.shared.service.up_state()? {
            UpState::Draining => true,
            // Paused, there is always more to come.
            UpState::Paused => false,
            UpState::Running => matches!(self.hold, Some(Hold::Nothing(_))) && !self.shared.watch,
        })
    }

    /// Starts attempts while there are free places and ready tasks.
    fn fill(&mut self) -> Result<()> {
        // More work that waits to land is work on a target that is out of date by then.
        let most_waiting = bounds::WAITING.max(2 * self.parallel);
        while self.running < self.parallel
            && self.landing < most_waiting
            && self.shared.service.up_state()? == UpState::Running
        {
            // Nothing becomes ready without an event.
            let seq = self.shared.service.look(|view| Ok(view.last_seq()?))?;
            let is_unchanged = match self.hold {
                Some(Hold::Nothing(at)) => at == seq,
                Some(Hold::Places(at)) => at == seq && !self.has_rested(),
                _ => false,
            };
            if is_unchanged {
                break;
            }
            match self.start_next(seq)? {
                None => {
                    self.hold = None;
                    self.idle_since = None;
                }
                Some(hold) => {
                    self.wait_for(hold)?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Whether an agent that was asked to slow down may be started again.
    fn has_rested(&mut self) -> bool {
        let now = Instant::now();
        let over = self.rest_over.is_some_and(|until| until <= now);
        self.rest_over = self.shared.crew().next_rested(now);
        over
    }

    /// Remembers why nothing was started, and says so once.
    fn wait_for(&mut self, hold: Hold) -> Result<()> {
        if let Hold::Short(short) = &hold
            && self.hold.as_ref() != Some(&hold)
        {
            let (Shortage::Passing(why) | Shortage::Disk(why)) = short;
            let is_new = !matches!(self.hold, Some(Hold::Short(_)));
            if is_new {
                self.shared.service.say(format!("no agent is started now: {why}"));
            }
            if let (Shortage::Disk(_), true) = (short, self.running == 0 && self.landing == 0) {
                return Err(Error::new(ErrorKind::Busy, why.clone())
                    .hint("make room, or set `[up] min_disk` lower, then `biplane up` again"));
            }
        }
        let is_idle = self.running == 0 && !matches!(hold, Hold::Nothing(_));
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or_else(Instant::now));
        self.hold = Some(hold);
        Ok(())
    }

    /// Claims the next ready task for an agent and starts the attempt. Gives why nothing was started otherwise.
    fn start_next(&mut self, seq: Seq) -> Result<Option<Hold>> {
        let now = Instant::now();
        self.promised.retain(|(at, _)| now.duration_since(*at) < bounds::PROMISED_FOR);
        let promised = self.promised.iter().map(|(_, bytes)| bytes).sum();
        let machine = Machine::look(&self.shared.service.home().worktrees_dir());
        // Who waits for memory while nothing is at work waits for nothing of ours.
        let is_patient = self.idle_since.is_none_or(|since| since.elapsed() < bounds::ADMISSION_PATIENCE);
        let mut hold = Hold::Nothing(seq);
        let shared = self.shared;
        let claimed = shared.claim_next(|task, crew, away| {
            let profile = shared.service.settings().profile_of(task).unwrap_or_default();
            match crew.taker(task, &profile, away, now) {
                Err(Unwanted::Never) => None,
                Err(Unwanted::Later) => {
                    hold = Hold::Places(seq);
                    None
                }
                Ok(member) => {
                    let up = &shared.service.settings().up;
                    match shortage(&machine, up, &member.name, &member.agent, promised) {
                        Some(short) if is_patient || matches!(short, Shortage::Disk(_)) => {
                            hold = Hold::Short(short);
                            None
                        }
                        _ => Some(member.clone()),
                    }
                }
            }
        })?;
        let Some((task, member)) = claimed else { return Ok(Some(hold)) };
        if member.agent.memory > 0 {
            self.promised.push((now, member.agent.memory));
        }
        self.start(task, member);
        Ok(None)
    }

    fn start(&mut self, task: Task, member: Member) {
        self.running += 1;
        self.report.started += 1;
        let shared = self.shared;
        let agent = member.name.clone();
        let told = Told {
            sender: self.sender.clone(),
            message: Some(Message::Attempted {
                task: task.id.clone(),
                agent: agent.clone(),
                submitted: None,
            }),
        };
        self.scope.spawn(move || {
            let (id, repo) = (task.id.clone(), task.repo.clone());
            let submitted = shared.attempt(task, &member).map(|submission| (submission, repo));
            told.tell(Message::Attempted { task: id, agent, submitted });
        });
    }

    fn take(&mut self, message: Message) {
        // Whatever is over may have made room for what was held up.
        if matches!(self.hold, Some(Hold::Places(_) | Hold::Short(_))) {
            self.hold = None;
        }
        match message {
            Message::Attempted { task, agent, submitted } => {
                self.running -= 1;
                self.shared.crew().leave(&agent);
                self.shared.settle_shutdowns();
                match submitted {
                    Some((submission, repo)) => self.queue(submission, &repo),
                    None => self.report.unlanded.push(task),
                }
            }
            Message::Settled { submission, outcome } => {
                self.landing -= 1;
                if let Some(given) = self.queued.get_mut(&submission) {
                    given.left_at = self.shared.service.submission(submission).ok().map(|now| now.rev);
                }
                match outcome {
                    Some(SubmissionStatus::Landed) => self.report.landed += 1,
                    Some(SubmissionStatus::Bounced) => self.report.bounced += 1,
                    Some(_) => {}
                    // It may have been given before, and been stuck then too.
                    None if self.report.stuck.contains(&submission) => {}
                    None => self.report.stuck.push(submission),
                }
            }
        }
    }

    /// Gives a submission to its merger; once.
    fn queue(&mut self, submission: SubmissionId, repo: &RepoName) {
        if !self.queued.contains_key(&submission) {
            self.give(submission, repo);
        }
    }

    /// Gives a submission to the merger of its repository, which is started with its first one.
    fn give(&mut self, submission: SubmissionId, repo: &RepoName) {
        let given = self.queued.entry(submission).or_default();
        *given = Given { times: given.times + 1, left_at: None };
        let (scope, shared, sender) = (self.scope, self.shared, self.sender.clone());
        let merger = self.mergers.entry(repo.clone()).or_insert_with(|| {
            let (queue, waiting) = mpsc::sync_channel(bounds::MESSAGES);
            let thread = scope.spawn(move || {
                for submission in waiting {
                    let told = Told {
                        sender: sender.clone(),
                        message: Some(Message::Settled { submission, outcome: None }),
                    };
                    let outcome = shared.land(submission);
                    told.tell(Message::Settled { submission, outcome });
                }
            });
            Merger { queue, thread }
        });
        self.landing += usize::from(merger.queue.send(submission).is_ok());
    }
}

impl Shared<'_> {
    /// Claims the next ready task for which `wanted` names an agent, which then counts as at work.
    fn claim_next(
        &self,
        mut wanted: impl FnMut(&Task, &super::crew::Crew, &HashSet<AgentName>) -> Option<Member>,
    ) -> Result<Option<(Task, Member)>> {
        let order = ReadyOrder::Aged(self.service.settings().up.ageing);
        let reach = self.service.reach_now();
        let mut crew = self.crew();
        let claimed = self.service.change(|view, now| {
            // Who is asked to shut down gets no further task.
            let away = board::away(view)?;
            let Some((task, member)) = board::next_ready(view, order, |task| {
                if reach.why_not(&task.repo).is_some() { None } else { wanted(task, &crew, &away) }
            })?
            else {
                return Ok((biplane_control::Changes::default(), None));
            };
            let claim = Claim {
                id: Some(task.id),
                owner: member.name.clone(),
                lease_s: Some(self.service.lease_s()),
                holder: Some(self.service.me()),
                guard: Guard::default(),
            };
            let (changes, task) = board::claim(view, &claim, now)?;
            Ok((changes, Some((task, member))))
        })?;
        if let Some((_, member)) = &claimed {
            crew.enter(&member.name, Instant::now());
        }
        drop(crew);
        Ok(claimed)
    }

    /// Shuts down who was asked to and has nothing to do any more.
    pub(super) fn settle_shutdowns(&self) {
        match self.service.settle_shutdowns() {
            Ok(names) => {
                for name in names {
                    self.service.say(format!("`{name}` is shut down: it gets no further task"));
                }
            }
            Err(error) => self.service.say(format!("who is to shut down is not known: {error}")),
        }
    }

    /// Tells the watcher.
    pub(super) fn tell(&self, progress: &Progress) {
        self.watcher.progress(progress);
    }
}
