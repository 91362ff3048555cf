//! What can be typed of mail, plans and the team.

use biplane_model::{AgentName, RequestId, TaskId};
use clap::{Args, Subcommand, ValueEnum, ValueHint};

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Send a message to one of the team. It is in the next prompt of an agent, unless the agent reads it before.
    Send(MailSendArgs),
    /// Send a message to everybody else in the team.
    Broadcast(BroadcastArgs),
    /// Read what waits: each message is delivered once, in order, and does not wait any more then.
    Read(MailReadArgs),
    /// List messages, delivered or not; delivers none.
    List(MailListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MailSendArgs {
    /// Who gets it: `lead`, an agent of the settings, who owns a task, or who has sent mail.
    #[arg(value_name = "NAME")]
    pub(crate) to: AgentName,
    /// What it says; `-` reads it from standard input.
    pub(crate) text: String,
    /// Who sends it; the lead when absent. An agent always sends as itself.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) speaker: Option<AgentName>,
}

#[derive(Debug, Args)]
pub(crate) struct BroadcastArgs {
    /// What it says; `-` reads it from standard input.
    pub(crate) text: String,
    /// Who sends it; the lead when absent. An agent always sends as itself.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) speaker: Option<AgentName>,
}

#[derive(Debug, Args)]
pub(crate) struct MailReadArgs {
    /// Whose mail; the lead's when absent. An agent reads its own.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) reader: Option<AgentName>,
    /// At most so many messages, the oldest first.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) limit: u64,
    /// Show what would be read, and leave it waiting.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MailListArgs {
    /// Only to this one. An agent sees its own.
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<AgentName>,
    /// Only from this one.
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Option<AgentName>,
    /// Only what waits.
    #[arg(long)]
    pub(crate) unread: bool,
    /// Only about this request.
    #[arg(long, value_name = "REQUEST")]
    pub(crate) request: Option<RequestId>,
    /// The newest so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) limit: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// List the plans that tasks wait for.
    List(PlanListArgs),
    /// Show one plan.
    Show {
        /// The plan, such as `q3`.
        plan: RequestId,
    },
    /// Approve a plan: its task is pending again, and the plan is in the next prompt.
    Approve(DecideArgs),
    /// Reject a plan: its task is pending again, and another plan is asked for with the feedback.
    Reject(DecideArgs),
    /// Submit a plan for a task, as an agent does.
    Submit {
        /// The task.
        task: TaskId,
        /// The plan; `-` reads it from standard input.
        text: String,
        /// Who made it; the lead when absent. An agent always submits as itself.
        #[arg(long = "as", value_name = "NAME")]
        speaker: Option<AgentName>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PlanListArgs {
    /// Only for this task.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<TaskId>,
    /// Also those that were decided.
    #[arg(long)]
    pub(crate) all: bool,
    /// The newest so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// The plan, such as `q3`.
    pub(crate) plan: RequestId,
    /// What is to be said with it; needed for a rejection.
    #[arg(long, value_name = "TEXT", default_value = "", value_hint = ValueHint::Other)]
    pub(crate) feedback: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TeamCommand {
    /// Show who is of the team, what each does, and how much mail waits; also without `list`.
    List,
    /// Ask an agent to take no more tasks: what it does goes on to its end, and an idle one is shut down at once.
    Shutdown(ShutdownArgs),
    /// Have an agent take tasks again.
    Recall {
        /// The agent.
        #[arg(value_name = "NAME")]
        agent: AgentName,
    },
    /// Answer the request to shut down, as the agent that was asked.
    Respond(RespondArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShutdownArgs {
    /// The agent.
    #[arg(value_name = "NAME")]
    pub(crate) agent: AgentName,
    /// Why; the agent reads it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Say what would happen, and ask nobody.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RespondArgs {
    /// The request, such as `q3`.
    pub(crate) request: RequestId,
    /// The answer.
    #[arg(value_enum)]
    pub(crate) answer: YesOrNo,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Who answers. An agent always answers as itself.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) speaker: Option<AgentName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesOrNo {
    /// It takes no more tasks.
    Approve,
    /// It goes on.
    Reject,
}
