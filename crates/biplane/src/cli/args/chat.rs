//! What can be typed behind `biplane chat`.

use biplane_agent::model::Protocol;
use biplane_model::AgentName;
use clap::Args;

use super::parse_protocol;

const AFTER: &str = "\
The lead needs a model: the table `[agents.builtin]` in biplane.toml, or `--model`, `--protocol`, `--endpoint` and `--key`. The key itself stands in a variable of \
the environment: `ANTHROPIC_API_KEY` or `OPENAI_API_KEY` for their makers' servers, for others the one that `--key` names.

Permission: before the lead removes or stops something, takes a task from an agent at work, runs a command in a worktree, gives a task a gate of its own, starts \
agents or has them go on, or lands work, it asks: yes, no, or always for this tool in this conversation. Where nobody can be asked, as in a script, such calls are refused unless `--yes` is given.

Exit codes: 0 the turn ended well; 1 the model can't be asked, or does not go on; 3 it ended, and something was refused as nobody was there to permit it; 6 it \
came to a limit; 130 it was stopped.";

/// `biplane chat`
#[derive(Debug, Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct ChatArgs {
    /// Do one turn on this and end; `-` reads it from standard input.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Go on with the last conversation.
    #[arg(short = 'c', long = "continue", conflicts_with = "resume")]
    pub(crate) go_on: bool,
    /// Go on with this conversation.
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<String>,
    /// Permit everything that would be asked about.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Who leads: an agent of `biplane.toml` with the driver `builtin`; or `claude` or `codex`, started here with biplane's tools.
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<AgentName>,
    /// The model of the built-in lead, by its server's name for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// How its server is spoken to: `anthropic`, `openai` or `responses`.
    #[arg(long, value_name = "NAME", value_parser = parse_protocol)]
    pub(crate) protocol: Option<Protocol>,
    /// The server's address, such as `http://127.0.0.1:11434/v1`; its maker's own unless given.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The variable that holds the key.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key: Option<String>,
    /// How many tokens the model can hold.
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(4_000..=10_000_000))]
    pub(crate) context: Option<u64>,
}
