//! What a caller may do: the one place where it is decided.
//!
//! Whoever belongs to no run, worktree or task may do everything. Everybody else may read the board, and do to what is its own
//! what the right of the tool says; nothing that it names may be another's.

use biplane_coordination::{Error, Hand, Own, Scope, Service};
use biplane_model::{TaskId, WorktreeName, clip, sanitize_line};

/// Whom a tool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Everybody: it reads the board.
    Board,
    /// Whoever belongs to what is named: it reads what is in there.
    Look,
    /// Whoever does the work on what is named.
    Work,
    /// Whoever does the work on what is named, or plans it.
    Plan,
    /// Everybody, under one's own name.
    Speak,
    /// Whoever leads: it belongs to no run.
    Lead,
}

impl Right {
    /// Whether whoever does this to its own work may call such a tool.
    fn is_for(self, hand: Hand) -> bool {
        match self {
            Self::Work => hand == Hand::Works,
            Self::Plan => hand != Hand::Judges,
            Self::Board | Self::Look | Self::Speak | Self::Lead => true,
        }
    }

    /// What a caller that belongs to a run may do with such a tool, in words.
    pub(crate) fn within_a_run(self) -> &'static str {
        match self {
            Self::Board => "everything",
            Self::Look => "what is its own",
            Self::Work => "what is its own, unless it plans or judges work",
            Self::Plan => "what is its own, unless it judges work",
            Self::Speak => "under its own name",
            Self::Lead => "nothing",
        }
    }
}

/// Whether a tool of this right has any use for a caller of `scope`: others are refused whatever their arguments, and not listed.
pub(crate) fn has_use(scope: &Scope, right: Right) -> bool {
    let Scope::Own(own) = scope else { return true };
    let has_something = own.task.is_some() || own.worktree.is_some();
    match right {
        Right::Board | Right::Speak => true,
        Right::Look => has_something,
        Right::Work | Right::Plan => has_something && right.is_for(own.hand),
        Right::Lead => false,
    }
}

/// What a call is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Concern {
    /// The tasks that it names.
    pub(crate) tasks: Vec<TaskId>,
    /// The worktrees that it names.
    pub(crate) worktrees: Vec<WorktreeName>,
    /// What it names for its runs: a run, a task or a worktree.
    pub(crate) runs: Vec<String>,
    /// The arguments it has that are for the lead alone.
    pub(crate) beyond: Vec<&'static str>,
}

/// What a call with these arguments is about.
pub(crate) trait Concerns {
    /// What it names.
    fn concern(&self) -> Concern {
        Concern::default()
    }
}

/// Refuses the call of `tool` when `scope` has no room for it.
pub(crate) fn permit(
    scope: &Scope,
    (tool, right): (&str, Right),
    concern: &Concern,
    service: &Service,
) -> Result<(), Error> {
    let Scope::Own(own) = scope else { return Ok(()) };
    match right {
        Right::Board => return Ok(()),
        Right::Lead => return Err(refused(own, format!("`{tool}` is for whoever leads"))),
        Right::Work | Right::Plan if !right.is_for(own.hand) => {
            let who = if right == Right::Plan { "plans the work or does it" } else { "does the work" };
            return Err(refused(own, format!("`{tool}` is for whoever {who}")));
        }
        Right::Look | Right::Work | Right::Plan | Right::Speak => {}
    }
    if let Some(argument) = concern.beyond.first() {
        return Err(refused(own, format!("the argument `{argument}` of `{tool}` is for whoever leads")));
    }
    if right == Right::Speak {
        return Ok(());
    }
    if concern.tasks.is_empty() && concern.worktrees.is_empty() && concern.runs.is_empty() {
        return Err(refused(own, format!("`{tool}` must name what it is about")));
    }
    if let Some(task) = concern.tasks.iter().find(|task| own.task.as_ref() != Some(task)) {
        return Err(refused(own, format!("task {task} is not the caller's own")));
    }
    if let Some(name) = concern.worktrees.iter().find(|name| own.worktree.as_ref() != Some(name)) {
        return Err(refused(own, format!("worktree `{name}` is not the caller's own")));
    }
    for what in &concern.runs {
        let run = service.find_run(what)?;
        let is_own = match &own.task {
            Some(task) => run.task_id.as_ref() == Some(task),
            None => run.task_id.is_none() && own.worktree.as_ref() == Some(&run.worktree),
        };
        if !is_own {
            let what = clip(&sanitize_line(what), 80);
            return Err(refused(own, format!("`{what}` is no run of the caller's own")));
        }
    }
    Ok(())
}

/// What a caller works on, in words.
pub fn own_words(own: &Own) -> String {
    match (&own.task, &own.worktree) {
        (Some(task), Some(name)) => format!("task {task} in worktree `{name}`"),
        (Some(task), None) => format!("task {task}"),
        (None, Some(name)) => format!("worktree `{name}`"),
        (None, None) => "nothing of its own".to_owned(),
    }
}

fn refused(own: &Own, why: String) -> Error {
    let hint = match (&own.task, &own.worktree) {
        (None, None) => "it may read the board: `task_list`, `worktree_list`, `worktree_events`".to_owned(),
        _ => format!(
            "this caller works on {}, known by {}; it may read the board beyond that",
            own_words(own),
            own.known_by
        ),
    };
    Error::refused(why).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_without_use_are_not_listed() {
        let own = |task: Option<&str>, hand| {
            Scope::Own(Own {
                task: task.and_then(|id| id.parse().ok()),
                worktree: None,
                run: None,
                agent: None,
                epoch: None,
                hand,
                known_by: "run r1".to_owned(),
            })
        };
        let rights = [Right::Board, Right::Look, Right::Work, Right::Plan, Right::Speak, Right::Lead];
        for (scope, useful) in [
            (Scope::Home, [true; 6]),
            (own(Some("1"), Hand::Works), [true, true, true, true, true, false]),
            (own(Some("1"), Hand::Plans), [true, true, false, true, true, false]),
            (own(Some("1"), Hand::Judges), [true, true, false, false, true, false]),
            (own(None, Hand::Works), [true, false, false, false, true, false]),
        ] {
            assert_eq!(rights.map(|right| has_use(&scope, right)), useful, "{scope:?}");
        }
    }
}
