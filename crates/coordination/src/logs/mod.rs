//! What is kept of runs beside the ledger: their output, and what agents told.
//!
//! **Contract.** A run's directory, `.worktrees/runs/<run>`, holds `output.log` (the raw output) and `transcript.jsonl` (what
//! the agent told, in our words), both bounded and without the secrets that we know. When the run is over the background
//! compresses what is long to `output.log.gz` and `transcript.jsonl.gz`, and deletes the oldest when there is too much; a
//! reader finds either form. Everything here is for people, so none of it is durable. Nothing is decided by it, but that what a lost
//! run has used is summed from its transcript: the agent's own word, there as in the ledger.
//!
//! Agents can write into these directories. They are opened step by step, no link is followed, and only files are read.

mod dir;
mod pack;
mod read;
mod secrets;
mod surplus;
mod transcript;
mod used;
mod wire;

pub use read::{Entry, Lines, Recorded, RecordedLines};
pub use transcript::{Transcript, TranscriptEnd};

pub(crate) use {
    dir::{RunDir, run_numbers},
    pack::{is_long, pack},
    read::open,
    secrets::secrets,
    surplus::{Stored, surplus},
    used::used,
    wire::without_secrets,
};

/// The raw output of a run.
pub(crate) const OUTPUT: &str = "output.log";
/// What an agent told.
pub(crate) const TRANSCRIPT: &str = "transcript.jsonl";
/// The prompt that an agent got.
pub(crate) const PROMPT: &str = "prompt.md";

/// The name of a file's compressed form.
pub(crate) fn packed(name: &str) -> String {
    format!("{name}.gz")
}
