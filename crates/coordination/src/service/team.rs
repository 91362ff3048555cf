//! The team: who is of it, who speaks, and who is to shut down.

use biplane_control::{Changes, board};
use biplane_model::{
    AgentName, Answer, MemberState, RequestId, RunId, RunKind, TaskId, sanitize_line,
    view::{MemberView, RequestView},
};

use super::Service;
use crate::{
    error::{Error, Result},
    variables, views,
};

/// What the one is called who leads the team: a person, or an agent that steers the others. Whoever calls from outside of any
/// agent's run speaks as the lead.
pub const LEAD: &str = "lead";

impl Service {
    /// Who is of the team by the settings, and what for: the lead, and every agent that they name.
    pub(crate) fn roster(&self) -> Vec<(AgentName, String)> {
        let settings = &self.board_settings;
        let mut roster = vec![(lead(), "leads the team".to_owned())];
        let named = settings.profiles.values().flat_map(|profile| profile.agents());
        let known = settings.agents.keys().chain(&settings.agent).chain(&settings.up.team).chain(named);
        for name in known {
            if !roster.iter().any(|(there, _)| there == name) {
                let role = settings.agents.get(name).map(|agent| agent.role.clone()).unwrap_or_default();
                roster.push((name.clone(), role));
            }
        }
        roster
    }

    /// The agent in whose run the caller is, when it is in one.
    ///
    /// # Errors
    /// Refused when it is in one that the ledger does not know: who it is can't be told then.
    pub fn own_agent(&self) -> Result<Option<AgentName>> {
        let Some(said) = self.variable(variables::RUN_ID) else { return Ok(None) };
        let run = said.parse().ok().map(|id| self.look(|view| Ok(view.run(id)?))).transpose()?.flatten();
        let Some(run) = run else {
            let shown = biplane_model::clip(&sanitize_line(said), 40);
            return Err(Error::refused(format!("who calls is not known: there is no run `{shown}`"))
                .hint("`BIPLANE_RUN_ID` is set by biplane for what runs in a worktree; unset it elsewhere"));
        };
        Ok(run.agent.filter(|_| run.kind == RunKind::Agent))
    }

    /// Who speaks: the agent in whose run the caller is, otherwise `wish`, and the lead when nobody is named.
    ///
    /// # Errors
    /// Refused when an agent in a run wishes to be somebody else.
    pub fn speaker(&self, wish: Option<&AgentName>) -> Result<AgentName> {
        match (self.own_agent()?, wish) {
            (Some(own), Some(wish)) if own != *wish => {
                Err(Error::refused(format!("`{own}` can't speak or read as `{wish}`"))
                    .hint("leave the name out: an agent speaks for itself"))
            }
            (Some(own), _) => Ok(own),
            (None, Some(wish)) => Ok(wish.clone()),
            (None, None) => Ok(lead()),
        }
    }

    /// The run that the caller is in, when it is an agent's.
    pub(super) fn own_run(&self) -> Option<RunId> {
        self.own_agent().ok().flatten()?;
        self.variable(variables::RUN_ID)?.parse().ok()
    }

    /// The task of the run that the caller is in.
    pub(super) fn own_task(&self) -> Option<TaskId> {
        self.variable(variables::RUN_ID)?;
        self.variable(variables::TASK_ID)?.parse().ok()
    }

    /// The team: who has got or sent mail, and who the settings name besides.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn team(&self) -> Result<Vec<MemberView>> {
        let mut team = self.look(|view| Ok(views::members_of(view)?))?;
        for (name, role) in self.roster() {
            match team.iter_mut().find(|member| member.name == name) {
                Some(member) => member.role = role,
                None => {
                    let is_working = self.look(|view| Ok(board::is_working(view, &name)?))?;
                    let status = if is_working { MemberState::Working } else { MemberState::Idle };
                    let (tasks, shutdown) = (Vec::new(), None);
                    team.push(MemberView { name, role, status, tasks, unread: 0, shutdown, rev: 0 });
                }
            }
        }
        Ok(team)
    }

    /// Asks an agent to shut down: what it does goes on to its end, and it gets no further task until it is called back. It may
    /// reject that; one that is idle is shut down at once. Asking again changes nothing.
    ///
    /// # Errors
    /// Not found when nobody is called so; usage for a text out of bounds and for the lead; busy when too much mail waits for it.
    pub fn shutdown_request(
        &self,
        from: Option<&AgentName>,
        agent: &AgentName,
        reason: &str,
    ) -> Result<RequestView> {
        let from = self.speaker(from)?;
        self.refuse_lead(agent)?;
        let roster = self.roster();
        self.change(|view, now| {
            let (changes, request) = board::ask_to_shut_down(view, &roster, (&from, agent), reason, now)?;
            Ok((changes, RequestView::from(&request)))
        })
    }

    /// What [`Service::shutdown_request`] would come to, changing nothing.
    ///
    /// # Errors
    /// As there.
    pub fn shutdown_would(&self, from: Option<&AgentName>, agent: &AgentName) -> Result<RequestView> {
        let from = self.speaker(from)?;
        self.refuse_lead(agent)?;
        let (roster, now) = (self.roster(), self.now());
        self.look(|view| {
            let (_, request) = board::ask_to_shut_down(view, &roster, (&from, agent), "", now)?;
            Ok(RequestView::from(&request))
        })
    }

    fn refuse_lead(&self, agent: &AgentName) -> Result<()> {
        if agent.as_str() != LEAD {
            return Ok(());
        }
        Err(Error::usage("the lead is not shut down"))
    }

    /// The answer of an agent that was asked to shut down. Only that agent gives it, once.
    ///
    /// # Errors
    /// Not found when there is no such request; refused when it is another's to answer, or answered already.
    pub fn shutdown_respond(
        &self,
        by: Option<&AgentName>,
        request: RequestId,
        answer: Answer,
        words: &str,
    ) -> Result<RequestView> {
        let (by, roster) = (self.speaker(by)?, self.roster());
        self.change(|view, now| {
            let (changes, request) =
                board::answer_shutdown(view, &roster, request, &by, (answer, words), now)?;
            Ok((changes, RequestView::from(&request)))
        })
    }

    /// Has an agent take tasks again that was asked to shut down. `None` when it takes them anyway.
    ///
    /// # Errors
    /// When the ledger can't be written.
    pub fn shutdown_recall(
        &self,
        from: Option<&AgentName>,
        agent: &AgentName,
    ) -> Result<Option<RequestView>> {
        let (from, roster) = (self.speaker(from)?, self.roster());
        self.change(|view, now| {
            let (changes, request) = board::recall(view, &roster, (&from, agent), now)?;
            Ok((changes, request.as_ref().map(RequestView::from)))
        })
    }

    /// Shuts down who was asked to and has nothing to do any more. Gives their names.
    pub(crate) fn settle_shutdowns(&self) -> Result<Vec<AgentName>> {
        // Nearly always there is nobody.
        if self.look(|view| Ok(board::away(view)?.is_empty()))? {
            return Ok(Vec::new());
        }
        let roster = self.roster();
        self.change(|view, now| {
            let (changes, approved): (Changes, _) = board::approve_idle(view, &roster, now)?;
            Ok((changes, approved.into_iter().map(|request| request.to).collect()))
        })
    }
}

/// The lead's name.
pub(crate) fn lead() -> AgentName {
    LEAD.parse().expect("it is a legal name")
}
