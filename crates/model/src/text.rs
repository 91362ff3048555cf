//! Making hostile text fit to be shown and stored.

/// `text` with everything removed that could steer a terminal or reorder a line: control characters (but newline and
/// tab), bidirectional overrides and invisible format characters. Each becomes `\u{fffd}`.
pub fn sanitize(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' || !is_unsafe(c) { c } else { '\u{fffd}' }).collect()
}

/// As [`sanitize`], for one line: newlines and tabs become spaces.
pub fn sanitize_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if is_unsafe(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// `text` cut to at most `most` characters, the last of them `…` where something was cut.
pub fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_removed() {
        assert_eq!(sanitize("a\x1b[31mb\r\nc\td"), "a\u{fffd}[31mb\u{fffd}\nc\td");
        assert_eq!(sanitize_line("a\nb\u{202e}c\u{9b}"), "a b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn clip_counts_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
