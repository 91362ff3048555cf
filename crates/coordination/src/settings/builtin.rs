//! The settings of the built-in agent: which model, where, by which key. They become arguments of its program.

use biplane_execution::{agents::DriverName, supervise};
use serde::Deserialize;

use super::agents::{Agent, At, Word};
use crate::error::Result;

/// The hidden command that is the built-in agent.
const COMMAND: &str = "builtin-agent";
/// How many tokens a model may be said to hold.
const CONTEXT: std::ops::RangeInclusive<u64> = 4_000..=10_000_000;

/// How its server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Protocol {
    /// Anthropic's messages.
    #[default]
    Anthropic,
    /// OpenAI's chat completions, as most local servers.
    Openai,
    /// OpenAI's responses.
    Responses,
}

impl Protocol {
    fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Responses => "responses",
        }
    }

    /// Where the key of its maker's own server is, by custom.
    fn key(self) -> &'static str {
        match self {
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Openai | Self::Responses => "OPENAI_API_KEY",
        }
    }
}

/// The built-in agent without any settings: this very program.
pub(super) fn agent() -> Agent {
    let program = supervise::background_program().map_or("biplane", |program| program.as_str());
    Agent {
        driver: DriverName::Builtin,
        resume: true,
        memory: 64 << 20,
        ..Agent::new(vec![program.to_owned(), COMMAND.to_owned()], None)
    }
}

/// What a table says of it.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) model: &'a Word,
    pub(super) endpoint: &'a Word,
    pub(super) protocol: Option<Protocol>,
    pub(super) key: &'a Word,
    pub(super) context: &'a Option<toml::Spanned<u64>>,
}

impl Table<'_> {
    /// Completes `agent`, whose table begins at `start`.
    pub(super) fn read(&self, agent: &mut Agent, start: usize, at: At<'_>) -> Result<()> {
        let fault = |why: &str| at(start..start, why.to_owned());
        if agent.driver != DriverName::Builtin {
            let own = [self.model, self.endpoint, self.key].into_iter().any(Option::is_some);
            if own || self.protocol.is_some() || self.context.is_some() {
                return Err(fault(
                    "`model`, `endpoint`, `protocol`, `key` and `context` are for the built-in agent; give other programs \
                     their `args`",
                ));
            }
            return Ok(());
        }
        let protocol = self.protocol.unwrap_or_default();
        let Some(model) = self.model else {
            return Err(fault("the built-in agent needs a `model`"));
        };
        let mut args = vec!["--model", model.get_ref(), "--protocol", protocol.as_str()];
        let endpoint = self.endpoint.as_ref().map(|endpoint| endpoint.get_ref().as_str());
        args.extend(endpoint.into_iter().flat_map(|endpoint| ["--endpoint", endpoint]));
        agent.key = match (self.key, endpoint) {
            (Some(key), _) if !is_name(key.get_ref()) => {
                return Err(at(
                    key.span(),
                    "give the name of the variable that holds the key, not the key".to_owned(),
                ));
            }
            (Some(key), _) => Some(key.get_ref().clone()),
            // One provider's key is never sent to another's server.
            (None, Some(_)) => None,
            (None, None) => Some(protocol.key().to_owned()),
        };
        args.extend(agent.key.iter().flat_map(|key| ["--key", key]));
        let mut args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        if let Some(context) = self.context {
            if !CONTEXT.contains(context.get_ref()) {
                let why = format!("use {} to {}", CONTEXT.start(), CONTEXT.end());
                return Err(at(context.span(), why));
            }
            args.extend(["--context".to_owned(), context.get_ref().to_string()]);
        }
        agent.args = args;
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
