//! Numbers: which ids were ever given out, so that none is given out again, and which record of a worktree had which.

use std::collections::BTreeMap;

use biplane_model::{Event, EventKind, TaskId, TaskPrefix, WorktreeId, WorktreeName};

use super::seen::Seen;
use crate::{
    error::Result,
    home::Home,
    service::{ASIDE, LATE, PINS},
};

/// Numbers above this are exact in no JSON reader, and can't have been given out.
const MOST: u64 = 1 << 53;

/// The highest numbers seen, by counter.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    highest: BTreeMap<String, u64>,
    /// The records of worktrees in the order of their creation: the event that begins each, its number and its name.
    worktrees: Vec<(u64, WorktreeId, WorktreeName)>,
}

impl Numbers {
    /// Looks at everything that has a number.
    ///
    /// # Errors
    /// When a directory or git's refs can't be read.
    pub(super) fn of(homes: &[&Home], seen: &Seen) -> Result<Self> {
        let mut numbers = Self::default();
        let views = seen.tasks.iter().map(|t| &t.view.id);
        let said = seen.events.iter().filter_map(|e| e.fact.task.as_ref()).map(|t| &t.id);
        for id in views.chain(&seen.unread).chain(said) {
            numbers.task(id);
        }
        for event in &seen.events {
            numbers.event(event);
        }
        for mail in &seen.mail {
            numbers.saw("mail", mail.id.0);
            numbers.saw("request", mail.request_id.map_or(0, |id| id.0));
        }
        for run in seen.runs.keys() {
            numbers.saw("run", *run);
        }
        for run in seen.tasks.iter().filter_map(|t| t.view.run) {
            numbers.saw("run", run.0);
        }
        for home in homes {
            for dir in [home.worktrees_dir(), home.views_dir()] {
                for name in crate::doctor::names_in(&dir)? {
                    numbers.scratch(&name);
                }
            }
            let Some(repository) = &home.repository else { continue };
            for (name, _) in repository.git().refs_below(PINS)? {
                numbers.prefixed("submission", name.strip_prefix(PINS), 's');
            }
        }
        Ok(numbers)
    }

    fn saw(&mut self, counter: &str, number: u64) {
        if number <= MOST {
            let most = self.highest.entry(counter.to_owned()).or_insert(0);
            *most = number.max(*most);
        }
    }

    fn task(&mut self, id: &TaskId) {
        match id.counter() {
            Some(("", number)) => self.saw("task", number),
            Some((prefix, number)) if prefix.parse::<TaskPrefix>().is_ok() => {
                self.saw(&format!("task:{prefix}"), number);
            }
            _ => {}
        }
    }

    fn event(&mut self, event: &Event) {
        let fact = &event.fact;
        if let Some(run) = &fact.run {
            self.saw("run", run.id.0);
        }
        if let Some(submission) = &fact.submission {
            self.saw("submission", submission.id.0);
        }
        let mail = fact.data.get("mail").and_then(serde_json::Value::as_array);
        for id in mail.into_iter().flatten() {
            self.prefixed("mail", id.as_str(), 'm');
        }
        self.prefixed("request", fact.data.get("request").and_then(serde_json::Value::as_str), 'q');
        let known = self.highest.get("worktree").copied().unwrap_or(0);
        let said = |key: &str| fact.data.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        match (fact.event, &fact.worktree) {
            (EventKind::WorktreeCreateBefore | EventKind::WorktreeAdopt, Some(worktree)) => {
                self.saw("worktree", known + 1);
                self.worktrees.push((event.seq.0, WorktreeId(known + 1), worktree.name.clone()));
            }
            // More than were made is as good: a number may be left out, never given out twice.
            (EventKind::WorktreeRestore, _) => self.saw("worktree", known + 1),
            (EventKind::ImportDone, _) => self.saw("worktree", said("worktrees")),
            (EventKind::LedgerRebuilt, _) => self.saw("worktree", said("worktree_counter")),
            _ => {}
        }
    }

    /// A directory that is named after a number: `.removed-w3`, `.late-w3`, `.gate-s4`.
    fn scratch(&mut self, name: &str) {
        self.prefixed("worktree", name.strip_prefix(ASIDE).or(name.strip_prefix(LATE)), 'w');
        self.prefixed("submission", name.strip_prefix(".gate-"), 's');
    }

    fn prefixed(&mut self, counter: &str, id: Option<&str>, letter: char) {
        if let Some(number) = id.and_then(|id| id.strip_prefix(letter)).and_then(|n| n.parse().ok()) {
            self.saw(counter, number);
        }
    }

    /// The newest record of the worktree `name` that was begun before the event `before`.
    pub(super) fn worktree(&self, name: &WorktreeName, before: u64) -> Option<WorktreeId> {
        let mut known = self.worktrees.iter().rev();
        known.find(|(seq, _, of)| *seq <= before && of == name).map(|(_, id, _)| *id)
    }

    /// A number for a worktree of which no event says one.
    pub(super) fn fresh_worktree(&mut self) -> WorktreeId {
        let next = self.highest.get("worktree").copied().unwrap_or(0) + 1;
        self.saw("worktree", next);
        WorktreeId(next)
    }

    /// The counters as the ledger keeps them.
    pub(super) fn counters(&self) -> Vec<(String, u64)> {
        self.highest.iter().map(|(name, number)| (name.clone(), *number)).collect()
    }
}
