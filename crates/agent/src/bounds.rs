//! Every bound of this crate.

use std::time::Duration;

/// The most bytes of a path.
pub const PATH: usize = 4096;
/// The most characters of a path, and of a line of a file, in a message.
pub const SHOWN: usize = 200;
/// The most bytes of a file that is read or written.
pub const FILE: usize = 16 << 20;
/// The most bytes of a patch.
pub const PATCH: usize = 4 << 20;
/// The most files that a patch changes.
pub const PATCH_FILES: usize = 1_000;
/// The most bytes that a patch holds in memory, old and new content together.
pub const PATCH_CONTENT: usize = 128 << 20;
/// How many patches can be taken back, the last first.
pub const UNDO: usize = 10;
/// The most characters that a tool answers.
pub const ANSWER: usize = 50_000;
/// The most bytes of a command's output that are kept at its beginning, and as many at its end.
pub const OUTPUT_END: usize = 24_000;
/// How many lines of a file are read unless more are asked for.
pub const LINES: usize = 2_000;
/// How long a command may take unless more is asked for.
pub const COMMAND: Duration = Duration::from_secs(300);
/// How long it may take at most.
pub const COMMAND_MOST: Duration = Duration::from_secs(3600);
/// How many files a search looks into at most.
pub const SEARCH_FILES: usize = 100_000;
/// How deep a search goes.
pub const SEARCH_DEPTH: usize = 100;
/// The most bytes of a file that is searched.
pub const SEARCH_BYTES: usize = 2 << 20;
/// The most lines or names that a search gives.
pub const SEARCH_FOUND: usize = 200;
/// The most bytes of a file that says what is ignored.
pub const IGNORE_BYTES: usize = 256 << 10;
/// The most bytes of a compiled pattern.
pub const PATTERN: usize = 4 << 20;
/// The most bytes of a stream that holds one answer of a model.
pub const REPLY: usize = 8 << 20;
/// The most bytes that are read of a refusal.
pub const REFUSAL: u64 = 64 << 10;
/// The most characters of a server's words in a message.
pub const TOLD: usize = 500;
/// How long it may take until there is a connection.
pub const CONNECT: Duration = Duration::from_secs(30);
/// How long one answer may take, from the request to its end.
pub const ASK: Duration = Duration::from_secs(1800);
/// The most bytes of a transcript that is gone on with.
pub const TRANSCRIPT: u64 = 256 << 20;
/// How long a transcript is kept after it was last written to.
pub const TRANSCRIPT_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// The most characters of a prompt that is said again after what was said is put together.
pub const PROMPT_AGAIN: usize = 40_000;
/// The most characters of a call, and of a tool's answer, when what was said is put together.
pub const SUM_PART: usize = 2_000;
/// The most bytes of a line that the program is told.
pub const INPUT_LINE: u64 = 16 << 20;
