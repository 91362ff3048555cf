//! One call at work: its service, its scope, and what it tells meanwhile.

use std::sync::Arc;

use biplane_coordination::{Access, Error, Notice, RunObserver, Scope, Service, StopReason, Tick};
use biplane_model::{clip, sanitize_line};
use serde_json::Value;

use crate::{
    Setting, answer, bounds, permit,
    tool::{Prepared, Tool},
};

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
pub struct Watch {
    /// Whether nobody waits for it any more.
    stop: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Takes messages about progress.
    tell: Arc<dyn Fn(String) + Send + Sync>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// `stop` is asked again and again whether the call is to end, `tell` is told how far it is: a line of at most
    /// [`bounds::MESSAGE`] characters, fit to be shown. Neither may block.
    pub fn new(
        stop: impl Fn() -> bool + Send + Sync + 'static,
        tell: impl Fn(String) + Send + Sync + 'static,
    ) -> Self {
        Self { stop: Arc::new(stop), tell: Arc::new(tell) }
    }

    /// Says how far it is.
    pub(crate) fn say(&self, text: &str) {
        (self.tell)(clip(&sanitize_line(text), bounds::MESSAGE));
    }
}

impl RunObserver for Watch {
    fn tick(&mut self) -> Tick {
        if (self.stop)() { Tick::Stop(StopReason::Cancelled) } else { Tick::Continue }
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

    /// Does what was understood, when the caller may. The answer has every text fit to be shown.
    ///
    /// # Errors
    /// When the caller may not, or the verb fails.
    pub(crate) fn carry_out(&self, tool: &Tool, prepared: Prepared) -> Result<Value, Error> {
        permit::permit(&self.scope, (tool.name, tool.sort.right), &prepared.concern, &self.service)?;
        let mut value = (prepared.act)(self)?;
        answer::clean(&mut value);
        Ok(value)
    }
}
