//! What an import has to say beside its result.

use std::fmt::Display;

use biplane_model::{clip, sanitize_line};

use super::Generation;
use crate::bounds;

/// Collects what was found. What it is told may be hostile; what it gives is safe to show, and bounded.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    problems: Vec<String>,
    more: usize,
    /// The newest generation whose marks were seen.
    pub(super) generation: Generation,
}

impl Notes {
    /// Something at `place` (a file, a line, a task) that a person should know of.
    pub(crate) fn problem(&mut self, place: impl Display, what: impl Display) {
        if self.problems.len() < bounds::IMPORT_PROBLEMS {
            self.problems.push(clip(&sanitize_line(&format!("{place}: {what}")), 400));
        } else {
            self.more += 1;
        }
    }

    /// The board has a mark of `generation`.
    pub(super) fn mark(&mut self, generation: Generation) {
        self.generation = self.generation.max(generation);
    }

    /// How many problems there are.
    pub(crate) fn count(&self) -> usize {
        self.problems.len() + self.more
    }

    /// The problems; a last line counts those that have no line of their own.
    pub(crate) fn into_problems(mut self) -> Vec<String> {
        if self.more > 0 {
            self.problems.push(format!("and {} more", self.more));
        }
        self.problems
    }
}
