//! What a supervisor looks after while its run goes on: the claim is renewed, and the run ends when the claim was taken
//! away or somebody asks.
//!
//! **Invariant:** a supervisor that was stopped for a while looks into the ledger before it does anything else for its
//! task. Whatever it does there is guarded by its epoch besides.

use std::time::{Duration, Instant};

use biplane_control::board::{self, Guard};
use biplane_execution::supervise::{How, Reply, RunObserver, StopReason, StreamName, Tick};
use biplane_model::{ProcessIdentity, RunId, RunStatus, Task, TaskId};

use super::{
    Service,
    run::run_record,
    talk::{HeardRun, Listening},
};
use crate::{
    bounds,
    error::{ErrorKind, Result},
};

/// The claim a run works under.
#[derive(Debug, Clone)]
pub(super) struct RunLease {
    pub(super) task: TaskId,
    pub(super) epoch: u64,
}

impl Service {
    /// How often a claim of ours is renewed.
    pub(crate) fn renew_every(&self) -> Duration {
        self.settings().up.lease / bounds::RENEWALS
    }

    /// How long a claim holds unless it is renewed, in seconds.
    pub(crate) fn lease_s(&self) -> u64 {
        self.settings().up.lease.as_secs()
    }

    /// Lets the claim of `epoch` hold for another lease.
    ///
    /// # Errors
    /// A conflict when another claim has replaced it; anything else may be different the next time.
    pub(crate) fn renew(&self, task: &TaskId, epoch: u64) -> Result<()> {
        self.change(|view, now| Ok((board::renew(view, task, epoch, self.lease_s(), now)?, ())))
    }

    /// Whether another claim has replaced the one that `task` was read with: it is somebody else's now.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub(crate) fn is_fenced(&self, task: &Task) -> Result<bool> {
        self.look(|view| Ok(view.task(&task.id)?.is_none_or(|now| now.epoch != task.epoch)))
    }

    /// Refuses to go on when another claim has replaced the one that `task` was read with.
    ///
    /// # Errors
    /// A conflict then.
    pub(crate) fn refuse_fenced(&self, task: &Task) -> Result<()> {
        self.look(|view| Ok(board::check(view, &task.id, Guard::epoch(task.epoch)).map(|_| ())?))
    }

    /// Why a run has to end, if it has to.
    pub(super) fn orders(&self, run: RunId, lease: Option<&RunLease>) -> Result<Option<StopReason>> {
        self.look(|view| {
            let run = run_record(view, run)?;
            if run.stop_by.is_some() {
                return Ok(Some(StopReason::Cancelled));
            }
            let is_fenced = match lease {
                // Nobody is to work on a closed one either.
                Some(lease) => view
                    .task(&lease.task)?
                    .is_none_or(|task| task.epoch != lease.epoch || task.status.is_closed()),
                None => false,
            };
            Ok((run.status.is_over() || is_fenced).then_some(StopReason::Fenced))
        })
    }
}

/// Watches a run for the service: records its start, renews its claim, and stops it when it has to end.
pub(super) struct Watch<'a, 't> {
    service: &'a Service,
    run: RunId,
    lease: Option<RunLease>,
    renewed: Instant,
    looked: Instant,
    /// That it has to end; it stays so.
    order: Option<Tick>,
    listening: Listening<'a, 't>,
    inner: &'t mut dyn RunObserver,
}

impl<'a, 't> Watch<'a, 't> {
    pub(super) fn new(
        service: &'a Service,
        run: RunId,
        lease: Option<RunLease>,
        listening: Listening<'a, 't>,
        inner: &'t mut dyn RunObserver,
    ) -> Self {
        let now = Instant::now();
        Self { service, run, lease, renewed: now, looked: now, order: None, listening, inner }
    }

    /// The run has ended.
    pub(super) fn finish(self) -> HeardRun {
        self.listening.finish()
    }

    /// Looks whether the run has to end, and renews its claim, each when it is time to.
    fn look_after(&mut self) {
        let every = bounds::ORDERS_LOOK.min(self.service.renew_every());
        if self.looked.elapsed() >= every {
            self.looked = Instant::now();
            // A ledger that can't be read now may be at the next look.
            self.order = self.service.orders(self.run, self.lease.as_ref()).unwrap_or(None).map(Tick::Stop);
        }
        let Some(lease) = self.lease.as_ref().filter(|_| self.order.is_none()) else { return };
        if self.renewed.elapsed() >= self.service.renew_every() {
            match self.service.renew(&lease.task, lease.epoch) {
                Ok(()) => self.renewed = Instant::now(),
                Err(error) if error.kind == ErrorKind::Conflict => {
                    self.order = Some(Tick::Stop(StopReason::Fenced));
                }
                // A ledger that is busy now may not be at the next tick; the claim still holds.
                Err(_) => {}
            }
        }
    }
}

impl RunObserver for Watch<'_, '_> {
    fn started(&mut self, child: &ProcessIdentity) {
        match self.service.started_run(self.run, child) {
            // Whoever ended the run meanwhile has not seen this process: it may not go on beside another run.
            Ok(order) => self.order = order.map(Tick::Kill),
            Err(error) => {
                self.service.say(format!("run {} could not be noted as started: {error}", self.run));
            }
        }
        self.inner.started(child);
    }

    fn tick(&mut self) -> Tick {
        if self.order.is_none() {
            self.look_after();
        }
        if self.order.is_none() && self.listening.is_overdue() {
            self.order = Some(Tick::Stop(StopReason::Finished));
        }
        match (self.order, self.inner.tick()) {
            (Some(Tick::Stop(reason) | Tick::Kill(reason)), Tick::Kill(_)) => Tick::Kill(reason),
            (Some(order), _) => order,
            (None, wish) => wish,
        }
    }

    fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Reply {
        let reply = self.listening.output(stream, bytes);
        reply.unwrap_or_else(|| self.inner.output(stream, bytes))
    }

    fn line(&mut self, line: &str) {
        self.inner.line(line);
    }
}

/// How a run ended for whoever started it, whatever its processes say: one that was asked to stop was stopped, and one whose
/// claim was taken away meanwhile counts for nothing.
pub(super) fn judged(how: How, stop_asked: bool, status_before: RunStatus, is_fenced: bool) -> How {
    match (stop_asked, status_before.is_over() || is_fenced) {
        (true, _) => How::Stopped(StopReason::Cancelled),
        (false, true) => How::Stopped(StopReason::Fenced),
        (false, false) => how,
    }
}
