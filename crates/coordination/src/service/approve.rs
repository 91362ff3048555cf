//! Approving set-up commands: by a person, for exactly one text, once.

use biplane_control::Changes;
use biplane_model::{EventKind, NewEvent, RepoName};

use super::Service;
use crate::{
    approvals::{self, Approval},
    error::{Error, ErrorKind, Result},
    settings::Setup,
    variables,
};

/// What a person approves.
#[derive(Debug, Clone)]
pub struct SetupText {
    /// The repository in whose worktrees they are run.
    pub repo: RepoName,
    /// The settings of the set-up.
    pub setup: Setup,
    /// The hash of the commands and their variables.
    pub hash: String,
    /// Whether exactly this was approved.
    pub approved: bool,
}

impl Service {
    /// What a person approves; `None` when there are no commands.
    ///
    /// # Errors
    /// When the approvals can't be read.
    pub fn setup_text(&self) -> Result<Option<SetupText>> {
        let setup = &self.settings().worktrees.setup;
        if setup.run.is_empty() {
            return Ok(None);
        }
        Ok(Some(SetupText {
            repo: self.repo(),
            setup: setup.clone(),
            hash: approvals::hash(setup),
            approved: self.is_approved()?,
        }))
    }

    /// Notes that a person approves the text with this hash.
    ///
    /// # Errors
    /// When the commands are other ones by now, or an agent asks.
    pub fn setup_approve(&self, hash: &str) -> Result<()> {
        self.refuse_agents("approve set-up commands")?;
        if self.setup_text()?.is_none_or(|text| text.hash != hash) {
            return Err(Error::new(ErrorKind::Conflict, "the set-up commands are other ones by now")
                .hint("`biplane setup show` shows them"));
        }
        let by = self.actor().as_str().to_owned();
        self.change(|_, now| {
            let mut approved = approvals::read(self.home())?;
            if approved.iter().any(|a| a.hash == hash) {
                return Ok((Changes::default(), ()));
            }
            approved.push(Approval { hash: hash.to_owned(), at: now, by: by.clone() });
            approvals::write(self.home(), approved)?;
            let event = NewEvent::new(EventKind::SetupApproved).with("hash", hash);
            Ok((Changes { events: vec![event], ..Changes::default() }, ()))
        })
    }

    /// Takes every approval back. Gives how many there were.
    ///
    /// # Errors
    /// When an agent asks, or they can't be written.
    pub fn setup_revoke(&self) -> Result<usize> {
        self.refuse_agents("take approvals back")?;
        self.change(|_, _| {
            let approved = approvals::read(self.home())?;
            if approved.is_empty() {
                return Ok((Changes::default(), 0));
            }
            approvals::write(self.home(), Vec::new())?;
            let hashes: Vec<String> = approved.into_iter().map(|a| a.hash).collect();
            let count = hashes.len();
            let event = NewEvent::new(EventKind::SetupApproved).with("revoked", hashes);
            Ok((Changes { events: vec![event], ..Changes::default() }, count))
        })
    }

    /// Refuses to begin without anybody there to ask while the commands are not approved.
    ///
    /// Asked of the home, it is about all repositories that can be worked with.
    pub(crate) fn refuse_unapproved(&self) -> Result<()> {
        if self.repo().is_default() && self.repo_names().len() > 1 {
            return self.everywhere().0.iter().try_for_each(Self::refuse_unapproved_here);
        }
        self.refuse_unapproved_here()
    }

    fn refuse_unapproved_here(&self) -> Result<()> {
        if self.settings().worktrees.setup.run.is_empty() || self.is_approved()? {
            return Ok(());
        }
        let repo = self.repo();
        let (of, flag) = match repo.is_default() {
            true => (String::new(), String::new()),
            false => (format!(" of repository `{repo}`"), format!(" --repo {repo}")),
        };
        Err(Error::refused(format!("nobody has approved the set-up commands{of} in `biplane.toml`")).hint(
            format!(
                "`biplane setup approve{flag}` shows them and asks; `--no-setup` goes on without any set-up"
            ),
        ))
    }

    pub(super) fn is_approved(&self) -> Result<bool> {
        let hash = approvals::hash(&self.settings().worktrees.setup);
        Ok(approvals::read(self.home())?.iter().any(|approval| approval.hash == hash))
    }

    /// Whether an agent or another run asks, and not a person.
    pub fn is_in_a_run(&self) -> bool {
        [variables::RUN_ID, variables::TASK_ID].iter().any(|name| self.variable(name).is_some())
    }

    pub(super) fn refuse_agents(&self, what: &str) -> Result<()> {
        if self.is_in_a_run() {
            return Err(Error::refused(format!("only a person may {what}, and this is inside a run"))
                .hint("do it in a terminal of your own"));
        }
        Ok(())
    }
}
