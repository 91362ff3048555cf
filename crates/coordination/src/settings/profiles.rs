//! Profiles: the roles that a task's work goes through before it is submitted; and the prompts of the roles.

use std::{ops::Range, time::Duration};

use biplane_model::{AgentName, Findings, PlanPolicy};
use serde::Deserialize;

use super::{agents::read_word, parse_duration, template};
use crate::{
    bounds,
    error::{Error, Result},
};

/// The roles that a task's work goes through. The default one has none but `implement`, by any agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Whether a plan has to be approved before the work begins.
    pub plan: Option<PlanPolicy>,
    /// Who does the work; any agent of `up` when absent.
    pub implement: Option<AgentName>,
    /// What tests it in its worktree.
    pub verify: Option<Verify>,
    /// Who reads it.
    pub review: Option<Review>,
}

/// What tests the work, before it is submitted. It changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// By what.
    pub by: VerifyBy,
    /// How long it may take; an agent's own time when absent.
    pub timeout: Duration,
}

/// By what work is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyBy {
    /// A command, run by `sh -c` in the worktree.
    Command(String),
    /// An agent, which says whether it passed.
    Agent(AgentName),
}

/// Who reads the work. It changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The agent.
    pub agent: AgentName,
    /// From which findings on the work goes back.
    pub block_on: Severity,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a word.
    Minor,
    /// Should be mended.
    Major,
    /// Must not land.
    #[default]
    Critical,
}

impl Severity {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }

    /// Whether there is a finding as bad as this, or worse.
    pub fn is_in(self, findings: &Findings) -> bool {
        findings.critical > 0
            || (self <= Self::Major && findings.major > 0)
            || (self <= Self::Minor && findings.minor > 0)
    }
}

/// The templates of prompts; `None`: the built-in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Of who says how it would do the work.
    pub plan: Option<String>,
    /// Of who does the work.
    pub implement: Option<String>,
    /// Of who tests it.
    pub verify: Option<String>,
    /// Of who reads it.
    pub review: Option<String>,
}

/// Makes an error of what is wrong at a place in the file.
type At<'a> = &'a dyn Fn(Range<usize>, String) -> Error;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileProfile {
    plan: Option<PlanPolicy>,
    implement: Option<FileImplement>,
    verify: Option<toml::Spanned<FileVerify>>,
    review: Option<FileReview>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileImplement {
    agent: AgentName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileVerify {
    agent: Option<AgentName>,
    command: Option<String>,
    timeout: Option<toml::Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReview {
    agent: AgentName,
    #[serde(default)]
    block_on: Severity,
}

impl FileProfile {
    /// The profile, as the table says.
    pub(super) fn read(&self, at: At<'_>) -> Result<Profile> {
        let mut profile = Profile {
            plan: self.plan,
            implement: self.implement.as_ref().map(|role| role.agent.clone()),
            ..Profile::default()
        };
        if let Some(verify) = &self.verify {
            let said = verify.get_ref();
            let by = match (&said.command, &said.agent) {
                (Some(command), None) if !command.trim().is_empty() => VerifyBy::Command(command.clone()),
                (None, Some(agent)) => VerifyBy::Agent(agent.clone()),
                _ => {
                    return Err(at(
                        verify.span(),
                        "`verify` has either a `command` or an `agent`".to_owned(),
                    ));
                }
            };
            let mut timeout = bounds::VERIFY_TIMEOUT;
            read_word(&said.timeout, &mut timeout, parse_duration, at)?;
            profile.verify = Some(Verify { by, timeout });
        }
        profile.review =
            self.review.as_ref().map(|said| Review { agent: said.agent.clone(), block_on: said.block_on });
        Ok(profile)
    }
}

impl Profile {
    /// The agents that it names.
    pub fn agents(&self) -> impl Iterator<Item = &AgentName> {
        let verify = self.verify.as_ref().and_then(|verify| match &verify.by {
            VerifyBy::Agent(agent) => Some(agent),
            VerifyBy::Command(_) => None,
        });
        self.implement.iter().chain(verify).chain(self.review.as_ref().map(|review| &review.agent))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FilePrompts {
    plan: Option<toml::Spanned<String>>,
    implement: Option<toml::Spanned<String>>,
    verify: Option<toml::Spanned<String>>,
    review: Option<toml::Spanned<String>>,
}

impl FilePrompts {
    /// The templates, none with a place that means nothing.
    pub(super) fn read(&self, at: At<'_>) -> Result<Prompts> {
        let read = |text: &Option<toml::Spanned<String>>| -> Result<Option<String>> {
            let Some(text) = text else { return Ok(None) };
            template::check_prompt(text.get_ref()).map_err(|why| at(text.span(), why))?;
            Ok(Some(text.get_ref().clone()))
        };
        Ok(Prompts {
            plan: read(&self.plan)?,
            implement: read(&self.implement)?,
            verify: read(&self.verify)?,
            review: read(&self.review)?,
        })
    }
}
