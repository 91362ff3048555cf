//! Answers and errors on the wire.

use biplane_coordination::{Error, ErrorKind};
use biplane_model::sanitize;
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use crate::parity;

/// Where the parts of a failure stand in the metadata of its answer.
const FAILURE: &str = "biplane/error";

/// A call that came to nothing: what was wrong, what to do next, and the code that the command line exits with.
///
/// It has no structured content: a tool's schema says what that is when the tool did its work, and clients hold failures to it too; whoever
/// asked would hear of the schema then, and not of the reason.
pub(crate) fn failed(error: &Error) -> CallToolResult {
    let (code, exit_code) = code(error.kind);
    let (message, hints) = said(error);
    let value = json!({ "error": message, "hints": hints, "code": code, "exit_code": exit_code });
    let mut result = CallToolResult::error(vec![rmcp::model::ContentBlock::text(failure(error))]);
    result.meta.get_or_insert_default().insert(FAILURE.to_owned(), value);
    result
}

/// A call that came to nothing, as a text for a model: what was wrong, and what to do next.
pub fn failure(error: &Error) -> String {
    let (message, hints) = said(error);
    let mut text = format!("error ({}): {message}", code(error.kind).0);
    for hint in &hints {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// The message, and the hints in the words of tools.
fn said(error: &Error) -> (String, Vec<String>) {
    let hints = error.hints.iter().map(|hint| parity::in_tools(&sanitize(hint))).collect();
    (sanitize(&error.message), hints)
}

/// The stable word for a kind of failure, and the exit code of the command line.
pub(crate) fn code(kind: ErrorKind) -> (&'static str, u8) {
    match kind {
        ErrorKind::Failed => ("failed", 1),
        ErrorKind::Usage => ("usage", 2),
        ErrorKind::Refused => ("refused", 3),
        ErrorKind::Conflict => ("conflict", 4),
        ErrorKind::NotFound => ("not_found", 5),
        ErrorKind::Busy => ("busy", 6),
    }
}

/// Takes everything out of the texts in `value` that could steer a terminal or hide from a reader.
pub(crate) fn clean(value: &mut Value) {
    match value {
        Value::String(text) => *text = sanitize(text),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        _ => {}
    }
}

/// `text` cut to at most `most` bytes: a fifth of that from its beginning, the rest from its end. Whether it was cut.
pub(crate) fn middle_cut(text: &str, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text.to_owned(), false);
    }
    let head = floor(text, most / 5);
    let tail = ceil(text, text.len() - (most - most / 5));
    (format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..]), true)
}

/// The nearest place at or before `at` where a character begins.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_both_ends() {
        let text = format!("{}{}", "ä".repeat(1000), "ö".repeat(1000));
        let (cut, was_cut) = middle_cut(&text, 1001);
        assert!(
            was_cut && cut.starts_with('ä') && cut.ends_with('ö') && cut.contains("bytes left out"),
            "{cut}"
        );
        assert!(cut.len() < 1100);
        assert_eq!(middle_cut("short", 100), ("short".to_owned(), false));
    }

    #[test]
    fn hidden_characters_leave_every_text() {
        let mut value = json!({ "a": ["x\u{202e}y", { "b": "\x1b[2J" }] });
        clean(&mut value);
        assert_eq!(value, json!({ "a": ["x\u{fffd}y", { "b": "\u{fffd}[2J" }] }));
    }

    #[test]
    fn an_error_says_what_to_do_in_the_words_of_tools() {
        let error = Error::not_found("there is no task 9").hint("`biplane task list` shows the tasks");
        let result = failed(&error);
        assert_eq!(result.structured_content, None);
        let value = &result.meta.unwrap()[FAILURE];
        assert_eq!(value["code"], "not_found");
        assert_eq!(value["hints"][0], "`task_list` shows the tasks");
        assert_eq!(result.is_error, Some(true));
    }
}
