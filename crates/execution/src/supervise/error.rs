//! What can go wrong when a process is to be run.

use std::{io, time::Duration};

use camino::Utf8PathBuf;

/// Why a command could not be run, or its output not be had.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// There is no such program, or it may not be executed.
    #[error("can't find the program `{program}`")]
    NotFound {
        /// The program as given.
        program: String,
    },
    /// The directory to run in does not exist.
    #[error("can't run `{program}`: no directory `{path}`")]
    NoDirectory {
        /// The program as given.
        program: String,
        /// The directory.
        path: Utf8PathBuf,
    },
    /// The system refused to start it.
    #[error("can't start `{program}`")]
    Spawn {
        /// The program as given.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// It ran longer than it may, and was killed with its process group.
    #[error("`{program}` did not end within {} s", after.as_secs_f32())]
    TimedOut {
        /// The program as given.
        program: String,
        /// How long it was given.
        after: Duration,
    },
    /// It wrote more than is kept, and was killed with its process group.
    #[error("`{program}` wrote more than {most} bytes")]
    TooMuchOutput {
        /// The program as given.
        program: String,
        /// The bound in bytes.
        most: usize,
    },
    /// It waited for the other end of a named pipe, and was killed with its process group.
    #[error("`{program}` waits for a named pipe: {}", pipe_words(path.as_deref()))]
    NamedPipe {
        /// The program as given.
        program: String,
        /// The pipe, when the system tells.
        path: Option<String>,
    },
    /// It was at work when this process was asked a second time to stop, and was killed with its process group.
    #[error("`{program}` was ended, as everything was to stop at once")]
    Stopped {
        /// The program as given.
        program: String,
    },
    /// Waiting for it, or talking to it, failed; it was killed.
    #[error("lost touch with `{program}`")]
    Wait {
        /// The program as given.
        program: String,
        /// Why.
        source: io::Error,
    },
}

fn pipe_words(path: Option<&str>) -> String {
    match path {
        Some(path) => format!("`{path}` is one, not a regular file; delete it"),
        None => "look for one with `find . -type p` and delete it".to_owned(),
    }
}
