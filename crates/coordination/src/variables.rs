//! Every variable of the environment that biplane reads or sets.
//!
//! **Contract.** [`ALL`] is complete: a test of the reference looks for names in the sources that it lacks.

pub use biplane_execution::supervise::env::KEPT_GIT_VARIABLES;

/// A directory inside the home; overrules where one stands.
pub const ROOT: &str = "BIPLANE_ROOT";
/// Who is at work, for the events.
pub const ACTOR: &str = "BIPLANE_ACTOR";
/// The task a run works on.
pub const TASK_ID: &str = "BIPLANE_TASK_ID";
/// The epoch of the claim a run works under.
pub const EPOCH: &str = "BIPLANE_EPOCH";
/// The worktree a run is in.
pub const WORKTREE: &str = "BIPLANE_WORKTREE";
/// The run's id.
pub const RUN_ID: &str = "BIPLANE_RUN_ID";
/// The mark of a run's processes, unique on this machine.
pub const RUN_MARK: &str = "BIPLANE_RUN_MARK";
/// The file with an agent's prompt.
pub const PROMPT_FILE: &str = "BIPLANE_PROMPT_FILE";
/// Which attempt at its task an agent makes.
pub const ATTEMPT: &str = "BIPLANE_ATTEMPT";

/// What the names of all variables of ours begin with.
pub const PREFIX: &str = "BIPLANE_";
/// The first port of a worktree; `_1`, `_2`, … behind it are the others.
pub const PORT: &str = "BIPLANE_PORT";
/// The token that those who speak with `biplane mcp --http` must show.
pub const MCP_TOKEN: &str = "BIPLANE_MCP_TOKEN";
/// Whether anything may be started in the background.
pub const BACKGROUND: &str = "BIPLANE_BACKGROUND";

/// What a server needs that an agent's program starts, beyond what every program gets; some hand on hardly any of their variables. None of
/// them is a secret: they may stand on a command line.
pub(crate) const FOR_SERVER: [&str; 7] = [
    BACKGROUND,
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
];

/// A variable, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What biplane does when it finds it; empty when it reads it never.
    pub read: &'static str,
    /// For which processes biplane sets it, and to what; empty when it sets it never.
    pub set: &'static str,
}

/// Every variable.
pub const ALL: &[Variable] = &[
    Variable {
        name: ROOT,
        read: "names a directory inside the home or one of its further repositories, and overrules the current directory",
        set: "every run: the top of the home, also in a further repository, so that `biplane` in a run finds the same board",
    },
    Variable {
        name: ACTOR,
        read: "the name that events give as `actor`; without it `USER`, then `LOGNAME`",
        set: "runs of an agent: the agent's name",
    },
    Variable {
        name: TASK_ID,
        read: "the task whose claim the caller works under; commands that change this task check `BIPLANE_EPOCH`",
        set: "every run for a task: the task's id",
    },
    Variable {
        name: EPOCH,
        read: "the caller's epoch; when the task `BIPLANE_TASK_ID` has another by now, the command is refused",
        set: "every run for a task: the task's epoch when the run started",
    },
    Variable {
        name: WORKTREE,
        read: "",
        set: "every run: the worktree's name; for a gate, the submitted one's",
    },
    Variable { name: RUN_ID, read: "", set: "every run: the run's id, such as `r17`" },
    Variable {
        name: RUN_MARK,
        read: "processes that carry the mark of a run are ended with it",
        set: "every run: a mark that no other run on the machine has",
    },
    Variable {
        name: PROMPT_FILE,
        read: "",
        set: "runs of an agent: a file with the whole prompt, however else the agent gets it",
    },
    Variable {
        name: ATTEMPT,
        read: "",
        set: "runs of an agent: 1 for the first attempt at the task, then 2, 3, …",
    },
    Variable {
        name: PORT,
        read: "",
        set: "every run in a worktree that leases ports, and the gate, which has ports of its own: the first of them",
    },
    Variable {
        name: "BIPLANE_PORT_1",
        read: "",
        set: "as `BIPLANE_PORT`: the second port; `BIPLANE_PORT_2` the third, …",
    },
    Variable {
        name: "BIPLANE_HELPER",
        read: "processes that carry it are never taken for a run's",
        set: "the git commands that biplane runs for itself, and biplane in the background",
    },
    Variable {
        name: "BIPLANE_TOOL",
        read: "processes that carry it are ended with the command of the built-in agent that it names",
        set: "the commands of the built-in agent: a mark that no other has",
    },
    Variable {
        name: BACKGROUND,
        read: "`0`: nothing is started in the background; what is removed is deleted before the command ends, no spare \
               worktrees are made, and logs are neither compressed nor deleted",
        set: "",
    },
    Variable {
        name: "XDG_STATE_HOME",
        read: "where the leases of ports of all repositories are kept, in `biplane/ports`, and the conversations of the built-in agent, in \
               `biplane/conversations`; without it `.local/state` in `HOME`",
        set: "",
    },
    Variable {
        name: MCP_TOKEN,
        read: "the token that those who speak with `biplane mcp --http` must show, instead of the one that is made for the home",
        set: "",
    },
    Variable { name: "HOME", read: "see `XDG_STATE_HOME`", set: "" },
    Variable {
        name: "SHELL",
        read: "the shell that `biplane worktree enter` opens; `/bin/sh` without it",
        set: "",
    },
    Variable {
        name: "NO_COLOR",
        read: "help and usage errors have no colour; nothing else has any",
        set: "",
    },
];
