//! A conversation as a run has it: bytes in, bytes out, and the tally of what was told.

use std::time::Instant;

use biplane_model::{AgentEvent, Usage, clip};

use super::{Brief, Dialogue, Driver, Said, bounds};
use crate::supervise::{Reply, StreamName};

/// What an agent told in the course of a run. Its word, and what biplane refused it; not the outcome.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// Its name for the conversation.
    pub session: Option<String>,
    /// The model it uses.
    pub model: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// What it was refused, at most [`bounds::DENIED`] of it.
    pub denied: Vec<Denied>,
    /// How often it was refused something.
    pub denials: u64,
    /// How many tools it used.
    pub calls: u64,
    /// How many of them failed; those that were refused may be among them.
    pub failed_calls: u64,
    /// Whether it says that it succeeded; nothing while it has not said that it is done.
    pub claimed_success: Option<bool>,
    /// What it said last.
    pub last_text: String,
    /// Its provider's wish that it slow down, unless it went on since.
    pub rate_limited: Option<RateLimit>,
    /// How often its provider asked it to slow down.
    pub rate_limits: u64,
    /// Whether it did not know the conversation to go on with.
    pub lost_session: bool,
    /// Whether it said that it is done.
    pub finished: bool,
}

/// Something that an agent was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The tool.
    pub tool: String,
    /// What for, in a line.
    pub summary: String,
}

/// A provider's wish that an agent slow down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// After how many seconds it may go on, when that was told.
    pub retry_after_s: Option<u64>,
    /// In the provider's words.
    pub text: String,
    /// When it was told.
    pub at: Instant,
}

impl RateLimit {
    /// How many of the seconds that were told are left at `now`; none when they are over, or were not told.
    fn left_s(&self, now: Instant) -> Option<u64> {
        let gone = now.saturating_duration_since(self.at).as_secs();
        self.retry_after_s?.checked_sub(gone).filter(|left| *left > 0)
    }
}

/// One agent's side of a run: feed it what the program writes, and write what it replies.
pub struct Conversation {
    dialogue: Box<dyn Dialogue>,
    output: Lines,
    errors: Lines,
    told: Told,
    finished_at: Option<Instant>,
    /// Whether its standard input was closed: nothing is said any more.
    closed: bool,
}

impl Conversation {
    /// The conversation of `driver` about `brief`.
    pub fn new(driver: &dyn Driver, brief: &Brief) -> Self {
        Self {
            dialogue: driver.dialogue(brief),
            output: Lines::default(),
            errors: Lines::default(),
            told: Told::default(),
            finished_at: None,
            closed: false,
        }
    }

    /// A piece of the program's output, at `now`. The events go to `sink`, the reply to the program.
    pub fn output(
        &mut self,
        stream: StreamName,
        bytes: &[u8],
        now: Instant,
        sink: &mut dyn FnMut(AgentEvent),
    ) -> Reply {
        let mut reply = Reply { close: self.closed, ..Reply::default() };
        let Self { dialogue, output, errors, told, finished_at, closed } = self;
        let (lines, is_output) = match stream {
            StreamName::Output => (output, true),
            StreamName::Error => (errors, false),
        };
        lines.feed(bytes, &mut |line| {
            let said = if is_output { dialogue.line(line) } else { dialogue.error_line(line) };
            take(said, now, told, finished_at, sink, &mut reply);
        });
        *closed = reply.close;
        reply
    }

    /// The program has ended: what was begun is told now, lines without an end too.
    pub fn end(&mut self, now: Instant, sink: &mut dyn FnMut(AgentEvent)) {
        let mut reply = Reply::default();
        let Self { dialogue, output, errors, told, finished_at, .. } = self;
        let mut said = Vec::new();
        output.end(&mut |line| said.push(dialogue.line(line)));
        errors.end(&mut |line| said.push(dialogue.error_line(line)));
        said.push(dialogue.end());
        for said in said {
            take(said, now, told, finished_at, sink, &mut reply);
        }
    }

    /// What was told so far.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// When it said that it is done.
    pub fn finished_at(&self) -> Option<Instant> {
        self.finished_at
    }

    /// Whether it said so longer than [`bounds::FINISH`] ago: it is to be ended, for
    /// [`StopReason::Finished`](crate::supervise::StopReason::Finished).
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.finished_at.is_some_and(|at| now.saturating_duration_since(at) >= bounds::FINISH)
    }
}

fn take(
    said: Said,
    now: Instant,
    told: &mut Told,
    finished_at: &mut Option<Instant>,
    sink: &mut dyn FnMut(AgentEvent),
    reply: &mut Reply,
) {
    if !reply.close {
        reply.input.extend(said.input);
        reply.close = said.close;
    }
    told.lost_session |= said.lost_session;
    for event in said.events {
        told.count(&event, now);
        if matches!(event, AgentEvent::Finished { .. }) {
            finished_at.get_or_insert(now);
        }
        sink(event);
    }
}

impl Told {
    fn count(&mut self, event: &AgentEvent, now: Instant) {
        match event {
            AgentEvent::Started { session, model } => {
                self.session.clone_from(session);
                self.model.clone_from(model);
            }
            AgentEvent::Message { text } => {
                self.last_text.clone_from(text);
                self.rate_limited = None;
            }
            AgentEvent::ToolCall { .. } => {
                self.calls = self.calls.saturating_add(1);
                self.rate_limited = None;
            }
            AgentEvent::ToolResult { failed, .. } => {
                self.failed_calls = self.failed_calls.saturating_add(u64::from(*failed));
            }
            AgentEvent::PermissionDenied { tool, summary } => {
                self.denials = self.denials.saturating_add(1);
                if self.denied.len() < bounds::DENIED {
                    self.denied.push(Denied { tool: tool.clone(), summary: summary.clone() });
                }
            }
            AgentEvent::Usage { usage } => self.usage += *usage,
            AgentEvent::RateLimited { retry_after_s, text } => {
                self.rate_limits = self.rate_limits.saturating_add(1);
                // Programs name the time when they are told it, and no more when they give up.
                let before = self.rate_limited.take().and_then(|limit| limit.left_s(now));
                let retry_after_s = retry_after_s.or(before);
                self.rate_limited = Some(RateLimit { retry_after_s, text: text.clone(), at: now });
            }
            AgentEvent::Finished { success, text } => {
                self.finished = true;
                self.claimed_success = Some(*success);
                if !text.is_empty() {
                    self.last_text.clone_from(text);
                }
            }
            AgentEvent::PermissionAsked { .. } => {}
            // A program without a protocol says nothing else.
            AgentEvent::Raw { line } if self.session.is_none() && !line.trim().is_empty() => {
                self.last_text = clip(line, bounds::SUMMARY);
            }
            AgentEvent::Raw { .. } => {}
        }
    }
}

/// Lines out of pieces, each at most [`bounds::LINE`] bytes; what a line has beyond is dropped.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    /// Whether the line was too long and has been passed on.
    cut: bool,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8])) {
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // There is always one.
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.add(piece, each);
            self.end(each);
        }
        self.add(last, each);
    }

    fn add(&mut self, piece: &[u8], each: &mut dyn FnMut(&[u8])) {
        if self.cut {
            return;
        }
        let room = bounds::LINE - self.rest.len();
        self.rest.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            self.cut = true;
            each(&self.rest);
            self.rest = Vec::new();
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(&[u8])) {
        if !std::mem::take(&mut self.cut) {
            let line = self.rest.strip_suffix(b"\r").unwrap_or(&self.rest);
            if !line.is_empty() {
                each(line);
            }
        }
        self.rest.clear();
        if self.rest.capacity() > bounds::TEXT {
            self.rest = Vec::new();
        }
    }
}
