//! One turn as it happens: what the loop tells becomes events, and calls that need it are put to a person.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use biplane_agent::{
    cancel::Cancel,
    model::Call,
    session::{Event, Host, Permit},
    tools::Wish,
};
use biplane_model::{clip, sanitize, sanitize_line};
use serde_json::Value;

use crate::{
    board::Tell,
    bounds,
    consent::{Consent, Person, Question, Reply},
    events::{Told, Voice},
    outcome::outcome,
};

/// The voice, shared between the loop, the calls at work and the clock.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

struct State {
    voice: Box<dyn Voice>,
    /// The call at work that was told of: its id, and its tool.
    at_work: Option<(String, String)>,
    /// Whether a person is being asked: nothing is drawn meanwhile.
    asks: bool,
}

impl Shared {
    pub(crate) fn new(voice: Box<dyn Voice>) -> Self {
        Self(Arc::new(Mutex::new(State { voice, at_work: None, asks: false })))
    }

    pub(crate) fn tell(&self, told: &Told) {
        self.state().voice.tell(told);
    }

    pub(crate) fn tick(&self) {
        let mut state = self.state();
        if !state.asks {
            state.voice.tick();
        }
    }

    /// Has the terminal to itself while it asks.
    fn ask(&self, person: &mut dyn Person, question: &Question) -> Reply {
        {
            let mut state = self.state();
            state.asks = true;
            state.voice.asks();
        }
        let reply = person.ask(question);
        let mut state = self.state();
        state.asks = false;
        state.voice.asked();
        reply
    }

    /// Tells how far the call at work is.
    pub(crate) fn progress(&self) -> Tell {
        let state = Arc::clone(&self.0);
        Arc::new(move |line| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((id, _)) = state.at_work.clone() {
                state.voice.tell(&Told::Progress { id, text: clip(&sanitize_line(line), bounds::LINE) });
            }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The host of one turn.
pub(crate) struct Stage<'a> {
    pub(crate) voice: &'a Shared,
    pub(crate) person: &'a mut dyn Person,
    pub(crate) consent: &'a mut Consent,
    /// Whether an agent works on the task that a call names.
    pub(crate) is_at_work: &'a dyn Fn(&Value) -> bool,
    pub(crate) cancel: &'a Cancel,
    /// How many calls were refused, as there was nobody to ask.
    pub(crate) unasked: usize,
}

impl Host for Stage<'_> {
    fn event(&mut self, event: Event) {
        let told = match event {
            Event::Text(text) => Told::Text { text: sanitize(&text) },
            Event::Again { why, wait_ms, .. } => Told::Again { why: sanitize_line(&why), wait_ms },
            Event::Message(text) => Told::Message { text: sanitize(&text) },
            Event::Call { id, tool, summary, input, .. } => {
                let (id, tool) = (short(&id), short(&tool));
                self.voice.state().at_work = Some((id.clone(), tool.clone()));
                Told::Call { id, tool, arguments: bounded(input), summary: sanitize_line(&summary) }
            }
            // Its answer says so, and whoever permits has said it before.
            Event::Denied { .. } => return,
            Event::Answered { answer, .. } => {
                // After a cancel there are answers to calls that were never begun, nor told of.
                let Some((id, tool)) = self.voice.state().at_work.take() else { return };
                let text = sanitize(&answer.text);
                Told::Result { id, tool, failed: answer.failed, outcome: outcome(&text, answer.failed), text }
            }
            Event::Used(used) => Told::Usage {
                input_tokens: used.input_tokens,
                cached_tokens: used.cached_tokens,
                output_tokens: used.output_tokens,
            },
            Event::Compacted => Told::Compacted,
        };
        self.voice.tell(&told);
    }

    fn permit(&mut self, call: &Call, _: &Wish, _: &str) -> Permit {
        let Some(question) = self.consent.question(&call.name, &call.input, self.is_at_work) else {
            return Permit::Granted;
        };
        if Consent::is_too_long(&call.input) {
            return Permit::Denied("This is too long to be put to a person.".to_owned());
        }
        let reply = self.voice.ask(self.person, &question);
        // A yes that comes after it makes nothing begin.
        if self.cancel.is_cancelled() {
            return Permit::Denied("This was cancelled.".to_owned());
        }
        let refused = |by| Told::Refused { id: short(&call.id), tool: short(&call.name), by };
        let why = match reply {
            Reply::Yes => return Permit::Granted,
            Reply::Always => {
                self.consent.always(&call.name);
                return Permit::Granted;
            }
            Reply::No => {
                "The person does not permit this. Don't look for a way around it; say what you need it for."
            }
            Reply::Cancel => {
                self.cancel.cancel();
                "The person does not permit this, and has stopped you."
            }
            Reply::Nobody => {
                self.unasked += 1;
                self.voice.tell(&refused("nobody"));
                return Permit::Denied(
                    "This needs a person's permission, and nobody is there to give it. Go on without it where that makes sense, and say what was left."
                        .to_owned(),
                );
            }
        };
        self.voice.tell(&refused("person"));
        Permit::Denied(why.to_owned())
    }
}

/// A name that a model gave, in a line.
fn short(text: &str) -> String {
    clip(&sanitize_line(text), 80)
}

/// The arguments, where they are not too long, with every text fit to be shown.
fn bounded(mut input: Value) -> Value {
    if input.to_string().len() > bounds::ARGUMENTS {
        return Value::Null;
    }
    clean(&mut input);
    input
}

fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = sanitize(text),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => {
            let old = std::mem::take(fields);
            fields.extend(old.into_iter().map(|(name, mut value)| {
                clean(&mut value);
                (sanitize(&name), value)
            }));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use biplane_agent::tools::Answer;
    use serde_json::json;

    use super::*;

    /// Keeps what it is told.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<Told>>>);

    impl Voice for Kept {
        fn tell(&mut self, told: &Told) {
            self.0.lock().unwrap().push(told.clone());
        }
    }

    fn call(id: &str) -> Event {
        let (tool, summary) = ("task_list".to_owned(), String::new());
        Event::Call { id: id.to_owned(), tool, summary, paths: Vec::new(), input: json!({}) }
    }

    fn answered(id: &str) -> Event {
        Event::Answered { id: id.to_owned(), answer: Answer::failed("This was cancelled.") }
    }

    /// Agrees for good, a moment after the turn was cancelled.
    struct Late(Cancel);

    impl Person for Late {
        fn ask(&mut self, _: &Question) -> Reply {
            self.0.cancel();
            Reply::Always
        }
    }

    #[test]
    fn a_yes_after_a_cancel_is_none() {
        let voice = Shared::new(Box::new(Kept::default()));
        let (mut consent, cancel) = (Consent::default(), Cancel::new());
        let mut stage = Stage {
            voice: &voice,
            person: &mut Late(cancel.clone()),
            consent: &mut consent,
            is_at_work: &|_| false,
            cancel: &cancel,
            unasked: 0,
        };
        let input = json!({"name": "w", "command": "true"});
        let call = Call { id: "1".to_owned(), name: "worktree_run".to_owned(), input, fault: None };
        assert_eq!(stage.permit(&call, &Wish::Other, ""), Permit::Denied("This was cancelled.".to_owned()));
        assert!(
            consent.question("worktree_run", &json!({}), |_| false).is_some(),
            "it was not agreed to for good"
        );
    }

    #[test]
    fn a_call_that_was_not_told_of_has_no_result() {
        let kept = Kept::default();
        let voice = Shared::new(Box::new(kept.clone()));
        let (mut consent, cancel) = (Consent::default(), Cancel::new());
        let mut stage = Stage {
            voice: &voice,
            person: &mut crate::consent::Nobody,
            consent: &mut consent,
            is_at_work: &|_| false,
            cancel: &cancel,
            unasked: 0,
        };
        for event in [call("1"), answered("1"), answered("2"), answered("3")] {
            stage.event(event);
        }
        let told = kept.0.lock().unwrap();
        assert!(
            matches!(&told[..], [Told::Call { .. }, Told::Result { id, tool, .. }] if id == "1" && tool == "task_list"),
            "{told:?}"
        );
    }
}
