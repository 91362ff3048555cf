//! A shell that owns the terminal.

use super::{
    RunExit, RunObserver, RunSpec, SuperviseError,
    run::{Streams, supervise},
};

/// Runs `spec` with our own input and output, in the terminal's foreground when we are: for a shell. What `spec` says of
/// input, echo, log and foreground is not used. What the shell left running is ended with it.
///
/// # Errors
/// When it can't be started or waited for.
pub fn interactive(spec: &RunSpec, observer: &mut dyn RunObserver) -> Result<RunExit, SuperviseError> {
    supervise(spec, observer, Streams::Ours)
}
