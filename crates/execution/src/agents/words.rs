//! A program's texts, cut to what an event may hold.

use biplane_model::{AgentEvent, Usage};
use serde_json::Value;

use super::bounds;

/// `text`, cut to [`bounds::TEXT`] bytes.
pub(super) fn text(text: &str) -> String {
    if text.len() <= bounds::TEXT {
        return text.to_owned();
    }
    let mark = '…';
    let end = text.floor_char_boundary(bounds::TEXT - mark.len_utf8());
    format!("{}{mark}", &text[..end])
}

/// `text` in one line, cut to [`bounds::SUMMARY`] characters.
pub(super) fn summary(text: &str) -> String {
    // Cut first: the rest may be long.
    let beginning: String = text.trim().chars().take(bounds::SUMMARY + 1).collect();
    let line: Vec<&str> = beginning.split_whitespace().collect();
    let cut = text.trim().chars().nth(bounds::SUMMARY + 1).is_some();
    biplane_model::clip(&format!("{}{}", line.join(" "), if cut { "…" } else { "" }), bounds::SUMMARY)
}

/// The paths among `paths`, each cut to [`bounds::SUMMARY`] characters, at most [`bounds::PATHS`].
pub(super) fn paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    paths.into_iter().take(bounds::PATHS).map(|path| biplane_model::clip(path, bounds::SUMMARY)).collect()
}

/// A line that means nothing to its driver, unless it is blank.
pub(super) fn raw(line: &[u8]) -> Option<AgentEvent> {
    // Not all of a long line is decoded for the sake of its beginning.
    let line = String::from_utf8_lossy(&line[..line.len().min(2 * bounds::TEXT)]);
    (!line.trim().is_empty()).then(|| AgentEvent::Raw { line: text(line.trim_end()) })
}

/// The text at `key`, if it is one.
pub(super) fn at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The number at `key`; 0 if there is none.
pub(super) fn count(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// What `sum` has beyond what was `told` of it.
pub(super) fn beyond(sum: Usage, told: Usage) -> Usage {
    Usage {
        input_tokens: sum.input_tokens.saturating_sub(told.input_tokens),
        output_tokens: sum.output_tokens.saturating_sub(told.output_tokens),
        cached_tokens: sum.cached_tokens.saturating_sub(told.cached_tokens),
        cost_microusd: sum.cost_microusd.saturating_sub(told.cost_microusd),
    }
}

/// Dollars as millionths of one.
pub(super) fn microusd(dollars: f64) -> u64 {
    // A cast from a float saturates; what is no number becomes 0.
    (dollars.max(0.0) * 1e6).round() as u64
}

/// The text or number behind `"key":` near the beginning of a line of JSON that was cut, as it is written there.
pub(super) fn in_cut_line<'a>(line: &'a [u8], key: &str) -> Option<&'a str> {
    let beginning = &line[..line.len().min(1024)];
    let beginning = std::str::from_utf8(beginning)
        .or_else(|error| std::str::from_utf8(&beginning[..error.valid_up_to()]))
        .ok()?;
    let (_, rest) = beginning.split_once(&format!("\"{key}\":"))?;
    let value = match rest.strip_prefix('"') {
        Some(text) => text.split_once('"')?.0,
        None => rest.split([',', '}']).next()?,
    };
    (!value.contains('\\')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "ä".repeat(bounds::TEXT);
        assert!(text(&long).len() <= bounds::TEXT && text(&long).ends_with('…'));
        assert_eq!(text("short"), "short");
        assert_eq!(summary("  git  status\n&& ls "), "git status && ls");
        let many = summary(&"word ".repeat(1_000));
        assert!(many.chars().count() <= bounds::SUMMARY && many.ends_with('…'), "{many}");
    }

    #[test]
    fn a_cut_line_still_says_who_asked() {
        let line = br#"{"type":"control_request","request_id":"a-1","request":{"subty"#;
        assert_eq!(in_cut_line(line, "request_id"), Some("a-1"));
        assert_eq!(in_cut_line(br#"{"jsonrpc":"2.0","id":7,"method":"x","#, "id"), Some("7"));
        assert_eq!(in_cut_line(br#"{"jsonrpc":"2.0""#, "id"), None);
    }
}
