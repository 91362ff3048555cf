//! Plans: submitted by agents, approved or rejected by the lead or a person.

use biplane_control::{
    BoardError, RequestFilter, View,
    board::{self, NewPlan},
};
use biplane_model::{
    AgentName, Answer, Request, RequestId, RequestKind, TaskId, TaskStatus, view::RequestView,
};

use super::{Service, board::task, team::lead};
use crate::{
    bounds,
    error::{Error, Result},
    variables,
};

/// A plan that is to be submitted.
#[derive(Debug, Clone)]
pub struct PlanText {
    /// The task it is for.
    pub task: TaskId,
    /// Who made it; whoever calls when absent.
    pub from: Option<AgentName>,
    /// The plan.
    pub text: String,
}

/// Which plans to list.
#[derive(Debug, Clone, Default)]
pub struct PlanQuery {
    /// Only for this task.
    pub task: Option<TaskId>,
    /// Also those that were decided or that nothing waits for any more.
    pub all: bool,
    /// The newest so many; 50 when absent.
    pub limit: Option<usize>,
}

/// A plan in a list.
#[derive(Debug, Clone)]
pub struct ListedPlan {
    /// The request.
    pub request: RequestView,
    /// Whether its task waits for it.
    pub is_awaited: bool,
}

impl Service {
    /// Submits a plan for a task to the lead; one that waited for the same task is withdrawn. The task stays as it is: in a run
    /// of `up` that is only to plan, it is set aside when the run ends.
    ///
    /// # Errors
    /// When there is no such task or it is closed, the caller's claim was replaced, or the text is out of bounds.
    pub fn plan_submit(&self, plan: &PlanText) -> Result<RequestView> {
        let from = self.speaker(plan.from.as_ref())?;
        let run = self.variable(variables::RUN_ID).and_then(|run| run.parse().ok());
        let new = NewPlan { task: plan.task.clone(), from, to: lead(), text: plan.text.clone(), run };
        let (guard, roster) = (self.guard_for(&plan.task, None)?, self.roster());
        self.change(|view, now| {
            if let Some(own) = self.own_task()
                && own != new.task
            {
                return Err(Error::refused(format!(
                    "the plan is for task {}, and the work here is on task {own}",
                    new.task
                )));
            }
            let (changes, request) = board::submit_plan(view, &roster, &new, guard, now)?;
            Ok((changes, RequestView::from(&request)))
        })
    }

    /// Approves a plan, or rejects it with feedback; its task is pending again then, and the answer is in its next prompt. Only
    /// the lead does, or who is in no agent's run.
    ///
    /// # Errors
    /// Not found when there is no such plan; refused when the caller is not the one to decide or it was decided before; a
    /// conflict when its task does not wait for it any more, which withdraws it; usage for a rejection without feedback.
    pub fn plan_decide(&self, id: RequestId, answer: Answer, feedback: &str) -> Result<RequestView> {
        let (by, roster) = (self.speaker(None)?, self.roster());
        let decided = self.change(|view, now| {
            let (changes, request) = board::decide_plan(view, &roster, id, &by, (answer, feedback), now)?;
            Ok((changes, RequestView::from(&request)))
        });
        let unwanted = matches!(&decided, Err(error) if is_unwanted(error));
        if unwanted {
            self.change(|view, now| Ok((board::withdraw_plan(view, &roster, id, now)?, ())))?;
        }
        decided.map_err(|error| if unwanted { error.hint("the plan is withdrawn") } else { error })
    }

    /// The plans, the newest last.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub fn plan_list(&self, query: &PlanQuery) -> Result<Vec<ListedPlan>> {
        let filter = RequestFilter {
            kind: Some(RequestKind::Plan),
            live: !query.all,
            task: query.task.clone(),
            ..RequestFilter::default()
        };
        let limit = query.limit.unwrap_or(bounds::MAIL_SHOWN);
        self.look(|view| {
            let mut listed = Vec::new();
            for request in view.requests(&filter)?.iter().rev() {
                let is_awaited = is_awaited(view, request)?;
                if (query.all || is_awaited) && listed.len() < limit {
                    listed.push(ListedPlan { request: request.into(), is_awaited });
                }
            }
            listed.reverse();
            Ok(listed)
        })
    }

    /// One plan, and whether its task waits for it.
    ///
    /// # Errors
    /// When there is no such plan.
    pub fn plan_show(&self, id: RequestId) -> Result<ListedPlan> {
        self.look(|view| {
            let request = view.request(id)?.filter(|request| request.kind() == RequestKind::Plan);
            let request = request.ok_or(BoardError::NoRequest(id))?;
            Ok(ListedPlan { request: (&request).into(), is_awaited: is_awaited(view, &request)? })
        })
    }
}

/// Whether a plan waits for an answer, and its task for the plan.
fn is_awaited(view: &dyn View, request: &Request) -> Result<bool> {
    let Some(id) = request.task.as_ref().filter(|_| request.status.is_open()) else { return Ok(false) };
    let task = task(view, id)?;
    Ok(match task.status {
        TaskStatus::Blocked => task.epoch == request.epoch + 1,
        TaskStatus::InProgress => task.epoch == request.epoch,
        _ => false,
    })
}

fn is_unwanted(error: &Error) -> bool {
    let source = error.source.as_ref().and_then(|source| source.downcast_ref::<BoardError>());
    matches!(source, Some(BoardError::PlanUnwanted { .. }))
}
