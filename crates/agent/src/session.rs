//! A conversation between a model and tools: the loop.
//!
//! **Contract.** [`Session::turn`] gives the model a prompt and does what it calls for, one call after the other, until it has no more
//! calls, a limit is reached, or it is cancelled. Whatever happens, what was said stays in an order that the next turn can go on
//! from, in memory and in the transcript. When the conversation comes near to what the model can hold, the model puts it together, and
//! who it is, what it was told and where it stands are said again.
//!
//! **Deliberately absent:** what the tools do, and what is permitted: both come from outside.

use std::time::{Duration, Instant};

use biplane_model::{Usage, clip};
use serde_json::Value;

use crate::{
    bounds,
    cancel::Cancel,
    model::{Call, Client, Delta, Message, ModelError, Part, Request, Speaker, Stop},
    tools::{Answer, Toolbox, Wish},
    transcript::Transcript,
};

/// Who the agent is. It is told at the beginning, and again after what was said is put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: String,
    /// What it is there for.
    pub role: String,
    /// The task that it works on.
    pub task: String,
    /// Where it works.
    pub directory: String,
    /// What else it is to heed.
    pub rules: String,
}

impl Identity {
    /// It, in words for the model.
    pub fn words(&self) -> String {
        let mut words = String::new();
        let facts = [
            ("Your name", &self.name),
            ("Your role", &self.role),
            ("Your task", &self.task),
            ("Your directory", &self.directory),
        ];
        for (what, is) in facts.into_iter().filter(|(_, is)| !is.is_empty()) {
            words.push_str(&format!("{what}: {is}\n"));
        }
        words + &self.rules
    }
}

/// How far a turn may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How often the model may be asked.
    pub answers: u32,
    /// How many tokens may be read and written in all, cached ones not counted.
    pub tokens: u64,
    /// How long it may take.
    pub time: Duration,
    /// How many tokens the model can hold.
    pub context: u64,
    /// How many tokens one answer may have.
    pub answer: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answers: 200,
            tokens: 5_000_000,
            time: Duration::from_secs(4 * 3600),
            context: 128_000,
            answer: 16_000,
        }
    }
}

impl Limits {
    /// For a model that can hold so many tokens.
    pub fn of_context(context: u64) -> Self {
        let usual = Self::default();
        Self { context, answer: usual.answer.min(context / 4), ..usual }
    }
}

/// What happens in a turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The model says more of a text.
    Text(String),
    /// What it said of its answer so far is void: it is asked again.
    Again {
        /// Why.
        why: String,
        /// After how long, in milliseconds.
        wait_ms: u64,
        /// Whether its server asked for it.
        busy: bool,
    },
    /// It has said a whole text.
    Message(String),
    /// It calls a tool.
    Call {
        /// The call's id.
        id: String,
        /// The tool.
        tool: String,
        /// What for, in a line.
        summary: String,
        /// The files that it names.
        paths: Vec<String>,
        /// All of its input.
        input: Value,
    },
    /// A call was not permitted.
    Denied {
        /// The tool.
        tool: String,
        /// What for, in a line.
        summary: String,
    },
    /// A tool has answered.
    Answered {
        /// The call's id.
        id: String,
        /// The answer.
        answer: Answer,
    },
    /// It has used this, since the last such event.
    Used(Usage),
    /// What was said was put together, to make room.
    Compacted,
}

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Granted,
    /// It may not, for this reason, which the model is told.
    Denied(String),
}

/// Whoever has the conversation led: sees what happens, and permits calls.
pub trait Host {
    /// Something happened.
    fn event(&mut self, event: Event);
    /// Whether the call may be made; this may wait for somebody.
    fn permit(&mut self, call: &Call, wish: &Wish, summary: &str) -> Permit;
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The model has said all; this last.
    Done(String),
    /// It, or its provider, does not want to go on.
    Refused(String),
    /// It has come to this limit.
    Limit(Limit),
    /// It was cancelled.
    Cancelled,
}

/// A limit of [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The model was asked as often as it may be.
    Answers,
    /// As many tokens were used as may be.
    Tokens,
    /// The time is up.
    Time,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answers => "the model was asked as often as it may be in one turn",
            Self::Tokens => "as many tokens were used as may be in one turn",
            Self::Time => "the time for one turn is up",
        })
    }
}

/// Why a turn broke off.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// There is no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The transcript can't be written.
    #[error("the transcript can't be written: {0}")]
    Transcript(#[from] std::io::Error),
}

/// What a turn is made with.
pub struct With<'a> {
    /// The model.
    pub client: &'a mut Client,
    /// What it may call.
    pub tools: &'a mut Toolbox,
    /// How far it may go.
    pub limits: Limits,
    /// Who sees it, and permits.
    pub host: &'a mut dyn Host,
    /// What breaks it off.
    pub cancel: &'a Cancel,
}

/// A conversation.
#[derive(Debug)]
pub struct Session {
    identity: Identity,
    transcript: Option<Transcript>,
    messages: Vec<Message>,
    /// What was told last by whoever uses it.
    prompt: String,
    /// How many tokens the first so many messages have, as the server counted.
    counted: (usize, u64),
}

impl Session {
    /// A new one, or one that goes on from `messages`. Without a transcript it is forgotten with the process.
    pub fn new(identity: Identity, transcript: Option<Transcript>, messages: Vec<Message>) -> Self {
        let prompt = messages.iter().rev().find(|m| m.by == Speaker::User && !m.text().is_empty());
        let prompt = prompt.map(Message::text).unwrap_or_default();
        Self { identity, transcript, messages, prompt, counted: (0, 0) }
    }

    /// What was said so far.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Its name, when it has a transcript.
    pub fn id(&self) -> Option<&str> {
        self.transcript.as_ref().map(Transcript::id)
    }

    /// Gives the model `prompt`, and does what it calls for.
    ///
    /// # Errors
    /// When the model can't be asked, or the transcript can't be written.
    pub fn turn(&mut self, prompt: &str, mut with: With<'_>) -> Result<Ended, TurnError> {
        self.answer_open_calls("This was broken off; what it has done is not known.")?;
        self.prompt = prompt.to_owned();
        self.say(Message::prompt(prompt))?;
        match self.work(&mut with) {
            Ok(ended) => Ok(ended),
            Err(TurnError::Model(ModelError::Cancelled)) => {
                self.answer_open_calls("This was cancelled.")?;
                Ok(Ended::Cancelled)
            }
            Err(error) => Err(error),
        }
    }

    fn work(&mut self, with: &mut With<'_>) -> Result<Ended, TurnError> {
        let begun = Instant::now();
        let mut used = Usage::default();
        let mut compacted = false;
        for _ in 0..with.limits.answers {
            if begun.elapsed() >= with.limits.time {
                return Ok(Ended::Limit(Limit::Time));
            }
            if used.input_tokens.saturating_add(used.output_tokens) >= with.limits.tokens {
                return Ok(Ended::Limit(Limit::Tokens));
            }
            if self.tokens() > room(with.limits) {
                used += self.compact(with)?;
            }
            let reply = match self.ask(with) {
                Err(ModelError::Refused { status: 400 | 413, text }) if !compacted && is_too_long(&text) => {
                    compacted = true;
                    used += self.compact(with)?;
                    continue;
                }
                reply => reply?,
            };
            used += reply.usage;
            with.host.event(Event::Used(reply.usage));
            let (text, stop) = (reply.message.text(), reply.stop);
            let calls: Vec<Call> = reply.message.calls().cloned().collect();
            if !reply.message.parts.is_empty() {
                self.say(reply.message)?;
                let usage = reply.usage;
                let total = usage.input_tokens + usage.cached_tokens + usage.output_tokens;
                self.counted = (self.messages.len(), total);
            }
            if !text.trim().is_empty() {
                with.host.event(Event::Message(text.clone()));
            }
            match (calls.is_empty(), stop) {
                (_, Stop::Refused) => {
                    self.answer_open_calls("This was not done.")?;
                    return Ok(Ended::Refused(text));
                }
                (true, Stop::Length) => {
                    self.say(Message::prompt(
                        "Your answer was cut off, as it was too long. Go on, in smaller steps.",
                    ))?;
                }
                (true, Stop::Done) => return Ok(Ended::Done(text)),
                (false, _) => self.answer(&calls, with)?,
            }
        }
        Ok(Ended::Limit(Limit::Answers))
    }

    fn ask(&self, with: &mut With<'_>) -> Result<crate::model::Reply, ModelError> {
        let tools = with.tools.specs();
        let system = self.identity.words();
        let request = Request {
            system: &system,
            messages: &self.messages,
            tools: &tools,
            max_tokens: with.limits.answer,
        };
        let host = &mut *with.host;
        with.client.ask(&request, with.cancel, &mut |delta| {
            host.event(match delta {
                Delta::Text(text) => Event::Text(text),
                Delta::Again { why, wait_ms, busy } => Event::Again { why, wait_ms, busy },
            });
        })
    }

    /// Makes the calls, in their order, and says what came of them.
    fn answer(&mut self, calls: &[Call], with: &mut With<'_>) -> Result<(), TurnError> {
        let mut parts = Vec::new();
        for call in calls {
            let answer = if with.cancel.is_cancelled() {
                Answer::failed("This was cancelled.")
            } else {
                make(call, with)
            };
            with.host.event(Event::Answered { id: call.id.clone(), answer: answer.clone() });
            parts.push(Part::Result { id: call.id.clone(), text: answer.text, failed: answer.failed });
        }
        self.say(Message { by: Speaker::User, parts })?;
        if with.cancel.is_cancelled() { Err(ModelError::Cancelled.into()) } else { Ok(()) }
    }

    /// Calls without an answer get this one, so that the conversation can go on.
    fn answer_open_calls(&mut self, text: &str) -> Result<(), TurnError> {
        let open = self.messages.last().filter(|last| last.by == Speaker::Model);
        let parts = open.into_iter().flat_map(Message::calls).map(|call| Part::Result {
            id: call.id.clone(),
            text: text.to_owned(),
            failed: true,
        });
        let parts: Vec<_> = parts.collect();
        if parts.is_empty() { Ok(()) } else { self.say(Message { by: Speaker::User, parts }) }
    }

    fn say(&mut self, message: Message) -> Result<(), TurnError> {
        if let Some(transcript) = &mut self.transcript {
            transcript.said(&message)?;
        }
        self.messages.push(message);
        Ok(())
    }

    /// About how many tokens the conversation has.
    fn tokens(&self) -> u64 {
        let (messages, tokens) = self.counted;
        let rest: u64 = self.messages[messages.min(self.messages.len())..].iter().map(Message::tokens).sum();
        // A server that counts nothing is not believed.
        let all: u64 = if tokens == 0 { self.messages.iter().map(Message::tokens).sum() } else { tokens };
        if tokens == 0 { all } else { all + rest }
    }

    /// Has the model put together what was said, and goes on from there.
    fn compact(&mut self, with: &mut With<'_>) -> Result<Usage, TurnError> {
        let said = [Message::prompt(format!("{ASK_FOR_SUM}\n\n{}", self.told(with.limits)))];
        let system = self.identity.words();
        let request =
            Request { system: &system, messages: &said, tools: &[], max_tokens: with.limits.answer };
        let host = &mut *with.host;
        let reply = with.client.ask(&request, with.cancel, &mut |delta| {
            if let Delta::Again { why, wait_ms, busy } = delta {
                host.event(Event::Again { why, wait_ms, busy });
            }
        })?;
        with.host.event(Event::Used(reply.usage));
        let text = format!(
            "{}\n\nWhat was said before was put together, to make room. What you were told last:\n\n{}\n\nWhere you stand, in your own \
             words:\n\n{}\n\nGo on from there. Read again what you need.",
            self.identity.words(),
            clip(&self.prompt, bounds::PROMPT_AGAIN),
            reply.message.text()
        );
        let messages = vec![Message::prompt(text)];
        if let Some(transcript) = &mut self.transcript {
            transcript.compacted(&messages)?;
        }
        self.messages = messages;
        self.counted = (0, 0);
        with.host.event(Event::Compacted);
        Ok(reply.usage)
    }

    /// What was said, as one text, long answers of tools cut, and no more than half of what the model can hold: the beginning and the
    /// end.
    fn told(&self, limits: Limits) -> String {
        let mut texts = Vec::new();
        for message in &self.messages {
            for part in &message.parts {
                texts.push(match (part, message.by) {
                    (Part::Text { text }, Speaker::User) => {
                        format!("TOLD: {}", clip(text, bounds::PROMPT_AGAIN))
                    }
                    (Part::Text { text }, Speaker::Model) => format!("YOU: {text}"),
                    (Part::Call(call), _) => {
                        format!(
                            "YOU CALLED {}: {}",
                            call.name,
                            clip(&call.input.to_string(), bounds::SUM_PART)
                        )
                    }
                    (Part::Result { text, .. }, _) => format!("ANSWER: {}", clip(text, bounds::SUM_PART)),
                    (Part::Opaque { .. }, _) => continue,
                });
            }
        }
        let all = texts.join("\n");
        let most = usize::try_from(limits.context.saturating_mul(2)).unwrap_or(usize::MAX);
        let length = all.chars().count();
        if length <= most {
            return all;
        }
        let start: String = all.chars().take(most / 4).collect();
        let end: String = all.chars().skip(length - most / 4 * 3).collect();
        format!("{start}\n[…]\n{end}")
    }
}

/// What the model is asked when what was said is put together.
const ASK_FOR_SUM: &str = "Below is what was said in your work so far. Put it together for yourself, so that you can go on without it: what is wanted, \
     what is done, what you have learnt (files, names, commands, decisions), what failed, and what is next. Do not call tools.";

/// How many tokens a conversation may have before it is put together: there must be room for an answer and for what tools say.
fn room(limits: Limits) -> u64 {
    (limits.context / 4 * 3).min(limits.context.saturating_sub(limits.answer))
}

fn is_too_long(text: &str) -> bool {
    let text = text.to_lowercase();
    ["too long", "context", "maximum", "too large", "exceed"].iter().any(|word| text.contains(word))
}

/// Makes one call, when it makes sense and is permitted.
fn make(call: &Call, with: &mut With<'_>) -> Answer {
    let Some(tool) = with.tools.get(&call.name) else {
        let name = biplane_model::sanitize_line(&clip(&call.name, bounds::SHOWN));
        with.host.event(Event::Call {
            id: call.id.clone(),
            tool: name.clone(),
            summary: String::new(),
            paths: Vec::new(),
            input: call.input.clone(),
        });
        return Answer::failed(format!("there is no tool `{name}`"));
    };
    let (wish, summary) = (tool.wish(&call.input), tool.summary(&call.input));
    let paths = match &wish {
        Wish::Read(paths) | Wish::Edit(paths) => paths.clone(),
        Wish::Run(_) | Wish::Other => Vec::new(),
    };
    with.host.event(Event::Call {
        id: call.id.clone(),
        tool: call.name.clone(),
        summary: summary.clone(),
        paths,
        input: call.input.clone(),
    });
    if let Some(fault) = &call.fault {
        return Answer::failed(fault.clone());
    }
    match with.host.permit(call, &wish, &summary) {
        Permit::Granted => tool.call(&call.input, with.cancel),
        Permit::Denied(why) => {
            with.host.event(Event::Denied { tool: call.name.clone(), summary });
            Answer::failed(why)
        }
    }
}
