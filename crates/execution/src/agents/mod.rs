//! Agent programs: how each is started, told what to do, and understood.
//!
//! **Contract.** A [`Driver`] knows one family of programs. For a [`Brief`] it gives a [`Launch`] (what to start) and a
//! [`Dialogue`] (what is said). A dialogue does no I/O: it is fed the lines that the program writes, and answers with
//! [`AgentEvent`]s and with bytes for the program's standard input. So the supervisor stays the only one that moves bytes, and a
//! dialogue is tested with recorded lines.
//!
//! Every text in an event is bounded by [`bounds`]; it is the program's own, and made safe by who shows it.
//!
//! **Deliberately absent:** tasks, settings, the ledger, any judgement: what a program says of its success is an event, not
//! an outcome.

use std::collections::BTreeMap;

use biplane_model::AgentEvent;
use camino::Utf8PathBuf;

use crate::supervise::Input;

/// What an agent is to do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// The program and the arguments that always come first.
    pub command: Vec<String>,
    /// Arguments of the user's that come behind the driver's own.
    pub args: Vec<String>,
    /// The worktree.
    pub cwd: Utf8PathBuf,
    /// What to do.
    pub prompt: String,
    /// A file that holds the prompt too.
    pub prompt_file: Utf8PathBuf,
    /// The conversation to go on with, by the program's own name for it.
    pub session: Option<String>,
    /// What it may do without asking.
    pub permissions: Permissions,
}

/// What an agent may do without asking. What it asks for beyond that is refused: nobody is there to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Permissions {
    /// Read, and change files in its worktree.
    #[default]
    Edits,
    /// Everything that the user who started biplane may do.
    All,
    /// Read only: for roles that verify and review.
    Read,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables that are set in its environment.
    pub env: BTreeMap<String, String>,
    /// What it reads from the start; more may come from the dialogue when that is [`Input::Open`].
    pub input: Input,
}

/// What a dialogue has to say after it was told something.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// What the program told, in our words.
    pub events: Vec<AgentEvent>,
    /// Bytes for its standard input.
    pub input: Vec<u8>,
    /// Whether its standard input is to be closed behind them: there is nothing more to say, and it should end.
    pub close: bool,
}

/// A conversation with one agent program, without any I/O.
pub trait Dialogue: Send {
    /// The program was started.
    fn begin(&mut self) -> Said {
        Said::default()
    }

    /// A line of its standard output, without its end; at most [`bounds::LINE`] bytes of it.
    fn line(&mut self, line: &[u8]) -> Said;

    /// A line of its standard error.
    fn error_line(&mut self, line: &[u8]) -> Said {
        let _ = line;
        Said::default()
    }

    /// It has ended; what was still open is told now.
    fn end(&mut self) -> Said {
        Said::default()
    }
}

/// A family of agent programs.
pub trait Driver: Send + Sync {
    /// What to start for `brief`.
    fn launch(&self, brief: &Brief) -> Launch;
    /// The conversation about `brief`.
    fn dialogue(&self, brief: &Brief) -> Box<dyn Dialogue>;
}

pub mod bounds {
    //! Every bound of this module.

    /// The most bytes of a program's line that are understood; a longer one is cut, and then hardly understood.
    pub const LINE: usize = 4 << 20;
    /// The most bytes of a text in an event.
    pub const TEXT: usize = 16 << 10;
    /// The most characters of a summary.
    pub const SUMMARY: usize = 200;
    /// The most paths of a tool call.
    pub const PATHS: usize = 50;
}
