//! The settings of agents: what each is, which of them `up` starts, and when.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use biplane_execution::agents::{Driver, DriverName, Permissions, PromptBy, presets};
use biplane_model::{AgentName, Label, Member, PlanPolicy, sanitize_line};
use serde::Deserialize;

use super::{builtin, parse_bytes, parse_duration, tasks};
use crate::{
    bounds,
    error::{Error, Result},
};

/// A program that works on tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// How it is driven.
    pub driver: DriverName,
    /// The program and the arguments that always come first; `{prompt}` in an argument of a plain command stands for the prompt.
    pub command: Vec<String>,
    /// Arguments that come behind those of the driver.
    pub args: Vec<String>,
    /// How a plain command gets the prompt.
    pub prompt: PromptBy,
    /// What it may do without asking.
    pub permissions: Permissions,
    /// How long it may take.
    pub timeout: Duration,
    /// Variables set in its environment.
    pub env: BTreeMap<String, String>,
    /// Whether it can go on in a worktree where an earlier attempt has left work. If not, every attempt begins in a
    /// fresh worktree at the target's tip, and what was there is in a snapshot.
    pub resume: bool,
    /// How many of it at once.
    pub max: usize,
    /// The memory that one of it needs, in bytes; 0 where nobody has said.
    pub memory: u64,
    /// What it is good for: it takes tasks with one of these labels before others do.
    pub labels: Vec<Label>,
    /// The variable of the environment with the key of its model's server, where we know of one.
    pub key: Option<String>,
    /// What it is there for, in a line: it stands in its prompts, and where the team is shown.
    pub role: String,
    /// Whether a plan has to be approved before it begins the work on a task.
    pub plan: Option<PlanPolicy>,
    /// Whether it is to have biplane's own tools, as far as its driver can hand them to it.
    pub mcp: bool,
}

impl Agent {
    /// An agent that runs `command`. Without a wish it gets the prompt as argument when the command has a place for it,
    /// otherwise on standard input.
    pub fn new(command: Vec<String>, prompt: Option<PromptBy>) -> Self {
        let prompt = prompt.unwrap_or_else(|| PromptBy::usual(&command));
        Self {
            driver: DriverName::Command,
            command,
            args: Vec::new(),
            prompt,
            permissions: Permissions::default(),
            timeout: bounds::AGENT_TIMEOUT,
            env: BTreeMap::new(),
            resume: false,
            max: bounds::MOST_AGENTS,
            memory: 0,
            labels: Vec::new(),
            key: None,
            role: String::new(),
            plan: None,
            mcp: true,
        }
    }

    /// The known program `name`, as it is without any settings.
    pub fn known(name: &AgentName) -> Option<Self> {
        if name.as_str() == DriverName::Builtin.as_str() {
            return Some(builtin::agent());
        }
        let preset = presets::preset(name.as_str())?;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(Self {
            driver: preset.driver,
            env: preset.env.iter().map(own).collect(),
            resume: preset.driver != DriverName::Command,
            memory: preset.memory,
            ..Self::new(preset.command(), None)
        })
    }

    /// What speaks with it.
    pub(crate) fn driver(&self) -> Box<dyn Driver> {
        self.driver.driver(self.prompt)
    }

    /// Whether its program is handed biplane's server.
    pub(crate) fn takes_server(&self) -> bool {
        self.mcp && self.driver.takes_server()
    }

    /// Whether its output is a protocol's, and not for people.
    pub(crate) fn is_structured(&self) -> bool {
        self.driver != DriverName::Command
    }
}

/// When `up` starts agents, beyond how many.
#[derive(Debug, Clone, PartialEq)]
pub struct Up {
    /// The agents it may start; the one of `agent` when empty.
    pub team: Vec<AgentName>,
    /// A ready task gains one in priority each time it has waited so long.
    pub ageing: Duration,
    /// Whether the target is merged into a worktree before the next attempt in it.
    pub merge_target: bool,
    /// Free memory that is left for others, in bytes.
    pub min_memory: u64,
    /// Free space that is left on the disk of the worktrees, in bytes.
    pub min_disk: u64,
    /// The load for each processor from which on no agent is started; 0: any.
    pub max_load: f64,
    /// How long the claim of a run holds unless it is renewed.
    pub lease: Duration,
    /// How often a run of a task may be lost until the task waits for a person.
    pub recoveries: u32,
    /// What becomes of an attempt that worked outside of its worktree.
    pub outside: Outside,
}

/// What becomes of an attempt when something was changed outside of its worktree that nothing explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// It ends, and its task waits for a person.
    Block,
    /// It is told, and the attempt goes on.
    Tell,
}

impl Default for Up {
    fn default() -> Self {
        Self {
            team: Vec::new(),
            ageing: bounds::AGEING,
            merge_target: true,
            min_memory: bounds::MIN_MEMORY,
            min_disk: bounds::MIN_DISK,
            max_load: bounds::MAX_LOAD,
            lease: bounds::RUN_LEASE,
            recoveries: bounds::RECOVERIES,
            outside: Outside::Block,
        }
    }
}

pub(super) type Word = Option<toml::Spanned<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileAgent {
    driver: Option<DriverName>,
    command: Option<Vec<String>>,
    #[serde(default)]
    args: Vec<String>,
    prompt: Option<PromptBy>,
    permissions: Option<FilePermissions>,
    timeout: Word,
    #[serde(default)]
    env: BTreeMap<String, String>,
    resume: Option<bool>,
    max: Option<toml::Spanned<usize>>,
    memory: Word,
    #[serde(default)]
    labels: Vec<Label>,
    model: Word,
    endpoint: Word,
    protocol: Option<builtin::Protocol>,
    key: Word,
    context: Option<toml::Spanned<u64>>,
    role: Option<toml::Spanned<String>>,
    plan: Option<PlanPolicy>,
    mcp: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FilePermissions {
    Edits,
    All,
}

/// Makes an error of what is wrong at a place in the file.
pub(super) type At<'a> = &'a dyn Fn(Range<usize>, String) -> Error;

impl FileAgent {
    /// The agent `name`, with what the table does not say from the preset of that name.
    pub(super) fn read(&self, name: &AgentName, start: usize, at: At<'_>) -> Result<Agent> {
        let fault = |why: &str| at(start..start, why.to_owned());
        let preset = Agent::known(name);
        let mut agent = match (&self.command, preset) {
            (Some(command), preset) => {
                if command.first().is_none_or(|program| program.trim().is_empty()) {
                    return Err(fault("an agent's `command` names a program"));
                }
                match preset {
                    Some(preset) if self.driver.is_none_or(|driver| driver == preset.driver) => {
                        Agent { command: command.clone(), ..preset }
                    }
                    _ => Agent::new(command.clone(), self.prompt),
                }
            }
            (None, Some(preset)) => preset,
            (None, None) if self.driver == Some(DriverName::Builtin) => builtin::agent(),
            (None, None) => return Err(fault("an agent has a `command`, or the name of a known program")),
        };
        if let Some(driver) = self.driver {
            agent.driver = driver;
        }
        let is_plain = agent.driver == DriverName::Command;
        if self.prompt.is_some() && !is_plain {
            return Err(fault("`prompt` is for plain commands: the driver knows how to give it"));
        }
        if self.mcp == Some(true) && is_plain {
            return Err(fault("a plain command can't be handed tools: leave out `mcp`"));
        }
        agent.mcp = self.mcp.unwrap_or(agent.mcp);
        agent.prompt = self.prompt.unwrap_or(agent.prompt);
        let model = builtin::Table {
            model: &self.model,
            endpoint: &self.endpoint,
            protocol: self.protocol,
            key: &self.key,
            context: &self.context,
        };
        model.read(&mut agent, start, at)?;
        agent.args.extend(self.args.iter().cloned());
        agent.env.extend(self.env.clone());
        agent.resume = self.resume.unwrap_or(!is_plain);
        agent.labels.clone_from(&self.labels);
        agent.plan = self.plan;
        read_word(&self.role, &mut agent.role, parse_role, at)?;
        if let Some(permissions) = self.permissions {
            agent.permissions = match permissions {
                FilePermissions::Edits => Permissions::Edits,
                FilePermissions::All => Permissions::All,
            };
        }
        if let Some(max) = &self.max {
            if !(1..=bounds::MOST_AGENTS).contains(max.get_ref()) {
                return Err(at(max.span(), format!("use 1 to {}", bounds::MOST_AGENTS)));
            }
            agent.max = *max.get_ref();
        }
        read_word(&self.timeout, &mut agent.timeout, parse_duration, at)?;
        read_word(&self.memory, &mut agent.memory, parse_bytes, at)?;
        Ok(agent)
    }
}

/// The part of `[up]` that says when agents are started.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileUp {
    pub(super) agents: Option<toml::Spanned<usize>>,
    pub(super) revisions: Option<u32>,
    pub(super) commit_leftovers: Option<bool>,
    pub(super) remove_landed: Option<bool>,
    pub(super) team: Vec<toml::Spanned<AgentName>>,
    ageing: Word,
    merge_target: Option<bool>,
    min_memory: Word,
    min_disk: Word,
    max_load: Option<toml::Spanned<f64>>,
    lease: Word,
    recoveries: Option<toml::Spanned<u32>>,
    outside: Option<Outside>,
}

impl FileUp {
    /// The settings, with defaults for what the table does not say.
    pub(super) fn read(&self, at: At<'_>) -> Result<Up> {
        let mut up =
            Up { team: self.team.iter().map(|name| name.get_ref().clone()).collect(), ..Up::default() };
        read_word(&self.ageing, &mut up.ageing, parse_duration, at)?;
        read_word(&self.min_memory, &mut up.min_memory, parse_bytes, at)?;
        read_word(&self.min_disk, &mut up.min_disk, parse_bytes, at)?;
        up.outside = self.outside.unwrap_or(up.outside);
        up.merge_target = self.merge_target.unwrap_or(up.merge_target);
        if let Some(load) = &self.max_load {
            if !(0.0..=1000.0).contains(load.get_ref()) {
                return Err(at(load.span(), "use 0 to 1000".to_owned()));
            }
            up.max_load = *load.get_ref();
        }
        read_word(&self.lease, &mut up.lease, tasks::parse_lease, at)?;
        tasks::read_number(&self.recoveries, &mut up.recoveries, at)?;
        Ok(up)
    }
}

/// What an agent is there for: a line.
fn parse_role(text: &str) -> std::result::Result<String, String> {
    let is_line = sanitize_line(text) == text && text.chars().count() <= Member::MAX_ROLE;
    if is_line {
        Ok(text.trim().to_owned())
    } else {
        Err(format!("use one line of at most {} characters", Member::MAX_ROLE))
    }
}

/// Sets `value` to what `word` says, when it says something.
pub(super) fn read_word<T>(
    word: &Word,
    value: &mut T,
    parse: impl Fn(&str) -> std::result::Result<T, String>,
    at: At<'_>,
) -> Result<()> {
    if let Some(word) = word {
        *value = parse(word.get_ref()).map_err(|why| at(word.span(), why))?;
    }
    Ok(())
}
