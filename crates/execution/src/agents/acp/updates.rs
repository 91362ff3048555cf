//! What an agent tells while it works on a prompt.

use std::collections::BTreeMap;

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, SessionNotification, SessionUpdate, ToolCall, ToolCallContent,
    ToolCallStatus, ToolCallUpdateFields, ToolKind,
};
use biplane_model::{AgentEvent, Usage};
use serde_json::Value;

use super::super::{
    Said, bounds,
    words::{self, count},
};

/// A tool call, as far as it was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Call {
    pub(super) kind: ToolKind,
    pub(super) tool: String,
    pub(super) summary: String,
    pub(super) input: Option<Value>,
    /// Whether it was told that it is used.
    told: bool,
    done: bool,
}

/// How far a call must be for it to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    /// What it is for is known.
    WhenKnown,
    /// It is asked for, or done.
    Now,
}

/// What is known of the prompt's work.
#[derive(Debug)]
pub(super) struct Updates {
    /// A message that is still being said, at most [`bounds::TEXT`] bytes of it.
    message: String,
    pub(super) last_message: String,
    calls: BTreeMap<String, Call>,
    /// What was told of the session's sums.
    told: Usage,
    /// What answers to prompts told of it.
    answered: Usage,
    /// Whether usage was told piece by piece.
    by_piece: bool,
    /// Whether nothing was done or said since something was refused.
    broke_off: bool,
}

impl Updates {
    /// Before the prompt, in a session that has used so much.
    pub(super) fn new(told: Usage) -> Self {
        Self {
            message: String::new(),
            last_message: String::new(),
            calls: BTreeMap::new(),
            told,
            answered: Usage::default(),
            by_piece: false,
            broke_off: false,
        }
    }

    /// A notification of `session/update`.
    pub(super) fn update(&mut self, params: &Value, said: &mut Said) {
        // New kinds of updates may come; they mean nothing here.
        let Ok(told) = serde_json::from_value::<SessionNotification>(params.clone()) else { return };
        match told.update {
            SessionUpdate::AgentMessageChunk(chunk) => self.chunk(&chunk, said),
            SessionUpdate::ToolCall(call) => self.tool_call(&call, said),
            SessionUpdate::ToolCallUpdate(update) => {
                let id = update.tool_call_id.to_string();
                self.call_of(&id, &update.fields, tell(update.fields.status), said);
                self.result(&id, &update.fields, said);
            }
            SessionUpdate::UsageUpdate(usage) => {
                if let Some(cost) = usage.cost.filter(|cost| cost.currency == "USD") {
                    let sum = Usage { cost_microusd: words::microusd(cost.amount), ..Usage::default() };
                    self.tell(words::beyond(sum, self.told), said);
                }
            }
            _ => {}
        }
    }

    fn chunk(&mut self, chunk: &ContentChunk, said: &mut Said) {
        if let ContentBlock::Text(text) = &chunk.content {
            if self.message.len() + text.text.len() > bounds::TEXT {
                self.flush(said);
            }
            self.message.push_str(&words::text(&text.text));
        }
        // Not of the protocol: qwen tells the usage of each answer of the model here.
        if let Some(usage) = chunk.meta.as_ref().and_then(|meta| meta.get("usage")) {
            self.by_piece = true;
            self.tell(tokens(usage), said);
        }
    }

    /// Tells the message that was being said.
    pub(super) fn flush(&mut self, said: &mut Said) {
        let message = std::mem::take(&mut self.message);
        if !message.trim().is_empty() {
            // Copilot says so itself, in a message, when something was refused.
            self.broke_off &= message.trim_start().starts_with("Info: ");
            self.last_message.clone_from(&message);
            said.events.push(AgentEvent::Message { text: message });
        }
    }

    fn tool_call(&mut self, call: &ToolCall, said: &mut Said) {
        let id = call.tool_call_id.to_string();
        let mut fields = ToolCallUpdateFields::default();
        fields.kind = Some(call.kind);
        fields.title = Some(call.title.clone());
        fields.status = Some(call.status);
        fields.content = Some(call.content.clone());
        fields.locations = Some(call.locations.clone());
        fields.raw_input.clone_from(&call.raw_input);
        self.call_of(&id, &fields, tell(fields.status), said);
        self.result(&id, &fields, said);
    }

    /// The call `id`, with what `fields` say that is new; told when it is time and was not.
    pub(super) fn call_of(
        &mut self,
        id: &str,
        fields: &ToolCallUpdateFields,
        tell: Tell,
        said: &mut Said,
    ) -> Call {
        self.flush(said);
        let mut call = self.calls.get(id).cloned().unwrap_or_default();
        if let Some(kind) = fields.kind {
            call.kind = kind;
        }
        word(call.kind).clone_into(&mut call.tool);
        if fields.raw_input.is_some() {
            call.input.clone_from(&fields.raw_input);
        }
        let command = fields.raw_input.as_ref().and_then(|input| words::at(input, "command"));
        if let Some(summary) = command.or(fields.title.as_deref().filter(|_| !call.told)) {
            call.summary = words::summary(summary);
        }
        let is_command = call.kind == ToolKind::Execute;
        let files = fields.locations.iter().flatten().filter_map(|at| at.path.to_str());
        let paths = if is_command { Vec::new() } else { words::paths(files) };
        if !call.told && (tell == Tell::Now || command.is_some() || !paths.is_empty()) {
            call.told = true;
            self.broke_off = false;
            let (tool, summary) = (call.tool.clone(), call.summary.clone());
            said.events.push(AgentEvent::ToolCall { id: words::summary(id), tool, summary, paths });
        }
        self.keep(id, call.clone());
        call
    }

    fn keep(&mut self, id: &str, call: Call) {
        if self.calls.contains_key(id) || self.calls.len() < bounds::REMEMBERED {
            self.calls.insert(id.to_owned(), call);
        }
    }

    /// The call was refused; what is told of its end is no result.
    pub(super) fn denied(&mut self, id: &str) {
        self.done(id);
        self.broke_off = true;
    }

    /// Whether the prompt's work broke off at a refusal: nothing was done or said since. Asked once.
    pub(super) fn broke_off(&mut self) -> bool {
        std::mem::take(&mut self.broke_off)
    }

    /// Marks the call as done; whether it was not before.
    fn done(&mut self, id: &str) -> bool {
        let Some(call) = self.calls.get_mut(id) else { return true };
        // Its input may be large, and is not asked for any more.
        call.input = None;
        !std::mem::replace(&mut call.done, true)
    }

    fn result(&mut self, id: &str, fields: &ToolCallUpdateFields, said: &mut Said) {
        let failed = match fields.status {
            Some(ToolCallStatus::Completed) => false,
            Some(ToolCallStatus::Failed) => true,
            _ => return,
        };
        let text = content(fields);
        let is_command = self.calls.get(id).is_some_and(|call| call.kind == ToolKind::Execute);
        let output = fields.raw_output.as_ref().unwrap_or(&Value::Null);
        let failed = failed || (is_command && (has_bad_code(output) || has_bad_exit(&text)));
        if self.done(id) {
            said.events.push(AgentEvent::ToolResult {
                id: words::summary(id),
                failed,
                text: words::text(&text),
            });
        }
    }

    /// Usage as the answer to a prompt may have it.
    pub(super) fn answer(&mut self, answer: &Value, said: &mut Said) {
        if self.by_piece {
            return;
        }
        // Sums over the session, at least of this process.
        let sum = tokens(&answer["usage"]);
        let usage = words::beyond(sum, self.answered);
        self.answered += usage;
        self.tell(usage, said);
        // Not of the protocol: gemini's form.
        let quota = &answer["_meta"]["quota"]["token_count"];
        let (input_tokens, output_tokens) = (count(quota, "input_tokens"), count(quota, "output_tokens"));
        self.tell(Usage { input_tokens, output_tokens, ..Usage::default() }, said);
    }

    fn tell(&mut self, usage: Usage, said: &mut Said) {
        if !usage.is_nothing() {
            self.told += usage;
            said.events.push(AgentEvent::Usage { usage });
        }
    }
}

fn tell(status: Option<ToolCallStatus>) -> Tell {
    match status {
        None | Some(ToolCallStatus::Pending) => Tell::WhenKnown,
        Some(_) => Tell::Now,
    }
}

fn tokens(usage: &Value) -> Usage {
    let cached = count(usage, "cachedReadTokens");
    Usage {
        // The cached ones are among them.
        input_tokens: count(usage, "inputTokens").saturating_sub(cached),
        output_tokens: count(usage, "outputTokens"),
        cached_tokens: cached,
        cost_microusd: 0,
    }
}

fn word(kind: ToolKind) -> &'static str {
    match kind {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Delete => "delete",
        ToolKind::Move => "move",
        ToolKind::Search => "search",
        ToolKind::Execute => "execute",
        ToolKind::Think => "think",
        ToolKind::Fetch => "fetch",
        ToolKind::SwitchMode => "switch_mode",
        _ => "other",
    }
}

/// The texts of a tool call's content; of a diff, its file.
fn content(fields: &ToolCallUpdateFields) -> String {
    let mut texts: Vec<String> = Vec::new();
    for content in fields.content.iter().flatten() {
        match content {
            ToolCallContent::Content(content) => {
                if let ContentBlock::Text(text) = &content.content {
                    texts.push(text.text.clone());
                }
            }
            ToolCallContent::Diff(diff) => texts.push(diff.path.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    texts.join("\n")
}

/// Whether what a tool gave has a code other than 0, where opencode and copilot put it.
fn has_bad_code(output: &Value) -> bool {
    let listed = output["contents"].as_array().into_iter().flatten().map(|part| &part["exitCode"]);
    listed.chain([&output["metadata"]["exit"]]).filter_map(Value::as_i64).any(|code| code != 0)
}

/// Whether the last line of the kind `Exit Code: N`, which qwen writes below a command's output, has a number other than 0.
fn has_bad_exit(text: &str) -> bool {
    let mut codes = text.lines().filter_map(|line| line.trim().strip_prefix("Exit Code: "));
    codes.next_back().is_some_and(|code| code.trim() != "0")
}
