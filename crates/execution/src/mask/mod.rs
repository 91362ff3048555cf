//! Secrets in what programs write: found, and replaced by [`MASK`] before anybody sees or keeps them.
//!
//! **Contract.** [`Masks`] knows the secrets of a run: values that it is given, and texts that can't be anything but a
//! credential (`shapes`). A [`Masker`] takes a stream in pieces of any size and gives it back masked; a secret that is cut
//! anywhere is found all the same. What may be the beginning of a secret is held back until that is known, never longer and
//! never more than [`bounds::HELD`] bytes. Values are found as they are, as JSON writes them, and line by line.
//!
//! **Deliberately absent:** other forms of a secret (base64, percent encoding, a value spread over several writes of a
//! terminal), and any knowledge of where secrets come from.

mod shapes;
mod values;

use std::{borrow::Cow, sync::Arc};

use self::{
    shapes::ShapeStream,
    values::{ValueStream, Values},
};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

pub mod bounds {
    //! Every bound of this module.

    /// The fewest bytes of a value that is masked: shorter ones are words that stand everywhere.
    pub const LEAST: usize = 4;
    /// The fewest bytes of a line of a value with several that is masked by itself.
    pub const LEAST_OF_LINE: usize = 16;
    /// The most bytes that are looked for at once; longer values are looked for in pieces.
    pub const PIECE: usize = 1024;
    /// The most pieces; what is given beyond is not looked for.
    pub const PIECES: usize = 1024;
    /// The most bytes of a private key behind its first line.
    pub const KEY: usize = 8 * 1024;
    /// The most bytes that are held back: one piece, and a credential that is not yet known to be one.
    pub const HELD: usize = 2 * PIECE;
}

/// What is masked. Cheap to clone; says nothing of the secrets when it is printed.
#[derive(Clone, Default)]
pub struct Masks(Option<Arc<Values>>);

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.as_ref().map_or(0, |values| values.count());
        f.debug_struct("Masks").field("pieces", &count).finish()
    }
}

impl Masks {
    /// Masks these values, beside what looks like a credential. Values shorter than [`bounds::LEAST`] bytes, white space
    /// around them not counted, are left out.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Values::new(values).map(Arc::new))
    }

    /// A stream to mask.
    pub fn stream(&self) -> Masker {
        Masker {
            masks: self.clone(),
            values: ValueStream::default(),
            shapes: ShapeStream::default(),
            between: Vec::new(),
        }
    }

    /// `text` without its secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Vec::with_capacity(text.len());
        let mut masker = self.stream();
        masker.feed(text.as_bytes(), &mut out);
        masker.finish(&mut out);
        if out == text.as_bytes() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(
            String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
        )
    }
}

/// One stream being masked.
#[derive(Debug)]
pub struct Masker {
    masks: Masks,
    values: ValueStream,
    shapes: ShapeStream,
    between: Vec<u8>,
}

impl Masker {
    /// Takes the next bytes of the stream; what may be shown of it until now is appended to `out`.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &self.masks.0 {
            None => self.shapes.feed(bytes, out),
            Some(values) => {
                self.between.clear();
                self.values.feed(values, bytes, &mut self.between);
                self.shapes.feed(&self.between, out);
            }
        }
    }

    /// The stream has ended: appends what was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(values) = &self.masks.0 {
            self.between.clear();
            self.values.finish(values, &mut self.between);
            self.shapes.feed(&self.between, out);
        }
        self.shapes.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(masks: &Masks, text: &[u8], size: usize) -> String {
        let (mut masker, mut out) = (masks.stream(), Vec::new());
        for piece in text.chunks(size.max(1)) {
            masker.feed(piece, &mut out);
        }
        masker.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_masked_however_they_are_written_and_cut() {
        let masks = Masks::new([
            "hunter2!\"x\n",
            "first line of a key\nsecond line of a key",
            "abc",
            "",
            "tok-12345",
            "tok-1234567",
        ]);
        let table = [
            ("a hunter2!\"x b", "a *** b"),
            (r#"{"a":"hunter2!\"x"}"#, r#"{"a":"***"}"#),
            ("first line of a key\r\nsecond line of a key\n", "***\r\n***\n"),
            (r"first line of a key\nsecond line of a key", "***"),
            ("abc is too short", "abc is too short"),
            ("tok-12345 tok-1234567 tok-123456", "*** *** ***6"),
            ("tok-tok-12345", "tok-***"),
            ("hunter2", "hunter2"),
        ];
        for (text, masked) in table {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(in_pieces(&masks, text.as_bytes(), size), masked, "{size}");
            }
            assert_eq!(masks.text(text), masked);
        }
        assert_eq!(format!("{:?}", Masks::new(["hunter22"])), "Masks { pieces: 1 }");
    }

    #[test]
    fn values_that_overlap_leave_nothing_of_either() {
        let masks = Masks::new(["aaaaaaaa", "abcdefgh", "efghijkl"]);
        for size in [1, 3, 5, 100] {
            assert_eq!(in_pieces(&masks, b"-abcdefghijkl-", size), "-***-");
            assert_eq!(in_pieces(&masks, "a".repeat(100).as_bytes(), size), "***");
            assert_eq!(in_pieces(&masks, b"abcdefghabcdefgh", size), "******");
        }
    }

    #[test]
    fn a_long_value_is_found_in_pieces_and_little_is_held_back() {
        let long: String =
            (0..10_000_u64).map(|n| char::from(b'a' + (n * 2_654_435_761 / 65_537 % 23) as u8)).collect();
        let masks = Masks::new([long.as_str()]);
        let shown = in_pieces(&masks, format!("<{long}>").as_bytes(), 1);
        assert!(shown.starts_with("<***") && shown.ends_with("***>") && shown.len() < 60, "{shown}");
        let mut masker = masks.stream();
        let mut out = Vec::new();
        masker.feed(&long.as_bytes()[..bounds::PIECE - 30], &mut out);
        masker.feed(b"something else.", &mut out);
        assert_eq!(out.len(), bounds::PIECE - 30 + 15, "what turned out to be none is shown");
    }

    #[test]
    fn credentials_are_known_by_their_shape() {
        let masks = Masks::default();
        let (key, token) = ("k3Y_-".repeat(8), "aB3".repeat(12));
        let table = [
            (format!("key sk-ant-{key}."), "key sk-ant-***.".to_owned()),
            (format!(r#""\nsk-ant-{key}\n""#), r#""\nsk-ant-***\n""#.to_owned()),
            (format!("\x1b[31mghp_{token}\x1b[0m"), "\x1b[31mghp_***\x1b[0m".to_owned()),
            ("AKIAABCDEFGHIJKLMNOP".to_owned(), "AKIA***".to_owned()),
            ("AKIAABCDEFGHIJKLMNOPQ".to_owned(), "AKIAABCDEFGHIJKLMNOPQ".to_owned()),
            (
                "sk-ant-short ghp_short task-3f786850e387550fdab836ed7e6dc881de23001b".to_owned(),
                String::new(),
            ),
            ("the words -----BEGIN RSA PRIVATE KEY----- alone".to_owned(), String::new()),
        ];
        for (text, masked) in table {
            let masked = if masked.is_empty() { &text } else { &masked };
            for size in [1, 2, 5, 1000] {
                assert_eq!(&in_pieces(&masks, text.as_bytes(), size), masked, "{size}");
            }
        }
    }

    #[test]
    fn of_a_private_key_only_its_frame_is_left() {
        let body = "MIIEpAIBAAKCAQEA7bq+/w==".repeat(3);
        let real = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{body}\n{body}\nshortlastlineofakey=\n-----END RSA PRIVATE KEY-----\nafter {body}\n"
        );
        let json =
            format!(r"-----BEGIN PRIVATE KEY-----\n{body}\n{body}\n-----END PRIVATE KEY-----\nafter {body}");
        for size in [1, 2, 9, 1000] {
            let masks = Masks::default();
            assert_eq!(
                in_pieces(&masks, real.as_bytes(), size),
                format!(
                    "-----BEGIN RSA PRIVATE KEY-----\n***\n***\n***\n-----END RSA PRIVATE KEY-----\nafter {body}\n"
                )
            );
            assert_eq!(
                in_pieces(&masks, json.as_bytes(), size),
                format!(r"-----BEGIN PRIVATE KEY-----\n***\n***\n-----END PRIVATE KEY-----\nafter {body}")
            );
        }
    }

    #[test]
    fn a_prompt_is_not_held_back() {
        let mut masker = Masks::new(["password1"]).stream();
        let mut out = Vec::new();
        masker.feed(b"are you sure? [y/N] g", &mut out);
        assert_eq!(out, b"are you sure? [y/N] g");
    }

    proptest! {
        /// However a stream is cut, it comes out the same, and no value is in it.
        #[test]
        fn cuts_make_no_difference(text in "[ab]{0,60}", cuts in proptest::collection::vec(1_usize..6, 0..30),
            values in proptest::collection::vec("[ab]{4,7}", 1..4)) {
            let masks = Masks::new(values.iter().map(String::as_str));
            let whole = masks.text(&text).into_owned();
            let (mut masker, mut out, mut at) = (masks.stream(), Vec::new(), 0);
            for cut in cuts {
                let end = text.len().min(at + cut);
                masker.feed(&text.as_bytes()[at..end], &mut out);
                at = end;
            }
            masker.feed(&text.as_bytes()[at..], &mut out);
            masker.finish(&mut out);
            prop_assert_eq!(&String::from_utf8(out).unwrap(), &whole);
            prop_assert!(values.iter().all(|value| !whole.contains(value.as_str())));
        }

        /// What has no secret comes out as it went in.
        #[test]
        fn the_rest_is_left_as_it_is(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1_usize..20) {
            let (mut masker, mut out) = (Masks::new(["correct horse"]).stream(), Vec::new());
            bytes.chunks(size).for_each(|piece| masker.feed(piece, &mut out));
            masker.finish(&mut out);
            prop_assert_eq!(out, bytes);
        }
    }
}
