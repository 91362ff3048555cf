//! What is written into the files of agent programs so that they know of biplane, and how it is taken out again.
//!
//! **Contract.** Text in, text out: nothing here touches a file. Whatever was in a text stays as it was, byte for byte, and taking out what was
//! put in gives the very text that was there before. That needs no memory: where a text had an empty object, or no line break at its end, ours
//! is put in in another form, by which the way back is found. What bears our name and is not ours is never overwritten and never taken out.
//!
//! **Deliberately absent:** files, links, `PATH`; which program is asked for. That is [`Service::hookup_plan`](crate::Service::hookup_plan).

mod block;
mod codex;
pub(crate) mod diff;
mod entry;
mod json;
mod json_text;
pub(crate) mod programs;
mod section;
#[cfg(test)]
mod tests;

/// The name of our server in every program's settings.
pub(crate) const NAME: &str = "biplane";

/// What a program's file has for us.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Part {
    /// A member of a JSON file, comments allowed.
    Member(json::Member),
    /// The table of an MCP server in the settings of Codex.
    CodexServer {
        /// The program to start.
        program: String,
    },
    /// The section in a file of instructions.
    Section,
}

/// Why a text is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is not what its program takes.
    #[error("can't be read (line {line}): {why}")]
    Unparseable {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// Something of our name that we have not written.
    #[error("has an entry `{at}` that biplane has not written")]
    Foreign {
        /// Where.
        at: String,
    },
    /// Something else than what its program expects.
    #[error("has something else than {wanted} at `{at}`")]
    Shape {
        /// Where.
        at: String,
        /// What is expected.
        wanted: &'static str,
    },
    /// A name that can be meant only once.
    #[error("has `{at}` more than once")]
    Twice {
        /// Where.
        at: String,
    },
    /// Marks that do not make a pair.
    #[error("has a mark of biplane without its other half in line {line}")]
    Unpaired {
        /// Counted from 1.
        line: usize,
    },
    /// It is written in a form in which it can't be edited safely.
    #[error("is in a form that biplane can't edit")]
    Form,
}

/// A text after something was put in or taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The text; `None` when nothing is left of a file that was ours alone.
    pub(crate) text: Option<String>,
    /// Where something of ours was left as it is, because somebody has changed it.
    pub(crate) kept: Option<String>,
}

impl Edited {
    fn to(text: impl Into<Option<String>>) -> Self {
        Self { text: text.into(), kept: None }
    }

    fn same(text: Option<&str>) -> Self {
        Self::to(text.map(str::to_owned))
    }

    fn kept(text: &str, at: impl Into<String>) -> Self {
        Self { text: Some(text.to_owned()), kept: Some(at.into()) }
    }
}

impl Part {
    /// Puts it into a text, or brings what is there up to date; `None` is a file that is not there.
    ///
    /// # Errors
    /// When the text can't be read or has something of our name that is not ours.
    pub(crate) fn put_in(&self, text: Option<&str>) -> Result<Edited, Fault> {
        match self {
            Self::Member(member) => json::put_in(text, member),
            Self::CodexServer { program } => codex::put_in(text, program),
            Self::Section => section::put_in(text),
        }
    }

    /// Takes it out of a text.
    ///
    /// # Errors
    /// When the text can't be read.
    pub(crate) fn take_out(&self, text: Option<&str>) -> Result<Edited, Fault> {
        let Some(text) = text else { return Ok(Edited::same(None)) };
        match self {
            Self::Member(member) => json::take_out(text, member),
            Self::CodexServer { .. } => codex::take_out(text),
            Self::Section => section::take_out(text),
        }
    }

    /// Whether a text has it, changed by hand or not.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.take_out(Some(text))
            .is_ok_and(|edited| edited.kept.is_some() || edited.text.as_deref() != Some(text))
    }

    /// What a person would write by hand.
    pub(crate) fn by_hand(&self) -> String {
        match self {
            Self::Member(member) => json::by_hand(member),
            Self::CodexServer { program } => codex::block(program).join("\n"),
            Self::Section => section::LINES.join("\n"),
        }
    }
}
