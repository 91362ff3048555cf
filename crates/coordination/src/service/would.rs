//! What a removal would do, for `--dry-run`: asked of the same looks that the removal itself goes by.

use std::time::{Duration, Instant};

use biplane_execution::{
    supervise::{self, Inside},
    worktrees::{self, Place, Standing},
};
use biplane_model::{TaskId, Worktree};
use camino::Utf8Path;

use super::{
    Service,
    remove::{Closing, Processes, Removal, RemoveRequest},
    removing::resident_words,
};
use crate::{bounds, error::Result};

/// What a removal would do.
#[derive(Debug, Clone)]
pub struct RemovalPlan {
    /// What a snapshot would hold: uncommitted paths, ignored paths, unlanded commits. None when none would be taken.
    pub snapshot: Option<(u64, u64, u64)>,
    /// Ignored paths that no snapshot holds, because something makes them again.
    pub left_out: Vec<String>,
    /// The size of the directory in bytes, and whether that is all of it: the count ends after a moment.
    pub bytes: (u64, bool),
    /// The branch, and why it would stay; none when it would be deleted.
    pub branch: (String, Option<String>),
    /// The processes in the worktree: number, command line, and what they do there.
    pub processes: Vec<(u32, String, String)>,
    /// Why not all processes could be looked at; empty when they could.
    pub unseen: String,
    /// The worktree's task, and whether it would be completed.
    pub task: Option<(TaskId, bool)>,
}

impl Service {
    pub(super) fn would_remove(
        &self,
        request: &RemoveRequest,
        worktree: &Worktree,
        place: &Place,
        (standing, inside): (&Standing, &Inside),
    ) -> Result<Removal> {
        let left_out = worktrees::left_out(&standing.state.ignored, &self.snapshot_rules());
        let ignored = (standing.state.ignored.len() - left_out.len()) as u64;
        let dirty = standing.state.dirty_files();
        let commits: u64 = standing.unlanded.iter().map(|u| u.commits).sum();
        let is_taken =
            dirty > 0 || ignored > 0 || !standing.in_history() && !self.is_kept(worktree, standing)?;
        let is_elsewhere = standing.state.branch.as_ref() != Some(&worktree.branch)
            && self.home().git()?.is_checked_out(&worktree.branch);
        let all = || inside.others.iter().chain(&inside.above);
        let plan = RemovalPlan {
            snapshot: is_taken.then_some((dirty, ignored, commits)),
            left_out,
            bytes: size_of(&place.path),
            branch: (worktree.branch.clone(), is_elsewhere.then(|| "it is checked out elsewhere".to_owned())),
            processes: all().map(|r| (r.pid, r.command.clone(), resident_words(r))).collect(),
            unseen: unseen(inside),
            task: worktree.task.clone().map(|id| (id, request.closing == Closing::CompleteTask)),
        };
        let would = sentences(&plan, worktree, request.processes, inside);
        let worktree = self.worktree_view(worktree.id)?;
        let plan = Some(plan);
        Ok(Removal { worktree, snapshot: None, branch_left: None, unblocked: Vec::new(), would, plan })
    }

    fn is_kept(&self, worktree: &Worktree, standing: &Standing) -> Result<bool> {
        standing.state.head.as_ref().map_or(Ok(true), |head| self.is_held(worktree, head))
    }
}

fn sentences(plan: &RemovalPlan, worktree: &Worktree, processes: Processes, inside: &Inside) -> Vec<String> {
    let mut would = Vec::new();
    for (pid, _, words) in &plan.processes {
        let is_above = inside.above.iter().any(|r| r.pid == *pid);
        would.push(match processes {
            _ if is_above => format!("leave alone what started this command: {words}"),
            Processes::End => format!("end {words}"),
            Processes::Refuse => format!("be refused: {words}"),
        });
    }
    if !plan.unseen.is_empty() {
        would.push(format!("not know of every process: {}", plan.unseen));
    }
    if let Some((dirty, ignored, commits)) = plan.snapshot {
        would.push(format!(
            "take a snapshot of {dirty} uncommitted and {ignored} ignored paths and {commits} unlanded commits"
        ));
    }
    if !plan.left_out.is_empty() {
        let mut names: Vec<String> =
            plan.left_out.iter().take(bounds::PATHS_NAMED).map(|p| format!("`{}`", shown(p))).collect();
        if let more @ 1.. = plan.left_out.len() - names.len() {
            names.push(format!("{more} more"));
        }
        would.push(format!("keep nothing of what is made again: {}", names.join(", ")));
    }
    let (bytes, is_all) = plan.bytes;
    let size = if is_all { size_words(bytes) } else { format!("more than {}", size_words(bytes)) };
    would.push(format!("delete `{}` ({size})", worktree.path));
    would.push(match &plan.branch {
        (branch, None) => format!("delete the branch `{branch}`"),
        (branch, Some(why)) => format!("leave the branch `{branch}`: {why}"),
    });
    match &plan.task {
        Some((id, true)) => would.push(format!("complete task {id}")),
        Some((id, false)) => would.push(format!("leave task {id} without a worktree")),
        None => {}
    }
    would
}

fn shown(path: &str) -> String {
    biplane_model::clip(&biplane_model::sanitize_line(path), 100)
}

/// What could not be looked at, in words.
fn unseen(inside: &Inside) -> String {
    if inside.blind {
        return "this system does not tell".to_owned();
    }
    let mut parts = Vec::new();
    if let count @ 1.. = inside.unknown.len() {
        parts.push(format!("{count} of yours could not be looked at"));
    }
    if inside.foreign > 0 {
        parts.push(format!("{} of other users could not be looked at", inside.foreign));
    }
    parts.join(", ")
}

fn size_words(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// The size of what lies in a directory, and whether that is all of it. Links and mounts are not followed.
fn size_of(top: &Utf8Path) -> (u64, bool) {
    let until = Instant::now() + SIZE_TIME;
    let (mut bytes, mut open) = (0, vec![top.as_std_path().to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            // Git's own link file is no content.
            if dir == top.as_std_path() && entry.file_name() == ".git" {
                continue;
            }
            if meta.is_dir() {
                open.push(entry.path());
            } else {
                bytes += meta.len();
            }
            if Instant::now() >= until {
                return (bytes, false);
            }
        }
    }
    (bytes, true)
}

/// How long the size of a directory is counted.
const SIZE_TIME: Duration = Duration::from_millis(500);

/// Who is in a worktree, with what could not be looked at told.
pub(super) fn look_inside(service: &Service, place: &Place) -> Inside {
    let inside = supervise::inside(&place.path);
    if inside.blind {
        service.say("whether processes are at work in it can't be told on this system");
    } else if !inside.unknown.is_empty() {
        let count = inside.unknown.len();
        service.say(format!("{count} of your processes could not be looked at; they may be at work in it"));
    }
    inside
}
