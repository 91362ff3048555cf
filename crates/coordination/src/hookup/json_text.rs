//! JSON as text: how a value is written, and what stands between values.

use serde_json::Value;

/// How a value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout<'a> {
    /// The line break; empty for all on one line.
    pub(super) eol: &'a str,
    /// What each level is indented by.
    pub(super) unit: &'a str,
}

impl Layout<'static> {
    /// All on one line.
    pub(super) const ONE_LINE: Self = Self { eol: "", unit: "" };
    /// As most people write it.
    pub(super) const LINES: Self = Self { eol: "\n", unit: "  " };
}

/// A value as text. `indent` is that of the line it begins on. Lists of plain values stay on one line.
pub(super) fn written(value: &Value, layout: Layout<'_>, indent: &str) -> String {
    let (open, close, items): (char, char, Vec<String>) = match value {
        Value::Object(map) if !map.is_empty() => {
            let inner = format!("{indent}{}", layout.unit);
            let item = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), written(value, layout, &inner))
            };
            ('{', '}', map.iter().map(item).collect())
        }
        Value::Array(list) if list.iter().any(|value| value.is_object() || value.is_array()) => {
            let inner = format!("{indent}{}", layout.unit);
            ('[', ']', list.iter().map(|value| written(value, layout, &inner)).collect())
        }
        Value::Array(list) => {
            return format!("[{}]", list.iter().map(Value::to_string).collect::<Vec<_>>().join(", "));
        }
        plain => return plain.to_string(),
    };
    if layout.eol.is_empty() {
        return format!("{open}{}{close}", items.join(", "));
    }
    let Layout { eol, unit } = layout;
    let lines: Vec<String> = items.iter().map(|item| format!("{eol}{indent}{unit}{item}")).collect();
    format!("{open}{}{eol}{indent}{close}", lines.join(","))
}

/// What may stand between values.
pub(super) const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Where the blanks begin that end at `at`.
pub(super) fn blank_before(text: &str, at: usize) -> usize {
    text[..at].trim_end_matches(BLANKS).len()
}

/// The blanks that the line begins with on which `at` is.
pub(super) fn indent_of_line(text: &str, at: usize) -> &str {
    let line = &text[text[..at].rfind('\n').map_or(0, |n| n + 1)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Where the next is at or after `at` that is neither blank nor in a comment.
pub(super) fn skip(text: &str, mut at: usize) -> usize {
    loop {
        at = text.len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let comment = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |n| n + 2)
        } else {
            return at;
        };
        at += comment;
    }
}

/// The end of the last comment that follows at `at` on the same line; `at` when there is none.
pub(super) fn after_comments(text: &str, at: usize) -> usize {
    let mut end = at;
    loop {
        let next = text.len() - text[end..].trim_start_matches([' ', '\t']).len();
        let rest = &text[next..];
        if rest.starts_with("//") {
            let line = rest.find('\n').map_or(rest, |n| &rest[..n]);
            return next + line.trim_end_matches(BLANKS).len();
        }
        match rest.starts_with("/*").then(|| rest.find("*/")).flatten() {
            Some(n) if !rest[..n].contains('\n') => end = next + n + 2,
            _ => return end,
        }
    }
}

/// Whether what stands between two values ends within a comment that goes to the end of its line.
pub(super) fn ends_in_line_comment(between: &str) -> bool {
    let mut rest = between;
    loop {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let end = if rest.starts_with("//") {
            rest.find('\n')
        } else {
            rest.find("*/").map(|n| n + 2).or(Some(rest.len()))
        };
        match end {
            None => return true,
            Some(_) if rest.is_empty() => return false,
            Some(end) => rest = &rest[end..],
        }
    }
}
