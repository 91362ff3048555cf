//! Agent programs: how each is started, told what to do, and understood.
//!
//! **Contract.** A [`Driver`] knows one family of programs. For a [`Brief`] it gives a [`Launch`] (what to start) and a
//! [`Dialogue`] (what is said). A dialogue does no I/O: it is fed the lines that the program writes, and answers with
//! [`AgentEvent`]s and with bytes for the program's standard input. So the supervisor stays the only one that moves bytes, and a
//! dialogue is tested with recorded lines. The one thing a dialogue looks up by itself is where a path leads, when a program asks
//! whether it may touch it (`permit`).
//!
//! [`Conversation`] joins a dialogue with the bytes of a run, and keeps the tally ([`Told`]). [`presets`] is the table of programs
//! that are known by name, [`find`] looks for them and asks for their versions.
//!
//! What a program may do is decided in one place, `permit`, for every program that asks. It keeps a program that means well
//! within its task; it is no cage for one that does not.
//!
//! Every text in an event is bounded by [`bounds`]; it is the program's own, and made safe by who shows it.
//!
//! **Deliberately absent:** tasks, settings, the ledger, any judgement: what a program says of its success is an event, not
//! an outcome.

use std::collections::BTreeMap;

use biplane_model::{AgentEvent, Usage};
use camino::Utf8PathBuf;
use serde::Deserialize;

use crate::supervise::Input;

pub mod bounds;
pub mod find;
pub mod leading;
pub mod presets;

mod acp;
mod builtin;
mod claude;
mod codex;
mod command;
mod limits;
mod permit;
mod talk;
mod words;

pub use acp::Acp;
pub use builtin::Builtin;
pub use claude::Claude;
pub use codex::Codex;
pub use command::{Command, PromptBy};
pub use talk::{Conversation, Denied, RateLimit, Told};

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
    /// The conversation to go on with, by the program's own name for it.
    pub session: Option<String>,
    /// What that conversation has used before, as far as it was told: some programs tell the sum of all its runs.
    pub used: Usage,
    /// What it may do without asking.
    pub permissions: Permissions,
    /// The server whose tools it gets beside its own; it may use all of them without asking.
    pub server: Option<ToolServer>,
}

/// A server of the Model Context Protocol on standard streams, which the agent's program starts and ends. What it is given here can be
/// read by everybody on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolServer {
    /// What it is called: a word of `a-z`.
    pub name: &'static str,
    /// The program, by its full path, and its arguments.
    pub command: Vec<String>,
    /// Variables that it needs; some programs hand on hardly any of theirs.
    pub env: BTreeMap<String, String>,
}

impl ToolServer {
    /// The program and its arguments.
    fn parts(&self) -> (&str, &[String]) {
        self.command.split_first().map_or(("", &[]), |(program, args)| (program.as_str(), args))
    }
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
    /// Whether it turned out that the program does not know the conversation to go on with: it is to be started again
    /// without one.
    pub lost_session: bool,
}

/// The environment in which an agent's git runs no hooks and nothing of what the worktree holds, unless it may do everything: it
/// can edit what they run. By the variable with which git hands `-c` on to itself, so that it adds to other settings (git 2.31
/// and later read `GIT_CONFIG_COUNT` beside it).
fn quiet_git(permissions: Permissions) -> BTreeMap<String, String> {
    let settings = "'core.hooksPath=/dev/null' 'core.fsmonitor=false' 'safe.bareRepository=explicit'";
    match permissions {
        Permissions::All => BTreeMap::new(),
        Permissions::Edits | Permissions::Read => {
            BTreeMap::from([("GIT_CONFIG_PARAMETERS".to_owned(), settings.to_owned())])
        }
    }
}

/// A conversation with one agent program, without any I/O. The first words stand in [`Launch::input`].
pub trait Dialogue: Send {
    /// A line of its standard output, without its end; at most [`bounds::LINE`] bytes of it.
    fn line(&mut self, line: &[u8]) -> Said;

    /// A line of its standard error, as well.
    fn error_line(&mut self, line: &[u8]) -> Said {
        Said { events: words::raw(line).into_iter().collect(), ..Said::default() }
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

/// The drivers, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverName {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Any program that speaks the Agent Client Protocol on its standard streams.
    Acp,
    /// The built-in agent.
    Builtin,
    /// Any other program.
    Command,
}

impl DriverName {
    /// Every driver.
    pub const ALL: [Self; 5] = [Self::Claude, Self::Codex, Self::Acp, Self::Builtin, Self::Command];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Acp => "acp",
            Self::Builtin => "builtin",
            Self::Command => "command",
        }
    }

    /// Whether its programs can be handed a [`ToolServer`].
    pub fn takes_server(self) -> bool {
        matches!(self, Self::Claude | Self::Codex | Self::Acp)
    }

    /// The driver. How a program gets its prompt is asked of a plain command only; the others have a protocol for it.
    pub fn driver(self, prompt: PromptBy) -> Box<dyn Driver> {
        match self {
            Self::Claude => Box::new(Claude),
            Self::Codex => Box::new(Codex),
            Self::Acp => Box::new(Acp),
            Self::Builtin => Box::new(Builtin),
            Self::Command => Box::new(Command { prompt }),
        }
    }
}

impl std::fmt::Display for DriverName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A brief in which nothing is said.
    pub(super) fn brief() -> Brief {
        Brief {
            command: vec!["agent".to_owned()],
            args: Vec::new(),
            cwd: "/nowhere/wt".into(),
            prompt: "Do it.".to_owned(),
            session: None,
            used: Usage::default(),
            permissions: Permissions::Edits,
            server: None,
        }
    }

    #[test]
    fn drivers_are_known_by_their_words() {
        for kind in DriverName::ALL {
            let word = format!("\"{kind}\"");
            assert_eq!(serde_json::from_str::<DriverName>(&word).unwrap(), kind);
        }
    }
}
