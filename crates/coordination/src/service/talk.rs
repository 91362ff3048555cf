//! Listening to a run: what an agent tells, as it tells it; the hash of what a run writes that is to prove something.

use std::time::Instant;

use biplane_control::Changes;
use biplane_execution::{
    agents::{Conversation, Told},
    mask::Masks,
    supervise::{Reply, StreamName},
};
use biplane_model::{AgentEvent, Run, RunEvidence, RunId, Worktree};
use camino::Utf8Path;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Service, run::run_record};
use crate::logs::{Transcript, without_secrets};

/// How an agent is talked with.
pub(crate) struct Talk<'a> {
    pub(crate) conversation: Conversation,
    /// Hears what it tells, as it does.
    pub(crate) tell: &'a mut dyn FnMut(&AgentEvent),
}

/// What was heard of a run.
#[derive(Debug, Default)]
pub(super) struct HeardRun {
    pub(super) told: Told,
    /// The SHA-256 of all that it wrote, where that was asked for.
    pub(super) output_hash: Option<String>,
}

impl HeardRun {
    /// The agent's name for the conversation, if it is one that can be kept.
    pub(super) fn session(&self) -> Option<String> {
        self.told.session.clone().filter(|name| name.len() <= Run::MAX_SESSION)
    }

    /// What the event of the run's end says of it, where there is something to say.
    pub(super) fn facts(&self, seen: &RunEvidence) -> Map<String, Value> {
        let mut facts = Map::new();
        for (name, count) in [("denied", seen.denied), ("failed_calls", seen.failed_calls)] {
            if count > 0 {
                facts.insert(name.to_owned(), count.into());
            }
        }
        if let Some(hash) = &seen.output_hash {
            facts.insert("output_hash".to_owned(), hash.as_str().into());
        }
        if let Some(findings) = seen.findings.and_then(|findings| serde_json::to_value(findings).ok()) {
            facts.insert("findings".to_owned(), findings);
        }
        if !self.told.usage.is_nothing()
            && let Ok(usage) = serde_json::to_value(self.told.usage)
        {
            facts.insert("usage".to_owned(), usage);
        }
        facts
    }
}

/// A conversation under way.
pub(super) struct Talking<'a, 't> {
    service: &'a Service,
    run: RunId,
    worktree: &'a Worktree,
    talk: Talk<'t>,
    transcript: Transcript,
    masks: Masks,
}

impl<'a, 't> Talking<'a, 't> {
    pub(super) fn new(
        service: &'a Service,
        run: &Run,
        worktree: &'a Worktree,
        talk: Talk<'t>,
        dir: &Utf8Path,
        masks: Masks,
    ) -> Self {
        let transcript = Transcript::begin(dir, service.settings().log_bytes, masks.clone());
        Self { service, run: run.id, worktree, talk, transcript, masks }
    }

    fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Reply {
        let Self { service, run, worktree, talk, transcript, masks } = self;
        let Talk { conversation, tell } = talk;
        let mut session = None;
        let reply = conversation.output(stream, bytes, Instant::now(), &mut |event| {
            heard(service, worktree, transcript, masks, *tell, &event);
            if let AgentEvent::Started { session: Some(name), .. } = event {
                session = Some(name);
            }
        });
        if let Some(name) = session {
            service.note_session(*run, name);
        }
        reply
    }

    fn finish(mut self) -> Told {
        let Self { service, worktree, talk, transcript, masks, .. } = &mut self;
        let Talk { conversation, tell } = talk;
        conversation.end(Instant::now(), &mut |event| {
            heard(service, worktree, transcript, masks, *tell, &event);
        });
        let told = masked(conversation.told().clone(), masks);
        if let Some(error) = self.transcript.end().error {
            self.service.say(format!("the transcript of run {} is not whole: {error}", self.run));
        }
        told
    }
}

fn heard(
    service: &Service,
    worktree: &Worktree,
    transcript: &mut Transcript,
    masks: &Masks,
    tell: &mut dyn FnMut(&AgentEvent),
    event: &AgentEvent,
) {
    let shown = without_secrets(event, masks);
    service.hear(worktree, &shown);
    // What means nothing to the driver stands in the run's log as it is.
    if !matches!(event, AgentEvent::Raw { .. }) {
        transcript.write(event, service.now());
    }
    tell(&shown);
}

/// What was told, as it may be quoted in reasons and shown.
fn masked(mut told: Told, masks: &Masks) -> Told {
    let mask = |text: &mut String| *text = masks.text(text).into_owned();
    mask(&mut told.last_text);
    told.denied.iter_mut().for_each(|denied| mask(&mut denied.summary));
    if let Some(limit) = &mut told.rate_limited {
        mask(&mut limit.text);
    }
    told
}

/// Listens to a run.
pub(super) struct Listening<'a, 't> {
    talking: Option<Talking<'a, 't>>,
    hash: Option<Sha256>,
}

impl<'a, 't> Listening<'a, 't> {
    pub(super) fn new(talking: Option<Talking<'a, 't>>, hashes: bool) -> Self {
        Self { talking, hash: hashes.then(Sha256::new) }
    }

    /// A piece of output.
    pub(super) fn output(&mut self, stream: StreamName, bytes: &[u8]) -> Option<Reply> {
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
        self.talking.as_mut().map(|talking| talking.output(stream, bytes))
    }

    /// Whether an agent said that it is done, and does not end.
    pub(super) fn is_overdue(&self) -> bool {
        self.talking.as_ref().is_some_and(|talking| talking.talk.conversation.is_overdue(Instant::now()))
    }

    /// The run has ended.
    pub(super) fn finish(self) -> HeardRun {
        let digest = |hash: Sha256| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        HeardRun {
            told: self.talking.map(Talking::finish).unwrap_or_default(),
            output_hash: self.hash.map(digest),
        }
    }
}

impl Service {
    /// Notes the agent's name for the conversation at once, so that it is known whatever happens to us.
    fn note_session(&self, run: RunId, name: String) {
        if name.is_empty() || name.len() > Run::MAX_SESSION {
            return;
        }
        let noted = self.change(|view, _| {
            let mut run = run_record(view, run)?;
            run.session = Some(name.clone());
            Ok((Changes { runs: vec![run], ..Changes::default() }, ()))
        });
        if let Err(error) = noted {
            self.say(format!("run {run} could not note its conversation: {error}"));
        }
    }
}
