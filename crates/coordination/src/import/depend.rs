//! Dependencies of imported tasks: only on tasks that are there, and never in a circle.

use std::collections::{HashMap, HashSet};

use biplane_model::{Task, TaskId};

use super::notes::Notes;

/// Takes out of each task's dependencies what can't be one, and says so.
pub(super) fn settle(tasks: &mut [Task], notes: &mut Notes) {
    let places: HashMap<TaskId, usize> = tasks.iter().enumerate().map(|(at, t)| (t.id.clone(), at)).collect();
    for task in tasks.iter_mut() {
        let mut seen = HashSet::new();
        let wanted = std::mem::take(&mut task.after);
        for id in wanted {
            if !places.contains_key(&id) {
                notes.problem(
                    format_args!("task {}", task.id),
                    format_args!("it waits for task {id}, which is not there; left out"),
                );
            } else if task.after.len() == Task::MAX_DEPENDENCIES {
                let most = Task::MAX_DEPENDENCIES;
                notes.problem(
                    format_args!("task {}", task.id),
                    format_args!("it waits for more than {most} tasks; the rest is left out"),
                );
                break;
            } else if seen.insert(id.clone()) {
                task.after.push(id);
            }
        }
    }
    let edges: Vec<Vec<usize>> =
        tasks.iter().map(|t| t.after.iter().filter_map(|id| places.get(id).copied()).collect()).collect();
    for (from, to) in closing(&edges) {
        let on = tasks[to].id.clone();
        let task = &mut tasks[from];
        notes.problem(
            format_args!("task {}", task.id),
            format_args!("it waits for task {on}, which waits for it in turn; that dependency is left out"),
        );
        task.after.retain(|id| *id != on);
    }
}

/// The edges that close a circle, in the order in which a walk from the first node on meets them. Without them there is
/// no circle left.
fn closing(edges: &[Vec<usize>]) -> Vec<(usize, usize)> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        OnTheWay,
        Done,
    }
    let mut seen = vec![Seen::Never; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if seen[start] != Seen::Never {
            continue;
        }
        seen[start] = Seen::OnTheWay;
        let mut way = vec![(start, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(&to) = edges[*node].get(*next) else {
                seen[*node] = Seen::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match seen[to] {
                Seen::OnTheWay => found.push((*node, to)),
                Seen::Done => {}
                Seen::Never => {
                    seen[to] = Seen::OnTheWay;
                    way.push((to, 0));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_edges() {
        type Edges<'a> = &'a [&'a [usize]];
        let table: [(Edges<'_>, &[(usize, usize)]); 5] = [
            (&[&[1], &[2], &[]], &[]),
            (&[&[0]], &[(0, 0)]),
            (&[&[1], &[2], &[0]], &[(2, 0)]),
            (&[&[1, 2], &[3], &[3], &[]], &[]),
            (&[&[1], &[0, 2], &[1]], &[(1, 0), (2, 1)]),
        ];
        for (edges, expected) in table {
            let edges: Vec<Vec<usize>> = edges.iter().map(|e| e.to_vec()).collect();
            assert_eq!(closing(&edges), expected, "{edges:?}");
        }
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let edges: Vec<Vec<usize>> = (0..200_000).map(|n| vec![(n + 1) % 200_000]).collect();
        assert_eq!(closing(&edges), [(199_999, 0)]);
    }
}
