//! Bindings: the index says one thing, the tasks another, and often only one of them says anything.
//!
//! What both say holds first, then what the index says, then what a task says.

use std::collections::HashMap;

use biplane_model::{Task, TaskId, Worktree, WorktreeName, WorktreeState, WorktreeStatus};

use super::notes::Notes;

/// Makes one binding of each pair. Before, a worktree's `task` and a task's `worktree` are claims; afterwards they agree.
pub(super) fn settle(tasks: &mut [Task], worktrees: &mut [Worktree], notes: &mut Notes) {
    let claims: HashMap<TaskId, Option<WorktreeName>> =
        tasks.iter_mut().map(|t| (t.id.clone(), t.worktree.take())).collect();
    let mut bindings = Bindings::default();
    let mut said: Vec<(usize, TaskId)> = Vec::new();
    for (at, worktree) in worktrees.iter_mut().enumerate() {
        let Some(id) = worktree.task.take().filter(|_| worktree.status.is_live()) else { continue };
        if claims.contains_key(&id) {
            said.push((at, id));
        } else {
            notes.problem(
                place(worktree),
                format_args!("it is bound to task {id}, which is not there; unbound"),
            );
        }
    }
    let agrees = |at: usize, id: &TaskId| claims[id].as_ref() == Some(&worktrees[at].name);
    let (agreed, alone): (Vec<_>, Vec<_>) = said.into_iter().partition(|(at, id)| agrees(*at, id));
    for (at, id) in agreed.into_iter().chain(alone) {
        bindings.by_index(at, id, &claims, worktrees, notes);
    }
    // The open tasks first: of two that name one worktree, work goes on for the one that is open.
    let mut order: Vec<usize> = (0..tasks.len()).filter(|at| claims[&tasks[*at].id].is_some()).collect();
    order.sort_by_key(|at| tasks[*at].status.is_closed());
    for at in order {
        bindings.by_task(&mut tasks[at], &claims, worktrees, notes);
    }
    for task in tasks {
        match bindings.of_task.get(&task.id).map(|at| &mut worktrees[*at]) {
            Some(worktree) => tie(task, worktree),
            None if task.last_worktree.is_none() => task.worktree_state = WorktreeState::Unbound,
            None => {}
        }
    }
}

#[derive(Default)]
struct Bindings {
    of_task: HashMap<TaskId, usize>,
    of_worktree: HashMap<usize, TaskId>,
}

impl Bindings {
    fn add(&mut self, at: usize, id: TaskId) {
        self.of_task.insert(id.clone(), at);
        self.of_worktree.insert(at, id);
    }

    /// A binding that the index has.
    fn by_index(
        &mut self,
        at: usize,
        id: TaskId,
        claims: &HashMap<TaskId, Option<WorktreeName>>,
        worktrees: &[Worktree],
        notes: &mut Notes,
    ) {
        let worktree = &worktrees[at];
        if let Some(other) = self.of_task.get(&id) {
            let other = &worktrees[*other].name;
            let what = format!("it is bound to task {id}, which is bound to worktree `{other}`; unbound");
            return notes.problem(place(worktree), what);
        }
        if let Some(claimed) = claims[&id].as_ref().filter(|name| **name != worktree.name) {
            let what = format!(
                "it names worktree `{claimed}`, the index binds it to `{}`, which holds",
                worktree.name
            );
            notes.problem(format_args!("task {id}"), what);
        }
        self.add(at, id);
    }

    /// A binding that only a task has, unless it is settled otherwise.
    fn by_task(
        &mut self,
        task: &mut Task,
        claims: &HashMap<TaskId, Option<WorktreeName>>,
        worktrees: &[Worktree],
        notes: &mut Notes,
    ) {
        let Some(name) = claims[&task.id].as_ref().filter(|_| !self.of_task.contains_key(&task.id)) else {
            return;
        };
        let live = worktrees.iter().position(|w| w.name == *name && w.status.is_live());
        match live {
            Some(at) => match self.of_worktree.get(&at) {
                Some(other) => {
                    let what = format!("it names worktree `{name}`, which is bound to task {other}; unbound");
                    notes.problem(format_args!("task {}", task.id), what);
                }
                None => return self.add(at, task.id.clone()),
            },
            None => {
                if !worktrees.iter().any(|w| w.name == *name) {
                    let what = format!("it names worktree `{name}`, which is not there; unbound");
                    notes.problem(format_args!("task {}", task.id), what);
                }
                task.worktree_state = WorktreeState::Removed;
            }
        }
        task.last_worktree = Some(name.clone());
    }
}

fn tie(task: &mut Task, worktree: &mut Worktree) {
    worktree.task = Some(task.id.clone());
    task.worktree = Some(worktree.name.clone());
    task.last_worktree = Some(worktree.name.clone());
    task.worktree_state = match worktree.status {
        WorktreeStatus::Kept => WorktreeState::Kept,
        _ => WorktreeState::Active,
    };
}

fn place(worktree: &Worktree) -> String {
    format!("worktree `{}`", worktree.name)
}
