//! The settings: `biplane.toml` in the home's root. Every value has a default; the file may be missing.
//!
//! An unknown key is an error with a suggestion, never ignored.

mod duration;
mod guess;
mod keys;
mod repos;
mod starter;
pub(crate) mod template;
mod worktrees;

use std::{collections::BTreeMap, time::Duration};

use biplane_model::{AgentName, Strategy};
use camino::Utf8Path;
use serde::Deserialize;

use crate::{
    bounds,
    error::{Error, Result},
};

pub use duration::{parse_bytes, parse_duration};
pub use guess::guess_gate;
pub use keys::{Absent, KEYS, Key};
pub use repos::FurtherRepo;
pub use starter::starter_file;
pub use worktrees::{Pool, Ports, Setup, Snapshots, Worktrees};

/// The settings, with defaults for what the file does not say.
#[derive(Debug, Clone)]
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
    /// How worktrees are made and kept.
    pub worktrees: Worktrees,
    /// The further repositories of the home, in the order of the file.
    pub repos: Vec<FurtherRepo>,
}

/// A program that works on tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// The program and its arguments; `{prompt}` in an argument stands for the prompt.
    pub command: Vec<String>,
    /// How it gets the prompt.
    pub prompt: PromptBy,
    /// How long it may take.
    pub timeout: Duration,
    /// Variables set in its environment.
    pub env: BTreeMap<String, String>,
    /// Whether it can go on in a worktree where an earlier attempt has left work. If not, every attempt begins in a
    /// fresh worktree at the target's tip, and what was there is in a snapshot.
    pub resume: bool,
}

/// How an agent gets its prompt. `BIPLANE_PROMPT_FILE` names a file with it in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptBy {
    /// In the place of `{prompt}` in its arguments.
    Argument,
    /// On standard input.
    Stdin,
    /// Only by the file that `BIPLANE_PROMPT_FILE` names.
    File,
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
            parallel: 2,
            revisions: bounds::REVISIONS,
            commit_leftovers: true,
            remove_landed: true,
            run_timeout: bounds::RUN_TIMEOUT,
            log_bytes: bounds::LOG_BYTES,
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
    agents: BTreeMap<String, toml::Spanned<FileAgent>>,
    up: FileUp,
    worktrees: worktrees::FileWorktrees,
    setup: worktrees::FileSetup,
    ports: worktrees::FilePorts,
    snapshots: worktrees::FileSnapshots,
    pool: worktrees::FilePool,
    limits: FileLimits,
    repo: Vec<repos::FileRepo>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAgent {
    command: Vec<String>,
    prompt: Option<PromptBy>,
    timeout: Option<toml::Spanned<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    resume: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileUp {
    agents: Option<toml::Spanned<usize>>,
    revisions: Option<u32>,
    commit_leftovers: Option<bool>,
    remove_landed: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLimits {
    run_timeout: Option<toml::Spanned<String>>,
    log: Option<toml::Spanned<String>>,
    disk: Option<toml::Spanned<String>>,
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

impl Settings {
    /// Reads the settings file at `path`; defaults when there is none.
    ///
    /// # Errors
    /// When it can't be read, is no TOML, or says something that means nothing; with line and key.
    pub fn load(path: &Utf8Path) -> Result<Self> {
        let size = match std::fs::metadata(path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(Error::io("read", path, e)),
        };
        if size > bounds::SETTINGS_BYTES {
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
        let mut agents = BTreeMap::new();
        for (name, agent) in &file.agents {
            let span = agent.span();
            let name: AgentName =
                name.parse().map_err(|e: biplane_model::InvalidName| at(span.clone(), e.to_string()))?;
            agents.insert(name, read_agent(agent.get_ref(), span.start, &at, &duration)?);
        }
        let agent = match &file.agent {
            None => None,
            Some(v) => {
                let name = v
                    .get_ref()
                    .parse()
                    .map_err(|e: biplane_model::InvalidName| at(v.span(), e.to_string()))?;
                if !agents.contains_key(&name) {
                    let why = format!("there is no `[agents.{name}]`");
                    return Err(at(v.span(), why));
                }
                Some(name)
            }
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
            agents,
            parallel,
            revisions: file.up.revisions.unwrap_or(defaults.revisions),
            commit_leftovers: file.up.commit_leftovers.unwrap_or(defaults.commit_leftovers),
            remove_landed: file.up.remove_landed.unwrap_or(defaults.remove_landed),
            run_timeout: duration(&file.limits.run_timeout, defaults.run_timeout)?,
            log_bytes,
            worktrees: file.worktree_tables().read(&at)?,
            repos: Vec::new(),
        };
        settings.repos = repos::read(&file.repo, &settings, &at)?;
        Ok(settings)
    }
}

fn read_agent(
    agent: &FileAgent,
    start: usize,
    at: &impl Fn(std::ops::Range<usize>, String) -> Error,
    duration: &impl Fn(&Option<toml::Spanned<String>>, Duration) -> Result<Duration>,
) -> Result<Agent> {
    if agent.command.first().is_none_or(|program| program.trim().is_empty()) {
        return Err(at(start..start, "an agent's `command` names a program".to_owned()));
    }
    Ok(Agent {
        timeout: duration(&agent.timeout, bounds::AGENT_TIMEOUT)?,
        env: agent.env.clone(),
        resume: agent.resume,
        ..Agent::new(agent.command.clone(), agent.prompt)
    })
}

impl Agent {
    /// An agent that runs `command`. Without a wish it gets the prompt as argument when the command has a place for it,
    /// otherwise on standard input.
    pub fn new(command: Vec<String>, prompt: Option<PromptBy>) -> Self {
        let has_place = command.iter().any(|word| word.contains("{prompt}"));
        let prompt = prompt.unwrap_or(if has_place { PromptBy::Argument } else { PromptBy::Stdin });
        Self { command, prompt, timeout: bounds::AGENT_TIMEOUT, env: BTreeMap::new(), resume: false }
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
        assert_eq!((agent.prompt, agent.timeout.as_secs()), (PromptBy::Argument, 90));
    }

    #[test]
    fn faults_have_line_and_key() {
        assert_eq!(
            error("target = \"main\"\ngaet = \"x\"\n"),
            "`biplane.toml` line 2, key `gaet`: unknown field `gaet`, expected one of `target`, `gate`, `gate_timeout`, \
             `strategy`, `agent`, `agents`, `up`, `worktrees`, `setup`, `ports`, `snapshots`, `pool`, `limits`, `repo` | did you mean `gate`?"
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
        assert!(error("agent = \"x\"").contains("there is no `[agents.x]`"));
        assert!(error("[agents.x]\ncommand = []").contains("names a program"));
        assert!(error("strategy = \"octopus\"").contains("is none of `merge`, `squash`, `rebase`"));
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let settings = Settings::parse("").unwrap();
        assert!(settings.from_file && settings.gate.is_none() && settings.commit_leftovers);
    }
}
