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

/// `text` without terminal escape sequences; what is no known sequence is left, to be
/// made harmless by [`sanitize`].
pub fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            // A control sequence ends with its first byte in this range.
            Some('[') => _ = chars.find(|c| ('@'..='~').contains(c)),
            // An operating system command ends with BEL or ESC \.
            Some(']') => {
                let end = chars.find(|c| matches!(c, '\u{7}' | '\u{1b}'));
                _ = end.filter(|&end| end == '\u{1b}').and_then(|_| chars.next());
            }
            _ => {}
        }
    }
    out
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
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fe00}'..='\u{fe0d}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_removed() {
        assert_eq!(sanitize("a\x1b[31mb\r\nc\td"), "a\u{fffd}[31mb\u{fffd}\nc\td");
        assert_eq!(sanitize_line("a\nb\u{202e}c\u{9b}"), "a b\u{fffd}c\u{fffd}");
        // Letters that nobody sees and a model reads, and a mark that turns a line around.
        assert_eq!(sanitize("a\u{e0068}\u{e01ef}b\u{61c}\u{180e}"), "a\u{fffd}\u{fffd}b\u{fffd}\u{fffd}");
        assert_eq!(sanitize("\u{fe00}\u{fe0d}\u{ad}\u{3164}"), "\u{fffd}".repeat(4));
        // A sign in its colours.
        assert_eq!(sanitize("\u{2764}\u{fe0f}"), "\u{2764}\u{fe0f}");
    }

    #[test]
    fn sequences_are_taken_out_whole() {
        assert_eq!(
            without_escapes("\x1b[1;31mred\x1b[0m \x1b]0;title\x07a\x1b]8;;x\x1b\\b\x1bMc\x1b["),
            "red abc"
        );
    }

    #[test]
    fn clip_counts_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
