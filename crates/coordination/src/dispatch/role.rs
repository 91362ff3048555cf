//! One run of an agent, or of a command, in a role.

use biplane_control::{BoardError, RunFilter};
use biplane_execution::{
    agents::{Brief, Conversation, Permissions, Told, ToolServer},
    supervise::{How, RunObserver, StopReason, Tick},
    worktrees,
};
use biplane_model::{
    AgentEvent, AgentName, MailId, Role, RunId, RunKind, Task, TaskId, Usage, Worktree, clip, sanitize_line,
};

use super::{Progress, Shared, prompt};
use crate::{
    bounds,
    error::{Error, Result},
    service::{Before, InPrompt, Job, Judge, Talk},
    settings::Agent,
    variables,
};

/// A run that is over.
pub(super) struct Ran {
    pub(super) run: RunId,
    pub(super) how: How,
    pub(super) told: Told,
    /// What was wrong with it although it ended well, when something was.
    pub(super) fault: Option<String>,
    /// What it changed outside of its worktree, in words.
    pub(super) outside: Option<String>,
}

/// What is to be run.
pub(super) struct Part<'a> {
    pub(super) task: &'a Task,
    pub(super) worktree: &'a Worktree,
    pub(super) role: Role,
    /// Judges it by what git shows and what the agent told.
    pub(super) judge: Judge<'a>,
}

impl Shared<'_> {
    /// Runs an agent in a role to its end. The mail that waits for it stands in its prompt, and is delivered when the run is
    /// recorded. When others have it by then, or are being shown it, the prompt is made anew from what is left; after some tries
    /// without mail, which then stands in the next one.
    pub(super) fn run_agent(
        &self,
        part: &mut Part<'_>,
        (name, agent): (&AgentName, &Agent),
        progress: &prompt::Progress,
        session: Option<String>,
    ) -> Result<Ran> {
        let there = self.service.in_repo(&part.task.repo)?;
        // One look serves all tries: nothing is started before the last of them.
        let before = self.look_outside(part.worktree);
        let mut tries = 0;
        loop {
            tries += 1;
            let is_last = tries >= bounds::MAIL_TRIES;
            let mail = if is_last { Vec::new() } else { there.mail_for_prompt(name, part.role)? };
            let ids: Vec<MailId> = mail.iter().map(|mail| mail.id).collect();
            let server = self.service.tool_server(agent);
            let reader = prompt::Reader { agent: Some(name.clone()), mail, server: server.clone() };
            let prompt = there.prompt(part.task, Some(part.worktree), part.role, progress, &reader)?;
            match self.run_once(part, (name, agent), (prompt, ids, server), session.clone(), before.as_ref())
            {
                // Somebody has read it meanwhile, such as another run of the same agent.
                Err(error) if is_mail_moved(&error) && !is_last => {}
                ran => return ran,
            }
        }
    }

    fn run_once(
        &self,
        part: &mut Part<'_>,
        (name, agent): (&AgentName, &Agent),
        (prompt, mail, server): (String, Vec<MailId>, Option<ToolServer>),
        session: Option<String>,
        before: Option<&Before>,
    ) -> Result<Ran> {
        let task = part.task;
        let place = worktrees::prove(&self.service.place(part.worktree)?)?.place;
        let permissions = match (part.role, agent.permissions) {
            (Role::Review | Role::Plan, Permissions::Edits) => Permissions::Read,
            (_, permissions) => permissions,
        };
        let brief = Brief {
            command: agent.command.clone(),
            args: agent.args.clone(),
            cwd: place.path.clone(),
            prompt: prompt.clone(),
            used: self.used_by(task, session.as_deref())?,
            session,
            permissions,
            server,
        };
        let driver = agent.driver();
        let launch = driver.launch(&brief);
        let mut env = launch.env;
        env.extend(agent.env.clone());
        env.insert(variables::ATTEMPT.to_owned(), (task.attempts + 1).to_string());
        let mut observer = Watching { shared: self, task: &task.id, shows_lines: !agent.is_structured() };
        let mut tell = |event: &AgentEvent| self.tell_event(&task.id, event);
        let report = self.service.execute(Job {
            kind: RunKind::Agent,
            role: Some(part.role),
            task: Some(task.id.clone()),
            epoch: task.epoch,
            agent: Some(name.clone()),
            env,
            timeout: Some(agent.timeout),
            input: launch.input,
            renew: true,
            prompt: Some(prompt),
            mail: (!mail.is_empty()).then(|| InPrompt { to: name.clone(), ids: mail }),
            talk: Some(Talk { conversation: Conversation::new(&*driver, &brief), tell: &mut tell }),
            judge: Some(&mut *part.judge),
            ..Job::new(launch.command, part.worktree.clone(), place.path, &mut observer)
        })?;
        let outside = match before {
            Some(before) => self.service.changed_outside(before, part.worktree, report.run.id)?,
            None => None,
        };
        Ok(Ran { run: report.run.id, how: report.how, told: report.told, fault: report.fault, outside })
    }

    /// Runs a command in a role to its end.
    pub(super) fn run_command(
        &self,
        part: &mut Part<'_>,
        command: &str,
        timeout: std::time::Duration,
    ) -> Result<Ran> {
        let place = worktrees::prove(&self.service.place(part.worktree)?)?.place;
        let mut observer = Watching { shared: self, task: &part.task.id, shows_lines: true };
        let report = self.service.execute(Job {
            kind: RunKind::Command,
            role: Some(part.role),
            task: Some(part.task.id.clone()),
            epoch: part.task.epoch,
            timeout: Some(timeout),
            renew: true,
            judge: Some(&mut *part.judge),
            ..Job::new(
                vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()],
                part.worktree.clone(),
                place.path,
                &mut observer,
            )
        })?;
        Ok(Ran { run: report.run.id, how: report.how, told: report.told, fault: report.fault, outside: None })
    }

    /// What lies outside of the worktree before its agent starts; nothing where that can't be told, which is said.
    fn look_outside(&self, worktree: &Worktree) -> Option<Before> {
        let look = self.service.look_outside(worktree);
        look.inspect_err(|error| {
            let name = &worktree.name;
            self.service.say(format!(
                "whether the agent in `{name}` works outside of its worktree will not be known: {error}"
            ));
        })
        .ok()
    }

    /// What a conversation has used before.
    fn used_by(&self, task: &Task, session: Option<&str>) -> Result<Usage> {
        let mut used = Usage::default();
        if session.is_some() {
            let filter = RunFilter { task: Some(task.id.clone()), ..RunFilter::default() };
            for run in self.service.look(|view| Ok(view.runs(&filter)?))? {
                if run.session.as_deref() == session {
                    used += run.usage;
                }
            }
        }
        Ok(used)
    }

    /// Shows what an agent tells, in a line.
    fn tell_event(&self, task: &TaskId, event: &AgentEvent) {
        let line = match event {
            AgentEvent::Message { text } => text.trim().lines().next().unwrap_or_default().to_owned(),
            AgentEvent::ToolCall { tool, summary, .. } => format!("{tool}: {summary}"),
            AgentEvent::PermissionDenied { tool, summary } => format!("refused: {tool}: {summary}"),
            AgentEvent::RateLimited { text, .. } => format!("slowed down: {text}"),
            _ => return,
        };
        let line = clip(&sanitize_line(&line), bounds::LINE_SHOWN);
        if !line.is_empty() {
            self.tell(&Progress::Line { task: task.clone(), line });
        }
    }
}

fn is_mail_moved(error: &Error) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<BoardError>());
    matches!(source, Some(BoardError::MailMoved { .. }))
}

/// Passes a run's lines on, and the wish to stop down.
pub(super) struct Watching<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) task: &'a TaskId,
    /// Whether its lines are fit for people; those of a protocol are not.
    pub(super) shows_lines: bool,
}

impl RunObserver for Watching<'_> {
    fn tick(&mut self) -> Tick {
        match self.shared.stop.map_or((None, 0), |stop| (stop.requested(), stop.count())) {
            (None, _) => Tick::Continue,
            (Some(_), 0 | 1) => Tick::Stop(StopReason::Cancelled),
            (Some(_), _) => Tick::Kill(StopReason::Cancelled),
        }
    }

    fn line(&mut self, line: &str) {
        if self.shows_lines {
            self.shared.tell(&Progress::Line { task: self.task.clone(), line: line.to_owned() });
        }
    }
}
