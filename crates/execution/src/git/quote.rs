//! Paths in the form in which git reads and writes any byte: in double quotes, with escapes.

use std::fmt::Write;

/// The path in quotes, on one line whatever is in it.
pub fn quote(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len() + 2);
    text.push('"');
    for &byte in path {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\{byte:03o}").expect("a string takes everything"),
        }
    }
    text.push('"');
    text
}

/// The path in [`quote`]'s form, or in that of git's own output, which has letters for some control characters; `None`
/// when it is in neither.
pub fn unquote(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = inner.bytes();
    let mut path = Vec::with_capacity(inner.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next()? {
                escaped @ (b'"' | b'\\') => path.push(escaped),
                b'a' => path.push(7),
                b'b' => path.push(8),
                b't' => path.push(b'\t'),
                b'n' => path.push(b'\n'),
                b'v' => path.push(11),
                b'f' => path.push(12),
                b'r' => path.push(b'\r'),
                first @ b'0'..=b'3' => {
                    let digits = [first, bytes.next()?, bytes.next()?];
                    let text = std::str::from_utf8(&digits).ok()?;
                    path.push(u8::from_str_radix(text, 8).ok()?);
                }
                _ => return None,
            },
            b'"' => return None,
            _ => path.push(byte),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let quoted = quote(&all);
        assert!(quoted.bytes().all(|b| (b' '..=b'~').contains(&b)), "{quoted}");
        assert_eq!(unquote(&quoted).unwrap(), all);
        assert_eq!(unquote(r#""\a\b\t\n\v\f\r""#).unwrap(), b"\x07\x08\t\n\x0b\x0c\r");
        assert_eq!(quote(b"a \"b\"\n"), r#""a \"b\"\012""#);
        for wrong in ["", "a", "\"a", "\"a\"b\"", "\"\\9\"", "\"\\40\"", "\"\\\"", "\"\\777\""] {
            assert_eq!(unquote(wrong), None, "{wrong}");
        }
    }
}
