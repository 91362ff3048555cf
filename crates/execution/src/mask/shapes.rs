//! Texts that can't be anything but a credential, by how they begin and how long they are.
//!
//! Only beginnings that nothing else has are here, so that no log loses what it should tell: `sk-ant-` with a long rest is a
//! key, `sk-` with one may be the end of `task-` and a commit. The beginning stays, for people to know what it was. What goes
//! on behind it is held back until it is long enough, or over.
//!
//! Sources: the issuers' pages on the formats of their keys; RFC 7468 for the frames of private keys.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{MASK, bounds};

/// A credential: how it begins, and what follows.
#[derive(Debug)]
struct Shape {
    beginning: &'static str,
    is_part: fn(u8) -> bool,
    least: usize,
    most: usize,
}

const fn shape(beginning: &'static str, is_part: fn(u8) -> bool, least: usize, most: usize) -> Shape {
    Shape { beginning, is_part, least, most }
}

const ANY: usize = usize::MAX;

static SHAPES: [Shape; 19] = [
    shape("sk-ant-", is_url_safe, 20, ANY),
    shape("sk-proj-", is_url_safe, 20, ANY),
    shape("sk-svcacct-", is_url_safe, 20, ANY),
    shape("sk-or-v1-", is_url_safe, 20, ANY),
    shape("ghp_", is_alphanumeric, 36, ANY),
    shape("gho_", is_alphanumeric, 36, ANY),
    shape("ghu_", is_alphanumeric, 36, ANY),
    shape("ghs_", is_alphanumeric, 36, ANY),
    shape("ghr_", is_alphanumeric, 36, ANY),
    shape("github_pat_", is_url_safe, 36, ANY),
    shape("glpat-", is_url_safe, 20, ANY),
    shape("AKIA", is_upper, 16, 16),
    shape("ASIA", is_upper, 16, 16),
    shape("AIzaSy", is_url_safe, 33, 33),
    shape("xoxb-", is_url_safe, 20, ANY),
    shape("xoxp-", is_url_safe, 20, ANY),
    shape("xapp-", is_url_safe, 20, ANY),
    shape("npm_", is_alphanumeric, 36, 36),
    shape("sk_live_", is_alphanumeric, 20, ANY),
];

/// Kinds of private keys, as their first line names them.
const KEYS: [&str; 7] = [
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
];

/// The fewest characters of a line of a private key: what is shorter is no line of one.
const KEY_LINE: usize = 16;
const KEY_END: &[u8] = b"-----END ";

/// The beginnings: first those of the shapes, then those of the keys.
static BEGINNINGS: LazyLock<(AhoCorasick, usize)> = LazyLock::new(|| {
    let shapes = SHAPES.iter().map(|shape| shape.beginning.to_owned());
    let all: Vec<String> = shapes.chain(KEYS.iter().map(|key| format!("-----BEGIN {key}-----"))).collect();
    let longest = all.iter().map(String::len).max().unwrap_or(0);
    let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&all);
    (search.expect("a few short words make a small automaton"), longest)
});

fn is_alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_upper(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Where a stream is.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing has begun. So many of the held bytes are shown already: a beginning may be among them.
    Seeking { shown: usize },
    /// This shape has begun; the held bytes may be its rest.
    Begun(&'static Shape),
    /// A mask was written; what goes on belongs to it.
    Masked(fn(u8) -> bool),
    /// In a private key, of which so many bytes may follow; the held bytes may be a line of it.
    Key { left: usize },
    /// The same, after the mask of a line that may go on.
    KeyLine { left: usize },
}

/// One stream.
#[derive(Debug)]
pub(super) struct ShapeStream {
    held: Vec<u8>,
    state: State,
}

impl Default for ShapeStream {
    fn default() -> Self {
        Self { held: Vec::new(), state: State::Seeking { shown: 0 } }
    }
}

/// Whether more may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum More {
    May,
    Not,
}

impl ShapeStream {
    /// Takes the next bytes; appends to `out` what is known.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.held.extend_from_slice(bytes);
        self.go_on(More::May, out);
    }

    /// Appends what is left.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        self.go_on(More::Not, out);
        *self = Self::default();
    }

    fn go_on(&mut self, more: More, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        loop {
            let step = match self.state {
                State::Seeking { shown } => seek(&held[at..], shown, out),
                State::Begun(shape) => begun(shape, &held[at..], more, out),
                State::Masked(is_part) => {
                    let rest = run(&held[at..], is_part);
                    Step::to(rest, if at + rest < held.len() { SEEKING } else { self.state })
                }
                State::Key { left } => key(left, &held[at..], more, out),
                State::KeyLine { left } => {
                    let rest = run(&held[at..], is_base64);
                    let left = left.saturating_sub(rest);
                    let over = at + rest < held.len();
                    Step::to(rest, if over { State::Key { left } } else { State::KeyLine { left } })
                }
            };
            at += step.taken;
            self.state = step.state;
            if step.waits || at == held.len() {
                break;
            }
        }
        self.held = held;
        self.held.drain(..at);
    }
}

const SEEKING: State = State::Seeking { shown: 0 };

/// What one look at the held bytes gave.
struct Step {
    taken: usize,
    state: State,
    /// Whether nothing more can be said before more bytes have come.
    waits: bool,
}

impl Step {
    fn to(taken: usize, state: State) -> Self {
        Self { taken, state, waits: false }
    }

    fn wait(taken: usize, state: State) -> Self {
        Self { taken, state, waits: true }
    }
}

/// How many of the first bytes are parts.
fn run(bytes: &[u8], is_part: fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !is_part(byte)).unwrap_or(bytes.len())
}

/// Looks for a beginning. Nothing is held back: a beginning is shown anyway.
fn seek(held: &[u8], shown: usize, out: &mut Vec<u8>) -> Step {
    let (search, longest) = &*BEGINNINGS;
    let Some(found) = search.find(held) else {
        out.extend_from_slice(&held[shown..]);
        let kept = held.len().min(longest - 1);
        return Step::wait(held.len() - kept, State::Seeking { shown: kept });
    };
    out.extend_from_slice(&held[shown..found.end()]);
    let state = match SHAPES.get(found.pattern().as_usize()) {
        Some(shape) => State::Begun(shape),
        None => State::Key { left: bounds::KEY },
    };
    Step::to(found.end(), state)
}

/// Whether what follows a beginning makes it a credential.
fn begun(shape: &'static Shape, held: &[u8], more: More, out: &mut Vec<u8>) -> Step {
    let length = run(held, shape.is_part);
    let may_grow = length == held.len() && more == More::May;
    if may_grow && (length < shape.least || (length <= shape.most && shape.most < ANY)) {
        return Step::wait(0, State::Begun(shape));
    }
    if (shape.least..=shape.most).contains(&length) {
        out.extend_from_slice(MASK.as_bytes());
        return Step::to(length, State::Masked(shape.is_part));
    }
    // Not one; another may begin inside.
    Step::to(0, SEEKING)
}

/// One thing inside a private key: a line of it, or what is between them.
fn key(left: usize, held: &[u8], more: More, out: &mut Vec<u8>) -> Step {
    let is_last = more == More::Not;
    if left == 0 || held.starts_with(KEY_END) {
        return Step::to(0, SEEKING);
    }
    if held.is_empty() || (KEY_END.starts_with(held) && !is_last) {
        return Step::wait(0, State::Key { left });
    }
    let length = run(held, is_base64);
    if length >= KEY_LINE {
        out.extend_from_slice(MASK.as_bytes());
        return Step::to(length, State::KeyLine { left: left.saturating_sub(length) });
    }
    if length == held.len() && length > 0 && !is_last {
        return Step::wait(0, State::Key { left });
    }
    // `\n` of JSON is no part of the line that follows it.
    let between = match held.first() {
        Some(b'\\') if held.len() == 1 && !is_last => return Step::wait(0, State::Key { left }),
        Some(b'\\') => held.len().min(2),
        _ => length.max(1),
    };
    out.extend_from_slice(&held[..between]);
    Step::to(between, State::Key { left: left.saturating_sub(between) })
}
