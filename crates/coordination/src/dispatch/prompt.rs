//! The prompt an agent gets.

use std::fmt::Write;

use biplane_model::{Task, Worktree};

/// The most bytes of a prompt that go into one argument; the system takes no more than 128 KiB.
const MOST_IN_ARGUMENT: usize = 100 * 1024;

/// The prompt for an attempt at `task` in `worktree`.
pub(super) fn prompt(task: &Task, worktree: &Worktree, resumed: bool) -> String {
    let mut text = format!("# Task {}: {}\n", task.id, task.subject);
    if !task.description.trim().is_empty() {
        let _ = write!(text, "\n{}\n", task.description.trim());
    }
    if !task.reason.is_empty() {
        let _ = write!(text, "\n## An earlier attempt was sent back\n\n{}\n", task.reason);
    }
    if resumed {
        text.push_str("\nThe worktree holds the work of an earlier attempt; go on from there.\n");
    }
    let _ = write!(
        text,
        "\n## Where and how\n\nWork only in the current directory, a git worktree on branch `{}`. Commit what is to be \
         merged to that branch; do not push, merge or switch branches.\n",
        worktree.branch
    );
    text
}

/// The prompt as it goes into an argument: whole, or pointing to its file when it is too long.
pub(super) fn in_argument(prompt: &str) -> &str {
    if prompt.len() <= MOST_IN_ARGUMENT {
        prompt
    } else {
        "Read the file that BIPLANE_PROMPT_FILE names and do what it says."
    }
}
