//! The settings: `biplane.toml` in the home's root. Every value has a default; the file may be missing.
//!
//! An unknown key is an error with a suggestion, never ignored.

mod agents;
mod builtin;
mod duration;
mod guess;
mod keys;
mod logs;
mod profiles;
mod repos;
mod starter;
mod tasks;
pub(crate) mod template;
mod worktrees;

use std::{collections::BTreeMap, time::Duration};

use biplane_control::board::TaskLimits;
use biplane_execution::agents::{DriverName, presets::PRESETS};
use biplane_model::{AgentName, ProfileName, Strategy};
use camino::Utf8Path;
use serde::Deserialize;

use crate::{
    bounds,
    error::{Error, Result},
};

pub use agents::{Agent, Outside, Up};
pub use duration::{parse_bytes, parse_duration};
pub use guess::guess_gate;
pub use keys::{Absent, KEYS, Key};
pub use logs::Logs;
pub use profiles::{Profile, Prompts, Review, Severity, Verify, VerifyBy};
pub use repos::FurtherRepo;
pub use starter::starter_file;
pub use worktrees::{Pool, Ports, Setup, Snapshots, Worktrees};

/// The settings, with defaults for what the file does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whether there is a settings file.
    pub from_file: bool,
    /// The branch that work lands on; `None`: the one checked out in the main checkout.
    pub target: Option<String>,
    /// The command that must pass on a candidate before it lands, run by `sh -c`; `None`: none is set.
    pub gate: Option<String>,
    /// How long a gate may take.
    pub gate_timeout: Duration,
    /// How branches are brought onto the target.
    pub strategy: Strategy,
    /// The agent that `up` starts when none is named.
    pub agent: Option<AgentName>,
    /// The agents, by name.
    pub agents: BTreeMap<AgentName, Agent>,
    /// The profile of tasks that have none of their own; `None`: an agent and the gate.
    pub profile: Option<ProfileName>,
    /// The profiles, by name.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The templates of prompts.
    pub prompts: Prompts,
    /// When `up` starts agents.
    pub up: Up,
    /// How many agents `up` starts at once.
    pub parallel: usize,
    /// How often a bounced task goes back to its agent before it waits for a person.
    pub revisions: u32,
    /// Whether `up` commits what an agent left uncommitted.
    pub commit_leftovers: bool,
    /// Whether `up` removes a worktree whose work has landed.
    pub remove_landed: bool,
    /// How long a command in a worktree may take.
    pub run_timeout: Duration,
    /// The most bytes of a run's output that are kept.
    pub log_bytes: u64,
    /// What the runs of one task may use before it waits for a person.
    pub task_limits: TaskLimits,
    /// What is kept of runs.
    pub logs: Logs,
    /// How worktrees are made and kept.
    pub worktrees: Worktrees,
    /// The further repositories of the home, in the order of the file.
    pub repos: Vec<FurtherRepo>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            from_file: false,
            target: None,
            gate: None,
            gate_timeout: bounds::GATE_TIMEOUT,
            strategy: Strategy::Merge,
            agent: None,
            agents: BTreeMap::new(),
            profile: None,
            profiles: BTreeMap::new(),
            prompts: Prompts::default(),
            up: Up::default(),
            parallel: 2,
            revisions: bounds::REVISIONS,
            commit_leftovers: true,
            remove_landed: true,
            run_timeout: bounds::RUN_TIMEOUT,
            log_bytes: bounds::LOG_BYTES,
            task_limits: tasks::default(),
            logs: Logs::default(),
            worktrees: Worktrees::default(),
            repos: Vec::new(),
        }
    }
}

/// The file, as it is written. Apart from [`Settings`], so that its form can stay while they change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    target: Option<String>,
    gate: Option<String>,
    gate_timeout: Option<toml::Spanned<String>>,
    strategy: Option<toml::Spanned<String>>,
    agent: Option<toml::Spanned<String>>,
    agents: BTreeMap<String, toml::Spanned<agents::FileAgent>>,
    profile: Option<toml::Spanned<ProfileName>>,
    profiles: BTreeMap<String, toml::Spanned<profiles::FileProfile>>,
    prompts: profiles::FilePrompts,
    up: agents::FileUp,
    worktrees: worktrees::FileWorktrees,
    setup: worktrees::FileSetup,
    ports: worktrees::FilePorts,
    snapshots: worktrees::FileSnapshots,
    pool: worktrees::FilePool,
    logs: logs::FileLogs,
    limits: FileLimits,
    repo: Vec<repos::FileRepo>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLimits {
    run_timeout: Option<toml::Spanned<String>>,
    log: Option<toml::Spanned<String>>,
    task_attempts: Option<toml::Spanned<u32>>,
    task_cost: Option<toml::Spanned<String>>,
    task_time: Option<toml::Spanned<String>>,
    disk: Option<toml::Spanned<String>>,
}

impl FileLimits {
    fn read_tasks(&self, at: At<'_>) -> Result<TaskLimits> {
        tasks::read(&self.task_attempts, &self.task_cost, &self.task_time, at)
    }
}

impl File {
    fn worktree_tables(&self) -> worktrees::Tables<'_> {
        worktrees::Tables {
            worktrees: &self.worktrees,
            setup: &self.setup,
            ports: &self.ports,
            snapshots: &self.snapshots,
            pool: &self.pool,
            disk: &self.limits.disk,
        }
    }
}

impl File {
    fn read_agents(&self, at: At<'_>) -> Result<BTreeMap<AgentName, Agent>> {
        let mut agents = BTreeMap::new();
        for (name, agent) in &self.agents {
            let span = agent.span();
            let name: AgentName = parse_name(name, &span, at)?;
            let read = agent.get_ref().read(&name, span.start, at)?;
            agents.insert(name, read);
        }
        Ok(agents)
    }

    fn read_profiles(&self, at: At<'_>) -> Result<BTreeMap<ProfileName, Profile>> {
        let mut profiles = BTreeMap::new();
        for (name, profile) in &self.profiles {
            let name: ProfileName = parse_name(name, &profile.span(), at)?;
            profiles.insert(name, profile.get_ref().read(at)?);
        }
        Ok(profiles)
    }
}

fn parse_name<T: std::str::FromStr<Err = biplane_model::InvalidName>>(
    text: &str,
    span: &std::ops::Range<usize>,
    at: At<'_>,
) -> Result<T> {
    text.parse().map_err(|e: biplane_model::InvalidName| at(span.clone(), e.to_string()))
}

/// Makes an error of what is wrong at a place in the file.
type At<'a> = &'a dyn Fn(std::ops::Range<usize>, String) -> Error;

impl Settings {
    /// The agent `name`: as the settings say, or as a known program.
    pub fn agent(&self, name: &AgentName) -> Option<Agent> {
        self.agents.get(name).cloned().or_else(|| Agent::known(name))
    }

    /// That there is no agent `name`, and which there are.
    pub(crate) fn no_agent(&self, name: &AgentName) -> String {
        let own = self.agents.keys().map(|n| format!("`{n}`"));
        let known = PRESETS.iter().map(|p| p.name).chain([DriverName::Builtin.as_str()]);
        let known = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let own = own.collect::<Vec<_>>().join(", ");
        let own = if own.is_empty() { String::new() } else { format!("there are {own}, and ") };
        format!("there is no agent `{name}` in `biplane.toml`: {own}the known programs are {known}")
    }

    /// The profile that `task` goes through.
    ///
    /// # Errors
    /// When the settings have no profile of that name.
    pub(crate) fn profile_of(&self, task: &biplane_model::Task) -> Result<Profile> {
        let Some(name) = task.profile.as_ref().or(self.profile.as_ref()) else {
            return Ok(Profile::default());
        };
        self.profiles.get(name).cloned().ok_or_else(|| {
            Error::not_found(format!("there is no profile `{name}` in `biplane.toml`"))
                .hint(format!("add `[profiles.{name}]`, or `biplane task update {} --no-profile`", task.id))
        })
    }

    /// Reads the settings file at `path`; defaults when there is none.
    ///
    /// # Errors
    /// When it can't be read, is no TOML, or says something that means nothing; with line and key.
    pub fn load(path: &Utf8Path) -> Result<Self> {
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            // A link to nothing is no missing file: what it named may have been all the rules there are.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                return Ok(Self::default());
            }
            Err(e) => return Err(Error::io("read", path, e)),
        };
        if !meta.is_file() {
            return Err(Error::usage(format!(
                "`{}` is not a regular file",
                path.file_name().unwrap_or_default()
            )));
        }
        if meta.len() > bounds::SETTINGS_BYTES {
            return Err(Error::usage(format!(
                "`{}` is larger than 1 MiB",
                path.file_name().unwrap_or_default()
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text)
    }

    /// Reads settings from the text of a file.
    ///
    /// # Errors
    /// When it is no TOML, or says something that means nothing; with line and key.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| syntax_error(text, &e))?;
        let defaults = Self::default();
        let at = |span: std::ops::Range<usize>, why: String| value_error(text, span.start, &why);
        let duration = |value: &Option<toml::Spanned<String>>, default: Duration| match value {
            None => Ok(default),
            Some(v) => parse_duration(v.get_ref()).map_err(|why| at(v.span(), why)),
        };
        let agents = file.read_agents(&at)?;
        let profiles = file.read_profiles(&at)?;
        let settings = Self { agents, profiles, ..Self::default() };
        let agent = match &file.agent {
            Some(name) => Some(parse_name::<AgentName>(name.get_ref(), &name.span(), &at)?),
            None => None,
        };
        let named = agent.iter().zip(file.agent.iter().map(toml::Spanned::span));
        let team = file.up.team.iter().map(|name| (name.get_ref(), name.span()));
        for (name, span) in named.chain(team) {
            if settings.agent(name).is_none() {
                return Err(at(span, settings.no_agent(name)));
            }
        }
        for (name, profile) in &settings.profiles {
            if let Some(unknown) = profile.agents().find(|agent| settings.agent(agent).is_none()) {
                let why = format!("profile `{name}`: {}", settings.no_agent(unknown));
                return Err(at(0..0, why));
            }
        }
        let profile = match &file.profile {
            Some(name) if !settings.profiles.contains_key(name.get_ref()) => {
                return Err(at(name.span(), format!("there is no `[profiles.{}]`", name.get_ref())));
            }
            name => name.as_ref().map(|name| name.get_ref().clone()),
        };
        let parallel = match &file.up.agents {
            None => defaults.parallel,
            Some(v) if (1..=bounds::MOST_AGENTS).contains(v.get_ref()) => *v.get_ref(),
            Some(v) => return Err(at(v.span(), format!("use 1 to {}", bounds::MOST_AGENTS))),
        };
        let log_bytes = match &file.limits.log {
            None => defaults.log_bytes,
            Some(v) => parse_bytes(v.get_ref()).map_err(|why| at(v.span(), why))?,
        };
        let strategy = match &file.strategy {
            None => defaults.strategy,
            Some(v) => v.get_ref().parse().map_err(|why| at(v.span(), why))?,
        };
        let mut settings = Self {
            from_file: true,
            target: file.target.clone(),
            gate: file.gate.clone().filter(|g| !g.trim().is_empty()),
            gate_timeout: duration(&file.gate_timeout, defaults.gate_timeout)?,
            strategy,
            agent,
            profile,
            prompts: file.prompts.read(&at)?,
            up: file.up.read(&at)?,
            parallel,
            revisions: file.up.revisions.unwrap_or(defaults.revisions),
            commit_leftovers: file.up.commit_leftovers.unwrap_or(defaults.commit_leftovers),
            remove_landed: file.up.remove_landed.unwrap_or(defaults.remove_landed),
            run_timeout: duration(&file.limits.run_timeout, defaults.run_timeout)?,
            log_bytes,
            task_limits: file.limits.read_tasks(&at)?,
            logs: file.logs.read(&at)?,
            worktrees: file.worktree_tables().read(&at)?,
            repos: Vec::new(),
            ..settings
        };
        settings.repos = repos::read(&file.repo, &settings, &at)?;
        Ok(settings)
    }
}

/// A text that is no TOML, or has a key or a kind of value that means nothing.
fn syntax_error(text: &str, error: &toml::de::Error) -> Error {
    let start = error.span().map_or(0, |s| s.start);
    let said = error.message();
    let failure = value_error(text, start, said.lines().next().unwrap_or(said));
    match suggestion(said) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// An error at the byte `start` of the file.
fn value_error(text: &str, start: usize, why: &str) -> Error {
    let before = &text[..start.min(text.len())];
    let line_number = before.matches('\n').count() + 1;
    let line = text.lines().nth(line_number - 1).unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim().trim_matches(['[', ']']);
    let key = biplane_model::clip(&biplane_model::sanitize_line(key), 60);
    let place = if key.is_empty() { String::new() } else { format!(", key `{key}`") };
    let why = biplane_model::sanitize_line(why);
    Error::usage(format!("`biplane.toml` line {line_number}{place}: {why}"))
}

/// The known key that is nearest to an unknown one.
fn suggestion(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    let near = known.map(|k| (strsim::damerau_levenshtein(unknown, k), k)).min()?;
    (near.0 <= 3).then(|| format!("did you mean `{}`?", near.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let error = Settings::parse(text).unwrap_err();
        assert_eq!(error.kind, crate::error::ErrorKind::Usage);
        std::iter::once(error.to_string()).chain(error.hints).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_whole_file() {
        let settings = Settings::parse(
            r#"
            target = "trunk"
            gate = "make test"
            gate_timeout = "5m"
            strategy = "squash"
            agent = "sh"
            [agents.sh]
            command = ["sh", "-c", "{prompt}"]
            timeout = "90"
            env = { A = "b" }
            [up]
            agents = 8
            [limits]
            log = "2M"
            "#,
        )
        .unwrap();
        assert_eq!(settings.strategy, Strategy::Squash);
        assert_eq!(settings.gate_timeout, Duration::from_secs(300));
        assert_eq!((settings.parallel, settings.log_bytes), (8, 2 << 20));
        let agent = &settings.agents[settings.agent.as_ref().unwrap()];
        assert_eq!(
            (agent.prompt, agent.timeout.as_secs()),
            (biplane_execution::agents::PromptBy::Argument, 90)
        );
    }

    #[test]
    fn faults_have_line_and_key() {
        assert_eq!(
            error("target = \"main\"\ngaet = \"x\"\n"),
            "`biplane.toml` line 2, key `gaet`: unknown field `gaet`, expected one of `target`, `gate`, `gate_timeout`, \
             `strategy`, `agent`, `agents`, `profile`, `profiles`, `prompts`, `up`, `worktrees`, `setup`, `ports`, `snapshots`, `pool`, `logs`, `limits`, `repo` | did you mean `gate`?"
        );
        assert!(
            error("\n[up]\nagents = \"four\"")
                .starts_with("`biplane.toml` line 3, key `agents`: invalid type: string")
        );
        assert_eq!(error("[up]\nagents = 0"), "`biplane.toml` line 2, key `agents`: use 1 to 256");
        assert!(error("gate = ").starts_with("`biplane.toml` line 1, key `gate`: "));
        assert_eq!(
            error("gate_timeout = \"soon\""),
            "`biplane.toml` line 1, key `gate_timeout`: `soon` is no duration: use a number with `s`, `m`, `h` or `d`, such as `90s`"
        );
        assert!(error("agent = \"x\"").contains("there is no agent `x`"));
        assert!(error("[up]\nteam = [\"x\"]").contains("there is no agent `x`"));
        assert!(error("profile = \"x\"").contains("there is no `[profiles.x]`"));
        assert!(error("[profiles.a]\nreview.agent = \"x\"").contains("profile `a`: there is no agent `x`"));
        assert!(error("[profiles.a.verify]\ntimeout = \"5m\"").contains("either a `command` or an `agent`"));
        assert!(error("[prompts]\nreview = \"{nothing}\"").contains("`{nothing}` stands for nothing"));
        assert!(
            error("[agents.x]\ncommand = [\"x\"]\ndriver = \"acp\"\nprompt = \"file\"")
                .contains("plain commands")
        );
        assert!(error("[agents.x]\ncommand = [\"x\"]\nmax = 0").contains("use 1 to 256"));
        assert!(error("[agents.x]\ncommand = []").contains("names a program"));
        assert!(error("[logs]\nsecrets = [\"A=b\"]").contains("use names of variables"));
        assert!(error("strategy = \"octopus\"").contains("is none of `merge`, `squash`, `rebase`"));
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let settings = Settings::parse("").unwrap();
        assert!(settings.from_file && settings.gate.is_none() && settings.commit_leftovers);
    }
}
