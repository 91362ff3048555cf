//! Whether the programs of agents are there, before anything is begun.

use std::ffi::OsStr;

use biplane_execution::{
    agents::{DriverName, Permissions, find, find::Fitness, presets},
    supervise::EnvChanges,
};
use biplane_model::{AgentName, sanitize_line};
use camino::Utf8Path;

use crate::{
    error::{Error, Result},
    service::Service,
    settings::Agent,
};

impl Service {
    /// Refuses an agent whose program is not there, with the command that installs it. A known program that is older than
    /// what was seen to work, or does not say its version, is told of.
    pub(crate) fn refuse_missing(&self, name: &AgentName, agent: &Agent) -> Result<()> {
        self.refuse_modelless(name, agent)?;
        let program = agent.command.first().map(String::as_str).unwrap_or_default();
        // A path that is relative is one in the worktree, which is not there yet.
        if program.contains('/') && !Utf8Path::new(program).is_absolute() {
            return Ok(());
        }
        let path = self.variable("PATH").map(OsStr::new);
        let shown = sanitize_line(program);
        let preset = presets::PRESETS.iter().find(|preset| {
            preset.driver == agent.driver && Utf8Path::new(program).file_name() == Some(preset.program)
        });
        let Some(preset) = preset else {
            return match find::find(program, path) {
                Some(_) => Ok(()),
                // Without one the system has its own.
                None if path.is_none() && !program.contains('/') => Ok(()),
                None => {
                    Err(Error::not_found(format!("agent `{name}`: there is no program `{shown}` on PATH"))
                        .hint("install it, or give its path in `command`"))
                }
            };
        };
        let set = agent.env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let env = EnvChanges { set, ..EnvChanges::default() };
        match find::check(preset, program, path, &env) {
            Fitness::Fits { .. } => Ok(()),
            Fitness::Missing => Err(Error::not_found(format!(
                "agent `{name}`: {} is not installed: there is no program `{shown}` on PATH",
                preset.title
            ))
            .hint(format!("install it with `{}`", preset.install))),
            Fitness::TooOld { version, .. } => {
                self.say(format!(
                    "{} is {version}, and {} is the oldest that was seen to work; `{}` updates it",
                    preset.title, preset.oldest, preset.install
                ));
                Ok(())
            }
            Fitness::Unknown { why, .. } => {
                self.say(format!("the version of {} is not known: {why}", preset.title));
                Ok(())
            }
        }
    }

    /// Refuses an agent that is to do work that would never count: it can't commit, and what it leaves uncommitted is not committed for
    /// it. Who only looks at the work of others, or leads, is not asked this.
    pub(super) fn refuse_idle_hands(&self, name: &AgentName, agent: &Agent) -> Result<()> {
        let program = agent.command.first().and_then(|program| Utf8Path::new(program).file_name());
        let can_commit = match agent.driver {
            // It keeps git's directory read-only in its sandbox.
            DriverName::Codex => false,
            // What it asks to run can't be told.
            DriverName::Acp => program != Some("gemini"),
            DriverName::Builtin | DriverName::Claude | DriverName::Command => true,
        };
        if can_commit || agent.permissions != Permissions::Edits || self.settings().commit_leftovers {
            return Ok(());
        }
        Err(Error::usage(format!(
            "agent `{name}` can't commit with `permissions = \"edits\"`, and with `commit_leftovers = false` only commits count"
        ))
        .hint("leave `commit_leftovers` out, or set `permissions = \"all\"`"))
    }

    /// Refuses a built-in agent without a model, or whose key is not there.
    fn refuse_modelless(&self, name: &AgentName, agent: &Agent) -> Result<()> {
        if agent.driver != DriverName::Builtin {
            return Ok(());
        }
        if !agent.args.iter().any(|arg| arg == "--model") {
            return Err(Error::usage(format!("agent `{name}` has no model"))
                .hint(format!("write `[agents.{name}]` with a `model` into `biplane.toml`")));
        }
        match &agent.key {
            Some(key) if self.variable(key).is_none_or(|value| value.trim().is_empty()) => Err(
                Error::not_found(format!("agent `{name}`: the variable `{key}` holds no key for its model"))
                    .hint(format!("set `{key}`, or name another variable in `key`")),
            ),
            _ => Ok(()),
        }
    }
}
