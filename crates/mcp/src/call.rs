//! One call at work: its service, its scope, and what it tells meanwhile.

use std::sync::Arc;

use biplane_coordination::{Access, Error, Notice, RunObserver, Scope, Service, StopReason, Tick};
use biplane_model::{clip, sanitize_line};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{Setting, bounds};

/// A call.
pub(crate) struct Call {
    /// The verbs, for this caller.
    pub(crate) service: Service,
    /// How far the caller may reach.
    pub(crate) scope: Scope,
    /// Whom it tells, and who may stop it.
    pub(crate) watch: Watch,
}

/// Who waits for a call.
#[derive(Clone)]
pub(crate) struct Watch {
    /// Whether it is still waited for.
    stop: CancellationToken,
    /// Takes messages about progress.
    tell: mpsc::Sender<String>,
}

impl Watch {
    pub(crate) fn new(stop: CancellationToken, tell: mpsc::Sender<String>) -> Self {
        Self { stop, tell }
    }

    /// Says how far it is; what finds no room is left out.
    pub(crate) fn say(&self, text: &str) {
        let _ = self.tell.try_send(clip(&sanitize_line(text), bounds::MESSAGE));
    }
}

impl RunObserver for Watch {
    fn tick(&mut self) -> Tick {
        if self.stop.is_cancelled() { Tick::Stop(StopReason::Cancelled) } else { Tick::Continue }
    }

    fn line(&mut self, line: &str) {
        self.say(line);
    }
}

impl Call {
    /// A call on the home as it is now.
    ///
    /// # Errors
    /// When the home can't be opened, or the caller's scope can't be told.
    pub(crate) fn open(setting: &Setting, access: Access, watch: Watch) -> Result<Self, Error> {
        let teller = watch.clone();
        let outside = (setting.outside)(Arc::new(move |Notice(text)| teller.say(&text)));
        let service = Service::open(outside, access)?;
        let scope = service.scope(&setting.stand)?;
        Ok(Self { service: service.under(&scope), scope, watch })
    }
}
