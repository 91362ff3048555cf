//! Runs and what their agents told, in words.

use biplane_coordination::logs::{Entry, Recorded};
use biplane_model::{
    AgentEvent, Timestamp, Usage, clip, sanitize, sanitize_line, view::RunView, without_escapes,
};

use super::words;

/// How many lines of what a tool answered are shown.
const RESULT_LINES: usize = 3;
/// How many characters of each.
const RESULT_CHARS: usize = 160;
/// What stands before a line that goes on.
const INDENT: &str = "          ";

/// A line of output, fit to be read: without colours, and of what was written over itself the last.
pub(super) fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let last = text.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    sanitize(&without_escapes(last))
}

/// What run it is, in a line.
pub(super) fn title(run: &RunView) -> String {
    let mut text = format!("{} {}", run.id, run.kind);
    if !run.agent.is_empty() {
        text = format!("{text} {}", sanitize_line(&run.agent));
    }
    if let Some(role) = run.role {
        text = format!("{text} ({role})");
    }
    if let Some(task) = &run.task_id {
        text = format!("{text}, task {task}");
    }
    format!("{text}, worktree {}: {}", run.worktree, sanitize_line(&run.command))
}

/// How it ended, in a line.
pub(super) fn ending(run: &RunView) -> String {
    let seconds = run
        .ended_at
        .map(|end| u64::try_from(end.0.saturating_sub(run.started_at.0) / 1_000_000).unwrap_or(0));
    let after = seconds.map(|seconds| format!(" after {}", words::took(seconds))).unwrap_or_default();
    let code =
        run.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}")).unwrap_or_default();
    let signal = run.signal.map(|signal| format!(", signal {signal}")).unwrap_or_default();
    let error = if run.error.is_empty() { String::new() } else { format!(": {}", sanitize_line(&run.error)) };
    format!("{} {}{after}{code}{signal}{error}", run.id, run.status)
}

/// What was used, in a line; what the agent did not tell is not in it.
pub(super) fn usage(usage: Usage) -> String {
    let mut parts = vec![
        format!("{} tokens in", words::grouped(usage.input_tokens)),
        format!("{} out", words::grouped(usage.output_tokens)),
        format!("{} from the cache", words::grouped(usage.cached_tokens)),
    ];
    if usage.cost_microusd > 0 {
        parts.push(words::dollars(usage.cost_microusd));
    }
    format!("used, as far as the agent told: {}", parts.join(", "))
}

/// A line of a transcript as lines for people; none for what is summed up at the end.
pub(super) fn lines(recorded: &Recorded, now: Timestamp) -> Vec<String> {
    let told = match &recorded.entry {
        Entry::Told(event) => match event_lines(event) {
            Some(told) => told,
            None => return Vec::new(),
        },
        Entry::LeftOut { lines, bytes } => {
            vec![format!("… {lines} events left out ({} KiB) …", bytes.div_ceil(1024))]
        }
        Entry::Unread(why) => vec![format!("(a line of the transcript can't be read: {why})")],
    };
    let at = recorded.at.map(|at| words::clock(at, now)).unwrap_or_default();
    let first = told.iter().take(1).map(|line| format!("{at:<8}  {line}").trim_end().to_owned());
    let rest = told.iter().skip(1).map(|line| format!("{INDENT}{line}").trim_end().to_owned());
    first.chain(rest).collect()
}

fn event_lines(event: &AgentEvent) -> Option<Vec<String>> {
    let one = |text: String| Some(vec![text]);
    match event {
        AgentEvent::Started { session, model } => {
            let model = model.as_deref().map(|model| format!(", model {}", sanitize_line(model)));
            let session = session.as_deref().map(|session| format!(", session {}", sanitize_line(session)));
            one(format!("started{}{}", model.unwrap_or_default(), session.unwrap_or_default()))
        }
        AgentEvent::Message { text } => Some(sanitized_lines(text.trim())),
        AgentEvent::ToolCall { tool, summary, .. } => one(format!("> {}", about(tool, summary))),
        AgentEvent::ToolResult { failed, text, .. } => {
            Some(shortened(if *failed { "< failed" } else { "<" }, text))
        }
        AgentEvent::PermissionAsked { tool, summary, .. } => {
            one(format!("? asked for {}", about(tool, summary)))
        }
        AgentEvent::PermissionDenied { tool, summary } => one(format!("! denied {}", about(tool, summary))),
        AgentEvent::RateLimited { retry_after_s, text } => {
            let wait = retry_after_s.map(|s| format!(" for {}", words::took(s))).unwrap_or_default();
            one(format!("! told to slow down{wait}: {}", clip(&sanitize_line(text.trim()), RESULT_CHARS)))
        }
        AgentEvent::Finished { success, text } => {
            Some(shortened(if *success { "says it is done" } else { "says it has failed" }, text))
        }
        AgentEvent::Raw { line } => one(format!("| {}", readable(line.as_bytes()))),
        AgentEvent::Usage { .. } => None,
    }
}

fn about(tool: &str, summary: &str) -> String {
    let (tool, summary) = (sanitize_line(tool), sanitize_line(summary.trim()));
    if summary.is_empty() { tool } else { format!("{tool}: {summary}") }
}

fn sanitized_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(|line| readable(line.as_bytes())).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// `mark`, and the first lines of `text`.
fn shortened(mark: &str, text: &str) -> Vec<String> {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown = all.iter().take(RESULT_LINES).map(|line| clip(&readable(line.as_bytes()), RESULT_CHARS));
    let mut lines: Vec<String> = shown.collect();
    let colon = if mark == "<" { "" } else { ":" };
    match lines.first_mut() {
        Some(first) => *first = format!("{mark}{colon} {first}"),
        None if mark == "<" => lines.push("< nothing".to_owned()),
        None => lines.push(mark.to_owned()),
    }
    if all.len() > RESULT_LINES {
        lines.push(format!("… {} more lines", all.len() - RESULT_LINES));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_as_it_is_read() {
        let event = |event| Recorded { at: None, entry: Entry::Told(event) };
        let text = |text: &str| text.to_owned();
        let all = [
            event(AgentEvent::Started { session: Some(text("s1")), model: Some(text("m\x1b[2J")) }),
            event(AgentEvent::Message { text: text("I look.\n\nThen I \x1b[31mact\x1b[0m.\u{202e}\n") }),
            event(AgentEvent::ToolCall {
                id: text("1"),
                tool: text("Bash"),
                summary: text("make\ntest"),
                paths: vec![],
            }),
            event(AgentEvent::ToolResult { id: text("1"), failed: true, text: text("a\n\nb\nc\nd\ne\n") }),
            event(AgentEvent::ToolResult { id: text("1"), failed: false, text: text("") }),
            event(AgentEvent::PermissionAsked { id: text("2"), tool: text("Write"), summary: text("") }),
            event(AgentEvent::PermissionDenied { tool: text("Write"), summary: text("/etc/passwd") }),
            event(AgentEvent::RateLimited { retry_after_s: Some(90), text: text("429") }),
            event(AgentEvent::Usage { usage: Usage::default() }),
            Recorded { at: None, entry: Entry::LeftOut { lines: 7, bytes: 2000 } },
            Recorded { at: None, entry: Entry::Unread("it is damaged") },
            event(AgentEvent::Raw { line: text("10%\r99%\r") }),
            event(AgentEvent::Finished { success: true, text: text("all done") }),
        ];
        let shown: Vec<String> = all
            .iter()
            .flat_map(|one| lines(one, Timestamp(0)))
            .map(|line| line.trim_start().to_owned())
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        started, model m�[2J, session s1
        I look.

        Then I act.�
        > Bash: make test
        < failed: a
        b
        c
        … 2 more lines
        < nothing
        ? asked for Write
        ! denied Write: /etc/passwd
        ! told to slow down for 1 min 30 s: 429
        … 7 events left out (2 KiB) …
        (a line of the transcript can't be read: it is damaged)
        | 99%
        says it is done: all done
        ");
    }
}
