//! Another program as the lead.

use biplane_execution::{
    agents::{DriverName, leading},
    supervise::{self, EnvChanges},
};
use biplane_model::{AgentName, sanitize_line};

pub use biplane_execution::agents::leading::{
    At as LeadAt, Conversation as LeadConversation, Free as LeadFree,
};

use super::Service;
use crate::{
    error::{Error, Result},
    settings::Agent,
    variables,
};

/// How a program is to lead.
#[derive(Debug, Clone)]
pub struct LeadRequest {
    /// What it is told of its role.
    pub role: String,
    /// The tools that it may call without asking anybody.
    pub free: LeadFree,
    /// The conversation.
    pub which: LeadConversation,
    /// What it is told.
    pub prompt: Option<String>,
    /// Where it leads.
    pub at: LeadAt,
}

/// Who leads.
#[derive(Debug, Clone)]
pub enum LeadBy {
    /// The built-in agent, with the arguments of its program; none where nothing is said.
    Builtin(Vec<String>),
    /// Another program.
    Program(AgentName),
}

impl Service {
    /// Who leads: the agent of this name; or without one the built-in agent, as the settings have it.
    ///
    /// # Errors
    /// When there is no such agent, or it is one that can't lead.
    pub fn lead_by(&self, name: Option<&AgentName>) -> Result<LeadBy> {
        let settings = self.settings();
        let Some(name) = name else {
            let is_builtin = |agent: &Agent| agent.driver == DriverName::Builtin;
            let of = |name: &AgentName| settings.agent(name).filter(is_builtin);
            let found = settings.agent.as_ref().and_then(of);
            let found = found.or_else(|| settings.agents.values().find(|agent| is_builtin(agent)).cloned());
            return Ok(LeadBy::Builtin(found.map(|agent| agent.args).unwrap_or_default()));
        };
        let agent = settings.agent(name).ok_or_else(|| Error::not_found(settings.no_agent(name)))?;
        match agent.driver {
            DriverName::Builtin => Ok(LeadBy::Builtin(agent.args)),
            DriverName::Claude | DriverName::Codex => Ok(LeadBy::Program(name.clone())),
            DriverName::Acp | DriverName::Command => Err(Error::refused(format!("`{name}` can't be started as the lead"))
                .hint("use `builtin`, `claude` or `codex`; any program that speaks MCP can lead with `biplane init --agent`")),
        }
    }

    /// Becomes the program, which leads in our place: it comes back only when that can't be started.
    ///
    /// # Errors
    /// Always: when there is no such program, or why it could not be started.
    pub fn become_lead(&self, name: &AgentName, request: LeadRequest) -> Error {
        match self.leading_command(name, request) {
            Ok((command, env)) => {
                let program = command.first().map(|p| sanitize_line(p)).unwrap_or_default();
                let fault = supervise::become_program(&command, self.standing_in(), &env);
                Error::failed(format!("`{program}` can't be started: {fault}"))
            }
            Err(error) => error,
        }
    }

    fn leading_command(&self, name: &AgentName, request: LeadRequest) -> Result<(Vec<String>, EnvChanges)> {
        let settings = self.settings();
        let agent = settings.agent(name).ok_or_else(|| Error::not_found(settings.no_agent(name)))?;
        self.refuse_missing(name, &agent)?;
        let server =
            self.own_server().ok_or_else(|| Error::failed("this program's own file can't be named"))?;
        let LeadRequest { role, free, which, prompt, at } = request;
        let leading = leading::Leading {
            command: agent.command,
            args: agent.args,
            server,
            role,
            free,
            which,
            prompt,
            at,
        };
        let command = leading::command(agent.driver, &leading)
            .ok_or_else(|| Error::refused(format!("`{name}` can't be started as the lead")))?;
        let set = agent.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        // It opens a server to whoever has it.
        Ok((command, EnvChanges { remove: vec![variables::MCP_TOKEN.into()], set }))
    }
}
