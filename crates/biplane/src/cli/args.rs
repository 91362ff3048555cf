//! What can be typed.
//!
//! Long because it is the one list of commands and arguments, with the help text of each.

mod chat;
mod team;

use std::time::Duration;

use biplane_agent::model::Protocol;
use biplane_coordination::{StopTarget, settings::parse_duration};
use biplane_model::{
    AgentName, Label, PlanPolicy, ProfileName, RepoName, Seq, Strategy, TaskId, TaskPrefix, TaskStatus,
    WorktreeName,
};
use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use chat::ChatArgs;
pub(crate) use team::{
    DecideArgs, MailCommand, MailListArgs, MailReadArgs, MailSendArgs, PlanCommand, PlanListArgs,
    RespondArgs, ShutdownArgs, TeamCommand, YesOrNo,
};

pub(crate) const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 refused by policy or safety, 4 conflict, 5 not found, \
                          6 busy or out of time.";

/// Run many coding agents on one repository: no work is ever lost, main is never broken.
#[derive(Debug, Parser)]
#[command(name = "biplane", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Answer in JSON: one value, or a line for each event.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Act as if started in this directory.
    #[arg(short = 'C', value_name = "DIR", global = true, value_hint = ValueHint::DirPath)]
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Say how things are done.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented settings file and the exclude entries; with `--agent`, tell agent programs of biplane.
    Init(InitArgs),
    /// Tasks: what is to be done.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Worktrees: where it is done.
    #[command(subcommand, visible_alias = "wt")]
    Worktree(WorktreeCommand),
    /// The commands that make new worktrees ready to build, and whether they may be run.
    #[command(subcommand)]
    Setup(SetupCommand),
    /// Run a command in a worktree, as if one stood there.
    Run(RunArgs),
    /// Give ready tasks to agents until none is left.
    Up(UpArgs),
    /// Stop a run, or what is at work on a task; the task waits for a person then.
    Stop(StopArgs),
    /// Have every `up` start no more agents until it is resumed; what is at work goes on.
    Pause,
    /// Have every `up` start agents again.
    Resume,
    /// Have every `up` end when what is at work is done.
    Drain,
    /// Show whose work would conflict with the target or with one another's, uncommitted changes included.
    Conflicts(ConflictsArgs),
    /// Freeze a worktree's branch for landing; its task is in review then.
    Submit(MergeArgs),
    /// Submit a worktree's branch, test the merged result, and land it.
    Merge(MergeArgs),
    /// Mail between the lead and agents.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Plans that agents have made for tasks, and their approval.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Who is of the team, what each does, and who takes no more tasks.
    Team {
        #[command(subcommand)]
        command: Option<TeamCommand>,
    },
    /// Talk with a lead, who has the board's tools: say in your own words what is to be done.
    Chat(ChatArgs),
    /// What happened, in order.
    Events(EventsArgs),
    /// What a run wrote and what its agent told; or which runs there were.
    Log(LogArgs),
    /// What agents have used: tokens, cost and time, as far as they told.
    Usage(UsageArgs),
    /// Serve programs that speak the Model Context Protocol, on standard input and output or on a port.
    Mcp(McpArgs),
    /// Compare ledger, views, git and disk.
    Doctor(DoctorArgs),
    /// Take over a board that other tools wrote into `.tasks/` and `.worktrees/`.
    Import(ImportArgs),
    /// Watch several agents on a sample repository, with a conflict and a broken change.
    Demo(DemoArgs),
    /// Write the reference pages into a directory.
    #[command(hide = true)]
    Reference {
        /// The directory.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Utf8PathBuf,
    },
    /// Look after spare worktrees and what removals have left; started by other commands, in the background.
    #[command(hide = true)]
    Tend,
    /// What the hooks of agent programs call.
    #[command(hide = true, subcommand)]
    Hook(HookCommand),
    /// The built-in agent, with lines of JSON in both directions; started by a run.
    #[command(hide = true)]
    BuiltinAgent(BuiltinArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Write biplane's MCP server, a section on how to work with it, and hooks into the files that this program reads; may be
    /// given several times. `all` are those on `PATH`. Each change is shown first.
    #[arg(long, value_name = "PROGRAM", value_enum, value_delimiter = ',')]
    pub(crate) agent: Vec<HookupArg>,
    /// Take out again what was written for these programs.
    #[arg(long, requires = "agent")]
    pub(crate) undo: bool,
    /// Leave a part out; may be given several times.
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',', requires = "agent")]
    pub(crate) without: Vec<HookupPartArg>,
    /// Write without asking.
    #[arg(long, requires = "agent")]
    pub(crate) yes: bool,
    /// Show the changes and write nothing.
    #[arg(long, requires = "agent", conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

/// An agent program that can be told of biplane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookupArg {
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// Qwen Code.
    Qwen,
    /// OpenCode.
    #[value(name = "opencode")]
    OpenCode,
    /// GitHub Copilot CLI.
    Copilot,
    /// Those that are on `PATH`; with `--undo` all of them.
    All,
}

/// A part of what is written for an agent program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HookupPartArg {
    /// The entry of the MCP server.
    Server,
    /// The section in the file of instructions.
    Instructions,
    /// The hooks, where the program has them.
    Hooks,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// The hooks of Claude Code.
    #[command(subcommand)]
    Claude(ClaudeHook),
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum ClaudeHook {
    /// Make a worktree with a name like the one on standard input; prints where it is.
    WorktreeCreate,
    /// Remove the worktree that is named on standard input.
    WorktreeRemove,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Create a task.
    Create(TaskCreateArgs),
    /// List the tasks.
    List(TaskListArgs),
    /// Show one task.
    Show {
        /// The task.
        id: TaskId,
    },
    /// Show the prompt that an agent would get for a task now.
    Prompt {
        /// The task.
        id: TaskId,
        /// What the agent is to do for it.
        #[arg(long, value_name = "ROLE", value_enum, default_value_t = RoleArg::Implement)]
        role: RoleArg,
    },
    /// Change what a task says, or its state by name.
    Update(TaskUpdateArgs),
    /// Become the owner of a task: of the next ready one when none is named.
    Claim(TaskClaimArgs),
    /// Give a claim back.
    Release {
        /// The task.
        id: TaskId,
    },
    /// Mark a task as done.
    Complete {
        /// The task.
        id: TaskId,
    },
    /// Give a task up.
    Fail(ReasonArgs),
    /// Call a task off.
    Cancel(ReasonArgs),
    /// Set a task aside for a person.
    Block(ReasonArgs),
    /// Make a blocked, failed or cancelled task pending again; its attempts, time and cost are counted anew.
    Reopen {
        /// The task.
        id: TaskId,
    },
    /// Have a blocked, failed or cancelled task tried again. As `reopen`, but content with one that is pending, and not with
    /// one that is being worked on.
    Retry {
        /// The task.
        id: TaskId,
    },
    /// Send the work on a task back with comments: from review, or when it is blocked or has failed. Its worktree stays, what
    /// was submitted is withdrawn, and it counts as a revision.
    Return(ReturnArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReturnArgs {
    /// The task.
    pub(crate) id: TaskId,
    /// What is to be done differently; the next attempt reads it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// A run, such as `r17`, or a task.
    #[arg(value_name = "RUN|TASK")]
    pub(crate) target: StopTarget,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ReasonArgs {
    /// The task.
    pub(crate) id: TaskId,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct TaskCreateArgs {
    /// What to do, in a line.
    pub(crate) subject: String,
    /// What to do, at length.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
    /// A task that must be completed first; may be given several times.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) after: Vec<TaskId>,
    /// Number it in a family of its own: `auth` gives `auth_001`.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<TaskPrefix>,
    /// Higher goes first.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) priority: i64,
    /// A label; may be given several times.
    #[arg(long = "label", value_name = "LABEL", value_delimiter = ',')]
    pub(crate) labels: Vec<Label>,
    /// Who it is meant for: whose it is whenever nobody has claimed it.
    #[arg(long, value_name = "AGENT")]
    pub(crate) owner: Option<AgentName>,
    /// The gate its work must pass instead of the settings' one.
    #[arg(long, value_name = "CMD")]
    pub(crate) gate: Option<String>,
    /// The profile its work goes through instead of the settings' one.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<ProfileName>,
    /// Whether a plan has to be approved before its work begins: `required` or `none`; what the settings say of profile and
    /// agent when absent.
    #[arg(long, value_name = "WHETHER")]
    pub(crate) plan: Option<PlanPolicy>,
    /// The repository it is about, by the name of its `[[repo]]`; the one that one stands in when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) repo: Option<RepoName>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskListArgs {
    /// Only tasks in this state.
    #[arg(long, value_name = "STATE", conflicts_with = "ready")]
    pub(crate) status: Option<TaskStatus>,
    /// Only tasks that can be begun now, in the order in which they would be.
    #[arg(long)]
    pub(crate) ready: bool,
    /// Only tasks of this owner.
    #[arg(long, value_name = "AGENT", conflicts_with = "ready")]
    pub(crate) owner: Option<String>,
    /// Only tasks with this label.
    #[arg(long, value_name = "LABEL", conflicts_with = "ready")]
    pub(crate) label: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskUpdateArgs {
    /// The task.
    pub(crate) id: TaskId,
    /// The state to go to.
    #[arg(long, value_name = "STATE")]
    pub(crate) status: Option<TaskStatus>,
    /// Give it to somebody: whose it is now, and whenever nobody has claimed it.
    #[arg(long, value_name = "AGENT", conflicts_with = "no_owner")]
    pub(crate) owner: Option<AgentName>,
    /// Nobody owns it.
    #[arg(long)]
    pub(crate) no_owner: bool,
    /// What to do, in a line.
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// What to do, at length.
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Higher goes first.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) priority: Option<i64>,
    /// The labels, all of them.
    #[arg(long = "label", value_name = "LABEL", value_delimiter = ',', conflicts_with = "no_labels")]
    pub(crate) labels: Vec<Label>,
    /// No labels.
    #[arg(long)]
    pub(crate) no_labels: bool,
    /// The tasks that must be completed first, all of them.
    #[arg(long, value_name = "ID", value_delimiter = ',', conflicts_with = "no_after")]
    pub(crate) after: Vec<TaskId>,
    /// It waits for nothing.
    #[arg(long)]
    pub(crate) no_after: bool,
    /// The gate of this task alone.
    #[arg(long, value_name = "CMD", conflicts_with = "no_gate")]
    pub(crate) gate: Option<String>,
    /// The settings' gate again.
    #[arg(long)]
    pub(crate) no_gate: bool,
    /// The profile of this task alone.
    #[arg(long, value_name = "NAME", conflicts_with = "no_profile")]
    pub(crate) profile: Option<ProfileName>,
    /// The settings' profile again.
    #[arg(long)]
    pub(crate) no_profile: bool,
    /// Whether a plan has to be approved before its work begins: `required` or `none`.
    #[arg(long, value_name = "WHETHER", conflicts_with = "no_plan")]
    pub(crate) plan: Option<PlanPolicy>,
    /// What the settings say of a plan again.
    #[arg(long)]
    pub(crate) no_plan: bool,
    /// Why, for the moves that have a reason.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Only if the task is still at this revision.
    #[arg(long, value_name = "N")]
    pub(crate) rev: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct TaskClaimArgs {
    /// The task; the next ready one when absent.
    pub(crate) id: Option<TaskId>,
    /// Who claims.
    #[arg(long, value_name = "AGENT")]
    pub(crate) owner: AgentName,
    /// How long the claim holds, such as `8h`; a day unless set.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) lease: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorktreeCommand {
    /// Create a worktree on a branch of its own, `wt/NAME`.
    Create(WorktreeCreateArgs),
    /// Bind a worktree to a task.
    Bind(WorktreeBindArgs),
    /// Unbind a worktree from its task.
    Unbind {
        /// The worktree.
        name: WorktreeName,
    },
    /// List the worktrees.
    List {
        /// Removed ones too.
        #[arg(long)]
        all: bool,
    },
    /// Show what is in a worktree.
    Status {
        /// The worktree.
        name: WorktreeName,
    },
    /// Show what a worktree changes, uncommitted and untracked files included.
    Diff {
        /// The worktree.
        name: WorktreeName,
        /// Only the files and how many lines changed.
        #[arg(long)]
        stat: bool,
    },
    /// Print where a worktree is.
    Path {
        /// The worktree.
        name: WorktreeName,
    },
    /// Make a worktree ready to build: bring ignored files, run the approved set-up commands. May be done again.
    Setup {
        /// The worktree.
        name: WorktreeName,
    },
    /// Open a shell in a worktree.
    Enter {
        /// The worktree.
        name: WorktreeName,
    },
    /// Keep a worktree for review.
    Keep {
        /// The worktree.
        name: WorktreeName,
        /// Why.
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Take over a worktree that a person or another tool has made. It stays where it is, on its own branch.
    Adopt(WorktreeAdoptArgs),
    /// Remove a worktree and its branch. Refused while it has work that the target lacks.
    Remove(WorktreeRemoveArgs),
    /// Make a removed worktree again as a snapshot holds it: commits, index, files, modes.
    Restore(WorktreeRestoreArgs),
    /// List the snapshots, or delete those that nobody needs any more.
    Snapshots(WorktreeSnapshotsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeCreateArgs {
    /// Its name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub(crate) name: WorktreeName,
    /// The task to bind it to.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<TaskId>,
    /// The branch, tag or commit to start at; HEAD of the main checkout unless given.
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
    /// Fetch the branch of a remote that the base is, or that it follows, first.
    #[arg(long)]
    pub(crate) fetch: bool,
    /// Leave the task as it is, so that it may still be claimed.
    #[arg(long)]
    pub(crate) no_start: bool,
    /// The owner the task gets when it has none.
    #[arg(long, value_name = "AGENT", requires = "task")]
    pub(crate) owner: Option<AgentName>,
    /// Bring no ignored files into it and run no set-up commands.
    #[arg(long)]
    pub(crate) no_setup: bool,
    /// The repository it is to be one of, by the name of its `[[repo]]`; the task's, else the one that one stands in.
    #[arg(long, value_name = "NAME")]
    pub(crate) repo: Option<RepoName>,
}

#[derive(Debug, Args)]
pub(crate) struct RepoArgs {
    /// The repository that is meant, by the name of its `[[repo]]`; the one that one stands in when absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) repo: Option<RepoName>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Show the set-up commands and whether they are approved.
    Show(RepoArgs),
    /// Approve exactly the set-up commands that there are now. For a person: refused inside a run.
    Approve {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        of: RepoArgs,
    },
    /// Take every approval back.
    Revoke(RepoArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeBindArgs {
    /// The worktree.
    pub(crate) name: WorktreeName,
    /// The task.
    #[arg(long, value_name = "ID")]
    pub(crate) task: TaskId,
    /// The owner the task gets when it has none.
    #[arg(long, value_name = "AGENT")]
    pub(crate) owner: Option<AgentName>,
    /// Leave the task as it is, so that it may still be claimed.
    #[arg(long)]
    pub(crate) no_start: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeAdoptArgs {
    /// Its directory.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) path: Utf8PathBuf,
    /// What to call it; the directory's name, made valid, unless given.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<WorktreeName>,
    /// The task to bind it to.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<TaskId>,
    /// Say what would be recorded, and record nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeRemoveArgs {
    /// The worktree.
    pub(crate) name: WorktreeName,
    /// Remove it even with uncommitted or unlanded work; a snapshot ref holds that then.
    #[arg(long, visible_alias = "discard-changes")]
    pub(crate) force: bool,
    /// End the processes that are at work in it, but for those that started this command.
    #[arg(long)]
    pub(crate) kill: bool,
    /// Complete its task too.
    #[arg(long)]
    pub(crate) complete_task: bool,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) reason: String,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeRestoreArgs {
    /// The name of the worktree that a snapshot was taken of.
    pub(crate) name: WorktreeName,
    /// The snapshot's number; the newest one unless given.
    #[arg(long, value_name = "N")]
    pub(crate) snapshot: Option<u64>,
    /// Another name for the restored worktree.
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) new_name: Option<WorktreeName>,
    /// Replace the worktree of that name; a snapshot holds it first.
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WorktreeSnapshotsArgs {
    /// Only those of this worktree, which may be gone.
    pub(crate) name: Option<WorktreeName>,
    /// Delete those that are older, or more, than `[snapshots]` in the settings keeps; never the last of unlanded work.
    #[arg(long)]
    pub(crate) prune: bool,
    /// Say which would be deleted, and delete none.
    #[arg(long, requires = "prune")]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The worktree.
    pub(crate) name: WorktreeName,
    /// How long it may take, such as `300s` or `10m`; the settings' time unless given.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConflictsArgs {
    /// Only what one of these worktrees has a part in; all unless given.
    pub(crate) names: Vec<WorktreeName>,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The worktree.
    pub(crate) name: WorktreeName,
    /// The command that must pass on the merged result; the task's or the settings' one unless given.
    #[arg(long, value_name = "CMD", conflicts_with = "no_gate")]
    pub(crate) gate: Option<String>,
    /// Land untested.
    #[arg(long)]
    pub(crate) no_gate: bool,
    /// How it is brought onto the target: `merge`, `squash` or `rebase`.
    #[arg(long, value_name = "HOW")]
    pub(crate) strategy: Option<Strategy>,
    /// Do without the approval of those that the task's profile has verify and review the work. The event says so.
    #[arg(long)]
    pub(crate) unexamined: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// How many agents at once.
    #[arg(long, value_name = "N")]
    pub(crate) agents: Option<usize>,
    /// An agent, by its name in `biplane.toml` or as a known program (`claude`, `codex`, …); may be given several times, those
    /// named first before the others.
    #[arg(long = "agent", value_name = "NAME", value_delimiter = ',')]
    pub(crate) agent: Vec<AgentName>,
    /// The command that must pass on the merged result; each task's or the settings' one unless given. What is queued already keeps its own.
    #[arg(long, value_name = "CMD", conflicts_with = "no_gate")]
    pub(crate) gate: Option<String>,
    /// Land untested.
    #[arg(long)]
    pub(crate) no_gate: bool,
    /// Start agents in worktrees that no ignored files were brought into and no set-up commands were run in.
    #[arg(long)]
    pub(crate) no_setup: bool,
    /// Wait for new tasks and submissions when nothing is left to do, until `^C` or `biplane drain`.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Started by a lead, away from any terminal.
    #[arg(long, hide = true)]
    pub(crate) in_background: bool,
    /// A command to use as agent instead of one in `biplane.toml`; `{prompt}` in it stands for the prompt.
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// At most so many; the newest 20 unless this or `--since` is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Only those after this number.
    #[arg(long, value_name = "SEQ", value_parser = sequence)]
    pub(crate) since: Option<Seq>,
    /// Only about this task.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<TaskId>,
    /// Only about this worktree.
    #[arg(long, value_name = "NAME")]
    pub(crate) worktree: Option<WorktreeName>,
    /// Go on with what happens from now on, until ^C.
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The run, such as `r17`; or a task or a worktree, for its newest run.
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    pub(crate) run: Option<String>,
    /// The output as it is, not what the agent told. On a terminal it is made harmless.
    #[arg(long, conflicts_with = "list")]
    pub(crate) raw: bool,
    /// Go on until the run has ended, or ^C.
    #[arg(short, long, conflicts_with = "list")]
    pub(crate) follow: bool,
    /// List runs instead, the newest last.
    #[arg(long)]
    pub(crate) list: bool,
    /// Only runs for this task.
    #[arg(long, value_name = "ID", requires = "list")]
    pub(crate) task: Option<TaskId>,
    /// At most so many runs; the newest 50 unless given.
    #[arg(long, value_name = "N", requires = "list", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// What the sums are made for.
    #[arg(long, value_enum, default_value_t = SumsBy::Task)]
    pub(crate) by: SumsBy,
    /// Only runs that were started since then: a day such as `2026-01-31`, or a time ago such as `24h` or `7d`.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<Since>,
}

/// What an agent does for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Saying how it would be done.
    Plan,
    /// The work.
    Implement,
    /// Testing it.
    Verify,
    /// Reading it.
    Review,
}

/// What sums of usage are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SumsBy {
    /// Each task.
    Task,
    /// Each day.
    Day,
    /// Each agent.
    Agent,
}

/// A beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// The beginning of this day, where one is.
    Day(jiff::civil::Date),
    /// So long ago.
    Ago(Duration),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Repair what is safe to repair.
    #[arg(long)]
    pub(crate) fix: bool,
    /// Make a lost or damaged ledger anew from views and git; says what would be brought back unless `--fix` is given.
    #[arg(long)]
    pub(crate) rebuild: bool,
}

#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    /// Serve on this address instead, such as `127.0.0.1:8137`; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) http: Option<std::net::SocketAddr>,
    /// Keep to this task: nothing else may be changed.
    #[arg(long, value_name = "ID")]
    pub(crate) task: Option<TaskId>,
    /// Serve on an address that other machines reach.
    #[arg(long, requires = "http")]
    pub(crate) expose: bool,
    /// A name or address with its port by which the server is reached, as it stands in the `Host` header; may be given several times.
    #[arg(long = "host", value_name = "NAME[:PORT]", requires = "http")]
    pub(crate) hosts: Vec<String>,
    /// A page in a browser that may speak with the server, such as `https://board.example:8443`; may be given several times.
    #[arg(long = "origin", value_name = "ORIGIN", requires = "http")]
    pub(crate) origins: Vec<String>,
    /// A file with the token to be shown; without it `BIPLANE_MCP_TOKEN`, else one that is made for the home.
    #[arg(long, value_name = "FILE", requires = "http", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: Option<Utf8PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Say what would be taken over, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to make the sample repository; a temporary directory unless given.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) at: Option<Utf8PathBuf>,
    /// Leave the sample repository there, to look at.
    #[arg(long)]
    pub(crate) keep: bool,
}

fn sequence(text: &str) -> Result<Seq, String> {
    text.parse().map(Seq).map_err(|_| "an event's number is a whole number".to_owned())
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(day) = text.parse() {
        return Ok(Since::Day(day));
    }
    let fault = "use a day such as `2026-01-31`, or a time ago such as `24h` or `7d`";
    parse_duration(text).map(Since::Ago).map_err(|_| fault.to_owned())
}

/// The model of the built-in agent, as its settings become arguments.
#[derive(Debug, Args)]
pub(crate) struct BuiltinArgs {
    /// The model, by its server's name for it.
    #[arg(long)]
    pub(crate) model: String,
    /// How its server is spoken to.
    #[arg(long, value_parser = parse_protocol)]
    pub(crate) protocol: Protocol,
    /// The server's address.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The variable that holds the key.
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) key: Option<String>,
    /// How many tokens the model can hold.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context: Option<u64>,
}

pub(crate) fn parse_protocol(word: &str) -> Result<Protocol, String> {
    Protocol::from_word(word).ok_or_else(|| "use anthropic, openai or responses".to_owned())
}
