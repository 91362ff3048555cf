//! `.team/config.json`: who is of the team, and what each does.

use std::collections::HashMap;

use biplane_control::{LedgerError, RequestFilter, RunFilter, TaskFilter, View};
use biplane_model::{
    AgentName, MemberState, RequestKind, RunKind, TaskId, TaskStatus,
    view::{MemberView, TeamConfig},
};

use super::{
    Repaired, Scope,
    stamp::{carries, fnv1a, stamp},
};
use crate::{error::Result, files, home::Home};

/// The file, relative to the home's root.
pub(super) const FILE: &str = ".team/config.json";

/// What the file should hold.
pub(super) struct Wanted {
    json: Vec<u8>,
    hash: u64,
    at: i64,
    damaged: bool,
}

/// The file as it should be, when it is not. A board without mail has none.
pub(super) fn stale(home: &Home, view: &dyn View, scope: Scope<'_>) -> Result<Option<Wanted>> {
    let members = view.members()?;
    if members.is_empty() {
        return Ok(None);
    }
    let at = members.iter().map(|m| m.updated_at.0).max().unwrap_or(0);
    let config = TeamConfig { team_name: "default".to_owned(), members: members_of(view)? };
    let mut json = serde_json::to_vec_pretty(&config).expect("a view is plain data");
    json.push(b'\n');
    let hash = fnv1a(json.iter().copied());
    let path = home.root.join(FILE);
    let damaged = match carries(&path, FILE, hash) {
        // What is true again may have been written in between, by a process that was killed before it was in its place.
        Some(true) if matches!(scope, Scope::All) && files::is_half_written(&path) => false,
        Some(true) => return Ok(None),
        // One of ours carries the checksum of its own text, whatever its age.
        Some(false) => {
            let text = std::fs::read(&path).unwrap_or_default();
            carries(&path, FILE, fnv1a(text.into_iter())) != Some(true)
        }
        None => false,
    };
    Ok(Some(Wanted { json, hash, at, damaged }))
}

pub(super) fn write(home: &Home, wanted: &Option<Wanted>, repaired: &mut Repaired) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    if wanted.damaged {
        repaired.files.push(FILE.into());
    }
    files::replace_stamped(&home.root.join(FILE), &wanted.json, stamp(FILE, wanted.hash, wanted.at))
}

/// The members, in the order in which they joined, and what each does.
///
/// # Errors
/// When the ledger can't be read.
pub(crate) fn members_of(view: &dyn View) -> std::result::Result<Vec<MemberView>, LedgerError> {
    let mut tasks: HashMap<AgentName, Vec<TaskId>> = HashMap::new();
    let filter = TaskFilter { status: Some(TaskStatus::InProgress), ..TaskFilter::default() };
    for task in view.tasks(&filter)? {
        if let Some(owner) = task.owner {
            tasks.entry(owner).or_default().push(task.id);
        }
    }
    // Who verifies or reviews owns no task.
    let open = RunFilter { open: true, ..RunFilter::default() };
    let running: Vec<AgentName> = view
        .runs(&open)?
        .into_iter()
        .filter(|run| run.kind == RunKind::Agent)
        .filter_map(|run| run.agent)
        .collect();
    let filter = RequestFilter { kind: Some(RequestKind::Shutdown), live: true, ..RequestFilter::default() };
    let shutdowns = view.requests(&filter)?;
    let member = |member: biplane_model::Member| {
        let tasks = tasks.remove(&member.name).unwrap_or_default();
        let is_working = !tasks.is_empty() || running.contains(&member.name);
        let shutdown = shutdowns.iter().find(|request| request.to == member.name).map(|request| request.id);
        let status = match (shutdown, is_working) {
            (Some(_), true) => MemberState::ShuttingDown,
            (Some(_), false) => MemberState::Shutdown,
            (None, true) => MemberState::Working,
            (None, false) => MemberState::Idle,
        };
        let (unread, rev) = (member.waiting, member.rev);
        MemberView { name: member.name, role: member.role, status, tasks, unread, shutdown, rev }
    };
    Ok(view.members()?.into_iter().map(member).collect())
}
