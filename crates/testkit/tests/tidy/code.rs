//! Rust sources without what is not code. Lengths and lines stay: what is taken out becomes blanks.

use std::ops::Range;

/// What [`strip`] leaves in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Neither comments nor the contents of literals.
    Code,
    /// The contents of literals too.
    CodeAndLiterals,
}

/// What a stretch of the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Comment,
    /// A string or character literal: so many bytes before and after its content.
    Literal(usize, usize),
}

/// The source with comments, and as asked for the contents of literals, blanked out.
pub(crate) fn strip(source: &str, keep: Keep) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while !rest.is_empty() {
        let (part, length) = next_part(rest, out.chars().next_back());
        let (text, after) = rest.split_at(length);
        match (part, keep) {
            (Part::Comment, _) => blank(text, &mut out),
            (Part::Literal(open, close), Keep::Code) => {
                out.push_str(&text[..open]);
                blank(&text[open..length - close], &mut out);
                out.push_str(&text[length - close..]);
            }
            _ => out.push_str(text),
        }
        rest = after;
    }
    out
}

/// The same without items that exist in tests only.
pub(crate) fn without_tests(source: &str, keep: Keep) -> String {
    let code = strip(source, Keep::Code);
    let mut out = strip(source, keep);
    for gate in test_gates(&code) {
        let end = gate.end + item_length(&code[gate.end..]);
        let mut blanks = String::new();
        blank(&source[gate.start..end], &mut blanks);
        out.replace_range(gate.start..end, &blanks);
    }
    out
}

/// Where the attributes stand that let an item exist in tests only, or in tests and with a feature for tests. The code
/// is without comments and literals.
pub(crate) fn test_gates(code: &str) -> impl Iterator<Item = Range<usize>> {
    let starts = ["#[cfg(test)]", "#[cfg(any(test,"].into_iter().flat_map(|a| code.match_indices(a));
    starts.map(|(start, _)| start..start + code[start..].find(")]").map_or(0, |at| at + 2))
}

/// Blanks of the same length in bytes, with the same line breaks.
fn blank(text: &str, out: &mut String) {
    out.extend(text.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
}

/// Up to the `;` or the `}` that ends the first item.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    return at + 1 + usize::from(code[at + 1..].starts_with(';'));
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// What comes next, and how many bytes of it. `before` is the character before it.
fn next_part(rest: &str, before: Option<char>) -> (Part, usize) {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        (Part::Comment, rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        (Part::Comment, block_comment(rest))
    } else if rest.starts_with('"') {
        match quoted(rest, '"') {
            Some(length) => (Part::Literal(1, 1), length),
            None => (Part::Literal(1, 0), rest.len()),
        }
    } else if let Some(hashes) = raw_string(rest).filter(|_| !in_word) {
        let open = rest.find('"').expect("a raw string has a quote") + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        match rest[open..].find(&close) {
            Some(at) => (Part::Literal(open, close.len()), open + at + close.len()),
            None => (Part::Literal(open, 0), rest.len()),
        }
    } else if let Some(length) = character(rest) {
        (Part::Literal(1, 1), length)
    } else {
        (Part::Code, rest.chars().next().map_or(0, char::len_utf8))
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(next) = rest.get(at..) {
        if next.is_empty() {
            break;
        } else if next.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if next.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += next.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of a literal in `quote`s with escapes.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// How many `#` a raw string begins with, when one begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after =
        rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let quote = after.trim_start_matches('#');
    quote.starts_with('"').then_some(after.len() - quote.len())
}

/// The length of a character literal, which a lifetime is not.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.strip_prefix('\'')?.chars();
    match chars.next()? {
        '\\' => quoted(rest, '\''),
        c if chars.next() == Some('\'') => Some(2 + c.len_utf8()),
        _ => None,
    }
}

#[test]
fn comments_and_literals_become_blanks() {
    let table = [
        ("a // b\nc", "a     \nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e", "a                   e"),
        (r#"f("x \" // y") // z"#, r#"f("         ")     "#, r#"f("x \" // y")     "#),
        ("r#\"a \" b\"# c", "r#\"     \"# c", "r#\"a \" b\"# c"),
        ("br\"a\\\" c", "br\"  \" c", "br\"a\\\" c"),
        ("'\"' '\\'' 'ü' &'a str", "' ' '  ' '  ' &'a str", "'\"' '\\'' 'ü' &'a str"),
        ("\"open", "\"    ", "\"open"),
    ];
    for (source, code, literals) in table {
        assert_eq!(strip(source, Keep::Code), code);
        assert_eq!(strip(source, Keep::CodeAndLiterals), literals);
    }
}

#[test]
fn items_for_tests_become_blanks() {
    let source =
        "a();\n#[cfg(test)]\nmod tests {\n  b(\"}\");\n}\nc();\n#[cfg(test)]\nuse d::{e, f};\ng();\n";
    let lines = without_tests(source, Keep::CodeAndLiterals);
    assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), ["a();", "c();", "g();"]);
    assert_eq!(lines.len(), source.len());
}
