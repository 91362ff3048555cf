//! What an agent said to have used, from its transcript: for runs whose supervisor died before it could note that.

use std::io;

use biplane_model::{AgentEvent, Usage};

use super::{
    TRANSCRIPT,
    dir::RunDir,
    read::{Entry, open, parse},
};

/// The sum of what the transcript in `dir` tells; nothing where there is none. No more than `most` bytes of it are read.
///
/// # Errors
/// When it can't be read.
pub(crate) fn used(dir: &RunDir, most: u64) -> io::Result<Usage> {
    let mut sum = Usage::default();
    let Some(mut lines) = open(dir, TRANSCRIPT)? else { return Ok(sum) };
    let mut read = 0;
    while read < most
        && let Some(line) = lines.next_line()?
    {
        read += line.len() as u64 + 1;
        if let Entry::Told(AgentEvent::Usage { usage }) = parse(&line).entry {
            sum += usage;
        }
    }
    Ok(sum)
}
